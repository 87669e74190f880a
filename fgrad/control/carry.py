"""What a loop carries: tracing a body until what it returns has the types of what it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fgrad.control.bodies import Body
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.boundary import function_name, place_of
from fgrad.core.interpreter import Tracer
from fgrad.errors import ShapeError, TreeStructureError, message
from fgrad.primitives.shape import convert_element_type
from fgrad.tree import PyTreeDef, flatten

__all__ = ["Carry", "Naming", "fit_numbers", "flat_carry", "settle"]

_KINDS = "biufc"


class Naming(NamedTuple):
    """What a loop is called in messages.

    Attributes:
        verb: the function that the user called.
        fun: the user's body.
        parameter: what the function calls the initial value.
        carry: what the body's author knows the carry as.
        inside: where in the carry of the loop that value is, as a key path in words.
    """

    verb: str
    fun: Any
    parameter: str
    carry: str = "carry"
    inside: str = ""


class Carry(NamedTuple):
    """What a loop begins with: values, their structure, and how it is spoken of."""

    leaves: list[Array]
    treedef: PyTreeDef
    naming: Naming

    def place(self, index: int) -> str:
        """Where a value stands, as `carry['h']`."""
        path = place_of([self.treedef.unflatten(self.leaves)], [""], index)
        return self.naming.carry + path.removeprefix(self.naming.inside)


def flat_carry(out: Any, carry: Carry) -> list[Array]:
    """The values of what the body returned.

    Raises:
        TreeStructureError: it has not the structure of what the body was given.
    """
    leaves, outdef = flatten(out)
    if outdef != carry.treedef:
        naming = carry.naming
        name = f"{naming.verb}: `{function_name(naming.fun)}`"
        fault = f"{name} returned a {naming.carry} that has not the structure of the one it was given,"
        carry.treedef.flatten_up_to(out, fault=fault)
        what = f"{fault} {carry.treedef}: it is {outdef}."
        raise TreeStructureError(message(what, cure=f"Return what is like {naming.parameter}."))
    return leaves


def settle(carry: Carry, trace: Callable[[Carry, list[ShapedArray]], Body]) -> tuple[Carry, Body]:
    """Traces a body whose first outputs are the new carry, until the carry keeps its types.

    A Python number to begin with takes the dtype that the body gives it, as it does in a loop of Python's.

    Raises:
        ShapeError: a carry changes its shape or dtype.
    """
    while True:
        avals = [aval_of(x) for x in carry.leaves]
        body = trace(carry, avals)
        outs = body.jaxpr.out_avals
        leaves = [_settled(x, a, out) for x, a, out in zip(carry.leaves, avals, outs, strict=False)]
        if all(x is y for x, y in zip(leaves, carry.leaves, strict=True)):
            break
        carry = carry._replace(leaves=leaves)
    _check(carry, avals, outs)
    return carry, body


def _settled(x: Array, aval: ShapedArray, out: ShapedArray) -> Array:
    """A value to begin with; a Python number that the body makes an array is converted."""
    if not aval.weak_type or (out.weak_type and aval.dtype == out.dtype) or out.shape:
        return x
    if _KINDS.index(out.dtype.kind) < _KINDS.index(aval.dtype.kind):
        return x
    if out.weak_type:
        return out.dtype.type(x).item() if type(x) is not Tracer else x
    return convert_element_type(x, dtype=out.dtype) if type(x) is Tracer else out.dtype.type(x)


def fit_numbers(outs: Sequence[Array], avals: Sequence[ShapedArray]) -> list[Array]:
    """What a body returned; Python numbers take the dtype of what they replace."""
    fitted = list(outs)
    for i, (y, aval) in enumerate(zip(outs, avals, strict=False)):
        out = aval_of(y)
        if out.weak_type and not aval.weak_type and _KINDS.index(out.dtype.kind) <= _KINDS.index(aval.dtype.kind):
            fitted[i] = convert_element_type(y, dtype=aval.dtype)
    return fitted


def _check(carry: Carry, avals: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> None:
    for i, (aval, out) in enumerate(zip(avals, outs, strict=False)):
        if aval.shape == out.shape and aval.dtype == out.dtype:
            continue
        naming = carry.naming
        name = function_name(naming.fun)
        what = f"{naming.verb}: {carry.place(i)} goes into `{name}` as {aval}, but comes out as {out}."
        if aval.shape == out.shape:
            convert = f"Convert what is returned, .astype({aval.dtype.name!r})"
            cure = f"{convert}, or begin with {out.dtype.name} in {naming.parameter}."
        else:
            cure = f"A loop carries values of fixed shape: begin with the shape that comes out, in {naming.parameter}."
        raise ShapeError(message(what, cure=cure))
