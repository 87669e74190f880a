"""Hypothesis strategies for what derivatives are tested with; they need the extra `testing`.

`arrays` of every layout, with special values, well- or ill-conditioned; `pytrees` of them; `spd_matrices` and
`orthogonal_matrices`; `points_near_kinks`; `perturbations` of what was drawn; and `programs`, whole random
differentiable programs, which print as Python. All of them shrink: to short programs, small shapes and plain numbers.
"""

from fgrad.testing.strategies.arrays import arrays, perturbations, points_near_kinks, pytrees
from fgrad.testing.strategies.matrices import orthogonal_matrices, spd_matrices
from fgrad.testing.strategies.programs import Case, Program, programs

__all__ = [
    "Case",
    "Program",
    "arrays",
    "orthogonal_matrices",
    "perturbations",
    "points_near_kinks",
    "programs",
    "pytrees",
    "spd_matrices",
]
