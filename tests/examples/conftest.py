"""The gallery is run in this process, with settings small enough for a test."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.examples.loading import inked, load, printed_by


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., dict[str, list[float]]]:
    """`run(name, *arguments)` runs an example, and asserts that it draws a picture.

    It returns the numbers of each line that is printed, by the words before the first of them.
    """

    def run(name: str, *arguments: str) -> dict[str, list[float]]:
        picture = tmp_path / "picture.png"
        printed = printed_by(load(name), *arguments, "--out", str(picture))
        assert printed.splitlines()[-1].split() == ["picture", str(picture)]
        assert 0.01 < inked(picture) < 0.95  # drawn on, and not all over
        return numbers(printed)

    return run


def numbers(printed: str) -> dict[str, list[float]]:
    found = {}
    for line in printed.splitlines():
        if match := re.match(r"(.*?)(?:^|\s)([-+]?\d.*)$", line):
            values = re.findall(r"(?<![\w.])[-+]?(?:\d[\d,]*\.?\d*(?:e[-+]?\d+)?|nan|inf)(?![\w])", match[2])
            found[match[1].strip()] = [float(v.replace(",", "")) for v in values]
    return found
