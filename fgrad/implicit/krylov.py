"""Solvers of linear systems that know the matrix by its products with vectors. Every row is a system of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fgrad.control.numeric_solve import Problem, Rows
from fgrad.errors import ConvergenceError, message

__all__ = ["LINEAR", "LinearMethod", "norms", "solved", "tolerance"]

_RESTART = 40
_LOOK = 5  # steps of gmres from one look at the residual to the next
_DENSE = 512  # unknowns up to which the matrix is written out by default


def tolerance(tol: float | None, x: Rows) -> float:
    """The tolerance that is asked for, or one that the precision of the numbers allows for."""
    return float(np.finfo(x.dtype).eps ** 0.75) if tol is None else tol


def norms(x: Rows) -> Rows:
    """The Euclidean norm of every row."""
    out: Rows = np.sqrt(np.sum(x.real**2 + x.imag**2, axis=1))
    return out


def solved(matrices: Rows, b: Rows) -> Rows:
    """The solutions of systems whose matrices are written out.

    Raises:
        numpy.linalg.LinAlgError: a matrix is singular.
    """
    if b.shape[1] == 1:
        if not matrices.all():
            raise np.linalg.LinAlgError("Singular matrix")
        return b / matrices[:, 0]
    out: Rows = np.linalg.solve(matrices, b[:, :, None])[:, :, 0]
    return out


def _dot(x: Rows, y: Rows) -> Rows:
    """The inner product of every pair of rows, as a column."""
    out: Rows = np.sum(x.conj() * y, axis=1, keepdims=True)
    return out


def _divided(x: Rows, y: Rows) -> Rows:
    """x / y, and 0 where y is."""
    return np.divide(x, y, out=np.zeros(np.broadcast_shapes(x.shape, y.shape), np.result_type(x, y)), where=y != 0)


@dataclass(frozen=True)
class LinearMethod:
    """What linear solvers have in common.

    Attributes:
        tol: the norm of the residual, relative to that of the right-hand side, at which a system is solved.
        max_iter: how many products with the matrix are allowed.
        check: raise an error where that does not suffice.
    """

    tol: float | None = None
    max_iter: int | None = None
    check: bool = True

    def __call__(self, problem: Problem, b: Rows) -> Rows:
        if not b.size:
            return b
        target = tolerance(self.tol, b) * norms(b)
        limit = self.max_iter if self.max_iter is not None else max(100, 10 * b.shape[1])
        x = self.solve(problem, b, target, limit)
        if self.check:
            self._check(problem, b, x, target)
        return x

    def solve(self, problem: Problem, b: Rows, target: Rows, limit: int) -> Rows:
        """The solutions of all rows."""
        raise NotImplementedError

    def _check(self, problem: Problem, b: Rows, x: Rows, target: Rows) -> None:
        """Refuses solutions whose residual is far above the target, as rounding alone does not put it."""
        residual = norms(b - problem(x))
        scale = norms(b)
        allowed = np.maximum(100 * target, np.sqrt(np.finfo(b.dtype).eps) * scale)
        failed = ~(residual <= allowed)
        if failed.any():
            worst = float(np.max(np.where(np.isfinite(residual), _divided(residual, scale), np.inf)[failed]))
            what = (
                f"{type(self).__name__.lower()} did not solve the linear system: the relative residual is {worst:.1e}."
            )
            cure = 'See that matvec is linear; allow for more steps (max_iter), or take solve="gmres" or "dense".'
            raise ConvergenceError(message(what, cure=cure))


class Dense(LinearMethod):
    """Writes the matrix out, and factorizes it."""

    def solve(self, problem: Problem, b: Rows, target: Rows, limit: int) -> Rows:
        matrix = problem.jacobian(np.zeros_like(b))
        try:
            return solved(matrix, b)
        except np.linalg.LinAlgError:
            what = "the matrix of a linear system is singular: there is not one solution."
            raise ConvergenceError(message(what, cure="Check the equations: two may be the same.")) from None


class Cg(LinearMethod):
    """Conjugate gradients, for positive definite matrices.

    Source: Hestenes and Stiefel, "Methods of conjugate gradients for solving linear systems", 1952.
    """

    def solve(self, problem: Problem, b: Rows, target: Rows, limit: int) -> Rows:
        x, r = np.zeros_like(b), b
        p, rho = r, _dot(r, r)
        for _ in range(limit):
            active = norms(r) > target
            if not active.any():
                break
            q = problem(p)
            alpha = _divided(rho, _dot(p, q)) * active[:, None]
            x, r = x + alpha * p, r - alpha * q
            previous, rho = rho, _dot(r, r)
            p = r + _divided(rho, previous) * p
        return x


class Bicgstab(LinearMethod):
    """Stabilized biconjugate gradients, for matrices of any kind; little memory.

    Source: van der Vorst, "Bi-CGSTAB", SIAM J. Sci. Stat. Comput. 13, 1992.
    """

    def solve(self, problem: Problem, b: Rows, target: Rows, limit: int) -> Rows:
        x, r = np.zeros_like(b), b
        shadow, p, rho = r, r, _dot(r, r)
        for _ in range(limit // 2 + 1):
            active = norms(r) > target
            if not active.any():
                break
            v = problem(p)
            alpha = _divided(rho, _dot(shadow, v)) * active[:, None]
            s = r - alpha * v
            t = problem(s)
            omega = _divided(_dot(t, s), _dot(t, t)) * active[:, None]
            x, r = x + alpha * p + omega * s, s - omega * t
            previous, rho = rho, _dot(shadow, r)
            beta = _divided(rho * alpha, previous * omega)
            lost = (np.abs(beta) == 0)[:, 0] & active  # the recurrence has broken down: begin anew
            p = np.where(lost[:, None], r, r + beta * (p - omega * v))
            shadow = np.where(lost[:, None], r, shadow)
            rho = np.where(lost[:, None], _dot(r, r), rho)
        return x


class Gmres(LinearMethod):
    """Generalized minimal residuals, restarted, for matrices of any kind.

    Source: Saad and Schultz, "GMRES", SIAM J. Sci. Stat. Comput. 7, 1986.
    """

    def solve(self, problem: Problem, b: Rows, target: Rows, limit: int) -> Rows:
        x, r = np.zeros_like(b), b
        steps = min(b.shape[1], _RESTART)
        best = norms(b) * 2
        for _ in range(-(-limit // steps)):
            size = norms(r)
            active = (size > target) & (size < 0.999 * best)
            if not active.any():
                break
            best = np.minimum(size, best)
            x = x + self._cycle(problem, r, steps, np.where(active, target, np.inf)) * active[:, None]
            r = b - problem(x)
        return x

    def _cycle(self, problem: Problem, r: Rows, steps: int, target: Rows) -> Rows:
        """The correction that leaves the least residual, in the Krylov space of so many steps, or of fewer if that is
        small enough."""
        rows, n = r.shape
        basis = np.zeros((rows, steps + 1, n), r.dtype)
        projected = np.zeros((rows, steps + 1, steps), r.dtype)
        beta = norms(r)
        basis[:, 0] = _divided(r, beta[:, None])
        for j in range(steps):
            w = problem(basis[:, j])
            before = norms(w)
            known = basis[:, : j + 1]
            for _ in range(2):  # the second time for the sake of orthogonality
                h = np.einsum("rkn,rn->rk", known.conj(), w)
                w = w - np.einsum("rk,rkn->rn", h, known)
                projected[:, : j + 1, j] += h
            left = norms(w)
            left[left <= 10 * np.finfo(r.dtype).eps * before] = 0
            projected[:, j + 1, j] = left
            basis[:, j + 1] = _divided(w, left[:, None])
            if (j + 1) % _LOOK == 0 or j + 1 == steps:
                y, residual = _least(projected[:, : j + 2, : j + 1], beta)
                if (residual <= target).all():
                    break
        out: Rows = np.einsum("rk,rkn->rn", y, basis[:, : y.shape[1]])
        return out


def _least(projected: Rows, beta: Rows) -> tuple[Rows, Rows]:
    """What leaves the least residual of the projected systems, and the norm of that."""
    first = np.zeros((*projected.shape[:2], 1), projected.dtype)
    first[:, 0, 0] = beta
    y = np.linalg.pinv(projected) @ first
    return y[:, :, 0], norms((first - projected @ y)[:, :, 0])


class Auto(LinearMethod):
    """Writes a small matrix out; does without it otherwise."""

    def __call__(self, problem: Problem, b: Rows) -> Rows:
        method = Dense if b.shape[1] <= _DENSE else Gmres
        return method(self.tol, self.max_iter, self.check)(problem, b)


LINEAR: dict[str, type[LinearMethod]] = {"auto": Auto, "dense": Dense, "cg": Cg, "gmres": Gmres, "bicgstab": Bicgstab}
"""Linear solvers by name."""
