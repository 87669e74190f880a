"""Programs as JSON and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from inspect import signature
from keyword import iskeyword
from typing import Any

import numpy as np

from fgrad.core.checker import check_jaxpr
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Literal, Var
from fgrad.core.primitive import Primitive, registry
from fgrad.errors import ExportError, JaxprError, message, public
from fgrad.export.json_values import ProgramDecoder, ProgramEncoder, aval_text, read_aval
from fgrad.io.values import MalformedError, UnstorableError
from fgrad.tree.text import short

__all__ = ["from_json", "to_json"]

FORMAT, VERSION = "fgrad.jaxpr", 1

_OWN = re.compile(r"fgrad(\.[a-z][a-z0-9_]*)+")


@public
def to_json(jaxpr: ClosedJaxpr) -> str:
    """Writes a program as JSON, one equation a line, from which `from_json` makes it again.

    The same program gives the same text in every process, so that texts can be compared, hashed and kept under version
    control. Constants are part of it, places in the user's source are not.

    Args:
        jaxpr: a program, as `make_jaxpr` makes it.

    Returns:
        The text. It holds "programs", inner ones first; variables are numbered in the order in which they are bound,
        and types are dtype, shape and `~` for a weak type.

    Raises:
        ExportError: the program holds a Python function: a callback, a derivative rule, a solver of the user's; says in
            which equation.

    >>> import fgrad
    >>> print(to_json(fgrad.make_jaxpr(lambda x: 2 * x)(1.5)))
    {"format": "fgrad.jaxpr", "version": 1,
    "primitives": {"mul": "fgrad.primitives.elementwise"},
    "arrays": [],
    "programs": [
    {"consts": [], "invars": ["<f8[]~"], "outvars": [1], "eqns": [
    ["mul", [{"literal": 2}, 0], ["<f8[]~"], {}]]}]}
    """
    if not isinstance(jaxpr, ClosedJaxpr):
        what = f"to_json: jaxpr must be a ClosedJaxpr, got {short(jaxpr)}."
        raise ExportError(message(what, cure="fgrad.make_jaxpr(f)(*args) makes the program of a function."))
    encoder = ProgramEncoder()
    primitives: dict[str, Primitive] = {}
    programs: list[str] = []
    for program in _inner_first(jaxpr):
        programs.append(_program_text(program, encoder, primitives))
        encoder.numbers[id(program)] = len(programs) - 1
    modules = {name: type(primitives[name]).__module__ for name in sorted(primitives)}
    lines = [
        f'{{"format": "{FORMAT}", "version": {VERSION},\n"primitives": {json.dumps(modules)}',
        f'"arrays": [{",".join(map(_line, encoder.arrays))}]',
        f'"programs": [{",".join(programs)}]}}',
    ]
    return ",\n".join(lines)


def _line(value: Any) -> str:
    return f"\n{json.dumps(value)}"


def _inner_first(root: ClosedJaxpr) -> Iterator[ClosedJaxpr | Jaxpr]:
    """Every program, each once, those that it holds before it."""
    done: set[int] = set()
    pending: list[tuple[ClosedJaxpr | Jaxpr, bool]] = [(root, False)]
    while pending:
        program, ready = pending.pop()
        if id(program) in done:
            continue
        if ready:
            done.add(id(program))
            yield program
            continue
        pending.append((program, True))
        pending += [(inner, False) for eqn in program.eqns for inner in _held(tuple(eqn.params.values()))]


def _held(value: Any) -> list[ClosedJaxpr | Jaxpr]:
    """The programs in a parameter."""
    if isinstance(value, (ClosedJaxpr, Jaxpr)):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    return [inner for item in value for inner in _held(item)] if isinstance(value, (tuple, list)) else []


def _program_text(program: ClosedJaxpr | Jaxpr, encoder: ProgramEncoder, primitives: dict[str, Primitive]) -> str:
    jaxpr = program.jaxpr if isinstance(program, ClosedJaxpr) else program
    numbers: dict[Var, int] = {}
    where = "a constant"
    try:
        if isinstance(program, ClosedJaxpr):
            head = f'"consts": {json.dumps([encoder(const) for const in program.consts])}'
        else:
            head = f'"constvars": {json.dumps([aval_text(v.aval) for v in jaxpr.constvars])}'
        for var in (*jaxpr.constvars, *jaxpr.invars):
            numbers[var] = len(numbers)
        lines = []
        for place, eqn in enumerate(jaxpr.eqns):
            where = f"equation {place} ({eqn.primitive.name}) of the program"
            primitives[eqn.primitive.name] = eqn.primitive
            lines.append(_line(_equation(eqn, numbers, encoder)))
        where = "an output"
        outs = [_atom(atom, numbers, encoder) for atom in jaxpr.outvars]
        invars = [aval_text(v.aval) for v in jaxpr.invars]
    except UnstorableError as error:
        cure = (
            "A text holds no Python functions: no callbacks, derivative rules or solvers. Pickle keeps those functions"
        )
        cure += " that can be imported."
        raise ExportError(message(f"to_json: {where} holds {error}.", cure=cure)) from None
    return f'\n{{{head}, "invars": {json.dumps(invars)}, "outvars": {json.dumps(outs)}, "eqns": [{",".join(lines)}]}}'


def _equation(eqn: Equation, numbers: dict[Var, int], encoder: ProgramEncoder) -> list[Any]:
    inputs = [_atom(atom, numbers, encoder) for atom in eqn.invars]
    for var in eqn.outvars:
        numbers[var] = len(numbers)
    params = {name: encoder(value) for name, value in eqn.params.items()}
    return [eqn.primitive.name, inputs, [aval_text(v.aval) for v in eqn.outvars], params]


def _atom(atom: Atom, numbers: dict[Var, int], encoder: ProgramEncoder) -> Any:
    return numbers[atom] if isinstance(atom, Var) else {"literal": encoder(atom.value)}


# Reading


@public
def from_json(text: str) -> ClosedJaxpr:
    """Makes a program from the text that `to_json` wrote.

    Nothing in the text is run: primitives are looked up by name among those that are declared, in fgrad or in modules
    that are imported already, and the program is checked: every variable is bound before it is used, and has the type
    that the primitive's shape rule says.

    Args:
        text: what `to_json` returned.

    Returns:
        The program. It is called on flat arguments, and can be transformed and compiled as any function.

    Raises:
        JaxprError: the text is damaged, of another version, or holds no well-formed program; says where.

    >>> import fgrad
    >>> import numpy as np
    >>> text = to_json(fgrad.make_jaxpr(fgrad.grad(np.sin))(0.0))
    >>> from_json(text)(0.0)
    [np.float64(1.0)]
    """
    try:
        found = json.loads(text) if isinstance(text, (str, bytes)) else None
        if type(found) is not dict or found.get("format") != FORMAT:
            raise MalformedError("it is not the text of a program of fgrad's")
        if type(found.get("version")) is not int or found["version"] != VERSION:
            version = repr(found.get("version"))[:20]
            raise MalformedError(f"it is of version {version}; this release of fgrad reads version {VERSION}")
        closed = _programs(found)
        check_jaxpr(closed)
    except Exception as error:
        what = str(error) if isinstance(error, MalformedError) else f"{type(error).__name__}: {error}"
        raise JaxprError(message(f"from_json: the text cannot be read: {what[:500]}.")) from error
    return closed


def _programs(found: dict[str, Any]) -> ClosedJaxpr:
    modules, arrays, programs = (found.get(key) for key in ("primitives", "arrays", "programs"))
    if type(modules) is not dict or type(arrays) is not list or type(programs) is not list or not programs:
        raise MalformedError("its primitives, arrays or programs are missing")
    for name, module in modules.items():
        _declare(name, module)
    decoder = ProgramDecoder(arrays)
    for program in programs:
        decoder.programs.append(_program(program, decoder))
    closed = decoder.programs[-1]
    if not isinstance(closed, ClosedJaxpr):
        raise MalformedError("the last program has no constants")
    return closed


def _declare(name: str, module: Any) -> None:
    """Makes sure that a primitive is declared: modules of fgrad, and no others, are imported for it."""
    if name not in registry and type(module) is str and _OWN.fullmatch(module):
        try:
            import_module(module)
        except ImportError:
            pass  # the primitive is not declared then
    if name not in registry:
        raise MalformedError(f"the primitive {name[:60]!r} is not declared: import {repr(module)[:60]} first")


def _program(found: Any, decoder: ProgramDecoder) -> ClosedJaxpr | Jaxpr:
    closed = type(found) is dict and "consts" in found
    keys = {"consts" if closed else "constvars", "invars", "outvars", "eqns"}
    if type(found) is not dict or found.keys() != keys or not all([type(part) is list for part in found.values()]):
        raise MalformedError("a program that is not lists of constants, variables and equations")
    consts = [decoder(const) for const in found["consts"]] if closed else []
    constvars = [Literal(const).aval for const in consts] if closed else map(read_aval, found["constvars"])
    bound = [Var(aval) for aval in (*constvars, *map(read_aval, found["invars"]))]
    heads = len(bound) - len(found["invars"])
    binders = list(bound)
    eqns = [_read_equation(place, eqn, bound, decoder) for place, eqn in enumerate(found["eqns"])]
    outs = [_read_atom(atom, bound, decoder) for atom in found["outvars"]]
    jaxpr = Jaxpr(binders[:heads], binders[heads:], outs, eqns)
    return ClosedJaxpr(jaxpr, consts) if closed else jaxpr


def _read_equation(place: int, found: Any, bound: list[Var], decoder: ProgramDecoder) -> Equation:
    try:
        name, inputs, outputs, params = found
        if type(name) is not str or name not in registry or type(params) is not dict:
            raise MalformedError(f"{repr(name)[:60]} is no primitive with parameters")
        invars = [_read_atom(atom, bound, decoder) for atom in _listed(inputs)]
        outvars = [Var(read_aval(aval)) for aval in _listed(outputs)]
        bound += outvars
        given = {key: decoder(value) for key, value in params.items()}
        _check_call(registry[name], invars, given)
        return Equation(registry[name], invars, outvars, given, None)
    except (TypeError, ValueError) as error:
        raise MalformedError(f"equation {place}: {error}") from error


def _check_call(primitive: Primitive, invars: Sequence[Atom], params: dict[str, Any]) -> None:
    """Refuses arguments and parameters that the primitive does not have: shape rules may ignore them."""
    impl: Any = getattr(primitive, "impl", None)
    if isinstance(impl, np.ufunc):
        fits = len(invars) == impl.nin and not params
    else:
        fits = all([key.isidentifier() and not iskeyword(key) for key in params])
        if callable(impl):
            signature(impl).bind(*invars, **params)
    if not fits:
        raise MalformedError(f"`{primitive.name}` does not take {len(invars)} arguments and {list(params)[:5]}"[:200])


def _read_atom(found: Any, bound: Sequence[Var], decoder: ProgramDecoder) -> Atom:
    if type(found) is int and 0 <= found < len(bound):
        return bound[found]
    if type(found) is dict and found.keys() == {"literal"}:
        literal = Literal(decoder(found["literal"]))
        assert literal.aval is not None  # raises where it is no number
        return literal
    raise MalformedError(f"{repr(found)[:60]} is neither a bound variable nor a literal")


def _listed(found: Any) -> list[Any]:
    if type(found) is not list:
        raise MalformedError(f"{repr(found)[:60]} where a list belongs")
    return found
