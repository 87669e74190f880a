"""What an optimizer is given must fit together; the message says at which key path it does not."""

from __future__ import annotations

from typing import Any

import fgrad.numpy as fnp
from fgrad import tree
from fgrad.errors import ArgumentError, ShapeError, TreeStructureError, message

__all__ = ["check_params", "check_state", "check_tree"]


def check_tree(function: str, name: str, given: Any, reference_name: str, reference: Any) -> None:
    """Refuses a pytree whose structure or shapes are not those of another one.

    Raises:
        TreeStructureError: the structures differ.
        ShapeError: a leaf has another shape.
    """
    leaves, structure = tree.flatten(given)
    wanted, expected = tree.flatten(reference)
    if structure != expected:
        fault = tree.difference(expected, structure)
        raise TreeStructureError(
            message(f"{function}: `{name}` does not have the structure of {reference_name}, {fault}.")
        )
    for i, (x, y) in enumerate(zip(leaves, wanted, strict=True)):
        if fnp.shape(x) != fnp.shape(y):
            path = tree.keystr(tree.leaves_with_path(given)[i][0])
            what = f"{function}: {name}{path} has shape {fnp.shape(x)}, but {reference_name} has {fnp.shape(y)} there."
            raise ShapeError(message(what))


def check_state(function: str, state: Any, kind: type, hyper: type) -> None:
    """Refuses what is not a state of the optimizer, such as that of another one.

    Raises:
        ArgumentError: the state has another type.
    """
    if not isinstance(state, kind) or not isinstance(state.hyper, hyper):  # type: ignore[attr-defined]
        cure = "Pass the state that init(params) or the update before returned."
        what = f"{function}: `state` must be {kind.__name__} with {hyper.__name__}, got {state!r:.60}."
        raise ArgumentError(message(what, cure=cure))


def check_params(function: str, params: Any, grads: Any) -> None:
    """Refuses an update without the parameters, or with others than those of the gradients.

    Raises:
        ArgumentError: there are none.
        TreeStructureError: the structure is not that of the gradients.
        ShapeError: a leaf has another shape.
    """
    if params is None:
        cure = "Call opt.update(grads, state, params)."
        raise ArgumentError(message(f"{function} needs `params`, which decay towards 0.", cure=cure))
    check_tree(function, "params", params, "grads", grads)
