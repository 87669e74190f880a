"""Implicit functions: solutions of equations, differentiated by the implicit function theorem, not step by step."""

from fgrad.implicit.linear import linear_solve
from fgrad.implicit.roots import fixed_point, root

__all__ = ["fixed_point", "linear_solve", "root"]
