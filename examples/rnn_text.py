"""Recurrent networks learn the Zen of Python by heart, letter by letter.

A character-level language model reads a text and says at each place how probable every next character is; its loss is
the cross entropy in bits per character. The text is the module `this`, which every Python has. Six networks are given
the same time: a simple one (RNN), GRU, LSTM, LSTM with peepholes, LSTM with coupled gates, and two LSTMs on each other.
Then three things about them are shown:

* the gradient of a simple network is a product of Jacobians, one for each step, which grows (or dies) like λ^steps:
  training leaps out of the valley that it was in, unless gradients are clipped (Pascanu, Mikolov & Bengio, 2013);
* whether a letter belongs to a long word depends on what follows, too: a bidirectional tagger sees it;
* the best model recites.

    python examples/rnn_text.py
"""

from __future__ import annotations

import argparse
import codecs
import contextlib
import io
import re
from pathlib import Path

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import lax, nn, optim, random
from fgrad.nn import recurrent

try:
    from matplotlib.figure import Figure
    from tqdm import trange
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None

with contextlib.redirect_stdout(io.StringIO()):  # it prints itself
    import this
TEXT = codecs.decode(this.s, "rot13")
LETTERS = sorted(set(TEXT))
CODES = np.array([LETTERS.index(letter) for letter in TEXT])
COUNT, HIDDEN, BATCH, STEPS = len(LETTERS), 64, 16, 50

KINDS = {"RNN": recurrent.rnn, "GRU": recurrent.gru, "LSTM": recurrent.lstm}
KINDS |= {"peephole LSTM": recurrent.peephole_lstm, "coupled LSTM": recurrent.coupled_lstm}
CELLS = {name: kind(COUNT, HIDDEN) for name, kind in KINDS.items()}
CELLS["two LSTMs"] = recurrent.stacked(CELLS["LSTM"], recurrent.lstm(HIDDEN, HIDDEN))


def init(key: np.ndarray, cell: recurrent.Cell):
    """Parameters of a cell, and of the layer that turns its output into scores of letters."""
    keys = random.split(key)
    return cell.init(keys[0], np.float32), nn.layers.init_dense(keys[1], HIDDEN, COUNT, dtype=np.float32)


def bits(params, cell: recurrent.Cell, codes: np.ndarray) -> np.ndarray:
    """Bits per character of texts, (steps + 1, batch), each of which is begun without memory."""
    _, outputs = recurrent.unroll(cell, params[0], nn.one_hot(codes[:-1], COUNT, dtype=np.float32))
    scores = nn.layers.dense(params[1], outputs)
    losses = nn.losses.softmax_cross_entropy_with_integer_labels(scores, codes[1:])
    return fnp.mean(losses) / np.log(2)


def train(params, loss, optimizer, draw_batch, key: np.ndarray, steps: int, name: str):
    """Trained parameters, the losses, and the lengths of the gradients."""

    @fgrad.jit
    def step(params, state, *batch):
        value, grads = fgrad.value_and_grad(loss)(params, *batch)
        updates, state = optimizer.update(grads, state, params)
        return optim.apply_updates(params, updates), state, value, optim.global_norm(grads)

    state, losses, norms = optimizer.init(params), [], []
    for i in trange(steps, unit="step", desc=f"{name:14s}"):
        params, state, value, norm = step(params, state, *draw_batch(random.fold_in(key, i)))
        losses.append(float(value))
        norms.append(float(norm))
    return params, losses, norms


def windows(key: np.ndarray, steps: int = STEPS) -> tuple[np.ndarray]:
    """Pieces of the text, (steps + 1, batch)."""
    starts = random.randint(key, (BATCH,), 0, len(CODES) - steps)
    return (CODES[starts + np.arange(steps + 1)[:, None]],)


def learn(name: str, key: np.ndarray, steps: int):
    optimizer = optim.chain(optim.clip_by_global_norm(1.0), optim.adam(optim.cosine_decay_schedule(1e-2, steps)))
    cell = CELLS[name]
    return train(init(key, cell), lambda p, codes: bits(p, cell, codes), optimizer, windows, key, steps, name)


def recite(params, cell: recurrent.Cell, start: str, count: int) -> str:
    """What the model says after a start: always the most probable letter."""
    codes = np.array([LETTERS.index(letter) for letter in start])
    state, _ = recurrent.unroll(cell, params[0], np.eye(COUNT, dtype=np.float32)[codes[:-1]])

    def step(carry, _):
        state, code = carry
        state, output = cell.step(params[0], state, nn.one_hot(code, COUNT, dtype=np.float32))
        code = fnp.argmax(nn.layers.dense(params[1], output))
        return (state, code), code

    _, codes = lax.scan(step, (state, codes[-1]), length=count)
    return start + "".join(LETTERS[code] for code in codes)


# Gradients that explode


