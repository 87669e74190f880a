"""Control flow in control flow, with custom rules, checkpoints and compiled functions inside: all derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.lax.control import cond, fori_loop, map, scan, switch, while_loop  # noqa: A004
from tests.control.agreement import Pair, assert_agree

XS = np.array([0.3, -0.2, 0.5, 0.9])


def scan_of_cond() -> Pair:
    def control(w: Any) -> Any:
        return scan(lambda h, x: (cond(h * x > 0.1, lambda h: np.sin(h) * w, lambda h: h + x * w, h), h), w, XS)[0]

    def python(w: Any) -> Any:
        h = w
        for x in XS:
            h = np.sin(h) * w if h * x > 0.1 else h + x * w
        return h

    return Pair(control, python)


def scan_of_switch() -> Pair:
    branches: list[Callable[[Any], Any]] = [np.sin, lambda h: h * h, lambda h: 1.0 - h]
    picks = [2, 0, 1, 0, 2]

    def control(w: Any) -> Any:
        return scan(lambda h, i: (switch(i, branches, h * w), None), w, np.array(picks))[0]

    def python(w: Any) -> Any:
        h = w
        for i in picks:
            h = branches[i](h * w)
        return h

    return Pair(control, python)


def while_of_scan_of_cond() -> Pair:
    def body(w: Any) -> Callable[[Any], Any]:
        def step(h: Any, x: Any) -> Any:
            return cond(h * x > 0.1, lambda h: np.sin(h) * w + 0.1, lambda h: h + x * w, h), None

        return lambda h: scan(step, h * 0.1, XS)[0] + h + 0.7

    def python(w: Any) -> Any:
        h = w
        while h < 4.0:
            g = h * 0.1
            for x in XS:
                g = np.sin(g) * w + 0.1 if g * x > 0.1 else g + x * w
            h = g + h + 0.7
        return h

    return Pair(lambda w: while_loop(lambda h: h < 4.0, body(w), w), python)


def while_in_cond() -> Pair:
    def control(w: Any) -> Any:
        grown = lambda x: while_loop(lambda v: v < 5.0, lambda v: v * (1 + w) + 0.1, x)  # noqa: E731
        return cond(w > 0.5, grown, lambda x: x, w) + cond(w < 0.5, grown, lambda x: x * w, w)

    def python(w: Any) -> Any:
        v = w
        while v < 5.0:
            v = v * (1 + w) + 0.1
        return v + (w * w if w > 0.5 else w)

    return Pair(control, python)


def cond_in_while() -> Pair:
    def body(w: Any) -> Callable[[Any], Any]:
        return lambda v: cond(v > 2.0, lambda v: v + w, lambda v: v * (1 + w) + 0.1, v)

    def python(w: Any) -> Any:
        v = w
        while v < 5.0:
            v = v + w if v > 2.0 else v * (1 + w) + 0.1
        return v

    return Pair(lambda w: while_loop(lambda v: v < 5.0, body(w), w), python)


def scan_of_while() -> Pair:
    def control(w: Any) -> Any:
        grown = lambda v: while_loop(lambda v: v < 2.0, lambda v: v * (1 + w) + 0.1, v)  # noqa: E731
        return scan(lambda h, x: (grown(h * x * w + 0.1) * 0.2, None), w, XS)[0]

    def python(w: Any) -> Any:
        h = w
        for x in XS:
            v = h * x * w + 0.1
            while v < 2.0:
                v = v * (1 + w) + 0.1
            h = v * 0.2
        return h

    return Pair(control, python)


def while_of_while() -> Pair:
    def control(w: Any) -> Any:
        def body(h: Any) -> Any:
            return while_loop(lambda v: v < h + 1.0, lambda v: v * (1 + w) + 0.1, h * 0.5)

        return while_loop(lambda h: h < 6.0, body, w)

    def python(w: Any) -> Any:
        h = w
        while h < 6.0:
            v = h * 0.5
            while v < h + 1.0:
                v = v * (1 + w) + 0.1
            h = v
        return h

    return Pair(control, python)


def batched_cond_in_while_in_scan() -> Pair:
    """Rows that take different branches in loops of different lengths."""

    def control(w: Any) -> Any:
        def row(x: Any) -> Any:
            def body(v: Any) -> Any:
                return cond(v > 2.0, lambda v: v + w * w, lambda v: v * (1 + w) + 0.1 * np.abs(x), v)

            return while_loop(lambda v: v < 4.0, body, x * w + 0.3)

        return scan(lambda h, _: (h + fgrad.vmap(row)(XS * h).mean() * 0.1, None), w, length=2)[0]

    def python(w: Any) -> Any:
        h = w
        for _ in range(2):
            total = 0.0
            for x in XS:
                v = x * h * w + 0.3
                while v < 4.0:
                    v = v + w * w if v > 2.0 else v * (1 + w) + 0.1 * np.abs(x * h)
                total = total + v
            h = h + total / 4 * 0.1
        return h

    return Pair(control, python)


def checkpoint_between_scans() -> Pair:
    def control(w: Any) -> Any:
        @fgrad.checkpoint
        def inner(h: Any, x: Any) -> Any:
            return scan(lambda h, _: (np.sin(h * w) + x, None), h, length=3)[0]

        return scan(lambda h, x: (inner(h, x), None), w, XS)[0]

    def python(w: Any) -> Any:
        h = w
        for x in XS:
            for _ in range(3):
                h = np.sin(h * w) + x
        return h

    return Pair(control, python)


def checkpoint_of_while_and_back() -> Pair:
    def control(w: Any) -> Any:
        step = fgrad.checkpoint(lambda v: np.sin(v * w) + v + 1.2)
        return fgrad.checkpoint(lambda x: while_loop(lambda v: v < 5.0, step, x))(w * w)

    def python(w: Any) -> Any:
        v = w * w
        while v < 5.0:
            v = np.sin(v * w) + v + 1.2
        return v

    return Pair(control, python)


def custom_rules_in_loops() -> Pair:
    @fgrad.custom_jvp
    def sine(x: Any) -> Any:
        return np.sin(x)

    sine.defjvp(lambda xs, ts: (np.sin(xs[0]), np.cos(xs[0]) * ts[0]))

    @fgrad.custom_vjp
    def bell(x: Any) -> Any:
        return np.exp(-x * x)

    bell.defvjp(lambda x: (bell(x), x), lambda x, ct: (-2 * x * bell(x) * ct,))

    def control(w: Any) -> Any:
        h, ys = scan(lambda h, x: (sine(h * w) + bell(h + x), sine(x * w)), w, XS)
        h = while_loop(lambda v: v < 3.0, lambda v: v + sine(v * w) * 0.3 + bell(v) + 0.7, h)
        return h + ys.sum() + cond(w > 0, bell, sine, w) + map(bell, XS * w).sum()

    def python(w: Any) -> Any:
        h, total = w, 0.0
        for x in XS:
            h, total = np.sin(h * w) + np.exp(-((h + x) ** 2)), total + np.sin(x * w)
        while h < 3.0:
            h = h + np.sin(h * w) * 0.3 + np.exp(-h * h) + 0.7
        return h + total + np.exp(-w * w) + np.exp(-((XS * w) ** 2)).sum()

    return Pair(control, python)


def jit_in_bodies() -> Pair:
    step = fgrad.jit(lambda h, w: np.sin(h * w) + 1.2)

    def control(w: Any) -> Any:
        h = scan(lambda h, _: (step(h, w), None), w, length=3)[0]
        h = while_loop(lambda v: v < 5.0, lambda v: v + step(v, w), h)
        return cond(h > 0, lambda h: step(h, w), lambda h: h, h)

    def python(w: Any) -> Any:
        h = w
        for _ in range(3):
            h = np.sin(h * w) + 1.2
        while h < 5.0:
            h = h + np.sin(h * w) + 1.2
        return np.sin(h * w) + 1.2

    return Pair(control, python)


def loops_in_loops_over_ranges() -> Pair:
    def control(w: Any) -> Any:
        inner = lambda i, v: fori_loop(0, i, lambda j, u: np.sin(u) * w + j * 0.1, v)  # noqa: E731
        return fori_loop(1, 4, lambda i, v: inner(i, v) + i * w, w)

    def python(w: Any) -> Any:
        v = w
        for i in range(1, 4):
            u = v
            for j in range(i):
                u = np.sin(u) * w + j * 0.1
            v = u + i * w
        return v

    return Pair(control, python)


PROGRAMS = [
    scan_of_cond,
    scan_of_switch,
    while_of_scan_of_cond,
    while_in_cond,
    cond_in_while,
    scan_of_while,
    while_of_while,
    batched_cond_in_while_in_scan,
    checkpoint_between_scans,
    checkpoint_of_while_and_back,
    custom_rules_in_loops,
    jit_in_bodies,
    loops_in_loops_over_ranges,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_programs_agree_with_python(program: Callable[[], Pair]) -> None:
    assert_agree(program())


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_rows_that_differ(program: Callable[[], Pair]) -> None:
    """Every row takes its own branches and stops by itself."""
    control, python = program()
    rows = np.array([0.45, 0.7, 0.95])
    for order in (lambda f: f, fgrad.grad, lambda f: fgrad.grad(fgrad.grad(f))):
        expected = [order(python)(w) for w in rows]
        for f in (
            fgrad.vmap(order(control)),
            fgrad.jit(fgrad.vmap(order(control))),
            fgrad.vmap(fgrad.jit(order(control))),
        ):
            np.testing.assert_allclose(f(rows), expected, rtol=1e-8)


def test_hessian_of_a_vector_through_a_scan() -> None:
    w = np.array([0.3, -0.5, 0.8])

    def control(w: Any) -> Any:
        h, ys = scan(lambda h, x: (np.tanh(w * h + x), (h * w).sum()), w * w, XS)
        return h.sum() + (ys * ys).sum()

    def python(w: Any) -> Any:
        h, total = w * w, 0.0
        for x in XS:
            h, total = np.tanh(w * h + x), total + (h * w).sum() ** 2
        return h.sum() + total

    expected = fgrad.hessian(python)(w)
    for f in (
        fgrad.hessian(control),
        fgrad.jit(fgrad.hessian(control)),
        fgrad.jacrev(fgrad.grad(control)),
        fgrad.jacfwd(fgrad.jacfwd(control)),
    ):
        np.testing.assert_allclose(f(w), expected, rtol=1e-10)
    np.testing.assert_allclose(fgrad.hvp(control, (w,), (np.ones(3),)), expected.sum(1), rtol=1e-10)
