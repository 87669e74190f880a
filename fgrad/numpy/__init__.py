"""NumPy's functions, for concrete arrays and for tracers.

A function given only concrete arrays is NumPy's own; given a tracer, it is made of primitives. Names, signatures,
dtypes and errors are NumPy 2's.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from numpy import __array_namespace_info__ as __array_namespace_info__
from numpy import array_repr as array_repr
from numpy import array_str as array_str
from numpy import bool as bool
from numpy import bool_ as bool_
from numpy import cdouble as cdouble
from numpy import character as character
from numpy import complex64 as complex64
from numpy import complex128 as complex128
from numpy import complexfloating as complexfloating
from numpy import csingle as csingle
from numpy import double as double
from numpy import dtype as dtype
from numpy import e as e
from numpy import euler_gamma as euler_gamma
from numpy import finfo as finfo
from numpy import flexible as flexible
from numpy import float16 as float16
from numpy import float32 as float32
from numpy import float64 as float64
from numpy import floating as floating
from numpy import from_dlpack as from_dlpack
from numpy import fromfile as fromfile
from numpy import fromstring as fromstring
from numpy import generic as generic
from numpy import get_printoptions as get_printoptions
from numpy import iinfo as iinfo
from numpy import index_exp as index_exp
from numpy import inexact as inexact
from numpy import inf as inf
from numpy import int8 as int8
from numpy import int16 as int16
from numpy import int32 as int32
from numpy import int64 as int64
from numpy import int_ as int_
from numpy import integer as integer
from numpy import isdtype as isdtype
from numpy import iterable as iterable
from numpy import load as load
from numpy import mgrid as mgrid
from numpy import nan as nan
from numpy import ndarray as ndarray
from numpy import newaxis as newaxis
from numpy import number as number
from numpy import object_ as object_
from numpy import ogrid as ogrid
from numpy import pi as pi
from numpy import printoptions as printoptions
from numpy import s_ as s_
from numpy import save as save
from numpy import savez as savez
from numpy import set_printoptions as set_printoptions
from numpy import signedinteger as signedinteger
from numpy import single as single
from numpy import ufunc as ufunc
from numpy import uint as uint
from numpy import uint8 as uint8
from numpy import uint16 as uint16
from numpy import uint32 as uint32
from numpy import uint64 as uint64
from numpy import unsignedinteger as unsignedinteger

from fgrad.numpy import methods as _methods
from fgrad.numpy import ufunc_methods as _ufunc_methods
from fgrad.numpy.calculus import *
from fgrad.numpy.creation import *
from fgrad.numpy.cumulative import *
from fgrad.numpy.dtypes import *
from fgrad.numpy.einsums import einsum as einsum
from fgrad.numpy.einsums import einsum_path as einsum_path
from fgrad.numpy.functional import *
from fgrad.numpy.index_tricks import *
from fgrad.numpy.indexing import *
from fgrad.numpy.joining import *
from fgrad.numpy.logic import *
from fgrad.numpy.manipulation import *
from fgrad.numpy.nanfunctions import *
from fgrad.numpy.normalized import *
from fgrad.numpy.packing import *
from fgrad.numpy.padding import *
from fgrad.numpy.products import *
from fgrad.numpy.protocols import register_namespace as _register_namespace
from fgrad.numpy.quantiles import *
from fgrad.numpy.rearranging import *
from fgrad.numpy.reductions import *
from fgrad.numpy.sets import *
from fgrad.numpy.sorting import *
from fgrad.numpy.statistics import *
from fgrad.numpy.ufuncs import *
from fgrad.numpy.updates import At as At
from fgrad.numpy.updates import at as at

__array_api_version__ = "2024.12"
"""The version of the Python array API standard that this namespace follows."""

if _TYPE_CHECKING:
    from fgrad.numpy import fft as fft
    from fgrad.numpy import linalg as linalg
    from fgrad.numpy.polynomials import *
    from fgrad.numpy.signals import *

_LATER = dict.fromkeys(
    ("poly", "polyadd", "polyder", "polydiv", "polyfit", "polyint", "polymul", "polysub", "polyval", "roots"),
    "polynomials",
) | dict.fromkeys(("bartlett", "blackman", "convolve", "correlate", "hamming", "hanning", "i0", "kaiser"), "signals")
"""Functions whose chapters are imported when they are first used: `import fgrad` stays quick."""


def __getattr__(name: str) -> _Any:
    if name in ("fft", "linalg"):
        return _import_module(f"fgrad.numpy.{name}")
    if name not in _LATER:
        raise AttributeError(f"module 'fgrad.numpy' has no attribute {name!r}")
    value = getattr(_import_module(f"fgrad.numpy.{_LATER[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, "fft", "linalg"})


_register_namespace("numpy", globals())
