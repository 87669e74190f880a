"""Pytrees in generated source: taken apart, put together, and described."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fgrad.core.aval import ShapedArray, aval_of
from fgrad.export.values import tuple_source
from fgrad.tree import keystr
from fgrad.tree.keys import DictKey, GetAttrKey, KeyPath
from fgrad.tree.table import SPLITS, describe

__all__ = ["built", "described", "leaves_of"]


def _children(tree: Any) -> list[tuple[Any, Any]] | None:
    """The keys and the children of a container; `None` for a leaf."""
    split = SPLITS[type(tree)]
    if split is None:
        return None
    node, children = split(tree)
    return list(zip(node.kind.keys_of(node, tree), children, strict=True))


def _is_tuple(tree: Any) -> bool:
    return isinstance(tree, tuple)


def leaves_of(tree: Any, source: str, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str, Any]]:
    """Every leaf of an argument, with its path and the expression that reads it.

    What has fields is read as a dict, except named tuples, which are read as tuples; other containers are read as
    sequences of their children.
    """
    children = _children(tree)
    if children is None:
        yield path, source, tree
        return
    for i, (key, child) in enumerate(children):
        yield from leaves_of(child, f"{source}[{_index(tree, key, i)!r}]", (*path, key))


def _index(tree: Any, key: Any, i: int) -> Any:
    if isinstance(key, DictKey):
        return key.key
    return key.name if isinstance(key, GetAttrKey) and not _is_tuple(tree) else i


def built(tree: Any, leaf: Callable[[Any], str]) -> str:
    """The expression that puts a result together."""
    children = _children(tree)
    if children is None:
        return "None" if tree is None else leaf(tree)
    if tree is None:
        return "None"
    parts = [(key, built(child, leaf)) for key, child in children]
    if isinstance(tree, list):
        return f"[{', '.join(text for _, text in parts)}]"
    keys = [_index(tree, key, i) for i, (key, _) in enumerate(parts)]
    named = [isinstance(key, DictKey) or (isinstance(key, GetAttrKey) and not _is_tuple(tree)) for key, _ in parts]
    if isinstance(tree, dict) or (named and all(named)):
        return "{" + ", ".join(f"{key!r}: {text}" for key, (_, text) in zip(keys, parts, strict=True)) + "}"
    return tuple_source([text for _, text in parts])


def described(tree: Any, name: str) -> list[str]:
    """Lines that say what an argument or a result consists of."""
    if _children(tree) is None:
        return [f"{name}: {_type(tree)}"]
    kind = "None" if tree is None else _container(tree)
    lines = [f"{name}: {kind}"]
    lines += [f"    {name}{keystr(path)}: {_type(leaf)}" for path, _, leaf in leaves_of(tree, "")]
    return lines


def _container(tree: Any) -> str:
    text = describe(tree)
    if type(tree) in (tuple, list, dict):
        return text
    keys = [key for key, _ in _children(tree) or ()]
    if not _is_tuple(tree) and keys and all(isinstance(key, (DictKey, GetAttrKey)) for key in keys):
        return f"a dict, in the place of {text}"
    return f"a tuple, in the place of {text}"


_PYTHON = {"b": "bool", "i": "int", "u": "int", "f": "float", "c": "complex"}


def _type(leaf: Any) -> str:
    aval: ShapedArray = getattr(leaf, "aval", None) or aval_of(leaf)
    if aval.weak_type:
        return f"a Python {_PYTHON[aval.dtype.kind]}"
    return f"{aval.dtype.name}[{', '.join(map(str, aval.shape))}]"
