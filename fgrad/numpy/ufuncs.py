"""Element-wise functions: NumPy's chapters "Mathematical functions", "Logic functions" and "Bit-wise operations".

Every function here is the primitive of its name, or a line of them; on concrete arrays it is NumPy's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer, dispatch
from fgrad.core.primitive import Primitive
from fgrad.errors import ArgumentError, message
from fgrad.numpy.dispatch import as_operand, is_traced
from fgrad.primitives import comparison, elementwise, exponential, operators, rounding, trigonometric
from fgrad.primitives.shape import convert_element_type

_SCALARS = frozenset({float, int, bool, complex})


def _strong(x: Array) -> Array:
    """A weakly typed operand as NumPy's functions (not Python's operators) see it: an array of its dtype."""
    aval = aval_of(x)
    return convert_element_type(x, dtype=aval.dtype) if aval.weak_type else x


def _apply(primitive: Any, args: tuple[Any, ...]) -> Array:
    """Applies an element-wise primitive to traced operands. Python scalars alone give a NumPy scalar, as `np.add(1,
    2)` does."""
    xs = [as_operand(x) for x in args]
    if getattr(primitive, "preserves_weak", False) and all(aval_of(x).weak_type for x in xs):
        xs = [_strong(x) for x in xs]
    return primitive(*xs)


def _refuse(name: str, kwargs: dict[str, Any]) -> None:
    for key in kwargs:
        cure = "Select with fgrad.numpy.where, convert with .astype, and use the returned array."
        raise ArgumentError(message(f"fgrad.numpy.{name} does not take `{key}` when an argument is traced.", cure=cure))


def _export(
    name: str,
    primitive: Primitive | Callable[..., Array],
    function: Callable[..., Any],
    arity: int,
    doc: str = "",
) -> Callable[..., Array]:
    """NumPy's function on concrete arrays, a primitive on traced ones."""
    direct = isinstance(primitive, Primitive) and not primitive.preserves_weak

    def unary(x: Any, /, *args: Any, **kwargs: Any) -> Array:
        if type(x) is Tracer:
            if args or kwargs:
                _refuse(name, kwargs or {"out": args})
            return dispatch(primitive, (x,), {}) if direct else _apply(primitive, (x,))  # type: ignore[arg-type]
        if type(x) in (list, tuple) and is_traced(x):
            return unary(as_operand(x), *args, **kwargs)
        return function(x, *args, **kwargs)

    def binary(x: Any, y: Any, /, *args: Any, **kwargs: Any) -> Array:
        if type(x) is not Tracer and type(y) is not Tracer and not is_traced(x, y):
            return function(x, y, *args, **kwargs)
        if args or kwargs:
            _refuse(name, kwargs or {"out": args})
        return _apply(primitive, (x, y))

    exported: Callable[..., Array] = unary if arity == 1 else binary
    exported.__name__ = exported.__qualname__ = name
    exported.__doc__ = doc or primitive.__doc__
    if isinstance(function, np.ufunc):
        operators.ufuncs[function] = exported
    return exported


def _deg2rad(x: Array) -> Array:
    return x * (math.pi / 180)


def _rad2deg(x: Array) -> Array:
    return x * (180 / math.pi)


def _reciprocal(x: Array) -> Array:
    return 1 / x


def _positive(x: Array) -> Array:
    return x


def _float_power(x: Array, y: Array) -> Array:
    dtype = np.dtype(np.complex128 if "c" in (aval_of(x).dtype.kind, aval_of(y).dtype.kind) else np.float64)
    return exponential.pow(convert_element_type(x, dtype=dtype), convert_element_type(y, dtype=dtype))


def _ldexp(x: Array, n: Array) -> Array:
    return x * exponential.exp2(convert_element_type(n, dtype=np.result_type(aval_of(x).dtype, np.float32)))


