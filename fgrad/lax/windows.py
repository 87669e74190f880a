"""`reduce_window`: any associative combination of the elements of every window."""

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
from fgrad.lax.operands import operand as as_array
from fgrad.lax.operands import same_dtype
from fgrad.lax.window_parameters import pads_of, positive_integers
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.parts import outside_transforms
from fgrad.primitives import comparison, elementwise
from fgrad.primitives.comparison import select
from fgrad.primitives.convolution_kernels import dilated
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_keys import ARRAY, FULL, slice_entry
from fgrad.primitives.indexing import gather
from fgrad.primitives.shape import broadcast_to, reshape
from fgrad.primitives.window_kernels import Windows, identity_of
from fgrad.primitives.windows import (
    WindowReduction,
    reduce_window_max,
    reduce_window_min,
    reduce_window_sum,
    window_counts,
)
from fgrad.transforms.stage import trace
from fgrad.tree import PyTreeDef, flatten

__all__ = ["reduce_window"]

_KNOWN: dict[Primitive, tuple[WindowReduction, str]] = {
    elementwise.add: (reduce_window_sum, "fcui"),
    comparison.maximum: (reduce_window_max, "fuib"),
    comparison.minimum: (reduce_window_min, "fuib"),
}
"""What combines two elements, the reduction that it makes, and the kinds of dtypes for which it does."""

_BUILTIN: dict[Any, Callable[[Any, Any], Any]] = {max: np.maximum, min: np.minimum}
"""Python's own extrema decide by a truth value, which a traced element has not."""


@public
def reduce_window(
    operand: Any,
    init_value: Any,
    computation: Callable[[Any, Any], Any],
    window_dimensions: Sequence[int],
    window_strides: Sequence[int] | None = None,
    padding: str | Sequence[tuple[int, int]] = "VALID",
    base_dilation: Sequence[int] | None = None,
    window_dilation: Sequence[int] | None = None,
) -> Any:
    """Combines the elements of every window, and the initial value, by an associative function.

    Sums and extrema are recognised and run as such; any other computation, a product for one, is folded along one axis
    after the other. Padding and base dilation put nothing into a window: its elements alone are combined.
    The elements that tie for an extremum share its derivative evenly, as those of `fgrad.numpy.max` do.

    Args:
        operand: an array, or a pytree of arrays of one shape, which are combined together.
        init_value: a number (a pytree of them) of the same dtype: 0 for sums, −inf for maxima.
        computation: takes two elements (pytrees like the operand, of arrays without axes), and returns one:
            `fgrad.lax.add`, `numpy.maximum`, `lambda x, y: x * y`, …
        window_dimensions: the size of the window along each axis of the operand.
        window_strides: the distance of neighbouring windows along each axis; 1 by default.
        padding: 'VALID' (windows lie inside), 'SAME' (⌈length / stride⌉ windows), 'SAME_LOWER', or a pair `(low, high)`
            for each axis: how far windows reach beyond the array. Negative ones cut elements off.
        base_dilation: the distance of neighbouring elements along each axis; 1 by default.
        window_dilation: the distance of neighbouring elements of a window along each axis; 1 by default.

    Returns:
        The combined elements, an array (or a pytree of arrays) with one element for each window.

    Raises:
        ShapeError: the shapes or dtypes do not fit together, or the computation does not give an element again.
        ArgumentError: a size, stride, dilation or padding makes no sense.

    >>> reduce_window(np.array([1.0, 5.0, 2.0, 4.0]), -np.inf, np.maximum, (2,), (2,))
    array([5., 4.])
    >>> reduce_window(np.array([1.0, 5.0, 2.0, 4.0]), 1.0, lambda x, y: x * y, (2,))
    array([ 5., 10.,  8.])
    """
    check_callable(computation, "lax.reduce_window")
    xs, inits, treedef = _operands(operand, init_value)
    shape = shape_of(xs[0])
    given = (window_dimensions, window_strides, padding, base_dilation, window_dilation)
    windows = _windows(shape, given)
    closed = _recorded(_BUILTIN.get(computation, computation), [aval_of(x).dtype for x in xs], treedef)
    known = _known(closed)
    if known is not None:
        return treedef.unflatten([_reduced(known, closed, xs[0], inits[0], windows)])
    return treedef.unflatten(_folded(closed, xs, inits, windows))


