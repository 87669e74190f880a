"""SciPy's solvers of optimization problems and equations, driven by compiled functions and derivatives of fgrad."""

from fgrad.scipy.optimize.minimize import minimize as minimize
from fgrad.scipy.optimize.residuals import least_squares as least_squares
from fgrad.scipy.optimize.residuals import root as root

__all__ = ["least_squares", "minimize", "root"]
