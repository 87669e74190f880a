"""Teach a small neural network to read handwritten digits, and draw what it learnt.

The data are the 1,797 scans of 8 by 8 pixels that ship inside scikit-learn: real, and nothing is downloaded.

    python examples/digits.py
    python examples/digits.py --epochs 10 --batch 32 --seed 7 --out /tmp/digits.png
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import optim, random

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from sklearn.datasets import load_digits
    from tqdm import trange
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None

SIZES = (64, 128, 128, 10)  # pixels, two hidden layers, classes
NOISE = 0.2  # standard deviation of the noise on training images, whose pixels lie between 0 and 1
LEARNING_RATE = 3e-3  # at the first step; it falls to nothing at the last
TEST_FRACTION = 0.2
SPLIT_KEY = 0  # the held-out images are the same in every run, whatever --seed says


# The data


class Digits(NamedTuple):
    images: np.ndarray  # (n, 64) float32, 0 is paper and 1 is ink
    labels: np.ndarray  # (n,) int64, 0 to 9


def load() -> Digits:
    """All the scans, one to a row."""
    images, labels = load_digits(return_X_y=True)
    return Digits((images / 16).astype(np.float32), labels)


def split(digits: Digits, fraction: float, key: np.ndarray) -> tuple[Digits, Digits]:
    """Parts to train on and to test on; `fraction` of every digit's images is held out for the test."""
    train, test = [], []
    for digit, digit_key in enumerate(random.split(key, 10)):
        members = random.permutation(digit_key, np.flatnonzero(digits.labels == digit))
        count = round(fraction * len(members))
        test.append(members[:count])
        train.append(members[count:])
    return take(digits, np.concatenate(train)), take(digits, np.concatenate(test))


def take(digits: Digits, rows: np.ndarray) -> Digits:
    return Digits(digits.images[rows], digits.labels[rows])


# The model: pure functions of its parameters


class Layer(NamedTuple):
    weight: np.ndarray  # (inputs, outputs)
    bias: np.ndarray  # (outputs,)


def init(key: np.ndarray, sizes: tuple[int, ...]) -> list[Layer]:
    """Normal weights of variance 2/inputs, which keep the signal's size through relu (He et al., 2015)."""
    keys = random.split(key, len(sizes) - 1)
    return [
        Layer(
            weight=random.normal(key, (inputs, outputs), np.float32) * np.float32(np.sqrt(2 / inputs)),
            bias=np.zeros(outputs, np.float32),
        )
        for key, (inputs, outputs) in zip(keys, pairwise(sizes), strict=True)
    ]


def scores(params: list[Layer], images: np.ndarray) -> np.ndarray:
    """Unnormalised log-probabilities of the ten digits: (n, 64) to (n, 10)."""
    *hidden, last = params
    x = images
    for layer in hidden:
        x = fnp.maximum(x @ layer.weight + layer.bias, 0)
    return x @ last.weight + last.bias


def log_probabilities(params: list[Layer], images: np.ndarray) -> np.ndarray:
    raw = scores(params, images)
    return raw - fnp.logsumexp(raw, axis=1, keepdims=True)


def loss(params: list[Layer], digits: Digits) -> np.ndarray:
    """Cross entropy: the mean over the images of -log p(label)."""
    log_p = log_probabilities(params, digits.images)
    return -fnp.mean(log_p[np.arange(len(digits.labels)), digits.labels])


# The training


def make_optimizer(steps: int) -> optim.GradientTransformation:
    """Adam, its rate falling along a cosine: large steps to find a valley, small ones to settle in it."""
    return optim.adam(lambda step: LEARNING_RATE * (1 + fnp.cos(np.pi * step / steps)) / 2)


def make_train_step(optimizer: optim.GradientTransformation) -> Callable[..., tuple[list[Layer], Any]]:
    """One compiled step of training: from loss and gradient to the new parameters."""

    @fgrad.jit
    def train_step(params, opt_state, batch, key):
        noise = NOISE * random.normal(key, batch.images.shape, np.float32)
        grads = fgrad.grad(loss)(params, batch._replace(images=batch.images + noise))
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return optim.apply_updates(params, updates), opt_state

    return train_step


class History(NamedTuple):
    train_loss: list[float]  # before the first epoch and after each
    test_loss: list[float]
    step_seconds: list[float]


