"""Layouts as SVG, by fgrad itself."""

from __future__ import annotations

from html import escape
from math import hypot

from fgrad.viz.dot import printable
from fgrad.viz.layout import Curve, Frame, Layout, Place, line_height
from fgrad.viz.model import BOXES
from fgrad.viz.style import EDGE, FILL, FONT, GROUP, GROUP_FILL, SIZE, STROKE, TEXT

__all__ = ["arrow", "bezier", "to_svg"]

Point = tuple[float, float]


def to_svg(layout: Layout) -> str:
    """The text of an SVG file; what stands in it is escaped."""
    width, height = round(layout.width + 1), round(layout.height + 1)
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONT}">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *map(_frame, layout.frames),
        *map(_curve, layout.curves),
        *map(_place, layout.places),
        *[_label(c) for c in layout.curves if c.label],
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def bezier(points: list[Point]) -> list[tuple[Point, Point, Point]]:
    """A smooth curve through points: two control points and the end of every piece (Catmull and Rom)."""
    ends = [points[0], *points, points[-1]]
    pieces = []
    for (a, b), (c, d), (e, f), (g, h) in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        pieces.append(((c + (e - a) / 6, d + (f - b) / 6), (e - (g - c) / 6, f - (h - d) / 6), (e, f)))
    return pieces


def arrow(points: list[Point], size: float = 6.0) -> list[Point]:
    """The corners of the head of an arrow at the end of a curve."""
    (a, b), (x, y) = points[-2:]
    length = hypot(x - a, y - b) or 1.0
    u, v = (x - a) / length * size, (y - b) / length * size
    return [(x, y), (x - u - v / 2, y - v + u / 2), (x - u + v / 2, y - v - u / 2)]


def _number(x: float) -> str:
    return f"{x:.1f}".removesuffix(".0")


def _pairs(points: list[Point] | tuple[Point, ...]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _curve(curve: Curve) -> str:
    way = " ".join(f"C{_pairs(piece)}" for piece in bezier(curve.points))
    head = f'<polygon points="{_pairs(arrow(curve.points))}" fill="{EDGE}"/>'
    return f'<path d="M{_pairs(curve.points[:1])} {way}" fill="none" stroke="{EDGE}"/>{head}'


def _text(text: str, x: float, y: float, size: float, colour: str, more: str = ' text-anchor="middle"') -> str:
    shown = escape(printable(text))
    return f'<text x="{_number(x)}" y="{_number(y)}" font-size="{size:g}" fill="{colour}"{more}>{shown}</text>'


def _label(curve: Curve) -> str:
    """A label with a white rim, so that it can be read on a line."""
    rim = ' text-anchor="middle" stroke="#ffffff" stroke-width="3" paint-order="stroke"'
    return _text(curve.label, *curve.at, 9, EDGE, rim)


def _frame(frame: Frame) -> str:
    box = f'x="{_number(frame.left)}" y="{_number(frame.top)}"'
    size = f'width="{_number(frame.right - frame.left)}" height="{_number(frame.bottom - frame.top)}"'
    title = _text(frame.title, frame.left + 6, frame.top + 13, 11, TEXT["detail"], "")
    return f'<rect {box} {size} rx="6" fill="{GROUP_FILL}" stroke="{GROUP}"/>{title}'


def _place(place: Place) -> str:
    node, x, y, width, height = place
    paint = f'fill="{FILL[node.kind]}" stroke="{STROKE[node.kind]}" stroke-width="1.2"'
    if node.kind == "operator":
        radii = f'rx="{_number(width / 2)}" ry="{_number(height / 2)}"'
        shape = f'<ellipse cx="{_number(x)}" cy="{_number(y)}" {radii} {paint}/>'
    else:
        shape = _box(x, y, width, height, 2 if node.kind in BOXES else 8, paint)
        if node.kind not in BOXES:
            shape += _box(x, y, width - 6, height - 6, 6, paint)
    texts = []
    line_top = y - sum(map(line_height, node.lines)) / 2
    for line in node.lines:
        texts.append(_text(line.text, x, line_top + 0.98 * SIZE[line.role], SIZE[line.role], TEXT[line.role]))
        line_top += line_height(line)
    source = f"<title>{escape(printable(node.source))}</title>" if node.source else ""
    return f"<g>{source}{shape}{''.join(texts)}</g>"


def _box(x: float, y: float, width: float, height: float, radius: float, paint: str) -> str:
    corner = f'x="{_number(x - width / 2)}" y="{_number(y - height / 2)}"'
    return f'<rect {corner} width="{_number(width)}" height="{_number(height)}" rx="{radius:g}" {paint}/>'
