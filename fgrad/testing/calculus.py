"""The rules of calculus as checks: chain, product, sum and inverse-function rule. None needs a numerical derivative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, aval_of, is_inexact
from fgrad.errors import ArgumentError, message, public
from fgrad.primitives.shape import reduce_sum, reshape
from fgrad.testing.compare import rounding, unequal, worst
from fgrad.testing.points import Direction, Point, random_like, typical_size
from fgrad.tree import flatten, structure
from fgrad.tree import map as tree_map

__all__ = ["agree", "check_chain_rule", "check_inverse", "check_product_rule", "check_sum_rule"]


def agree(
    point: Point,
    what: str,
    place: Callable[[int], str],
    expected: Sequence[Array],
    got: Sequence[Array],
    size: float,
    rtol: float | None = None,
) -> None:
    """Holds derivatives that should be equal against each other.

    Args:
        point: where, for messages.
        what: what is wrong if they differ.
        place: what each of them belongs to.
        expected: what they should be.
        got: what they are.
        size: of the terms that they are the sums of; rounding of these is excused.
        rtol: how far they may differ relative to their size and that; by default by rounding.

    Raises:
        CheckError: they differ.
    """
    for i, (x, y) in enumerate(zip(expected, got, strict=True)):
        x, y = np.asarray(x), np.asarray(y)
        if x.shape != y.shape:
            raise point.failure(what, f"at {place(i)}: expected the shape {x.shape}, got {y.shape}")
        allowed = rounding(x, point.precision) + 2**8 * point.precision * size
        if rtol is not None:
            allowed = rtol * (np.abs(x) + size)
        difference = worst(x, y, allowed)
        if difference is not None:
            raise point.failure(what, f"at {place(i)}{difference}")


def sizes(*groups: Sequence[Any]) -> float:
    """The largest magnitude in some groups of arrays."""
    return max([typical_size(x) for group in groups for x in group if x is not None], default=0.0)


def scattered(point: Point, moved: Sequence[Array]) -> Direction:
    """A direction from its parts along the arguments that can be moved."""
    given = iter(moved)
    return [next(given) if m else None for m in point.nz]


def of_moved(point: Point, xs: Sequence[Any]) -> list[Any]:
    """Those of one value per argument that belong to arguments that can be moved."""
    return [xs[i] for i in point.moved]


def at_argument(point: Point) -> Callable[[int], str]:
    """Names for the arguments that can be moved."""
    return lambda j: point.arg_place(point.moved[j])


def at_output(point: Point) -> Callable[[int], str]:
    """Names for the inexact outputs."""
    return lambda j: point.out_place(point.moving[j])


def named(f: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function with another name for messages."""
    f.__name__ = name
    return f


@public
def check_chain_rule(f: Callable[..., Any], g: Callable[..., Any], *args: Any, rtol: float | None = None) -> None:
    """Checks that the derivative of f(g(x)) is that of f at g(x) after that of g: J(f∘g) = J(f)·J(g), in both modes.

    Where one of them has a rule of its own, or is compiled, this is a statement: what each does by itself must fit
    together with what they do as one program.

    Args:
        f: a function of what `g` returns, as one argument.
        g: a function of pytrees of arrays.
        args: arguments of `g`.
        rtol: how far derivatives may differ relative to their terms; by default by rounding.

    Raises:
        CheckError: they differ; says in which mode, and where.

    Source: M. Spivak, Calculus on Manifolds, 1965, theorem 2-2.

    >>> import numpy as np
    >>> check_chain_rule(lambda y: np.sin(y["a"]).sum(), lambda x: {"a": np.exp(x)}, np.array([0.5, 1.0]))
    """
    inner = Point(g, args, "check_chain_rule")
    outer = Point(f, (inner.out,), "check_chain_rule")
    whole = Point(lambda *xs: f(g(*xs)), args, "check_chain_rule")
    whole.name, whole.names = f"{outer.name}∘{inner.name}", inner.names
    whole.need_derivative()
    rng = np.random.default_rng(0)
    ts, cts = whole.direction(rng), whole.cotangents(rng)
    between = inner.push(ts)
    expected = outer.push(scattered(outer, between))
    size = sizes(between, expected)
    agree(whole, "the chain rule fails in forward mode.", at_output(whole), expected, whole.push(ts), size, rtol)
    back = of_moved(outer, outer.pull(cts))
    pulled, got = (of_moved(whole, found) for found in (inner.pull(back), whole.pull(cts)))
    what = "the chain rule fails in reverse mode."
    agree(whole, what, at_argument(whole), pulled, got, sizes(back, pulled), rtol)


