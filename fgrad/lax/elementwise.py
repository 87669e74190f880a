"""Element-wise functions. Operands have one dtype and as many axes (or none); see `operands`."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, public
from fgrad.errors import message as build
from fgrad.lax.operands import NUMBERS, binary, check_kinds, matched, operand, unary
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.dispatch import as_operand
from fgrad.primitives import bits, comparison, elementwise, exponential, rounding, trigonometric
from fgrad.primitives.clamping import clamp as clamp_primitive
from fgrad.primitives.shape import convert_element_type

__all__ = [
    "RoundingMethod",
    "abs",
    "acos",
    "acosh",
    "add",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "cbrt",
    "ceil",
    "clamp",
    "clz",
    "complex",
    "conj",
    "cos",
    "cosh",
    "div",
    "eq",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "ge",
    "gt",
    "imag",
    "integer_pow",
    "is_finite",
    "le",
    "log",
    "log1p",
    "logistic",
    "lt",
    "max",
    "min",
    "mul",
    "mulhi",
    "ne",
    "neg",
    "nextafter",
    "population_count",
    "pow",
    "real",
    "reciprocal",
    "reduce_precision",
    "rem",
    "round",
    "rsqrt",
    "select",
    "select_n",
    "shift_left",
    "shift_right_arithmetic",
    "shift_right_logical",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "sub",
    "tan",
    "tanh",
]

_INEXACT = "fc"
_BITS = "biu"

add = binary("add", elementwise.add, NUMBERS + "b")
sub = binary("sub", elementwise.sub, NUMBERS)
mul = binary("mul", elementwise.mul, NUMBERS + "b")
neg = unary("neg", elementwise.neg, NUMBERS)
atan2 = binary("atan2", trigonometric.arctan2, "f")
max = binary("max", comparison.maximum, NUMBERS + "b", telling=True)
min = binary("min", comparison.minimum, NUMBERS + "b", telling=True)

sin = unary("sin", trigonometric.sin, _INEXACT)
cos = unary("cos", trigonometric.cos, _INEXACT)
tan = unary("tan", trigonometric.tan, _INEXACT)
asin = unary("asin", trigonometric.arcsin, _INEXACT)
acos = unary("acos", trigonometric.arccos, _INEXACT)
atan = unary("atan", trigonometric.arctan, _INEXACT)
sinh = unary("sinh", trigonometric.sinh, _INEXACT)
cosh = unary("cosh", trigonometric.cosh, _INEXACT)
tanh = unary("tanh", trigonometric.tanh, _INEXACT)
asinh = unary("asinh", trigonometric.arcsinh, _INEXACT)
acosh = unary("acosh", trigonometric.arccosh, _INEXACT)
atanh = unary("atanh", trigonometric.arctanh, _INEXACT)
exp = unary("exp", exponential.exp, _INEXACT)
exp2 = unary("exp2", exponential.exp2, _INEXACT)
expm1 = unary("expm1", exponential.expm1, _INEXACT)
log = unary("log", exponential.log, _INEXACT)
log1p = unary("log1p", exponential.log1p, _INEXACT)
sqrt = unary("sqrt", exponential.sqrt, _INEXACT)
cbrt = unary("cbrt", exponential.cbrt, "f")
logistic = unary("logistic", exponential.logistic, _INEXACT)
square = unary("square", exponential.square, NUMBERS)
reciprocal = unary("reciprocal", elementwise.reciprocal, _INEXACT)
floor = unary("floor", rounding.floor, "f")
ceil = unary("ceil", rounding.ceil, "f")
abs = unary("abs", rounding.absolute, NUMBERS)
sign = unary("sign", rounding.sign, NUMBERS)
is_finite = unary("is_finite", comparison.is_finite, "f")
real = unary("real", rounding.real, "c")
imag = unary("imag", rounding.imag, "c")

eq = binary("eq", comparison.eq, NUMBERS + "b")
ne = binary("ne", comparison.ne, NUMBERS + "b")
lt = binary("lt", comparison.lt, NUMBERS + "b")
le = binary("le", comparison.le, NUMBERS + "b")
gt = binary("gt", comparison.gt, NUMBERS + "b")
ge = binary("ge", comparison.ge, NUMBERS + "b")
bitwise_and = binary("bitwise_and", comparison.bitwise_and, _BITS)
bitwise_or = binary("bitwise_or", comparison.bitwise_or, _BITS)
bitwise_xor = binary("bitwise_xor", comparison.bitwise_xor, _BITS)
bitwise_not = unary("bitwise_not", comparison.bitwise_not, _BITS)
shift_left = binary("shift_left", comparison.left_shift, "iu")
shift_right_logical = binary("shift_right_logical", bits.right_shift_logical, "iu")
clz = unary("clz", bits.count_leading_zeros, "iu")


@public
def div(x: Any, y: Any) -> Array:
    """`div(x, y)`: x / y; the quotient of integers is rounded towards 0, as C's is.

    >>> int(div(-7, 2))
    -3
    """
    x, y = matched("div", x, y, kinds=NUMBERS)
    if aval_of(x).dtype.kind in _INEXACT:
        return elementwise.div(x, y)
    quotient = rounding.floor_divide(x, y)
    # Where it was rounded down although it is negative, it is one too small.
    rest = comparison.ne(x - quotient * y, 0)
    negative = comparison.ne(comparison.lt(x, 0), comparison.lt(y, 0))
    return quotient + as_dtype(comparison.logical_and(rest, negative), aval_of(quotient).dtype)


@public
def nextafter(x1: Any, x2: Any) -> Array:
    """`nextafter(x1, x2)`: the next floating-point number after x1 towards x2.

    >>> float(nextafter(1.0, 2.0)) - 1
    2.220446049250313e-16
    """
    return rounding.nextafter(*matched("nextafter", x1, x2, kinds="f"))


@public
def rem(x: Any, y: Any) -> Array:
    """`rem(x, y)`: the remainder of x / y, with the sign of x, as C's has.

    >>> int(rem(-7, 2))
    -1
    """
    return rounding.fmod(*matched("rem", x, y, kinds="iuf"))


@public
def pow(x: Any, y: Any) -> Array:
    """`pow(x, y)`: xʸ. The exponent may be of another dtype, if it holds integers.

    >>> float(pow(2.0, 3))
    8.0
    """
    base = operand(x)
    check_kinds("pow", aval_of(base), _INEXACT, "Write integer_pow(x, y) for integers, or convert: x.astype(float).")
    if type(y) is int:
        return elementwise.integer_pow(base, y=y)
    if aval_of(as_operand(y)).dtype.kind in "iu":
        y = as_dtype(as_operand(y), aval_of(base).dtype)
    return exponential.pow(*matched("pow", x, y))


@public
def integer_pow(x: Any, y: int) -> Array:
    """`integer_pow(x, y)`: xʸ for a fixed integer y; its derivatives of every order are exact, also at 0.

    >>> int(integer_pow(3, 2))
    9
    """
    if isinstance(y, bool) or not isinstance(y, (int, np.integer)):
        raise ArgumentError(build(f"lax.integer_pow takes a Python integer as exponent, got {y!r}.", cure="Use pow."))
    x = operand(x)
    check_kinds("integer_pow", aval_of(x), NUMBERS)
    return elementwise.integer_pow(x, y=int(y))


@public
def rsqrt(x: Any) -> Array:
    """`rsqrt(x)`: 1 / √x.

    >>> float(rsqrt(4.0))
    0.5
    """
    return elementwise.reciprocal(sqrt(x))


@public
def conj(x: Any) -> Array:
    """`conj(x)`: the complex conjugate; of a real number, that number as a complex one."""
    x = operand(x)
    aval = aval_of(x)
    check_kinds("conj", aval, _INEXACT)
    return rounding.conj(x) if aval.dtype.kind == "c" else convert_element_type(x, dtype=_complex_of(aval.dtype))


def _complex_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.complex64 if dtype.itemsize < 8 else np.complex128)


@public
def complex(x: Any, y: Any) -> Array:
    """`complex(x, y)`: x + i·y.

    >>> complex(1.0, 2.0)
    np.complex128(1+2j)
    """
    x, y = matched("complex", x, y, kinds="f")
    dtype = _complex_of(aval_of(x).dtype)
    return convert_element_type(x, dtype=dtype) + convert_element_type(y, dtype=dtype) * dtype.type(1j)


class RoundingMethod(enum.Enum):
    """What `round` does with numbers half way between two integers."""

    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


@public
def round(x: Any, rounding_method: RoundingMethod = RoundingMethod.AWAY_FROM_ZERO) -> Array:
    """`round(x, rounding_method)`: the nearest integer, as a floating-point number.

    >>> round(np.array([0.5, 1.5, -2.5]))
    array([ 1.,  2., -3.])
    >>> round(np.array([0.5, 1.5, -2.5]), RoundingMethod.TO_NEAREST_EVEN)
    array([ 0.,  2., -2.])
    """
    x = operand(x)
    check_kinds("round", aval_of(x), "f")
    if RoundingMethod(rounding_method) is RoundingMethod.AWAY_FROM_ZERO:
        return bits.round_away(x)
    return rounding.rint(x)


@public
def population_count(x: Any) -> Array:
    """`population_count(x)`: how many bits of each integer are set.

    >>> int(population_count(-1)), int(population_count(6))
    (64, 2)
    """
    x = operand(x)
    dtype = aval_of(x).dtype
    check_kinds("population_count", aval_of(x), "iu")
    if dtype.kind == "i":
        x = bits.bitcast_convert_type(x, dtype=np.dtype(f"u{dtype.itemsize}"))
    return convert_element_type(comparison.bitwise_count(x), dtype=dtype)


@public
def shift_right_arithmetic(x: Any, y: Any) -> Array:
    """`shift_right_arithmetic(x, y)`: the bits of x, y places lower; the highest one comes in from above.

    >>> int(shift_right_arithmetic(-8, 1))
    -4
    """
    x, y = matched("shift_right_arithmetic", x, y, kinds="iu")
    dtype = aval_of(x).dtype
    if dtype.kind == "i":
        return comparison.right_shift(x, y)
    signed = np.dtype(f"i{dtype.itemsize}")
    out = comparison.right_shift(*[bits.bitcast_convert_type(v, dtype=signed) for v in (x, y)])
    return bits.bitcast_convert_type(out, dtype=dtype)


@public
def mulhi(x: Any, y: Any, /) -> Array:
    """`mulhi(x, y)`: the upper half of the bits of the product of two integers.

    >>> int(mulhi(np.int32(2**30), np.int32(8)))
    2
    """
    x, y = matched("mulhi", x, y, kinds="iu")
    dtype = aval_of(x).dtype
    half = 4 * dtype.itemsize
    places, mask = dtype.type(half), dtype.type(2**half - 1)
    (x_high, x_low), (y_high, y_low) = ((v >> places, v & mask) for v in (x, y))
    # Warren, "Hacker's Delight" (2002), section 8-2: no sum or product needs more bits than there are.
    unsigned = np.dtype(f"u{dtype.itemsize}")
    low = as_dtype(x_low, unsigned) * as_dtype(y_low, unsigned)
    middle = x_high * y_low + as_dtype(low >> unsigned.type(half), dtype)
    cross = x_low * y_high + (middle & mask)
    return x_high * y_high + (middle >> places) + (cross >> places)


@public
def clamp(min: Any, x: Any, max: Any) -> Array:
    """`clamp(min, x, max)`: x limited to the interval.

    The derivative goes to x strictly inside; where x is at a bound, it is 0.

    Args:
        min: the lower bound, of the shape of x or a number.
        x: an array.
        max: the upper bound, of the shape of x or a number.

    >>> clamp(0.0, np.array([-2.0, 0.5, 2.0]), 1.0)
    array([0. , 0.5, 1. ])
    """
    low, x, high = matched("clamp", min, x, max)
    shape = aval_of(x).shape
    for name, bound in (("min", low), ("max", high)):
        if aval_of(bound).shape not in ((), shape):
            what = f"lax.clamp: `{name}` has shape {aval_of(bound).shape}, the array {shape}."
            raise ArgumentError(build(what, cure="A bound is a number, or has the shape of the array."))
    return clamp_primitive(low, x, high)


@public
def select(pred: Any, on_true: Any, on_false: Any) -> Array:
    """`select(pred, on_true, on_false)`: element by element on_true where pred holds, on_false elsewhere.

    Args:
        pred: truth values: one, or an array of the shape of the others.
        on_true: an array.
        on_false: an array of the same shape and dtype.

    >>> select(np.array([True, False]), np.array([1, 2]), np.array([3, 4]))
    array([1, 4])
    """
    return select_n(pred, on_false, on_true)


@public
def select_n(which: Any, *cases: Any) -> Array:
    """`select_n(which, *cases)`: element by element that of `cases[which]`.

    Args:
        which: integers from 0 to len(cases) − 1, or truth values for two cases: one, or an array of the cases' shape.
        *cases: arrays of one shape and dtype.

    >>> select_n(np.array([2, 0]), np.array([1, 2]), np.array([3, 4]), np.array([5, 6]))
    array([5, 2])
    """
    if not cases:
        raise ArgumentError(build("lax.select_n takes at least one case."))
    which, given = operand(which), matched("select_n", *cases)
    place, shapes = aval_of(which), [aval_of(c).shape for c in given]
    if len(set(shapes)) > 1 or place.shape not in ((), shapes[0]):
        got = f"`which` of shape {place.shape} and cases of shapes {', '.join(map(str, shapes))}"
        cure = "The cases have one shape; `which` has it, too, or none. fgrad.numpy.where broadcasts."
        raise ArgumentError(build(f"lax.select_n of {got}.", cure=cure))
    if place.dtype.kind == "b" and len(given) <= 2:
        return given[0] if len(given) == 1 else comparison.select(which, given[1], given[0])
    if place.dtype.kind not in "iu":
        what = f"lax.select_n chooses among {len(given)} cases by integers, got {place}."
        raise ArgumentError(build(what, cure="Two cases may be chosen by truth values."))
    out = given[-1]
    for i in range(len(given) - 2, -1, -1):
        out = comparison.select(comparison.le(which, place.dtype.type(i)), given[i], out)
    return out


@public
def reduce_precision(operand: Any, exponent_bits: int, mantissa_bits: int) -> Array:
    """`reduce_precision(x, exponent_bits, mantissa_bits)`: rounds to a floating-point format of fewer bits.

    Ties go to the even number; what is too large becomes infinite, what is too small 0. The derivative is 1.

    >>> float(reduce_precision(1 / 3, exponent_bits=5, mantissa_bits=10))
    0.333251953125
    """
    x = _operand(operand)
    check_kinds("reduce_precision", aval_of(x), "f")
    if exponent_bits < 1 or mantissa_bits < 0:
        raise ArgumentError(build(f"lax.reduce_precision to {exponent_bits} exponent and {mantissa_bits} other bits."))
    return bits.reduce_precision(x, exponent_bits=int(exponent_bits), mantissa_bits=int(mantissa_bits))


_operand = operand
