"""Comparison, logic, bits, choice: what takes truth values apart or makes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.primitive import ZERO, Sample, Zero, is_linear_input
from fgrad.core.writer import Writer
from fgrad.primitives.choice import LARGE, can_choose_into, choose
from fgrad.primitives.elementwise import Elementwise
from fgrad.primitives.families import NonDifferentiable, draw, floats, integers, spread
from fgrad.primitives.shape import fit, grow

__all__ = [
    "bitwise_and",
    "bitwise_count",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "eq",
    "fmax",
    "fmin",
    "gcd",
    "ge",
    "gt",
    "is_finite",
    "is_inf",
    "is_nan",
    "lcm",
    "le",
    "left_shift",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "maximum",
    "minimum",
    "ne",
    "right_shift",
    "select",
    "signbit",
]


class Predicate(NonDifferentiable, Elementwise):
    """An element-wise function without a tangent."""


class Eq(Predicate):
    """`eq(x, y)`: x = y."""

    impl, preserves_weak, samples = np.equal, True, (*floats(-3, 3, 2), *integers(0, 3, 2))


class Ne(Predicate):
    """`ne(x, y)`: x ≠ y."""

    impl, preserves_weak, samples = np.not_equal, True, (*floats(-3, 3, 2), *integers(0, 3, 2))


class Lt(Predicate):
    """`lt(x, y)`: x < y."""

    impl, preserves_weak, samples = np.less, True, floats(-3, 3, 2)


class Le(Predicate):
    """`le(x, y)`: x ≤ y."""

    impl, preserves_weak, samples = np.less_equal, True, floats(-3, 3, 2)


class Gt(Predicate):
    """`gt(x, y)`: x > y."""

    impl, preserves_weak, samples = np.greater, True, floats(-3, 3, 2)


class Ge(Predicate):
    """`ge(x, y)`: x ≥ y."""

    impl, preserves_weak, samples = np.greater_equal, True, floats(-3, 3, 2)


class LogicalAnd(Predicate):
    """`logical_and(x, y)`: both are true."""

    impl, samples = np.logical_and, integers(0, 2, 2)


class LogicalOr(Predicate):
    """`logical_or(x, y)`: at least one is true."""

    impl, samples = np.logical_or, integers(0, 2, 2)


class LogicalXor(Predicate):
    """`logical_xor(x, y)`: exactly one is true."""

    impl, samples = np.logical_xor, integers(0, 2, 2)


class LogicalNot(Predicate):
    """`logical_not(x)`: x is false."""

    impl, samples = np.logical_not, integers(0, 2)


class BitwiseAnd(Predicate):
    """`bitwise_and(x, y)`: the bits that both have."""

    impl, preserves_weak, samples = np.bitwise_and, True, integers(0, 99, 2)


class BitwiseOr(Predicate):
    """`bitwise_or(x, y)`: the bits that either has."""

    impl, preserves_weak, samples = np.bitwise_or, True, integers(0, 99, 2)


class BitwiseXor(Predicate):
    """`bitwise_xor(x, y)`: the bits that one of the two has."""

    impl, preserves_weak, samples = np.bitwise_xor, True, integers(0, 99, 2)


class BitwiseNot(Predicate):
    """`bitwise_not(x)`: every bit inverted."""

    impl, preserves_weak, samples = np.invert, True, integers(0, 99)


class LeftShift(Predicate):
    """`left_shift(x, y)`: the bits of x, y places higher."""

    impl, preserves_weak, samples = np.left_shift, True, integers(0, 9, 2)


class RightShift(Predicate):
    """`right_shift(x, y)`: the bits of x, y places lower."""

    impl, preserves_weak, samples = np.right_shift, True, integers(0, 9, 2)


class BitwiseCount(Predicate):
    """`bitwise_count(x)`: how many bits of |x| are set."""

    impl, samples = np.bitwise_count, integers(-99, 99)


class Gcd(Predicate):
    """`gcd(x, y)`: the greatest common divisor."""

    impl, samples = np.gcd, integers(0, 99, 2)


class Lcm(Predicate):
    """`lcm(x, y)`: the least common multiple."""

    impl, samples = np.lcm, integers(0, 99, 2)


def _special(rng: np.random.Generator) -> Any:
    return rng.choice([1.0, np.inf, -np.inf, np.nan], (2, 3))


class IsFinite(Predicate):
    """`is_finite(x)`: neither infinite nor NaN."""

    impl, samples = np.isfinite, (*floats(-3, 3, hard=(np.inf, np.nan)), Sample(_special))


class IsNan(Predicate):
    """`is_nan(x)`: not a number."""

    impl, samples = np.isnan, (*floats(-3, 3, hard=(np.inf, np.nan)), Sample(_special))


class IsInf(Predicate):
    """`is_inf(x)`: infinite."""

    impl, samples = np.isinf, (*floats(-3, 3, hard=(np.inf, np.nan)), Sample(_special))


class Signbit(Predicate):
    """`signbit(x)`: the sign bit is set (negative, or −0)."""

    impl, samples = np.signbit, floats(-3, 3, hard=(-0.0, 0.0))


class Select(Elementwise):
    """`select(condition, x, y)`: x where the condition holds, y elsewhere; linear in x and y."""

    samples = (
        Sample(np.array([True, False, True]), draw(-3, 3, (3,)), draw(-3, 3, (3,))),
        Sample(np.array([[True], [False]]), draw(-3, 3, (3,)), draw(-3, 3)),
        Sample(np.array(True), draw(-3, 3), draw(-3, 3)),
    )

    def impl(self, condition: Array, x: Array, y: Array) -> Array:
        return choose(condition, x, y)

    def result_dtype(self, keys: tuple[Any, ...], avals: Sequence[ShapedArray]) -> np.dtype[Any]:
        return np.result_type(*[key(0) if isinstance(key, type) else key for key in keys[1:]])

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array | Zero:
        condition, x, y = xs[0], ts[1], ts[2]
        if x is ZERO and y is ZERO:
            return ZERO
        return grow(select(condition, 0.0 if x is ZERO else x, 0.0 if y is ZERO else y), out)

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return True

    def transpose(self, ct: Array, condition: Array, x: Any, y: Any) -> Sequence[Array | None]:
        zero = ct.dtype.type(0)
        return (
            None,
            fit(select(condition, ct, zero), x) if is_linear_input(x) else None,
            fit(select(condition, zero, ct), y) if is_linear_input(y) else None,
        )

    def lower(self, write: Writer, names: Sequence[str], out: str | None, **params: Any) -> str:
        if out is not None:
            return f"{write.constant(choose, 'choose')}({', '.join(names)}, {out})"
        small = all(a.size < LARGE for a in write.avals)
        scalar = "[()]" if all(not a.shape for a in write.avals) else ""
        return f"{'np.where' if small else write.constant(choose, 'choose')}({', '.join(names)}){scalar}"

    def inplace(self, avals: Sequence[ShapedArray], out: ShapedArray, **params: Any) -> bool:
        return can_choose_into(avals, out)


class Extremum(Elementwise):
    """The larger or smaller of two numbers.

    Where both are equal, each has derivative ½. But beside a plain Python number, which is a constant, the
    derivative there is 0, the shortest of the subgradients, as it is of |x| at 0.
    """

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array:
        x, y = xs
        t, u = ts
        if u is ZERO:
            return grow(_beside_constant(out, y, t) if aval_of(y).weak_type else _share(out, x, y, t), out)
        if t is ZERO:
            return grow(_beside_constant(out, x, u) if aval_of(x).weak_type else _share(out, y, x, u), out)
        return grow(_share(out, x, y, t) + _share(out, y, x, u), out)


def _share(out: Array, x: Array, y: Array, t: Array) -> Array:
    """The tangent that an extremum has from its operand x."""
    number = out.dtype.type
    return t * select(eq(x, y), number(0.5), select(eq(out, x), number(1), number(0)))


def _beside_constant(out: Array, constant: Array, t: Array) -> Array:
    """The tangent that an extremum has from the operand that is not constant."""
    return select(eq(out, constant), 0.0, t)


class Maximum(Extremum):
    """`maximum(x, y)`: the larger of two numbers, NaN if one is NaN. Ties: see `Extremum`."""

    impl, samples = np.maximum, (*floats(-3, 3, 2), Sample(spread(0, 1, (4,)), spread(2, 3, (4,))))


class Minimum(Extremum):
    """`minimum(x, y)`: the smaller of two numbers, NaN if one is NaN. Ties: see `Extremum`."""

    impl, samples = np.minimum, (*floats(-3, 3, 2), Sample(spread(0, 1, (4,)), spread(2, 3, (4,))))


class Fmax(Extremum):
    """`fmax(x, y)`: the larger of two numbers, ignoring a NaN. Ties: see `Extremum`."""

    impl, samples = np.fmax, floats(-3, 3, 2)


class Fmin(Extremum):
    """`fmin(x, y)`: the smaller of two numbers, ignoring a NaN. Ties: see `Extremum`."""

    impl, samples = np.fmin, floats(-3, 3, 2)


eq = Eq()
ne = Ne()
lt = Lt()
le = Le()
gt = Gt()
ge = Ge()
logical_and = LogicalAnd()
logical_or = LogicalOr()
logical_xor = LogicalXor()
logical_not = LogicalNot()
bitwise_and = BitwiseAnd()
bitwise_or = BitwiseOr()
bitwise_xor = BitwiseXor()
bitwise_not = BitwiseNot()
left_shift = LeftShift()
right_shift = RightShift()
bitwise_count = BitwiseCount()
gcd = Gcd()
lcm = Lcm()
is_finite = IsFinite()
is_nan = IsNan()
is_inf = IsInf()
signbit = Signbit()
select = Select()
maximum = Maximum()
minimum = Minimum()
fmax = Fmax()
fmin = Fmin()
