"""Initializers of parameters: each of these functions returns a function `init(key, shape, dtype=float)`.

The *fans* of a shape are the number of inputs and of outputs of a unit. For the shape of a kernel
(…, inputs, outputs) they are inputs·r and outputs·r, where r is the product of the axes before (the receptive field);
`in_axis`, `out_axis` and `batch_axis` say where the axes are if not last. A batch axis counts for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

import fgrad.numpy as fnp
from fgrad import random
from fgrad.core import Array
from fgrad.errors import ArgumentError, ShapeError, message, public

__all__ = [
    "Initializer",
    "constant",
    "delta_orthogonal",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "orthogonal",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

Initializer: TypeAlias = Callable[..., Array]
"""`init(key, shape, dtype=float)` gives an array."""

Axes: TypeAlias = int | Sequence[int]

_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("truncated_normal", "normal", "uniform")
_TRUNCATED_DEVIATION = 0.87962566103423978
"""The standard deviation of a standard normal variable that is cut off at −2 and 2."""


@public
def zeros(key: Any, shape: Sequence[int], dtype: Any = float) -> Array:
    """Zeros; itself an initializer.

    >>> zeros(None, (2,))
    array([0., 0.])
    """
    return np.zeros(shape, dtype)


@public
def ones(key: Any, shape: Sequence[int], dtype: Any = float) -> Array:
    """Ones; itself an initializer.

    >>> ones(None, (2,))
    array([1., 1.])
    """
    return np.ones(shape, dtype)


@public
def constant(value: Any, dtype: Any = float) -> Initializer:
    """The same numbers every time.

    Args:
        value: a number, or an array that broadcasts to the shape.
        dtype: of the result, unless `init` is given another one.

    >>> constant(0.5)(None, (2,))
    array([0.5, 0.5])
    """
    default = dtype

    def init(key: Any, shape: Sequence[int], dtype: Any = default) -> Array:
        return fnp.full(shape, value, dtype)

    return init


@public
def uniform(scale: Any = 0.01, dtype: Any = float) -> Initializer:
    """Numbers that are uniform in [0, scale).

    Args:
        scale: the upper bound.
        dtype: of the result, unless `init` is given another one.

    >>> uniform(1.0)(random.key(0), (2,)).round(4)
    array([0.043 , 0.5008])
    """
    default = dtype

    def init(key: Array, shape: Sequence[int], dtype: Any = default) -> Array:
        return _times(random.uniform(key, shape, dtype), scale)

    return init


@public
def normal(stddev: Any = 0.01, dtype: Any = float) -> Initializer:
    """Normal numbers with mean 0.

    Args:
        stddev: their standard deviation.
        dtype: of the result, unless `init` is given another one.

    >>> normal(1.0)(random.key(0), (2,)).round(4)
    array([-0.5683, -0.0066])
    """
    default = dtype

    def init(key: Array, shape: Sequence[int], dtype: Any = default) -> Array:
        return _times(random.normal(key, shape, dtype), stddev)

    return init


@public
def truncated_normal(stddev: Any = 0.01, dtype: Any = float, lower: float = -2.0, upper: float = 2.0) -> Initializer:
    """Standard normal numbers between two bounds, times `stddev` (so what comes out deviates a little less).

    Args:
        stddev: the factor.
        dtype: of the result, unless `init` is given another one.
        lower: bound before the factor.
        upper: bound before the factor.

    >>> bool(abs(truncated_normal(1.0)(random.key(0), (100,))).max() <= 2)
    True
    """
    default = dtype

    def init(key: Array, shape: Sequence[int], dtype: Any = default) -> Array:
        return _times(random.truncated_normal(key, lower, upper, shape, dtype), stddev)

    return init


@public
def variance_scaling(
    scale: Any,
    mode: str,
    distribution: str,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: Any = float,
) -> Initializer:
    """Numbers with mean 0 and variance scale / n, where n is a fan of the shape.

    Args:
        scale: a positive number.
        mode: which n: `"fan_in"`, `"fan_out"`, or `"fan_avg"`, the mean of both.
        distribution: `"normal"`, `"truncated_normal"` (at two standard deviations), or `"uniform"` in
            ±√(3·scale / n).
        in_axis: the axis, or axes, of the inputs.
        out_axis: the axis, or axes, of the outputs.
        batch_axis: the axis, or axes, along which there are several kernels.
        dtype: of the result, unless `init` is given another one.

    Raises:
        ArgumentError: there is no such mode or distribution.
        ShapeError: by `init`: the shape has no two axes for the fans, or an axis is named twice.

    >>> init = variance_scaling(2.0, "fan_in", "normal")
    >>> round(float(init(random.key(0), (1000, 100)).var() * 1000), 1)
    2.0

    Source: He et al., "Delving deep into rectifiers" (ICCV 2015), section 2.2; Glorot & Bengio (AISTATS 2010).
    """
    if mode not in _MODES:
        raise ArgumentError(message(f"variance_scaling: `mode` must be one of {', '.join(_MODES)}, got {mode!r:.60}."))
    if distribution not in _DISTRIBUTIONS:
        known = ", ".join(_DISTRIBUTIONS)
        raise ArgumentError(
            message(f"variance_scaling: `distribution` must be one of {known}, got {distribution!r:.60}.")
        )
    default = dtype

    def init(key: Array, shape: Sequence[int], dtype: Any = default) -> Array:
        inputs, outputs = _fans(tuple(shape), in_axis, out_axis, batch_axis)
        fan = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}[mode]
        variance = scale / max(fan, 1)
        if distribution == "uniform":
            return _times(2 * random.uniform(key, shape, dtype) - 1, fnp.sqrt(3 * variance))
        if distribution == "normal":
            return _times(random.normal(key, shape, dtype), fnp.sqrt(variance))
        numbers = random.truncated_normal(key, -2.0, 2.0, shape, dtype)
        return _times(numbers, fnp.sqrt(variance) / _TRUNCATED_DEVIATION)

    return init


def _scaled(
    name: str, scale: float, mode: str, distribution: str, what: str, source: str
) -> Callable[..., Initializer]:
    """One of the named cases of `variance_scaling`."""

    @public
    def function(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = float) -> Initializer:
        return variance_scaling(scale, mode, distribution, in_axis, out_axis, batch_axis, dtype)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{what}

    `variance_scaling({scale}, {mode!r}, {distribution!r})`.

    Args:
        in_axis: the axis, or axes, of the inputs.
        out_axis: the axis, or axes, of the outputs.
        batch_axis: the axis, or axes, along which there are several kernels.
        dtype: of the result, unless `init` is given another one.

    >>> from fgrad import random
    >>> {name}()(random.key(0), (3, 4)).shape
    (3, 4)

    Source: {source}
    """
    return function


