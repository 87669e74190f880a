"""Loops of known length: equal to the loop unrolled, under every transform; what reverse mode keeps; messages."""

from __future__ import annotations

import gc
import threading
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from fgrad.control import bodies
from fgrad.core.jaxpr import ClosedJaxpr, Equation
from fgrad.errors import ArgumentError, OutOfBoundsError, OutputTypeError, ShapeError, TreeStructureError
from fgrad.lax.control import scan
from tests.control.agreement import Pair, assert_agree, counts, equations, unrolled

XS = np.array([0.3, -0.2, 0.5, 0.9, 0.1, -0.7, 0.2])


def cell(w: Any) -> Callable[[Any, Any], tuple[Any, Any]]:
    return lambda h, x: (np.tanh(w * h + x), h * x * w)


def weighted(options: dict[str, Any]) -> Pair:
    """Carry, results, rows and a captured value all depend on the argument."""
    backwards = options.get("reverse", False)

    def control(w: Any) -> Any:
        h, ys = scan(cell(w), w, XS * w, **options)
        return h + (ys * ys * XS).sum()

    def python(w: Any) -> Any:
        order = slice(None, None, -1) if backwards else slice(None)
        h, ys = unrolled(cell(w), w, (XS * w)[order])
        return h + sum(y * y * x for y, x in zip(ys, XS[order], strict=True))

    return Pair(control, python)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"length": 7},
    {"reverse": True},
    {"unroll": 2},
    {"unroll": True},
    {"unroll": False},
    {"unroll": 3, "reverse": True},
    {"checkpoint": "sqrt"},
    {"checkpoint": "sqrt", "reverse": True},
    {"checkpoint": "binomial"},
    {"checkpoint": "binomial", "reverse": True},
    {"checkpoint": 3},
    {"every": 3, "reverse": True},
    {"every": 100},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_recurrence_in_all_modes(options: dict[str, Any]) -> None:
    assert_agree(weighted(options))


def carry_of_many() -> Pair:
    def body(c: Any, x: Any) -> tuple[Any, Any]:
        a, (b, n) = c["a"], c["b"]
        return {"a": a * x["u"] + b, "b": (b * 0.5 + a, n + 1)}, (a, [x["u"] * a], None)

    def control(w: Any) -> Any:
        out, (ps, [qs], none) = scan(body, {"a": w, "b": (w * w, 0)}, {"u": XS * w, "n": np.arange(7)})
        assert none is None
        return out["a"] * out["b"][0] * out["b"][1] + (ps * qs).sum()

    def python(w: Any) -> Any:
        out, ys = unrolled(body, {"a": w, "b": (w * w, 0)}, [{"u": x * w} for x in XS])
        return out["a"] * out["b"][0] * out["b"][1] + sum(p * q for p, [q], _ in ys)

    return Pair(control, python)


def carries_that_begin_as_constants() -> Pair:
    """They are differentiable from the second and the third step on."""

    def body(w: Any) -> Callable[[Any, Any], tuple[Any, Any]]:
        return lambda c, _: ((c[1], c[2], np.sin(w) * c[0] + 0.5 * c[2], c[3] + 1), None)

    def control(w: Any) -> Any:
        (a, b, c, n), _ = scan(body(w), (1.0, 2.0, 3.0, 0), length=6)
        return a * b * c * n

    def python(w: Any) -> Any:
        (a, b, c, n), _ = unrolled(body(w), (1.0, 2.0, 3.0, 0), range(6))
        return a * b * c * n

    return Pair(control, python)


def state_of_matrices() -> Pair:
    a = np.array([[0.5, -0.3], [0.2, 0.4]])
    rows = np.linspace(-1.0, 1.0, 8).reshape(4, 2)

    def body(w: Any) -> Callable[[Any, Any], tuple[Any, Any]]:
        return lambda m, x: (np.tanh(w * a @ m + np.outer(x, x)), m @ x)

    def control(w: Any) -> Any:
        m, ys = scan(body(w), np.eye(2) * w, rows)
        return m.sum() + (ys * ys).sum()

    def python(w: Any) -> Any:
        m, ys = unrolled(body(w), np.eye(2) * w, rows)
        return m.sum() + sum((y * y).sum() for y in ys)

    return Pair(control, python)


def no_steps() -> Pair:
    def control(w: Any) -> Any:
        carry, ys = scan(lambda h, x: (h * w + x, h), np.sin(w), XS[:0])
        return carry + ys.sum()

    return Pair(control, lambda w: np.sin(w) * 1.0)


