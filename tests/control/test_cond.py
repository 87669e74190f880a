"""Choices: equal to Python's, under every transform; only what is chosen runs; messages."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ArgumentError, OutOfBoundsError, OutputTypeError, ShapeError, TreeStructureError
from fgrad.lax.control import cond, switch
from tests.control.agreement import Pair, assert_agree, counts, equations

XS = np.array([-2.0, -0.5, 0.0, 0.7, 3.0])
BRANCHES = [lambda x, w: x * w, lambda x, w: np.sin(x) + w, lambda x, w: w * w * x**3]


def chosen_by_value() -> Pair:
    return Pair(lambda w: cond(w > 0.5, lambda x: np.sin(x * w), lambda x: x**3, w), lambda w: np.sin(w * w))


def other_branch() -> Pair:
    return Pair(lambda w: cond(w > 5.0, lambda x: np.sin(x * w), lambda x: x**3 * w, w), lambda w: w**4)


def both_branches() -> Pair:
    def choose(w: Any, x: Any) -> Any:
        return cond(x > 0.0, lambda x, w: np.exp(x * w), lambda x, w: np.sin(w) * x, x, w)

    def control(w: Any) -> Any:
        return fgrad.vmap(lambda x: choose(w, x * w))(XS).sum()

    return Pair(control, lambda w: sum(np.exp(x * w * w) if x > 0 else np.sin(w) * x * w for x in XS))


def one_of_three() -> Pair:
    def control(w: Any) -> Any:
        total = fgrad.vmap(lambda i: switch(i, BRANCHES, w, 2.0 * w))(np.array([0, 2, 1, 2, 9, -9])).sum()
        return total + switch(1, BRANCHES, w, w)

    def python(w: Any) -> Any:
        return sum(BRANCHES[i](w, 2.0 * w) for i in (0, 2, 1, 2, 2, 0)) + BRANCHES[1](w, w)

    return Pair(control, python)


def a_constant_and_a_tangent() -> Pair:
    def control(w: Any) -> Any:
        a, b = cond(w > 0, lambda: (w, 1.0), lambda: (2.0, w * w))
        c, d = cond(w < 0, lambda: (w, 1.0), lambda: (2.0, w * w))
        return a * b + c * d * a

    return Pair(control, lambda w: w + 2.0 * w * w * w)


def trees_and_closures() -> Pair:
    table = np.linspace(0.0, 1.0, 1000)

    def control(w: Any) -> Any:
        def yes(p: Any) -> Any:
            return {"a": (table * p["u"] * w).sum(), "n": (p["n"] + 1, None)}

        def no(p: Any) -> Any:
            return {"a": p["u"], "n": (p["n"], None)}

        out = cond(w > 0, yes, no, {"u": w * w, "n": 3})
        return out["a"] * out["n"][0]

    return Pair(control, lambda w: table.sum() * w**3 * 4)


PROGRAMS = [chosen_by_value, other_branch, both_branches, one_of_three, a_constant_and_a_tangent, trees_and_closures]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_programs_agree_with_python(program: Callable[[], Pair]) -> None:
    assert_agree(program())


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit], ids=["eager", "jit"])
def test_conditions_are_booleans_and_numbers(wrap: Callable[..., Any]) -> None:
    f = wrap(lambda p: cond(p, lambda: 1.0, lambda: 2.0))
    for yes in (True, np.True_, 1, -1, 0.5, np.float32(2), np.array(3), 1j):
        assert f(yes) == 1.0
    for no in (False, np.False_, 0, 0.0, np.int8(0), np.array(0.0)):
        assert f(no) == 2.0


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit], ids=["eager", "jit"])
def test_an_index_out_of_range_takes_the_nearest(wrap: Callable[..., Any]) -> None:
    f = wrap(lambda i: switch(i, [lambda: 10, lambda: 11, lambda: 12]))
    assert [f(i) for i in (-5, -1, 0, 1, 2, 3, 100)] == [10, 10, 10, 11, 12, 12, 12]
    assert fgrad.vmap(f)(np.array([-5, 1, 100], np.int8)).tolist() == [10, 11, 12]
    assert [f(np.uint8(i)) for i in (0, 200)] == [10, 12]


MAPPED = [(p, x, w) for p in (None, 0) for x in (None, 0, 1) for w in (None, 0) if (p, x, w) != (None, None, None)]


@pytest.mark.parametrize("in_axes", MAPPED, ids=str)
@pytest.mark.parametrize("out_axes", [0, -1])
def test_vmap_is_the_loop_over_rows(in_axes: tuple[int | None, ...], out_axes: int) -> None:
    p = np.array([True, False, True, True]) if in_axes[0] == 0 else np.True_
    x = np.linspace(-1.0, 1.0, 12).reshape({None: (12,), 0: (4, 3), 1: (3, 4)}[in_axes[1]])
    w = np.array([0.5, -1.0, 2.0, 0.1]) if in_axes[2] == 0 else np.float64(0.7)

    def f(p: Any, x: Any, w: Any) -> Any:
        return cond(p, lambda x, w: np.sin(x) * w, lambda x, w: x * x * w * w, x, w)

    def loss(x: Any, w: Any, p: Any) -> Any:
        return (f(p, x, w) ** 2).sum()

    def derivatives(p: Any, x: Any, w: Any) -> Any:
        return fgrad.grad(loss, (0, 1))(x, w, p), fgrad.jacfwd(fgrad.grad(loss), 1)(x, w, p)

    for g in (f, derivatives):
        rows = [
            g(*(np.take(a, i, d) if d is not None else a for a, d in zip((p, x, w), in_axes, strict=True)))
            for i in range(4)
        ]
        for wrap in (lambda h: h, fgrad.jit):
            found = wrap(fgrad.vmap(g, in_axes, out_axes))(p, x, w)
            for i, row in enumerate(rows):
                for y, expected in zip(fgrad.tree.leaves(found), fgrad.tree.leaves(row), strict=True):
                    np.testing.assert_allclose(np.take(y, i, out_axes), expected, rtol=1e-10)


def test_vmap_of_no_rows() -> None:
    f = fgrad.vmap(lambda x: cond(x > 0, np.sin, np.cos, x))
    assert f(np.zeros(0)).shape == fgrad.jit(f)(np.zeros(0)).shape == (0,)
    assert fgrad.vmap(fgrad.grad(lambda x: cond(x > 0, np.sin, np.cos, x)))(np.zeros(0)).shape == (0,)


# Only what is chosen runs


def counting(name: str, seen: list[str]) -> Callable[[Any], Any]:
    """The identity, which remembers that it was run, once for every row."""

    def run(x: Any) -> Any:
        fgrad.debug.callback(lambda _: seen.append(name), x)
        return x * (2.0 if name == "yes" else 3.0)

    return run


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit], ids=["eager", "jit"])
def test_a_branch_that_is_not_taken_has_no_effect(wrap: Callable[..., Any]) -> None:
    seen: list[str] = []
    f = wrap(lambda x: cond(x > 0, counting("yes", seen), counting("no", seen), x))
    assert f(1.0) == 2.0
    assert seen == ["yes"]
    assert f(-1.0) == -3.0
    assert seen == ["yes", "no"]
    seen.clear()
    assert wrap(fgrad.grad(f))(1.0) == 2.0
    assert seen == ["yes"]


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("taking", [0, 1, 5, 7, 11, 16])
def test_each_branch_runs_on_its_rows_alone(wrap: Callable[..., Any], taking: int) -> None:
    seen: list[str] = []
    x = np.where(np.arange(16) < taking, 1.0, -1.0)
    f = lambda x: cond(x > 0, counting("yes", seen), counting("no", seen), x)  # noqa: E731
    np.testing.assert_array_equal(wrap(fgrad.vmap(f))(x), np.where(x > 0, 2.0, -3.0))
    assert (seen.count("yes"), seen.count("no")) == (taking, 16 - taking)
    seen.clear()
    np.testing.assert_array_equal(wrap(fgrad.vmap(fgrad.grad(f)))(x), np.where(x > 0, 2.0, 3.0))
    assert (seen.count("yes"), seen.count("no")) == (taking, 16 - taking)


def rows_run(x: Any) -> int:
    """How many rows a branch that calls `measured` is run on."""
    total = 0

    def measured(v: Any) -> Any:
        nonlocal total
        total += len(np.atleast_1d(v))
        return v

    shaped = fgrad.ShapeDtypeStruct((), np.float64)

    def dear(v: Any) -> Any:
        return fgrad.pure_callback(measured, shaped, v, vmap_method="expand_dims")

    fgrad.vmap(lambda v: cond(v > 0, dear, lambda v: v, v))(x)
    return total


def test_the_cost_is_in_proportion_to_the_rows_that_take_a_branch() -> None:
    for taking in (0, 1, 10, 100, 1000):
        x = np.where(np.arange(1000) < taking, 1.0, -1.0)
        assert taking <= rows_run(x) <= 1.5 * taking


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit], ids=["eager", "jit"])
def test_no_nan_and_no_warning_from_the_branch_not_taken(wrap: Callable[..., Any]) -> None:
    def guarded(x: Any) -> Any:
        return cond(x > 0, lambda x: np.sqrt(x) + np.log(x), lambda x: 0.0 * x, x)

    expected = np.where(XS > 0, 0.5 / np.sqrt(np.maximum(XS, 0.1)) + 1 / np.maximum(XS, 0.1), 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for derivative in (
            fgrad.vmap(fgrad.grad(guarded)),
            fgrad.grad(lambda x: fgrad.vmap(guarded)(x).sum()),
            fgrad.vmap(fgrad.jacfwd(guarded)),
            lambda x: np.diag(fgrad.jacrev(fgrad.vmap(guarded))(x)),
        ):
            np.testing.assert_allclose(wrap(derivative)(XS), expected, rtol=1e-12)
        second = wrap(fgrad.vmap(fgrad.grad(fgrad.grad(guarded))))(XS)
        assert np.isfinite(second).all()


def test_a_known_condition_leaves_one_branch_in_the_gradient() -> None:
    closed = fgrad.make_jaxpr(fgrad.grad(lambda x: cond(x > 0, np.sin, np.exp, x)))(1.0)
    assert len(equations(closed, "cond")) == 2  # under make_jaxpr the value is not known
    _, linear = fgrad.linearize(lambda x: cond(x > 0, np.sin, np.exp, x), 1.0)
    assert linear(1.0) == np.cos(1.0)


def test_residuals_of_branches_share_places() -> None:
    x = np.linspace(0.1, 0.9, 5)

    def loss(x: Any) -> Any:
        return cond(x[0] > 0, lambda x: np.sin(np.exp(x)), lambda x: np.cos(np.sinh(x)), x).sum()

    forward = equations(fgrad.make_jaxpr(fgrad.grad(loss))(x), "cond")[0]
    assert len(forward.outvars) <= 3  # the result, and two slopes, whichever branch it is
    assert counts(fgrad.make_jaxpr(loss)(x))["cond"] == 1


# Dtypes and messages


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit], ids=["eager", "jit"])
def test_numbers_take_the_dtype_of_the_other_branch(wrap: Callable[..., Any]) -> None:
    x = np.float32(0.5)
    for flip in (False, True):
        f = wrap(lambda p, flip=flip: cond(p, *((lambda: x, lambda: 1) if flip else (lambda: 1, lambda: x))))
        for p in (True, False):
            assert f(p).dtype == np.float32
    number = wrap(lambda p: cond(p, lambda: 1, lambda: 2.5))
    assert (number(True), number(False)) == (1.0, 2.5)


X3 = np.ones(3)


def f(x: Any) -> Any:
    return x


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: cond(True, lambda x: x, lambda x: x.sum(), X3),
            ShapeError,
            (
                "cond: the branches differ at result: true_fun (`<lambda>`) returns f64[3], "
                "false_fun (`<lambda>`) returns f64[]."
            ),
        ),
        (
            lambda: cond(True, lambda x: {"a": [x, x]}, lambda x: {"a": [x, x > 0]}, X3),
            ShapeError,
            (
                "the branches differ at result['a'][1]: true_fun (`<lambda>`) returns f64[3], "
                "false_fun (`<lambda>`) returns bool[3]."
            ),
        ),
        (
            lambda: switch(0, [f, f, lambda x: x.astype(int)], X3),
            ShapeError,
            (
                "switch: the branches differ at result: branches[0] (`f`) returns f64[3], "
                "branches[2] (`<lambda>`) returns i64[3]."
            ),
        ),
        (
            lambda: cond(True, lambda x: (x, x), lambda x: x, X3),
            TreeStructureError,
            (
                "cond: false_fun (`<lambda>`) returns a result that has not the structure of "
                "that of true_fun (`<lambda>`),"
            ),
        ),
        (
            lambda: switch(0, [lambda x: {"a": x}, lambda x: {"b": x}], X3),
            TreeStructureError,
            (
                "switch: branches[1] (`<lambda>`) returns a result that has not the structure of "
                "that of branches[0] (`<lambda>`),"
            ),
        ),
        (lambda: cond(X3 > 0, f, f, X3), ShapeError, "cond chooses once, by a scalar, but pred is bool[3]."),
        (lambda: switch(np.arange(3), [f], X3), ShapeError, "switch chooses once, by a scalar, but index is i64[3]."),
        (lambda: switch(1.0, [f], X3), ArgumentError, "switch chooses by an integer, but index is f64[]."),
        (lambda: cond("x", f, f, X3), ArgumentError, "argument pred of cond is"),
        (lambda: cond((True, False), f, f, X3), ArgumentError, "cond chooses by a scalar, but pred is"),
        (lambda: cond(True, 3, f, X3), ArgumentError, "cond expects a function, got"),
        (lambda: cond(True, f, None, X3), ArgumentError, "cond expects a function, got"),
        (lambda: switch(0, [f, 3], X3), ArgumentError, "switch expects functions, but branches[1] is"),
        (lambda: switch(0, [], X3), ArgumentError, "switch expects a list of functions, got"),
        (lambda: switch(0, f, X3), ArgumentError, "switch expects a list of functions, got"),
        (lambda: cond(True, f, f, "no"), ArgumentError, "argument x of cond is"),
        (
            lambda: cond(True, f, lambda: 1.0, X3),
            ArgumentError,
            "cond calls `<lambda>` with arguments that it does not take",
        ),
        (lambda: cond(True, f, lambda x: "no", X3), OutputTypeError, "`<lambda>` returned"),
    ],
    ids=range(18),
)
@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit], ids=["eager", "jit"])
def test_mistakes_are_told(
    call: Callable[[], Any], error: type[Exception], words: str, wrap: Callable[..., Any]
) -> None:
    with pytest.raises(error) as info:
        wrap(call)()
    assert words in str(info.value)


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit, fgrad.grad, fgrad.vmap], ids=["eager", "jit", "grad", "vmap"])
@pytest.mark.parametrize("times", [1, 12])
def test_errors_at_run_time_name_the_users_line(wrap: Callable[..., Any], times: int) -> None:
    def choose(x: Any) -> Any:
        i = 7 + (x > 100.0)
        return cond(
            x > 0.0,
            lambda x: fnp.take(X3 * x, i, axis=0, mode="raise"),  # here
            lambda x: x,
            x,
        )

    g = wrap(choose)
    x = np.array([1.0, -1.0]) if wrap is fgrad.vmap else 1.0
    for _ in range(times):
        with pytest.raises(OutOfBoundsError) as info:
            g(x)
        assert "# here" in str(info.value)
