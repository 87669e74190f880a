"""Random index expressions of every kind, for arrays of random shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

bounds = st.none() | st.integers(-5, 5)
slices = st.builds(slice, bounds, bounds, st.none() | st.sampled_from([-2, -1, 1, 2]))
Piece = tuple[Any, list[int]]
"""An entry of an index, and the lengths of the axes that it takes."""


@st.composite
def arrays(draw: Any, size: int, shape: tuple[int, ...]) -> Any:
    """Positions in an axis that broadcast to a shape: an array of some dtype and order, or nested lists."""
    own = tuple(1 if draw(st.integers(0, 3)) == 3 else n for n in shape)
    own = own[draw(st.integers(0, len(own))) :] if draw(st.integers(0, 3)) == 3 else own
    count = int(np.prod(own))
    low = draw(st.sampled_from([0, -size]))
    values = draw(st.lists(st.integers(low, size - 1), min_size=count, max_size=count))
    dtype = draw(st.sampled_from([np.int64, np.int8, np.uint8 if not low else np.int16]))
    array = np.array(values, dtype).reshape(own, order=draw(st.sampled_from("CF")))
    return array.tolist() if own and draw(st.integers(0, 2)) == 2 else array


@st.composite
def pieces(draw: Any, kind: str, common: tuple[int, ...]) -> Piece:
    """One entry of a kind."""
    n = draw(st.integers(0 if kind in ("slice", "full") else 1, 4))
    if kind == "slice":
        return draw(slices), [n]
    if kind == "full":
        return slice(None), [n]
    if kind == "int":
        return draw(st.sampled_from([int, int, np.int64, np.int32, np.array]))(draw(st.integers(-n, n - 1))), [n]
    if kind == "array":
        return draw(arrays(n, common)), [n]
    if kind == "mask":
        sizes = [n] if draw(st.booleans()) else [n, draw(st.integers(1, 3))]
        count = int(np.prod(sizes))
        values = draw(st.lists(st.booleans(), min_size=count, max_size=count))
        mask = np.array(values, np.bool_).reshape(sizes)
        return (mask.tolist() if draw(st.booleans()) else mask), sizes
    if kind == "truth":
        return draw(st.sampled_from([True, False, np.True_, np.array(True)])), []
    return None, []


@st.composite
def indexed(draw: Any, masks: bool = True) -> tuple[tuple[int, ...], Any]:
    """The shape of an array and an index of it: a mask, or index arrays, among slices, integers and new axes."""
    common = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    masked = masks and draw(st.integers(0, 2)) == 2
    kinds = ["slice", "full", "int", "new axis"] + ([] if masked else ["array", "array", "array"])
    drawn = [draw(pieces(kind, common)) for kind in draw(st.lists(st.sampled_from(kinds), max_size=4))]
    if masked:
        drawn.insert(draw(st.integers(0, len(drawn))), draw(pieces("mask", common)))
    elif masks and all(n == 1 for n in common) and draw(st.integers(0, 3)) == 3:
        drawn.insert(draw(st.integers(0, len(drawn))), draw(pieces("truth", common)))
    more = draw(st.lists(st.integers(0, 3), max_size=1))
    if draw(st.booleans()):
        drawn.insert(draw(st.integers(0, len(drawn))), (..., more))
        more = []
    entries = [entry for entry, _ in drawn]
    shape = [n for _, sizes in drawn for n in sizes] + more
    return tuple(shape), entries[0] if len(entries) == 1 and draw(st.booleans()) else tuple(entries)
