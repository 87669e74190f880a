"""Nothing is left behind and nothing is shared: exceptions, threads, tasks, processes, and the memory of results."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import pickle
import weakref
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import grad, hessian, hvp, jacfwd, jacrev, jit, jvp, linearize, make_jaxpr, value_and_grad, vjp, vmap
from fgrad.core import Tracer
from fgrad.core.interpreter import current, replayed
from fgrad.errors import UnexpectedTracerError

X = np.array([0.4, -0.7, 1.1])


def energy(x: Any) -> Any:
    return np.sum(np.sin(x) * x)


def energy_gradient(x: Any) -> Any:
    return np.cos(x) * x + np.sin(x)


CALLS: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "grad": lambda f: grad(f)(X),
    "value_and_grad": lambda f: value_and_grad(f)(X),
    "jvp": lambda f: jvp(f, (X,), (X,)),
    "linearize": lambda f: linearize(f, X),
    "vjp": lambda f: vjp(f, X),
    "vmap": lambda f: vmap(f)(np.stack([X, X])),
    "jit": lambda f: jit(f)(X),
    "make_jaxpr": lambda f: make_jaxpr(f)(X),
    "eval_shape": lambda f: fgrad.eval_shape(f, X),
    "linear_transpose": lambda f: fgrad.linear_transpose(f, X),
    "jacfwd": lambda f: jacfwd(f)(X),
    "jacrev": lambda f: jacrev(f)(X),
    "hessian": lambda f: hessian(f)(X),
    "hvp": lambda f: hvp(f, (X,), (X,)),
    "checkpoint": lambda f: grad(fgrad.checkpoint(f))(X),
    "jit(grad)": lambda f: jit(grad(f))(X),
    "vmap(grad(jit))": lambda f: vmap(grad(jit(f)))(np.stack([X, X])),
    "grad(custom_jvp)": lambda f: grad(with_rule(f))(X),
}


def with_rule(f: Callable[..., Any]) -> Any:
    ruled = fgrad.custom_jvp(f)
    ruled.defjvp(lambda xs, ts: jvp(f, xs, ts))
    return ruled


class Interruption(BaseException):
    """As KeyboardInterrupt, which would end the test run."""


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("error", [ValueError, Interruption])
def test_an_exception_in_the_middle_of_a_trace_leaves_nothing_behind(call: str, error: type[BaseException]) -> None:
    seen: list[Any] = []

    def fails(x: Any) -> Any:
        y = np.sin(x) * 2.0
        seen.append(y)
        raise error("in the middle")

    with pytest.raises(error, match="in the middle"):
        CALLS[call](fails)
    assert current.get() is None
    assert replayed.get() is None
    if call != "checkpoint":  # which runs the function on values
        assert type(seen[0]) is Tracer
        with pytest.raises(UnexpectedTracerError, match="fails"):
            seen[0] + 1.0
    assert type(np.sin(X)) is np.ndarray
    np.testing.assert_allclose(grad(energy)(X), energy_gradient(X))


def test_an_exception_that_is_caught_inside_an_outer_trace() -> None:
    def fails(y: Any) -> Any:
        np.sin(y)
        raise ValueError

    def f(x: Any) -> Any:
        before = current.get()
        for call in (lambda: grad(fails)(x), lambda: jit(fails)(x), lambda: jvp(fails, (x,), (x,))):
            with pytest.raises(ValueError, match=r"^$"):
                call()
            assert current.get() is before
        return x * x

    assert grad(f)(3.0) == 6.0
    assert jit(f)(3.0) == 9.0
    assert grad(grad(f))(3.0) == 2.0


def test_a_jit_whose_trace_failed_works_later() -> None:
    broken = [True]

    @jit
    def f(x: Any) -> Any:
        if broken[0]:
            raise ValueError("not yet")
        return x * 2.0

    with pytest.raises(ValueError, match="not yet"):
        f(X)
    broken[0] = False
    np.testing.assert_array_equal(f(X), X * 2)


def test_an_exception_in_a_pullback_leaves_it_usable() -> None:
    failures = [True]

    @fgrad.custom_vjp
    def f(x: Any) -> Any:
        return x * 2.0

    def bwd(res: Any, ct: Any) -> Any:
        if failures.pop() if failures else False:
            raise ValueError("backwards")
        return (2.0 * ct,)

    f.defvjp(lambda x: (f(x), None), bwd)
    _, pullback = vjp(lambda x: np.sin(f(x)), X)
    with pytest.raises(ValueError, match="backwards"):
        pullback(X)
    assert current.get() is None
    np.testing.assert_allclose(pullback(X)[0], 2 * np.cos(2 * X) * X)


# Threads and tasks

WORK: dict[str, Callable[[Any], Any]] = {
    "grad": grad(energy),
    "jit": jit(energy),
    "jit(grad)": jit(grad(energy)),
    "vmap": lambda x: vmap(grad(energy))(np.stack([x, 2 * x])),
    "hessian": hessian(energy),
    "nested": lambda x: grad(lambda y: np.sum(x * grad(energy)(y)))(x),
}


@pytest.mark.parametrize("work", WORK)
def test_threads_agree_with_serial_runs(work: str) -> None:
    f = WORK[work]
    inputs = [np.linspace(0, 1, 2 + i % 7) + i for i in range(64)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(f, inputs))
    for x, y in zip(inputs, found, strict=True):
        np.testing.assert_array_equal(y, f(x))


def test_threads_that_trace_the_same_function_for_the_first_time() -> None:
    for _ in range(5):
        f = jit(lambda x: np.sum(np.exp(np.sin(x)) * x))
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(f, [X] * 64))
        assert set(found) == {f(X)}


def test_threads_do_not_see_each_others_transforms() -> None:
    def f(x: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            inside = pool.submit(lambda: (current.get(), grad(energy)(X))).result()
        assert inside[0] is None
        return np.sum(x * inside[1])

    np.testing.assert_allclose(grad(f)(X), energy_gradient(X))


def test_interleaved_tasks() -> None:
    async def work(x: Any) -> list[Any]:
        out = []
        for f in WORK.values():
            out.append(f(x))
            await asyncio.sleep(0)
        return out

    async def main() -> list[Any]:
        return await asyncio.gather(*[work(X + i) for i in range(8)])

    for i, found in enumerate(asyncio.run(main())):
        for f, got in zip(WORK.values(), found, strict=True):
            np.testing.assert_array_equal(got, f(X + i))


def test_tasks_inside_a_trace() -> None:
    async def term(x: Any, i: int) -> Any:
        y = x[i] * x[i]
        await asyncio.sleep(0)
        z = grad(lambda t: t * t * y)(3.0)  # 6y
        await asyncio.sleep(0)
        return z + y

    async def total(x: Any) -> Any:
        terms = await asyncio.gather(*[term(x, i) for i in range(3)])
        return terms[0] + terms[1] + terms[2]

    def f(x: Any) -> Any:
        return asyncio.run(total(x))

    for g in (grad(f), jit(grad(f)), lambda x: vmap(grad(f))(x[None])[0]):
        np.testing.assert_allclose(g(X), 14 * X)
    assert current.get() is None


def in_another_process(x: Any) -> list[Any]:
    return [grad(energy)(x), jit(energy)(x), vmap(jit(grad(energy)))(x[None]), hessian(energy)(x)]


@pytest.mark.parametrize("method", [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()])
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_processes(method: str) -> None:
    jit(energy)(X)
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        found = pool.submit(in_another_process, X).result(timeout=120)
    for got, expected in zip(found, in_another_process(X), strict=True):
        np.testing.assert_array_equal(got, expected)


# Memory of results


def let(*values: Any) -> Any:
    """`let(x, y, f)` is f(x, y): names for values inside an expression."""
    return values[-1](*values[:-1])


ROWS = np.stack([X, 2 * X])
CONSTANT = np.array([1.0, 2.0, 3.0])
OWNED: dict[str, Callable[[Any], Any]] = {
    "grad of a sum": grad(np.sum),
    "grad of a part": grad(lambda x: x[0] * 1.0),
    "value_and_grad": value_and_grad(energy),
    "grad of two": lambda x: grad(lambda a, b: np.sum(a) + np.sum(b), argnums=(0, 1))(x, x),
    "the same gradient twice": lambda x: grad(lambda p: np.sum(p["a"] * 1.0 + p["b"] * 1.0))({"a": x, "b": x}),
    "aux that is the argument": grad(lambda x: (np.sum(x), x), has_aux=True),
    "aux that is a view": grad(lambda x: (np.sum(x), x[::-1]), has_aux=True),
    "aux that is a constant": grad(lambda x: (np.sum(x), [x, x]), has_aux=True),
    "jit identity": jit(lambda x: x),
    "jit of a view": jit(lambda x: x[1:]),
    "jit of the same twice": jit(lambda x: (x * 2.0,) * 2),
    "jit of overlapping views": jit(lambda x: let(x * 2.0, lambda y: (y, y[1:], y[::-1]))),
    "jit of a constant": jit(lambda x: CONSTANT),
    "jit of a view of a constant": jit(lambda x: CONSTANT[:2]),
    "jit of nested jit": jit(jit(lambda y: (y, y))),
    "jvp identity": lambda x: jvp(lambda y: y, (x,), (x,)),
    "jvp of a view": lambda x: jvp(lambda y: y[::-1], (x,), (x,)),
    "vjp": lambda x: let(*vjp(lambda y: y, x), lambda out, pull: (out, pull(x))),
    "vjp of the same twice": lambda x: let(*vjp(lambda y: (y, y), x), lambda out, pull: (out, pull((x, x)))),
    "linearize": lambda x: let(*linearize(lambda y: y, x), lambda out, push: (out, push(x))),
    "linear_transpose": lambda x: fgrad.linear_transpose(lambda y: y, x)(x),
    "vmap identity": vmap(lambda y: y),
    "vmap of a view": lambda x: vmap(lambda y: y[::-1])(np.broadcast_to(x, (2, 3))),
    "vmap of a constant": vmap(lambda y: CONSTANT),
    "vmap of what is not mapped": lambda x: vmap(lambda y, z: z, in_axes=(0, None))(x, x),
    "vmap to no axis": lambda x: vmap(lambda y, z: z, in_axes=(0, None), out_axes=None)(x, x),
    "jacfwd": jacfwd(lambda x: x),
    "jacrev": jacrev(lambda x: x),
    "jacobians of two": lambda x: jacrev(lambda a, b: (a, b), argnums=(0, 1))(x, x),
    "hessian": hessian(lambda x: np.sum(x * x)),
    "hvp": lambda x: hvp(lambda y: 0.5 * np.sum(y * y), (x,), (x,)),
}


def arrays_of(tree: Any) -> list[np.ndarray]:
    return [x for x in fgrad.tree.leaves(tree) if isinstance(x, np.ndarray)]


@pytest.mark.parametrize("case", OWNED)
def test_results_own_their_memory(case: str) -> None:
    x = X.copy()
    results = arrays_of(OWNED[case](x))
    assert results
    for i, y in enumerate(results):
        assert y.flags.writeable
        assert not np.shares_memory(y, x)
        assert not np.shares_memory(y, CONSTANT)
        assert not any(np.shares_memory(y, z) for z in results[:i])
    kept = [y.copy() for y in results]
    for y in results:
        y[...] = -7.0
    np.testing.assert_array_equal(x, X)
    for y, z in zip(arrays_of(OWNED[case](x)), kept, strict=True):
        np.testing.assert_array_equal(y, z)


LINEARIZED: dict[str, Callable[..., Any]] = {
    "product": lambda x, y: x * y,
    "views": lambda x, y: x[::-1] * np.reshape(y, (3, 1)),
    "slices": lambda x, y: x[:2] * y[1:],
    "result is a residual": lambda x, y: np.exp(x * y),
    "results are residuals of each other": lambda x, y: (np.exp(x), np.exp(x) * np.tanh(y)),
    "matrix": lambda x, y: np.outer(x, y) @ y,
    "identity": lambda x, y: (x, y),
    "jit": jit(lambda x, y: np.sin(x) * y),
    "checkpoint": fgrad.checkpoint(lambda x, y: np.sin(x) * y),
    "index": lambda x, y: x[np.argsort(y)] * y,
}


@pytest.mark.parametrize("case", LINEARIZED)
@pytest.mark.parametrize("views", [False, True])
def test_pending_closures_are_safe_from_later_writes(case: str, views: bool) -> None:
    f = LINEARIZED[case]
    base = np.stack([X, X[::-1] + 3.0])
    x, y = (base[0], base[1]) if views else (base[0].copy(), base[1].copy())
    out, push = linearize(f, x, y)
    other, pull = vjp(f, x, y)
    ct = fgrad.tree.map(lambda v: np.cos(np.arange(v.size).reshape(v.shape)), out)
    before = push(X, X), pull(ct)
    for written in (base, x, y, *arrays_of((out, other, before, ct))):
        kept = [v.copy() for v in arrays_of(before)]
        if written is not base or views:
            saved = written.copy()
            written[...] = 1e6
            again = push(X, X), pull(fgrad.tree.map(lambda v: np.cos(np.arange(v.size).reshape(v.shape)), out))
            if not any(written is v for v in arrays_of(before)):
                for a, b in zip(arrays_of(again), kept, strict=True):
                    np.testing.assert_array_equal(a, b)
            written[...] = saved


def test_arguments_are_never_written_into() -> None:
    x = X.copy()
    x.flags.writeable = False
    for call in CALLS.values():
        call(lambda _: np.sum(x * 2.0))
    for f in WORK.values():
        f(x)
    np.testing.assert_array_equal(x, X)


def test_pullbacks_may_be_called_again() -> None:
    _, pull = vjp(lambda x: np.sin(x) * np.exp(x), X)
    np.testing.assert_array_equal(pull(X)[0], pull(X)[0])
    np.testing.assert_array_equal(vmap(lambda ct: pull(ct)[0])(ROWS)[1], pull(ROWS[1])[0])


def scaled(x: Any, held: Any) -> Any:
    return np.sum(np.sin(x) * held)


def scaled_by_rule(held: Any, transform: Any = lambda f: f) -> None:
    f = fgrad.custom_vjp(lambda x: x * held)
    f.defvjp(lambda x: (x * held, None), lambda res, ct: (ct * held,))
    transform(grad(lambda x: np.sum(f(x))))(X)


def failing(transform: Any, held: Any) -> None:
    def fails(x: Any) -> Any:
        raise ValueError

    with contextlib.suppress(ValueError):
        transform(lambda x: fails(x * held))(X)


HOLDERS: dict[str, Callable[[Any], Any]] = {
    "grad": lambda held: grad(lambda x: scaled(x, held))(X),
    "vjp": lambda held: vjp(lambda x: scaled(x, held), X)[1](1.0),
    "linearize": lambda held: linearize(lambda x: scaled(x, held), X)[1](X),
    "jvp": lambda held: jvp(lambda x: scaled(x, held), (X,), (X,)),
    "vmap": lambda held: vmap(lambda x: scaled(x, held))(ROWS),
    "jit": lambda held: jit(lambda x: scaled(x, held))(X),
    "jit(grad)": lambda held: jit(grad(lambda x: scaled(x, held)))(X),
    "grad(jit)": lambda held: grad(jit(lambda x: scaled(x, held)))(X),
    "vmap(jit)": lambda held: vmap(jit(lambda x: scaled(x, held)))(ROWS),
    "hessian": lambda held: hessian(lambda x: scaled(x, held))(X),
    "make_jaxpr": lambda held: make_jaxpr(lambda x: scaled(x, held))(X),
    "checkpoint": lambda held: grad(fgrad.checkpoint(lambda x: scaled(x, held)))(X),
    "jit(checkpoint)": lambda held: jit(grad(fgrad.checkpoint(lambda x: scaled(x, held))))(X),
    "custom_jvp": lambda held: grad(with_rule(lambda x: scaled(x, held)))(X),
    "custom_vjp": scaled_by_rule,
    "jit(custom_vjp)": lambda held: scaled_by_rule(held, jit),
    "a failing gradient": lambda held: failing(grad, held),
    "a failing trace": lambda held: failing(jit, held),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_nothing_keeps_arrays_alive_not_even_until_the_collector_runs(holder: str) -> None:
    def run() -> weakref.ref[np.ndarray]:
        held = np.ones(3)
        HOLDERS[holder](held)
        return weakref.ref(held)

    run()
    gc.disable()
    try:
        assert run()() is None
    finally:
        gc.enable()


def test_transformed_functions_as_pickles_name_the_function() -> None:
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        pickle.dumps(grad(lambda x: x))
