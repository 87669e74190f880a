"""Rematerialization: what a function computes on the way is computed again when its derivative is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from fgrad.control.call import Call, close_over
from fgrad.core.aval import Array, aval_of
from fgrad.core.primitive import ZERO, Zero
from fgrad.transforms.jaxprs import tangent_jaxpr
from fgrad.transforms.stage import trace
from fgrad.tree import flatten

__all__ = ["checkpoint", "remat"]

P = ParamSpec("P")
R = TypeVar("R")


class Checkpoint(Call):
    """`checkpoint(*args, jaxpr=)`: applies a jaxpr; its linearization keeps the arguments alone.

    The linear equation holds the whole jaxpr of the tangents, which computes the values that it needs from the
    arguments;
    transposing it runs that part again (Griewank, "Achieving logarithmic growth of temporal and spatial complexity in
    reverse automatic differentiation", 1992).
    """

    def linearize(
        self, xs: Sequence[Array], ts: Sequence[Array | Zero], params: dict[str, Any]
    ) -> tuple[list[Array], list[Array | Zero]]:
        outs = self.bind(*xs, **params)
        tangents, nz_out = tangent_jaxpr(params["jaxpr"], tuple(t is not ZERO for t in ts))
        found = iter(self.bind(*xs, *[t for t in ts if t is not ZERO], **{**params, "jaxpr": tangents}))
        return outs, [next(found) if m else ZERO for m in nz_out]


_checkpoint = Checkpoint()


def checkpoint(fun: Callable[P, R]) -> Callable[P, R]:
    """A function equal to `fun` whose reverse-mode derivative stores nothing but the arguments, and computes the rest
    again.

    Memory falls by what `fun` computes on the way; time grows by one more evaluation. The function is traced, so it
    must
    not decide by the values of its arguments.

    >>> import fgrad, numpy as np
    >>> fgrad.grad(fgrad.checkpoint(lambda x: np.sin(np.sin(x))))(0.0)
    np.float64(1.0)
    """

    @wraps(fun)
    def checkpointed(*args: P.args, **kwargs: P.kwargs) -> R:
        leaves, treedef = flatten((args, kwargs))
        outdef: Any = None

        def flat(*xs: Array) -> list[Array]:
            nonlocal outdef
            positional, named = treedef.unflatten(xs)
            outs, outdef = flatten(fun(*positional, **named))
            return outs

        closed, captured = close_over(trace(flat, [aval_of(x) for x in leaves], "checkpoint", fun))
        return outdef.unflatten(_checkpoint(*captured, *leaves, jaxpr=closed))  # type: ignore[no-any-return]

    return checkpointed


remat = checkpoint