_GLOROT = 'Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks" (AISTATS 2010)'
_HE = 'He et al., "Delving deep into rectifiers" (ICCV 2015)'
_LECUN = 'LeCun, Bottou, Orr & Müller, "Efficient BackProp" (1998), section 4.6.'

glorot_uniform = _scaled(
    "glorot_uniform",
    1.0,
    "fan_avg",
    "uniform",
    "Uniform numbers in ±√(6 / (fan_in + fan_out)), for tanh and the like; also called `xavier_uniform`.",
    f"{_GLOROT}, equation 16.",
)
glorot_normal = _scaled(
    "glorot_normal",
    1.0,
    "fan_avg",
    "truncated_normal",
    "Normal numbers with variance 2 / (fan_in + fan_out), for tanh and the like; also called `xavier_normal`.",
    f"{_GLOROT}, equation 12.",
)
he_uniform = _scaled(
    "he_uniform",
    2.0,
    "fan_in",
    "uniform",
    "Uniform numbers in ±√(6 / fan_in), for rectifiers; also called `kaiming_uniform`.",
    f"{_HE}, equation 10.",
)
he_normal = _scaled(
    "he_normal",
    2.0,
    "fan_in",
    "truncated_normal",
    "Normal numbers with variance 2 / fan_in, for rectifiers; also called `kaiming_normal`.",
    f"{_HE}, equation 10.",
)
lecun_uniform = _scaled(
    "lecun_uniform", 1.0, "fan_in", "uniform", "Uniform numbers in ±√(3 / fan_in), for SELU and the like.", _LECUN
)
lecun_normal = _scaled(
    "lecun_normal",
    1.0,
    "fan_in",
    "truncated_normal",
    "Normal numbers with variance 1 / fan_in, for SELU and the like.",
    _LECUN,
)
xavier_uniform, xavier_normal = glorot_uniform, glorot_normal
kaiming_uniform, kaiming_normal = he_uniform, he_normal


