"""Where an object is kept, in the words of an error message."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from fgrad.core.holders import holder

KEPT: Any = None


class Thing:
    """What is kept."""


class Plain:
    shared: Any = None


class Slotted:
    __slots__ = ("inside",)


def test_a_global(monkeypatch: pytest.MonkeyPatch) -> None:
    thing = Thing()
    monkeypatch.setitem(globals(), "KEPT", {"a": [1, (thing,)]})
    assert holder(thing) == "the global `KEPT['a'][1][0]`"


def test_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    thing, plain, slotted = Thing(), Plain(), Slotted()
    plain.inside = thing  # type: ignore[attr-defined]
    assert holder(thing) == "the attribute `inside` of a Plain"
    thing = Thing()
    slotted.inside = deque([None, thing])
    assert holder(thing) == "the attribute `inside[1]` of a Slotted"
    thing = Thing()
    monkeypatch.setattr(Plain, "shared", thing)
    assert holder(thing) == "the attribute `shared` of the class Plain"


def test_variables() -> None:
    def in_a_closure() -> tuple[Thing, Any]:
        held = Thing()
        return held, lambda: held

    thing, function = in_a_closure()
    assert callable(function)
    assert holder(thing) == "the variable `held`"
    thing = Thing()
    box = {"x": [thing]}
    assert holder(thing) == "the variable `box['x'][0]`"
    assert box


def test_nothing_is_said_of_what_is_only_being_used() -> None:
    thing = Thing()
    assert holder(thing) == ""
    deep: Any = thing
    for _ in range(10):
        deep = [deep]
    assert holder(thing) == ""
