"""Keys as the arrays that they are: JAX's names for what needs no work here."""

from __future__ import annotations

from typing import Any

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.numpy.dispatch import as_operand
from fgrad.random.standard import check_key

__all__ = ["clone", "key_data", "wrap_key_data"]


def key_data(keys: Array) -> Array:
    """The words of a key, or of an array of keys, which is what keys are: they are returned as they are.

    >>> from fgrad import random
    >>> random.key_data(random.key(0)).shape
    (2,)
    """
    return keys


def wrap_key_data(key_bits_array: Any) -> Array:
    """A key from its words.

    Args:
        key_bits_array: uint64, shape (2,).

    Returns:
        The key.

    Raises:
        ArgumentError: it is no key.

    >>> from fgrad import random
    >>> bool((random.wrap_key_data([1, 2]) == [1, 2]).all())
    True
    """
    words = as_operand(key_bits_array)
    if isinstance(key_bits_array, (list, tuple)):
        words = fnp.asarray(key_bits_array, "uint64")
    check_key(words, "wrap_key_data")
    return words


def clone(key: Array) -> Array:
    """The same key, to say that it is meant to be used again: the numbers are the same.

    >>> from fgrad import random
    >>> bool(random.normal(random.clone(random.key(0))) == random.normal(random.key(0)))
    True
    """
    check_key(key, "clone")
    return key
