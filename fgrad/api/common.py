"""What the public transforms share: choosing arguments, checking them, owning results."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.core.aval import Array, aval_of, is_inexact
from fgrad.core.boundary import argument_list, call, function_name, parameter_names, parameters_of, place_of
from fgrad.core.jaxpr import Literal
from fgrad.errors import ArgumentError, NonDifferentiableError, message
from fgrad.transforms.jvp import LinearProgram
from fgrad.tree.table import describe

__all__ = [
    "Argnums",
    "Selection",
    "check_argnums",
    "check_differentiable",
    "float0",
    "fresh",
    "protect",
    "select_arguments",
    "split_aux",
    "wrap",
]

Argnums = int | str | Sequence[int | str]

float0 = np.dtype([("float0", np.void, 0)])
"""The dtype of the tangent of an integer or a boolean: it holds no information."""

_FLOATS = frozenset({np.dtype(np.float64), np.dtype(np.float32)})


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


def check_argnums(argnums: Any, transform: str) -> None:
    """Refuses what no argument can be chosen by.

    Raises:
        ArgumentError: `argnums` is neither a position nor a name, nor a sequence of these.
    """
    wanted = argnums if isinstance(argnums, (tuple, list, range)) else (argnums,)
    for argnum in wanted:
        if not isinstance(argnum, (int, str, np.integer)) or isinstance(argnum, bool):
            what = f"argnums of {transform} must be positions or names of parameters, got {describe(argnum)}."
            raise ArgumentError(message(what, cure=f'Write {transform}(f, argnums=0), argnums="w" or argnums=(0, 1).'))


def select_arguments(
    fun: Callable[..., Any], argnums: Argnums, args: tuple[Any, ...], kwargs: dict[str, Any], transform: str
) -> Selection:
    """Picks the arguments that `argnums` names, by position or by parameter name.

    Raises:
        ArgumentError: `argnums` names an argument that the call does not have, or one twice.
    """
    wanted = argnums if isinstance(argnums, (tuple, list, range)) else (argnums,)
    names = parameter_names(fun, len(args))
    places = [_place(fun, argnum, names, kwargs, transform) for argnum in wanted]
    if len(set(places)) != len(places):
        twice = next(names[p] if isinstance(p, int) else p for p in places if places.count(p) > 1)
        what = f"argnums={argnums!r} of {transform} names the argument {twice} twice."
        raise ArgumentError(message(what, cure="Name every argument once."))

    def call_with(values: Sequence[Any]) -> Any:
        positional, named = list(args), dict(kwargs)
        for place, value in zip(places, values, strict=True):
            if isinstance(place, str):
                named[place] = value
            else:
                positional[place] = value
        return call(fun, positional, named, transform)

    values = tuple(kwargs[p] if isinstance(p, str) else args[p] for p in places)
    return Selection(values, tuple(p if isinstance(p, str) else names[p] for p in places), call_with)


def _place(
    fun: Callable[..., Any], argnum: int | str, names: Sequence[str], kwargs: dict[str, Any], transform: str
) -> int | str:
    """Where a call has the argument that an entry of `argnums` names: its position, or its name if it was given so."""
    if isinstance(argnum, str):
        if argnum in kwargs:
            return argnum
        if argnum in names:
            return names.index(argnum)
    else:
        place = int(argnum) + (len(names) if argnum < 0 else 0)
        if 0 <= place < len(names):
            return place
        parameters = parameters_of(fun)[0]
        if 0 <= place < len(parameters) and parameters[place] in kwargs:
            return parameters[place]
    cure = f"The arguments are {argument_list(names, kwargs)}: name one of these."
    parameters = parameters_of(fun)[0]
    left_out = argnum if isinstance(argnum, str) else parameters[argnum] if argnum in range(len(parameters)) else ""
    if left_out in parameters:
        cure = f"Pass the argument {left_out}: the default of a parameter cannot be differentiated."
    what = f"{transform} of `{function_name(fun)}` has argnums={argnum!r}, but the call has no such argument."
    raise ArgumentError(message(what, cure=cure))


def split_aux(out: Any, fun: Any, transform: str) -> tuple[Any, Any]:
    """The two halves of what a function with `has_aux` returned.

    Raises:
        ArgumentError: it is not a pair.
    """
    if not (isinstance(out, tuple) and len(out) == 2):
        needs = f"{transform} with has_aux=True needs `{function_name(fun)}` to return a pair"
        what = f"{needs}, but it returned {describe(out)}."
        raise ArgumentError(message(what, cure="Return (value, anything else), or leave has_aux out."))
    return out


def check_differentiable(
    leaves: Sequence[Array],
    trees: Sequence[Any],
    names: Sequence[str],
    transform: str,
    holomorphic: bool = False,
    allow_int: bool | None = False,
) -> list[bool]:
    """Which leaves have tangents.

    Args:
        leaves: the inputs.
        trees: the arguments that they are the leaves of.
        names: what these are called.
        transform: what they were given to.
        holomorphic: they must be complex.
        allow_int: they may be integers; `None` if the transform has no such option.

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
            where = place_of(trees, names, i)
            what = f"{transform} with holomorphic=True needs complex inputs, but {where} is {aval}."
            raise NonDifferentiableError(message(what, cure=f"Convert it: numpy.asarray({where}, complex)."))
        nz.append(is_inexact(aval.dtype))
        if not nz[-1] and not allow_int:
            where = place_of(trees, names, i)
            why = f"{'a boolean' if aval.dtype.kind == 'b' else 'an integer'} has no derivative"
            what = f"{transform} needs real or complex inputs, but {where} is {aval}: {why}."
            convert = f"Pass {float(x)!r} for {x!r}" if type(x) in (bool, int) else f"Convert it, {where}.astype(float)"
            others = "or leave it out of argnums"
            if allow_int is not None:
                others = "leave it out of argnums, or pass allow_int=True"
            raise NonDifferentiableError(message(what, cure=f"{convert}, {others}."))
    return nz


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