@public
def orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = float) -> Initializer:
    """A matrix with orthonormal columns, or rows if there are fewer rows, times `scale`.

    Args:
        scale: the factor.
        column_axis: the axis of the columns; all others are rows.
        dtype: of the result, unless `init` is given another one.

    Raises:
        ShapeError: by `init`: the shape has fewer than two axes.

    >>> w = orthogonal()(random.key(0), (4, 2))
    >>> bool(np.allclose(w.T @ w, np.eye(2)))
    True

    Source: Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
        networks" (ICLR 2014).
    """
    default = dtype

    def init(key: Array, shape: Sequence[int], dtype: Any = default) -> Array:
        shape = _matrix_shape("orthogonal", shape)
        columns = shape[column_axis]
        rows = math.prod(shape) // max(columns, 1)
        q, r = fnp.linalg.qr(random.normal(key, (max(rows, columns), min(rows, columns)), dtype))
        q = q * fnp.where(fnp.diagonal(r) < 0, -1, 1).astype(q.dtype)  # uniform, which the signs of LAPACK are not
        matrix = q if rows >= columns else q.T
        front = [n for i, n in enumerate(shape) if i != column_axis % len(shape)]
        return _times(fnp.moveaxis(fnp.reshape(matrix, (*front, columns)), -1, column_axis), scale)

    return init


@public
def delta_orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = float) -> Initializer:
    """The kernel of a convolution that is an orthogonal matrix in its middle, and 0 around it.

    Args:
        scale: the factor.
        column_axis: the axis of the outputs, one of the last two.
        dtype: of the result, unless `init` is given another one.

    Raises:
        ShapeError: by `init`: the shape is not that of a kernel of a convolution in one, two or three dimensions,
            or it has more inputs than outputs.

    >>> w = delta_orthogonal()(random.key(0), (3, 2, 2))
    >>> bool(np.allclose(w[1].T @ w[1], np.eye(2))), float(abs(w[[0, 2]]).max())
    (True, 0.0)

    Source: Xiao et al., "Dynamical isometry and a mean field theory of CNNs" (ICML 2018), algorithm 1.
    """
    default = dtype

    def init(key: Array, shape: Sequence[int], dtype: Any = default) -> Array:
        shape = tuple(shape)
        axis = column_axis - len(shape) if column_axis >= 0 else column_axis
        rows, columns = shape[-2:] if axis == -1 else shape[:-3:-1]
        if len(shape) not in (3, 4, 5) or rows > columns:
            what = "delta_orthogonal: `shape` must be (…, inputs, outputs) with one, two or three axes in front and no"
            raise ShapeError(message(f"{what} more inputs than outputs, got {shape}."))
        matrix = orthogonal(scale, axis)(key, shape[-2:], dtype)
        around = [((n - 1) // 2, n // 2) for n in shape[:-2]]
        return fnp.pad(fnp.expand_dims(matrix, tuple(range(len(around)))), (*around, (0, 0), (0, 0)))

    return init


def _times(x: Array, factor: Any) -> Array:
    """x times a real number, in the dtype of x."""
    return x * fnp.astype(fnp.asarray(factor), x.real.dtype)


def _matrix_shape(function: str, shape: Sequence[int]) -> tuple[int, ...]:
    shape = tuple(shape)
    if len(shape) < 2:
        raise ShapeError(message(f"{function}: `shape` must have two axes or more, inputs and outputs, got {shape}."))
    return shape


def _fans(shape: tuple[int, ...], in_axis: Axes, out_axis: Axes, batch_axis: Axes) -> tuple[float, float]:
    """How many inputs and outputs a unit has."""
    if len(shape) < 2:
        cure = "A bias has no fan: initialise it with `zeros`."
        what = f"variance_scaling: `shape` must have two axes or more, for inputs and outputs, got {shape}."
        raise ShapeError(message(what, cure=cure))
    groups = []
    for name, axes in (("in_axis", in_axis), ("out_axis", out_axis), ("batch_axis", batch_axis)):
        axes = (axes,) if isinstance(axes, (int, np.integer)) else tuple(axes)
        if not all(-len(shape) <= a < len(shape) for a in axes):
            raise ShapeError(message(f"variance_scaling: `{name}`={axes} are not axes of the shape {shape}."))
        groups.append([int(a) % len(shape) for a in axes])
    named = [a for axes in groups for a in axes]
    if len(set(named)) < len(named):
        what = "variance_scaling: `in_axis`, `out_axis` and `batch_axis` must be different axes"
        raise ShapeError(message(f"{what} of the shape {shape}, got {in_axis}, {out_axis} and {batch_axis}."))
    inputs, outputs, batches = (math.prod([shape[a] for a in axes]) for axes in groups)
    field = math.prod(shape) / max(inputs * outputs * batches, 1)
    return inputs * field, outputs * field
