"""Numerical derivatives to hold automatic ones against, each with an estimate of its own error.

The derivative of f at x along t is that of the function s ↦ f(x + s·t) of one number at 0. Central differences with
ever smaller steps are extrapolated to step 0, element by element, and the entry of the tableau that changed least is
taken (Ridders, "Accurate computation of F′(x) and F′(x)F″(x)", 1982). Where f accepts complex arguments, and the
complex step Im f(x + i·h·t)/h (Squire and Trapp, "Using complex variables to estimate derivatives of real functions",
1998) confirms what the differences say, it is taken instead: it is exact to the last digits. Where it does not, and f
computes in `numpy.longdouble` too, the differences of that are taken, which are some thousand times as precise.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fgrad.core.aval import Array

__all__ = ["Reference", "directional_derivative"]

Flat = Callable[[Sequence[Array]], Sequence[Array]]

_EPS = float(np.finfo(np.float64).eps)
_FIRST_STEP = 2.0**-4
_STEPS = {np.float64: 11, np.longdouble: 15}
_RATIO = 4.0
_ORDER = 6
_COMPLEX_STEP = 2.0**-100
_LONGER = bool(np.finfo(np.longdouble).eps < np.finfo(np.float64).eps)
_OUTSIDE = (ValueError, TypeError, ArithmeticError, AttributeError, NotImplementedError, Warning)
"""What functions raise outside their domain, or when they are given complex numbers."""


class Reference(NamedTuple):
    """A numerical derivative along one direction. Every field has one array per inexact output.

    Attributes:
        values: the derivative.
        errors: an estimate of how far each element of it may be off.
        left: the derivative from below, −f′(x; −t).
        right: the derivative from above, f′(x; t).
        kinks: where the two differ: the function has no derivative there.
        reliable: where the estimate is small enough to judge by.
        exact: where the value is that of the complex step.
        extended: where it is that of differences in extended precision.
    """

    values: list[Array]
    errors: list[Array]
    left: list[Array]
    right: list[Array]
    kinks: list[Array]
    reliable: list[Array]
    exact: list[Array]
    extended: list[Array]


class _Estimate(NamedTuple):
    value: Array
    error: Array


def directional_derivative(
    f: Flat, xs: Sequence[Array], ts: Sequence[Array | None], eps: float | None = None, *, extended: bool = False
) -> Reference:
    """The derivative of a function of flat arrays, computed in double precision from its values alone.

    Args:
        f: takes and returns a list of arrays; what it returns must be inexact.
        xs: where; floating-point arrays are widened to float64, complex ones to complex128.
        ts: along which direction; `None` for what stays as it is.
        eps: the largest step; by default an amount that suits directions about as long as `xs`.
        extended: also try `longdouble` where the complex step says nothing, on machines where that is more precise.

    >>> import numpy as np
    >>> reference = directional_derivative(lambda xs: [np.sin(xs[0])], [np.array([0.0, 1.0])], [np.ones(2)])
    >>> abs(reference.values[0] - [1, np.cos(1)]).max() < 1e-15, reference.exact[0].all()
    (np.True_, np.True_)
    >>> reference = directional_derivative(lambda xs: [abs(xs[0])], [np.array(0.0)], [np.array(1.0)])
    >>> bool(reference.kinks[0]), float(reference.left[0].round(9)), float(reference.right[0].round(9))
    (True, -1.0, 1.0)
    """
    line, sides = _sampled(f, xs, ts, eps, np.float64)
    with np.errstate(all="ignore"):
        exact = line.complex_step()
        agree = np.abs(exact - sides.central.value) <= 20 * sides.central.error + 1e-12 * np.abs(exact)
        taken: Array = agree & sides.reliable & ~sides.kinks
        value: Array = np.where(taken, exact, sides.central.value)
        error: Array = np.where(taken, 8 * _EPS * np.abs(exact) + 1e6 * _COMPLEX_STEP**2, sides.central.error)
        reliable: Array = sides.reliable & np.isfinite(value)
        better: Array = np.zeros(taken.shape, bool)
        if extended and _LONGER and not (taken | sides.kinks).all():
            wide = _in_extended_precision(f, xs, ts, eps, line)
            if wide is not None:
                near = np.abs(wide.central.value - value) <= 20 * (wide.central.error + error)
                better = near & wide.reliable & ~taken & ~sides.kinks & (wide.central.error < error)
                value = np.where(better, wide.central.value, value)
                error = np.where(better, wide.central.error, error)
                reliable |= better
    return Reference(
        values=line.unpack(value),
        errors=line.unpack(error),
        left=line.unpack(sides.left.value),
        right=line.unpack(sides.right.value),
        kinks=line.unpack_flags(sides.kinks, np.any),
        reliable=line.unpack_flags(reliable, np.all),
        exact=line.unpack_flags(taken, np.all),
        extended=line.unpack_flags(better, np.any),
    )


class _Sides(NamedTuple):
    """What differences say: from below, from above, from both sides, and of themselves."""

    left: _Estimate
    right: _Estimate
    central: _Estimate
    kinks: Array
    reliable: Array


def _sampled(
    f: Flat, xs: Sequence[Array], ts: Sequence[Array | None], eps: float | None, real: Any
) -> tuple[_Line, _Sides]:
    """The function along the line, and its differences, in a precision."""
    line = _Line(f, [_widened(x, real) for x in xs], [None if t is None else _widened(t, real) for t in ts], real)
    steps: Array = (real(eps or _FIRST_STEP) * _RATIO ** -np.arange(_STEPS[real])).astype(real)
    above, below = np.array([line(h) for h in steps]), np.array([line(-h) for h in steps])
    with np.errstate(all="ignore"):
        return line, _differences(line, steps, above, below)


def _in_extended_precision(
    f: Flat, xs: Sequence[Array], ts: Sequence[Array | None], eps: float | None, line: _Line
) -> _Sides | None:
    """The same of `longdouble`s; `None` if the function does not compute in them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wide, sides = _sampled(f, xs, ts, eps, np.longdouble)
    except _OUTSIDE:
        return None
    return sides if wide.avals == line.avals and (wide.eps < _EPS * np.abs(1 + 1j)).all() else None


