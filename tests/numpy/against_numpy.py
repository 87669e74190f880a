"""Holds a function of fgrad.numpy, given traced arguments, against NumPy's function of the same name."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import fgrad
from fgrad.core import ZERO, aval_of, check_jaxpr, eval_jaxpr
from fgrad.core.aval import is_inexact
from fgrad.transforms.jvp import jvp
from fgrad.transforms.stage import trace

__all__ = ["agree", "check", "gradients", "online", "rows", "staged"]


def staged(f: Callable[..., Any], *xs: Any) -> Any:
    """The value of a function that is traced first and run afterwards."""
    closed = trace(lambda *given: [f(*given)], [aval_of(x) for x in xs])
    check_jaxpr(closed)
    return eval_jaxpr(closed.jaxpr, closed.consts, *xs)[0]


def online(f: Callable[..., Any], *xs: Any) -> Any:
    """The value of a function that runs on tracers which hold their values."""
    ts = [np.zeros_like(x) if is_inexact(np.asarray(x).dtype) else ZERO for x in xs]
    return jvp(lambda *given: [f(*given)], xs, ts)[0][0]


def agree(expected: Any, got: Any, rtol: float | None = None) -> None:
    """The same shape, the same dtype, and the same values up to rounding."""
    expected, got = np.asarray(expected), np.asarray(got)
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    if rtol is None:
        coarse = expected.dtype.kind in "fc" and expected.dtype.itemsize < (8 if expected.dtype.kind == "f" else 16)
        rtol = 1e-10 if not coarse else 2e-2 if expected.dtype.itemsize == 2 else 1e-4
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol)


def check(ours: Callable[..., Any], numpys: Callable[..., Any], *xs: Any, **options: Any) -> None:
    """Staged, online and on concrete arrays: what NumPy gives, or an error where NumPy raises one."""

    def f(*given: Any) -> Any:
        return ours(*given, **options)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = numpys(*xs, **options)
        except (ValueError, TypeError, IndexError) as error:
            expected = error
        for run in (staged, online):
            if isinstance(expected, Exception):
                try:
                    got = run(f, *xs)
                except (ValueError, TypeError, IndexError):
                    continue
                raise AssertionError(f"NumPy raises {expected!r}, fgrad gives {got!r}")
            agree(expected, run(f, *xs))
        if not isinstance(expected, Exception):
            np.testing.assert_array_equal(f(*xs), expected)


def gradients(f: Callable[..., Any], *xs: Any) -> None:
    """The gradient of Σ w·f for random w against central differences, and the second derivative likewise."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=np.shape(f(*xs)))
    positions = tuple(range(len(xs)))

    def scalar(*given: Any) -> Any:
        return fgrad.numpy.sum(f(*given) * weights)

    ts = [rng.normal(size=np.shape(x)) for x in xs]
    step = 1e-6
    first = fgrad.grad(scalar, argnums=positions)

    def moved(g: Callable[..., Any], sign: int) -> Any:
        return g(*[x + sign * step * t for x, t in zip(xs, ts, strict=True)])

    found = sum(np.sum(g * t) for g, t in zip(first(*xs), ts, strict=True))
    np.testing.assert_allclose(found, (moved(scalar, 1) - moved(scalar, -1)) / (2 * step), rtol=1e-6, atol=1e-7)
    second = fgrad.jvp(first, xs, tuple(ts))[1]
    for got, ahead, behind in zip(second, moved(first, 1), moved(first, -1), strict=True):
        np.testing.assert_allclose(got, (ahead - behind) / (2 * step), rtol=1e-5, atol=1e-6)


def rows(f: Callable[..., Any], *xs: Any) -> None:
    """vmap over any of the arguments, at any axis, and jit of it, against a loop over the rows."""
    rng = np.random.default_rng(0)
    for mapped in itertools.product([False, True], repeat=len(xs)):
        if not any(mapped):
            continue
        axes = tuple(int(rng.integers(np.ndim(x) + 1)) if m else None for x, m in zip(xs, mapped, strict=True))
        many = [[x + k * 0.5 for k in range(3)] if m else [x] * 3 for x, m in zip(xs, mapped, strict=True)]
        given = [x if d is None else np.stack(r, d) for x, r, d in zip(xs, many, axes, strict=True)]
        expected = [f(*[r[k] for r in many]) for k in range(3)]
        mapped_f = fgrad.vmap(f, in_axes=axes)
        for run in (mapped_f, fgrad.jit(mapped_f)):
            np.testing.assert_allclose(run(*given), expected, rtol=1e-12, atol=1e-12)
