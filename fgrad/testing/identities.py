"""Identities that hold to the last digits, and need no numerical derivative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.api.jit import jit
from fgrad.api.vmap import vmap
from fgrad.core.aval import Array, aval_of
from fgrad.errors import public
from fgrad.testing.compare import unequal, worst
from fgrad.testing.points import Direction, Point, dot, element_text, typical_size
from fgrad.tree import flatten, flatten_axes

__all__ = [
    "check_adjoint",
    "check_jit",
    "check_linear",
    "check_modes",
    "check_tangent_linearity",
    "check_vmap",
    "same",
]

_ELEMENTS = 16


@public
def check_adjoint(f: Callable[..., Any], args: Sequence[Any], rtol: float | None = None) -> None:
    """Checks that reverse mode is the transpose of forward mode: <c, J·t> = <Jᵀ·c, t> for random c and t.

    For complex numbers <c, t> is the real part of Σ c·t, without conjugation.

    Args:
        f: a function of pytrees of arrays.
        args: its arguments, a tuple or list.
        rtol: how far the two may differ relative to the sum of the magnitudes of their terms; by default by rounding.

    Raises:
        CheckError: the two differ; says by how much.

    >>> import numpy as np
    >>> check_adjoint(lambda x, y: x @ np.sin(y), (np.eye(3), np.ones(3)))
    """
    point, rng = Point(f, args, "check_adjoint"), np.random.default_rng(0)
    ts, cts = point.direction(rng), point.cotangents(rng)
    point.need_derivative()
    found, pushed = point.pull(cts), point.push(ts)
    forward, size = dot(cts, pushed)
    reverse, other = dot(ts, found)
    allowed = (rtol if rtol is not None else 2**10 * point.precision) * (size + other)
    allowed += _cancelled(point, [*ts, *cts])
    difference = worst(np.asarray(forward), np.asarray(reverse), np.asarray(allowed))
    if difference is None:
        return
    parts = []
    for i in point.moved:
        alone = [t if i == j else None for j, t in enumerate(ts)]
        expected, _ = dot(cts, point.push(alone))
        got, _ = dot(alone, found)
        if abs(expected - got) > allowed:
            parts.append(f"wrong with respect to {point.arg_place(i)}: {expected} forwards, {got} in reverse")
    raise point.failure(
        "reverse mode is not the transpose of forward mode.", f"<cotangent, tangent>{difference}", *parts
    )


@public
def check_tangent_linearity(f: Callable[..., Any], args: Sequence[Any], rtol: float | None = None) -> None:
    """Checks that the derivative is linear: J·(a·t + b·u) = a·J·t + b·J·u for random t and u, and real a and b.

    Args, Raises: as for `check_adjoint`.

    >>> import numpy as np
    >>> check_tangent_linearity(lambda x: np.exp(x) * x, (np.array([0.5, 1.0]),))
    """
    point, rng = Point(f, args, "check_tangent_linearity"), np.random.default_rng(0)
    point.need_derivative()
    _superposition(point, point.push, point.direction(rng), point.direction(rng), rtol)


@public
def check_linear(f: Callable[..., Any], args: Sequence[Any], rtol: float | None = None) -> None:
    """Checks that a function is linear in all its inexact arguments together: f(a·x + b·y) = a·f(x) + b·f(y).

    Args, Raises: as for `check_adjoint`; of the arguments only the structure, shapes and dtypes count.

    >>> import numpy as np
    >>> check_linear(lambda x: x[::-1] * 2.0, (np.zeros(3),))
    >>> check_linear(lambda x: x + 1.0, (np.zeros(3),))
    Traceback (most recent call last):
        ...
    fgrad.errors.CheckError: check_linear of `<lambda>`: it is not linear.
      at output[2]: expected -0.8120755945, got 0.9379244055: relative error 1.9, allowed 8e-13
    """
    point, rng = Point(f, args, "check_linear"), np.random.default_rng(0)

    def apply(xs: Direction) -> list[Array]:
        return point.call([x if y is None else y for x, y in zip(point.leaves, xs, strict=True)])

    _superposition(point, apply, point.direction(rng), point.direction(rng), rtol)


def _superposition(
    point: Point, f: Callable[[Direction], list[Array]], x: Direction, y: Direction, rtol: float | None
) -> None:
    a, b = 0.75, -1.5
    both: Direction = [None if u is None else (a * u + b * v).astype(u.dtype) for u, v in zip(x, y, strict=True)]  # type: ignore[operator]
    for i, of_x, of_y, got in zip(point.moving, f(x), f(y), f(both), strict=True):
        of_x, of_y = np.asarray(of_x), np.asarray(of_y)
        expected = a * of_x + b * of_y
        size = (np.abs(a * of_x) + np.abs(b * of_y)).max(initial=0.0)
        allowed = (rtol if rtol is not None else 2**10 * point.precision) * np.asarray(size)
        allowed = allowed + _cancelled(point, [*x, *y])
        difference = worst(expected, got, allowed)
        if difference is not None:
            raise point.failure("it is not linear.", f"at {point.out_place(i)}{difference}")


def _cancelled(point: Point, directions: Sequence[Array | None]) -> float:
    """What rounding may leave where everything cancels."""
    return 2**6 * point.precision * max([typical_size(t) for t in directions if t is not None], default=0.0)


@public
def check_modes(f: Callable[..., Any], *args: Any, rtol: float | None = None) -> None:
    """Checks that forward and reverse mode give the same derivatives, element by element.

    The gradient of <c, f(x)> for random c in reverse mode is held against derivatives along single elements of the
    arguments in forward mode: all of them, or 16 that are drawn. `check_adjoint` needs one pass of each for all
    elements at once, but cannot say at which of them the two differ.

    Args:
        f: a function of pytrees of arrays.
        args: its arguments.
        rtol: how far the two may differ relative to the sum of the magnitudes of their terms; by default by rounding.

    Raises:
        CheckError: the two differ; says at which element of which argument.

    >>> import numpy as np
    >>> check_modes(lambda x, y: x @ np.sin(y), np.eye(3), np.ones(3))
    """
    point, rng = Point(f, args, "check_modes"), np.random.default_rng(0)
    point.need_derivative()
    cts = point.cotangents(rng)
    pulled = point.pull(cts)
    places = [(i, index) for i in point.moved for index in np.ndindex(np.shape(point.leaves[i]))]
    if len(places) > _ELEMENTS:
        places = [places[k] for k in sorted(rng.choice(len(places), _ELEMENTS, replace=False))]
    for i, index in places:
        dtype = aval_of(point.leaves[i]).dtype
        for one in (1, 1j) if dtype.kind == "c" else (1,):
            unit = np.zeros(np.shape(point.leaves[i]), dtype)
            unit[index] = one
            along: Direction = [unit[()] if i == j else None for j in range(len(point.leaves))]
            forward, size = dot(cts, point.push(along))
            reverse, _ = dot(along, pulled)
            largest = max(typical_size(pulled[i]), typical_size(np.concatenate([np.ravel(ct) for ct in cts])))
            allowed = 2**10 * point.precision * size + 2**6 * point.precision * largest
            if rtol is not None:
                allowed = rtol * (size + largest)
            difference = worst(np.asarray(forward), np.asarray(reverse), np.asarray(allowed))
            if difference is not None:
                raise point.failure(
                    "reverse mode gives another derivative than forward mode.",
                    f"at {point.arg_place(i)}{element_text(index)}{difference}",
                    "expected is that of forward mode, of <c, f(x)> for random c",
                )


@public
def check_jit(f: Callable[..., Any], args: Sequence[Any], atol: float | None = None, rtol: float | None = None) -> None:
    """Checks that `jit` changes neither structure nor types nor, up to rounding, values; also when called again.

    Args:
        f: a function of pytrees of arrays.
        args: its arguments, a tuple or list.
        atol: how far values may differ in absolute terms; by default by rounding.
        rtol: how far relative to their size.

    Raises:
        CheckError: the results differ; says where.

    >>> import numpy as np
    >>> check_jit(lambda x: {"y": np.exp(x).sum()}, (np.arange(3.0),))
    """
    point = Point(f, args, "check_jit")
    compiled = jit(f)
    for call in ("the first call", "a later call"):
        same(point, compiled(*point.args), point.out, f"jit gives another result ({call})", atol, rtol)


@public
def check_vmap(
    f: Callable[..., Any],
    args: Sequence[Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    atol: float | None = None,
    rtol: float | None = None,
) -> None:
    """Checks that `vmap` gives what a loop over the rows gives.

    Args:
        f: a function of one row.
        args: arguments with their mapped axes, a tuple or list.
        in_axes: as for `vmap`, for positional arguments.
        out_axes: as for `vmap`.
        atol, rtol: as for `check_jit`.

    Raises:
        CheckError: the results differ; says where.

    >>> import numpy as np
    >>> check_vmap(lambda x, y: x @ y, (np.ones((5, 3)), np.ones((3, 2))), in_axes=(None, 1), out_axes=1)
    """
    mapped = vmap(f, in_axes, out_axes)
    leaves, treedef = flatten(tuple(args))
    axes = in_axes if isinstance(in_axes, tuple | list) else [in_axes] * len(args)
    dims = flatten_axes("in_axes of check_vmap", treedef, tuple(axes))
    size = next((aval_of(x).shape[d] for x, d in zip(leaves, dims, strict=True) if d is not None), 0)
    point = Point(mapped, args, "check_vmap")
    point.name = getattr(f, "__name__", point.name)
    rows = []
    for i in range(size):
        row = [x if d is None else np.take(x, i, axis=d)[()] for x, d in zip(leaves, dims, strict=True)]
        rows.append(flatten(f(*treedef.unflatten(row)))[0])
    wanted = flatten_axes("out_axes of check_vmap", point.outdef, out_axes)
    stacked = [r[0] if d is None else np.stack(r, axis=d) for r, d in zip(zip(*rows, strict=True), wanted, strict=True)]
    same(point, point.out, point.outdef.unflatten(stacked), "vmap and a loop differ", atol, rtol)


def same(point: Point, got: Any, expected: Any, what: str, atol: float | None, rtol: float | None) -> None:
    """Holds another result of the function of a point against one that it should be equal to, up to rounding."""
    leaves, treedef = flatten(got)
    wanted, given = flatten(expected)
    if treedef != given:
        raise point.failure(f"{what}: the structure is {treedef}, not {given}.")
    for i, (x, y) in enumerate(zip(wanted, leaves, strict=True)):
        wrong = unequal(x, y, atol, rtol)
        if wrong:
            raise point.failure(f"{what}.", f"at {point.out_place(i)}{wrong}")
