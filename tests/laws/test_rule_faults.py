"""Whatever rule of whatever primitive is made wrong, the walk over the primitives finds it.

All faults, some thousands, are planted by `python -m fgrad.testing`, and here if FGRAD_LONG is set. Otherwise some are,
and the walk knows of all others that it found them when it was last changed.
"""

from __future__ import annotations

import os
import zlib

import pytest

from fgrad.core.primitive import Primitive, registry
from fgrad.primitives.trigonometric import Sin
from fgrad.testing import __main__ as command
from fgrad.testing.registry import EXEMPT, check_primitive, every_primitive
from fgrad.testing.rule_faults import EQUIVALENT, Fault, faults_of, is_found, planted, score

LONG = bool(os.environ.get("FGRAD_LONG"))
QUICK = [
    "add",
    "conj",
    "cumsum",
    "gather",
    "hypot",
    "matmul",
    "mul",
    "reduce_max",
    "scan",
    "select",
    "sin",
    "sort",
    "tanh",
]
NAMES = [p.name for p in every_primitive() if p.name not in EXEMPT and (LONG or p.name in QUICK)]


@pytest.mark.parametrize("name", NAMES)
def test_every_fault_is_found(name: str) -> None:
    assert score([registry[name]]).survivors == []


OTHERS = [p for p in every_primitive() if p.name not in EXEMPT and zlib.crc32(p.name.encode()) % 9 == 0]


@pytest.mark.parametrize("primitive", OTHERS, ids=str)
def test_one_fault_of_some_others_is_found(primitive: Primitive) -> None:
    fault = next(f for f in faults_of(primitive) if f.what == "another dtype")
    with planted(fault) as changed:
        assert is_found(primitive)
    assert changed
    check_primitive(primitive)


def test_a_fault_that_nobody_looks_for_survives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sin, "samples", Sin.samples[:2])
    sin = registry["sin"]
    doubled = Fault(sin, "series", "beyond the order", lambda right, changed: lambda *xs: beyond(right(*xs), changed))

    def beyond(terms, changed):  # type: ignore[no-untyped-def]
        for k, term in enumerate(terms):
            if k > 4:
                changed()
            yield term

    monkeypatch.setattr("fgrad.testing.rule_faults.faults_of", lambda primitive: [doubled])
    assert len(score([sin]).idle) == 1


def test_faults_leave_no_trace() -> None:
    sin = registry["sin"]
    for fault in faults_of(sin):
        with planted(fault):
            assert fault.slot in vars(sin)
        assert fault.slot not in vars(sin)
    check_primitive(sin)


def test_what_is_equivalent_is_explained() -> None:
    for (name, what), reason in EQUIVALENT.items():
        assert what in {fault.what for fault in faults_of(registry[name])}
        assert len(reason) > 20


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["neg", "sin"]) == 0
    said = capsys.readouterr().out
    assert "2 primitives hold at " in said
    assert " planted faults were found: 100.0 %" in said
    assert command.main(["sine"]) == 2
    assert "There is no primitive sine." in capsys.readouterr().err