def closures_over_several_levels() -> Pair:
    def control(w: Any) -> Any:
        def outer(h: Any, x: Any) -> tuple[Any, Any]:
            return scan(lambda g, y: (np.sin(g * w + h * y + x), g), h, XS[:3])[0], None

        return fgrad.vmap(lambda z: scan(outer, z * w, XS[:2])[0])(np.array([1.0, 2.0])).sum()

    def python(w: Any) -> Any:
        total = 0.0
        for z in (1.0, 2.0):
            h = z * w
            for x in XS[:2]:
                g = h
                for y in XS[:3]:
                    g = np.sin(g * w + h * y + x)
                h = g
            total = total + h
        return total

    return Pair(control, python)


def derivative_inside() -> Pair:
    def step(w: Any) -> Callable[[Any, Any], tuple[Any, Any]]:
        return lambda h, x: (h - 0.1 * fgrad.grad(lambda v: np.sin(v * w) * v + x * v)(h), h)

    def control(w: Any) -> Any:
        h, hs = scan(step(w), w, XS)
        return h + hs.sum()

    def python(w: Any) -> Any:
        h, hs = unrolled(step(w), w, XS)
        return h + sum(hs)

    return Pair(control, python)


PROGRAMS = [
    carry_of_many,
    carries_that_begin_as_constants,
    state_of_matrices,
    no_steps,
    closures_over_several_levels,
    derivative_inside,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_programs_agree_with_python(program: Callable[[], Pair]) -> None:
    assert_agree(program())


# Every argument mapped or not


def _with_rows(shape: tuple[int, ...], dim: int) -> tuple[int, ...]:
    dim = dim if dim >= 0 else len(shape) + 1 + dim
    return (*shape[:dim], 3, *shape[dim:])


MAPPED = [
    (a, b, c) for a in (None, 0, 1) for b in (None, 0, 1, -1) for c in (None, 0) if (a, b, c) != (None, None, None)
]


@pytest.mark.parametrize("in_axes", MAPPED, ids=str)
@pytest.mark.parametrize("out_axes", [0, -1])
def test_vmap_is_the_loop_over_rows(in_axes: tuple[int | None, ...], out_axes: int) -> None:
    shapes = [(2,), (5, 2), ()]
    rng = np.random.default_rng(0)
    args = [rng.normal(size=s if d is None else _with_rows(s, d)) for s, d in zip(shapes, in_axes, strict=True)]

    def run(init: Any, xs: Any, w: Any) -> Any:
        (h, fixed), ys = scan(lambda c, x: ((np.tanh(w * c[0] + x), c[1]), (c[0] * x, c[1])), (init, 2.0), xs)
        return h * fixed, ys[0], ys[1]

    def loss(init: Any, xs: Any, w: Any) -> Any:
        h, ys, n = run(init, xs, w)
        return (h * h).sum() + (ys * ys).sum() + n.sum()

    def at(i: int) -> list[Any]:
        return [a if d is None else np.take(a, i, axis=d) for a, d in zip(args, in_axes, strict=True)]

    for f in (run, fgrad.grad(loss, (0, 1, 2)), fgrad.jacfwd(fgrad.grad(loss, 2), 2)):
        rows = [f(*at(i)) for i in range(3)]
        for wrap in (lambda g: g, fgrad.jit):
            found = wrap(fgrad.vmap(f, in_axes, out_axes))(*args)
            for i, row in enumerate(rows):
                for y, expected in zip(fgrad.tree.leaves(found), fgrad.tree.leaves(row), strict=True):
                    np.testing.assert_allclose(np.take(y, i, axis=out_axes), expected, rtol=1e-10)


def test_vmap_of_what_does_not_vary_runs_once() -> None:
    closed = fgrad.make_jaxpr(fgrad.vmap(lambda x: x + scan(lambda h, _: (np.sin(h), None), 1.0, length=3)[0]))(XS)
    [eqn] = equations(closed, "scan")
    assert [v.aval.shape for v in eqn.outvars] == [()]


# Dtypes


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128", "int8", "int64", "bool"])
@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit], ids=["eager", "jit"])
def test_dtypes_are_those_of_python(dtype: str, wrap: Callable[..., Any]) -> None:
    xs = np.array([1, 0, 1, 1]).astype(dtype)

    def body(c: Any, x: Any) -> tuple[Any, Any]:
        return (c | x, c) if dtype == "bool" else (c * 2 + x, c + x)

    carry, ys = wrap(lambda xs: scan(body, xs[0], xs))(xs)
    expected, rows = unrolled(body, xs[0], xs)
    assert (carry.dtype, ys.dtype) == (expected.dtype, np.stack(rows).dtype) == (np.dtype(dtype),) * 2
    np.testing.assert_array_equal(carry, expected)
    np.testing.assert_array_equal(ys, rows)


