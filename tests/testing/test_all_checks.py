"""Everything at once: what passes is listed, and what fails is told in one message."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.errors import ArgumentError, CheckError
from fgrad.testing import check_all
from tests.control.ruled import ruled

X = np.array([0.3, -1.2, 0.8])
NAMES = ["pure", "derivatives", "adjoint", "modes", "linearity", "symmetry", "jit", "vmap"]


def names(lines: Any) -> list[str]:
    return [line.partition(":")[0] for line in lines]


def test_right_functions() -> None:
    report = check_all(lambda p, n: {"y": np.tanh(p["w"] * X) * n, "n": n}, {"w": X}, 3)
    assert names(report.passed) == NAMES
    assert report.skipped == ()
    assert names(check_all(lambda z: z * np.conj(z), X + 1j).passed) == NAMES
    assert names(check_all(np.sin, X, order=1).passed) == [n for n in NAMES if n != "symmetry"]
    assert check_all(fgrad.jit(np.exp), X).name == "exp"


def test_custom_functions() -> None:
    f = ruled("custom_vjp", lambda x: x**3, lambda x: (3 * x**2,))
    assert "rule" in names(check_all(f, X).passed)
    wrong = ruled("custom_vjp", lambda x: x**3, lambda x: (-3 * x**2,))
    with pytest.raises(CheckError) as caught:
        check_all(wrong, X)
    lines = str(caught.value).splitlines()
    assert lines[0] == "check_all of `<lambda>`: 2 of 9 checks failed."
    assert lines[1] == "  FAILED   derivatives: up to order 2, against numerical ones"
    assert lines[2] == "    the tangent is wrong."
    assert lines[3].startswith("      at output[")
    assert any(line.startswith("      direction: x = [") for line in lines)
    assert any(line.startswith("      reference: complex step, itself off by about") for line in lines)
    assert "  FAILED   rule: its rules agree with the function" in lines
    assert "  passed   adjoint: reverse mode is the transpose of forward mode" in lines


def test_functions_that_need_values() -> None:
    report = check_all(lambda x: np.sin(x) if x[0] > 0 else x, X)
    assert names(report.skipped) == ["jit", "vmap"]
    assert "the truth value of a traced bool[]" in str(report)
    assert names(check_all(np.sin, X, skip=("jit", "derivatives")).skipped) == ["derivatives", "jit"]
    with pytest.raises(ArgumentError, match="skip of check_all names 'speed', which is no check"):
        check_all(np.sin, X, skip=("speed",))


def test_what_only_jit_or_vmap_do_wrong() -> None:
    def peeking(x: Any) -> Any:
        return np.sin(x) * (2.0 if isinstance(x, fgrad.core.Tracer) and x.concrete is None else 1.0)

    with pytest.raises(CheckError) as caught:
        check_all(peeking, X)
    text = str(caught.value)
    assert "FAILED   jit: it changes nothing" in text
    assert "jit gives another result (the first call)" in text


def test_one_reason_is_told_once() -> None:
    with pytest.raises(CheckError) as caught:
        check_all(np.cbrt, np.array([0.0, 1.0]))
    text = str(caught.value)
    assert text.count("the cotangent of x[0] is inf.") == 1
    assert "    as adjoint\n" in text
    assert "slope of the function grows without bound" in text


def test_the_edge_of_the_domain() -> None:
    report = check_all(np.arcsin, np.array([0.5, -0.99]))
    assert "vmap" in names(report.passed)
    assert "pure" in names(check_all(lambda x: np.sqrt(x - 0.999), np.float64(1.0)).passed)
