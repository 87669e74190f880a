"""All derivatives at once: Jacobians, Hessians, and products with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

import numpy as np

from fgrad.api.common import (
    Argnums,
    Selection,
    check_argnums,
    check_differentiable,
    fresh,
    select_arguments,
    split_aux,
    wrap,
)
from fgrad.api.grad import grad
from fgrad.api.linear import check_arguments, push
from fgrad.core.aval import Array, ShapedArray, aval_of, is_inexact
from fgrad.core.boundary import check_callable, flat_leaves, flat_outputs, function_name, place_of
from fgrad.core.primitive import ZERO, instantiate
from fgrad.errors import NonDifferentiableError, message, public
from fgrad.primitives.shape import move_axis, reshape
from fgrad.transforms import jvp as forward
from fgrad.transforms.batch import batch
from fgrad.transforms.transpose import transpose
from fgrad.tree import PyTreeDef, flatten

__all__ = ["hessian", "hvp", "jacfwd", "jacobian", "jacrev"]

P = ParamSpec("P")


@public
def jacfwd(
    fun: Callable[P, Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[P, Any]:
    """The Jacobian function of `fun`, column by column in forward mode: best where there are fewer inputs than outputs.

    For an input of shape `i` and an output of shape `o` the Jacobian has shape `o + i`. For pytrees it is the output's
    tree, each leaf replaced by the input's tree.

    Args:
        fun: any function of arrays.
        argnums: as for `grad`.
        has_aux: `fun` returns `(out, aux)`; the Jacobian function then returns `(jacobian, aux)`.
        holomorphic: inputs are complex, and `fun` is complex differentiable.

    >>> import fgrad, numpy as np
    >>> fgrad.jacfwd(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return _jacobian(fun, argnums, has_aux, holomorphic, "jacfwd", _columns, None)


@public
def jacrev(
    fun: Callable[P, Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[P, Any]:
    """The Jacobian function of `fun`, row by row in reverse mode: best where there are more inputs than outputs.

    Arguments and result as for `jacfwd`.

    >>> import fgrad, numpy as np
    >>> fgrad.jacrev(lambda x: np.array([[1.0, 2.0], [3.0, 4.0]]) @ x)(np.zeros(2))
    array([[1., 2.],
           [3., 4.]])
    """
    return _jacobian(fun, argnums, has_aux, holomorphic, "jacrev", _rows, allow_int)


jacobian = jacrev


@public
def hessian(
    fun: Callable[P, Any], argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[P, Any]:
    """The Hessian function of `fun`: forward over reverse mode.

    For an input of shape `i` and an output of shape `o` the Hessian has shape `o + i + i`.

    >>> import fgrad, numpy as np
    >>> fgrad.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    gradient = _jacobian(fun, argnums, has_aux, holomorphic, "hessian", _rows, None)
    return _jacobian(gradient, argnums, has_aux, holomorphic, "hessian", _columns, None)


@public
def hvp(fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The product of the Hessian of a scalar function with a direction, by forward over reverse mode.

    Costs a few evaluations of `fun`; the Hessian is never formed.

    Args:
        fun: a function of the primals that returns a scalar (or `(scalar, aux)`).
        primals: its arguments, a tuple of pytrees.
        tangents: the direction, like the primals.
        has_aux: `fun` returns `(value, aux)`; the result is then `(product, aux)`.

    Returns:
        H(x)·t, a tuple like the primals; for a single primal that entry alone.

    >>> import fgrad, numpy as np
    >>> fgrad.hvp(lambda x: (x**3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    array([ 6., 12.])

    Source: Pearlmutter, "Fast exact multiplication by the Hessian", 1994.
    """
    check_callable(fun, "hvp", "hvp(f, (x,), (t,))")
    check_arguments(primals, "primals", "hvp")
    out = push(grad(fun, tuple(range(len(primals))), has_aux), primals, tangents, has_aux, "hvp")
    product = out[1][0] if len(primals) == 1 else out[1]
    return (product, out[2]) if has_aux else product


_Part = Callable[[Callable[..., Any], list[Array], list[bool]], tuple[list[Array], list[list[Array]]]]


def _jacobian(
    fun: Callable[..., Any],
    argnums: Argnums,
    has_aux: bool,
    holomorphic: bool,
    verb: str,
    compute: Any,
    allow_int: bool | None = False,
) -> Callable[..., Any]:
    check_callable(fun, verb)
    check_argnums(argnums, verb)

    @wrap(fun, verb, f"Jacobian of `{function_name(fun)}` with respect to argument {argnums!r}.")
    @public
    def jacobian_fun(*args: Any, **kwargs: Any) -> Any:
        selection: Selection = select_arguments(fun, argnums, args, kwargs, verb)
        xs, treedef = flat_leaves(selection.values, selection.names, verb)
        nz = check_differentiable(xs, selection.values, selection.names, verb, holomorphic, allow_int)
        outdef: Any = None
        auxdef: Any = None
        extra: list[Any] = []

        def flat(*leaves: Array) -> list[Array]:
            nonlocal outdef, auxdef
            out = selection.call(treedef.unflatten(leaves))
            if has_aux:
                out, aux = split_aux(out, fun, verb)
                extra[:], auxdef = flatten(aux)
            outs, outdef = flat_outputs(out, verb, fun)
            return [*outs, *extra]

        outs, table = compute(flat, xs, nz, lambda: outdef.num_leaves, fun)
        _check_outputs(outs[: outdef.num_leaves], outdef, holomorphic, verb, fun)
        rows = [fresh(row, xs) for row in table]
        single = isinstance(argnums, (int, str, np.integer))
        trees = [_input_tree(treedef, row, single) for row in rows]
        result = outdef.unflatten(trees)
        return (result, auxdef.unflatten(outs[outdef.num_leaves :])) if has_aux else result

    return jacobian_fun


def _input_tree(treedef: PyTreeDef, blocks: list[Array], single: bool) -> Any:
    tree = treedef.unflatten(blocks)
    return tree[0] if single else tree


def _check_outputs(outs: Sequence[Array], outdef: PyTreeDef, holomorphic: bool, verb: str, fun: Any) -> None:
    for i, y in enumerate(outs):
        aval = aval_of(y)
        if is_inexact(aval.dtype) and (aval.dtype.kind == "c" or not holomorphic):
            continue
        where = place_of([outdef.unflatten(outs)], ["output"], i)
        if holomorphic:
            needs, cure = f"{verb} with holomorphic=True needs complex outputs", "Leave holomorphic out."
        else:
            needs, cure = f"{verb} needs real or complex outputs", "Return it as a float, or as aux with has_aux=True."
        what = f"{needs}, but `{function_name(fun)}` returned {aval} at {where}."
        raise NonDifferentiableError(message(what, cure=cure))


def _basis(avals: Sequence[ShapedArray]) -> tuple[int, list[Array]]:
    """All unit directions of some arrays, stacked on a new first axis, array by array."""
    total = sum(a.size for a in avals)
    arrays, offset = [], 0
    for aval in avals:
        block = np.zeros((total, aval.size), aval.dtype)
        block[range(offset, offset + aval.size), range(aval.size)] = 1
        arrays.append(block.reshape(total, *aval.shape))
        offset += aval.size
    return total, arrays


def _split_rows(stacked: Array, avals: Sequence[ShapedArray], offset_axis: int) -> list[Array]:
    """Cuts an array, stacked over all unit directions, into one block per array they belong to."""
    blocks, offset = [], 0
    for aval in avals:
        index = (*[slice(None)] * offset_axis, slice(offset, offset + aval.size))
        block = stacked[index]
        shape = aval_of(block).shape
        blocks.append(reshape(block, shape=(*shape[:offset_axis], *aval.shape, *shape[offset_axis + 1 :])))
        offset += aval.size
    return blocks


def _columns(
    flat: Callable[..., list[Array]], xs: list[Array], nz: list[bool], count: Callable[[], int], fun: Any
) -> tuple[list[Array], list[list[Array]]]:
    """Forward mode along every unit direction of the inputs at once."""
    avals = [aval_of(x) for x in xs]
    total, basis = _basis(avals)
    outs: list[Array] = []

    def column(*ts: Array) -> list[Array]:
        values, tangents = forward.jvp(flat, xs, ts, fun)
        outs[:] = values
        return [instantiate(t, y) for t, y in zip(tangents[: count()], values, strict=False)]

    columns, dims = batch(column, total, basis, [0] * len(basis), fun)
    table = []
    for y, block, dim in zip(outs, columns, dims, strict=False):
        ndim = aval_of(y).ndim
        if dim is None:
            zero = aval_of(y)
            table.append([np.zeros((*zero.shape, *a.shape), zero.dtype) for a in avals])
        else:
            table.append(_split_rows(move_axis(block, dim, ndim), avals, ndim))
    return outs, table


def _rows(
    flat: Callable[..., list[Array]], xs: list[Array], nz: list[bool], count: Callable[[], int], fun: Any
) -> tuple[list[Array], list[list[Array]]]:
    """Reverse mode along every unit direction of the outputs at once."""
    outs, program = forward.linearize(flat, xs, nz, "jacrev", fun)
    avals = [aval_of(y) for y in outs[: count()]]
    total, basis = _basis(avals)
    program = program._replace(outs=program.outs[: count()])
    inputs = [aval_of(x) for x in xs]

    def pull(*cts: Array) -> list[Array]:
        found = iter(transpose(program, cts))
        return [instantiate(next(found), x) if m else instantiate(ZERO, x) for x, m in zip(xs, nz, strict=True)]

    rows, dims = batch(pull, total, basis, [0] * len(basis), fun)
    table: list[list[Array]] = [[] for _ in avals]
    for aval, row, dim in zip(inputs, rows, dims, strict=True):
        stacked = np.zeros((total, *aval.shape), aval.dtype) if dim is None else move_axis(row, dim, 0)
        for y, block in zip(table, _split_rows(stacked, avals, 0), strict=True):
            y.append(block)
    return outs, table
