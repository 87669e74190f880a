"""Random programs on arrays of every dtype and layout, empty ones and views among them: jit changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from tests.compiler.tiling import forced_tiles

KINDS = {"b": "?", "i": "bhil", "u": "BHIL", "f": "efd", "c": "FD"}
DTYPES = [np.dtype(code) for codes in KINDS.values() for code in codes]
SHAPES: list[tuple[int, ...]] = [(), (1,), (5,), (0,), (4, 3), (3, 4), (0, 3), (3, 0, 2), (2, 3, 4), (16, 2)]
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "in order": lambda x: x,
    "columns": np.asfortranarray,
    "reversed": lambda x: np.ascontiguousarray(np.flip(x))[(slice(None, None, -1),) * x.ndim],
    "every second": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
    "repeated": lambda x: np.broadcast_to(x[:1], x.shape) if x.ndim else x,
    "read only": lambda x: frozen(x.copy()),
}
LIMIT = 100
"""No array on the way has more elements."""


def frozen(x: Any) -> Any:
    x.flags.writeable = False
    return x


def mixed(x: Any, y: Any) -> tuple[Any, Any]:
    """Two values that broadcast together: where they do not, the second is made a number."""
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        y = fnp.sum(y)
    return x, y


def number(x: Any, n: int) -> Any:
    """An array that is not of truth values."""
    return x + np.int8(n) if x.dtype == bool else x


def floating(x: Any) -> Any:
    return x if x.dtype.kind in "fc" else x.astype(np.float64)


UNARY: dict[str, Callable[[Any, int], Any]] = {
    "negative": lambda x, n: -number(x, n),
    "square": lambda x, n: x * x,
    "abs": lambda x, n: abs(x),
    "tanh": lambda x, n: fnp.tanh(floating(x)),
    "exp": lambda x, n: fnp.exp(-abs(floating(x))),
    "number": lambda x, n: x * n,
    "compare": lambda x, n: x == n,
    "scaled": lambda x, n: floating(x) * 0.5 + n,
    "sum": lambda x, n: fnp.sum(x),
    "sum of rows": lambda x, n: fnp.sum(x, axis=-1) if x.ndim else x,
    "sum of columns": lambda x, n: fnp.sum(x, axis=0, keepdims=True) if x.ndim else x,
    "mean of rows": lambda x, n: fnp.mean(fnp.atleast_1d(floating(x))[..., :4], axis=-1) if x.size else x,
    "largest": lambda x, n: fnp.max(x.real, axis=-1, keepdims=True) if x.ndim and x.size else x,
    "softmax": lambda x, n: (
        fnp.exp(floating(x.real) - fnp.logsumexp(floating(x.real), axis=-1, keepdims=True)) if x.ndim and x.size else x
    ),
    "transposed": lambda x, n: x.T,
    "raveled": lambda x, n: fnp.ravel(x),
    "axes": lambda x, n: fnp.expand_dims(x, n % (x.ndim + 1)),
    "reversed": lambda x, n: x[::-1] if x.ndim else x,
    "tail": lambda x, n: x[n:] if x.ndim else x,
    "cut": lambda x, n: x[..., : n + 1] if x.ndim else x,
    "one": lambda x, n: x[n % x.shape[0]] if x.ndim and x.shape[0] else x,
    "taken": lambda x, n: x[np.array([0, -1, n % x.shape[0]])] if x.ndim and x.shape[0] else x,
    "empty": lambda x, n: x[:0] if x.ndim else x,
    "added at": lambda x, n: fnp.at(x)[np.zeros(2, int)].add(x[:1]) if x.ndim and x.shape[0] else x,
    "placed": lambda x, n: fnp.at(fnp.zeros_like(x))[n:].set(x[n:]) if x.ndim else x,
    "real": lambda x, n: x.real,
    "repeated": lambda x, n: fnp.broadcast_to(x, (2, *x.shape)),
    "joined": lambda x, n: fnp.concatenate([fnp.ravel(x), fnp.ravel(x)[::-1]]),
    "converted": lambda x, n: x.real.astype([np.float32, np.float64, np.complex64, np.bool_][n % 4]),
    "gram": lambda x, n: fnp.atleast_2d(x) @ fnp.atleast_2d(x).swapaxes(-1, -2),
}
BINARY: dict[str, Callable[[Any, Any, int], Any]] = {
    "add": lambda x, y, n: x + y,
    "subtract": lambda x, y, n: number(x, n) - number(y, n),
    "multiply": lambda x, y, n: x * y,
    "divide": lambda x, y, n: floating(x) / (1.0 + abs(y)),
    "less": lambda x, y, n: x.real < y.real,
    "where": lambda x, y, n: fnp.where(x == y, x, y),
    "maximum": lambda x, y, n: fnp.maximum(x.real, y.real),
    "outer": lambda x, y, n: fnp.ravel(x)[:8, None] * fnp.ravel(y)[:8],
    "dot": lambda x, y, n: fnp.dot(fnp.ravel(x)[:3], fnp.ravel(y)[:3]) if min(x.size, y.size) > 2 else x,
}


class Step(NamedTuple):
    """One instruction: a function, which earlier values it takes, and a number."""

    name: str
    x: int
    y: int
    n: int


class Case(NamedTuple):
    """A program, which of its values it returns, and its arguments."""

    steps: list[Step]
    outs: list[int]
    args: list[Any]

    def run(self, *args: Any) -> Any:
        """The last value and some others, arguments among them."""
        values = list(args)
        for step in self.steps:
            x, y = values[step.x % len(values)], values[step.y % len(values)]
            if step.name in UNARY:
                value = UNARY[step.name](fnp.asarray(x), step.n)
            else:
                value = BINARY[step.name](*mixed(fnp.asarray(x), fnp.asarray(y)), step.n)
            values.append(fnp.ravel(value)[:LIMIT] if value.size > LIMIT or value.ndim > 4 else value)
        return [values[i % len(values)] for i in self.outs], values[-1]


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    dtype, shape = draw(st.sampled_from(DTYPES)), draw(st.sampled_from(SHAPES))
    x = rng.integers(-3, 4, shape) if dtype.kind == "i" else rng.integers(0, 4, shape)
    if dtype.kind in "fc":
        x = rng.normal(size=shape)
    if dtype.kind == "c":
        x = x + 1j * rng.normal(size=shape)
    x = LAYOUTS[draw(st.sampled_from(list(LAYOUTS)))](np.asarray(x).astype(dtype))
    return x[()] if not shape and draw(st.booleans()) else x


STEPS = st.builds(
    Step, st.sampled_from([*UNARY, *BINARY, *BINARY]), st.integers(0, 9), st.integers(0, 9), st.integers(0, 3)
)
CASES = st.builds(
    Case,
    st.lists(STEPS, min_size=1, max_size=9),
    st.lists(st.integers(0, 11), max_size=3),
    st.lists(arrays(), min_size=1, max_size=3),
)


def leaves(tree: Any) -> list[Any]:
    values, last = tree
    return [*values, last]


def check_same(found: list[Any], expected: list[Any]) -> None:
    for a, b in zip(found, expected, strict=True):
        assert (np.shape(a), a.dtype) == (np.shape(b), b.dtype)
        if b.dtype.kind in "fc":
            size = float(np.max(np.abs(b[np.isfinite(b)]), initial=1.0))
            exact = 10.0 * float(np.finfo(b.dtype).eps) * 20.0
            np.testing.assert_allclose(a, b, rtol=exact, atol=exact * size)
        else:
            np.testing.assert_array_equal(a, b)


def check_own(found: list[Any], args: list[Any]) -> None:
    """Results are arrays of their own."""
    for i, a in enumerate(found):
        if isinstance(a, np.ndarray):
            assert a.flags.writeable
            assert not any(np.may_share_memory(a, other) for other in (*args, *found[:i]) if np.size(other))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@given(CASES, st.sampled_from([None, 16, 200]))
@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
def test_jit_changes_nothing(case: Case, tile: int | None) -> None:
    with np.errstate(all="ignore"):
        expected = leaves(case.run(*case.args))
        before = [np.array(x) for x in case.args]
        compiled = fgrad.jit(case.run)
        if tile is None:
            held, again = leaves(compiled(*case.args)), leaves(compiled(*case.args))
        else:
            with forced_tiles(tile):
                held, again = leaves(compiled(*case.args)), leaves(compiled(*case.args))
    check_same(held, expected)  # though the program has run again since
    check_same(again, expected)
    check_own(again, [*case.args, *held])
    for x, y in zip(case.args, before, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
@pytest.mark.parametrize("dtype", ["?", "b", "L", "e", "D"])
def test_every_function_on_every_layout(name: str, dtype: str) -> None:
    x = (np.arange(12).reshape(4, 3) % 4).astype(dtype)
    args = [layout(x) for layout in LAYOUTS.values()][:4]
    steps = [Step(name, k, k + 1, 1) for k in range(4)]
    case = Case(steps, [0, 4, 5, 6], args)
    with np.errstate(all="ignore"):
        expected, found = leaves(case.run(*args)), leaves(fgrad.jit(case.run)(*args))
    check_same(found, expected)
    check_own(found, args)
