"""Which of NumPy's public functions are there, and why others are not."""

from __future__ import annotations

import types

import numpy as np
import pytest

import fgrad.numpy as fnp

_DATES = "calendars are no subject of derivatives"
_FILES = "files are read and written by NumPy itself"
_MEMORY = "traced arrays are values: they have no memory to share, no strides and no flags"
_OBJECTS = "matrices, records, characters and polynomial objects are not arrays of numbers"
_PYTHON = "it is about Python or NumPy itself, not about arrays"
_WRITES = "it writes into an argument"

LEFT_OUT = {
    **dict.fromkeys(
        ["busday_count", "busday_offset", "datetime_as_string", "datetime_data", "is_busday", "isnat"], _DATES
    ),
    **dict.fromkeys(["busdaycalendar", "datetime64", "timedelta64"], _DATES),
    **dict.fromkeys(["fromregex", "genfromtxt", "loadtxt", "savetxt", "savez_compressed", "memmap"], _FILES),
    **dict.fromkeys(["may_share_memory", "shares_memory", "require", "flatiter"], _MEMORY),
    **dict.fromkeys(["nditer", "ndenumerate", "ndindex", "nested_iters", "broadcast", "isfortran", "copyto"], _MEMORY),
    **dict.fromkeys(["putmask"], _WRITES),
    **dict.fromkeys(["asmatrix", "bmat", "matrix", "poly1d", "recarray", "record", "char", "chararray"], _OBJECTS),
    **dict.fromkeys(["bytes_", "str_", "void", "base_repr", "binary_repr", "format_float_positional"], _OBJECTS),
    **dict.fromkeys(["format_float_scientific", "array2string"], _OBJECTS),
    **dict.fromkeys(["bufsize", "errstate", "get_include", "getbufsize", "geterr", "geterrcall", "info"], _PYTHON),
    **dict.fromkeys(["setbufsize", "seterr", "seterrcall", "show_config", "show_runtime", "test", "typename"], _PYTHON),
    **dict.fromkeys(
        ["common_type", "min_scalar_type", "mintypecode", "sctypeDict", "typecodes", "ScalarType"], _PYTHON
    ),
    **dict.fromkeys(["ScalarType", "frompyfunc", "True_", "False_", "little_endian"], _PYTHON),
    **dict.fromkeys(["trapz", "in1d", "row_stack"], "NumPy has another name for it, and takes this one away"),
}
"""What NumPy has and `fgrad.numpy` has not, with the reason."""

_C_TYPES = {
    *("byte", "ubyte", "short", "ushort", "intc", "uintc", "intp", "uintp", "long", "ulong", "longlong", "ulonglong"),
    *("half", "longdouble", "clongdouble", "float96", "float128", "complex192", "complex256", "longfloat"),
}
"""C's names of dtypes, and those that depend on the machine: `dtype=numpy.longlong` is understood all the same."""

LEFT_OUT_OF_JAX = {
    **dict.fromkeys(["bfloat16", "int1", "int2", "int4", "uint1", "uint2", "uint4"], "NumPy has no such dtype"),
    **dict.fromkeys(["complex_", "float_", "ComplexWarning"], "NumPy 2 took these names away"),
    "frompyfunc": _PYTHON,
}
"""What `jax.numpy` has and `fgrad.numpy` has not, besides its small floats (`float8_…`), which NumPy has not either."""


def public(module: types.ModuleType) -> set[str]:
    return {
        name
        for name in dir(module)
        if not name.startswith("_") and not isinstance(getattr(module, name), types.ModuleType)
    }


def test_every_function_of_numpy_is_there_or_left_out_for_a_reason() -> None:
    missing = {name for name in public(np) if not hasattr(fnp, name)} - _C_TYPES
    assert missing <= set(LEFT_OUT), f"not in fgrad.numpy: {sorted(missing - set(LEFT_OUT))}"


def test_nothing_that_is_there_is_said_to_be_left_out() -> None:
    assert not {name for name in LEFT_OUT if hasattr(fnp, name)}


def test_every_function_of_jax_is_there_or_left_out_for_a_reason() -> None:
    jax = pytest.importorskip("jax.numpy")
    small = ("float4", "float6", "float8")
    missing = {name for name in public(jax) if not hasattr(fnp, name) and not name.startswith(small)}
    assert missing <= set(LEFT_OUT_OF_JAX), f"not in fgrad.numpy: {sorted(missing - set(LEFT_OUT_OF_JAX))}"


def test_fourier_transforms_are_complete() -> None:
    assert public(np.fft) - {"test"} <= set(dir(fnp.fft))


def test_functions_have_documentation() -> None:
    functions = [f for name, f in vars(fnp).items() if not name.startswith("_") and callable(f)]
    assert all(f.__doc__ for f in functions)
