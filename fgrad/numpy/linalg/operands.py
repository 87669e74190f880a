"""Arguments of linear algebra as its primitives take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.errors import MatrixError, ShapeError, message
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.dispatch import as_operand
from fgrad.primitives.families import shape_of
from fgrad.primitives.shape import broadcast_to

__all__ = ["broadcast_rows", "inexact", "lower_of", "same_dtype", "symmetrized"]


def inexact(a: Any) -> Array:
    """An argument in floating point: integers and truth values become 64-bit numbers, as in NumPy."""
    x = as_operand(a)
    dtype = aval_of(x).dtype
    return as_dtype(x, dtype if dtype.kind in "fc" else np.dtype(np.float64))


def same_dtype(a: Any, b: Any) -> tuple[Array, Array]:
    """Two arguments in the floating-point dtype that they have in common."""
    x, y = inexact(a), inexact(b)
    if np.float16 in (aval_of(x).dtype, aval_of(y).dtype):
        raise ShapeError(message("linear algebra does not know float16.", cure="Convert it: x.astype(numpy.float32)."))
    dtype = np.result_type(aval_of(x).dtype, aval_of(y).dtype)
    return as_dtype(x, dtype), as_dtype(y, dtype)


def broadcast_rows(name: str, x: Array, y: Array) -> tuple[Array, Array]:
    """Two stacks of matrices with the same leading axes.

    Raises:
        MatrixError: one has fewer than two axes.
        ValueError: the leading axes do not broadcast together.
    """
    for z in (x, y):
        if len(shape_of(z)) < 2:
            raise MatrixError(message(f"{name} takes matrices, in the last two axes; one argument is {aval_of(z)}."))
    rows = np.broadcast_shapes(shape_of(x)[:-2], shape_of(y)[:-2])
    return tuple(z if shape_of(z)[:-2] == rows else broadcast_to(z, shape=(*rows, *shape_of(z)[-2:])) for z in (x, y))


def lower_of(UPLO: str) -> bool:
    """Whether the lower triangle is the one that is read.

    Raises:
        ValueError: it is neither "L" nor "U".
    """
    if UPLO.upper() not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    return UPLO.upper() == "L"


def symmetrized(a: Any) -> Array:
    """The Hermitian part of matrices."""
    x = inexact(a) if not isinstance(a, np.ndarray) else np.asarray(a)
    turned = x.mT
    return 0.5 * (x + (turned.conj() if x.dtype.kind == "c" else turned))
