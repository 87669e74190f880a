"""What optimizers are put together from with `chain`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import fgrad.numpy as fnp
from fgrad import tree
from fgrad.core import Array
from fgrad.errors import public
from fgrad.optim.hyper import Hyper, Schedule
from fgrad.optim.leaves import cast, length, mixed, scaled, zeros
from fgrad.optim.rule import HyperState, Leaf, LeafRule, decayed, leafwise, treewise
from fgrad.optim.transformation import GradientTransformation

__all__ = [
    "EmaHyper",
    "EmaState",
    "EmptyState",
    "TraceHyper",
    "TraceState",
    "add_decayed_weights",
    "centralize",
    "ema",
    "identity",
    "normalize_by_update_norm",
    "scale",
    "scale_by_learning_rate",
    "scale_by_schedule",
    "scale_by_sign",
    "set_to_zero",
    "stateless",
    "trace",
    "zero_nans",
]


class EmptyState(NamedTuple):
    """The state of what keeps nothing."""


class ScaleHyper(NamedTuple):
    """The hyperparameter of the next update."""

    step_size: Array


class RateHyper(NamedTuple):
    """The hyperparameter of the next update."""

    learning_rate: Array


class DecayHyper(NamedTuple):
    """The hyperparameter of the next update."""

    weight_decay: Array


class NormHyper(NamedTuple):
    """The hyperparameters of the next update."""

    scale_factor: Array
    eps: Array


class EmaHyper(NamedTuple):
    """The hyperparameter of the next update."""

    decay: Array


class EmaState(NamedTuple):
    """The number of updates done, the running means, and the hyperparameters."""

    count: Array
    ema: Any
    hyper: EmaHyper


class TraceHyper(NamedTuple):
    """The hyperparameter of the next update."""

    decay: Array


class TraceState(NamedTuple):
    """The number of updates done, the decaying sums, and the hyperparameters."""

    count: Array
    trace: Any
    hyper: TraceHyper


@public
def stateless(f: Callable[[Any, Any], Any]) -> GradientTransformation:
    """A transformation out of a function: `f(updates, params)` returns the new updates.

    Args:
        f: a pure function of two pytrees; the second is `None` where no parameters were given.

    >>> double = stateless(lambda updates, params: 2 * updates)
    >>> double.update(3.0, double.init(0.0))
    (6.0, EmptyState())
    """

    def update(grads: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        return f(grads, params), state

    return GradientTransformation(lambda params: EmptyState(), public(update))


def _each(f: Callable[[Array], Array]) -> GradientTransformation:
    return stateless(lambda updates, params: tree.map(f, updates))


@public
def identity() -> GradientTransformation:
    """Leaves updates as they are.

    >>> identity().update(3.0, identity().init(0.0))[0]
    3.0
    """
    return _each(lambda g: g)


@public
def set_to_zero() -> GradientTransformation:
    """Makes updates 0.

    >>> float(set_to_zero().update(3.0, set_to_zero().init(0.0))[0])
    0.0
    """
    return _each(zeros)


@public
def zero_nans() -> GradientTransformation:
    """Makes entries of updates that are NaN 0; infinite ones stay.

    >>> import numpy as np
    >>> zero_nans().update(np.array([1.0, np.nan]), zero_nans().init(np.zeros(2)))[0]
    array([1., 0.])
    """
    return _each(lambda g: fnp.where(fnp.isnan(g), zeros(g), g))


@public
def centralize() -> GradientTransformation:
    """Subtracts from updates with two axes or more their mean over all axes but the first.

    >>> import numpy as np
    >>> centralize().update(np.array([[1.0, 3.0], [0.0, 2.0]]), centralize().init(np.zeros((2, 2))))[0]
    array([[-1.,  1.],
           [-1.,  1.]])

    Source: Yong et al., "Gradient centralization" (ECCV 2020).
    """

    def leaf(g: Array) -> Array:
        ndim = fnp.ndim(g)
        return g - fnp.mean(g, axis=tuple(range(1, ndim)), keepdims=True) if ndim > 1 else g

    return _each(leaf)


@public
def scale_by_sign() -> GradientTransformation:
    """Takes the signs of updates (z / |z| of complex ones).

    >>> float(scale_by_sign().update(-3.0, scale_by_sign().init(0.0))[0])
    -1.0
    """
    return _each(fnp.sign)


@public
def scale(step_size: Hyper) -> GradientTransformation:
    """Multiplies updates by a number, as a rule a negative one.

    Args:
        step_size: a number, or a schedule `step -> number`.

    Raises:
        ArgumentError: `step_size` is neither a number nor a function.

    >>> scale(-0.5).update(3.0, scale(-0.5).init(0.0))[0]
    -1.5
    """

    def rule(h: ScaleHyper, count: Array) -> LeafRule:
        return lambda x: (scaled(h.step_size, x.g),)

    return leafwise("scale", HyperState, ScaleHyper(step_size), rule)


@public
def scale_by_schedule(step_size_fn: Schedule) -> GradientTransformation:
    """Multiplies updates by what a schedule says: `scale` of a schedule.

    Args:
        step_size_fn: `step -> number`.

    >>> piece = scale_by_schedule(lambda step: -1 / (1 + step))
    >>> float(piece.update(3.0, piece.init(0.0))[0])
    -3.0
    """
    return scale(step_size_fn)


@public
def scale_by_learning_rate(learning_rate: Hyper, *, flip_sign: bool = True) -> GradientTransformation:
    """Multiplies updates by the learning rate, downhill.

    Args:
        learning_rate: a number, or a schedule `step -> number`.
        flip_sign: whether the sign changes, from uphill to downhill.

    Raises:
        ArgumentError: the learning rate is neither a number nor a function.

    >>> piece = scale_by_learning_rate(0.5)
    >>> piece.update(3.0, piece.init(0.0))[0]
    -1.5
    """
    sign = -1 if flip_sign else 1

    def rule(h: RateHyper, count: Array) -> LeafRule:
        step = sign * h.learning_rate
        return lambda x: (scaled(step, x.g),)

    return leafwise("scale_by_learning_rate", HyperState, RateHyper(learning_rate), rule)


@public
def add_decayed_weights(weight_decay: Hyper = 0.0, mask: Any = None) -> GradientTransformation:
    """Adds `weight_decay` times the parameters: before the rule L2 regularisation, after it decoupled decay.

    Args:
        weight_decay: a number, or a schedule `step -> number`.
        mask: which parameters decay, as in `adamw`.

    Returns:
        The pair (init, update), of which update needs `params`.

    Raises:
        ArgumentError: `weight_decay` is neither a number nor a function.

    >>> piece = add_decayed_weights(0.5)
    >>> piece.update(3.0, piece.init(2.0), 2.0)[0]
    4.0
    """

    def rule(h: DecayHyper, count: Array) -> LeafRule:
        return lambda x: (decayed(x.g, x, h.weight_decay),)

    hyper = DecayHyper(weight_decay)
    name = "add_decayed_weights"
    return leafwise(name, HyperState, hyper, rule, params_for="which decay towards 0", masks=[mask])


@public
def trace(decay: Hyper, nesterov: bool = False) -> GradientTransformation:
    """Momentum: m ← u + decay·m is the update, or u + decay·m of the new m with `nesterov`.

    Args:
        decay: a number, or a schedule `step -> number`.
        nesterov: look one step ahead.

    Raises:
        ArgumentError: `decay` is neither a number nor a function.

    >>> piece = trace(0.5)
    >>> updates, state = piece.update(2.0, piece.init(0.0))
    >>> float(piece.update(2.0, state)[0])
    3.0
    """

    def rule(h: TraceHyper, count: Array) -> LeafRule:
        def leaf(x: Leaf, m: Array) -> tuple[Any, ...]:
            m = cast(x.g + scaled(h.decay, m), m)
            return x.g + scaled(h.decay, m) if nesterov else m, m

        return leaf

    return leafwise("trace", TraceState, TraceHyper(decay), rule, [zeros])


@public
def ema(decay: Hyper, debias: bool = True) -> GradientTransformation:
    """The exponentially decaying mean of updates.

    Args:
        decay: a number, or a schedule `step -> number`.
        debias: divide by 1 − decayᵗ: the first mean is the first update.

    Raises:
        ArgumentError: `decay` is neither a number nor a function.

    >>> piece = ema(0.5)
    >>> updates, state = piece.update(2.0, piece.init(0.0))
    >>> float(updates), float(state.ema)
    (2.0, 1.0)
    """

    def rule(h: EmaHyper, count: Array) -> LeafRule:
        correction = 1 / (1 - h.decay**count) if debias else None

        def leaf(x: Leaf, m: Array) -> tuple[Any, ...]:
            m = mixed(h.decay, m, x.g)
            return m if correction is None else scaled(correction, m), m

        return leaf

    return leafwise("ema", EmaState, EmaHyper(decay), rule, [zeros])


@public
def normalize_by_update_norm(scale_factor: Hyper = 1.0, eps: Hyper = 1e-6) -> GradientTransformation:
    """Makes the global norm of updates `scale_factor`.

    Args:
        scale_factor: a number, or a schedule `step -> number`.
        eps: added to the norm.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> piece = normalize_by_update_norm(eps=0.0)
    >>> [float(u) for u in piece.update([30.0, 40.0], piece.init([0.0, 0.0]))[0]]
    [0.6, 0.8]
    """

    def rule(h: NormHyper, count: Array, grads: Any) -> Any:
        factor = h.scale_factor / (length(*tree.leaves(grads)) + h.eps)
        return tree.map(lambda g: scaled(factor, g), grads)

    return treewise("normalize_by_update_norm", NormHyper(scale_factor, eps), rule)
