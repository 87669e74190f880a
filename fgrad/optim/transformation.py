"""What an optimizer is, how its updates are applied, and how several are put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import fgrad.numpy as fnp
from fgrad import tree
from fgrad.core import Array
from fgrad.errors import ArgumentError, message, public
from fgrad.optim.check import check_tree, refuse_state
from fgrad.optim.leaves import cast, mixed

__all__ = [
    "GradientTransformation",
    "apply_updates",
    "chain",
    "check_transformation",
    "incremental_update",
    "named_chain",
    "periodic_update",
]


class GradientTransformation(NamedTuple):
    """A pair of pure functions.

    Attributes:
        init: `init(params)` gives the first state.
        update: `update(grads, state, params=None, **extra)` gives what is to be added to the parameters, and the next
            state. Further arguments are for those that use them (line searches: `value`, `grad`, `value_fn`).
    """

    init: Callable[[Any], Any]
    update: Callable[..., tuple[Any, Any]]


@public
def apply_updates(params: Any, updates: Any) -> Any:
    """The parameters plus their updates, in the dtypes of the parameters.

    Args:
        params: a pytree of real or complex arrays.
        updates: a pytree of the same structure and shapes.

    Returns:
        A pytree like `params`.

    Raises:
        TreeStructureError: the structures differ.
        ShapeError: a leaf of `updates` has another shape.
        ArgumentError: a parameter is an integer, which updates cannot change by fractions.

    >>> apply_updates({"w": 1.0}, {"w": -0.25})
    {'w': 0.75}
    """
    check_tree("apply_updates", "updates", updates, "params", params)
    for path, p in tree.leaves_with_path(params):
        if fnp.result_type(p).kind not in "fc":
            what = f"apply_updates: params{tree.keystr(path)} has dtype {fnp.result_type(p)}, which holds no fractions."
            raise ArgumentError(message(what, cure="Make it floating-point: x.astype(float), or 1.0 for 1."))
    return tree.map(lambda p, u: cast(p + u, p), params, updates)


@public
def chain(*transformations: GradientTransformation) -> GradientTransformation:
    """Several transformations, each of which is given the updates of the one before; their states are in a tuple.

    Args:
        transformations: what `clip_by_global_norm`, `adam` and the like return.

    Returns:
        One transformation.

    Raises:
        ArgumentError: an argument is not a transformation.

    >>> import numpy as np
    >>> from fgrad.optim import clip_by_global_norm, sgd
    >>> opt = chain(clip_by_global_norm(1.0), sgd(0.1))
    >>> updates, state = opt.update(np.array([30.0, 40.0]), opt.init(np.zeros(2)))
    >>> updates
    array([-0.06, -0.08])
    """
    for i, t in enumerate(transformations):
        check_transformation("chain", f"argument {i}", t)

    def init(params: Any) -> tuple[Any, ...]:
        return tuple([t.init(params) for t in transformations])

    def update(grads: Any, state: tuple[Any, ...], params: Any = None, **extra: Any) -> tuple[Any, tuple[Any, ...]]:
        if type(state) is not tuple or len(state) != len(transformations):
            refuse_state("chain.update", f"a tuple of {len(transformations)} states", state)
        grads, states = _in_turn(transformations, grads, state, params, extra)
        return grads, tuple(states)

    return GradientTransformation(init, public(update))


@public
def named_chain(*transformations: tuple[str, GradientTransformation]) -> GradientTransformation:
    """`chain` whose members have names; their states are in a dict.

    Args:
        transformations: pairs (name, transformation).

    Returns:
        One transformation.

    Raises:
        ArgumentError: an argument is not such a pair, or a name appears twice.

    >>> from fgrad.optim import clip_by_global_norm, sgd
    >>> opt = named_chain(("clip", clip_by_global_norm(1.0)), ("descend", sgd(0.1)))
    >>> opt.init(0.0)["descend"].hyper.learning_rate
    0.1
    """
    for i, pair in enumerate(transformations):
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)):
            raise ArgumentError(message(f"named_chain: argument {i} must be (name, transformation), got {pair!r:.60}."))
        check_transformation("named_chain", f"argument {i}, {pair[0]!r},", pair[1])
    named = dict(transformations)
    if len(named) < len(transformations):
        names = ", ".join(repr(name) for name, _ in transformations)
        raise ArgumentError(message(f"named_chain: names must differ, got {names}."))

    def init(params: Any) -> dict[str, Any]:
        return {name: t.init(params) for name, t in named.items()}

    def update(grads: Any, state: dict[str, Any], params: Any = None, **extra: Any) -> tuple[Any, dict[str, Any]]:
        if not isinstance(state, dict) or set(state) != set(named):
            refuse_state("named_chain.update", f"a dict with {', '.join(map(repr, named))}", state)
        grads, states = _in_turn(named.values(), grads, [state[name] for name in named], params, extra)
        return grads, dict(zip(named, states, strict=True))

    return GradientTransformation(init, public(update))


def check_transformation(function: str, which: str, value: Any) -> None:
    """Refuses what is not a pair (init, update).

    Raises:
        ArgumentError: it is not.
    """
    if not (hasattr(value, "init") and hasattr(value, "update")):
        raise ArgumentError(message(f"{function}: {which} is not a gradient transformation, got {value!r:.60}."))


def _in_turn(
    transformations: Iterable[GradientTransformation], grads: Any, states: Iterable[Any], params: Any, extra: Any
) -> tuple[Any, list[Any]]:
    """Each is given the updates of the one before."""
    following = []
    for t, state in zip(transformations, states, strict=True):
        grads, state = t.update(grads, state, params, **extra)
        following.append(state)
    return grads, following


@public
def incremental_update(new_tensors: Any, old_tensors: Any, step_size: Any) -> Any:
    """A step from old values towards new ones: step_size·new + (1 − step_size)·old.

    Args:
        new_tensors: a pytree of arrays.
        old_tensors: a pytree of the same structure and shapes, such as slowly moving copies of parameters.
        step_size: how much of the way, 0 to 1.

    Returns:
        A pytree like `old_tensors`, in its dtypes.

    Raises:
        TreeStructureError: the structures differ.
        ShapeError: a leaf has another shape.

    >>> incremental_update({"w": 3.0}, {"w": 1.0}, 0.25)
    {'w': 1.5}

    Source: Polyak & Juditsky, "Acceleration of stochastic approximation by averaging" (1992).
    """
    check_tree("incremental_update", "new_tensors", new_tensors, "old_tensors", old_tensors)
    return tree.map(lambda x, y: mixed(1 - step_size, y, x), new_tensors, old_tensors)


@public
def periodic_update(new_tensors: Any, old_tensors: Any, steps: Array, update_period: int) -> Any:
    """The new values at every `update_period`th step, the old ones in between.

    Args:
        new_tensors: a pytree of arrays.
        old_tensors: a pytree of the same structure and shapes.
        steps: the number of steps done.
        update_period: how many steps a value is kept.

    Returns:
        A pytree like `old_tensors`, in its dtypes.

    Raises:
        TreeStructureError: the structures differ.
        ShapeError: a leaf has another shape.

    >>> float(periodic_update(3.0, 1.0, steps=4, update_period=2))
    3.0
    """
    check_tree("periodic_update", "new_tensors", new_tensors, "old_tensors", old_tensors)
    due = steps % update_period == 0
    return tree.map(lambda x, y: fnp.where(due, cast(x, y), y), new_tensors, old_tensors)