@pytest.mark.parametrize(
    ("init", "step"),
    [
        (0, lambda c: c + 1),
        (0, lambda c: c + 1.5),
        (0.0, lambda c: c + 1),
        (0, lambda c: c + np.float32(1)),
        (0.0, lambda c: c + np.float32(1)),
        (1, lambda c: c * 1j),
        (True, lambda c: c & True),
        (False, lambda c: c + 1),
        (0.0, lambda c: np.float32(2) * 1),
        (0, lambda c: np.int8(3)),
        (np.float32(0), lambda c: 1.0),
        (np.float32(0), lambda c: c + 1),
        (np.float64(0), lambda c: 1),
    ],
    ids=range(13),
)
@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit], ids=["eager", "jit"])
def test_python_numbers_are_weak(init: Any, step: Callable[[Any], Any], wrap: Callable[..., Any]) -> None:
    def python() -> Any:
        carry = init
        for _ in range(3):
            carry = step(carry)
        return carry

    found, expected = wrap(lambda: scan(lambda c, _: (step(c), None), init, length=3)[0])(), python()
    assert found == expected
    if isinstance(init, np.generic):
        assert found.dtype == init.dtype  # the loop keeps it, where Python's forgets it
    else:
        assert np.asarray(found).dtype == np.asarray(expected).dtype


def test_float32_stays_float32_in_derivatives() -> None:
    xs = XS.astype(np.float32)

    def loss(w: Any, xs: Any) -> Any:
        h, ys = scan(lambda h, x: (np.tanh(w * h + x), h * 2), 0.0, xs)
        return h + ys.sum()

    w = np.float32(0.7)
    for f in (fgrad.grad(loss, (0, 1)), fgrad.jit(fgrad.grad(loss, (0, 1))), fgrad.hessian(loss, (0, 1))):
        leaves = fgrad.tree.leaves(f(w, xs))
        assert {y.dtype for y in leaves} == {np.dtype(np.float32)}
    expected = fgrad.grad(loss)(np.float64(0.7), xs.astype(float))
    np.testing.assert_allclose(fgrad.grad(loss)(w, xs), expected, rtol=1e-5)


def test_complex_derivatives() -> None:
    z = 0.4 + 0.3j

    def control(z: Any) -> Any:
        return scan(lambda h, x: (np.sin(h * z) + x, None), z, XS)[0]

    def python(z: Any) -> Any:
        h = z
        for x in XS:
            h = np.sin(h * z) + x
        return h

    for order in (fgrad.grad, lambda f, holomorphic: fgrad.grad(fgrad.grad(f, holomorphic=True), holomorphic=True)):
        expected = order(python, holomorphic=True)(z)
        np.testing.assert_allclose(order(control, holomorphic=True)(z), expected, rtol=1e-12)
        np.testing.assert_allclose(fgrad.jit(order(control, holomorphic=True))(z), expected, rtol=1e-12)
    modulus = fgrad.grad(lambda z: np.abs(control(z)) ** 2)
    np.testing.assert_allclose(modulus(z), fgrad.grad(lambda z: np.abs(python(z)) ** 2)(z), rtol=1e-12)


def test_integers_and_booleans_beside_floats_have_no_tangents() -> None:
    def run(w: Any) -> Any:
        def body(c: Any, x: Any) -> Any:
            h, n, seen = c
            return (h * w + x * n, n + 1, seen | (x > 0.8)), n

        return scan(body, (w, 0, np.False_), XS)

    ((_, n, seen), ns), ((dh, dn, dseen), dns) = fgrad.jvp(run, (0.7,), (1.0,))
    assert (n, bool(seen)) == (7, True)
    np.testing.assert_array_equal(ns, np.arange(7))
    np.testing.assert_allclose(dh, fgrad.grad(lambda w: run(w)[0][0])(0.7), rtol=1e-12)
    for x, t in ((n, dn), (seen, dseen), (ns, dns)):
        assert np.shape(x) == np.shape(t)
        assert not np.any(t)


