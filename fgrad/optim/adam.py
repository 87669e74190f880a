"""Adam, and Adam with decoupled weight decay."""

from __future__ import annotations

from typing import Any, NamedTuple

import fgrad.numpy as fnp
from fgrad import tree
from fgrad.core import Array
from fgrad.optim.check import check_params, check_state, check_tree
from fgrad.optim.hyper import FIRST_STEP, Hyper, check_hyper, first, following
from fgrad.optim.leaves import cast, in_precision, scaled, square, zeros
from fgrad.optim.transformation import GradientTransformation

__all__ = ["AdamHyper", "AdamState", "AdamWHyper", "adam", "adamw"]


class AdamHyper(NamedTuple):
    """The hyperparameters of the next update of `adam`."""

    learning_rate: Array
    b1: Array
    b2: Array
    eps: Array


class AdamWHyper(NamedTuple):
    """The hyperparameters of the next update of `adamw`."""

    learning_rate: Array
    b1: Array
    b2: Array
    eps: Array
    weight_decay: Array


class AdamState(NamedTuple):
    """The number of updates done, the running means of gradients and of their squares, and the hyperparameters."""

    count: Array
    mu: Any
    nu: Any
    hyper: Any


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
        The pair (init, update); its state is an `AdamState` with `AdamHyper`.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> import numpy as np
    >>> opt = adam(0.1)
    >>> updates, state = opt.update(np.array([1.0, -2.0]), opt.init(np.zeros(2)))
    >>> updates
    array([-0.1,  0.1])

    Source: Kingma & Ba, "Adam: a method for stochastic optimization" (ICLR 2015), algorithm 1, in the order of
        computation of
    its section 2; Dozat, "Incorporating Nesterov momentum into Adam" (2016).
    """
    check_hyper("adam", learning_rate=learning_rate, b1=b1, b2=b2, eps=eps, eps_root=eps_root)
    given = (learning_rate, b1, b2, eps)

    def init(params: Any) -> AdamState:
        return _first_state(params, first(AdamHyper, given))

    def update(grads: Any, state: AdamState, params: Any = None) -> tuple[Any, AdamState]:
        check_state("adam.update", state, AdamState, AdamHyper)
        check_tree("adam.update", "grads", grads, "the state", state.mu)
        updates, count, mu, nu = _step(grads, state, eps_root, nesterov)
        return updates, AdamState(count, mu, nu, following(state.hyper, given, count))

    return GradientTransformation(init, update)


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
        mask: which parameters decay: a pytree of booleans (a prefix of the parameters), or a function from the
            parameters to one. Left out, all do.
        nesterov: look one step ahead.

    Returns:
        The pair (init, update), of which update needs `params`; its state is an `AdamState` with `AdamWHyper`.

    Raises:
        ArgumentError: a hyperparameter is neither a number nor a function.

    >>> import numpy as np
    >>> params = {"w": np.array([1.0, -2.0]), "b": np.array(3.0)}
    >>> opt = adamw(0.1, weight_decay=0.01, mask={"w": True, "b": False})
    >>> updates, state = opt.update({"w": np.zeros(2), "b": np.array(0.0)}, opt.init(params), params)
    >>> updates["w"]
    array([-0.001,  0.002])

    Source: Loshchilov & Hutter, "Decoupled weight decay regularization" (ICLR 2019), algorithm 2.
    """
    check_hyper(
        "adamw", learning_rate=learning_rate, b1=b1, b2=b2, eps=eps, eps_root=eps_root, weight_decay=weight_decay
    )
    given = (learning_rate, b1, b2, eps, weight_decay)

    def init(params: Any) -> AdamState:
        return _first_state(params, first(AdamWHyper, given))

    def update(grads: Any, state: AdamState, params: Any = None) -> tuple[Any, AdamState]:
        check_state("adamw.update", state, AdamState, AdamWHyper)
        check_tree("adamw.update", "grads", grads, "the state", state.mu)
        check_params("adamw.update", params, grads)
        updates, count, mu, nu = _step(grads, state, eps_root, nesterov)
        rate = -state.hyper.learning_rate * state.hyper.weight_decay
        decays = _decaying(mask, params)
        updates = tree.map(lambda u, p, d: u + scaled(rate, p) if d else u, updates, params, decays)
        return updates, AdamState(count, mu, nu, following(state.hyper, given, count))

    return GradientTransformation(init, update)


def _first_state(params: Any, hyper: Any) -> AdamState:
    return AdamState(FIRST_STEP, tree.map(zeros, params), tree.map(lambda p: zeros(fnp.real(p)), params), hyper)


def _step(grads: Any, state: AdamState, eps_root: float, nesterov: bool) -> tuple[Any, Array, Any, Any]:
    """The updates, and what becomes of the counter and the means; leaf by leaf, which keeps each in cache.

    The corrections 1 − bᵗ are scalars, so they are worked into the scalars:
    √(ν / c + r) + eps = (√(ν + r·c) + eps·√c) / √c.
    """
    rate, b1, b2, eps = state.hyper[:4]
    count = state.count + 1
    bias1, bias2 = 1 - b1**count, 1 - b2**count
    root = fnp.sqrt(bias2)
    if nesterov:
        ahead, now = -rate * root * b1 / (1 - b1 ** (count + 1)), -rate * root * (1 - b1) / bias1
    else:
        ahead, now = -rate * root / bias1, None

    def leaf(g: Array, m: Array, n: Array) -> tuple[Array, Array, Array]:
        m, n = _mean(b1, m, g), _mean(b2, n, square(g))
        inside = n + in_precision(eps_root * bias2, n) if eps_root else n
        direction = scaled(ahead, m) if now is None else scaled(ahead, m) + scaled(now, g)
        return direction / (fnp.sqrt(inside) + in_precision(eps * root, n)), m, n

    gradients, structure = tree.flatten(grads)
    leaves = [leaf(*x) for x in zip(gradients, tree.leaves(state.mu), tree.leaves(state.nu), strict=True)]
    updates, mu, nu = (structure.unflatten([x[i] for x in leaves]) for i in range(3))
    return updates, count, mu, nu


def _mean(decay: Array, mean: Array, x: Array) -> Array:
    """One step of an exponentially decaying mean, in the dtype of the mean."""
    return cast(scaled(decay, mean) + scaled(1 - decay, x), mean)


def _decaying(mask: Any, params: Any) -> Any:
    """A tree of booleans: which parameters decay."""
    if mask is None:
        return tree.map(lambda p: True, params)
    return tree.broadcast(mask(params) if callable(mask) else mask, params)
