"""Calls of NumPy functions from traced code: `pure_callback` and `io_callback`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.control.effects import io_call, pure_call
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.boundary import check_callable, function_name
from fgrad.core.interpreter import Tracer, reachable
from fgrad.errors import ArgumentError, OutputTypeError, ShapeError, TreeStructureError, message, public
from fgrad.tree import PyTreeDef, flatten, flatten_with_path, keystr
from fgrad.tree.table import describe

__all__ = ["CallArguments", "call_arguments", "io_callback", "pure_callback"]

_METHODS = ("sequential", "expand_dims", "broadcast_all")
_KINDS = "biufc"


class CallArguments(NamedTuple):
    """The arguments of a call, split into arrays, which are traced, and everything else, which is passed on.

    Attributes:
        arrays: the arrays and numbers.
        rebuild: `(args, kwargs)` with other arrays in their place.
    """

    arrays: list[Array]
    rebuild: Callable[[Sequence[Array]], tuple[tuple[Any, ...], dict[str, Any]]]


def call_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> CallArguments:
    """Splits the arguments of a call."""
    leaves, treedef = flatten((args, kwargs))
    places = [i for i, x in enumerate(leaves) if _is_array(x)]
    arrays = [reachable(leaves[i]) if type(leaves[i]) is Tracer else leaves[i] for i in places]
    template = list(leaves)
    for i in places:
        template[i] = None

    def rebuild(values: Sequence[Array]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        full = template.copy()
        for i, value in zip(places, values, strict=True):
            full[i] = value
        return treedef.unflatten(full)  # type: ignore[no-any-return]

    return CallArguments(arrays, rebuild)


def _is_array(x: Any) -> bool:
    try:
        return aval_of(x).dtype.kind in _KINDS
    except TypeError:
        return False


@public
def pure_callback(
    callback: Callable[..., Any],
    result_shape_dtypes: Any,
    *args: Any,
    vmap_method: str | None = None,
    **kwargs: Any,
) -> Any:
    """The result of a Python function of NumPy arrays that nothing is known of but the types of its results.

    The function must have no effect: it is called as often as its results are needed, also not at all. It has no
    derivative; `fgrad.custom_jvp` gives it one.

    Args:
        callback: `callback(*args, **kwargs)`; the arrays it gets are NumPy arrays, which it must not write into.
        result_shape_dtypes: a pytree like its result, of anything with `shape` and `dtype` (`ShapeDtypeStruct`).
        args: its arguments; arrays, anything else, and pytrees of these.
        vmap_method: what it is given under `vmap`. "sequential" (or `None`): one row after the other. "broadcast_all":
            all rows at once, along the first axis of all arrays, also of its results. "expand_dims": likewise, but
            arrays that are the same for all rows have a first axis of length 1.
        kwargs: its arguments by name.

    Returns:
        What it returns, as arrays of these types.

    Raises:
        ArgumentError: `result_shape_dtypes` or `vmap_method` is not of this form.
        ShapeError: (when it is called) a result has another shape, or a dtype that is not of the same kind.
        NonDifferentiableError: (when it is differentiated) it has no derivative.

    >>> import fgrad, numpy as np
    >>> def halves(x):
    ...     return x // 2
    >>> fgrad.jit(lambda x: fgrad.pure_callback(halves, x, x) + 1)(np.array([4, 7]))
    array([3, 4])
    """
    check_callable(callback, "pure_callback", "pure_callback(f, result_shape_dtypes, x)")
    if vmap_method is not None and vmap_method not in _METHODS:
        what = f"vmap_method of pure_callback must be one of {', '.join(_METHODS)}, got {describe(vmap_method)}."
        raise ArgumentError(message(what, cure='"sequential" is right for every function.'))
    call = call_arguments(args, kwargs)
    results = _results(result_shape_dtypes, "pure_callback")
    function = _checked(callback, call, results, "pure_callback")
    outs = pure_call(
        *call.arrays,
        function=function,
        avals=tuple(results.avals),
        rows=(),
        vmap_method=vmap_method or "sequential",
        lead=(),
    )
    return results.treedef.unflatten(outs)


@public
def io_callback(
    callback: Callable[..., Any], result_shape_dtypes: Any, *args: Any, ordered: bool = False, **kwargs: Any
) -> Any:
    """The result of a Python function that is called for its effect, too: exactly once, in the order of the program.

    Under `vmap` it is called for one row after the other. Inside of `fgrad.checkpoint` it is called again where its
    results are needed for the derivative.

    Args:
        callback: `callback(*args, **kwargs)`; the arrays it gets are NumPy arrays, which it must not write into.
        result_shape_dtypes: a pytree like its result, of anything with `shape` and `dtype`; `None` if it returns none.
        args: its arguments; arrays, anything else, and pytrees of these.
        ordered: calls are in order in any case.
        kwargs: its arguments by name.

    Returns:
        What it returns, as arrays of these types.

    Raises:
        ArgumentError: `result_shape_dtypes` is not of this form.
        ShapeError: (when it is called) a result has another shape, or a dtype that is not of the same kind.
        NonDifferentiableError: (when it is differentiated) it has no derivative.

    >>> import fgrad, numpy as np
    >>> log = []
    >>> fgrad.jit(lambda x: (fgrad.io_callback(log.append, None, x), x * 2)[1])(3.0)
    6.0
    >>> log
    [3.0]
    """
    check_callable(callback, "io_callback", "io_callback(f, result_shape_dtypes, x)")
    call = call_arguments(args, kwargs)
    results = _results(result_shape_dtypes, "io_callback")
    function = _checked(callback, call, results, "io_callback")
    outs = io_call(*call.arrays, function=function, avals=tuple(results.avals), rows=())
    return results.treedef.unflatten(outs)


class _Results(NamedTuple):
    """What a callback is to return."""

    avals: list[ShapedArray]
    treedef: PyTreeDef
    names: list[str]


def _results(shapes: Any, verb: str) -> _Results:
    pairs, treedef = flatten_with_path(shapes)
    names = [f"result{keystr(path)}" for path, _ in pairs]
    avals = []
    for name, (_, x) in zip(names, pairs, strict=True):
        try:
            avals.append(aval_of(x) if not hasattr(x, "shape") else ShapedArray(tuple(x.shape), np.dtype(x.dtype)))
        except (TypeError, AttributeError):
            what = f"result_shape_dtypes of {verb} has {describe(x)} for {name}: it has no shape and dtype."
            cure = "Give fgrad.ShapeDtypeStruct(shape, dtype), or an array like the result."
            raise ArgumentError(message(what, cure=cure)) from None
    return _Results(avals, treedef, names)


def _checked(callback: Callable[..., Any], call: CallArguments, results: _Results, verb: str) -> Callable[..., Any]:
    """The callback on flat arrays, with results of the types that were announced."""
    name = f"`{function_name(callback)}`"

    def function(*xs: Array, lead: tuple[int, ...] = ()) -> list[Array]:
        args, kwargs = call.rebuild([_read_only(x) for x in xs])
        out = callback(*args, **kwargs)
        if not results.avals:
            return []
        leaves, treedef = flatten(out)
        if treedef != results.treedef:
            what = f"{name}, called by {verb}, returned {describe(out)}, which is not like result_shape_dtypes."
            raise TreeStructureError(message(what, cure=f"It was announced to return {results.treedef}."))
        return [
            _fitted(y, ShapedArray((*lead, *a.shape), a.dtype), f"{where} of {name}, called by {verb},")
            for y, a, where in zip(leaves, results.avals, results.names, strict=True)
        ]

    function.__dict__["described"] = f"{name}, called by {verb},"
    return function


def _read_only(x: Array) -> Array:
    if type(x) is not np.ndarray:
        return x
    view = x.view()
    view.flags.writeable = False
    return view


def _fitted(y: Any, aval: ShapedArray, where: str) -> Array:
    """A result of a callback, of the type that was announced."""
    try:
        got = aval_of(y)
    except TypeError:
        got = None
    if got is None or got.dtype.kind not in _KINDS:
        raise OutputTypeError(message(f"{where} is {describe(y)}: not an array.", cure="Return NumPy arrays."))
    if got.shape != aval.shape or not (got.weak_type or np.can_cast(got.dtype, aval.dtype, "same_kind")):
        what = f"{where} is {got}, but result_shape_dtypes announced {aval}."
        raise ShapeError(message(what, cure="Announce what is returned, or convert it."))
    return np.asarray(y, aval.dtype).copy()[()]
