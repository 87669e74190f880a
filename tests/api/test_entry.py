"""Calls that have become frequent go through code of their own: nothing but the time they take may differ."""

from __future__ import annotations

import gc
import traceback
import weakref
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.api import jit as module
from fgrad.api.entry import MISSED
from fgrad.errors import OutOfBoundsError

Layer = namedtuple("Layer", "w b")
X = np.arange(3.0)


def frequent(f: Any, *args: Any, **kwargs: Any) -> Any:
    """A compiled function that has been called often."""
    jitted = fgrad.jit(f)
    for _ in range(module._OFTEN + 2):
        jitted(*args, **kwargs)
    assert len(jitted._entries) == 1
    return jitted


TREES = [
    (),
    (X, X),
    (2.0, 3, True, 1j, np.float32(2)),
    ({"b": X, "a": [X, (X, None)]},),
    ([Layer(X, 2.0), OrderedDict(z=X, y=X)],),
    (np.arange(3)[::-1], np.zeros((0, 2)), np.array(2.0)),
]


@pytest.mark.parametrize("args", TREES)
def test_results_are_those_of_rare_calls(args: Any) -> None:
    def f(*args: Any) -> Any:
        return fgrad.tree.map(lambda x: x * 2, args), None

    found, expected = frequent(f, *args)(*args), f(*args)
    assert fgrad.tree.structure(found) == fgrad.tree.structure(expected)
    for y, z in zip(fgrad.tree.leaves(found), fgrad.tree.leaves(expected), strict=True):
        assert type(y) is type(z)
        np.testing.assert_array_equal(y, z, strict=True)


def test_entries_are_what_is_called() -> None:
    f = frequent(lambda x, y: x + y, X, X)
    before = f.cache_info()
    f._cache.clear()
    np.testing.assert_array_equal(f(X, X + 1), [1.0, 3.0, 5.0])
    assert before.misses == 1
    f.clear_cache()
    assert not f._entries
    f(X, X)
    assert f.cache_info().misses == 1


def test_hits_are_counted() -> None:
    f = frequent(lambda x: x + 1, X)
    assert f.cache_info().hits == module._OFTEN + 1
    f(X)
    assert f.cache_info().hits == module._OFTEN + 2


@pytest.mark.parametrize(
    "other",
    [
        ({"w": np.arange(4.0), "b": 1.0}, [X]),
        ({"w": np.arange(3), "b": 1.0}, [X]),
        ({"w": np.arange(3, dtype=np.float32), "b": 1.0}, [X]),
        ({"w": X.astype(">f8"), "b": 1.0}, [X]),
        ({"w": np.float64(2), "b": 1.0}, [X]),
        ({"w": 2.0, "b": 1.0}, [X]),
        ({"w": X, "b": 1}, [X]),
        ({"w": X, "b": True}, [X]),
        ({"w": X, "b": np.float64(1.0)}, [X]),
        ({"b": 1.0, "w": X}, [X]),
        ({"w": X, "b": 1.0}, (X,)),
        ({"w": X, "b": 1.0}, [[X]]),
        ({"w": X, "b": 1.0}, []),
        ({"w": X, "b": 1.0, "c": 2.0}, [X]),
        ({"w": X, "c": 1.0}, [X]),
        (OrderedDict(w=X, b=1.0), [X]),
    ],
)
def test_another_signature_is_told_apart(other: Any) -> None:
    def f(params: Any, xs: Any) -> Any:
        return None, fgrad.tree.map(lambda x: x * 3, (params, xs))

    jitted = frequent(f, {"w": X, "b": 1.0}, [X])
    assert jitted._entries[0](other) is MISSED
    found, expected = jitted(*other)[1], f(*other)[1]
    assert fgrad.tree.structure(found) == fgrad.tree.structure(expected)
    assert list(found[0]) == list(other[0])
    for y, z in zip(fgrad.tree.leaves(found), fgrad.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(y, z, strict=False)
        assert np.asarray(y).dtype == np.asarray(z).dtype.newbyteorder("=")


def test_arguments_by_name() -> None:
    f = frequent(lambda x, y=0.0: x - y, X, y=X)
    np.testing.assert_array_equal(f(X, y=X + 1), [-1.0, -1.0, -1.0])
    np.testing.assert_array_equal(f(y=X + 1, x=X), [-1.0, -1.0, -1.0])
    np.testing.assert_array_equal(f(X), X)


def test_several_frequent_signatures() -> None:
    f = fgrad.jit(lambda x: x + 1)
    for n in range(6):
        for _ in range(module._OFTEN + 2):
            np.testing.assert_array_equal(f(np.zeros(n)), np.ones(n))
    assert len(f._entries) == module._ENTRIES


def test_transforms_see_through_frequent_calls() -> None:
    f = frequent(lambda x: (x * x).sum(), X)
    np.testing.assert_array_equal(fgrad.grad(f)(X), 2 * X)
    np.testing.assert_array_equal(fgrad.vmap(lambda x: f(X) + x)(X), 5 + X)
    outer = fgrad.make_jaxpr(lambda x: f(X) * x)(2.0)
    assert len(outer.eqns) > 1  # the call is part of the program
    with fgrad.disable_jit():
        assert f(X) == 5.0


def test_static_arguments_are_not_looked_over() -> None:
    f = fgrad.jit(lambda x, n: x * n, static_argnums=1)
    for _ in range(module._OFTEN + 2):
        f(X, 2)
    np.testing.assert_array_equal(f(X, 3), X * 3)


def test_errors_are_told_as_before() -> None:
    table = np.arange(4.0)
    f = frequent(lambda table, i: table[i], table, np.array([0, 1]))
    with pytest.raises(OutOfBoundsError) as caught:
        f(table, np.array([0, 9]))
    assert "table[i]" in str(caught.value)
    assert all(frame.filename == __file__ for frame in traceback.extract_tb(caught.value.__traceback__))


def test_nothing_is_kept_alive() -> None:
    held = np.ones(3)
    gone = weakref.ref(held)
    frequent(lambda x, held=held: x * held, X)
    f = frequent(lambda x: x * gone(), X)
    np.testing.assert_array_equal(f(X), X)
    del held, f
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("args", [([1.0] * 2000,), (X.astype(">f8"),)])
def test_what_no_entry_is_written_for(args: Any) -> None:
    f = fgrad.jit(lambda *args: 1.0)
    for _ in range(module._OFTEN + 2):
        f(*args)
    assert not f._entries
