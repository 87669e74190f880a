"""Layouts as PNG, through matplotlib."""

from __future__ import annotations

import io
from typing import Any

from fgrad.viz.dot import printable
from fgrad.viz.extras import matplotlib_figure, matplotlib_module
from fgrad.viz.layout import Layout, Place, line_height
from fgrad.viz.model import BOXES
from fgrad.viz.style import EDGE, FILL, GROUP, GROUP_FILL, SIZE, STROKE, TEXT
from fgrad.viz.svg import arrow, bezier

__all__ = ["to_png"]

_INCH = 72.0  # of the points that layouts are measured in


def to_png(layout: Layout, dpi: float) -> bytes:
    """The bytes of a PNG file."""
    figure = matplotlib_figure("Graph.png", figsize=(layout.width / _INCH, layout.height / _INCH), dpi=dpi)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, layout.width)
    axes.set_ylim(layout.height, 0)
    axes.set_axis_off()
    patches = matplotlib_module("matplotlib.patches", "Graph.png")
    path = matplotlib_module("matplotlib.path", "Graph.png").Path
    for f in layout.frames:
        box = patches.Rectangle((f.left, f.top), f.right - f.left, f.bottom - f.top)
        axes.add_patch(_painted(box, GROUP_FILL, GROUP))
        _write(axes, f.title, f.left + 6, f.top + 9, 11, TEXT["detail"], ha="left")
    for curve in layout.curves:
        points = [curve.points[0], *[p for piece in bezier(curve.points) for p in piece]]
        codes = [path.MOVETO, *[path.CURVE4] * (len(points) - 1)]
        axes.add_patch(patches.PathPatch(path(points, codes), fill=False, edgecolor=EDGE))
        axes.add_patch(_painted(patches.Polygon(arrow(curve.points)), EDGE, EDGE))
    for place in layout.places:
        _draw(axes, patches, place)
    for curve in layout.curves:
        rim = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8}
        if curve.label:
            _write(axes, curve.label, *curve.at, 9, EDGE, bbox=rim)
    file = io.BytesIO()
    figure.savefig(file, format="png", facecolor="white")
    return file.getvalue()


def _painted(patch: Any, fill: str, stroke: str) -> Any:
    patch.set(facecolor=fill, edgecolor=stroke, linewidth=1.2)
    return patch


def _draw(axes: Any, patches: Any, place: Place) -> None:
    node, x, y, width, height = place
    corner = (x - width / 2, y - height / 2)
    shapes = [patches.Rectangle(corner, width, height)]
    if node.kind == "operator":
        shapes = [patches.Ellipse((x, y), width, height)]
    elif node.kind not in BOXES:
        shapes.append(patches.Rectangle((corner[0] + 3, corner[1] + 3), width - 6, height - 6))
    for shape in shapes:
        axes.add_patch(_painted(shape, FILL[node.kind], STROKE[node.kind]))
    top = y - sum(map(line_height, node.lines)) / 2
    for line in node.lines:
        _write(axes, line.text, x, top + line_height(line) / 2, SIZE[line.role], TEXT[line.role])
        top += line_height(line)


def _write(axes: Any, text: str, x: float, y: float, size: float, colour: str, **more: Any) -> None:
    """Text as it stands: a dollar sign would begin mathematics."""
    style = {"ha": "center", "va": "center"} | more
    axes.text(x, y, printable(text), fontsize=size, color=colour, parse_math=False, **style)
