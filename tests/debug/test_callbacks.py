"""Prints, callbacks and taps: once each, in the order of the program, under every transform."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import debug
from fgrad.compiler.compiled import optimize
from fgrad.control.cond import cond
from fgrad.control.scan import scan
from fgrad.control.while_loop import while_loop
from fgrad.core.jaxpr import has_effect, without_effects
from fgrad.errors import ArgumentError

Transform = Callable[[Callable[..., Any]], Callable[..., Any]]

ONE_POINT: dict[str, Transform] = {
    "eager": lambda f: f,
    "jit": fgrad.jit,
    "grad": fgrad.grad,
    "jit grad": lambda f: fgrad.jit(fgrad.grad(f)),
    "grad jit": lambda f: fgrad.grad(fgrad.jit(f)),
    "jvp": lambda f: lambda x: fgrad.jvp(f, (x,), (1.0,)),
    "grad grad": lambda f: fgrad.grad(fgrad.grad(f)),
    "grad grad jit": lambda f: fgrad.grad(fgrad.grad(fgrad.jit(f))),
    "checkpoint": lambda f: fgrad.grad(fgrad.checkpoint(f)),
    "checkpoint jit": lambda f: fgrad.grad(fgrad.checkpoint(fgrad.jit(f))),
    "checkpoint, saving": lambda f: fgrad.grad(
        fgrad.checkpoint(f, policy=fgrad.checkpoint_policies.everything_saveable)
    ),
    "jit checkpoint, saving": lambda f: fgrad.jit(
        fgrad.grad(fgrad.checkpoint(fgrad.jit(f), policy=fgrad.checkpoint_policies.dots_saveable))
    ),
    "jit checkpoint": lambda f: fgrad.jit(fgrad.grad(fgrad.checkpoint(f))),
    "jit checkpoint jit": lambda f: fgrad.grad(fgrad.jit(fgrad.checkpoint(fgrad.jit(f)))),
}


class Log(list[Any]):
    """What callbacks saw, as plain numbers."""

    def see(self, *values: Any) -> None:
        self.extend(v if isinstance(v, str) else np.round(v, 6).tolist() for v in values)


def straight(log: Log) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        y = x * x
        debug.callback(log.see, y)
        debug.callback(log.see, "between")
        z = y * x
        debug.callback(log.see, z)
        return z

    return f


def looped(log: Log) -> Callable[[Any], Any]:
    def body(c: Any, t: Any) -> Any:
        debug.callback(log.see, c)
        return c * 2.0 + t, None

    return lambda x: scan(body, x, np.arange(3.0))[0]


def endless(log: Log) -> Callable[[Any], Any]:
    def body(c: Any) -> Any:
        debug.callback(log.see, c)
        return c * 2.0

    return lambda x: while_loop(lambda c: c < 20.0, body, x)


def chosen(log: Log) -> Callable[[Any], Any]:
    def taken(x: Any) -> Any:
        debug.callback(log.see, x)
        return x * x

    def left(x: Any) -> Any:
        debug.callback(log.see, "left")
        return x

    return lambda x: cond(x > 1.0, taken, left, x)


@pytest.mark.parametrize("transform", ONE_POINT)
@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (straight, [4.0, "between", 8.0]),
        (looped, [2.0, 4.0, 9.0]),
        (endless, [2.0, 4.0, 8.0, 16.0]),
        (chosen, [2.0]),
    ],
)
def test_every_callback_is_called_once_in_order(program: Any, expected: list[Any], transform: str) -> None:
    log = Log()
    ONE_POINT[transform](program(log))(2.0)
    assert log == expected


MAPPED: dict[str, Transform] = {
    "vmap": fgrad.vmap,
    "jit vmap": lambda f: fgrad.jit(fgrad.vmap(f)),
    "vmap jit": lambda f: fgrad.vmap(fgrad.jit(f)),
    "vmap grad": lambda f: fgrad.vmap(fgrad.grad(f)),
    "grad vmap": lambda f: fgrad.grad(lambda x: fgrad.vmap(f)(x).sum()),
    "named vmap": lambda f: fgrad.vmap(f, axis_name="i"),
}


@pytest.mark.parametrize("transform", MAPPED)
def test_a_mapped_callback_is_called_for_each_row(transform: str) -> None:
    log = Log()
    MAPPED[transform](straight(log))(np.array([1.0, 2.0, 3.0]))
    assert log == [1.0, 4.0, 9.0, "between", 1.0, 8.0, 27.0]


def test_rows_of_rows_come_in_order() -> None:
    log = Log()
    x = np.arange(6.0).reshape(2, 3)
    fgrad.vmap(fgrad.vmap(lambda r: debug.callback(log.see, r) or r), in_axes=1)(x)
    assert log == [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]


@pytest.mark.parametrize("jit", [False, True])
def test_rows_that_have_stopped_are_not_seen(jit: bool) -> None:
    log = Log()
    f = fgrad.vmap(endless(log))
    x = np.array([10.0, 19.0, 18.0, 17.0, 16.0, 15.0, 3.0])
    (fgrad.jit(f) if jit else f)(x)
    assert log == [*x.tolist(), 6.0, 12.0]


def test_a_branch_is_seen_by_the_rows_that_take_it() -> None:
    log = Log()
    fgrad.vmap(chosen(log))(np.array([0.5, 2.0, 3.0, 0.1, 4.0, 5.0, 6.0]))
    assert log == ["left", 2.0, 3.0, 4.0, 5.0, 6.0]


def test_a_compiled_callback_is_called_at_every_call() -> None:
    log = Log()

    @fgrad.jit
    def f(x: Any) -> Any:
        debug.callback(log.see, x)
        debug.callback(log.see, x)
        return 2.0 * x

    assert f(1.0) == 2.0
    assert f(3.0) == 6.0
    assert log == [1.0, 1.0, 3.0, 3.0]


def test_effects_survive_simplification() -> None:
    def f(x: Any) -> Any:
        debug.callback(len, "abc")
        fgrad.jit(lambda y: debug.callback(abs, y))(x)
        return np.sin(x) + np.sin(x)

    closed = fgrad.make_jaxpr(f)(1.0)
    assert [has_effect(eqn) for eqn in closed.eqns] == [True, True, False, False, False]
    names = [eqn.primitive.name for eqn in optimize(closed).eqns]
    assert names == ["debug_callback", "debug_callback", "sin", "add"]
    assert [eqn.primitive.name for eqn in without_effects(closed).eqns] == ["sin", "sin", "add"]


def test_invariant_effects_stay_in_the_loop() -> None:
    log = Log()

    def body(c: Any, _: Any) -> Any:
        debug.callback(log.see, "step")
        return c + 1.0, None

    fgrad.jit(lambda x: scan(body, x, None, length=3))(0.0)
    assert log == ["step"] * 3


def test_callbacks_get_arrays_of_their_own() -> None:
    kept: list[Any] = []
    x = np.ones(3)

    def spoil(value: Any) -> None:
        kept.append(value)
        value[:] = 7.0

    out = fgrad.jit(lambda y: debug.callback(spoil, y) or y * 2.0)(x)
    np.testing.assert_array_equal(out, [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(x, [1.0, 1.0, 1.0])
    np.testing.assert_array_equal(kept[0], [7.0, 7.0, 7.0])


def test_print_formats(capsys: pytest.CaptureFixture[str]) -> None:
    @fgrad.jit
    def f(x: Any) -> Any:
        debug.print("{} x={x:.2f} {p[a]} {s} {{}}", 1, x=x, p={"a": x}, s="static", ordered=True)
        return x

    f(np.float64(0.5))
    assert capsys.readouterr().out == "1 x=0.50 0.5 static {}\n"


def test_print_of_a_cotangent_in_a_custom_rule(capsys: pytest.CaptureFixture[str]) -> None:
    @fgrad.custom_vjp
    def square(x: Any) -> Any:
        return x * x

    def bwd(x: Any, ct: Any) -> Any:
        debug.print("ct {ct}", ct=ct)
        return (2.0 * x * ct,)

    square.defvjp(lambda x: (x * x, x), bwd)
    assert fgrad.grad(square)(3.0) == 6.0
    assert capsys.readouterr().out == "ct 1.0\n"
    assert fgrad.jvp(square, (3.0,), (1.0,))[1] == 6.0  # the rule is transposed, which has no cotangent to print


def test_print_of_a_tangent_in_a_custom_rule(capsys: pytest.CaptureFixture[str]) -> None:
    @fgrad.custom_jvp
    def square(x: Any) -> Any:
        return x * x

    @square.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        debug.print("t {t}", t=tangents[0])
        return square(primals[0]), 2.0 * primals[0] * tangents[0]

    assert fgrad.jvp(square, (3.0,), (2.0,))[1] == 12.0
    assert capsys.readouterr().out == "t 2.0\n"
    assert fgrad.grad(square)(3.0) == 6.0


def test_eager_gradients_show_plain_values(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        builtins.print(x, f"{x} {x:.1f}")  # noqa: T201
        return x * x

    fgrad.grad(f)(2.0)
    assert capsys.readouterr().out == "2.0 2.0 2.0\n"


TAPPED: dict[str, tuple[Transform, list[Any]]] = {
    "grad": (fgrad.grad, [6.0]),
    "jit grad": (lambda f: fgrad.jit(fgrad.grad(f)), [6.0]),
    "grad jit": (lambda f: fgrad.grad(fgrad.jit(f)), [6.0]),
    "checkpoint": (lambda f: fgrad.grad(fgrad.checkpoint(f)), [6.0]),
    "jit checkpoint": (lambda f: fgrad.jit(fgrad.grad(fgrad.checkpoint(f))), [6.0]),
    "jvp": (lambda f: lambda x: fgrad.jvp(f, (x,), (1.0,)), []),
    "no derivative": (fgrad.jit, []),
}


@pytest.mark.parametrize("transform", TAPPED)
def test_taps_see_the_cotangent(transform: str) -> None:
    log = Log()
    apply, expected = TAPPED[transform]
    apply(lambda x: debug.tap_grad(3.0 * x, log.see) ** 2)(np.float64(1.0))
    assert log == expected


def test_taps_change_no_derivative() -> None:
    f = lambda x: np.sin(debug.tap_grad(x * x, lambda ct: None))  # noqa: E731
    g = lambda x: np.sin(x * x)  # noqa: E731
    for transform in (fgrad.grad, fgrad.hessian, lambda h: fgrad.grad(fgrad.grad(fgrad.jit(h)))):
        assert transform(f)(0.7) == pytest.approx(transform(g)(0.7), rel=1e-14)
    assert fgrad.jvp(f, (0.7,), (1.0,))[1] == pytest.approx(fgrad.grad(g)(0.7))


def test_taps_see_each_row_and_each_step() -> None:
    log = Log()
    x = np.array([1.0, 2.0])
    fgrad.grad(lambda y: fgrad.vmap(lambda r: debug.tap_grad(r, log.see) * 3.0)(y).sum())(x)
    fgrad.vmap(fgrad.grad(lambda r: debug.tap_grad(r, log.see) ** 2))(x)
    assert log == [3.0, 3.0, 2.0, 4.0]
    log.clear()
    fgrad.grad(lambda c: scan(lambda c, _: (debug.tap_grad(c, log.see) * 2.0, None), c, None, length=3)[0])(1.0)
    assert log == [2.0, 4.0, 8.0]


def test_taps_of_pytrees(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[Any] = []

    def f(p: Any) -> Any:
        p = debug.tap_grad({**p, "n": 3}, seen.append)
        return p["a"] * p["n"]

    gradient = fgrad.grad(f)({"a": 2.0, "b": 1.0})
    assert gradient == {"a": 3.0, "b": 0.0}
    assert seen == [{"a": 3.0, "b": 0.0, "n": 0.0}]
    fgrad.grad(lambda x: debug.tap_grad(x, "the slope"))(1.0)
    fgrad.grad(debug.tap_grad)(1.0)
    assert capsys.readouterr().out == "the slope: 1.0\ncotangent: 1.0\n"


def test_breakpoint_reads_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = iter(["seen = y + 1", "log.append(seen)"])

    def read(prompt: str) -> str:
        for line in lines:
            return line
        raise EOFError

    monkeypatch.setattr(builtins, "input", read)
    log: list[Any] = []

    @fgrad.jit
    def f(x: Any) -> Any:
        y = 2.0 * x
        debug.breakpoint()
        return y + len(log) * 0.0

    assert f(3.0) == 6.0
    assert log == [7.0]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: debug.print("{y}", x=1), "no value for the field 'y'"),
        (lambda: debug.print("{} {}", 1), "no value for the field number 1"),
        (lambda: debug.print("{", 1), "cannot read the format"),
        (lambda: debug.print(3), "expects a format string, got an int 3"),  # type: ignore[arg-type]
        (lambda: fgrad.jit(lambda x: debug.print(f"{x}"))(1.0), "formatted already"),
        (lambda: debug.callback(3), "debug.callback expects a function"),  # type: ignore[arg-type]
        (lambda: debug.tap_grad(1.0, 3), "expects a function or a name, got an int 3"),  # type: ignore[arg-type]
    ],
)
def test_misuse(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        call()
