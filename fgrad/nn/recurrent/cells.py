"""Cells: one step of a recurrent network.

Letters: x input, h hidden state (and output), c memory of an LSTM; W kernel, U recurrent kernel, b bias. All gates of a
cell are side by side in one matrix, so that a step makes two products, of which the first, x·W, does not wait for
the step before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

import fgrad.numpy as fnp
from fgrad import lax, random
from fgrad.core import Array
from fgrad.errors import ShapeError, message, public
from fgrad.nn.initializers import Initializer, glorot_uniform, orthogonal
from fgrad.nn.operands import floating, positive

__all__ = ["Cell", "CellParams", "LstmState", "PeepholeParams", "coupled_lstm", "gru", "lstm", "peephole_lstm", "rnn"]


class Cell(NamedTuple):
    """Three pure functions.

    Attributes:
        init: `init(key, dtype=float)` gives the parameters.
        start: `start(params, shape=())` gives a state of zeros for a batch of that shape.
        step: `step(params, state, x)` gives the next state and the output.
    """

    init: Callable[..., Any]
    start: Callable[..., Any]
    step: Callable[[Any, Any, Array], tuple[Any, Array]]


class CellParams(NamedTuple):
    """`kernel` of shape (inputs, gates·hidden), `recurrent` (hidden, gates·hidden), `bias` (gates·hidden,)."""

    kernel: Array
    recurrent: Array
    bias: Array


class PeepholeParams(NamedTuple):
    """Those of an LSTM, and `peepholes` of shape (3, hidden).

    These go from memory to the gates for input, forgetting and output.
    """

    kernel: Array
    recurrent: Array
    bias: Array
    peepholes: Array


class LstmState(NamedTuple):
    """Hidden state and memory, each of shape (…, hidden)."""

    h: Array
    c: Array


_Gate: TypeAlias = Callable[[Array], Array]


@public
def rnn(
    inputs: int,
    hidden: int,
    activation: _Gate = fnp.tanh,
    *,
    kernel_init: Initializer | None = None,
    recurrent_init: Initializer | None = None,
) -> Cell:
    """The simple recurrent network: h ← activation(x·W + h·U + b).

    Args:
        inputs: length of x.
        hidden: length of h.
        activation: a function of an array.
        kernel_init: of W; `glorot_uniform()` by default.
        recurrent_init: of U; `orthogonal()` by default.

    Returns:
        A `Cell` whose state is h.

    Raises:
        ArgumentError: a size is not a positive integer.

    >>> import fgrad, numpy as np
    >>> cell = rnn(3, 2)
    >>> params = cell.init(fgrad.random.key(0))
    >>> h, out = cell.step(params, cell.start(params), np.ones(3))
    >>> h.shape
    (2,)

    Source: Elman, "Finding structure in time" (1990).
    """
    positive("rnn", inputs=inputs, hidden=hidden)
    init = _initializer(inputs, hidden, 1, kernel_init, recurrent_init)

    def step(params: CellParams, h: Array, x: Array) -> tuple[Array, Array]:
        h = activation(_projected("rnn", params, x) + fnp.matmul(h, params.recurrent))
        return h, h

    return Cell(init, _start, step)


@public
def gru(
    inputs: int,
    hidden: int,
    *,
    reset_after: bool = True,
    kernel_init: Initializer | None = None,
    recurrent_init: Initializer | None = None,
) -> Cell:
    """The gated recurrent unit: h ← (1 − z)∘n + z∘h.

    z = σ(x·W_z + h·U_z + b_z) keeps, r = σ(x·W_r + h·U_r + b_r) resets, and n = tanh(x·W_n + r∘(h·U_n) + b_n) is new;
    with `reset_after=False`, n = tanh(x·W_n + (r∘h)·U_n + b_n), as first published, at the price of one more product.

    Args:
        inputs: length of x.
        hidden: length of h.
        reset_after: whether h is reset after the product.
        kernel_init: of W (z, r and n); `glorot_uniform()` by default.
        recurrent_init: of each U; `orthogonal()` by default.

    Returns:
        A `Cell` whose state is h.

    Raises:
        ArgumentError: a size is not a positive integer.

    >>> import fgrad, numpy as np
    >>> cell = gru(3, 2)
    >>> params = cell.init(fgrad.random.key(0))
    >>> h, out = cell.step(params, cell.start(params), np.ones(3))
    >>> h.shape
    (2,)

    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder" (EMNLP 2014), equations 5 to 8.
    """
    positive("gru", inputs=inputs, hidden=hidden)
    init = _initializer(inputs, hidden, 3, kernel_init, recurrent_init)

    def step(params: CellParams, h: Array, x: Array) -> tuple[Array, Array]:
        given = _projected("gru", params, x)
        gates = 2 * hidden
        if reset_after:
            past = fnp.matmul(h, params.recurrent)
            z, r = _halves(lax.logistic(given[..., :gates] + past[..., :gates]))
            n = fnp.tanh(given[..., gates:] + r * past[..., gates:])
        else:
            z, r = _halves(lax.logistic(given[..., :gates] + fnp.matmul(h, params.recurrent[:, :gates])))
            n = fnp.tanh(given[..., gates:] + fnp.matmul(r * h, params.recurrent[:, gates:]))
        h = n + z * (h - n)
        return h, h

    return Cell(init, _start, step)


@public
def lstm(
    inputs: int,
    hidden: int,
    *,
    forget_bias: float = 1.0,
    kernel_init: Initializer | None = None,
    recurrent_init: Initializer | None = None,
) -> Cell:
    """Long short-term memory: c ← f∘c + i∘g and h ← o∘tanh(c).

    i, f, o = σ(x·W + h·U + b) with matrices of their own, and g = tanh(x·W_g + h·U_g + b_g); in W, U and b they are in
    the order i, f, g, o.

    Args:
        inputs: length of x.
        hidden: length of h and c.
        forget_bias: what the bias of f begins with: with 1 the cell remembers at first.
        kernel_init: of W; `glorot_uniform()` by default.
        recurrent_init: of each U; `orthogonal()` by default.

    Returns:
        A `Cell` whose state is an `LstmState`, and whose output is h.

    Raises:
        ArgumentError: a size is not a positive integer.

    >>> import fgrad, numpy as np
    >>> cell = lstm(3, 2)
    >>> params = cell.init(fgrad.random.key(0))
    >>> params.bias
    array([0., 0., 1., 1., 0., 0., 0., 0.])

    Source: Hochreiter & Schmidhuber, "Long short-term memory" (1997); Gers, Schmidhuber & Cummins, "Learning to forget"
        (2000), for f; Jozefowicz, Zaremba & Sutskever (ICML 2015), for its bias.
    """
    positive("lstm", inputs=inputs, hidden=hidden)
    init = _initializer(inputs, hidden, 4, kernel_init, recurrent_init, forget_bias)

    def step(params: CellParams, state: LstmState, x: Array) -> tuple[LstmState, Array]:
        i, f, g, o = _quarters(_projected("lstm", params, x) + fnp.matmul(state.h, params.recurrent))
        c = lax.logistic(f) * state.c + lax.logistic(i) * fnp.tanh(g)
        h = lax.logistic(o) * fnp.tanh(c)
        return LstmState(h, c), h

    return Cell(init, _lstm_start, step)


@public
def peephole_lstm(
    inputs: int,
    hidden: int,
    *,
    forget_bias: float = 1.0,
    kernel_init: Initializer | None = None,
    recurrent_init: Initializer | None = None,
) -> Cell:
    """An LSTM whose gates see the memory: i and f the one before, p∘c, and o the new one.

    Args:
        inputs: length of x.
        hidden: length of h and c.
        forget_bias: what the bias of f begins with.
        kernel_init: of W; `glorot_uniform()` by default.
        recurrent_init: of each U; `orthogonal()` by default.

    Returns:
        A `Cell` whose state is an `LstmState`; its parameters are `PeepholeParams`, with peepholes 0 at first.

    Raises:
        ArgumentError: a size is not a positive integer.

    >>> import fgrad
    >>> peephole_lstm(3, 2).init(fgrad.random.key(0)).peepholes.shape
    (3, 2)

    Source: Gers, Schraudolph & Schmidhuber, "Learning precise timing with LSTM recurrent networks" (JMLR 2002).
    """
    positive("peephole_lstm", inputs=inputs, hidden=hidden)
    plain = _initializer(inputs, hidden, 4, kernel_init, recurrent_init, forget_bias)

    def init(key: Any, dtype: Any = float) -> PeepholeParams:
        return PeepholeParams(*plain(key, dtype), np.zeros((3, hidden), dtype))

    def step(params: PeepholeParams, state: LstmState, x: Array) -> tuple[LstmState, Array]:
        i, f, g, o = _quarters(_projected("peephole_lstm", params, x) + fnp.matmul(state.h, params.recurrent))
        to_i, to_f, to_o = params.peepholes
        c = lax.logistic(f + to_f * state.c) * state.c + lax.logistic(i + to_i * state.c) * fnp.tanh(g)
        h = lax.logistic(o + to_o * c) * fnp.tanh(c)
        return LstmState(h, c), h

    return Cell(init, _lstm_start, step)


@public
def coupled_lstm(
    inputs: int,
    hidden: int,
    *,
    forget_bias: float = 1.0,
    kernel_init: Initializer | None = None,
    recurrent_init: Initializer | None = None,
) -> Cell:
    """An LSTM that takes in as much as it forgets: c ← f∘c + (1 − f)∘g, with three gates f, g, o in place of four.

    Args:
        inputs: length of x.
        hidden: length of h and c.
        forget_bias: what the bias of f begins with.
        kernel_init: of W; `glorot_uniform()` by default.
        recurrent_init: of each U; `orthogonal()` by default.

    Returns:
        A `Cell` whose state is an `LstmState`.

    Raises:
        ArgumentError: a size is not a positive integer.

    >>> import fgrad
    >>> coupled_lstm(3, 2).init(fgrad.random.key(0)).kernel.shape
    (3, 6)

    Source: Greff et al., "LSTM: a search space odyssey" (2017), variant CIFG.
    """
    positive("coupled_lstm", inputs=inputs, hidden=hidden)
    init = _initializer(inputs, hidden, 3, kernel_init, recurrent_init, forget_bias, forget=0)

    def step(params: CellParams, state: LstmState, x: Array) -> tuple[LstmState, Array]:
        gates = _projected("coupled_lstm", params, x) + fnp.matmul(state.h, params.recurrent)
        f, g, o = (gates[..., k * hidden : (k + 1) * hidden] for k in range(3))
        new = fnp.tanh(g)
        c = new + lax.logistic(f) * (state.c - new)
        h = lax.logistic(o) * fnp.tanh(c)
        return LstmState(h, c), h

    return Cell(init, _lstm_start, step)


def _initializer(
    inputs: int,
    hidden: int,
    gates: int,
    kernel_init: Initializer | None,
    recurrent_init: Initializer | None,
    forget_bias: float = 0.0,
    forget: int = 1,
) -> Callable[..., CellParams]:
    """`init(key, dtype)` of a cell with so many gates, each with matrices that are drawn by themselves."""
    kernel_init, recurrent_init = kernel_init or glorot_uniform(), recurrent_init or orthogonal()

    def init(key: Any, dtype: Any = float) -> CellParams:
        keys = random.split(key, 2 * gates)
        kernel = fnp.concatenate([kernel_init(k, (inputs, hidden), dtype) for k in keys[:gates]], axis=1)
        recurrent = fnp.concatenate([recurrent_init(k, (hidden, hidden), dtype) for k in keys[gates:]], axis=1)
        bias = np.zeros(gates * hidden, dtype)
        if forget_bias:
            bias[forget * hidden : (forget + 1) * hidden] = forget_bias
        return CellParams(kernel, recurrent, bias)

    return init


def _start(params: CellParams, shape: tuple[int, ...] = ()) -> Array:
    return np.zeros((*shape, fnp.shape(params.recurrent)[0]), fnp.result_type(params.recurrent))


def _lstm_start(params: CellParams, shape: tuple[int, ...] = ()) -> LstmState:
    return LstmState(_start(params, shape), _start(params, shape))


def _projected(function: str, params: Any, x: Any) -> Array:
    """x·W + b."""
    x = floating(function, "x", x)
    inputs = fnp.shape(params.kernel)[0]
    if fnp.shape(x)[-1:] != (inputs,):
        raise ShapeError(message(f"{function}: `x` must have shape (…, {inputs}), got {fnp.shape(x)}."))
    return fnp.matmul(x, params.kernel) + params.bias


def _halves(x: Array) -> tuple[Array, Array]:
    n = fnp.shape(x)[-1] // 2
    return x[..., :n], x[..., n:]


def _quarters(x: Array) -> tuple[Array, Array, Array, Array]:
    n = fnp.shape(x)[-1] // 4
    return x[..., :n], x[..., n : 2 * n], x[..., 2 * n : 3 * n], x[..., 3 * n :]
