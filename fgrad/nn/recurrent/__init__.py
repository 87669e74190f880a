"""Recurrent networks: cells, what is made of them, and ways of running them over sequences."""

from fgrad.nn.recurrent.cells import (
    Cell,
    CellParams,
    LstmState,
    PeepholeParams,
    coupled_lstm,
    gru,
    lstm,
    peephole_lstm,
    rnn,
)
from fgrad.nn.recurrent.composition import bidirectional, stacked
from fgrad.nn.recurrent.rtrl import rtrl
from fgrad.nn.recurrent.unroll import unroll

__all__ = [
    "Cell",
    "CellParams",
    "LstmState",
    "PeepholeParams",
    "bidirectional",
    "coupled_lstm",
    "gru",
    "lstm",
    "peephole_lstm",
    "rnn",
    "rtrl",
    "stacked",
    "unroll",
]
