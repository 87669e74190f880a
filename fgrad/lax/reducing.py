"""`reduce`: any associative combination of elements along axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.api.vmap import vmap
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.boundary import check_callable, flat_outputs
from fgrad.core.interpreter import Tracer
from fgrad.core.jaxpr import ClosedJaxpr, Var
from fgrad.core.primitive import Primitive
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.lax import reductions
from fgrad.lax.identities import identity_of
from fgrad.lax.operands import axis_tuple, operand, same_dtype
from fgrad.lax.shapes import broadcast
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.parts import part
from fgrad.primitives import comparison, elementwise
from fgrad.primitives.families import shape_of
from fgrad.primitives.joining import concatenate
from fgrad.primitives.shape import reshape, transpose
from fgrad.transforms.stage import trace
from fgrad.tree import PyTreeDef, flatten, flatten_with_path, keystr

__all__ = ["reduce"]

_ANY = "bfcui"
_MONOIDS: dict[Primitive, tuple[str, str]] = {
    elementwise.add: ("reduce_sum", "fcui"),
    elementwise.mul: ("reduce_prod", "fcui"),
    comparison.maximum: ("reduce_max", _ANY),
    comparison.minimum: ("reduce_min", _ANY),
    comparison.bitwise_and: ("reduce_and", "biu"),
    comparison.bitwise_or: ("reduce_or", "biu"),
    comparison.bitwise_xor: ("reduce_xor", "biu"),
    comparison.logical_and: ("reduce_and", "b"),
    comparison.logical_or: ("reduce_or", "b"),
    comparison.logical_xor: ("reduce_xor", "b"),
}
"""What combines two elements, the reduction that it makes, and the kinds of dtypes for which it does."""


@public
def reduce(operands: Any, init_values: Any, computation: Callable[[Any, Any], Any], dimensions: Sequence[int]) -> Any:
    """Combines the elements along some axes, which are dropped, by an associative function.

    A sum, product, maximum, minimum, or logical combination is recognised and runs as such; any other computation runs
    on whole halves of what remains, so about log₂ n times. Derivatives go through either way.

    Args:
        operands: an array, or a pytree of arrays of one shape, which are combined together.
        init_values: numbers (a pytree like the operands) of the same dtypes, which are combined with the result; an
            identity of the computation, as a rule.
        computation: takes two elements (pytrees like the operands, of arrays without axes), and returns one.
        dimensions: the axes.

    >>> reduce(np.array([[1.0, 2.0], [3.0, 4.0]]), 0.0, lambda x, y: x + y, (0,))
    array([4., 6.])
    >>> reduce(np.arange(4.0), 0.0, lambda x, y: x + y + x * y, (0,))
    np.float64(23.0)
    """
    check_callable(computation, "lax.reduce")
    leaves, treedef = flatten(operands)
    starts, start_treedef = flatten(init_values)
    if treedef != start_treedef or not leaves:
        what = f"lax.reduce: operands have the structure {treedef}, init_values {start_treedef}."
        raise ArgumentError(message(what, cure="Give one init value for each array."))
    pairs = [same_dtype("reduce", x, start) for x, start in zip(leaves, starts, strict=True)]
    xs, inits = [x for x, _ in pairs], [start for _, start in pairs]
    shapes = {shape_of(x) for x in xs}
    if len(shapes) > 1 or any(shape_of(start) for start in inits):
        got = ", ".join(str(aval_of(x)) for x in (*xs, *inits))
        cure = "The operands have one shape, the init values have no axes."
        raise ShapeError(message(f"lax.reduce of {got}.", cure=cure))
    axes = axis_tuple("reduce", dimensions, len(shape_of(xs[0])))
    monoid = _monoid(computation, xs, treedef)
    if monoid is not None:
        return treedef.unflatten([_known(monoid, computation, xs[0], inits[0], axes)])
    return treedef.unflatten(_folded(computation, xs, inits, axes, treedef))


def _monoid(computation: Callable[[Any, Any], Any], xs: Sequence[Array], treedef: PyTreeDef) -> str | None:
    """The name of the reduction that a computation makes, if it is one that is known."""
    if len(xs) > 1:
        _checked(computation, xs, treedef)
        return None
    dtype = aval_of(xs[0]).dtype
    closed = _checked(computation, xs, treedef)
    if len(closed.eqns) != 1:
        return None
    eqn = closed.eqns[0]
    name, kinds = _MONOIDS.get(eqn.primitive, ("", ""))
    taken = {a for a in eqn.invars if type(a) is Var}
    combines = taken == set(closed.jaxpr.invars) and closed.jaxpr.outvars[0] is eqn.outvars[0]
    return name if combines and dtype.kind in kinds else None


def _checked(computation: Callable[[Any, Any], Any], xs: Sequence[Array], treedef: PyTreeDef) -> ClosedJaxpr:
    """The computation on two elements, recorded.

    Raises:
        ShapeError: it does not give an element again.
    """
    avals = [ShapedArray((), aval_of(x).dtype) for x in xs]

    def flat(*pair: Array) -> list[Array]:
        out = computation(treedef.unflatten(pair[: len(avals)]), treedef.unflatten(pair[len(avals) :]))
        found, structure = flat_outputs(out, "lax.reduce", computation)
        if structure != treedef:
            what = f"lax.reduce: the computation gave the structure {structure}, for elements of {treedef}."
            raise ShapeError(message(what, cure="It takes two elements and gives one."))
        for i, (y, aval) in enumerate(zip(found, avals, strict=True)):
            got = aval_of(y)
            if got.shape or (got.dtype != aval.dtype and not got.weak_type):
                where = keystr(flatten_with_path(out)[0][i][0])
                what = f"lax.reduce: the computation gave {got}{f' at output{where}' if where else ''}, for {aval}."
                raise ShapeError(message(what, cure="It takes two elements and gives one, of the same dtype."))
        return [operand(y) for y in found]

    return trace(flat, [*avals, *avals], "reduce", computation)


def _known(name: str, computation: Callable[[Any, Any], Any], x: Array, init: Array, axes: tuple[int, ...]) -> Array:
    out = getattr(reductions, name)(x, axes)
    identity = identity_of(name, aval_of(x).dtype)
    if type(init) is not Tracer and np.array_equal(init, identity):
        return out
    return _mapped(computation, [broadcast(init, shape_of(out))], [out], flatten(x)[1])[0]


def _mapped(
    computation: Callable[[Any, Any], Any], xs: Sequence[Array], ys: Sequence[Array], treedef: PyTreeDef
) -> list[Array]:
    """The computation on every pair of elements at once."""
    shape = shape_of(xs[0])
    if 0 in shape:
        return list(xs)
    rows = [reshape(v, shape=(math.prod(shape),)) if shape else v for v in (*xs, *ys)]
    combine = vmap(computation) if shape else computation
    outs, _ = flatten(combine(treedef.unflatten(rows[: len(xs)]), treedef.unflatten(rows[len(xs) :])))
    found = [as_dtype(v, aval_of(x).dtype) for v, x in zip(outs, xs, strict=True)]
    return [reshape(v, shape=shape) for v in found] if shape else found


def _folded(
    computation: Callable[[Any, Any], Any],
    xs: Sequence[Array],
    inits: Sequence[Array],
    axes: tuple[int, ...],
    treedef: PyTreeDef,
) -> list[Array]:
    """Neighbours are combined with one another until one element is left."""
    shape = shape_of(xs[0])
    kept = tuple([n for i, n in enumerate(shape) if i not in axes])
    order = (*axes, *[i for i in range(len(shape)) if i not in axes])
    count = math.prod(shape[a] for a in axes)
    rows = [reshape(transpose(x, axes=order), shape=(count, *kept)) for x in xs]
    starts = [broadcast(init, kept) for init in inits]
    if not count:
        return starts
    while count > 1:
        even = count - count % 2
        firsts = [part(x, 0, slice(0, even, 2)) for x in rows]
        seconds = [part(x, 0, slice(1, even, 2)) for x in rows]
        joined = _mapped(computation, firsts, seconds, treedef)
        if even < count:
            joined = [concatenate(y, part(x, 0, slice(even, count)), axis=0) for x, y in zip(rows, joined, strict=True)]
        rows, count = joined, (count + 1) // 2
    return _mapped(computation, starts, [reshape(x, shape=kept) for x in rows], treedef)
