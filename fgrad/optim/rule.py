"""The common shape of optimizers: hyperparameters, some slots for every parameter, and a rule for one leaf.

A rule is a function `rule(hyper, count)`, called once per update: what depends on no parameter is computed there. It
returns `leaf(x, *slots)`, called once per parameter, which returns its update and its next slots. So an update goes
through the parameters once, and each leaf is done with before the next one begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, NamedTuple, TypeAlias

from fgrad import tree
from fgrad.core import Array
from fgrad.errors import public
from fgrad.optim.check import check_params, check_state, check_tree
from fgrad.optim.hyper import FIRST_STEP, check_hyper, first, following
from fgrad.optim.leaves import scaled
from fgrad.optim.paths import chosen
from fgrad.optim.transformation import GradientTransformation

__all__ = ["HyperState", "Leaf", "Rule", "decayed", "leafwise", "length_of_step", "treewise"]


class Leaf(NamedTuple):
    """One gradient; its parameter (`None` where the rule asks for none), and what its masks say of this one."""

    g: Array
    p: Any = None
    decays: bool = False
    adapts: bool = True


class HyperState(NamedTuple):
    """The state of what keeps nothing of the parameters: the number of updates done, and the hyperparameters."""

    count: Array
    hyper: Any


LeafRule: TypeAlias = Callable[..., tuple[Any, ...]]
Rule: TypeAlias = Callable[[Any, Array], LeafRule]
Slot: TypeAlias = Callable[[Array], Array] | None


def leafwise(
    name: str,
    state: Callable[..., Any],
    hyper: Any,
    rule: Rule,
    slots: Sequence[Slot] = (),
    *,
    params_for: str | None = None,
    masks: Sequence[Any] = (),
) -> GradientTransformation:
    """An optimizer made of a rule.

    Args:
        name: the name of the public function, for its errors.
        state: the NamedTuple (count, slots…, hyper).
        hyper: a NamedTuple of numbers and schedules; what is optional has a default.
        rule: see above.
        slots: for each slot what it is at first, given a parameter; `None` for a slot that is not in use.
        params_for: what parameters are needed for ("which decay towards 0"), where they are.
        masks: which parameters decay, and which adapt, see `chosen`.
    """
    check_hyper(name, hyper)
    where = f"{name}.update"

    def init(params: Any) -> Any:
        return state(FIRST_STEP, *[slot and tree.map(slot, params) for slot in slots], first(hyper))

    def update(grads: Any, old: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        check_state(where, old, state, hyper)
        kept = old[1:-1]
        gradients, structure = tree.flatten(grads)
        for slot in kept[:1]:
            if slot is not None:
                check_tree(where, "grads", grads, "the state", slot)
        count = old.count + 1
        leaf = rule(old.hyper, count)
        xs = [Leaf(g) for g in gradients]
        if params_for is not None:
            check_params(where, params, grads, params_for)
            flags = [chosen(where, mask, params) for mask in masks]
            xs = [Leaf(*x) for x in zip(gradients, tree.leaves(params), *flags, strict=True)]
        columns = [repeat(None, len(xs)) if slot is None else tree.leaves(slot) for slot in kept]
        rows = [leaf(*row) for row in zip(xs, *columns, strict=True)]
        updates = structure.unflatten([row[0] for row in rows])
        following_slots = [
            None if slot is None else structure.unflatten([row[i] for row in rows]) for i, slot in enumerate(kept, 1)
        ]
        return updates, state(count, *following_slots, following(old.hyper, hyper, count))

    return GradientTransformation(init, public(update))


def treewise(name: str, hyper: Any, rule: Callable[[Any, Array, Any], Any]) -> GradientTransformation:
    """A transformation that looks at all gradients at once: `rule(hyper, count, grads)` returns the updates."""
    check_hyper(name, hyper)
    where = f"{name}.update"

    def init(params: Any) -> Any:
        return HyperState(FIRST_STEP, first(hyper))

    def update(grads: Any, old: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        check_state(where, old, HyperState, hyper)
        count = old.count + 1
        return rule(old.hyper, count, grads), HyperState(count, following(old.hyper, hyper, count))

    return GradientTransformation(init, public(update))


def length_of_step(hyper: Any) -> Array:
    """What a direction uphill is multiplied by: −learning_rate, or 1 where there is none (`scale_by_…`)."""
    return 1.0 if hyper.learning_rate is None else -hyper.learning_rate


def decayed(direction: Array, x: Leaf, factor: Array) -> Array:
    """A direction plus `factor` times the parameter, where that one decays."""
    return direction + scaled(factor, x.p) if x.decays else direction