def _differences(line: _Line, steps: Array, above: Array, below: Array) -> _Sides:
    middle, by = line.middle, steps[:, None]
    noise = (line.eps * np.abs(middle) + _noise(above, below, middle, steps)) / by
    right = _extrapolate((above - middle) / by, _RATIO, noise)
    left = _extrapolate((middle - below) / by, _RATIO, noise)
    central = _extrapolate((above - below) / (2 * by), _RATIO**2, noise)
    size = np.maximum(np.abs(left.value), np.abs(right.value))
    kinks = np.abs(right.value - left.value) > 20 * (right.error + left.error) + 1e-6 * size
    # A boundary of the domain has one side only.
    for side in (right, left):
        missing = ~np.isfinite(central.value) & np.isfinite(side.value)
        central = _Estimate(np.where(missing, side.value, central.value), np.where(missing, side.error, central.error))
    scale = np.maximum(np.abs(central.value), line.leafwise_maximum(np.abs(central.value)))
    # At a stationary point the derivative is nothing against how far the function moves nearby.
    moves = _finite(np.abs(np.concatenate([above, below]) - middle)).max(axis=0)
    reliable = central.error <= np.maximum(1e-4 * scale, 1e-7 * np.maximum(np.abs(middle), moves))
    return _Sides(left, right, central, kinks, reliable & np.isfinite(central.value))


def _widened(x: Array, real: Any) -> Array:
    x = np.asarray(x)
    return x.astype(np.result_type(x.dtype, real)) if x.dtype.kind in "fc" else x


class _Line:
    """A function along a line, as a vector of real numbers: `line(s)` is f(x + s·t)."""

    def __init__(self, f: Flat, xs: Sequence[Array], ts: Sequence[Array | None], real: Any) -> None:
        self.f, self.xs, self.ts, self.real = f, xs, ts, real
        outs = self._outputs(0.0)
        self.avals = [(y.shape, y.dtype.kind == "c") for y in outs]
        self.middle = _packed(outs, real)
        self.eps = _packed(
            [np.full(y.shape, np.finfo(y.dtype).eps * (1 + 1j if y.dtype.kind == "c" else 1)) for y in outs], real
        )

    def _outputs(self, step: float | complex) -> list[Array]:
        moved = [x if t is None else (x + step * t)[()] for x, t in zip(self.xs, self.ts, strict=True)]
        with np.errstate(all="ignore"):
            return [np.asarray(y) for y in self.f(moved)]

    def __call__(self, step: float) -> Array:
        try:
            return _packed(self._outputs(step), self.real)
        except _OUTSIDE:
            return np.full_like(self.middle, np.nan)

    def complex_step(self) -> Array:
        """The derivative by the complex step; NaN where it says nothing."""
        unknown = np.full_like(self.middle, np.nan)
        moved = [x for x, t in zip(self.xs, self.ts, strict=True) if t is not None]
        if any(x.dtype.kind == "c" for x in moved) or any(is_complex for _, is_complex in self.avals):
            return unknown
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                outs = self._outputs(1j * _COMPLEX_STEP)
        except _OUTSIDE:
            return unknown
        if [y.shape for y in outs] != [shape for shape, _ in self.avals]:
            return unknown
        return np.concatenate([np.zeros(0), *[np.imag(y).ravel() / _COMPLEX_STEP for y in outs]])

    def _leaves(self) -> list[tuple[slice, tuple[int, ...], bool]]:
        leaves, start = [], 0
        for shape, is_complex in self.avals:
            stop = start + int(np.prod(shape)) * (1 + is_complex)
            leaves.append((slice(start, stop), shape, is_complex))
            start = stop
        return leaves

    def unpack(self, vector: Array) -> list[Array]:
        """The arrays, of the shapes of the outputs, that a vector of real numbers holds."""
        parts = [(vector[where].astype(float), shape, is_complex) for where, shape, is_complex in self._leaves()]
        return [(np.ascontiguousarray(v).view(complex) if c else v).reshape(shape) for v, shape, c in parts]

    def unpack_flags(self, flags: Array, join: Callable[..., Array]) -> list[Array]:
        """As `unpack`, for truth values; those of the two parts of a complex number are joined."""
        parts = [(flags[where], shape, is_complex) for where, shape, is_complex in self._leaves()]
        return [(join(v.reshape(-1, 2), axis=1) if c else v).reshape(shape) for v, shape, c in parts]

    def leafwise_maximum(self, vector: Array) -> Array:
        """For every number the largest finite one of the same output."""
        out = np.zeros_like(vector)
        for where, _, _ in self._leaves():
            finite = vector[where][np.isfinite(vector[where])]
            out[where] = finite.max(initial=0.0)
        return out


