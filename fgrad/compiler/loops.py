"""Loops: a body and the loop around it as one function of NumPy code."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fgrad.compiler.plan import Plan
from fgrad.compiler.source import Body, Names, Source, operand, write_body
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Literal, Var
from fgrad.core.writer import Writer

__all__ = ["counted_loop", "endless_loop"]


def counted_loop(num_consts: int, num_carry: int) -> Callable[..., Source]:
    """Writes `loop(*consts, *carry, *xs, *stacks, order)`, which takes a step for every number in `order`.

    A step reads the rows of `xs` of that number and writes those of `stacks`. The function returns the last carry.
    """

    def write(closed: ClosedJaxpr, plan: Plan, name: str, arguments: Sequence[str]) -> Source:
        writer = Writer()
        names = Names(writer, arguments, closed)
        jaxpr = closed.jaxpr
        rows = jaxpr.invars[num_consts + num_carry :]
        arrays = [names.fresh(f"{names[v]}_rows") for v in rows]
        ys = jaxpr.outvars[num_carry:]
        stacks = [names.fresh(f"y{k}_rows") for k in range(len(ys))]
        i, order = names.fresh("i"), names.fresh("order")
        carry = jaxpr.invars[num_consts : num_consts + num_carry]
        given = [*(names[v] for v in jaxpr.invars[: num_consts + num_carry]), *arrays, *stacks, order]
        lines = [f"def loop({', '.join(given)}):", f"    for {i} in {order}:"]
        lines += [f"        {names[v]} = {array}[{i}]" for v, array in zip(rows, arrays, strict=True)]
        head = len(lines)
        body = write_body(plan, names, writer, "        ", ends=False)
        lines += body.lines
        lines += [f"        {s}[{i}] = {operand(y, names, writer)}" for s, y in zip(stacks, ys, strict=True)]
        lines += _passed_on(carry, jaxpr.outvars, names, writer)
        lines.append(f"    return {_tuple([names[v] for v in carry])}")
        places = [*[None] * head, *body.places]
        return Source(
            "loop", "\n".join(lines) + "\n", writer.namespace, [*places, *[None] * (len(lines) - len(places))]
        )

    return write


def endless_loop(num_consts: int, num_carry: int) -> Callable[..., Source]:
    """Writes `loop(*consts, *carry, going, *lists)`, which takes steps as long as `going`.

    The body returns the carry, whether to go on, and values that are appended to the lists. The function returns the
    last carry and the number of steps.
    """

    def write(closed: ClosedJaxpr, plan: Plan, name: str, arguments: Sequence[str]) -> Source:
        writer = Writer()
        names = Names(writer, arguments, closed)
        jaxpr = closed.jaxpr
        ys = jaxpr.outvars[num_carry + 1 :]
        lists = [names.fresh(f"y{k}_list") for k in range(len(ys))]
        going, steps = names.fresh("going"), names.fresh("steps")
        carry = jaxpr.invars[num_consts:]
        given = [*(names[v] for v in jaxpr.invars), going, *lists]
        lines = [f"def loop({', '.join(given)}):", f"    {steps} = 0", f"    while {going}:"]
        head = len(lines)
        body = write_body(plan, names, writer, "        ", ends=False)
        lines += body.lines
        lines += [f"        {s}.append({operand(y, names, writer)})" for s, y in zip(lists, ys, strict=True)]
        lines.append(f"        {going} = {operand(jaxpr.outvars[num_carry], names, writer)}")
        lines += _passed_on(carry, jaxpr.outvars, names, writer)
        lines.append(f"        {steps} += 1")
        lines.append(f"    return {_tuple([*(names[v] for v in carry), steps])}")
        places = [*[None] * head, *body.places]
        return Source(
            "loop", "\n".join(lines) + "\n", writer.namespace, [*places, *[None] * (len(lines) - len(places))]
        )

    return write


def _source(lines: list[str], head: int, body: Body, writer: Writer) -> Source:
    """The code of a loop whose body stands after so many lines."""
    places = [*[None] * head, *body.places]
    return Source("loop", "\n".join(lines) + "\n", writer.namespace, [*places, *[None] * (len(lines) - len(places))])


def _tuple(items: Sequence[str]) -> str:
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


def _passed_on(carry: Sequence[Var], outs: Sequence[Atom], names: Names, writer: Writer) -> list[str]:
    """The statement that makes the new carry the old one."""
    pairs = [(v, a) for v, a in zip(carry, outs, strict=False) if a is not v]
    if not pairs:
        return []
    targets = ", ".join(names[v] for v, _ in pairs)
    values = ", ".join(_value(v, a, names, writer) for v, a in pairs)
    return [f"        {targets} = {values}"]


def _value(var: Var, atom: Atom, names: Names, writer: Writer) -> str:
    """A new value of a carry; what is carried as a Python number stays one."""
    text = operand(atom, names, writer)
    becomes_number = var.aval.weak_type and not atom.aval.weak_type and type(atom) is not Literal
    return f"{text}.item()" if becomes_number else text
