"""What is taken along axes: softmax and its kin, standardization, one-hot vectors."""

from __future__ import annotations

from typing import Any

import fgrad.numpy as fnp
from fgrad.core import Array
from fgrad.errors import ArgumentError, message, public
from fgrad.nn.operands import floating, positive

__all__ = ["log_softmax", "logmeanexp", "logsumexp", "one_hot", "softmax", "standardize"]

logsumexp = fnp.logsumexp


@public
def softmax(x: Any, axis: Any = -1, where: Any = None) -> Array:
    """`softmax(x)`: eˣ / Σ eˣ along an axis, without overflow.

    Args:
        x: an array.
        axis: the axis, or axes, along which the weights add up to 1; `None` for all.
        where: booleans that broadcast to x: which elements there are; the others have weight 0.

    >>> softmax([0.0, fnp.log(3.0), 5.0], where=[True, True, False])
    array([0.25, 0.75, 0.  ])
    """
    x = floating("softmax", "x", x)
    return fnp.softmax(x if where is None else fnp.where(where, x, -fnp.inf), axis=axis)


@public
def log_softmax(x: Any, axis: Any = -1, where: Any = None) -> Array:
    """`log_softmax(x)`: x − log Σ eˣ along an axis, without overflow and with all digits of every element.

    Args:
        x: an array.
        axis: the axis, or axes, along which the weights add up to 1; `None` for all.
        where: booleans that broadcast to x: which elements there are; the others are −∞.

    >>> log_softmax([0.0, fnp.log(3.0)]).round(4)
    array([-1.3863, -0.2877])
    """
    x = floating("log_softmax", "x", x)
    return fnp.log_softmax(x if where is None else fnp.where(where, x, -fnp.inf), axis=axis)


@public
def logmeanexp(x: Any, axis: Any = None, where: Any = None, keepdims: bool = False) -> Array:
    """`logmeanexp(x)`: log of the mean of eˣ, without overflow.

    Args:
        x: an array.
        axis: the axis, or axes; `None` for all.
        where: booleans that broadcast to x: which elements count.
        keepdims: leave the reduced axes, with length 1.

    >>> float(logmeanexp([1000.0, 1000.0]))
    1000.0
    """
    x = floating("logmeanexp", "x", x)
    counted = fnp.ones(fnp.shape(x), x.dtype)
    count = fnp.sum(counted, axis=axis, keepdims=keepdims, where=True if where is None else where)
    return fnp.logsumexp(x, axis=axis, where=where, keepdims=keepdims) - fnp.log(count)


@public
def standardize(
    x: Any,
    axis: Any = -1,
    mean: Any = None,
    variance: Any = None,
    epsilon: Any = 1e-5,
    where: Any = None,
) -> Array:
    """`standardize(x)`: (x − mean) / √(variance + ε) along an axis.

    Args:
        x: an array.
        axis: the axis, or axes, along which mean and variance are taken.
        mean: the mean, if it is known; it broadcasts to x.
        variance: the variance, if it is known; it broadcasts to x.
        epsilon: ε.
        where: booleans that broadcast to x: which elements count in mean and variance.

    >>> standardize([1.0, 3.0], epsilon=0.0)
    array([-1.,  1.])
    """
    x = floating("standardize", "x", x)
    counted = True if where is None else where
    if mean is None:
        mean = fnp.mean(x, axis, keepdims=True, where=counted)
    centred = x - mean
    if variance is None:
        variance = fnp.mean(fnp.square(centred), axis, keepdims=True, where=counted)
    return centred / fnp.sqrt(variance + epsilon)


@public
def one_hot(x: Any, num_classes: int, *, dtype: Any = float, axis: int = -1) -> Array:
    """`one_hot(x, n)`: 1 in place x, and 0 in the other n − 1 places; all 0 where x is not in 0 … n − 1.

    Args:
        x: integers.
        num_classes: n.
        dtype: of the result.
        axis: where in the result the new axis is.

    Raises:
        ArgumentError: x are not integers, or n is not a positive integer.

    >>> one_hot([0, 2], 3)
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    positive("one_hot", num_classes=num_classes)
    x = fnp.asarray(x)
    if x.dtype.kind not in "iub":
        raise ArgumentError(message(f"one_hot: `x` must be integers, got dtype {x.dtype}."))
    places = fnp.expand_dims(x, axis)
    front = fnp.ndim(x) - (axis % (fnp.ndim(x) + 1))
    return fnp.equal(places, fnp.arange(num_classes).reshape((num_classes, *[1] * front))).astype(dtype)
