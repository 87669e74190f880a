"""The checker catches every malformation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.control.jit_call import jit_call
from fgrad.core import ClosedJaxpr, Equation, Jaxpr, Literal, ShapedArray, Tracer, Var, check_jaxpr
from fgrad.errors import JaxprError
from fgrad.primitives.elementwise import add, neg
from fgrad.primitives.trigonometric import sin

F64 = ShapedArray((3,), np.dtype(np.float64))
F32 = ShapedArray((3,), np.dtype(np.float32))
F64_2 = ShapedArray((2,), np.dtype(np.float64))
ONES = np.ones(3)


def eqn(primitive: Any, invars: list[Any], outvars: list[Any], **params: Any) -> Equation:
    return Equation(primitive, invars, outvars, params, None)


def body(aval: ShapedArray = F64, wrong: bool = False) -> ClosedJaxpr:
    x, y = Var(aval), Var(F32 if wrong else aval)
    return ClosedJaxpr(Jaxpr([], [x], [y], [eqn(neg, [x], [y])]), [])


def good() -> ClosedJaxpr:
    c, x, y, z, out = Var(F64), Var(F64), Var(F64), Var(F64), Var(F64)
    eqns = [
        eqn(sin, [x], [y]),
        eqn(add, [y, c], [z]),
        eqn(jit_call, [z], [out], jaxpr=body(), name="f"),
    ]
    return ClosedJaxpr(Jaxpr([c], [x], [out, x, Literal(1.0)], eqns), [ONES])


def test_a_good_program_passes() -> None:
    check_jaxpr(good())
    check_jaxpr(good().jaxpr)
    check_jaxpr(fgrad.make_jaxpr(fgrad.grad(lambda x: np.sum(np.sin(x))))(ONES))


def unbound_input() -> Any:
    x, other, y = Var(F64), Var(F64), Var(F64)
    return Jaxpr([], [x], [y], [eqn(add, [x, other], [y])])


def used_before_it_is_bound() -> Any:
    x, y, z = Var(F64), Var(F64), Var(F64)
    return Jaxpr([], [x], [z], [eqn(sin, [y], [z]), eqn(sin, [x], [y])])


def unbound_output() -> Any:
    return Jaxpr([], [Var(F64)], [Var(F64)], [])


def bound_twice() -> Any:
    x, y = Var(F64), Var(F64)
    return Jaxpr([], [x], [y], [eqn(sin, [x], [y]), eqn(neg, [x], [y])])


def argument_bound_again() -> Any:
    x = Var(F64)
    return Jaxpr([], [x], [x], [eqn(sin, [x], [x])])


def argument_given_twice() -> Any:
    x = Var(F64)
    return Jaxpr([], [x, x], [x], [])


def constant_that_is_an_argument() -> Any:
    x = Var(F64)
    return ClosedJaxpr(Jaxpr([x], [x], [x], []), [ONES])


def literal_as_binder() -> Any:
    return Jaxpr([], [Literal(1.0)], [], [])


def wrong_shape() -> Any:
    x, y = Var(F64), Var(F64_2)
    return Jaxpr([], [x], [y], [eqn(sin, [x], [y])])


def wrong_dtype() -> Any:
    x, y = Var(F64), Var(F32)
    return Jaxpr([], [x], [y], [eqn(sin, [x], [y])])


def arguments_that_do_not_fit() -> Any:
    x, y, z = Var(F64), Var(F64_2), Var(F64)
    return Jaxpr([], [x, y], [z], [eqn(add, [x, y], [z])])


def too_many_results() -> Any:
    x, y, z = Var(F64), Var(F64), Var(F64)
    return Jaxpr([], [x], [y], [eqn(jit_call, [x], [y, z], jaxpr=body(), name="f")])


def missing_constant() -> Any:
    return ClosedJaxpr(good().jaxpr, [])


def constant_of_another_type() -> Any:
    return ClosedJaxpr(good().jaxpr, [ONES.astype(np.float32)])


def wrong_inside() -> Any:
    x, y = Var(F64), Var(F32)
    return Jaxpr([], [x], [y], [eqn(jit_call, [x], [y], jaxpr=body(wrong=True), name="f")])


def call_with_other_types() -> Any:
    x, y = Var(F64_2), Var(F64)
    return Jaxpr([], [x], [y], [eqn(jit_call, [x], [y], jaxpr=body(), name="f")])


def call_with_too_few_arguments() -> Any:
    y = Var(F64)
    return Jaxpr([], [], [y], [eqn(jit_call, [], [y], jaxpr=body(), name="f")])


def constants_missing_inside() -> Any:
    x, y = Var(F64), Var(F64)
    inner = ClosedJaxpr(good().jaxpr, [])
    return Jaxpr(
        [],
        [x],
        [y],
        [eqn(jit_call, [x], [y, Var(F64), Var(ShapedArray((), np.dtype(np.float64)))], jaxpr=inner, name="f")],
    )


def traced_literal() -> Any:
    held: list[Tracer] = []
    fgrad.make_jaxpr(lambda x: held.append(x) or x)(ONES)
    y = Var(F64)
    return Jaxpr([], [], [y], [eqn(sin, [Literal(held[0])], [y])])


MALFORMED: list[tuple[Callable[[], Any], str]] = [
    (unbound_input, r"equation 0 \(add\): reads a variable of type f64\[3\] that is not bound"),
    (used_before_it_is_bound, r"equation 0 \(sin\): reads a variable .* not bound"),
    (unbound_output, "the outputs: reads a variable"),
    (bound_twice, r"equation 1 \(neg\): .* bound twice"),
    (argument_bound_again, r"equation 0 \(sin\): .* bound twice"),
    (argument_given_twice, "the binders: .* bound twice"),
    (constant_that_is_an_argument, "the binders: .* bound twice"),
    (literal_as_binder, "is bound, but is not a variable"),
    (wrong_shape, r"equation 0 \(sin\): binds a result of type f64\[2\], its shape rule gives f64\[3\]"),
    (wrong_dtype, r"equation 0 \(sin\): binds a result of type f32\[3\], its shape rule gives f64\[3\]"),
    (arguments_that_do_not_fit, "do not broadcast"),
    (too_many_results, r"equation 0 \(jit\): binds 2 results, its shape rule gives 1"),
    (missing_constant, "1 constvars, but 0 constants"),
    (constant_of_another_type, r"a constant of type f32\[3\] is bound to a variable of type f64\[3\]"),
    (wrong_inside, r"equation 0 \(neg\): binds a result of type f32"),
    (call_with_other_types, r"`jit` applies a program of \(f64\[3\]\) to \(f64\[2\]\)"),
    (call_with_too_few_arguments, r"`jit` applies a program of \(f64\[3\]\) to \(\)"),
    (constants_missing_inside, "1 constvars, but 0 constants"),
    (traced_literal, "a tracer stands as a literal"),
]


@pytest.mark.parametrize(("make", "says"), MALFORMED, ids=[make.__name__ for make, _ in MALFORMED])
def test_malformations_are_caught(make: Callable[[], Any], says: str) -> None:
    with pytest.raises((JaxprError, ValueError), match=says):
        check_jaxpr(make())
