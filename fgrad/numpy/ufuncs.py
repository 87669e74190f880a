"""Element-wise functions: NumPy's chapters "Mathematical functions", "Logic functions" and "Bit-wise operations".

Every function here is the primitive of its name, or a line of them; on concrete arrays it is NumPy's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer, dispatch
from fgrad.core.primitive import Primitive
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.numpy.dispatch import as_operand, is_traced, refuse
from fgrad.primitives import comparison, elementwise, exponential, operators, rounding, trigonometric
from fgrad.primitives.shape import convert_element_type

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "angle",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "around",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_count",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "cbrt",
    "ceil",
    "clip",
    "conj",
    "conjugate",
    "copysign",
    "cos",
    "cosh",
    "deg2rad",
    "degrees",
    "divide",
    "divmod",
    "equal",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "fix",
    "float_power",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "frexp",
    "gcd",
    "greater",
    "greater_equal",
    "heaviside",
    "hypot",
    "imag",
    "invert",
    "isclose",
    "iscomplex",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "lcm",
    "ldexp",
    "left_shift",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "mod",
    "modf",
    "multiply",
    "nan_to_num",
    "negative",
    "nextafter",
    "not_equal",
    "positive",
    "pow",
    "power",
    "rad2deg",
    "radians",
    "real",
    "reciprocal",
    "remainder",
    "right_shift",
    "rint",
    "round",
    "sigmoid",
    "sign",
    "signbit",
    "sin",
    "sinc",
    "sinh",
    "spacing",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "true_divide",
    "trunc",
]


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


def _refuse(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Refuses the options of a ufunc; what follows its operands is `out`."""
    for key in (*["out"] * len(args), *kwargs):
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
        if type(x) is ndarray and not args and not kwargs:
            return function(x)
        if type(x) is Tracer:
            if args or kwargs:
                _refuse(name, args, kwargs)
            return dispatch(primitive, (x,), {}) if direct else _apply(primitive, (x,))  # type: ignore[arg-type]
        if is_traced(x):
            return unary(as_operand(x), *args, **kwargs)
        return function(x, *args, **kwargs)

    def binary(x: Any, y: Any, /, *args: Any, **kwargs: Any) -> Array:
        if type(x) is ndarray is type(y) and not args and not kwargs:
            return function(x, y)
        if type(x) is not Tracer is not type(y) and not is_traced(x, y):
            return function(x, y, *args, **kwargs)
        if args or kwargs:
            _refuse(name, args, kwargs)
        return _apply(primitive, (x, y))

    exported: Callable[..., Array] = unary if arity == 1 else binary
    exported.__name__ = exported.__qualname__ = name
    exported.__doc__ = doc or primitive.__doc__
    if isinstance(function, np.ufunc):
        operators.ufuncs[function] = exported
    return exported


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
deg2rad = radians = _export("deg2rad", trigonometric.deg2rad, np.deg2rad, 1)
rad2deg = degrees = _export("rad2deg", trigonometric.rad2deg, np.rad2deg, 1)
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
reciprocal = _export("reciprocal", elementwise.reciprocal, np.reciprocal, 1)

add = _export("add", elementwise.add, np.add, 2)
subtract = _export("subtract", elementwise.sub, np.subtract, 2)
multiply = _export("multiply", elementwise.mul, np.multiply, 2)
divide = true_divide = _export("divide", elementwise.div, np.true_divide, 2)
negative = _export("negative", elementwise.neg, np.negative, 1)
positive = _export("positive", elementwise.positive, np.positive, 1)
float_power = _export("float_power", exponential.float_power, np.float_power, 2)
ldexp = _export("ldexp", exponential.ldexp, np.ldexp, 2)
floor_divide = _export("floor_divide", rounding.floor_divide, np.floor_divide, 2)
remainder = mod = _export("remainder", rounding.remainder, np.remainder, 2)
fmod = _export("fmod", rounding.fmod, np.fmod, 2)
absolute = abs = _export("absolute", rounding.absolute, np.absolute, 1)
fabs = _export("fabs", rounding.fabs, np.fabs, 1)
sign = _export("sign", rounding.sign, np.sign, 1)
floor = _export("floor", rounding.floor, np.floor, 1)
ceil = _export("ceil", rounding.ceil, np.ceil, 1)
trunc = _export("trunc", rounding.trunc, np.trunc, 1)
fix = _export("fix", rounding.trunc, np.trunc, 1, "`fix(x)`: x rounded towards zero.")
rint = _export("rint", rounding.rint, np.rint, 1)
copysign = _export("copysign", rounding.copysign, np.copysign, 2)
nextafter = _export("nextafter", rounding.nextafter, np.nextafter, 2)
spacing = _export("spacing", rounding.spacing, np.spacing, 1)
heaviside = _export("heaviside", rounding.heaviside, np.heaviside, 2)
conj = conjugate = _export("conjugate", rounding.conj, np.conjugate, 1)

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
bitwise_count = _export("bitwise_count", comparison.bitwise_count, np.bitwise_count, 1)
gcd = _export("gcd", comparison.gcd, np.gcd, 2)
lcm = _export("lcm", comparison.lcm, np.lcm, 2)
isfinite = _export("isfinite", comparison.is_finite, np.isfinite, 1)
isnan = _export("isnan", comparison.is_nan, np.isnan, 1)
isinf = _export("isinf", comparison.is_inf, np.isinf, 1)
signbit = _export("signbit", comparison.signbit, np.signbit, 1)


