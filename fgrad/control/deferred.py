"""Derivatives that wait for values: the equations that stand for the derivative of a loop whose length is not known
while a program is traced.

Such an equation holds a *form*: a program, and what of it is wanted (its tangents, its cotangents, or both of these of
another form). When it is run, the values are known, and the transforms do then what they do outside of `jit`: they
follow the program and record it, however long it is. So every derivative of every order is the one rule
`linearize` and its transpose, and `vmap` maps the program inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from fgrad.control.bodies import BodyPrimitive
from fgrad.core.aval import Array, ShapedArray, is_inexact, tangent_aval
from fgrad.core.interpreter import Tracer, current
from fgrad.core.jaxpr import ClosedJaxpr, without_effects
from fgrad.core.primitive import ZERO, Primitive, Zero, is_linear_input
from fgrad.transforms import jvp as forward
from fgrad.transforms.jaxprs import rows_jaxpr, to_front, zeros_like
from fgrad.transforms.stage import trace
from fgrad.transforms.transpose import transpose

__all__ = ["deferred", "deferred_linear", "equation", "is_known", "linearize_now"]

Mask: TypeAlias = tuple[bool, ...]
Dims: TypeAlias = tuple[int | None, ...]


class Form(Protocol):
    """What a deferred equation computes. Forms compare by what they are made of."""

    @property
    def in_avals(self) -> list[ShapedArray]:
        """The types of the arguments."""

    @property
    def out_avals(self) -> list[ShapedArray]:
        """The types of the results."""

    def __call__(self, *args: Array) -> list[Array]:
        """The results; the arguments have values."""

    def over_rows(self, size: int, dims: Dims) -> tuple[Form, Mask]:
        """The form over one more axis, the first of every result; and which arguments must have it, too."""


class Program(NamedTuple):
    """A program as it is."""

    jaxpr: ClosedJaxpr

    @property
    def in_avals(self) -> list[ShapedArray]:
        return self.jaxpr.in_avals

    @property
    def out_avals(self) -> list[ShapedArray]:
        return self.jaxpr.out_avals

    def __call__(self, *args: Array) -> list[Array]:
        return self.jaxpr(*args)

    def over_rows(self, size: int, dims: Dims) -> tuple[Form, Mask]:
        every = (True,) * len(self.out_avals)
        return Program(rows_jaxpr(self.jaxpr, size, dims, every)), tuple(d is not None for d in dims)


class Tangents(NamedTuple):
    """The tangents of a form's inexact results: takes its arguments, then the tangents of those that `nz` marks."""

    form: Form
    nz: Mask

    @property
    def in_avals(self) -> list[ShapedArray]:
        avals = self.form.in_avals
        return [*avals, *marked(avals, self.nz)]

    @property
    def out_avals(self) -> list[ShapedArray]:
        return inexact(self.form.out_avals)

    def __call__(self, *args: Array) -> list[Array]:
        count = len(self.nz)
        ts = iter(args[count:])
        outs, tangents = forward.jvp(self.form, args[:count], [next(ts) if m else ZERO for m in self.nz])
        return [zeros_like(y) if t is ZERO else t for y, t in zip(outs, tangents, strict=True) if _varies(y)]

    def over_rows(self, size: int, dims: Dims) -> tuple[Form, Mask]:
        count = len(self.nz)
        form, mapped = self.form.over_rows(size, _all_mapped(dims[:count], self.nz))
        return Tangents(form, self.nz), (*mapped, *(True for m in self.nz if m))


class Pushed(NamedTuple):
    """A form's results, then their tangents; arguments as for `Tangents`."""

    form: Form
    nz: Mask

    @property
    def in_avals(self) -> list[ShapedArray]:
        return Tangents(self.form, self.nz).in_avals

    @property
    def out_avals(self) -> list[ShapedArray]:
        return [*self.form.out_avals, *inexact(self.form.out_avals)]

    def __call__(self, *args: Array) -> list[Array]:
        count = len(self.nz)
        ts = iter(args[count:])
        outs, tangents = forward.jvp(self.form, args[:count], [next(ts) if m else ZERO for m in self.nz])
        found = [zeros_like(y) if t is ZERO else t for y, t in zip(outs, tangents, strict=True) if _varies(y)]
        return [*outs, *found]

    def over_rows(self, size: int, dims: Dims) -> tuple[Form, Mask]:
        tangents, mapped = Tangents(self.form, self.nz).over_rows(size, dims)
        return Pushed(tangents.form, self.nz), mapped  # type: ignore[attr-defined]


class Pulled(NamedTuple):
    """The cotangents of those arguments that `nz` marks: takes a form's arguments, then the cotangents of its inexact
    results."""

    form: Form
    nz: Mask

    @property
    def in_avals(self) -> list[ShapedArray]:
        return [*self.form.in_avals, *inexact(self.form.out_avals)]

    @property
    def out_avals(self) -> list[ShapedArray]:
        return marked(self.form.in_avals, self.nz)

    def __call__(self, *args: Array) -> list[Array]:
        count = len(self.nz)
        xs = args[:count]
        outs, program = forward.linearize(self.form, xs, self.nz)
        given = iter(args[count:])
        cts = transpose(program, [next(given) if _varies(y) else ZERO for y in outs], consume=True)
        varying = [x for x, m in zip(xs, self.nz, strict=True) if m]
        return [zeros_like(x) if ct is ZERO else ct for ct, x in zip(cts, varying, strict=True)]

    def over_rows(self, size: int, dims: Dims) -> tuple[Form, Mask]:
        count = len(self.nz)
        form, mapped = self.form.over_rows(size, _all_mapped(dims[:count], self.nz))
        return Pulled(form, self.nz), (*mapped, *(True for _ in dims[count:]))


