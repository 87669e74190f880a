"""What keeps computations apart."""

from __future__ import annotations

from typing import Any

from fgrad.core.interpreter import Tracer
from fgrad.errors import public
from fgrad.primitives import barrier
from fgrad.tree import flatten

__all__ = ["optimization_barrier"]


@public
def optimization_barrier(operand: Any, /) -> Any:
    """The same values, of which `jit` does not know that they are: what is computed from them is computed again.

    Args:
        operand: a pytree of arrays.

    Returns:
        The pytree. Derivatives go through.

    >>> import fgrad, numpy as np
    >>> f = fgrad.jit(lambda x: np.sin(x) + np.sin(optimization_barrier(x)))
    >>> f.lower(1.0).as_text().count("np.sin(")
    2
    """
    leaves, treedef = flatten(operand)
    region = barrier.new_region()
    kept = [barrier.optimization_barrier(x, region=region) if type(x) is Tracer else x for x in leaves]
    return treedef.unflatten(kept)
