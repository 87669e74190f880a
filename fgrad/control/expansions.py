"""Taylor coefficients through control flow: the same choice or loop, over values and all their coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fgrad.control.bodies import block, ignoring
from fgrad.core.aval import Array
from fgrad.core.jaxpr import ClosedJaxpr, Jaxpr
from fgrad.core.primitive import Primitive
from fgrad.transforms.jaxprs import cached
from fgrad.transforms.jet import Pattern, expand_call, filled, jet_jaxpr, packed, pattern_of, unpacked
from fgrad.transforms.series import Terms

__all__ = ["expand_cond", "expand_scan", "expand_while"]

Expanded = tuple[list[Array], list[Terms]]
Patterns = tuple[Pattern, ...]


def expand_cond(
    primitive: Primitive,
    order: int,
    xs: Sequence[Array],
    terms: Sequence[Terms],
    params: dict[str, Any],
    chosen: ClosedJaxpr | None = None,
) -> Expanded:
    """Results and coefficients of a choice between `branches` by the first argument.

    Args:
        primitive: the choice, for all rows or row by row.
        order: how many coefficients.
        xs: the index and the arguments.
        terms: their coefficients.
        params: the parameters of the choice.
        chosen: the branch, if it is known.
    """
    if chosen is not None:
        return expand_call(block, order, xs[1:], terms[1:], {"jaxpr": chosen})
    branches = params["branches"]
    patterns = tuple(pattern_of(t, order) for t in terms[1:])
    wanted = _union([jet_jaxpr(branch, order, patterns)[1] for branch in branches])
    expanded = {**params, "branches": tuple(jet_jaxpr(branch, order, patterns, wanted)[0] for branch in branches)}
    if "mapped" in params:
        expanded["mapped"] = params["mapped"] + _repeated(params["mapped"], patterns)
    outs = primitive.bind(*xs, *packed(terms[1:]), **expanded)
    return outs[: len(wanted)], unpacked(outs[len(wanted) :], wanted)


def expand_scan(
    primitive: Primitive, order: int, xs: Sequence[Array], terms: Sequence[Terms], params: dict[str, Any]
) -> Expanded:
    """Results and coefficients of a loop of known length."""
    first, count = params["num_consts"], params["num_carry"]
    given = tuple(pattern_of(t, order) for t in terms)
    body, patterns, found = loop_body(params["jaxpr"], order, first, count, given)
    full = [filled(x, t, p) for x, t, p in zip(xs, terms, patterns, strict=True)]
    args = _grouped(xs, full, (first, first + count))
    counts = {"num_consts": first + _size(patterns[:first]), "num_carry": count + _size(found[:count])}
    outs = primitive.bind(*args, **{**params, "jaxpr": body, **counts})
    carry_end = counts["num_carry"]
    carry, rows = outs[:carry_end], outs[carry_end:]
    stacked = len(found) - count
    values = [*carry[:count], *rows[:stacked]]
    return values, unpacked([*carry[count:], *rows[stacked:]], found)


def expand_while(
    primitive: Primitive, order: int, xs: Sequence[Array], terms: Sequence[Terms], params: dict[str, Any]
) -> Expanded:
    """Results and coefficients of a loop that ends by a condition, of the values alone."""
    num_cond, num_body = params["num_cond"], params["num_body"]
    middle = num_cond + num_body
    count = len(xs) - middle
    given = tuple(pattern_of(t, order) for t in terms[num_cond:])
    body, patterns, _ = loop_body(params["body_jaxpr"], order, num_body, count, given)
    full = [filled(x, t, p) for x, t, p in zip(xs[num_cond:], terms[num_cond:], patterns, strict=True)]
    args = [*xs[:num_cond], *_grouped(xs[num_cond:], full, (num_body,))]
    carries = params["body_jaxpr"].in_avals[num_body:]
    carried = patterns[num_body:]
    more = tuple(a for a, p in zip(carries, carried, strict=True) for m in p if m)
    expanded = {
        **params,
        "cond_jaxpr": ignoring(params["cond_jaxpr"], more),
        "body_jaxpr": body,
        "num_body": num_body + _size(patterns[:num_body]),
    }
    if "mapped" in params:
        mapped = params["mapped"]
        consts, carry = mapped[num_cond:middle], mapped[middle:]
        consts += _repeated(consts, patterns[:num_body])
        expanded["mapped"] = mapped[:num_cond] + consts + carry + _repeated(carry, carried)
    outs = primitive.bind(*args, **expanded)
    return outs[:count], unpacked(outs[count:], carried)


@cached
def loop_body(
    jaxpr: ClosedJaxpr, order: int, num_consts: int, num_carry: int, patterns: Patterns
) -> tuple[ClosedJaxpr, Patterns, Patterns]:
    """The body of a loop over values and coefficients, and which coefficients inputs and outputs have.

    A carry that is given coefficients on the way, which it does not begin with, has all of them from the beginning.
    """
    middle = num_consts + num_carry
    while True:
        found = jet_jaxpr(jaxpr, order, patterns)[1]
        pairs = zip(patterns[num_consts:middle], found, strict=False)
        carry = tuple(a if _within(b, a) else (True,) * order for a, b in pairs)
        if carry == patterns[num_consts:middle]:
            break
        patterns = patterns[:num_consts] + carry + patterns[middle:]
    none = ((False,) * order,) * (len(found) - num_carry)
    expanded, found = jet_jaxpr(jaxpr, order, patterns, carry + none)
    program = expanded.jaxpr
    ins = _split(program.invars, patterns, (num_consts, middle))
    outs = _split(program.outvars, found, (num_carry,))
    return ClosedJaxpr(Jaxpr(program.constvars, ins, outs, program.eqns), expanded.consts), patterns, found


def _within(a: Pattern, b: Pattern) -> bool:
    return all(n or not m for m, n in zip(a, b, strict=True))


def _union(patterns: Sequence[Patterns]) -> Patterns:
    return tuple(tuple(map(any, zip(*column, strict=True))) for column in zip(*patterns, strict=True))


def _size(patterns: Sequence[Pattern]) -> int:
    return sum(map(sum, patterns))


def _repeated(marks: Sequence[bool], patterns: Sequence[Pattern]) -> tuple[bool, ...]:
    """For every coefficient that there is the mark of its value."""
    return tuple(mark for mark, pattern in zip(marks, patterns, strict=True) for m in pattern if m)


def _grouped(values: Sequence[Any], terms: Sequence[Terms], cuts: Sequence[int]) -> list[Any]:
    """Values in groups, each group followed by its coefficients."""
    out: list[Any] = []
    for start, stop in zip((0, *cuts), (*cuts, len(values)), strict=True):
        out += [*values[start:stop], *packed(terms[start:stop])]
    return out


def _split(variables: Sequence[Any], patterns: Patterns, cuts: Sequence[int]) -> list[Any]:
    """The same from all values followed by all coefficients."""
    return _grouped(variables[: len(patterns)], unpacked(variables[len(patterns) :], patterns), cuts)
