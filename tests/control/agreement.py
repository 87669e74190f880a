"""Whether control flow and the Python it stands for agree: in value and in all derivatives, taken in every way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import fgrad
from fgrad.core.jaxpr import ClosedJaxpr, Equation, Jaxpr, inner_jaxprs
from tests.control.transforms import FIRST, SECOND

__all__ = ["Pair", "assert_agree", "counts", "equations", "unrolled"]

VALUE: dict[str, Callable[[Callable[[Any], Any], float], Any]] = {
    "eager": lambda f, x: f(x),
    "jit": lambda f, x: fgrad.jit(f)(x),
    "vmap": lambda f, x: fgrad.vmap(f)(np.full(3, x))[1],
    "jit of vmap": lambda f, x: fgrad.jit(fgrad.vmap(f))(np.full(3, x))[1],
    "vmap of jit": lambda f, x: fgrad.vmap(fgrad.jit(f))(np.full(3, x))[1],
    "checkpoint": lambda f, x: fgrad.checkpoint(f)(x),
}

THIRD: dict[str, Callable[[Callable[[Any], Any], float], Any]] = {
    "grad of grad of grad": lambda f, x: fgrad.grad(fgrad.grad(fgrad.grad(f)))(x),
    "jit of grad of grad of grad": lambda f, x: fgrad.jit(fgrad.grad(fgrad.grad(fgrad.grad(f))))(x),
    "jvp of hessian": lambda f, x: fgrad.jvp(fgrad.hessian(f), (x,), (1.0,))[1],
}


class Pair(NamedTuple):
    """A scalar function of a scalar written with control flow, and with Python's own."""

    control: Callable[[Any], Any]
    python: Callable[[Any], Any]


def assert_agree(pair: Pair, x: float = 0.7) -> None:
    """All orders up to the third, all ways to take them."""
    derivative = pair.python
    for ways in (VALUE, FIRST, SECOND, THIRD):
        expected = derivative(x)
        for way, take in ways.items():
            np.testing.assert_allclose(take(pair.control, x), expected, rtol=1e-9, err_msg=way)
        derivative = fgrad.grad(derivative)


def unrolled(f: Callable[[Any, Any], Any], carry: Any, xs: Any) -> tuple[Any, list[Any]]:
    """A scan as Python writes it; the results are in a list."""
    ys = []
    for x in xs:
        carry, y = f(carry, x)
        ys.append(y)
    return carry, ys


def equations(jaxpr: ClosedJaxpr | Jaxpr, name: str) -> list[Equation]:
    """The equations of one primitive in a program, at any depth, outermost first."""
    found = [eqn for eqn in jaxpr.eqns if eqn.primitive.name == name]
    for eqn in jaxpr.eqns:
        for _, inner in inner_jaxprs(eqn.params):
            found += equations(inner, name)
    return found


def counts(jaxpr: ClosedJaxpr | Jaxpr) -> Counter[str]:
    """How often each primitive stands in a program, at any depth."""
    found = Counter(eqn.primitive.name for eqn in jaxpr.eqns)
    for eqn in jaxpr.eqns:
        for _, inner in inner_jaxprs(eqn.params):
            found += counts(inner)
    return found
