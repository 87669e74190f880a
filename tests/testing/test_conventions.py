"""The published table of derivatives at the hard places, line by line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.testing.conventions import CONVENTIONS, Convention, document

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "conventions.md"


def test_the_document_is_up_to_date() -> None:
    assert DOCUMENT.read_text("utf-8") == document(), "run: python -m fgrad.testing.conventions docs"


def test_no_line_twice() -> None:
    assert len({(c.code, c.at) for c in CONVENTIONS}) == len(CONVENTIONS)


def derivatives(row: Convention, first: Any) -> list[Any]:
    f = row.function()
    found = [f]
    for k in range(1, len(row.derivatives)):
        found.append(first(f) if k == 1 else fgrad.jacfwd(found[-1]))
    return found


def agree(row: Convention, got: list[Any], context: str) -> None:
    for k, (value, wanted) in enumerate(zip(got, row.derivatives, strict=True)):
        label = f"{row.code} at {row.at}, derivative {k}, {context}"
        np.testing.assert_allclose(value, np.asarray(wanted), rtol=1e-13, atol=1e-15, err_msg=label)


@pytest.mark.filterwarnings("ignore:Mean of empty slice")  # NumPy's own, of all NaN
@pytest.mark.parametrize("row", CONVENTIONS, ids=[f"{c.code}, {c.at}" for c in CONVENTIONS])
def test_the_table_holds(row: Convention) -> None:
    x = row.point()
    with np.errstate(all="ignore"):
        reverse = derivatives(row, fgrad.grad)
        agree(row, [f(x) for f in reverse], "reverse mode")
        agree(row, fgrad.jit(lambda x: [f(x) for f in reverse])(x), "jit")
        rows = fgrad.vmap(reverse[1])(np.stack([x, x]))
        agree(row, [reverse[0](x), rows[1], *row.derivatives[2:]], "vmap")
        if not np.iscomplexobj(x):
            agree(row, [f(x) for f in derivatives(row, fgrad.jacfwd)], "forward mode")
