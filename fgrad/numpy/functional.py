"""Functions applied along axes, to elements, and piece by piece: NumPy's chapter "Functional programming".

Given only concrete arrays, outside of transformed functions, each is NumPy's own; otherwise Python functions are run
once, under `vmap`, in place of once for every element.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from fgrad.api.vmap import vmap
from fgrad.control.cond import switch
from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import current
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.dispatch import as_operand, is_traced
from fgrad.numpy.manipulation import expand_dims, moveaxis
from fgrad.numpy.parts import operand
from fgrad.primitives.families import shape_of
from fgrad.primitives.shape import reshape

__all__ = ["apply_along_axis", "apply_over_axes", "piecewise", "vectorize"]


def _plainly(*args: Any) -> bool:
    """Whether NumPy can run a function on these arguments: none is traced, and nothing else is."""
    return current.get() is None and not is_traced(*args)


def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Array:
    """`apply_along_axis(f, axis, arr)`: f of every row of elements along an axis; its axes take the place of that one.

    >>> apply_along_axis(np.sum, 1, np.array([[1, 2], [3, 4]]))
    array([3, 7])
    """
    if _plainly(arr, *args, *kwargs.values()):
        return np.apply_along_axis(func1d, axis, arr, *args, **kwargs)
    x = operand(arr)
    shape = shape_of(x)
    axis = normalize_axis_index(axis, len(shape))
    others = tuple([n for i, n in enumerate(shape) if i != axis])
    rows = reshape(moveaxis(x, axis, -1), shape=(math.prod(others), shape[axis]))
    outs = vmap(lambda row: operand(func1d(row, *args, **kwargs)))(rows)
    inner = shape_of(outs)[1:]
    outs = reshape(outs, shape=(*others, *inner))
    k = len(others)
    return moveaxis(outs, tuple(range(k, k + len(inner))), tuple(range(axis, axis + len(inner))))


def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Array:
    """`apply_over_axes(f, a, axes)`: f(a, axis) for one axis after the other, each of which stays, with length 1.

    >>> apply_over_axes(np.sum, np.array([[1, 2], [3, 4]]), (0, 1))
    array([[10]])
    """
    if _plainly(a):
        return np.apply_over_axes(func, a, axes)
    x = operand(a)
    n = len(shape_of(x))
    for axis in [axes] if np.ndim(axes) == 0 else axes:
        axis = normalize_axis_index(axis, n)
        out = operand(func(x, axis))
        out = expand_dims(out, axis) if len(shape_of(out)) == n - 1 else out
        if len(shape_of(out)) != n:
            what = f"apply_over_axes: the function made an array of shape {shape_of(out)} of one of {shape_of(x)}."
            raise ShapeError(message(what, cure="It may take one axis away, or leave it with length 1."))
        x = out
    return x


def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Array:
    """`piecewise(x, conditions, functions)`: of each element the function whose condition is the last to hold.

    Only that one is run, and differentiated: what another would do at the element does no harm.

    Args:
        x: an array.
        condlist: truth values of the shape of x, one array for each function.
        funclist: functions, or numbers; one more than conditions, for where none holds (0 otherwise). Of traced arrays
            without values they are given single elements.
        *args: what the functions take besides.
        **kw: the same by name.

    >>> piecewise(np.array([-1.0, 4.0]), [np.array([False, True])], [np.sqrt, lambda x: -x])
    array([1., 2.])
    """
    if _plainly(x, condlist, *args, *kw.values(), *[f for f in funclist if not callable(f)]):
        return np.piecewise(x, condlist, funclist, *args, **kw)
    a = operand(x)
    conditions = _conditions(condlist, shape_of(a))
    functions = list(funclist)
    if len(functions) == len(conditions):
        functions.append(0)
    elif len(functions) != len(conditions) + 1:
        what = f"piecewise: {len(conditions)} conditions with {len(functions)} functions."
        raise ArgumentError(message(what, cure="There must be as many, or one function more."))
    chosen: Array = np.full(shape_of(a), len(conditions))
    for k, condition in enumerate(conditions):
        chosen = k * condition + chosen * (1 - condition)
    dtype = aval_of(a).dtype
    branches = [_branch(f, dtype, args, kw) for f in functions]
    flat_x, flat_index = reshape(a, shape=(aval_of(a).size,)), reshape(chosen, shape=(aval_of(a).size,))
    out = vmap(lambda k, v: switch(k, branches, v))(flat_index, flat_x)
    return reshape(out, shape=shape_of(a))


def _conditions(condlist: Any, shape: tuple[int, ...]) -> list[Array]:
    """The conditions one by one: as NumPy has it, an array is a list of conditions unless its items are numbers."""
    listed = isinstance(condlist, (list, tuple))
    rank = len(shape_of(operand(condlist[0]))) + 1 if listed and condlist else len(shape_of(operand(condlist)))
    single = rank == 0 or (rank == 1 and shape != ())
    found = [operand(condlist)] if single else [operand(c) for c in condlist]
    for c in found:
        if shape_of(c) != shape:
            what = f"piecewise: a condition of shape {shape_of(c)} for an array of shape {shape}."
            raise ShapeError(message(what, cure="Each condition has the shape of the array."))
    return [as_dtype(as_dtype(c, np.bool_), np.intp) for c in found]


def _branch(function: Any, dtype: Any, args: Any, kw: Any) -> Callable[[Array], Array]:
    def branch(x: Array) -> Array:
        value = function(x, *args, **kw) if callable(function) else function
        return reshape(as_dtype(as_operand(value), dtype), shape=())

    return branch


class vectorize:  # noqa: N801 (NumPy's name)
    """`vectorize(f)`: f of single elements as a function of arrays, which broadcast together.

    Args:
        pyfunc: a function of numbers, or of arrays as `signature` says.
        otypes: the dtypes of the results.
        doc: the doc string of the new function.
        excluded: positions and names of arguments that are passed on as they are.
        cache: means nothing for traced arrays.
        signature: the axes of each argument and result of one call, such as "(m,n),(n)->(m)".

    >>> vectorize(lambda x, y: x if x > y else y)(np.array([1, 5]), 3)
    array([3, 5])
    """

    def __init__(
        self,
        pyfunc: Any = None,
        otypes: Any = None,
        doc: str | None = None,
        excluded: Any = None,
        cache: bool = False,
        signature: str | None = None,
    ) -> None:
        self.pyfunc = pyfunc
        self.excluded = frozenset(excluded or ())
        self.signature = signature
        self.otypes = otypes
        self.options = {"otypes": otypes, "doc": doc, "excluded": excluded, "cache": cache, "signature": signature}
        if pyfunc is not None:
            functools.update_wrapper(self, pyfunc)
        if doc is not None:
            self.__doc__ = doc

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function of arrays; `vectorize(signature=…)` used as a decorator takes the function first."""
        if self.pyfunc is None:
            return vectorize(args[0], **self.options)
        if _plainly(*args, *kwargs.values()):
            return np.vectorize(self.pyfunc, **self.options)(*args, **kwargs)
        names = [k for k in kwargs if k not in self.excluded]
        positions = [i for i in range(len(args)) if i not in self.excluded]
        arrays = [operand(args[i]) for i in positions] + [operand(kwargs[k]) for k in names]

        def single(*xs: Any) -> Any:
            given, named = list(args), dict(kwargs)
            for i, x in zip(positions, xs, strict=False):
                given[i] = x
            named.update(zip(names, xs[len(positions) :], strict=True))
            return self.pyfunc(*given, **named)

        inner = _inner_ranks(self.signature, len(arrays))
        outs = _mapped(single, arrays, inner)
        return _converted(outs, self.otypes)


