"""Simplification: dead code, common subexpressions, and algebra that keeps every floating-point result.

Linear in the size of the program: one pass forwards, in which every equation sees simplified inputs, and one backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from fgrad.compiler.arithmetic import merged, negated_sum
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Literal, Var, eliminate_dead_code, has_effect
from fgrad.primitives.elementwise import Elementwise, integer_pow, mul
from fgrad.primitives.exponential import square
from fgrad.primitives.index_keys import FULL
from fgrad.primitives.indexing import gather, place
from fgrad.primitives.shape import broadcast_to, reshape

__all__ = ["only_changes_axes", "simplify"]

Producers = dict[Var, Equation]


def simplify(closed: ClosedJaxpr) -> ClosedJaxpr:
    """An equivalent program without dead equations, repeated subexpressions and identities."""
    env: dict[Var, Atom] = {}
    known: dict[Hashable, list[Var]] = {}
    producers: Producers = {}
    eqns: list[Equation] = []
    pending = list(reversed(closed.eqns))
    while pending:
        eqn = pending.pop()
        eqn = eqn._replace(invars=[_read(env, a) for a in eqn.invars])
        narrowed = (
            _narrow(eqn, producers)
            or _rebroadcast(eqn, producers)
            or _reshaped(eqn, producers)
            or _products(eqn)
            or negated_sum(eqn, producers)
        )
        if narrowed is not None:
            pending += reversed(narrowed)
            continue
        same = _folded(eqn) or _identity(eqn, producers)
        if same is not None:
            env[eqn.outvars[0]] = same
            continue
        other = merged(eqn, producers)
        if other is not None:
            pending += reversed(other)
            continue
        key = _key(eqn)
        earlier = known.get(key) if key is not None else None
        if earlier is not None:
            env.update(zip(eqn.outvars, earlier, strict=True))
            continue
        if key is not None:
            known[key] = list(eqn.outvars)
        producers.update((v, eqn) for v in eqn.outvars)
        eqns.append(eqn)
    outs = [_read(env, a) for a in closed.jaxpr.outvars]
    return eliminate_dead_code(
        ClosedJaxpr(Jaxpr(closed.jaxpr.constvars, closed.jaxpr.invars, outs, eqns), closed.consts)
    )


def _key(eqn: Equation) -> Hashable | None:
    """What two equations that compute the same have in common; `None` where that cannot be told, or they do more than
    compute."""
    if has_effect(eqn):
        return None
    atoms = tuple([_literal_key(a, eqn) if type(a) is Literal else a for a in eqn.invars])
    key = (eqn.primitive.name, atoms, tuple(eqn.params.items()))
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _literal_key(atom: Literal, eqn: Equation) -> Hashable:
    """What tells a constant from others; to an array of floating-point numbers, 2 is 2.0."""
    value: Any = atom.value
    if type(value) is int and abs(value) <= 2**53 and _takes_floats(eqn):
        value = float(value)
    return type(value), repr(value)


def _takes_floats(eqn: Equation) -> bool:
    kinds = [a.aval.dtype.kind for a in eqn.invars if not a.aval.weak_type]
    return isinstance(eqn.primitive, Elementwise) and bool(kinds) and all(kind == "f" for kind in kinds)


def _read(env: dict[Var, Atom], atom: Atom) -> Atom:
    return atom if type(atom) is Literal else env.get(atom, atom)  # type: ignore[arg-type]


def _narrow(eqn: Equation, producers: Producers) -> list[Equation] | None:
    """Moves broadcasts behind element-wise operations, which broadcast by themselves: the same numbers, fewer of
    them."""
    if not isinstance(eqn.primitive, Elementwise):
        return None
    inputs = list(eqn.invars)
    for i, atom in enumerate(inputs):
        source = _producer(atom, "broadcast_to", producers)
        if source is not None and not source.invars[0].aval.weak_type:
            inputs[i] = source.invars[0]
    if all(a is b for a, b in zip(inputs, eqn.invars, strict=True)):
        return None
    out = eqn.outvars[0]
    aval = eqn.primitive.shape(*[a.aval for a in inputs], **eqn.params)
    if aval.shape == out.aval.shape:
        return [eqn._replace(invars=inputs)]
    inner = Var(aval)
    widen = Equation(broadcast_to, [inner], [out], {"shape": out.aval.shape}, eqn.source)
    return [eqn._replace(invars=inputs, outvars=[inner]), widen]


def _rebroadcast(eqn: Equation, producers: Producers) -> list[Equation] | None:
    """Another shape of a scalar that was broadcast is the scalar broadcast to that shape."""
    if eqn.primitive.name not in ("reshape", "transpose", "broadcast_to"):
        return None
    source = _producer(eqn.invars[0], "broadcast_to", producers)
    if source is None or (source.invars[0].aval.shape and eqn.primitive is not broadcast_to):
        return None
    return [Equation(broadcast_to, source.invars, eqn.outvars, {"shape": eqn.outvars[0].aval.shape}, eqn.source)]


def _reshaped(eqn: Equation, producers: Producers) -> list[Equation] | None:
    """What adds or drops axes of one element is a reshape, and of several in a row the last one."""
    if eqn.primitive is place and only_changes_axes(eqn):
        return [Equation(reshape, eqn.invars, eqn.outvars, {"shape": eqn.params["shape"]}, eqn.source)]
    if eqn.primitive is not reshape:
        return None
    source = producers.get(eqn.invars[0]) if type(eqn.invars[0]) is Var else None
    return [eqn._replace(invars=source.invars[:1])] if source is not None and only_changes_axes(source) else None


def only_changes_axes(eqn: Equation) -> bool:
    """Whether the result is the operand in another shape."""
    if eqn.primitive is gather or eqn.primitive is place:
        return all(entry is None or entry == FULL for entry in eqn.params["key"])
    return eqn.primitive is reshape


def _products(eqn: Equation) -> list[Equation] | None:
    """x·x as a square, and powers as products: `numpy.power` takes fifty times as long for negative numbers."""
    if len(eqn.outvars) != 1 or eqn.outvars[0].aval.weak_type:
        return None
    out, x = eqn.outvars[0], eqn.invars[0] if eqn.invars else None
    if eqn.primitive is mul and x is eqn.invars[1] and out.aval.dtype.kind in "fiu" and out.aval.shape:
        return [eqn._replace(primitive=square, invars=[x])]
    if eqn.primitive is not integer_pow or x is None:
        return None
    power, kind = eqn.params["y"], out.aval.dtype.kind
    if kind not in "fiu" or power not in (2, 3, 4) or x.aval.dtype != out.aval.dtype:
        return None
    first = Equation(square, [x], [out if power == 2 else Var(out.aval)], {}, eqn.source)
    if power == 2:
        return [first]
    if power == 4:
        return [first, first._replace(invars=first.outvars, outvars=[out])]
    return [first, Equation(mul, [first.outvars[0], x], [out], {}, eqn.source)]


def _folded(eqn: Equation) -> Atom | None:
    """The result of a scalar operation on literals."""
    if not isinstance(eqn.primitive, Elementwise) or eqn.outvars[0].aval.shape:
        return None
    values = [a.value for a in eqn.invars if type(a) is Literal]
    return Literal(eqn.primitive.evaluate(values, eqn.params)) if len(values) == len(eqn.invars) else None


def _identity(eqn: Equation, producers: Producers) -> Atom | None:
    """The input that an equation returns unchanged, if its rule says so."""
    rule = _IDENTITIES.get(eqn.primitive.name)
    same = rule(eqn, producers) if rule is not None else None
    if same is None:
        return None
    out, aval = eqn.outvars[0].aval, same.aval
    return same if aval.shape == out.shape and aval.dtype == out.dtype and aval.weak_type == out.weak_type else None


def _is_one(atom: Atom) -> bool:
    return type(atom) is Literal and isinstance(atom.value, (int, float, np.number)) and atom.value == 1


def _mul(eqn: Equation, producers: Producers) -> Atom | None:
    x, y = eqn.invars
    return y if _is_one(x) else x if _is_one(y) else None


def _sub(eqn: Equation, producers: Producers) -> Atom | None:
    x, y = eqn.invars
    return x if _is_zero(y) else None


def _is_zero(atom: Atom) -> bool:
    """Whether it is the 0 that changes nothing when it is taken away: −0 − (−0) is 0."""
    return type(atom) is Literal and isinstance(atom.value, (int, float, np.number)) and str(atom.value) in {"0", "0.0"}


def _div(eqn: Equation, producers: Producers) -> Atom | None:
    x, y = eqn.invars
    return x if _is_one(y) else None


def _first(eqn: Equation, producers: Producers) -> Atom | None:
    return eqn.invars[0]


def _transpose(eqn: Equation, producers: Producers) -> Atom | None:
    axes = eqn.params["axes"]
    if axes == tuple(range(len(axes))):
        return eqn.invars[0]
    inner = _producer(eqn.invars[0], "transpose", producers)
    if inner is not None and all(inner.params["axes"][a] == i for i, a in enumerate(axes)):
        return inner.invars[0]
    return None


def _neg(eqn: Equation, producers: Producers) -> Atom | None:
    inner = _producer(eqn.invars[0], "neg", producers)
    return inner.invars[0] if inner is not None else None


def _producer(atom: Atom, name: str, producers: Producers) -> Equation | None:
    eqn = producers.get(atom) if type(atom) is Var else None
    return eqn if eqn is not None and eqn.primitive.name == name else None


def _integer_pow(eqn: Equation, producers: Producers) -> Atom | None:
    return eqn.invars[0] if eqn.params["y"] == 1 else None


_IDENTITIES: dict[str, Callable[[Equation, Producers], Any]] = {
    "mul": _mul,
    "div": _div,
    "sub": _sub,
    "neg": _neg,
    "transpose": _transpose,
    "integer_pow": _integer_pow,
    "reshape": _first,
    "broadcast_to": _first,
    "convert_element_type": _first,
}
