"""Indexing of traced arrays, functional updates, and NumPy's chapter of indexing routines."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fgrad
from fgrad.core import Tracer
from fgrad.errors import (
    ArgumentError,
    ImmutableTracerError,
    InvalidIndexError,
    NonConcreteBooleanIndexError,
    OutOfBoundsError,
    ShapeError,
    TracerIntegerConversionError,
)
from fgrad.numpy import indexing
from fgrad.numpy.indexing import at
from fgrad.numpy.updates import MODES
from tests.numpy.against_numpy import agree, check, gradients, online, staged
from tests.numpy.index_expressions import indexed

X = np.arange(12.0).reshape(3, 4)


def numbers(shape: tuple[int, ...], seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(0.5, 2, shape)


def has_mask(index: Any) -> bool:
    entries = index if isinstance(index, tuple) else (index,)
    return any(np.asarray(e).dtype == np.bool_ for e in entries if isinstance(e, (bool, np.bool_, list, np.ndarray)))


# Reading


@given(indexed())
@settings(max_examples=300)
def test_indexing_is_numpys(drawn: Any) -> None:
    shape, index = drawn
    x = numbers(shape)
    expected = x[index]
    for run in (staged, online):
        agree(expected, run(lambda x: x[index], x))
    agree(expected, at(x)[index].get())


@given(indexed())
@settings(max_examples=100)
def test_the_gradient_of_indexing_adds_into_zeros(drawn: Any) -> None:
    shape, index = drawn
    x = numbers(shape)
    out, pull = fgrad.vjp(lambda x: x[index], x)
    ct = numbers(np.shape(out), 1)
    expected = np.zeros(shape)
    np.add.at(expected, index, ct)
    agree(expected, pull(ct)[0])
    _, t = fgrad.jvp(lambda x: x[index], (x,), (x,))
    agree(x[index], t)


@given(indexed(masks=False), st.sampled_from([(True, False), (False, True), (True, True)]))
@settings(max_examples=100)
def test_indexing_of_rows(drawn: Any, mapped: tuple[bool, bool]) -> None:
    """vmap of indexing with the array, the index arrays, or both mapped, against a loop."""
    shape, index = drawn
    entries = index if isinstance(index, tuple) else (index,)
    places = [i for i, e in enumerate(entries) if isinstance(e, (list, np.ndarray))]
    operands = [numbers(shape), *[np.asarray(entries[i]) for i in places]]
    rows = [mapped[0], *[mapped[1]] * len(places)]
    if not any(rows):
        return

    def taken(x: Any, *arrays: Any) -> Any:
        full = list(entries)
        for i, a in zip(places, arrays, strict=True):
            full[i] = a
        return at(x)[tuple(full)].get()

    stacked = [np.stack([x, np.flip(x), x]) if m else x for x, m in zip(operands, rows, strict=True)]
    out = fgrad.vmap(taken, in_axes=tuple(0 if m else None for m in rows))(*stacked)
    for k in range(3):
        agree(taken(*[x[k] if m else x for x, m in zip(stacked, rows, strict=True)]), out[k])


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.bool_, np.complex64])
def test_the_dtype_is_kept(dtype: Any) -> None:
    x = X.astype(dtype)
    for index in (0, (0, 0), [1, 2], slice(1), np.array([[True] * 4] * 3)):
        check(lambda x, index=index: x[index], lambda x, index=index: x[index], x)


def test_a_number_is_indexed_as_an_array_without_axes() -> None:
    for index in ((), ..., None, (None, ...), True, (False, None)):
        expected = np.asarray(2.0)[index]
        agree(expected, fgrad.jit(lambda x, index=index: x[index])(2.0))
        agree(expected, staged(lambda x, index=index: x[index], np.float64(2.0)))


def test_a_whole_array_costs_nothing() -> None:
    assert len(fgrad.make_jaxpr(lambda x: x[:][...][:, :])(X).eqns) == 0


def test_integer_tracers_index() -> None:
    i = np.array([2, 0, -1])
    agree(X[i], fgrad.jit(lambda x, i: x[i])(X, i))
    agree(X[i[0], i], fgrad.jit(lambda x, i: x[i[0], i])(X, i))
    agree(X[1:, [[2], [3]]], fgrad.jit(lambda x, i: x[1:, [[i], [3]]])(X, 2))
    agree(X[i], fgrad.jit(lambda i: at(X)[i].get())(i))
    agree(X[2], fgrad.jit(lambda x, i: x[i])(X, 2))


def test_integer_tracers_with_a_value_bound_slices() -> None:
    def head(x: Any, scale: Any) -> Any:
        n = fgrad.numpy.argmax(x * scale)
        return fgrad.numpy.sum(x[:n] ** 2)

    agree([2.0, 4.0, 0.0], fgrad.grad(head)(np.array([1.0, 2.0, 3.0]), 1.0))


def test_rows() -> None:
    def weighted(x: Any) -> Any:
        return sum(k * row @ row for k, row in enumerate(x))

    agree(2 * np.arange(3)[:, None] * X, fgrad.grad(weighted)(X))
    first, *rest = fgrad.jit(tuple)(X)
    agree(X[0], first)
    assert len(rest) == 2
    names = [eqn.primitive.name for eqn in fgrad.make_jaxpr(tuple)(X).eqns]
    assert names == ["unstack"]


def test_many_rows_are_one_equation_forwards_and_backwards() -> None:
    x = np.arange(2000.0)
    agree(2 * x, fgrad.grad(lambda x: sum(v * v for v in x))(x))


def test_iterating_over_a_number() -> None:
    with pytest.raises(TypeError, match="iteration over a traced array without axes"):
        fgrad.grad(sum)(1.0)


# Masks


def test_masks_work_where_there_is_a_value() -> None:
    def positive(x: Any) -> Any:
        return fgrad.numpy.sum(x[x > 3] ** 2)

    agree(np.where(X > 3, 2 * X, 0), fgrad.grad(positive)(X))
    agree(np.where(X > 3, 2.0, 0), fgrad.jvp(fgrad.grad(positive), (X,), (np.ones_like(X),))[1])
    mask = np.array([True, False, True])
    agree(X[mask], fgrad.jit(lambda x: x[mask])(X))
    agree(np.stack([X[mask]] * 2), fgrad.vmap(lambda x: x[mask])(np.stack([X] * 2)))


@pytest.mark.parametrize("transform", [fgrad.jit, fgrad.vmap])
def test_masks_without_a_value(transform: Callable[..., Any]) -> None:
    with pytest.raises(NonConcreteBooleanIndexError, match="selects an unknown number of elements") as raised:
        transform(lambda x: x[x > 1])(X)
    text = str(raised.value)
    assert "fgrad.numpy.where(mask, x, other)" in text
    assert "nonzero(mask, size=n)" in text
    assert "test_indexing.py" in text
    assert isinstance(raised.value, (TypeError, IndexError))


def test_masks_of_known_size() -> None:
    found = fgrad.jit(lambda x: x[fgrad.numpy.nonzero(x > 6, size=3)])(X)
    agree(X[X > 6][:3], found)


# Errors


@pytest.mark.parametrize("transform", [fgrad.jit, fgrad.make_jaxpr, lambda f: lambda x: fgrad.vjp(f, x)])
@pytest.mark.parametrize("index", [3, -4, (0, 4), (slice(None), 7), (Ellipsis, -5)])
def test_integers_outside_the_axis(transform: Callable[..., Any], index: Any) -> None:
    with pytest.raises(OutOfBoundsError, match=r"out of bounds for axis \d of an array of shape \(3, 4\)"):
        transform(lambda x: x[index])(X)


@pytest.mark.parametrize("index", [[3], [0, -4], np.array([[0, 9]])])
def test_index_arrays_outside_the_axis(index: Any) -> None:
    for run in (fgrad.jit(lambda x: x[index]), lambda x: fgrad.vjp(lambda x: x[index], x)):
        with pytest.raises(IndexError, match="out of bounds"):
            run(X)
    i = np.asarray(index)
    for f in (lambda x, i: x[i], lambda x, i: x.at[i].set(0.0), lambda x, i: x.at[i].add(1.0)):
        with pytest.raises(IndexError, match="out of bounds"):
            fgrad.jit(f)(X, i)
        with pytest.raises(IndexError, match="out of bounds"):
            fgrad.grad(lambda x, f=f: fgrad.numpy.sum(f(x, i)))(X)
        with pytest.raises(IndexError, match="out of bounds"):
            fgrad.vmap(f)(np.stack([X, X]), np.stack([i, i]))


@pytest.mark.parametrize(
    ("index", "text"),
    [
        ((0, 0, 0), "too many indices: an array of shape .3, 4. has 2 axes, 3 were indexed"),
        ((..., 0, ...), "one ellipsis"),
        (1.0, "must hold integers or booleans, got f64"),
        ("a", "must hold integers or booleans"),
        ([0.5], "must hold integers or booleans"),
        (([0, 1], [0, 1, 2]), r"index arrays of shapes \(2,\) and \(3,\) do not broadcast together"),
        ([True, False], "a mask of shape .2,. stands at axes of lengths .3,."),
        (np.ones((3, 3), np.bool_), "a mask of shape .3, 3. stands at axes of lengths .3, 4."),
    ],
)
def test_what_is_no_index(index: Any, text: str) -> None:
    with pytest.raises(IndexError):
        X[index]
    for transform in (fgrad.jit, lambda f: lambda x: fgrad.vjp(f, x)):
        with pytest.raises(InvalidIndexError, match=text):
            transform(lambda x: x[index])(X)


def test_a_float_tracer_is_no_index() -> None:
    with pytest.raises(InvalidIndexError, match=r"got f64\[\].*\n.*\n.*astype\(int\)"):
        fgrad.jit(lambda x, i: x[i])(X, 1.0)


def test_slices_without_values() -> None:
    with pytest.raises(
        TracerIntegerConversionError, match="a slice needs values for its bounds, got a traced i64"
    ) as raised:
        fgrad.jit(lambda x, n: x[:n])(X, 2)
    assert "x[start + numpy.arange(n)]" in str(raised.value)


def test_assignment_names_the_remedy() -> None:
    def assign(x: Any) -> Any:
        x[0] = 1
        return x

    with pytest.raises(ImmutableTracerError, match=r"x = x.at\[index\].set\(value\)"):
        fgrad.jit(assign)(X)


# Updates

UPDATES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "set": lambda x, i, v: x.__setitem__(i, v),
    "add": np.add.at,
    "subtract": np.subtract.at,
    "multiply": np.multiply.at,
    "divide": np.divide.at,
    "power": np.power.at,
    "min": np.minimum.at,
    "max": np.maximum.at,
}


def updated(name: str, x: Any, index: Any, v: Any) -> Any:
    out = np.array(x)
    if name == "set":  # in C order, whatever the memory layout
        index = tuple(np.ascontiguousarray(e) if isinstance(e, np.ndarray) and e.ndim else e for e in _entries(index))
    UPDATES[name](out, index, v)
    return out


def _entries(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def unambiguous(name: str, shape: Any, index: Any) -> bool:
    """Whether NumPy itself is certain to assign in C order."""
    arrays = [np.asarray(e) for e in _entries(index) if isinstance(e, (list, np.ndarray))]
    return name != "set" or len({a.shape for a in arrays}) <= 1


@pytest.mark.parametrize("name", UPDATES)
@given(drawn=indexed(), whole=st.booleans())
@settings(max_examples=40)
def test_updates_are_numpys(name: str, drawn: Any, whole: bool) -> None:
    shape, index = drawn
    if not unambiguous(name, shape, index):
        return
    x = numbers(shape)
    v = numbers(x[index].shape if whole else (), 1)
    expected = updated(name, x, index, v)

    def update(x: Any, v: Any) -> Any:
        return getattr(at(x)[index], name)(v)

    for run in (staged, online, lambda f, *xs: f(*xs)):
        agree(expected, run(update, x, v), rtol=1e-10)
    np.testing.assert_array_equal(x, numbers(shape))


@pytest.mark.parametrize("name", UPDATES)
@given(drawn=indexed())
@settings(max_examples=15)
def test_gradients_of_updates(name: str, drawn: Any) -> None:
    shape, index = drawn
    x = numbers(shape)
    if not unambiguous(name, shape, index) or not x.size:
        return
    v = numbers(x[index].shape, 1)
    gradients(lambda x, v: getattr(at(x)[index], name)(v), x, v)


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.parametrize("mapped", [m for m in itertools.product([0, None], repeat=3) if any(d == 0 for d in m)])
def test_updates_of_rows(name: str, mapped: tuple[int | None, ...]) -> None:
    xs, i, v = numbers((3, 4, 2)), np.array([[0, 1, 0], [3, -1, 2], [1, 1, 1]]), numbers((3, 3, 2), 1)
    operands = [a if dim == 0 else a[0] for a, dim in zip((xs, i, v), mapped, strict=True)]

    def update(x: Any, i: Any, v: Any) -> Any:
        return getattr(at(x)[i], name)(v)

    out = fgrad.vmap(update, in_axes=mapped)(*operands)
    for k in range(3):
        row = [a[k] if dim == 0 else a for a, dim in zip(operands, mapped, strict=True)]
        agree(updated(name, *row), out[k])


@pytest.mark.parametrize("name", UPDATES)
def test_compiled_gradients_of_updates(name: str) -> None:
    """The transposed program writes in place: into what is its own, not into cotangents that share memory."""
    x, i = X + 1, np.array([2, 0, 2])

    def loss(x: Any, v: Any) -> Any:
        return getattr(x.at[i], name)(v).sum() + getattr(x.at[1], name)(2.0)[0].sum()

    gradient = fgrad.grad(loss, argnums=(0, 1))
    v = numbers((3, 4))
    for expected, found in zip(gradient(x, v), fgrad.jit(gradient)(x, v), strict=True):
        agree(expected, found)


def test_apply_and_get() -> None:
    index, x = np.array([0, 2, 0]), X + 1
    expected = x.copy()
    expected[index] = np.sqrt(x[index])
    for run in (staged, online, lambda f, *xs: f(*xs)):
        agree(expected, run(lambda x: at(x)[index].apply(fgrad.numpy.sqrt), x))
        agree(x[index], run(lambda x: at(x)[index].get(), x))
    gradients(lambda x: at(x)[index].apply(fgrad.numpy.sqrt), x)


def test_the_method_of_tracers() -> None:
    agree(updated("add", X, ([0, 0], 1), 2.0), fgrad.jit(lambda x: x.at[[0, 0], 1].add(2.0))(X))
    agree(np.array(5.0), fgrad.jit(lambda x: x.at[()].set(5))(2.0))
    assert "at(" in repr(at(X)[0])


def test_concrete_arrays_stay_concrete_while_a_function_is_traced() -> None:
    def f(y: Any) -> Any:
        for mode in (None, "clip", "drop", "fill"):
            for name in (*UPDATES, "apply"):
                updates = at(X)[[0, 1]]
                value: Any = np.sqrt if name == "apply" else 2.0
                assert type(getattr(updates, name)(value, mode=mode)) is np.ndarray
            assert type(at(X)[[0, 1]].get(mode=mode)) is np.ndarray
        assert type(indexing.nonzero(X, size=2)[0]) is np.ndarray
        assert type(indexing.take(X, [0, 9], mode="fill")) is np.ndarray
        return y

    assert len(fgrad.make_jaxpr(f)(1.0).eqns) == 0


def test_values_broadcast_as_in_an_assignment() -> None:
    for v in (1.0, np.ones(4), np.ones((1, 4)), np.ones((1, 1, 4)), np.ones((2, 1))):
        expected = X.copy()
        expected[:2] = v
        agree(expected, at(X)[:2].set(v))
        agree(expected, fgrad.jit(lambda x, v: x.at[:2].set(v))(X, v))
    for v in (np.ones(3), np.ones((2, 2, 4)), np.ones((3, 4))):
        with pytest.raises(
            ShapeError, match=r"at\[index\].set: values of shape .* do not broadcast to the shape \(2, 4\)"
        ):
            at(X)[:2].set(v)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(
    ("into", "value", "fits"),
    [
        (np.float32, 0.1, True),
        (np.float32, np.float64(0.1), True),
        (np.float32, np.array([1, 2]), True),
        (np.int8, np.array([1, 2]), True),
        (np.uint8, np.array([1, 2]), True),
        (np.int64, True, True),
        (np.complex64, 0.5, True),
        (np.int64, 0.5, False),
        (np.int64, np.array([0.5, 1]), False),
        (np.float64, 1j, False),
        (np.bool_, 1, False),
    ],
)
@pytest.mark.parametrize("name", ["set", "add", "max"])
def test_dtypes_of_values(traced: bool, into: Any, value: Any, fits: bool, name: str) -> None:
    x = np.array([0, 1, 1]).astype(into)

    def update(x: Any, v: Any) -> Any:
        return getattr(at(x)[:2], name)(v)

    run = fgrad.jit(update) if traced else update
    if not fits:
        with pytest.raises(
            ShapeError, match=rf"at\[index\].{name}: values of dtype .* cannot be put into an array of dtype"
        ):
            run(x, value)
        return
    expected = x.copy()
    UPDATES[name](expected, np.s_[:2], np.asarray(value).astype(into))
    agree(expected, run(x, value))


def test_a_number_too_large_for_the_dtype() -> None:
    for f in (at(np.zeros(2, np.int8))[0].set, lambda v: fgrad.jit(lambda x: x.at[0].set(v))(np.zeros(2, np.int8))):
        with pytest.raises(OverflowError):
            f(300)


def test_quotients_do_not_fit_into_integers() -> None:
    with pytest.raises(ShapeError, match="quotients do not fit into an array of dtype int64"):
        at(np.arange(3))[0].divide(2)


# What lies outside


MODED = [
    ([0, 5, -1, -9], slice(None)),
    (slice(1), [4, 1, -5]),
    ([[2], [3]], [0, 4]),
    (7, slice(None)),
    (slice(None), -9),
]


def taken_in(index: Any, mode: str) -> Any:
    """The index with positions outside taken in."""

    def within(entry: Any, n: int) -> Any:
        if isinstance(entry, slice):
            return entry
        i = np.asarray(entry)
        return i % n if mode == "wrap" else np.clip(np.where(i < 0, i + n, i), 0, n - 1)

    return tuple(within(e, n) for e, n in zip(index, (3, 4), strict=True))


def sources(index: Any) -> list[tuple[Any, Any]]:
    """For every position in X[index] the position in X that it comes from, `None` where that lies outside."""
    rows, columns = [
        np.arange(n)[e] if isinstance(e, slice) else np.asarray(e) for e, n in zip(index, (3, 4), strict=True)
    ]
    if any(isinstance(e, slice) for e in index):
        rows = rows[..., *[None] * columns.ndim]
    pairs = []
    for where in np.ndindex(np.broadcast_shapes(rows.shape, columns.shape)):
        i, j = (int(np.broadcast_to(a, np.broadcast_shapes(rows.shape, columns.shape))[where]) for a in (rows, columns))
        pairs.append(((i, j) if -3 <= i < 3 and -4 <= j < 4 else None, where))
    return pairs


@pytest.mark.parametrize("index", MODED, ids=str)
@pytest.mark.parametrize("mode", ["clip", "wrap"])
def test_positions_outside_taken_in(index: Any, mode: str) -> None:
    inside = taken_in(index, mode)
    for run in (staged, online, lambda f, *xs: f(*xs)):
        agree(X[inside], run(lambda x: at(x)[index].get(mode=mode), X))
        agree(updated("add", X, inside, 1.0), run(lambda x: at(x)[index].add(1.0, mode=mode), X))


@pytest.mark.parametrize("index", MODED, ids=str)
@pytest.mark.parametrize("mode", ["fill", "drop"])
def test_positions_outside_left_out(index: Any, mode: str) -> None:
    pairs, x = sources(index), X + 1
    v = numbers(x[taken_in(index, "clip")].shape, 1)
    got = np.full(v.shape, np.nan)
    for source, where in pairs:
        if source is not None:
            got[where] = x[source]
    for name, ufunc_at in UPDATES.items():
        expected = x.copy()
        for target, where in pairs:
            if target is not None:
                ufunc_at(expected, target, v[where])
        for run in (staged, online, lambda f, *xs: f(*xs)):
            agree(got, run(lambda x: at(x)[index].get(mode=mode), x))
            agree(np.where(np.isnan(got), 7.0, got), run(lambda x: at(x)[index].get(mode=mode, fill_value=7), x))
            agree(expected, run(lambda x, v, name=name: getattr(at(x)[index], name)(v, mode=mode), x, v), rtol=1e-10)
    gradients(lambda x, v: at(x)[index].set(v, mode=mode), x, v)
    gradients(lambda x: at(x)[index].get(mode=mode, fill_value=0.0), x)


@pytest.mark.parametrize("name", ["multiply", "divide", "power"])
@pytest.mark.parametrize("value", [0.0, np.inf, np.nan])
def test_what_is_left_out_has_no_derivative(name: str, value: float) -> None:
    def update(x: Any, v: Any) -> Any:
        return fgrad.numpy.sum(getattr(at(x)[[0, 9]], name)(v, mode="drop"))

    by_x, by_v = fgrad.grad(update, argnums=(0, 1))(np.array([2.0, 3.0]), np.array([2.0, value]))
    assert np.isfinite(by_x).all()
    assert by_v[1] == 0


@pytest.mark.parametrize(
    ("dtype", "fill"),
    [(np.float32, np.nan), (np.complex128, np.nan), (np.int8, -128), (np.uint8, 255), (np.bool_, True)],
)
def test_what_fills_by_default(dtype: Any, fill: Any) -> None:
    agree(np.array([0, fill]).astype(dtype), at(np.zeros(2, dtype))[[0, 2]].get(mode="fill"))


def test_nothing_to_take_from() -> None:
    x = np.zeros((0, 2))
    agree(np.full((1, 2), np.nan), at(x)[[0]].get(mode="fill"))
    agree(x, at(x)[[0]].set(1.0, mode="drop"))


def test_unknown_options() -> None:
    with pytest.raises(ArgumentError, match="mode='wild' is none of"):
        at(X)[0].get(mode="wild")
    with pytest.raises(ArgumentError, match="set takes no argument `sorted`"):
        at(X)[0].set(1.0, sorted=True)
    assert set(MODES) >= {"clip", "drop", "fill", "promise_in_bounds"}


def test_a_promise_of_distinct_positions() -> None:
    closed = fgrad.make_jaxpr(lambda x, i: x.at[i].add(1.0, unique_indices=True))(X, np.array([0, 2]))
    assert closed.eqns[-1].params["unique"] is True


# NumPy's chapter


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("where", [2, -1, [0, 2], np.array([[0, 1], [2, 0]]), [], True, [True, False], np.int8(1)])
def test_take(axis: Any, where: Any) -> None:
    check(lambda x: indexing.take(x, where, axis), lambda x: np.take(x, where, axis), X)
    gradients(lambda x: indexing.take(x, where, axis), X)


@pytest.mark.parametrize("mode", ["wrap", "clip", "raise"])
def test_modes_of_take(mode: Any) -> None:
    where = np.array([-5, 7, 1]) if mode != "raise" else np.array([2, 0, -1, 1])
    check(lambda x: indexing.take(x, where, mode=mode), lambda x: np.take(x, where, mode=mode), X)
    for axis in (None, 0, 1):
        if mode != "raise" or axis is None:
            expected = np.take(X, where, axis, mode=mode)
            agree(expected, fgrad.jit(lambda x, i, axis=axis: indexing.take(x, i, axis, mode=mode))(X, where))
    with pytest.raises(ArgumentError, match="none of 'raise'"):
        fgrad.jit(lambda x: indexing.take(x, 0, mode="x"))(X)


def test_take_and_fill() -> None:
    for run in (staged, online, lambda f, *xs: f(*xs)):
        agree([[0, np.nan], [4, np.nan], [8, np.nan]], run(lambda x: indexing.take(x, [0, 9], 1, mode="fill"), X))
        agree([1.0, -1.0], run(lambda x: indexing.take(x, [1, 99], mode="fill", fill_value=-1), X))


def test_take_from_a_number() -> None:
    check(lambda x: indexing.take(x, [0, 0]), lambda x: np.take(x, [0, 0]), np.float64(3.0))


def test_positions_must_be_integers() -> None:
    with pytest.raises(InvalidIndexError, match="take takes positions that are integers, got f64"):
        fgrad.jit(lambda x: indexing.take(x, 1.5))(X)
    with pytest.raises(ArgumentError, match="does not take `out`"):
        fgrad.jit(lambda x: indexing.take(x, 0, out=np.zeros(())))(X)


@pytest.mark.parametrize(
    ("axis", "where"),
    [
        (0, np.array([[0, 1, 2, -1]])),
        (0, np.array([[0, 1, 2, 1], [2, 2, 2, 2]])),
        (1, np.array([[3], [0], [1]])),
        (-1, np.array([[3, 0], [0, 0], [1, -4]])),
        (None, np.array([3, 11, 3])),
    ],
)
def test_along_an_axis(axis: Any, where: Any) -> None:
    check(lambda x: indexing.take_along_axis(x, where, axis), lambda x: np.take_along_axis(x, where, axis), X)
    gradients(lambda x: indexing.take_along_axis(x, where, axis), X)
    agree(
        np.take_along_axis(X, where, axis),
        fgrad.jit(lambda x, i: indexing.take_along_axis(x, i, axis))(X, where),
    )
    values = numbers(np.take_along_axis(X, where, axis).shape, 1)

    def put(x: Any, v: Any) -> Any:
        out = np.array(x)
        np.put_along_axis(out, where, v, axis)
        return out

    check(lambda x, v: indexing.put_along_axis(x, where, v, axis), put, X, values)
    gradients(lambda x, v: indexing.put_along_axis(x, where, v, axis), X, values)


def test_along_an_axis_of_rows() -> None:
    where = np.argsort(-numbers((5, 3, 4)), axis=1)
    xs = numbers((5, 3, 4), 1)
    agree(np.take_along_axis(xs, where, 1), fgrad.vmap(lambda x, i: indexing.take_along_axis(x, i, 0))(xs, where))
    with pytest.raises(ShapeError, match="need as many axes"):
        fgrad.jit(lambda x: indexing.take_along_axis(x, np.array([0]), 0))(X)


def test_where() -> None:
    mask, y = X > 4, -X
    check(indexing.where, np.where, mask, X, y)
    check(lambda x: indexing.where(mask, x, 0), lambda x: np.where(mask, x, 0), X.astype(np.float32))
    check(lambda x: indexing.where([1, 0, 2, 0], x, 0), lambda x: np.where([1, 0, 2, 0], x, 0), X)
    check(lambda x: indexing.where(x > 4, 1.0, 2), lambda x: np.where(x > 4, 1.0, 2), X)
    check(lambda x: indexing.where(x, x[:, :1], x[0]), lambda x: np.where(x, x[:, :1], x[0]), X)
    gradients(lambda x, y: indexing.where(mask, x * y, x), X, y)
    agree(np.where(X > 5)[1], fgrad.vjp(lambda x: (x, indexing.where(x > 5)), X, has_aux=False)[0][1][1])
    for bad in (lambda: indexing.where(mask, X), lambda: indexing.where(mask, X, y, size=3)):
        with pytest.raises(ArgumentError):
            bad()


def test_a_guarded_square_root() -> None:
    safe = fgrad.grad(
        lambda x: fgrad.numpy.sum(indexing.where(x > 0, fgrad.numpy.sqrt(indexing.where(x > 0, x, 1.0)), 0.0))
    )
    agree([0.0, 0.5], safe(np.array([0.0, 1.0])))


def test_select() -> None:
    check(
        lambda x: indexing.select([x < 3, x > 6], [x, 10 * x], -1),
        lambda x: np.select([x < 3, x > 6], [x, 10 * x], -1),
        X,
    )
    check(
        lambda x: indexing.select([x < 3, x < 6], [x, 2], 1.5),
        lambda x: np.select([x < 3, x < 6], [x, 2], 1.5),
        X.astype(np.float32),
    )
    with pytest.raises(ArgumentError, match="as many conditions as choices, got 1 and 2"):
        fgrad.jit(lambda x: indexing.select([x < 3], [x, x]))(X)


@pytest.mark.parametrize("x", [np.array([0, 3, 0, 4]), np.eye(3), np.zeros((2, 2)), np.zeros((0, 3)), np.array([True])])
def test_nonzero(x: Any) -> None:
    for ours, numpys in (
        (indexing.nonzero, np.nonzero),
        (lambda x: (indexing.flatnonzero(x),), lambda x: (np.flatnonzero(x),)),
        (lambda x: (indexing.argwhere(x),), lambda x: (np.argwhere(x),)),
    ):
        for found in (ours(x), fgrad.jvp(lambda y, ours=ours: (y, ours(x * y)), (1.0,), (1.0,))[0][1]):
            for a, b in zip(found, numpys(x), strict=True):
                agree(b, a)
        with pytest.raises(NonConcreteBooleanIndexError, match=r"is unknown: it has no value in jit.*\n"):
            fgrad.jit(ours)(x)


@given(st.lists(st.lists(st.integers(0, 1), min_size=3, max_size=3), max_size=4), st.integers(0, 7))
@settings(max_examples=60)
def test_nonzero_of_known_size(rows: list[list[int]], size: int) -> None:
    x = np.array(rows, np.int64).reshape(len(rows), 3)
    found = np.argwhere(x)[:size]
    expected = np.concatenate([found, np.full((size - len(found), 2), -7)])
    for run in (lambda f, x: f(x), lambda f, x: fgrad.jit(f)(x)):
        got = run(lambda x: indexing.nonzero(x, size=size, fill_value=-7), x)
        agree(expected, np.stack(got, 1))
        agree(expected, run(lambda x: indexing.argwhere(x, size=size, fill_value=-7), x))
        agree(expected[:, 1], run(lambda x: indexing.where(x, size=size, fill_value=(0, -7))[1], x))
    if len(rows):
        several = np.stack([x, 1 - x])
        mapped = fgrad.vmap(lambda x: indexing.nonzero(x, size=size, fill_value=-7)[0])(several)
        for row, got in zip(several, mapped, strict=True):
            agree(indexing.nonzero(row, size=size, fill_value=-7)[0], got)


def test_choose() -> None:
    which, choices = np.array([[0, 1], [2, 1]]), numbers((3, 2, 2))
    check(lambda c: indexing.choose(which, c), lambda c: np.choose(which, c), choices)
    check(lambda c: indexing.choose(which, [c, 2 * c, -1]), lambda c: np.choose(which, [c, 2 * c, -1]), choices[0])
    agree(np.choose(which, choices), fgrad.jit(indexing.choose)(which, choices))
    outside = which * 3 - 2
    for mode in ("wrap", "clip"):
        check(
            lambda c, m=mode: indexing.choose(outside, c, mode=m),
            lambda c, m=mode: np.choose(outside, c, mode=m),
            choices,
        )
    with pytest.raises(ValueError, match="invalid entry"):
        fgrad.jit(indexing.choose)(outside * 9, choices)
    gradients(lambda c: indexing.choose(which, c), choices)


@pytest.mark.parametrize(
    ("condition", "axis"), [([True, False, True], 0), ([1, 0, 0, 2], 1), ([0, 1, 0, 0, 1], None), ([], 0)]
)
def test_compress(condition: Any, axis: Any) -> None:
    check(lambda x: indexing.compress(condition, x, axis), lambda x: np.compress(condition, x, axis), X)
    gradients(lambda x: indexing.compress(condition, x, axis), X)


def test_compress_and_extract_of_known_size() -> None:
    mask = np.array([False, True, True, False])
    for run in (fgrad.jit, lambda f: f):
        agree(
            np.c_[X[:, 1:3], np.full(3, -1.0)],
            run(lambda x, m: indexing.compress(m, x, 1, size=3, fill_value=-1))(X, mask),
        )
        agree([9.0, 10.0], run(lambda x: indexing.extract(x > 8, x, size=2))(X))
    agree(X[X > 8], indexing.extract(X > 8, X))
    with pytest.raises(NonConcreteBooleanIndexError):
        fgrad.jit(lambda x: indexing.extract(x > 8, x))(X)
    agree(np.where(X > 8, 1.0, 0.0), fgrad.grad(lambda x: fgrad.numpy.sum(indexing.extract(x > 8, x)))(X))
    with pytest.raises(ShapeError, match="condition of one axis"):
        fgrad.jit(lambda x: indexing.compress([[True]], x))(X)


@pytest.mark.parametrize("k", [-4, -1, 0, 1, 2, 9])
def test_diagonals(k: int) -> None:
    for ours, numpys in (
        (indexing.diagonal, np.diagonal),
        (indexing.diag, np.diag),
        (indexing.diagflat, np.diagflat),
        (indexing.tril, np.tril),
        (indexing.triu, np.triu),
    ):
        check(lambda x, f=ours: f(x, k), lambda x, f=numpys: f(x, k), X)
        gradients(lambda x, f=ours: f(x, k), X)
    check(lambda x: indexing.diag(x, k), lambda x: np.diag(x, k), X[0])
    check(lambda x: indexing.tril(x, k), lambda x: np.tril(x, k), X[0])
    cube = numbers((2, 3, 4, 3))
    check(lambda x: indexing.triu(x, k), lambda x: np.triu(x, k), cube.astype(np.float32))
    for axes in ((0, 1), (1, 3), (3, 1), (-1, 0), (2, 1)):
        check(lambda x, a=axes: indexing.diagonal(x, k, *a), lambda x, a=axes: np.diagonal(x, k, *a), cube)


def test_errors_of_diagonals() -> None:
    for f in (
        lambda x: indexing.diagonal(x[0]),
        lambda x: indexing.diagonal(x, 0, 1, 1),
        lambda x: indexing.diagonal(x, 0, 0, 2),
        lambda x: indexing.diag(x[None]),
        lambda x: indexing.tril(x[0, 0]),
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            fgrad.jit(f)(X)


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (7, 2), (2, 2, 2)])
@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("value", [5.0, [1.0, 2.0], [[1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0], [8.0]]])
def test_fill_diagonal(shape: tuple[int, ...], wrap: bool, value: Any) -> None:
    x, v = numbers(shape), np.asarray(value)

    def filled(x: Any, v: Any) -> Any:
        out = np.array(x)
        np.fill_diagonal(out, v, wrap)
        return out

    check(lambda x, v: indexing.fill_diagonal(x, v, wrap), filled, x, v)
    gradients(lambda x, v: indexing.fill_diagonal(x, v, wrap), x, v)
    with pytest.raises(ShapeError, match="fill_diagonal takes a matrix"):
        fgrad.jit(lambda x: indexing.fill_diagonal(x[0, 0] if x.ndim == 2 else x[0, 0, 0], 1.0))(x)


def test_index_arrays() -> None:
    for found, expected in zip(
        indexing.ix_([0, 2], [True, False, True]), np.ix_([0, 2], [True, False, True]), strict=True
    ):
        agree(expected, found)
    agree(
        X[np.ix_([0, 2], [1, 3])],
        fgrad.jit(lambda x, i, j: x[indexing.ix_(i, j)])(X, np.array([0, 2]), np.array([1, 3])),
    )
    with pytest.raises(ShapeError, match="ix_ takes arrays of one axis"):
        fgrad.jit(indexing.ix_)(X)
    for ours, numpys in (
        (indexing.diag_indices_from, np.diag_indices_from),
        (indexing.tril_indices_from, np.tril_indices_from),
        (indexing.triu_indices_from, np.triu_indices_from),
    ):
        for found, expected in zip(fgrad.jit(ours)(X[:, :3]), numpys(X[:, :3]), strict=True):
            agree(expected, found)
    assert indexing.indices is np.indices
    assert indexing.tril_indices is np.tril_indices


@pytest.mark.parametrize("order", ["C", "F"])
def test_flat_positions(order: Any) -> None:
    flat = np.array([[5, 2], [0, 11]])
    expected = np.unravel_index(flat, (3, 4), order)
    for run in (lambda f: f, fgrad.jit):
        found = run(lambda i: indexing.unravel_index(i, (3, 4), order))(flat)
        for a, b in zip(found, expected, strict=True):
            agree(b, a)
        agree(flat, run(lambda i, j: indexing.ravel_multi_index((i, j), (3, 4), order=order))(*expected))
        agree(3, run(lambda i: indexing.ravel_multi_index((i, 3), (3, 4), mode=("clip", "wrap"), order="C"))(0))
    agree(flat[0], fgrad.vmap(lambda i: indexing.ravel_multi_index(indexing.unravel_index(i, (3, 4)), (3, 4)))(flat[0]))
    agree(flat[1], fgrad.jit(lambda m: indexing.ravel_multi_index(m, (3, 4), order=order))(np.stack(expected)[:, 1]))
    with pytest.raises(ValueError, match="out of bounds"):
        fgrad.jit(lambda i: indexing.unravel_index(i, 3))(5)
    with pytest.raises(ValueError, match="invalid entry"):
        fgrad.jit(lambda i: indexing.ravel_multi_index((i, i), (3, 4)))(5)


def test_every_function_is_exported() -> None:
    for name in indexing.__all__:
        assert getattr(fgrad.numpy, name) is getattr(indexing, name)
    assert isinstance(Tracer.at, property)  # type: ignore[attr-defined]


MASKED_UPDATES: list[tuple[str, Any]] = [
    ("set", 7.0),
    ("add", 2.0),
    ("subtract", 2.0),
    ("multiply", 3.0),
    ("divide", 4.0),
    ("power", 0.5),
    ("min", 0.5),
    ("max", 1.5),
]


@pytest.mark.parametrize(("name", "value"), MASKED_UPDATES)
def test_updates_by_a_mask_without_a_value(name: str, value: float) -> None:
    x = np.array([[4.0, 0.0, 1.0], [0.25, 3.0, 2.0]])

    def f(x: Any, mask: Any, value: Any = value) -> Any:
        return getattr(fgrad.numpy.at(x)[mask], name)(value)

    rows = np.array([False, True])
    row = np.array([1.0, 2.0, 0.5])
    for mask, v in ((x > 0.5, value), (rows, value), (rows, row)):
        expected = f(x, mask, v)
        agree(expected, fgrad.jit(f)(x, mask, v))
        agree(
            np.stack([expected, expected]),
            fgrad.vmap(f, in_axes=(0, 0, None))(np.stack([x, x]), np.stack([mask, mask]), v),
        )
    slopes = fgrad.grad(lambda x: fgrad.numpy.sum(f(x, x > 0.5) ** 2))(x)
    np.testing.assert_allclose(fgrad.jit(fgrad.grad(lambda x: fgrad.numpy.sum(f(x, x > 0.5) ** 2)))(x), slopes)
    assert np.isfinite(slopes).all()
    with pytest.raises(NonConcreteBooleanIndexError, match="unknown number of elements"):
        fgrad.jit(f)(x, x > 0.5, row)
