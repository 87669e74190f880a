"""For pytest: the fixture `gradcheck`, and the marker `gradients`. It is there wherever fgrad is installed.

    @pytest.mark.gradients(points={"plain": (x, 2.0), "at zero": (0 * x, 2.0)}, modes=("fwd", "rev"), order=2)
    def test_my_loss(gradcheck, point):
        gradcheck(my_loss, *point)

Without the marker, or with the mode "all", `gradcheck` is `fgrad.testing.check_all`. The hooks themselves stand in
_fgrad_pytest.py, outside of the package: pytest imports them in every run, fgrad only if a test asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

import fgrad.testing as checks

__all__ = ["GradCheck", "check_marker", "parametrize"]

MODES = {"fwd": "forward mode", "rev": "reverse mode", "all": "everything that check_all does"}
OPTIONS = ("points", "modes", "order", "atol", "rtol")


class GradCheck:
    """What the fixture `gradcheck` is: a check of derivatives, in the mode and of the order that the marker says."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        marker = request.node.get_closest_marker("gradients")
        self._item = request.node
        self._options = {k: v for k, v in marker.kwargs.items() if k not in ("points", "modes")} if marker else {}
        self.mode: str = getattr(request, "param", "all")

    def __call__(self, f: Any, *args: Any, **options: Any) -> Any:
        """Checks the derivatives of a function.

        Args:
            f: a function of pytrees of arrays.
            args: its arguments.
            options: `order`, `atol`, `rtol`, in place of those of the marker; of `check_all`, `skip`, too.

        Returns:
            What `check_all` returns, if that was run.

        Raises:
            CheckError: a derivative is wrong, or cannot be judged.
        """
        __tracebackhide__ = True
        given = {"order": 2, **self._options, **options}
        self._item.gradchecked = _description(f, args, self.mode, given)
        if self.mode == "all":
            return checks.check_all(f, *args, **given)
        return checks.check_grads(f, args, modes=(self.mode,), **given)


def parametrize(metafunc: pytest.Metafunc, marker: pytest.Mark) -> None:
    """Runs a test once per mode and point of its marker."""
    check_marker(marker.args, marker.kwargs, metafunc.definition.name, metafunc.fixturenames)
    points = marker.kwargs.get("points")
    if points is not None:
        named = points if isinstance(points, Mapping) else {f"point{i}": p for i, p in enumerate(points)}
        values = [p if isinstance(p, tuple) else (p,) for p in named.values()]
        metafunc.parametrize("point", values, ids=list(named))
    metafunc.parametrize("gradcheck", _modes(marker.kwargs), indirect=True)


def check_marker(args: Sequence[Any], options: Mapping[str, Any], test: str, fixtures: Sequence[str]) -> None:
    """Refuses a marker that would be passed over, in whole or in part.

    Args:
        args, options: what `pytest.mark.gradients` was called with.
        test: the name of the test.
        fixtures: the names of its arguments.

    Raises:
        pytest.Collector.CollectError: there is no such option or mode; or the test takes no `gradcheck`, or no `point`.
    """
    fault, cure = _fault(args, options, fixtures)
    if fault:
        text = f"@pytest.mark.gradients of {test} {fault}\n  {cure or f'Write def {test}(gradcheck, point).'}"
        raise pytest.Collector.CollectError(text)


def _fault(args: Sequence[Any], options: Mapping[str, Any], fixtures: Sequence[str]) -> tuple[str, str]:
    """What is wrong with a marker, and what to do, where that is not to take arguments."""
    if args:
        return f"takes arguments by name only, got {args[0]!r:.60}.", "Write points=[(x, y), ...]."
    for name in options:
        if name not in OPTIONS:
            return f"has no option {name!r}.", f"It has {', '.join(OPTIONS)}."
    for mode in _modes(options):
        if mode not in MODES:
            return f"has no mode {mode!r}.", f"Modes are {', '.join(MODES)}."
    if "gradcheck" not in fixtures:
        return "checks nothing: the test does not take the fixture gradcheck.", ""
    if options.get("points") is not None and "point" not in fixtures:
        return "has points, but the test does not take an argument named point.", ""
    return "", ""


def _modes(options: Mapping[str, Any]) -> Sequence[str]:
    modes = options.get("modes", ("fwd", "rev"))
    return [modes] if isinstance(modes, str) else list(modes)


def _description(f: Any, args: tuple[Any, ...], mode: str, options: Mapping[str, Any]) -> str:
    given = ", ".join(f"{name}={value!r}" for name, value in options.items() if value is not None)
    with np.printoptions(threshold=20, precision=17, linewidth=100):
        lines = [f"  args[{i}] = {x!r:.400}" for i, x in enumerate(args)]
    name = getattr(f, "__name__", type(f).__name__)
    return "\n".join([f"{MODES[mode]} of `{name}` ({given}), at", *lines])
