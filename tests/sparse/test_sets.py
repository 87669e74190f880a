"""Numbered sets of input elements, against Python's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgrad.sparse import sets as module
from fgrad.sparse.sets import EMPTY, Sets, ascending


def members(sets: Sets, number: int) -> frozenset[int]:
    return frozenset(sets.elements(np.array([number])).tolist())


@given(st.integers(0, 6), st.integers(0, 2**32))
def test_unions_agree_with_those_of_python(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sets = Sets(count)
    known = list({EMPTY, *range(1, count + 1), sets.full})
    for _ in range(6):
        groups, ids = np.sort(rng.integers(0, 3, 7)), rng.choice(known, 7)
        out = sets.union(groups, ids, 3)
        for group in range(3):
            wanted = frozenset().union(*[members(sets, i) for i in ids[groups == group].tolist()])
            assert members(sets, int(out[group])) == wanted
        a, b = rng.choice(known, (2, 3)), rng.choice(known, 3)
        both = sets.either(a, b)
        for index in np.ndindex(2, 3):
            assert members(sets, int(both[index])) == members(sets, int(a[index])) | members(sets, int(b[index[1]]))
        known = list({*known, *out.tolist(), *both.reshape(-1).tolist()})
    contents = [members(sets, number) for number in known]
    assert len(set(contents)) == len(known)  # equal sets have one number


def test_over_axes() -> None:
    sets = Sets(6)
    ids = np.arange(1, 7).reshape(2, 3)
    assert [members(sets, i) for i in sets.over(ids, (0,)).tolist()] == [{0, 3}, {1, 4}, {2, 5}]
    assert [members(sets, i) for i in sets.over(ids, (1,)).tolist()] == [{0, 1, 2}, {3, 4, 5}]
    assert sets.over(ids, (0, 1)) == sets.full
    np.testing.assert_array_equal(sets.over(ids, ()), ids)
    np.testing.assert_array_equal(sets.over(ids[:, :0], (1,)), [EMPTY, EMPTY])
    assert sets.over(ids[:0], (1,)).shape == (0,)


def test_sets_with_one_hash_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_mixed", lambda count: np.ones(count, np.uint64))
    sets = Sets(5)
    a, b = np.array([1, 2, 1, 4]), np.array([2, 3, 2, 5])
    assert [members(sets, i) for i in sets.either(a, b).tolist()] == [{0, 1}, {1, 2}, {0, 1}, {3, 4}]
    assert [members(sets, i) for i in sets.either(a, b + 0).tolist()] == [{0, 1}, {1, 2}, {0, 1}, {3, 4}]


def test_what_is_too_large_is_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST", 3)
    sets = Sets(10)
    assert sets.either(np.array([1]), np.array([2])).tolist() != [sets.full]
    assert sets.over(np.arange(1, 5), (0,)) == sets.full


def test_ascending() -> None:
    np.testing.assert_array_equal(ascending(np.array([3, 1, 3, 2, 1])), [1, 2, 3])
    assert ascending(np.zeros(0, np.int64)).shape == (0,)
