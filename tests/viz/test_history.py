"""Histories of runs: what is kept, and what is drawn of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad import viz
from fgrad.errors import ArgumentError, MissingExtraError
from fgrad.viz import extras


def trained() -> viz.History:
    """Gradient descent on ½‖w‖², which halves w at every step."""
    history = viz.History(bins=10)
    params = {"w": np.linspace(-1, 1, 64)}
    for step in range(5):
        loss, gradient = fgrad.value_and_grad(lambda p: fnp.sum(p["w"] ** 2) / 2)(params)
        history.record(step, loss=loss, gradients=gradient)
        params = fgrad.tree.map(lambda p, g: p - 0.5 * g, params, gradient)
    return history


def test_numbers_become_curves_and_arrays_histograms() -> None:
    history = trained()
    assert list(history.scalars) == ["loss"]
    assert list(history.spreads) == ["gradients['w']"]
    steps, losses = history.scalars["loss"]
    assert steps == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(np.divide(losses[1:], losses[:-1]), 0.25)
    spreads = history.spreads["gradients['w']"][1]
    for step, spread in enumerate(spreads):
        assert spread.counts.sum() == 64
        assert spread.counts.max() - spread.counts.min() <= 1
        np.testing.assert_allclose(spread.quantiles * 2.0**step, [-1, -0.9, -0.5, 0, 0.5, 0.9, 1], atol=1e-15)
        np.testing.assert_allclose(spread.edges[[0, -1]] * 2.0**step, [-1, 1])
    assert repr(history) == "<History of loss, gradients['w']>"


def test_what_is_not_finite_is_counted_apart() -> None:
    history = viz.History(bins=2)
    history.record(0, x=np.array([0.0, 1.0, np.nan, np.inf]), y=np.full(3, np.nan), z=np.zeros(0))
    assert history.spreads["x"][1][0].counts.tolist() == [1, 1]
    assert [history.spreads[name][1][0].strange for name in "xyz"] == [2, 3, 0]
    assert history.figure() is not None


def test_the_figure() -> None:
    figure = trained().figure()
    curves, spreads = figure.axes[:2]
    assert curves.get_yscale() == "log"
    np.testing.assert_array_equal(curves.lines[0].get_xdata(), range(5))
    assert spreads.get_title(loc="left") == "gradients['w']"
    assert len(spreads.collections) == 3
    first, last = spreads.child_axes[0].patches
    np.testing.assert_allclose(np.ptp(last.get_data().edges) * 16, np.ptp(first.get_data().edges))
    assert trained().figure(log=False).axes[0].get_yscale() == "linear"


def test_one_step_is_drawn_as_a_histogram() -> None:
    history = viz.History(bins=8)
    history.record(3, weights=np.arange(16.0))
    (axes,) = history.figure().axes
    assert axes.patches[0].get_data().values.tolist() == [2] * 8
    assert axes.get_xlabel() == "value"


def test_a_dict_of_lists(tmp_path: Path) -> None:
    runs = {"loss": [1.0, 0.0, -1.0], "_hidden $x": [1, 2, 3], "h": [np.arange(4.0), np.arange(4.0) + 1]}
    path = tmp_path / "run.png"
    figure = viz.history(runs, path=path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert figure.axes[0].get_yscale() == "linear"  # a loss is negative
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["loss", r"hidden \$x"]
    viz.history(trained(), path=tmp_path / "run.svg")
    assert "<svg" in (tmp_path / "run.svg").read_text("utf-8")


def test_many_plots_are_put_in_rows() -> None:
    figure = viz.history({"loss": [1.0]} | {f"h{i}": [np.arange(3.0)] for i in range(4)})
    assert len(figure.axes) == 6
    assert [axes.axison for axes in figure.axes] == [True] * 5 + [False]


def test_what_notebooks_and_files_get(tmp_path: Path) -> None:
    assert viz.History()._repr_png_() is None
    assert trained()._repr_png_().startswith(b"\x89PNG")
    trained().save(tmp_path / "run.pdf")
    assert (tmp_path / "run.pdf").read_bytes().startswith(b"%PDF")


def test_bad_input() -> None:
    with pytest.raises(ArgumentError, match="bins of History is 0: not a positive whole number"):
        viz.History(bins=0)
    with pytest.raises(ArgumentError, match=r"nothing was recorded(.|\n)*record\(step, loss=…\)"):
        viz.History().figure()
    with pytest.raises(ArgumentError, match=r"p\['a'\] at step 2 is a str 'x': not an array of real numbers"):
        viz.History().record(2, p={"a": "x"})
    with pytest.raises(ArgumentError, match=r"z at step 0 is .*: not an array of real numbers"):
        viz.History().record(0, z=1j)
    with pytest.raises(ArgumentError, match="the step of record is a str 'one': not a number"):
        viz.History().record("one", loss=1.0)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="history expects a History or a dict of lists, got a list"):
        viz.history([1.0])  # type: ignore[arg-type]
    history = viz.History()
    with pytest.raises(ArgumentError, match="outside of compiled functions"):
        fgrad.jit(lambda x: history.record(0, x=x))(1.0)


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(extras.importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r"History\.figure needs matplotlib(.|\n)*fgrad\[viz\]"):
        trained().figure()
