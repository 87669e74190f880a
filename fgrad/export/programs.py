"""Programs as Python functions: straight-line code, and the loops and branches in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fgrad.compiler.barriers import without_barriers
from fgrad.compiler.inline import inline
from fgrad.compiler.plan import Plan, Step, plan
from fgrad.compiler.simplify import simplify
from fgrad.compiler.source import Names, operand, result, write_body
from fgrad.core.aval import ShapedArray
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Var
from fgrad.core.primitive import Primitive
from fgrad.core.writer import Writer
from fgrad.errors import ExportError, message
from fgrad.export.bundle import UnexportableError
from fgrad.export.values import ExportWriter, tuple_source

__all__ = ["Programs"]

_PYTHON = {"b": "bool", "i": "int", "u": "int", "f": "float", "c": "complex"}
_ADVICE = {
    "deferred": "Reverse mode through lax.while_loop takes as many steps as values say: use lax.scan or fori_loop.",
    "while_rows": "Under vmap each row stops by itself: export the function of one row, or use lax.fori_loop.",
    "cond_rows": "Under vmap each row chooses by itself: use numpy.where, or export the function of one row.",
}
_CURE = "Leave it out of the exported function: compute it before, and pass it as an argument."


class Programs:
    """Writes programs into a module.

    Attributes:
        writer: names and definitions of the module.
    """

    def __init__(self) -> None:
        self.writer = ExportWriter(self.function)

    def ready(self, closed: ClosedJaxpr) -> tuple[ClosedJaxpr, Plan]:
        """A program, simplified and planned, whose control flow consists of calls of functions of the module.

        Raises:
            ExportError: an operation cannot be written as NumPy.
        """
        program = without_barriers(simplify(inline(closed)))
        eqns = [self._checked(eqn) for eqn in program.eqns]
        jaxpr = program.jaxpr
        program = ClosedJaxpr(Jaxpr(jaxpr.constvars, jaxpr.invars, jaxpr.outvars, eqns), program.consts)
        planned = plan(program.jaxpr)
        return program, planned._replace(steps=[Step(s.eqn, s.overwrite, s.drop) for s in planned.steps])

    def function(self, closed: ClosedJaxpr, hint: str) -> str:
        """Defines a function of flat arguments that returns a tuple; returns its name."""
        program, planned = self.ready(closed)
        names = Names(self.writer, [f"x{i}" for i in range(len(program.jaxpr.invars))], program)
        lines = write_body(planned, names, self.writer, "    ").lines
        outs = [result(a, c, names, self.writer) for a, c in zip(program.jaxpr.outvars, planned.copies, strict=True)]
        return self._define(
            hint, [names[v] for v in program.jaxpr.invars], [*lines, f"    return {tuple_source(outs)}"]
        )

    def _define(self, hint: str, arguments: Sequence[str], lines: Sequence[str]) -> str:
        name = self.writer.fresh(hint)
        self.writer.bundle.definitions.append("\n".join([f"def {name}({', '.join(arguments)}):", *lines]) + "\n")
        return name

    def _checked(self, eqn: Equation) -> Equation:
        """An equation that can be written: itself, or a call in the place of control flow."""
        try:
            if eqn.primitive.effect or "callback" in eqn.params:
                raise UnexportableError("a function of Python's that is called back")
            write = _CONTROL.get(eqn.primitive.name)
            if write is not None:
                return eqn._replace(primitive=_Called(eqn.primitive, write(self, eqn)), params={})
            self.writer.avals = [a.aval for a in eqn.invars]
            inputs = [f"x{i}" for i in range(len(eqn.invars))]
            eqn.primitive.lower(self.writer, inputs, None, **eqn.params)
        except UnexportableError as error:
            what = f"`{eqn.primitive.name}` cannot be exported as NumPy: it needs {error}."
            cure = _ADVICE.get(eqn.primitive.name, _CURE)
            raise ExportError(message(what, at=eqn.source, cure=cure)) from None
        return eqn

    def branches(self, eqn: Equation) -> str:
        """What is called in the place of a choice: `{0}` stands for the index."""
        found = [self.function(branch, "branch") for branch in eqn.params["branches"]]
        if len(found) == 1:
            return found[0]
        if eqn.invars[0].aval.dtype.kind == "b":
            return f"({found[1]} if {{0}} else {found[0]})"
        return f"{tuple_source(found)}[min(max(int({{0}}), 0), {len(found) - 1})]"

    def block(self, eqn: Equation) -> str:
        return self.function(eqn.params["jaxpr"], "block")

    def scan(self, eqn: Equation) -> str:
        """Defines the loop of a scan."""
        params = eqn.params
        num_consts, num_carry, length = params["num_consts"], params["num_carry"], params["length"]
        program, planned = self.ready(params["jaxpr"])
        jaxpr = program.jaxpr
        middle = num_consts + num_carry
        consts, carry, rows = jaxpr.invars[:num_consts], jaxpr.invars[num_consts:middle], jaxpr.invars[middle:]
        hints = [*_hints("const", consts), *_hints("carry", carry), *_hints("row", rows)]
        names = Names(self.writer, hints, program)
        arrays = [names.fresh(f"{names[v]}_all") for v in rows]
        stacks = [names.fresh(f"out_{k}") for k in range(len(jaxpr.outvars) - num_carry)]
        i = names.fresh("step")
        lines = _numbers([*consts, *carry], names)
        lines += [f"    {a} = {a}.tolist()" for v, a in zip(rows, arrays, strict=True) if v.aval.weak_type]
        for stack, atom in zip(stacks, jaxpr.outvars[num_carry:], strict=True):
            shape = (length, *atom.aval.shape)
            lines.append(f"    {stack} = np.empty({shape}, {self.writer.constant(atom.aval.dtype)})")
        lines.append(f"    for {i} in {f'reversed(range({length}))' if params['reverse'] else f'range({length})'}:")
        lines += [f"        {names[v]} = {array}[{i}]" for v, array in zip(rows, arrays, strict=True)]
        lines += write_body(planned, names, self.writer, "        ", ends=False).lines
        for stack, atom in zip(stacks, jaxpr.outvars[num_carry:], strict=True):
            lines.append(f"        {stack}[{i}] = {operand(atom, names, self.writer)}")
        lines += _passed_on(carry, jaxpr.outvars, names, self.writer)
        lines.append(f"    return {tuple_source([*_owned(carry, names), *stacks])}")
        return self._define("scan", [*(names[v] for v in [*consts, *carry]), *arrays], lines)

    def while_loop(self, eqn: Equation) -> str:
        """Defines a loop that ends by a condition."""
        params = eqn.params
        num_cond, num_body = params["num_cond"], params["num_body"]
        cond, cond_plan = self.ready(params["cond_jaxpr"])
        body, body_plan = self.ready(params["body_jaxpr"])
        consts, carry = body.jaxpr.invars[:num_body], body.jaxpr.invars[num_body:]
        held = _hints("cond_const", cond.jaxpr.invars[:num_cond])
        names = Names(self.writer, [*_hints("const", consts), *_hints("carry", carry)], body)
        tests = Names(self.writer, [*held, *(names[v] for v in carry)], cond)
        lines = _numbers(cond.jaxpr.invars[:num_cond], tests) + _numbers(body.jaxpr.invars, names)
        lines.append("    while True:")
        lines += write_body(cond_plan, tests, self.writer, "        ", ends=False).lines
        lines += [f"        if not {operand(cond.jaxpr.outvars[0], tests, self.writer)}:", "            break"]
        lines += write_body(body_plan, names, self.writer, "        ", ends=False).lines
        lines += _passed_on(carry, body.jaxpr.outvars, names, self.writer)
        lines.append(f"    return {tuple_source(_owned(carry, names))}")
        arguments = [*(tests[v] for v in cond.jaxpr.invars[:num_cond]), *(names[v] for v in body.jaxpr.invars)]
        return self._define("while_loop", arguments, lines)


_CONTROL = {
    "cond": Programs.branches,
    "block": Programs.block,
    "scan": Programs.scan,
    "while_loop": Programs.while_loop,
}


class _Called(Primitive):
    """Stands in an exported program for control flow: a call of a function of the module."""

    multiple = True

    def __init__(self, original: Primitive, function: str) -> None:  # it is not declared: no other has its name
        self.name = original.name
        self.function = function
        self.opaque = original.opaque

    def lower(self, write: Writer, names: Sequence[str], out: str | None, **params: Any) -> str:
        given = names[1:] if self.name == "cond" else names
        return f"{self.function.format(names[0] if names else '')}({', '.join(given)})"


def _hints(stem: str, variables: Sequence[Var]) -> list[str]:
    return [stem if len(variables) == 1 else f"{stem}_{i}" for i in range(len(variables))]


def _number(text: str, aval: ShapedArray) -> str:
    return f"{_PYTHON[aval.dtype.kind]}({text})"


def _numbers(variables: Sequence[Var], names: Names) -> list[str]:
    """Statements that make Python's own numbers of what a program takes as such."""
    return [f"    {names[v]} = {_number(names[v], v.aval)}" for v in variables if v.aval.weak_type]


def _owned(carry: Sequence[Var], names: Names) -> list[str]:
    """What a loop carried last, in memory of its own."""
    return [f"np.array({names[v]})" if v.aval.shape else names[v] for v in carry]


def _passed_on(carry: Sequence[Var], outs: Sequence[Atom], names: Names, writer: Writer) -> list[str]:
    """The statement that makes the new carry the old one."""
    pairs = [(v, a) for v, a in zip(carry, outs, strict=False) if a is not v]
    if not pairs:
        return []
    values = [operand(a, names, writer) for _, a in pairs]
    values = [
        _number(x, v.aval) if v.aval.weak_type and not a.aval.weak_type else x
        for x, (v, a) in zip(values, pairs, strict=True)
    ]
    return [f"        {', '.join(names[v] for v, _ in pairs)} = {', '.join(values)}"]
