"""Which leaves of a pytree are meant: by key path, by a pytree of labels, or by a function."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from fgrad import tree
from fgrad.errors import ArgumentError, message, public

__all__ = ["Pattern", "by_path", "chosen", "labelled", "matches", "path_text"]

Pattern: TypeAlias = str | re.Pattern[str]
"""A glob that fits all of a key path such as `layers/0/bias`, or a regular expression found in it."""


def path_text(path: Any) -> str:
    """The key path a pattern is compared with: bare keys with `/` between them."""
    return tree.keystr(path, simple=True, separator="/")


def matches(pattern: Pattern, text: str) -> bool:
    """Whether a pattern fits a key path."""
    if isinstance(pattern, str):
        return fnmatchcase(text, pattern)
    return pattern.search(text) is not None


@public
def by_path(labels: Mapping[Any, Any]) -> Any:
    """Labels by key path: a function from parameters to a pytree of labels, as `multi_transform` takes it.

    Args:
        labels: from a pattern to the label of the leaves that it fits; the first pattern that fits counts. A pattern
            is a glob (`"*/bias"`; `*` goes over any number of keys) or a compiled regular expression, found anywhere
            in the key path, whose keys are joined by `/`: `layers/0/bias`.

    Returns:
        `params -> labels`. It raises an `ArgumentError` for a leaf that no pattern fits, and for a pattern
        other than `"*"` that fits no leaf.

    >>> labels = by_path({"*/bias": "fast", "*": "slow"})
    >>> labels({"layer": {"weight": 1.0, "bias": 2.0}})
    {'layer': {'weight': 'slow', 'bias': 'fast'}}
    """
    for pattern in labels:
        _check_pattern("by_path", pattern)

    def label(params: Any) -> Any:
        return _by_path("by_path", labels, params)

    return public(label)


def labelled(where: str, labels: Any, params: Any) -> list[Any]:
    """The label of every leaf: a pytree of labels is a prefix of the parameters, and may come out of a function."""
    return tree.broadcast_prefix(labels(params) if callable(labels) else labels, params)


def chosen(where: str, mask: Any, params: Any) -> list[bool]:
    """Which leaves a mask means: all (None), those a pattern fits, or what a pytree of booleans says."""
    if mask is None:
        return [True] * len(tree.leaves(params))
    if isinstance(mask, (str, re.Pattern)):
        return tree.leaves(_by_path(where, {mask: True}, params, rest=False))
    flags = labelled(where, mask, params)
    for (path, _), flag in zip(tree.leaves_with_path(params), flags, strict=True):
        if type(flag) is not bool and not (hasattr(flag, "dtype") and flag.dtype == bool):
            what = f"{where}: `mask` must hold True or False for every parameter, got {flag!r:.60} at"
            cure = 'Pass a pytree of booleans, a function to one, or a pattern such as "*/bias".'
            raise ArgumentError(message(f"{what} params{tree.keystr(path)}.", cure=cure))
    return [bool(flag) for flag in flags]


_NOTHING = object()


def _by_path(where: str, labels: Mapping[Any, Any], params: Any, rest: Any = _NOTHING) -> Any:
    found = set()

    def label(path: Any, leaf: Any) -> Any:
        text = path_text(path)
        for pattern, value in labels.items():
            if matches(pattern, text):
                found.add(pattern)
                return value
        if rest is _NOTHING:
            what = f"{where}: no pattern fits params{tree.keystr(path)}, whose key path is {text!r}."
            raise ArgumentError(message(what, cure='Add a pattern for it, or "*" as the last one for all others.'))
        return rest

    out = tree.map_with_path(label, params)
    for pattern in labels:
        if pattern not in found and pattern != "*":
            paths = [path_text(path) for path, _ in tree.leaves_with_path(params)]
            shown = ", ".join(map(repr, paths[:5])) + (", …" if len(paths) > 5 else "")
            what = (
                f"{where}: the pattern {_shown(pattern)} fits no parameter that is left; their key paths are {shown}."
            )
            raise ArgumentError(message(what, cure="The first pattern that fits counts: put the special ones first."))
    return out


def _check_pattern(where: str, pattern: Any) -> None:
    if not isinstance(pattern, (str, re.Pattern)):
        what = f"{where}: a pattern is a glob or a compiled regular expression, got {pattern!r:.60}."
        raise ArgumentError(message(what))


def _shown(pattern: Pattern) -> str:
    return repr(pattern if isinstance(pattern, str) else pattern.pattern)
