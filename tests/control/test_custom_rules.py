"""What holds for rules of every kind: they are used under every transform, wherever the function was written."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import errors
from tests.control.ruled import KINDS, ruled
from tests.control.transforms import FIRST, SECOND, jvp_at

ways_first = pytest.mark.parametrize("way", FIRST)
ways_second = pytest.mark.parametrize("way", SECOND)
kinds = pytest.mark.parametrize("kind", KINDS)


def sigmoid(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def log1pexp(kind: str) -> Any:
    return ruled(kind, lambda x: np.log1p(np.exp(x)), lambda x: (1 / (1 + np.exp(-x)),))


def marked(kind: str) -> Any:
    """x², whose rule is ten times too large: so it can be told from the derivative of the operations."""
    return ruled(kind, lambda x: x * x, lambda x: (20 * x,))


@kinds
@ways_first
def test_first_derivatives(kind: str, way: str) -> None:
    f, g = log1pexp(kind), marked(kind)
    np.testing.assert_allclose(FIRST[way](f, 0.3), sigmoid(0.3), rtol=1e-12)
    np.testing.assert_allclose(FIRST[way](lambda x: g(x) + g(2 * x), 3.0), 300.0)


@kinds
@ways_second
def test_second_derivatives(kind: str, way: str) -> None:
    np.testing.assert_allclose(SECOND[way](log1pexp(kind), 0.3), sigmoid(0.3) * (1 - sigmoid(0.3)), rtol=1e-12)
    np.testing.assert_allclose(SECOND[way](marked(kind), 3.0), 20.0)


@kinds
def test_third_derivative(kind: str) -> None:
    s, f = sigmoid(0.3), log1pexp(kind)
    third = fgrad.grad(fgrad.grad(fgrad.grad(f)))
    for derivative in (third, fgrad.jit(third), fgrad.jacfwd(fgrad.jacfwd(fgrad.jacfwd(f)))):
        np.testing.assert_allclose(derivative(0.3), s * (1 - s) * (1 - 2 * s), rtol=1e-12)


@kinds
def test_jacobians_and_hessians_of_arrays(kind: str) -> None:
    f = ruled(kind, lambda x, y: np.sin(x) * y, lambda x, y: (np.cos(x) * y, np.sin(x)))
    x, y = np.array([0.1, 0.7]), np.array([1.3, -0.4])
    for derivative in (fgrad.jacfwd, fgrad.jacrev, fgrad.hessian, lambda g, n: fgrad.jacfwd(fgrad.jacfwd(g, n), n)):
        for argnum in (0, 1):
            expected = derivative(lambda x, y: np.sin(x) * y, argnum)(x, y)
            for wrap in (lambda g: g, fgrad.jit):
                np.testing.assert_allclose(wrap(derivative(f, argnum))(x, y), expected, rtol=1e-12, atol=1e-15)
            rows = fgrad.vmap(derivative(f, argnum))(np.stack([x, x]), np.stack([y, y]))
            np.testing.assert_allclose(rows, np.stack([expected, expected]), rtol=1e-12, atol=1e-15)


@kinds
def test_inside_the_body_of_a_checkpoint(kind: str) -> None:
    f = marked(kind)
    expected = fgrad.jacfwd(fgrad.grad(lambda x: f(x) * x))(3.0)
    for policy in (None, fgrad.checkpoint_policies.everything_saveable, fgrad.checkpoint_policies.dots_saveable):
        g = fgrad.checkpoint(lambda x: f(x) * x, policy=policy)
        for wrap in (lambda h: h, fgrad.jit):
            np.testing.assert_allclose(wrap(fgrad.grad(g))(3.0), 60 * 3 + 9.0)
            np.testing.assert_allclose(wrap(fgrad.jacfwd(fgrad.grad(g)))(3.0), expected)


def test_each_mode_takes_its_own_rule() -> None:
    f = fgrad.custom_rule(
        lambda x: x * x,
        jvp=lambda primals, tangents: (primals[0] ** 2, 30 * tangents[0]),
        vjp=(lambda x: (x * x, None), lambda res, ct: (50 * ct,)),
    )
    for wrap in (lambda g: g, fgrad.jit):
        assert jvp_at(wrap(f), 3.0) == 30.0
        assert wrap(fgrad.jacfwd(f))(3.0) == 30.0
        assert fgrad.grad(wrap(f))(3.0) == 50.0
        assert wrap(fgrad.jacrev(f))(3.0) == 50.0
        np.testing.assert_array_equal(wrap(fgrad.vmap(fgrad.grad(f)))(np.ones(2)), [50.0, 50.0])
        np.testing.assert_array_equal(jvp_at(wrap(fgrad.vmap(f)), np.ones(2)), [30.0, 30.0])
    assert [eqn.primitive.name for eqn in fgrad.make_jaxpr(f)(2.0).eqns] == ["custom_rule_call"]
    assert "custom_rule_call" not in fgrad.jit(f).lower(2.0).as_text()


def test_rules_may_be_set_later() -> None:
    @fgrad.custom_rule(static="n")
    def power(x: Any, n: int) -> Any:
        return x**n

    with pytest.raises(errors.ArgumentError, match="was called before it had a rule"):
        power(2.0, 3)
    power.defvjp(lambda x, n: (x**n, x), lambda n, x, ct: (7.0 * ct,))
    assert fgrad.grad(power)(2.0, 3) == 7.0
    assert jvp_at(lambda x: power(x, 3), 2.0) == 7.0
    power.defjvp(lambda n, primals, tangents: (primals[0] ** n, n * tangents[0]))
    assert jvp_at(lambda x: power(x, 3), 2.0) == 3.0
    assert repr(power) == "<fgrad.custom_rule of power>"
    with pytest.raises(errors.ArgumentError, match="vjp of custom_rule must be a pair of functions, got a function"):
        fgrad.custom_rule(lambda x: x, vjp=lambda x: x)  # type: ignore[arg-type]


def test_a_string_that_is_not_static() -> None:
    f = fgrad.custom_rule(lambda x, mode: x, jvp=lambda primals, tangents: (primals[0], tangents[0]))
    with pytest.raises(errors.ArgumentError, match=r"argument mode of custom_rule is a str(.|\n)*in static if it is"):
        f(1.0, "fast")


@kinds
@pytest.mark.parametrize("nondiff", [(0, 2), ("f", "power"), (0, "power")])
def test_arguments_that_are_no_arrays(kind: str, nondiff: Any) -> None:
    seen = []

    def slopes(f: Any, x: Any, power: int) -> Any:
        seen.append((f, power))
        return (100.0,)

    def plain(f: Callable[[Any], Any], x: Any, power: int) -> Any:
        return f(x) ** power

    apply = ruled(kind, plain, slopes, nondiff)
    assert apply(np.sqrt, 4.0, 3) == 8.0
    jvp_way = lambda f: lambda x: jvp_at(f, x)  # noqa: E731
    for way in (fgrad.grad, jvp_way, lambda f: fgrad.jit(fgrad.grad(f)), lambda f: fgrad.grad(fgrad.jit(f))):
        assert way(lambda x: apply(np.sqrt, x, 3))(4.0) == 100.0
        assert way(lambda x: apply(power=3, x=x, f=np.sqrt))(4.0) == 100.0
    assert set(seen) == {(np.sqrt, 3)}
    rows = fgrad.vmap(fgrad.grad(lambda x: apply(np.sqrt, x, 2)))(np.ones(2))
    np.testing.assert_array_equal(rows, [100.0, 100.0])


@kinds
def test_a_function_among_the_static_arguments_may_close_over_traced_values(kind: str) -> None:
    apply = ruled(kind, lambda f, x: f(x), lambda f, x: (100 * f(1.0),), (0,))

    def outer(w: Any) -> Any:
        return apply(lambda x: w * x, 2.0) + apply(lambda x: w * x, w)

    for way in FIRST.values():
        np.testing.assert_allclose(way(outer, 3.0), 2.0 + 3.0 + 300.0)


def test_names_of_static_arguments() -> None:
    by_jvp: Any = fgrad.custom_jvp(lambda x, kind: x * len(kind), nondiff_argnames="kind")
    by_jvp.defjvp(lambda kind, xs, ts: (by_jvp(*xs, kind), 5 * ts[0]))
    by_vjp: Any = fgrad.custom_vjp(lambda x, kind: x * len(kind), nondiff_argnames="kind")
    by_vjp.defvjp(lambda x, kind: (by_vjp(x, kind), None), lambda kind, res, ct: (5 * ct,))
    for f in (by_jvp, by_vjp):
        assert fgrad.grad(f)(2.0, "ab") == 5.0
        assert fgrad.jit(fgrad.grad(partial(f, kind="ab")))(2.0) == 5.0
    for make in (fgrad.custom_jvp, fgrad.custom_vjp):
        message = f"nondiff_argnames of {make.__name__} names 'mode', which is no argument of `<lambda>`"
        with pytest.raises(errors.ArgumentError, match=message):
            make(lambda x, kind: x, nondiff_argnames=("mode",))


def test_arguments_by_name_only() -> None:
    """They come last, in the order of the signature."""

    def plain(x: Any, *, scale: Any, shift: Any = 1.0, mode: str = "a") -> Any:
        return x * scale + shift * len(mode)

    by_jvp = fgrad.custom_jvp(plain, nondiff_argnames=("mode",))

    @by_jvp.defjvp
    def rule(mode: str, primals: Any, tangents: Any) -> Any:
        (x, scale, shift), (t, u, v) = primals, tangents
        return plain(x, scale=scale, shift=shift, mode=mode), 2 * t * scale + 3 * x * u + 5 * len(mode) * v

    by_vjp = fgrad.custom_vjp(plain, nondiff_argnames=("mode",))
    by_vjp.defvjp(
        lambda x, *, scale, shift, mode: (plain(x, scale=scale, shift=shift, mode=mode), (x, scale)),
        lambda mode, res, ct: (2 * ct * res[1], 3 * ct * res[0], 5 * len(mode) * ct),
    )
    for f in (by_jvp, by_vjp):
        assert f(2.0, scale=3.0, mode="ab") == 8.0
        for wrap in (lambda g: g, fgrad.jit):
            gradient = wrap(fgrad.grad(lambda x, s, v: f(x, scale=s, mode="ab", shift=v), (0, 1, 2)))  # noqa: B023
            assert gradient(2.0, 3.0, 4.0) == (6.0, 6.0, 10.0)
            assert wrap(fgrad.grad(lambda x: f(x, scale=x)))(2.0) == 4.0 + 6.0  # noqa: B023
        assert fgrad.vmap(lambda s: f(1.0, scale=s))(np.array([1.0, 2.0])).tolist() == [2.0, 3.0]  # noqa: B023
    summed = fgrad.custom_jvp(lambda x, *, scale: x * scale)
    summed.defjvps(lambda t, out, x, scale: 2 * t * scale, lambda t, out, x, scale: 7 * t * x)
    assert fgrad.grad(lambda s: summed(3.0, scale=s))(2.0) == 21.0


def test_further_arguments_by_name() -> None:
    f = fgrad.custom_vjp(lambda x, **weights: x * sum(weights.values()))
    f.defvjp(
        lambda x, **weights: (f(x, **weights), x),
        lambda x, ct: (ct, 2 * ct * x, 3 * ct * x),
    )
    assert fgrad.grad(lambda a, b: f(5.0, a=a, b=b), (0, 1))(1.0, 1.0) == (10.0, 15.0)


# The rules of a function that closes over values of an outer transform.


def closes_over(kind: str) -> Callable[[Any, Any], Any]:
    """w²·x, whose rule for x is ten times too large: the derivative in w is that of the operations."""
    return lambda w, x: ruled(kind, lambda x: w * w * x, lambda x: (10 * w * w,))(x)


@kinds
@ways_first
def test_closing_over_what_is_differentiated(kind: str, way: str) -> None:
    derivative, f = FIRST[way], closes_over(kind)
    np.testing.assert_allclose(derivative(lambda w: f(w, 3.0), 2.0), 12.0)
    np.testing.assert_allclose(derivative(lambda x: f(2.0, x), 3.0), 40.0)
    np.testing.assert_allclose(derivative(lambda w: f(w, w), 2.0), 8.0 + 40.0)


@kinds
@ways_second
def test_second_derivatives_of_what_closes_over(kind: str, way: str) -> None:
    f = closes_over(kind)
    np.testing.assert_allclose(SECOND[way](lambda w: f(w, 3.0), 2.0), 6.0)
    # The operations give w²·x, the rule 10·w²·t: in w alone 2·w·x, in x alone 10·w².
    inner = fgrad.grad(lambda w: fgrad.grad(lambda x: f(w, x))(3.0))
    np.testing.assert_allclose(inner(2.0), 40.0)


@kinds
def test_closing_over_mapped_values(kind: str) -> None:
    f = closes_over(kind)
    w, x = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])
    for wrap in (lambda f: f, fgrad.jit):
        np.testing.assert_array_equal(wrap(fgrad.vmap(lambda w: f(w, 3.0)))(w), w * w * 3)
        np.testing.assert_array_equal(wrap(fgrad.vmap(f))(w, x), w * w * x)
        slopes = wrap(fgrad.vmap(lambda w: fgrad.grad(lambda x: f(w, x))(3.0)))(w)
        np.testing.assert_array_equal(slopes, 10 * w * w)
        slopes = wrap(fgrad.grad(lambda x: fgrad.vmap(lambda w: f(w, x))(w).sum()))(3.0)
        np.testing.assert_array_equal(slopes, 10 * (w * w).sum())
        slopes = wrap(fgrad.grad(lambda w: fgrad.vmap(lambda w: f(w, 3.0))(w).sum()))(w)
        np.testing.assert_array_equal(slopes, 6 * w)


@kinds
def test_closing_over_an_argument_of_jit(kind: str) -> None:
    f = fgrad.jit(closes_over(kind))
    assert fgrad.grad(f, 1)(2.0, 3.0) == 40.0
    assert fgrad.grad(f, 1)(5.0, 3.0) == 250.0  # not the values of the first trace
    assert fgrad.grad(f, 0)(5.0, 3.0) == 30.0
    assert fgrad.jvp(f, (5.0, 3.0), (1.0, 1.0)) == (75.0, 280.0)
    np.testing.assert_array_equal(fgrad.vmap(fgrad.grad(f, 1))(np.array([1.0, 2.0]), np.ones(2)), [10.0, 40.0])


@kinds
def test_a_pullback_may_be_called_when_everything_has_ended(kind: str) -> None:
    f = closes_over(kind)
    out, pullback = fgrad.vjp(lambda w: f(w, w), 2.0)
    assert out == 8.0
    assert pullback(1.0) == (48.0,)
    assert pullback(2.0) == (96.0,)
    out, push = fgrad.linearize(lambda w: f(w, w), 2.0)
    assert push(1.0) == 48.0
    np.testing.assert_array_equal(fgrad.vmap(push)(np.array([1.0, 2.0])), [48.0, 96.0])
    assert fgrad.grad(push)(7.0) == 48.0
    np.testing.assert_array_equal(fgrad.vmap(pullback)(np.array([1.0, 2.0]))[0], [48.0, 96.0])


@kinds
def test_as_a_method(kind: str) -> None:
    class Scaled:
        factor = 3.0
        scale = ruled(kind, lambda self, x: self.factor * x, lambda self, x: (10 * self.factor,), (0,))

    assert Scaled().scale(2.0) == 6.0
    assert fgrad.grad(Scaled().scale)(2.0) == 30.0


@kinds
def test_linear_transpose_goes_through(kind: str) -> None:
    f = ruled(kind, lambda x: 3.0 * x, lambda x: (3.0,))
    assert fgrad.linear_transpose(f, 1.0)(2.0) == (6.0,)
    assert fgrad.linear_transpose(fgrad.jit(f), 1.0)(2.0) == (6.0,)


def test_as_a_decorator_by_partial_application() -> None:
    @partial(fgrad.custom_rule, static=(1,))
    def f(x: Any, n: int) -> Any:
        return x * n

    f.defvjp(lambda x, n: (x * n, None), lambda n, res, ct: (11 * ct,))
    assert fgrad.grad(f)(1.0, 2) == 11.0


@kinds
def test_in_the_body_of_a_scan(kind: str) -> None:
    f = marked(kind)

    def looped(x: Any) -> Any:
        return fgrad.lax.scan(lambda c, _: (f(c) * 0.1 + c, None), x, None, length=3)[0]

    def unrolled(x: Any) -> Any:
        for _ in range(3):
            x = f(x) * 0.1 + x
        return x

    for derivative in (fgrad.grad, fgrad.jacfwd, fgrad.hessian, fgrad.jacrev, lambda g: fgrad.vmap(fgrad.grad(g))):
        x = np.array([0.3, 0.4]) if derivative not in (fgrad.grad, fgrad.jacfwd, fgrad.hessian, fgrad.jacrev) else 0.3
        for wrap in (lambda g: g, fgrad.jit):
            np.testing.assert_allclose(wrap(derivative(looped))(x), derivative(unrolled)(x), rtol=1e-12)


INNER: dict[str, Any] = {
    "jit": fgrad.jit(lambda x: np.sin(2.0 * x)),
    "checkpoint": fgrad.checkpoint(lambda x: np.sin(2.0 * x)),
    "cond": lambda x: fgrad.lax.cond(np.sum(x) > 0, np.sin, np.cos, x),
    "scan": lambda x: fgrad.lax.scan(lambda c, _: (np.sin(c), None), x, None, length=2)[0],
    "while_loop": lambda x: fgrad.lax.while_loop(lambda s: s[0] < 2, lambda s: (s[0] + 1, np.sin(s[1])), (0, x))[1],
}


@pytest.mark.parametrize("name", INNER)
@pytest.mark.parametrize("under", [lambda f: f, fgrad.jit, lambda f: lambda x: fgrad.vmap(f)(x[None])[0]])
def test_a_rule_that_pushes_tangents_through_control_flow_in_reverse_mode(name: str, under: Any) -> None:
    """The values of the rule are used by what follows, and are no part of the linear program."""
    f = INNER[name]
    g = fgrad.custom_jvp(f)
    g.defjvp(lambda xs, ts: fgrad.jvp(f, xs, ts))
    x = np.array([0.3, 0.5])
    expected = fgrad.grad(lambda x: np.sum(np.tanh(f(x)) + f(x)))(x)
    np.testing.assert_allclose(under(fgrad.grad(lambda x: np.sum(np.tanh(g(x)) + g(x))))(x), expected, rtol=1e-12)
