"""Memory and work of compiled programs: as they are measured."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad import lax
from fgrad.compiler.fuse import limits

SIZE = 700
BUFFERS = 500_000  # NumPy's own, where operands do not lie in the same order; what tiles are worked at in
X = np.linspace(0.1, 1.0, SIZE * SIZE).reshape(SIZE, SIZE)
WEIGHTS = np.full((SIZE, SIZE), 0.01)


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tiles are worked at in is not analysed: it is the same for all programs."""
    monkeypatch.setattr(limits, "tile", 64 * 1024)
    monkeypatch.setattr(limits, "cache", 256 * 1024)


def let(*values: Any) -> Any:
    """`let(x, y, f)` is f(x, y): names for values inside an expression."""
    return values[-1](*values[:-1])


def network(x: Any) -> Any:
    for _ in range(5):
        x = np.tanh(x @ WEIGHTS)
    return x.sum()


def block(x: Any) -> Any:
    return np.sin(np.sin(np.sin(x)))


PROGRAMS: dict[str, Any] = {
    "in place": lambda x: np.exp(np.sin(x) * x),
    "live values": lambda x: let(np.sin(x), lambda y: (y, np.exp(y), -y)),
    "views": lambda x: let(np.sin(x), lambda y: np.exp(y.T[::2]) + y[::2]),
    "views that are returned": lambda x: let(np.sin(x), lambda y: (y.T, y[0])),
    "copies by reshape": lambda x: np.exp(fnp.reshape(np.sin(x).T, (-1,))),
    "views by reshape": lambda x: np.exp(fnp.reshape(np.sin(x), (-1,))),
    "argument as it is": lambda x: (x, x),
    "broadcast": lambda x: fnp.broadcast_to(x[0], (SIZE, SIZE)) + np.sin(x),
    "products": lambda x: (x @ x) @ (x.T @ x),
    "reductions": lambda x: (np.exp(x).sum(axis=0), np.max(np.sin(x), axis=1)),
    "statistics": lambda x: fnp.std(x, axis=0),
    "choice": lambda x: np.where(x > 0.5, np.sin(x), np.cos(x)),
    "narrow numbers": lambda x: np.sin(x.astype(np.float32)) * np.float32(2.0),
    "joined": lambda x: np.concatenate([np.sin(x), x], axis=0) * 2.0,
    "cumulative": lambda x: fnp.cumsum(np.sin(x), axis=0),
    "gathered": lambda x: x[np.arange(SIZE // 2)] * 2.0,
    "sorted": fgrad.grad(lambda x: (fnp.sort(x, axis=0) * x).sum()),
    "gradient of a network": fgrad.grad(network),
    "gradient of a product": fgrad.grad(lambda x: fnp.prod(x, axis=0).sum()),
    "gradient of a maximum": fgrad.grad(lambda x: fnp.max(np.sin(x), axis=1).sum()),
    "checkpoints": fgrad.grad(lambda x: fgrad.checkpoint(block)(fgrad.checkpoint(block)(x)).sum()),
    "scan": lambda x: fgrad.lax.scan(lambda c, _: (np.tanh(c) * c, c[0]), x[:200], None, length=30),
    "gradient of a scan": fgrad.grad(
        lambda x: fgrad.lax.scan(lambda c, _: (np.sin(np.sin(c)), None), x[:200], None, length=30)[0].sum()
    ),
    "hessian-vector product": lambda x: fgrad.hvp(network, (x,), (x,)),
}


def measured(run: Any) -> int:
    """The peak of a call that finds no memory that an earlier one has left."""
    with fgrad.config.using(buffer_bytes=0, num_threads=1):
        run()
        tracemalloc.start()
        try:
            out = run()
            peak = tracemalloc.get_traced_memory()[1]
            del out
            return peak
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_peak_is_what_is_measured(name: str) -> None:
    lowered = fgrad.jit(PROGRAMS[name]).lower(X)
    function = lowered.compile().function
    analysis = lowered.memory_analysis()
    assert analysis.peak_memory_in_bytes == pytest.approx(measured(lambda: function(X)), rel=0.04, abs=BUFFERS)
    assert analysis.peak_size == analysis.peak_memory_in_bytes
    assert analysis.temp_size_in_bytes == analysis.peak_memory_in_bytes - analysis.output_size_in_bytes
    assert analysis.argument_size_in_bytes == X.nbytes
    outs = [y for y in function(X) if np.ndim(y)]
    assert analysis.output_size_in_bytes == sum(y.nbytes for y in outs)


def test_constants_are_counted_once() -> None:
    analysis = fgrad.jit(lambda x: x @ WEIGHTS + WEIGHTS).lower(X).memory_analysis()
    assert analysis.constant_size_in_bytes == WEIGHTS.nbytes


def test_small_programs_let_go_when_they_return() -> None:
    small = np.ones(1000)
    f = fgrad.jit(lambda x: np.sin(np.sum(np.sin(x) + 1.0)) + x)
    function = f.lower(small).compile().function
    expected = measured(lambda: function(small))
    assert f.lower(small).memory_analysis().peak_memory_in_bytes == pytest.approx(expected, rel=0.1)


def test_shapes_are_enough() -> None:
    lowered = fgrad.jit(np.sin).lower(fgrad.ShapeDtypeStruct((10**9,), np.float32))
    assert lowered.memory_analysis().peak_memory_in_bytes == 4 * 10**9
    assert lowered.compile().memory_analysis() == lowered.memory_analysis()


def test_work() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.exp(x @ y).T.sum(axis=0)

    cost = fgrad.jit(f).lower(np.ones((3, 4), np.float32), np.ones((4, 5), np.float32)).cost_analysis()
    assert cost.primitives["dot_general"].flops == 2 * 3 * 4 * 5
    assert cost.primitives["dot_general"].bytes_accessed == 4 * (12 + 20 + 15)
    assert cost.primitives["exp"].flops == 15
    assert cost.primitives["reduce_sum"].flops == 15
    assert "transpose" not in cost.primitives
    assert cost.flops == 120 + 15 + 15
    assert cost.bytes_accessed == sum(work.bytes_accessed for work in cost.primitives.values())
    assert fgrad.jit(lambda n: n + n).lower(np.arange(5)).cost_analysis().flops == 0


def test_work_of_gradients() -> None:
    """Reverse mode costs a small multiple of the function: of a product of matrices, three times as much."""
    plain = fgrad.jit(network).lower(X).cost_analysis()
    gradient = fgrad.jit(fgrad.value_and_grad(network)).lower(X).cost_analysis()
    assert gradient.primitives["dot_general"].flops == 2 * plain.primitives["dot_general"].flops
    again = fgrad.jit(fgrad.value_and_grad(fgrad.checkpoint(network))).lower(X).cost_analysis()
    assert again.primitives["dot_general"].flops == 3 * plain.primitives["dot_general"].flops


W = np.ones((10, 10))
PRODUCT = 2 * 10**3  # operations of W @ W


def flops(f: Any, *args: Any) -> dict[str, int]:
    lowered = fgrad.jit(f).lower(*args)
    assert lowered.compile().cost_analysis() == lowered.cost_analysis()
    return {name: work.flops for name, work in lowered.cost_analysis().primitives.items() if work.flops}


def test_work_of_loops() -> None:
    xs = np.ones((100, 10))
    assert flops(lambda w: lax.fori_loop(0, 7, lambda i, v: v @ w, w), W) == {"dot_general": 7 * PRODUCT}
    nested = flops(lambda w: lax.fori_loop(0, 3, lambda i, v: lax.fori_loop(0, 5, lambda k, u: u * 2.0, v), w), W)
    assert nested == {"mul": 3 * 5 * 100}

    def rnn(w: Any) -> Any:
        return lax.scan(lambda h, x: (np.tanh(h @ (w @ w) + x), h), np.zeros(10), xs)

    assert flops(rnn, W) == {"add": 1000, "dot_general": PRODUCT + 100 * 200, "tanh": 1000}
    stacked = fgrad.jit(rnn).lower(W).cost_analysis().primitives["scan"]
    assert stacked.bytes_accessed == 2 * xs.nbytes
    assert flops(lambda w: lax.fori_loop(0, 0, lambda i, v: v @ v, w), W) == {}


def test_work_of_branches() -> None:
    f = lambda p, w: lax.cond(p, lambda w: w @ w, lambda w: w + 1.0, w)  # noqa: E731
    assert flops(f, True, W) == {"dot_general": PRODUCT}
    assert flops(fgrad.vmap(f), np.ones(6, bool), np.ones((6, 10, 10))) == {"dot_general": 6 * PRODUCT}


def test_work_of_a_loop_of_unknown_length_is_that_of_one_turn() -> None:
    def f(w: Any) -> Any:
        return lax.while_loop(lambda v: (v * v).sum() < 1e3, lambda v: v @ v, w)

    assert flops(f, W) == {"dot_general": PRODUCT, "lt": 1, "reduce_sum": 100, "square": 100}
    found = flops(fgrad.vmap(f), np.ones((4, 10, 10)))
    assert found == {"dot_general": 4 * PRODUCT, "lt": 4, "reduce_sum": 400, "square": 400}


def test_memory_of_branches_and_loops() -> None:
    x = np.ones(10**5)
    programs: list[tuple[Any, int]] = [
        (lambda x: lax.cond(x[0] > 0, np.sin, lambda x: x * 2.0, x), 1),
        (lambda x: lax.cond(x[0] > 0, lambda x: np.outer(x[:1], np.sin(x) * x)[0], lambda x: x * 2.0, x), 2),
        (lambda x: lax.while_loop(lambda c: c[0] < 9.0, lambda c: np.sqrt(c) + c, x), 2),
    ]
    for f, most in programs:
        lowered = fgrad.jit(f).lower(x)
        peak = lowered.memory_analysis().peak_memory_in_bytes
        function = lowered.compile().function
        with fgrad.config.using(buffer_bytes=0):
            for _ in range(30):
                function(x)  # bodies are compiled once they are run often
        assert peak <= most * x.nbytes + BUFFERS
        assert peak == pytest.approx(measured(lambda run=function: run(x)), rel=0.04, abs=BUFFERS)