def growth(scale: float, steps: int = 50) -> float:
    """By how much the gradient of the last state by an earlier one grows per step, with weights of a size."""
    cell = recurrent.rnn(COUNT, HIDDEN, lambda x: x, recurrent_init=nn.initializers.orthogonal(scale))
    params = cell.init(random.key(0))
    last = fgrad.grad(lambda h: fnp.sum(recurrent.unroll(cell, params, np.zeros((steps, COUNT)), h)[0]))
    return float(optim.global_norm(last(np.zeros(HIDDEN))) / np.sqrt(HIDDEN)) ** (1 / steps)


def explode(key: np.ndarray, steps: int, *, clip: bool):
    """Plain gradient descent from recurrent weights that are too large."""
    cell = recurrent.rnn(COUNT, HIDDEN, recurrent_init=nn.initializers.orthogonal(2.0))
    descent = optim.sgd(1.0)
    optimizer = optim.chain(optim.clip_by_global_norm(1.0), descent) if clip else descent
    return train(init(key, cell), lambda p, codes: bits(p, cell, codes), optimizer, windows, key, steps, f"{clip=}")


# A tagger: which letters belong to long words?


def tagger_accuracy(key: np.ndarray, steps: int, *, both: bool) -> float:
    """Is told which characters of the first three quarters of the text belong to words of five letters and more, and
    reads in one direction or in both; the share of the characters of the last quarter that it tags rightly."""
    words = re.split(r"(\s)", TEXT)
    tags = np.concatenate([np.full(len(word), len(word) >= 5) for word in words])
    quarter, cell = len(TEXT) // 4, recurrent.gru(COUNT, HIDDEN // 2)

    def scores(params, codes):
        cells, head = params
        xs = nn.one_hot(codes, COUNT, dtype=np.float32)
        _, out = recurrent.bidirectional(cell, cell, cells, xs) if both else recurrent.unroll(cell, cells[0], xs)
        return nn.layers.dense(head, out)[..., 0]

    def loss(params, codes, tags):
        return fnp.mean(nn.losses.sigmoid_binary_cross_entropy(scores(params, codes), tags))

    def batch(key):
        rows = random.randint(key, (BATCH,), 0, 3 * quarter - STEPS) + np.arange(STEPS)[:, None]
        return CODES[rows], tags[rows]

    *keys, head_key = random.split(key, 3)
    head = nn.layers.init_dense(head_key, HIDDEN if both else HIDDEN // 2, 1, dtype=np.float32)
    params = (tuple(cell.init(k, np.float32) for k in keys), head)
    params, *_ = train(params, loss, optim.adam(1e-2), batch, key, steps, f"{both=}")
    return float(np.mean((scores(params, CODES) > 0)[-quarter:] == tags[-quarter:]))


def draw(curves: dict[str, list[float]], runs: dict[str, tuple[list[float], list[float]]], path: Path) -> None:
    figure = Figure(figsize=(12, 4.2), dpi=110, layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for name, losses in curves.items():
        left.plot(np.convolve(losses, np.ones(10) / 10, "valid"), lw=1.5, label=name)
    left.set_title("Bits per character", loc="left", fontsize=10, weight="bold")
    left.legend(frameon=False, fontsize=8)
    for (name, (losses, norms)), color in zip(runs.items(), ("#d1495b", "#2e6f95"), strict=True):
        middle.plot(losses, color=color, lw=1.2, label=name)
        right.semilogy(norms, color=color, lw=1.2, label=name)
    middle.set_title("Those of a simple network with too large weights", loc="left", fontsize=10, weight="bold")
    right.set_title("Length of its gradient", loc="left", fontsize=10, weight="bold")
    middle.legend(frameon=False, fontsize=8)
    for axes in (left, middle, right):
        axes.set_xlabel("step")
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Recurrent networks learn the Zen of Python.")
    parser.add_argument("--steps", type=int, default=300, help="of training of each network (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--out", type=Path, default="rnn_text.png", help="the picture (%(default)s)")
    arguments = parser.parse_args(argv)
    key = random.key(arguments.seed)

    models = {name: learn(name, key, arguments.steps) for name in CELLS}
    runs = {name: explode(key, arguments.steps, clip=clip)[1:] for name, clip in (("plain", False), ("clipped", True))}
    one_way, both_ways = (tagger_accuracy(key, arguments.steps // 2, both=both) for both in (False, True))

    print("                bits per character, mean of the last 10 steps")
    for name, (_, losses, _) in models.items():
        print(f"{name:15s} {np.mean(losses[-10:]):.3f}")
    print(f"gradients grow per step by {growth(0.8):.2f}, {growth(1.0):.2f}, {growth(1.25):.2f}, as weights are large")
    for name, (losses, norms) in runs.items():
        print(f"{name:8s} gradients up to {max(norms):8.1e}, {np.mean(losses[-10:]):6.3f} bits per character at last")
    print(f"letters of long words in new text: {one_way:.1%} right from the left, {both_ways:.1%} both ways")
    best = min(models, key=lambda name: np.mean(models[name][1][-10:]))
    print(f"{best} goes on:\n{recite(models[best][0], CELLS[best], 'Beautiful is', 200)}")
    draw({name: losses for name, (_, losses, _) in models.items()}, runs, arguments.out)
    print(f"picture         {arguments.out}")


if __name__ == "__main__":
    main()