def _packed(outs: Sequence[Array], real: Any) -> Array:
    """All outputs as one vector of real numbers; a complex one counts as two."""
    wide = np.result_type(real, np.complex64)
    parts = [np.ravel(y).astype(wide).view(real) if y.dtype.kind == "c" else np.ravel(y).astype(real) for y in outs]
    return np.concatenate([np.zeros(0, real), *parts])


def _noise(above: Array, below: Array, middle: Array, steps: Array) -> Array:
    """How much the values are seen to be off by rounding."""
    # Where the smallest steps still change the slope, or bend the line, it is by rounding.
    slopes = (above - below)[-5:] / (2 * steps[-5:, None])
    scatter = np.median(_finite(np.abs(np.diff(slopes, axis=0)) * steps[-4:, None]), axis=0)
    bend = _finite(np.abs(above[-3:] - 2 * middle + below[-3:])).min(axis=0)
    # A function that stands still at the smallest step, but moves at little more, is rounded to fewer digits.
    moves = np.minimum(np.abs(above - middle), np.abs(below - middle))
    near = moves[len(steps) // 2 :]
    quantum = np.where(near > 0, near, np.inf).min(axis=0)
    coarse = (moves[-1] == 0) & np.isfinite(quantum)
    return scatter + bend + np.where(coarse, quantum, 0.0)


def _finite(x: Array) -> Array:
    return np.where(np.isfinite(x), x, 0.0)


def _extrapolate(rows: Array, ratio: float, noise: Array) -> _Estimate:
    """The limit of a sequence whose error falls by powers of `ratio`, by Neville's tableau."""
    count, size = rows.shape
    own = float(np.finfo(rows.dtype).eps)
    table = np.full((_ORDER, count, size), np.nan, rows.dtype)
    errors = np.full((_ORDER, count, size), np.inf)
    old = rows
    for order in range(1, _ORDER + 1):
        new = old[1:] + (old[1:] - old[:-1]) / (ratio**order - 1)
        error = np.maximum(np.abs(new - old[1:]), np.abs(new - old[:-1])) + noise[order:] + 8 * own * np.abs(new)
        table[order - 1, order:], errors[order - 1, order:] = new, np.where(np.isfinite(error), error, np.inf)
        old = new
    return _best(8 * noise + np.abs(table[0] - rows), table, errors)


def _best(slack: Array, table: Array, errors: Array) -> _Estimate:
    """The entry with the smallest error among those that no later row contradicts by more than its slack."""
    count, size = slack.shape
    columns, number = np.arange(size), np.arange(count)[:, None]
    wrong = np.zeros(size, bool)
    for _ in range(4):
        order, row = np.divmod(errors.reshape(_ORDER * count, size).argmin(axis=0), count)
        best = _Estimate(table[order, row, columns], errors[order, row, columns])
        contradicted = (np.abs(table[0] - best.value) - slack > 4 * best.error) & (number > row)
        wrong = contradicted.any(axis=0) & np.isfinite(best.error)
        if not wrong.any():
            return best
        errors = np.where(wrong & (number <= row), np.inf, errors)
    return _Estimate(best.value, np.where(wrong, np.inf, best.error))
