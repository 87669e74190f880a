"""NumPy's linear algebra, for concrete arrays and for tracers.

Matrices are the last two axes of an array, the leading ones a stack of them. Where the derivative of a function is
not unique, or does not exist, its doc string says what is returned.
"""

from numpy.linalg import LinAlgError as LinAlgError

from fgrad.numpy.linalg.equations import *
from fgrad.numpy.linalg.factorizations import *
from fgrad.numpy.linalg.norms import *
from fgrad.numpy.linalg.powers import *
from fgrad.numpy.linalg.products import *
from fgrad.numpy.protocols import register_namespace as _register_namespace

_register_namespace("numpy.linalg", globals())
