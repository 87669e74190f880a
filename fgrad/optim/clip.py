"""Limiting the length of gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import fgrad.numpy as fnp
from fgrad import tree
from fgrad.core import Array
from fgrad.errors import public
from fgrad.optim.hyper import Hyper
from fgrad.optim.leaves import in_precision, length, root_mean_square, scaled, square
from fgrad.optim.rule import HyperState, Leaf, LeafRule, leafwise, treewise
from fgrad.optim.transformation import GradientTransformation

__all__ = [
    "AdaptiveClipHyper",
    "ClipHyper",
    "adaptive_grad_clip",
    "clip",
    "clip_by_block_rms",
    "clip_by_global_norm",
    "global_norm",
]


class ClipHyper(NamedTuple):
    """The hyperparameter of the next update."""

    max_norm: Array


class MaxDeltaHyper(NamedTuple):
    """The hyperparameter of the next update."""

    max_delta: Array


class ThresholdHyper(NamedTuple):
    """The hyperparameter of the next update."""

    threshold: Array


class AdaptiveClipHyper(NamedTuple):
    """The hyperparameters of the next update."""

    clipping: Array
    eps: Array


@public
def global_norm(updates: Any) -> Array:
    """The length of a pytree as one vector: √(Σ |x|²). Its derivative at 0 is 0.

    Args:
        updates: a pytree of arrays.

    Returns:
        A real scalar.

    >>> float(global_norm({"a": 3.0, "b": [4.0, 0.0]}))
    5.0
    """
    return length(*tree.leaves(updates))


@public
def clip_by_global_norm(max_norm: Hyper) -> GradientTransformation:
    """Shortens gradients, all by the same factor, to a global norm of at most `max_norm`.

    Args:
        max_norm: a number, or a schedule `step -> number`.

    Returns:
        The pair (init, update).

    Raises:
        ArgumentError: `max_norm` is neither a number nor a function.

    >>> clip = clip_by_global_norm(1.0)
    >>> updates, state = clip.update({"a": 3.0, "b": 4.0}, clip.init({"a": 0.0, "b": 0.0}))
    >>> float(updates["a"]), float(updates["b"])
    (0.6000000000000001, 0.8)

    Source: Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks" (ICML 2013),
    algorithm 1.
    """

    def rule(h: ClipHyper, count: Array, grads: Any) -> Any:
        norm = length(*tree.leaves(grads))
        long = norm > h.max_norm
        factor = fnp.where(long, h.max_norm / fnp.where(long, norm, 1.0), 1.0)
        return tree.map(lambda g: scaled(factor, g), grads)

    return treewise("clip_by_global_norm", ClipHyper(max_norm), rule)


@public
def clip(max_delta: Hyper) -> GradientTransformation:
    """Brings every entry of gradients into [−max_delta, max_delta].

    Args:
        max_delta: a number, or a schedule `step -> number`.

    Returns:
        The pair (init, update), for real gradients.

    Raises:
        ArgumentError: `max_delta` is neither a number nor a function.

    >>> float(clip(1.0).update(-3.0, clip(1.0).init(0.0))[0])
    -1.0
    """

    def rule(h: MaxDeltaHyper, count: Array) -> LeafRule:
        def leaf(x: Leaf) -> tuple[Any, ...]:
            most = in_precision(h.max_delta, x.g)
            return (fnp.clip(x.g, -most, most),)

        return leaf

    return leafwise("clip", HyperState, MaxDeltaHyper(max_delta), rule)


@public
def clip_by_block_rms(threshold: Hyper) -> GradientTransformation:
    """Shortens the gradients of every leaf to a root mean square of at most `threshold`.

    Args:
        threshold: a number, or a schedule `step -> number`.

    Returns:
        The pair (init, update).

    Raises:
        ArgumentError: `threshold` is neither a number nor a function.

    >>> import numpy as np
    >>> piece = clip_by_block_rms(1.0)
    >>> piece.update(np.array([2.0, -2.0]), piece.init(np.zeros(2)))[0]
    array([ 1., -1.])

    Source: Shazeer & Stern, "Adafactor" (ICML 2018), section 6.
    """

    def rule(h: ThresholdHyper, count: Array) -> LeafRule:
        return lambda x: (scaled(1 / fnp.maximum(1.0, root_mean_square(x.g) / h.threshold), x.g),)

    return leafwise("clip_by_block_rms", HyperState, ThresholdHyper(threshold), rule)


@public
def adaptive_grad_clip(
    clipping: Hyper, eps: Hyper = 1e-3, axis: int | tuple[int, ...] | None = None
) -> GradientTransformation:
    """Shortens the gradients of every unit to at most `clipping` times the length of its parameters.

    A unit is a column of a matrix, an output channel (the last axis) of a kernel of a convolution, a vector as a whole.

    Args:
        clipping: a number, or a schedule `step -> number`.
        eps: the least length of parameters; a number, or a schedule.
        axis: the axes that make up a unit, for all leaves; by default all of a scalar or vector, the first of two
            or three axes, and all but the last of more.

    Returns:
        The pair (init, update), of which update needs `params`.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> import numpy as np
    >>> piece = adaptive_grad_clip(0.1)
    >>> piece.update(np.array([3.0, 4.0]), piece.init(np.zeros(2)), np.array([0.0, 5.0]))[0]
    array([0.3, 0.4])

    Source: Brock et al., "High-performance large-scale image recognition without normalization" (ICML 2021), section 4.
    """

    def rule(h: AdaptiveClipHyper, count: Array) -> LeafRule:
        def leaf(x: Leaf) -> tuple[Any, ...]:
            most = fnp.square(scaled(h.clipping, fnp.maximum(_unit_length(x.p, axis), in_precision(h.eps, x.p))))
            squares = _unit_square(x.g, axis)
            long = squares > most
            factor = fnp.where(long, fnp.sqrt(most / fnp.where(long, squares, 1.0)), 1.0)
            return (scaled(factor, x.g),)

        return leaf

    hyper = AdaptiveClipHyper(clipping, eps)
    return leafwise("adaptive_grad_clip", HyperState, hyper, rule, params_for="whose lengths set the limits")


def _unit_square(x: Array, axis: int | tuple[int, ...] | None) -> Array:
    ndim = fnp.ndim(x)
    if axis is None and ndim > 1:
        axis = 0 if ndim < 4 else tuple(range(ndim - 1))
    return fnp.sum(square(x), axis=axis if ndim else None, keepdims=True)


def _unit_length(x: Array, axis: int | tuple[int, ...] | None) -> Array:
    squares = _unit_square(x, axis)
    zero = squares == 0
    return fnp.where(zero, 0.0, fnp.sqrt(fnp.where(zero, 1.0, squares)))
