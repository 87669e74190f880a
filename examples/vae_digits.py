"""A variational auto-encoder: handwritten digits as points of a plane, and new ones drawn from it.

A digit x is thought to come from a code z ~ N(0, 1) of few numbers by p(x | z), independent pixels with probabilities
that a network, the decoder, computes. Another network, the encoder, guesses the code: q(z | x) = N(μ(x), σ(x)²).
What is maximised is a lower bound of log p(x) (Kingma & Welling, 2014):

    log p(x) ≥ E_{z ~ q} log p(x | z) - KL(q ‖ p),    KL = ½ Σ (μ² + σ² - 1 - log σ²),

and the gradient passes through the sample as z = μ + σ ε with ε ~ N(0, 1). The data are the 1,797 scans of 8 by 8
pixels that come with scikit-learn.

    python examples/vae_digits.py
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import nn, optim, random

try:
    from matplotlib.figure import Figure
    from sklearn.datasets import load_digits
    from tqdm import trange
except ModuleNotFoundError as missing:
    raise SystemExit(f'This example needs {missing.name}: pip install "fgrad[examples]"') from None

BATCH, TESTS = 100, 297

Network = list[nn.layers.DenseParams]


class Params(NamedTuple):
    encoder: Network  # pixels to (μ, log σ²)
    decoder: Network  # a code to the log-odds of the pixels


def load() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images to learn from, (n, 64) with ink from 0 to 1, and others with their labels."""
    images, labels = load_digits(return_X_y=True)
    order = random.permutation(random.key(0), len(labels))
    images = (images / 16).astype(np.float32)
    return images[order[TESTS:]], images[order[:TESTS]], labels[order[:TESTS]]


def init(key: np.ndarray, codes: int) -> Params:
    def network(key: np.ndarray, *sizes: int) -> Network:
        keys = random.split(key, len(sizes) - 1)
        return [nn.layers.init_dense(k, *s, dtype=np.float32) for k, s in zip(keys, pairwise(sizes), strict=True)]

    encoder_key, decoder_key = random.split(key)
    return Params(network(encoder_key, 64, 256, 2 * codes), network(decoder_key, codes, 256, 64))


def apply(network: Network, x: np.ndarray) -> np.ndarray:
    *hidden, last = network
    for layer in hidden:
        x = nn.silu(nn.layers.dense(layer, x))
    return nn.layers.dense(last, x)


