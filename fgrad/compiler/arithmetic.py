"""Arithmetic: signs and constant factors that are merged into what stands next to them.

A derivative is full of them: every subtraction, every power, every mean leaves a sign or a factor on an array, each
of which would be a pass over memory. Nothing overflows that did not, and infinities and NaN stay what they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fgrad.core.jaxpr import Atom, Equation, Literal, Var
from fgrad.primitives.elementwise import add, div, mul, neg, sub
from fgrad.primitives.exponential import square
from fgrad.primitives.shape import reduce_sum

__all__ = ["merged", "negated_sum"]

Producers = dict[Var, Equation]

_MODERATE = 8


def merged(eqn: Equation, producers: Producers) -> list[Equation] | None:
    """Equations for the same that reads what an operand is made from, instead of the operand.

    Signs are moved exactly; two constant factors become one, rounded once. An operand that is used nowhere else is
    not computed any more.
    """
    rule = _RULES.get(eqn.primitive.name)
    if rule is None or eqn.outvars[0].aval.dtype.kind != "f" or not eqn.outvars[0].aval.shape:
        return None
    made = rule(eqn, producers)
    return [made] if isinstance(made, Equation) else made


def negated_sum(eqn: Equation, producers: Producers) -> list[Equation] | None:
    """Σ −x is 0 − Σ x, which keeps the 0 of terms that cancel."""
    p = _negated(eqn.invars[0], producers) if eqn.primitive is reduce_sum else None
    if p is None:
        return None
    out = eqn.outvars[0]
    total = Var(out.aval)
    return [
        eqn._replace(invars=[p], outvars=[total]),
        Equation(sub, [Literal(0.0), total], [out], {}, eqn.source),
    ]


def _negation(eqn: Equation, producers: Producers) -> Equation | None:
    """−(c·x) is (−c)·x, and so are quotients with a constant."""
    source = _source(eqn.invars[0], producers)
    if source is None or source.primitive not in (mul, div):
        return None
    x, y = source.invars
    if _number(x) is not None:
        return _made(eqn, source.primitive, [_constant(-_number(x), x), y])  # type: ignore[operator]
    if _number(y) is not None:
        return _made(eqn, source.primitive, [x, _constant(-_number(y), y)])  # type: ignore[operator]
    return None


def _sum(eqn: Equation, producers: Producers) -> Equation | None:
    """x + (−y) is x − y; c·x + c·x is (2c)·x."""
    x, y = eqn.invars
    if (p := _negated(y, producers)) is not None:
        return _made(eqn, sub, [x, p])
    if (p := _negated(x, producers)) is not None:
        return _made(eqn, sub, [y, p])
    source = _source(x, producers) if x is y else None
    if source is None or source.primitive is not mul:
        return None
    for c, z in (source.invars, source.invars[::-1]):
        double = _factor(_number(c), 2.0, eqn)
        if double is not None and _is_of_type(z, eqn):
            return _made(eqn, mul, [_constant(double, c), z])
    return None


def _difference(eqn: Equation, producers: Producers) -> Equation | None:
    """x − (−y) is x + y."""
    x, y = eqn.invars
    p = _negated(y, producers)
    return _made(eqn, add, [x, p]) if p is not None else None


def _product(eqn: Equation, producers: Producers) -> Equation | list[Equation] | None:
    """(−x)·(−y) is x·y, c·(−x) is (−c)·x, c·(d·x) is (c·d)·x and c·(d/x) is (c·d)/x."""
    x, y = eqn.invars
    p, q = _negated(x, producers), _negated(y, producers)
    if p is not None and q is not None:
        return _made(eqn, mul, [p, q])
    for z, w in ((x, y), (y, x)):
        repeated = _repeated(eqn, z, w, producers)
        if repeated is not None:
            return repeated
    for c, z, r in ((x, y, q), (y, x, p)):
        number, source = _number(c), _source(z, producers)
        if number is None:
            continue
        if number == -1:
            return _made(eqn, neg, [z])
        if r is not None:
            return _made(eqn, mul, [_constant(-number, c), r])
        if source is not None and source.primitive is mul:
            return _scaled(eqn, c, source)
        if source is not None and source.primitive is div and abs(number) >= 1:
            d, over = source.invars
            together = _factor(number, _number(d), eqn)
            if together is not None and _is_of_type(over, eqn):
                return _made(eqn, div, [_together(together, c, d, eqn), over])
    return None


def _repeated(eqn: Equation, product: Atom, x: Atom, producers: Producers) -> list[Equation] | None:
    """(c·x)·x is c·x²: a square reads its operand once, and may be there already."""
    source = _source(product, producers)
    if source is None or source.primitive is not mul or type(x) is not Var or x not in source.invars:
        return None
    c = source.invars[source.invars[0] is x]
    number = _number(c)
    if number is None or not 1 <= abs(number) <= _MODERATE or not _is_of_type(x, eqn):
        return None  # what the factor keeps from overflowing, or from vanishing, stays with it
    power = Var(eqn.outvars[0].aval)
    return [Equation(square, [x], [power], {}, eqn.source), eqn._replace(invars=[c, power])]


def _scaled(eqn: Equation, c: Atom, source: Equation) -> Equation | None:
    number = _number(c)
    assert number is not None
    for d, z in (source.invars, source.invars[::-1]):
        inner = _number(d)
        # What overflowed on the way must do so in the end.
        if inner is None or not _is_of_type(z, eqn) or not (abs(inner) <= 1 or abs(number) >= 1):
            continue
        together = _factor(number, inner, eqn)
        if together is not None:
            return _made(eqn, mul, [_together(together, c, d, eqn), z])
    return None


def _quotient(eqn: Equation, producers: Producers) -> Equation | None:
    """(−x)/(−y) is x/y, (−x)/c is x/(−c), c/(−x) is (−c)/x; a division by a power of 2 is a product."""
    x, y = eqn.invars
    p, q = _negated(x, producers), _negated(y, producers)
    top, below = _number(x), _number(y)
    if p is not None and q is not None:
        return _made(eqn, div, [p, q])
    if p is not None and below is not None:
        return _made(eqn, div, [p, _constant(-below, y)])
    if q is not None and top is not None:
        return _made(eqn, div, [_constant(-top, x), q])
    if below is not None and _is_of_type(x, eqn) and abs(math.frexp(below)[0]) == 0.5:
        inverse = _factor(1.0, 1 / below, eqn)
        return None if inverse is None else _made(eqn, mul, [x, _constant(inverse, y)])
    return None


def _square(eqn: Equation, producers: Producers) -> Equation | None:
    """(−x)² is x²."""
    p = _negated(eqn.invars[0], producers)
    return eqn._replace(invars=[p]) if p is not None and eqn.params.get("y", 2) % 2 == 0 else None


_RULES: dict[str, Callable[[Equation, Producers], Equation | list[Equation] | None]] = {
    "neg": _negation,
    "add": _sum,
    "sub": _difference,
    "mul": _product,
    "div": _quotient,
    "square": _square,
    "absolute": _square,
    "integer_pow": _square,
}


def _made(eqn: Equation, primitive: object, operands: list[Atom]) -> Equation | None:
    """The equation with another primitive, if the result is of the same type."""
    aval = primitive.shape(*[a.aval for a in operands])  # type: ignore[attr-defined]
    out = eqn.outvars[0].aval
    if (aval.shape, aval.dtype, aval.weak_type) != (out.shape, out.dtype, out.weak_type):
        return None
    return eqn._replace(primitive=primitive, invars=operands, params={})  # type: ignore[arg-type]


def _source(atom: Atom, producers: Producers) -> Equation | None:
    return producers.get(atom) if type(atom) is Var else None


def _negated(atom: Atom, producers: Producers) -> Atom | None:
    source = _source(atom, producers)
    if source is None or source.primitive is not neg or source.invars[0].aval.dtype.kind != "f":
        return None  # the sign of unsigned integers is another matter
    return source.invars[0]


def _number(atom: Atom) -> float | None:
    """The value of a constant: finite, and not 0."""
    if type(atom) is not Literal or isinstance(atom.value, bool):
        return None
    if not isinstance(atom.value, (int, float, np.floating)):
        return None
    value = float(atom.value)
    return value if value and math.isfinite(value) else None


def _factor(x: float | None, y: float | None, eqn: Equation) -> float | None:
    """The product of two constants, where the type of a result has it, and with all its digits."""
    if x is None or y is None:
        return None
    info = np.finfo(eqn.outvars[0].aval.dtype)
    return x * y if float(info.tiny) <= abs(x * y) <= float(info.max) else None


def _constant(value: float, like: Atom) -> Literal:
    """A constant of the type of another one."""
    given = like.value  # type: ignore[union-attr]
    return Literal(type(given)(value) if isinstance(given, np.generic) else value)


def _together(value: float, x: Atom, y: Atom, eqn: Equation) -> Literal:
    """A constant made of two: a Python number if both are."""
    weak = x.aval.weak_type and y.aval.weak_type
    return Literal(value if weak else eqn.outvars[0].aval.dtype.type(value))


def _is_of_type(atom: Atom, eqn: Equation) -> bool:
    return atom.aval.dtype == eqn.outvars[0].aval.dtype and not atom.aval.weak_type
