"""The family of element-wise primitives, and arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, repeat
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.jaxpr import Var
from fgrad.core.primitive import ZERO, Primitive, Sample, Zero, is_linear_input
from fgrad.core.writer import Writer
from fgrad.errors import ShapeError, message
from fgrad.primitives.coefficients import Coefficient, Constant, Series, convolution, power, quotient
from fgrad.primitives.families import complexes, draw, floats, shape_of
from fgrad.primitives.shape import fit, grow, move_axis, reshape

__all__ = ["Elementwise", "add", "div", "grown", "integer_pow", "mul", "neg", "over", "positive", "reciprocal", "sub"]


_BOOL = np.dtype(np.bool_)


class Elementwise(Primitive):
    """Applies to arrays element by element, with NumPy's broadcasting and promotion (NEP 50).

    A subclass gives `impl` (a NumPy ufunc, as a rule) and `derivative(out, *xs)`: one coefficient per argument, for
    several
    arguments a tuple whose entries may be functions without arguments, called only where that argument has a tangent.
    """

    def __init__(self) -> None:
        super().__init__()
        self._dtypes: dict[Any, np.dtype[Any]] = {}

    def derivative(self, *args: Any, **params: Any) -> Any:
        """`derivative(out, *xs, **params)`: one coefficient per argument."""
        self._missing("derivative")

    def shape(self, *avals: Any, **params: Any) -> ShapedArray:
        x: ShapedArray = avals[0]
        for y in avals:
            if y.shape != x.shape or y.dtype is not x.dtype or y.weak_type:
                break
        else:
            if self._dtypes.get(x.dtype) is x.dtype:
                return x
        keys = tuple([a.key for a in avals])
        dtype = self._dtypes.get(keys)
        if dtype is None:
            dtype = self._dtypes[keys] = self.result_dtype(keys, avals)
            if all(key == dtype for key in keys):
                self._dtypes[dtype] = dtype
        weak = self.preserves_weak and all([a.weak_type for a in avals])
        if all([a.shape == x.shape or not a.shape for a in avals]):
            return ShapedArray(x.shape, dtype, weak)
        return ShapedArray(self._broadcast(avals), dtype, weak)

    def result_dtype(self, keys: tuple[Any, ...], avals: Sequence[ShapedArray]) -> np.dtype[Any]:
        """The dtype of the result by NumPy's own promotion, for dtypes and (weak) Python types."""
        ufunc: Any = self.impl
        if not isinstance(ufunc, np.ufunc):
            ones = [key(1) if isinstance(key, type) else np.ones(0, key) for key in keys]
            return np.asarray(ufunc(*ones)).dtype
        keys = tuple([_BOOL if key is bool else key for key in keys])  # NEP 50: a Python bool is not weak
        try:
            return ufunc.resolve_dtypes((*keys, *[None] * ufunc.nout))[-1]
        except TypeError:
            kinds = " and ".join(str(a.dtype) for a in avals)
            cure = "Convert the arguments to dtypes that NumPy has it for: x.astype(dtype)."
            raise ShapeError(message(f"`{self.name}` is not defined for {kinds}.", cure=cure)) from None

    def _broadcast(self, avals: Sequence[ShapedArray]) -> tuple[int, ...]:
        try:
            return np.broadcast_shapes(*[a.shape for a in avals])
        except ValueError:
            shapes = " and ".join(str(a.shape) for a in avals)
            cure = "Shapes are aligned at their last axes; each pair of sizes must be equal, or one of them 1."
            raise ShapeError(
                message(f"shapes {shapes} do not broadcast together in `{self.name}`.", cure=cure)
            ) from None

    def jvp(self, *args: Any, **params: Any) -> Array | Zero:
        out, xs, ts = args
        if len(xs) == 1:
            return ts[0] * self.derivative(out, xs[0], **params)
        total: Any = ZERO
        for t, coefficient in zip(ts, self.derivative(out, *xs, **params), strict=True):
            if t is not ZERO:
                term = t * (coefficient() if callable(coefficient) else coefficient)
                total = term if total is ZERO else total + term
        return grow(total, out)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[int | None], **params: Any) -> tuple[Array, int]:
        ranks = [len(shape_of(x)) for x in xs]
        at = {dim for dim in dims if dim is not None}
        full = {rank for rank, dim in zip(ranks, dims, strict=True) if dim is not None or rank}
        if len(at) == 1 and len(full) == 1 and all(d is not None or not r for d, r in zip(dims, ranks, strict=True)):
            return self.bind(*xs, **params), at.pop()
        ndim = max(rank - (dim is not None) for rank, dim in zip(ranks, dims, strict=True))
        return self.bind(
            *[x if d is None else _aligned(x, d, ndim) for x, d in zip(xs, dims, strict=True)], **params
        ), 0

    def lower(self, *args: Any, **params: Any) -> str:
        write, names, out = args
        given = [*names, *(f"{key}={write.constant(value, key)}" for key, value in params.items())]
        if out is not None:
            given.append(f"out={out}")
        return f"{write.constant(self.impl, self.name)}({', '.join(given)})"

    def inplace(self, *args: Any, **params: Any) -> bool:
        return isinstance(self.impl, np.ufunc)


