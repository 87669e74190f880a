"""Reductions: NumPy's values, dtypes and errors, traced or not, and derivatives at the hard points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
from fgrad.errors import ArgumentError, ShapeError
from fgrad.numpy import axes, nanfunctions, reductions
from tests.numpy.against_numpy import agree, check, gradients, online, rows, staged

INF = np.inf
DTYPES = [np.float64, np.float32, np.float16, np.complex128, np.int64, np.int8, np.uint8, bool]
REAL = [np.float64, np.float32, np.float16, np.int64, np.int8, np.uint8, bool]

shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)


@st.composite
def axis_of(draw: Any, ndim: int) -> Any:
    """None, an axis, or several; now and then one that is not there, or one twice."""
    kind = draw(st.sampled_from(["all", "one", "several"]))
    if kind == "all":
        return None
    if kind == "one":
        return draw(
            st.integers(-ndim - 1, ndim) if draw(st.integers(0, 9)) == 0 else st.integers(-ndim, max(ndim - 1, 0))
        )
    return tuple(draw(st.lists(st.integers(-ndim, max(ndim - 1, 0)), max_size=ndim))) if ndim else ()


class Case:
    """An array, and how to reduce it."""

    def __init__(self, x: Any, options: dict[str, Any]) -> None:
        self.x = x
        self.options = options

    def __repr__(self) -> str:
        return f"Case({self.x!r}, {self.options})"


def elements(shape: tuple[int, ...], dtype: Any, seed: int, missing: bool = False) -> Any:
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, shape) / 2 if np.dtype(dtype).kind in "fc" else rng.integers(0, 4, shape)
    x = np.asarray(x).astype(dtype)
    if x.dtype.kind == "c":
        x = x + 1j * rng.integers(-3, 4, shape)
    if missing and x.dtype.kind in "fc":
        x = np.where(rng.integers(0, 3, shape) == 0, np.nan, x).astype(dtype)
    return np.asarray(x)


@st.composite
def cases(draw: Any, dtypes: Any = tuple(DTYPES), extras: tuple[str, ...] = (), missing: bool = False) -> Case:
    shape = draw(shapes)
    dtype = draw(st.sampled_from(dtypes))
    x = elements(shape, dtype, draw(st.integers(0, 99)), missing)
    options: dict[str, Any] = {"axis": draw(axis_of(len(shape)))}
    if draw(st.booleans()):
        options["keepdims"] = draw(st.booleans())
    if "where" in extras and draw(st.booleans()):
        part = tuple(1 if draw(st.integers(0, 3)) == 0 else n for n in shape)[draw(st.integers(0, len(shape))) :]
        options["where"] = np.random.default_rng(0).integers(0, 4, part) > 0
    if "initial" in extras and draw(st.booleans()):
        options["initial"] = draw(st.sampled_from([0, 2, 1.5]))
    if "dtype" in extras and draw(st.booleans()):
        options["dtype"] = draw(
            st.sampled_from(
                [np.float64, np.float32, np.complex128] + ([np.int64, np.int8] if x.dtype.kind in "biu" else [])
            )
        )
    return Case(x, options)


def has_axes(case: Case) -> bool:
    """Whether the axes can be judged: NumPy's means take axis 0 of a number in some cases and not in others."""
    return case.x.ndim > 0 or case.options["axis"] in (None, ())


def compare(name: str, case: Case, module: Any = reductions) -> None:
    check(getattr(module, name), getattr(np, name), case.x, **case.options)


@pytest.mark.parametrize("name", ["sum", "prod"])
@given(case=cases(extras=("where", "initial", "dtype")))
def test_sums_and_products(name: str, case: Case) -> None:
    compare(name, case)


@pytest.mark.parametrize("name", ["max", "min", "amax", "amin"])
@given(case=cases(REAL, extras=("where", "initial")))
def test_extrema(name: str, case: Case) -> None:
    compare(name, case)


@pytest.mark.parametrize("name", ["any", "all"])
@given(case=cases(extras=("where",)))
def test_truth(name: str, case: Case) -> None:
    compare(name, case)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@given(case=cases(REAL))
def test_positions(name: str, case: Case) -> None:
    compare(name, case)


@given(case=cases([np.float64, np.float32, np.int64, np.uint8]))
def test_ptp(case: Case) -> None:
    compare("ptp", case)


@given(case=cases())
def test_count_nonzero(case: Case) -> None:
    compare("count_nonzero", case)


