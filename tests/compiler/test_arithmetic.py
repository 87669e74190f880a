"""Signs and constant factors: merged where that changes nothing but the rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.compiler.simplify import simplify
from fgrad.primitives.elementwise import add, div, mul, neg, sub
from fgrad.primitives.exponential import square
from fgrad.primitives.shape import reduce_sum

HARD = [0.0, -0.0, 1.0, -3.5, 1e-310, -1e300, 1.7e308, np.inf, -np.inf, np.nan]
X, Y = (a.ravel() for a in np.meshgrid(HARD, HARD))


def simplified(f: Any, *args: Any, exact: bool = True) -> list[str]:
    """The primitives of a simplified program, after a look at its results."""
    closed = fgrad.make_jaxpr(f)(*args)
    small = simplify(closed)
    with np.errstate(all="ignore"):
        (found,), (expected,) = small(*args), closed(*args)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=0 if exact else 4e-16, atol=0 if exact else 1e-307)
    if exact:
        np.testing.assert_array_equal(np.signbit(found[found == found]), np.signbit(expected[expected == expected]))
    return [eqn.primitive.name for eqn in small.eqns]


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x, y: neg(mul(3.0, x)), ["mul"]),
        (lambda x, y: neg(mul(x, np.float64(3))), ["mul"]),
        (lambda x, y: neg(div(3.0, x)), ["div"]),
        (lambda x, y: neg(div(x, 3.0)), ["div"]),
        (lambda x, y: add(x, neg(y)), ["sub"]),
        (lambda x, y: add(neg(x), y), ["sub"]),
        (lambda x, y: sub(x, neg(y)), ["add"]),
        (lambda x, y: mul(neg(x), neg(y)), ["mul"]),
        (lambda x, y: mul(neg(x), 3), ["mul"]),
        (lambda x, y: mul(-1.0, x), ["neg"]),
        (lambda x, y: sub(x, mul(-1, y)), ["add"]),
        (lambda x, y: div(neg(x), neg(y)), ["div"]),
        (lambda x, y: div(neg(x), 3.0), ["div"]),
        (lambda x, y: div(3.0, neg(x)), ["div"]),
        (lambda x, y: div(x, 512), ["mul"]),
        (lambda x, y: div(x, -0.25), ["mul"]),
        (lambda x, y: square(neg(x)), ["square"]),
        (lambda x, y: neg(x) ** 4, ["square", "square"]),
        (lambda x, y: abs(neg(x)), ["absolute"]),
        (lambda x, y: mul(x, x), ["square"]),
        (lambda x, y: sub(x, 0), []),
    ],
)
def test_what_is_exact(f: Any, expected: list[str]) -> None:
    assert simplified(f, X, Y) == expected


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x: mul(3.0, mul(0.7, x)), ["mul"]),
        (lambda x: mul(mul(x, np.float64(0.1)), 0.7), ["mul"]),
        (lambda x: mul(30.0, div(0.1, x)), ["div"]),
        (lambda x: mul(mul(3.0, x), x), ["square", "mul"]),
        (lambda x: add(mul(0.3, x), mul(0.3, x)), ["mul"]),
    ],
)
def test_what_is_exact_up_to_rounding(f: Any, expected: list[str]) -> None:
    x = np.array([*HARD[:4], 1e-300, -1e300, *HARD[7:]])
    assert simplified(f, x, exact=False) == expected


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: mul(0.1, mul(9.0, x)),  # what overflows in the middle stays infinite
        lambda x, y: mul(0.1, mul(3, x)),
        lambda x, y: mul(2.0, mul(x, div(0.5, y))),
        lambda x, y: mul(1e200, mul(1e200, x)),
        lambda x, y: mul(1e-200, mul(1e-200, x)),
        lambda x, y: mul(0.0, mul(2.0, x)),
        lambda x, y: mul(mul(1e-300, x), x),
        lambda x, y: mul(x, mul(x, 1e300)),
        lambda x, y: mul(np.inf, mul(2.0, x)),
        lambda x, y: mul(0.1, div(3.0, x)),
        lambda x, y: mul(neg(x), y),
        lambda x, y: sub(neg(x), y),
        lambda x, y: add(neg(x), neg(y)),
        lambda x, y: neg(sub(x, y)),
        lambda x, y: sub(0.0, neg(x)),
        lambda x, y: sub(x, -0.0),
        lambda x, y: div(x, 3.0),
        lambda x, y: div(x, 5e-324),
        lambda x, y: neg(x) ** 3,
    ],
)
def test_what_would_change_something_stays(f: Any) -> None:
    before = [eqn.primitive.name for eqn in fgrad.make_jaxpr(f)(X, Y).eqns]
    after = simplified(f, X, Y)
    assert len(after) >= len(before) or "neg" in after or after == ["add"]


def test_unsigned_numbers_have_no_sign_to_move() -> None:
    x = np.array([1, 2], np.uint8)
    assert simplified(lambda x: add(1.5, neg(x)), x) == ["neg", "add"]


def test_types_stay() -> None:
    x = np.ones(3, np.float32)
    assert simplified(lambda x: mul(np.float64(3), mul(np.float32(0.1), x)), x) == ["mul", "mul"]
    assert simplified(lambda x: mul(3.0, mul(np.float32(0.25), x)), x) == ["mul"]


@pytest.mark.parametrize("x", [[1.0, -1.0], [2.0, 1.0], [np.inf, 1.0], [np.inf, -np.inf], [-0.0, -0.0]])
def test_a_sum_is_negated_instead_of_its_terms(x: list[float]) -> None:
    names = simplified(lambda x: reduce_sum(neg(x), axes=(1,)), np.array([x]))
    assert names == ["reduce_sum", "sub"]


def test_the_square_of_a_difference_costs_one_product_more() -> None:
    """Its gradient takes the factor 2 into the constant of the mean."""
    f = fgrad.grad(lambda x, y: reduce_sum(mul(x - y, x - y), axes=(0,)) / 3)
    small = simplify(fgrad.make_jaxpr(f)(np.ones(5), np.zeros(5)))
    assert [eqn.primitive.name for eqn in small.eqns] == ["sub", "mul"]
