"""What a function does not change under, or how it scales: its derivative must obey the same, without differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fgrad.errors import ArgumentError, message, public
from fgrad.testing.calculus import agree, at_argument, at_output, of_moved, scattered, sizes
from fgrad.testing.points import Direction, Point, dot
from fgrad.tree.table import describe

__all__ = ["check_homogeneous", "check_invariance"]

_FACTORS = (2.0, 0.5)


@public
def check_homogeneous(f: Callable[..., Any], degree: float, *args: Any, rtol: float | None = None) -> None:
    """Checks that f(s·x) = sᵏ·f(x) for s > 0, and Euler's identity J·x = k·f(x), in both modes.

    Args:
        f: a function of pytrees of arrays, homogeneous in all its floating-point arguments together.
        degree: k. A norm has 1, a quadratic form 2, a cosine similarity 0.
        args: its arguments.
        rtol: how far the two sides may differ relative to their terms; by default by rounding.

    Raises:
        CheckError: the function is not homogeneous, or its derivative does not obey Euler's identity.

    Source: L. Euler, Institutiones calculi differentialis, 1755, part I, §224.

    >>> import numpy as np
    >>> check_homogeneous(np.linalg.norm, 1, np.array([3.0, 4.0]))
    >>> check_homogeneous(lambda x: x @ x, 1, np.array([3.0, 4.0]))
    Traceback (most recent call last):
        ...
    fgrad.errors.CheckError: check_homogeneous of `<lambda>`: the function is not homogeneous of degree 1.
      at output: expected 50, got 100: relative error 0.5, allowed 4.9e-13
      f(2·x) against 2^1·f(x)
    """
    point = Point(f, args, "check_homogeneous")
    point.need_derivative()
    values = [np.asarray(point.outs[i]) for i in point.moving]
    for factor in _FACTORS:
        scaled = [
            np.asarray(factor * x).astype(np.asarray(x).dtype)[()] if m else x
            for x, m in zip(point.leaves, point.nz, strict=True)
        ]
        expected = [factor**degree * y for y in values]
        what = f"the function is not homogeneous of degree {degree}."
        try:
            agree(point, what, at_output(point), expected, point.call(scaled), sizes(expected), rtol)
        except AssertionError as error:
            error.args = (f"{error}\n  f({factor:g}·x) against {factor:g}^{degree}·f(x)",)
            raise
    xs: Direction = [x if m else None for x, m in zip(point.leaves, point.nz, strict=True)]
    what = f"Euler's identity J·x = {degree}·f(x) fails"
    size = sizes(values, xs)
    agree(point, f"{what} in forward mode.", at_output(point), [degree * y for y in values], point.push(xs), size, rtol)
    cts = point.cotangents(np.random.default_rng(0))
    found = point.pull(cts)
    paired, terms = dot(xs, found)
    wanted, others = dot(cts, values)
    left, right = [np.asarray(degree * wanted)], [np.asarray(paired)]
    agree(point, f"{what} in reverse mode.", lambda i: "<Jᵀ·c, x>, k·<c, f(x)>", left, right, terms + abs(others), rtol)


@public
def check_invariance(
    f: Callable[..., Any],
    transformation: Callable[..., Any],
    *args: Any,
    output: Callable[[Any], Any] | None = None,
    rtol: float | None = None,
) -> None:
    """Checks that f(T(x)) = f(x), and that derivatives follow: J(f)(x) = J(f)(T(x))·J(T), in both modes.

    In reverse mode this says that gradients are equivariant: that at x is the one at T(x), pulled back through T. With
    `output` the function itself is to be equivariant: f(T(x)) = S(f(x)).

    Args:
        f: a function of pytrees of arrays.
        transformation: T: takes the arguments, and returns others, a tuple if there are several.
        args: where.
        output: S, of the output of `f`; by default it is to stay as it is.
        rtol: how far the two sides may differ relative to their terms; by default by rounding.

    Raises:
        CheckError: values, tangents or gradients do not obey the symmetry; says which, and where.

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0, 4.0])
    >>> check_invariance(np.var, lambda x: x + 10.0, x)
    >>> check_invariance(np.sort, lambda x: x[::-1], x)
    >>> check_invariance(np.cumsum, lambda x: 3.0 * x, x, output=lambda y: 3.0 * y)
    >>> check_invariance(np.linalg.norm, lambda x: x + 10.0, x)
    Traceback (most recent call last):
        ...
    fgrad.errors.CheckError: check_invariance of `norm`: the function is not invariant: f(T(x)) is not f(x).
      at output: expected 4.582575695, got 21.47091055: relative error 0.79, allowed 2.1e-13
    """
    point = Point(f, args, "check_invariance")
    point.need_derivative()

    def carried(*xs: Any) -> tuple[Any, ...]:
        out = transformation(*xs)
        moved = out if isinstance(out, tuple) and len(args) > 1 else (out,)
        if len(moved) != len(args):
            what = f"the transformation of check_invariance must return {len(args)} arguments, got {describe(out)}."
            raise ArgumentError(message(what, cure="Return a tuple with one entry per argument of f."))
        return moved

    there = Point(carried, args, "check_invariance")
    after = Point(f, there.out, "check_invariance")
    wanted = Point(output or (lambda y: y), (point.out,), "check_invariance")
    sign = "S(f(x))" if output is not None else "f(x)"
    values = [wanted.outs[i] for i in wanted.moving]
    got = [after.outs[i] for i in after.moving]
    if after.outdef != wanted.outdef:
        raise point.failure(f"f(T(x)) has the structure {after.outdef}, {sign} has {wanted.outdef}.")
    what = "the function is not invariant" if output is None else "the function is not equivariant"
    size = sizes(values)
    agree(point, f"{what}: f(T(x)) is not {sign}.", at_output(point), values, got, size, rtol)
    rng = np.random.default_rng(0)
    ts = point.direction(rng)
    between = there.push(ts)
    pushed = point.push(ts)
    expected = wanted.push(scattered(wanted, pushed))
    found = after.push(scattered(after, between))
    what = f"the derivative of f does not have the symmetry of f: along T(x) it is not that of {sign}."
    agree(point, what, at_output(point), expected, found, sizes(between, pushed, expected, ts), rtol)
    cts = after.cotangents(rng)
    back = of_moved(after, after.pull(cts))
    found = of_moved(point, there.pull(back))
    middle = of_moved(wanted, wanted.pull(cts))
    expected = of_moved(point, point.pull(middle))
    what = f"the gradient is not equivariant: pulled back from T(x) it is not that of {sign}."
    agree(point, what, at_argument(point), expected, found, sizes(back, middle, expected, cts), rtol)
