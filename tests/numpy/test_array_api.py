"""fgrad.numpy as a namespace of the Python array API standard, for concrete arrays and for tracers."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ArgumentError, TracerArrayConversionError
from tests.numpy.against_numpy import agree, check

X = np.array([[0.5, -1.5, 2.0], [3.0, 0.25, -0.75]])

# The functions of version 2024.12, by chapter of the standard.
STANDARD = {
    "": """
        e inf nan newaxis pi
        arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones ones_like tril triu zeros
        zeros_like astype broadcast_arrays broadcast_to can_cast finfo iinfo isdtype result_type
        bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128
        abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_invert bitwise_or
        bitwise_right_shift bitwise_xor ceil clip conj copysign cos cosh divide equal exp expm1 floor floor_divide
        greater greater_equal hypot imag isfinite isinf isnan less less_equal log log1p log2 log10 logaddexp logical_and
        logical_not logical_or logical_xor maximum minimum multiply negative nextafter not_equal positive pow real
        reciprocal remainder round sign signbit sin sinh square sqrt subtract tan tanh trunc
        take take_along_axis matmul matrix_transpose tensordot vecdot
        broadcast_shapes concat expand_dims flip moveaxis permute_dims repeat reshape roll squeeze stack tile unstack
        argmax argmin count_nonzero nonzero searchsorted where unique_all unique_counts unique_inverse unique_values
        argsort sort cumulative_prod cumulative_sum max mean min prod std sum var all any diff
    """,
    "linalg": """
        cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank matrix_transpose outer
        pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm
    """,
    "fft": "fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift ifftshift",
}
OPERATORS = """
    abs add and array_namespace bool complex dlpack dlpack_device eq float floordiv ge getitem gt index int invert le
    lshift lt matmul mod mul ne neg or pos pow rshift setitem sub truediv xor radd rand rfloordiv rlshift rmatmul rmod
    rmul ror rpow rrshift rsub rtruediv rxor
