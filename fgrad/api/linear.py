"""Directional derivatives, linear maps, and their transposes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.api.common import (
    check_callable,
    check_differentiable,
    flat_leaves,
    flat_outputs,
    float0,
    fresh,
    function_name,
    parameter_names,
    place_of,
    protect,
    public,
)
from fgrad.core.aval import Array, ShapedArray, aval_of, is_inexact
from fgrad.core.primitive import ZERO, Zero, instantiate
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.transforms import jvp as forward
from fgrad.transforms.jvp import LinearProgram, record_linear
from fgrad.transforms.transpose import transpose
from fgrad.tree import PyTreeDef, flatten

__all__ = ["jvp", "linear_transpose", "linearize", "vjp"]


@public
def jvp(
    fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple[Any, ...]:
    """Value and directional derivative: f(x) and J(x)·t, in one forward pass.

    Args:
        fun: a function of the primals.
        primals: its arguments, a tuple or list of pytrees.
        tangents: directions, of the structure, shapes and dtypes of the primals (integers have tangents of dtype
            `float0`).
        has_aux: `fun` returns `(out, aux)`; `aux` is passed on.

    Returns:
        `(out, tangent_out)`, or `(out, tangent_out, aux)`.

    Raises:
        ArgumentError: primals and tangents are not tuples or lists of equal structure.
        ShapeError: the shape or dtype of a tangent differs from its primal's.

    >>> import fgrad, numpy as np
    >>> fgrad.jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))

    Source: Wengert, "A simple automatic derivative evaluation program", 1964.
    """
    check_callable(fun, "jvp")
    for name, value in (("primals", primals), ("tangents", tangents)):
        if not isinstance(value, (tuple, list)):
            what = f"jvp takes {name} as a tuple or list of arguments, got {type(value).__name__}."
            raise ArgumentError(message(what, cure="Write jvp(f, (x,), (t,))."))
    names = parameter_names(fun, len(primals))
    xs, treedef = flat_leaves(primals, names, "jvp")
    ts = _flat_like(tuple(tangents), treedef, xs, "jvp", "tangents", "primals")
    outdef: Any = None
    auxdef: Any = None
    count = 0

    def flat(*leaves: Array) -> list[Array]:
        nonlocal outdef, auxdef, count
        out, aux = _split(fun(*treedef.unflatten(leaves)), has_aux, fun, "jvp")
        outs, outdef = flat_outputs(out, "jvp", fun)
        extra, auxdef = flatten(aux)
        count = len(outs)
        return [*outs, *extra]

    outs, douts = forward.jvp(flat, xs, ts, fun)
    outs = fresh(outs, [*xs, *(t for t in ts if t is not ZERO)])
    douts = fresh([tangent_array(t, y) for t, y in zip(douts[:count], outs, strict=False)], [*xs, *ts, *outs])
    result = outdef.unflatten(outs[:count]), outdef.unflatten(douts)
    return (*result, auxdef.unflatten(outs[count:])) if has_aux else result


@public
def linearize(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Value of a function and its derivative as a linear function: f(x), and t ↦ J(x)·t.

    What does not depend on the direction is computed once. The linear function holds what it needs by itself: it does
    not
    change when the arguments are written into afterwards.

    Returns:
        `(out, f_jvp)`, or `(out, f_jvp, aux)`; `f_jvp` takes tangents like the primals.

    >>> import fgrad, numpy as np
    >>> out, f_jvp = fgrad.linearize(lambda x, y: x * np.sin(y), 3.0, 0.0)
    >>> f_jvp(1.0, 1.0)
    np.float64(3.0)
    """
    call = _Linearized(fun, primals, has_aux, "linearize")

    @public
    def f_jvp(*tangents: Any) -> Any:
        ts = _flat_like(tangents, call.treedef, call.primals, "f_jvp", "tangents", "primals")
        given = [t for t, m in zip(ts, call.nz, strict=True) if m]
        douts = call.program.apply([instantiate(t, v) for t, v in zip(given, call.program.invars, strict=True)])
        douts = [tangent_array(t, y) for t, y in zip(douts, call.out_avals, strict=True)]
        return call.outdef.unflatten(fresh(douts, given))

    return (call.out, f_jvp, call.aux) if has_aux else (call.out, f_jvp)