def encode(params: Params, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """μ and log σ²."""
    mean, log_variance = fnp.split(apply(params.encoder, x), 2, axis=-1)
    return mean, log_variance


def decode(params: Params, z: np.ndarray) -> np.ndarray:
    return nn.sigmoid(apply(params.decoder, z))


def terms(params: Params, x: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """-log p(x | z) and KL(q ‖ p), means over the images."""
    mean, log_variance = encode(params, x)
    z = mean + fnp.exp(log_variance / 2) * random.normal(key, mean.shape, np.float32)
    pixels = nn.losses.sigmoid_binary_cross_entropy(apply(params.decoder, z), x)
    divergence = (mean**2 + fnp.exp(log_variance) - 1 - log_variance) / 2
    return fnp.mean(fnp.sum(pixels, axis=1)), fnp.mean(fnp.sum(divergence, axis=1))


def loss(params: Params, x: np.ndarray, key: np.ndarray) -> np.ndarray:
    """The negative of the bound."""
    return sum(terms(params, x, key))


def train(params: Params, images: np.ndarray, key: np.ndarray, epochs: int) -> tuple[Params, list[float]]:
    per_epoch = len(images) // BATCH
    optimizer = optim.adam(optim.cosine_decay_schedule(3e-3, epochs * per_epoch))

    @fgrad.jit
    def step(params, state, x, key):
        value, grads = fgrad.value_and_grad(loss)(params, x, key)
        updates, state = optimizer.update(grads, state, params)
        return optim.apply_updates(params, updates), state, value

    state, means = optimizer.init(params), []
    with trange(epochs, unit="epoch") as progress:
        for epoch in progress:
            order_key, *keys = random.split(random.fold_in(key, epoch), per_epoch + 1)
            batches = images[random.permutation(order_key, len(images))].reshape(per_epoch, BATCH, 64)
            values = []
            for x, step_key in zip(batches, keys, strict=True):
                params, state, value = step(params, state, x, step_key)
                values.append(float(value))
            means.append(float(np.mean(values)))
            progress.set_postfix(loss=f"{means[-1]:.2f}", refresh=False)
    return params, means


def divergence_error(key: np.ndarray, samples: int = 200_000) -> float:
    """How far the formula of KL is from the mean of log q(z) - log p(z) over samples of q."""
    mean, log_variance = np.array([0.5, -1.0]), np.array([-1.0, 0.3])
    noise = random.normal(key, (samples, 2))
    z = mean + np.exp(log_variance / 2) * noise
    sampled = np.mean(np.sum((z**2 - noise**2 - log_variance) / 2, axis=1))
    return float(abs(sampled - np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance) / 2))


# The picture


def mosaic(images: np.ndarray, rows: int) -> np.ndarray:
    """Images, (n, 64), side by side in so many rows."""
    columns = len(images) // rows
    tiles = np.pad(images.reshape(rows, columns, 8, 8), ((0, 0), (0, 0), (0, 1), (0, 1)))
    return tiles.transpose(0, 2, 1, 3).reshape(9 * rows, 9 * columns)


def draw(params: Params, images: np.ndarray, labels: np.ndarray, path: Path) -> None:
    figure = Figure(figsize=(13, 4.6), dpi=110, layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(0.8, 1.2, 1))
    shown = np.concatenate([images[labels == digit][:3] for digit in range(10)])
    copies = decode(params, encode(params, shown)[0])
    pairs = np.concatenate([np.stack([a, b]) for a, b in zip(shown, copies, strict=True)])
    left.imshow(mosaic(pairs, 10), cmap="gray_r", vmin=0, vmax=1)
    left.set_title("Images and their reconstructions", loc="left", fontsize=10, weight="bold")
    codes, _ = encode(params, images)
    dots = middle.scatter(codes[:, 0], codes[:, 1], c=labels, cmap="tab10", s=22, vmin=-0.5, vmax=9.5)
    figure.colorbar(dots, ax=middle, ticks=range(10))
    middle.set_title("Codes of images not learnt from", loc="left", fontsize=10, weight="bold")
    middle.spines[["top", "right"]].set_visible(False)
    line = np.linspace(-2.2, 2.2, 14, dtype=np.float32)
    grid = np.stack(np.meshgrid(line, line[::-1]), axis=-1).reshape(-1, 2)
    right.imshow(mosaic(decode(params, grid), 14), cmap="gray_r", vmin=0, vmax=1)
    right.set_title("Drawn from the plane of codes", loc="left", fontsize=10, weight="bold")
    left.set_axis_off()
    right.set_axis_off()
    figure.savefig(path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train a variational auto-encoder on digits.")
    parser.add_argument("--epochs", type=int, default=500, help="passes over the images (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--out", type=Path, default="vae_digits.png", help="the picture (%(default)s)")
    arguments = parser.parse_args(argv)

    train_images, test_images, test_labels = load()
    init_key, train_key, test_key = random.split(random.key(arguments.seed), 3)
    start = init(init_key, codes=2)
    params, _ = train(start, train_images, train_key, arguments.epochs)

    print(f"KL against sampling   {divergence_error(test_key):.4f}")
    print(f"{len(test_images)} other images      -log p(x|z)     KL   bound of -log p(x)")
    for name, p in (("at first", start), ("learnt", params)):
        pixels, divergence = (float(v) for v in terms(p, test_images, test_key))
        print(f"{name:20s}  {pixels:11.2f}  {divergence:5.2f}   {pixels + divergence:6.2f} nats")
    error = np.sqrt(np.mean((decode(params, encode(params, test_images)[0]) - test_images) ** 2))
    print(f"pixels are off by     {error:.3f} (the mean image: {np.sqrt(np.mean(np.var(test_images, axis=0))):.3f})")
    draw(params, test_images, test_labels, arguments.out)
    print(f"picture               {arguments.out}")


if __name__ == "__main__":
    main()
