"""Short texts for what stands in a picture: operators, their parameters, values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, dtype_name
from fgrad.core.jaxpr import ClosedJaxpr, Equation, Jaxpr, Literal, inner_jaxprs

__all__ = [
    "INFIX_SIGNS",
    "call_title",
    "clipped",
    "count_operations",
    "function_of",
    "operations",
    "operator_detail",
    "operator_label",
    "value_text",
]

_INFIX = {
    "add": "+",
    "sub": "−",
    "mul": "×",
    "div": "÷",
    "dot_general": "@",
    "matmul": "@",
    "gt": ">",
    "ge": "≥",
    "lt": "<",
    "le": "≤",
    "eq": "=",
    "ne": "≠",
}
INFIX_SIGNS = frozenset(_INFIX.values())
_NAMES = {"neg": "−", "reduce_sum": "Σ", "logistic": "σ", "convert_element_type": "as", "broadcast_to": "broadcast"}
_SILENT = frozenset({"name", "jaxpr", "dimension_numbers", "rule", "captured", "prevent_cse", "policy"})
_LONGEST = 28  # characters of a line
_FEW = 6  # elements that are written out


def clipped(text: str, longest: int = _LONGEST) -> str:
    """A text on one line, and not too long."""
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def number_text(x: Any) -> str:
    """A number in four digits."""
    if isinstance(x, (bool, np.bool_)):
        return str(bool(x))
    if isinstance(x, (complex, np.complexfloating)):
        return f"{x:.4g}"
    if isinstance(x, (int, np.integer)):
        return str(int(x))
    return f"{float(x):.4g}"


def value_text(value: Array) -> str:
    """An array in one line: its elements where they are few, else the least and the greatest."""
    array = np.asarray(value)
    if array.ndim == 0:
        return number_text(array[()])
    if array.size <= _FEW:
        text = _nested(array.tolist())
        if array.size and len(text) <= _LONGEST:
            return text
    if not array.size:
        return "empty"
    if array.dtype.kind == "b":
        return f"{int(array.sum())} of {array.size} true"
    if array.dtype.kind == "c":
        return f"|·| {number_text(np.abs(array).min())} … {number_text(np.abs(array).max())}"
    return f"{number_text(array.min())} … {number_text(array.max())}"


def _nested(x: Any) -> str:
    return "[" + ", ".join(map(_nested, x)) + "]" if isinstance(x, list) else number_text(x)


def call_title(eqn: Equation) -> str:
    """The name of an equation that holds programs: that of the primitive, and that of the user's function."""
    name = function_of(eqn)
    kind = eqn.primitive.name.removesuffix("_call")
    return f"{kind} {name}" if name else kind


def function_of(eqn: Equation) -> str:
    """The user's function that an equation calls; empty where it has no name."""
    name = eqn.params.get("name")
    if not isinstance(name, str):
        program = eqn.params.get("jaxpr")
        first = program.eqns[0].source if isinstance(program, ClosedJaxpr) and program.eqns else None
        name = first.function if first is not None else ""
    return "" if name.startswith("<") else name


def operator_label(eqn: Equation) -> str:
    """What an equation does, with the numbers that it does it with: `×`, `1 −`, `maximum(·, 0)`."""
    if inner_jaxprs(eqn.params):
        return call_title(eqn)
    name = eqn.primitive.name
    operands = [_literal(a) if isinstance(a, Literal) else "·" for a in eqn.invars]
    if name == "integer_pow":
        return _power(eqn.params)
    if name in _INFIX and len(operands) == 2:
        left, right = ("" if x == "·" else x for x in operands)
        return f"{left} {_INFIX[name]} {right}".strip()
    name = _NAMES.get(name, name)
    return name if set(operands) <= {"·"} else f"{name}({', '.join(operands)})"


def _literal(atom: Literal) -> str:
    return number_text(atom.value)


def _power(params: dict[str, Any]) -> str:
    return "power " + " ".join(map(str, params.values()))


def operator_detail(eqn: Equation) -> str:
    """The parameters of an equation, or the size of the programs that it holds."""
    if eqn.primitive.name == "integer_pow":
        return ""
    programs = inner_jaxprs(eqn.params)
    held = {key.partition("[")[0] for key, _ in programs}
    shown = [(k, _parameter(v)) for k, v in eqn.params.items() if k not in _SILENT | held]
    texts = [text if k in ("dtype", "shape") else f"{k}={text}" for k, text in shown if text and k != "weak_type"]
    if not programs:
        return clipped(" ".join(texts))
    count = sum(count_operations(program) for _, program in programs)
    length = [f"length={eqn.params['length']}"] if "length" in eqn.params else []
    return clipped(" · ".join([*length, operations(count)]))


def operations(count: int) -> str:
    return f"{count} operation{'' if count == 1 else 's'}"


def _parameter(value: Any) -> str:
    """A parameter that says something in a word; of others nothing."""
    if isinstance(value, np.dtype):
        return dtype_name(value)
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, (int, float, str)):
        return str(value)
    if isinstance(value, tuple) and all(type(part) is int for part in value):
        return str(value).replace(" ", "")
    return ""


def count_operations(program: Jaxpr | ClosedJaxpr) -> int:
    """The equations of a program and of all that it holds."""
    count, pending = 0, [program]
    while pending:
        eqns: Sequence[Equation] = _eqns(pending.pop())
        count += len(eqns)
        pending += [inner for eqn in eqns for _, inner in inner_jaxprs(eqn.params)]
    return count


def _eqns(program: Jaxpr | ClosedJaxpr) -> Sequence[Equation]:
    return program.eqns
