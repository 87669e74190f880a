"""Arrays as functions meet them: of every layout, with every kind of number in them, and in containers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from fgrad.core.aval import Array, aval_of, is_inexact
from fgrad.errors import ArgumentError, message, public
from fgrad.testing.points import typical_size
from fgrad.testing.strategies.needed import hnp, st
from fgrad.tree import flatten

__all__ = ["LAYOUTS", "arrays", "perturbations", "points_near_kinks", "pytrees"]

Conditioning = Literal["well", "ill"]


def _spread(x: Array) -> Array:
    if x.ndim == 0:
        return x
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    return wide[..., ::2]


def _frozen(x: Array) -> Array:
    x = x.copy()
    x.flags.writeable = False
    return x


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "C": lambda x: x,
    "F": np.asfortranarray,
    "reversed": lambda x: np.ascontiguousarray(x[::-1])[::-1] if x.ndim else x,
    "strided": _spread,
    "read-only": _frozen,
    "offset": lambda x: np.concatenate([x.ravel()[:0], np.zeros(1, x.dtype), x.ravel()])[1:].reshape(x.shape),
}
"""The ways in which the same numbers can lie in memory."""


def special_values(dtype: Any) -> list[Any]:
    """The numbers of a dtype at which functions go wrong, the plain ones first."""
    info: Any = np.finfo(dtype) if is_inexact(np.dtype(dtype)) else None
    if info is None:
        return [0, 1]
    real = [0.0, 1.0, -1.0, -0.0, 1 + info.eps, 1 - info.epsneg, info.tiny, info.smallest_subnormal, info.max]
    return [*map(float, real), -float(info.max), float("inf"), float("-inf"), float("nan")]


def plain_numbers(conditioning: Conditioning = "well") -> st.SearchStrategy[float]:
    """Numbers with few digits, in [-4, 4]; or of magnitudes from 1e-12 to 1e12."""
    few = st.integers(-32, 32).map(lambda n: n / 8)
    if conditioning == "well":
        return few
    return st.builds(lambda x, k: x * 10.0**k, few, st.integers(0, 24).map(lambda k: (k + 1) // 2 * (-1) ** k))


@public
def arrays(
    shape: Any = None,
    dtype: Any = np.float64,
    *,
    layouts: Sequence[str] = tuple(LAYOUTS),
    elements: Any = None,
    special: bool = False,
    conditioning: Conditioning = "well",
    min_size: int = 1,
    max_size: int = 12,
) -> st.SearchStrategy[Array]:
    """Arrays as they come: of any shape, dtype and layout in memory.

    Args:
        shape: a shape, or a strategy of shapes; by default up to three axes, with `min_size` to `max_size` elements.
        dtype: a dtype, or a strategy of dtypes.
        layouts: of which layouts: "C", "F", "reversed" (negative strides), "strided" (not contiguous), "read-only",
            "offset" (within a larger array).
        elements: a strategy of numbers; by default as the next two say.
        special: also ±0, ±infinity, NaN, the largest, smallest and subnormal numbers, and the neighbours of 1.
        conditioning: "well": numbers of magnitude about 1; "ill": of magnitudes from 1e-12 to 1e12 in one array.
        min_size, max_size: how many elements an array has; `min_size=0` allows empty ones.

    Returns:
        A strategy. It shrinks to short arrays of zeros in C order.

    >>> from hypothesis import find
    >>> find(arrays(), lambda x: x.sum() > 1)
    array(1.125)
    """
    unknown = [layout for layout in layouts if layout not in LAYOUTS]
    if unknown or not layouts:
        what = f"layouts of arrays must be some of {', '.join(LAYOUTS)}, got {layouts!r:.80}."
        raise ArgumentError(message(what))
    if conditioning not in ("well", "ill"):
        raise ArgumentError(message(f"conditioning of arrays must be 'well' or 'ill', got {conditioning!r:.80}."))
    return _arrays(shape, dtype, tuple(layouts), elements, special, conditioning, min_size, max_size)


@st.composite
def _arrays(
    draw: st.DrawFn,
    shape: Any,
    dtype: Any,
    layouts: tuple[str, ...],
    elements: Any,
    special: bool,
    conditioning: Conditioning,
    min_size: int,
    max_size: int,
) -> Array:
    given = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    if given is None:
        sizes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=min(min_size, 1), max_side=4)
        given = draw(sizes.filter(lambda s: min_size <= int(np.prod(s)) <= max_size))
    wanted = np.dtype(draw(dtype) if isinstance(dtype, st.SearchStrategy) else dtype)
    one = elements if elements is not None else _element(wanted, special, conditioning)
    count = int(np.prod(given))
    with np.errstate(over="ignore"):
        x = np.array(draw(st.lists(one, min_size=count, max_size=count)), wanted).reshape(given)
    return LAYOUTS[draw(st.sampled_from(layouts))](x)


def _element(dtype: np.dtype[Any], special: bool, conditioning: Conditioning) -> st.SearchStrategy[Any]:
    if dtype.kind == "b":
        return st.booleans()
    if dtype.kind in "iu":
        return st.integers(0 if dtype.kind == "u" else -8, 8)
    real = plain_numbers(conditioning)
    if special:
        real = st.one_of(real, st.sampled_from(special_values(dtype)))
    return st.builds(complex, real, real) if dtype.kind == "c" else real


@public
def pytrees(leaves: Any = None, *, max_leaves: int = 5) -> st.SearchStrategy[Any]:
    """Containers of arrays: tuples, lists and dicts within each other, with `None` among them.

    Args:
        leaves: a strategy of leaves; by default `arrays(max_size=4)`.
        max_leaves: how many there are at most, about; there is at least one.

    Returns:
        A strategy. It shrinks to a single leaf.

    >>> from hypothesis import find
    >>> find(pytrees(), lambda tree: isinstance(tree, dict))
    {'a': array(0.)}
    """
    leaf = arrays(max_size=4) if leaves is None else leaves

    def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        child = st.one_of(inner, st.none())
        several = st.lists(child, min_size=1, max_size=3)
        names = st.lists(st.sampled_from("abcde"), min_size=1, max_size=3, unique=True)
        return st.one_of(
            several.map(tuple), several, names.flatmap(lambda keys: st.fixed_dictionaries(dict.fromkeys(keys, child)))
        )

    return st.recursive(leaf, nested, max_leaves=max_leaves).filter(lambda tree: bool(flatten(tree)[0]))


@public
def points_near_kinks(
    kinks: Sequence[float] = (0.0,), shape: Any = None, dtype: Any = np.float64
) -> st.SearchStrategy[Array]:
    """Arrays whose elements lie at, next to, or near the places where a function has kinks, and away from them.

    Args:
        kinks: where: (0,) for `abs`, (-1, 1) for a clip, …
        shape: a shape, or a strategy of shapes, as for `arrays`.
        dtype: a floating-point dtype.

    Returns:
        A strategy. An element shrinks to a point 1 above the first kink, then to nearer ones, and to the kink itself
        last: a test that fails shrinks to a kink only if it must.

    >>> from hypothesis import find
    >>> find(points_near_kinks((2.0,), shape=()), lambda x: x <= 2)
    array(1.)
    """
    wanted: Any = np.dtype(dtype).type
    if not len(kinks) or not is_inexact(np.dtype(dtype)):
        what = f"points_near_kinks needs a kink and a floating-point dtype, got {tuple(kinks)} and {np.dtype(dtype)}."
        raise ArgumentError(message(what))
    offsets = [sign * size for size in (1.0, 0.25, 1e-3, 1e-8) for sign in (1, -1)]
    near = [wanted(kink + offset) for kink in kinks for offset in offsets]
    next_to = [np.nextafter(wanted(k), wanted(to)) for k in kinks for to in (np.inf, -np.inf)]
    at = [wanted(kink) for kink in kinks]
    return arrays(shape, dtype, elements=st.sampled_from([*near, *next_to, *at]), layouts=("C",))


@public
def perturbations(tree: Any, size: float = 1.0) -> st.SearchStrategy[Any]:
    """Directions through a pytree of arrays: trees of its structure, shapes and dtypes, to move along.

    Args:
        tree: the arrays. Integers and booleans do not move: they get zeros of their dtype.
        size: how long, relative to the largest element of each array.

    Returns:
        A strategy. It shrinks to directions along a single element.

    >>> from hypothesis import find
    >>> find(perturbations({"w": np.ones(3)}), lambda t: t["w"].any())
    {'w': array([0.   , 0.   , 0.125])}
    """
    leaves, treedef = flatten(tree)
    each = [_perturbation(x, size) for x in leaves]
    return st.tuples(*each).map(treedef.unflatten)


def _perturbation(x: Array, size: float) -> st.SearchStrategy[Array]:
    aval = aval_of(x)
    if not is_inexact(aval.dtype):
        return st.builds(np.zeros, st.just(aval.shape), st.just(aval.dtype))
    scale = size * typical_size(x)
    steps = st.integers(-8, 8).map(lambda n: scale * n / 8)
    one = st.builds(complex, steps, steps) if aval.dtype.kind == "c" else steps
    return arrays(aval.shape, aval.dtype, elements=one, layouts=("C",))
