"""Diagrams in words: a line for every value."""

from __future__ import annotations

from fgrad.viz.model import BOXES, Node, Panel
from fgrad.viz.text import INFIX_SIGNS, value_text

__all__ = ["lines_of"]


def lines_of(panel: Panel) -> list[str]:
    """One line for every value of a panel, in the order of the program: `q = x + y  f64[]`."""
    by_key = {node.key: node for node in panel.nodes}
    boxes: dict[int, list[Node]] = {}
    for edge in panel.edges:
        if by_key[edge.head].kind in ("variable", "output"):
            boxes.setdefault(edge.tail, []).append(by_key[edge.head])
    names = {node.key: node.label if node.kind in BOXES else f"%{node.key}" for node in panel.nodes}
    drawn: set[int] = set()
    lines = []
    for node in panel.nodes:
        if node.key in drawn:
            continue
        if node.kind in BOXES:
            source = next((names[e.tail] for e in panel.edges if e.head == node.key), _source(node))
            lines.append(_line(node, node.label, source))
            continue
        results = boxes.get(node.key, [])
        drawn.update(box.key for box in results)
        expression = _expression(node, [names.get(key, "?") for key in node.operands])
        if len(results) == 1:
            lines.append(_line(results[0], results[0].label, expression))
            names[node.key] = results[0].label
            continue
        lines.append(_line(node, ", ".join(box.label for box in results) or names[node.key], expression))
        if results:
            lines += [_line(box, box.label, names[node.key]) for box in results if box.value is not None]
    return lines


def _source(node: Node) -> str:
    return f"{node.kind}[{node.detail}]" if node.detail else node.kind


def _line(node: Node, name: str, expression: str) -> str:
    parts = [f"{name} = {expression}", node.type]
    if node.value is not None:
        parts.append(f"value {value_text(node.value)}")
    if node.gradient is not None:
        parts.append(f"gradient {value_text(node.gradient)}")
    return "  ".join(part for part in parts if part)


def _expression(node: Node, operands: list[str]) -> str:
    label = node.label
    if node.kind == "operator":
        if label in INFIX_SIGNS and len(operands) == 2:
            return f"{operands[0]} {label} {operands[1]}"
        if "·" in label:
            parts = label.split("·")
            return "".join(a + b for a, b in zip(parts, [*operands, ""], strict=False))
        if len(operands) == 1 and label[0] in INFIX_SIGNS and " " in label:
            return f"{operands[0]} {label}"
        if len(operands) == 1 and label[-1] in INFIX_SIGNS and " " in label:
            return f"{label} {operands[0]}"
    detail = f"[{node.detail}]" if node.detail else ""
    return f"{label}{detail}({', '.join(operands)})"
