"""Loops that end by a condition: equal to Python's, in both modes and all orders; only rows that go on are computed."""

from __future__ import annotations

import gc
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ArgumentError, OutOfBoundsError, OutputTypeError, ShapeError, TreeStructureError
from fgrad.lax.control import cond, while_loop
from tests.control.agreement import Pair, assert_agree, equations


def growing(checkpoint: str | int | None = None) -> Pair:
    """The condition, the body and the first value depend on the argument; an integer counts."""

    def body(w: Any) -> Callable[[Any], Any]:
        return lambda c: (np.sin(c[0]) * w + c[0] + 1.0, c[1] + 1)

    def control(w: Any) -> Any:
        x, n = while_loop(lambda c: c[0] < 9.0 + w, body(w), (w, 0), checkpoint=checkpoint)
        return x * n

    def python(w: Any) -> Any:
        c = (w, 0)
        while c[0] < 9.0 + w:
            c = body(w)(c)
        return c[0] * c[1]

    return Pair(control, python)


@pytest.mark.parametrize("checkpoint", [None, "sqrt", "binomial", 1, 3, 100])
def test_a_recurrence_in_all_modes(checkpoint: str | int | None) -> None:
    assert_agree(growing(checkpoint))


def no_steps() -> Pair:
    return Pair(lambda w: while_loop(lambda x: x < -3.0, lambda x: x * w, np.sin(w)), lambda w: np.sin(w) * 1.0)


def one_step() -> Pair:
    return Pair(
        lambda w: while_loop(lambda x: x < w + 0.1, lambda x: x + w * w, np.sin(w)), lambda w: np.sin(w) + w * w
    )


def constants_at_first() -> Pair:
    def body(w: Any) -> Callable[[Any], Any]:
        return lambda c: (c[1], c[0] * w + 0.5 * c[1], c[2] + 1)

    def control(w: Any) -> Any:
        a, b, n = while_loop(lambda c: c[2] < 5, body(w), (1.0, 2.0, 0))
        return a * b * n

    def python(w: Any) -> Any:
        c: Any = (1.0, 2.0, 0)
        while c[2] < 5:
            c = body(w)(c)
        return c[0] * c[1] * c[2]

    return Pair(control, python)


def matrices_in_a_dict() -> Pair:
    a = np.array([[0.5, -0.3], [0.2, 0.4]])

    def body(w: Any) -> Callable[[Any], Any]:
        return lambda c: {"m": np.tanh(w * a @ c["m"]) + 0.5 * c["m"] + a, "n": c["n"] + 1}

    def control(w: Any) -> Any:
        out = while_loop(lambda c: (c["m"].sum() < 4.0) & (c["n"] < 5), body(w), {"m": np.eye(2) * w, "n": 0})
        return (out["m"] ** 2).sum() * out["n"]

    def python(w: Any) -> Any:
        c = {"m": np.eye(2) * w, "n": 0}
        while c["m"].sum() < 4.0 and c["n"] < 5:
            c = body(w)(c)
        return (c["m"] ** 2).sum() * c["n"]

    return Pair(control, python)


def newton() -> Pair:
    def control(w: Any) -> Any:
        return while_loop(lambda x: np.abs(x * x - w) > 1e-3, lambda x: (x + w / x) / 2, w)

    def python(w: Any) -> Any:
        x = w
        while np.abs(x * x - w) > 1e-3:
            x = (x + w / x) / 2
        return x

    return Pair(control, python)


def rows_with_different_trips() -> Pair:
    starts = np.array([0.1, 5.0, 2.0, 0.5, 9.5])

    def control(w: Any) -> Any:
        def row(s: Any) -> Any:
            return while_loop(lambda c: c[0] < 9.0, lambda c: (c[0] * (1 + w) + 0.3 * np.sin(s * w), c[1] + 1), (s, 0))

        x, n = fgrad.vmap(row)(starts * 1.0)
        return (x * n).sum()

    def python(w: Any) -> Any:
        total = 0.0 * w
        for s in starts:
            x, n = s, 0
            while x < 9.0:
                x, n = x * (1 + w) + 0.3 * np.sin(s * w), n + 1
            total = total + x * n
        return total

    return Pair(control, python)