sin = _export("sin", trigonometric.sin, np.sin, 1)
cos = _export("cos", trigonometric.cos, np.cos, 1)
tan = _export("tan", trigonometric.tan, np.tan, 1)
arcsin = asin = _export("arcsin", trigonometric.arcsin, np.arcsin, 1)
arccos = acos = _export("arccos", trigonometric.arccos, np.arccos, 1)
arctan = atan = _export("arctan", trigonometric.arctan, np.arctan, 1)
sinh = _export("sinh", trigonometric.sinh, np.sinh, 1)
cosh = _export("cosh", trigonometric.cosh, np.cosh, 1)
tanh = _export("tanh", trigonometric.tanh, np.tanh, 1)
arcsinh = asinh = _export("arcsinh", trigonometric.arcsinh, np.arcsinh, 1)
arccosh = acosh = _export("arccosh", trigonometric.arccosh, np.arccosh, 1)
arctanh = atanh = _export("arctanh", trigonometric.arctanh, np.arctanh, 1)
arctan2 = atan2 = _export("arctan2", trigonometric.arctan2, np.arctan2, 2)
hypot = _export("hypot", trigonometric.hypot, np.hypot, 2)
deg2rad = radians = _export("deg2rad", _deg2rad, np.deg2rad, 1, "`deg2rad(x)`: degrees as radians.")
rad2deg = degrees = _export("rad2deg", _rad2deg, np.rad2deg, 1, "`rad2deg(x)`: radians as degrees.")
operators.ufuncs.update({np.radians: radians, np.degrees: degrees})

exp = _export("exp", exponential.exp, np.exp, 1)
exp2 = _export("exp2", exponential.exp2, np.exp2, 1)
expm1 = _export("expm1", exponential.expm1, np.expm1, 1)
log = _export("log", exponential.log, np.log, 1)
log2 = _export("log2", exponential.log2, np.log2, 1)
log10 = _export("log10", exponential.log10, np.log10, 1)
log1p = _export("log1p", exponential.log1p, np.log1p, 1)
sqrt = _export("sqrt", exponential.sqrt, np.sqrt, 1)
cbrt = _export("cbrt", exponential.cbrt, np.cbrt, 1)
square = _export("square", exponential.square, np.square, 1)
logaddexp = _export("logaddexp", exponential.logaddexp, np.logaddexp, 2)
logaddexp2 = _export("logaddexp2", exponential.logaddexp2, np.logaddexp2, 2)
reciprocal = _export("reciprocal", _reciprocal, np.reciprocal, 1, "`reciprocal(x)`: 1 / x.")

add = _export("add", elementwise.add, np.add, 2)
subtract = _export("subtract", elementwise.sub, np.subtract, 2)
multiply = _export("multiply", elementwise.mul, np.multiply, 2)
divide = true_divide = _export("divide", elementwise.div, np.true_divide, 2)
negative = _export("negative", elementwise.neg, np.negative, 1)
positive = _export("positive", _positive, np.positive, 1, "`positive(x)`: x.")
float_power = _export("float_power", _float_power, np.float_power, 2, "`float_power(x, y)`: xʸ in at least float64.")
ldexp = _export("ldexp", _ldexp, np.ldexp, 2, "`ldexp(x, n)`: x·2ⁿ.")
floor_divide = _export("floor_divide", rounding.floor_divide, np.floor_divide, 2)
remainder = mod = _export("remainder", rounding.remainder, np.remainder, 2)
fmod = _export("fmod", rounding.fmod, np.fmod, 2)
absolute = abs = _export("absolute", rounding.absolute, np.absolute, 1)
fabs = _export("fabs", rounding.absolute, np.fabs, 1, "`fabs(x)`: |x| for real x.")
sign = _export("sign", rounding.sign, np.sign, 1)
floor = _export("floor", rounding.floor, np.floor, 1)
ceil = _export("ceil", rounding.ceil, np.ceil, 1)
trunc = _export("trunc", rounding.trunc, np.trunc, 1)
fix = _export("fix", rounding.trunc, np.trunc, 1, "`fix(x)`: x rounded towards zero.")
rint = _export("rint", rounding.rint, np.rint, 1)
copysign = _export("copysign", rounding.copysign, np.copysign, 2)
nextafter = _export("nextafter", rounding.nextafter, np.nextafter, 2)
heaviside = _export("heaviside", rounding.heaviside, np.heaviside, 2)
conj = conjugate = _export("conjugate", rounding.conj, np.conjugate, 1)
real = _export("real", rounding.real, np.real, 1)
imag = _export("imag", rounding.imag, np.imag, 1)

