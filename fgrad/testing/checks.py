"""Derivatives of a user's function held against numerical ones."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.api.linear import jvp, vjp
from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, CheckError, message, public
from fgrad.testing.compare import Difference, different_types, judge, rounding, unequal, worst
from fgrad.testing.points import Direction, Point, dot, element_text, no_tangent, typical_size
from fgrad.testing.references import Reference, directional_derivative
from fgrad.tree import flatten

__all__ = ["check_derivatives", "check_grads", "check_jvp", "check_vjp"]

_DIRECTIONS = 2
_SINGLE_ELEMENTS = 64


class _Tolerance(NamedTuple):
    """What the user says of tolerances, and the largest step of differences."""

    atol: float | None
    rtol: float | None
    eps: float | None

    def allowance(self, precision: float, size: float = 0.0) -> Callable[[Array], Array]:
        """How far a derivative may be off, beside the error of the reference, by its expected value."""
        if self.atol is None and self.rtol is None:
            return lambda value: rounding(value, precision) + 2**6 * precision * size
        return lambda value: (self.atol or 0.0) + (self.rtol or 0.0) * np.abs(value)


@public
def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int,
    modes: Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Checks the derivatives of a function, in both modes and up to any order, against its values.

    Along random directions through all arguments at once, tangents are held against the complex step where `f` allows
    it, and against extrapolated central differences otherwise; cotangents, against the same by <c, J·t> = <Jᵀ·c, t>.
    How far they may differ follows from the reference's estimate of its own error and the precision of the dtypes.
    Derivatives of higher order are checked by differences of those one order below, in every combination of the modes.

    Args:
        f: a function of pytrees of arrays; integers and booleans stay as they are.
        args: its arguments, a tuple or list.
        order: up to which order.
        modes: `"fwd"`, `"rev"`, or both.
        atol: how far derivatives may be off in absolute terms, instead of what follows from the precision.
        rtol: how far relative to their size.
        eps: the largest step of the differences, relative to the arguments (1/16); smaller where `f` is wild.

    Raises:
        CheckError: a derivative is wrong; says where, with respect to which argument, and what was expected. Or it
            cannot be judged: `f` has a kink or a jump there, is not deterministic, or returns NaN.

    >>> import fgrad, numpy as np
    >>> check_grads(lambda x: np.tanh(x) * x, (np.array([0.3, -1.0]),), order=3)
    >>> check_grads(abs, (0.0,), order=1)
    Traceback (most recent call last):
        ...
    fgrad.errors.CheckError: check_grads of `abs`: the function has a kink here, so it has no derivative.
      at output: from below -1, from above 1, per unit of the direction
      direction: x = 0.125730
    """
    check_derivatives(f, args, order, modes, (atol, rtol, eps), "check_grads")


def check_derivatives(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int,
    modes: Sequence[str],
    tolerances: tuple[float | None, float | None, float | None],
    check: str,
) -> None:
    """What `check_grads` does, for the check whose name messages show."""
    unknown = [mode for mode in modes if mode not in ("fwd", "rev")]
    if unknown or not modes:
        raise ArgumentError(message(f"modes of {check} must hold 'fwd', 'rev' or both, got {modes!r}."))
    if order < 1:
        raise ArgumentError(message(f"order of {check} must be at least 1, got {order!r}."))
    _check_order(Point(f, args, check), order, modes, _Tolerance(*tolerances), np.random.default_rng(0))


