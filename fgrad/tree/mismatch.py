"""Where and how two structures differ, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fgrad.tree.keys import KeyEntry, KeyPath, keystr
from fgrad.tree.nodes import LEAF, Node
from fgrad.tree.preorder import steps
from fgrad.tree.table import SPLITS, describe, node_of

__all__ = ["path_in_structure", "path_in_tree", "place", "shown", "versus", "versus_node"]

_ENDS = 8  # keys shown at either end of a very long path
_LONG = 80  # characters from which on one key is clipped


def shown(path: KeyPath) -> str:
    """The path, without the middle if it is very long."""
    if len(path) <= 2 * _ENDS:
        return "".join(map(_clipped, path))
    return f"{shown(path[:_ENDS])}…({len(path) - 2 * _ENDS:,} more)…{shown(path[-_ENDS:])}"


def _clipped(key: KeyEntry) -> str:
    text = keystr((key,))
    return text if len(text) <= _LONG else f"{text[: _LONG // 2]}…{text[-_LONG // 4 :]}"


def place(path: KeyPath) -> str:
    """`at ['layers'][1]`, or `at the root`."""
    return f"at {shown(path)}" if path else "at the root"


def versus(want: Node, got: Any) -> str:
    """What was expected, what was got instead, and the details."""
    return _versus(want.whole, describe(got), node_of(got))


def versus_node(want: Node, got: Node) -> str:
    """As `versus`, where only the structure of what was got is known."""
    return _versus(want.whole, got.kind.describe(got), got.whole)


def _versus(want: Node, described: str, got: Node) -> str:
    details = want.kind.difference(want, got) if want.kind is got.kind else ""
    return f"expected {want.kind.describe(want)}, got {described}{details and '; ' + details}"


def path_in_structure(nodes: Sequence[Node], index: int) -> KeyPath:
    """The key path to `nodes[index]`, as far as the nodes know their keys."""
    return tuple(node.keys[child] for node, child in steps(nodes, index))


def path_in_tree(nodes: Sequence[Node], index: int, tree: Any) -> KeyPath:
    """The key path to where `nodes[index]` should be in a tree that fits the structure up to there."""
    path = []
    for _, child in steps(nodes, index):
        split = SPLITS[type(tree)]
        node, children = (LEAF, ()) if split is None else split(tree)
        path.append(node.kind.keys_of(node, tree)[child])
        tree = children[child]
    return tuple(path)
