"""The table of classes: which objects are nodes, and how they are taken apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from fgrad.tree.containers import (
    DefaultDictKind,
    DictKind,
    NamedTupleKind,
    NoneKind,
    OrderedDictKind,
    SequenceKind,
    named_tuple_kind,
)
from fgrad.tree.nodes import KINDS, LEAF, Kind, Node, Split
from fgrad.tree.text import an, short

__all__ = ["LEAF_TYPES", "SPLITS", "Splitter", "describe", "is_registered", "node_of", "register"]

Splitter: TypeAlias = Callable[[Any], Split]


class _Splits(dict[type, "Splitter | None"]):
    """By exact class: how to take an object apart; None for a leaf. A class is judged when first met."""

    def __missing__(self, cls: type) -> Splitter | None:
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            self[cls] = named_tuple_kind(cls).split
        else:
            self[cls] = None
            LEAF_TYPES.add(cls)
        return self[cls]


SPLITS = _Splits()
LEAF_TYPES: set[type] = set()  # the classes met so far whose objects are leaves


def register(kind: Kind) -> None:
    """Makes the objects of a class nodes."""
    KINDS[kind.cls] = kind
    LEAF_TYPES.discard(kind.cls)
    SPLITS[kind.cls] = kind.split


def is_registered(cls: type) -> bool:
    """Whether objects of exactly this class were declared to be nodes."""
    return cls in KINDS and not isinstance(KINDS[cls], NamedTupleKind)


for _kind in (
    SequenceKind(list, list),
    SequenceKind(tuple, tuple),
    NoneKind(),
    DictKind(),
    OrderedDictKind(),
    DefaultDictKind(),
):
    register(_kind)


def node_of(obj: Any) -> Node:
    """The node of an object; LEAF for a leaf."""
    split = SPLITS[type(obj)]
    return LEAF if split is None else split(obj)[0]


def describe(obj: Any) -> str:
    """Words for an error message, such as `a list of length 2` or `a float`."""
    node = node_of(obj)
    return _describe_leaf(obj) if node is LEAF else node.kind.describe(node)


def _describe_leaf(obj: Any) -> str:
    cls = type(obj)
    shape, dtype = getattr(obj, "shape", None), getattr(obj, "dtype", None)
    if isinstance(shape, tuple) and dtype is not None:
        return f"an array of shape {shape} and dtype {dtype}"
    base = next((base for base in cls.__mro__[1:] if is_registered(base)), None)
    if base is not None:
        return f"a {cls.__name__}, a leaf (its base {base.__name__} is a pytree node, but it is not registered)"
    return f"{an(cls.__name__)} {short(obj)}" if cls.__module__ == "builtins" else f"{an(cls.__name__)}"
