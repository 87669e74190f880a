"""Compiled functions: when they trace, what they return, how they are called."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import jit
from fgrad.errors import ArgumentError, TracerBoolConversionError, UnhashableStaticError

X = np.array([1.0, 2.0, 3.0])


def counted(f: Any) -> tuple[Any, list[int]]:
    """A compiled function, and a list that grows when it is traced."""
    traces: list[int] = []

    @functools.wraps(f)
    def counting(*args: Any, **kwargs: Any) -> Any:
        traces.append(1)
        return f(*args, **kwargs)

    return counting, traces


def test_one_trace_per_signature() -> None:
    f, traces = counted(lambda x, y: x * y)
    g = jit(f)
    for x in (X, X + 1, X[::-1], np.asfortranarray(X)):
        np.testing.assert_array_equal(g(x, 2.0), x * 2)
    assert len(traces) == 1
    g(X, 3.0)
    assert len(traces) == 1
    for args in ((X[:2], 2.0), (X.astype(np.float32), 2.0), (X, 2), (X, np.float64(2)), (X, X), (2.0, 2.0)):
        before = len(traces)
        g(*args)
        g(*args)
        assert len(traces) == before + 1


def test_structures_are_part_of_the_signature() -> None:
    f, traces = counted(lambda tree: fgrad.tree.leaves(tree)[0] * 2)
    g = jit(f)
    for tree in ([X], (X,), {"a": X}, {"b": X}, [[X]], [X, None]):
        before = len(traces)
        np.testing.assert_array_equal(g(tree), 2 * X)
        g(tree)
        assert len(traces) == before + 1


def test_the_order_of_keys_is_kept() -> None:
    g = jit(lambda p: {"z": p["a"], "a": p["z"]})
    assert list(g({"z": 1.0, "a": 2.0})) == ["z", "a"]
    assert g({"z": 1.0, "a": 2.0}) == g({"a": 2.0, "z": 1.0}) == {"z": 2.0, "a": 1.0}


def test_clearing_the_cache() -> None:
    f, traces = counted(lambda x: x * 2)
    g = jit(f)
    g(X)
    g.clear_cache()
    g(X)
    assert len(traces) == 2


@pytest.mark.parametrize(
    ("options", "call"),
    [
        ({"static_argnums": 1}, lambda f: f(X, 3)),
        ({"static_argnums": (1,)}, lambda f: f(X, 3)),
        ({"static_argnums": -1}, lambda f: f(X, 3)),
        ({"static_argnums": 1}, lambda f: f(X, n=3)),
        ({"static_argnames": "n"}, lambda f: f(X, n=3)),
        ({"static_argnames": ("n",)}, lambda f: f(X, 3)),
        ({"static_argnames": ["n"]}, lambda f: f(x=X, n=3)),
    ],
)
def test_static_arguments(options: Any, call: Any) -> None:
    def power(x: Any, n: Any) -> Any:
        assert type(n) is int
        for _ in range(n - 1):
            x = x * x
        return x

    np.testing.assert_array_equal(call(jit(power, **options)), X**4)


def test_another_static_value_is_another_trace() -> None:
    f, traces = counted(lambda x, n: x * n)
    g = jit(f, static_argnums=1)
    for n, count in ((1, 1), (2, 2), (1, 2), (1.0, 3), (True, 4)):
        g(X, n)
        assert len(traces) == count


def test_static_arguments_must_be_hashable() -> None:
    with pytest.raises(UnhashableStaticError, match="n"):
        jit(lambda x, n: x, static_argnames="n")(X, [1])


def test_static_arguments_must_exist() -> None:
    with pytest.raises(ArgumentError):
        jit(lambda x: x, static_argnums=3)
    with pytest.raises(ArgumentError):
        jit(lambda x: x, static_argnames="missing")


def test_defaults_keywords_and_variable_arguments() -> None:
    f = jit(lambda x, y=2.0, *rest, scale=1.0, **named: (x * y + sum(rest)) * scale + sum(named.values()))
    assert f(3.0) == 6.0
    assert f(3.0, 4.0) == 12.0
    assert f(3.0, y=4.0) == 12.0
    assert f(3.0, 4.0, 1.0, 2.0, scale=2.0, bonus=5.0) == 35.0


def test_types_of_results() -> None:
    f = jit(lambda x, n: (x, n, x * n, np.sum(x), x > 1, 1, 2.5, None, [True]))
    got = f(X, 3)
    assert [type(y) for y in got[:4]] == [np.ndarray, int, np.ndarray, np.float64]
    assert type(got[5]) is int
    assert type(got[6]) is float
    assert got[7] is None
    assert got[8] == [True]
    assert jit(lambda x: x * 2)(3) == 6
    assert type(jit(lambda x: x * 2)(3)) is int
    assert type(jit(lambda x: x / 2)(3)) is float


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "c16", "i1", "i4", "i8", "u1", "u8", "?"])
def test_promotion_is_that_of_numpy(dtype: str) -> None:
    x = np.ones(2, dtype)
    for other in (1, 2.5, np.float32(1), np.ones(2), np.int8(1), True):
        for f in (np.add, np.multiply, lambda a, b: a / b):
            assert jit(f)(x, other).dtype == f(x, other).dtype


def test_lowering() -> None:
    lowered = jit(lambda x: np.sin(x) * 2.0).lower(X)
    assert [eqn.primitive.name for eqn in lowered.jaxpr.eqns] == ["sin", "mul"]
    assert "np.sin(x)" in lowered.as_text()
    compiled = lowered.compile()
    np.testing.assert_array_equal(compiled.function(X)[0], np.sin(X) * 2)
    assert compiled.text.strip() == lowered.as_text().strip()
    struct = fgrad.ShapeDtypeStruct((3,), np.float64)
    assert jit(np.sin).lower(struct).as_text() == jit(np.sin).lower(X).as_text()


def test_decorator_forms() -> None:
    @jit
    def plain(x: Any) -> Any:
        return x * 2

    @jit(static_argnums=1)
    def called(x: Any, n: Any) -> Any:
        return x * n

    @functools.partial(jit, static_argnames="n")
    def partial(x: Any, n: Any) -> Any:
        return x * n

    np.testing.assert_array_equal(plain(X), 2 * X)
    np.testing.assert_array_equal(called(X, 3), 3 * X)
    np.testing.assert_array_equal(partial(X, n=3), 3 * X)


def test_methods() -> None:
    class Model:
        scale = 2.0

        @jit
        def apply(self, x: Any) -> Any:
            return x * 3.0

        @functools.partial(jit, static_argnums=0)
        def scaled(self, x: Any) -> Any:
            return x * self.scale

        @staticmethod
        @jit
        def double(x: Any) -> Any:
            return x * 2.0

    model = Model()
    np.testing.assert_array_equal(model.scaled(X), 2 * X)
    np.testing.assert_array_equal(Model.double(X), 2 * X)
    np.testing.assert_array_equal(model.double(X), 2 * X)
    with pytest.raises(ArgumentError, match="self"):
        model.apply(X)  # an object is not an array


def test_metadata() -> None:
    def loss(x: float, *, y: int = 2) -> float:
        """How bad it is."""
        return x * y

    g = jit(loss)
    assert (g.__name__, g.__doc__, g.__wrapped__) == ("loss", "How bad it is.", loss)
    assert g.__module__ == __name__
    assert inspect.signature(g) == inspect.signature(loss)
    assert repr(g) == "<fgrad.jit of loss>"
    assert fgrad.grad(g).__name__ == "loss"


def test_control_flow_by_values_is_refused() -> None:
    with pytest.raises(TracerBoolConversionError):
        jit(lambda x: x if x > 0 else -x)(1.0)


def test_side_effects_happen_when_tracing() -> None:
    seen: list[Any] = []
    f = jit(lambda x: (seen.append(1), x)[1])
    f(X)
    f(X)
    assert seen == [1]


def test_captured_arrays_are_held_by_reference() -> None:
    weights = X.copy()
    f = jit(lambda x: x * weights)
    np.testing.assert_array_equal(f(X), X * weights)
    weights[...] = 7.0
    np.testing.assert_array_equal(f(X), X * 7)


def test_compiled_functions_of_compiled_functions() -> None:
    inner = jit(np.sin)
    outer = jit(lambda x: inner(x) * 2.0)
    np.testing.assert_array_equal(outer(X), np.sin(X) * 2)
    np.testing.assert_array_equal(jit(jit(np.sin))(X), np.sin(X))


def test_subclasses_and_other_memory_orders() -> None:
    f = jit(lambda x: x * 2.0)
    np.testing.assert_array_equal(f(np.asfortranarray(np.ones((2, 3)))), np.full((2, 3), 2.0))
    np.testing.assert_array_equal(f(np.ones((4, 6))[::2, ::3]), np.full((2, 2), 2.0))
    np.testing.assert_array_equal(f(X.astype(">f8")), X * 2)
    np.testing.assert_array_equal(f(np.ma.masked_array(X)), X * 2)


def test_errors_of_the_operation_are_those_of_numpy() -> None:
    f = jit(lambda x, i: x[i])
    with pytest.raises(IndexError):
        f(X, 7)
    with pytest.raises(IndexError):
        f(X, np.array([0, 5]))


def test_functions_without_a_signature() -> None:
    assert jit(np.sin)(0.0) == 0.0
    assert jit(functools.partial(np.add, 1.0))(2.0) == 3.0
