"""Solutions of ordinary differential equations, with derivatives by further equations: forward and adjoint ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fgrad.numpy as fnp
from fgrad.api.linear import jvp, vjp
from fgrad.control.closure_convert import closure_convert
from fgrad.control.custom_linear_solve import check_inexact, flat_like
from fgrad.control.custom_rule import custom_rule
from fgrad.control.rows import concrete
from fgrad.control.scan import scan
from fgrad.core.aval import Array, ShapedArray, aval_of, is_inexact
from fgrad.core.boundary import call, check_callable, flat_leaves
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, message, public
from fgrad.flatten_util import ravel_pytree
from fgrad.scipy.integrate.dormand_prince import Tolerance, solve
from fgrad.tree import flatten
from fgrad.tree.table import describe

__all__ = ["odeint"]

Field = Callable[..., Array]
"""f(y, t, *leaves) of a vector, a number, and all arrays that it depends on."""


@public
def odeint(
    func: Callable[..., Any],
    y0: Any,
    t: Any,
    *rest: Any,
    args: tuple[Any, ...] = (),
    rtol: float = 1.4e-8,
    atol: float = 1.4e-8,
    mxstep: float = math.inf,
    hmax: float = math.inf,
    tfirst: bool = False,
) -> Any:
    """The solution of y′ = func(y, t, …), y(t[0]) = y0, at all times t, by a method of order 5 that adapts its steps.

    Reverse mode solves the adjoint equation λ′ = −(∂f/∂y)ᵀ·λ backwards, from one time of the output to the one before,
    together with the integrals (∂f/∂args)ᵀ·λ, and takes no memory for steps; forward mode solves the equation of the
    tangent beside that of y. Both can be differentiated again. Derivatives are those of the exact solution, by y0, all
    of t, the further arguments, and what `func` closes over, as exact as the tolerances say.

    Args:
        func: `func(y, t, *rest, *args)` returns the derivative of y, a pytree like it. It is traced.
        y0: the values at t[0], a floating-point array or a pytree of them.
        t: times, an array of shape (m,) that increases or decreases; it need not do so strictly.
        rest: further arguments of `func`, pytrees of arrays.
        args: likewise, as a tuple by name, as in SciPy and HIPS autograd.
        rtol: the error of a step, relative to the values of y.
        atol: the same, absolute. The error of a step is measured by its root mean square, with rtol·|y| + atol as unit.
        mxstep: how many steps are allowed from one time to the next. No limit by default, and for 0.
        hmax: the longest step; 0, as in SciPy, for no limit.
        tfirst: call `func(t, y, …)`.

    Returns:
        A pytree like y0, with a first axis of length m for times. From a time on where no solution is found, NaN: the
        steps become too short (func is not finite, or has a singularity), or there are too many.

    Raises:
        ArgumentError: `func` cannot be called with these arguments, `t` is no vector of real numbers that go in one
            direction, or a tolerance is wrong.
        NonDifferentiableError: an array of `y0` is neither real nor complex.
        TreeStructureError: what `func` returns has not the structure of `y0`.
        ShapeError: likewise, but the shapes.

    >>> import fgrad, numpy as np
    >>> decay = lambda rate: fgrad.scipy.integrate.odeint(lambda y, t, k: -k * y, 1.0, np.array([0.0, 1.0]), rate)[-1]
    >>> round(float(decay(2.0)), 7), round(float(fgrad.grad(decay)(2.0)), 7)
    (0.1353353, -0.1353353)

    Source: Dormand and Prince (1980); Chen et al., "Neural ordinary differential equations" (2018), appendix C.
    """
    check_callable(func, "odeint", "odeint(func, y0, t)")
    ts = _times(t)
    tol = _tolerance(rtol, atol, mxstep, hmax)
    leaves, y0def = flat_leaves([y0], ["y0"], "odeint")
    check_inexact(leaves, [y0], ["y0"], "odeint")
    treedef = y0def.children()[0]
    avals = [ShapedArray(a.shape, a.dtype) for a in map(aval_of, leaves)]
    given = (*rest, *args)

    def field(y: Any, t: Array, given: tuple[Any, ...]) -> list[Array]:
        out = call(func, (t, y, *given) if tfirst else (y, t, *given), {}, "odeint")
        return flat_like(out, treedef, avals, "func of odeint", "y0")

    vector, unravel = ravel_pytree([np.asarray(x) if not isinstance(x, Tracer) else x for x in leaves])
    if not avals:
        return treedef.unflatten([])

    def flat_field(y: Array, t: Array, given: tuple[Any, ...]) -> Array:
        return ravel_pytree(field(treedef.unflatten(unravel(y)), t, given))[0]

    converted, captured = closure_convert(flat_field, vector, ts[0], given)
    parameters, givendef = flatten(given)
    count = len(parameters)

    def leaf_field(y: Array, t: Array, *xs: Array) -> Array:
        return converted(y, t, givendef.unflatten(xs[:count]), *xs[count:])

    ys = _solution(leaf_field, tol)(vector, ts, *[fnp.asarray(x) for x in (*parameters, *captured)])
    return treedef.unflatten(_columns(ys, avals))


def _columns(ys: Array, avals: Sequence[ShapedArray]) -> list[Array]:
    """The arrays that lie side by side in the rows of a matrix."""
    out, offset = [], 0
    for aval in avals:
        part = fnp.reshape(ys[:, offset : offset + aval.size], (-1, *aval.shape))
        out.append(fnp.astype(part if aval.dtype.kind == "c" else fnp.real(part), aval.dtype))
        offset += aval.size
    return out


def _times(t: Any) -> Array:
    ts = fnp.asarray(t)
    kind = aval_of(ts).dtype.kind
    if len(fnp.shape(ts)) != 1 or not fnp.shape(ts)[0] or kind not in "fiu":
        what = f"t of odeint must be a vector of times, the first that of y0, got {describe(t)}."
        raise ArgumentError(message(what, cure="Write odeint(func, y0, numpy.array([t0, t1]))."))
    if kind != "f":
        ts = fnp.astype(ts, np.float64)
    known = concrete(ts)
    if known is not None:
        steps = np.diff(known)
        if not ((steps >= 0).all() or (steps <= 0).all()):
            what = "t of odeint must increase, or decrease, from each time to the next."
            raise ArgumentError(message(what, cure="Sort it first."))
    return ts


def _tolerance(rtol: float, atol: float, mxstep: float, hmax: float) -> Tolerance:
    for name, value in (("rtol", rtol), ("atol", atol), ("mxstep", mxstep), ("hmax", hmax)):
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not value >= 0:
            what = f"{name} of odeint must be a number that is not negative, got {describe(value)}."
            raise ArgumentError(message(what, cure="Tolerances are Python numbers, of all values of y."))
    if not rtol and not atol:
        raise ArgumentError(message("rtol and atol of odeint are both 0: no solution is that exact."))
    return Tolerance(float(rtol), float(atol), float(mxstep) or math.inf, float(hmax) or math.inf)


def _solution(field: Field, tol: Tolerance) -> Callable[..., Array]:
    """The function (y0, ts, *leaves) of the values at all times."""

    def typed(y: Array, t: Array, *leaves: Array) -> Array:
        return fnp.astype(field(y, t, *leaves), y.dtype)  # times may be more precise than values

    def values(y0: Array, ts: Array, *leaves: Array) -> Array:
        sign = fnp.where(ts[-1] >= ts[0], 1.0, -1.0)
        forth, turned = fnp.astype(sign, ts.dtype), fnp.astype(sign, y0.dtype)
        return solve(lambda y, s: turned * typed(y, forth * s, *leaves), y0, forth * ts, tol)

    def push(primals: Any, tangents: Any) -> tuple[Array, Array]:
        return _pushed(typed, tol, primals, tangents)

    def keep(y0: Array, ts: Array, *leaves: Array) -> tuple[Array, Any]:
        ys = solution(y0, ts, *leaves)
        return ys, (ys, ts, leaves)

    def pull(res: Any, ct: Array) -> tuple[Any, ...]:
        ys, ts, leaves = res
        return _pulled(typed, tol, ys, ts, leaves, ct)

    solution: Callable[..., Array] = custom_rule(values, jvp=push, vjp=(keep, pull))
    return solution


def _split(leaves: Sequence[Array]) -> tuple[list[int], list[Array]]:
    """Where the arrays are that can be differentiated, and these."""
    places = [i for i, x in enumerate(leaves) if is_inexact(aval_of(x).dtype)]
    return places, [leaves[i] for i in places]


def _merged(leaves: Sequence[Array], places: Sequence[int], xs: Sequence[Array]) -> list[Array]:
    out = list(leaves)
    for i, x in zip(places, xs, strict=True):
        out[i] = x
    return out


def _pushed(field: Field, tol: Tolerance, primals: Any, tangents: Any) -> tuple[Array, Array]:
    """Values and tangents: (y, ẏ) solves (f, ∂f·(ẏ, ȧ)), and ẏ begins with ẏ₀ − f(y₀)·ṫ₀."""
    (y0, ts, *leaves), (by_y0, by_ts, *by_leaves) = primals, tangents
    n, count = y0.shape[0], len(leaves)
    places, _ = _split(leaves)
    directions = [by_leaves[i] for i in places]

    def both(z: Array, t: Array, *xs: Array) -> Array:
        given = xs[:count]
        floats = [given[i] for i in places]

        def along(y: Array, *floats: Array) -> Array:
            return field(y, t, *_merged(given, places, floats))

        return fnp.concatenate(jvp(along, (z[:n], *floats), (z[n:], *xs[count:])))

    start = by_y0 - fnp.astype(field(y0, ts[0], *leaves) * by_ts[0], y0.dtype)
    zs = _solution(both, tol)(fnp.concatenate([y0, start]), ts, *leaves, *directions)
    ys, moved = zs[:, :n], zs[1:, n:]
    _, slopes = scan(lambda carry, row: (carry, field(row[0], row[1], *leaves)), (), (ys[1:], ts[1:]))
    return ys, fnp.concatenate([by_y0[None], moved + fnp.astype(slopes * by_ts[1:, None], y0.dtype)])


def _pulled(field: Field, tol: Tolerance, ys: Array, ts: Array, leaves: Sequence[Array], ct: Array) -> tuple[Any, ...]:
    """Cotangents of y0, ts and all leaves, by the adjoint equation."""
    places, floats = _split(leaves)
    zeros = [fnp.zeros_like(x) for x in floats]
    _, unravel = ravel_pytree((ys[0], ct[0], zeros))

    def backwards(z: Array, s: Array, *xs: Array) -> Array:
        y, adjoint, _ = unravel(z)

        def at(y: Array, *floats: Array) -> Array:
            return field(y, -s, *_merged(xs, places, floats))

        slope, pull = vjp(at, y, *[xs[i] for i in places])
        by_y, *by_floats = pull(adjoint)
        return ravel_pytree((-slope, by_y, by_floats))[0]

    solution = _solution(backwards, tol)

    def segment(carry: tuple[Array, list[Array]], row: tuple[Array, ...]) -> tuple[Any, Array]:
        adjoint, totals = carry
        y, t, before, added = row
        by_t = _real_dot(added, field(y, t, *leaves), aval_of(ts).dtype)
        z = ravel_pytree((y, adjoint + added, totals))[0]
        _, adjoint, totals = unravel(solution(z, fnp.stack([-t, -before]), *leaves)[-1])
        return (adjoint, totals), by_t

    rows = (ys[1:], ts[1:], ts[:-1], ct[1:])
    (adjoint, totals), by_ts = scan(segment, (fnp.zeros_like(ct[0]), zeros), rows, reverse=True)
    first = -_real_dot(adjoint, field(ys[0], ts[0], *leaves), aval_of(ts).dtype)
    by_leaves: list[Any] = [None] * len(leaves)
    for i, total in zip(places, totals, strict=True):
        by_leaves[i] = total
    return adjoint + ct[0], fnp.concatenate([first[None], by_ts]), *by_leaves


def _real_dot(x: Array, y: Array, dtype: Any) -> Array:
    return fnp.astype(fnp.real(fnp.sum(x * y)), dtype)
