"""All compositions of up to three transforms, on a score of programs, against the same written out without them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from tests.laws.duals import derivative, vector

Vector = Any
Program = Callable[[Vector], Vector]

X = np.array([0.45, 1.3, 0.9])
WEIGHTS = np.array([1.0, -0.5, 2.0])
DIRECTION = np.array([0.7, 1.0, -0.4])
ROWS = np.array([1.0, 0.8, 1.1])
A = np.array([[0.5, -0.3, 0.8], [0.2, 0.9, -0.6], [-0.4, 0.1, 0.7]])


def looped(x: Vector) -> Vector:
    for _ in range(3):
        x = np.cos(x) * x
    return x


PROGRAMS: dict[str, Program] = {
    "polynomial": lambda x: x * x * x - 2.0 * x,
    "chain": lambda x: np.sin(np.exp(x) * x),
    "broadcasting": lambda x: (x[:, None] * np.sin(x)[None, :]).sum(axis=1),
    "matrix": lambda x: np.tanh(A @ x + 0.1),
    "outer": lambda x: (x.reshape(3, 1) @ np.exp(x).reshape(1, 3)).T.sum(axis=0),
    "normalised": lambda x: x / (x * x).sum(),
    "chosen": lambda x: np.where(x > 0.8, x * x, np.sin(x)),
    "larger": lambda x: np.maximum(x, 0.7) * x,
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(axis=0, keepdims=True),
    "log": lambda x: x - np.log(np.exp(x).sum()),
    "indexed": lambda x: x[np.array([2, 0, 2])] * x[::-1] + x[0],
    "stacked": lambda x: np.stack([x[0] * x[1], np.arctan(x[2]), x[1] / x[2]]),
    "roots": lambda x: np.sqrt(1.0 + x * x) / x,
    "looped": looped,
    "constant": lambda x: np.array([1.0, 2.0, 3.0]) + 0.0 * x,
    "linear": lambda x: A @ x,
}


@fgrad.custom_jvp
def sine(x: Vector) -> Vector:
    return np.sin(x)


sine.defjvp(lambda xs, ts: (sine(xs[0]), np.cos(xs[0]) * ts[0]))


@fgrad.custom_vjp
def cosine(x: Vector) -> Vector:
    return np.cos(x)


cosine.defvjp(lambda x: (cosine(x), x), lambda x, ct: (-sine(x) * ct,))

# What only fgrad can run, beside what it means.
HIGHER: dict[str, tuple[Program, Program]] = {
    "jit inside": (lambda x: fgrad.jit(lambda y: np.sin(y) * x)(x * x), lambda x: np.sin(x * x) * x),
    "checkpoint": (fgrad.checkpoint(PROGRAMS["chain"]), PROGRAMS["chain"]),
    "custom jvp": (lambda x: sine(x * x) * x, lambda x: np.sin(x * x) * x),
    "custom vjp": (lambda x: cosine(x * x) * x, lambda x: np.cos(x * x) * x),
    "grad inside": (
        lambda x: x * fgrad.grad(lambda y: (np.sin(x * y) * y).sum())(x),
        lambda x: x * (np.sin(x * x) + x * x * np.cos(x * x)),
    ),
    "vmap inside": (
        lambda x: fgrad.vmap(lambda y: (np.exp(y * x)).sum())(x),
        lambda x: np.exp(x[:, None] * x[None, :]).sum(axis=1),
    ),
}
ALL: dict[str, tuple[Program, Program]] = {**{name: (f, f) for name, f in PROGRAMS.items()}, **HIGHER}

# Every transform here takes a function of a vector to a function of a vector.
TRANSFORMS: dict[str, Callable[[Program], Program]] = {
    "grad": lambda f: fgrad.grad(lambda x: (f(x) * WEIGHTS).sum()),
    "jvp": lambda f: lambda x: fgrad.jvp(f, (x,), (DIRECTION,))[1],
    "vmap": lambda f: lambda x: fgrad.vmap(f)(ROWS[:, None] * x).sum(axis=0),
    "jit": fgrad.jit,
    "linearize": lambda f: lambda x: fgrad.linearize(f, x)[1](DIRECTION),
    "vjp": lambda f: lambda x: fgrad.vjp(f, x)[1](WEIGHTS)[0],
    "checkpoint": fgrad.checkpoint,
    "jacobians": lambda f: lambda x: fgrad.jacfwd(f)(x) @ DIRECTION + WEIGHTS @ fgrad.jacrev(f)(x),
}
SHORT = ("grad", "jvp", "vmap", "jit")


def _gradient(f: Program) -> Program:
    return lambda x: vector([(derivative(f, x, unit) * WEIGHTS).sum() for unit in np.eye(3)])


MEANINGS: dict[str, Callable[[Program], Program]] = {
    "grad": _gradient,
    "jvp": lambda f: lambda x: derivative(f, x, DIRECTION),
    "vmap": lambda f: lambda x: f(ROWS[0] * x) + f(ROWS[1] * x) + f(ROWS[2] * x),
    "jit": lambda f: f,
    "linearize": lambda f: lambda x: derivative(f, x, DIRECTION),
    "vjp": _gradient,
    "checkpoint": lambda f: f,
    "jacobians": lambda f: lambda x: derivative(f, x, DIRECTION) + _gradient(f)(x),
}


def transformed(word: tuple[str, ...], f: Program, letters: dict[str, Any]) -> Program:
    """The first transform of a word is the outermost."""
    for letter in reversed(word):
        f = letters[letter](f)
    return f


def words(letters: Any, length: int) -> list[tuple[str, ...]]:
    return list(itertools.product(letters, repeat=length))


def holds(word: tuple[str, ...], program: str) -> None:
    f, meaning = ALL[program]
    got = transformed(word, f, TRANSFORMS)(X)
    expected = transformed(word, meaning, MEANINGS)(X)
    assert type(got) is np.ndarray
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("program", ALL)
@pytest.mark.parametrize("word", [(), *words(TRANSFORMS, 1)], ids=" ".join)
def test_words_of_one_letter(word: tuple[str, ...], program: str) -> None:
    holds(word, program)


@pytest.mark.parametrize("program", ALL)
@pytest.mark.parametrize("first", TRANSFORMS)
def test_words_of_two_letters(first: str, program: str) -> None:
    for (second,) in words(TRANSFORMS, 1):
        holds((first, second), program)


@pytest.mark.parametrize("program", ALL)
@pytest.mark.parametrize("start", words(SHORT, 2), ids=" ".join)
def test_words_of_three_letters(start: tuple[str, ...], program: str) -> None:
    for last in SHORT:
        holds((*start, last), program)


def test_the_reference_against_known_derivatives() -> None:
    x = np.array([0.3, 0.5])
    third = derivative(lambda x: derivative(lambda x: derivative(np.sin, x, 1.0), x, 1.0), x, 1.0)
    np.testing.assert_allclose(third, -np.cos(x), rtol=1e-14)
    mixed = derivative(lambda x: x * derivative(lambda y: x + y, x, 1.0), 3.0, 1.0)
    assert mixed == 1.0
