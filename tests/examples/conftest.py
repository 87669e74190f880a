"""The gallery is run in this process, with settings small enough for a test."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"examples_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def example() -> Callable[[str], ModuleType]:
    """`example(name)` is an example as a module."""
    return load


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, list[float]]]:
    """`run(name, *arguments)` runs an example, and asserts that it draws a picture.

    It returns the numbers of each line that is printed, by the words before the first of them.
    """

    def run(name: str, *arguments: str) -> tuple[ModuleType, dict[str, list[float]]]:
        module, picture = load(name), tmp_path / "picture.png"
        module.main([*arguments, "--out", str(picture)])
        printed = capsys.readouterr().out
        assert printed.splitlines()[-1].split() == ["picture", str(picture)]
        image = pytest.importorskip("matplotlib.image").imread(picture)
        assert image.shape[0] > 300
        assert image.shape[1] > 600
        assert 0.01 < (image[..., :3].min(axis=2) < 0.9).mean() < 0.95  # drawn on, and not all over
        return numbers(printed)

    return run


def numbers(printed: str) -> dict[str, list[float]]:
    found = {}
    for line in printed.splitlines():
        if match := re.match(r"(.*?)(?:^|\s)([-+]?\d.*)$", line):
            values = re.findall(r"(?<![\w.])[-+]?(?:\d[\d,]*\.?\d*(?:e[-+]?\d+)?|nan|inf)(?![\w])", match[2])
            found[match[1].strip()] = [float(v.replace(",", "")) for v in values]
    return found
