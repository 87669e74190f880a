"""docs/testing.md tells the truth: what it shows runs, and prints what it says."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from fgrad import testing

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "testing.md"


def test_the_tutorial_runs() -> None:
    found = doctest.testfile(str(GUIDE), module_relative=False)
    assert found.attempted > 25
    assert not found.failed


def test_every_check_is_in_the_tutorial_and_in_the_index() -> None:
    text = GUIDE.read_text("utf-8")
    for name in testing.__all__:
        if name.startswith("check_"):
            assert re.search(rf"\b{name}\b", testing.__doc__ or ""), name
            assert re.search(rf"\b{name}\b", text) or name in ("check_primitive", "check_second_order", "check_vjp"), (
                name
            )


def test_the_index_names_what_exists() -> None:
    for name in re.findall(
        r"\b(?:check_\w+|mutation_score|strategies|directional_derivative)\b", testing.__doc__ or ""
    ):
        assert hasattr(testing, name)
    assert sorted(set(testing.__all__)) == sorted(testing.__all__)
    assert set(testing.__all__) <= set(dir(testing))
