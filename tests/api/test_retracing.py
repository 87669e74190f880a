"""What compiled functions keep, why they were traced again, and switching compilation off."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import fgrad
from fgrad import disable_jit, jit, lax, no_retrace
from fgrad.errors import RetraceError

X = np.array([1.0, 2.0, 3.0])


class Params(NamedTuple):
    w: Any
    b: Any


def test_hits_and_misses_are_counted() -> None:
    f = jit(lambda x: x * 2)
    assert f.cache_info() == (0, 0, 0, ())
    for x in (X, X, X[:2], X, 1.0):
        f(x)
    info = f.cache_info()
    assert (info.hits, info.misses, info.currsize) == (2, 3, 3)
    assert [(e.signature, e.hits, e.equations, e.compiled) for e in info.entries] == [
        ("x: f64[3]", 2, 1, True),
        ("x: f64[2]", 0, 1, True),
        ("x: float", 0, 1, True),
    ]
    assert str(info).splitlines() == [
        "2 hits, 3 misses, 3 programs",
        "  x: f64[3]: 2 hits, 1 equations",
        "  x: f64[2]: 0 hits, 1 equations",
        "  x: float: 0 hits, 1 equations",
    ]
    f.clear_cache()
    assert f.cache_info() == (0, 0, 0, ())
    assert f.explain_last_miss() is None


def test_calls_within_transforms_are_counted_and_need_no_compilation() -> None:
    f = jit(lambda x: x * x)
    for _ in range(2):
        assert fgrad.grad(f)(3.0) == 6.0
    info = f.cache_info()
    assert (info.hits, info.misses) == (1, 1)
    assert not info.entries[0].compiled
    assert "not compiled" in str(info)


def reason(f: Any, *args: Any, **kwargs: Any) -> tuple[str, ...]:
    f(*args, **kwargs)
    return f.explain_last_miss().reasons  # type: ignore[no-any-return]


def test_the_first_call() -> None:
    f = jit(lambda x, n: x * n, static_argnames="n")
    f(X, 2)
    assert str(f.explain_last_miss()) == "`<lambda>` was traced: first call, with x: f64[3], n=2."


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (X, X[:2], ["p has shape (2,), where it had (3,)"]),
        (X, X.astype(np.float32), ["p has dtype float32, where it had float64"]),
        (
            X,
            np.ones(2, np.int8),
            ["p has shape (2,), where it had (3,)", "p has dtype int8, where it had float64"],
        ),
        (X, 1.0, ["p is a Python float, where it was an array f64[3]"]),
        (1, np.int64(1), ["p is an array i64[], where it was a Python int"]),
        (1, 1.0, ["p is a Python float, where it was a Python int"]),
        ({"w": [X, X]}, {"w": [X, X[:1]]}, ["p['w'][1] has shape (1,), where it had (3,)"]),
        (Params(X, 1.0), Params(X, 1), ["p.b is a Python int, where it was a Python float"]),
        (
            {"w": [X]},
            {"w": (X,)},
            ["p has another structure, at ['w']: expected a list of length 1, got a tuple of length 1"],
        ),
        ({"w": X}, {"v": X}, None),
        ({"w": X, "b": X}, {"b": X, "w": X}, ["the arguments, or the keys of a dict, are in another order"]),
    ],
)
def test_reasons(first: Any, second: Any, told: list[str] | None) -> None:
    f = jit(lambda p: fgrad.tree.leaves(p)[0] * 2)
    f(first)
    found = reason(f, second)
    if told is None:
        assert len(found) == 1
        assert "missing key 'w'" in found[0] or "unexpected key 'v'" in found[0]
    else:
        assert len(found) == len(told)
        assert all(text.startswith(expected) for text, expected in zip(found, told, strict=True))


def test_static_values_names_and_positions() -> None:
    f = jit(lambda x, n=2, scale=1.0: x * n * scale, static_argnames="n")
    f(X, n=2)
    assert reason(f, X, n=3) == ("the static argument n is 3, where it was 2",)
    assert reason(f, X, n=2.0) == ("the static argument n is 2.0, where it was 3",)
    assert reason(f, X) == ("the static argument n is not given, which it was",)
    assert reason(f, X, scale=2.0) == ("scale is given, which it was not",)
    assert reason(f, x=X)[0].startswith("the arguments, or the keys of a dict, are in another order")


def test_static_objects_that_look_the_same() -> None:
    class Named:
        def __repr__(self) -> str:
            return "Named"

    f = jit(lambda x, n: x, static_argnums=1)
    f(X, Named())
    assert reason(f, X, Named()) == ("the static argument n is another Named, not equal to the one it was (Named)",)


def test_the_nearest_signature_is_compared_with() -> None:
    f = jit(lambda x, y: (x, y))
    f(X, X)
    f(X[:1], 1)
    f(X[:1], X)
    miss = f.explain_last_miss()
    assert miss.reasons in (
        ("x has shape (1,), where it had (3,)",),
        ("y is an array f64[3], where it was a Python int",),
    )
    assert str(miss.nearest) in str(miss) == repr(miss)


def test_named_axes_are_a_reason() -> None:
    f = jit(lambda x: lax.psum(x, "i"))
    fgrad.vmap(f, axis_name="i")(X)
    fgrad.vmap(f, axis_name="i")(X[:2])
    (told,) = f.explain_last_miss().reasons
    assert told == (
        "it is called under a mapped axis 'i' of length 2, where it was under a mapped axis 'i' of length 3"
    )


def test_closing_over_traced_values() -> None:
    told = []

    def loss(x: Any) -> Any:
        f = jit(lambda y: x * y)
        f(2.0)
        told.append(str(f.explain_last_miss()))
        return f(2.0)

    fgrad.grad(loss)(1.0)
    assert "is traced in every call: it closes over values that are being traced by grad of `loss`" in told[0]


def test_no_retrace() -> None:
    f = jit(lambda x: x * 2)
    with no_retrace(), pytest.raises(RetraceError, match="first call, with x: "):
        f(X)
    assert f.cache_info().misses == 0
    f(X)
    with no_retrace():
        f(X)
        with pytest.raises(RetraceError, match=r"(?s)traced again.*x has shape \(2,\), where it had \(3,\)") as caught:
            f(X[:2])
    assert "f(X[:2])" in str(caught.value)
    assert "Call it once with such arguments before" in str(caught.value)
    f(X[:2])


def test_no_retrace_within_a_transform() -> None:
    f = jit(lambda x: x * x)
    with no_retrace(), pytest.raises(RetraceError):
        fgrad.grad(f)(2.0)
    fgrad.grad(f)(2.0)
    with no_retrace():
        fgrad.grad(f)(2.0)


def test_a_forgotten_function_takes_its_programs_and_constants_along() -> None:
    w = np.ones(1000)
    held = weakref.ref(w)
    f = jit(lambda x, w=w: x * w)
    f(X[:1])
    f.explain_last_miss()
    del f, w
    gc.collect()
    assert held() is None


# Switching compilation off.


def seen(f: Callable[..., Any], *args: Any) -> list[Any]:
    """The types that a compiled function sees."""
    types: list[Any] = []

    def looking(x: Any) -> Any:
        types.append(type(x))
        return f(x)

    jit(looking)(*args)
    return types


def test_disable_jit_shows_values() -> None:
    assert seen(lambda x: x, X) != [np.ndarray]
    with disable_jit():
        assert seen(lambda x: x, X) == [np.ndarray]
        with disable_jit(False):
            assert seen(lambda x: x, X) != [np.ndarray]
        assert seen(lambda x: x, X) == [np.ndarray]
    assert seen(lambda x: x, X) != [np.ndarray]


def test_disable_jit_decorates() -> None:
    @disable_jit()
    def run() -> Any:
        return seen(lambda x: x, X)

    assert run() == run() == [np.ndarray]


def test_disable_jit_decides_by_values_also_in_functions_compiled_before() -> None:
    f = jit(lambda x: x * 2 if isinstance(x, np.ndarray) and x[0] > 0 else x * 3)
    np.testing.assert_array_equal(f(X), 3 * X)
    with disable_jit():
        np.testing.assert_array_equal(f(X), 2 * X)
        assert fgrad.grad(jit(lambda x: x * x if x > 0 else -x))(3.0) == 6.0
    np.testing.assert_array_equal(f(X), 3 * X)


LOOPS: dict[str, Callable[..., Any]] = {
    "scan": lambda x: lax.scan(lambda c, row: (c * row, {"sum": c + row}), x[0], x),
    "scan back": lambda x: lax.scan(lambda c, row: (c * row, c + row), x[0], x, reverse=True),
    "scan without rows": lambda x: lax.scan(lambda c, _: (np.sin(c), None), x, length=3),
    "scan of nothing": lambda x: lax.scan(lambda c, row: (c, row), x, x[:0]),
    "fori": lambda x: lax.fori_loop(0, 4, lambda i, c: c * 1.5 + i, x),
    "while": lambda x: lax.while_loop(lambda c: c.sum() < 50.0, lambda c: c * 1.5, x),
    "cond": lambda x: lax.cond(x[0] > 0, lambda x: x * 2, lambda x: x * x, x),
    "cond else": lambda x: lax.cond(x[0] > 5, lambda x: x * 2, lambda x: x * x, x),
    "switch": lambda x: lax.switch(x[1].astype(int), [np.sin, np.cos, np.tanh, np.exp], x),
    "switch beyond": lambda x: lax.switch(7, [np.sin, np.cos], x),
    "map": lambda x: lax.map(lambda row: row * row, x),
}


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda f: f,
        jit,
        lambda f: fgrad.grad(lambda x: sum(y.sum() for y in fgrad.tree.leaves(f(x)))),
        lambda f: lambda x: fgrad.vmap(f)(np.stack([x, 2 * x, x - 1.5])),
        fgrad.jacfwd,
    ],
    ids=["plain", "jit", "grad", "vmap", "jacfwd"],
)
def test_control_flow_runs_as_python_with_the_same_results(name: str, wrap: Any) -> None:
    f = LOOPS[name]
    expected = wrap(f)(X)
    with disable_jit():
        found = wrap(f)(X)
    assert fgrad.tree.structure(found) == fgrad.tree.structure(expected)
    for a, b in zip(fgrad.tree.leaves(found), fgrad.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
        assert a.dtype == b.dtype
        assert a.shape == b.shape


def test_control_flow_shows_values() -> None:
    rows: list[Any] = []

    def step(c: Any, x: Any) -> Any:
        rows.append(float(x))
        return c + x, None

    with disable_jit():
        lax.scan(step, 0.0, X)
        assert rows == [1.0, 2.0, 3.0]
        steps: list[Any] = []
        lax.while_loop(lambda c: c < 3, lambda c: (steps.append(c), c + 1)[1], 0)  # type: ignore[func-returns-value]
        assert steps == [0, 1, 2]
