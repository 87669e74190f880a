"""Dropout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fgrad.numpy as fnp
from fgrad import random
from fgrad.core import Array
from fgrad.errors import ArgumentError, message, public
from fgrad.nn.operands import axis_of, floating

__all__ = ["dropout"]


@public
def dropout(key: Any, x: Any, rate: Any, *, shared_axes: Sequence[int] = (), training: bool = True) -> Array:
    """`dropout(key, x, rate)`: each element is 0 with probability `rate`, else x / (1 − rate): the mean stays.

    Args:
        key: a key, a new one for every step; it is not needed where `training` is false.
        x: an array.
        rate: 0 to 1; it may be traced, and mapped.
        shared_axes: axes along which all elements share one fate.
        training: false: x as it is.

    Raises:
        ArgumentError: the rate is not from 0 to 1.

    >>> import fgrad, numpy as np
    >>> dropout(fgrad.random.key(1), np.ones(6), 0.5)
    array([2., 2., 0., 2., 0., 0.])

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (JMLR 2014).
    """
    x = floating("dropout", "x", x, real=False)
    if isinstance(rate, (int, float)) and not 0 <= rate <= 1:
        raise ArgumentError(message(f"dropout: `rate` must be from 0 to 1, got {rate}."))
    if not training:
        return x
    shared = [axis_of("dropout", x, a) for a in shared_axes]
    shape = tuple([1 if i in shared else n for i, n in enumerate(fnp.shape(x))])
    keep = random.uniform(key, shape, x.real.dtype) >= rate
    left = fnp.maximum(1 - fnp.asarray(rate, x.real.dtype), fnp.finfo(x.dtype).tiny)  # of rate 1 nothing is kept
    return fnp.where(keep, x / left, 0.0)
