"""Loops: a body and the loop around it as one function of NumPy code, or of Python's own numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, Protocol

import numpy as np

from fgrad.compiler.bound import BoundWriter
from fgrad.compiler.plain import RAISED, functions_in, plain_numbers, typed_numbers, write_plain
from fgrad.compiler.plan import Plan
from fgrad.compiler.source import Body, Names, Source, can_write, operand, write_body
from fgrad.core.aval import ShapedArray
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Literal, Var
from fgrad.core.writer import Writer

__all__ = ["CountedLoop", "EndlessLoop", "Loop"]

Function = Callable[..., Sequence[Any]]


class Loop(Protocol):
    """Writes the loop around a body."""

    def write(self, closed: ClosedJaxpr, plan: Plan, arguments: Sequence[str]) -> Source:
        """The loop in NumPy code."""

    def write_plain(self, closed: ClosedJaxpr, arguments: Sequence[str], step: Function) -> Source:
        """The loop in Python's own numbers; `step` runs the body where Python raises an error."""

    def adapted(self, loop: Function, avals: Sequence[ShapedArray]) -> Function:
        """What `write_plain` wrote, to be called as what `write` writes; `avals` are those of the body's inputs."""


class CountedLoop:
    """Writes `loop(*consts, *carry, *xs, *stacks, order)`, which takes a step for every row.

    `order` is the range of the numbers of the rows, upwards or downwards. A step reads a row of `xs` and writes one of
    `stacks`. The function returns the last carry.
    """

    def __init__(self, num_consts: int, num_carry: int) -> None:
        self.num_consts = num_consts
        self.num_carry = num_carry

    def write(self, closed: ClosedJaxpr, plan: Plan, arguments: Sequence[str]) -> Source:
        def body(names: Names, writer: Writer, targets: dict[Var, str]) -> Body:
            return write_body(plan, names, writer, "        ", ends=False, targets=targets)

        return self._written(closed, arguments, body)

    def write_plain(self, closed: ClosedJaxpr, arguments: Sequence[str], step: Function) -> Source:
        def body(names: Names, writer: Writer, targets: dict[Var, str]) -> Body:
            return _guarded(closed, names, writer, step)

        return self._written(closed, arguments, body, plain=True)

    def _written(
        self,
        closed: ClosedJaxpr,
        arguments: Sequence[str],
        write: Callable[[Names, Writer, dict[Var, str]], Body],
        plain: bool = False,
    ) -> Source:
        writer = BoundWriter()
        names = Names(writer, arguments, closed)
        jaxpr, middle = closed.jaxpr, self.num_consts + self.num_carry
        rows = jaxpr.invars[middle:]
        arrays = [names.fresh(f"{names[v]}_rows") for v in rows]
        ys = jaxpr.outvars[self.num_carry :]
        stacks = [names.fresh(f"y{k}_rows") for k in range(len(ys))]
        i, order = names.fresh("i"), names.fresh("order")
        carry = jaxpr.invars[self.num_consts : middle]
        given = [*(names[v] for v in jaxpr.invars[:middle]), *arrays, *stacks, order]
        writable = set() if plain else {v for eqn in closed.eqns if can_write(eqn) for v in eqn.outvars}
        in_place = {v: k for k, v in enumerate(ys) if type(v) is Var and v in writable}
        targets = {v: names.fresh(f"y{k}") for v, k in in_place.items()}
        others = [(f"{s}[{i}]", y) for k, (s, y) in enumerate(zip(stacks, ys, strict=True)) if in_place.get(y) != k]  # type: ignore[arg-type]
        needed = {a for eqn in closed.eqns for a in eqn.invars if type(a) is Var} | set(jaxpr.outvars)
        steps = [(i, order)] if others else []
        steps += [(names[v], f"{array}[::{order}.step]") for v, array in zip(rows, arrays, strict=True) if v in needed]
        steps += [(targets[v], f"{stacks[k]}[::{order}.step]") for v, k in in_place.items()]
        head = [_loop_head(steps or [(i, f"{writer.constant(repeat, 'repeat')}(None, len({order}))")])]
        body = write(names, writer, targets)
        tail = [
            *(f"        {row} = {operand(y, names, writer)}" for row, y in others),
            *_passed_on(carry, jaxpr.outvars, names, writer),
        ]
        if not body.lines and not tail:
            tail = ["        pass"]
        tail.append(f"    return {_tuple([names[v] for v in carry])}")
        return _source([_definition(given, writer), *head], body, tail, writer)

    def adapted(self, loop: Function, avals: Sequence[ShapedArray]) -> Function:
        middle = self.num_consts + self.num_carry

        def run(*args: Any) -> tuple[Any, ...]:
            *arrays, order = args[middle:]
            views = [memoryview(x) if isinstance(x, np.ndarray) else x for x in arrays]  # type: ignore[arg-type]
            return tuple(typed_numbers(loop(*plain_numbers(args[:middle]), *views, order), avals[self.num_consts :]))

        return run