def test_results_are_fresh_and_writeable() -> None:
    init, xs = np.zeros(3), np.ones((2, 3))
    for f in (scan, fgrad.jit(scan, static_argnums=0)):
        (a, b), ys = f(lambda c, x: ((c[0], c[0]), x), (init, init), xs)
        for y in (a, b, ys):
            y += 5.0
        np.testing.assert_array_equal(a, np.full(3, 5.0))
        np.testing.assert_array_equal(b, a)
        np.testing.assert_array_equal(ys, np.full((2, 3), 6.0))
    assert not init.any()
    assert (xs == 1.0).all()


# What reverse mode keeps


def forward_loop(loss: Callable[..., Any], *args: Any) -> Equation:
    """The loop over values in the program of a gradient."""
    return equations(fgrad.make_jaxpr(fgrad.grad(loss))(*args), "scan")[0]


def stacks(eqn: Equation) -> list[tuple[int, ...]]:
    """The shapes of what a loop stacks."""
    return [v.aval.shape for v in eqn.outvars[eqn.params["num_carry"] :]]


W = np.eye(4) * 0.5
ROWS = np.linspace(-1.0, 1.0, 20).reshape(5, 4)


def test_a_weight_is_never_stacked() -> None:
    def loss(w: Any) -> Any:
        return scan(lambda h, x: (np.tanh(w @ h + x), None), np.ones(4), ROWS)[0].sum()

    closed = fgrad.make_jaxpr(fgrad.grad(loss))(W)
    assert stacks(equations(closed, "scan")[0]) == [(5, 4), (5, 4)]  # the slope of tanh, and the state
    assert all(v.aval.shape != (5, 4, 4) for eqn in closed.eqns for v in eqn.outvars)


def test_what_does_not_vary_is_computed_and_kept_once() -> None:
    def loss(w: Any) -> Any:
        return scan(lambda h, x: (np.sin(w) @ h * x, None), np.ones(4), ROWS)[0].sum()

    closed = fgrad.make_jaxpr(fgrad.grad(loss))(W)
    found = counts(closed)
    assert (found["sin"], found["cos"]) == (1, 1)
    assert {"sin", "cos"} <= {eqn.primitive.name for eqn in closed.eqns}
    assert stacks(equations(closed, "scan")[0]) == [(5, 4)]  # the states


def test_rows_and_results_are_not_kept_again() -> None:
    def loss(w: Any) -> Any:
        h, ys = scan(lambda h, x: (h + w * x, np.exp(x * w)), 0.0, XS)
        return h + ys.sum()

    assert stacks(forward_loop(loss, 0.7)) == [(7,)]


def test_a_linear_loop_keeps_nothing() -> None:
    def loss(h: Any) -> Any:
        return scan(lambda h, x: (2.0 * h + x * h, None), h, XS)[0]

    assert stacks(forward_loop(loss, 0.7)) == []


def test_a_linear_body_in_the_state_keeps_nothing_for_a_constant_matrix() -> None:
    def loss(h: Any) -> Any:
        return (scan(lambda h, x: (W @ h + x, None), h, ROWS)[0] * W[0]).sum()

    assert stacks(forward_loop(loss, np.ones(4))) == []


def test_a_tangent_of_a_loop_takes_no_memory_of_the_length() -> None:
    big = np.ones(20_000)

    def loss(w: Any) -> Any:
        return scan(lambda h, x: (np.sin(h * w), None), big, None, length=50)[0].sum()

    assert peak(lambda: fgrad.jvp(loss, (0.7,), (1.0,))) < 12 * big.nbytes


def peak(call: Callable[[], Any]) -> int:
    """The most memory that a call takes, in bytes; what it compiles is compiled before."""
    call()
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


LENGTH, SIZE = 144, 40_000  # big enough for names to be freed after their last use


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit], ids=["eager", "jit"])
def test_checkpoints_save_memory(wrap: Callable[..., Any]) -> None:
    state = np.linspace(0.1, 1.0, SIZE)
    peaks, grads = {}, {}
    for scheme in (None, "sqrt", "binomial", 64):

        def loss(w: Any, scheme: Any = scheme) -> Any:
            return scan(lambda h, _: (np.sin(h * w + 0.1), None), state, length=LENGTH, checkpoint=scheme)[0].sum()

        f = wrap(fgrad.grad(loss))
        with fgrad.config.using(buffer_bytes=0):  # nothing is kept between calls
            peaks[scheme] = peak(lambda f=f: f(0.9)) / state.nbytes  # type: ignore[misc]
            grads[scheme] = f(0.9)
    for found in grads.values():
        np.testing.assert_allclose(found, grads[None], rtol=1e-12)
    per_step = peaks[None] / LENGTH
    assert per_step > 1  # all steps are kept
    assert peaks["sqrt"] < 12 + 12 * per_step + 10
    assert peaks["binomial"] < 6 * 8 + 10
    assert peaks[64] < LENGTH / 64 + 64 * per_step + 10