def _aligned(x: Array, dim: int, ndim: int) -> Array:
    """Moves the mapped axis to the front and gives every row `ndim` axes, so that rows broadcast as they did alone."""
    x = move_axis(x, dim, 0)
    size, *inner = shape_of(x)
    return x if len(inner) == ndim else reshape(x, shape=(size, *(1,) * (ndim - len(inner)), *inner))


def grown(t: Array | Zero, out: Array) -> Coefficient:
    """A coefficient in the shape and dtype of the result that it belongs to."""
    return t if t is ZERO else grow(t, out)


class Neg(Elementwise):
    """`neg(x)`: −x."""

    impl, preserves_weak = np.negative, True
    samples = (*floats(-3, 3), *complexes())

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array:
        return -ts[0]

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return True

    def transpose(self, ct: Array, x: Any) -> Sequence[Array]:
        return (-ct,)


class Add(Elementwise):
    """`add(x, y)`: x + y."""

    impl, preserves_weak = np.add, True
    samples = (*floats(-3, 3, 2), *complexes(2))

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array:
        x, y = ts
        return grow(y if x is ZERO else x if y is ZERO else x + y, out)

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return True

    def transpose(self, ct: Array, x: Any, y: Any) -> Sequence[Array | None]:
        return fit(ct, x) if is_linear_input(x) else None, fit(ct, y) if is_linear_input(y) else None


class Sub(Elementwise):
    """`sub(x, y)`: x − y."""

    impl, preserves_weak = np.subtract, True
    samples = (*floats(-3, 3, 2), *complexes(2))

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array:
        x, y = ts
        return grow(-y if x is ZERO else x if y is ZERO else x - y, out)

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return True

    def transpose(self, ct: Array, x: Any, y: Any) -> Sequence[Array | None]:
        return fit(ct, x) if is_linear_input(x) else None, fit(-ct, y) if is_linear_input(y) else None


class Mul(Elementwise):
    """`mul(x, y)`: x·y."""

    impl, preserves_weak = np.multiply, True
    samples = (*floats(-3, 3, 2), *complexes(2))

    def derivative(self, out: Array, x: Array, y: Array) -> Any:
        return y, x

    def jvp(self, *args: Any, **params: Any) -> Array | Zero:
        out, (x, y), (t, u) = args
        if x is y and t is u:
            return (t * x) * 2  # on the way back the factor comes first, and meets those of what follows
        return super().jvp(out, (x, y), (t, u))

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return not all(varying)

    def transpose(self, ct: Array, x: Any, y: Any) -> Sequence[Array | None]:
        return (fit(ct * y, x), None) if type(x) is Var else (None, fit(ct * x, y))

    def series(self, out: Array, x: Series, y: Series) -> Iterator[Coefficient]:
        return (grown(convolution(x, y, k), out) for k in count(1))


