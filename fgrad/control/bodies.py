"""Bodies of control flow: functions of the user's, traced; equal programs are one object, so that what was made of
one (its derivative, its compiled code) serves them all."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from fgrad.compiler.compiled import body_function
from fgrad.compiler.failures import explain
from fgrad.compiler.fingerprint import fingerprint
from fgrad.control.call import Call
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.boundary import flat_leaves
from fgrad.core.jaxpr import ClosedJaxpr, Jaxpr, Var
from fgrad.core.primitive import Primitive, is_linear_input
from fgrad.transforms.jaxprs import cached, zeros_like
from fgrad.transforms.jvp import linearize
from fgrad.transforms.stage import trace
from fgrad.transforms.transpose import transpose
from fgrad.tree import PyTreeDef

__all__ = [
    "Body",
    "BodyPrimitive",
    "block",
    "feed",
    "flat_tree",
    "forget",
    "ignoring",
    "intern",
    "own",
    "scalars",
    "share_constants",
    "told",
    "trace_body",
    "transpose_by_linearizing",
]

_KEPT = 512  # programs remembered; they hold no arrays of the user's
_programs: OrderedDict[Hashable, ClosedJaxpr] = OrderedDict()
_lock = Lock()


def forget() -> None:
    """Drops the programs that are remembered, as when a rule of a primitive is replaced."""
    with _lock:
        _programs.clear()


class BodyPrimitive(Primitive):
    """A primitive that runs programs of the user's: errors in them are told at the user's line."""

    multiple = True

    def explain(self, error: Exception, avals: Sequence[ShapedArray], params: dict[str, Any]) -> None:
        explain(error)


@contextmanager
def told() -> Iterator[None]:
    """Errors in programs that a rule runs on values are told at the user's line, as those in an equation are."""
    try:
        yield
    except Exception as error:
        explain(error)
        raise


class Block(Call):
    """`block(*args, jaxpr=)`: applies a program that has been chosen: a branch, or a step."""

    def impl(self, *xs: Array, jaxpr: ClosedJaxpr, **params: Any) -> list[Array]:
        return own(body_function(jaxpr)(*xs), xs)

    def explain(self, error: Exception, avals: Sequence[ShapedArray], params: dict[str, Any]) -> None:
        explain(error)


block = Block()


def own(values: Sequence[Array], taken: Sequence[Array]) -> list[Array]:
    """Values that share memory neither with those taken already nor with each other."""
    seen = {id(x) for x in taken}
    out = []
    for x in values:
        if type(x) is np.ndarray and (x.base is not None or id(x) in seen):
            x = x.copy()
        seen.add(id(x))
        out.append(x)
    return out


def feed(values: Sequence[Array], avals: Sequence[ShapedArray]) -> list[Array]:
    """Values as a program expects them: Python scalars where its inputs are weakly typed."""
    return [
        x.item() if a.weak_type and isinstance(x, (np.ndarray, np.generic)) else x
        for x, a in zip(values, avals, strict=False)
    ]


def scalars(values: Sequence[Array], weak: Sequence[int]) -> list[Array]:
    """Values, some of which are made Python scalars."""
    out = list(values)
    for i in weak:
        if isinstance(out[i], (np.ndarray, np.generic)):
            out[i] = out[i].item()
    return out


@cached
def ignoring(cond_jaxpr: ClosedJaxpr, avals: tuple[ShapedArray, ...]) -> ClosedJaxpr:
    """A condition that is handed more values, and does not look at them."""
    jaxpr = cond_jaxpr.jaxpr
    invars = [*jaxpr.invars, *(Var(a) for a in avals)]
    return ClosedJaxpr(Jaxpr(jaxpr.constvars, invars, jaxpr.outvars, jaxpr.eqns), cond_jaxpr.consts)


class Body(NamedTuple):
    """A traced function.

    Attributes:
        jaxpr: takes the values that the function closes over, then its arguments; it has no constants.
        consts: the values that it closes over: arrays and tracers.
    """

    jaxpr: ClosedJaxpr
    consts: list[Array]


def flat_tree(tree: Any, name: str, verb: str) -> tuple[list[Array], PyTreeDef]:
    """The arrays of one argument of a control-flow function, and their structure."""
    leaves, treedef = flat_leaves([tree], [name], verb)
    return leaves, treedef.children()[0]


def trace_body(flat: Callable[..., list[Array]], avals: Sequence[ShapedArray], verb: str, function: Any = None) -> Body:
    """Traces a flat function. What it closes over becomes leading arguments."""
    closed = trace(flat, avals, verb, function)
    jaxpr = closed.jaxpr
    lifted = Jaxpr((), [*jaxpr.constvars, *jaxpr.invars], jaxpr.outvars, jaxpr.eqns)
    return Body(intern(ClosedJaxpr(lifted, ())), list(closed.consts))


def share_constants(bodies: Sequence[Body]) -> tuple[list[ClosedJaxpr], list[Array]]:
    """Several programs made to take the same leading arguments: all that any of them closes over, each value once."""
    position: dict[int, int] = {}
    consts: list[Array] = []
    for body in bodies:
        for c in body.consts:
            if id(c) not in position:
                position[id(c)] = len(consts)
                consts.append(c)
    return [_widen(body, position, consts) for body in bodies], consts


def _widen(body: Body, position: dict[int, int], consts: Sequence[Array]) -> ClosedJaxpr:
    jaxpr, count = body.jaxpr.jaxpr, len(body.consts)
    places = [position[id(c)] for c in body.consts]
    if places == list(range(len(consts))):
        return body.jaxpr
    own = dict(zip(places, jaxpr.invars, strict=False))
    leading = [own.get(i) or Var(aval_of(c)) for i, c in enumerate(consts)]
    return intern(ClosedJaxpr(Jaxpr((), [*leading, *jaxpr.invars[count:]], jaxpr.outvars, jaxpr.eqns), ()))


def intern(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The one object that stands for all programs equal to this one, which has no constants."""
    try:
        key = fingerprint(closed.jaxpr)
        hash(key)
    except TypeError:
        return closed
    with _lock:
        known = _programs.setdefault(key, closed)
        _programs.move_to_end(key)
        if len(_programs) > _KEPT:
            _programs.popitem(last=False)
    return known


def transpose_by_linearizing(
    primitive: Primitive, ct: Sequence[Any], xs: Sequence[Any], params: dict[str, Any]
) -> list[Any]:
    """The transpose of an equation that is linear in its unknown inputs, through its linearization: for the equations
    that compute on known values along the way."""
    nz = [is_linear_input(x) for x in xs]
    values = [zeros_like(x) if m else x for x, m in zip(xs, nz, strict=True)]
    _, program = linearize(lambda *args: primitive.bind(*args, **params), values, nz)
    found = iter(transpose(program, ct, consume=True))
    return [next(found) if m else None for m in nz]
