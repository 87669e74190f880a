"""The nodes of a panel by the calls that they were unfolded from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fgrad.viz.model import Node

__all__ = ["Group", "nested"]


@dataclass(slots=True)
class Group:
    """A call that is opened: its nodes, and the calls in it."""

    title: str
    nodes: list[Node] = field(default_factory=list)
    groups: dict[str, Group] = field(default_factory=dict)


def nested(nodes: Sequence[Node]) -> Group:
    """The outermost group, which has no title."""
    root = Group("")
    for node in nodes:
        group = root
        for title in node.group:
            group = group.groups.setdefault(title, Group(title))
        group.nodes.append(node)
    return root
