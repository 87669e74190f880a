"""Functions without closures over traced values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import errors
from tests.control.transforms import FIRST


@pytest.mark.parametrize("way", FIRST)
def test_a_rule_may_be_given_what_a_function_closes_over(way: str) -> None:
    """A solver with a rule of its own: the derivative reaches the values in the closure."""

    def apply(f: Any, x: Any) -> Any:
        converted, values = fgrad.closure_convert(f, x)

        @fgrad.custom_vjp
        def run(x: Any, *values: Any) -> Any:
            return converted(x, *values)

        def bwd(res: Any, ct: Any) -> Any:
            return tuple(10 * c for c in fgrad.vjp(converted, *res)[1](ct))

        run.defvjp(lambda x, *values: (run(x, *values), (x, *values)), bwd)
        return run(x, *values)

    np.testing.assert_allclose(FIRST[way](lambda w: apply(lambda x: np.sin(w) * x, 3.0), 0.5), 30 * np.cos(0.5))


def test_nothing_is_hoisted_where_nothing_is_traced() -> None:
    weights = np.array([1.0, 2.0])
    converted, values = fgrad.closure_convert(lambda x: {"y": x * weights, "n": 3}, np.ones(2))
    assert values == []
    np.testing.assert_array_equal(converted(np.ones(2))["y"], weights)


def test_it_outlives_the_transform() -> None:
    kept: list[Any] = []

    def loss(w: Any) -> Any:
        kept[:] = [fgrad.closure_convert(lambda x: w * x + w, 2.0)[0]]
        return w

    fgrad.grad(loss)(3.0)
    assert kept[0](2.0, 5.0) == 15.0
    assert fgrad.grad(kept[0], 1)(2.0, 5.0) == 3.0


def test_messages() -> None:
    converted, _ = fgrad.closure_convert(lambda x, y: x["a"] + y, {"a": 1.0}, 2.0)
    with pytest.raises(errors.ArgumentError, match=r"takes 2 arguments and 0 values that .* got 1 argument"):
        converted({"a": 1.0})
    with pytest.raises(errors.TreeStructureError, match="are not like those that closure_convert was given: at"):
        converted({"b": 1.0}, 2.0)
    with pytest.raises(errors.ArgumentError, match="closure_convert expects a function"):
        fgrad.closure_convert(1.0)  # type: ignore[arg-type]
