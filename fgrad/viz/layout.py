"""Where nodes and edges stand where no Graphviz is: the layered layout of Sugiyama, Tagawa and Toda.

Every node is put on a layer behind those of its inputs; edges that pass layers get a bend on each; the order on the
layers is improved by barycentres; then every node goes as near to its neighbours as the others leave it.

Source: K. Sugiyama, S. Tagawa and M. Toda, "Methods for Visual Understanding of Hierarchical System Structures", IEEE
Transactions on Systems, Man and Cybernetics 11, 1981.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from fgrad.viz.groups import Group, nested
from fgrad.viz.model import BOXES, Diagram, Line, Node, Panel
from fgrad.viz.style import SIZE

__all__ = ["Curve", "Frame", "Layout", "Place", "laid_out", "line_height", "text_width"]

_GAP, _LAYER_GAP, _LABEL_GAP, _MARGIN, _SWEEPS = 18.0, 40.0, 14.0, 16.0, 12


class Place(NamedTuple):
    """The middle of a node, and how large it is."""

    node: Node
    x: float
    y: float
    width: float
    height: float


class Curve(NamedTuple):
    """The way of an edge, and where its label stands."""

    points: list[tuple[float, float]]
    label: str
    at: tuple[float, float]


class Frame(NamedTuple):
    """A rectangle around what belongs together."""

    title: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(slots=True)
class Layout:
    """A drawing whose origin is its upper left corner."""

    width: float = 0.0
    height: float = 0.0
    places: list[Place] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)


def text_width(text: str, size: float) -> float:
    """The width of a text in a common sans-serif font, on the safe side."""
    wide = sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.3 if c in " .,:il[]()|'" else 0.63 for c in text)
    return size * (wide + 0.2)


def line_height(line: Line) -> float:
    return SIZE[line.role] * 1.3


def _size(node: Node) -> tuple[float, float]:
    lines = node.lines
    width = max(text_width(line.text, SIZE[line.role]) for line in lines)
    height = sum(map(line_height, lines))
    if node.kind in BOXES:
        return max(width + 16, 30), height + 10
    if node.kind != "operator":
        return width + 24, height + 16
    if len(lines) == 1 and width < 24:
        return 34, 34
    return max(width * 1.25 + 12, 34), max(height * 1.25 + 8, 34)


def laid_out(diagram: Diagram, direction: str, shapes: bool) -> Layout:
    """Places for all panels, one under the other."""
    whole = Layout()
    top = _MARGIN
    for panel in diagram:
        title = panel is not diagram[0]
        part = _Panel(panel, direction, shapes).layout()
        left = _MARGIN + (_MARGIN if title else 0)
        if title:
            top += 30
        _moved(whole, part, left, top)
        if title:
            right, bottom = left + part.width + _MARGIN, top + part.height + _MARGIN
            right = max(right, left + text_width(panel.title, 11))
            whole.frames.append(Frame(panel.title, left - _MARGIN, top - 24, right, bottom))
        whole.width = max(whole.width, left + part.width + (_MARGIN if title else 0))
        top += part.height + (_MARGIN if title else 0) + _MARGIN
    whole.width += _MARGIN
    whole.height = top
    return whole


def _moved(whole: Layout, part: Layout, x: float, y: float) -> None:
    whole.places += [p._replace(x=p.x + x, y=p.y + y) for p in part.places]
    whole.curves += [
        c._replace(points=[(a + x, b + y) for a, b in c.points], at=(c.at[0] + x, c.at[1] + y)) for c in part.curves
    ]
    whole.frames += [Frame(f.title, f.left + x, f.top + y, f.right + x, f.bottom + y) for f in part.frames]


class _Panel:
    """The layout of one program. Along the layers is `depth`, across them `across`, whatever the direction."""

    def __init__(self, panel: Panel, direction: str, shapes: bool) -> None:
        self.panel = panel
        self.sideways = direction == "LR"
        self.shapes = shapes
        self.sizes = {n.key: _size(n) for n in panel.nodes}
        self.layer = _layers(panel)
        self.rows: list[list[int]] = [[] for _ in range(max(self.layer.values(), default=-1) + 1)]
        for node in panel.nodes:
            self.rows[self.layer[node.key]].append(node.key)
        self.chains = self._bends()
        self.before: dict[int, list[int]] = {}
        self.after: dict[int, list[int]] = {}
        for chain in self.chains:
            for a, b in pairwise(chain):
                self.after.setdefault(a, []).append(b)
                self.before.setdefault(b, []).append(a)

    def _bends(self) -> list[list[int]]:
        """Every edge as a chain of nodes on neighbouring layers; the new ones have negative keys."""
        chains, fresh = [], -1
        for edge in self.panel.edges:
            chain = [edge.tail]
            for layer in range(self.layer[edge.tail] + 1, self.layer[edge.head]):
                self.rows[layer].append(fresh)
                chain.append(fresh)
                fresh -= 1
            chains.append([*chain, edge.head])
        return chains

    def layout(self) -> Layout:
        self._order()
        across = self._across()
        depth = self._depths()
        lowest = min((across[k] - self._extent(k) / 2 for k in across), default=0.0)
        places = []
        for node in self.panel.nodes:
            a, d = across[node.key] - lowest, depth[self.layer[node.key]]
            x, y = (d, a) if self.sideways else (a, d)
            places.append(Place(node, x, y, *self.sizes[node.key]))
        found = Layout(places=places)
        found.width = max((p.x + p.width / 2 for p in places), default=0.0)
        found.height = max((p.y + p.height / 2 for p in places), default=0.0)
        at = {p.node.key: p for p in places}
        for edge, chain in zip(self.panel.edges, self.chains, strict=True):
            middle = [(depth[self.layer[edge.tail] + i], across[k] - lowest) for i, k in enumerate(chain) if k < 0]
            bends = middle if self.sideways else [(a, d) for d, a in middle]
            found.curves.append(self._curve(at[edge.tail], at[edge.head], bends, edge.label))
        for (_, a), curve in ((c.points[0], c) for c in found.curves):
            found.height = max(found.height, a, *(y for _, y in curve.points))
            found.width = max(found.width, *(x for x, _ in curve.points))
        found.frames += _frames(nested(self.panel.nodes), at)
        left = min((f.left for f in found.frames), default=0.0)
        top = min((f.top for f in found.frames), default=0.0)
        if left < 0 or top < 0:
            moved = Layout(found.width - min(left, 0), found.height - min(top, 0))
            _moved(moved, found, -min(left, 0), -min(top, 0))
            found = moved
        for frame in found.frames:
            found.width, found.height = max(found.width, frame.right), max(found.height, frame.bottom)
        return found

    def _order(self) -> None:
        """Sweeps to and fro: every node goes to the mean place of its neighbours on the layer before; the order with
        the fewest crossings is kept."""
        best = [list(row) for row in self.rows]
        fewest = self._crossings()
        for sweep in range(_SWEEPS):
            rows, neighbours = (self.rows, self.before) if sweep % 2 == 0 else (self.rows[::-1], self.after)
            for previous, row in pairwise(rows):
                place = {key: i for i, key in enumerate(previous)}
                centre = {}
                for i, key in enumerate(row):
                    near = [place[k] for k in neighbours.get(key, ()) if k in place]
                    centre[key] = sum(near) / len(near) if near else float(i)
                row.sort(key=centre.__getitem__)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(row) for row in self.rows], crossings
        self.rows = best

    def _crossings(self) -> int:
        """How often edges between neighbouring layers cross."""
        count = 0
        for row, following in pairwise(self.rows):
            place = {key: i for i, key in enumerate(following)}
            passed: list[int] = []
            for key in row:
                heads = sorted(place[k] for k in self.after.get(key, ()) if k in place)
                count += sum(len(passed) - bisect_right(passed, head) for head in heads)
                for head in heads:
                    insort(passed, head)
        return count

    def _extent(self, key: int) -> float:
        """How much room a node needs across the layers."""
        if key < 0:
            return 4.0
        width, height = self.sizes[key]
        return height if self.sideways else width

    def _across(self) -> dict[int, float]:
        """Places across the layers: the mean of the neighbours', with gaps that suffice."""
        place: dict[int, float] = {}
        for row in self.rows:
            self._spread(row, dict.fromkeys(row, 0.0), place)
        for sweep in range(2 * _SWEEPS):
            for row in self.rows if sweep % 2 == 0 else self.rows[::-1]:
                near = {k: [place[n] for n in (*self.before.get(k, ()), *self.after.get(k, ()))] for k in row}
                self._spread(row, {k: sum(ns) / len(ns) if ns else place[k] for k, ns in near.items()}, place)
        return place

    def _spread(self, row: Sequence[int], wanted: dict[int, float], place: dict[int, float]) -> None:
        """The places next to those that are wanted, in the least squares, at which nothing overlaps."""
        blocks: list[tuple[float, int, list[int]]] = []  # sum of wanted starts, members, keys
        offset: dict[int, float] = {}
        for key in row:
            offset[key] = 0.0
            blocks.append((wanted[key], 1, [key]))
            while len(blocks) > 1:
                (s, n, a), (t, m, b) = blocks[-2:]
                reach = offset[a[-1]] + self._apart(a[-1], b[0])
                if s / n + reach <= t / m:
                    break
                for k in b:
                    offset[k] += reach
                blocks[-2:] = [(s + t - m * reach, n + m, a + b)]
        for s, n, keys in blocks:
            place.update((k, s / n + offset[k]) for k in keys)

    def _apart(self, a: int, b: int) -> float:
        gap = _GAP if a >= 0 or b >= 0 else 8.0
        return (self._extent(a) + self._extent(b)) / 2 + gap

    def _depths(self) -> list[float]:
        """The middle of every layer."""
        labels = [0.0] * len(self.rows)
        if self.shapes:
            for edge in self.panel.edges:
                layer = self.layer[edge.head]
                labels[layer] = max(labels[layer], text_width(edge.label, 9) if self.sideways else _LABEL_GAP)
        depths, end = [], 0.0
        for layer, row in enumerate(self.rows):
            thick = max((self.sizes[k][0 if self.sideways else 1] for k in row if k >= 0), default=4.0)
            start = end + (max(_LAYER_GAP, labels[layer] + 28) if layer else 0.0)
            depths.append(start + thick / 2)
            end = start + thick
        return depths

    def _curve(self, tail: Place, head: Place, bends: list[tuple[float, float]], label: str) -> Curve:
        inner = bends or [(head.x, head.y)]
        start = _border(tail, inner[0])
        end = _border(head, bends[-1] if bends else (tail.x, tail.y))
        points = [start, *bends, end]
        (x, y), (u, v) = points[-2:]
        share = 0.5 if not bends else 0.6
        at = (x + share * (u - x), y + share * (v - y))
        return Curve(points, label if self.shapes else "", at)