def test_binomial_checkpoints_grow_by_a_constant_where_the_length_doubles() -> None:
    state = np.linspace(0.1, 1.0, SIZE)

    def measured(length: int) -> float:
        def loss(w: Any) -> Any:
            return scan(lambda h, _: (np.sin(h * w), None), state, length=length, checkpoint="binomial")[0].sum()

        derivative = fgrad.grad(loss)
        return peak(lambda: derivative(0.9)) / state.nbytes

    few, more = measured(16), measured(256)
    assert more - few < 4 * 8  # four times doubled; all states would be 480


def test_second_derivatives_with_checkpoints_save_memory() -> None:
    state = np.linspace(0.1, 1.0, 2_000)

    def loss(w: Any, scheme: Any) -> Any:
        return scan(lambda h, _: (np.sin(h * w + 0.1), None), state, length=64, checkpoint=scheme)[0].sum()

    plain = fgrad.grad(fgrad.grad(loss))
    with fgrad.config.using(buffer_bytes=0):  # nothing is kept between calls
        value = plain(0.9, None)
        most = peak(lambda: plain(0.9, None))
        for scheme in ("sqrt", 8):
            np.testing.assert_allclose(plain(0.9, scheme), value, rtol=1e-10)
            assert peak(lambda scheme=scheme: plain(0.9, scheme)) < 0.75 * most  # type: ignore[misc]


# One program for equal bodies


def test_equal_bodies_are_one_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def gradient(w: float) -> Any:
        return fgrad.grad(lambda w: scan(lambda h, x: (np.tanh(w * h + x), h), 0.0, XS)[0])(w)

    made: list[ClosedJaxpr] = []
    intern = bodies.intern
    monkeypatch.setattr(bodies, "intern", lambda closed: made.append(intern(closed)) or made[-1])
    for i in range(4):
        gradient(0.1 * i)
    assert len(made) >= 4
    assert len(set(made)) == len(made) // 4


def test_different_bodies_are_different_programs() -> None:
    def run(constant: Any) -> Any:
        return scan(lambda h, x: (h * constant + x, None), 1.0, XS[:2])[0]

    values = [run(c) for c in (0.5, -0.5, 0.0, -0.0, 1, True, 2, np.nan)]
    expected = [(c + XS[0]) * c + XS[1] for c in (0.5, -0.5, 0.0, -0.0, 1, True, 2, np.nan)]
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("options", [{"checkpoint": "sqrt"}, {"checkpoint": "binomial"}, {"every": 3}], ids=str)
def test_programs_that_hold_equal_programs_are_one(options: dict[str, Any]) -> None:
    def gradient(w: float) -> Any:
        return fgrad.grad(lambda w: scan(lambda h, x: (np.tanh(w * h + x), h), 0.0, XS, **options)[0])(w)

    gradient(0.5)
    known = len(bodies._programs)
    for i in range(3):
        gradient(0.1 * i)
    assert len(bodies._programs) == known


def closed_over(big: Any) -> dict[str, Callable[[Any], Any]]:
    """Bodies whose programs hold what they close over."""
    ruled = fgrad.custom_jvp(lambda x: x * big)
    ruled.defjvp(lambda xs, ts: (xs[0] * big, ts[0] * big))
    shaped = fgrad.ShapeDtypeStruct(big.shape, big.dtype)
    return {
        "custom_jvp": ruled,
        "pure_callback": lambda x: fgrad.pure_callback(lambda v: v * big, shaped, x),
        "jit": fgrad.jit(lambda x: x * big),
        "checkpoint": fgrad.checkpoint(lambda x: x * big),
    }


