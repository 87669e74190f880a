"""Functions with a forward-mode rule: it is used under every transform, and for values of outer transforms as well."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest

import fgrad
from tests.control.transforms import FIRST, jvp_at


@fgrad.custom_jvp
def log1pexp(x: Any) -> Any:
    return np.log1p(np.exp(x))


@log1pexp.defjvp
def log1pexp_jvp(primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    return log1pexp(x), t / (1 + np.exp(-x))


@fgrad.custom_jvp
def marked(x: Any) -> Any:
    """The rule is ten times too large: so it can be told from the derivative of the operations."""
    return x * x


@marked.defjvp
def marked_jvp(primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    return marked(x), 20 * x * t


def sigmoid(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def test_the_rule_is_where_the_operations_fail() -> None:
    np.testing.assert_array_equal(fgrad.grad(log1pexp)(700.0), 1.0)
    assert fgrad.jit(fgrad.grad(log1pexp))(-700.0) == pytest.approx(np.exp(-700.0))


def test_values_are_those_of_the_function() -> None:
    x = np.array([1.0, 2.0])
    for f in (marked, fgrad.jit(marked), fgrad.vmap(marked), fgrad.jit(fgrad.vmap(marked))):
        np.testing.assert_array_equal(f(x), x * x)
    assert marked(3) == 9


def test_it_keeps_name_doc_and_signature() -> None:
    assert marked.__name__ == "marked"
    assert marked.__doc__ is not None
    assert marked.__doc__.startswith("The rule is ten times")
    assert marked.__wrapped__(3) == 9
    assert repr(marked) == "<fgrad.custom_jvp of marked>"


class Point(NamedTuple):
    x: Any
    y: Any


def test_pytrees_in_and_out() -> None:
    @fgrad.custom_jvp
    def f(p: Any, scale: Any) -> Any:
        return Point({"product": p.x * p.y * scale}, [p.x, None])

    @f.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (p, scale), (t, u) = primals, tangents
        product = t.x * p.y * scale + p.x * t.y * scale + p.x * p.y * u
        return f(p, scale), Point({"product": 7 * product}, [t.x, None])

    def loss(p: Any, scale: Any) -> Any:
        out = f(p, scale)
        return out.x["product"] + out.y[0]

    for wrap in (lambda g: g, fgrad.jit):
        p, scale = wrap(fgrad.grad(loss, (0, 1)))(Point(2.0, 3.0), 5.0)
        assert (p.x, p.y, scale) == (7 * 15 + 1, 7 * 10, 7 * 6)
        out, tangent = fgrad.jvp(wrap(f), (Point(2.0, 3.0), 5.0), (Point(1.0, 0.0), 1.0))
        assert isinstance(tangent, Point)
        assert (out.x["product"], tangent.x["product"], tangent.y) == (30.0, 7 * 21.0, [1.0, None])


def test_arguments_by_name_and_defaults() -> None:
    @fgrad.custom_jvp
    def f(x: Any, y: Any = 3.0, *more: Any) -> Any:
        return x * y

    f.defjvp(lambda primals, tangents: (f(*primals), 2 * tangents[0] * primals[1] + 5 * primals[0] * tangents[1]))
    assert fgrad.grad(f)(2.0) == 6.0
    assert fgrad.grad(lambda y: f(y=y, x=2.0))(7.0) == 10.0
    assert fgrad.grad(lambda y: f(2.0, y=y))(7.0) == 10.0
    assert fgrad.grad(lambda y: f(2.0, y, 1.0, 2.0))(7.0) == 10.0
    assert fgrad.jit(fgrad.grad(lambda y: f(y=y, x=2.0)))(7.0) == 10.0


def test_none_is_a_tangent_of_zero() -> None:
    @fgrad.custom_jvp
    def f(x: Any) -> Any:
        return {"a": x * x, "b": (x, 2 * x)}

    f.defjvp(lambda primals, tangents: (f(*primals), {"a": tangents[0], "b": (None, 5 * tangents[0])}))
    for wrap in (lambda g: g, fgrad.jit):
        assert fgrad.jvp(wrap(f), (3.0,), (1.0,))[1] == {"a": 1.0, "b": (0.0, 5.0)}
        assert wrap(fgrad.grad(lambda x: f(x)["b"][0]))(3.0) == 0.0
        assert wrap(fgrad.grad(lambda x: f(x)["a"] + f(x)["b"][1]))(3.0) == 6.0


def test_integer_arguments_and_results() -> None:
    @fgrad.custom_jvp
    def take(x: Any, i: Any) -> Any:
        return x[i], i + 1

    tangents_seen = []

    @take.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x, i), (t, u) = primals, tangents
        tangents_seen.append(np.shape(u))
        return take(x, i), (3 * t[i], u)

    def loss(x: Any, i: Any) -> Any:
        return take(x, i)[0]

    x = np.array([1.0, 2.0, 4.0])
    np.testing.assert_array_equal(fgrad.grad(loss)(x, 1), [0.0, 3.0, 0.0])
    np.testing.assert_array_equal(fgrad.jit(fgrad.grad(loss))(x, np.int64(2)), [0.0, 0.0, 3.0])
    np.testing.assert_array_equal(
        fgrad.vmap(fgrad.grad(loss), (None, 0))(x, np.array([0, 2])), [[3.0, 0.0, 0.0], [0.0, 0.0, 3.0]]
    )
    assert fgrad.jit(take)(x, 1)[1] == 2
    assert set(tangents_seen) == {()}


def test_python_control_flow_on_values_in_function_and_rule() -> None:
    @fgrad.custom_jvp
    def collatz(x: Any) -> Any:
        steps = 0
        while x > 1:
            x = x / 2 if int(x) % 2 == 0 else 3 * x + 1
            steps += 1
        return x * steps

    @collatz.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return collatz(x), t if x > 5 else -t

    assert collatz(6.0) == 8.0
    assert fgrad.value_and_grad(collatz)(6.0) == (8.0, 1.0)
    assert fgrad.value_and_grad(collatz)(4.0) == (2.0, -1.0)
    assert fgrad.jvp(collatz, (4.0,), (2.0,)) == (2.0, -2.0)
    assert fgrad.grad(fgrad.grad(lambda x: collatz(x) * x))(6.0) == 2.0


def test_the_rule_sees_the_values_of_one_row_under_vmap() -> None:
    shapes = []

    @fgrad.custom_jvp
    def f(x: Any, w: Any) -> Any:
        shapes.append((x.shape, w.shape))
        return (x * w).sum()

    @f.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        shapes.append((primals[0].shape, tangents[1].shape))
        return f(*primals), (tangents[0] * primals[1] + primals[0] * tangents[1]).sum()

    x, w = np.arange(6.0).reshape(2, 3), np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(fgrad.vmap(fgrad.grad(f), (0, None))(x, w), [w, w])
    per_row = fgrad.vmap(fgrad.grad(f, 1), (0, None))(x, w)
    np.testing.assert_array_equal(per_row, x)
    summed = fgrad.grad(lambda w: fgrad.vmap(f, (0, None))(x, w).sum())(w)
    np.testing.assert_array_equal(summed, x.sum(axis=0))
    columns = fgrad.vmap(f, (1, None))(x.T, w)
    np.testing.assert_array_equal(columns, x @ w)
    assert set(shapes) == {((3,), (3,))}


def test_a_result_that_is_the_same_for_all_rows() -> None:
    @fgrad.custom_jvp
    def f(x: Any) -> Any:
        return 2 * x, np.array([1.0, 2.0])

    f.defjvp(lambda primals, tangents: (f(*primals), (2 * tangents[0], None)))
    both = fgrad.vmap(f)(np.arange(3.0))
    np.testing.assert_array_equal(both[1], [[1.0, 2.0]] * 3)
    np.testing.assert_array_equal(fgrad.jit(fgrad.vmap(f))(np.arange(3.0))[0], [0.0, 2.0, 4.0])


def test_closing_over_through_helpers_containers_and_instances() -> None:
    class Model:
        def __init__(self, w: Any) -> None:
            self.weights = {"w": [w]}

        def scale(self) -> Any:
            return self.weights["w"][0]

    def loss(w: Any) -> Any:
        model = Model(w)
        helper = partial(lambda m, x: m.scale() * x, model)

        @fgrad.custom_jvp
        def f(x: Any) -> Any:
            return helper(x)

        f.defjvp(lambda primals, tangents: (f(*primals), model.scale() * 10 * tangents[0]))
        return f(w)

    for way in FIRST.values():
        np.testing.assert_allclose(way(loss, 3.0), 3.0 + 30.0)


def test_nested_custom_functions() -> None:
    @fgrad.custom_jvp
    def outer(x: Any) -> Any:
        return marked(x) + x

    outer.defjvp(lambda primals, tangents: (outer(*primals), jvp_of_parts(*primals, *tangents)))

    def jvp_of_parts(x: Any, t: Any) -> Any:
        return fgrad.jvp(lambda y: marked(y) + y, (x,), (t,))[1]

    for way in FIRST.values():
        np.testing.assert_allclose(way(outer, 3.0), 61.0)


def test_defjvps() -> None:
    @fgrad.custom_jvp
    def f(x: Any, y: Any, z: Any) -> Any:
        return x * y + z

    f.defjvps(lambda t, out, x, y, z: 2 * t * y, lambda t, out, x, y, z: 3 * x * t, None)
    for wrap in (lambda g: g, fgrad.jit):
        assert wrap(fgrad.grad(f, (0, 1, 2)))(5.0, 7.0, 1.0) == (14.0, 15.0, 0.0)
    g = fgrad.custom_jvp(lambda x: {"a": 2.0 * x})
    g.defjvps(None)
    assert fgrad.jvp(g, (1.0,), (1.0,)) == ({"a": 2.0}, {"a": 0.0})


def test_dtypes_of_tangents_are_those_of_values() -> None:
    f = fgrad.custom_jvp(lambda x: np.float32(2) * x)
    f.defjvp(lambda primals, tangents: (f(*primals), np.float64(3.0) * tangents[0].astype(np.float64)))
    x = np.ones(2, np.float32)
    assert fgrad.jvp(f, (x,), (x,))[1].dtype == np.float32
    assert fgrad.grad(lambda x: f(x).sum())(x).dtype == np.float32


def test_the_jaxpr_shows_the_call_and_the_derivative_does_not() -> None:
    names = [eqn.primitive.name for eqn in fgrad.make_jaxpr(lambda x: marked(x) + x)(2.0).eqns]
    assert names == ["custom_jvp_call", "add"]
    names = [eqn.primitive.name for eqn in fgrad.make_jaxpr(lambda x: jvp_at(marked, x))(2.0).eqns]
    assert names == ["custom_jvp_call", "mul", "mul"]  # the rule calls the function for its value


def test_compiled_code_holds_the_operations() -> None:
    text = fgrad.jit(lambda x: marked(x) + fgrad.jit(marked)(x)).lower(2.0).as_text()
    assert "custom_jvp_call" not in text
    assert "x * x" in text or "np.square(x)" in text


def test_symbolic_zeros() -> None:
    seen: list[Any] = []

    @fgrad.custom_jvp
    def f(x: Any, p: Any) -> Any:
        return x * p["w"], p["w"] * 2.0

    def rule(primals: Any, tangents: Any) -> Any:
        (x, p), (t, u) = primals, tangents
        zeros = [isinstance(v, fgrad.custom_derivatives.SymbolicZero) for v in (t, u["w"], u["n"])]
        seen.append(zeros)
        if zeros[1]:
            assert u["w"].shape == np.shape(p["w"])
            assert u["w"].dtype == np.float64
            assert str(u["n"]) == "SymbolicZero(i64[])"
            return f(*primals), (10 * t * p["w"], u["w"])
        return f(*primals), (x * u["w"], 2 * u["w"])

    f.defjvp(rule, symbolic_zeros=True)
    p = {"w": np.float64(3.0), "n": 2}
    for wrap in (lambda g: g, fgrad.jit):
        seen.clear()
        assert wrap(lambda x: jvp_at(lambda y: f(y, p)[0], x))(2.0) == 30.0
        assert wrap(fgrad.grad(lambda x: sum(f(x, p))))(2.0) == 30.0
        np.testing.assert_array_equal(wrap(fgrad.vmap(fgrad.grad(lambda x: f(x, p)[0])))(np.ones(2)), [30.0, 30.0])
        assert seen == [[False, True, True]] * 3
        seen.clear()
        assert wrap(fgrad.grad(lambda w: sum(f(2.0, {"w": w, "n": 2}))))(3.0) == 4.0
        assert seen == [[True, False, True]]


def test_defjvps_does_not_run_the_rules_of_what_does_not_vary() -> None:
    f = fgrad.custom_jvp(lambda x, y: x * y)
    f.defjvps(lambda t, out, x, y: 3 * t * y, lambda t, out, x, y: 1 // 0)
    assert fgrad.grad(f)(2.0, 5.0) == 15.0
    assert jvp_at(lambda x: f(x, 5.0), 2.0) == 15.0
