"""Plain numbers: a loop over scalars alone runs on Python's own floats, integers and booleans.

What Python and its `math` compute is what NumPy does, to the last bit for arithmetic and up to rounding for
transcendental functions, in a third of the time. Where Python raises an error (division by zero, overflow, a domain),
the step is made with NumPy instead, which gives infinities and NaN.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.compiler.source import Body, Names, operand
from fgrad.core.aval import ShapedArray
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Literal, Var, has_effect
from fgrad.core.writer import Writer
from fgrad.errors import SourceLine
from fgrad.primitives.elementwise import Elementwise
from fgrad.primitives.shape import convert_element_type

__all__ = [
    "RAISED",
    "functions_in",
    "is_plain",
    "may_be_plain",
    "plain_numbers",
    "plain_program",
    "typed_numbers",
    "write_plain",
]

RAISED = (ArithmeticError, ValueError)
"""What Python raises where NumPy computes an infinity, a NaN, or an integer that has wrapped around."""

_DTYPES = frozenset({np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_)})
_KINDS = {"f": float, "i": int, "b": bool}
_SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "arccos": math.acos,
    "arccosh": math.acosh,
    "arcsin": math.asin,
    "arcsinh": math.asinh,
    "arctan": math.atan,
    "arctan2": math.atan2,
    "arctanh": math.atanh,
    "cbrt": math.cbrt,
    "copysign": math.copysign,
    "cos": math.cos,
    "cosh": math.cosh,
    "exp": math.exp,
    "exp2": math.exp2,
    "expm1": math.expm1,
    "fmod": math.fmod,
    "hypot": math.hypot,
    "log": math.log,
    "log10": math.log10,
    "log1p": math.log1p,
    "log2": math.log2,
    "pow": math.pow,
    "sin": math.sin,
    "sinh": math.sinh,
    "sqrt": math.sqrt,
    "tan": math.tan,
    "tanh": math.tanh,
}
_LOW, _HIGH = -(2**63), 2**63 - 1


def may_be_plain(closed: ClosedJaxpr) -> bool:
    """Whether all that goes into a program and comes out of it are scalars that Python has types for."""
    jaxpr = closed.jaxpr
    atoms = [*jaxpr.invars, *jaxpr.outvars]
    return all(a.aval.dtype in _DTYPES and not a.aval.shape for a in atoms)


def is_plain(closed: ClosedJaxpr) -> bool:
    """Whether a program computes element-wise, with scalars that Python has types for, and does nothing else."""
    jaxpr = closed.jaxpr
    atoms = [*jaxpr.constvars, *(a for eqn in jaxpr.eqns for a in (*eqn.invars, *eqn.outvars))]
    if not may_be_plain(closed) or not all(a.aval.dtype in _DTYPES and not a.aval.shape for a in atoms):
        return False
    known = (Elementwise, type(convert_element_type))
    return bool(jaxpr.eqns) and all(isinstance(e.primitive, known) and not has_effect(e) for e in jaxpr.eqns)


def functions_in(writer: Writer) -> list[str]:
    """The names of the functions of `math` that generated code refers to."""
    known = set(map(id, _FUNCTIONS.values()))
    return [name for name, value in writer.namespace.items() if id(value) in known]


def plain_numbers(values: Sequence[Any]) -> list[Any]:
    """Scalars as Python's numbers."""
    return [x.item() if isinstance(x, (np.generic, np.ndarray)) else x for x in values]


def typed_numbers(values: Sequence[Any], avals: Sequence[ShapedArray]) -> list[Any]:
    """Python's numbers as scalars of the given types."""
    return [x if a.weak_type else a.dtype.type(x) for x, a in zip(values, avals, strict=False)]