def power(x: Any, y: Any, /, *args: Any, **kwargs: Any) -> Array:
    """`power(x, y)`: xʸ. For a Python integer y derivatives of every order are exact, also at x = 0."""
    if type(x) is ndarray is type(y) and not args and not kwargs:
        return np.power(x, y)
    if not is_traced(x, y):
        return np.power(x, y, *args, **kwargs)
    _refuse("power", args, kwargs)
    x, y = as_operand(x), as_operand(y)
    if type(x) is Tracer and type(y) in (int, float) and x.dtype.kind != "b":
        return _strong(x) ** y
    return _apply(exponential.pow, (x, y))


pow = power
operators.ufuncs[np.power] = power


def divmod(x: Any, y: Any, /, *args: Any, **kwargs: Any) -> tuple[Array, Array]:
    """`divmod(x, y)`: quotient and remainder, `(x // y, x % y)`."""
    if type(x) is ndarray is type(y) or not is_traced(x, y):
        return np.divmod(x, y, *args, **kwargs)
    _refuse("divmod", args, kwargs)
    return floor_divide(x, y), remainder(x, y)


def modf(x: Any, /, *args: Any, **kwargs: Any) -> tuple[Array, Array]:
    """`modf(x)`: fraction and whole part of x, both with the sign of x."""
    if type(x) is ndarray or not is_traced(x):
        return np.modf(x, *args, **kwargs)
    _refuse("modf", args, kwargs)
    x = _floating(np.modf, as_operand(x))
    infinite = isinf(x)
    fraction = comparison.select(infinite, copysign(0.0, x), fmod(comparison.select(infinite, 0.0, x), 1.0))
    return fraction, trunc(x)


def frexp(x: Any, /, *args: Any, **kwargs: Any) -> tuple[Array, Array]:
    """`frexp(x)`: m and n with x = m·2ⁿ and ½ ≤ |m| < 1."""
    if type(x) is ndarray or not is_traced(x):
        return np.frexp(x, *args, **kwargs)
    _refuse("frexp", args, kwargs)
    x = _floating(np.frexp, as_operand(x))
    exponent = rounding.frexp_exponent(x)
    return ldexp(x, -exponent), exponent


def _floating(ufunc: Any, x: Array) -> Array:
    """An operand in the floating-point dtype that a ufunc computes in."""
    aval = aval_of(x)
    dtype = ufunc.resolve_dtypes((aval.dtype, *[None] * ufunc.nout))[0]
    return x if aval.dtype == dtype and not aval.weak_type else convert_element_type(x, dtype=dtype)


operators.ufuncs.update({np.divmod: divmod, np.modf: modf, np.frexp: frexp})


def real(val: Any) -> Array:
    """`real(x)`: the real part; of a Python number a Python number."""
    return rounding.real(_number(val)) if type(val) is not ndarray and is_traced(val) else np.real(val)


def imag(val: Any) -> Array:
    """`imag(x)`: the imaginary part; of a Python number a Python number."""
    return rounding.imag(_number(val)) if type(val) is not ndarray and is_traced(val) else np.imag(val)


def _number(val: Any) -> Array:
    """An operand; of a Python truth value the number, whose parts are integers."""
    x = as_operand(val)
    aval = aval_of(x)
    return x + 0 if aval.weak_type and aval.dtype.kind == "b" else x


def sigmoid(x: Any, /) -> Array:
    """`sigmoid(x)`: 1 / (1 + e⁻ˣ), without overflow.

    >>> float(sigmoid(0.0))
    0.5
    """
    return exponential.logistic(as_operand(x))


