"""Keys of children, and how a path of them prints: `['layers'][0].w`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = [
    "DictKey",
    "FlattenedIndexKey",
    "GetAttrKey",
    "KeyEntry",
    "KeyPath",
    "Link",
    "SequenceKey",
    "keystr",
    "linked",
    "path_of",
]


@dataclass(frozen=True, slots=True)
class SequenceKey:
    """The place of a child in a list or tuple; prints as `[0]`."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx}]"


@dataclass(frozen=True, slots=True)
class DictKey:
    """The key of a child in a dict; prints as `['w']`."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"


@dataclass(frozen=True, slots=True)
class GetAttrKey:
    """The attribute that holds a child of a NamedTuple or dataclass; prints as `.w`."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"


@dataclass(frozen=True, slots=True)
class FlattenedIndexKey:
    """The place of a child of a class that does not name its children; prints as `[<flat index 0>]`."""

    key: int

    def __str__(self) -> str:
        return f"[<flat index {self.key}>]"


KeyEntry: TypeAlias = Any  # one of the classes above, or whatever a registered class names its children with
KeyPath: TypeAlias = tuple[KeyEntry, ...]
Link: TypeAlias = "tuple[Link, KeyEntry, int] | None"  # a path as its beginning, its last key and its length


def linked(link: Link, keys: Iterable[KeyEntry]) -> list[Link]:
    """The paths that are one key longer. They share their beginning, or deep trees would need quadratic space."""
    length = 1 if link is None else link[2] + 1
    return [(link, key, length) for key in keys]


def path_of(link: Link) -> KeyPath:
    """The keys of a linked path."""
    keys = []
    while link is not None:
        link, key, _ = link
        keys.append(key)
    return tuple(reversed(keys))


def keystr(keys: Iterable[KeyEntry], *, simple: bool = False, separator: str = "") -> str:
    """Prints a key path as the Python expression that reaches the leaf.

    Args:
        keys: the key path.
        simple: print the bare keys (`layers/0/w` with `separator="/"`).
        separator: what stands between two keys.

    Returns:
        The text.

    >>> keystr((DictKey("layers"), SequenceKey(0), GetAttrKey("w")))
    "['layers'][0].w"
    >>> keystr((DictKey("layers"), SequenceKey(0), GetAttrKey("w")), simple=True, separator="/")
    'layers/0/w'
    """
    return separator.join(_bare(key) if simple else str(key) for key in keys)


def _bare(key: KeyEntry) -> str:
    match key:
        case SequenceKey(bare) | DictKey(bare) | GetAttrKey(bare) | FlattenedIndexKey(bare):
            return str(bare)
        case _:
            return str(key)
