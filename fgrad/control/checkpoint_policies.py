"""What a checkpoint saves besides its arguments.

A policy is a function `policy(primitive, *avals, **params)` that says of each operation, given by its primitive, the
types of its arguments and its parameters, whether the result is saved; what is not saved is computed again. The
operations are those of the function and those that its derivative computes from values alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgrad.core.primitive import Primitive
from fgrad.errors import ArgumentError, message, public
from fgrad.tree.table import describe

__all__ = [
    "Policy",
    "checkpoint_dots",
    "checkpoint_dots_with_no_batch_dims",
    "dots_saveable",
    "dots_with_no_batch_dims_saveable",
    "everything_saveable",
    "nothing_saveable",
    "save_any_names_but_these",
    "save_anything_except_these_names",
    "save_from_both_policies",
    "save_only_these_names",
]

Policy = Callable[..., Any]

_PRODUCTS = frozenset({"dot_general", "convolution"})


def everything_saveable(primitive: Primitive, *avals: Any, **params: Any) -> bool:
    """Saves everything, as if there were no checkpoint."""
    return True


def nothing_saveable(primitive: Primitive, *avals: Any, **params: Any) -> bool:
    """Saves nothing but the arguments, as a checkpoint without a policy does."""
    return False


def dots_saveable(primitive: Primitive, *avals: Any, **params: Any) -> bool:
    """Saves products of matrices and convolutions, which are dear to compute, and nothing else."""
    return primitive.name in _PRODUCTS


def dots_with_no_batch_dims_saveable(primitive: Primitive, *avals: Any, **params: Any) -> bool:
    """Saves products of matrices that are not products of stacks of matrices: those with weights, as a rule."""
    return primitive.name == "dot_general" and not any(params["dimension_numbers"][1])


checkpoint_dots = dots_saveable
checkpoint_dots_with_no_batch_dims = dots_with_no_batch_dims_saveable


@public
def save_only_these_names(*names: str) -> Policy:
    """A policy that saves what `checkpoint_name` gave one of these names, and nothing else.

    >>> policy = save_only_these_names("hidden")
    >>> from fgrad.primitives.trigonometric import sin
    >>> policy(sin)
    False
    """
    chosen = _checked(names, "save_only_these_names")

    def policy(primitive: Primitive, *avals: Any, **params: Any) -> bool:
        return primitive.name == "name" and params["name"] in chosen

    return _called(policy, "save_only_these_names", names)


@public
def save_any_names_but_these(*names: str) -> Policy:
    """A policy that saves what has a name, except these, and nothing else."""
    left_out = _checked(names, "save_any_names_but_these")

    def policy(primitive: Primitive, *avals: Any, **params: Any) -> bool:
        return primitive.name == "name" and params["name"] not in left_out

    return _called(policy, "save_any_names_but_these", names)


@public
def save_anything_except_these_names(*names: str) -> Policy:
    """A policy that saves everything except what has one of these names."""
    left_out = _checked(names, "save_anything_except_these_names")

    def policy(primitive: Primitive, *avals: Any, **params: Any) -> bool:
        return primitive.name != "name" or params["name"] not in left_out

    return _called(policy, "save_anything_except_these_names", names)


@public
def save_from_both_policies(first: Policy, second: Policy) -> Policy:
    """A policy that saves what either of two policies saves."""
    for given in (first, second):
        if not callable(given):
            raise ArgumentError(message(f"save_from_both_policies takes two policies, got {describe(given)}."))

    def policy(primitive: Primitive, *avals: Any, **params: Any) -> bool:
        return bool(first(primitive, *avals, **params) or second(primitive, *avals, **params))

    return _called(policy, "save_from_both_policies", (first, second))


def _checked(names: tuple[Any, ...], function: str) -> frozenset[str]:
    for name in names:
        if not isinstance(name, str):
            cure = f'Write {function}("a", "b").'
            raise ArgumentError(message(f"{function} takes names, got {describe(name)}.", cure=cure))
    return frozenset(names)


def _called(policy: Policy, function: str, args: tuple[Any, ...]) -> Policy:
    """The policy under the name by which it was made, as it is printed in programs."""
    policy.__name__ = f"{function}({', '.join(getattr(x, '__name__', repr(x)) for x in args)})"
    return policy
