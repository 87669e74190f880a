"""Random numbers as pure functions of a key, on NumPy's Philox bit generator.

Philox is a keyed bijection of 256-bit counters: block `c` of a stream is Philox_key(c), so the numbers are a
function of the key alone (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
The highest word of the counter says what a block is for; children of a key and numbers drawn with it never
share a block.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray, dtype_name
from fgrad.core.primitive import Sample
from fgrad.errors import ArgumentError, message
from fgrad.primitives.families import NonDifferentiable, shape_of
from fgrad.primitives.shape import broadcast_to, move_axis

__all__ = [
    "DISTRIBUTIONS",
    "random_bits",
    "random_categorical",
    "random_fold_in",
    "random_integers",
    "random_permutation",
    "random_real",
    "random_seed",
    "random_split",
]

_NUMBERS, _SPLIT, _FOLD, _SEED = range(4)
_WORD = 2**64 - 1
_KEY = np.dtype(np.uint64)
_NO_KEY = np.zeros(2, np.uint64)

RowType = tuple[tuple[int, ...], np.dtype[Any]]


class _Streams(threading.local):
    """One generator per thread. To set it to the start of a stream is ten times quicker than to make another."""

    def __init__(self) -> None:
        self.bits = np.random.Philox(0)
        self.generator = np.random.Generator(self.bits)

    def start(self, key: Array, purpose: int, counter: int = 0) -> np.random.Generator:
        """The generator, at the block `counter` of a key's stream for a purpose."""
        self.bits.state = {
            "bit_generator": "Philox",
            "state": {"counter": np.array([counter, 0, 0, purpose], np.uint64), "key": key},
            "buffer": np.zeros(4, np.uint64),
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }
        return self.generator


@cache
def _streams() -> _Streams:
    """Made at the first draw: NumPy loads its random numbers when they are first asked for, and so does fgrad."""
    return _Streams()


def _word(x: Array) -> int:
    """An integer as 64 bits, negative ones in two's complement."""
    return int(x) & _WORD


class Draw(NonDifferentiable):
    """What is computed row by row: every operand has the same leading axes, each of whose rows is a call of its own.

    A subclass gives `row(*operands, **params)`, for one key, and `row_type`, the shape and dtype of its result.

    Attributes:
        rank: the number of axes that the first operand has within a row.
    """

    rank = 1

    def row(self, *args: Any, **params: Any) -> Array:
        """`row(*operands, **params)`: the result for one key."""
        self._missing("row")

    def row_type(self, *args: Any, **params: Any) -> RowType:
        """`row_type(*avals, **params)`: the shape and dtype of that."""
        self._missing("row_type")

    def impl(self, *operands: Array, **params: Any) -> Array:
        shape = np.shape(operands[0])
        rows = shape[: len(shape) - self.rank]
        if not rows:
            out = self.row(*operands, **params)
            return out if np.ndim(out) else out[()]
        aval = self.shape(*[ShapedArray(np.shape(x), np.asarray(x).dtype) for x in operands], **params)
        out = np.empty(aval.shape, aval.dtype)
        for i in np.ndindex(rows):
            out[i] = self.row(*[x[i] for x in operands], **params)
        return out

    def shape(self, *avals: ShapedArray, **params: Any) -> ShapedArray:
        count = avals[0].ndim - self.rank
        shape, dtype = self.row_type(*[ShapedArray(a.shape[count:], a.dtype) for a in avals], **params)
        return ShapedArray((*avals[0].shape[:count], *shape), dtype)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[int | None], **params: Any) -> tuple[Array, int]:
        rows = [
            broadcast_to(x, shape=(size, *shape_of(x))) if dim is None else move_axis(x, dim, 0)
            for x, dim in zip(xs, dims, strict=True)
        ]
        return self.bind(*rows, **params), 0


def _some_key(rng: np.random.Generator) -> Array:
    return rng.integers(0, _WORD, 2, np.uint64, endpoint=True)


def _some_keys(rng: np.random.Generator) -> Array:
    return rng.integers(0, _WORD, (3, 2), np.uint64, endpoint=True)


_F32, _F64, _I64 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)