def _operands(operand: Any, init_value: Any) -> tuple[list[Array], list[Array], PyTreeDef]:
    leaves, treedef = flatten(operand)
    starts, start_treedef = flatten(init_value)
    if treedef != start_treedef or not leaves:
        what = f"lax.reduce_window: the operand has the structure {treedef}, init_value {start_treedef}."
        raise ArgumentError(message(what, cure="Give one init value for each array."))
    xs = [as_array(x) for x in leaves]
    inits = [_initial(x, start) for x, start in zip(xs, starts, strict=True)]
    if len({shape_of(x) for x in xs}) > 1 or any(shape_of(start) for start in inits):
        got = ", ".join(str(aval_of(x)) for x in (*xs, *inits))
        cure = "The operands have one shape, the init values have no axes."
        raise ShapeError(message(f"lax.reduce_window of {got}.", cure=cure))
    return xs, inits, treedef


def _initial(x: Array, start: Any) -> Array:
    """An initial value under the dtype of the array; it stays concrete also while a function is being recorded."""
    if type(start) is Tracer:
        return same_dtype("reduce_window", x, start)[1]
    with outside_transforms():
        return same_dtype("reduce_window", np.zeros((), aval_of(x).dtype), start)[1]


def _windows(shape: tuple[int, ...], given: tuple[Any, ...]) -> Windows:
    dimensions, strides, padding, stretches, spreads = given
    rank, name = len(shape), "lax.reduce_window"
    if dimensions is None:
        raise ArgumentError(message(f"{name}: `window_dimensions` must be {rank} positive integers."))
    sizes = positive_integers(dimensions, rank, "window_dimensions", name)
    steps = positive_integers(strides, rank, "window_strides", name)
    stretches = positive_integers(stretches, rank, "base_dilation", name)
    spreads = positive_integers(spreads, rank, "window_dilation", name)
    stretched = [dilated(n, d) for n, d in zip(shape, stretches, strict=True)]
    reaches = [dilated(k, d) for k, d in zip(sizes, spreads, strict=True)]
    pads = pads_of(stretched, reaches, steps, padding, name)
    return tuple(
        [
            (size, step, low, high, stretch, spread)
            for size, step, (low, high), stretch, spread in zip(sizes, steps, pads, stretches, spreads, strict=True)
        ]
    )


def _recorded(computation: Callable[[Any, Any], Any], dtypes: Sequence[Any], treedef: PyTreeDef) -> ClosedJaxpr:
    """The computation on two elements, as a jaxpr.

    Raises:
        ShapeError: it does not give an element again.
    """
    avals = [ShapedArray((), dtype) for dtype in dtypes]

    def flat(*pair: Array) -> list[Array]:
        out = computation(treedef.unflatten(pair[: len(avals)]), treedef.unflatten(pair[len(avals) :]))
        found, structure = flat_outputs(out, "lax.reduce_window", computation)
        got = [aval_of(y) for y in found]
        fits = [not y.shape and (y.dtype == a.dtype or y.weak_type) for y, a in zip(got, avals, strict=False)]
        if structure != treedef or not all(fits):
            types = ", ".join(map(str, got))
            what = f"lax.reduce_window: the computation gave {structure} of {types}, for {treedef} of "
            cure = "It takes two elements and gives one, of the same dtypes."
            raise ShapeError(message(f"{what}{', '.join(map(str, avals))}.", cure=cure))
        return [as_dtype(y, a.dtype) for y, a in zip(found, avals, strict=True)]

    return trace(flat, [*avals, *avals], "reduce_window", computation)


def _known(closed: ClosedJaxpr) -> WindowReduction | None:
    """The reduction that a computation makes, if it is one that has its own primitive."""
    if len(closed.eqns) != 1:
        return None
    eqn = closed.eqns[0]
    reduction, kinds = _KNOWN.get(eqn.primitive, (None, ""))
    taken = {a for a in eqn.invars if type(a) is Var}
    combines = taken == set(closed.jaxpr.invars) and closed.jaxpr.outvars[0] is eqn.outvars[0]
    return reduction if combines and eqn.outvars[0].aval.dtype.kind in kinds else None