@given(case=cases(extras=("where", "dtype")).filter(has_axes))
def test_mean(case: Case) -> None:
    if "where" in case.options and case.options.get("dtype") in (np.int64, np.int8):
        del case.options["dtype"]  # NumPy divides by 0 there
    compare("mean", case)


@pytest.mark.parametrize("name", ["var", "std"])
@given(case=cases(extras=("where",)).filter(has_axes), ddof=st.sampled_from([0, 1, 0.5]))
def test_variances(name: str, case: Case, ddof: float) -> None:
    case.options["ddof"] = ddof
    compare(name, case)


@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
@pytest.mark.parametrize("given_as", ["correction", "ddof", "mean"])
def test_other_arguments_of_variances(name: str, dtype: Any, given_as: str) -> None:
    x = elements((3, 4), np.complex128 if dtype is np.complex64 else np.float64, 0)
    options: dict[str, Any] = {"axis": 1, "dtype": dtype}
    options |= {"mean": np.mean(x, 1, keepdims=True)} if given_as == "mean" else {given_as: 1}
    check(getattr(reductions, name), getattr(np, name), x, **options)


@pytest.mark.parametrize("name", ["nansum", "nanprod", "nanmean"])
@given(case=cases(extras=("where",), missing=True).filter(has_axes))
def test_sums_without_nans(name: str, case: Case) -> None:
    compare(name, case, nanfunctions)


@pytest.mark.parametrize("name", ["nanmax", "nanmin"])
@given(case=cases(REAL, extras=("where", "initial"), missing=True))
def test_extrema_without_nans(name: str, case: Case) -> None:
    compare(name, case, nanfunctions)


@pytest.mark.parametrize("name", ["nanvar", "nanstd"])
@given(case=cases(extras=("where",), missing=True).filter(has_axes), ddof=st.sampled_from([0, 1]))
def test_variances_without_nans(name: str, case: Case, ddof: int) -> None:
    case.options["ddof"] = ddof
    compare(name, case, nanfunctions)