@public
def check_product_rule(f: Callable[..., Any], g: Callable[..., Any], *args: Any, rtol: float | None = None) -> None:
    """Checks that d(f·g) = df·g + f·dg, element by element and in both modes.

    Args:
        f, g: functions of the same arguments; each returns one array, and the two broadcast together.
        args: their arguments.
        rtol: how far derivatives may differ relative to their terms; by default by rounding.

    Raises:
        CheckError: they differ; says in which mode, and where.

    Source: M. Spivak, Calculus on Manifolds, 1965, theorem 2-3.

    >>> import numpy as np
    >>> check_product_rule(np.sin, lambda x: np.exp(x).sum(), np.array([0.5, 1.0]))
    """
    left, right = (Point(part, args, "check_product_rule") for part in (f, g))
    for part in (left, right):
        if len(part.outs) != 1 or not part.moving:
            what = f"check_product_rule: `{part.name}` must return one array of floats, got {part.outdef}."
            raise ArgumentError(message(what, cure="Check the product of two of its outputs."))
    whole = Point(lambda *xs: f(*xs) * g(*xs), args, "check_product_rule")
    whole.name, whole.names = f"{left.name}·{right.name}", left.names
    whole.need_derivative()
    rng = np.random.default_rng(0)
    ts, (ct,) = whole.direction(rng), whole.cotangents(rng)
    (x,), (y,) = left.outs, right.outs
    terms = [np.asarray(left.push(ts)[0] * y), np.asarray(x * right.push(ts)[0])]
    what = "the product rule fails in forward mode."
    agree(whole, what, at_output(whole), [terms[0] + terms[1]], whole.push(ts), sizes(terms), rtol)
    parts = [left.pull([_summed(ct * y, x)]), right.pull([_summed(ct * x, y)])]
    expected = [np.asarray(a) + np.asarray(b) for a, b in zip(*[of_moved(whole, p) for p in parts], strict=True)]
    size = sizes(*[of_moved(whole, p) for p in parts])
    what = "the product rule fails in reverse mode."
    agree(whole, what, at_argument(whole), expected, of_moved(whole, whole.pull([ct])), size, rtol)


def _summed(ct: Array, x: Array) -> Array:
    """A cotangent, summed over what was broadcast to make it from an array like `x`."""
    shape, given = np.shape(x), np.shape(ct)
    lead = len(given) - len(shape)
    wide = [i for i in range(len(given)) if i < lead or (shape[i - lead] == 1 and given[i] != 1)]
    return reshape(reduce_sum(ct, axes=tuple(wide)), shape=shape) if wide else ct


@public
def check_sum_rule(functions: Sequence[Callable[..., Any]], *args: Any, rtol: float | None = None) -> None:
    """Checks that the derivative of a sum of functions is the sum of their derivatives, in both modes.

    Args:
        functions: functions of the same arguments, whose outputs have one structure and the same shapes.
        args: their arguments.
        rtol: how far derivatives may differ relative to their terms; by default by rounding.

    Raises:
        CheckError: they differ; says in which mode, and where.

    >>> import numpy as np
    >>> x = np.array([0.5, 1.0])
    >>> check_sum_rule([np.sin, np.exp, lambda x: x * x], x)
    """
    points = [Point(f, args, "check_sum_rule") for f in functions]
    if not points:
        raise ArgumentError(message("check_sum_rule needs at least one function, got none."))

    def total(*xs: Any) -> Any:
        first, *others = [f(*xs) for f in functions]
        for out in others:
            first = tree_map(lambda a, b: a + b, first, out)
        return first

    whole = Point(total, args, "check_sum_rule")
    whole.name, whole.names = " + ".join(p.name for p in points), points[0].names
    whole.need_derivative()
    rng = np.random.default_rng(0)
    ts, cts = whole.direction(rng), whole.cotangents(rng)
    pushed = [p.push(ts) for p in points]
    what = "the derivative of the sum is not the sum of the derivatives, in forward mode."
    agree(whole, what, at_output(whole), _totals(pushed), whole.push(ts), sizes(*pushed), rtol)
    pulled = [of_moved(whole, p.pull(cts)) for p in points]
    what = "the gradient of the sum is not the sum of the gradients, in reverse mode."
    agree(whole, what, at_argument(whole), _totals(pulled), of_moved(whole, whole.pull(cts)), sizes(*pulled), rtol)


