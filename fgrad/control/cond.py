"""Choices between functions: `cond` and `switch`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.control.bodies import Body, block, share_constants, trace_body
from fgrad.control.carry import fit_numbers
from fgrad.control.cond_rules import cond_p, known_branch
from fgrad.control.python_loops import known_value
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.boundary import (
    call,
    check_callable,
    flat_leaves,
    flat_outputs,
    function_name,
    parameter_names,
    place_of,
)
from fgrad.core.interpreter import Tracer, current
from fgrad.errors import ArgumentError, ShapeError, TreeStructureError, message, public
from fgrad.tree import PyTreeDef
from fgrad.tree.table import describe

__all__ = ["cond", "switch"]


@public
def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """`true_fun(*operands) if pred else false_fun(*operands)`, for a condition that may be traced.

    Both functions are traced; the one that is chosen is run. Under `vmap` each runs on those rows alone that take it.

    Args:
        pred: a scalar: a boolean, or a number, which is true unless it is 0.
        true_fun: a function of the operands.
        false_fun: a function of the operands whose result has the structure, shapes and dtypes of the other's.
        operands: pytrees of arrays.

    Returns:
        What the chosen function returns.

    Raises:
        ShapeError: the results differ in shape or dtype; the message says where.
        TreeStructureError: they differ in structure.

    >>> import fgrad, numpy as np
    >>> @fgrad.jit
    ... def safe_sqrt(x):
    ...     return fgrad.lax.cond(x > 0, lambda x: np.sqrt(x), lambda x: 0.0 * x, x)
    >>> safe_sqrt(4.0), fgrad.grad(safe_sqrt)(-1.0)
    (np.float64(2.0), np.float64(0.0))
    """
    check_callable(true_fun, "cond", "cond(pred, true_fun, false_fun, *operands)")
    check_callable(false_fun, "cond", "cond(pred, true_fun, false_fun, *operands)")
    index = _scalar(pred, "pred", "cond", "biufc")
    if aval_of(index).dtype.kind != "b":
        index = index != 0
    return _choose(index, [true_fun, false_fun], operands, "cond", ["true_fun", "false_fun"])


@public
def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """`branches[index](*operands)`, for an index that may be traced.

    Args:
        index: an integer scalar. One that is out of range chooses the first or the last function.
        branches: functions of the operands whose results agree in structure, shapes and dtypes.
        operands: pytrees of arrays.

    Returns:
        What the chosen function returns.

    Raises:
        ShapeError: the results differ in shape or dtype; the message says where.
        TreeStructureError: they differ in structure.

    >>> import fgrad, numpy as np
    >>> powers = [lambda x: x, lambda x: x**2, lambda x: x**3]
    >>> fgrad.vmap(fgrad.grad(lambda x, i: fgrad.lax.switch(i, powers, x)))(np.full(3, 2.0), np.arange(3))
    array([ 1.,  4., 12.])
    """
    given = list(branches) if isinstance(branches, (list, tuple)) else None
    if not given:
        what = f"switch expects a list of functions, got {describe(branches)}."
        raise ArgumentError(message(what, cure="Write switch(index, [f, g, h], *operands)."))
    for i, branch in enumerate(given):
        if not callable(branch):
            what = f"switch expects functions, but branches[{i}] is {describe(branch)}."
            raise ArgumentError(message(what, cure="Write switch(index, [f, g, h], *operands)."))
    number = _scalar(index, "index", "switch", "biu")
    return _choose(number, given, operands, "switch", [f"branches[{i}]" for i in range(len(given))])


def _scalar(x: Any, name: str, verb: str, kinds: str) -> Array:
    """What chooses: a scalar of one of some kinds of dtypes."""
    [leaf], _ = _one_leaf(x, name, verb)
    aval = aval_of(leaf)
    if aval.shape:
        what = f"{verb} chooses once, by a scalar, but {name} is {aval}."
        cure = "Choose element by element with fgrad.numpy.where, row by row with vmap; or reduce: .all(), .any()."
        raise ShapeError(message(what, cure=cure))
    if aval.dtype.kind not in kinds:
        what = f"{verb} chooses by {'an integer' if verb == 'switch' else 'a number'}, but {name} is {aval}."
        raise ArgumentError(message(what, cure="Convert it: .astype(int)."))
    return leaf if type(leaf) is Tracer else np.asarray(leaf)[()]


def _one_leaf(x: Any, name: str, verb: str) -> tuple[list[Array], PyTreeDef]:
    leaves, treedef = flat_leaves([x], [name], verb)
    if len(leaves) != 1 or treedef.children()[0].num_nodes != 1:
        what = f"{verb} chooses by a scalar, but {name} is {describe(x)}."
        raise ArgumentError(message(what, cure="Give a boolean, a number, or an array without axes."))
    return leaves, treedef


class _Branch(NamedTuple):
    """A traced branch, and the structure of its result."""

    body: Body
    outdef: PyTreeDef


def _choose(
    index: Array, branches: list[Callable[..., Any]], operands: tuple[Any, ...], verb: str, names: list[str]
) -> Any:
    leaves, treedef = flat_leaves(operands, parameter_names(branches[0], len(operands)), verb)
    known = known_value(index)
    if known is not None:
        chosen_fun = branches[min(max(int(known), 0), len(branches) - 1) if verb == "switch" else 1 - int(known)]
        return call(chosen_fun, treedef.unflatten(leaves), {}, verb)
    avals = [aval_of(x) for x in leaves]
    traced = [_trace(branch, avals, treedef, verb, None) for branch in branches]
    for branch, fun, name in zip(traced[1:], branches[1:], names[1:], strict=True):
        _same_structure(traced[0], branch, (branches[0], fun), (names[0], name), verb)
    wanted = _common_types(traced, branches, names, verb)
    for i, branch in enumerate(traced):
        if any(a.dtype != w.dtype for a, w in zip(branch.body.jaxpr.out_avals, wanted, strict=True)):
            traced[i] = _trace(branches[i], avals, treedef, verb, wanted)
    programs, consts = share_constants([branch.body for branch in traced])
    if verb == "cond":
        programs.reverse()  # False is 0
    args = [*consts, *leaves]
    interpreter = current.get()
    staged = interpreter is not None and interpreter.enclosing is not None
    chosen = None if staged else known_branch(index, tuple(programs))
    if chosen is not None:
        outs = block.bind(*args, jaxpr=chosen)
    else:
        outs = cond_p.bind(index, *args, branches=tuple(programs))
    return traced[0].outdef.unflatten(outs)


def _trace(
    fun: Callable[..., Any],
    avals: Sequence[ShapedArray],
    treedef: PyTreeDef,
    verb: str,
    wanted: Sequence[ShapedArray] | None,
) -> _Branch:
    """Traces a branch; Python numbers among its results take the wanted dtypes."""
    outdef: Any = None

    def flat(*xs: Array) -> list[Array]:
        nonlocal outdef
        outs, outdef = flat_outputs(call(fun, treedef.unflatten(xs), {}, verb), verb, fun)
        return outs if wanted is None else fit_numbers(outs, wanted)

    return _Branch(trace_body(flat, avals, verb, fun), outdef)


def _same_structure(first: _Branch, other: _Branch, funs: tuple[Any, Any], names: tuple[str, str], verb: str) -> None:
    if first.outdef == other.outdef:
        return
    called = [f"{name} (`{function_name(fun)}`)" for name, fun in zip(names, funs, strict=True)]
    fault = f"{verb}: {called[1]} returns a result that has not the structure of that of {called[0]},"
    first.outdef.flatten_up_to(other.outdef.unflatten(other.body.jaxpr.out_avals), fault=fault)
    what = f"{fault} {first.outdef}: it is {other.outdef}."
    raise TreeStructureError(message(what, cure="All branches must return the same containers."))


def _common_types(
    traced: Sequence[_Branch], branches: Sequence[Any], names: Sequence[str], verb: str
) -> list[ShapedArray]:
    """The type of every result, on which all branches must agree; Python numbers give way to arrays."""
    columns = list(zip(*[branch.body.jaxpr.out_avals for branch in traced], strict=True))
    wanted = []
    for i, column in enumerate(columns):
        strong = [a for a in column if not a.weak_type]
        chosen = strong[0] if strong else max(column, key=lambda a: "biufc".index(a.dtype.kind))
        for aval, fun, name in zip(column, branches, names, strict=True):
            gives_way = aval.weak_type and "biufc".index(aval.dtype.kind) <= "biufc".index(chosen.dtype.kind)
            if aval.shape == chosen.shape and (aval.dtype == chosen.dtype or gives_way):
                continue
            k = column.index(chosen)
            outdef = traced[0].outdef
            where = place_of([outdef.unflatten(list(range(outdef.num_leaves)))], ["result"], i)
            called = f"{names[k]} (`{function_name(branches[k])}`)"
            other = f"{name} (`{function_name(fun)}`)"
            what = f"{verb}: the branches differ at {where}: {called} returns {chosen}, {other} returns {aval}."
            cure = "All branches must return the same shapes and dtypes: broadcast or convert, .astype(dtype)."
            raise ShapeError(message(what, cure=cure))
        wanted.append(chosen)
    return wanted