def over(x: Array, y: Array) -> Array:
    """x / y for rules, whose operands may be Python's numbers: these, too, give infinity or NaN where y is 0."""
    return div(x, y) if type(y) is float and y == 0 else x / y


class Div(Elementwise):
    """`div(x, y)`: x / y."""

    impl, preserves_weak = np.true_divide, True
    samples = (*floats(0.5, 3, 2), *complexes(2))

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array:
        t, u = ts
        y = xs[1]
        if u is ZERO:
            return grow(over(t, y), out)
        by = -u * over(out, y)  # on the way back the sign comes last, when what was broadcast has been summed
        return grow(by if t is ZERO else over(t, y) + by, out)

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return not varying[1]

    def transpose(self, ct: Array, x: Any, y: Any) -> Sequence[Array | None]:
        return fit(over(ct, y), x), None

    def series(self, out: Array, x: Series, y: Series) -> Iterator[Coefficient]:
        return (grown(q, out) for q in quotient(x, y, out))


class IntegerPow(Elementwise):
    """`integer_pow(x, y=)`: xʸ for a fixed integer y; its derivatives of every order are exact, also at 0."""

    preserves_weak = True
    samples = tuple(Sample(draw(0.5, 2, (2, 3)), y=y) for y in (-2, -1, 0, 1, 2, 3, 4, 5)) + tuple(
        Sample(np.array([0.0, -0.0, -1.5]), y=y) for y in (0, 1, 2, 3, 4)
    )

    def impl(self, x: Array, *, y: int) -> Array:
        if type(x) in (int, float, complex, bool):
            return np.power(x, y)
        if y == 3:
            return np.square(x) * x  # np.power takes up to two hundred times as long
        return np.square(np.square(x)) if y == 4 else x**y

    def shape(self, x: ShapedArray, *, y: int) -> ShapedArray:
        dtype = np.result_type(x.dtype, np.int8) if x.dtype.kind == "b" else x.dtype
        if y < 0 and dtype.kind in "iu":
            cure = "Convert to a floating-point dtype first: x.astype(float) ** n."
            raise ShapeError(message("integers to a negative integer power are not allowed.", cure=cure))
        return ShapedArray(x.shape, dtype, x.weak_type)

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], *, y: int) -> Array:
        if y in (0, 1):
            return ts[0] * self.derivative(out, *xs, y=y)
        return (ts[0] * (xs[0] if y == 2 else integer_pow(xs[0], y=y - 1))) * y  # as in Mul

    def derivative(self, out: Array, x: Array, *, y: int) -> Array:
        return 0.0 if y == 0 else 1.0 if y == 1 else 2 * x if y == 2 else y * integer_pow(x, y=y - 1)

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, y: int) -> str:
        target = f", out={out}" if out else ""
        if y == 2:
            return f"np.square({names[0]}{target})"
        return f"np.power({names[0]}, {y}{target})"

    def inplace(self, avals: Sequence[ShapedArray], out: ShapedArray, *, y: int) -> bool:
        return True

    def series(self, out: Array, x: Series, *, y: int) -> Iterator[Coefficient]:
        if y == 0:
            return repeat(ZERO)
        powers = power(x, abs(y))
        return quotient(Constant(1), powers, out) if y < 0 else (powers[k] for k in count(1))


class Positive(Elementwise):
    """`positive(x)`: x."""

    impl = np.positive
    samples = (*floats(-3, 3), *complexes())

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return True

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array:
        return ts[0]


class Reciprocal(Elementwise):
    """`reciprocal(x)`: 1 / x."""

    impl = np.reciprocal
    samples = (*floats(0.5, 3, hard=(-2.0,)), *complexes())

    def derivative(self, out: Array, x: Array) -> Array:
        return -out * out

    def series(self, out: Array, x: Series) -> Iterator[Coefficient]:
        return quotient(Constant(1), x, out)


neg = Neg()
positive = Positive()
reciprocal = Reciprocal()
add = Add()
sub = Sub()
mul = Mul()
div = Div()
integer_pow = IntegerPow()
