"""Random numbers: pure functions of a key, with the distributions they are named after."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import random
from fgrad.errors import ArgumentError, NonDifferentiableError, TracerIntegerConversionError
from tests.numpy.against_numpy import gradients

KEY = random.key(42)
F32 = np.float32
REAL = [
    random.uniform,
    random.normal,
    random.exponential,
    random.gumbel,
    random.laplace,
    random.logistic,
    random.cauchy,
]

DRAWS: dict[str, Callable[[Any], Any]] = {
    "split": random.split,
    "split into (2, 3)": lambda key: random.split(key, (2, 3)),
    "fold_in": lambda key: random.fold_in(key, 7),
    "bits": lambda key: random.bits(key, (3,), np.uint8),
    "uniform": lambda key: random.uniform(key, (2, 3), minval=-1.0, maxval=np.arange(3.0)),
    "float16 uniform": lambda key: random.uniform(key, (5,), np.float16),
    "normal": lambda key: random.normal(key, (2, 3)),
    "float32 normal": lambda key: random.normal(key, (5,), F32),
    "complex normal": lambda key: random.normal(key, (5,), np.complex64),
    "scalar normal": random.normal,
    "no normals": lambda key: random.normal(key, (0, 2)),
    "exponential": lambda key: random.exponential(key, (3,)),
    "gumbel": lambda key: random.gumbel(key, (3,), F32),
    "laplace": lambda key: random.laplace(key, (3,)),
    "logistic": lambda key: random.logistic(key, (3,)),
    "cauchy": lambda key: random.cauchy(key, (3,)),
    "randint": lambda key: random.randint(key, (4,), -5, 100),
    "uint8 randint": lambda key: random.randint(key, (2, 2), np.array([0, 5]), 256, np.uint8),
    "bernoulli": lambda key: random.bernoulli(key, np.array([0.2, 0.8])),
    "rademacher": lambda key: random.rademacher(key, (5,), F32),
    "permutation": lambda key: random.permutation(key, 6),
    "permutation of rows": lambda key: random.permutation(key, np.arange(6.0).reshape(3, 2)),
    "permutations": lambda key: random.permutation(key, np.arange(6).reshape(2, 3), 1, independent=True),
    "categorical": lambda key: random.categorical(key, np.array([0.1, 2.0, -np.inf]), shape=(6,)),
    "categorical by column": lambda key: random.categorical(key, np.arange(6.0).reshape(3, 2), axis=0),
    "choice": lambda key: random.choice(key, np.array([1.5, 2.5]), (3,)),
    "weighted choice": lambda key: random.choice(key, 4, (3,), p=np.array([0.1, 0.2, 0.3, 0.4])),
    "choice of different": lambda key: random.choice(key, 4, (3,), replace=False),
    "weighted choice of different": lambda key: random.choice(key, 4, (2,), replace=False, p=np.arange(4)),
}
every = pytest.mark.parametrize("name", DRAWS)


# The same key, the same numbers


def same(x: Any, y: Any) -> None:
    assert type(x) is type(y)
    assert x.dtype == y.dtype
    np.testing.assert_array_equal(x, y)


@every
def test_eager_again_and_compiled(name: str) -> None:
    draw = DRAWS[name]
    out = draw(KEY)
    same(draw(KEY.copy()), out)
    same(fgrad.jit(draw)(KEY), out)
    same(fgrad.jit(lambda: draw(KEY))(), out)


@every
def test_row_by_row_under_vmap(name: str) -> None:
    draw, keys = DRAWS[name], random.split(KEY, 4)
    expected = np.stack([draw(key) for key in keys])
    for mapped in (fgrad.vmap(draw), fgrad.jit(fgrad.vmap(draw)), fgrad.vmap(fgrad.jit(draw))):
        same(mapped(keys), expected)
    same(fgrad.vmap(draw, in_axes=1)(keys.T), expected)
    nested = fgrad.vmap(fgrad.vmap(draw))(keys.reshape(2, 2, 2))
    same(nested, expected.reshape(2, 2, *expected.shape[1:]))


FEW_OUTCOMES = {"no normals", "bernoulli", "choice", "weighted choice of different"}


@pytest.mark.parametrize("name", sorted(DRAWS.keys() - FEW_OUTCOMES))
def test_another_key_gives_other_numbers(name: str) -> None:
    assert not np.array_equal(DRAWS[name](KEY), DRAWS[name](random.key(43)))


@every
def test_results_are_fresh_and_the_key_is_kept(name: str) -> None:
    key = KEY.copy()
    out = DRAWS[name](key)
    assert np.array_equal(key, KEY)
    if np.ndim(out):
        assert out.flags.writeable
        out[...] = 0
        assert np.array_equal(DRAWS[name](key), DRAWS[name](KEY))


def test_keys_of_any_layout() -> None:
    wide = np.zeros((4,), np.uint64)
    wide[::2] = KEY
    expected = random.normal(KEY, (3,))
    same(random.normal(wide[::2], (3,)), expected)
    read_only = KEY.copy()
    read_only.flags.writeable = False
    same(random.normal(read_only, (3,)), expected)


def test_threads_do_not_disturb_each_other() -> None:
    keys = random.split(KEY, 64)
    expected = [random.normal(key, (501,), F32) for key in keys]
    with ThreadPoolExecutor(8) as pool:
        for got, e in zip(pool.map(lambda key: random.normal(key, (501,), F32), keys), expected, strict=True):
            same(got, e)


def test_the_numbers_are_those_of_numpys_philox() -> None:
    def philox(purpose: int, block: int = 0, key: Any = KEY) -> Any:
        return np.random.Philox(key=key, counter=np.array([block, 0, 0, purpose], np.uint64))

    same(random.normal(KEY, (5,)), np.random.Generator(philox(0)).standard_normal(5))
    same(random.normal(KEY, (5,), F32), np.random.Generator(philox(0)).standard_normal(5, F32))
    same(random.uniform(KEY, (5,), F32), np.random.Generator(philox(0)).random(5, F32))
    same(random.split(KEY, 3), philox(1).random_raw(6).reshape(3, 2))
    same(random.fold_in(KEY, 9), philox(2, 9).random_raw(2))
    same(random.key(5), philox(3, 5, np.zeros(2, np.uint64)).random_raw(2))


# fmt: off
GOLDEN: list[tuple[Callable[[], Any], list[Any]]] = [
    (lambda: random.key(42), [16487571631801456447, 18333366831408623609]),
    (lambda: random.key(-1), [15950577648381876124, 10947552453723706444]),
    (lambda: random.split(KEY)[0], [13749470644728783767, 1465689307165060556]),
    (lambda: random.split(KEY)[1], [11638510627661666715, 1970166504235878978]),
    (lambda: random.fold_in(KEY, 7), [7708155002571604074, 5680095591336060274]),
    (lambda: random.bits(KEY, (2,)), [7996492070576860806, 2034666172802904058]),
    (lambda: random.bits(KEY, (3,), np.uint8), [134, 46, 246]),
    (lambda: random.uniform(KEY, (2,)), [0.433490703759127, 0.11029947424178366]),
    (lambda: random.uniform(KEY, (2,), F32), [0.76547515, 0.4334907]),
    (lambda: random.uniform(KEY, (2,), np.float16), [0.1816, 0.765]),
    (lambda: random.normal(KEY, (2,)), [0.7375624881231734, -2.7208904893651]),
    (lambda: random.normal(KEY, (2,), F32), [1.2065716, -0.40215382]),
    (lambda: random.normal(KEY, (1,), complex), [0.5215354369007184 - 1.923960115896046j]),
    (lambda: random.exponential(KEY, (2,)), [1.3344492059486688, 0.8489880101327028]),
    (lambda: random.gumbel(KEY, (2,)), [0.5651730708574433, 2.1466899859123063]),
    (lambda: random.laplace(KEY, (2,)), [-0.14273774704715822, -1.5114089387943703]),
    (lambda: random.logistic(KEY, (2,)), [-0.2676231389157959, -2.0876857585614874]),
    (lambda: random.cauchy(KEY, (2,)), [-0.27107393370149135, 0.02268208936335497]),
    (lambda: random.randint(KEY, (6,), 0, 100), [76, 43, 63, 11, 72, 14]),
    (lambda: random.randint(KEY, (3,), [0, 10, 20], [5, 11, 200]), [3, 10, 98]),
    (lambda: random.bernoulli(KEY, 0.3, (6,)), [False, True, True, False, False, False]),
    (lambda: random.rademacher(KEY, (8,)), [1, -1, 1, 1, -1, -1, 1, -1]),
    (lambda: random.permutation(KEY, 8), [1, 0, 7, 4, 5, 2, 3, 6]),
    (lambda: random.permutation(KEY, np.eye(3)[:2], 1, True)[1], [1, 0, 0]),
    (lambda: random.categorical(KEY, np.log([0.2, 0.3, 0.5]), shape=(8,)), [1, 0, 0, 1, 1, 2, 2, 2]),
    (lambda: random.categorical(KEY, np.zeros((5, 3))), [1, 0, 0, 1, 1]),
    (lambda: random.choice(KEY, 9, (4,)), [6, 3, 5, 0]),
    (lambda: random.choice(KEY, 9, (4,), replace=False), [7, 0, 1, 4]),
    (lambda: random.choice(KEY, 4, (4,), p=[0.1, 0.2, 0.3, 0.4]), [2, 1, 1, 2]),
    (lambda: random.choice(KEY, 4, (3,), replace=False, p=[0.1, 0.2, 0.3, 0.4]), [2, 3, 1]),
]
# fmt: on


@pytest.mark.parametrize(("draw", "expected"), GOLDEN)
def test_streams_never_change(draw: Callable[[], Any], expected: list[Any]) -> None:
    out = draw()
    # The last digit of a logarithm may depend on the machine's mathematical library.
    np.testing.assert_allclose(out, np.array(expected, out.dtype), rtol=1e-13 if out.dtype.kind in "fc" else 0)


# Distributions: with a fixed key the outcome is certain; bounds are what one key in 10⁵ or so would exceed

COUNT = 100_000


def normal_cdf(x: Any) -> Any:
    return np.array([0.5 * math.erfc(-t / math.sqrt(2)) for t in x])


CDFS: dict[Any, Callable[[Any], Any]] = {
    random.uniform: lambda x: x,
    random.normal: normal_cdf,
    random.exponential: lambda x: -np.expm1(-x),
    random.gumbel: lambda x: np.exp(-np.exp(-x)),
    random.laplace: lambda x: np.where(x < 0, np.exp(-abs(x)) / 2, 1 - np.exp(-abs(x)) / 2),
    random.logistic: lambda x: 1 / (1 + np.exp(-x)),
    random.cauchy: lambda x: 0.5 + np.arctan(x) / np.pi,
}


def kolmogorov(x: Any, cdf: Callable[[Any], Any]) -> float:
    """√n times the largest distance between the empirical and the true distribution function."""
    n = len(x)
    p = cdf(np.sort(x.astype(float)))
    return math.sqrt(n) * max(np.max(np.arange(1, n + 1) / n - p), np.max(p - np.arange(n) / n))


@pytest.mark.parametrize("draw", REAL)
@pytest.mark.parametrize("dtype", [np.float64, F32])
def test_real_distributions(draw: Any, dtype: Any) -> None:
    x = draw(random.key(1), (COUNT,), dtype)
    assert (x.dtype, x.shape) == (dtype, (COUNT,))
    assert np.all(np.isfinite(x))
    assert kolmogorov(x, CDFS[draw]) < 2.5  # 2·exp(−2·2.5²) = 7e-6
    first, second = x[:-1], x[1:]
    ranks = [np.argsort(np.argsort(y)) for y in (first, second)]
    assert abs(np.corrcoef(*ranks)[0, 1]) < 4.5 / math.sqrt(COUNT)


def test_moments_of_normals() -> None:
    x = random.normal(random.key(2), (COUNT,))
    for power, (mean, variance) in enumerate([(0, 1), (1, 2), (0, 15), (3, 96)], 1):
        assert abs(np.mean(x**power) - mean) < 4.5 * math.sqrt(variance / COUNT)
    z = random.normal(random.key(2), (COUNT,), np.complex64)
    assert z.dtype == np.complex64
    assert abs(np.mean(np.abs(z) ** 2) - 1) < 4.5 / math.sqrt(COUNT)
    assert abs(np.mean(z**2)) < 4.5 / math.sqrt(COUNT)


@pytest.mark.parametrize("dtype", [np.float16, F32, np.float64])
def test_uniform_numbers_lie_in_the_half_open_interval(dtype: Any) -> None:
    x = random.uniform(random.key(3), (COUNT,), dtype)
    assert x.min() >= 0
    assert x.max() < 1
    assert len(np.unique(x)) > (2000 if dtype is np.float16 else 0.99 * COUNT)
    y = random.uniform(random.key(3), (COUNT,), dtype, -2, 6)
    assert y.dtype == dtype
    assert -2 <= y.min() < -1.9
    assert 5.9 < y.max() <= 6


def chi_square(counts: Any, probabilities: Any) -> float:
    """How many standard deviations Pearson's statistic lies above its mean."""
    expected = np.sum(counts) * np.asarray(probabilities)
    freedom = np.count_nonzero(expected) - 1
    statistic = np.sum((counts - expected)[expected > 0] ** 2 / expected[expected > 0])
    return float((statistic - freedom) / math.sqrt(2 * freedom))


