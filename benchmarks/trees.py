"""Just enough of pytrees to hand the same data to every library and to compare what comes back."""

from collections.abc import Callable
from typing import Any

import numpy as np


def map_arrays(function: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """The tree with every NumPy array replaced by `function` of it, and of the rest's arrays at its place."""
    if isinstance(tree, np.ndarray):
        return function(tree, *rest)
    if isinstance(tree, dict):
        return {key: map_arrays(function, *(t[key] for t in (tree, *rest))) for key in tree}
    if isinstance(tree, list | tuple):
        return type(tree)(map_arrays(function, *children) for children in zip(tree, *rest, strict=True))
    return tree


def leaves(tree: Any) -> list[np.ndarray]:
    """The leaves as NumPy arrays, dictionaries in the order of their keys."""
    if tree is None:
        return []
    if isinstance(tree, dict):
        return [leaf for key in sorted(tree) for leaf in leaves(tree[key])]
    if isinstance(tree, list | tuple):
        return [leaf for child in tree for leaf in leaves(child)]
    return [np.asarray(tree.detach() if hasattr(tree, "detach") else tree)]


def differences(found: list[np.ndarray], expected: list[np.ndarray], tolerance: float) -> str | None:
    """What differs by more than `tolerance` times the largest expected entry of a leaf, in words; or None."""
    if len(found) != len(expected):
        return f"{len(found)} arrays instead of {len(expected)}"
    for index, (x, y) in enumerate(zip(found, expected, strict=True)):
        if x.shape != y.shape:
            return f"array {index} has shape {x.shape} instead of {y.shape}"
        scale = np.max(np.abs(y), initial=0.0)
        error = np.max(np.abs(np.subtract(x, y, dtype=np.float64)), initial=0.0)
        if not error <= tolerance * scale:  # NaN fails as well
            return f"array {index} differs by {error:.1e} (largest entry {scale:.1e})"
    return None