def train(
    params: list[Layer], train_set: Digits, test_set: Digits, epochs: int, batch: int, key: np.ndarray
) -> tuple[list[Layer], History]:
    """Return the trained parameters and the `History` of the training."""
    optimizer = make_optimizer(epochs * (len(train_set.labels) // batch))
    train_step, opt_state = make_train_step(optimizer), optimizer.init(params)
    history = History([float(loss(params, train_set))], [float(loss(params, test_set))], [])
    with trange(epochs, unit="epoch") as progress:
        for epoch in progress:
            shuffle_key, noise_key = random.split(random.fold_in(key, epoch))
            for index, rows in enumerate(batches(shuffle_key, len(train_set.labels), batch)):
                inputs = take(train_set, rows), random.fold_in(noise_key, index)
                start = time.perf_counter()
                params, opt_state = train_step(params, opt_state, *inputs)
                history.step_seconds.append(time.perf_counter() - start)
            # On plain arrays fgrad.numpy is NumPy, so a model needs no fgrad.jit to be evaluated.
            history.train_loss.append(float(loss(params, train_set)))
            history.test_loss.append(float(loss(params, test_set)))
            progress.set_postfix(train=history.train_loss[-1], test=history.test_loss[-1], refresh=False)
    return params, history


def batches(key: np.ndarray, count: int, size: int) -> np.ndarray:
    """Rows of one epoch in random order, `size` to a batch; what does not fill a batch is left out."""
    order = random.permutation(key, count)
    return order[: count // size * size].reshape(-1, size)


# The picture

INK, PALE, RED, BLUE = "#22262e", "#a9b1bc", "#d1495b", "#2e6f95"


def draw(history: History, probabilities: np.ndarray, test_set: Digits, path: Path) -> None:
    """Save the curves of the loss beside the test images that the network found hardest."""
    figure = Figure(figsize=(12, 5), dpi=150, layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.3), wspace=0.05)
    draw_loss(left, history)
    draw_hardest(right, probabilities, test_set)
    figure.savefig(path, bbox_inches="tight", pad_inches=0.25)


def draw_loss(figure: SubFigure, history: History) -> None:
    write_title(figure, "Cross entropy", "mean over all images, after each epoch")
    axes = figure.subplots()
    for curve, color, name in ((history.test_loss, RED, "test"), (history.train_loss, BLUE, "training")):
        last = len(curve) - 1, curve[-1]
        axes.plot(curve, color=color, linewidth=2)
        axes.plot(*last, "o", color=color)
        axes.annotate(f"  {name} {curve[-1]:.3f}", last, color=color, va="center", fontsize=11)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("epoch", color=INK)
    axes.grid(axis="y", color=PALE, alpha=0.4)
    axes.tick_params(which="both", color=PALE, labelcolor=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(PALE)


def draw_hardest(figure: SubFigure, probabilities: np.ndarray, test_set: Digits) -> None:
    """The misread images and, in the places left, those read right with the least probability."""
    lines, columns = 2, 5
    labels, guesses = test_set.labels, probabilities.argmax(axis=1)
    right = guesses == labels
    hardest = np.lexsort((probabilities[np.arange(len(labels)), labels], right))[: lines * columns]
    write_title(
        figure,
        f"{np.sum(~right)} of {len(labels)} test images misread",
        "the hardest, each with the probability of every digit: blue is true, red is read",
    )
    cells = figure.subplots(2 * lines, columns, height_ratios=(2.7, 1) * lines)
    for place, row in enumerate(hardest):
        line, column = divmod(place, columns)
        draw_image(cells[2 * line, column], test_set.images[row], labels[row], guesses[row])
        draw_bars(cells[2 * line + 1, column], probabilities[row], labels[row], guesses[row])


def draw_image(axes: Axes, image: np.ndarray, label: int, guess: int) -> None:
    axes.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
    axes.set_title(f"{label} read as {guess}", color=INK if guess == label else RED, fontsize=10)
    axes.set_axis_off()


def draw_bars(axes: Axes, probabilities: np.ndarray, label: int, guess: int) -> None:
    colors = [BLUE if digit == label else RED if digit == guess else PALE for digit in range(10)]
    axes.bar(range(10), probabilities, color=colors)
    axes.set_ylim(0, 1)
    axes.set_xticks(range(10), range(10), fontsize=6, color=INK)
    axes.set_yticks([])
    axes.tick_params(length=0, pad=2)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(PALE)


def write_title(figure: SubFigure, title: str, subtitle: str) -> None:
    figure.suptitle(f"{title}\n", x=0.01, ha="left", color=INK, fontsize=14, weight="bold")
    figure.text(0.01, 0.93, subtitle, color=INK, fontsize=9, va="center")


# The program


def positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


def picture_path(text: str) -> Path:
    if not (path := Path(text)).parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path.parent}")
    return path


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Teach a small neural network to read handwritten digits.")
    parser.add_argument("--epochs", type=positive, default=60, help="passes over the images (%(default)s)")
    parser.add_argument("--batch", type=positive, default=64, help="images in a step (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and noise (%(default)s)")
    parser.add_argument("--out", type=picture_path, default="digits.png", help="the picture (%(default)s)")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    train_set, test_set = split(load(), TEST_FRACTION, random.key(SPLIT_KEY))
    if arguments.batch > len(train_set.labels):
        raise SystemExit(f"--batch {arguments.batch} exceeds the {len(train_set.labels)} training images")
    init_key, train_key = random.split(random.key(arguments.seed))
    params = init(init_key, SIZES)

    params, history = train(params, train_set, test_set, arguments.epochs, arguments.batch, train_key)

    probabilities = np.exp(log_probabilities(params, test_set.images))
    correct = np.sum(probabilities.argmax(axis=1) == test_set.labels)
    total = len(test_set.labels)
    first, *rest = (1e3 * seconds for seconds in history.step_seconds)
    print(f"test accuracy  {correct / total:.2%} ({correct} of {total} held-out images)")
    print(f"time per step  {np.median(rest or first):.3f} ms (the first, with compilation: {first:.1f} ms)")
    draw(history, probabilities, test_set, arguments.out)
    print(f"picture        {arguments.out}")


if __name__ == "__main__":
    main()
