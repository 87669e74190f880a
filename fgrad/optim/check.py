"""What an optimizer is given must fit together; the message says at which key path it does not."""

from __future__ import annotations

from typing import Any, NoReturn

import fgrad.numpy as fnp
from fgrad import tree
from fgrad.errors import ArgumentError, ShapeError, TreeStructureError, message

__all__ = ["check_kind", "check_params", "check_state", "check_tree", "refuse_state"]


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


def check_state(function: str, state: Any, kind: Any, hyper: Any) -> None:
    """Refuses what is not a state of the optimizer, such as that of another one.

    Raises:
        ArgumentError: the state has another type, or its hyperparameters are others.
    """
    if not isinstance(state, kind) or _names(state.hyper) != _names(hyper):
        wanted = f"{kind.__name__} with {type(hyper).__name__}({', '.join(_names(hyper)[1:])})"
        refuse_state(function, wanted, state)


def check_kind(function: str, state: Any, kind: type) -> None:
    """Refuses a state of another type.

    Raises:
        ArgumentError: it has one.
    """
    if not isinstance(state, kind):
        refuse_state(function, kind.__name__, state)


def refuse_state(function: str, wanted: str, state: Any) -> NoReturn:
    """Raises the error of a state that is not what is wanted."""
    cure = "Pass the state that init(params) or the update before returned."
    raise ArgumentError(message(f"{function}: `state` must be {wanted}, got {state!r:.60}.", cure=cure))


def _names(hyper: Any) -> list[Any]:
    """The type of hyperparameters, and which of them there are."""
    names = getattr(type(hyper), "_fields", ())
    return [type(hyper), *[name for name in names if getattr(hyper, name) is not None]]


def check_params(function: str, params: Any, grads: Any, reason: str) -> None:
    """Refuses an update without the parameters, or with others than those of the gradients.

    Raises:
        ArgumentError: there are none.
        TreeStructureError: the structure is not that of the gradients.
        ShapeError: a leaf has another shape.
    """
    if params is None:
        cure = "Call opt.update(grads, state, params)."
        raise ArgumentError(message(f"{function} needs `params`, {reason}.", cure=cure))
    check_tree(function, "params", params, "grads", grads)
