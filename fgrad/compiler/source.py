"""Source: a planned program as NumPy code that a person can read, one operation a line."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.compiler.bound import BoundWriter, Numbers
from fgrad.compiler.buffers import Buffers
from fgrad.compiler.plan import Plan, Step
from fgrad.compiler.runtime import run_pieces
from fgrad.compiler.scalars import scalar_expression
from fgrad.compiler.tiles import empty_array, write_group
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Literal, Var
from fgrad.core.printer import variable_names
from fgrad.core.writer import Writer
from fgrad.errors import SourceLine
from fgrad.primitives.contraction import dot_general
from fgrad.primitives.elementwise import Elementwise
from fgrad.primitives.index_kernels import opened
from fgrad.primitives.index_keys import index_source
from fgrad.primitives.indexing import place as place_primitive
from fgrad.primitives.joining import concatenate

__all__ = ["Body", "Names", "Source", "can_write", "new_writer", "operand", "result", "write_body", "write_source"]


class Source(NamedTuple):
    """Generated code.

    Attributes:
        name: the name of the function it defines.
        text: the code of the function.
        namespace: the objects that the code refers to by name.
        lines: for each line of the code the line of the user's program that it comes from.
        code: the same lines, with names for what stands in for parts of them (see `BoundWriter`).
    """

    name: str
    text: str
    namespace: dict[str, Any]
    lines: list[SourceLine | None]
    code: str


def write_source(closed: ClosedJaxpr, plan: Plan, name: str, arguments: Sequence[str]) -> Source:
    """Writes a planned program as a Python function of flat arguments that returns a tuple."""
    writer = new_writer(plan)
    names = Names(writer, arguments, closed)
    function = _identifier(name, "program")
    body = write_body(plan, names, writer, "    ")
    lines = [f"def {function}({', '.join(names[v] for v in closed.jaxpr.invars)}):", *body.lines]
    outs = [result(a, copied, names, writer) for a, copied in zip(closed.jaxpr.outvars, plan.copies, strict=True)]
    lines.append(f"    return ({', '.join(outs)}{',' if len(outs) == 1 else ''})")
    code = "\n".join(lines) + "\n"
    return Source(function, writer.shown(code), writer.namespace, [None, *body.places, None], writer.executed(code))


def new_writer(plan: Plan) -> BoundWriter:
    """A writer whose source may take arrays from buffers of its own."""
    writer = BoundWriter(run_pieces)
    if plan.reserve:
        writer.namespace["_empty"] = Buffers(plan.reserve).empty
    return writer


class Body(NamedTuple):
    """Lines of generated code, and where each comes from."""

    lines: list[str]
    places: list[SourceLine | None]


def write_body(
    plan: Plan,
    names: Names,
    writer: Writer,
    indent: str,
    *,
    ends: bool = True,
    targets: Mapping[Var, str] | None = None,
) -> Body:
    """The statements of a planned program.

    Args:
        plan: the program.
        names: the names of its variables.
        writer: names everything else.
        indent: stands in front of every line.
        ends: the function returns after it; in a loop, arrays would live on through the next step.
        targets: expressions of arrays that some of the variables are to be computed in (see `can_write`).
    """
    lines: list[str] = []
    places: list[SourceLine | None] = []
    last: SourceLine | None = None
    place = None
    parts = _parts(plan)
    numbers = Numbers([step.eqn for step in plan.steps], writer)
    grouped = bool(plan.steps) and plan.steps[0].eqn.primitive.name == "fused"
    marks = [] if grouped else numbers.marks(names.given, names.__getitem__, after=False)
    for planned in plan.steps:
        if planned.eqn.primitive.name == "fused":
            for v in planned.eqn.outvars:
                if v in parts:
                    lines += [indent + text for text in _opened(parts[v].eqn, names, writer)]
                    places += [last, last]
            written, dead = write_group(planned.eqn, names, writer, planned.pooled, parts)
            for text, source in written:
                here = _comment(source) if source is not None else place
                lines.append(indent + text + (f"  # {here}" if here != place and "  # " not in text else ""))
                last = source or last
                places.append(last)
                place = here
            dead += [names[v] for v in planned.drop]
            if dead and not (ends and planned is plan.steps[-1]):
                lines.append(f"{indent}del {', '.join(dead)}")
                places.append(last)
            continue
        if planned.eqn.invars and parts.get(planned.eqn.invars[0]) is planned:
            lines.append(f"{indent}del {names[planned.eqn.invars[0]]}")  # type: ignore[index]
            places.append(last)
            continue
        target = targets.get(planned.eqn.outvars[0]) if targets and planned.eqn.outvars else None
        step = planned if target is None else planned._replace(overwrite=None, pooled=frozenset())
        statement = _statement(step, names, writer, numbers, target)
        text = " ".join([*marks, statement, *numbers.marks(step.eqn.outvars, names.__getitem__, after=True)])
        marks = []
        here = _comment(step.eqn.source) if step.eqn.source is not None else place
        lines.append(indent + text + (f"  # {here}" if here != place else ""))
        last = step.eqn.source or last
        places.append(last)
        place = here
        dead = [names[v] for v in step.drop if step.overwrite is None or v is not step.eqn.invars[step.overwrite]]
        if dead and not (ends and planned is plan.steps[-1]):
            lines.append(f"{indent}del {', '.join(dead)}")
            places.append(last)
    return Body(lines, places)


def _parts(plan: Plan) -> dict[Atom, Step]:
    """The results of groups that are nothing but parts of larger arrays, and what puts them there: they are computed
    where they belong."""
    made = {v for step in plan.steps if _flat(step.eqn) for v in step.pooled}
    if not made:
        return {}
    return {
        step.eqn.invars[0]: step
        for step in plan.steps
        if step.eqn.primitive is place_primitive
        and step.pooled
        and step.eqn.invars[0] in made
        and step.drop == step.eqn.invars
    }


def _flat(eqn: Equation) -> bool:
    """Whether a group takes the rows of its arrays as they are: those of parts need not lie side by side."""
    return eqn.primitive.name == "fused" and eqn.params["axes"] == 1


def _opened(eqn: Equation, names: Names, writer: Writer) -> list[str]:
    """The statements that make the array of a `place`, and name the part that is to be computed."""
    whole, part = names[eqn.outvars[0]], names[eqn.invars[0]]  # type: ignore[index]
    where = f"np.s_[{index_source(eqn.params['key'], ())}]"
    return [
        f"{whole} = {empty_array(eqn.outvars[0].aval, writer, pooled=True)}",
        f"{part} = {writer.constant(opened, 'opened')}({whole}, {where})",
    ]


class Names:
    """Python names for variables: the user's for arguments, letters for the rest."""

    def __init__(self, writer: Writer, arguments: Sequence[str], closed: ClosedJaxpr) -> None:
        self._taken = {"np"} | set(keyword.kwlist)
        self.given = closed.jaxpr.invars
        self._names: dict[Var, str] = {}
        for var, hint in zip(closed.jaxpr.invars, arguments, strict=True):
            self._names[var] = self._free(_identifier(hint, "x"))
        for var, const in zip(closed.jaxpr.constvars, closed.consts, strict=True):
            self._names[var] = writer.constant(const, "constant")
        self._letters: Iterator[str] = iter(variable_names())

    def __getitem__(self, var: Var) -> str:
        name = self._names.get(var)
        if name is None:
            name = self._names[var] = self._letter()
        return name

    def share(self, var: Var, other: Var) -> None:
        self._names[var] = self[other]

    def fresh(self, hint: str) -> str:
        """A name that is nobody's."""
        return self._free(_identifier(hint, "x"))

    def _letter(self) -> str:
        while (name := next(self._letters)) in self._taken:
            pass
        self._taken.add(name)
        return name

    def _free(self, hint: str) -> str:
        name, count = hint, 1
        while name in self._taken:
            count += 1
            name = f"{hint}_{count}"
        self._taken.add(name)
        return name