maximum = _export("maximum", comparison.maximum, np.maximum, 2)
minimum = _export("minimum", comparison.minimum, np.minimum, 2)
fmax = _export("fmax", comparison.fmax, np.fmax, 2)
fmin = _export("fmin", comparison.fmin, np.fmin, 2)
equal = _export("equal", comparison.eq, np.equal, 2)
not_equal = _export("not_equal", comparison.ne, np.not_equal, 2)
less = _export("less", comparison.lt, np.less, 2)
less_equal = _export("less_equal", comparison.le, np.less_equal, 2)
greater = _export("greater", comparison.gt, np.greater, 2)
greater_equal = _export("greater_equal", comparison.ge, np.greater_equal, 2)
logical_and = _export("logical_and", comparison.logical_and, np.logical_and, 2)
logical_or = _export("logical_or", comparison.logical_or, np.logical_or, 2)
logical_xor = _export("logical_xor", comparison.logical_xor, np.logical_xor, 2)
logical_not = _export("logical_not", comparison.logical_not, np.logical_not, 1)
bitwise_and = _export("bitwise_and", comparison.bitwise_and, np.bitwise_and, 2)
bitwise_or = _export("bitwise_or", comparison.bitwise_or, np.bitwise_or, 2)
bitwise_xor = _export("bitwise_xor", comparison.bitwise_xor, np.bitwise_xor, 2)
bitwise_not = bitwise_invert = invert = _export("bitwise_not", comparison.bitwise_not, np.invert, 1)
left_shift = bitwise_left_shift = _export("left_shift", comparison.left_shift, np.left_shift, 2)
right_shift = bitwise_right_shift = _export("right_shift", comparison.right_shift, np.right_shift, 2)
isfinite = _export("isfinite", comparison.is_finite, np.isfinite, 1)
isnan = _export("isnan", comparison.is_nan, np.isnan, 1)
isinf = _export("isinf", comparison.is_inf, np.isinf, 1)
signbit = _export("signbit", comparison.signbit, np.signbit, 1)


def power(x: Any, y: Any, /) -> Array:
    """`power(x, y)`: xʸ. For a Python integer y derivatives of every order are exact, also at x = 0."""
    if type(x) is not Tracer and type(y) is not Tracer and not is_traced(x, y):
        return np.power(x, y)
    x, y = as_operand(x), as_operand(y)
    if type(x) is Tracer and type(y) in (int, float):
        return _strong(x) ** y
    return _apply(exponential.pow, (x, y))


pow = power
operators.ufuncs[np.power] = power


def divmod(x: Any, y: Any, /) -> tuple[Array, Array]:
    """`divmod(x, y)`: quotient and remainder, `(x // y, x % y)`."""
    return floor_divide(x, y), remainder(x, y)


def modf(x: Any, /) -> tuple[Array, Array]:
    """`modf(x)`: fraction and whole part of x, both with the sign of x."""
    if not is_traced(x):
        return np.modf(x)
    whole = trunc(x)
    return as_operand(x) - whole, whole


operators.ufuncs.update({np.divmod: divmod, np.modf: modf})


def sigmoid(x: Any, /) -> Array:
    """`sigmoid(x)`: 1 / (1 + e⁻ˣ), without overflow.

    >>> float(sigmoid(0.0))
    0.5
    """
    return exponential.logistic(as_operand(x))


def clip(a: Any, min: Any = None, max: Any = None, /, a_min: Any = None, a_max: Any = None) -> Array:
    """`clip(a, min, max)`: a limited to the interval. At a constant bound the derivative is 0.

    Args:
        a: an array.
        min: lower bound, or `None`.
        max: upper bound, or `None`.
        a_min: NumPy's older name of `min`.
        a_max: NumPy's older name of `max`.

    >>> clip(np.array([-2.0, 0.5, 2.0]), 0.0, 1.0)
    array([0. , 0.5, 1. ])
    """
    low = a_min if min is None else min
    high = a_max if max is None else max
    if not is_traced(a, low, high):
        return np.clip(a, low, high)
    out = as_operand(a)
    if low is not None:
        out = maximum(out, low)
    return out if high is None else minimum(out, high)


