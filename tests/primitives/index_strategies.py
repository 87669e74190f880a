"""Random keys with index arrays, for arrays of random shapes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from fgrad.primitives.index_keys import ARRAY, GAP, slice_entry


class Indexed(NamedTuple):
    """The shape of an array, a key for it, and the key's index arrays."""

    shape: tuple[int, ...]
    key: tuple[Any, ...]
    arrays: list[Any]


bounds = st.none() | st.integers(-6, 6)
slices = st.builds(slice, bounds, bounds, st.none() | st.sampled_from([-3, -2, -1, 1, 2, 3]))


@st.composite
def index_arrays(draw: Any, size: int, shape: tuple[int, ...]) -> Any:
    """Positions in an axis, negative ones too, that broadcast to a shape; C or Fortran order, small dtypes too."""
    own = tuple(1 if draw(st.booleans()) and draw(st.booleans()) else n for n in shape)
    own = own[draw(st.integers(0, len(own))) if draw(st.booleans()) else 0 :]
    count = int(np.prod(own))
    values = draw(st.lists(st.integers(-size, size - 1), min_size=count, max_size=count))
    dtype = draw(st.sampled_from([np.int64, np.int8, np.int32]))
    return np.array(values, dtype).reshape(own, order=draw(st.sampled_from("CF")))


@st.composite
def indexed(draw: Any, max_ndim: int = 4, basic: bool | None = None) -> Indexed:
    """A shape, a key and its index arrays."""
    basic = draw(st.booleans()) if basic is None else basic
    kinds = ["slice", "int"] if basic else ["slice", "full", "int", "array", "array"]
    ndim = draw(st.integers(0 if basic else 1, max_ndim))
    common = tuple(draw(st.lists(st.integers(0, 3) if draw(st.booleans()) else st.integers(1, 3), max_size=2)))
    shape: list[int] = []
    key: list[Any] = []
    arrays: list[Any] = []
    for _ in range(ndim):
        while draw(st.integers(0, 5)) == 5:
            key.append(None)
        kind = draw(st.sampled_from(kinds))
        n = draw(st.integers(0 if kind == "slice" else 1, 4))
        shape.append(n)
        if kind == "slice":
            key.append(slice_entry(draw(slices), n))
        elif kind == "full":
            key.append(slice_entry(slice(None), n))
        elif kind == "int":
            key.append(draw(st.integers(0, n - 1)))
        else:
            key.append(ARRAY)
            arrays.append(draw(index_arrays(n, common)))
    if draw(st.integers(0, 4)) == 4:
        key.insert(draw(st.integers(0, len(key))), GAP)
    return Indexed(tuple(shape), tuple(key), arrays)
