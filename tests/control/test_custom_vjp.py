"""Functions with a reverse-mode rule: it is used under every transform, in forward mode by transposing it."""

from __future__ import annotations

import gc
import weakref
from typing import Any, NamedTuple

import numpy as np
import pytest

import fgrad
from fgrad import errors


@fgrad.custom_vjp
def marked(x: Any) -> Any:
    """The rule is ten times too large: so it can be told from the derivative of the operations."""
    return x * x


marked.defvjp(lambda x: (marked(x), x), lambda x, ct: (20 * x * ct,))


def test_values_are_those_of_the_function_and_the_rule_is_not_run() -> None:
    f = fgrad.custom_vjp(lambda x: 2.0 * x)
    f.defvjp(lambda x: 1 // 0, lambda res, ct: 1 // 0)
    x = np.array([1.0, 2.0])
    for g in (f, fgrad.jit(f), fgrad.vmap(f), fgrad.jit(fgrad.vmap(f))):
        np.testing.assert_array_equal(g(x), 2 * x)
    np.testing.assert_array_equal(fgrad.grad(lambda x: (x * f(np.ones(2))).sum())(x), [2.0, 2.0])


class Point(NamedTuple):
    x: Any
    y: Any


def test_pytrees_in_and_out() -> None:
    @fgrad.custom_vjp
    def f(p: Any, scale: Any) -> Any:
        return {"product": p.x * p.y["w"] * scale, "none": None}, [p.x]

    seen = []

    def bwd(res: Any, ct: Any) -> Any:
        (p, scale), tag = res
        seen.append(tag)
        product, (x,) = ct[0]["product"], ct[1]
        assert ct[0]["none"] is None
        return Point(7 * product * p.y["w"] * scale + x, {"w": 7 * product * p.x * scale}), product * p.x * p.y["w"]

    f.defvjp(lambda p, scale: (f(p, scale), ((p, scale), {"tag": None})), bwd)

    def loss(p: Any, scale: Any) -> Any:
        out, (x,) = f(p, scale)
        return out["product"] + x

    for wrap in (lambda g: g, fgrad.jit):
        p, scale = wrap(fgrad.grad(loss, (0, 1)))(Point(2.0, {"w": 3.0}), 5.0)
        assert (p.x, p.y, scale) == (7 * 15 + 1, {"w": 7 * 10}, 6.0)
        out, tangent = fgrad.jvp(wrap(f), (Point(2.0, {"w": 3.0}), 5.0), (Point(1.0, {"w": 0.0}), 1.0))
        assert out == ({"product": 30.0, "none": None}, [2.0])
        assert tangent == ({"product": 7 * 15.0 + 6.0, "none": None}, [1.0])
    assert seen
    assert all(tag == {"tag": None} for tag in seen)


def test_arguments_by_name_and_defaults() -> None:
    @fgrad.custom_vjp
    def f(x: Any, y: Any = 3.0) -> Any:
        return x * y

    f.defvjp(lambda x, y=3.0: (x * y, (x, y)), lambda res, ct: (2 * ct * res[1], 5 * ct * res[0]))
    assert fgrad.grad(f)(2.0) == 6.0
    assert fgrad.grad(lambda y: f(y=y, x=2.0))(7.0) == 10.0
    assert fgrad.jit(fgrad.grad(lambda y: f(2.0, y=y)))(7.0) == 10.0


def test_none_is_a_cotangent_of_zero() -> None:
    @fgrad.custom_vjp
    def f(x: Any, p: Any, y: Any) -> Any:
        return x * p["a"] * p["b"] * y

    f.defvjp(lambda x, p, y: (f(x, p, y), y), lambda y, ct: (None, {"a": None, "b": 3 * ct * y}, None))
    arguments = (np.ones(2), {"a": np.full(2, 2.0), "b": np.full(2, 3.0)}, 5.0)
    for wrap in (lambda g: g, fgrad.jit):
        x, p, y = wrap(fgrad.grad(lambda *xs: f(*xs).sum(), (0, 1, 2)))(*arguments)
        np.testing.assert_array_equal(x, [0.0, 0.0])
        np.testing.assert_array_equal(p["a"], [0.0, 0.0])
        np.testing.assert_array_equal(p["b"], [15.0, 15.0])
        assert y == 0.0
        tangents = (np.ones(2), {"a": np.ones(2), "b": np.ones(2)}, 1.0)
        np.testing.assert_array_equal(fgrad.jvp(wrap(f), arguments, tangents)[1], [15.0, 15.0])
    rows = fgrad.vmap(fgrad.grad(f, 1), (0, 0, None))(*arguments)
    np.testing.assert_array_equal(rows["a"], [0.0, 0.0])
    np.testing.assert_array_equal(rows["b"], [15.0, 15.0])


def test_integer_arguments_results_and_residuals() -> None:
    @fgrad.custom_vjp
    def take(x: Any, i: Any) -> Any:
        return x[i], i + 1

    def bwd(res: Any, ct: Any) -> Any:
        i, size = res
        assert ct[1].dtype.kind == "i"
        return np.zeros(3) + (np.arange(3) == i) * ct[0] * size, None

    take.defvjp(lambda x, i: (take(x, i), (i, x.shape[0])), bwd)

    def loss(x: Any, i: Any) -> Any:
        return take(x, i)[0]

    x = np.array([1.0, 2.0, 4.0])
    np.testing.assert_array_equal(fgrad.grad(loss)(x, 1), [0.0, 3.0, 0.0])
    np.testing.assert_array_equal(fgrad.jit(fgrad.grad(loss))(x, np.int64(2)), [0.0, 0.0, 3.0])
    per_row = fgrad.vmap(fgrad.grad(loss), (None, 0))(x, np.array([0, 2]))
    np.testing.assert_array_equal(per_row, [[3.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
    summed = fgrad.grad(lambda x: fgrad.vmap(loss, (None, 0))(x, np.array([0, 2, 2])).sum())(x)
    np.testing.assert_array_equal(summed, [3.0, 0.0, 6.0])
    assert fgrad.jit(take)(x, 1)[1] == 2
    assert fgrad.jvp(take, (x, 1), (x, 0))[1][0] == 6.0


def test_python_control_flow_on_values_in_function_and_rule() -> None:
    @fgrad.custom_vjp
    def collatz(x: Any) -> Any:
        steps = 0
        while x > 1:
            x = x / 2 if int(x) % 2 == 0 else 3 * x + 1
            steps += 1
        return x * steps

    def fwd(x: Any) -> Any:
        return collatz(x), x if x > 5 else -x

    def bwd(x: Any, ct: Any) -> Any:
        return (ct if x > 0 else -ct,)

    collatz.defvjp(fwd, bwd)
    assert collatz(6.0) == 8.0
    assert fgrad.value_and_grad(collatz)(6.0) == (8.0, 1.0)
    assert fgrad.value_and_grad(collatz)(4.0) == (2.0, -1.0)
    assert fgrad.jvp(collatz, (4.0,), (2.0,)) == (2.0, -2.0)
    assert fgrad.grad(fgrad.grad(lambda x: collatz(x) * x))(6.0) == 2.0


def test_cotangents_of_unmapped_arguments_are_summed() -> None:
    shapes = set()

    @fgrad.custom_vjp
    def f(x: Any, w: Any) -> Any:
        return (x * w).sum()

    def bwd(res: Any, ct: Any) -> Any:
        x, w = res
        shapes.add((x.shape, w.shape, ct.shape))
        return ct * w, 2 * ct * x

    f.defvjp(lambda x, w: (f(x, w), (x, w)), bwd)
    x, w = np.arange(6.0).reshape(2, 3), np.array([1.0, 2.0, 3.0])
    for wrap in (lambda g: g, fgrad.jit):
        summed = wrap(fgrad.grad(lambda w: fgrad.vmap(f, (0, None))(x, w).sum()))(w)
        np.testing.assert_array_equal(summed, 2 * x.sum(axis=0))
        columns = wrap(fgrad.grad(lambda w: fgrad.vmap(f, (1, None))(x.T, w).sum()))(w)
        np.testing.assert_array_equal(columns, 2 * x.sum(axis=0))
        mapped = wrap(fgrad.grad(lambda x: fgrad.vmap(f, (1, None))(x, w).sum()))(x.T)
        np.testing.assert_array_equal(mapped, np.tile(w, (2, 1)).T)
        per_row = wrap(fgrad.vmap(fgrad.grad(f, 1), (0, None)))(x, w)
        np.testing.assert_array_equal(per_row, 2 * x)
        twice = wrap(fgrad.grad(lambda w: fgrad.vmap(fgrad.vmap(f, (0, None)), (0, None))(x[None], w).sum()))(w)
        np.testing.assert_array_equal(twice, 2 * x.sum(axis=0))
    assert shapes == {((3,), (3,), ())}


def test_a_cotangent_that_is_the_same_for_all_rows_is_summed_too() -> None:
    f = fgrad.custom_vjp(lambda w, x: w * x)
    f.defvjp(lambda w, x: (w * x, None), lambda res, ct: (1.5, None))
    assert fgrad.grad(lambda w: fgrad.vmap(f, (None, 0))(w, np.ones(4)).sum())(2.0) == 6.0


def test_residuals_that_are_not_mapped_stay_so() -> None:
    """They are not repeated for every row, and Python may decide by them."""
    seen = []
    f = fgrad.custom_vjp(lambda w, x: w * x)

    def bwd(w: Any, ct: Any) -> Any:
        seen.append(float(w))
        return None, ct * w

    f.defvjp(lambda w, x: (w * x, w), bwd)
    np.testing.assert_array_equal(
        fgrad.grad(lambda x: fgrad.vmap(f, (None, 0))(2.0, x).sum())(np.ones(4)), np.full(4, 2.0)
    )
    assert seen == [2.0]


def test_residuals_are_safe_from_later_writes() -> None:
    x = np.array([1.0, 2.0])
    _, pullback = fgrad.vjp(marked, x)
    x[:] = 100.0
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [20.0, 40.0])


def test_what_the_rule_does_not_keep_is_freed() -> None:
    f = fgrad.custom_vjp(lambda x: x * 2.0)
    f.defvjp(lambda x: (x * 2.0, None), lambda res, ct: (2.0 * ct,))
    x = np.ones(3)
    alive = weakref.ref(x)
    _, pullback = fgrad.vjp(f, x)
    del x
    gc.collect()
    assert alive() is None
    np.testing.assert_array_equal(pullback(np.ones(3))[0], [2.0, 2.0, 2.0])


def test_forward_mode_through_a_rule_that_is_not_linear_says_so() -> None:
    f = fgrad.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (x, None), lambda res, ct: (np.clip(ct, -1.0, 1.0),))
    assert fgrad.grad(lambda x: 5.0 * f(x))(2.0) == 1.0
    with pytest.raises(errors.MissingRuleError, match="forward mode transposes the backward rule"):
        fgrad.jvp(f, (1.0,), (1.0,))


def test_dtypes_of_cotangents_are_those_of_arguments() -> None:
    f = fgrad.custom_vjp(lambda x: 2 * x)
    f.defvjp(lambda x: (2 * x, None), lambda res, ct: (np.float64(3.0) * ct.astype(np.float64),))
    assert fgrad.grad(lambda x: f(x).sum())(np.ones(2, np.float32)).dtype == np.float32


def test_the_gradients_jaxpr_is_the_rule() -> None:
    f = fgrad.custom_vjp(lambda x: np.sin(1.0 * x))
    f.defvjp(lambda x: (np.sin(x), x), lambda x, ct: (ct * np.exp(x),))
    names = [eqn.primitive.name for eqn in fgrad.make_jaxpr(f)(1.0).eqns]
    assert names == ["custom_vjp_call"]
    names = [eqn.primitive.name for eqn in fgrad.make_jaxpr(fgrad.grad(f))(1.0).eqns]
    assert names == ["sin", "exp", "mul"]  # the forward rule, then the backward rule


def test_symbolic_zeros() -> None:
    seen: list[Any] = []

    @fgrad.custom_vjp
    def f(x: Any, p: Any) -> Any:
        return x * p["w"], p["w"] + p["n"]

    def fwd(x: Any, p: Any) -> Any:
        seen.append((x.perturbed, p["w"].perturbed, p["n"].perturbed))
        return f(x.value, fgrad.custom_derivatives.custom_vjp_primal_tree_values(p)), (x.value, p["w"].value)

    def bwd(res: Any, cts: Any) -> Any:
        zeros = [isinstance(ct, fgrad.custom_derivatives.SymbolicZero) for ct in cts]
        seen.append(zeros)
        if zeros[0]:
            return cts[0], {"w": cts[1], "n": None}
        return cts[0] * res[1], {"w": cts[0] * res[0], "n": fgrad.custom_derivatives.SymbolicZero(cts[1].aval)}

    f.defvjp(fwd, bwd, symbolic_zeros=True)
    p = {"w": np.float64(3.0), "n": 2}
    for wrap in (lambda g: g, fgrad.jit):
        seen.clear()
        assert wrap(fgrad.grad(lambda x: f(x, p)[0]))(2.0) == 3.0
        assert seen == [(True, False, False), [False, True]]
        seen.clear()
        assert wrap(fgrad.grad(lambda w: f(2.0, {"w": w, "n": 2})[1]))(3.0) == 1.0
        assert seen == [(False, True, False), [True, False]]
        seen.clear()
        rows = wrap(fgrad.grad(lambda x: fgrad.vmap(lambda v: f(v, p)[0])(x).sum()))(np.ones(2))
        np.testing.assert_array_equal(rows, [3.0, 3.0])
        assert seen == [(True, False, False), [False, True]]
    assert fgrad.jvp(lambda x: f(x, p)[0], (2.0,), (1.0,))[1] == 3.0


def test_the_forward_rule_may_decide_what_it_keeps() -> None:
    """Residuals may have another structure each time that the rule is run."""
    f = fgrad.custom_vjp(lambda x: x * x)
    f.defvjp(
        lambda x: (x * x, (x,) if x > 0 else {"negative": x}),
        lambda res, ct: (ct * (2 * res[0] if isinstance(res, tuple) else -2 * res["negative"]),),
    )
    _, first = fgrad.vjp(f, 3.0)
    _, second = fgrad.vjp(f, -3.0)
    assert first(1.0) == (6.0,)
    assert second(1.0) == (6.0,)
    assert fgrad.grad(lambda x: f(x) + f(-x))(3.0) == 6.0 - 6.0
