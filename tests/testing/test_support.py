"""The support matrix has no empty cell without a reason, and the document shows it as it is."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import fgrad.numpy as fnp
from fgrad.errors import MissingRuleError
from fgrad.testing import support
from fgrad.testing.support import COLUMNS, NOT_BY_NATURE, ROOMS, Row, functions, matrix, section
from fgrad.testing.support_examples import EXAMPLES

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "support.md"
INSTALLED = [room for room in ROOMS if functions(room)]


@cache
def rows(room: str) -> list[Row]:
    return matrix([room])


def failing(row: Row) -> dict[str, str]:
    return {column: cell for column, cell in row.cells.items() if cell not in ("yes", "none")}


@pytest.mark.parametrize("room", INSTALLED)
def test_every_cell_is_filled_or_accounted_for(room: str) -> None:
    empty = {f"{row.room}.{row.name}": failing(row) for row in rows(room) if failing(row)}
    unexplained = {name: cells for name, cells in empty.items() if name not in NOT_BY_NATURE}
    assert not unexplained, "mend these, or say in fgrad/testing/support.py why they have no derivative by nature"
    assert {name for name in NOT_BY_NATURE if name.startswith(f"{room}.")} == set(empty)


@pytest.mark.parametrize("room", INSTALLED)
def test_the_document_is_up_to_date(room: str) -> None:
    assert section(room, rows(room)) in DOCUMENT.read_text("utf-8"), "run: python -m fgrad.testing.support docs"


def test_the_matrix_is_large() -> None:
    assert {"numpy", "linalg", "fft", "lax"} <= set(INSTALLED)
    assert len(rows("numpy")) > 300
    differentiable = [row for row in rows("numpy") if row.cells["second"] == "yes"]
    assert len(differentiable) > 200
    known = {f"{room}.{name}" for room in INSTALLED for name in functions(room)}
    assert {name for name in EXAMPLES if name.split(".")[0] in ("numpy", "linalg", "lax")} <= known


def test_what_does_not_work_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(x: object) -> object:
        raise MissingRuleError("no rule")

    def unlike(x: fnp.ndarray) -> object:
        return fnp.sin(x) if isinstance(x, np.ndarray) else fnp.cos(x)

    monkeypatch.setattr(support, "functions", lambda room: {"broken": broken, "unlike": unlike})
    first, second = matrix(["numpy"])
    assert set(failing(first)) == set(COLUMNS)
    assert set(failing(second)) == {"vmap", "jit"}
