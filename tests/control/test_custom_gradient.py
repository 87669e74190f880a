"""Functions that return their own pullback."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import errors
from tests.control.transforms import FIRST, SECOND, jvp_at


@fgrad.custom_gradient
def marked(x: Any) -> Any:
    """x², with ten times its slope; the pullback closes over what was computed on the way."""
    doubled = 2 * x
    return x * x, lambda ct: 10 * doubled * ct


@pytest.mark.parametrize("way", FIRST)
def test_first_derivatives(way: str) -> None:
    np.testing.assert_allclose(FIRST[way](lambda x: marked(x) + marked(2 * x), 3.0), 300.0)


@pytest.mark.parametrize("way", SECOND)
def test_second_derivatives(way: str) -> None:
    np.testing.assert_allclose(SECOND[way](marked, 3.0), 20.0)


@pytest.mark.parametrize("way", FIRST)
def test_closing_over_what_is_differentiated(way: str) -> None:
    def loss(w: Any) -> Any:
        square = w * w

        @fgrad.custom_gradient
        def f(x: Any) -> Any:
            y = square * x
            return y, lambda ct: (10 * square * ct,)

        return f(w) + f(3.0)

    # In x the rule, 10·w² at x = w; in w the operations, 2·w·x at x = w and x = 3.
    np.testing.assert_allclose(FIRST[way](loss, 2.0), 40.0 + 8.0 + 12.0)


def test_values_name_and_doc() -> None:
    assert marked(3) == 9
    assert fgrad.jit(marked)(3.0) == 9.0
    assert marked.__name__ == "marked"
    assert str(marked.__doc__).startswith("x², with ten times")
    assert repr(marked) == "<fgrad.custom_gradient of marked>"


def test_several_arguments_pytrees_and_zeros() -> None:
    @fgrad.custom_gradient
    def f(p: Any, scale: Any, *, shift: Any = 0.0) -> Any:
        out = {"y": p["w"] * scale + shift, "n": 3}

        def pullback(ct: Any) -> Any:
            assert set(ct) == {"y", "n"}
            return {"w": 5 * ct["y"] * scale, "b": None}, None, 7 * ct["y"]

        return out, pullback

    p = {"w": np.array([1.0, 2.0]), "b": np.array([1.0])}
    for wrap in (lambda g: g, fgrad.jit):
        gradient, scale, shift = wrap(fgrad.grad(lambda p, s, t: f(p, s, shift=t)["y"].sum(), (0, 1, 2)))(
            p, 3.0, np.ones(2)
        )
        np.testing.assert_array_equal(gradient["w"], [15.0, 15.0])
        np.testing.assert_array_equal(gradient["b"], [0.0])
        assert scale == 0.0
        np.testing.assert_array_equal(shift, [7.0, 7.0])
        pushed = wrap(lambda p: fgrad.jvp(lambda q: f(q, 3.0, shift=np.zeros(2))["y"], (p,), (p,))[1])(p)
        np.testing.assert_array_equal(pushed, 15.0 * p["w"])


def test_one_argument_that_is_a_tuple() -> None:
    bare = fgrad.custom_gradient(lambda pair: (pair[0] * pair[1], lambda ct: (2 * ct, 3 * ct)))
    inside = fgrad.custom_gradient(lambda pair: (pair[0] * pair[1], lambda ct: ((2 * ct, 3 * ct),)))
    for f in (bare, inside):
        assert fgrad.grad(f)((5.0, 7.0)) == (2.0, 3.0)
    single = fgrad.custom_gradient(lambda x: (x[0] * 1.0, lambda ct: (4 * ct,)))
    assert fgrad.grad(single)((5.0,)) == (4.0,)


def test_what_the_pullback_keeps_is_safe_from_later_writes() -> None:
    x = np.array([1.0, 2.0])
    _, pullback = fgrad.vjp(fgrad.custom_gradient(lambda x: (x * x, lambda ct: 2 * x * ct)), x)
    x[:] = 100.0
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [2.0, 4.0])


def test_python_decides_by_values() -> None:
    f = fgrad.custom_gradient(lambda x: (abs(x), (lambda ct: ct) if x > 0 else (lambda ct: -ct)))
    assert fgrad.grad(f)(2.0) == 1.0
    assert fgrad.grad(f)(-2.0) == -1.0
    assert jvp_at(f, -2.0) == -1.0


def test_messages() -> None:
    with pytest.raises(errors.OutputTypeError, match=r"`<lambda>` must return \(out, vjp\) in custom_gradient, but"):
        fgrad.custom_gradient(lambda x: x)(1.0)
    with pytest.raises(errors.ArgumentError, match="custom_gradient expects a function, got an int 3"):
        fgrad.custom_gradient(3)  # type: ignore[arg-type]
    two: Any = fgrad.custom_gradient(lambda x, y: (x * y, lambda ct: ct))
    with pytest.raises(errors.TreeStructureError, match=r"must return a tuple of 2 cotangents \(x, y\)"):
        fgrad.grad(two)(1.0, 2.0)
    nonlinear: Any = fgrad.custom_gradient(lambda x: (x * x, lambda ct: np.clip(ct, -1.0, 1.0)))
    with pytest.raises(errors.MissingRuleError, match="forward mode transposes the pullback that `<lambda>` returned"):
        fgrad.jvp(nonlinear, (1.0,), (1.0,))
