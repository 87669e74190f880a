"""Python's operators on tracers, and NumPy's ufuncs given tracers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.core.aval import Array
from fgrad.core.interpreter import Tracer, dispatch, install_operators
from fgrad.core.primitive import Primitive, registry
from fgrad.errors import ArgumentError, TracerArrayConversionError, hide_frames, message, public
from fgrad.primitives.comparison import (
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    eq,
    ge,
    gt,
    le,
    left_shift,
    lt,
    ne,
    right_shift,
)
from fgrad.primitives.elementwise import add, div, integer_pow, mul, neg, sub
from fgrad.primitives.exponential import pow, sqrt
from fgrad.primitives.rounding import absolute, floor_divide, remainder

__all__ = ["ufunc_methods", "ufuncs"]

_OPERANDS = frozenset({Tracer, np.ndarray, float, int, bool, complex, np.float64, np.float32})


def operand(x: Any) -> Array:
    """The other side of an operator, or `NotImplemented`. As NumPy does, nested lists of numbers are taken as
    arrays."""
    if type(x) in _OPERANDS or isinstance(x, (np.ndarray, np.generic)):
        return x
    return np.asarray(x) if isinstance(x, (list, tuple)) else NotImplemented


def _binary(primitive: Primitive) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def forward(x: Tracer, y: Any) -> Any:
        try:
            if type(y) not in _OPERANDS and (y := operand(y)) is NotImplemented:
                return NotImplemented
            return dispatch(primitive, (x, y), {})
        except Exception as error:
            hide_frames(error)
            raise

    def reflected(y: Tracer, x: Any) -> Any:
        try:
            if type(x) not in _OPERANDS and (x := operand(x)) is NotImplemented:
                return NotImplemented
            return dispatch(primitive, (x, y), {})
        except Exception as error:
            hide_frames(error)
            raise

    return forward, reflected


def _unary(primitive: Primitive) -> Callable[[Tracer], Any]:
    def forward(x: Tracer) -> Any:
        try:
            return dispatch(primitive, (x,), {})
        except Exception as error:
            hide_frames(error)
            raise

    return forward


@public
def _power(x: Array, y: Any) -> Any:
    """`x ** y`; a Python integer and ½ as exponents have primitives of their own, with exact derivatives."""
    if type(y) is int:
        if y < 0 and x.weak_type and x.dtype.kind in "bi":
            x = x * 1.0  # Python's own integers give a float
        return integer_pow(x, y=y)
    if type(y) is float and x.dtype.kind in "fc":
        if y.is_integer() and abs(y) < 2**31:
            return integer_pow(x, y=int(y))
        if y == 0.5 and not x.weak_type:
            return sqrt(x)
    return _pow[0](x, y)


@public
def _divmod(x: Any, y: Any) -> tuple[Array, Array]:
    return x // y, x % y


@public
def _rdivmod(y: Any, x: Any) -> tuple[Array, Array]:
    return x // y, x % y


_pow = _binary(pow)
for _name, _primitive in {
    "add": add,
    "sub": sub,
    "mul": mul,
    "truediv": div,
    "floordiv": floor_divide,
    "mod": remainder,
    "and": bitwise_and,
    "or": bitwise_or,
    "xor": bitwise_xor,
    "lshift": left_shift,
    "rshift": right_shift,
}.items():
    _forward, _reflected = _binary(_primitive)
    install_operators(**{f"__{_name}__": _forward, f"__r{_name}__": _reflected})

install_operators(
    __pow__=_power,
    __rpow__=_pow[1],
    __eq__=_binary(eq)[0],
    __ne__=_binary(ne)[0],
    __lt__=_binary(lt)[0],
    __le__=_binary(le)[0],
    __gt__=_binary(gt)[0],
    __ge__=_binary(ge)[0],
    __neg__=_unary(neg),
    __pos__=lambda x: x,
    __abs__=_unary(absolute),
    __invert__=_unary(bitwise_not),
    __divmod__=_divmod,
    __rdivmod__=_rdivmod,
)


ufuncs: dict[np.ufunc, Callable[..., Any]] = {}
"""What stands for a NumPy ufunc that is given a tracer."""


ufunc_methods: dict[str, Callable[..., Any]] = {}
"""What stands for a method of NumPy's ufuncs, such as `np.add.reduce`, by name: it takes the ufunc first, and gives
`NotImplemented` for one that it does not know."""


def register_ufuncs() -> None:
    """Lets every element-wise primitive stand for the ufunc that computes it."""
    for primitive in registry.values():
        impl = getattr(primitive, "impl", None)
        if isinstance(impl, np.ufunc):
            ufuncs.setdefault(impl, primitive)


@public
def _array_ufunc(self: Tracer, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
    function = ufuncs.get(ufunc) if method == "__call__" else None
    if function is None:
        if method in ufunc_methods:
            out = ufunc_methods[method](ufunc, *args, **kwargs)
            if out is not NotImplemented:
                return out
        if any(hasattr(type(x), "__array_ufunc__") and type(x) not in _OPERANDS for x in args):
            return NotImplemented  # another library's array may know better
        full = f"numpy.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
        what = f"{full} has no counterpart in fgrad that takes traced arrays, in {self.interpreter.describe()}."
        raise TracerArrayConversionError(message(what, cure="Write it with functions of fgrad.numpy."))
    for name, value in kwargs.items():
        if value is not None:
            raise _refused(ufunc.__name__, name)
    return function(*[operand(x) for x in args])


def _refused(ufunc: str, keyword: str) -> ArgumentError:
    """The error for a keyword of a ufunc that means nothing for traced values."""
    if keyword == "out":
        what = f"{ufunc} cannot write traced values into a NumPy array (by out=, or by an operator such as x += t)."
        return ArgumentError(message(what, cure="Use the result: x = x + t."))
    cure = f"Leave `{keyword}` out; select with fgrad.numpy.where, convert with .astype."
    return ArgumentError(message(f"{ufunc} does not take `{keyword}` when an argument is traced.", cure=cure))


register_ufuncs()
install_operators(__array_ufunc__=_array_ufunc)
