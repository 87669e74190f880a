"""Taylor mode through control flow and custom rules, against nested forward mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.control.cond import cond, switch
from fgrad.control.expansions import loop_body
from fgrad.control.fori_loop import fori_loop
from fgrad.control.scan import scan
from fgrad.control.while_loop import while_loop
from fgrad.core.aval import aval_of
from fgrad.transforms.stage import trace
from tests.transforms.curves import nested_derivatives

ORDER = 4
RNG = np.random.default_rng(0)
VECTOR = np.array([0.3, -0.2, 0.5])


def scanned(x: Any) -> Any:
    def step(carry: Any, row: Any) -> Any:
        h, n = carry
        return (np.tanh(h * row + x), n + 1), h * row

    (h, n), rows = scan(step, (x * 1.0, 0), np.linspace(0.1, 1, 5))
    return h * n + np.sum(rows)


def scanned_rows(x: Any) -> Any:
    h, rows = scan(lambda c, row: (np.tanh(c * row + 0.1), c), 0.5, x, reverse=True)
    return h * rows


def starting_constant(x: Any) -> Any:
    """The second carry varies after two steps only."""
    return scan(lambda c, _: ((c[0] * x, c[1] + c[2], c[0]), None), (1.0, 0.0, 0.0), length=4)[0][1]


def looped(x: Any) -> Any:
    return while_loop(lambda c: c[1] < 4, lambda c: (np.sin(c[0]) * x + c[0], c[1] + 1), (x, 0))[0]


def ending_by_value(x: Any) -> Any:
    return while_loop(lambda c: c < 3, lambda c: c * c + 1.1 + 0 * x, x)


def chosen(x: Any) -> Any:
    return cond(x > 0, lambda x: np.sin(x) * x, lambda x: x**3, x)


def nested_flow(x: Any) -> Any:
    def step(c: Any, _: Any) -> Any:
        return cond(c > 0.2, np.sin, lambda c: c * x, c), None

    return scan(step, x, length=3)[0]


def checkpointed(x: Any) -> Any:
    return scan(lambda c, _: (np.tanh(c * x + 0.3), None), x, length=6, checkpoint="sqrt")[0]


PROGRAMS: dict[str, tuple[Any, Any]] = {
    "scan": (scanned, 0.7),
    "scan over rows": (scanned_rows, VECTOR),
    "scan whose carry varies later": (starting_constant, 0.7),
    "scan with checkpoints": (checkpointed, 0.4),
    "while_loop": (looped, 0.4),
    "while_loop that ends by its value": (ending_by_value, 0.3),
    "fori_loop": (lambda x: fori_loop(0, 3, lambda i, c: c * x + np.sin(c), x), 0.4),
    "cond": (chosen, 0.4),
    "cond, the other branch": (chosen, -0.4),
    "switch": (lambda x: switch(1, [lambda x: x, np.exp], x), 0.3),
    "cond of scan": (nested_flow, 0.5),
    "vmap of cond": (fgrad.vmap(chosen), VECTOR),
    "vmap of while_loop": (fgrad.vmap(ending_by_value), np.array([0.3, 2.2, 5.0])),
    "vmap of scan": (fgrad.vmap(scanned), VECTOR),
    "gradient of scan": (fgrad.grad(scanned), 0.4),
    "gradient of while_loop": (fgrad.grad(looped), 0.4),
}


@pytest.mark.parametrize("line", [True, False], ids=["line", "curve"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_against_nested_jvp(name: str, line: bool) -> None:
    f, x = PROGRAMS[name]
    series = [0.3 * RNG.normal(size=np.shape(x))[()] if k == 0 or not line else 0.0 * x for k in range(ORDER)]
    expected = nested_derivatives(f, [x], [series], ORDER)
    runs = {
        "eager": lambda: fgrad.jet(f, (x,), (series,)),
        "jit of jet": lambda: fgrad.jit(lambda x, s: fgrad.jet(f, (x,), (s,)))(x, series),
        "jet of jit": lambda: fgrad.jet(fgrad.jit(f), (x,), (series,)),
    }
    for run in runs.values():
        out, terms = run()
        np.testing.assert_allclose(out, expected[0], rtol=1e-13)
        for term, want in zip(terms, expected[1:], strict=True):
            np.testing.assert_allclose(term, want, rtol=1e-8, atol=1e-10)


def test_loops_in_custom_rules() -> None:
    @fgrad.custom_jvp
    def f(x: Any) -> Any:
        return scan(lambda c, _: (np.tan(c * x), None), x, length=2)[0]

    @f.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return f(x), t * scan(lambda c, _: (np.sin(c * x), None), x, length=2)[0] * f(x)

    series = [0.4, 0.1, -0.2]
    _, terms = fgrad.jet(f, (0.4,), (series,))
    np.testing.assert_allclose(terms, nested_derivatives(f, [0.4], [series], 3)[1:], rtol=1e-11)


def test_a_branch_that_is_not_taken_is_not_run() -> None:
    def f(x: Any) -> Any:
        return cond(x > 0, np.sqrt, lambda x: 0.0 * x, x)

    _, terms = fgrad.vmap(lambda x: fgrad.jet(f, (x,), ([1.0, 0.0, 0.0],)))(np.array([4.0, -1.0]))
    np.testing.assert_allclose(np.asarray(terms)[:, 1], np.zeros(3))
    np.testing.assert_allclose(np.asarray(terms)[:, 0], [1 / 4, -1 / 32, 3 / 256])


def test_gradients_through_expansions() -> None:
    gradient = fgrad.grad(fgrad.nth_derivative(looped, 4))(0.3)
    assert gradient == pytest.approx(fgrad.nth_derivative(looped, 5)(0.3), rel=1e-12)
    gradient = fgrad.jit(fgrad.grad(fgrad.nth_derivative(scanned, 3)))(0.3)
    assert gradient == pytest.approx(fgrad.nth_derivative(scanned, 4)(0.3), rel=1e-12)


def test_carries_keep_the_coefficients_that_they_have() -> None:
    """The time t, of which only the first coefficient is not zero, stays so; h gets all of them."""
    avals = [aval_of(np.float64(0.0))] * 2
    body = trace(lambda t, h: [t + 0.1, h * t], avals)
    line, nothing = (True, False, False), (False, False, False)
    _, patterns, found = loop_body(body, 3, 0, 2, (line, nothing))
    assert patterns == (line, (True, True, True))
    assert found == patterns


def test_effects_take_place_once() -> None:
    seen: list[float] = []

    def f(x: Any) -> Any:
        fgrad.debug.callback(lambda value: seen.append(float(value)), np.sin(x))
        return np.tan(x)

    fgrad.jet(f, (0.5,), ([1.0, 0.0, 0.0],))
    assert seen == [np.sin(0.5)]
