"""Diagrams in the language of Graphviz."""

from __future__ import annotations

import re
from html import escape
from itertools import count

from fgrad.viz.groups import Group, nested
from fgrad.viz.model import BOXES, Diagram, Node
from fgrad.viz.style import EDGE, FILL, FONT, GROUP, GROUP_FILL, INK, SIZE, STROKE, TEXT

__all__ = ["printable", "to_dot"]


def to_dot(diagram: Diagram, direction: str, shapes: bool) -> str:
    """The text of a diagram for `dot`; what stands in it is escaped."""
    font = FONT.split(",", maxsplit=1)[0]
    wires = [f"fontname={_quoted(font)}", "fontsize=9", f"color={_quoted(EDGE)}", f"fontcolor={_quoted(EDGE)}"]
    lines = [
        "digraph {",
        f"  graph [rankdir={direction}, fontname={_quoted(font)}, nodesep=0.25, ranksep=0.4, compound=true]",
        f"  node [fontname={_quoted(font)}, fontcolor={_quoted(INK)}, margin={_quoted('0.1,0.05')}, penwidth=1.2]",
        f"  edge [{', '.join(wires)}, arrowsize=0.6]",
    ]
    numbers = count()
    for panel in diagram:
        if panel is diagram[0]:
            lines += _group(nested(panel.nodes), "  ", numbers)
        else:
            lines += _cluster(panel.title, nested(panel.nodes), "  ", numbers)
        for edge in panel.edges:
            label = f" [label={_quoted(edge.label)}]" if shapes else ""
            lines.append(f"  n{edge.tail} -> n{edge.head}{label}")
    return "\n".join([*lines, "}", ""])


def _cluster(title: str, group: Group, indent: str, numbers: count[int]) -> list[str]:
    colours = f"color={_quoted(GROUP)}, fillcolor={_quoted(GROUP_FILL)}, fontcolor={_quoted(TEXT['detail'])}"
    return [
        f"{indent}subgraph cluster_{next(numbers)} {{",
        f"{indent}  graph [label={_quoted(title)}, labeljust=l, fontsize=11, style=filled, {colours}]",
        *_group(group, indent + "  ", numbers),
        f"{indent}}}",
    ]


def _group(group: Group, indent: str, numbers: count[int]) -> list[str]:
    lines = [f"{indent}n{node.key} [{_attributes(node)}]" for node in group.nodes]
    for inner in group.groups.values():
        lines += _cluster(inner.title, inner, indent, numbers)
    return lines


def _attributes(node: Node) -> str:
    rounded = "filled" if node.kind in BOXES else "filled,rounded"
    shape = "ellipse" if node.kind == "operator" else "box"
    doubled = ", peripheries=2" if node.kind in ("call", "summary") else ""
    tooltip = f", tooltip={_quoted(node.source)}" if node.source else ""
    return (
        f"label=<{_label(node)}>, shape={shape}, style={_quoted(rounded)}, fillcolor={_quoted(FILL[node.kind])}, "
        f"color={_quoted(STROKE[node.kind])}{doubled}{tooltip}"
    )


def _label(node: Node) -> str:
    return "<br/>".join(
        f'<font point-size="{SIZE[role]}" color="{TEXT[role]}">{escape(printable(text)) or " "}</font>'
        for text, role in node.lines
    )


def _quoted(text: str) -> str:
    """A string of DOT: a backslash would begin an escape sequence."""
    clean = printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{clean}"'


_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    """A text without control characters, which XML forbids."""
    return _UNPRINTABLE.sub(" ", text)
