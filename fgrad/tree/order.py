"""The canonical order of dict keys: whatever the insertion order, also for keys that do not compare."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby, pairwise
from typing import Any

from fgrad.errors import ArgumentError, message
from fgrad.tree.text import short

__all__ = ["canonical_order"]


def canonical_order(keys: Iterable[Any]) -> tuple[Any, ...]:
    """Sorts keys if they have a total order; otherwise by class, then by value or repr within the class.

    >>> canonical_order(["b", 2, "a", 10])
    (2, 10, 'a', 'b')
    """
    keys = tuple(keys)
    return _sorted(keys) or tuple(key for group in _groups(keys) for key in _sorted(group) or _by_repr(group))


def _sorted(keys: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The keys in ascending order, or None if `<` is not a total order on them (sets, NaN)."""
    try:
        ordered = tuple(sorted(keys))
        ascending = all(a < b for a, b in pairwise(ordered))
    except Exception:  # noqa: BLE001 (a foreign `<` may raise anything)
        return None
    return ordered if ascending else None


def _groups(keys: tuple[Any, ...]) -> Iterable[tuple[Any, ...]]:
    for _, group in groupby(sorted(keys, key=_group_name), key=_group_name):
        yield tuple(group)


def _group_name(key: Any) -> str:
    """Keys of different groups are never equal."""
    if isinstance(key, str):
        return "str"
    if isinstance(key, (int, float)):
        return "number"
    return f"{type(key).__module__}.{type(key).__qualname__}"


def _by_repr(keys: tuple[Any, ...]) -> tuple[Any, ...]:
    marked = sorted((repr(key), hash(key), index) for index, key in enumerate(keys))
    for (text, mark, first), (other, other_mark, second) in pairwise(marked):
        if text == other and mark == other_mark:
            what = f"the dict keys {short(keys[first])} and {short(keys[second])} cannot be put in an order"
            cure = "Keys of one dict need a `<` that is a total order, or different reprs."
            raise ArgumentError(message(what, cure=cure))
    return tuple(keys[index] for _, _, index in marked)