PROGRAMS = [no_steps, one_step, constants_at_first, matrices_in_a_dict, newton, rows_with_different_trips]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_programs_agree_with_python(program: Callable[[], Pair]) -> None:
    assert_agree(program())


def collatz(n: int) -> int:
    steps = 0
    while n != 1:
        n, steps = (n // 2 if n % 2 == 0 else 3 * n + 1), steps + 1
    return steps


def test_integers_alone() -> None:
    def steps(n: Any) -> Any:
        def body(c: Any) -> Any:
            n, k = c
            return fnp.where(n % 2 == 0, n // 2, 3 * n + 1), k + 1

        return while_loop(lambda c: c[0] != 1, body, (n, 0))[1]

    numbers = np.arange(1, 40)
    expected = [collatz(int(n)) for n in numbers]
    assert [steps(n) for n in numbers] == expected
    for f in (fgrad.vmap(steps), fgrad.jit(fgrad.vmap(steps)), fgrad.vmap(fgrad.jit(steps))):
        assert f(numbers).tolist() == expected


MAPPED = [(a, b, c) for a in (None, 0) for b in (None, 0) for c in (None, 0) if (a, b, c) != (None, None, None)]


@pytest.mark.parametrize("in_axes", MAPPED, ids=str)
@pytest.mark.parametrize("out_axes", [0, -1])
def test_vmap_is_the_loop_over_rows(in_axes: tuple[int | None, ...], out_axes: int) -> None:
    """A value, a constant of the body, a constant of the condition: each mapped or not."""
    x = np.array([0.2, 3.0, 0.9, 7.0]) if in_axes[0] == 0 else np.float64(0.4)
    w = np.array([0.5, 0.1, 0.9, 0.3]) if in_axes[1] == 0 else np.float64(0.6)
    end = np.array([4.0, 2.0, 8.0, 6.5]) if in_axes[2] == 0 else np.float64(5.0)

    def f(x: Any, w: Any, end: Any) -> Any:
        def body(c: Any) -> Any:
            return c[0] * (1 + w) + np.array([0.1, 0.2]) * w, c[1] + 1, c[2] * 1.0

        return while_loop(lambda c: c[0].sum() < end, body, (x * np.array([0.5, 1.0]), 0, 3.0))

    def loss(x: Any, w: Any, end: Any) -> Any:
        v, n, fixed = f(x, w, end)
        return (v * v).sum() * n * fixed

    second = fgrad.jacfwd(fgrad.grad(loss), 1)
    for g in (f, fgrad.grad(loss, (0, 1, 2)), second, fgrad.hessian(loss, 1)):
        rows = [g(*(a if d is None else a[i] for a, d in zip((x, w, end), in_axes, strict=True))) for i in range(4)]
        for wrapped in (
            fgrad.vmap(g, in_axes, out_axes),
            fgrad.jit(fgrad.vmap(g, in_axes, out_axes)),
            fgrad.vmap(fgrad.jit(g), in_axes, out_axes),
        ):
            found = wrapped(x, w, end)
            for i, row in enumerate(rows):
                for y, expected in zip(fgrad.tree.leaves(found), fgrad.tree.leaves(row), strict=True):
                    np.testing.assert_allclose(np.take(y, i, out_axes), expected, rtol=1e-10)


def test_rows_of_rows() -> None:
    x = np.array([[0.1, 5.0, 2.0], [8.0, 0.7, 11.0]])
    w = np.array([0.5, 0.2, 0.9])

    def f(x: Any, w: Any) -> Any:
        return while_loop(lambda v: v < 9.0, lambda v: v * (1 + w) + 0.1, x)

    for g in (f, fgrad.grad(f, 1), fgrad.grad(fgrad.grad(f, 1), 1)):
        expected = [[g(a, b) for a, b in zip(row, w, strict=True)] for row in x]
        for wrap in (lambda h: h, fgrad.jit):
            found = wrap(fgrad.vmap(fgrad.vmap(g), (0, None)))(x, w)
            np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_no_rows() -> None:
    f = fgrad.vmap(lambda x: while_loop(lambda v: v < 9.0, lambda v: v * 2, x))
    assert f(np.zeros(0)).shape == fgrad.jit(f)(np.zeros(0)).shape == (0,)
    assert fgrad.grad(lambda x: f(x).sum())(np.zeros(0)).shape == (0,)


# Only the rows that go on


def row_steps(rows: Any) -> int:
    """How many rows the steps of a batched loop are computed on, in all."""
    total = 0

    def measured(v: Any) -> Any:
        nonlocal total
        total += len(np.atleast_1d(v))
        return v

    def body(c: Any) -> Any:
        shaped = fgrad.ShapeDtypeStruct((), np.int64)
        return fgrad.pure_callback(measured, shaped, c, vmap_method="expand_dims") - 1

    assert not fgrad.vmap(lambda n: while_loop(lambda c: c > 0, body, n))(rows).any()
    return total


def test_the_cost_is_in_proportion_to_the_rows_that_go_on() -> None:
    one_long = np.ones(256, np.int64)
    one_long[17] = 200
    geometric = 2 ** (np.arange(256) % 8)
    for trips in (one_long, geometric, np.zeros(10, np.int64), np.arange(40)):
        assert trips.sum() <= row_steps(trips) <= 1.5 * trips.sum()


def test_effects_happen_once_for_every_step_of_a_row() -> None:
    seen: list[int] = []

    def body(c: Any) -> Any:
        n, row = c
        fgrad.debug.callback(lambda row: seen.append(int(row)), row)
        return n - 1, row

    trips = np.array([3, 0, 5, 1, 1])
    for wrap in (lambda f: f, fgrad.jit):
        seen.clear()
        wrap(fgrad.vmap(lambda n, row: while_loop(lambda c: c[0] > 0, body, (n, row))))(trips, np.arange(5))
        assert np.bincount(seen, minlength=5).tolist() == trips.tolist()


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit], ids=["eager", "jit"])
def test_a_loop_that_a_cond_guards_ends(wrap: Callable[..., Any]) -> None:
    """Were both branches run on all rows, the loop would never end for those that are below 1."""

    def up(x: Any) -> Any:
        return while_loop(lambda v: v < 100.0, lambda v: v * v, x)

    def f(x: Any) -> Any:
        return cond(x > 1.0, up, lambda x: x, x)

    x = np.array([0.5, 2.0, 0.0, 3.0])
    np.testing.assert_array_equal(wrap(fgrad.vmap(f))(x), [0.5, 256.0, 0.0, 6561.0])
    np.testing.assert_allclose(wrap(fgrad.vmap(fgrad.grad(f)))(x), [1.0, 8 * 2.0**7, 1.0, 8 * 3.0**7])
    np.testing.assert_array_equal(
        wrap(fgrad.vmap(lambda x: cond(x.any(), lambda: 1.0, lambda: up(0.5))))(np.ones((2, 3))), [1, 1]
    )


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit], ids=["eager", "jit"])
def test_a_loop_whose_end_a_cond_guards(wrap: Callable[..., Any]) -> None:
    """A row that has reached its end stays there: the step beyond it, which divides by zero, is not taken."""

    def body(c: Any) -> Any:
        n, x = c
        return cond(n > 1, lambda: (n - 1, x + 1.0 / (n - 1)), lambda: (n - 1, x))

    def f(n: Any, x: Any) -> Any:
        return while_loop(lambda c: c[0] > 0, body, (n, x))[1]

    n = np.array([0, 1, 4, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(wrap(fgrad.vmap(f, (0, None)))(n, 1.0), [1.0, 1.0, 1 + 1 / 3 + 1 / 2 + 1, 2.0])
        np.testing.assert_allclose(wrap(fgrad.vmap(fgrad.grad(f, 1), (0, None)))(n, 1.0), np.ones(4))


def test_no_nan_from_rows_that_have_stopped() -> None:
    """Beyond its end a row would take the root of a negative number."""

    def f(x: Any) -> Any:
        return while_loop(lambda v: v > 0.5, lambda v: np.sqrt(v - 0.5), x)

    x = np.array([0.1, 0.6, 3.0])
    expected = [fgrad.grad(f)(v) for v in x]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for wrap in (lambda g: g, fgrad.jit):
            np.testing.assert_allclose(wrap(fgrad.vmap(fgrad.grad(f)))(x), expected)
            assert np.isfinite(wrap(fgrad.vmap(fgrad.grad(fgrad.grad(f))))(x)).all()


# Memory


def peak(call: Callable[[], Any]) -> int:
    call()
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit], ids=["eager", "jit"])
def test_checkpoints_save_memory(wrap: Callable[..., Any]) -> None:
    state = np.linspace(0.1, 1.0, 40_000)
    peaks, grads = {}, {}
    for scheme in (None, "sqrt", "binomial"):

        def loss(w: Any, scheme: Any = scheme) -> Any:
            def body(c: Any) -> Any:
                return np.sin(c[0] * w + 0.1), c[1] + 1

            return while_loop(lambda c: c[1] < 100, body, (state, 0), checkpoint=scheme)[0].sum()

        f = wrap(fgrad.grad(loss))
        with fgrad.config.using(buffer_bytes=0):  # memory that is kept between calls is not seen
            peaks[scheme] = peak(lambda f=f: f(0.9)) / state.nbytes  # type: ignore[misc]
            grads[scheme] = f(0.9)
    for found in grads.values():
        np.testing.assert_allclose(found, grads[None], rtol=1e-12)
    assert peaks[None] > 100
    assert peaks["sqrt"] < 10 * 3 + 14
    assert peaks["binomial"] < 6 * 7 + 12