@pytest.mark.parametrize("name", ["nanargmax", "nanargmin"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_positions_without_nans(name: str, axis: Any) -> None:
    x = np.array([[1.0, np.nan, 3.0], [np.nan, 5.0, 3.0], [0.0, 5.0, np.nan]])
    check(getattr(nanfunctions, name), getattr(np, name), x, axis=axis, keepdims=True)
    assert staged(lambda v: getattr(nanfunctions, name)(v, axis), np.full((1, 1), np.nan)).max() == -1


@given(case=cases([np.float64, np.float32, np.int64]), seed=st.integers(0, 9), returned=st.booleans())
def test_average(case: Case, seed: int, returned: bool) -> None:
    rng = np.random.default_rng(seed)
    axis = case.options["axis"]
    lengths = case.x.shape
    if axis is not None and rng.integers(2):
        lengths = tuple(case.x.shape[a] for a in (axis if isinstance(axis, tuple) else (axis,)) if abs(a) < case.x.ndim)
    weights = rng.integers(1, 4, lengths).astype(rng.choice([np.float64, np.float32, np.int64]))
    if not weights.size or not case.x.size:
        return
    for i in range(2 if returned else 1):
        pick = (lambda f, i=i: lambda *a, **k: f(*a, **k)[i]) if returned else (lambda f: f)
        options = {**case.options, "returned": returned}
        check(pick(reductions.average), pick(np.average), case.x, **options)
        check(
            lambda x, w, pick=pick, options=options: pick(reductions.average)(x, weights=w, **options),
            lambda x, w, pick=pick, options=options: pick(np.average)(x, weights=w, **options),
            case.x,
            weights,
        )


FUNCTIONS = [
    lambda x: reductions.sum(x, 1),
    lambda x: reductions.prod(x, (0, 2)),
    lambda x: reductions.mean(x, 0, keepdims=True),
    lambda x: reductions.var(x, 1, ddof=1),
    reductions.std,
    lambda x: reductions.max(x, 1),
    lambda x: reductions.min(x, (1, 2)),
    lambda x: reductions.ptp(x, 0),
    lambda x: reductions.sum(x, 1, where=np.array([[True], [False], [True]])),
    lambda x: reductions.mean(x, 2, where=np.array([True, False, True, True])),
    lambda x: reductions.std(x, 2, where=np.array([True, False, True, True])),
    lambda x: reductions.average(x, 0, weights=np.array([1.0, 3.0])),
    lambda x: reductions.logsumexp(x, (0, 1)),
    lambda x: reductions.logsumexp(x, 1, b=np.array([[1.0], [-0.1], [2.0]])),
    lambda x: nanfunctions.nanvar(x, 1),
    lambda x: nanfunctions.nanmean(x, 1),
]


@pytest.mark.parametrize("f", FUNCTIONS)
def test_gradients(f: Any) -> None:
    gradients(f, np.random.default_rng(1).permutation(np.linspace(-1, 2, 24)).reshape(2, 3, 4))


@pytest.mark.parametrize("f", [*FUNCTIONS, reductions.argmax, reductions.any, reductions.count_nonzero])
def test_rows(f: Any) -> None:
    rows(f, np.random.default_rng(1).permutation(np.linspace(-1, 2, 24)).reshape(2, 3, 4))


def test_gradient_by_weights_and_factors() -> None:
    rng = np.random.default_rng(2)
    x, w = rng.normal(size=(3, 4)), rng.uniform(1, 2, (3, 4))
    gradients(lambda x, w: reductions.average(x, 1, weights=w), x, w)
    gradients(lambda x, b: reductions.logsumexp(x, 1, b=b), x, w)


@pytest.mark.parametrize("x", [[2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [2.0, 1.0, 3.0]])
def test_prod_at_zeros(x: list[float]) -> None:
    expected = [math.prod(v for j, v in enumerate(x) if j != i) for i in range(len(x))]
    np.testing.assert_array_equal(fgrad.grad(reductions.prod)(np.array(x)), expected)


@pytest.mark.parametrize("name", ["max", "min"])
def test_ties_share(name: str) -> None:
    gradient = fgrad.grad(getattr(reductions, name))(np.ones((2, 2)))
    np.testing.assert_array_equal(gradient, np.full((2, 2), 0.25))


@pytest.mark.parametrize("f", [reductions.std, nanfunctions.nanstd])
@pytest.mark.parametrize("x", [[3.0, 3.0, 3.0], [1.0], [0.0, 0.0]])
def test_std_of_equal_elements_has_derivative_zero(f: Any, x: list[float]) -> None:
    value, gradient = fgrad.value_and_grad(f)(np.array(x))
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros(len(x)))
    np.testing.assert_array_equal(fgrad.jvp(fgrad.grad(f), (np.array(x),), (np.ones(len(x)),))[1], np.zeros(len(x)))


def test_std_of_equal_elements_beside_others() -> None:
    x = np.array([[1.0, 1.0], [1.0, 3.0]])
    gradient = fgrad.grad(lambda v: reductions.sum(reductions.std(v, axis=1)))(x)
    np.testing.assert_allclose(gradient, [[0, 0], [-0.5, 0.5]])


def test_what_is_left_out_has_derivative_zero() -> None:
    x = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]])
    for name in ("nansum", "nanmean", "nanmax", "nanmin", "nanprod", "nanvar", "nanstd"):
        f = getattr(nanfunctions, name)
        gradient = fgrad.grad(lambda v, f=f: nanfunctions.nansum(f(v, 1)))(x)
        assert np.isfinite(gradient).all()
        assert gradient[0, 0] or gradient[0, 2]
        assert not gradient[np.isnan(x)].any()


LIMITS = [
    ([-INF, -INF], -INF, [0, 0]),
    ([-INF, 1.0], 1.0, [0, 1]),
    ([INF, 1.0], INF, [1, 0]),
    ([INF, INF], INF, [0.5, 0.5]),
    ([INF, -INF], INF, [1, 0]),
    ([1000.0, 1000.0], 1000 + math.log(2), [0.5, 0.5]),
    ([-1000.0, -1000.0], -1000 + math.log(2), [0.5, 0.5]),
]


@pytest.mark.parametrize(("x", "value", "gradient"), LIMITS)
def test_logsumexp_at_infinities(x: list[float], value: float, gradient: list[float]) -> None:
    found = fgrad.value_and_grad(reductions.logsumexp)(np.array(x))
    np.testing.assert_array_equal(found[0], value)
    np.testing.assert_array_equal(found[1], gradient)
    assert reductions.logsumexp(x) == value


