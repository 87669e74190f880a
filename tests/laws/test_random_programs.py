"""Random programs: whatever functions of fgrad.numpy are put together, all ways of running them agree."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, seed, settings
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from fgrad.testing import check_adjoint, check_jit, check_tangent_linearity, check_vmap
from tests.compiler.tiling import forced_tiles

LIMIT = 48
"""No array on the way has more elements."""


def last_axis(x: Any, n: int) -> int:
    return n % x.ndim


def widths(x: Any, n: int) -> list[tuple[int, int]]:
    return [(n % 2, 1)] * x.ndim


UNARY: dict[str, Callable[[Any, int], Any]] = {
    "sin": lambda x, n: fnp.sin(x),
    "cos": lambda x, n: fnp.cos(x),
    "tanh": lambda x, n: fnp.tanh(x),
    "arctan": lambda x, n: fnp.arctan(x),
    "sigmoid": lambda x, n: fnp.sigmoid(x),
    "exp": lambda x, n: fnp.exp(fnp.tanh(x)),
    "expm1": lambda x, n: fnp.expm1(fnp.sin(x)),
    "log1p": lambda x, n: fnp.log1p(x * x),
    "sqrt": lambda x, n: fnp.sqrt(1.0 + x * x),
    "cbrt": lambda x, n: fnp.cbrt(2.0 + fnp.sin(x)),
    "power": lambda x, n: fnp.tanh(x) ** (n % 4),
    "reciprocal": lambda x, n: 1.0 / (2.0 + fnp.sin(x)),
    "negative": lambda x, n: -x,
    "scaled": lambda x, n: x * (n - 2),
    "clip": lambda x, n: fnp.clip(x, -0.9, 0.8),
    "nan_to_num": lambda x, n: fnp.nan_to_num(x),
    "astype": lambda x, n: x.astype(np.float64),
    "ravel": lambda x, n: fnp.ravel(x),
    "transpose": lambda x, n: x.T,
    "expand_dims": lambda x, n: fnp.expand_dims(x, n % (x.ndim + 1)),
    "squeeze": lambda x, n: fnp.squeeze(x),
    "broadcast_to": lambda x, n: fnp.broadcast_to(x, (2, *x.shape)),
}
AXIS: dict[str, Callable[[Any, int], Any]] = {
    "sum": lambda x, n: fnp.sum(x, axis=last_axis(x, n)),
    "sum, kept": lambda x, n: fnp.sum(x, axis=last_axis(x, n), keepdims=True),
    "mean": lambda x, n: fnp.mean(x),
    "max": lambda x, n: fnp.max(x, axis=last_axis(x, n)),
    "min": lambda x, n: fnp.min(x, axis=last_axis(x, n), keepdims=True),
    "prod": lambda x, n: fnp.prod(fnp.tanh(x), axis=last_axis(x, n)),
    "var": lambda x, n: fnp.var(x, axis=last_axis(x, n)),
    "std": lambda x, n: fnp.std(x + fnp.arange(x.size).reshape(x.shape)),
    "logsumexp": lambda x, n: fnp.logsumexp(x, axis=last_axis(x, n)),
    "cumsum": lambda x, n: fnp.cumsum(x, axis=last_axis(x, n)),
    "cumprod": lambda x, n: fnp.cumprod(fnp.sin(x), axis=last_axis(x, n)),
    "sort": lambda x, n: fnp.sort(x, axis=last_axis(x, n)),
    "by rank": lambda x, n: fnp.take_along_axis(
        x, fnp.argsort(x, axis=last_axis(x, n), stable=True), axis=last_axis(x, n)
    ),
    "flip": lambda x, n: fnp.flip(x, axis=last_axis(x, n)),
    "roll": lambda x, n: fnp.roll(x, n, axis=last_axis(x, n)),
    "moveaxis": lambda x, n: fnp.moveaxis(x, 0, last_axis(x, n)),
    "repeat": lambda x, n: fnp.repeat(x, 2, axis=last_axis(x, n)),
    "tile": lambda x, n: fnp.tile(x, 2),
    "pad": lambda x, n: fnp.pad(x, widths(x, n)),
    "diff": lambda x, n: fnp.diff(x, axis=last_axis(x, n), append=0.5),
    "first": lambda x, n: x[0],
    "reversed": lambda x, n: x[::-1],
    "sliced": lambda x, n: x[n % x.shape[0] :],
    "new axis": lambda x, n: x[..., None],
    "gathered": lambda x, n: x[np.array([0, -1, n % x.shape[0]])],
    "masked": lambda x, n: x * (np.arange(x.shape[-1]) != n),
    "set": lambda x, n: fnp.at(x)[n % x.shape[0]].set(0.25),
    "add at": lambda x, n: fnp.at(x)[np.array([0, -1, 0])].add(0.5),
    "tril": lambda x, n: fnp.tril(x) if x.ndim > 1 else x,
    "diag": lambda x, n: fnp.diag(x) if x.ndim < 3 else x,
    "split": lambda x, n: fnp.concatenate(fnp.array_split(x, 2)[::-1]),
    "gram": lambda x, n: fnp.einsum("...i,...i->...", x, x),
}
BINARY: dict[str, Callable[[Any, Any, int], Any]] = {
    "add": lambda x, y, n: x + y,
    "subtract": lambda x, y, n: x - y,
    "multiply": lambda x, y, n: x * y,
    "divide": lambda x, y, n: x / (1.0 + y * y),
    "maximum": lambda x, y, n: fnp.maximum(x, y),
    "minimum": lambda x, y, n: fnp.minimum(x, y),
    "logaddexp": lambda x, y, n: fnp.logaddexp(x, y),
    "arctan2": lambda x, y, n: fnp.arctan2(x, 1.5 + fnp.sin(y)),
    "hypot": lambda x, y, n: fnp.hypot(x, 1.0 + y * y),
    "where": lambda x, y, n: fnp.where(x > y, fnp.sin(x), y),
    "outer": lambda x, y, n: fnp.outer(x, y),
    "dot": lambda x, y, n: fnp.dot(fnp.ravel(x), fnp.ravel(fnp.broadcast_to(y, x.shape))),
    "matmul": lambda x, y, n: fnp.matmul(fnp.atleast_2d(x), fnp.atleast_2d(x).swapaxes(-1, -2)) * fnp.mean(y),
    "concatenate": lambda x, y, n: fnp.concatenate([fnp.ravel(x), fnp.ravel(y)]),
    "stack": lambda x, y, n: fnp.stack([x, fnp.broadcast_to(y, x.shape)], axis=n % (x.ndim + 1)),
}


def ruled_forward(f: Callable[..., Any]) -> Callable[..., Any]:
    g = fgrad.custom_jvp(f)
    g.defjvp(lambda xs, ts: fgrad.jvp(f, xs, ts))
    return g


def ruled_backward(f: Callable[..., Any]) -> Callable[..., Any]:
    g = fgrad.custom_vjp(f)
    g.defvjp(lambda *xs: (f(*xs), xs), lambda xs, ct: fgrad.vjp(f, *xs)[1](ct))
    return g


def scanned(f: Callable[..., Any]) -> Callable[..., Any]:
    def over_rows(x: Any, *ys: Any) -> Any:
        def step(carry: Any, row: Any) -> tuple[Any, Any]:
            y = f(row, *ys)
            return carry * 0.5 + fnp.mean(y), y * carry

        carry, rows = fgrad.lax.scan(step, fnp.sum(x), fnp.stack([x, fnp.sin(x), 0.5 * x]))
        return rows + carry

    return over_rows


def repeated(f: Callable[..., Any]) -> Callable[..., Any]:
    def until_small(*xs: Any) -> Any:
        out = f(*xs)
        return fgrad.lax.while_loop(
            lambda state: (fnp.sum(state[1] * state[1]) > 1e-2) & (state[0] < 3),
            lambda state: (state[0] + 1, 0.5 * fnp.sin(state[1]) + 0.1 * out),
            (0, out),
        )[1]

    return until_small


WRAPPERS: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
    lambda f: f,
    fgrad.jit,
    fgrad.checkpoint,
    lambda f: fgrad.grad(lambda *ys: fnp.sum(f(*ys))),
    lambda f: lambda x, *ys: fgrad.vmap(lambda row: f(row, *ys))(fnp.stack([x, fnp.sin(x)])),
    lambda f: lambda *xs: fgrad.jvp(f, xs, xs)[1],
    lambda f: lambda *xs: fgrad.vjp(f, *xs)[1](fnp.cos(f(*xs)))[0],
    lambda f: lambda *xs: fgrad.linearize(f, *xs)[1](*xs),
    lambda f: lambda *xs: fgrad.lax.cond(fnp.sum(xs[0]) > 0, f, lambda *ys: -0.5 * f(*ys), *xs),
    lambda f: (
        lambda x, *ys: fgrad.vmap(
            lambda row: fgrad.lax.cond(fnp.sum(row) > 0, lambda z: f(z, *ys), lambda z: 0.5 * f(z, *ys), row)
        )(fnp.stack([x, -x]))
    ),
    lambda f: lambda *xs: fgrad.lax.switch(2, [f, f, lambda *ys: fnp.sin(f(*ys))], *xs),
    lambda f: lambda *xs: fgrad.lax.fori_loop(0, 3, lambda i, y: 0.5 * y + i * f(*xs), f(*xs)),
    scanned,
    repeated,
    lambda f: lambda x, *ys: fgrad.vmap(repeated(lambda row: f(row, *ys)))(fnp.stack([x, 0.01 * x])),
    ruled_forward,
    ruled_backward,
]
"""What may be put around a step: itself, transforms, control flow, rules of one's own."""


