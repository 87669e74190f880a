"""Diagrams in Mermaid, which GitHub and Jupyter draw with nothing installed."""

from __future__ import annotations

import re

from fgrad.viz.groups import Group, nested
from fgrad.viz.model import Diagram, Kind, Node
from fgrad.viz.style import FILL, GROUP, GROUP_FILL, INK, STROKE, TEXT

__all__ = ["to_mermaid"]

_BRACKETS: dict[Kind, tuple[str, str]] = {"operator": ("((", "))"), "call": ("[[", "]]"), "summary": ("[[", "]]")}


def to_mermaid(diagram: Diagram, direction: str, shapes: bool) -> str:
    """The text of a diagram as a Mermaid flow chart; what stands in it is escaped."""
    lines = [f"flowchart {direction}"]
    numbers = _Numbers()
    for panel in diagram:
        if panel is diagram[0]:
            lines += _group(nested(panel.nodes), "  ", numbers)
        else:
            lines += _subgraph(panel.title, nested(panel.nodes), "  ", numbers)
        for edge in panel.edges:
            label = f'|"{_escaped(edge.label)}"|' if shapes else ""
            lines.append(f"  n{edge.tail} -->{label} n{edge.head}")
    kinds = dict.fromkeys(node.kind for panel in diagram for node in panel.nodes)
    for kind in kinds:
        lines.append(f"  classDef {kind}Node fill:{FILL[kind]},stroke:{STROKE[kind]},color:{INK}")
    lines += [f"  style g{n} fill:{GROUP_FILL},stroke:{GROUP}" for n in range(numbers.given)]
    return "\n".join([*lines, ""])


class _Numbers:
    given = 0

    def next(self) -> int:
        self.given += 1
        return self.given - 1


def _subgraph(title: str, group: Group, indent: str, numbers: _Numbers) -> list[str]:
    return [
        f'{indent}subgraph g{numbers.next()}["{_escaped(title)}"]',
        *_group(group, indent + "  ", numbers),
        f"{indent}end",
    ]


def _group(group: Group, indent: str, numbers: _Numbers) -> list[str]:
    lines = [f"{indent}{_node(node)}" for node in group.nodes]
    for inner in group.groups.values():
        lines += _subgraph(inner.title, inner, indent, numbers)
    return lines


def _node(node: Node) -> str:
    opening, closing = _BRACKETS.get(node.kind, ("[", "]"))
    texts = [
        _escaped(text) if role == "label" else f"<span style='color:{TEXT[role]}'>{_escaped(text)}</span>"
        for text, role in node.lines
    ]
    return f'n{node.key}{opening}"{"<br/>".join(texts)}"{closing}:::{node.kind}Node'


_SPECIAL = re.compile(r"[^\w .,:()×÷−·…≥≤≠Σσ@]")


def _escaped(text: str) -> str:
    """Every character that could mean something to Mermaid or in HTML, as its number."""
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", text) or " "
