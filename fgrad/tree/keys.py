"""Keys of children, and how a path of them prints: `['layers'][0].w`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn, TypeAlias

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


class Key:
    """Holds one value; equal to keys of its own class with an equal value. Immutable, for keys are shared.

    (Four dataclasses would do, but take half as long to import as the rest of this package.)
    """

    __slots__ = ()
    __match_args__: tuple[str, ...] = ()

    @property
    def bare(self) -> Any:
        """The value."""
        return getattr(self, self.__match_args__[0])

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"{self!r} is immutable")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.bare == other.bare

    def __hash__(self) -> int:
        return hash((type(self), self.bare))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.__match_args__[0]}={self.bare!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.bare,)


class SequenceKey(Key):
    """The place of a child in a list or tuple; prints as `[0]`."""

    __slots__ = __match_args__ = ("idx",)
    idx: int

    def __init__(self, idx: int) -> None:
        object.__setattr__(self, "idx", idx)

    def __str__(self) -> str:
        return f"[{self.idx}]"


class DictKey(Key):
    """The key of a child in a dict; prints as `['w']`."""

    __slots__ = __match_args__ = ("key",)
    key: Any

    def __init__(self, key: Any) -> None:
        object.__setattr__(self, "key", key)

    def __str__(self) -> str:
        return f"[{self.key!r}]"


class GetAttrKey(Key):
    """The attribute that holds a child of a NamedTuple or dataclass; prints as `.w`."""

    __slots__ = __match_args__ = ("name",)
    name: str

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "name", name)

    def __str__(self) -> str:
        return f".{self.name}"


class FlattenedIndexKey(Key):
    """The place of a child of a class that does not name its children; prints as `[<flat index 0>]`."""

    __slots__ = __match_args__ = ("key",)
    key: int

    def __init__(self, key: int) -> None:
        object.__setattr__(self, "key", key)

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
    return separator.join(str(key.bare if simple and isinstance(key, Key) else key) for key in keys)
