"""What the public transforms share: choosing arguments, checking leaves, owning results."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of, dtype_name, is_inexact
from fgrad.core.interpreter import Tracer
from fgrad.core.jaxpr import Literal
from fgrad.errors import ArgumentError, NonDifferentiableError, OutputTypeError, hide_frames, message
from fgrad.transforms.jvp import LinearProgram
from fgrad.tree import PyTreeDef, flatten, flatten_with_path, keystr

__all__ = [
    "Argnums",
    "Selection",
    "check_callable",
    "flat_leaves",
    "float0",
    "fresh",
    "function_name",
    "protect",
    "public",
    "select_arguments",
]

P = ParamSpec("P")
R = TypeVar("R")
Argnums = int | str | Sequence[int | str]

float0 = np.dtype([("float0", np.void, 0)])
"""The dtype of the tangent of an integer or a boolean: it holds no information."""

_FLOATS = frozenset({np.dtype(np.float64), np.dtype(np.float32)})
_PLAIN = frozenset({np.ndarray, Tracer, float, int, complex, bool})


def public(function: Callable[P, R]) -> Callable[P, R]:
    """Marks where fgrad begins for the user: errors that pass through show no frame of fgrad."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            hide_frames(error)
            raise

    return wrapper


def function_name(fun: Any) -> str:
    """The name of a function, for messages."""
    return getattr(fun, "__name__", None) or type(fun).__name__


def check_callable(fun: Any, transform: str) -> None:
    """Refuses what is not a function."""
    if not callable(fun):
        cure = f"Write {transform}(f)(x), not {transform}(f(x))."
        raise ArgumentError(message(f"{transform} expects a function, got {fun!r:.80}.", cure=cure))


