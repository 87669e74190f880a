"""What all pictures have in common: colours, and the sizes of what is written."""

from __future__ import annotations

from fgrad.viz.model import Kind, Role

__all__ = ["EDGE", "FILL", "FONT", "GROUP", "GROUP_FILL", "INK", "SIZE", "STROKE", "TEXT"]

FONT = "Helvetica,Arial,sans-serif"
INK = "#22262e"
EDGE = "#8a929e"
GROUP = "#c3c9d1"
GROUP_FILL = "#f6f7f9"
TEXT: dict[Role, str] = {"label": INK, "detail": "#6b7380", "value": "#1a7f37", "gradient": "#b45309"}
"""Values are green, gradients amber."""
SIZE: dict[Role, int] = {"label": 14, "detail": 10, "value": 11, "gradient": 11}
FILL: dict[Kind, str] = {
    "argument": "#e3eefb",
    "constant": "#eceef1",
    "variable": "#ffffff",
    "output": "#d9f0e1",
    "operator": "#fff6e0",
    "call": "#efe6fa",
    "summary": "#efe6fa",
}
STROKE: dict[Kind, str] = {
    "argument": "#5b8fd0",
    "constant": "#9aa2ad",
    "variable": "#9aa2ad",
    "output": "#4c9f70",
    "operator": "#d6a531",
    "call": "#9270c4",
    "summary": "#9270c4",
}