def plain_program(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The program with Python's numbers in place of NumPy's scalars where they stand in it."""
    eqns = [eqn._replace(invars=[_plain_atom(a) for a in eqn.invars]) for eqn in closed.eqns]
    jaxpr = closed.jaxpr
    outs = [_plain_atom(a) for a in jaxpr.outvars]
    return ClosedJaxpr(type(jaxpr)(jaxpr.constvars, jaxpr.invars, outs, eqns), plain_numbers(closed.consts))


def _plain_atom(atom: Any) -> Any:
    return Literal(atom.value.item()) if type(atom) is Literal and isinstance(atom.value, np.generic) else atom


def write_plain(eqns: Sequence[Equation], outs: Sequence[Atom], names: Names, writer: Writer, indent: str) -> Body:
    """The statements of a plain program; what is used once stands where it is used.

    Args:
        eqns: the program.
        outs: what is needed of it afterwards.
        names: the names of its variables.
        writer: names everything else.
        indent: stands in front of every line.
    """
    lines: list[str] = []
    places: list[SourceLine | None] = []
    once = _used_once(eqns, outs)
    inside: dict[Var, str] = {}
    for eqn in eqns:
        given = [inside.pop(a) if type(a) is Var and a in inside else operand(a, names, writer) for a in eqn.invars]
        out = eqn.outvars[0]
        if out in once and not _is_checked(eqn):
            expression = _expression(eqn, given, writer)
            if expression is not None and len(expression) < _LONG:
                inside[out] = expression if eqn.primitive.name in _FUNCTIONS else f"({expression})"
                continue
        written = _statements(eqn, given, names[out], writer)
        lines += [indent + line for line in written]
        places += [eqn.source] * len(written)
    return Body(lines, places)


_LONG = 100


def _used_once(eqns: Sequence[Equation], outs: Sequence[Atom]) -> set[Var]:
    """The variables that one equation needs, whose expression has it once and computes it in any case."""
    uses = Counter(a for eqn in eqns for a in eqn.invars if type(a) is Var)
    uses.update(a for a in outs if type(a) is Var)
    fit = {a for eqn in eqns if _has_operands_once(eqn) for a in eqn.invars if type(a) is Var}
    fit -= {a for a in outs if type(a) is Var}
    return {v for v in fit if uses[v] == 1}


def _has_operands_once(eqn: Equation) -> bool:
    name = eqn.primitive.name
    if any(a.aval.dtype.kind == "b" for a in eqn.invars):
        return False
    return name in _SYMBOLS or name in _FUNCTIONS or name in ("neg", "div", "absolute", "reciprocal")


def _is_checked(eqn: Equation) -> bool:
    """Whether the result has to be looked at before it is used: an integer may be none of 64 bits."""
    out = eqn.outvars[0].aval
    return out.dtype.kind == "i" and not out.weak_type and eqn.primitive.name != "select"


def _statements(eqn: Equation, operands: list[str], target: str, writer: Writer) -> list[str]:
    expression = _expression(eqn, operands, writer)
    if expression is not None:
        lines = [f"{target} = {expression}"]
        if _is_checked(eqn):
            lines.append(f"if {_overflow(eqn, target)}: raise OverflowError")
        return lines
    writer.avals = [a.aval for a in eqn.invars]
    if not isinstance(eqn.primitive.impl, np.ufunc):
        operands = [f"np.{a.dtype.type.__name__}({x})" for a, x in zip(writer.avals, operands, strict=True)]
    return [f"{target} = {eqn.primitive.lower(writer, operands, None, **eqn.params)}.item()"]


def _overflow(eqn: Equation, name: str) -> str:
    """Whether an integer is none of 64 bits."""
    steps = [a.value for a in eqn.invars if type(a) is Literal]
    if eqn.primitive.name == "add" and steps and steps[0] >= 0:
        return f"{name} > {_HIGH}"
    return f"not {_LOW} <= {name} <= {_HIGH}"


def _expression(eqn: Equation, operands: list[str], writer: Writer) -> str | None:
    """The equation in Python's own words; `None` where NumPy has to compute it."""
    name, kinds = eqn.primitive.name, "".join(a.aval.dtype.kind for a in eqn.invars)
    if name == "select":
        return _choice(eqn, operands)
    if name == "convert_element_type":
        return _conversion(kinds, eqn.outvars[0].aval, operands[0])
    if "b" in kinds:
        return _logic(name, operands) if set(kinds) == {"b"} else None
    if len(set(kinds)) == 2:  # Python compares and divides integers and floats exactly, NumPy after conversion
        operands = [f"float({x})" if kind == "i" else x for x, kind in zip(operands, kinds, strict=True)]
    if name in _SYMBOLS:
        return f"{operands[0]} {_SYMBOLS[name]} {operands[1]}"
    if "f" not in kinds:
        return _whole(name, operands)
    return _real(eqn, operands, writer)


def _whole(name: str, operands: list[str]) -> str | None:
    """What is computed with integers, besides arithmetic."""
    if name == "neg":
        return f"-{operands[0]}"
    if name == "square":
        return f"{operands[0]} * {operands[0]}"
    return f"float({operands[0]}) / float({operands[1]})" if name == "div" else None


def _real(eqn: Equation, operands: list[str], writer: Writer) -> str | None:
    """What is computed with floats, besides arithmetic."""
    name, x, y = eqn.primitive.name, operands[0], operands[-1]
    if name in _FUNCTIONS:
        return f"{writer.constant(_FUNCTIONS[name], name)}({', '.join(operands)})"
    if name == "integer_pow" and eqn.params["y"] != 2:
        return f"{x} ** {eqn.params['y']}"
    written = {
        "neg": f"-{x}",
        "div": f"{x} / {y}",
        "square": f"{x} * {x}",
        "integer_pow": f"{x} * {x}",
        "absolute": f"abs({x})",
        "fabs": f"abs({x})",
        "positive": x,
        "reciprocal": f"1.0 / {x}",
        "is_nan": f"{x} != {x}",
        "maximum": f"{x} if {x} > {y} or {x} != {x} else {y}",
        "minimum": f"{x} if {x} < {y} or {x} != {x} else {y}",
    }
    return written.get(name)


def _choice(eqn: Equation, operands: list[str]) -> str | None:
    if any(a.aval.dtype != eqn.outvars[0].aval.dtype for a in eqn.invars[1:]):
        return None
    return f"{operands[1]} if {operands[0]} else {operands[2]}"


def _conversion(kind: str, out: ShapedArray, x: str) -> str | None:
    if kind == out.dtype.kind:
        return x
    return f"{_KINDS[out.dtype.kind].__name__}({x})"


_LOGIC = {"logical_and": "and", "bitwise_and": "and", "logical_or": "or", "bitwise_or": "or", "eq": "==", "ne": "!="}


def _logic(name: str, operands: list[str]) -> str | None:
    if name in ("logical_not", "bitwise_not"):
        return f"not {operands[0]}"
    if name in ("logical_xor", "bitwise_xor"):
        return f"{operands[0]} != {operands[1]}"
    return f"{operands[0]} {_LOGIC[name]} {operands[1]}" if name in _LOGIC else None