class Step(NamedTuple):
    """One instruction: a function, which earlier values it takes, a number, and what is around it, inside out."""

    name: str
    x: int
    y: int
    n: int
    wrappers: tuple[int, ...] = ()


def around(step: Step, f: Callable[..., Any]) -> Callable[..., Any]:
    for n in step.wrappers:
        f = WRAPPERS[n](f)
    return f


def apply(step: Step, values: list[Any]) -> Any:
    x, y = values[step.x % len(values)], values[step.y % len(values)]
    if step.name in UNARY:
        return around(step, lambda x: UNARY[step.name](x, step.n))(x)
    if step.name in AXIS:
        if x.ndim == 0 or x.size == 0:
            return x
        return around(step, lambda x: AXIS[step.name](x, step.n))(x)
    if y.ndim > x.ndim:
        x, y = y, x
    try:
        fits = np.broadcast_shapes(x.shape, y.shape) == x.shape
    except ValueError:
        fits = False
    if not fits:
        y = fnp.sum(y)
    return around(step, lambda x, y: BINARY[step.name](x, y, step.n))(x, y)


def small(x: Any) -> Any:
    """Keeps arrays from growing."""
    if x.ndim > 4 or x.size > LIMIT:
        x = fnp.ravel(x)[:LIMIT]
    return x


