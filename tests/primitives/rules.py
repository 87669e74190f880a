"""What every rule of a primitive must satisfy, checked at given arguments."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.compiler.compiled import compile_jaxpr
from fgrad.core import ZERO, aval_of, check_jaxpr
from fgrad.core.aval import is_inexact
from fgrad.core.primitive import Primitive
from fgrad.transforms.batch import batch
from fgrad.transforms.jvp import jvp, linearize
from fgrad.transforms.stage import trace
from fgrad.transforms.transpose import transpose

Flat = Callable[..., list[Any]]


def as_flat(primitive: Primitive, params: dict[str, Any]) -> Flat:
    """The flat function that a primitive is at fixed parameters."""

    def apply(*xs: Any) -> list[Any]:
        out = primitive.bind(*xs, **params)
        return list(out) if primitive.multiple else [out]

    return apply


def inexact(xs: Sequence[Any]) -> list[int]:
    return [i for i, x in enumerate(xs) if is_inexact(np.asarray(x).dtype)]


def restricted(f: Flat, xs: Sequence[Any], positions: Sequence[int]) -> Flat:
    """A function of some of its arguments; the others stay as they are."""

    def apply(*given: Any) -> list[Any]:
        full = list(xs)
        for i, x in zip(positions, given, strict=True):
            full[i] = x
        return f(*full)

    return apply


def directions(rng: np.random.Generator, xs: Sequence[Any]) -> list[Any]:
    return [np.asarray(rng.normal(size=np.shape(x))).astype(np.asarray(x).dtype)[()] for x in xs]


def instantiated(ts: Sequence[Any], outs: Sequence[Any]) -> list[Any]:
    return [np.zeros(np.shape(y), np.asarray(y).dtype) if t is ZERO else t for t, y in zip(ts, outs, strict=True)]


def same_type(x: Any, y: Any) -> None:
    assert np.shape(x) == np.shape(y)
    assert np.asarray(x).dtype == np.asarray(y).dtype


def check_jvp(f: Flat, xs: Sequence[Any], rng: np.random.Generator) -> None:
    """Tangents against central differences."""
    step = 1e-6
    ts = directions(rng, xs)
    outs, tangents = jvp(f, xs, ts)
    ahead = f(*[x + step * t for x, t in zip(xs, ts, strict=True)])
    behind = f(*[x - step * t for x, t in zip(xs, ts, strict=True)])
    for y, t, a, b in zip(outs, instantiated(tangents, outs), ahead, behind, strict=True):
        if is_inexact(np.asarray(y).dtype):
            same_type(y, t)
            np.testing.assert_allclose(t, (a - b) / (2 * step), rtol=1e-5, atol=1e-7)


def check_second(f: Flat, xs: Sequence[Any], rng: np.random.Generator) -> None:
    """The tangent of the tangent against central differences."""
    ts = directions(rng, xs)

    def tangent(*points: Any) -> list[Any]:
        outs, tangents = jvp(f, points, ts)
        return [t for t, y in zip(tangents, outs, strict=True) if t is not ZERO]

    check_jvp(tangent, xs, rng)


def check_transpose(f: Flat, xs: Sequence[Any], rng: np.random.Generator) -> None:
    """<ct, J t> = <Jᵀ ct, t>, and the cotangents have the types of the arguments."""
    outs, program = linearize(f, xs)
    ts = directions(rng, xs)
    cts = [c if t is not ZERO else ZERO for c, t in zip(directions(rng, outs), program.outs, strict=True)]
    tangents = instantiated(program.apply(ts), outs)
    back = instantiated(transpose(program, cts), xs)
    for x, ct in zip(xs, back, strict=True):
        same_type(x, ct)
    left = sum(np.sum(c * t) for c, t in zip(cts, tangents, strict=True) if c is not ZERO)
    right = sum(np.sum(c * t) for c, t in zip(back, ts, strict=True))
    np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-11)


def check_trace(f: Flat, xs: Sequence[Any]) -> None:
    """The shape rule, the jaxpr, and the lowered code against NumPy's result."""
    expected = f(*xs)
    closed = trace(f, [aval_of(x) for x in xs])
    check_jaxpr(closed)
    for aval, y in zip(closed.out_avals, expected, strict=True):
        assert aval.shape == np.shape(y)
        assert aval.dtype == np.asarray(y).dtype
    before = [np.array(x) for x in xs]
    for y, z in zip(expected, compile_jaxpr(closed).function(*xs), strict=True):
        same_type(y, z)
        np.testing.assert_array_equal(y, z)
    for x, old in zip(xs, before, strict=True):
        np.testing.assert_array_equal(x, old)


def check_batch(f: Flat, xs: Sequence[Any], rng: np.random.Generator, size: int = 3) -> None:
    """Every combination of mapped arguments, each at a random axis, against a loop over the rows."""
    for mapped in itertools.product([False, True], repeat=len(xs)):
        if not any(mapped):
            continue
        dims = [int(rng.integers(np.ndim(x) + 1)) if m else None for x, m in zip(xs, mapped, strict=True)]
        rows = [[variation(x, rng) if m else x for x, m in zip(xs, mapped, strict=True)] for _ in range(size)]
        stacked = [
            x if dim is None else np.stack([row[i] for row in rows], dim)
            for i, (x, dim) in enumerate(zip(xs, dims, strict=True))
        ]
        outs, out_dims = batch(f, size, stacked, dims)
        expected = [f(*row) for row in rows]
        for j, (y, dim) in enumerate(zip(outs, out_dims, strict=True)):
            found = [y] * size if dim is None else list(np.moveaxis(y, dim, 0))
            for row, z in zip(found, expected, strict=True):
                same_type(row, z[j])
                np.testing.assert_allclose(row, z[j], rtol=1e-12, atol=1e-14)


def variation(x: Any, rng: np.random.Generator) -> Any:
    """Another argument of the same type: the same elements in another order."""
    return rng.permutation(np.ravel(x)).reshape(np.shape(x))


def check_rules(primitive: Primitive, xs: Sequence[Any], params: dict[str, Any], seed: int = 0) -> None:
    """All of the above."""
    rng = np.random.default_rng(seed)
    f = as_flat(primitive, params)
    check_trace(f, xs)
    check_batch(f, xs, rng)
    positions = inexact(xs)
    for chosen in {tuple(positions), *((i,) for i in positions)}:
        g = restricted(f, xs, chosen)
        points = [xs[i] for i in chosen]
        check_jvp(g, points, rng)
        check_transpose(g, points, rng)
        check_second(g, points, rng)