class RandomSeed(Draw):
    """`random_seed(seed)`: the key of an integer."""

    rank = 0
    samples = (
        Sample(np.int64(0)),
        Sample(np.int64(-1)),
        Sample(lambda rng: rng.integers(0, 99, (2,))),
        Sample(np.arange(4, dtype=np.uint8)),
        Sample(np.zeros((0,), np.int64)),
    )

    def row(self, seed: Array) -> Array:
        return _streams().start(_NO_KEY, _SEED, _word(seed)).bit_generator.random_raw(2)

    def row_type(self, seed: ShapedArray) -> RowType:
        return (2,), _KEY


class RandomSplit(Draw):
    """`random_split(key, num=)`: `num` keys, of which the first ones do not depend on `num`."""

    samples = (Sample(_some_key, num=2), Sample(_some_keys, num=3), Sample(_some_key, num=0))

    def row(self, key: Array, *, num: int) -> Array:
        words = _streams().start(key, _SPLIT).bit_generator.random_raw(2 * num)
        return np.reshape(words, (num, 2))

    def row_type(self, key: ShapedArray, *, num: int) -> RowType:
        return (num, 2), _KEY


class RandomFoldIn(Draw):
    """`random_fold_in(key, data)`: the key that belongs to a key and an integer."""

    samples = (Sample(_some_key, np.int64(7)), Sample(_some_keys, np.arange(3)), Sample(_some_key, np.uint64(_WORD)))

    def row(self, key: Array, data: Array) -> Array:
        return _streams().start(key, _FOLD, _word(data)).bit_generator.random_raw(2)

    def row_type(self, key: ShapedArray, data: ShapedArray) -> RowType:
        return (2,), _KEY


