"""Adam, and what descends from it."""

from __future__ import annotations

from typing import Any, NamedTuple

import fgrad.numpy as fnp
from fgrad.core import Array
from fgrad.errors import public
from fgrad.optim.hyper import Hyper
from fgrad.optim.leaves import in_precision, mixed, real_zeros, scaled, square, zeros
from fgrad.optim.rule import Leaf, LeafRule, Rule, decayed, leafwise, length_of_step
from fgrad.optim.transformation import GradientTransformation

__all__ = [
    "AdamHyper",
    "AdamState",
    "adam",
    "adamw",
    "adamw_rule",
    "nadam",
    "nadamw",
    "scale_by_adam",
]

DECAY = "which decay towards 0"


class AdamHyper(NamedTuple):
    """The hyperparameters of the next update; `learning_rate` is `None` in `scale_by_…`."""

    learning_rate: Array
    b1: Array
    b2: Array
    eps: Array
    weight_decay: Array | None = None


class AdamState(NamedTuple):
    """The number of updates done, the running means of gradients and of their squares, and the hyperparameters."""

    count: Array
    mu: Any
    nu: Any
    hyper: AdamHyper


@public
def adam(
    learning_rate: Hyper,
    b1: Hyper = 0.9,
    b2: Hyper = 0.999,
    eps: Hyper = 1e-8,
    eps_root: float = 0.0,
    *,
    nesterov: bool = False,
) -> GradientTransformation:
    """Adam: steps along the mean gradient over the root of the mean squared gradient.

    μ ← b1·μ + (1 − b1)·g and ν ← b2·ν + (1 − b2)·|g|², both from 0; with t updates done, μ̂ = μ / (1 − b1ᵗ) and
    ν̂ = ν / (1 − b2ᵗ); the update is −learning_rate·μ̂ / (√(ν̂ + eps_root) + eps).

    Args:
        learning_rate: a number, or a schedule `step -> number`; so for the next three.
        b1: decay of the mean of gradients.
        b2: decay of the mean of their squares.
        eps: added to the denominator.
        eps_root: added under the root: a small number lets one differentiate through an update where gradients are 0.
        nesterov: look one step ahead (NAdam).

    Returns:
        The pair (init, update); its state is an `AdamState`.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> import numpy as np
    >>> opt = adam(0.1)
    >>> updates, state = opt.update(np.array([1.0, -2.0]), opt.init(np.zeros(2)))
    >>> updates
    array([-0.1,  0.1])

    Source: Kingma & Ba, "Adam: a method for stochastic optimization" (ICLR 2015), algorithm 1, in the order of
    computation of its section 2; Dozat, "Incorporating Nesterov momentum into Adam" (2016).
    """
    return _adam("adam", AdamHyper(learning_rate, b1, b2, eps), eps_root, nesterov)


@public
def adamw(
    learning_rate: Hyper,
    b1: Hyper = 0.9,
    b2: Hyper = 0.999,
    eps: Hyper = 1e-8,
    eps_root: float = 0.0,
    *,
    weight_decay: Hyper = 1e-4,
    mask: Any = None,
    nesterov: bool = False,
) -> GradientTransformation:
    """Adam whose parameters also decay: the update of `adam` less learning_rate·weight_decay·params.

    Args:
        learning_rate: a number, or a schedule `step -> number`; so for the next three.
        b1: decay of the mean of gradients.
        b2: decay of the mean of their squares.
        eps: added to the denominator.
        eps_root: added under the root.
        weight_decay: a number, or a schedule.
        mask: which parameters decay: a pattern for key paths (`"*/weight"`, see `by_path`), a pytree of booleans
            (a prefix of the parameters), or a function from the parameters to one. Left out, all do.
        nesterov: look one step ahead.

    Returns:
        The pair (init, update), of which update needs `params`; its state is an `AdamState`.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> import numpy as np
    >>> params = {"w": np.array([1.0, -2.0]), "b": np.array(3.0)}
    >>> opt = adamw(0.1, weight_decay=0.01, mask="w")
    >>> updates, state = opt.update({"w": np.zeros(2), "b": np.array(0.0)}, opt.init(params), params)
    >>> updates["w"]
    array([-0.001,  0.002])

    Source: Loshchilov & Hutter, "Decoupled weight decay regularization" (ICLR 2019), algorithm 2.
    """
    return _adam("adamw", AdamHyper(learning_rate, b1, b2, eps, weight_decay), eps_root, nesterov, mask)


