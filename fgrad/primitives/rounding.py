"""Signs, absolute values, rounding, division with remainder, and the parts of complex numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.primitive import ZERO, Sample, Zero
from fgrad.core.writer import Writer
from fgrad.primitives.comparison import Predicate, eq, select
from fgrad.primitives.elementwise import Elementwise, over
from fgrad.primitives.families import complexes, draw, floats, integers
from fgrad.primitives.shape import convert_element_type, grow

__all__ = [
    "absolute",
    "ceil",
    "conj",
    "copysign",
    "fabs",
    "floor",
    "floor_divide",
    "fmod",
    "frexp_exponent",
    "heaviside",
    "imag",
    "nextafter",
    "real",
    "remainder",
    "rint",
    "sign",
    "spacing",
    "trunc",
]


class Absolute(Elementwise):
    """`absolute(x)`: |x|; for complex x the derivative in direction t is Re(t·x̄)/|x|. At 0 the derivative is 0."""

    impl, preserves_weak = np.absolute, True
    samples = (*floats(0.5, 3, hard=(-1.0, 2.0)), *complexes())

    def derivative(self, out: Array, x: Array) -> Array:
        return sign(x)

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array:
        if aval_of(xs[0]).dtype.kind != "c":
            return ts[0] * sign(xs[0])
        radius = select(eq(out, 0), 1.0, out)
        return real(ts[0] * (conj(xs[0]) / radius))


class Fabs(Elementwise):
    """`fabs(x)`: |x| of a real number, as floating point. At 0 the derivative is 0."""

    impl, samples = np.fabs, floats(0.5, 3, hard=(-1.0, 2.0))

    def derivative(self, out: Array, x: Array) -> Array:
        return sign(x)


class Sign(Predicate):
    """`sign(x)`: −1, 0 or 1; x/|x| for complex x."""

    impl = np.sign
    samples = floats(0.5, 3, hard=(-1.0, 2.0))

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return False

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], **params: Any) -> Array | Zero:
        if out.dtype.kind != "c":
            return ZERO
        radius = absolute(xs[0])
        radius = select(eq(radius, 0), 1.0, radius)
        along = real(ts[0] * conj(out))
        return (ts[0] - along * out) / radius


class Floor(Predicate):
    """`floor(x)`: the largest integer not above x."""

    impl, samples = np.floor, (*floats(0.1, 0.9, hard=(-1.5, 2.5)), Sample(draw(-3, 3, (2, 3))))


class Ceil(Predicate):
    """`ceil(x)`: the smallest integer not below x."""

    impl, samples = np.ceil, (*floats(0.1, 0.9, hard=(-1.5, 2.5)), Sample(draw(-3, 3, (2, 3))))


class Trunc(Predicate):
    """`trunc(x)`: x without its fraction."""

    impl, samples = np.trunc, (*floats(0.1, 0.9, hard=(-1.5, 2.5)), Sample(draw(-3, 3, (2, 3))))


class Rint(Predicate):
    """`rint(x)`: the nearest integer, ties to even."""

    impl, samples = np.rint, (*floats(0.1, 0.4, hard=(-1.2, 2.2)), Sample(draw(-3, 3, (2, 3))))


class FloorDivide(Predicate):
    """`floor_divide(x, y)`: ⌊x / y⌋."""

    impl, preserves_weak = np.floor_divide, True
    samples = (Sample(draw(2.1, 2.9, (3,)), draw(0.9, 1.0, (3,))), *integers(1, 9, 2))


class Remainder(Elementwise):
    """`remainder(x, y)`: x − y·⌊x / y⌋, with the sign of y."""

    impl, preserves_weak = np.remainder, True
    samples = (Sample(draw(2.1, 2.9, (2, 3)), draw(0.9, 1.0, (3,))),)

    def derivative(self, out: Array, x: Array, y: Array) -> Any:
        return 1.0, lambda: -floor_divide(x, y)


class Fmod(Elementwise):
    """`fmod(x, y)`: x − y·trunc(x / y), with the sign of x."""

    impl = np.fmod
    samples = (
        Sample(draw(2.1, 2.9, (2, 3)), draw(0.9, 1.0, (3,))),
        Sample(draw(-2.9, -2.1, (3,)), draw(0.9, 1.0, (3,))),
    )

    def derivative(self, out: Array, x: Array, y: Array) -> Any:
        return 1.0, lambda: -trunc(over(x, y))


class Copysign(Elementwise):
    """`copysign(x, y)`: |x| with the sign of y."""

    impl = np.copysign
    samples = (
        Sample(draw(0.5, 3, (2, 3)), draw(-3, -0.5, (3,))),
        Sample(draw(-3, -0.5, (3,)), draw(-3, -0.5, (3,))),
    )

    def derivative(self, out: Array, x: Array, y: Array) -> Any:
        return lambda: sign(x) * copysign(1.0, y), 0.0


class Nextafter(Predicate):
    """`nextafter(x, y)`: the next floating-point number after x towards y."""

    impl, samples = np.nextafter, floats(-3, 3, 2)


class Spacing(Predicate):
    """`spacing(x)`: the distance to the next floating-point number away from 0."""

    impl, samples = np.spacing, floats(-3, 3)


class FrexpExponent(Predicate):
    """`frexp_exponent(x)`: the integer n for which ½ ≤ |x|·2⁻ⁿ < 1; 0 for 0."""

    samples = floats(0.6, 0.9, hard=(0.0, -0.7, 1.3))

    def impl(self, x: Array) -> Array:
        return np.frexp(x)[1]

    def result_dtype(self, keys: tuple[Any, ...], avals: Sequence[ShapedArray]) -> np.dtype[Any]:
        return np.dtype(np.intc)

    def inplace(self, *args: Any, **params: Any) -> bool:
        return False


class Heaviside(Elementwise):
    """`heaviside(x, h)`: 0 below 0, 1 above, h at 0."""

    impl = np.heaviside
    samples = (Sample(np.array([-1.0, 0.0, 2.0]), draw(0.2, 0.8, (3,))),)

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array | Zero:
        if ts[1] is ZERO:
            return ZERO
        return grow(ts[1] * select(eq(xs[0], 0), 1.0, 0.0), out)


class Conj(Elementwise):
    """`conj(x)`: the complex conjugate."""

    impl = np.conjugate
    samples = (*floats(-3, 3), *complexes())

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array:
        return conj(ts[0])

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return True

    def transpose(self, ct: Array, x: Any) -> Sequence[Array]:
        return (conj(ct),)


class Part(Elementwise):
    """The real or imaginary part of a complex number; linear over the reals."""

    preserves_weak = True

    def result_dtype(self, keys: tuple[Any, ...], avals: Sequence[ShapedArray]) -> np.dtype[Any]:
        dtype = avals[0].dtype
        return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any]) -> Array:
        return self(ts[0])

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return True

    def is_view(self, **params: Any) -> bool:
        return True

    def inplace(self, avals: Sequence[ShapedArray], out: ShapedArray, **params: Any) -> bool:
        return False


def _is_weak(write: Writer) -> bool:
    """Whether the argument is a Python number, of which `numpy.real` would make another Python number."""
    return bool(write.avals) and write.avals[0].weak_type


class Real(Part):
    """`real(x)`: the real part."""

    samples = (*complexes(), *floats(-3, 3))

    def impl(self, x: Array) -> Array:
        return np.real(x) if type(x) is np.ndarray else np.asarray(x).real[()]

    def transpose(self, ct: Array, x: Any) -> Sequence[Array]:
        return (convert_element_type(ct, dtype=x.aval.dtype),)

    def lower(self, write: Writer, names: Sequence[str], out: str | None, **params: Any) -> str:
        return f"np.asarray({names[0]}).real[()]" if _is_weak(write) else f"np.real({names[0]})"


class Imag(Part):
    """`imag(x)`: the imaginary part."""

    samples = complexes()

    def impl(self, x: Array) -> Array:
        return np.imag(x) if type(x) is np.ndarray else np.asarray(x).imag[()]

    def transpose(self, ct: Array, x: Any) -> Sequence[Array]:
        return (ct * x.aval.dtype.type(-1j) if x.aval.dtype.kind == "c" else 0.0 * ct,)

    def lower(self, write: Writer, names: Sequence[str], out: str | None, **params: Any) -> str:
        return f"np.asarray({names[0]}).imag[()]" if _is_weak(write) else f"np.imag({names[0]})"


absolute = Absolute()
fabs = Fabs()
sign = Sign()
floor = Floor()
ceil = Ceil()
trunc = Trunc()
rint = Rint()
floor_divide = FloorDivide()
remainder = Remainder()
fmod = Fmod()
copysign = Copysign()
nextafter = Nextafter()
spacing = Spacing()
frexp_exponent = FrexpExponent()
heaviside = Heaviside()
conj = Conj()
real = Real()
imag = Imag()