def _inner_ranks(signature: str | None, count: int) -> list[int]:
    if signature is None:
        return [0] * count
    terms = re.findall(r"\(([^()]*)\)", signature.replace(" ", "").partition("->")[0])
    if len(terms) != count:
        raise TypeError(message(f"vectorize: the signature {signature!r} is for {len(terms)} arrays, got {count}."))
    return [len([name for name in term.split(",") if name]) for term in terms]


def _mapped(function: Callable[..., Any], arrays: list[Array], inner: list[int]) -> Any:
    """The function under `vmap` over the axes that are not its own; those of length 1 are not repeated."""
    outer = []
    for x, k in zip(arrays, inner, strict=True):
        shape = shape_of(x)
        if len(shape) < k:
            raise ShapeError(message(f"vectorize: an array of shape {shape} needs at least {k} axes."))
        outer.append(shape[: len(shape) - k])
    loop = np.broadcast_shapes(*outer)
    axes: list[list[int | None]] = []
    squeezed = []
    for x, own in zip(arrays, outer, strict=True):
        padded = (1,) * (len(loop) - len(own)) + own
        axes.append([0 if n == m and n != 1 else None for n, m in zip(padded, loop, strict=True)])
        kept = tuple([n for n, a in zip(padded, axes[-1], strict=True) if a is not None])
        squeezed.append(reshape(x, shape=(*kept, *shape_of(x)[len(own) :])))
    for level in reversed(range(len(loop))):
        in_axes = tuple([a[level] for a in axes])
        size = loop[level]
        function = vmap(function, in_axes=in_axes) if size != 1 else _kept_axis(function)
    return function(*squeezed)


def _kept_axis(function: Callable[..., Any]) -> Callable[..., Any]:
    def kept(*xs: Any) -> Any:
        outs = function(*xs)
        return tuple([expand_dims(o, 0) for o in outs]) if isinstance(outs, tuple) else expand_dims(outs, 0)

    return kept


def _converted(outs: Any, otypes: Any) -> Any:
    if otypes is None:
        return outs
    dtypes = [np.dtype(t) for t in otypes]
    if isinstance(outs, tuple):
        return tuple([as_dtype(o, d) for o, d in zip(outs, dtypes, strict=True)])
    return as_dtype(outs, dtypes[0])