def marked(avals: Sequence[ShapedArray], nz: Mask) -> list[ShapedArray]:
    """The types of the tangents of what is marked."""
    return [tangent_aval(a) for a, m in zip(avals, nz, strict=True) if m]


def inexact(avals: Sequence[ShapedArray]) -> list[ShapedArray]:
    """The types of the tangents of results."""
    return [tangent_aval(a) for a in avals if is_inexact(a.dtype)]


def _varies(y: Array) -> bool:
    return is_inexact(y.dtype) if hasattr(y, "dtype") else isinstance(y, (float, complex))


def _all_mapped(dims: Dims, nz: Mask) -> Dims:
    """Arguments with a tangent have rows of their own: their cotangents differ from row to row."""
    return tuple(0 if m else d for d, m in zip(dims, nz, strict=True))


class Deferred(BodyPrimitive):
    """`deferred(*args, form=)`: computes a form when the values of its arguments are known."""

    opaque = True

    def impl(self, *args: Array, form: Form) -> list[Array]:
        return form(*args)

    def shape(self, *avals: ShapedArray, form: Form) -> list[ShapedArray]:
        return form.out_avals

    def pushforward(
        self, xs: Sequence[Array], ts: Sequence[Array | Zero], params: dict[str, Any]
    ) -> tuple[list[Array], list[Array | Zero]]:
        form: Form = params["form"]
        if is_known(xs):
            return forward.jvp(form, xs, ts)
        outs = self.bind(*xs, *given(ts), form=Pushed(form, _nz(ts)))
        count = len(form.out_avals)
        return outs[:count], placed(outs[count:], form.out_avals)

    def linearize(
        self, xs: Sequence[Array], ts: Sequence[Array | Zero], params: dict[str, Any]
    ) -> tuple[list[Array], list[Array | Zero]]:
        if is_known(xs):
            return linearize_now(params["form"], xs, ts)
        return self.bind(*xs, **params), deferred_linear(params["form"], xs, ts)

    def transpose(self, ct: Sequence[Array | Zero], *xs: Any, form: Form) -> list[Any]:
        linear = tuple(map(is_linear_input, xs))
        cts = [
            zeros_like(a) if c is ZERO else c for c, a in zip(ct, form.out_avals, strict=True) if is_inexact(a.dtype)
        ]
        if isinstance(form, Tangents) and not any(linear[: len(form.nz)]):
            count = len(form.nz)
            found = iter(self.bind(*xs[:count], *cts, form=Pulled(form.form, form.nz)))
            back = [next(found) for m in form.nz if m]
            return [None] * count + [c if m else None for c, m in zip(back, linear[count:], strict=True)]
        values = [zeros_like(x) if m else x for x, m in zip(xs, linear, strict=True)]
        found = iter(self.bind(*values, *cts, form=Pulled(form, linear)))
        return [next(found) if m else None for m in linear]

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[int | None], *, form: Form
    ) -> tuple[list[Array], list[int]]:
        fronts: Dims = tuple(None if d is None else 0 for d in dims)
        over, mapped = form.over_rows(size, fronts)
        args = [to_front(x, d, size) if m else x for x, d, m in zip(xs, dims, mapped, strict=True)]
        outs = self.bind(*args, form=over)
        return outs, [0] * len(outs)


deferred = Deferred()


def _nz(ts: Sequence[Array | Zero]) -> Mask:
    return tuple(t is not ZERO for t in ts)


def given(ts: Sequence[Array | Zero]) -> list[Array]:
    """The tangents that are there."""
    return [t for t in ts if t is not ZERO]


def placed(tangents: Sequence[Array], avals: Sequence[ShapedArray]) -> list[Array | Zero]:
    """The tangents of results: of those that are inexact."""
    found = iter(tangents)
    return [next(found) if is_inexact(a.dtype) else ZERO for a in avals]


def is_known(xs: Sequence[Array]) -> bool:
    """Whether all values are known: whether nothing is being traced without values."""
    interpreter = current.get()
    if interpreter is not None and interpreter.enclosing is not None:
        return False
    return all(type(x) is not Tracer or x.concrete is not None for x in xs)


def equation(primitive: Primitive, avals: Sequence[ShapedArray], params: dict[str, Any]) -> Program:
    """The program that consists of one equation, for the sake of its derivative: effects take place elsewhere."""
    return Program(without_effects(trace(lambda *xs: primitive.bind(*xs, **params), avals)))


def deferred_linear(form: Form, xs: Sequence[Array], ts: Sequence[Array | Zero]) -> list[Array | Zero]:
    """The tangents of a form's results, as a linear equation that waits for values."""
    outs = deferred.bind(*xs, *given(ts), form=Tangents(form, _nz(ts)))
    return placed(outs, form.out_avals)


def linearize_now(form: Any, xs: Sequence[Array], ts: Sequence[Array | Zero]) -> tuple[list[Array], list[Array | Zero]]:
    """Runs a function on known values and records its tangents."""
    return forward.jvp(form, xs, ts, mode=forward.Linearize)
