"""Plans: memory is overwritten only where nobody sees it."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.compiler.compiled import compile_jaxpr
from fgrad.compiler.plan import plan
from fgrad.primitives.elementwise import add, mul, neg
from fgrad.primitives.exponential import exp
from fgrad.primitives.joining import split
from fgrad.primitives.shape import broadcast_to, reshape, transpose
from fgrad.primitives.trigonometric import sin
from tests.compiler.tiling import whole_arrays

X = np.arange(1.0, 7.0).reshape(2, 3)
CONSTANT = np.array([10.0, 20.0, 30.0])


def let(*values: Any) -> Any:
    """`let(x, y, f)` is f(x, y): names for values inside an expression."""
    return values[-1](*values[:-1])


def overwritten(f: Any, *args: Any) -> list[int | None]:
    return [step.overwrite for step in plan(fgrad.make_jaxpr(f)(*args).jaxpr).steps]


def dropped(f: Any, *args: Any) -> list[int]:
    return [len(step.drop) for step in plan(fgrad.make_jaxpr(f)(*args).jaxpr).steps]


def test_what_nobody_needs_any_more_is_overwritten() -> None:
    assert overwritten(lambda x: neg(exp(sin(x))), X) == [None, 0, 0]
    assert overwritten(lambda x: add(x, sin(x)), X) == [None, 1]


def test_arguments_and_constants_are_not_overwritten() -> None:
    assert overwritten(neg, X) == [None]
    assert overwritten(lambda x: neg(add(CONSTANT, 0.0)), X) == [None, 0]
    assert overwritten(lambda x: add(CONSTANT, x), X) == [None]


def test_what_is_used_later_is_not_overwritten() -> None:
    assert overwritten(lambda x: let(sin(x), lambda y: add(exp(y), y)), X) == [None, None, 0]
    assert overwritten(lambda x: let(sin(x), lambda y: (y, exp(y))), X) == [None, None]


def test_what_has_living_views_is_not_overwritten() -> None:
    def f(x: Any) -> Any:
        y = sin(x)
        view = reshape(y, shape=(6,))
        z = exp(y)
        return z, neg(view)

    assert overwritten(f, X)[2:] == [None, None]


def test_views_are_not_overwritten() -> None:
    assert overwritten(lambda x: neg(reshape(sin(x), shape=(6,))), X)[2] is None
    assert overwritten(lambda x: neg(transpose(sin(x), axes=(1, 0))), X)[2] is None
    assert overwritten(lambda x: neg(broadcast_to(1.0, shape=(3,))), X)[1] is None


def test_results_of_other_types_do_not_fit() -> None:
    assert overwritten(lambda x: mul(sin(x), 2.0 + np.arange(2.0).reshape(2, 1, 1)), X) == [None, None]
    assert overwritten(lambda x: add(sin(x.astype(np.float32)), X), X)[-1] is None
    assert overwritten(lambda x: sin(x) > 0, X) == [None, None]


def test_what_calls_take_and_return_is_not_overwritten() -> None:
    # A program may return its argument as it is.
    def f(x: Any) -> Any:
        y = sin(x)
        (z,) = [fgrad.checkpoint(lambda v: v)(y)]
        return neg(exp(y)), exp(z)

    assert overwritten(f, X)[2:] == [None, 0, None]


@pytest.mark.parametrize(
    ("f", "copied"),
    [
        (lambda x: transpose(sin(x), axes=(1, 0)), [False]),
        (lambda x: reshape(transpose(sin(x), axes=(1, 0)), shape=(6,)), [False]),
        (lambda x: transpose(x, axes=(1, 0)), [True]),
        (lambda x: sin(x)[:1], [True]),
        (lambda x: reshape(sin(x)[:1], shape=(3,)), [True]),
        (lambda x: broadcast_to(sin(x), shape=(1, 2, 3)), [True]),
        (lambda x: transpose(CONSTANT.reshape(1, 3) + 0.0, axes=(1, 0)), [True]),
        (lambda x: let(sin(x), lambda y: (y, transpose(y, axes=(1, 0)))), [False, True]),
    ],
)
def test_results_are_copied_where_they_are_parts_of_others(f: Any, copied: list[bool]) -> None:
    assert plan(fgrad.make_jaxpr(f)(X).jaxpr).copies == copied
    for out in [*fgrad.jit(lambda x: [f(x)])(X)]:
        for one in out if isinstance(out, tuple) else [out]:
            assert one.flags.writeable


def test_large_arrays_are_dropped_after_their_last_use() -> None:
    big = np.ones((1024, 1024))
    assert dropped(lambda x: exp(reshape(sin(x), shape=(2**20,))), big) == [0, 0, 1] or dropped(
        lambda x: exp(reshape(sin(x), shape=(2**20,))), big
    ) == [0, 1, 1]
    assert sum(dropped(lambda x: let(sin(x), lambda y: add(np.sum(y), 1.0)), big)) == 1
    assert dropped(lambda x: neg(exp(x)), big)[0] == 0
    assert sum(dropped(sin, big)) == 0


# The same by running: results right, arguments untouched, memory of one's own.


@fgrad.custom_vjp
def same(x: Any) -> Any:
    return x


same.defvjp(lambda x: (x, None), lambda res, ct: (ct,))


@fgrad.custom_jvp
def second(x: Any, y: Any) -> Any:
    return y


second.defjvp(lambda xs, ts: (xs[1], ts[1]))

PROGRAMS: dict[str, Any] = {
    "chain": lambda x: neg(exp(sin(x))),
    "live value": lambda x: let(sin(x), lambda y: (y, exp(y), neg(y))),
    "view of a live value": lambda x: let(sin(x), lambda y: let(y[0], lambda v: (exp(y), v * 2.0))),
    "view that outlives": lambda x: let(sin(x), lambda y: let(y[::-1], exp(y), lambda v, z: neg(v) + np.sum(z))),
    "view of a view": lambda x: let(sin(x), lambda y: let(fnp.ravel(y.T)[1:], lambda v: (neg(y), v + 1.0))),
    "overlapping views": lambda x: let(sin(x), lambda y: (y[0], y[:, 0], y)),
    "broadcast": lambda x: let(sin(x), lambda y: neg(fnp.broadcast_to(y[0], (2, 3))) + exp(y)),
    "argument as it is": lambda x: (x, x, neg(x)),
    "view of an argument": lambda x: (x.T, neg(x.T), x[0]),
    "constant as it is": lambda x: (CONSTANT, CONSTANT, neg(x)),
    "constant in place": lambda x: neg(exp(CONSTANT * 1.0)) + x,
    "split": lambda x: [exp(v) for v in split(sin(x), axis=1, sizes=(1, 2))],
    "split of a live value": lambda x: let(sin(x), lambda y: [exp(y), *split(y, axis=1, sizes=(1, 2))]),
    "checkpoint that returns its argument": lambda x: neg(fgrad.checkpoint(lambda v: v)(x)),
    "checkpoint of a live value": lambda x: let(sin(x), lambda y: (neg(fgrad.checkpoint(lambda v: v)(y)), exp(y))),
    "dead after a checkpoint": lambda x: let(
        sin(x), lambda y: let(fgrad.checkpoint(lambda v: v)(y), lambda z: (neg(exp(y)), exp(z)))
    ),
    "view from a checkpoint": lambda x: let(
        sin(x), lambda y: let(fgrad.checkpoint(lambda v: v[0])(y), lambda z: (neg(y), exp(z)))
    ),
    "constant from a checkpoint": lambda x: neg(fgrad.checkpoint(lambda v: CONSTANT)(x)) + x,
    "rule that returns its argument": lambda x: let(sin(x), lambda y: (neg(same(y)), exp(y))),
    "rule that returns another argument": lambda x: let(
        sin(x), lambda y: let(second(x, y), lambda z: (neg(y), exp(z)))
    ),
    "stop_gradient": lambda x: let(sin(x), lambda y: (neg(fgrad.stop_gradient(y)), exp(y))),
    "the same result twice": lambda x: let(sin(x), lambda y: (y, y)),
    "real part": lambda x: let(x * 1j, lambda z: (np.real(z) + 1.0, neg(z), np.imag(z))),
    "reversed sum": lambda x: let(sin(x), lambda y: y[::-1] + y),
    "cumulative": lambda x: let(sin(x), lambda y: (fnp.cumsum(y, axis=0), exp(y))),
    "update": lambda x: let(sin(x), lambda y: (fnp.at(y)[0].set(7.0), exp(y))),
    "sorted": lambda x: let(sin(x), lambda y: (fnp.sort(y), neg(y))),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("derivative", [False, True])
def test_memory(name: str, derivative: bool) -> None:
    f = PROGRAMS[name]
    if derivative:
        value = f

        def f(x: Any) -> Any:
            out, pull = fgrad.vjp(value, x)
            return out, pull(fgrad.tree.map(lambda y: y * 0 + 1.0, out))

    x, constant = X.copy(), CONSTANT.copy()
    expected = fgrad.tree.leaves(f(x))
    closed = fgrad.make_jaxpr(f)(x)
    function = compile_jaxpr(closed).function
    for _ in range(2):
        outs = function(x)
        np.testing.assert_array_equal(x, X)
        np.testing.assert_array_equal(CONSTANT, constant)
        for i, (got, wanted) in enumerate(zip(outs, expected, strict=True)):
            np.testing.assert_allclose(got, wanted, rtol=1e-14)
            if np.ndim(got):
                assert got.flags.writeable
                assert not np.shares_memory(got, x)
                assert not np.shares_memory(got, CONSTANT)
                assert not any(np.shares_memory(got, other) for other in outs[:i])
        for got in outs:
            if np.ndim(got):
                got[...] = -1


def test_a_deep_chain_takes_no_more_memory_than_by_hand() -> None:
    """The gradient keeps one array for each step, lets it go in the step backwards, and needs two others."""
    steps, x = 20, np.linspace(0.0, 1.0, 2**15)

    def chain(x: Any) -> Any:
        for _ in range(steps):
            x = fnp.tanh(x) * 1.1
        return fnp.sum(x)

    with whole_arrays():
        gradient = fgrad.jit(fgrad.grad(chain))
        gradient(x)
        tracemalloc.start()
        try:
            gradient(x)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak <= (steps + 2) * x.nbytes + 2**16
