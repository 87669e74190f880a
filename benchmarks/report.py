"""The table, and the same as JSON."""

import math
from collections.abc import Mapping
from statistics import geometric_mean
from typing import Any

from benchmarks.harness import Measurement
from benchmarks.workload import Workload

TITLES = {
    "fgrad": "fgrad",
    "numpy": "NumPy by hand",
    "jax": "JAX",
    "autograd": "autograd",
    "torch": "PyTorch",
}
NAME, MODE, TIME, RATIO = 30, 8, 10, 8


class Table:
    """Rows as they come: the base's times, and every peer's time over the base's, best of and median."""

    def __init__(self, base: str, peers: list[str]) -> None:
        self.base = base
        self.peers = peers
        self.family = ""
        self.ratios: dict[str, list[tuple[float, float]]] = {peer: [] for peer in peers}
        self.notes: list[str] = []

    def head(self) -> str:
        """Two lines of titles and a rule."""
        groups = [f"{'─ ' + TITLES[peer] + ' ':─>{2 * RATIO - 2}}" for peer in self.peers]
        first = f"{'':{NAME + MODE}}{'─ ' + TITLES[self.base] + ' ':─>{2 * TIME - 2}}"
        columns = f"{'best':>{RATIO}}{'median':>{RATIO}}" * len(self.peers)
        second = f"{'workload':{NAME}}{'mode':{MODE}}{'best':>{TIME}}{'median':>{TIME}}{columns}"
        return "\n".join(["  ".join([first.ljust(NAME + MODE), *groups]), second, "─" * len(second)])

    def row(self, workload: Workload, measured: Mapping[str, Measurement]) -> str:
        """One workload; what went wrong is kept for the notes below the table."""
        base = measured.get(self.base, Measurement())
        cells = [time_cell(base.best), time_cell(base.median)]
        for peer in self.peers:
            cells += self.ratio_cells(base, measured.get(peer, Measurement()), peer)
        for name, measurement in measured.items():
            if measurement.problem and (name == self.base or not measurement.missing):
                self.notes.append(f"{workload.name}, {TITLES[name]}: {measurement.problem.strip().splitlines()[-1]}")
        unit = f"  per {workload.unit}" if workload.unit else ""
        return self.line(workload.name, workload.mode, cells) + unit

    def ratio_cells(self, base: Measurement, peer: Measurement, name: str) -> list[str]:
        """The two ratios; `!` marks results that disagree."""
        best, middle = peer.best / base.best, peer.median / base.median
        if math.isnan(best):
            return ["failed" if peer.problem and not peer.missing else "·", ""]
        if peer.problem or base.problem:
            return [f"{ratio_cell(best)}!", f"{ratio_cell(middle)}!"]
        self.ratios[name].append((best, middle))
        return [ratio_cell(best), ratio_cell(middle)]

    def line(self, name: str, mode: str, cells: list[str]) -> str:
        """Cells under their titles."""
        widths = [TIME, TIME] + [RATIO] * (len(cells) - 2)
        text = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        return f"{name:{NAME}}{mode:{MODE}}{text}"

    def foot(self) -> str:
        """Geometric means over the rows each peer took part in, and the notes."""
        cells = ["", ""]
        for peer in self.peers:
            cells += [ratio_cell(mean) for mean in means(self.ratios[peer])] or ["·", ""]
        line = self.line("geometric mean", "", cells)
        return "\n".join(["─" * len(line), line, *self.notes])


def means(ratios: list[tuple[float, float]]) -> list[float]:
    """Geometric means of best and median; empty where there is nothing to average."""
    return [geometric_mean(column) for column in zip(*ratios, strict=True)]


def time_cell(seconds: float) -> str:
    """Three digits and a unit."""
    if math.isnan(seconds):
        return "·"
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}" if seconds < 100 * scale else f"{seconds / scale:.0f} {unit}"
    return f"{seconds / 1e-9:.0f} ns"


def ratio_cell(ratio: float) -> str:
    """Two decimals, fewer where they say nothing."""
    return f"{ratio:.{2 if ratio < 10 else 1 if ratio < 100 else 0}f}"


def as_json(base: str, workload: Workload, measured: Mapping[str, Measurement]) -> dict[str, Any]:
    """One workload's times in seconds per unit, ratios to the base, and problems."""
    ran = {name: measurement for name, measurement in measured.items() if measurement.samples}
    return {
        "name": workload.name,
        "mode": workload.mode,
        "per": workload.unit or "call",
        "seconds": {name: {"best": m.best, "median": m.median, "samples": len(m.samples)} for name, m in ran.items()},
        "ratios": {
            name: {"best": m.best / ran[base].best, "median": m.median / ran[base].median}
            for name, m in ran.items()
            if base in ran and name != base
        },
        "missing": [name for name, m in measured.items() if m.missing],
        "problems": {name: m.problem for name, m in measured.items() if m.problem and not m.missing},
    }
