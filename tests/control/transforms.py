"""Ways to take the derivative of a scalar function of a scalar: all must give the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fgrad

__all__ = ["FIRST", "SECOND", "jvp_at", "rows"]

Way = Callable[[Callable[[Any], Any], float], Any]


def jvp_at(f: Callable[[Any], Any], x: Any) -> Any:
    return fgrad.jvp(f, (x,), (np.ones_like(x)[()],))[1]


def rows(derivative: Callable[..., Any]) -> Way:
    """A way to take a derivative, mapped over three equal rows."""
    return lambda f, x: fgrad.vmap(derivative(f))(np.full(3, x))[1]


FIRST: dict[str, Way] = {
    "grad": lambda f, x: fgrad.grad(f)(x),
    "value_and_grad": lambda f, x: fgrad.value_and_grad(f)(x)[1],
    "vjp": lambda f, x: fgrad.vjp(f, x)[1](1.0)[0],
    "jvp": jvp_at,
    "linearize": lambda f, x: fgrad.linearize(f, x)[1](1.0),
    "jacfwd": lambda f, x: fgrad.jacfwd(f)(x),
    "jacrev": lambda f, x: fgrad.jacrev(f)(x),
    "grad of jit": lambda f, x: fgrad.grad(fgrad.jit(f))(x),
    "jit of grad": lambda f, x: fgrad.jit(fgrad.grad(f))(x),
    "jvp of jit": lambda f, x: jvp_at(fgrad.jit(f), x),
    "jit of jvp": lambda f, x: fgrad.jit(lambda y: jvp_at(f, y))(x),
    "jit of grad of jit": lambda f, x: fgrad.jit(fgrad.grad(fgrad.jit(f)))(x),
    "vmap of grad": rows(fgrad.grad),
    "vmap of jvp": rows(lambda f: lambda y: jvp_at(f, y)),
    "vmap of grad of jit": rows(lambda f: fgrad.grad(fgrad.jit(f))),
    "vmap of jit of grad": rows(lambda f: fgrad.jit(fgrad.grad(f))),
    "jit of vmap of grad": lambda f, x: fgrad.jit(fgrad.vmap(fgrad.grad(f)))(np.full(3, x))[1],
    "grad of vmap": lambda f, x: fgrad.grad(lambda y: fgrad.vmap(f)(y).sum())(np.full(3, x))[1],
    "jvp of vmap": lambda f, x: jvp_at(fgrad.vmap(f), np.full(3, x))[1],
    "grad of jit of vmap": lambda f, x: fgrad.grad(lambda y: fgrad.jit(fgrad.vmap(f))(y).sum())(np.full(3, x))[1],
    "grad of vmap of jit": lambda f, x: fgrad.grad(lambda y: fgrad.vmap(fgrad.jit(f))(y).sum())(np.full(3, x))[1],
    "grad of checkpoint": lambda f, x: fgrad.grad(fgrad.checkpoint(f))(x),
    "jit of grad of checkpoint": lambda f, x: fgrad.jit(fgrad.grad(fgrad.checkpoint(f)))(x),
    "grad of unmapped": lambda f, x: fgrad.grad(
        lambda w: fgrad.vmap(lambda v, w: f(w) * v, (0, None))(np.array([0.25, 0.75]), w).sum()
    )(x),
}
"""First derivatives."""

SECOND: dict[str, Way] = {
    "grad of grad": lambda f, x: fgrad.grad(fgrad.grad(f))(x),
    "hessian": lambda f, x: fgrad.hessian(f)(x),
    "jacfwd of jacfwd": lambda f, x: fgrad.jacfwd(fgrad.jacfwd(f))(x),
    "jacrev of jacfwd": lambda f, x: fgrad.jacrev(fgrad.jacfwd(f))(x),
    "jvp of jvp": lambda f, x: jvp_at(lambda y: jvp_at(f, y), x),
    "hvp": lambda f, x: fgrad.hvp(f, (x,), (1.0,)),
    "grad of jit of grad": lambda f, x: fgrad.grad(fgrad.jit(fgrad.grad(f)))(x),
    "jit of grad of grad": lambda f, x: fgrad.jit(fgrad.grad(fgrad.grad(f)))(x),
    "grad of grad of jit": lambda f, x: fgrad.grad(fgrad.grad(fgrad.jit(f)))(x),
    "jvp of grad of jit": lambda f, x: jvp_at(fgrad.grad(fgrad.jit(f)), x),
    "grad of jvp of jit": lambda f, x: fgrad.grad(lambda y: jvp_at(fgrad.jit(f), y))(x),
    "vmap of hessian": rows(fgrad.hessian),
    "jit of vmap of hessian": lambda f, x: fgrad.jit(fgrad.vmap(fgrad.hessian(f)))(np.full(3, x))[1],
    "grad of vmap of grad": lambda f, x: fgrad.grad(lambda y: fgrad.vmap(fgrad.grad(f))(y).sum())(np.full(3, x))[1],
}
"""Second derivatives."""