def _reduced(reduction: WindowReduction, closed: ClosedJaxpr, x: Array, init: Array, windows: Windows) -> Array:
    out = reduction.bind(x, windows=windows)
    if type(init) is not Tracer and init == identity_of(reduction.ufunc, aval_of(x).dtype):
        return out
    return _combined(closed, [broadcast_to(init, shape=shape_of(out))], [out])[0]


def _combined(closed: ClosedJaxpr, xs: Sequence[Array], ys: Sequence[Array]) -> list[Array]:
    """The computation on every pair of elements at once."""
    shape = shape_of(xs[0])
    if 0 in shape:
        return list(xs)
    if all(isinstance(eqn.primitive, elementwise.Elementwise) for eqn in closed.eqns):
        outs = closed(*xs, *ys)
        return [y if shape_of(y) == shape else broadcast_to(y, shape=shape) for y in outs]
    rows = [reshape(v, shape=(math.prod(shape),)) for v in (*xs, *ys)]
    return [reshape(y, shape=shape) for y in vmap(closed)(*rows)]


def _folded(closed: ClosedJaxpr, xs: list[Array], inits: Sequence[Array], windows: Windows) -> list[Array]:
    """The windows folded along the last axis, then along the one before it, …: elements are combined in C order."""
    shape = shape_of(xs[0])
    counts = window_counts(shape, windows)
    starts = [broadcast_to(init, shape=counts) for init in inits]
    if 0 in shape or 0 in counts:
        return starts
    filled = np.ones(counts, np.bool_)
    for axis in reversed(range(len(shape))):
        xs, seen = _folded_along(closed, xs, axis, counts[axis], windows[axis])
        filled &= seen.reshape(-1, *[1] * (len(shape) - axis - 1))
    outs = _combined(closed, starts, xs)
    return outs if filled.all() else [select(filled, out, start) for out, start in zip(outs, starts, strict=True)]


def _folded_along(
    closed: ClosedJaxpr, xs: list[Array], axis: int, count: int, window: tuple[int, ...]
) -> tuple[list[Array], Any]:
    """The windows along one axis folded, and which of them have elements. Others hold a copy of some element."""
    size, stride, low, _, stretch, spread = window
    rank, length = len(shape_of(xs[0])), shape_of(xs[0])[axis]
    folded: list[Array] = []
    seen = np.zeros(count, np.bool_)
    for tap in range(size):
        places = np.arange(count) * stride + tap * spread - low
        # Where there is no element the computation gets another one: it may be undefined at anything else.
        elements = np.clip(places // stretch, 0, length - 1)
        valid = elements * stretch == places
        if not valid.any() and (folded or tap < size - 1):
            continue
        here = [_taken(x, axis, rank, elements) for x in xs]
        if not folded:
            folded, seen = here, valid
            continue
        both = _combined(closed, folded, here)
        if not (seen & valid).all():
            either, alone = (m.reshape(-1, *[1] * (rank - axis - 1)) for m in (seen & valid, seen))
            both = [select(either, z, select(alone, x, y)) for x, y, z in zip(folded, here, both, strict=True)]
        folded, seen = both, seen | valid
    return folded, seen


def _taken(x: Array, axis: int, rank: int, elements: Any) -> Array:
    """The elements of an array at some positions along an axis: a view where they are evenly spaced."""
    before, behind = [FULL] * axis, [FULL] * (rank - axis - 1)
    step = int(elements[1] - elements[0]) if len(elements) > 1 else 1
    if step > 0 and (np.diff(elements) == step).all():
        entry = slice_entry(slice(int(elements[0]), int(elements[-1]) + 1, step), shape_of(x)[axis])
        return gather(x, key=(*before, entry, *behind), unique=True)
    return gather(x, elements, key=(*before, ARRAY, *behind), unique=False)
