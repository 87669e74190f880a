"""Plain NumPy code, which never heard of fgrad, differentiated, batched and compiled."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.testing import check_grads
from fgrad.tree import leaves
from tests.corpus import idioms, linear_algebra, numerics, physics, signals, statistics

FIELDS = (numerics, statistics, signals, linear_algebra, physics, idioms)
CASES = [(f, args) for field in FIELDS for f, args in field.CASES]
NAMES = [f"{f.__module__.rpartition('.')[2]}.{f.__name__}" for f, _ in CASES]


def test_the_corpus_is_large_and_plain() -> None:
    assert len(set(NAMES)) >= 60
    for field in FIELDS:
        tree = ast.parse(Path(str(field.__file__)).read_text("utf-8"))
        imported = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
        assert {ast.unparse(node) for node in imported} == {"from __future__ import annotations", "import numpy as np"}


def same(got: Any, wanted: Any) -> None:
    for x, y in zip(leaves(got), leaves(wanted), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-8, atol=1e-10)


def total(f: Callable[..., Any]) -> Callable[..., Any]:
    """The sum of all that a function returns, each element with a weight of its own."""

    def scalar(*args: Any) -> Any:
        return sum(np.sum(y * np.cos(np.arange(np.size(y))).reshape(np.shape(y))) for y in leaves(f(*args)))

    return scalar


@pytest.mark.parametrize(("f", "args"), CASES, ids=NAMES)
def test_plain_numpy(f: Callable[..., Any], args: tuple[Any, ...]) -> None:
    value = f(*args)
    check_grads(f, args, order=1)
    gradient = fgrad.grad(total(f), tuple(range(len(args))))
    slopes = gradient(*args)
    same(fgrad.jit(lambda *xs: (f(*xs), gradient(*xs)))(*args), (value, slopes))
    others = tuple(x * 1.01 for x in args)
    rows = tuple(np.stack([x, y]) for x, y in zip(args, others, strict=True))
    values, gradients = fgrad.vmap(lambda *xs: (f(*xs), gradient(*xs)))(*rows)
    for k, xs in enumerate((args, others)):
        same([y[k] for y in leaves(values)], f(*xs))
        same([g[k] for g in leaves(gradients)], gradient(*xs))
