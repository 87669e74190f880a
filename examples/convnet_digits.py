"""A small LeNet reads handwritten digits, and shows what its filters look for.

Two convolutions, each followed by the largest of every 2 by 2 neighbours, and two dense layers (LeCun, Bottou, Bengio &
Haffner, 1998), on the 1,797 scans of 8 by 8 pixels that come with scikit-learn. While it learns, images are blurred
by noise, and some of what the last layer sees is dropped.

    python examples/convnet_digits.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import nn, optim, random
from fgrad.nn.layers import ConvolutionParams, DenseParams, convolution, dense, dropout, max_pool

try:
    from matplotlib.figure import Figure
    from sklearn.datasets import load_digits
    from tqdm import trange
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None

BATCH, TESTS = 32, 360
NOISE, DROPPED = 0.1, 0.4


class Digits(NamedTuple):
    images: np.ndarray  # (n, 8, 8, 1) float32, 0 is paper and 1 is ink
    labels: np.ndarray  # (n,)


class Params(NamedTuple):
    first: ConvolutionParams  # (n, 8, 8, 1) to (n, 8, 8, 16), and pooled (n, 4, 4, 16)
    second: ConvolutionParams  # to (n, 4, 4, 32), and pooled (n, 2, 2, 32)
    hidden: DenseParams  # to (n, 64)
    last: DenseParams  # to (n, 10)


def load() -> tuple[Digits, Digits]:
    """Scans to learn from, and others to be tested on."""
    images, labels = load_digits(return_X_y=True)
    order = random.permutation(random.key(0), len(labels))
    digits = Digits((images / 16).astype(np.float32).reshape(-1, 8, 8, 1), labels)
    return Digits(*(a[order[TESTS:]] for a in digits)), Digits(*(a[order[:TESTS]] for a in digits))


def init(key: np.ndarray) -> Params:
    keys = random.split(key, 4)
    options = {"weight_init": nn.initializers.he_normal(), "dtype": np.float32}
    return Params(
        nn.layers.init_convolution(keys[0], 1, 16, (3, 3), **options),
        nn.layers.init_convolution(keys[1], 16, 32, (3, 3), **options),
        nn.layers.init_dense(keys[2], 2 * 2 * 32, 64, **options),
        nn.layers.init_dense(keys[3], 64, 10, **options),
    )


def features(params: Params, images: np.ndarray) -> np.ndarray:
    x = max_pool(nn.relu(convolution(params.first, images)), 2)
    x = max_pool(nn.relu(convolution(params.second, x)), 2)
    return nn.relu(dense(params.hidden, x.reshape(len(x), -1)))


def loss(params: Params, batch: Digits, key: np.ndarray) -> np.ndarray:
    noise_key, drop_key = random.split(key)
    noisy = batch.images + NOISE * random.normal(noise_key, batch.images.shape, np.float32)
    logits = dense(params.last, dropout(drop_key, features(params, noisy), DROPPED))
    return fnp.mean(nn.losses.softmax_cross_entropy_with_integer_labels(logits, batch.labels))


@fgrad.jit
def predict(params: Params, images: np.ndarray) -> np.ndarray:
    return fnp.argmax(dense(params.last, features(params, images)), axis=1)


def accuracy(params: Params, digits: Digits) -> float:
    return float(np.mean(predict(params, digits.images) == digits.labels))


def train(params: Params, train_set: Digits, key: np.ndarray, epochs: int) -> tuple[Params, list[float]]:
    """The trained parameters, and the mean loss of each epoch."""
    per_epoch = len(train_set.labels) // BATCH
    optimizer = optim.adam(optim.warmup_cosine_decay_schedule(1e-4, 5e-3, per_epoch, epochs * per_epoch))

    @fgrad.jit
    def step(params, state, batch, key):
        value, grads = fgrad.value_and_grad(loss)(params, batch, key)
        updates, state = optimizer.update(grads, state, params)
        return optim.apply_updates(params, updates), state, value

    state, means = optimizer.init(params), []
    with trange(epochs, unit="epoch") as progress:
        for epoch in progress:
            order_key, *keys = random.split(random.fold_in(key, epoch), per_epoch + 1)
            order, values = random.permutation(order_key, len(train_set.labels)), []
            for i, step_key in enumerate(keys):
                rows = order[i * BATCH : (i + 1) * BATCH]
                batch = Digits(train_set.images[rows], train_set.labels[rows])
                params, state, value = step(params, state, batch, step_key)
                values.append(float(value))
            means.append(float(np.mean(values)))
            progress.set_postfix(loss=f"{means[-1]:.4f}", refresh=False)
    return params, means


def draw(params: Params, test_set: Digits, path: Path) -> None:
    """The filters of the first layer, what they see in one image, and the images that were misread."""
    figure = Figure(figsize=(12, 3.6), dpi=120, layout="constrained")
    parts = figure.subfigures(1, 3, width_ratios=(1, 1.25, 1))
    image = test_set.images[:1]
    seen = nn.relu(convolution(params.first, image))[0]
    wrong = np.flatnonzero(predict(params, test_set.images) != test_set.labels)
    parts[0].suptitle("The 16 filters", fontsize=10, weight="bold")
    parts[1].suptitle(f"What they see in a {test_set.labels[0]}", fontsize=10, weight="bold")
    parts[2].suptitle(f"{len(wrong)} of {len(test_set.labels)} misread", fontsize=10, weight="bold")
    limit = np.abs(params.first.kernel).max()
    for i, axes in enumerate(parts[0].subplots(4, 4).flat):
        axes.imshow(params.first.kernel[:, :, 0, i], cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.set_axis_off()
    for i, axes in enumerate(parts[1].subplots(4, 4).flat):
        axes.imshow(seen[:, :, i], cmap="gray_r")
        axes.set_axis_off()
    for i, axes in enumerate(parts[2].subplots(3, 3).flat):
        axes.set_axis_off()
        if i < len(wrong):
            row = wrong[i]
            guess = predict(params, test_set.images[row : row + 1])[0]
            axes.imshow(test_set.images[row, :, :, 0], cmap="gray_r")
            axes.set_title(f"{test_set.labels[row]} read as {guess}", fontsize=8)
    figure.savefig(path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Teach a small convolutional network to read digits.")
    parser.add_argument("--epochs", type=int, default=40, help="passes over the images (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--out", type=Path, default="convnet_digits.png", help="the picture (%(default)s)")
    arguments = parser.parse_args(argv)

    train_set, test_set = load()
    init_key, train_key = random.split(random.key(arguments.seed))
    params, means = train(init(init_key), train_set, train_key, arguments.epochs)
    print(f"parameters      {sum(p.size for p in fgrad.tree.leaves(params)):,}")
    print(f"training loss   {means[0]:.4f} in the first epoch, {means[-1]:.4f} in the last")
    print(f"accuracy        {accuracy(params, train_set):.2%} of the {len(train_set.labels)} images learnt from")
    print(f"                {accuracy(params, test_set):.2%} of {len(test_set.labels)} others")
    draw(params, test_set, arguments.out)
    print(f"picture         {arguments.out}")


if __name__ == "__main__":
    main()
