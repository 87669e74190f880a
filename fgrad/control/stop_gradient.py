"""A constant as far as derivatives are concerned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fgrad.core.aval import Array, ShapedArray, aval_of, is_inexact
from fgrad.core.interpreter import Tracer
from fgrad.core.primitive import Sample
from fgrad.core.writer import Writer
from fgrad.primitives.families import NonDifferentiable, draw
from fgrad.tree import flatten

__all__ = ["stop_gradient"]


class StopGradient(NonDifferentiable):
    """`stop_gradient(x)`: x, with derivative 0."""

    preserves_weak = True
    samples = (Sample(draw(-1, 1, (2, 3))), Sample(draw(-1, 1)))

    def impl(self, x: Array) -> Array:
        return x

    def shape(self, x: ShapedArray) -> ShapedArray:
        return x

    def is_view(self, **params: Any) -> bool:
        return True

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any]) -> tuple[Array, int]:
        return _stop_gradient(xs[0]), dims[0]

    def lower(self, write: Writer, names: Sequence[str], out: str | None, **params: Any) -> str:
        # A Python scalar is read out of the result, as out of that of a ufunc.
        return f"np.asarray({names[0]})" if write.avals and write.avals[0].weak_type else names[0]


_stop_gradient = StopGradient()


def stop_gradient(x: Any) -> Any:
    """The same values with derivative 0, of every order.

    Args:
        x: a pytree of arrays; what is no floating-point array is handed on as it is.

    Returns:
        The pytree, whose arrays are constants for every derivative.

    >>> import fgrad
    >>> fgrad.grad(lambda x: x * fgrad.stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    leaves, treedef = flatten(x)
    stopped = [_stop_gradient(v) if type(v) is Tracer and is_inexact(aval_of(v).dtype) else v for v in leaves]
    return treedef.unflatten(stopped)
