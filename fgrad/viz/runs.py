"""How a run went: curves of losses, and how activations, weights or gradients were distributed on the way."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fgrad.errors import ArgumentError, message, public
from fgrad.tree import flatten_with_path, keystr
from fgrad.tree.table import describe
from fgrad.viz.extras import matplotlib_figure

__all__ = ["History", "Spread", "history"]

Numbers = NDArray[np.float64]
_COLOURS = ("#2e6f95", "#d1495b", "#4c9f70", "#b45309", "#7a5195", "#6b7380")
_INK, _PALE = "#22262e", "#a9b1bc"
_BANDS = ((0.0, 1.0, 0.12), (0.05, 0.95, 0.2), (0.25, 0.75, 0.35))  # quantiles, and how dark between them
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


class Spread(NamedTuple):
    """The distribution of the elements of an array.

    Attributes:
        counts: how many lie in each bin.
        edges: the borders of the bins, one more.
        quantiles: the least, 5 %, 25 %, 50 %, 75 %, 95 %, and the greatest.
        strange: how many are not finite; they are in no bin.
    """

    counts: NDArray[np.int64]
    edges: Numbers
    quantiles: Numbers
    strange: int


class History:
    """What is recorded while a program runs; it keeps numbers and histograms, not the arrays.

    >>> h = History(bins=4)
    >>> for step in range(3):
    ...     h.record(step, loss=1.0 / (step + 1), gradients={"w": np.arange(8.0) - step})
    >>> h.scalars["loss"]
    ([0, 1, 2], [1.0, 0.5, 0.3333333333333333])
    >>> h.spreads["gradients['w']"][1][0].counts
    array([2, 2, 2, 2])
    """

    def __init__(self, *, bins: int = 40) -> None:
        if not isinstance(bins, int) or bins < 1:
            what = f"bins of History is {bins!r}: not a positive whole number."
            raise ArgumentError(message(what, cure="Give bins=40, say."))
        self.bins = bins
        self.scalars: dict[str, tuple[list[float], list[float]]] = {}
        self.spreads: dict[str, tuple[list[float], list[Spread]]] = {}

    @public
    def record(self, step: float, /, **quantities: Any) -> None:
        """Adds what was seen at one step.

        Args:
            step: its number.
            quantities: numbers, which become curves; arrays, which become histograms; and pytrees of these, every
                leaf under its key path.

        Raises:
            ArgumentError: a leaf is not an array of real numbers, or the step not a number.
        """
        if not isinstance(step, (int, float, np.integer, np.floating)):
            what = f"the step of record is {describe(step)}: not a number."
            raise ArgumentError(message(what, cure="Write record(step, loss=loss)."))
        for name, tree in quantities.items():
            for path, leaf in flatten_with_path(tree)[0]:
                self._add(step, f"{name}{keystr(path)}", leaf)

    def _add(self, step: float, name: str, leaf: Any) -> None:
        array = np.asarray(leaf) if isinstance(leaf, (np.ndarray, np.generic, bool, int, float)) else None
        if array is None or array.dtype.kind not in "biuf":
            what = f"{name} at step {step} is {describe(leaf)}: not an array of real numbers."
            raise ArgumentError(message(what, cure="Record numbers and arrays, outside of compiled functions."))
        if array.ndim == 0:
            curve = self.scalars.setdefault(name, ([], []))
            curve[0].append(step)
            curve[1].append(float(array))
        else:
            spreads = self.spreads.setdefault(name, ([], []))
            spreads[0].append(step)
            spreads[1].append(_spread(array, self.bins))

    @public
    def figure(self, *, log: bool = True) -> Any:
        """A matplotlib figure: the curves in one plot, and beside it one for every array that was recorded.

        Args:
            log: losses on a logarithmic scale, where all of them are positive.

        Raises:
            MissingExtraError: matplotlib is not installed.
            ArgumentError: nothing was recorded.
        """
        plots = (1 if self.scalars else 0) + len(self.spreads)
        if not plots:
            raise ArgumentError(
                message("nothing was recorded in this History.", cure="Call record(step, loss=…) first.")
            )
        columns = min(plots, 3)
        rows = -(-plots // columns)
        size = (4.6 * columns, 3.2 * rows)
        figure = matplotlib_figure("History.figure", figsize=size, dpi=120, layout="constrained")
        axes = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
        for unused in axes[plots:]:
            unused.set_axis_off()
        if self.scalars:
            _draw_curves(axes.pop(0), self.scalars, log)
        for ax, (name, (steps, spreads)) in zip(axes, self.spreads.items(), strict=False):
            _draw_spreads(ax, name, steps, spreads)
        return figure

    @public
    def save(self, path: str | PathLike[str], *, log: bool = True) -> None:
        """Writes the figure to a file, in the form that its suffix names (`.png`, `.svg`, `.pdf`)."""
        self.figure(log=log).savefig(path)

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows."""
        if not self.scalars and not self.spreads:
            return None
        file = io.BytesIO()
        self.figure().savefig(file, format="png")
        return file.getvalue()

    def __repr__(self) -> str:
        names = ", ".join([*self.scalars, *self.spreads]) or "nothing yet"
        return f"<History of {names}>"