@pytest.mark.parametrize("kind", ["custom_jvp", "pure_callback", "jit", "checkpoint"])
def test_programs_that_are_remembered_hold_no_arrays(kind: str) -> None:
    def once() -> weakref.ref[Any]:
        big = np.full(1000, 0.5)
        body = closed_over(big)[kind]
        scan(lambda h, _: (body(h), None), np.ones(1000), length=3)
        return weakref.ref(big)

    references = [once() for _ in range(2)]
    gc.collect()
    assert [r() is None for r in references] == [True, True]


@pytest.mark.parametrize("options", [{}, {"checkpoint": "sqrt"}, {"unroll": 3}], ids=str)
def test_eager_loops_leave_nothing_behind(options: dict[str, Any]) -> None:
    def once() -> weakref.ref[Any]:
        big = np.full(1000, 0.5)
        reference = weakref.ref(big)
        fgrad.grad(lambda w: scan(lambda h, x: (np.tanh(w * h + x) * big, None), big, XS, **options)[0].sum())(0.7)
        return reference

    references = [once() for _ in range(3)]
    gc.collect()
    assert [r() for r in references] == [None] * 3


def test_loops_run_in_threads() -> None:
    expected = {
        k: fgrad.grad(lambda w, k=k: scan(lambda h, x: (np.tanh(w * h + x * k), h), 0.0, XS)[0])(0.7) for k in range(4)
    }
    failures: list[Any] = []

    def work(k: int) -> None:
        for _ in range(10):
            found = fgrad.grad(lambda w: scan(lambda h, x: (np.tanh(w * h + x * k), h), 0.0, XS)[0])(0.7)
            if found != expected[k]:
                failures.append((k, found))

    threads = [threading.Thread(target=work, args=(k % 4,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


# Random loops

UNARY: list[Callable[[Any], Any]] = [np.sin, np.tanh, lambda a: a * a * 0.3, np.negative, lambda a: np.exp(-a * a)]
BINARY: list[Callable[[Any, Any], Any]] = [np.add, np.subtract, np.multiply, np.maximum, lambda a, b: a * 0.5 + b]
STEPS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=6)


@given(STEPS, st.integers(1, 3), st.integers(0, 5), st.booleans(), st.integers(0, 2))
def test_random_loops(steps: list[Any], width: int, length: int, reverse: bool, scheme: int) -> None:
    def body(w: Any) -> Callable[[Any, Any], tuple[Any, Any]]:
        def run(carry: Any, x: Any) -> tuple[Any, Any]:
            values = [*carry, x, w]
            for op, i, j in steps:
                a, b = values[i % len(values)], values[j % len(values)]
                values.append(UNARY[op % 5](a) if op < 5 else BINARY[op % 5](a, b))
            return tuple((v + np.zeros(2)) for v in values[-width:]), values[-1] * values[0]

        return run

    rng = np.random.default_rng(length)
    xs, init = rng.normal(size=(length, 2)), tuple(rng.normal(size=(width, 2)))
    options = [{}, {"unroll": 2}, {"checkpoint": "sqrt"}][scheme]

    def control(w: Any) -> Any:
        carry, ys = scan(body(w), init, xs * w, reverse=reverse, **options)
        return sum(c.sum() for c in carry) + ys.sum()

    def python(w: Any) -> Any:
        carry, ys = unrolled(body(w), init, (xs * w)[::-1] if reverse else xs * w)
        return sum(c.sum() for c in carry) + sum(y.sum() for y in ys) + 0.0 * w

    np.testing.assert_allclose(control(0.6), python(0.6), rtol=1e-10, atol=1e-12)
    expected = fgrad.grad(python)(0.6)
    for derivative in (fgrad.grad, lambda f: fgrad.jit(fgrad.grad(f)), fgrad.jacfwd):
        np.testing.assert_allclose(derivative(control)(0.6), expected, rtol=1e-8, atol=1e-10)


# Messages


def test_carries_that_change() -> None:
    cases: list[tuple[Callable[..., Any], Any, type[Exception], str]] = [
        (
            lambda c, _: ({"h": c["h"].sum()}, None),
            {"h": np.ones(3)},
            ShapeError,
            "scan: carry['h'] goes into `<lambda>` as f64[3], but comes out as f64[].",
        ),
        (
            lambda c, _: ((c[0], c[1] * 1.5), None),
            (1.0, np.arange(3)),
            ShapeError,
            "scan: carry[1] goes into `<lambda>` as i64[3], but comes out as f64[3].",
        ),
        (
            lambda c, _: ((c[0],), None),
            (1.0, 2.0),
            TreeStructureError,
            "scan: `<lambda>` returned a carry that has not the structure of the one it was given,",
        ),
        (lambda c, _: c, 1.0, OutputTypeError, "scan: `<lambda>` must return (carry, y), but it returned"),
        (lambda c, _: (c, "no"), 1.0, OutputTypeError, "`<lambda>` returned"),
    ]
    for body, init, error, words in cases:
        for wrap in (lambda f: f, fgrad.jit, fgrad.grad):
            with pytest.raises(error) as info:
                wrap(lambda x, body=body, init=init: scan(body, init, length=2))(1.0)
            assert words in str(info.value)


def test_a_carry_that_changes_its_dtype_is_told_how_to_keep_it() -> None:
    with pytest.raises(ShapeError) as info:
        scan(lambda c, x: (c * x, None), np.zeros(2, np.float32), np.ones((3, 2)))
    text = str(info.value)
    assert "carry goes into `<lambda>` as f32[2], but comes out as f64[2]." in text
    assert "Convert what is returned, .astype('float32'), or begin with float64 in init." in text


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: scan(lambda c, x: (c, x), 0.0, (np.ones(3), {"a": np.ones((4, 2))})),
            ShapeError,
            "scan got different numbers of steps: 3 for xs[0], 4 for xs[1]['a'].",
        ),
        (
            lambda: scan(lambda c, x: (c, x), 0.0, np.ones(3), length=4),
            ShapeError,
            "scan got different numbers of steps: 3 for xs, 4 for length.",
        ),
        (lambda: scan(lambda c, x: (c, x), 0.0), ArgumentError, "scan does not know how many steps to take: xs has no"),
        (
            lambda: scan(lambda c, x: (c, x), 0.0, 1.0),
            ShapeError,
            "scan loops over rows, but xs is f64[]: it has none.",
        ),
        (
            lambda: scan(lambda c, x: (c, x), 0.0, length=-1),
            ArgumentError,
            "scan: length must be the number of steps, got",
        ),
        (
            lambda: scan(lambda c, x: (c, x), 0.0, length=2.0),
            ArgumentError,
            "scan: length must be the number of steps, got",
        ),
        (
            lambda: scan(lambda c, x: (c, x), 0.0, length=True),
            ArgumentError,
            "scan: length must be the number of steps, got",
        ),
        (lambda: scan(3, 0.0, XS), ArgumentError, "scan expects a function, got"),
        (lambda: scan(lambda c, x: (c, x), "no", XS), ArgumentError, "argument init of scan is"),
        (lambda: scan(lambda c, x: (c, x), 0.0, ["no"]), ArgumentError, "argument xs[0] of scan is"),
        (lambda: scan(lambda c, x: (c, x), 0.0, XS, unroll=0), ArgumentError, "scan: unroll must be a number of steps"),
        (
            lambda: scan(lambda c, x: (c, x), 0.0, XS, unroll=2.5),
            ArgumentError,
            "scan: unroll must be a number of steps",
        ),
        (
            lambda: scan(lambda c, x: (c, x), 0.0, XS, checkpoint="square"),
            ArgumentError,
            "checkpoint does not know 'square'",
        ),
        (lambda: scan(lambda c, x: (c, x), 0.0, XS, checkpoint=0), ArgumentError, "checkpoint does not know 0"),
        (lambda: scan(lambda c, x: (c, x), 0.0, XS, every="sqrt"), ArgumentError, "every does not know 'sqrt'"),
        (
            lambda: scan(lambda c, x: (c, x), 0.0, XS, checkpoint="sqrt", every=2),
            ArgumentError,
            "scan was given both checkpoint and every.",
        ),
    ],
    ids=range(16),
)
def test_arguments_are_checked(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as info:
        call()
    assert words in str(info.value)


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit, fgrad.grad], ids=["eager", "jit", "grad"])
@pytest.mark.parametrize("length", [3, 30])
def test_errors_at_run_time_name_the_users_line(wrap: Callable[..., Any], length: int) -> None:
    def loss(x: Any) -> Any:
        def body(c: Any, i: Any) -> tuple[Any, Any]:
            return c + fnp.take(XS * x, i, axis=0, mode="raise"), None  # here

        return scan(body, 0.0, np.arange(length) + 5)[0]

    with pytest.raises(OutOfBoundsError) as info:
        wrap(loss)(2.0)
    assert "test_scan.py" in str(info.value)
    assert "# here" in str(info.value)
