"""The walk over the primitives catches wrong rules: each of these is planted, and must be found under its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from fgrad.control.stop_gradient import stop_gradient
from fgrad.core import Primitive, Sample, ShapedArray, registry
from fgrad.core.primitive import instantiate, is_linear_input
from fgrad.primitives.comparison import eq, select
from fgrad.primitives.elementwise import Add, Div, Elementwise, IntegerPow, Mul, Neg, Sub
from fgrad.primitives.exponential import Exp, Expm1, Logaddexp, Square, exp, logistic
from fgrad.primitives.families import draw, floats
from fgrad.primitives.reductions import Argmax, ReduceMax, Reduction
from fgrad.primitives.rounding import Absolute, Conj, Imag, real, sign
from fgrad.primitives.shape import (
    BroadcastTo,
    ConvertElementType,
    ReduceSum,
    Reshape,
    Transpose,
    broadcast_to,
    fit,
    move_axis,
    reduce_sum,
    reshape,
    transpose,
)
from fgrad.primitives.trigonometric import Cos, Sin, Tan, cos, sin
from fgrad.testing import CheckError
from fgrad.testing.registry import check_primitive, walk


class Fault(NamedTuple):
    """A wrong rule: where it is planted, and which part of the walk must find it."""

    what: str
    cls: type[Primitive]
    slot: str
    wrong: Any
    found: str


def _wrong_mul_transpose(self: Any, ct: Any, x: Any, y: Any) -> Any:
    """The cotangent is not summed over the axes of broadcasting."""
    return (ct * y, None) if is_linear_input(x) else (None, ct * x)


def _div_jvp(self: Any, out: Any, xs: Any, ts: Any) -> Any:
    x, y = xs
    t, u = (instantiate(t, x) for t, x in zip(ts, xs, strict=True))
    return t / y + u * (x / (y * y))


def _select_swapped(self: Any, ct: Any, condition: Any, x: Any, y: Any) -> Any:
    zero = ct.dtype.type(0)
    return (
        None,
        fit(select(condition, zero, ct), x) if is_linear_input(x) else None,
        fit(select(condition, ct, zero), y) if is_linear_input(y) else None,
    )


def _complex_absolute_jvp(self: Any, out: Any, xs: Any, ts: Any) -> Any:
    """Without the conjugate."""
    x = xs[0]
    return real(ts[0] * (x / out)) if np.iscomplexobj(x) or x.dtype.kind == "c" else ts[0] * sign(x)


def _unshifted_sum(self: Any, size: int, xs: Any, dims: Any, *, axes: Any) -> Any:
    return reduce_sum(xs[0], axes=axes), max(dims[0] - len(axes), 0)


def _writes_into_argument(self: Any, write: Any, names: Any, out: Any) -> str:
    return f"np.negative({names[0]}, out={names[0]})" if write.avals[0].shape else f"-{names[0]}"


def _front_only(self: Any, size: int, xs: Any, dims: Any, *, shape: Any) -> Any:
    return reshape(xs[0], shape=(size, *shape)), 0


def _tie_without_curvature(self: Any, out: Any, x: Any, y: Any) -> Any:
    def weight(x: Any, y: Any) -> Any:
        return logistic(select(eq(x, y), 0.0, x - y))

    return lambda: weight(x, y), lambda: weight(y, x)


FAULTS = [
    Fault("a sign", Cos, "derivative", lambda self, out, x: sin(x), "jvp"),
    Fault("a factor", Exp, "derivative", lambda self, out, x: 2 * out, "jvp"),
    Fault("a factor off by a billionth", Sin, "derivative", lambda self, out, x: cos(x) * (1 + 1e-9), "jvp"),
    Fault(
        "a residual computed at another point", Tan, "derivative", lambda self, out, x: 1 / cos(x + 1e-8) ** 2, "jvp"
    ),
    Fault("a derivative that underflows", Expm1, "derivative", lambda self, out, x: out + 1, "jvp"),
    Fault("the sign of one of two arguments", Div, "jvp", _div_jvp, "jvp"),
    Fault("an argument that was forgotten", Mul, "derivative", lambda self, out, x, y: (y, 0.0), "jvp"),
    Fault("too wide a tangent", Sin, "derivative", lambda self, out, x: cos(x) * np.float64(1), "single precision"),
    Fault(
        "no second derivative",
        Square,
        "jvp",
        lambda self, out, xs, ts: ts[0] * stop_gradient(2 * xs[0]),
        "second derivative",
    ),
    Fault("no second derivative at ties", Logaddexp, "derivative", _tie_without_curvature, "second derivative"),
    Fault("a wrong power", IntegerPow, "jvp", lambda self, out, xs, ts, y: ts[0] * (y - 1) * xs[0] ** (y - 1), "jvp"),
    Fault("no conjugate in a tangent", Absolute, "jvp", _complex_absolute_jvp, "jvp"),
    Fault("no conjugate in a cotangent", Conj, "transpose", lambda self, ct, x: (ct,), "transpose"),
    Fault("the sign of i", Imag, "transpose", lambda self, ct, x: (ct * x.aval.dtype.type(1j),), "transpose"),
    Fault("the sign of a cotangent", Neg, "transpose", lambda self, ct, x: (ct,), "transpose"),
    Fault("no sum over broadcast axes", Mul, "transpose", _wrong_mul_transpose, "transpose"),
    Fault(
        "no sum over broadcast axes, in sums",
        Add,
        "transpose",
        lambda self, ct, x, y: (ct if is_linear_input(x) else None, ct if is_linear_input(y) else None),
        "transpose",
    ),
    Fault(
        "one cotangent for both",
        Sub,
        "transpose",
        lambda self, ct, x, y: (
            fit(ct, x) if is_linear_input(x) else None,
            fit(ct, y) if is_linear_input(y) else None,
        ),
        "transpose",
    ),
    Fault("choices swapped", type(select), "transpose", _select_swapped, "transpose"),
    Fault(
        "axes not inverted",
        Transpose,
        "transpose",
        lambda self, ct, x, axes: (transpose(ct, axes=axes),),
        "transpose",
    ),
    Fault(
        "a mean for a sum",
        BroadcastTo,
        "transpose",
        lambda self, ct, x, shape: tuple(c * 0.5 for c in PLAIN[BroadcastTo](self, ct, x, shape=shape)),
        "transpose",
    ),
    Fault(
        "the wrong axes of a sum",
        ReduceSum,
        "transpose",
        lambda self, ct, x, axes: (
            broadcast_to(reshape(ct, shape=(*ct.shape, *[1] * len(axes))), shape=x.aval.shape)
            if np.broadcast_shapes((*ct.shape, *[1] * len(axes)), x.aval.shape) == x.aval.shape
            else PLAIN[ReduceSum](self, ct, x, axes=axes),
        ),
        "transpose",
    ),
    Fault(
        "a cotangent of another dtype",
        ConvertElementType,
        "transpose",
        lambda self, ct, x, dtype: (ct,),
        "transpose",
    ),
    Fault("a shifted axis", ReduceSum, "batch", _unshifted_sum, "batch"),
    Fault("an axis taken to be in front", Reshape, "batch", _front_only, "batch"),
    Fault(
        "rows mixed up",
        ReduceMax,
        "batch",
        lambda self, size, xs, dims, axes: (
            Reduction.batch(self, size, [xs[0][::-1]], [dims[0]], axes=axes)
            if dims[0] == 0
            else Reduction.batch(self, size, xs, dims, axes=axes)
        ),
        "batch",
    ),
    Fault(
        "a mapped axis that is said to be elsewhere",
        Elementwise,
        "batch",
        lambda self, size, xs, dims, **params: (
            self.bind(*[x if d is None else move_axis(x, d, 0) for x, d in zip(xs, dims, strict=True)], **params),
            0,
        ),
        "batch",
    ),
    Fault("another result when compiled", Square, "lower", lambda self, write, names, out: f"2 * {names[0]}", "lower"),
    Fault("compiled code that writes into its argument", Neg, "lower", _writes_into_argument, "lower"),
    Fault("a view that is said to be none", Reshape, "is_view", lambda self, **params: False, "lower"),
    Fault(
        "a result of another dtype",
        Argmax,
        "shape",
        lambda self, x, axis: ShapedArray(tuple(n for i, n in enumerate(x.shape) if i != axis), np.dtype(np.int32)),
        "shape",
    ),
    Fault(
        "a result of another shape",
        ReduceSum,
        "shape",
        lambda self, x, axes: ShapedArray(tuple(1 if i in axes else n for i, n in enumerate(x.shape)), x.dtype),
        "shape",
    ),
    Fault("an array for a number", ReduceSum, "impl", lambda self, x, axes: np.array(np.sum(x, axis=axes)), "shape"),
    Fault("a function that is not linear, declared as such", Conj, "jvp", lambda self, out, xs, ts: abs(ts[0]), "jvp"),
]
PLAIN = {cls: cls.transpose for cls in (BroadcastTo, ReduceSum)}
VICTIM = {Elementwise: "add"}


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.what for fault in FAULTS])
def test_faults_are_found(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    primitive = next(p for p in registry.values() if type(p) is fault.cls or p.name == VICTIM.get(fault.cls))
    check_primitive(primitive)
    monkeypatch.setattr(fault.cls, fault.slot, fault.wrong)
    with pytest.raises(CheckError) as caught:
        check_primitive(primitive)
    text = str(caught.value)
    assert f"primitive `{primitive.name}`, " in text
    assert fault.found in text.splitlines()[0]
    assert f"class {type(primitive).__name__} in " in text


@pytest.fixture
def declare() -> Iterator[Callable[[type[Primitive]], Primitive]]:
    """Declares primitives for the length of a test."""
    declared: list[Primitive] = []

    def declare(cls: type[Primitive]) -> Primitive:
        declared.append(cls())
        return declared[-1]

    yield declare
    for primitive in declared:
        del registry[primitive.name]


class Doubled(Elementwise):
    """2·x, with every rule."""

    samples = floats(-1, 1)

    def impl(self, x: Any) -> Any:
        return np.multiply(x, 2.0)

    def result_dtype(self, keys: Any, avals: Any) -> Any:
        return exp.result_dtype(keys, avals)

    def derivative(self, out: Any, x: Any) -> Any:
        return 2.0


def test_a_new_primitive_is_covered_without_a_new_test(declare: Callable[..., Primitive]) -> None:
    assert check_primitive(declare(Doubled)).judged > 10


def test_a_primitive_without_samples_fails_by_name(declare: Callable[..., Primitive]) -> None:
    class Unsampled(Doubled):
        samples = ()

    with pytest.raises(
        CheckError, match=r"`unsampled`, samples: none is declared[\s\S]*class Unsampled in .*test_mutation.py"
    ):
        check_primitive(declare(Unsampled))


@pytest.mark.parametrize("slot", ["shape", "jvp", "batch", "transpose"])
def test_a_missing_rule_fails_by_name(slot: str, declare: Callable[..., Primitive]) -> None:
    class Incomplete(Primitive):
        samples = (Sample(draw(-1, 1, (2, 3))),)

        def impl(self, x: Any) -> Any:
            return np.multiply(x, 2.0)

        def shape(self, x: Any) -> Any:
            return x

        def jvp(self, out: Any, xs: Any, ts: Any) -> Any:
            return self.bind(ts[0])

        def transpose(self, ct: Any, x: Any) -> Any:
            return (self.bind(ct),)

        def batch(self, size: Any, xs: Any, dims: Any) -> Any:
            return self.bind(xs[0]), dims[0]

    cls = type("Incomplete", (Incomplete,), {slot: getattr(Primitive, slot), "__module__": __name__})
    with pytest.raises(CheckError, match=rf"`incomplete` declares no `{slot}`[\s\S]*dd it to class Incomplete"):
        check_primitive(declare(cls))


def test_a_primitive_that_is_never_judged_fails(declare: Callable[..., Primitive]) -> None:
    class OnlyEmpty(Doubled):
        samples = (Sample(np.zeros((0, 2))),)

    with pytest.raises(CheckError, match="at none of them could a derivative be judged"):
        check_primitive(declare(OnlyEmpty))


def test_the_walk_says_all_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sin, "derivative", lambda self, out, x: -cos(x))
    monkeypatch.setattr(Exp, "derivative", lambda self, out, x: -out)
    with pytest.raises(CheckError, match=r"`exp`, jvp[\s\S]*`sin`, jvp"):
        walk([registry["exp"], registry["add"], registry["sin"]])
