"""Where the user's functions and arguments meet the library: here they are named, checked, and called."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MethodType
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.interpreter import Tracer, leaked, reachable
from fgrad.errors import ArgumentError, FgradError, OutputTypeError, UnexpectedTracerError, message
from fgrad.tree import PyTreeDef, flatten, flatten_with_path, keystr
from fgrad.tree.table import describe
from fgrad.tree.text import listing

__all__ = [
    "argument_list",
    "call",
    "check_callable",
    "flat_leaves",
    "flat_outputs",
    "function_name",
    "parameter_names",
    "parameters_of",
    "place_of",
    "refuse_call",
]

_PLAIN = frozenset({np.ndarray, float, int, complex, bool})
_STRANGE = "OSUmM"  # kinds of dtypes that are no numbers
_STATIC = {
    "jit": "mark the argument static (static_argnums)",
    "custom_jvp": "name the argument in nondiff_argnums",
    "custom_vjp": "name the argument in nondiff_argnums",
    "custom_rule": "name the argument in static",
    "checkpoint": "name the argument in static_argnums",
}


def function_name(fun: Any) -> str:
    """The name of a function, for messages."""
    while not hasattr(fun, "__name__") and isinstance(fun, functools.partial):
        fun = fun.func
    return getattr(fun, "__name__", None) or type(fun).__name__


def check_callable(fun: Any, transform: str, usage: str = "") -> None:
    """Refuses what is not a function.

    Args:
        fun: what the user gave.
        transform: the transform it was given to.
        usage: how a call of the transform is written, where it takes more than the function.

    Raises:
        ArgumentError: it cannot be called.
    """
    if not callable(fun):
        cure = (
            f"Write {usage}: the function itself comes first."
            if usage
            else f"Write {transform}(f)(x), not {transform}(f(x))."
        )
        raise ArgumentError(message(f"{transform} expects a function, got {describe(fun)}.", cure=cure))


_Parameters = tuple[tuple[str, ...], str | None]

# Weak, because a function holds what it closes over.
_known: WeakKeyDictionary[Any, _Parameters] = WeakKeyDictionary()


def _parameters(fun: Callable[..., Any]) -> _Parameters:
    try:
        parameters = inspect.signature(fun).parameters.values()
    except (TypeError, ValueError):
        return (), None
    named = tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
    return named, next((p.name for p in parameters if p.kind == p.VAR_POSITIONAL), None)


def parameters_of(fun: Callable[..., Any]) -> _Parameters:
    """The names of the positional parameters of a function, and of its `*args`."""
    if type(fun) is MethodType:  # made anew at each access
        named, rest = parameters_of(fun.__func__)
        return named[1:], rest
    try:
        known = _known.get(fun)
        if known is None:
            known = _known[fun] = _parameters(fun)
    except TypeError:  # it cannot be hashed, or not be referred to weakly
        return _parameters(fun)
    return known


def parameter_names(fun: Callable[..., Any], count: int) -> list[str]:
    """What the positional arguments of a call are called, for messages."""
    named, rest = parameters_of(fun)
    return [named[i] if i < len(named) else f"{rest or 'args'}[{i - len(named)}]" for i in range(count)]


def argument_list(names: Sequence[str], kwargs: Mapping[str, Any] | Sequence[str] = ()) -> str:
    """The arguments of a call, for messages: `x, y and scale by name`."""
    text = listing(names, len(names)) or "none"
    return text + (f", and by name {listing(kwargs, len(kwargs))}" if kwargs else "")


def place_of(trees: Sequence[Any], names: Sequence[str], index: int) -> str:
    """Where a leaf stands, as `params['w'][0]`: the `index`-th leaf of several named trees."""
    for tree, name in zip(trees, names, strict=True):
        paths, _ = flatten_with_path(tree)
        if index < len(paths):
            return f"{name}{keystr(paths[index][0])}"
        index -= len(paths)
    return "?"


def flat_leaves(trees: Sequence[Any], names: Sequence[str], transform: str) -> tuple[list[Array], PyTreeDef]:
    """The array leaves of some arguments.

    Args:
        trees: the arguments.
        names: what they are called.
        transform: what they were given to.

    Raises:
        ArgumentError: a leaf is not an array or a number; the message says which.
        UnexpectedTracerError: a leaf is a tracer that has leaked.
    """
    leaves, treedef = flatten(tuple(trees))
    for i, x in enumerate(leaves):
        kind = type(x)
        if kind is Tracer:
            try:
                leaves[i] = reachable(x)
            except UnexpectedTracerError:
                raise leaked(x, f"argument {place_of(trees, names, i)} of {transform} is ") from None
        elif kind in _PLAIN or isinstance(x, np.generic):
            if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in _STRANGE:
                _refuse_leaf(trees, names, i, x, transform)
        elif isinstance(x, np.ndarray):
            leaves[i] = np.asarray(x)
        elif not isinstance(getattr(x, "aval", None), ShapedArray):
            _refuse_leaf(trees, names, i, x, transform)
    return leaves, treedef


def _refuse_leaf(trees: Sequence[Any], names: Sequence[str], index: int, x: Any, transform: str) -> NoReturn:
    what = f"argument {place_of(trees, names, index)} of {transform} is {describe(x)}: not an array of numbers."
    static = _STATIC.get(transform, "let the function close over it")
    raise ArgumentError(message(what, cure=f"Arguments are arrays and numbers, in pytrees; {static} if it is neither."))


def call(fun: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], transform: str) -> Any:
    """Calls the user's function.

    Raises:
        ArgumentError: the arguments do not fit its parameters.
    """
    try:
        return fun(*args, **kwargs)
    except TypeError as error:
        traceback = error.__traceback__
        if traceback is not None and traceback.tb_next is None and not isinstance(error, FgradError):
            refuse_call(fun, args, kwargs, transform, str(error))
        raise


def refuse_call(
    fun: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], transform: str, why: str
) -> None:
    """Refuses arguments that do not fit the parameters of a function, as far as these are known.

    Args:
        fun: the function.
        args: its arguments.
        kwargs: its arguments by name.
        transform: what calls it.
        why: what Python says, `f() missing 1 required positional argument: 'y'`.

    Raises:
        ArgumentError: they do not; the message says why.
    """
    try:
        signature = inspect.signature(fun)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        name = function_name(fun)
        what = f"{transform} calls `{name}` with arguments that it does not take: {why.rsplit('() ', maxsplit=1)[-1]}."
        raise ArgumentError(message(what, cure=f"`{name}` takes {_bare(signature)}.")) from None


def _bare(signature: inspect.Signature) -> str:
    """A signature without annotations."""
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(inspect.Signature(bare))


def flat_outputs(out: Any, transform: str, fun: Any) -> tuple[list[Array], PyTreeDef]:
    """The array leaves of what a traced function returned.

    Args:
        out: what it returned.
        transform: what traced it.
        fun: the function.

    Raises:
        OutputTypeError: a leaf is not an array or a number; the message says which.
    """
    leaves, treedef = flatten(out)
    for i, x in enumerate(leaves):
        if type(x) is Tracer:
            continue
        try:
            strange = aval_of(x).dtype.kind in _STRANGE
        except TypeError:
            strange = True
        if strange:
            where = keystr(flatten_with_path(out)[0][i][0])
            what = f"`{function_name(fun)}` returned {describe(x)} in {transform}" + (
                f", at output{where}." if where else "."
            )
            raise OutputTypeError(message(what, cure="Return arrays and numbers, in pytrees."))
    return leaves, treedef
