"""A Hessian of three diagonals."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload


def rosenbrock(x: Any) -> Any:
    """Rosenbrock's function of any dimension."""
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


@dataclass(frozen=True, kw_only=True)
class SparseHessian(Workload):
    """The Hessian of Rosenbrock's function of 2,000 variables, float64: its entries that are not zero, or all of it.

    fgrad, where it is not told to be dense, finds and computes the former; the peers' `hessian` is dense.
    """

    dense: bool
    size: int = 2000

    x64, tolerance = True, 1e-9

    def small(self) -> Self:
        return replace(self, size=6)

    @property
    def name(self) -> str:
        return "sparse.hessian_dense" if self.dense else "sparse.hessian"

    def inputs(self) -> tuple[np.ndarray, ...]:
        return (np.linspace(-1.0, 1.5, self.size),)

    def program(self, lib: Library, x: Any) -> Call:
        if lib.name == "fgrad" and not self.dense:
            hessian = lib.sparse.sparse_hessian(rosenbrock)
            return lambda: hessian(x).data
        return partial(lib.jit(lib.hessian(rosenbrock)), x)

    def by_hand(self, x: np.ndarray) -> Any:
        diagonal = np.zeros_like(x)
        diagonal[:-1] = 1200.0 * x[:-1] ** 2 - 400.0 * x[1:] + 2.0
        diagonal[1:] += 200.0
        beside = -400.0 * x[:-1]
        if self.dense:
            out = np.diag(diagonal)
            np.fill_diagonal(out[1:], beside)
            np.fill_diagonal(out[:, 1:], beside)
            return out
        rows = np.zeros((self.size, 3))
        rows[1:, 0], rows[:, 1], rows[:-1, 2] = beside, diagonal, beside
        return rows.reshape(-1)[1:-1]

    def in_torch(self, torch: Any, x: Any) -> Call:
        return partial(torch.func.hessian(rosenbrock), x)

    def outcome(self, result: Any) -> Any:
        """The entries of the three diagonals, row by row."""
        if np.ndim(result) == 1:
            return result
        return self._banded(np.asarray(result))

    def _banded(self, matrix: np.ndarray) -> np.ndarray:
        number = np.arange(len(matrix))
        return matrix[np.abs(number[:, None] - number) <= 1]


_PEERS = ("numpy", "jax", "torch")

WORKLOADS = [SparseHessian(dense=False, peers=_PEERS), SparseHessian(dense=True, peers=_PEERS)]
