"""Affine maps, and tables of vectors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import fgrad.numpy as fnp
from fgrad.core import Array
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.nn.initializers import Initializer, lecun_normal, normal, zeros
from fgrad.nn.operands import floating, positive

__all__ = ["DenseParams", "EmbeddingParams", "dense", "embedding", "init_dense", "init_embedding"]


class DenseParams(NamedTuple):
    """`weight` of shape (inputs, outputs), and `bias` of shape (outputs,), or `None`."""

    weight: Array
    bias: Array | None


class EmbeddingParams(NamedTuple):
    """`table` of shape (entries, features)."""

    table: Array


@public
def init_dense(
    key: Any,
    inputs: int,
    outputs: int,
    *,
    bias: bool = True,
    weight_init: Initializer | None = None,
    bias_init: Initializer = zeros,
    dtype: Any = float,
) -> DenseParams:
    """The parameters of `dense`.

    Args:
        key: a key.
        inputs: length of the last axis of what goes in.
        outputs: length of the last axis of what comes out.
        bias: whether there is one.
        weight_init: `lecun_normal()` by default.
        bias_init: of shape (outputs,).
        dtype: of the parameters.

    Raises:
        ArgumentError: a size is not a positive integer.

    >>> import fgrad
    >>> init_dense(fgrad.random.key(0), 3, 4).weight.shape
    (3, 4)
    """
    positive("init_dense", inputs=inputs, outputs=outputs)
    weight_init = weight_init or lecun_normal()
    return DenseParams(weight_init(key, (inputs, outputs), dtype), bias_init(key, (outputs,), dtype) if bias else None)


@public
def dense(params: DenseParams, x: Any) -> Array:
    """`dense(params, x)`: x·weight + bias, along the last axis.

    Args:
        params: a `DenseParams`, or any pair of weight and bias.
        x: shape (…, inputs).

    Returns:
        Shape (…, outputs).

    Raises:
        ShapeError: x has another number of inputs.

    >>> import numpy as np
    >>> dense(DenseParams(np.ones((2, 3)), np.zeros(3)), [1.0, 2.0])
    array([3., 3., 3.])
    """
    weight, bias = params
    x = floating("dense", "x", x, real=False)
    if not fnp.ndim(x) or fnp.shape(x)[-1] != fnp.shape(weight)[0]:
        what = (
            f"dense: `x` must have shape (…, {fnp.shape(weight)[0]}), for a weight of shape {fnp.shape(weight)}; got "
        )
        raise ShapeError(message(f"{what}{fnp.shape(x)}."))
    out = fnp.matmul(x, weight)
    return out if bias is None else out + bias


@public
def init_embedding(
    key: Any, entries: int, features: int, *, table_init: Initializer | None = None, dtype: Any = float
) -> EmbeddingParams:
    """The parameters of `embedding`.

    Args:
        key: a key.
        entries: how many vectors there are.
        features: their length.
        table_init: normal numbers with deviation 1 by default.
        dtype: of the table.

    Raises:
        ArgumentError: a size is not a positive integer.

    >>> import fgrad
    >>> init_embedding(fgrad.random.key(0), 10, 4).table.shape
    (10, 4)
    """
    positive("init_embedding", entries=entries, features=features)
    return EmbeddingParams((table_init or normal(1.0))(key, (entries, features), dtype))


@public
def embedding(params: EmbeddingParams, ids: Any) -> Array:
    """`embedding(params, ids)`: the rows of the table, one for each integer.

    Args:
        params: an `EmbeddingParams`.
        ids: integers of any shape.

    Returns:
        Shape (*shape of ids, features).

    Raises:
        ArgumentError: the ids are not integers.
        IndexError: an id is not in the table.

    >>> import numpy as np
    >>> embedding(EmbeddingParams(np.eye(3)), [2, 0])
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    ids = fnp.asarray(ids)
    if not np.issubdtype(ids.dtype, np.integer):
        raise ArgumentError(message(f"embedding: `ids` must be integers, got dtype {ids.dtype}."))
    return fnp.take(params.table, ids, axis=0)
