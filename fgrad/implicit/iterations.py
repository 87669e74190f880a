"""Solvers of nonlinear equations. Every row is a problem of its own, and stops by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from fgrad.control.numeric_solve import Problem, Rows
from fgrad.errors import ConvergenceError, message
from fgrad.implicit.krylov import norms, solved, tolerance

__all__ = ["FIXED_POINT", "ROOT", "Iteration"]

_HALVINGS = 30
_MEMORY = 5


@dataclass(frozen=True)
class Iteration:
    """What nonlinear solvers have in common.

    Attributes:
        tol: the length of a step, relative to 1 + |x|, at which a problem is solved.
        max_iter: how many steps are allowed.
    """

    tol: float | None = None
    max_iter: int = 100

    def __call__(self, problem: Problem, x: Rows) -> Rows:
        """The solutions, starting from `x`."""
        raise NotImplementedError

    def _fail(self, size: Rows, done: Rows) -> NoReturn:
        left = size[~done]
        worst = np.max(np.where(np.isfinite(left), left, np.inf))
        rows = f" for {np.sum(~done)} of {len(done)} rows" if len(done) > 1 else ""
        name = type(self).__name__.lower()
        what = f"{name} found no solution within {self.max_iter} steps{rows}: the residual is {worst:.1e}."
        cure = "Start nearer to the solution (x0), allow for more steps (max_iter), or take another solver."
        raise ConvergenceError(message(what, cure=cure))


class Newton(Iteration):
    """Newton's method: the Jacobian is written out; a step that does not bring the residual down is halved."""

    def __call__(self, problem: Problem, x: Rows) -> Rows:
        if not x.size:
            return x
        tol = tolerance(self.tol, x)
        f = problem(x)
        done = norms(f) == 0
        for _ in range(self.max_iter):
            if done.all():
                return x
            jacobian = problem.jacobian(x)
            step = _newton_step(jacobian, f)
            length, scale = norms(step), 1 + norms(x)
            rounding = length <= np.sqrt(np.finfo(x.dtype).eps) * scale
            moved, g, worked = _search(problem, x, f, step, ~(done | rounding))
            # Where the Jacobian is singular, a short step does not say that there is nowhere to go.
            sound = norms((jacobian @ step[:, :, None])[:, :, 0] - f) <= 0.1 * norms(f)
            finished = (norms(g) == 0) | (sound & ((length <= tol * scale) | (~worked & rounding)))
            stuck = ~worked & ~finished & ~done
            if stuck.any():
                self._fail(norms(f), ~stuck)
            take = (worked & ~done)[:, None]
            x, f = np.where(take, moved, x), np.where(take, g, f)
            done = done | finished
        if not done.all():
            self._fail(norms(f), done)
        return x


def _newton_step(jacobian: Rows, f: Rows) -> Rows:
    try:
        return solved(jacobian, f)
    except np.linalg.LinAlgError:
        if not np.isfinite(jacobian).all():
            return np.full_like(f, np.nan)
        return (np.linalg.pinv(jacobian) @ f[:, :, None])[:, :, 0]


def _search(problem: Problem, x: Rows, f: Rows, step: Rows, active: Rows) -> tuple[Rows, Rows, Rows]:
    """The longest of the halved steps that brings the residual down: where it leads, and whether there is one."""
    length = np.ones((len(x), 1), x.real.dtype)
    size = norms(f)
    for _ in range(_HALVINGS):
        moved = x - length * step
        g = problem(moved)
        worked = norms(g) <= (1 - 1e-4 * length[:, 0]) * size
        if (worked | ~active).all():
            break
        length = np.where(worked[:, None], length, length / 2)
    return moved, g, worked


class Broyden(Iteration):
    """Broyden's method: the Jacobian is written out once, and corrected from step to step.

    Source: Broyden, "A class of methods for solving nonlinear simultaneous equations", Math. Comp. 19, 1965.
    """

    def __call__(self, problem: Problem, x: Rows) -> Rows:
        if not x.size:
            return x
        tol = tolerance(self.tol, x)
        f = problem(x)
        done = norms(f) == 0
        inverse = np.linalg.pinv(problem.jacobian(x))
        for _ in range(self.max_iter):
            if done.all():
                break
            step = -(inverse @ f[:, :, None])[:, :, 0]
            step = np.where(done[:, None], 0, step)
            x = x + step
            g = problem(x)
            done = done | (norms(step) <= tol * (1 + norms(x))) | (norms(g) == 0)
            change = (inverse @ (g - f)[:, :, None])[:, :, 0]
            left = (step[:, None, :].conj() @ inverse)[:, 0]
            weight = (step.conj() * change).sum(axis=1)
            weight = np.where(weight == 0, 1, weight)
            inverse = inverse + (step - change)[:, :, None] * (left / weight[:, None])[:, None, :]
            f = g
        if not done.all():
            self._fail(norms(f), done)
        return Newton(self.tol, self.max_iter)(problem, x)  # it sees whether this is a solution


class Iterate(Iteration):
    """Applies the function until its value is its argument."""

    def __call__(self, problem: Problem, x: Rows) -> Rows:
        if not x.size:
            return x
        tol = tolerance(self.tol, x)
        done = np.zeros(len(x), np.bool_)
        for _ in range(self.max_iter):
            following = problem(x)
            change = norms(following - x)
            x = np.where(done[:, None], x, following)
            done = done | (change <= tol * (1 + norms(x)))
            if done.all():
                return x
        return self._fail(change, done)


class Anderson(Iteration):
    """Fixed-point iteration that extrapolates from the last few steps.

    Source: Walker and Ni, "Anderson acceleration for fixed-point iterations", SIAM J. Numer. Anal. 49, 2011.
    """

    def __call__(self, problem: Problem, x: Rows) -> Rows:
        if not x.size:
            return x
        tol = tolerance(self.tol, x)
        done = np.zeros(len(x), np.bool_)
        values: list[Rows] = []
        residuals: list[Rows] = []
        for _ in range(self.max_iter):
            g = problem(x)
            values, residuals = [*values[-_MEMORY:], g], [*residuals[-_MEMORY:], g - x]
            size = norms(g - x)
            done = done | (size <= tol * (1 + norms(g)))
            x = np.where(done[:, None], x, _extrapolated(values, residuals))
            if done.all():
                return np.where(np.isfinite(g), g, x)
        return self._fail(size, done)


def _extrapolated(values: list[Rows], residuals: list[Rows]) -> Rows:
    """The combination of earlier values whose combined residual is least."""
    if len(values) == 1:
        return values[0]
    steps = np.diff(np.stack(residuals, axis=2))
    moves = np.diff(np.stack(values, axis=2))
    weights = np.linalg.pinv(steps) @ residuals[-1][:, :, None]
    found = values[-1] - (moves @ weights)[:, :, 0]
    return np.where(np.isfinite(found), found, values[-1])


ROOT: dict[str, type[Iteration]] = {"newton": Newton, "broyden": Broyden}
"""Solvers of f(x) = 0 by name."""

FIXED_POINT: dict[str, type[Iteration]] = {"iterate": Iterate, "anderson": Anderson}
"""Solvers of f(x) = x by name; those of f(x) − x = 0 do, too."""