def test_randint_is_fair() -> None:
    x = random.randint(random.key(4), (COUNT,), -3, 4)
    assert chi_square(np.bincount(x + 3, minlength=7), np.full(7, 1 / 7)) < 5
    wide = random.randint(random.key(4), (COUNT,), 0, 3 * 2**61)  # a remainder of 64 bits would favour the lower half
    assert abs(np.mean(wide < 3 * 2**60) - 0.5) < 4.5 * 0.5 / math.sqrt(COUNT)
    assert {int(x) for x in random.randint(random.key(4), (999,), 0, 256, np.uint8)} <= set(range(256))
    extremes = random.randint(random.key(4), (COUNT,), -(2**63), 2**63)
    assert abs(np.mean(extremes < 0) - 0.5) < 4.5 * 0.5 / math.sqrt(COUNT)
    assert random.randint(KEY, (2,), 2**64 - 1, 2**64, np.uint64).tolist() == [2**64 - 1] * 2


def test_bits_are_fair() -> None:
    for dtype in (np.uint8, np.uint16, np.uint32, np.uint64):
        x = random.bits(random.key(5), (COUNT // 10,), dtype)
        width = 8 * x.itemsize
        ones = [np.mean((x >> dtype(i)) & dtype(1)) for i in range(width)]
        assert np.max(np.abs(np.array(ones) - 0.5)) < 5 * 0.5 / math.sqrt(COUNT // 10)


def test_bernoulli_and_rademacher_are_fair() -> None:
    p = np.array([0.0, 0.1, 0.5, 1.0])
    share = np.mean(random.bernoulli(random.key(6), p, (COUNT, 4)), axis=0)
    assert np.all(np.abs(share - p) <= 4.5 * np.sqrt(p * (1 - p) / COUNT))
    assert random.bernoulli(KEY).dtype == bool
    assert random.bernoulli(KEY, p).shape == (4,)
    signs = random.rademacher(random.key(6), (COUNT,), F32)
    assert signs.dtype == F32
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert abs(np.mean(signs)) < 4.5 / math.sqrt(COUNT)


def test_permutations_are_fair() -> None:
    orders = fgrad.vmap(lambda key: random.permutation(key, 4))(random.split(random.key(7), 12_000))
    numbers = orders @ np.array([64, 16, 4, 1])
    possible = [np.array(p) @ np.array([64, 16, 4, 1]) for p in itertools.permutations(range(4))]
    counts = np.array([np.sum(numbers == p) for p in possible])
    assert counts.sum() == len(orders)
    assert chi_square(counts, np.full(24, 1 / 24)) < 5
    rows = random.permutation(random.key(8), np.tile(np.arange(4), (12_000, 1)), 1, independent=True)
    counts = np.array([np.sum(rows @ np.array([64, 16, 4, 1]) == p) for p in possible])
    assert chi_square(counts, np.full(24, 1 / 24)) < 5


def test_categorical_has_the_right_frequencies() -> None:
    p = np.array([0.5, 0.0, 0.1, 0.3, 0.1, 0.0])
    with np.errstate(divide="ignore"):
        logits = np.log(p) + 7.0
    for given, keys in ((logits, 9), (logits.astype(F32), 10)):
        x = random.categorical(random.key(keys), given, shape=(COUNT,))
        assert (x.dtype, x.shape) == (np.int64, (COUNT,))
        counts = np.bincount(x, minlength=6)
        assert counts[1] == counts[5] == 0
        assert chi_square(counts, p) < 5
    rows = random.categorical(random.key(11), np.broadcast_to(logits, (COUNT, 6)))
    assert chi_square(np.bincount(rows, minlength=6), p) < 5
    assert np.all(random.categorical(KEY, np.array([1000.0, -1000.0]), shape=(100,)) == 0)


def test_choice_has_the_right_frequencies() -> None:
    p = np.array([1.0, 0.0, 3.0, 4.0])
    keys = random.split(random.key(12), 20_000)
    first = fgrad.vmap(lambda key: random.choice(key, 4, (2,), replace=False, p=p))(keys)
    assert np.all(first[:, 0] != first[:, 1])
    assert chi_square(np.bincount(first[:, 0], minlength=4), p / 8) < 5
    both = [(p[i] / 8) * p[j] / (8 - p[i]) for i, j in itertools.permutations((0, 2, 3), 2)]
    counts = [np.sum(np.all(first == pair, axis=1)) for pair in itertools.permutations((0, 2, 3), 2)]
    assert chi_square(np.array(counts), both) < 5
    x = random.choice(random.key(13), np.array([10.0, 20.0, 30.0]), (COUNT,))
    assert chi_square(np.bincount(x.astype(int) // 10 - 1), np.full(3, 1 / 3)) < 5
    x = random.choice(random.key(14), 4, (COUNT,), p=p)
    assert chi_square(np.bincount(x, minlength=4), p / 8) < 5


# Independent streams


def test_the_first_keys_do_not_depend_on_how_many_are_made() -> None:
    many = random.split(KEY, 10)
    for n in range(10):
        assert np.array_equal(random.split(KEY, n), many[:n])
    assert np.array_equal(random.split(KEY, (2, 5)).reshape(10, 2), many)


def test_derived_keys_are_all_different() -> None:
    keys = [random.split(KEY, 20_000), random.split(random.split(KEY)[0], 20_000)]
    keys.append(fgrad.vmap(lambda i: random.fold_in(KEY, i))(np.arange(20_000)))
    keys.append(fgrad.vmap(random.key)(np.arange(-10_000, 10_000)))
    words = np.concatenate(keys).ravel()
    assert len(np.unique(words)) == len(words)


@pytest.mark.parametrize("derive", [random.key, lambda i: random.fold_in(KEY, i)])
def test_neighbouring_integers_give_unrelated_keys(derive: Any) -> None:
    keys = fgrad.vmap(derive)(np.arange(4097))
    flipped = np.bitwise_count(keys[1:] ^ keys[:-1]).sum(axis=1)
    assert abs(np.mean(flipped) - 64) < 4.5 * math.sqrt(32 / 4096)
    assert 30 < flipped.min() < flipped.max() < 98


def test_streams_of_related_keys_are_uncorrelated() -> None:
    children = random.split(KEY, 3)
    keys = [
        KEY,
        *children,
        random.split(children[0])[0],
        random.fold_in(KEY, 0),
        random.fold_in(KEY, 1),
        random.key(43),
    ]
    streams = np.stack([random.normal(key, (COUNT,)) for key in keys])
    correlations = np.corrcoef(streams)[np.triu_indices(len(keys), 1)]
    assert np.max(np.abs(correlations)) < 5 / math.sqrt(COUNT)
    draws = random.uniform(KEY, (64,)).view(np.uint64)
    assert not set(draws) & {int(w) for key in random.split(KEY, 64) for w in key}


def test_one_number_from_each_of_many_keys() -> None:
    for keys in (random.split(KEY, 20_000), fgrad.vmap(lambda i: random.fold_in(KEY, i))(np.arange(20_000))):
        x = fgrad.vmap(random.uniform)(keys)
        assert kolmogorov(x, CDFS[random.uniform]) < 2.5
        assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 4.5 / math.sqrt(len(x))


def test_integers_of_every_kind_name_the_same_key() -> None:
    for seed in (0, 5, 127):
        for same_seed in (np.int8(seed), np.uint64(seed), np.array(seed)):
            assert np.array_equal(random.key(same_seed), random.key(seed))
            assert np.array_equal(random.fold_in(KEY, same_seed), random.fold_in(KEY, seed))
        assert np.array_equal(fgrad.jit(random.key)(seed), random.key(seed))
    assert np.array_equal(random.key(-1), random.key(2**64 - 1))
    assert np.array_equal(random.key(np.int32(-1)), random.key(-1))
    assert random.PRNGKey is random.key


# In programs


def test_keys_are_unpacked_and_iterated_over_while_traced() -> None:
    def f(key: Any) -> Any:
        first, second = random.split(key)
        return sum(random.normal(k) for k in random.split(first, 3)) + random.uniform(second)

    assert fgrad.jit(f)(KEY) == pytest.approx(f(KEY), rel=1e-15)


def test_one_key_for_all_rows_and_one_bound_for_each() -> None:
    low, high = np.array([0, 10, -5]), np.array([5, 11, 500])
    got = fgrad.vmap(lambda a, b: random.randint(KEY, (4,), a, b))(low, high)
    assert np.array_equal(got, np.stack([random.randint(KEY, (4,), a, b) for a, b in zip(low, high, strict=True)]))
    logits = random.normal(KEY, (3, 5))
    got = fgrad.vmap(lambda x: random.categorical(KEY, x, shape=(6,)))(logits)
    assert np.array_equal(got, np.stack([random.categorical(KEY, x, shape=(6,)) for x in logits]))
    keys = random.split(KEY, 3)
    got = fgrad.vmap(random.categorical)(keys, logits)
    assert np.array_equal(got, np.stack([random.categorical(key, x) for key, x in zip(keys, logits, strict=True)]))
    got = fgrad.vmap(lambda p: random.bernoulli(KEY, p, (8,)))(np.array([0.2, 0.8]))
    assert np.array_equal(got, np.stack([random.bernoulli(KEY, p, (8,)) for p in (0.2, 0.8)]))


def test_seeds_and_steps_may_be_traced() -> None:
    assert np.array_equal(fgrad.vmap(random.key)(np.arange(3)), np.stack([random.key(i) for i in range(3)]))
    noise = fgrad.jit(lambda step: random.normal(random.fold_in(KEY, step)))
    assert noise(3) == random.normal(random.fold_in(KEY, 3))


def test_permutation_of_an_array() -> None:
    x = np.arange(24.0).reshape(4, 3, 2)
    for axis in (0, 1, -1):
        order = random.permutation(KEY, x.shape[axis])
        same(random.permutation(KEY, x, axis), np.take(x, order, axis))
        shuffled = random.permutation(KEY, x, axis, independent=True)
        assert np.array_equal(np.sort(shuffled, axis), x)
    assert sorted(random.permutation(KEY, [3, 1, 2]).tolist()) == [1, 2, 3]
    assert random.permutation(KEY, 0).shape == (0,)
    assert random.permutation(KEY, np.zeros((0, 2)), 1, True).shape == (0, 2)


def test_choice_of_slices() -> None:
    x = np.arange(12).reshape(3, 4)
    got = random.choice(KEY, x, (2, 2), axis=1)
    assert got.shape == (3, 2, 2)
    assert np.array_equal(got, np.take(x, random.choice(KEY, 4, (2, 2)), 1))
    assert random.choice(KEY, 5) in range(5)
    assert sorted(random.choice(KEY, 6, (2, 3), replace=False).ravel()) == list(range(6))


# Derivatives


def test_uniform_is_differentiable_in_its_bounds() -> None:
    u = random.uniform(KEY, (2, 3))
    low, high = fgrad.jacrev(lambda a, b: random.uniform(KEY, (2, 3), minval=a, maxval=b), argnums=(0, 1))(-1.0, 2.0)
    np.testing.assert_allclose(low, 1 - u)
    np.testing.assert_allclose(high, u)
    gradients(
        lambda a, b: random.uniform(KEY, (2, 3), minval=a, maxval=b),
        np.array([-1.0, 0.0, 2.0]),
        np.array([[3.0], [4.0]]),
    )
    got = fgrad.jit(lambda b: random.uniform(KEY, (4,), F32, 0, b))(np.float64(2))
    assert got.dtype == F32


def test_reparameterised_normals_are_differentiable() -> None:
    z = random.normal(KEY, (5,))
    value, slope = fgrad.value_and_grad(lambda m, s: np.mean((m + s * random.normal(KEY, (5,))) ** 2), argnums=(0, 1))(
        1.0, 2.0
    )
    assert value == np.mean((1 + 2 * z) ** 2)
    np.testing.assert_allclose(slope, [np.mean(2 * (1 + 2 * z)), np.mean(2 * (1 + 2 * z) * z)])


def test_what_is_chosen_from_is_differentiable() -> None:
    x = np.array([1.0, 2.0, 4.0, 8.0])
    gradients(lambda t: random.permutation(KEY, t) ** 2, x)
    gradients(lambda t: random.permutation(KEY, t.reshape(2, 2), 1, independent=True) ** 2, x)
    gradients(lambda t: random.choice(KEY, t, (6,)) ** 2, x)
    gradients(lambda t: random.choice(KEY, t, (3,), replace=False, p=np.arange(4)) ** 2, x)


def test_discrete_outcomes_have_the_derivative_0() -> None:
    def f(p: Any) -> Any:
        return np.sum(random.bernoulli(KEY, p, (5,)) * 2.0) + np.sum(
            random.categorical(KEY, p * np.arange(3.0), shape=(5,)) * p
        )

    p = 0.4
    assert fgrad.grad(f)(p) == np.sum(random.categorical(KEY, p * np.arange(3.0), shape=(5,)))


def test_keys_have_no_derivative() -> None:
    with pytest.raises(NonDifferentiableError, match=r"uint64|u64"):
        fgrad.grad(random.normal)(KEY)


# Bad input


def test_what_is_not_a_key() -> None:
    for bad, cure in (
        (0, r"`key` must be a key, got 0 of type int(?s:.*)fgrad\.random\.key\(0\)"),
        (np.int64(3), r"fgrad\.random\.key\(3\)"),
        (None, r"`key` must be a key, got None(?s:.*)fgrad\.random\.key\(seed\)"),
        (np.random.default_rng(0), r"got Generator\(PCG64\)(?s:.*)split it for every draw"),
        (np.zeros(2), r"`key` must be uint64 of shape \(2,\), got f64\[2\](?s:.*)fgrad\.random\.key\(seed\)"),
        (np.zeros(3, np.uint64), r"got u64\[3\]"),
        ([1, 2], r"`key` must be a key, got \[1, 2\] of type list"),
        (random.split(KEY), r"got u64\[2,2\](?s:.*)keys\[0\](?s:.*)fgrad\.vmap\(random\.normal\)"),
    ):
        with pytest.raises(ArgumentError, match=cure):
            random.normal(bad)
    with pytest.raises(ArgumentError, match=r"random\.normal: `key` must be uint64(?s:.*)test_random\.py"):
        fgrad.jit(random.normal)(np.zeros(2))


@pytest.mark.parametrize(
    "draw",
    [
        random.split,
        lambda key: random.fold_in(key, 0),
        *REAL,
        random.bits,
        lambda key: random.randint(key, (), 0, 2),
        random.bernoulli,
        random.rademacher,
        lambda key: random.permutation(key, 3),
        lambda key: random.categorical(key, np.zeros(2)),
        lambda key: random.choice(key, 3),
    ],
)
def test_every_function_checks_its_key(draw: Callable[[Any], Any]) -> None:
    with pytest.raises(ArgumentError, match=r"random\.\w+: `key` must be a key, got 7"):
        draw(7)


BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: random.key(0.5), r"random\.key: `seed` must be an integer, got f64\[\]"),
    (lambda: random.key("a"), r"`seed` must be made of real numbers, got"),
    (lambda: random.key(2**64), r"`seed` is 18446744073709551616, which has more than 64 bits"),
    (lambda: random.key([1, 2]), r"`seed` must be a scalar, got i64\[2\](?s:.*)fgrad\.vmap\(random\.key\)"),
    (lambda: random.fold_in(KEY, 0.5), r"random\.fold_in: `data` must be an integer"),
    (lambda: random.split(KEY, -1), r"`num` is -1(?s:.*)negative"),
    (lambda: random.split(KEY, 2.5), r"`num` is 2\.5(?s:.*)integer or a tuple"),
    (lambda: random.normal(KEY, (2, -1)), r"random\.normal: `shape` is \(2, -1\)"),
    (lambda: random.normal(KEY, "ab"), r"`shape` is 'ab'"),
    (lambda: random.normal(KEY, (), int), r"random\.normal: `dtype` is i64(?s:.*)astype"),
    (lambda: random.uniform(KEY, (), complex), r"random\.uniform: `dtype` is c128"),
    (lambda: random.uniform(KEY, (2,), minval=np.zeros(3)), r"`minval` of shape \(3,\) does not broadcast to \(2,\)"),
    (lambda: random.uniform(KEY, (), maxval=np.zeros(2)), r"`maxval` of shape \(2,\) does not broadcast to \(\)"),
    (lambda: random.uniform(KEY, (), maxval="1"), r"`maxval` must be made of real numbers"),
    (lambda: random.bits(KEY, (), int), r"random\.bits: `dtype` is i64(?s:.*)uint64"),
    (lambda: random.randint(KEY, (), 0, 5, float), r"random\.randint: `dtype` is f64"),
    (lambda: random.randint(KEY, (), 0.0, 5), r"`minval` must hold integers, got f64\[\]"),
    (lambda: random.randint(KEY, (), 5, 5), r"from minval = 5 up to, not including, maxval = 5(?s:.*)below maxval"),
    (lambda: random.randint(KEY, (), 0, 300, np.int8), r"cannot draw i8 from minval = 0(?s:.*)fit into the dtype"),
    (lambda: fgrad.jit(lambda b: random.randint(KEY, (), 5, b))(1), r"maxval = 1"),
    (lambda: random.bernoulli(KEY, np.zeros(3), (2,)), r"random\.bernoulli: `p` of shape \(3,\)"),
    (lambda: random.permutation(KEY, -1), r"`x` is -1(?s:.*)negative"),
    (lambda: random.permutation(KEY, 2.5), r"`x` must be an array or a known integer, got 2\.5"),
    (lambda: fgrad.jit(lambda n: random.permutation(KEY, n))(3), r"known integer(?s:.*)static_argnums"),
    (
        lambda: random.permutation(KEY, np.zeros((2, 2)), 2),
        r"`axis` is 2 for an array of shape \(2, 2\)(?s:.*)\[-2, 2\)",
    ),
    (lambda: random.categorical(KEY, 0.0), r"`logits` is a scalar"),
    (lambda: random.categorical(KEY, np.zeros((2, 0))), r"no classes"),
    (
        lambda: random.categorical(KEY, np.zeros((2, 3)), shape=(3,)),
        r"logits, without its axis of classes, of shape \(2,\)",
    ),
    (lambda: random.categorical(KEY, np.array([np.nan, 0.0])), r"logits must not be NaN"),
    (
        lambda: random.choice(KEY, 3, (4,), replace=False),
        r"4 entries were asked for, but there are 3 and replace is False",
    ),
    (lambda: random.choice(KEY, 0, (1,)), r"1 entries were asked for, but there are 0"),
    (lambda: random.choice(KEY, 3, p=[0.5, 0.5]), r"`p` has shape \(2,\)(?s:.*)shape \(3,\)"),
    (lambda: random.choice(KEY, 2, p=[-1.0, 2.0]), r"cannot draw by the weights \[-1\.  2\.\](?s:.*)not negative"),
]


@pytest.mark.parametrize(("call", "text"), BAD)
def test_bad_arguments(call: Callable[[], Any], text: str) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(ArgumentError, match=text):
        call()


def test_shapes_must_be_known() -> None:
    with pytest.raises(TracerIntegerConversionError):
        fgrad.jit(lambda n: random.normal(KEY, (n,)))(3)
    assert fgrad.jvp(lambda n: random.normal(KEY, (int(n),)) * n, (2.0,), (1.0,))[1].shape == (2,)
