"""Names for values, by which the policy of a checkpoint can choose them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.interpreter import Tracer
from fgrad.core.primitive import Primitive, Sample, Zero
from fgrad.core.writer import Writer
from fgrad.errors import ArgumentError, message, public
from fgrad.primitives.families import draw
from fgrad.tree import map as tree_map
from fgrad.tree.table import describe

__all__ = ["checkpoint_name"]

Tree = TypeVar("Tree")


class Name(Primitive):
    """`name(x, name=)`: x, under a name. Its tangent has none."""

    preserves_weak = True
    samples = (
        Sample(draw(-1, 1, (2, 3)), name="a"),
        Sample(draw(-1, 1), name="a"),
        Sample(draw(-1, 1, (0,)), name="a"),
    )

    def impl(self, x: Array, *, name: str) -> Array:
        return x

    def shape(self, x: ShapedArray, *, name: str) -> ShapedArray:
        return x

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Array | Zero], *, name: str) -> Array | Zero:
        return ts[0]

    def transpose(self, ct: Array, x: Any, *, name: str) -> Sequence[Array]:
        return (ct,)

    def batch(self, size: int, xs: Sequence[Array], dims: Sequence[Any], *, name: str) -> tuple[Array, int]:
        return _name(xs[0], name=name), dims[0]

    def is_view(self, **params: Any) -> bool:
        return True

    def lower(self, write: Writer, names: Sequence[str], out: str | None, *, name: str) -> str:
        # A Python scalar is read out of the result, as out of that of a ufunc.
        return f"np.asarray({names[0]})" if write.avals and write.avals[0].weak_type else names[0]


_name = Name()


@public
def checkpoint_name(x: Tree, name: str) -> Tree:
    """The same values, under a name by which the policy of a `checkpoint` around may save them or not.

    Args:
        x: a pytree of arrays.
        name: the name of all arrays in it.

    Returns:
        The pytree.

    Raises:
        ArgumentError: the name is not a string.

    >>> import fgrad, numpy as np
    >>> def f(x):
    ...     return np.sin(fgrad.checkpoint_name(np.exp(x), "exponential"))
    >>> policy = fgrad.checkpoint_policies.save_only_these_names("exponential")
    >>> fgrad.grad(fgrad.checkpoint(f, policy=policy))(0.0)
    np.float64(0.5403023058681398)
    """
    if not isinstance(name, str):
        raise ArgumentError(message(f"the name that checkpoint_name gives must be a string, got {describe(name)}."))
    return tree_map(lambda v: _name(v, name=name) if type(v) is Tracer else v, x)  # type: ignore[no-any-return]
