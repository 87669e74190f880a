"""Pytrees as vectors, with JAX's name: what optimizers and solvers that know only vectors are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad import tree
from fgrad.core.aval import Array
from fgrad.errors import ShapeError, message

__all__ = ["ravel_pytree"]


def ravel_pytree(pytree: Any) -> tuple[Array, Callable[[Array], Any]]:
    """All the numbers of a pytree in one vector, and how to make such a pytree of such a vector.

    Args:
        pytree: a pytree of arrays and numbers; they may be traced.

    Returns:
        The vector, of the dtype that the leaves promote to, in the order of the leaves; and a function
        `unravel`, from a vector of that length to a pytree of the structure and shapes given. Where the leaves
        have several dtypes, `unravel` gives each its own; where they have one, it keeps that of the vector.

    Raises:
        ShapeError: `unravel` was given an array of another shape, or, for leaves of several dtypes, of another dtype.

    >>> flat, unravel = ravel_pytree({"w": np.eye(2), "b": 3.0})
    >>> flat
    array([3., 1., 0., 0., 1.])
    >>> unravel(2 * flat)["w"]
    array([[2., 0.],
           [0., 2.]])
    """
    leaves, structure = tree.flatten(pytree)
    shapes = [fnp.shape(x) for x in leaves]
    dtypes = [np.dtype(fnp.result_type(x)) for x in leaves]
    dtype = np.result_type(*dtypes) if dtypes else np.dtype(float)
    ends = np.cumsum([fnp.size(x) for x in leaves], dtype=int).tolist()
    length = ends[-1] if ends else 0
    mixed = len(set(dtypes)) > 1

    def unravel(flat: Array) -> Any:
        if fnp.shape(flat) != (length,):
            raise ShapeError(message(f"unravel takes a vector of {length} numbers, got {_typed(flat)}."))
        if mixed and fnp.result_type(flat) != dtype:
            cure = "The leaves have several dtypes, and each gets its own back: convert the vector with astype."
            raise ShapeError(message(f"unravel takes {dtype}[{length}], got {_typed(flat)}.", cure=cure))
        parts = []
        for start, end, shape, kind in zip([0, *ends], ends, shapes, dtypes, strict=False):
            part = fnp.reshape(flat[start:end], shape)
            if mixed and kind.kind != "c":
                part = fnp.real(part)
            part = fnp.astype(part, kind if mixed else fnp.result_type(flat))
            parts.append(part if shape else part[()])
        return structure.unflatten(parts)

    vectors = [fnp.astype(fnp.ravel(x), dtype, copy=False) for x in leaves]
    return fnp.concatenate(vectors) if vectors else np.zeros(0), unravel


def _typed(x: Array) -> str:
    return f"{fnp.result_type(x)}{list(fnp.shape(x))}"