def test_forward_mode_keeps_nothing() -> None:
    state = np.linspace(0.1, 1.0, 40_000)

    def loss(w: Any) -> Any:
        return while_loop(lambda c: c[1] < 50, lambda c: (np.sin(c[0] * w), c[1] + 1), (state, 0))[0].sum()

    assert peak(lambda: fgrad.jvp(loss, (0.7,), (1.0,))) < 14 * state.nbytes


def test_a_known_loop_is_recorded_as_one_of_known_length() -> None:
    calls = 0

    def loss(w: Any) -> Any:
        nonlocal calls
        calls += 1
        return while_loop(lambda c: c[0] < 9.0, lambda c: (c[0] * (1 + w), c[1] + 1), (w, 0))[0]

    assert fgrad.grad(loss)(0.7) > 0
    assert calls == 1


# Dtypes, random programs


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.int32, np.uint8])
@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit, fgrad.vmap], ids=["eager", "jit", "vmap"])
def test_dtypes_are_kept(dtype: Any, wrap: Callable[..., Any]) -> None:
    x = np.ones(2, dtype) if wrap is fgrad.vmap else dtype(1)
    f = lambda x: while_loop(lambda c: c[0].real < 50, lambda c: (c[0] * 2, ~c[1]), (x, np.True_))  # noqa: E731
    y, flag = wrap(f)(x)
    assert y.dtype == dtype
    assert flag.dtype == np.bool_
    np.testing.assert_array_equal(y, np.full_like(x, 64))


