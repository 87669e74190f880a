"""What a picture of a program consists of: nodes, the edges between them, and a panel for every program drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from fgrad.core.aval import Array
from fgrad.viz.text import value_text

__all__ = ["BOXES", "Diagram", "Edge", "Kind", "Line", "Node", "Panel", "Role"]

Kind: TypeAlias = Literal["argument", "constant", "variable", "output", "operator", "call", "summary"]
Role: TypeAlias = Literal["label", "detail", "value", "gradient"]

BOXES = frozenset({"argument", "constant", "variable", "output"})


class Line(NamedTuple):
    """A line of text in a node, and what it tells."""

    text: str
    role: Role


@dataclass(slots=True, eq=False)
class Node:
    """A variable (a box) or an operator (a circle).

    Attributes:
        key: tells it from the other nodes of the diagram.
        kind: `argument`, `constant`, `variable` and `output` are boxes; `operator` is one equation, `call` one that
            holds programs, and `summary` stands for many.
        label: the name of the variable, or what the operator does.
        type: shape and dtype of its value, where it has one.
        operands: the keys of the nodes that an operator reads, in its order.
        detail: parameters of the operator, what a call or a summary holds.
        value: the forward value, where it was asked for.
        gradient: the derivative of the output by this value, of its shape, where it was asked for.
        group: the calls, from the outermost on, that it was unfolded from.
        source: the user's line, as `file:line (function)`.
    """

    key: int
    kind: Kind
    label: str
    detail: str = ""
    type: str = ""
    operands: tuple[int, ...] = ()
    value: Array = None
    gradient: Array = None
    group: tuple[str, ...] = ()
    source: str = ""

    @property
    def lines(self) -> list[Line]:
        """What is written in it."""
        found = [Line(self.label, "label")]
        if self.detail:
            found.append(Line(self.detail, "detail"))
        if self.value is not None:
            found.append(Line(value_text(self.value), "value"))
        if self.gradient is not None:
            found.append(Line(value_text(self.gradient), "gradient"))
        return found


class Edge(NamedTuple):
    """A value on its way from one node to another; the label is its shape and dtype."""

    tail: int
    head: int
    label: str


@dataclass(slots=True)
class Panel:
    """One program: the one that was asked for, or a program that one of its operators holds.

    Attributes:
        title: the name of the program.
        nodes: in the order of the program.
        edges: tails come before heads.
        owner: the key of the operator that holds it; `None` for the program that was asked for.
    """

    title: str
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    owner: int | None = None


Diagram: TypeAlias = list[Panel]
"""The program that was asked for, and then those that were unfolded from it."""