"""


@pytest.mark.parametrize("room", STANDARD)
def test_every_name_of_the_standard_is_there(room: str) -> None:
    module = getattr(fnp, room) if room else fnp
    assert [name for name in STANDARD[room].split() if not hasattr(module, name)] == []


def test_tracers_have_every_method_of_the_standard() -> None:
    tracer = type(fgrad.make_jaxpr(lambda x: seen.append(x) or x)(X) and seen[0])  # type: ignore[func-returns-value]
    names = [f"__{name}__" for name in OPERATORS.split()] + ["dtype", "device", "mT", "ndim", "shape", "size", "T"]
    assert [name for name in [*names, "to_device"] if not hasattr(tracer, name)] == []


seen: list[Any] = []


def test_version_and_information() -> None:
    assert fnp.__array_api_version__ >= "2024.12"
    told = fnp.__array_namespace_info__()
    assert told.capabilities()["boolean indexing"] is True
    assert told.default_device() == "cpu"
    assert told.default_dtypes()["real floating"] == np.float64
    assert "float32" in told.dtypes(kind="real floating")


def test_arrays_name_their_namespace_and_their_device() -> None:
    def f(x: Any) -> Any:
        for version in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
            assert x.__array_namespace__(api_version=version) is fnp
        assert x.device == "cpu"
        assert x.to_device("cpu") is x
        return x.mT * 1.0

    np.testing.assert_array_equal(fgrad.jit(f)(X), X.T)
    np.testing.assert_array_equal(fgrad.vmap(f)(np.stack([X, X])), np.stack([X.T, X.T]))


DEVICES: list[Callable[[Any, Any], Any]] = [
    lambda x, d: fnp.asarray(x, device=d),
    lambda x, d: fnp.astype(x, np.float32, device=d),
    lambda x, d: fnp.zeros_like(x, device=d),
    lambda x, d: fnp.ones_like(x, device=d),
    lambda x, d: fnp.full_like(x, 2.0, device=d),
    lambda x, d: fnp.full((2,), x[0, 0], device=d),
    lambda x, d: fnp.linspace(x[0, 0], x[0, 1], 3, device=d),
    lambda x, d: fnp.arange(3, device=d) * x[0],
    lambda x, d: fnp.empty_like(x, device=d) * 0 + 1,
]


@pytest.mark.parametrize("f", DEVICES)
def test_functions_that_make_arrays_take_the_device_cpu(f: Callable[[Any, Any], Any]) -> None:
    for device in (None, "cpu"):
        agree(f(X, device), fgrad.jit(lambda x, d=device: f(x, d))(X))
    for run in (lambda x: f(x, "gpu"), fgrad.jit(lambda x: f(x, "gpu"))):
        with pytest.raises(ValueError, match="cpu"):
            run(X)


def test_a_traced_array_has_no_memory_to_share() -> None:
    with pytest.raises(TracerArrayConversionError, match=r"no memory to share by DLPack, in jit of"):
        fgrad.jit(np.from_dlpack)(X)
    with pytest.raises(ArgumentError, match="'gpu'"):
        fgrad.jit(lambda x: x.to_device("gpu"))(X)


def test_descending_order() -> None:
    x = np.array([[2, 1, 2, 0], [1, 1, 3, 1]])
    for axis in (0, -1):
        check(
            lambda x, a=axis: fnp.sort(x, axis=a, descending=True), lambda x, a=axis: np.flip(np.sort(x, a), a), 1.0 * x
        )
        expected = np.argsort(-x, axis=axis, stable=True)
        np.testing.assert_array_equal(fnp.argsort(x, axis=axis, descending=True, stable=True), expected)
        np.testing.assert_array_equal(fgrad.jit(lambda x, a=axis: fnp.argsort(x, axis=a, descending=True))(x), expected)
    np.testing.assert_array_equal(fnp.argsort(x, None, descending=True, stable=True), np.argsort(-x, None, stable=True))
    np.testing.assert_array_equal(fnp.sort(x, None, descending=True), np.sort(x, None)[::-1])


def test_frequencies_have_a_dtype_and_a_derivative() -> None:
    assert fnp.fft.fftfreq(4, dtype=np.float32).dtype == np.float32
    assert fnp.fft.rfftfreq(4, dtype=np.float32).dtype == np.float32
    np.testing.assert_allclose(fgrad.jacfwd(lambda d: fnp.fft.rfftfreq(4, d))(0.5), -np.fft.rfftfreq(4) / 0.25)


def test_signatures_are_those_of_the_standard() -> None:
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    lacking = []
    for room, names in STANDARD.items():
        ours, theirs = (getattr(m, room) if room else m for m in (fnp, strict))
        for name in names.split():
            standard = getattr(theirs, name, None)
            if not inspect.isfunction(standard):
                continue
            try:
                have = inspect.signature(getattr(ours, name)).parameters
            except ValueError:  # a ufunc or a built-in function of NumPy's
                continue
            if any([p.kind is p.VAR_KEYWORD for p in have.values()]):
                continue
            wanted = inspect.signature(standard).parameters.values()
            taken = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
            lacking += [f"{room} {name} {p.name}" for p in wanted if p.kind in taken and p.name not in have]
    assert [x for x in lacking if not x.endswith(("sorter", "_dtype"))] == []


def test_array_api_extra_on_tracers() -> None:
    xpx = pytest.importorskip("array_api_extra", reason="array-api-extra is not installed")
    programs: list[Callable[[Any], Any]] = [
        lambda x: xpx.atleast_nd(x, ndim=3, xp=fnp),
        lambda x: xpx.cov(x, xp=fnp),
        lambda x: xpx.kron(x, x, xp=fnp),
        lambda x: xpx.sinc(x, xp=fnp),
        lambda x: xpx.one_hot(fnp.astype(x > 0, fnp.int64), 2, xp=fnp) * x[..., None] if hasattr(xpx, "one_hot") else x,
    ]
    for program in programs:
        expected = program(X)
        np.testing.assert_allclose(fgrad.jit(program)(X), expected, rtol=1e-12)
        np.testing.assert_allclose(fgrad.jvp(program, (X,), (X,))[0], expected, rtol=1e-12)


SCIPY = """
import numpy as np, fgrad
import fgrad.numpy as fnp
import scipy.integrate, scipy.fft, scipy.optimize, scipy.special, scipy.stats
x = np.array([0.3, -1.2, 2.5, 0.7])
for f in [
    lambda x: scipy.special.softmax(x)[0],
    lambda x: scipy.special.xlogy(x * x, x * x + 1.0)[0],
    lambda x: scipy.stats.skew(x),
    lambda x: scipy.stats.kurtosis(x),
    lambda x: scipy.stats.gmean(x * x),
    lambda x: scipy.stats.sem(x),
    lambda x: fnp.sum(fnp.abs(scipy.fft.rfft(x))),
    lambda x: scipy.integrate.trapezoid(x),
    lambda x: fnp.sum(scipy.integrate.cumulative_trapezoid(x) ** 2),
    lambda x: scipy.optimize.rosen(x),
]:
    expected = f(x)
    np.testing.assert_allclose(fgrad.jit(f)(x), expected, rtol=1e-10)
    np.testing.assert_allclose(fgrad.vmap(f)(np.stack([x, x])), [expected, expected], rtol=1e-10)
    step = np.array([0.0, 1e-6, 0.0, 0.0])
    slope = (f(x + step) - f(x - step)) / 2e-6
    np.testing.assert_allclose(fgrad.grad(f)(x)[1], slope, rtol=1e-6, atol=1e-7)
