"""Learning to learn: a network from which a few points and one step of gradient descent are enough.

Tasks are sines of random amplitude and phase, of which ten points are seen. Model-agnostic meta-learning (Finn, Abbeel
& Levine, 2017, section 5.1) looks for parameters θ that are good *after* a step on the task's points:

    min over θ of E_task L_new(θ - α ∇L_seen(θ)),

so its gradient goes through a gradient: (1 - α H) ∇L_new with the Hessian H of L_seen. In fgrad that is `grad` of a
function that calls `grad`, and `vmap` runs it on all tasks of a batch at once. For comparison a network of the same
shape is trained on the same sines without the inner step: it can do no better than to answer their mean, about 0.

    python examples/meta_learning.py
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import nn, optim, random, tree

try:
    from matplotlib.figure import Figure
    from tqdm import trange
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None

SIZES = (1, 40, 40, 1)
SEEN, TASKS = 10, 25  # points to learn a task from, and tasks in a batch
INNER_RATE = 0.02


class Points(NamedTuple):
    x: np.ndarray  # (n, 1)
    y: np.ndarray  # (n, 1)


class Task(NamedTuple):
    seen: Points
    new: Points


def draw_task(key: np.ndarray, news: int = SEEN) -> Task:
    """A sine of amplitude 0.1 to 5 and any phase; points with x between -5 and 5."""
    amplitude_key, phase_key, x_key = random.split(key, 3)
    amplitude, phase = random.uniform(amplitude_key, (), float, 0.1, 5.0), random.uniform(phase_key) * np.pi
    x = random.uniform(x_key, (SEEN + news, 1), float, -5.0, 5.0)
    y = amplitude * fnp.sin(x - phase)
    return Task(Points(x[:SEEN], y[:SEEN]), Points(x[SEEN:], y[SEEN:]))


def init(key: np.ndarray) -> list[nn.layers.DenseParams]:
    keys = random.split(key, len(SIZES) - 1)
    return [nn.layers.init_dense(k, *sizes) for k, sizes in zip(keys, pairwise(SIZES), strict=True)]


def network(params: list[nn.layers.DenseParams], x: np.ndarray) -> np.ndarray:
    *hidden, last = params
    for layer in hidden:
        x = fnp.tanh(nn.layers.dense(layer, x))
    return nn.layers.dense(last, x)


def loss(params: list[nn.layers.DenseParams], points: Points) -> np.ndarray:
    return fnp.mean(nn.losses.squared_error(network(params, points.x), points.y))


def adapt(params: list[nn.layers.DenseParams], points: Points) -> list[nn.layers.DenseParams]:
    """One step of gradient descent on a task."""
    return tree.map(lambda p, g: p - INNER_RATE * g, params, fgrad.grad(loss)(params, points))


def adapted_loss(params: list[nn.layers.DenseParams], task: Task) -> np.ndarray:
    """What is to be small: the loss on new points, after a step on those that were seen."""
    return loss(adapt(params, task.seen), task.new)


def plain_loss(params: list[nn.layers.DenseParams], task: Task) -> np.ndarray:
    return (loss(params, task.seen) + loss(params, task.new)) / 2


def train(objective, key: np.ndarray, steps: int) -> list[nn.layers.DenseParams]:
    """Parameters for which the mean of the objective over tasks is small, by Adam."""
    optimizer = optim.adam(optim.cosine_decay_schedule(5e-3, steps))
    init_key, key = random.split(key)

    @fgrad.jit
    def step(params, state, key):
        tasks = fgrad.vmap(draw_task)(random.split(key, TASKS))

        def batch_loss(params):
            return fnp.mean(fgrad.vmap(objective, in_axes=(None, 0))(params, tasks))

        value, grads = fgrad.value_and_grad(batch_loss)(params)
        updates, state = optimizer.update(grads, state, params)
        return optim.apply_updates(params, updates), state, value

    params = init(init_key)
    state = optimizer.init(params)
    with trange(steps, unit="step", desc=objective.__name__) as progress:
        for i in progress:
            params, state, value = step(params, state, random.fold_in(key, i))
            if i % 100 == 0:
                progress.set_postfix(loss=f"{value:.3f}", refresh=False)
    return params


def errors(params: list[nn.layers.DenseParams], key: np.ndarray, tasks: int, steps: int) -> np.ndarray:
    """The mean error on new points of new tasks, after 0, 1, … steps on their seen points."""

    def one(key):
        task, learner, values = draw_task(key, 100), params, []
        for _ in range(steps + 1):
            values.append(loss(learner, task.new))
            learner = adapt(learner, task.seen)
        return fnp.stack(values)

    return fgrad.jit(fgrad.vmap(one))(random.split(key, tasks)).mean(axis=0)


def draw(learners: dict[str, list[nn.layers.DenseParams]], key: np.ndarray, path: Path) -> None:
    figure = Figure(figsize=(11, 4.2), dpi=120, layout="constrained")
    task, x = draw_task(key, 400), np.linspace(-5, 5, 200)[:, None]
    order = np.argsort(task.new.x[:, 0])
    for axes, (name, params) in zip(figure.subplots(1, 2, sharey=True), learners.items(), strict=True):
        axes.plot(task.new.x[order], task.new.y[order], color="#a9b1bc", lw=6, label="the task")
        for step in range(11):
            if step in {0, 1, 10}:
                color = {0: "#e0a458", 1: "#d1495b", 10: "#2e6f95"}[step]
                axes.plot(x, network(params, x), color=color, lw=2, label=f"after {step} step{'s' * (step != 1)}")
            params = adapt(params, task.seen)
        axes.plot(*task.seen, "o", color="#22262e", ms=6, label="seen", zorder=3)
        axes.set_title(name, loc="left", weight="bold")
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Meta-learning of sines through a step of gradient descent.")
    parser.add_argument("--steps", type=int, default=4000, help="of training (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--out", type=Path, default="meta_learning.png", help="the picture (%(default)s)")
    arguments = parser.parse_args(argv)

    train_key, test_key, picture_key = random.split(random.key(arguments.seed), 3)
    learners = {
        "Meta-learnt": train(adapted_loss, train_key, arguments.steps),
        "Trained on all tasks": train(plain_loss, train_key, arguments.steps),
    }
    print("mean squared error on 500 new tasks, after")
    print(f"{'':22s}" + "".join(f"{n:4d} step{'s'[n == 1 :]:1s}" for n in (0, 1, 5, 10)))
    for name, params in learners.items():
        values = errors(params, test_key, tasks=500, steps=10)
        print(f"{name:22s}" + "".join(f"{values[n]:10.4f}" for n in (0, 1, 5, 10)))
    draw(learners, picture_key, arguments.out)
    print(f"picture {arguments.out}")


if __name__ == "__main__":
    main()
