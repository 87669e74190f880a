"""The plugin of pytest, in a run of its own: what passes, what fails, and what the report says."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from fgrad.testing import plugin

ROOT = Path(__file__).resolve().parents[2]

HEAD = """
import fgrad, numpy as np, pytest

@fgrad.custom_vjp
def wrong(x, y):
    return x * y

wrong.defvjp(lambda x, y: (x * y, (x, y)), lambda res, ct: (ct * res[1], -ct * res[0]))
X = np.array([1.0, 2.0])
"""


def run(folder: Path, source: str, *options: str) -> str:
    """The output of pytest on a file, with this plugin and no other."""
    (folder / "test_user.py").write_text(HEAD + source)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "_fgrad_pytest",
        "--strict-markers",
        "-p",
        "no:cacheprovider",
    ]
    found = subprocess.run(
        [*command, *options, "."], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return found.stdout + found.stderr


def test_it_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"fgrad": "_fgrad_pytest"}
    assert (ROOT / "_fgrad_pytest.py").is_file()


def test_points_and_modes(tmp_path: Path) -> None:
    source = """
@pytest.mark.gradients(points={"plain": (X, 3.0), "at zero": (0 * X, 3.0)}, order=1)
def test_right(gradcheck, point):
    gradcheck(lambda x, y: np.sin(x) * y, *point)

@pytest.mark.gradients(points=[X, 2 * X], modes="all")
def test_everything(gradcheck, point):
    assert "8 checks passed" in str(gradcheck(np.sin, *point))

def test_without_a_marker(gradcheck):
    gradcheck(np.cos, X, order=1)

@pytest.mark.gradients(points=[(X, 3 * X)])
def test_wrong(gradcheck, point):
    gradcheck(wrong, *point)
"""
    report = run(tmp_path, source, "-v")
    assert "2 failed, 7 passed" in report
    for name in ("test_right[plain-fwd]", "test_right[at zero-rev]", "test_everything[point1-all]"):
        assert f"test_user.py::{name} PASSED" in report
    assert "test_user.py::test_wrong[point0-rev] FAILED" in report
    assert "E       fgrad.errors.CheckError: check_grads of `wrong`: the cotangent is wrong." in report
    assert "wrong with respect to y; right with respect to x" in report
    assert "- gradcheck -" in report
    assert "reverse mode of `wrong` (order=2), at\n  args[0] = array([1., 2.])\n  args[1] = array([3., 6.])" in report
    assert "fgrad/testing" not in report


@pytest.mark.parametrize(
    ("args", "options", "fixtures", "says"),
    [
        ((), {"order": 1}, [], "checks nothing: the test does not take the fixture gradcheck"),
        ((), {"points": [1.0]}, ["gradcheck"], "does not take an argument named point"),
        ((), {"modes": "backward"}, ["gradcheck"], "has no mode 'backward'"),
        ((), {"tolerance": 1}, ["gradcheck"], "has no option 'tolerance'"),
        ((1.0,), {}, ["gradcheck"], "takes arguments by name only"),
    ],
)
def test_markers_that_would_be_passed_over(
    args: tuple[Any, ...], options: dict[str, Any], fixtures: list[str], says: str
) -> None:
    with pytest.raises(pytest.Collector.CollectError, match=f"pytest.mark.gradients of test_loss.*{says}"):
        plugin.check_marker(args, options, "test_loss", fixtures)


def test_such_a_marker_is_an_error_of_collection(tmp_path: Path) -> None:
    report = run(
        tmp_path,
        """
@pytest.mark.gradients(points=[X])
def test_loss(gradcheck):
    gradcheck(np.sin, X)
""",
    )
    assert "has points, but the test does not take an argument named point" in report
    assert "Write def test_loss(gradcheck, point)." in report
    assert "1 error" in report
    assert "fgrad/testing" not in report


def test_a_run_that_does_not_use_it_does_not_import_fgrad(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text("def test(): import sys; assert 'fgrad' not in sys.modules\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-p", "_fgrad_pytest", "-p", "no:cacheprovider", "-q", "."]
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "1 passed" in found.stdout