@public
def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Value of a function and its pullback: f(x), and c ↦ Jᵀ(x)·c.

    The pullback may be called any number of times. It holds what it needs by itself: it does not change when the
    arguments
    are written into afterwards.

    Returns:
        `(out, f_vjp)`, or `(out, f_vjp, aux)`; `f_vjp` takes a cotangent like the output and returns a tuple with one
        cotangent per primal (dtype `float0` for integers).

    Raises:
        ShapeError: (from `f_vjp`) the shape or dtype of a cotangent differs from the output's.

    >>> import fgrad, numpy as np
    >>> out, f_vjp = fgrad.vjp(lambda x, y: x @ y, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> f_vjp(1.0)
    (array([3., 4.]), array([1., 2.]))
    """
    call = _Linearized(fun, primals, has_aux, "vjp")

    @public
    def f_vjp(ct: Any) -> tuple[Any, ...]:
        cts = _flat_like(ct, call.outdef, call.out_avals, "the pullback", "the cotangent", "the output")
        found = iter(transpose(call.program, cts))
        full = [next(found) if m else ZERO for m in call.nz]
        given = [tangent_array(c, x) for c, x in zip(full, call.primals, strict=True)]
        return call.treedef.unflatten(fresh(given, [c for c in cts if c is not ZERO]))  # type: ignore[no-any-return]

    return (call.out, f_vjp, call.aux) if has_aux else (call.out, f_vjp)


@public
def linear_transpose(fun: Callable[..., Any], *primals: Any) -> Callable[..., Any]:
    """The transpose of a function that is linear: c ↦ Aᵀ·c where fun is x ↦ A·x.

    Args:
        fun: a linear function; that it is one is not checked beyond the operations it uses.
        primals: arrays, or anything with `shape` and `dtype`, of its arguments' shapes and dtypes.

    >>> import fgrad, numpy as np
    >>> fgrad.linear_transpose(lambda x: x[:2] * 3.0, np.zeros(3))(np.array([1.0, 2.0]))
    (array([3., 6., 0.]),)
    """
    check_callable(fun, "linear_transpose")
    structs, treedef = flatten(primals)
    avals = [struct_aval(s) for s in structs]
    for i, aval in enumerate(avals):
        if not is_inexact(aval.dtype):
            where = place_of(primals, parameter_names(fun, len(primals)), i)
            raise ArgumentError(message(f"linear_transpose needs real or complex inputs, but {where} is {aval}."))
    outdef: Any = None
    out_avals: list[ShapedArray] = []

    def flat(*leaves: Array) -> list[Array]:
        nonlocal outdef
        outs, outdef = flat_outputs(fun(*treedef.unflatten(leaves)), "linear_transpose", fun)
        out_avals.extend(map(aval_of, outs))
        return outs

    program = record_linear(flat, avals, fun)

    @public
    def transposed(ct: Any) -> Any:
        cts = _flat_like(ct, outdef, out_avals, "the transpose", "the cotangent", "the output")
        found = transpose(program, cts)
        full = [instantiate(c, v) for c, v in zip(found, program.invars, strict=True)]
        return treedef.unflatten(fresh(full, [c for c in cts if c is not ZERO]))

    return transposed


class _Linearized:
    """The state that `linearize` and `vjp` share."""

    def __init__(self, fun: Callable[..., Any], primals: tuple[Any, ...], has_aux: bool, verb: str) -> None:
        check_callable(fun, verb)
        names = parameter_names(fun, len(primals))
        xs, self.treedef = flat_leaves(primals, names, verb)
        self.nz = check_differentiable(xs, primals, names, verb, allow_int=True)
        self.outdef: PyTreeDef
        auxdef: Any = None
        count = 0

        def flat(*leaves: Array) -> list[Array]:
            nonlocal auxdef, count
            out, aux = _split(fun(*self.treedef.unflatten(leaves)), has_aux, fun, verb)
            outs, self.outdef = flat_outputs(out, verb, fun)
            extra, auxdef = flatten(aux)
            count = len(outs)
            return [*outs, *extra]

        outs, program = forward.linearize(flat, xs, self.nz, verb, fun)
        outs = protect(program, xs, outs)
        self.program: LinearProgram = program._replace(outs=program.outs[:count])
        self.primals = [aval_of(x) for x in xs]
        self.out_avals = [aval_of(y) for y in outs[:count]]
        self.out = self.outdef.unflatten(outs[:count])
        self.aux = auxdef.unflatten(outs[count:])


def struct_aval(x: Any) -> ShapedArray:
    """The abstract value of an array, or of anything with `shape` and `dtype`."""
    if not isinstance(x, np.ndarray) and hasattr(x, "shape") and hasattr(x, "dtype") and not hasattr(x, "aval"):
        return ShapedArray(tuple(x.shape), np.dtype(x.dtype))
    return aval_of(x)


def tangent_array(t: Array | Zero, x: Any) -> Array:
    """A tangent or cotangent as the user gets it: zeros where it is symbolic, `float0` for integers."""
    aval = x if type(x) is ShapedArray else aval_of(x)
    if not is_inexact(aval.dtype):
        return np.zeros(aval.shape, float0)
    if t is ZERO:
        return np.zeros(aval.shape, aval.dtype)[()]
    return t[()] if type(t) is np.ndarray and t.ndim == 0 else t


def _split(out: Any, has_aux: bool, fun: Any, verb: str) -> tuple[Any, Any]:
    if not has_aux:
        return out, None
    if not (isinstance(out, tuple) and len(out) == 2):
        what = f"{verb} with has_aux=True needs `{function_name(fun)}` to return a pair (out, aux), got {out!r:.60}."
        raise ArgumentError(message(what))
    return out


def _flat_like(
    tree: Any, treedef: PyTreeDef, likes: Sequence[Any], verb: str, name: str, of: str
) -> list[Array | Zero]:
    """The leaves of tangents or cotangents, checked against what they belong to."""
    leaves, given = flatten(tree)
    if given != treedef:
        treedef.flatten_up_to(tree)
        raise ArgumentError(message(f"{verb}: {name} must have the structure of {of}, {treedef}, got {given}."))
    out: list[Array | Zero] = []
    for i, (t, like) in enumerate(zip(leaves, likes, strict=True)):
        aval = like if type(like) is ShapedArray else aval_of(like)
        if not is_inexact(aval.dtype):
            out.append(ZERO)
            continue
        got = _tangent_aval(t, verb, name, tree, i)
        if got.shape != aval.shape or not (got.dtype == aval.dtype or got.weak_type):
            where = place_of([tree], [name], i)
            what = f"{verb}: {where} is {got}, but belongs to {aval} of {of}."
            cure = (
                f"Use .astype({aval.dtype.name!r})."
                if got.shape == aval.shape
                else "Shapes must be equal; nothing is broadcast here."
            )
            raise ShapeError(message(what, cure=cure))
        out.append(aval.dtype.type(t) if got.weak_type and not hasattr(t, "aval") else t)
    return out


def _tangent_aval(t: Any, verb: str, name: str, tree: Any, index: int) -> ShapedArray:
    try:
        return aval_of(t)
    except TypeError:
        what = f"{verb}: {place_of([tree], [name], index)} is {t!r:.60} of type {type(t).__name__}, not an array."
        raise ArgumentError(message(what)) from None
