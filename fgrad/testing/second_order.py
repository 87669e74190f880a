"""Second derivatives: the ways to compute them agree, they are symmetric, and they are what differences say."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.api.linear import jvp, vjp
from fgrad.core.aval import Array, aval_of
from fgrad.errors import CheckError, public
from fgrad.primitives.rounding import real
from fgrad.primitives.shape import reduce_sum
from fgrad.testing.calculus import agree, at_argument, of_moved, sizes
from fgrad.testing.checks import check_derivatives
from fgrad.testing.points import Direction, Point, dot, no_tangent
from fgrad.tree import flatten

__all__ = ["check_second_order", "check_symmetry"]


@public
def check_second_order(
    f: Callable[..., Any],
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Checks second derivatives: against differences of first ones, against each other, and for symmetry.

    This is `check_grads` of order 2, in all four combinations of the modes, and `check_symmetry`.

    Args:
        f: a function of pytrees of arrays.
        args: its arguments, a tuple or list.
        atol, rtol, eps: as for `check_grads`.

    Raises:
        CheckError: a first or second derivative is wrong, or cannot be judged; says which, where, and by how much.

    >>> import numpy as np
    >>> check_second_order(lambda x, y: np.sin(x * y), (np.array([0.3, 1.0]), 2.0))
    """
    check_derivatives(f, args, 2, ("fwd", "rev"), (atol, rtol, eps), "check_second_order")
    _check_symmetry(Point(f, args, "check_second_order"), rtol)


@public
def check_symmetry(f: Callable[..., Any], *args: Any, rtol: float | None = None) -> None:
    """Checks that second derivatives do not depend on the order: <u, H·t> = <t, H·u>, and on how they are computed.

    H is the Hessian of <c, f(x)> for random c. H·t by forward over reverse, reverse over forward, and reverse over
    reverse mode must be the same. No numerical derivative is taken.

    Args:
        f: a function of pytrees of arrays.
        args: its arguments.
        rtol: how far the sides may differ relative to their terms; by default by rounding.

    Raises:
        CheckError: they differ; says which modes disagree, and where.

    Source: H. A. Schwarz, 1873 (symmetry); B. A. Pearlmutter, "Fast exact multiplication by the Hessian", 1994.

    >>> import numpy as np
    >>> check_symmetry(lambda x: np.tanh(x).prod(), np.array([0.3, 1.0, -2.0]))
    """
    _check_symmetry(Point(f, args, "check_symmetry"), rtol)


def _check_symmetry(point: Point, rtol: float | None) -> None:
    point.need_derivative()
    rng = np.random.default_rng(0)
    cts, t, u = point.cotangents(rng), point.direction(rng), point.direction(rng)
    ways = {
        "forward over reverse": _forward_over_reverse,
        "reverse over forward": _reverse_over_forward,
        "reverse over reverse": _reverse_over_reverse,
    }
    with np.errstate(all="ignore"):
        products = {name: of_moved(point, way(point, cts, t)) for name, way in ways.items()}
        others = {name: of_moved(point, way(point, cts, u)) for name, way in ways.items()}
    for name, product in products.items():
        for j, part in enumerate(product):
            point.need_finite(part, f"H·t, by {name} mode, of {at_argument(point)(j)}")
        one, terms = dot(of_moved(point, u), product)
        other, more = dot(of_moved(point, t), others[name])
        scale = (terms + more) + sizes(t, u, cts) ** 2
        try:
            pair = [np.asarray(one)], [np.asarray(other)]
            agree(point, "the second derivative is not symmetric.", lambda i: "<t, H·u>", *pair, scale, rtol)
        except CheckError as error:
            error.args = (f"{error}\n  expected is <u, H·t>, both by {name} mode",)
            raise
    first, expected = next(iter(products.items()))
    size = sizes(*products.values(), t, cts)
    for name, got in products.items():
        what = f"the second derivative by {name} mode is not that by {first} mode."
        agree(point, what, at_argument(point), expected, got, size, rtol)


def _objective(point: Point, cts: Sequence[Array]) -> Callable[..., Any]:
    """The real number Σ c·f(x), as a function of the arguments."""

    def objective(*args: Any) -> Any:
        outs = flatten(point.f(*args))[0]
        total: Any = 0.0
        for i, ct in zip(point.moving, cts, strict=True):
            y = outs[i]
            term = reduce_sum(y * ct, axes=tuple(range(len(aval_of(y).shape))))
            total = total + (real(term) if aval_of(term).dtype.kind == "c" else term)
        return total

    return objective


def _gradient(objective: Callable[..., Any], args: Sequence[Any]) -> list[Any]:
    out, pullback = vjp(objective, *args)
    return flatten(pullback(np.ones((), aval_of(out).dtype)[()]))[0]


def _floats(point: Point, leaves: Sequence[Any]) -> list[Any]:
    return [leaves[i] for i in point.moved]


def _forward_over_reverse(point: Point, cts: Sequence[Array], t: Direction) -> list[Array]:
    objective = _objective(point, cts)

    def gradient(*args: Any) -> list[Any]:
        return _floats(point, _gradient(objective, args))

    pushed = iter(jvp(gradient, point.args, point.tangent_tree(t))[1])
    return [next(pushed) if m else no_tangent(x) for x, m in zip(point.leaves, point.nz, strict=True)]


def _reverse_over_forward(point: Point, cts: Sequence[Array], t: Direction) -> list[Array]:
    objective = _objective(point, cts)
    return _gradient(lambda *args: jvp(objective, args, point.tangent_tree(t))[1], point.args)


def _reverse_over_reverse(point: Point, cts: Sequence[Array], t: Direction) -> list[Array]:
    gradient = functools.partial(_gradient, _objective(point, cts))

    def along(*args: Any) -> Any:
        total: Any = 0.0
        for g, u in zip(_floats(point, gradient(args)), of_moved(point, t), strict=True):
            term = reduce_sum(g * u, axes=tuple(range(len(aval_of(g).shape))))
            total = total + (real(term) if aval_of(term).dtype.kind == "c" else term)
        return total

    return _gradient(along, point.args)
