"""NumPy's functions, for concrete arrays and for tracers.

A function given only concrete arrays is NumPy's own; given a tracer, it is made of primitives. Names, signatures, dtypes
and errors are NumPy 2's.
"""

from numpy import (
    bool_,
    complex64,
    complex128,
    dtype,
    e,
    euler_gamma,
    finfo,
    float16,
    float32,
    float64,
    iinfo,
    inexact,
    inf,
    int8,
    int16,
    int32,
    int64,
    integer,
    nan,
    ndarray,
    newaxis,
    number,
    pi,
    set_printoptions,
    uint8,
    uint16,
    uint32,
    uint64,
)

from fgrad.numpy.creation import *
from fgrad.numpy.cumulative import *
from fgrad.numpy.dtypes import *
from fgrad.numpy.nanfunctions import *
from fgrad.numpy.products import *
from fgrad.numpy.protocols import register_namespace
from fgrad.numpy.quantiles import *
from fgrad.numpy.reductions import *
from fgrad.numpy.sorting import *
from fgrad.numpy.ufuncs import *

register_namespace("numpy", globals())