def run(program: list[Step]) -> Callable[..., Any]:
    def random_program(a: Any, b: Any) -> Any:
        values = [a, b]
        for step in program:
            values.append(small(apply(step, values)))
        return values[-1], fnp.sum(values[len(values) // 2])

    return random_program


STEPS = st.builds(
    Step,
    st.sampled_from([*UNARY, *AXIS, *BINARY, *BINARY]),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 4),
    st.one_of(st.just(()), st.lists(st.integers(1, len(WRAPPERS) - 1), min_size=1, max_size=2).map(tuple)),
)
SHAPES = st.sampled_from([(), (3,), (1,), (2, 3), (3, 1, 2), (4, 4)])


class Case(NamedTuple):
    """A program with arguments for several rows."""

    program: list[Step]
    a: np.ndarray
    b: np.ndarray


@st.composite
def cases(draw: st.DrawFn) -> Case:
    program = draw(st.lists(STEPS, min_size=1, max_size=7))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    dtype = draw(st.sampled_from([np.float64, np.float64, np.float32]))
    a, b = (rng.normal(size=(3, *draw(SHAPES))).astype(dtype) for _ in range(2))
    for step in program:
        event(step.name)
    return Case(program, a, b)


def tolerance(case: Case) -> float:
    return 1e-9 if case.a.dtype == np.float64 else 2e-2


@given(cases())
def test_jit_changes_nothing(case: Case) -> None:
    check_jit(run(case.program), (case.a[0][()], case.b[0][()]), atol=tolerance(case), rtol=tolerance(case))


@given(cases(), st.sampled_from([16, 48, 200]))
def test_tiles_change_nothing(case: Case, tile: int) -> None:
    args = case.a, case.b
    f = fgrad.vmap(scalar(case.program))
    with forced_tiles(tile):
        check_jit(run(case.program), (args[0][0][()], args[1][0][()]), atol=tolerance(case), rtol=tolerance(case))
        check_jit(fgrad.grad(lambda a, b: fnp.sum(f(a, b))), args, atol=10 * tolerance(case), rtol=10 * tolerance(case))


@given(cases())
def test_vmap_is_a_loop(case: Case) -> None:
    check_vmap(run(case.program), (case.a, case.b), atol=tolerance(case), rtol=tolerance(case))


@given(cases())
def test_vmap_of_some_arguments_along_other_axes(case: Case) -> None:
    last = np.moveaxis(case.b, 0, -1)
    check_vmap(run(case.program), (case.a[0][()], last), (None, -1), atol=tolerance(case), rtol=tolerance(case))


@given(cases())
def test_reverse_mode_is_the_transpose_of_forward_mode(case: Case) -> None:
    args = case.a[0][()], case.b[0][()]
    check_adjoint(run(case.program), args, rtol=tolerance(case))
    check_tangent_linearity(run(case.program), args, rtol=tolerance(case))


def scalar(program: list[Step]) -> Callable[..., Any]:
    f = run(program)
    return lambda a, b: fnp.sum(fnp.tanh(f(a, b)[0])) + f(a, b)[1]


@given(cases())
def test_gradients_of_compiled_code_and_compiled_gradients(case: Case) -> None:
    f, args = scalar(case.program), (case.a[0][()], case.b[0][()])
    expected = fgrad.grad(f, argnums=(0, 1))(*args)
    for g in (fgrad.jit(fgrad.grad(f, argnums=(0, 1))), fgrad.grad(fgrad.jit(f), argnums=(0, 1))):
        for got, wanted in zip(g(*args), expected, strict=True):
            assert got.dtype == wanted.dtype
            np.testing.assert_allclose(got, wanted, rtol=tolerance(case), atol=tolerance(case))


@given(cases())
def test_second_derivatives_are_symmetric(case: Case) -> None:
    f, (a, b) = scalar(case.program), (case.a[0][()], case.b[0][()])
    rng = np.random.default_rng(0)
    t, u = (rng.normal(size=np.shape(a)).astype(case.a.dtype)[()] for _ in range(2))

    def along(t: Any) -> Any:
        return fgrad.hvp(lambda a: f(a, b), (a,), (t,))

    ut, tu = np.sum(u * along(t)), np.sum(t * along(u))
    size = np.sum(np.abs(along(t))) + np.sum(np.abs(along(u))) + 1
    assert abs(ut - tu) <= 10 * tolerance(case) * size
    backwards = fgrad.grad(lambda a: fnp.sum(fgrad.grad(f)(a, b) * t))(a)
    np.testing.assert_allclose(backwards, along(t), rtol=tolerance(case), atol=10 * tolerance(case) * size)


EVERY = [Step(name, 0, 1, 1) for name in (*UNARY, *AXIS, *BINARY)]


@pytest.mark.parametrize("step", EVERY, ids=lambda step: step.name)
def test_every_function_by_itself(step: Step) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 3)), rng.normal(size=(3,))
    f = run([step])
    check_adjoint(f, (a, b))
    check_jit(f, (a, b))
    check_vmap(f, (np.stack([a, -a]), b), in_axes=(0, None))


HEALTH = list(HealthCheck)
MINUTES = float(os.environ.get("FGRAD_FUZZ", "0"))
PROPERTIES = [f for name, f in sorted(globals().items()) if name.startswith("test_") and hasattr(f, "hypothesis")]


@pytest.mark.skipif(not MINUTES, reason="FGRAD_FUZZ=minutes draws other programs every time, as long as that")
def test_other_programs_every_time(capsys: pytest.CaptureFixture[str]) -> None:
    """FGRAD_SEED, a seed that was printed, begins there again."""
    start = int(os.environ.get("FGRAD_SEED", time.time_ns() % 2**32))
    rounds = settings(max_examples=40, derandomize=False, database=None, deadline=None, suppress_health_check=HEALTH)
    several = [rounds(f) for f in PROPERTIES]
    end = time.monotonic() + 60 * MINUTES
    for number in itertools.count(start):
        with capsys.disabled():
            print(f"FGRAD_SEED={number}", flush=True)  # noqa: T201
        for f in several:
            seed(number)(f)()
        if time.monotonic() > end:
            return
