"""Recurrent networks: cells by their equations, sequences, masks, back-propagation and learning in real time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import random, tree
from fgrad.errors import ArgumentError, ShapeError
from fgrad.nn import recurrent
from fgrad.testing import check_grads

KEY = random.key(2)
RNG = np.random.default_rng(0)
X, XS = RNG.normal(size=(4, 3)), RNG.normal(size=(6, 4, 3))
H, C = RNG.normal(size=(4, 2)), RNG.normal(size=(4, 2))


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def gates(p: Any, x: Any, h: Any) -> list[Any]:
    """x·W + h·U + b, gate by gate."""
    return np.split(x @ p.kernel + h @ p.recurrent + p.bias, p.kernel.shape[1] // 2, axis=-1)


def rnn(p: Any, s: Any, x: Any) -> Any:
    return np.tanh(*gates(p, x, s))


def gru(p: Any, h: Any, x: Any) -> Any:
    z, r = (sigmoid(g) for g in gates(p, x, h)[:2])
    n = np.tanh((x @ p.kernel + p.bias)[:, 4:] + r * (h @ p.recurrent[:, 4:]))
    return (1 - z) * n + z * h


def gru_reset_before(p: Any, h: Any, x: Any) -> Any:
    z, r = (sigmoid(g) for g in gates(p, x, h)[:2])
    n = np.tanh((x @ p.kernel + p.bias)[:, 4:] + (r * h) @ p.recurrent[:, 4:])
    return (1 - z) * n + z * h


def lstm(p: Any, s: Any, x: Any) -> Any:
    i, f, g, o = gates(p, x, s.h)
    c = sigmoid(f) * s.c + sigmoid(i) * np.tanh(g)
    return recurrent.LstmState(sigmoid(o) * np.tanh(c), c)


def peephole(p: Any, s: Any, x: Any) -> Any:
    i, f, g, o = gates(p, x, s.h)
    c = sigmoid(f + p.peepholes[1] * s.c) * s.c + sigmoid(i + p.peepholes[0] * s.c) * np.tanh(g)
    return recurrent.LstmState(sigmoid(o + p.peepholes[2] * c) * np.tanh(c), c)


def coupled(p: Any, s: Any, x: Any) -> Any:
    f, g, o = gates(p, x, s.h)
    c = sigmoid(f) * s.c + (1 - sigmoid(f)) * np.tanh(g)
    return recurrent.LstmState(sigmoid(o) * np.tanh(c), c)


CELLS: dict[str, tuple[recurrent.Cell, Callable[..., Any]]] = {
    "rnn": (recurrent.rnn(3, 2), rnn),
    "gru": (recurrent.gru(3, 2), gru),
    "gru, reset before": (recurrent.gru(3, 2, reset_after=False), gru_reset_before),
    "lstm": (recurrent.lstm(3, 2), lstm),
    "peephole_lstm": (recurrent.peephole_lstm(3, 2), peephole),
    "coupled_lstm": (recurrent.coupled_lstm(3, 2), coupled),
}


def parameters(cell: recurrent.Cell) -> Any:
    """Parameters none of which is 0."""
    return tree.map(lambda p: p + 0.1 * RNG.normal(size=p.shape), cell.init(KEY))


def close(x: Any, y: Any) -> None:
    for a, b in zip(tree.leaves(x), tree.leaves(y), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CELLS)
def test_equations(name: str) -> None:
    cell, equations = CELLS[name]
    params = parameters(cell)
    state = recurrent.LstmState(H, C) if "lstm" in name else H
    after, out = cell.step(params, state, X)
    close(after, equations(params, state, X))
    assert out is (after.h if "lstm" in name else after)
    check_grads(cell.step, (params, state, X), order=2)
    close(fgrad.jit(cell.step)(params, state, X), (after, out))
    close(fgrad.vmap(cell.step, (None, 0, 0))(params, state, X), (after, out))


@pytest.mark.parametrize("name", CELLS)
def test_sequences_step_by_step(name: str) -> None:
    cell, _ = CELLS[name]
    params = parameters(cell)
    state, outs = cell.start(params, (4,)), []
    for x in XS:
        state, out = cell.step(params, state, x)
        outs.append(out)
    close(recurrent.unroll(cell, params, XS), (state, np.stack(outs)))
    batch_first = recurrent.unroll(cell, params, np.swapaxes(XS, 0, 1), time_axis=1)
    close(batch_first, (state, np.stack(outs, 1)))
    close(recurrent.unroll(cell, params, XS[:, 0])[1], np.stack(outs)[:, 0])
    reverse = recurrent.unroll(cell, params, XS, reverse=True)
    turned = recurrent.unroll(cell, params, XS[::-1])
    close(reverse, (turned[0], turned[1][::-1]))
    close(recurrent.unroll(cell, params, XS[3:], recurrent.unroll(cell, params, XS[:3])[0])[0], state)


@pytest.mark.parametrize("name", CELLS)
def test_back_propagation_through_time(name: str) -> None:
    cell, _ = CELLS[name]
    params = parameters(cell)

    def loss(params: Any, xs: Any, **how: Any) -> Any:
        return (recurrent.unroll(cell, params, xs, **how)[1] ** 2).sum()

    def by_hand(params: Any) -> Any:
        state, total = cell.start(params, (4,)), 0.0
        for x in XS:
            state, out = cell.step(params, state, x)
            total = total + (out**2).sum()
        return total

    expected = fgrad.grad(by_hand)(params)
    close(fgrad.grad(loss)(params, XS), expected)
    close(fgrad.jit(fgrad.grad(loss))(params, XS), expected)
    close(fgrad.grad(lambda p: loss(p, XS, checkpoint="sqrt"))(params), expected)
    check_grads(loss, (params, XS[:3]), order=1)


@pytest.mark.parametrize("name", CELLS)
def test_learning_in_real_time_is_back_propagation(name: str) -> None:
    cell, _ = CELLS[name]
    params, targets = parameters(cell), RNG.normal(size=(6, 4, 2))

    def loss(out: Any, target: Any) -> Any:
        return ((out - target) ** 2).sum()

    def total(params: Any) -> Any:
        return ((recurrent.unroll(cell, params, XS)[1] - targets) ** 2).sum()

    expected = fgrad.value_and_grad(total)(params)
    close(recurrent.rtrl(cell, loss)(params, XS, targets), expected)
    close(fgrad.jit(recurrent.rtrl(cell, loss))(params, XS, targets), expected)


@pytest.mark.parametrize("reverse", [False, True])
def test_sequences_of_different_length(reverse: bool) -> None:
    cell, _ = CELLS["lstm"]
    params, lengths = parameters(cell), np.array([6, 3, 0, 1])
    xs = np.where(np.arange(6)[:, None, None] < lengths[:, None], XS, np.nan)
    state, outs = recurrent.unroll(cell, params, np.nan_to_num(xs), mask=lengths, reverse=reverse)
    for i, n in enumerate(lengths):
        last, out = recurrent.unroll(cell, params, XS[:n, i], reverse=reverse)
        close((state.h[i], state.c[i]), last)
        close(outs[:n, i], out)
        assert not outs[n:, i].any()
    there = np.arange(6)[:, None] < lengths
    close(recurrent.unroll(cell, params, XS, mask=there, reverse=reverse), (state, outs))
    swapped = recurrent.unroll(cell, params, np.swapaxes(XS, 0, 1), mask=there.T, reverse=reverse, time_axis=1)
    close(swapped, (state, np.swapaxes(outs, 0, 1)))
    slope = fgrad.grad(lambda xs: recurrent.unroll(cell, params, xs, mask=lengths, reverse=reverse)[1].sum())(XS)
    assert not slope[~there].any()
    assert slope[there].all()


def test_stacked_and_bidirectional() -> None:
    first, second = recurrent.lstm(3, 5), recurrent.gru(5, 2)
    cell = recurrent.stacked(first, second)
    params = cell.init(KEY, np.float32)
    assert {p.dtype for p in tree.leaves(params)} == {np.dtype(np.float32)}
    states, outs = recurrent.unroll(cell, params, XS.astype(np.float32))
    assert outs.dtype == np.float32
    one = recurrent.unroll(first, params[0], XS)
    two = recurrent.unroll(second, params[1], one[1])
    np.testing.assert_allclose(outs, two[1], rtol=1e-4)
    np.testing.assert_allclose(states[0].c, one[0].c, rtol=1e-4, atol=1e-6)
    both = (first.init(KEY), first.init(random.key(1)))
    mask = np.array([6, 2, 4, 1])
    (ahead, back), outs = recurrent.bidirectional(first, first, both, XS, mask=mask)
    close((ahead, outs[..., :5]), recurrent.unroll(first, both[0], XS, mask=mask))
    close((back, outs[..., 5:]), recurrent.unroll(first, both[1], XS, mask=mask, reverse=True))


def test_parameters_as_published() -> None:
    params = recurrent.lstm(3, 4).init(KEY)
    np.testing.assert_array_equal(params.bias, [0] * 4 + [1] * 4 + [0] * 8)
    assert recurrent.lstm(3, 4, forget_bias=0.0).init(KEY).bias.any() == np.False_
    np.testing.assert_array_equal(recurrent.coupled_lstm(3, 2, forget_bias=2.0).init(KEY).bias, [2, 2, 0, 0, 0, 0])
    for u in np.split(params.recurrent, 4, axis=1):
        np.testing.assert_allclose(u.T @ u, np.eye(4), atol=1e-12)
    assert abs(params.kernel).max() <= np.sqrt(6 / 7)
    assert not np.allclose(params.kernel[:, :4], params.kernel[:, 4:8])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda c, p: recurrent.rnn(3, 0), ArgumentError, "rnn: `hidden` must be a positive integer, got 0"),
        (lambda c, p: c.step(p, c.start(p), X[:, :2]), ShapeError, r"rnn: `x` must have shape \(…, 3\), got \(4, 2\)"),
        (lambda c, p: recurrent.unroll(c, p, XS[0, 0]), ShapeError, r"`xs` must have shape \(steps, …, inputs\), got"),
        (
            lambda c, p: recurrent.unroll(c, p, XS, mask=np.ones((6, 3), bool)),
            ShapeError,
            r"`mask` must have shape \(6, 4\), that of `xs` without its features; got \(6, 3\)",
        ),
        (
            lambda c, p: recurrent.unroll(c, p, XS, mask=np.array([1, 2, 3])),
            ShapeError,
            r"`mask` must have shape \(4,\), one number of steps per sequence; got \(3,\)",
        ),
        (lambda c, p: recurrent.unroll(c, p, XS, mask=np.ones(4)), ArgumentError, "got dtype float64"),
        (lambda c, p: recurrent.stacked(), ArgumentError, "stacked: there are no cells"),
        (lambda c, p: recurrent.stacked(c, 3), ArgumentError, "stacked: argument 1 is not a Cell, got 3"),
    ],
)
def test_mistakes(call: Callable[..., Any], error: type[Exception], text: str) -> None:
    cell = recurrent.rnn(3, 2)
    with pytest.raises(error, match=text):
        call(cell, cell.init(KEY))
