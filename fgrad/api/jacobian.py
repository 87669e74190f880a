"""All derivatives at once: Jacobians, Hessians, and products with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

import numpy as np

from fgrad.api.chunks import Collected, check_chunk_size, cut, in_pieces
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
from fgrad.core.interpreter import Tracer
from fgrad.core.modes import watched
from fgrad.core.primitive import ZERO, instantiate
from fgrad.errors import NonDifferentiableError, message, public
from fgrad.primitives.comparison import eq
from fgrad.primitives.joining import concatenate
from fgrad.primitives.shape import convert_element_type, move_axis, reshape
from fgrad.transforms import jvp as forward
from fgrad.transforms.batch import batch
from fgrad.transforms.directions import along_units
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
    *,
    chunk_size: int | None = None,
    flat: bool = False,
) -> Callable[P, Any]:
    """The Jacobian function of `fun`, column by column in forward mode: best where there are fewer inputs than outputs.

    For an input of shape `i` and an output of shape `o` the Jacobian has shape `o + i`. For pytrees it is the output's
    tree, each leaf replaced by the input's tree. Entries for elements that never meet are zero, also where derivatives
    are infinite, and are not computed (they are where `chunk_size` cuts the columns in pieces).

    Args:
        fun: any function of arrays.
        argnums: as for `grad`.
        has_aux: `fun` returns `(out, aux)`; the Jacobian function then returns `(jacobian, aux)`.
        holomorphic: inputs are complex, and `fun` is complex differentiable.
        chunk_size: how many columns are computed at once, at most: what is computed on the way takes memory for so
            many. All of them, if it is left out.
        flat: return one matrix: a row for every element of the output, a column for every element of the input, both
            in the order of the leaves (`fgrad.flatten_util.ravel_pytree` has the way back).

    Raises:
        NonDifferentiableError: an input or output is an integer or a boolean.
        ArgumentError: `chunk_size` is not a positive integer.

    >>> import fgrad, numpy as np
    >>> fgrad.jacfwd(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return _jacobian(fun, argnums, has_aux, holomorphic, "jacfwd", _columns, None, chunk_size, flat)


@public
def jacrev(
    fun: Callable[P, Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    *,
    chunk_size: int | None = None,
    flat: bool = False,
) -> Callable[P, Any]:
    """The Jacobian function of `fun`, row by row in reverse mode: best where there are more inputs than outputs.

    Arguments and result as for `jacfwd`; `chunk_size` is the number of rows that are computed at once.

    >>> import fgrad, numpy as np
    >>> fgrad.jacrev(lambda x: np.array([[1.0, 2.0], [3.0, 4.0]]) @ x)(np.zeros(2))
    array([[1., 2.],
           [3., 4.]])
    """
    return _jacobian(fun, argnums, has_aux, holomorphic, "jacrev", _rows, allow_int, chunk_size, flat)


jacobian = jacrev


@public
def hessian(
    fun: Callable[P, Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    chunk_size: int | None = None,
    flat: bool = False,
) -> Callable[P, Any]:
    """The Hessian function of `fun`: forward over reverse mode.

    For an input of shape `i` and an output of shape `o` the Hessian has shape `o + i + i`.

    Args:
        fun: any function of arrays.
        argnums: as for `grad`.
        has_aux: as for `jacfwd`.
        holomorphic: as for `jacfwd`.
        chunk_size: how many columns are computed at once, at most.
        flat: return one matrix, with a row and a column for every element of the input, in the order of the leaves;
            where the output is not a scalar, one matrix for every element of it.

    >>> import fgrad, numpy as np
    >>> fgrad.hessian(lambda p: p["a"] * p["b"] ** 2, flat=True)({"a": 1.0, "b": 2.0})
    array([[0., 4.],
           [4., 2.]])
    >>> import fgrad, numpy as np
    >>> fgrad.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    gradient = _jacobian(fun, argnums, has_aux, holomorphic, "hessian", _rows, None, chunk_size, flat)
    return _jacobian(gradient, argnums, has_aux, holomorphic, "hessian", _columns, None, chunk_size, flat)


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
    allow_int: bool | None,
    chunk_size: int | None,
    as_matrix: bool,
) -> Callable[..., Any]:
    check_callable(fun, verb)
    check_argnums(argnums, verb)
    check_chunk_size(chunk_size, verb)

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

        outs, table = compute(flat, xs, nz, lambda: outdef.num_leaves, fun, chunk_size)
        _check_outputs(outs[: outdef.num_leaves], outdef, holomorphic, verb, fun)
        result: Any
        if as_matrix:
            result = _matrix(outs, table, xs, verb)
        else:
            rows = [fresh(row, xs) for row in table]
            single = isinstance(argnums, (int, str, np.integer))
            result = outdef.unflatten([_input_tree(treedef, row, single) for row in rows])
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


def _matrix(outs: Sequence[Array], table: list[list[Array]], xs: Sequence[Array], verb: str) -> Array:
    """All blocks in one matrix; in a Hessian the axes of a single output stay."""
    dtype = np.result_type(*[aval_of(block).dtype for row in table for block in row])
    count = sum(aval_of(x).size for x in xs)
    rows = []
    for y, row in zip(outs, table, strict=False):
        size = aval_of(y).size
        blocks = [reshape(b, shape=(size, aval_of(x).size)) for b, x in zip(row, xs, strict=True)]
        rows.append(concatenate(*[convert_element_type(b, dtype=dtype) for b in blocks], axis=1))
    out = concatenate(*rows, axis=0)
    if verb == "hessian" and len(table) == 1:
        out = reshape(out, shape=(*aval_of(outs[0]).shape, count))
    return fresh([out])[0]


def _unit_rows(avals: Sequence[ShapedArray], low: Array, count: int) -> list[Array]:
    """So many unit directions of some arrays from number `low` on, stacked on a new first axis, array by array."""
    arrays, offset = [], 0
    for aval in avals:
        shape = (count, *aval.shape)
        if type(low) is Tracer:
            rows = reshape(low + np.arange(count), shape=(count, 1))
            hot = eq(rows, np.arange(offset, offset + aval.size))
            arrays.append(reshape(convert_element_type(hot, dtype=aval.dtype), shape=shape))
        else:
            block = np.zeros((count, aval.size), aval.dtype)
            numbers = np.arange(max(low, offset), min(low + count, offset + aval.size))
            block[numbers - low, numbers - offset] = 1
            block.flags.writeable = False  # the compiler may rely on what it is
            arrays.append(block.reshape(shape))
        offset += aval.size
    return arrays


class _Blocks:
    """An array over all unit directions, which comes in pieces: one block for each array that these belong to."""

    def __init__(self, avals: Sequence[ShapedArray], before: tuple[int, ...], behind: tuple[int, ...]) -> None:
        self.axis = len(before)
        self.sizes = [a.size for a in avals]
        self.blocks = [Collected((*before, *a.shape, *behind), self.axis, a.ndim) for a in avals]

    def add(self, part: Array, low: int, high: int) -> None:
        """Takes the piece that belongs to the directions number `low` to `high`; they stand along `axis`."""
        offset = 0
        for block, size in zip(self.blocks, self.sizes, strict=True):
            start, stop = max(low, offset), min(high, offset + size)
            if start < stop or (low <= offset and not size):
                whole = (start, stop) == (low, high)
                block.add(part if whole else cut(part, self.axis, start - low, max(stop - start, 0)))
            offset += size

    def get(self) -> list[Array]:
        return [block.get() for block in self.blocks]


def _columns(
    flat: Callable[..., list[Array]],
    xs: list[Array],
    nz: list[bool],
    count: Callable[[], int],
    fun: Any,
    chunk_size: int | None,
) -> tuple[list[Array], list[list[Array]]]:
    """Forward mode along unit directions of the inputs, many at once."""
    avals = [aval_of(x) for x in xs]
    outs: list[Array] = []

    def column(*ts: Array) -> list[Array]:
        values, tangents = forward.jvp(flat, xs, ts, fun)
        outs[:] = values
        return [instantiate(t, y) for t, y in zip(tangents[: count()], values, strict=False)]

    def run(low: Array, size: int) -> list[Array]:
        return _along(column, avals, low, size, fun)

    table: list[_Blocks] = []
    for low, high, parts in in_pieces(run, sum(a.size for a in avals), chunk_size, "jacfwd", fun):
        table = table or [_Blocks(avals, aval_of(part).shape[1:], ()) for part in parts]
        for blocks, part in zip(table, parts, strict=True):
            blocks.add(move_axis(part, 0, blocks.axis), low, high)
    return outs, [blocks.get() for blocks in table]


def _rows(
    flat: Callable[..., list[Array]],
    xs: list[Array],
    nz: list[bool],
    count: Callable[[], int],
    fun: Any,
    chunk_size: int | None,
) -> tuple[list[Array], list[list[Array]]]:
    """Reverse mode along unit directions of the outputs, many at once."""
    outs, program = forward.linearize(flat, xs, nz, "jacrev", fun)
    avals = [aval_of(y) for y in outs[: count()]]
    program = program._replace(outs=program.outs[: count()])
    inputs = [aval_of(x) for x in xs]

    def pull(*cts: Array) -> list[Array]:
        found = iter(transpose(program, cts))
        return [instantiate(next(found), x) if m else instantiate(ZERO, x) for x, m in zip(xs, nz, strict=True)]

    def run(low: Array, size: int) -> list[Array]:
        return _along(pull, avals, low, size, fun)

    columns = [_Blocks(avals, (), x.shape) for x in inputs]
    for low, high, parts in in_pieces(run, sum(a.size for a in avals), chunk_size, "jacrev", fun):
        for blocks, part in zip(columns, parts, strict=True):
            blocks.add(part, low, high)
    found = [blocks.get() for blocks in columns]
    return outs, [[blocks[i] for blocks in found] for i in range(len(avals))]


def _along(f: Callable[..., list[Array]], avals: Sequence[ShapedArray], low: Array, size: int, fun: Any) -> list[Array]:
    """A linear function along so many unit directions from number `low` on; they stand in front."""
    if 1 < size == sum([aval.size for aval in avals]) and watched(()) is None:
        mapped = along_units(f, avals, fun)
    else:
        mapped = list(zip(*batch(f, size, _unit_rows(avals, low, size), [0] * len(avals), fun), strict=True))
    return [_directions(y, dim, size) for y, dim in mapped]


def _directions(y: Array, dim: int | None, count: int) -> Array:
    """A result over some directions, with their axis in front; zeros where it does not depend on them."""
    if dim is None:
        aval = aval_of(y)
        return np.zeros((count, *aval.shape), aval.dtype)
    return move_axis(y, dim, 0)