def _totals(groups: Sequence[Sequence[Array]]) -> list[Array]:
    return [np.sum([np.asarray(x) for x in parts], axis=0) for parts in zip(*groups, strict=True)]


@public
def check_inverse(f: Callable[[Any], Any], g: Callable[[Any], Any], x: Any, rtol: float | None = None) -> None:
    """Checks that `g` undoes `f`, and the inverse-function rule: J(g)·J(f) = 1 at x and f(x), in both modes.

    Args:
        f: a function of one pytree of arrays.
        g: its inverse, at least from the left: g(f(x)) = x.
        x: where.
        rtol: how far values and derivatives may differ relative to their size; by default by rounding, and by what
            the condition of the two makes of that.

    Raises:
        CheckError: `g` does not undo `f`, or its derivative not that of `f`.

    Source: M. Spivak, Calculus on Manifolds, 1965, theorem 2-11.

    >>> import numpy as np
    >>> check_inverse(np.exp, np.log, np.array([0.5, 1.0]))
    >>> check_inverse(np.sin, np.arcsin, 2.0)
    Traceback (most recent call last):
        ...
    fgrad.errors.CheckError: check_inverse of `sin`: g does not undo f.
      at x: expected 2, got 1.141592654: relative error 0.43, allowed 9.2e-13
    """
    inner = Point(f, (x,), "check_inverse")
    outer = Point(g, (inner.out,), "check_inverse")
    inner.need_derivative()
    _check_undone(inner, outer, x, rtol)
    rng = np.random.default_rng(0)
    ts = inner.direction(rng)
    between = inner.push(ts)
    got = outer.push(scattered(outer, between))
    # A rounding of what lies between grows by as much as a random direction does on the way back.
    some = [random_like(rng, t, typical_size(t)) for t in between]
    size = sizes(ts, outer.push(scattered(outer, some)))
    expected = [t for t in ts if t is not None]
    what = "the derivative of g does not undo that of f, in forward mode."
    agree(inner, what, at_argument(inner), expected, got, size, rtol)
    cts = [random_like(rng, inner.leaves[i]) for i in inner.moved]
    between = of_moved(outer, outer.pull(cts))
    back = of_moved(inner, inner.pull(between))
    some = [random_like(rng, ct, typical_size(ct)) for ct in between]
    what = "the derivative of g does not undo that of f, in reverse mode."
    agree(inner, what, at_argument(inner), cts, back, sizes(cts, of_moved(inner, inner.pull(some))), rtol)


def _check_undone(inner: Point, outer: Point, x: Any, rtol: float | None) -> None:
    if outer.outdef != structure(x):
        raise inner.failure("g does not undo f.", f"it returns {outer.outdef}, not {structure(x)}")
    grown = sizes(outer.push(outer.direction(np.random.default_rng(1)))) if outer.moved and outer.moving else 0.0
    for i, (expected, got) in enumerate(zip(flatten(x)[0], outer.outs, strict=True)):
        loose = 2**8 * inner.precision * grown
        exact = not is_inexact(aval_of(expected).dtype)
        close = unequal(np.asarray(expected), np.asarray(got), None, rtol)
        if close and (exact or rtol is not None or (np.abs(np.asarray(got) - expected) > loose).any()):
            raise inner.failure("g does not undo f.", f"at {inner.arg_place(i)}{close}")