def wrap(fun: Callable[..., Any], transform: str, doc: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Gives a transformed function the name, signature and doc string of the function it was made from."""

    def decorate(transformed: Callable[..., Any]) -> Callable[..., Any]:
        try:
            functools.update_wrapper(transformed, fun)
        except (AttributeError, TypeError):
            pass
        own = getattr(fun, "__doc__", None)
        transformed.__doc__ = f"{doc}\n\n{own}" if own else doc
        return transformed

    return decorate


class Selection(NamedTuple):
    """Some arguments of a call, and how to call the function with others in their place."""

    values: tuple[Any, ...]
    names: tuple[str, ...]
    call: Callable[[Sequence[Any]], Any]


@functools.lru_cache(maxsize=1024)
def _parameters(fun: Callable[..., Any]) -> tuple[tuple[str, ...], str | None]:
    """The names of the positional parameters of a function, and of its `*args`."""
    try:
        parameters = inspect.signature(fun).parameters.values()
    except (TypeError, ValueError):
        return (), None
    named = tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
    return named, next((p.name for p in parameters if p.kind == p.VAR_POSITIONAL), None)


def parameter_names(fun: Callable[..., Any], count: int) -> list[str]:
    """What the positional arguments of a call are called, for messages."""
    try:
        named, rest = _parameters(fun)
    except TypeError:
        named, rest = (), None
    return [named[i] if i < len(named) else f"{rest or 'args'}[{i - len(named)}]" for i in range(count)]


def select_arguments(
    fun: Callable[..., Any], argnums: Argnums, args: tuple[Any, ...], kwargs: dict[str, Any], transform: str
) -> Selection:
    """Picks the arguments that `argnums` names, by position or by parameter name."""
    wanted = (argnums,) if isinstance(argnums, (int, str)) else tuple(argnums)
    names = parameter_names(fun, len(args))
    places: list[int | str] = []
    for argnum in wanted:
        place: int | str
        if isinstance(argnum, str):
            place = argnum if argnum in kwargs else names.index(argnum) if argnum in names else -1 - len(args)
        elif isinstance(argnum, (int, np.integer)) and not isinstance(argnum, bool):
            place = int(argnum) + (len(args) if argnum < 0 else 0)
        else:
            what = f"argnums of {transform} must hold integers or parameter names, got {argnum!r}."
            raise ArgumentError(message(what))
        if isinstance(place, int) and not 0 <= place < len(args):
            given = f"{len(args)} positional argument{'s' if len(args) != 1 else ''}"
            cure = f"The arguments are {', '.join(names) or 'none'}" + (
                f", and {', '.join(kwargs)} by name." if kwargs else "."
            )
            what = f"{transform}({function_name(fun)}) was asked for argnums={argnum!r}, but was called with {given}."
            raise ArgumentError(message(what, cure=cure))
        places.append(place)
    if len(set(places)) != len(places):
        raise ArgumentError(message(f"argnums={argnums!r} of {transform} names an argument twice."))

    def call(values: Sequence[Any]) -> Any:
        positional, named = list(args), dict(kwargs)
        for place, value in zip(places, values, strict=True):
            if isinstance(place, str):
                named[place] = value
            else:
                positional[place] = value
        return fun(*positional, **named)

    values = tuple(kwargs[p] if isinstance(p, str) else args[p] for p in places)
    return Selection(values, tuple(p if isinstance(p, str) else names[p] for p in places), call)


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

    Raises:
        ArgumentError: a leaf is not an array or a number; the message says which.
    """
    leaves, treedef = flatten(tuple(trees))
    for i, x in enumerate(leaves):
        kind = type(x)
        if kind in _PLAIN or isinstance(x, np.generic):
            if kind is not Tracer and isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "OSUVmM":
                raise _not_an_array(trees, names, i, x, transform)
        elif isinstance(x, np.ndarray):
            leaves[i] = np.asarray(x)
        else:
            aval = getattr(x, "aval", None)
            if not isinstance(aval, ShapedArray):
                raise _not_an_array(trees, names, i, x, transform)
    return leaves, treedef


def _not_an_array(trees: Any, names: Any, index: int, x: Any, transform: str) -> ArgumentError:
    kind = (
        f"an array of dtype {x.dtype}"
        if isinstance(x, (np.ndarray, np.generic))
        else f"{x!r:.60} of type {type(x).__name__}"
    )
    cure = "Pass arrays and numbers, in pytrees; close over anything else, or mark it static (jit's static_argnums)."
    return ArgumentError(
        message(f"{transform}: argument {place_of(trees, names, index)} is {kind}, not an array.", cure=cure)
    )


def check_differentiable(
    leaves: Sequence[Array],
    trees: Sequence[Any],
    names: Sequence[str],
    transform: str,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> list[bool]:
    """Which leaves have tangents.

    Raises:
        NonDifferentiableError: a leaf is an integer or a boolean and `allow_int` is not set, or is real where
            `holomorphic` asks for complex.
    """
    nz = []
    for i, x in enumerate(leaves):
        if type(x) is np.ndarray and x.dtype in _FLOATS and not holomorphic:
            nz.append(True)
            continue
        aval = aval_of(x)
        if holomorphic and aval.dtype.kind != "c":
            what = f"{transform} with holomorphic=True needs complex inputs, but {place_of(trees, names, i)} is {aval}."
            raise NonDifferentiableError(message(what, cure="Convert it: x.astype(complex)."))
        nz.append(is_inexact(aval.dtype))
        if not nz[-1] and not allow_int:
            where = place_of(trees, names, i)
            what = f"{transform} needs real or complex inputs, but {where} has dtype {dtype_name(aval.dtype)}."
            cure = "Convert it (x.astype(float), or 3.0 for 3), leave it out of argnums, or pass allow_int=True."
            raise NonDifferentiableError(message(what, cure=cure))
    return nz


def flat_outputs(out: Any, transform: str, fun: Any) -> tuple[list[Array], PyTreeDef]:
    """The array leaves of what a traced function returned.

    Raises:
        OutputTypeError: a leaf is not an array or a number; the message says which.
    """
    leaves, treedef = flatten(out)
    for i, x in enumerate(leaves):
        if type(x) is Tracer or type(x) is np.ndarray:
            continue
        try:
            aval_of(x)
        except TypeError:
            path = keystr(flatten_with_path(out)[0][i][0])
            what = f"{transform}: `{function_name(fun)}` returned {x!r:.60} of type {type(x).__name__} at output{path}."
            raise OutputTypeError(
                message(what, cure="Return arrays and numbers, in pytrees (has_aux=True may carry anything).")
            ) from None
    return leaves, treedef


def root(x: Any) -> Any:
    """The array that owns the memory of a view."""
    while isinstance(x, np.ndarray) and isinstance(x.base, np.ndarray):
        x = x.base
    return x


def fresh(values: Sequence[Array], taken: Iterable[Array] = ()) -> list[Array]:
    """Results that own their memory: neither views nor read-only, nor arrays that something else already holds."""
    seen = {id(x) for x in taken}
    out = []
    for x in values:
        if type(x) is np.ndarray and (x.base is not None or id(x) in seen or not x.flags.writeable):
            x = x.copy()
        seen.add(id(x))
        out.append(x)
    return out


def protect(program: LinearProgram, inputs: Sequence[Array], outs: Sequence[Array]) -> list[Array]:
    """Makes a pending linear program safe from later writes: residuals share no memory with inputs or results.

    Returns:
        The results, copied where a residual needs the original.
    """
    owners = {id(root(x)) for x in inputs if isinstance(x, np.ndarray)}
    copies: dict[int, Array] = {}
    held: set[int] = set()
    for eqn in program.eqns:
        for atom in eqn.invars:
            if type(atom) is not Literal or not isinstance(atom.value, np.ndarray):
                continue
            value = atom.value
            if id(root(value)) in owners:
                if id(value) not in copies:
                    copies[id(value)] = value.copy()
                atom.value = copies[id(value)]
            else:
                held.add(id(root(value)))
    return [x.copy() if isinstance(x, np.ndarray) and id(root(x)) in held else x for x in fresh(outs, inputs)]