@public
def check_jvp(
    f: Callable[..., Any],
    f_jvp: Callable[..., Any],
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Checks a forward-mode derivative, however it was made, against the values of the function.

    Args:
        f: the function.
        f_jvp: takes arguments and tangents, two tuples; returns the output of `f` and its tangent.
        args, atol, rtol, eps: as for `check_grads`.

    Raises:
        CheckError: value or tangent are wrong, or cannot be judged.

    >>> import numpy as np
    >>> check_jvp(np.sin, lambda xs, ts: (np.sin(xs[0]), np.cos(xs[0]) * ts[0]), (np.array([0.5, 2.0]),))
    """
    _forward(Point(f, args, "check_jvp"), f_jvp, _Tolerance(atol, rtol, eps), np.random.default_rng(0))


@public
def check_vjp(
    f: Callable[..., Any],
    f_vjp: Callable[..., Any],
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Checks a reverse-mode derivative, however it was made, against the values of the function.

    Args:
        f: the function.
        f_vjp: takes the arguments; returns the output of `f`, and a function from a cotangent of it to a tuple of
            cotangents of the arguments.
        args, atol, rtol, eps: as for `check_grads`.

    Raises:
        CheckError: value or cotangents are wrong, or cannot be judged.

    >>> import numpy as np
    >>> check_vjp(np.sin, lambda x: (np.sin(x), lambda ct: (ct * np.cos(x),)), (np.array([0.5, 2.0]),))
    """
    _reverse(Point(f, args, "check_vjp"), f_vjp, _Tolerance(atol, rtol, eps), np.random.default_rng(0))


def _check_order(
    point: Point, order: int, modes: Sequence[str], tolerance: _Tolerance, rng: np.random.Generator
) -> None:
    for mode in modes:
        check, derivative, deeper = (_forward, jvp, _tangent_of) if mode == "fwd" else (_reverse, vjp, _pullback_of)
        check(point, functools.partial(derivative, point.f), tolerance, rng)
        if order > 1:
            next_one = Point(deeper(point, rng), point.args, point.check)
            _check_order(next_one, order - 1, modes, tolerance, rng)


def _tangent_of(point: Point, rng: np.random.Generator) -> Callable[..., Any]:
    """The derivative along a fixed direction, as a function of the arguments."""
    ts = point.direction(rng)

    def tangent(*args: Any) -> list[Array]:
        leaves, treedef = flatten(args)
        along = [no_tangent(x) if t is None else _typed(t, x) for t, x in zip(ts, leaves, strict=True)]
        _, out = jvp(point.f, args, treedef.unflatten(along))
        return [y for i, y in enumerate(flatten(out)[0]) if i in point.moving]

    return _named(tangent, f"jvp({point.name})", point)


def _pullback_of(point: Point, rng: np.random.Generator) -> Callable[..., Any]:
    """The pullback of fixed cotangents, as a function of the arguments."""
    cts = point.cotangents(rng)

    def pullback(*args: Any) -> list[Array]:
        out, f_vjp = vjp(point.f, *args)
        outs, outdef = flatten(out)
        given = dict(zip(point.moving, cts, strict=True))
        full = [_typed(given[i], y) if i in given else no_tangent(y) for i, y in enumerate(outs)]
        found = f_vjp(outdef.unflatten(full))
        return [ct for ct, m in zip(flatten(found)[0], point.nz, strict=True) if m]

    return _named(pullback, f"vjp({point.name})", point)


def _typed(t: Array, x: Array) -> Array:
    """A tangent in the dtype of what it belongs to, which may have been widened."""
    return np.asarray(t).astype(aval_of(x).dtype)[()]


def _named(f: Callable[..., Any], name: str, point: Point) -> Callable[..., Any]:
    f.__name__, f.__wrapped__ = name, point.f  # type: ignore[attr-defined]
    return f


def _forward(point: Point, f_jvp: Callable[..., Any], tolerance: _Tolerance, rng: np.random.Generator) -> None:
    point.need_derivative()
    for _ in range(_DIRECTIONS):
        ts = point.direction(rng)
        reference = directional_derivative(point.call, point.leaves, ts, tolerance.eps, extended=True)
        tangents = _tangents(point, f_jvp, ts)
        verdict = judge(reference, tangents, tolerance.allowance(point.precision, point.magnitude))
        if verdict is None:
            continue
        if verdict.difference is None:
            raise _undecided(point, reference, verdict.output, ts)
        guilty = [i for i in point.moved if not _right_along(point, f_jvp, point.direction(rng, i), tolerance)]
        raise point.failure(
            "the tangent is wrong.",
            f"at {point.out_place(point.moving[verdict.output])}{verdict.difference}",
            *_with_respect_to(point, guilty),
            _direction_line(point, ts),
            _reference_line(reference, verdict.output, verdict.difference),
        )


def _tangents(point: Point, f_jvp: Callable[..., Any], ts: Direction) -> list[Array]:
    """What the derivative under test says along a direction; its value and types have been checked."""
    out, tangent = f_jvp(point.args, point.tangent_tree(ts))
    outs, outdef = flatten(out)
    tangents, given = flatten(tangent)
    if outdef != point.outdef or given != point.outdef:
        raise point.failure(f"value and tangent must have the structure {point.outdef}, got {outdef} and {given}.")
    for i in point.moving:
        wrong = unequal(np.asarray(point.outs[i]), np.asarray(outs[i]))
        if wrong:
            raise point.failure(f"the derivative returns another value at {point.out_place(i)}{wrong}.")
        wrong = different_types(np.asarray(point.outs[i]), np.asarray(tangents[i]))
        if wrong:
            raise point.failure(f"the tangent has another type than the value at {point.out_place(i)}: {wrong}.")
    return [tangents[i] for i in point.moving]


def _right_along(point: Point, f_jvp: Callable[..., Any], ts: Direction, tolerance: _Tolerance) -> bool:
    reference = directional_derivative(point.call, point.leaves, ts, tolerance.eps, extended=True)
    verdict = judge(reference, _tangents(point, f_jvp, ts), tolerance.allowance(point.precision, point.magnitude))
    return verdict is None or verdict.difference is None


def _reverse(point: Point, f_vjp: Callable[..., Any], tolerance: _Tolerance, rng: np.random.Generator) -> None:
    point.need_derivative()
    for _ in range(_DIRECTIONS):
        ts, cts = point.direction(rng), point.cotangents(rng)
        found = _pulled_back(point, f_vjp, cts)
        reference = directional_derivative(point.call, point.leaves, ts, tolerance.eps, extended=True)
        for j in range(len(cts)):
            if not (reference.reliable[j] & ~reference.kinks[j]).all():
                raise _undecided(point, reference, j, ts)
        difference = _paired(point, reference, cts, found, ts, tolerance)
        if difference is not None:
            raise point.failure(
                "the cotangent is wrong.",
                f"<cotangent, tangent>{difference}",
                *_guilty_elements(point, found, cts, tolerance, rng),
                _direction_line(point, ts),
                _reference_line(reference, 0, None),
            )


def _pulled_back(point: Point, f_vjp: Callable[..., Any], cts: Sequence[Array]) -> list[Array]:
    """The cotangents of the arguments that the derivative under test returns; its value and types have been checked."""
    out, pullback = f_vjp(*point.args)
    outs, outdef = flatten(out)
    if outdef != point.outdef:
        raise point.failure(f"the value must have the structure {point.outdef}, got {outdef}.")
    for i in point.moving:
        wrong = unequal(np.asarray(point.outs[i]), np.asarray(outs[i]))
        if wrong:
            raise point.failure(f"the derivative returns another value at {point.out_place(i)}{wrong}.")
    found, given = flatten(tuple(pullback(point.cotangent_tree(cts))))
    if given != point.treedef:
        raise point.failure(f"the cotangents must have the structure of the arguments, {point.treedef}, got {given}.")
    for i in point.moved:
        wrong = different_types(np.asarray(point.leaves[i]), np.asarray(found[i]))
        if wrong:
            raise point.failure(f"the cotangent of {point.arg_place(i)} has another type than that has: {wrong}.")
    return found


def _paired(
    point: Point,
    reference: Reference,
    cts: Sequence[Array],
    found: Sequence[Array],
    ts: Direction,
    tolerance: _Tolerance,
) -> Difference | None:
    """How <c, J·t> by the reference and <Jᵀ·c, t> differ."""
    expected, size = dot(cts, reference.values)
    got, other = dot(ts, found)
    error, _ = dot([np.abs(ct) for ct in cts], [np.abs(e) for e in reference.errors])
    size += other + point.magnitude * max(typical_size(ct) for ct in cts)
    allowed = tolerance.allowance(point.precision, size)(np.asarray(expected))
    return worst(np.asarray(expected), np.asarray(got), 10 * error + allowed)


def _guilty_elements(
    point: Point, found: Sequence[Array], cts: Sequence[Array], tolerance: _Tolerance, rng: np.random.Generator
) -> list[str]:
    """Which arguments have a wrong cotangent, and the first wrong element."""

    def off(ts: Direction) -> Difference | None:
        reference = directional_derivative(point.call, point.leaves, ts, tolerance.eps, extended=True)
        return _paired(point, reference, cts, found, ts, tolerance)

    guilty = [i for i in point.moved if off(point.direction(rng, i)) is not None]
    lines = _with_respect_to(point, guilty)
    for i in guilty[:1]:
        x = np.asarray(point.leaves[i])
        for index in list(np.ndindex(x.shape))[:_SINGLE_ELEMENTS]:
            unit = np.zeros_like(x)
            unit[index] = 1
            difference = off([unit if j == i else None for j in range(len(point.leaves))])
            if difference is not None:
                return [*lines, f"at {point.arg_place(i)}{element_text(index)}{difference}"]
    return lines


def _undecided(point: Point, reference: Reference, output: int, ts: Direction) -> CheckError:
    """The error where the reference cannot judge."""
    kinks = np.asarray(reference.kinks[output])
    index = tuple(int(i) for i in np.argwhere(kinks if kinks.any() else ~np.asarray(reference.reliable[output]))[0])
    place = f"{point.out_place(point.moving[output])}{element_text(index)}"
    if not kinks.any():
        what, seen = _without_limit(point, output, index, ts)
        return point.failure(what, f"at {place}: {seen}", _direction_line(point, ts))
    length = float(np.sqrt(sum(np.sum(np.abs(t) ** 2) for t in ts if t is not None)))
    left, right = reference.left[output][index] / length, reference.right[output][index] / length
    return point.failure(
        "the function has a kink here, so it has no derivative.",
        f"at {place}: from below {left:.6g}, from above {right:.6g}, per unit of the direction",
        *_kinked_at(point, output, index),
        _direction_line(point, ts),
    )


def _kinked_at(point: Point, output: int, index: tuple[int, ...]) -> list[str]:
    """Along which element of which argument there is a kink, where there are several."""
    places = [(i, e) for i in point.moved for e in np.ndindex(np.shape(point.leaves[i]))]
    if len(places) == 1:
        return []
    for i, element in places[:_SINGLE_ELEMENTS]:
        unit = np.zeros_like(np.asarray(point.leaves[i]))
        unit[element] = 1
        reference = directional_derivative(
            point.call, point.leaves, [unit if j == i else None for j in range(len(point.leaves))]
        )
        if np.asarray(reference.kinks[output])[index]:
            return [
                f"along {point.arg_place(i)}{element_text(element)}, which is {np.asarray(point.leaves[i])[element]}"
            ]
    return []


def _without_limit(point: Point, output: int, index: tuple[int, ...], ts: Direction) -> tuple[str, str]:
    """Why differences have no limit, and what is seen of it."""

    def value(step: float) -> Any:
        moved = [x if t is None else (x + step * t)[()] for x, t in zip(point.leaves, ts, strict=True)]
        with np.errstate(all="ignore"):
            return np.asarray(point.call(moved)[output])[index]

    far, near = 2.0**-20, 2.0**-30
    middle, sides = value(0.0), [[value(s * 2.0**-k) for k in range(20, 31, 2)] for s in (-1, 1)]
    outside = [side for side, pair in zip(("below", "above"), sides, strict=True) if not np.isfinite(pair).all()]
    if len(outside) == 1:
        edge = f", and not finite {outside[0]} it along the direction"
        return "the function has no derivative here: this is the edge of its domain.", f"{middle:.6g}{edge}"
    for side, (y, *between, z) in zip(("below", "above"), sides, strict=True):
        step, closer = abs(y - middle), abs(z - middle)
        if max(abs(z - v) for v in (y, *between)) <= 0.1 * closer and closer > 1e-6 * abs(middle):
            return "the function jumps here, so it has no derivative.", f"{middle:.6g}, and {z:.6g} just {side} it"
        if 0.5 * step > closer > max(4 * step * near / far, 1e-9 * abs(middle)):
            slopes = f"slopes of {step / far:.3g} and {closer / near:.3g} at distances of {far:.0e} and {near:.0e}"
            return "the slope of the function grows without bound here, so it has no derivative.", slopes
    seen = f"{middle:.6g}; slopes {abs(sides[1][0] - middle) / far:.6g} and {abs(sides[1][-1] - middle) / near:.6g}"
    seen += f" at distances of {far:.0e} and {near:.0e}"
    return "the differences do not converge: noise, or changes quicker than `eps` (give a smaller one).", seen


def _with_respect_to(point: Point, guilty: Sequence[int]) -> list[str]:
    if not guilty:
        return []
    right = [point.arg_place(i) for i in point.moved if i not in guilty]
    tail = f"; right with respect to {', '.join(right)}" if right else ""
    return [f"wrong with respect to {', '.join(point.arg_place(i) for i in guilty)}{tail}"]


def _direction_line(point: Point, ts: Direction) -> str:
    shown = [(point.arg_place(i), np.asarray(t)) for i, t in enumerate(ts) if t is not None]
    parts = [
        f"{place} = {np.array2string(t, precision=6, threshold=6, separator=', ')}" if t.ndim else f"{place} = {t:.6f}"
        for place, t in shown[:3]
    ]
    return f"direction: {', '.join(parts)}{', …' if len(shown) > 3 else ''}".replace("\n", "")


def _reference_line(reference: Reference, output: int, difference: Difference | None) -> str:
    index = difference.element if difference is not None else ()
    exact, error = np.asarray(reference.exact[output]), np.asarray(reference.errors[output])
    error = error[index] if index else error.max(initial=0.0)
    extended = np.asarray(reference.extended[output])
    method = "extrapolated central differences"
    if exact[index] if index else exact.all():
        method = "complex step"
    elif extended[index] if index else extended.all():
        method += " in extended precision"
    return f"reference: {method}, itself off by about {np.abs(error):.1g}"