@public
def nadam(
    learning_rate: Hyper, b1: Hyper = 0.9, b2: Hyper = 0.999, eps: Hyper = 1e-8, eps_root: float = 0.0
) -> GradientTransformation:
    """`adam` that looks one step ahead: μ̂ is b1·μ / (1 − b1ᵗ⁺¹) + (1 − b1)·g / (1 − b1ᵗ).

    Args:
        learning_rate: a number, or a schedule `step -> number`; so for the next three.
        b1: decay of the mean of gradients.
        b2: decay of the mean of their squares.
        eps: added to the denominator.
        eps_root: added under the root.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> opt = nadam(0.1)
    >>> round(float(opt.update(2.0, opt.init(0.0))[0]), 4)
    -0.1474

    Source: Dozat, "Incorporating Nesterov momentum into Adam" (2016).
    """
    return _adam("nadam", AdamHyper(learning_rate, b1, b2, eps), eps_root, True)


@public
def nadamw(
    learning_rate: Hyper,
    b1: Hyper = 0.9,
    b2: Hyper = 0.999,
    eps: Hyper = 1e-8,
    eps_root: float = 0.0,
    *,
    weight_decay: Hyper = 1e-4,
    mask: Any = None,
) -> GradientTransformation:
    """`adamw` that looks one step ahead, as `nadam`.

    Args:
        learning_rate: a number, or a schedule `step -> number`; so for the next three.
        b1: decay of the mean of gradients.
        b2: decay of the mean of their squares.
        eps: added to the denominator.
        eps_root: added under the root.
        weight_decay: a number, or a schedule.
        mask: which parameters decay, as in `adamw`.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> opt = nadamw(0.1, weight_decay=0.5)
    >>> float(opt.update(0.0, opt.init(2.0), 2.0)[0])
    -0.1
    """
    return _adam("nadamw", AdamHyper(learning_rate, b1, b2, eps, weight_decay), eps_root, True, mask)


@public
def scale_by_adam(
    b1: Hyper = 0.9, b2: Hyper = 0.999, eps: Hyper = 1e-8, eps_root: float = 0.0, *, nesterov: bool = False
) -> GradientTransformation:
    """The direction of `adam`, uphill, for a learning rate to follow in a `chain`.

    Args:
        b1: decay of the mean of gradients.
        b2: decay of the mean of their squares.
        eps: added to the denominator.
        eps_root: added under the root.
        nesterov: look one step ahead.

    >>> piece = scale_by_adam()
    >>> round(float(piece.update(2.0, piece.init(0.0))[0]), 6)
    1.0
    """
    return _adam("scale_by_adam", AdamHyper(None, b1, b2, eps), eps_root, nesterov)


def _adam(name: str, hyper: AdamHyper, eps_root: float, nesterov: bool, mask: Any = None) -> GradientTransformation:
    params_for = None if hyper.weight_decay is None else DECAY
    rule = adamw_rule(eps_root, nesterov)
    return leafwise(name, AdamState, hyper, rule, [zeros, real_zeros], params_for=params_for, masks=[mask])


def adamw_rule(eps_root: float, nesterov: bool) -> Rule:
    """Adam with decoupled weight decay, where there is any.

    The corrections 1 − bᵗ are scalars, so they are worked into the scalars:
    √(ν / c + r) + eps = (√(ν + r·c) + eps·√c) / √c.
    """

    def rule(h: AdamHyper, count: Array) -> LeafRule:
        step, bias2 = length_of_step(h), 1 - h.b2**count
        root = fnp.sqrt(bias2)
        ahead, now = looking_ahead(h, count, step * root, nesterov)
        decay = None if h.weight_decay is None else step * h.weight_decay

        def leaf(x: Leaf, m: Array, n: Array) -> tuple[Any, ...]:
            m, n = mixed(h.b1, m, x.g), mixed(h.b2, n, square(x.g))
            inside = n + in_precision(eps_root * bias2, n) if eps_root else n
            direction = direction_of(ahead, now, m, x.g) / (fnp.sqrt(inside) + in_precision(h.eps * root, n))
            return decayed(direction, x, decay), m, n

        return leaf

    return rule


def looking_ahead(h: AdamHyper, count: Array, step: Array, nesterov: bool) -> tuple[Array, Array | None]:
    """By what the mean and the gradient are multiplied: the step, over what the mean lacks of its full length."""
    bias = 1 - h.b1**count
    if not nesterov:
        return step / bias, None
    return step * h.b1 / (1 - h.b1 ** (count + 1)), step * (1 - h.b1) / bias


def direction_of(ahead: Array, now: Array | None, m: Array, g: Array) -> Array:
    """The mean with its factor, and the gradient with its own if one looks ahead."""
    return scaled(ahead, m) if now is None else scaled(ahead, m) + scaled(now, g)
