"""Programs as text: golden texts."""

from __future__ import annotations

import textwrap
from itertools import islice
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.core import ClosedJaxpr, Equation, Jaxpr, Literal, ShapedArray, Var, format_jaxpr
from fgrad.core.printer import variable_names
from fgrad.primitives.elementwise import add
from fgrad.primitives.shape import convert_element_type, reduce_sum, reshape

X = np.array([1.0, 2.0, 3.0])


def text(golden: str) -> str:
    return textwrap.dedent(golden).strip("\n")


GOLDEN: list[tuple[str, Any, str]] = [
    (
        "one equation",
        lambda: fgrad.make_jaxpr(np.sin)(X),
        """
        { lambda ; a:f64[3] . let
            b:f64[3] = sin a
          in (b,) }
        """,
    ),
    (
        "identity",
        lambda: fgrad.make_jaxpr(lambda x, y: (y, x))(X, 1),
        """
        { lambda ; a:f64[3] b:i64[] . let
          in (b, a) }
        """,
    ),
    (
        "no arguments and a literal",
        fgrad.make_jaxpr(lambda: 1.5),
        """
        { lambda ; . let
          in (1.5,) }
        """,
    ),
    (
        "no outputs",
        lambda: fgrad.make_jaxpr(lambda x: ())(X),
        """
        { lambda ; a:f64[3] . let
          in () }
        """,
    ),
    (
        "literals and constants",
        lambda: fgrad.make_jaxpr(lambda x: (x * 2.0 + X, x * np.float32(3)))(X),
        """
        { lambda a:f64[3]; b:f64[3] . let
            c:f64[3] = mul b 2.0
            d:f64[3] = add c a
            e:f64[3] = mul b 3.0:f32[]
          in (d, e) }
        """,
    ),
    (
        "parameters",
        lambda: fgrad.make_jaxpr(
            lambda x: convert_element_type(reduce_sum(reshape(x, shape=(3, 1)), axes=(0,)), dtype=np.dtype(np.float32))
        )(X),
        """
        { lambda ; a:f64[3] . let
            b:f64[3,1] = reshape[shape=(3,1)] a
            c:f64[1] = reduce_sum[axes=(0,)] b
            d:f32[1] = convert_element_type[dtype=f32] c
          in (d,) }
        """,
    ),
    (
        "an equation without results",
        lambda: fgrad.make_jaxpr(lambda x: (fgrad.jit(lambda y: ())(x), x)[1])(X),
        """
        { lambda ; a:f64[3] . let
            _ = jit[
              name=<lambda>
              jaxpr={ lambda ; b:f64[3] . let
                in () }
            ] a
          in (a,) }
        """,
    ),
    (
        "a program inside a program",
        lambda: fgrad.make_jaxpr(lambda x: fgrad.jit(lambda y: (np.sin(y), y * 2.0))(x * x))(X),
        """
        { lambda ; a:f64[3] . let
            b:f64[3] = mul a a
            c:f64[3] d:f64[3] = jit[
              name=<lambda>
              jaxpr={ lambda ; e:f64[3] . let
                  f:f64[3] = sin e
                  g:f64[3] = mul e 2.0
                in (f, g) }
            ] b
          in (c, d) }
        """,
    ),
]


@pytest.mark.parametrize(("make", "golden"), [case[1:] for case in GOLDEN], ids=[case[0] for case in GOLDEN])
def test_golden_texts(make: Any, golden: str) -> None:
    closed: ClosedJaxpr = make()
    assert format_jaxpr(closed) == text(golden)
    assert repr(closed) == str(closed) == format_jaxpr(closed)
    assert repr(closed.jaxpr) == format_jaxpr(closed)


def test_the_users_lines() -> None:
    closed = fgrad.make_jaxpr(lambda x: np.sin(x) * 2.0)(X)
    line = test_the_users_lines.__code__.co_firstlineno + 1
    got = format_jaxpr(closed, source=True).splitlines()
    assert got[1] == f"    b:f64[3] = sin a  # {__file__}:{line} (<lambda>)"
    assert got[2] == f"    c:f64[3] = mul b 2.0  # {__file__}:{line} (<lambda>)"


def test_names_of_variables() -> None:
    names = list(islice(variable_names(), 26 + 26 * 26 + 1))
    assert names[:3] == ["a", "b", "c"]
    assert names[25:28] == ["z", "ba", "bb"]
    assert len(set(names)) == len(names)


def test_names_do_not_depend_on_where_the_program_came_from() -> None:
    def f(x: Any) -> Any:
        return np.exp(x) * x

    assert str(fgrad.make_jaxpr(f)(X)) == str(fgrad.make_jaxpr(f)(X + 1))


def test_arrays_as_literals_of_open_programs() -> None:
    aval = ShapedArray((3,), np.dtype(np.float64))
    x, y = Var(aval), Var(aval)
    jaxpr = Jaxpr([], [x], [y], [Equation(add, [x, Literal(X)], [y], {}, None)])
    assert "add a <f64[3]>" in format_jaxpr(jaxpr)
