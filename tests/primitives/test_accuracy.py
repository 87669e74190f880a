"""Values and derivatives to the last digits, against mpmath, where cancellation or overflow lies in wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad import lax

POINTS = [0.0, -0.0, 5e-324, 1e-310, -1e-310, 1e-300, -1e-300, 1e-17, -1e-8, 1e-3, -0.1, 0.5, -1.0, 3.0, -3.0]
POINTS += [10.0, -10.0, 37.4, -37.4, 40.0, -40.0, 700.0, -700.0]
ULPS = 6
SMALLEST = {("log_softmax", 3): 0.125}
"""What is a difference of weights vanishes between equals: the digits are those of the weights."""


def sigmoid(x: Any, order: int) -> Any:
    s = 1 / (1 + mpmath.exp(-x))
    return [s, s * (1 - s), s * (1 - s) * (1 - 2 * s), s * (1 - s) * (1 - 6 * s + 6 * s * s)][order]


def expm1(x: Any, order: int) -> Any:
    return mpmath.exp(x) - (order == 0)


def log1p(x: Any, order: int) -> Any:
    return (-1) ** (order - 1) * mpmath.factorial(order - 1) / (1 + x) ** order if order else mpmath.log(1 + x)


def softplus(x: Any, order: int) -> Any:
    return sigmoid(x, order - 1) if order else mpmath.log(1 + mpmath.exp(x))


def log_sigmoid(x: Any, order: int) -> Any:
    return -((-1) ** order) * softplus(-x, order)


FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, int], Any], list[Any]]] = {
    # Each with the first three derivatives at +∞ and −∞.
    "expm1": (fnp.expm1, expm1, [[np.inf, np.inf, np.inf], [0, 0, 0]]),
    "log1p": (fnp.log1p, log1p, [[0, 0, 0], None]),
    "logistic": (lax.logistic, sigmoid, [[0, 0, 0], [0, 0, 0]]),
    "softplus": (lambda x: fnp.logaddexp(x, 0.0), softplus, [[1, 0, 0], [0, 0, 0]]),
    "log_sigmoid": (lambda x: -fnp.logaddexp(-x, 0.0), log_sigmoid, [[0, 0, 0], [1, 0, 0]]),
    "log_softmax": (lambda x: fnp.log_softmax(fnp.stack([x, 0 * x]), 0)[0], log_sigmoid, [None, None]),
}


def derivatives(f: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    """Value and three derivatives of an element-wise function."""

    def slope(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return fgrad.grad(lambda x: fnp.sum(f(x)))

    orders = [f, slope(f), slope(slope(f)), slope(slope(slope(f)))]
    return lambda x: [g(x) for g in orders]


@pytest.mark.parametrize("wrap", [lambda f: f, fgrad.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_to_the_last_digits(name: str, wrap: Callable[..., Any]) -> None:
    f, reference, limits = FUNCTIONS[name]
    compute = wrap(derivatives(f))
    points = [x for x in POINTS if name != "log1p" or x > -1]
    with np.errstate(all="ignore"), mpmath.workprec(2400):
        for order, values in enumerate(compute(np.array(points))):
            for x, value in zip(points, values, strict=True):
                true = reference(mpmath.mpf(x), order)
                digit = float(np.spacing(max(abs(float(true)), SMALLEST.get((name, order), 0.0))))
                off = abs(mpmath.mpf(float(value)) - true) / mpmath.mpf(digit)
                assert off <= ULPS, f"{name}, derivative {order} at {x}: {value}, not {float(true)}"
        for x, wanted in zip([np.inf, -np.inf], limits, strict=True):
            if wanted is not None:
                assert [float(d[0]) for d in compute(np.array([x]))[1:]] == wanted
        assert np.isnan([d[0] for d in compute(np.array([np.nan]))]).all()


def test_log_softmax_in_every_component() -> None:
    x = np.array([0.0, -40.0, -700.0])
    p = np.array([1.0, np.exp(-40.0), np.exp(-700.0)])
    jacobian = np.array([[p[1] + p[2], -p[1], -p[2]], [-1, 1, -p[2]], [-1, -p[1], 1]])
    for jac in (fgrad.jacrev, fgrad.jacfwd):
        np.testing.assert_allclose(jac(fnp.log_softmax)(x), jacobian, rtol=1e-14)
    hessian = fgrad.hessian(lambda x: fnp.log_softmax(x)[0])(x)
    np.testing.assert_allclose(hessian[0], [-p[1] - p[2], p[1], p[2]], rtol=1e-14)


def test_log_softmax_at_infinities_and_ties() -> None:
    inf = np.inf
    rows = np.array([[0, -inf], [inf, 0], [inf, inf], [-inf, -inf]])
    wanted = [[0, -inf], [0, -inf], [-np.log(2), -np.log(2)], [-inf, -inf]]
    np.testing.assert_array_equal(fnp.log_softmax(rows, axis=1), wanted)
    np.testing.assert_array_equal(fnp.softmax(rows, axis=1), [[1, 0], [1, 0], [0.5, 0.5], [0, 0]])
    assert fgrad.jacrev(fnp.log_softmax)(np.zeros(2)).tolist() == [[0.5, -0.5], [-0.5, 0.5]]
    assert np.isfinite(fgrad.vmap(fgrad.jacrev(fnp.log_softmax))(rows)).all()


def test_log_softmax_is_of_real_numbers() -> None:
    assert fnp.log_softmax(np.arange(3)).dtype == np.float64
    with pytest.raises(ValueError, match="`log_softmax` needs real numbers"):
        fnp.log_softmax(np.ones(2, complex))