class EndlessLoop:
    """Writes `loop(*consts, *carry, going, *lists)`, which takes steps as long as `going`.

    The body returns the carry, whether to go on, and values that are appended to the lists. Where it says so for many
    rows, steps are taken as long as all go on. The function returns the last carry, what the body said last, and the
    number of steps.
    """

    def __init__(self, num_consts: int, num_carry: int) -> None:
        self.num_consts = num_consts
        self.num_carry = num_carry

    def write(self, closed: ClosedJaxpr, plan: Plan, arguments: Sequence[str]) -> Source:
        return self._written(
            closed, arguments, lambda names, writer: write_body(plan, names, writer, "        ", ends=False)
        )

    def write_plain(self, closed: ClosedJaxpr, arguments: Sequence[str], step: Function) -> Source:
        return self._written(closed, arguments, lambda names, writer: _guarded(closed, names, writer, step))

    def _written(self, closed: ClosedJaxpr, arguments: Sequence[str], write: Callable[[Names, Writer], Body]) -> Source:
        writer = BoundWriter()
        names = Names(writer, arguments, closed)
        jaxpr, num_carry = closed.jaxpr, self.num_carry
        ys = jaxpr.outvars[num_carry + 1 :]
        lists = [names.fresh(f"y{k}_list") for k in range(len(ys))]
        going, steps = names.fresh("going"), names.fresh("steps")
        verdict = names.fresh("rows_going") if jaxpr.outvars[num_carry].aval.shape else going
        carry = jaxpr.invars[self.num_consts :]
        given = [*(names[v] for v in jaxpr.invars), going, *lists]
        head = [f"    {steps} = 0", f"    while {going}:"]
        body = write(names, writer)
        tail = [
            *(f"        {s}.append({operand(y, names, writer)})" for s, y in zip(lists, ys, strict=True)),
            f"        {verdict} = {operand(jaxpr.outvars[num_carry], names, writer)}",
            *([f"        {going} = {verdict}.tobytes().find(0) < 0"] if verdict != going else []),  # .all() takes 1 µs
            *_passed_on(carry, jaxpr.outvars, names, writer),
            f"        {steps} += 1",
            f"    return {_tuple([*(names[v] for v in carry), verdict, steps])}",
        ]
        return _source([_definition(given, writer), *head], body, tail, writer)

    def adapted(self, loop: Function, avals: Sequence[ShapedArray]) -> Function:
        middle = self.num_consts + self.num_carry

        def run(*args: Any) -> tuple[Any, ...]:
            *carry, going, steps = loop(*plain_numbers(args[:middle]), *args[middle:])
            return (*typed_numbers(carry, avals[self.num_consts :]), going, steps)

        return run


def _loop_head(steps: Sequence[tuple[str, str]]) -> str:
    """The first line of a loop that gives names to what comes from several sources."""
    names, sources = zip(*steps, strict=True)
    if len(steps) == 1:
        return f"    for {names[0]} in {sources[0]}:"
    return f"    for {', '.join(names)} in zip({', '.join(sources)}):"


def _definition(given: Sequence[str], writer: Writer) -> str:
    """The first line of the function; functions of `math` are found sooner where they are local."""
    local = [f"{name}={name}" for name in functions_in(writer)]
    return f"def loop({', '.join([*given, *local])}):"


def _guarded(closed: ClosedJaxpr, names: Names, writer: Writer, step: Function) -> Body:
    """The statements of a plain program, and what is done where one of them raises an error."""
    body = write_plain(closed.eqns, closed.jaxpr.outvars, names, writer, "            ")
    made = {v for eqn in closed.eqns for v in eqn.outvars}
    targets = [names[a] if type(a) is Var and a in made else "_" for a in closed.jaxpr.outvars]
    given = ", ".join(names[v] for v in closed.jaxpr.invars)
    lines = [
        "        try:",
        *body.lines,
        f"        except {writer.constant(RAISED, 'raised')}:",
        f"            {', '.join(targets)}, = {writer.constant(step, 'step')}({given})",
    ]
    return Body(lines, [None, *body.places, None, None])


def _source(head: list[str], body: Body, tail: list[str], writer: BoundWriter) -> Source:
    """The code of a loop, with the lines that the body comes from."""
    places = [*[None] * len(head), *body.places, *[None] * len(tail)]
    code = "\n".join([*head, *body.lines, *tail]) + "\n"
    return Source("loop", writer.shown(code), writer.namespace, places, writer.executed(code))


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
