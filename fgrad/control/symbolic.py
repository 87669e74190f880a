"""What the rules of custom functions are given, if they ask for it, to tell what is known to be zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fgrad.core.aval import Array, ShapedArray
from fgrad.tree import map as tree_map

__all__ = ["CustomVJPPrimal", "SymbolicZero", "custom_vjp_primal_tree_values"]


@dataclass(frozen=True)
class SymbolicZero:
    """A tangent or cotangent that is known to be zero.

    Attributes:
        aval: the shape and dtype that it would have as an array.
    """

    aval: ShapedArray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def dtype(self) -> Any:
        return self.aval.dtype

    @property
    def ndim(self) -> int:
        return self.aval.ndim

    @property
    def size(self) -> int:
        return self.aval.size

    def __repr__(self) -> str:
        return f"SymbolicZero({self.aval})"


@dataclass(frozen=True)
class CustomVJPPrimal:
    """An argument of a forward rule with symbolic zeros.

    Attributes:
        value: the array.
        perturbed: whether its cotangent is asked for.
    """

    value: Array
    perturbed: bool


def custom_vjp_primal_tree_values(tree: Any) -> Any:
    """The values in a pytree of arguments of a forward rule with symbolic zeros."""
    return tree_map(lambda x: x.value if isinstance(x, CustomVJPPrimal) else x, tree)
