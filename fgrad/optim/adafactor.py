"""Adafactor: second moments of matrices kept as one row and one column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import fgrad.numpy as fnp
from fgrad.core import Array
from fgrad.errors import public
from fgrad.optim.hyper import Hyper
from fgrad.optim.leaves import in_precision, mixed, real_zeros, root_mean_square, scaled, square, zeros
from fgrad.optim.rule import Leaf, LeafRule, decayed, leafwise
from fgrad.optim.transformation import GradientTransformation

__all__ = ["AdafactorHyper", "AdafactorState", "adafactor", "scale_by_factored_rms"]

PARAMS_FOR = "whose size sets that of the step"


class AdafactorHyper(NamedTuple):
    """The hyperparameters of the next update; `None` for what is not asked for."""

    decay_rate: Array
    eps: Array
    learning_rate: Array | None = None
    clipping_threshold: Array | None = None
    momentum: Array | None = None
    weight_decay_rate: Array | None = None


class AdafactorState(NamedTuple):
    """The number of updates done, the running mean of updates, the second moments, and the hyperparameters.

    Of a factored leaf `v_row` and `v_col` hold the means of squared gradients over its longest and its second longest
    axis, and `v` is empty; of the others `v` holds the squares, and the first two are empty. `mu` is `None` without
    momentum.
    """

    count: Array
    mu: Any
    v_row: Any
    v_col: Any
    v: Any
    hyper: AdafactorHyper


@public
def adafactor(
    learning_rate: Hyper | None = None,
    min_dim_size_to_factor: int = 128,
    decay_rate: Hyper = 0.8,
    decay_offset: int = 0,
    multiply_by_parameter_scale: bool = True,
    clipping_threshold: Hyper | None = 1.0,
    momentum: Hyper | None = None,
    weight_decay_rate: Hyper | None = None,
    eps: Hyper = 1e-30,
    factored: bool = True,
    weight_decay_mask: Any = None,
) -> GradientTransformation:
    """Adam's denominator in little memory: of a large matrix it keeps the means over rows and columns.

    With V the running mean of |g|² + eps (decay 1 − t^(−decay_rate)), the direction is g / √V, shortened to a root mean
    square of `clipping_threshold`; it is multiplied by the learning rate and by the root mean square of the
    parameters, at least 0.001. A leaf at least `min_dim_size_to_factor` wide in two axes has
    V = R·C / mean(R), R and C being the means over its longest and its second longest axis.

    Args:
        learning_rate: a number, or a schedule `step -> number`; so for all other hyperparameters. `None` for 1.
        min_dim_size_to_factor: from which length of an axis on.
        decay_rate: how soon old gradients are forgotten.
        decay_offset: how many steps were done before: a run that goes on from another one.
        multiply_by_parameter_scale: whether steps are in units of the parameters.
        clipping_threshold: `None` for no clipping.
        momentum: decay of a mean of updates, which then is the update; `None` for none.
        weight_decay_rate: how much of the parameters is subtracted in addition, whatever the learning rate is.
        eps: added to squared gradients.
        factored: whether any leaf is.
        weight_decay_mask: which parameters decay, as `mask` in `adamw`.

    Returns:
        The pair (init, update), of which update needs `params`; its state is an `AdafactorState`.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> import numpy as np
    >>> opt = adafactor(0.1)
    >>> params = np.full((256, 128), 2.0)
    >>> state = opt.init(params)
    >>> state.v_row.shape, state.v_col.shape
    ((128,), (256,))
    >>> updates, state = opt.update(np.ones((256, 128)), state, params)
    >>> float(updates[0, 0].round(6))
    -0.2

    Source: Shazeer & Stern, "Adafactor: adaptive learning rates with sublinear memory cost" (ICML 2018), algorithms 4
    and 5.
    """
    hyper = AdafactorHyper(decay_rate, eps, learning_rate, clipping_threshold, momentum, weight_decay_rate)
    factors = _Factors(min_dim_size_to_factor if factored else None)

    def rule(h: AdafactorHyper, count: Array) -> LeafRule:
        scale = _scale(h, count, decay_offset, factors)

        def leaf(x: Leaf, m: Array | None, row: Array, column: Array, v: Array) -> tuple[Any, ...]:
            d, row, column, v = scale(x.g, row, column, v)
            factor = 1.0
            if h.clipping_threshold is not None:
                factor = factor / fnp.maximum(1.0, root_mean_square(d) / h.clipping_threshold)
            if h.learning_rate is not None:
                factor = factor * h.learning_rate
            if multiply_by_parameter_scale:
                factor = factor * fnp.maximum(root_mean_square(x.p), 1e-3)
            d = scaled(factor, d)
            if m is not None:
                d = m = mixed(h.momentum, m, d)
            return -(d if h.weight_decay_rate is None else decayed(d, x, h.weight_decay_rate)), m, row, column, v

        return leaf

    slots = [None if momentum is None else zeros, factors.row, factors.column, factors.full]
    return leafwise("adafactor", AdafactorState, hyper, rule, slots, params_for=PARAMS_FOR, masks=[weight_decay_mask])


@public
def scale_by_factored_rms(
    factored: bool = True,
    decay_rate: Hyper = 0.8,
    step_offset: int = 0,
    min_dim_size_to_factor: int = 128,
    epsilon: Hyper = 1e-30,
) -> GradientTransformation:
    """The direction g / √V of `adafactor`, uphill, for a learning rate to follow in a `chain`.

    >>> piece = scale_by_factored_rms()
    >>> round(float(piece.update(2.0, piece.init(1.0), 1.0)[0]), 6)
    1.0
    """
    factors = _Factors(min_dim_size_to_factor if factored else None)

    def rule(h: AdafactorHyper, count: Array) -> LeafRule:
        scale = _scale(h, count, step_offset, factors)

        def leaf(x: Leaf, m: None, *moments: Array) -> tuple[Any, ...]:
            d, *following = scale(x.g, *moments)
            return d, m, *following

        return leaf

    slots = [None, factors.row, factors.column, factors.full]
    return leafwise("scale_by_factored_rms", AdafactorState, AdafactorHyper(decay_rate, epsilon), rule, slots)


class _Factors:
    """Which leaves are factored, and what is kept of them."""

    def __init__(self, least: int | None) -> None:
        self.least = least

    def axes(self, shape: tuple[int, ...]) -> tuple[int, int] | None:
        """The second longest and the longest axis of a leaf to be factored."""
        if self.least is None or len(shape) < 2:
            return None
        *_, second, longest = np.argsort(shape, kind="stable")
        return (int(second), int(longest)) if shape[second] >= self.least else None

    def row(self, p: Array) -> Array:
        return self._means(p, 1)

    def column(self, p: Array) -> Array:
        return self._means(p, 0)

    def full(self, p: Array) -> Array:
        return real_zeros(p) if self.axes(fnp.shape(p)) is None else _nothing(p)

    def _means(self, p: Array, which: int) -> Array:
        shape = fnp.shape(p)
        axes = self.axes(shape)
        if axes is None:
            return _nothing(p)
        rest = [size for axis, size in enumerate(shape) if axis != axes[which]]
        return np.zeros(rest, fnp.result_type(fnp.real(p)))


def _nothing(p: Array) -> Array:
    return np.zeros(0, fnp.result_type(fnp.real(p)))


def _scale(h: AdafactorHyper, count: Array, offset: int, factors: _Factors) -> Callable[..., tuple[Array, ...]]:
    """A function from a gradient and its moments to g / √V and the next moments."""
    decay = 1 - fnp.astype(count - offset, float) ** -h.decay_rate

    def scale(g: Array, row: Array, column: Array, v: Array) -> tuple[Array, ...]:
        squares = square(g)
        squares = squares + in_precision(h.eps, squares)
        axes = factors.axes(fnp.shape(g))
        if axes is None:
            v = mixed(decay, v, squares)
            return g / fnp.sqrt(v), row, column, v
        second, longest = axes
        row = mixed(decay, row, fnp.mean(squares, axis=longest))
        column = mixed(decay, column, fnp.mean(squares, axis=second))
        mean = fnp.mean(row, axis=second - (second > longest), keepdims=True)
        rows, columns = fnp.expand_dims(fnp.sqrt(mean / row), longest), fnp.expand_dims(1 / fnp.sqrt(column), second)
        return g * rows * columns, row, column, v

    return scale