class RandomBits(Draw):
    """`random_bits(key, shape=, dtype=)`: unsigned integers, every bit of which is fair."""

    samples = (
        Sample(_some_key, shape=(2, 3), dtype=np.dtype(np.uint8)),
        Sample(_some_keys, shape=(), dtype=_KEY),
        Sample(_some_key, shape=(0, 2), dtype=np.dtype(np.uint32)),
    )

    def row(self, key: Array, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        generator = _streams().start(key, _NUMBERS)
        return generator.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)

    def row_type(self, key: ShapedArray, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> RowType:
        return shape, dtype


def _uniform(generator: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    if dtype.itemsize == 2:  # a float32 just below 1 would become 1
        return generator.integers(0, 2**11, shape, np.uint16) * dtype.type(2.0**-11)
    return generator.random(shape, dtype)


def _normal(generator: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    return generator.standard_normal(shape, dtype if dtype.itemsize > 2 else np.float32)


def _exponential(generator: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    return generator.standard_exponential(shape, dtype if dtype.itemsize > 2 else np.float32)


DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, tuple[int, ...], np.dtype[Any]], Array]] = {
    "uniform": _uniform,
    "normal": _normal,
    "exponential": _exponential,
    "gumbel": lambda generator, shape, dtype: generator.gumbel(size=shape),
    "laplace": lambda generator, shape, dtype: generator.laplace(size=shape),
    "logistic": lambda generator, shape, dtype: generator.logistic(size=shape),
    "cauchy": lambda generator, shape, dtype: generator.standard_cauchy(shape),
}
"""How real numbers of each standard distribution are drawn; the results may be of a wider dtype than was asked for."""


class RandomReal(Draw):
    """`random_real(key, distribution=, shape=, dtype=)`: real numbers of a standard distribution."""

    samples = (
        *(Sample(_some_key, distribution=name, shape=(2, 3), dtype=_F64) for name in DISTRIBUTIONS),
        Sample(_some_keys, distribution="normal", shape=(), dtype=_F32),
        Sample(_some_keys, distribution="uniform", shape=(0,), dtype=np.dtype(np.float16)),
    )

    def row(self, key: Array, *, distribution: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        out = DISTRIBUTIONS[distribution](_streams().start(key, _NUMBERS), shape, dtype)
        return np.asarray(out).astype(dtype, copy=False)

    def row_type(self, key: ShapedArray, *, distribution: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> RowType:
        return shape, dtype


class RandomIntegers(Draw):
    """`random_integers(key, low, high, shape=, dtype=)`: integers from low to high − 1, all equally likely."""

    samples = (
        Sample(_some_key, np.int64(-3), np.int64(4), shape=(2, 3), dtype=_I64),
        Sample(_some_key, np.zeros(3, np.int64), np.array([1, 2, 200]), shape=(2, 3), dtype=np.dtype(np.uint8)),
        Sample(_some_keys, np.zeros(3, np.int64), np.array([1, 2, 9]), shape=(), dtype=_I64),
        Sample(_some_key, np.int64(0), np.int64(1), shape=(0,), dtype=_I64),
    )

    def row(self, key: Array, low: Array, high: Array, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        bounds = [int(x) if np.ndim(x) == 0 else x for x in (low, high)]
        try:
            return _streams().start(key, _NUMBERS).integers(*bounds, shape, dtype)  # type: ignore[call-overload]
        except ValueError:
            what = f"randint cannot draw {dtype_name(dtype)} from minval = {low} up to, not including, maxval = {high}."
            cure = "minval must be below maxval, and every number between them must fit into the dtype."
            raise ArgumentError(message(what, cure=cure)) from None

    def row_type(
        self, key: ShapedArray, low: ShapedArray, high: ShapedArray, *, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> RowType:
        return shape, dtype


class RandomPermutation(Draw):
    """`random_permutation(key, shape=)`: the numbers 0, …, shape[-1] − 1 in random order, in every last axis anew."""

    samples = (Sample(_some_key, shape=(5,)), Sample(_some_keys, shape=(2, 4)), Sample(_some_key, shape=(0,)))

    def row(self, key: Array, *, shape: tuple[int, ...]) -> Array:
        order = np.empty(shape, np.int64)
        order[...] = np.arange(shape[-1])
        generator = _streams().start(key, _NUMBERS)
        if len(shape) == 1:
            generator.shuffle(order)
            return order
        return generator.permuted(order, axis=-1, out=order)

    def row_type(self, key: ShapedArray, *, shape: tuple[int, ...]) -> RowType:
        return shape, _I64


class RandomCategorical(Draw):
    """`random_categorical(key, weights, shape=)`: positions in the last axis of `weights`, as likely as their weights.

    By inversion of the distribution function: one uniform number per draw, and the first position whose
    cumulative weight exceeds that share of the total.
    """

    samples = (
        Sample(_some_key, np.array([0.2, 0.0, 0.5]), shape=(4,)),
        Sample(_some_key, np.array([[0.2, 0.0, 0.5], [1.0, 1.0, 2.0]]), shape=(3, 2)),
        Sample(_some_keys, np.ones((3, 4)), shape=()),
    )

    def row(self, key: Array, weights: Array, *, shape: tuple[int, ...]) -> Array:
        cumulative = np.cumsum(weights, axis=-1, dtype=np.float64)
        _check_weights(weights, cumulative[..., -1])
        share = _streams().start(key, _NUMBERS).random(shape) * cumulative[..., -1]
        if cumulative.ndim == 1:
            return np.searchsorted(cumulative, share, side="right")
        return np.add.reduce(cumulative <= np.asarray(share)[..., None], axis=-1, dtype=np.int64)

    def row_type(self, key: ShapedArray, weights: ShapedArray, *, shape: tuple[int, ...]) -> RowType:
        return shape, _I64


def _check_weights(weights: Array, totals: Array) -> None:
    if not (np.all(weights >= 0) and np.all(totals > 0) and np.all(np.isfinite(totals))):
        what = f"categorical and choice cannot draw by the weights {np.array2string(weights, threshold=8)}."
        cure = "Weights must be finite, not negative, and not all 0; logits must not be NaN, +inf, or all -inf."
        raise ArgumentError(message(what, cure=cure))


random_seed = RandomSeed()
random_split = RandomSplit()
random_fold_in = RandomFoldIn()
random_bits = RandomBits()
random_real = RandomReal()
random_integers = RandomIntegers()
random_permutation = RandomPermutation()
random_categorical = RandomCategorical()
