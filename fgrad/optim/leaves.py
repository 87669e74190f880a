"""Arithmetic of an optimizer on one leaf, which keeps the dtypes of parameters and states."""

from __future__ import annotations

import numpy as np

import fgrad.numpy as fnp
from fgrad.core import Array

__all__ = ["cast", "in_precision", "scaled", "square", "zeros"]


def zeros(x: Array) -> Array:
    """Zeros like a leaf; for a scalar a scalar, which is also what an update makes of it."""
    out = np.zeros(fnp.shape(x), fnp.result_type(x))
    return out if out.ndim else out[()]


def cast(x: Array, like: Array) -> Array:
    """A leaf in the dtype of another one."""
    dtype = fnp.result_type(like)
    return x if fnp.result_type(x) == dtype else fnp.astype(x, dtype)


def scaled(factor: Array, x: Array) -> Array:
    """A leaf times a real number, which may be of a wider dtype but does not promote the leaf."""
    return in_precision(factor, x) * x


def in_precision(value: Array, x: Array) -> Array:
    """A real number that can meet a leaf without promoting it."""
    dtype = fnp.result_type(x)
    if fnp.result_type(value, x) == dtype:
        return value
    return fnp.astype(value, np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype)


def square(x: Array) -> Array:
    """|x|², real."""
    return fnp.square(fnp.real(x)) + fnp.square(fnp.imag(x)) if fnp.iscomplexobj(x) else fnp.square(x)
