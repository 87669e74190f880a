"""One transformation for some of the parameters, several for groups of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from fgrad import tree
from fgrad.errors import ArgumentError, message, public
from fgrad.optim.check import check_kind, check_tree
from fgrad.optim.paths import by_path, chosen, labelled
from fgrad.optim.pieces import set_to_zero
from fgrad.optim.transformation import GradientTransformation, check_transformation

__all__ = ["MaskedNode", "MaskedState", "PartitionState", "freeze", "masked", "multi_transform", "partition"]


class MaskedNode(NamedTuple):
    """Stands in the state of a masked transformation for the leaves that it does not see."""


class MaskedState(NamedTuple):
    """The state of the inner transformation, over the leaves that it sees."""

    inner_state: Any


class PartitionState(NamedTuple):
    """From each label to the state of its transformation, over the leaves with this label."""

    inner_states: dict[str, Any]


@public
def masked(inner: GradientTransformation, mask: Any) -> GradientTransformation:
    """A transformation for some of the leaves; the updates of the others go through as they are.

    Args:
        inner: what `adam` and the like return.
        mask: for which leaves: a pattern for key paths (`"*/weight"`, see `by_path`), a pytree of booleans (a prefix of
            the parameters), or a function from the parameters to one.

    Returns:
        A transformation; its state is a `MaskedState`.

    Raises:
        ArgumentError: `inner` is not a transformation; later on: a pattern fits no leaf, or the mask holds something
            other than booleans.

    >>> from fgrad.optim import scale
    >>> opt = masked(scale(-1.0), "*weight")
    >>> params = {"weight": 1.0, "bias": 2.0}
    >>> opt.update({"weight": 3.0, "bias": 4.0}, opt.init(params), params)[0]
    {'weight': -3.0, 'bias': 4.0}
    """
    check_transformation("masked", "`inner`", inner)

    def init(params: Any) -> MaskedState:
        return MaskedState(inner.init(_seen(params, chosen("masked.init", mask, params))))

    def update(grads: Any, state: MaskedState, params: Any = None, **extra: Any) -> tuple[Any, MaskedState]:
        check_kind("masked.update", state, MaskedState)
        flags = chosen("masked.update", mask, grads if params is None else params)
        updates, inner_state = _update_some(inner, flags, grads, state.inner_state, params, extra)
        return updates, MaskedState(inner_state)

    return GradientTransformation(public(init), public(update))


@public
def freeze(mask: Any) -> GradientTransformation:
    """Makes the updates of some leaves 0.

    Args:
        mask: which leaves stay as they are, as in `masked`.

    Returns:
        A transformation, to be the last in a `chain`.

    >>> opt = freeze("bias")
    >>> updates, state = opt.update({"weight": 3.0, "bias": 4.0}, opt.init({"weight": 1.0, "bias": 2.0}))
    >>> float(updates["weight"]), float(updates["bias"])
    (3.0, 0.0)
    """
    return masked(set_to_zero(), mask)


@public
def multi_transform(
    transforms: Mapping[Any, GradientTransformation], param_labels: Any = None
) -> GradientTransformation:
    """Several transformations, each for a group of the parameters.

    Args:
        transforms: from a label to the transformation of its group. Without `param_labels` the labels are patterns for
            key paths, globs or compiled regular expressions: the first that fits counts, see `by_path`.
        param_labels: a pytree of labels (a prefix of the parameters), or a function from the parameters to one.

    Returns:
        A transformation; its state is a `PartitionState`, a dict from label (the text of a pattern) to state.

    Raises:
        ArgumentError: a value is not a transformation; later on: a leaf has a label for which there is none, no pattern
            fits a leaf, or a pattern fits none.

    >>> from fgrad.optim import sgd
    >>> opt = multi_transform({"*/bias": sgd(1.0), "*": sgd(0.1)})
    >>> params = {"dense": {"weight": 1.0, "bias": 2.0}}
    >>> updates, state = opt.update(params, opt.init(params))
    >>> updates
    {'dense': {'weight': -0.1, 'bias': -2.0}}
    """
    names = {label: label.pattern if isinstance(label, re.Pattern) else label for label in transforms}
    named = {names[label]: inner for label, inner in transforms.items()}
    for label, inner in named.items():
        check_transformation("multi_transform", f"transforms[{label!r}]", inner)
    labels = by_path(names) if param_labels is None else param_labels

    def groups(where: str, params: Any) -> dict[Any, list[bool]]:
        given = labelled(where, labels, params)
        for (path, _), label in zip(tree.leaves_with_path(params), given, strict=True):
            if label not in named:
                what = f"{where}: params{tree.keystr(path)} has the label {label!r:.60}, for which there is none"
                raise ArgumentError(message(f"{what} of the transformations {', '.join(map(repr, named))}."))
        return {label: [x == label for x in given] for label in named}

    def init(params: Any) -> PartitionState:
        flags = groups("multi_transform.init", params)
        return PartitionState({label: inner.init(_seen(params, flags[label])) for label, inner in named.items()})

    def update(grads: Any, state: PartitionState, params: Any = None, **extra: Any) -> tuple[Any, PartitionState]:
        check_kind("multi_transform.update", state, PartitionState)
        flags = groups("multi_transform.update", grads if params is None else params)
        updates, states = grads, {}
        for label, inner in named.items():
            old = state.inner_states[label]
            updates, states[label] = _update_some(inner, flags[label], updates, old, params, extra)
        return updates, PartitionState(states)

    return GradientTransformation(public(init), public(update))


partition = multi_transform


def _update_some(
    inner: GradientTransformation, flags: list[bool], grads: Any, state: Any, params: Any, extra: dict[str, Any]
) -> tuple[Any, Any]:
    """Updates the leaves that are flagged; the others go through."""
    if params is not None:
        check_tree("update", "params", params, "grads", grads)
        params = _seen(params, flags)
    updates, state = inner.update(_seen(grads, flags), state, params, **extra)
    new = iter(tree.leaves(updates))
    leaves, structure = tree.flatten(grads)
    return structure.unflatten([next(new) if flag else g for g, flag in zip(leaves, flags, strict=True)]), state


def _seen(params: Any, flags: list[bool]) -> Any:
    """The pytree with nothing in the place of leaves that are not flagged."""
    leaves, structure = tree.flatten(params)
    return structure.unflatten([x if flag else MaskedNode() for x, flag in zip(leaves, flags, strict=True)])