def _layers(panel: Panel) -> dict[int, int]:
    """The longest way from an input to each node; inputs stand right before what reads them first."""
    before: dict[int, list[int]] = {}
    after: dict[int, list[int]] = {}
    for edge in panel.edges:
        before.setdefault(edge.head, []).append(edge.tail)
        after.setdefault(edge.tail, []).append(edge.head)
    layer: dict[int, int] = {}
    for node in panel.nodes:  # in the order of the program
        layer[node.key] = 1 + max((layer[k] for k in before.get(node.key, ())), default=-1)
    for node in reversed(panel.nodes):
        if node.key not in before and node.key in after:
            layer[node.key] = max(0, min(layer[k] for k in after[node.key]) - 1)
    return layer


def _border(place: Place, towards: tuple[float, float]) -> tuple[float, float]:
    """Where the line from the middle of a node to a point leaves the node."""
    dx, dy = towards[0] - place.x, towards[1] - place.y
    if dx == dy == 0:
        return place.x, place.y
    a, b = place.width / 2, place.height / 2
    if place.node.kind == "operator":
        scale = 1 / ((dx / a) ** 2 + (dy / b) ** 2) ** 0.5
    else:
        scale = min(a / abs(dx) if dx else float("inf"), b / abs(dy) if dy else float("inf"))
    return place.x + scale * dx, place.y + scale * dy