def can_write(eqn: Equation) -> bool:
    """Whether the code of an equation can write its result into any array of its type whose elements lie in order."""
    primitive, avals = eqn.primitive, [a.aval for a in eqn.invars]
    if primitive.multiple or not eqn.outvars[0].aval.shape:
        return False
    if primitive is dot_general:
        return dot_general.can_write(avals, **eqn.params)
    if isinstance(primitive, Elementwise):
        return primitive.inplace(avals, eqn.outvars[0].aval, **eqn.params)
    return primitive is concatenate


def _statement(step: Step, names: Names, writer: Writer, numbers: Numbers, target: str | None = None) -> str:
    eqn = step.eqn
    inputs = [operand(a, names, writer) for a in eqn.invars]
    number = scalar_expression(eqn, inputs)
    if number is not None:
        return f"{names[eqn.outvars[0]]} = {number}"
    out = inputs[step.overwrite] if step.overwrite is not None else target
    if step.pooled:
        out = empty_array(eqn.outvars[0].aval, writer, pooled=True)
    inputs = numbers.operands(eqn, inputs)
    writer.avals = [a.aval for a in eqn.invars]
    expression = eqn.primitive.lower(writer, inputs, out, **eqn.params)
    if step.overwrite is not None:
        names.share(eqn.outvars[0], eqn.invars[step.overwrite])  # type: ignore[arg-type]
    if not eqn.outvars:
        return expression
    if eqn.primitive.multiple:
        targets = ", ".join(names[v] for v in eqn.outvars)
        return f"{targets}{',' if len(eqn.outvars) == 1 else ''} = {expression}"
    if eqn.outvars[0].aval.weak_type:
        expression += ".item()"
    return f"{names[eqn.outvars[0]]} = {expression}"


def operand(atom: Atom, names: Names, writer: Writer) -> str:
    if type(atom) is Literal:
        text = writer.constant(atom.value, "number")
        return f"({text})" if text.startswith("-") else text
    return names[atom]  # type: ignore[index]


def result(atom: Atom, copied: bool, names: Names, writer: Writer) -> str:
    text = operand(atom, names, writer)
    if type(atom) is Literal and isinstance(atom.value, np.ndarray):
        copied = True
    return f"np.array({text})" + ("[()]" if not atom.aval.shape else "") if copied else text


def _comment(source: Any) -> str:
    file = re.sub(r"[^\w .+-]", "_", source.filename.replace("\\", "/").rsplit("/", 1)[-1])
    return f"{file}:{source.line}"


def _identifier(hint: str, default: str) -> str:
    name = re.sub(r"\W+", "_", hint, flags=re.ASCII).strip("_")
    if not name or name[0].isdigit() or keyword.iskeyword(name) or name == "np" or name.startswith("np_"):
        name = f"{default}_{name}" if name else default
    return name
