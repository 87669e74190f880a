"""L-BFGS: Newton-like directions out of the last few steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import fgrad.numpy as fnp
from fgrad import lax, tree
from fgrad.core import Array
from fgrad.errors import ArgumentError, message, public
from fgrad.optim.check import check_kind, check_params, check_tree
from fgrad.optim.hyper import FIRST_STEP, Hyper
from fgrad.optim.leaves import cast, length, scaled, zeros
from fgrad.optim.line_search import scale_by_zoom_linesearch
from fgrad.optim.pieces import scale, scale_by_learning_rate
from fgrad.optim.transformation import GradientTransformation, chain

__all__ = ["ScaleByLbfgsState", "lbfgs", "scale_by_lbfgs"]

_ZOOM = scale_by_zoom_linesearch(20, initial_guess_strategy="one")


class ScaleByLbfgsState(NamedTuple):
    """What the last few steps were, the oldest first.

    Attributes:
        count: the number of updates done.
        params: the parameters of the last update.
        updates: its gradients.
        diff_params_memory: steps s, on a leading axis.
        diff_updates_memory: how gradients changed along them, y.
        weights_memory: 1 / ⟨s, y⟩, 0 where there is none.
    """

    count: Array
    params: Any
    updates: Any
    diff_params_memory: Any
    diff_updates_memory: Any
    weights_memory: Array


@public
def lbfgs(
    learning_rate: Hyper | None = None,
    memory_size: int = 10,
    scale_init_precond: bool = True,
    linesearch: GradientTransformation | None = _ZOOM,
) -> GradientTransformation:
    """L-BFGS with a line search: for smooth losses without noise.

    Args:
        learning_rate: a number, or a schedule `step -> number`: by what the direction is multiplied before the search.
            `None` for 1.
        memory_size: how many steps are remembered.
        scale_init_precond: whether the first guess of the inverse Hessian is ⟨s, y⟩ / ⟨y, y⟩ (at the first
            update 1 / ‖g‖, at most 1), and not 1.
        linesearch: what follows the direction; by default `scale_by_zoom_linesearch(20, initial_guess_strategy="one")`;
            `None` for nothing.

    Returns:
        The pair (init, update): `update(grads, state, params, value=value, grad=grads, value_fn=loss)`; with
        `value_and_grad_from_state` nothing is computed twice.

    Raises:
        ArgumentError: an argument is not what it should be, or is missing in `update`.

    >>> import fgrad, numpy as np
    >>> from fgrad.optim import apply_updates, value_and_grad_from_state
    >>> rosenbrock = lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    >>> opt, x = lbfgs(), np.array([-1.0, 1.0])
    >>> @fgrad.jit
    ... def step(x, state):
    ...     value, grad = value_and_grad_from_state(rosenbrock)(x, state=state)
    ...     updates, state = opt.update(grad, state, x, value=value, grad=grad, value_fn=rosenbrock)
    ...     return apply_updates(x, updates), state
    >>> state = opt.init(x)
    >>> for _ in range(40):
    ...     x, state = step(x, state)
    >>> x.round(6)
    array([1., 1.])

    Source: Liu & Nocedal, "On the limited memory BFGS method for large scale optimization" (1989); Nocedal & Wright,
    "Numerical optimization" (2006), algorithms 7.4 and 7.5.
    """
    downhill = scale(-1.0) if learning_rate is None else scale_by_learning_rate(learning_rate)
    search = [] if linesearch is None else [linesearch]
    return chain(scale_by_lbfgs(memory_size, scale_init_precond), downhill, *search)


@public
def scale_by_lbfgs(memory_size: int = 10, scale_init_precond: bool = True) -> GradientTransformation:
    """The direction of `lbfgs`, uphill: the gradient times an estimate of the inverse Hessian.

    Args:
        memory_size: how many steps are remembered.
        scale_init_precond: as in `lbfgs`.

    Returns:
        The pair (init, update), of which update needs `params`; its state is a `ScaleByLbfgsState`.

    Raises:
        ArgumentError: `memory_size` is not a positive integer.

    >>> piece = scale_by_lbfgs()
    >>> float(piece.update(0.5, piece.init(1.0), 1.0)[0])
    0.5
    """
    if isinstance(memory_size, bool) or not isinstance(memory_size, int) or memory_size < 1:
        raise ArgumentError(
            message(f"scale_by_lbfgs: `memory_size` must be an integer of at least 1, got {memory_size!r:.60}.")
        )
    where = "scale_by_lbfgs.update"

    def init(params: Any) -> ScaleByLbfgsState:
        nothing = tree.map(zeros, params)
        memory = tree.map(lambda p: np.zeros((memory_size, *fnp.shape(p)), fnp.result_type(p)), params)
        return ScaleByLbfgsState(FIRST_STEP, nothing, nothing, memory, memory, np.zeros(memory_size))

    def update(grads: Any, state: ScaleByLbfgsState, params: Any = None, **extra: Any) -> tuple[Any, ScaleByLbfgsState]:
        check_kind(where, state, ScaleByLbfgsState)
        check_tree(where, "grads", grads, "the state", state.updates)
        check_params(where, params, grads, "whose steps it remembers")
        later = state.count > 0
        steps = tree.map(lambda p, old: fnp.where(later, p - old, 0 * p), params, state.params)
        turns = tree.map(lambda g, old: fnp.where(later, g - old, 0 * g), grads, state.updates)
        product = _inner(steps, turns)
        some = product != 0
        weight = fnp.where(some, 1 / fnp.where(some, product, 1.0), 0.0)
        memories = (
            tree.map(_pushed, state.diff_params_memory, steps),
            tree.map(_pushed, state.diff_updates_memory, turns),
            _pushed(state.weights_memory, weight),
        )
        guess = _first_guess(grads, turns, product, later) if scale_init_precond else 1.0
        direction = _two_loops(grads, guess, *memories)
        return direction, ScaleByLbfgsState(
            state.count + 1, tree.map(cast, params, state.params), tree.map(cast, grads, state.updates), *memories
        )

    return GradientTransformation(init, public(update))


def _two_loops(grads: Any, guess: Array, steps: Any, turns: Any, weights: Array) -> Any:
    """The gradient times the inverse Hessian: backwards through the memory, and forwards again."""

    def back(v: Any, memory: Any) -> tuple[Any, Array]:
        s, y, weight = memory
        alpha = weight * _inner(s, v)
        return _moved(v, -alpha, y), alpha

    def forth(v: Any, memory: Any) -> tuple[Any, None]:
        (s, y, weight), alpha = memory
        return _moved(v, alpha - weight * _inner(y, v), s), None

    memory = (steps, turns, weights)
    v, alphas = lax.scan(back, grads, memory, reverse=True)
    v, _ = lax.scan(forth, tree.map(lambda x: scaled(guess, x), v), (memory, alphas))
    return v


def _first_guess(grads: Any, turns: Any, product: Array, later: Array) -> Array:
    norm, square = length(*tree.leaves(grads)), _inner(turns, turns)
    known, long = square > 0, norm > 1
    first = fnp.where(long, 1 / fnp.where(long, norm, 1.0), 1.0)
    return fnp.where(later, fnp.where(known, product / fnp.where(known, square, 1.0), 1.0), first)


def _inner(x: Any, y: Any) -> Array:
    """Re ⟨x, y⟩ over all leaves."""
    pairs = zip(tree.leaves(x), tree.leaves(y), strict=True)
    return sum([fnp.real(fnp.sum(fnp.conj(a) * b)) for a, b in pairs], 0.0)


def _moved(x: Any, factor: Array, direction: Any) -> Any:
    return tree.map(lambda a, b: cast(a + scaled(factor, b), a), x, direction)


def _pushed(memory: Array, new: Array) -> Array:
    """The memory without its oldest row, and with a new last one."""
    return fnp.concatenate([memory[1:], cast(fnp.expand_dims(fnp.asarray(new), 0), memory)])