def clip(
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: Any = None,
    *,
    min: Any = None,
    max: Any = None,
    **options: Any,
) -> Array:
    """`clip(a, min, max)`: a limited to the interval. At a bound that is a Python number the derivative is 0.

    Args:
        a: an array.
        a_min: lower bound, or `None`.
        a_max: upper bound, or `None`.
        out: where to write; for concrete arrays only.
        min: the array API's name of `a_min`.
        max: the array API's name of `a_max`.
        **options: as of NumPy's ufuncs (`where`, `dtype`, …), for concrete arrays only.

    >>> clip(np.array([-2.0, 0.5, 2.0]), 0.0, 1.0)
    array([0. , 0.5, 1. ])
    """
    low = a_min if min is None else min
    high = a_max if max is None else max
    if not is_traced(a, low, high):
        return np.clip(a, low, high, out, **options)
    refuse("clip", out=out, **options)
    limited = _strong(as_operand(a))
    if low is None and high is None:
        return positive(limited)
    if low is not None:
        limited = maximum(limited, low)
    return limited if high is None else minimum(limited, high)


def round(a: Any, decimals: int = 0, out: Any = None) -> Array:
    """`round(a, decimals)`: the nearest multiple of 10⁻ᵈ, ties to even; its derivative is 0."""
    if type(a) is ndarray or not is_traced(a):
        return np.round(a, decimals, out)
    refuse("round", out=out)
    x = _strong(as_operand(a))
    dtype = aval_of(x).dtype
    if dtype.kind == "b" and decimals:
        raise ShapeError(message("fgrad.numpy.round of booleans takes no `decimals`.", cure="Convert: x.astype(int)."))
    if dtype.kind == "b":
        return rint(x)
    if dtype.kind == "c":
        return round(real(x), decimals) + 1j * round(imag(x), decimals)
    if decimals == 0 or (dtype.kind in "iu" and decimals > 0):
        return rint(x) if dtype.kind == "f" else positive(x)
    if decimals > 0:
        return rint(x * 10.0**decimals) / 10.0**decimals
    rounded = rint(x / 10.0**-decimals) * 10.0**-decimals
    return rounded if dtype.kind == "f" else convert_element_type(rounded, dtype=dtype)


around = round


def angle(z: Any, deg: bool = False) -> Array:
    """`angle(z)`: the argument of a complex number, in radians, or in degrees. Its derivative at 0 is 0."""
    if type(z) is ndarray or not is_traced(z):
        return np.angle(z, deg)
    z = as_operand(z)
    out = arctan2(imag(z), real(z)) if aval_of(z).dtype.kind == "c" else arctan2(0, z)
    return rad2deg(out) if deg else out


def sinc(x: Any, /) -> Array:
    """`sinc(x)`: sin(πx)/(πx), 1 at 0, with derivatives of every order there."""
    if type(x) is ndarray or not is_traced(x):
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
    if type(x) is ndarray or not is_traced(x):
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
    if type(a) is ndarray is type(b) or not is_traced(a, b):
        return np.isclose(a, b, rtol, atol, equal_nan)
    a, b = as_operand(a), as_operand(b)
    finite = logical_and(isfinite(a), isfinite(b))
    x, y = comparison.select(finite, a, 0.0), comparison.select(finite, b, 0.0)
    close = logical_and(less_equal(absolute(x - y), atol + rtol * absolute(y)), finite)
    close = logical_or(close, equal(a, b))
    return logical_or(close, logical_and(isnan(a), isnan(b))) if equal_nan else close


def isposinf(x: Any, /) -> Array:
    """`isposinf(x)`: x is +∞."""
    return equal(_real_only("isposinf", x), np.inf) if type(x) is not ndarray and is_traced(x) else np.isposinf(x)


def isneginf(x: Any, /) -> Array:
    """`isneginf(x)`: x is −∞."""
    return equal(_real_only("isneginf", x), -np.inf) if type(x) is not ndarray and is_traced(x) else np.isneginf(x)


def _real_only(name: str, x: Any) -> Array:
    x = as_operand(x)
    if aval_of(x).dtype.kind == "c":
        raise ShapeError(message(f"fgrad.numpy.{name} is not defined for {aval_of(x).dtype}.", cure="Use isinf."))
    return x


def iscomplex(x: Any, /) -> Array:
    """`iscomplex(x)`: the imaginary part is not 0."""
    return not_equal(imag(x), 0) if type(x) is not ndarray and is_traced(x) else np.iscomplex(x)


def isreal(x: Any, /) -> Array:
    """`isreal(x)`: the imaginary part is 0."""
    return equal(imag(x), 0) if type(x) is not ndarray and is_traced(x) else np.isreal(x)
