"""Arrays written down as indices, and updates that give a new array. Given only concrete arrays `r_` and `c_` are
NumPy's own."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.core.aval import Array
from fgrad.errors import ArgumentError, message
from fgrad.numpy.dispatch import is_traced
from fgrad.numpy.indexing import flatnonzero, tril, triu
from fgrad.numpy.joining import column_stack, concatenate
from fgrad.numpy.manipulation import atleast_1d, ravel, reshape
from fgrad.numpy.parts import operand, taken
from fgrad.numpy.updates import at
from fgrad.primitives.families import shape_of

__all__ = ["c_", "mask_indices", "place", "put", "r_"]


class _Joined:
    """What `r_` and `c_` are: `r_[x, 0, 1:4]` joins arrays, numbers and ranges."""

    def __init__(self, name: str, numpys: Any, join: Any) -> None:
        self.name = name
        self.numpys = numpys
        self.join = join

    def __repr__(self) -> str:
        return f"fgrad.numpy.{self.name}"

    def __getitem__(self, key: Any) -> Array:
        items = key if isinstance(key, tuple) else (key,)
        if not is_traced(*items):
            return self.numpys[key]
        if any(isinstance(item, str) for item in items):
            what = f"{self.name} takes no directive such as {items[0]!r} when an item is traced."
            raise ArgumentError(message(what, cure="Use fgrad.numpy.concatenate or fgrad.numpy.stack."))
        return self.join([np.r_[i] if isinstance(i, slice) else atleast_1d(operand(i)) for i in items])


r_ = _Joined("r_", np.r_, concatenate)
c_ = _Joined("c_", np.c_, column_stack)


def mask_indices(n: Any, mask_func: Any, k: Any = 0) -> Any:
    """`mask_indices(n, mask_func)`: where a function such as `triu` leaves the elements of an n×n array.

    >>> mask_indices(2, np.triu)
    (array([0, 0, 1]), array([0, 1, 1]))
    """
    return np.mask_indices(n, {triu: np.triu, tril: np.tril}.get(mask_func, mask_func), k)


def put(a: Any, ind: Any, v: Any, mode: Any = None, *, inplace: bool = False) -> Array:
    """`put(a, ind, v)`: a new array, with the values v at flat positions, again and again where they are too few.

    Args:
        a: an array, which stays as it is.
        ind: positions among its elements in a row.
        v: values.
        mode: "raise", "wrap" or "clip", what to do with positions outside.
        inplace: only False.

    >>> put(np.zeros(3), [0, 2], 7.0)
    array([7., 0., 7.])
    """
    _never_in_place("put", inplace)
    x, positions, values = operand(a), ravel(operand(ind)), ravel(operand(v))
    count = shape_of(positions)[0]
    if not count or not shape_of(values)[0]:
        return x
    values = taken(values, np.arange(count) % shape_of(values)[0], 0)
    size = int(np.prod(shape_of(x), dtype=int))
    if mode == "wrap":
        positions = positions % size
    elif mode == "clip":
        positions = np.minimum(np.maximum(positions, 0), size - 1)
    elif mode not in (None, "raise"):
        raise ArgumentError(message(f"`mode` is {mode!r}.", cure="It must be 'raise', 'wrap' or 'clip'."))
    return reshape(at(ravel(x))[positions].set(values), shape_of(x))


def place(arr: Any, mask: Any, vals: Any, *, inplace: bool = False) -> Array:
    """`place(arr, mask, vals)`: a new array, with the values, again and again, where the mask holds.

    >>> place(np.zeros(3), [True, False, True], [1.0, 2.0])
    array([1., 0., 2.])
    """
    _never_in_place("place", inplace)
    return put(arr, flatnonzero(mask), vals)


def _never_in_place(name: str, inplace: bool) -> None:
    if inplace:
        what = f"fgrad.numpy.{name} does not write into its argument."
        raise ArgumentError(message(what, cure=f"Use its result: x = fgrad.numpy.{name}(x, …)."))
