"""Directional derivatives, linear maps, and their transposes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.api.common import check_differentiable, float0, fresh, protect, split_aux
from fgrad.core.aval import Array, ShapedArray, aval_of, is_inexact
from fgrad.core.boundary import call as call_function
from fgrad.core.boundary import check_callable, flat_leaves, flat_outputs, function_name, parameter_names, place_of
from fgrad.core.interpreter import Tracer
from fgrad.core.primitive import ZERO, Zero, instantiate
from fgrad.errors import ArgumentError, NonDifferentiableError, ShapeError, TreeStructureError, message, public
from fgrad.transforms import jvp as forward
from fgrad.transforms.jvp import LinearProgram, record_linear
from fgrad.transforms.linearity import nonlinearity
from fgrad.transforms.transpose import transpose
from fgrad.tree import PyTreeDef, flatten
from fgrad.tree.table import describe
from fgrad.tree.text import plural
from fgrad.tree.treedef import difference

__all__ = ["check_arguments", "jvp", "linear_transpose", "linearize", "push", "vjp"]


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
    check_callable(fun, "jvp", "jvp(f, (x,), (t,))")
    return push(fun, primals, tangents, has_aux, "jvp")


def check_arguments(values: Any, name: str, verb: str) -> None:
    """Refuses primals or tangents that are not a sequence with one entry per argument."""
    if not isinstance(values, (tuple, list)):
        what = f"{name} of {verb} must be a tuple with one entry per argument, got {describe(values)}."
        raise ArgumentError(message(what, cure=f"Write {verb}(f, (x,), (t,))."))


def push(
    fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool, verb: str
) -> tuple[Any, ...]:
    """What `jvp` does, also under another name."""
    check_arguments(primals, "primals", verb)
    check_arguments(tangents, "tangents", verb)
    names = parameter_names(fun, len(primals))
    xs, treedef = flat_leaves(primals, names, verb)
    ts = _flat_like(tuple(tangents), treedef, xs, verb, "tangents", "primals")
    outdef: Any = None
    auxdef: Any = None
    count = 0

    def flat(*leaves: Array) -> list[Array]:
        nonlocal outdef, auxdef, count
        out = call_function(fun, treedef.unflatten(leaves), {}, verb)
        out, aux = split_aux(out, fun, verb) if has_aux else (out, None)
        outs, outdef = flat_outputs(out, verb, fun)
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
    name = function_name(fun)

    @public
    def f_jvp(*tangents: Any) -> Any:
        what = f"the derivative of `{name}`"
        ts = _flat_like(tangents, call.treedef, call.primals, what, "tangents", "the primals")
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
    name = function_name(fun)

    @public
    def f_vjp(*ct: Any) -> tuple[Any, ...]:
        what = f"the pullback of `{name}`"
        cts = _flat_like(_only(ct, what), call.outdef, call.out_avals, what, "cotangent", "the output")
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
    check_callable(fun, "linear_transpose", "linear_transpose(f, x)")
    structs, treedef = flatten(primals)
    avals = [_linear_aval(s, i, primals, fun) for i, s in enumerate(structs)]
    outdef: Any = None
    out_avals: list[ShapedArray] = []

    def flat(*leaves: Array) -> list[Array]:
        nonlocal outdef
        out = call_function(fun, treedef.unflatten(leaves), {}, "linear_transpose")
        outs, outdef = flat_outputs(out, "linear_transpose", fun)
        out_avals.extend(map(aval_of, outs))
        return outs

    program = record_linear(flat, avals, fun)
    _check_linear(program, fun)
    name = function_name(fun)

    @public
    def transposed(*ct: Any) -> Any:
        what = f"the transpose of `{name}`"
        cts = _flat_like(_only(ct, what), outdef, out_avals, what, "cotangent", "the output")
        found = transpose(program, cts)
        full = [instantiate(c, v) for c, v in zip(found, program.invars, strict=True)]
        return treedef.unflatten(fresh(full, [c for c in cts if c is not ZERO]))

    return transposed


class _Linearized:
    """The state that `linearize` and `vjp` share."""

    def __init__(self, fun: Callable[..., Any], primals: tuple[Any, ...], has_aux: bool, verb: str) -> None:
        check_callable(fun, verb, f"{verb}(f, x)")
        names = parameter_names(fun, len(primals))
        xs, self.treedef = flat_leaves(primals, names, verb)
        self.nz = check_differentiable(xs, primals, names, verb, allow_int=True)
        self.outdef: PyTreeDef
        auxdef: Any = None
        count = 0

        def flat(*leaves: Array) -> list[Array]:
            nonlocal auxdef, count
            out = call_function(fun, self.treedef.unflatten(leaves), {}, verb)
            out, aux = split_aux(out, fun, verb) if has_aux else (out, None)
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


def _linear_aval(x: Any, index: int, primals: tuple[Any, ...], fun: Any) -> ShapedArray:
    """The abstract value of an input of a linear function."""
    try:
        aval = struct_aval(x)
    except TypeError:
        where = place_of(primals, parameter_names(fun, len(primals)), index)
        what = f"argument {where} of linear_transpose is {describe(x)}: not an array of numbers."
        raise ArgumentError(message(what, cure="Give arrays, or fgrad.ShapeDtypeStruct(shape, dtype).")) from None
    if not is_inexact(aval.dtype):
        where = place_of(primals, parameter_names(fun, len(primals)), index)
        what = f"linear_transpose needs real or complex inputs, but {where} is {aval}."
        raise NonDifferentiableError(message(what, cure="Let the function close over integers."))
    return aval


def _check_linear(program: LinearProgram, fun: Any) -> None:
    """Refuses operations that are not linear in what depends on the inputs."""
    found = nonlinearity(program)
    if found is not None:
        why, eqn = found
        what = f"linear_transpose needs a linear function, but in `{function_name(fun)}`, {why}."
        cure = "For the transpose of the derivative at a point use fgrad.vjp(f, x)."
        raise ArgumentError(message(what, cure=cure, at=eqn.source))


def _only(cts: tuple[Any, ...], verb: str) -> Any:
    """The cotangent that a pullback was called with."""
    if len(cts) != 1:
        what = f"{verb} takes one cotangent, like the output, got {plural(len(cts), 'argument')}."
        raise ArgumentError(message(what, cure="Where the output is a tuple, give one tuple: f_vjp((ct1, ct2))."))
    return cts[0]


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


def _flat_like(
    tree: Any, treedef: PyTreeDef, likes: Sequence[Any], verb: str, name: str, of: str
) -> list[Array | Zero]:
    """The leaves of tangents or cotangents, checked against what they belong to."""
    leaves, given = flatten(tree)
    if given != treedef:
        what = f"{verb}: {name} must have the structure of {of}: {difference(treedef, given)}."
        raise TreeStructureError(message(what, cure=f"Give one {name.removesuffix('s')} for every array of {of}."))
    out: list[Array | Zero] = []
    for i, (t, like) in enumerate(zip(leaves, likes, strict=True)):
        aval = like if type(like) is ShapedArray else aval_of(like)
        got = _tangent_aval(t, verb, name, tree, i)
        if not is_inexact(aval.dtype):
            if got.dtype.kind != "V" and not (type(t) is not Tracer and not np.any(t)):
                what = f"{verb}: {place_of([tree], [name], i)} is not 0, but it belongs to {aval} in {of}."
                raise NonDifferentiableError(
                    message(what, cure="Integers and booleans do not vary: give 0, or make it a float.")
                )
            out.append(ZERO)
            continue
        if got.shape != aval.shape or not (got.dtype == aval.dtype or got.weak_type):
            where = place_of([tree], [name], i)
            what = f"{verb}: {where} is {got}, but it must be {aval} as in {of}."
            if got.shape == aval.shape:
                cure = f"Convert it: {where}.astype({aval.dtype.name!r})."
            else:
                cure = f"Nothing is broadcast here: give it the shape {aval.shape}."
            raise ShapeError(message(what, cure=cure))
        out.append(aval.dtype.type(t) if got.weak_type and not hasattr(t, "aval") else t)
    return out


def _tangent_aval(t: Any, verb: str, name: str, tree: Any, index: int) -> ShapedArray:
    try:
        return aval_of(t)
    except TypeError:
        what = f"{verb}: {place_of([tree], [name], index)} is {describe(t)}: not an array of numbers."
        raise ArgumentError(message(what, cure="Tangents and cotangents are arrays and numbers, in pytrees.")) from None