@pytest.mark.parametrize(
    ("x", "b", "value", "sign"),
    [
        ([0.0, 0.0], [1.0, -1.0], -INF, 0),
        ([-INF, -INF], [1.0, 2.0], -INF, 0),
        ([INF, 0.0], [-1.0, 1.0], INF, -1),
        ([INF, 0.0], [0.0, 3.0], math.log(3), 1),
        ([1000.0, 999.0], [1.0, -1.0], 1000 + math.log1p(-math.exp(-1)), 1),
        ([0.0, 1.0], [1.0, -1.0], math.log(math.e - 1), -1),
    ],
)
def test_logsumexp_with_factors(x: list[float], b: list[float], value: float, sign: float) -> None:
    for run in (staged, online, lambda f, *a: f(*a)):
        log_size = run(lambda x: reductions.logsumexp(x, b=np.array(b), return_sign=True)[0], np.array(x))
        found_sign = run(lambda x: reductions.logsumexp(x, b=np.array(b), return_sign=True)[1], np.array(x))
        np.testing.assert_allclose(log_size, value, rtol=1e-15)
        assert found_sign == sign
        plain = run(lambda x: reductions.logsumexp(x, b=np.array(b)), np.array(x))
        np.testing.assert_allclose(plain, np.nan if sign < 0 else value, rtol=1e-15)
    assert np.isfinite(
        fgrad.grad(lambda x: reductions.logsumexp(x, b=np.array(b), return_sign=True)[0])(np.array(x))
    ).all()


def test_logsumexp_of_other_kinds() -> None:
    agree(np.log(np.exp(1.0) + np.exp(2.0)), reductions.logsumexp([1, 2]))
    agree(np.float32(np.log(2)), reductions.logsumexp(np.zeros(2, np.float32)), rtol=1e-6)
    agree(np.full((1, 2), np.log(3)), reductions.logsumexp(np.zeros((3, 2)), axis=0, keepdims=True))
    z = np.array([1 + 2j, -0.5 + 1j])
    agree(np.log(np.sum(np.exp(z))), reductions.logsumexp(z))
    size, phase = reductions.logsumexp(z, return_sign=True)
    np.testing.assert_allclose(np.exp(size) * phase, np.sum(np.exp(z)))
    agree(np.log(2.0), reductions.logsumexp(np.zeros(3), where=np.array([True, False, True])))
    agree(-INF, reductions.logsumexp(np.zeros(0)))


@pytest.mark.parametrize(
    "name", ["sum", "prod", "max", "mean", "var", "std", "any", "argmax", "ptp", "average", "logsumexp"]
)
def test_a_list_of_traced_numbers(name: str) -> None:
    if not hasattr(fgrad.numpy, "stack"):
        pytest.skip("stack is not there yet")
    f = getattr(reductions, name)
    expected = f(np.array([1.0, 4.0]))
    agree(expected, staged(lambda x, y: f([x, y]), np.float64(1.0), np.float64(4.0)))


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "max", "min", "any", "all", "argmax", "ptp"])
def test_out_is_refused_by_name(name: str) -> None:
    with pytest.raises(ArgumentError, match=f"fgrad.numpy.{name} does not take `out`"):
        staged(lambda x: getattr(reductions, name)(x, out=np.zeros(())), np.ones(3))


@pytest.mark.parametrize("name", ["sum", "max", "mean", "any", "argmax"])
def test_an_axis_that_is_not_there(name: str) -> None:
    with pytest.raises(np.exceptions.AxisError, match="axis 2 is out of bounds for array of dimension 2"):
        staged(lambda x: getattr(reductions, name)(x, axis=2), np.ones((2, 3)))


def test_a_mask_that_does_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"`where` of shape \(4,\) does not broadcast to the array's shape \(2, 3\)"):
        staged(lambda x: reductions.sum(x, where=np.ones(4, bool)), np.ones((2, 3)))
    with pytest.raises(ArgumentError, match="give `initial` too"):
        staged(lambda x: reductions.max(x, where=np.ones(3, bool)), np.ones((2, 3)))


def test_ddof_and_correction_together() -> None:
    with pytest.raises(ArgumentError, match="`ddof` and `correction` are the same"):
        staged(lambda x: reductions.var(x, ddof=1, correction=1), np.ones(3))


def test_traced_masks_and_starts() -> None:
    x, mask = np.arange(6.0).reshape(2, 3), np.array([True, False, True])
    agree(np.sum(x, where=mask), staged(lambda m: reductions.sum(x, where=m), mask))
    agree(np.max(x, initial=7.0), staged(lambda i: reductions.max(x, initial=i), np.float64(7.0)))
    assert fgrad.grad(lambda i: reductions.sum(x, initial=i))(1.0) == 1.0


def test_axes_are_normalised() -> None:
    assert axes.reduced_axes((-1, 0), 3) == (0, 2)
    assert axes.reduced_axes(None, 2) == (0, 1)
    assert axes.reduced_axes(0, 0, of_numbers=True) == ()
