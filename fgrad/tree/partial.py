"""A partial application that is a pytree."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from fgrad.errors import ArgumentError, message
from fgrad.tree.keys import GetAttrKey
from fgrad.tree.registration import register_pytree_with_keys
from fgrad.tree.table import describe

__all__ = ["Partial"]

R = TypeVar("R")


class Partial(functools.partial[R]):
    """`functools.partial` as a pytree: the bound arguments are children, the function is static.

    So a function with some of its arguments can be passed to a transformed function.

    Args:
        func: the function. What a `functools.partial` has bound is static, what a `Partial` has bound is not.
        *args: bound arguments, pytrees.
        **kwargs: bound keyword arguments, pytrees.

    >>> from fgrad import tree
    >>> add_one = Partial(lambda x, y: x + y, 1)
    >>> add_one(2), tree.leaves(add_one)
    (3, [1])
    """

    def __new__(cls, func: Callable[..., R], /, *args: Any, **kwargs: Any) -> Partial[R]:
        if not callable(func):
            raise ArgumentError(message(f"Partial needs a function, got {describe(func)}"))
        if isinstance(func, functools.partial) and not isinstance(func, Partial):
            func = _Static(func)  # or its arguments would be taken over as if they were this object's own
        return super().__new__(cls, func, *args, **kwargs)


class _Static:
    """A callable that hides what it holds."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.func(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Static) and self.func == other.func

    def __hash__(self) -> int:
        return hash(self.func)

    def __repr__(self) -> str:
        return repr(self.func)


def _flatten(obj: Partial[Any]) -> tuple[tuple[Any, ...], Hashable]:
    return (obj.args, obj.keywords), obj.func


def _flatten_with_keys(obj: Partial[Any]) -> tuple[tuple[Any, ...], Hashable]:
    return ((GetAttrKey("args"), obj.args), (GetAttrKey("keywords"), obj.keywords)), obj.func


def _unflatten(func: Callable[..., Any], children: Any) -> Partial[Any]:
    args, keywords = children
    return Partial(func, *args, **keywords)


register_pytree_with_keys(Partial, _flatten_with_keys, _unflatten, _flatten)