def _frames(group: Group, at: dict[int, Place]) -> list[Frame]:
    """Rectangles around calls that are opened, where nothing else would lie in them; the outer ones come first."""
    found: list[Frame] = []
    for inner in group.groups.values():
        members = set(_keys(inner))
        own = [at[k] for k in members]
        pad = 6.0 * _height(inner)
        frame = Frame(
            inner.title,
            min(p.x - p.width / 2 for p in own) - pad,
            min(p.y - p.height / 2 for p in own) - pad - 14,
            max(p.x + p.width / 2 for p in own) + pad,
            max(p.y + p.height / 2 for p in own) + pad,
        )
        if not any(_overlaps(frame, p) for k, p in at.items() if k not in members):
            found.append(frame)
        found += _frames(inner, at)
    return found


def _height(group: Group) -> int:
    return 1 + max((_height(g) for g in group.groups.values()), default=0)


def _keys(group: Group) -> Iterable[int]:
    yield from (n.key for n in group.nodes)
    for inner in group.groups.values():
        yield from _keys(inner)


def _overlaps(frame: Frame, p: Place) -> bool:
    return (
        frame.left < p.x + p.width / 2
        and p.x - p.width / 2 < frame.right
        and frame.top < p.y + p.height / 2
        and p.y - p.height / 2 < frame.bottom
    )
