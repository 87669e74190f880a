"""Arithmetic of an optimizer on one leaf, which keeps the dtypes of parameters and states."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import fgrad.numpy as fnp
from fgrad.core import Array

__all__ = [
    "cast",
    "filled",
    "in_precision",
    "length",
    "mixed",
    "real_zeros",
    "root_mean_square",
    "scaled",
    "square",
    "zeros",
]


def zeros(x: Array) -> Array:
    """Zeros like a leaf; for a scalar a scalar, which is also what an update makes of it."""
    return _full(x, 0, fnp.result_type(x))


def real_zeros(x: Array) -> Array:
    """Zeros like the absolute value of a leaf."""
    return zeros(fnp.real(x))


def filled(value: float) -> Callable[[Array], Array]:
    """Makes a leaf like the absolute value of another one, with the same number everywhere."""
    return lambda x: _full(x, value, fnp.result_type(fnp.real(x)))


def _full(x: Array, value: float, dtype: np.dtype) -> Array:
    out = np.full(fnp.shape(x), value, dtype)
    return out if out.ndim else out[()]


def cast(x: Array, like: Array) -> Array:
    """A leaf in the dtype of another one."""
    dtype = fnp.result_type(like)
    return x if fnp.result_type(x) == dtype else fnp.astype(x, dtype)


def scaled(factor: Array, x: Array) -> Array:
    """A leaf times a real number, which may be of a wider dtype but does not promote the leaf."""
    return in_precision(factor, x) * x


def mixed(decay: Array, mean: Array, x: Array) -> Array:
    """One step of an exponentially decaying mean, in the dtype of the mean."""
    return cast(scaled(decay, mean) + scaled(1 - decay, x), mean)


def in_precision(value: Array, x: Array) -> Array:
    """A real number that can meet a leaf without promoting it."""
    dtype = fnp.result_type(x)
    if fnp.result_type(value, x) == dtype:
        return value
    return fnp.astype(value, np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype)


def square(x: Array) -> Array:
    """|x|², real."""
    return fnp.square(fnp.real(x)) + fnp.square(fnp.imag(x)) if fnp.iscomplexobj(x) else fnp.square(x)


def length(*leaves: Array) -> Array:
    """The length of leaves as one vector; its derivative at 0 is 0."""
    return _root(sum([fnp.sum(square(x)) for x in leaves], 0.0))


def root_mean_square(x: Array) -> Array:
    """The root of the mean of |x|², 0 for an empty leaf; its derivative at 0 is 0."""
    return _root(fnp.mean(square(x))) if fnp.size(x) else fnp.result_type(fnp.real(x)).type(0)


def _root(total: Array) -> Array:
    zero = total == 0
    return fnp.where(zero, 0.0, fnp.sqrt(fnp.where(zero, 1.0, total)))
