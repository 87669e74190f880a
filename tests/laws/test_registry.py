"""The walk: every rule of every primitive is what its definition says."""

from __future__ import annotations

import pytest

import fgrad
from fgrad.core import registry
from fgrad.testing import registry as walk

walk.every_primitive()

NAMES = sorted(registry)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in walk.EXEMPT])
def test_rules_hold(name: str) -> None:
    report = walk.check_primitive(registry[name])
    assert report.cases


def test_exemptions_are_declared_and_explained() -> None:
    for table in (walk.EXEMPT, walk.DECLARED_CONSTANT, walk.REAL, walk.SATURATING):
        assert set(table) <= set(NAMES)
        assert all(len(reason) > 20 for reason in table.values())


def test_the_walk_visits_all() -> None:
    few = [registry[name] for name in ("add", "custom_linear", "sin")]
    assert [report.name for report in walk.walk(few)] == ["add", "sin"]


def test_primitives_are_many() -> None:
    assert len(NAMES) > 100
    assert fgrad.grad
