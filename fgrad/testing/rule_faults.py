"""Planted faults: wrong rules in every slot of every primitive, each of which the walk over the primitives must find.

>>> from fgrad.primitives.trigonometric import sin
>>> score([sin]).survivors
[]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fgrad.compiler import shared
from fgrad.control import bodies
from fgrad.control.stop_gradient import stop_gradient
from fgrad.core.aval import ShapedArray, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.core.primitive import ZERO, Primitive, registry
from fgrad.errors import CheckError
from fgrad.primitives.elementwise import Elementwise
from fgrad.primitives.rounding import conj
from fgrad.primitives.shape import reshape, transpose
from fgrad.testing.registry import EXEMPT, check_primitive

__all__ = ["EQUIVALENT", "Fault", "Score", "faults_of", "planted", "score"]

Rule: TypeAlias = Callable[..., Any]
Change: TypeAlias = Callable[[Any], Any]

_PIECEWISE_CONSTANT = "it has no tangent in what it is not linear in, so its coefficients are the images all the same"

EQUIVALENT: dict[tuple[str, str], str] = {
    ("average_window_ties", "said to be affine"): _PIECEWISE_CONSTANT,
    ("spread_window_ties", "said to be affine"): _PIECEWISE_CONSTANT,
    ("kl_div", "the slope of another point"): "its slopes depend on the quotient of its arguments alone",
    ("rel_entr", "the slope of another point"): "its slopes depend on the quotient of its arguments alone",
}
"""Faults, of primitives by name, that change nothing that could be held against a definition, and why."""


class Fault(NamedTuple):
    """A wrong rule.

    Attributes:
        primitive: whose rule it is.
        slot: which rule.
        what: what is wrong with it.
        spoil: makes it of the right rule. It calls the second argument when a value comes out differently.
    """

    primitive: Primitive
    slot: str
    what: str
    spoil: Callable[[Rule, Callable[[], None]], Rule]

    def __str__(self) -> str:
        return f"{self.primitive.name}.{self.slot}: {self.what}"


class Score(NamedTuple):
    """What became of the faults.

    Attributes:
        found: how many the walk found.
        survivors: those that it did not find, although values came out differently.
        idle: those that changed nothing: a slope that is zero has no sign.
    """

    found: int
    survivors: list[Fault]
    idle: list[Fault]

    def __str__(self) -> str:
        planted = self.found + len(self.survivors)
        share = 100.0 * self.found / planted if planted else 100.0
        lines = [
            f"{self.found} of {planted} planted faults were found: {share:.1f} % ({len(self.idle)} change nothing)"
        ]
        return "\n".join([*lines, *[f"  not found: {fault}" for fault in self.survivors]])


@contextmanager
def planted(fault: Fault) -> Iterator[list[bool]]:
    """A primitive with a wrong rule; nothing that was made with it is kept.

    Yields:
        A list that is empty as long as no value came out differently.
    """
    changed: list[bool] = []
    right = getattr(fault.primitive, fault.slot)
    _forget()
    setattr(fault.primitive, fault.slot, fault.spoil(right, lambda: changed.append(True)))
    try:
        yield changed
    finally:
        delattr(fault.primitive, fault.slot)
        _forget()


def _forget() -> None:
    bodies.forget()
    shared.forget()


def score(primitives: Iterable[Primitive] | None = None) -> Score:
    """Plants every fault in turn, and lets the walk find it.

    Args:
        primitives: where; all by default.

    >>> from fgrad.primitives.elementwise import neg
    >>> print(score([neg]))
    18 of 18 planted faults were found: 100.0 % (3 change nothing)
    """
    found, survivors, idle = 0, [], []
    for primitive in list(registry.values() if primitives is None else primitives):
        for fault in faults_of(primitive) if primitive.name not in EXEMPT else ():
            with planted(fault) as changed:
                caught = is_found(primitive)
            if caught:
                found += 1
            elif not changed:
                idle.append(fault)
            elif (primitive.name, fault.what) not in EQUIVALENT:
                survivors.append(fault)
    return Score(found, survivors, idle)


def is_found(primitive: Primitive) -> bool:
    """Whether the walk finds something wrong with a primitive."""
    try:
        with np.errstate(all="ignore"):
            check_primitive(primitive)
    except CheckError:
        return True
    return False


def faults_of(primitive: Primitive) -> Iterator[Fault]:
    """Every wrong rule that is planted in a primitive."""
    declared = type(primitive)
    if isinstance(primitive, Elementwise) and "derivative" in _declared(primitive):
        yield from _faults(primitive, "derivative", _derivatives(_arity(primitive)))
    own_jvp = declared.jvp not in (Primitive.jvp, Elementwise.jvp)
    if own_jvp and declared.pushforward is Primitive.pushforward:
        yield from _faults(primitive, "jvp", {name: _of_result(change) for name, change in _VALUES.items()})
        yield Fault(primitive, "jvp", "the slope of another point", _at_another_point)
    if declared.pushforward is not Primitive.pushforward:
        yield from _faults(primitive, "pushforward", _of_pairs())
    if primitive.linearize is not None:
        yield from _faults(primitive, "linearize", _of_pairs())
    if primitive.series is not None:
        for k in (0, 1, 2):
            yield Fault(primitive, "series", f"coefficient {k + 1}", _of_term(k))
    if primitive.jet is not None:
        yield Fault(primitive, "jet", "the coefficients", _of_expansion)
    if declared.is_affine is not Primitive.is_affine:
        yield Fault(primitive, "is_affine", "said to be affine", _said_affine)
    if declared.transpose is not Primitive.transpose:
        yield from _faults(primitive, "transpose", {name: _of_result(change) for name, change in _VALUES.items()})
        yield Fault(primitive, "transpose", "a stale residual", _with_stale_residuals)
    if declared.batch is not Primitive.batch:
        yield from _faults(primitive, "batch", _BATCHES)
    yield Fault(primitive, "lower", "another value", _lowered)
    if declared.is_view is not Primitive.is_view:
        yield Fault(primitive, "is_view", "said to be no view", lambda right, changed: lambda **params: False)
    yield from _faults(primitive, "shape", _SHAPES)


def _declared(primitive: Elementwise) -> set[str]:
    """The slots that a primitive, or its family below `Elementwise`, declares."""
    above = type(primitive).__mro__
    return {name for cls in above[: above.index(Elementwise)] for name in vars(cls)}


def _arity(primitive: Primitive) -> int:
    return max(len(sample.args) for sample in primitive.samples)


def _faults(primitive: Primitive, slot: str, spoils: dict[str, Any]) -> Iterator[Fault]:
    for what, spoil in spoils.items():
        yield Fault(primitive, slot, what, spoil)


# Values


def _reversed(x: Any) -> Any:
    return x[::-1] if np.ndim(x) else x


def _turned(x: Any) -> Any:
    shape = np.shape(x)
    return reshape(transpose(x, axes=tuple(range(len(shape)))[::-1]), shape=shape) if len(shape) > 1 else x


def _conjugate(x: Any) -> Any:
    return conj(x) if aval_of(x).dtype.kind == "c" else x


_VALUES: dict[str, Change] = {
    "the sign": lambda x: -x,
    "a factor of two": lambda x: x * 2,
    "off by a millionth": lambda x: x * (1 + 2.0**-20),
    "a conjugate": _conjugate,
    "rows in reverse": _reversed,
    "axes exchanged": _turned,
}


def _apply(change: Change, x: Any, changed: Callable[[], None]) -> Any:
    """A changed value; zeros, and what is none, stay as they are."""
    if isinstance(x, list | tuple):
        return type(x)([_apply(change, y, changed) for y in x])
    if x is None or x is ZERO or np.size(x) == 0:
        return x
    bad = change(x)
    if _differ(x, bad):
        changed()
    return bad


def _differ(x: Any, y: Any) -> bool:
    """Whether two values are seen to differ; abstract ones are not."""
    if type(x) is Tracer or type(y) is Tracer:
        states = [v.state if type(v) is Tracer else (v, ZERO) for v in (x, y)]
        return all(isinstance(s, tuple) for s in states) and any(map(_differ, *states))
    if not all(isinstance(v, np.ndarray | np.generic | int | float | complex) for v in (x, y)):
        return x is ZERO and y is not ZERO and _differ(y, np.zeros(np.shape(y)))
    return not np.array_equal(x, y, equal_nan=aval_of(x).dtype.kind in "fc")


# Derivatives


def _of_result(change: Change) -> Callable[[Rule, Callable[[], None]], Rule]:
    def spoil(right: Rule, changed: Callable[[], None]) -> Rule:
        return lambda *args, **params: _apply(change, right(*args, **params), changed)

    return spoil


def _derivatives(arity: int) -> dict[str, Any]:
    """Faults in the coefficient of every argument by itself."""
    changes = {**_VALUES, "no second derivative": stop_gradient, "forgotten": lambda x: x * 0}
    del changes["rows in reverse"], changes["axes exchanged"]
    if arity == 1:
        return {name: _of_result(change) for name, change in changes.items()}
    return {
        f"{name}, argument {i}": _of_coefficient(change, i) for i in range(arity) for name, change in changes.items()
    }


def _of_coefficient(change: Change, place: int) -> Callable[[Rule, Callable[[], None]], Rule]:
    def spoil(right: Rule, changed: Callable[[], None]) -> Rule:
        def wrong(*args: Any, **params: Any) -> Any:
            found = list(right(*args, **params))
            given = found[place]
            found[place] = lambda: _apply(change, given() if callable(given) else given, changed)
            return found

        return wrong

    return spoil


def _at_another_point(right: Rule, changed: Callable[[], None]) -> Rule:
    def wrong(out: Any, xs: Sequence[Any], ts: Sequence[Any], **params: Any) -> Any:
        moved = [_moved(x) for x in xs]
        good, bad = right(out, xs, ts, **params), right(_moved(out), moved, ts, **params)
        if any(map(_differ, *[r if isinstance(r, list | tuple) else [r] for r in (good, bad)])):
            changed()
        return bad

    return wrong


def _moved(x: Any) -> Any:
    if isinstance(x, list | tuple):
        return type(x)([_moved(y) for y in x])
    return x * 0.5 if aval_of(x).dtype.kind in "fc" else x


def _of_pairs() -> dict[str, Any]:
    """Faults in the tangents of a rule that gives values and tangents."""

    def of(change: Change) -> Any:
        def spoil(right: Rule, changed: Callable[[], None]) -> Rule:
            def wrong(*args: Any) -> Any:
                out, ts = right(*args)
                return out, _apply(change, ts, changed)

            return wrong

        return spoil

    return {f"{name} of a tangent": of(_VALUES[name]) for name in ("the sign", "off by a millionth")}


def _of_term(place: int) -> Callable[[Rule, Callable[[], None]], Rule]:
    def spoil(right: Rule, changed: Callable[[], None]) -> Rule:
        def wrong(*args: Any, **params: Any) -> Any:
            terms = right(*args, **params)
            return None if terms is None else generate(terms)

        def generate(terms: Iterator[Any]) -> Iterator[Any]:
            for k, term in enumerate(terms):
                yield _apply(lambda x: x * (1 + 2.0**-16), term, changed) if k == place else term

        return wrong

    return spoil


def _of_expansion(right: Rule, changed: Callable[[], None]) -> Rule:
    def wrong(*args: Any) -> Any:
        out, terms = right(*args)
        return out, _apply(lambda x: x * (1 + 2.0**-16), terms, changed)

    return wrong


def _said_affine(right: Rule, changed: Callable[[], None]) -> Rule:
    def wrong(varying: Sequence[bool]) -> bool:
        if not right(varying):
            changed()
        return True

    return wrong


def _with_stale_residuals(right: Rule, changed: Callable[[], None]) -> Rule:
    def wrong(ct: Any, *xs: Any, **params: Any) -> Any:
        known = [_moved(x) if isinstance(x, np.ndarray | np.generic) else x for x in xs]
        if any(a is not b for a, b in zip(known, xs, strict=True)):
            for good, bad in zip(right(ct, *xs, **params), right(ct, *known, **params), strict=True):
                if good is not None and _differ(good, bad):
                    changed()
        return right(ct, *known, **params)

    return wrong


# Rows, code and types


def _of_rows(change: Callable[[Any, Any], tuple[Any, Any]]) -> Callable[[Rule, Callable[[], None]], Rule]:
    """A fault in each result of a rule for rows, and in the axis that they are said to be at."""

    def one(y: Any, dim: Any, changed: Callable[[], None]) -> tuple[Any, Any]:
        if dim is None or np.size(y) == 0:
            return y, dim
        bad, other = change(y, dim)
        if other is None or other != dim or _differ(y, bad):
            changed()
        return bad, other

    def spoil(right: Rule, changed: Callable[[], None]) -> Rule:
        def wrong(*args: Any, **params: Any) -> Any:
            outs, dims = right(*args, **params)
            if not isinstance(outs, list | tuple):
                return one(outs, dims, changed)
            pairs = [one(y, d, changed) for y, d in zip(outs, dims, strict=True)]
            return [y for y, _ in pairs], [d for _, d in pairs]

        return wrong

    return spoil


def _backwards(y: Any, dim: int) -> tuple[Any, int]:
    return y[(slice(None),) * dim + (slice(None, None, -1),)], dim


_BATCHES = {
    "rows in reverse": _of_rows(_backwards),
    "the axis of rows": _of_rows(lambda y, dim: (y, (dim + 1) % np.ndim(y))),
    "the first row for all": _of_rows(lambda y, dim: (y[(slice(None),) * dim + (0,)], None)),
}


def _lowered(right: Rule, changed: Callable[[], None]) -> Rule:
    def other(x: Any) -> Any:
        if isinstance(x, list | tuple):
            return type(x)([other(y) for y in x])
        kind = np.asarray(x).dtype.kind
        if np.size(x) and kind in "biufc":
            bad = np.logical_not(x) if kind == "b" else x + np.asarray(x).dtype.type(1)
            changed()
            return np.asarray(bad)[()] if not np.ndim(bad) else bad
        return x

    def wrong(write: Any, names: Any, out: Any, **params: Any) -> str:
        return f"{write.constant(other, 'other')}({right(write, names, out, **params)})"

    return wrong


def _of_avals(change: Callable[[ShapedArray], ShapedArray]) -> Callable[[Rule, Callable[[], None]], Rule]:
    def spoil(right: Rule, changed: Callable[[], None]) -> Rule:
        def wrong(*avals: Any, **params: Any) -> Any:
            out = right(*avals, **params)
            changed()
            return [change(a) for a in out] if isinstance(out, list | tuple) else change(out)

        return wrong

    return spoil


_OTHER = {"f": np.float32, "c": np.complex64, "i": np.int16, "u": np.uint16, "b": np.int8}

_SHAPES = {
    "another dtype": _of_avals(lambda a: ShapedArray(a.shape, np.dtype(_OTHER.get(a.dtype.kind, np.float16)))),
    "one more axis": _of_avals(lambda a: ShapedArray((*a.shape, 1), a.dtype)),
}
