"""Examples of the primitives that hold programs: they cannot be drawn from a domain, as arrays can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fgrad.api.jit import jit
from fgrad.api.linear import jvp, vjp
from fgrad.api.vmap import vmap
from fgrad.control.checkpoint import checkpoint
from fgrad.control.cond import cond
from fgrad.control.custom_jvp import custom_jvp
from fgrad.control.custom_linear_solve import custom_linear_solve
from fgrad.control.custom_root import custom_root
from fgrad.control.custom_rule import custom_rule
from fgrad.control.custom_vjp import custom_vjp
from fgrad.control.effects import tap
from fgrad.control.scan import scan
from fgrad.control.while_loop import while_loop
from fgrad.core.aval import Array
from fgrad.primitives.linalg_singular import svd
from fgrad.primitives.linalg_spectra import eigh
from fgrad.primitives.rounding import conj

__all__ = ["EXEMPT", "examples"]

_NAMED = "it works between the rows of a `vmap` whose axis has a name, and nowhere else"

EXEMPT = {
    "all_gather": _NAMED,
    "all_to_all": _NAMED,
    "axis_index": _NAMED,
    "debug_callback": "it is called for its effect alone, and computes nothing",
    "io_callback": "it returns what a function of the user's does",
    "numeric_solve": "it stands in `linear_solve` and `implicit_root`, which have the derivatives",
    "permute_rows": _NAMED,
    "pmax": _NAMED,
    "pmin": _NAMED,
    "psum": _NAMED,
    "pure_callback": "it returns what a function of the user's does",
    "sum_scatter": _NAMED,
    "custom_linear": "it stands in the linear programs of `custom_vjp_call` alone, whose examples use its rules",
}
"""Primitives without samples, and why."""

Example = tuple[Callable[..., list[Array]], list[Array]]


def _program(x: Array, y: Array) -> list[Array]:
    return [np.sin(x) * y + x * 2.0, x * y * y]


def _with_jvp() -> Callable[..., Any]:
    @custom_jvp
    def weighted_sine(x: Array, y: Array) -> Array:
        return np.sin(x) * y

    @weighted_sine.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x, y), (t, u) = primals, tangents
        return np.sin(x) * y, np.cos(x) * y * t + np.sin(x) * u

    return weighted_sine


def _with_vjp() -> Callable[..., Any]:
    @custom_vjp
    def weighted_sine(x: Array, y: Array) -> Array:
        return np.sin(x) * y

    weighted_sine.defvjp(
        lambda x, y: (np.sin(x) * y, (x, y)),
        lambda res, ct: (ct * np.cos(res[0]) * res[1], ct * np.sin(res[0])),
    )
    return weighted_sine


def _scanned(x: Array, y: Array) -> Any:
    rows = np.stack([x, y, x * y])
    return scan(lambda carry, row: (np.sin(carry) * y + row, carry * row), x, rows)


def _chosen(x: Array, y: Array) -> Any:
    return cond((x > 1).any(), _program, lambda x, y: [y - x, x * 1.0], x, y)


def _repeated(x: Array, y: Array) -> Any:
    def unfinished(state: Any) -> Any:
        return (abs(state[0]) < 3).any() & (state[1] < 5)

    return while_loop(unfinished, lambda state: (state[0] * 1.5 + np.sin(y), state[1] + 1), (x, 0))[0]


def _derivative(x: Array, y: Array) -> Any:
    out, pull = vjp(_repeated, x, y)
    return pull(np.cos(out))


def _by_rows(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function over one more axis, along which it decides."""

    def over(x: Array, y: Array) -> Any:
        return vmap(f)(np.stack([x, x * 3.0, x * 0.5]), np.stack([y, y, y * 2.0]))

    return over


def _with_both() -> Callable[..., Any]:
    rule: Callable[..., Any] = custom_rule(
        lambda x, y: np.sin(x) * y,
        jvp=lambda xs, ts: (np.sin(xs[0]) * xs[1], np.cos(xs[0]) * xs[1] * ts[0] + np.sin(xs[0]) * ts[1]),
        vjp=(
            lambda x, y: (np.sin(x) * y, (x, y)),
            lambda res, ct: (ct * np.cos(res[0]) * res[1], ct * np.sin(res[0])),
        ),
    )
    return rule


def _tapped(x: Array, y: Array) -> list[Array]:
    return tap(x * y, y, function=lambda *cts: None, rows=())  # type: ignore[no-any-return]


def _solution(x: Array, y: Array) -> Array:
    return custom_linear_solve(lambda v: (x + y) * v, x * y, lambda matvec, b: b / matvec(np.ones_like(b)))


def _implicit(x: Array, y: Array) -> Array:
    def solve(f: Any, guess: Array) -> Array:
        for _ in range(30):
            value, slope = jvp(f, (guess,), (np.ones_like(guess),))
            guess = guess - value / slope
        return guess

    return custom_root(lambda v: v * v * v + x * v - y, np.ones_like(x), solve, lambda g, b: b / g(np.ones_like(b)))


_CALLS: dict[str, Callable[[], Callable[..., Any]]] = {
    "implicit_root": lambda: _implicit,
    "linear_solve": lambda: _solution,
    "tap_grad": lambda: _tapped,
    "block": lambda: _chosen,
    "cond": lambda: jit(_chosen),
    "cond_rows": lambda: _by_rows(_chosen),
    "deferred": lambda: jit(_derivative),
    "scan": lambda: _scanned,
    "while_loop": lambda: _repeated,
    "while_rows": lambda: _by_rows(_repeated),
    "jit": lambda: jit(_program),
    "checkpoint": lambda: jit(checkpoint(_program)),
    "checkpoint_call": lambda: checkpoint(_program),
    "custom_jvp_call": _with_jvp,
    "custom_rule_call": _with_both,
    "custom_vjp_call": _with_vjp,
}


def _spectral(x: Array) -> list[Array]:
    w, v = eigh(x + conj(x.T), lower=True)
    return [w, (v * np.sin(w)) @ conj(v.T)]


def _singular(x: Array) -> list[Array]:
    u, s, vh = svd(x, full=False)
    return [s, (u * np.sin(s)) @ vh]


_INVARIANT: dict[str, Callable[..., list[Array]]] = {"eigh": _spectral, "svd": _singular}
"""What does not depend on the phases of complex vectors, which are not determined."""


def examples(name: str, rng: np.random.Generator) -> Iterator[Example]:
    """Functions that apply the named primitive, with arguments."""
    if name in _INVARIANT:
        yield _INVARIANT[name], [rng.uniform(0.5, 2, (3, 3)) + 1j * rng.uniform(0.5, 2, (3, 3))]
    make = _CALLS.get(name)
    if make is None:
        return
    f = make()

    def flat(*xs: Array) -> list[Array]:
        out = f(*xs)
        return list(out) if isinstance(out, tuple | list) else [out]

    yield flat, [rng.uniform(0.5, 2, (2, 3)), rng.uniform(0.5, 2, (2, 3))]
    yield flat, [np.float64(rng.uniform(0.5, 2)), np.float64(rng.uniform(0.5, 2))]
    yield flat, [rng.uniform(0.5, 2, (0,)), rng.uniform(0.5, 2, (0,))]
    yield flat, [rng.uniform(0.5, 2, (2,)) * (1 + 0.5j), rng.uniform(0.5, 2, (2,)) * (1 - 0.25j)]