"""


SKLEARN = """
import numpy as np, fgrad, sklearn
from sklearn.metrics import pairwise
x, y = np.array([[0.3, -1.2], [2.5, 0.7]]), np.array([[1.0, 2.0], [3.0, 4.0]])
with sklearn.config_context(array_api_dispatch=True):
    for f in [lambda x: pairwise.rbf_kernel(x, x + 1.0)[0, 1], lambda x: pairwise.euclidean_distances(x, 2 * x)[0, 1]]:
        step = np.array([[0.0, 1e-6], [0.0, 0.0]])
        slope = (f(x + step) - f(x - step)) / 2e-6
        np.testing.assert_allclose(fgrad.grad(f)(x)[0, 1], slope, rtol=1e-5, atol=1e-9)
"""


@pytest.mark.parametrize(("library", "program"), [("scipy", SCIPY), ("sklearn", SKLEARN)])
def test_scipy_and_scikit_learn_on_tracers(library: str, program: str) -> None:
    pytest.importorskip("scipy", "1.15", reason="SciPy is not installed")
    pytest.importorskip(library, reason=f"{library} is not installed")
    root = os.path.dirname(os.path.dirname(fgrad.__file__))
    paths = os.pathsep.join([root, *[p for p in sys.path if p]])
    environment = {**os.environ, "SCIPY_ARRAY_API": "1", "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_suite_of_the_standard() -> None:
    """The public suite, where it is installed: on fgrad.numpy it fails nowhere where it does not on NumPy."""
    suite = pytest.importorskip("array_api_tests", reason="the array-api-tests suite is not installed")
    failures = []
    for module in ("numpy", "fgrad.numpy"):
        command = [sys.executable, "-m", "pytest", "-q", "-rfE", "--max-examples=3", os.path.dirname(suite.__file__)]
        environment = {**os.environ, "ARRAY_API_TESTS_MODULE": module}
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout
        failures.append({line.split()[1] for line in told.splitlines() if line.startswith(("FAILED ", "ERROR "))})
    assert failures[1] <= failures[0]