@public
def history(
    curves: History | Mapping[str, Sequence[float]], *, path: str | PathLike[str] | None = None, log: bool = True
) -> Any:
    """A matplotlib figure of a run: curves of the losses, and histograms of what else was recorded.

    Args:
        curves: a `History`, or a dict of lists of numbers (one at every step), or of arrays (histograms).
        path: a file to write the figure to.
        log: losses on a logarithmic scale, where all of them are positive.

    Returns:
        The figure.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ArgumentError: there is nothing to draw, or something that is no number.

    >>> figure = history({"loss": [1.0, 0.5, 0.25], "test loss": [1.1, 0.7, 0.6]})
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['loss', 'test loss']
    """
    if not isinstance(curves, (History, Mapping)):
        what = f"history expects a History or a dict of lists, got {describe(curves)}."
        raise ArgumentError(message(what, cure="Write history({'loss': losses})."))
    record = curves if isinstance(curves, History) else _recorded(curves)
    figure = record.figure(log=log)
    if path is not None:
        figure.savefig(path)
    return figure


def _recorded(curves: Mapping[str, Sequence[Any]]) -> History:
    record = History()
    for name, entries in curves.items():
        for step, entry in enumerate(entries):
            record.record(step, **{name: entry})
    return record


def _spread(array: NDArray[Any], bins: int) -> Spread:
    values = np.ravel(array).astype(np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Spread(np.zeros(bins, np.int64), np.linspace(0, 1, bins + 1), np.full(7, np.nan), values.size)
    counts, edges = np.histogram(finite, bins)
    quantiles = np.quantile(finite, _QUANTILES)
    return Spread(counts, edges, quantiles, values.size - finite.size)


def _draw_curves(axes: Any, scalars: Mapping[str, tuple[list[float], list[float]]], log: bool) -> None:
    for i, (name, (steps, values)) in enumerate(scalars.items()):
        axes.plot(steps, values, color=_COLOURS[i % len(_COLOURS)], linewidth=1.8, label=_plain(name))
    values = [v for _, vs in scalars.values() for v in vs]
    if log and all(v > 0 for v in values):
        axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=9, labelcolor=_INK)
    _dress(axes, ", ".join(scalars) if len(scalars) <= 3 else f"{len(scalars)} curves")


def _draw_spreads(axes: Any, name: str, steps: Sequence[float], spreads: Sequence[Spread]) -> None:
    """A histogram where one step was recorded; else quantiles over the steps, and beside them the first histogram
    (grey) and the last."""
    if len(spreads) == 1:
        counts, edges, *_ = spreads[0]
        axes.stairs(counts, edges, fill=True, color=_COLOURS[0], alpha=0.6)
        _dress(axes, name, "value")
        return
    quantiles = np.stack([spread.quantiles for spread in spreads])
    for low, high, alpha in _BANDS:
        a, b = (quantiles[:, _QUANTILES.index(q)] for q in (low, high))
        axes.fill_between(steps, a, b, color=_COLOURS[0], alpha=alpha, linewidth=0)
    axes.plot(steps, quantiles[:, _QUANTILES.index(0.5)], color=_COLOURS[0], linewidth=1.8)
    _dress(axes, name)
    side = axes.inset_axes((1.02, 0, 0.2, 1), sharey=axes)
    for spread, colour in ((spreads[0], _PALE), (spreads[-1], _COLOURS[0])):
        density = spread.counts / max(1, spread.counts.max())
        side.stairs(density, spread.edges, orientation="horizontal", fill=True, color=colour, alpha=0.6)
    side.set_axis_off()


def _plain(text: str) -> str:
    """A text that matplotlib takes for no mathematics, and for no label that is to be hidden."""
    return text.replace("$", r"\$").lstrip("_") or " "


def _dress(axes: Any, title: str, x: str = "step") -> None:
    axes.set_title(_plain(title), loc="left", fontsize=10, color=_INK)
    axes.set_xlabel(x, fontsize=9, color=_INK)
    axes.grid(axis="y", color=_PALE, alpha=0.4)
    axes.tick_params(which="both", color=_PALE, labelcolor=_INK, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(_PALE)
