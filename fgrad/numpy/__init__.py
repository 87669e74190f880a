"""NumPy's functions, for concrete arrays and for tracers.

A function given only concrete arrays is NumPy's own; given a tracer, it is made of primitives.
"""

from fgrad.numpy.creation import *
from fgrad.numpy.dtypes import *
from fgrad.numpy.ufuncs import *