def round(a: Any, decimals: int = 0) -> Array:
    """`round(a, decimals)`: the nearest multiple of 10⁻ᵈ, ties to even; its derivative is 0."""
    if not is_traced(a):
        return np.round(a, decimals)
    x = as_operand(a)
    if aval_of(x).dtype.kind in "biu":
        return x
    if aval_of(x).dtype.kind == "c":
        return round(real(x), decimals) + 1j * round(imag(x), decimals)
    if decimals == 0:
        return rint(x)
    return rint(x * 10.0**decimals) / 10.0**decimals


around = round


def angle(z: Any, deg: bool = False) -> Array:
    """`angle(z)`: the argument of a complex number, in radians, or in degrees. Its derivative at 0 is 0."""
    if not is_traced(z):
        return np.angle(z, deg)
    z = as_operand(z)
    out = arctan2(imag(z), real(z))
    return rad2deg(out) if deg else out


def sinc(x: Any, /) -> Array:
    """`sinc(x)`: sin(πx)/(πx), 1 at 0, with derivatives of every order there."""
    if not is_traced(x):
        return np.sinc(x)
    x = _strong(as_operand(x)) * math.pi
    near = comparison.lt(absolute(x), 0.1)
    square_small = square(comparison.select(near, x, 0.0))
    series: Array = 1.0
    for k in range(9, 0, -1):
        series = 1.0 - series * square_small / ((2 * k) * (2 * k + 1))
    safe = comparison.select(near, 1.0, x)
    return comparison.select(near, series, sin(safe) / safe)


def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Array:
    """`nan_to_num(x)`: NaN and infinities replaced by numbers; the derivative there is 0."""
    if not is_traced(x):
        return np.nan_to_num(x, copy=copy, nan=nan, posinf=posinf, neginf=neginf)
    x = _strong(as_operand(x))
    dtype = aval_of(x).dtype
    if dtype.kind not in "fc":
        return x
    if dtype.kind == "c":
        return nan_to_num(real(x), copy, nan, posinf, neginf) + 1j * nan_to_num(imag(x), copy, nan, posinf, neginf)
    info = np.finfo(dtype)
    x = comparison.select(isnan(x), dtype.type(nan), x)
    x = comparison.select(equal(x, np.inf), dtype.type(info.max if posinf is None else posinf), x)
    return comparison.select(equal(x, -np.inf), dtype.type(info.min if neginf is None else neginf), x)


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Array:
    """`isclose(a, b)`: |a − b| ≤ atol + rtol·|b|."""
    if not is_traced(a, b):
        return np.isclose(a, b, rtol, atol, equal_nan)
    a, b = as_operand(a), as_operand(b)
    close = logical_and(less_equal(absolute(a - b), atol + rtol * absolute(b)), isfinite(b))
    close = logical_or(close, equal(a, b))
    return logical_or(close, logical_and(isnan(a), isnan(b))) if equal_nan else close


def isposinf(x: Any, /) -> Array:
    """`isposinf(x)`: x is +∞."""
    return equal(x, np.inf) if is_traced(x) else np.isposinf(x)


def isneginf(x: Any, /) -> Array:
    """`isneginf(x)`: x is −∞."""
    return equal(x, -np.inf) if is_traced(x) else np.isneginf(x)


def iscomplex(x: Any, /) -> Array:
    """`iscomplex(x)`: the imaginary part is not 0."""
    return not_equal(imag(x), 0) if is_traced(x) else np.iscomplex(x)


def isreal(x: Any, /) -> Array:
    """`isreal(x)`: the imaginary part is 0."""
    return equal(imag(x), 0) if is_traced(x) else np.isreal(x)


__all__ = [name for name, value in list(globals().items()) if callable(value) and not name.startswith("_")]
for _name in (
    "Any",
    "Array",
    "dispatch",
    "ArgumentError",
    "Callable",
    "Primitive",
    "Tracer",
    "as_operand",
    "aval_of",
    "convert_element_type",
    "is_traced",
    "message",
):
    __all__.remove(_name)
