"""Jaxprs as text."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

import numpy as np

from fgrad.core.aval import ShapedArray, dtype_name
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Literal, Var, inner_jaxprs

__all__ = ["format_jaxpr"]


def variable_names() -> Iterable[str]:
    """a, b, …, z, ba, bb, …: every name once."""
    for number in count():
        letters = ""
        while True:
            letters = chr(ord("a") + number % 26) + letters
            number //= 26
            if not number:
                break
        yield letters


class _Names:
    def __init__(self) -> None:
        self._fresh = iter(variable_names())
        self._names: dict[Var, str] = {}

    def __call__(self, atom: Atom) -> str:
        if isinstance(atom, Literal):
            return _literal(atom)
        name = self._names.get(atom)
        if name is None:
            name = self._names[atom] = next(self._fresh)
        return name

    def typed(self, var: Var) -> str:
        return f"{self(var)}:{var.aval}"


def _literal(atom: Literal) -> str:
    value = atom.value
    if isinstance(value, np.generic):
        return f"{value!s}:{atom.aval}"
    if isinstance(value, (bool, int, float, complex)):
        return repr(value)
    return f"<{atom.aval}>"


def format_jaxpr(jaxpr: Jaxpr | ClosedJaxpr, *, source: bool = False) -> str:
    """The text of a jaxpr: one equation a line, types at every binding.

    Args:
        jaxpr: what to print.
        source: write the user's line behind each equation.
    """
    inner = jaxpr.jaxpr if isinstance(jaxpr, ClosedJaxpr) else jaxpr
    return "\n".join(_lines(inner, _Names(), "", source))


def _lines(jaxpr: Jaxpr, names: _Names, indent: str, source: bool) -> list[str]:
    binders = " ".join(map(names.typed, jaxpr.constvars)) + ";" if jaxpr.constvars else ";"
    binders = f"{binders} {' '.join(map(names.typed, jaxpr.invars))}".rstrip()
    lines = [f"{indent}{{ lambda {binders} . let"]
    for eqn in jaxpr.eqns:
        lines += _equation(eqn, names, indent + "    ", source)
    outs = [names(a) for a in jaxpr.outvars]
    lines.append(f"{indent}  in ({', '.join(outs)}{',' if len(outs) == 1 else ''}) }}")
    return lines


def _equation(eqn: Equation, names: _Names, indent: str, source: bool) -> list[str]:
    inputs = " ".join(map(names, eqn.invars))
    outs = " ".join(map(names.typed, eqn.outvars)) or "_"
    blocks = inner_jaxprs(eqn.params)
    whole = {key.partition("[")[0] for key, _ in blocks}
    params = [f"{key}={_param(value)}" for key, value in eqn.params.items() if key not in whole]
    tail = f"  # {eqn.source}" if source and eqn.source is not None else ""
    if not blocks:
        given = f"[{' '.join(params)}]" if params else ""
        return [f"{indent}{outs} = {eqn.primitive.name}{given} {inputs}".rstrip() + tail]
    lines = [f"{indent}{outs} = {eqn.primitive.name}["]
    lines += [f"{indent}  {p}" for p in params]
    for key, value in blocks:
        inner = value.jaxpr if isinstance(value, ClosedJaxpr) else value
        body = _lines(inner, names, indent + "  ", source)
        lines += [f"{indent}  {key}={body[0].lstrip()}", *body[1:]]
    lines.append(f"{indent}] {inputs}".rstrip() + tail)
    return lines


def _param(value: Any) -> str:
    if isinstance(value, np.dtype):
        return dtype_name(value)
    if isinstance(value, (ShapedArray, str)):
        return str(value)
    if isinstance(value, tuple) and len(value) == 4 and value[0] == "slice":
        start, stop, step = ("" if part is None else str(part) for part in value[1:])
        return f"{start}:{stop}" + (f":{step}" if step else "")
    if isinstance(value, (Jaxpr, ClosedJaxpr)):
        return "…"  # it is written out below
    if hasattr(value, "_asdict"):
        fields = " ".join(f"{name}={_param(field)}" for name, field in value._asdict().items())
        return f"{type(value).__name__}({fields})"
    if isinstance(value, tuple):
        return f"({','.join(map(_param, value))}{',' if len(value) == 1 else ''})"
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return str(value)


def _install_repr() -> None:
    def show(self: Any) -> str:
        return format_jaxpr(self)

    for cls in (Jaxpr, ClosedJaxpr):
        cls.__repr__ = cls.__str__ = show  # type: ignore[method-assign]


_install_repr()
