"""Structures as nodes in pre-order: the loops over them. Nothing recurses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

from fgrad.tree.nodes import LEAF, Node

__all__ = ["depth", "end_of_subtree", "expanded", "joined", "packed", "printed", "steps"]


def joined(nodes: Sequence[Node], leaves: Sequence[Any]) -> Any:
    """The tree, built from its last node to its first: on the stack, a node finds its first child on top."""
    stack: list[Any] = []
    end = len(leaves)
    for node in reversed(nodes):
        if node.span:
            start = end - node.span
            stack.append(node.join(leaves[start:end]))
            end = start
        elif node.arity:
            children = stack[: -node.arity - 1 : -1]
            del stack[-node.arity :]
            stack.append(node.join(children))
        else:
            stack.append(node.join(()))
    return stack[0]


def expanded(nodes: Iterable[Node]) -> Iterator[Node]:
    """The nodes with every leaf on its own."""
    for node in nodes:
        yield node.whole
        if node is not LEAF:
            yield from repeat(LEAF, node.span)


def packed(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The inverse of `expanded`."""
    result = []
    index = 0
    while index < len(nodes):
        node = nodes[index]
        index += 1
        if node.arity and all(child is LEAF for child in nodes[index : index + node.arity]):
            index += node.arity
            node = node.flat
        result.append(node)
    return tuple(result)


def depth(nodes: Iterable[Node]) -> int:
    """The length of the longest way from the root."""
    missing: list[int] = []  # children still to come, of each node on the way from the root
    deepest = 0
    for node in nodes:
        missing.append(0 if node.span else node.arity)
        deepest = max(deepest, len(missing))
        while missing and missing[-1] == 0:
            missing.pop()
            if missing:
                missing[-1] -= 1
    return deepest


def end_of_subtree(nodes: Sequence[Node], start: int) -> int:
    """The index after the last node of the subtree that begins at `start`."""
    missing, index = 1, start
    while missing:
        node = nodes[index]
        missing += (0 if node.span else node.arity) - 1
        index += 1
    return index


def steps(nodes: Sequence[Node], index: int) -> list[tuple[Node, int]]:
    """From the root to `nodes[index]`: each node on the way, and which of its children comes next."""
    way: list[tuple[Node, int]] = []
    for node in nodes[:index]:
        if node.arity and not node.span:
            way.append((node, 0))
            continue
        while way:  # this node is complete; so are those whose last child it is
            parent, child = way.pop()
            if child + 1 < parent.arity:
                way.append((parent, child + 1))
                break
    return way


def printed(nodes: Iterable[Node]) -> Iterator[str]:
    """The text of a structure, in pieces."""
    frames: list[tuple[Iterator[str], str]] = []  # labels of the children to come, and what closes the container
    for node in expanded(nodes):
        opening, labels, closing = node.kind.brackets(node)
        yield opening
        frames.append((iter([labels[0], *(f", {label}" for label in labels[1:])] if labels else ()), closing))
        while frames:
            label = next(frames[-1][0], None)
            if label is not None:
                yield label
                break
            yield frames.pop()[1]
