"""Sparse derivatives: Jacobians and Hessians whose entries are mostly zero, for the price of a few products.

The pattern is found from the program (`jacobian_sparsity`, `hessian_sparsity`), the columns are coloured so that those
of one colour share no row, and every colour takes one pass (`sparse_jacobian`, `sparse_hessian`).
"""

from fgrad.sparse.derivatives import (
    SparseDerivative,
    hessian_sparsity,
    jacobian_sparsity,
    sparse_hessian,
    sparse_jacobian,
)
from fgrad.sparse.matrix import Pattern, SparseMatrix
from fgrad.sparse.plan import Plan

__all__ = [
    "Pattern",
    "Plan",
    "SparseDerivative",
    "SparseMatrix",
    "hessian_sparsity",
    "jacobian_sparsity",
    "sparse_hessian",
    "sparse_jacobian",
]
