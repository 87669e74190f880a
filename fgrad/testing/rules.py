"""What the rules of a primitive must satisfy, checked at given arguments. Every check takes flat functions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from math import factorial
from typing import Any, NamedTuple

import numpy as np

from fgrad.api.linear import jvp as along_line
from fgrad.compiler.compiled import compile_jaxpr
from fgrad.core.aval import Array, aval_of, is_inexact
from fgrad.core.checker import check_jaxpr
from fgrad.core.primitive import ZERO, instantiate
from fgrad.errors import CheckError
from fgrad.primitives.shape import move_axis
from fgrad.testing.compare import judge, rounding, unequal, worst
from fgrad.testing.points import dot, random_like, typical_size
from fgrad.testing.references import directional_derivative
from fgrad.transforms.batch import batch
from fgrad.transforms.jet import jet
from fgrad.transforms.jvp import jvp, linearize, record_linear
from fgrad.transforms.stage import trace
from fgrad.transforms.transpose import transpose

__all__ = [
    "Flat",
    "Tally",
    "check_adjoint",
    "check_batch",
    "check_compiled",
    "check_direct_transpose",
    "check_jet",
    "check_tangent",
    "check_types",
    "first_derivatives",
    "inexact_positions",
    "mapped_over",
    "restricted",
    "subsets",
]

Flat = Callable[..., list[Array]]


class Tally:
    """How many numbers were held against a reference, and how many of them could not be judged."""

    def __init__(self) -> None:
        self.judged = self.skipped = 0


class _Halves(NamedTuple):
    """A linearized function: its values, its linear map, and the transpose of that."""

    outs: list[Array]
    push: Callable[[Sequence[Array]], list[Array]]
    pull: Callable[[Sequence[Array]], list[Array]]


def inexact_positions(xs: Sequence[Array]) -> list[int]:
    """Which arguments have tangents."""
    return [i for i, x in enumerate(xs) if is_inexact(aval_of(x).dtype)]


def subsets(positions: Sequence[int], limit: int = 4) -> list[tuple[int, ...]]:
    """All non-empty subsets of a few positions; each alone and all together of many."""
    if len(positions) > limit:
        return [*[(i,) for i in positions], tuple(positions)]
    sizes = range(1, len(positions) + 1)
    return [subset for size in sizes for subset in itertools.combinations(positions, size)]


def restricted(f: Flat, xs: Sequence[Array], positions: Sequence[int]) -> Flat:
    """A function of some of its arguments; the others stay as they are. Of its results those with tangents are kept."""

    def part(*given: Array) -> list[Array]:
        full = list(xs)
        for i, x in zip(positions, given, strict=True):
            full[i] = x
        return [y for y in f(*full) if is_inexact(aval_of(y).dtype)]

    return part


def _instantiated(ts: Sequence[Any], outs: Sequence[Array]) -> list[Array]:
    full = [instantiate(t, y) for t, y in zip(ts, outs, strict=True)]
    return [t[()] if isinstance(t, np.ndarray) and t.ndim == 0 else t for t in full]


def _pushed(f: Flat, xs: Sequence[Array], ts: Sequence[Array]) -> tuple[list[Array], list[Array]]:
    outs, tangents = jvp(f, xs, ts)
    return outs, _instantiated(tangents, outs)


def _halves(f: Flat, xs: Sequence[Array]) -> _Halves:
    outs, program = linearize(f, xs)

    def pull(cts: Sequence[Array]) -> list[Array]:
        return _instantiated(transpose(program, cts), xs)

    return _Halves(outs, lambda ts: _instantiated(program.apply(ts), outs), pull)


def _same_types(what: str, expected: Sequence[Array], got: Sequence[Array]) -> None:
    for i, (x, y) in enumerate(zip(expected, got, strict=True)):
        a, b = aval_of(x), aval_of(y)
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            raise CheckError(f"{what} {i} is {b}, but belongs to {a}")


def _agree(what: str, expected: Sequence[Array], got: Sequence[Array], eps: float, floor: float = 0.0) -> None:
    """Equality up to rounding of a given relative precision, and an absolute one."""
    for i, (x, y) in enumerate(zip(expected, got, strict=True)):
        allowed = floor + rounding(np.asarray(x), eps) if is_inexact(aval_of(x).dtype) else np.zeros(())
        difference = worst(np.asarray(x), np.asarray(y), allowed)
        if difference is not None:
            raise CheckError(f"{what} {i}{difference}")


def precision(xs: Sequence[Array]) -> float:
    """The relative precision of the coarsest of some arrays."""
    dtypes = [aval_of(x).dtype for x in xs]
    return max((float(np.finfo(d).eps) for d in dtypes if is_inexact(d)), default=0.0)


def check_tangent(
    f: Flat, xs: Sequence[Array], rng: np.random.Generator, tally: Tally, *, elementwise: bool = False
) -> None:
    """Tangents against numerical derivatives; at kinks they must lie between the one-sided ones.

    Args:
        f: a function of inexact arrays with inexact results.
        xs: where.
        rng: draws the direction.
        tally: counts what could be judged.
        elementwise: excuse rounding relative to every element by itself.
    """
    ts = [random_like(rng, x, max(typical_size(x), 0.1)) for x in xs]
    outs, tangents = _pushed(f, xs, ts)
    _same_types("the tangent of result", outs, tangents)
    reference = directional_derivative(lambda moved: f(*moved), xs, ts)
    eps = precision([*xs, *outs])
    got = [np.asarray(t).astype(v.dtype) for t, v in zip(tangents, reference.values, strict=True)]
    # What cancels on the way leaves rounding of the size of the direction.
    floor = 0.0 if elementwise else 2**4 * eps * max(map(typical_size, ts), default=0.0)
    verdict = judge(reference, got, lambda v: floor + rounding(v, eps, elementwise=elementwise), at_kinks="between")
    for value, reliable, kinks in zip(reference.values, reference.reliable, reference.kinks, strict=True):
        tally.judged += int(np.sum(reliable | kinks))
        tally.skipped += value.size - int(np.sum(reliable | kinks))
    if verdict is not None and verdict.difference is not None:
        raise CheckError(f"the tangent of result {verdict.output}{verdict.difference}")


def check_adjoint(f: Flat, xs: Sequence[Array], rng: np.random.Generator) -> None:
    """Linearization against forward mode, <c, J·t> = <Jᵀ·c, t>, and J·(a·t + b·u) = a·J·t + b·J·u."""
    ts, us = ([random_like(rng, x) for x in xs] for _ in range(2))
    outs, tangents = _pushed(f, xs, ts)
    _, others = _pushed(f, xs, us)
    _same_types("the tangent of result", outs, tangents)
    halves = _halves(f, xs)
    eps = precision([*xs, *outs])
    _agree("the value by linearize, result", outs, halves.outs, eps)
    # What cancels on the way leaves rounding of the size of the directions.
    floor = 2**4 * eps * max(map(typical_size, (*ts, *us)), default=0.0)
    _agree("the tangent by linearize, result", tangents, halves.push(ts), eps, floor)
    mixed = halves.push([np.asarray(0.75 * t - 1.5 * u).astype(t.dtype)[()] for t, u in zip(ts, us, strict=True)])
    expected = [0.75 * np.asarray(t) - 1.5 * np.asarray(u) for t, u in zip(tangents, others, strict=True)]
    _agree("the tangent of a combination, result", expected, mixed, 4 * eps, floor)
    cts = [random_like(rng, y) for y in outs]
    _pairing(cts, tangents, halves.pull(cts), xs, ts, eps)


def _pairing(
    cts: Sequence[Array],
    tangents: Sequence[Array],
    pulled: Sequence[Array],
    xs: Sequence[Array],
    ts: Sequence[Array],
    eps: float,
) -> None:
    _same_types("the cotangent of argument", xs, pulled)
    forward, size = dot(cts, tangents)
    reverse, other = dot(pulled, ts)
    # What cancels on the way leaves rounding of the size of the directions.
    unit = typical_size(np.concatenate([np.ravel(c) for c in cts])) * typical_size(
        np.concatenate([np.ravel(t) for t in ts])
    )
    allowed = np.asarray(2**10 * eps * (size + other) + 2**4 * eps * unit)
    difference = worst(np.asarray(forward), np.asarray(reverse), allowed)
    if difference is not None:
        raise CheckError(f"<cotangent, tangent>{difference}")


def check_direct_transpose(f: Flat, xs: Sequence[Array], rng: np.random.Generator) -> bool:
    """The transpose rule alone, where the function is linear as it stands: <c, f(t)> = <fᵀ(c), t>.

    Returns:
        Whether the function was found to be linear.
    """
    if not _is_linear(f, xs, rng):
        return False
    ts = [random_like(rng, x) for x in xs]
    of_t = f(*ts)
    if not any(np.any(y) for y in of_t):
        return False
    program = record_linear(f, [aval_of(x) for x in xs], f)
    cts = [random_like(rng, y) for y in of_t]
    _pairing(cts, of_t, _instantiated(transpose(program, cts), xs), xs, ts, precision([*xs, *of_t]))
    return True


def _is_linear(f: Flat, xs: Sequence[Array], rng: np.random.Generator) -> bool:
    """Whether f(a·x + b·y) = a·f(x) + b·f(y) for some random x and y, and a and b of either sign, also far away."""
    for a, b in ((0.75, -1.5), (-2.0, 0.5), (0.0, 0.0), (8.0, -8.0)):
        if a < 1:
            ts, us = ([random_like(rng, x) for x in xs] for _ in range(2))
        both = [np.asarray(a * t + b * u).astype(t.dtype)[()] for t, u in zip(ts, us, strict=True)]
        with np.errstate(all="ignore"):
            try:
                triples = list(zip(f(*ts), f(*us), f(*both), strict=True))
            except (ValueError, ArithmeticError):
                return False
            for y, z, got in triples:
                expected = a * np.asarray(y) + b * np.asarray(z)
                allowed = rounding(np.abs(y) + np.abs(z), precision([*xs, y]))
                if not np.isfinite(got).all() or worst(expected, np.asarray(got), allowed) is not None:
                    return False
    return True


def first_derivatives(f: Flat, xs: Sequence[Array], rng: np.random.Generator) -> Iterator[tuple[str, Flat]]:
    """The tangent along a fixed direction and the pullback of fixed cotangents, as functions of the point."""
    ts = [random_like(rng, x) for x in xs]
    cts = [random_like(rng, y) for y in f(*xs)]

    def tangent(*point: Array) -> list[Array]:
        return _pushed(f, point, [_typed(t, x) for t, x in zip(ts, point, strict=True)])[1]

    def pullback(*point: Array) -> list[Array]:
        halves = _halves(f, point)
        return halves.pull([_typed(ct, y) for ct, y in zip(cts, halves.outs, strict=True)])

    yield "jvp", tangent
    yield "vjp", pullback


def _typed(t: Array, x: Array) -> Array:
    return np.asarray(t).astype(aval_of(x).dtype)[()]


def check_jet(f: Flat, xs: Sequence[Array], rng: np.random.Generator, order: int) -> None:
    """Taylor coefficients along a curve through the arguments, against nested forward mode."""
    moving = inexact_positions(xs)
    curve: list[Any] = [[random_like(rng, x) for _ in range(order)] if i in moving else ZERO for i, x in enumerate(xs)]
    outs, found = jet(f, order, xs, curve)

    def along(s: Any) -> list[Array]:
        return f(*[x if terms is ZERO else _at(x, terms, s) for x, terms in zip(xs, curve, strict=True)])

    derivative: Callable[[Any], list[Array]] = along
    for k in range(1, order + 1):
        derivative = _slope(derivative)
        expected = derivative(0.0)
        for i, y in enumerate(outs):
            if is_inexact(aval_of(y).dtype):
                term = instantiate(ZERO if found[i] is ZERO else found[i][k - 1], y)  # type: ignore[index]
                _same_types(f"coefficient {k} of result", [y], [term])
                _same_where_finite(f"coefficient {k} of result {i}", np.asarray(expected[i]) / factorial(k), term)


def _at(x: Array, terms: Sequence[Array], s: Any) -> Any:
    for k, term in enumerate(terms, 1):
        x = x + term * s**k
    return x


def _slope(f: Callable[[Any], list[Array]]) -> Callable[[Any], list[Array]]:
    return lambda s: along_line(f, (s,), (1.0,))[1]


def _same_where_finite(what: str, expected: Array, got: Array) -> None:
    """Where a slope is infinite there is nothing to compare with."""
    known = np.isfinite(expected)
    expected, got = np.where(known, expected, 0), np.where(known, got, 0)
    difference = worst(expected, got, 1e-7 * np.abs(expected) + 1e-9 * max(1.0, np.abs(expected).max(initial=0.0)))
    if difference is not None:
        raise CheckError(f"{what}{difference}")


def check_batch(f: Flat, rows: Sequence[Sequence[Array]], mapped: Sequence[int], axes: Sequence[int]) -> None:
    """`vmap` against a loop over rows.

    Args:
        f: a function of the arguments of one row.
        rows: the arguments, row by row; those that are not mapped are taken from the first row.
        mapped: which arguments are mapped.
        axes: at which axis each of these holds the rows.
    """
    first = rows[0]
    places = dict(zip(mapped, axes, strict=True))
    dims = [places.get(i) for i in range(len(first))]
    columns = list(zip(*rows, strict=True))
    xs = [x[0] if d is None else np.stack(x, axis=d) for x, d in zip(columns, dims, strict=True)]
    expected = [f(*[row[i] if i in places else x for i, x in enumerate(first)]) for row in rows]
    outs, out_dims = batch(f, len(rows), xs, dims)
    for j, (y, dim) in enumerate(zip(outs, out_dims, strict=True)):
        for n, row in enumerate(expected):
            got = y if dim is None else np.take(y, n, axis=dim)
            wrong = unequal(np.asarray(row[j]), np.asarray(got))
            if wrong:
                raise CheckError(f"vmap with in_axes={tuple(dims)}: result {j}, row {n}{wrong}")


def mapped_over(f: Flat, size: int) -> Flat:
    """A function over rows along the first axis of every argument and result."""

    def over_rows(*xs: Array) -> list[Array]:
        outs, dims = batch(f, size, xs, [0] * len(xs))
        return [y if dim is None else move_axis(y, dim, 0) for y, dim in zip(outs, dims, strict=True)]

    return over_rows


def check_types(f: Flat, xs: Sequence[Array]) -> None:
    """The abstract results of a function against what NumPy gives; and that this leaves the arguments alone."""
    kept = [np.array(x) for x in xs]
    outs = f(*xs)
    for i, (aval, y) in enumerate(zip(trace(f, [aval_of(x) for x in xs]).out_avals, outs, strict=True)):
        if aval != aval_of(y):
            raise CheckError(f"result {i} is {aval_of(y)}, but the rule says {aval}")
        if isinstance(y, np.ndarray) and y.ndim == 0:
            raise CheckError(f"result {i} is an array without axes; NumPy's functions return scalars")
    _unchanged(xs, kept, "`impl`")


def _unchanged(xs: Sequence[Array], kept: Sequence[Array], what: str) -> None:
    for i, (x, y) in enumerate(zip(xs, kept, strict=True)):
        if not np.array_equal(x, y, equal_nan=is_inexact(y.dtype)):
            raise CheckError(f"{what} writes into argument {i}")


def check_compiled(f: Flat, variants: Sequence[Sequence[Array]]) -> None:
    """A traced program is well formed, and its compiled code gives what the function gives.

    Args:
        f: a flat function.
        variants: arguments, of which all have the types of the first.
    """
    avals = [aval_of(x) for x in variants[0]]
    closed = trace(f, avals)
    check_jaxpr(closed)
    function = compile_jaxpr(closed).function
    for xs in variants:
        expected = f(*xs)
        kept = [np.array(x) for x in xs]
        outs = function(*xs)
        for i, (y, z) in enumerate(zip(expected, outs, strict=True)):
            wrong = unequal(y, z, strict=True)
            if wrong:
                raise CheckError(f"compiled result {i}{wrong}")
            if isinstance(z, np.ndarray) and any(np.shares_memory(z, x) for x in xs if isinstance(x, np.ndarray)):
                raise CheckError(f"compiled result {i} shares memory with an argument")
        _unchanged(xs, kept, "the compiled code")
