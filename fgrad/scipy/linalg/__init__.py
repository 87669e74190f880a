"""SciPy's linear algebra, for concrete arrays and for tracers, with derivatives.

Matrices are the last two axes of an array, the leading ones a stack of them. Only that part of a matrix is read which
SciPy reads: of `cholesky`, `eigh`, `solve_triangular` and `solve(assume_a=…)` one triangle; the derivative by the rest
is 0, as in `fgrad.numpy.linalg`. `funm`, `sqrtm` and `logm` with `hermitian=True` are functions of the Hermitian part.
"""

from numpy.linalg import LinAlgError as LinAlgError

from fgrad.numpy.linalg import lstsq as lstsq
from fgrad.numpy.linalg import norm as norm
from fgrad.numpy.linalg import pinv as pinv
from fgrad.scipy.linalg.banded import *
from fgrad.scipy.linalg.equations import *
from fgrad.scipy.linalg.factorizations import *
from fgrad.scipy.linalg.functions import *
from fgrad.scipy.linalg.special_matrices import *