def test_python_numbers_are_weak() -> None:
    assert while_loop(lambda n: n < 10, lambda n: n + 3, 0) == 12
    assert while_loop(lambda n: n < 10, lambda n: n + 3.5, 0) == 10.5
    assert while_loop(lambda n: n < 10, lambda n: n + np.float32(3.5), 0).dtype == np.float32
    assert while_loop(lambda n: 10 - n, lambda n: n + 1, 0) == 10  # a number is true unless it is 0


@given(st.floats(0.1, 2.0), st.integers(0, 12), st.lists(st.integers(0, 4), min_size=1, max_size=4), st.booleans())
def test_random_loops(w: float, trips: int, ops: list[int], batched: bool) -> None:
    functions: list[Callable[[Any, Any], Any]] = [
        lambda x, w: np.sin(x) * w,
        lambda x, w: x * 0.5 + w,
        lambda x, w: np.tanh(x * w),
        lambda x, w: x * x * 0.1,
        lambda x, w: np.exp(-x * x) + w,
    ]

    def body(w: Any) -> Callable[[Any], Any]:
        def run(c: Any) -> Any:
            x, n = c
            for k in ops:
                x = functions[k](x, w)
            return x, n + 1

        return run

    def control(w: Any, trips: Any) -> Any:
        return while_loop(lambda c: c[1] < trips, body(w), (w * 1.5, 0))[0]

    def python(w: Any, trips: int) -> Any:
        c = (w * 1.5, 0)
        for _ in range(trips):
            c = body(w)(c)
        return c[0]

    expected = [g(w, trips) for g in (python, fgrad.grad(python), fgrad.grad(fgrad.grad(python)))]
    found = [g(w, trips) for g in (control, fgrad.grad(control), fgrad.grad(fgrad.grad(control)))]
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    if batched:
        counts = np.array([0, trips, trips // 2])
        rows = fgrad.vmap(fgrad.grad(control), (None, 0))(w, counts)
        np.testing.assert_allclose(rows, [fgrad.grad(python)(w, int(n)) for n in counts], rtol=1e-8, atol=1e-10)


# Messages


def up(v: Any) -> Any:
    return v + 1.0


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: while_loop(lambda c: c["n"] < 3, lambda c: {"n": c["n"] + 0.5}, {"n": np.int32(0)}),
            ShapeError,
            "while_loop: value['n'] goes into `<lambda>` as i32[], but comes out as f64[].",
        ),
        (
            lambda: while_loop(lambda v: True, lambda v: v[:2], np.ones(3)),
            ShapeError,
            "while_loop: value goes into `<lambda>` as f64[3], but comes out as f64[2].",
        ),
        (
            lambda: while_loop(lambda v: True, lambda v: (v, v), 1.0),
            TreeStructureError,
            "while_loop: `<lambda>` returned a value that has not the structure of the one it was given,",
        ),
        (
            lambda: while_loop(lambda v: v > 0, up, np.ones(3)),
            ShapeError,
            "while_loop: the condition `<lambda>` must return a scalar boolean, got bool[3].",
        ),
        (
            lambda: while_loop(lambda v: (v > 0, v < 3), up, 1.0),
            OutputTypeError,
            "while_loop: the condition `<lambda>` must return a boolean, got",
        ),
        (lambda: while_loop(lambda v: None, up, 1.0), OutputTypeError, "must return a boolean, got None"),
        (lambda: while_loop(lambda v: "no", up, 1.0), OutputTypeError, "`<lambda>` returned"),
        (lambda: while_loop(True, up, 1.0), ArgumentError, "while_loop expects a function, got"),
        (lambda: while_loop(up, 1.0, 1.0), ArgumentError, "while_loop expects a function, got"),
        (lambda: while_loop(up, up, "no"), ArgumentError, "argument init_val of while_loop is"),
        (
            lambda: while_loop(up, up, 1.0, checkpoint="log"),
            ArgumentError,
            "while_loop: checkpoint does not know 'log'.",
        ),
        (lambda: while_loop(up, up, 1.0, checkpoint=2.5), ArgumentError, "while_loop: checkpoint does not know 2.5."),
    ],
    ids=range(12),
)
@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit], ids=["eager", "jit"])
def test_mistakes_are_told(
    call: Callable[[], Any], error: type[Exception], words: str, wrap: Callable[..., Any]
) -> None:
    with pytest.raises(error) as info:
        wrap(call)()
    assert words in str(info.value)


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit, fgrad.grad, fgrad.vmap], ids=["eager", "jit", "grad", "vmap"])
@pytest.mark.parametrize("steps", [2, 30])
def test_errors_at_run_time_name_the_users_line(wrap: Callable[..., Any], steps: int) -> None:
    table = np.ones(steps)

    def f(x: Any) -> Any:
        def body(c: Any) -> Any:
            i, v = c
            return i + 1, v + fnp.take(table * x, i, axis=0, mode="raise")  # here

        return while_loop(lambda c: c[0] < 100, body, (0, x))[1]

    with pytest.raises(OutOfBoundsError) as info:
        wrap(f)(np.ones(3) if wrap is fgrad.vmap else 1.0)
    assert "# here" in str(info.value)


def test_the_gradient_under_jit_waits_for_values() -> None:
    closed = fgrad.make_jaxpr(fgrad.grad(growing().control))(0.7)
    assert len(equations(closed, "deferred")) == 1
