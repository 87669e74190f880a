"""Convolutions in one, two and three dimensions, and their transposes. Arrays are (batch, *lengths, channels)."""

from __future__ import annotations

from typing import Any, NamedTuple

import fgrad.numpy as fnp
from fgrad import lax
from fgrad.core import Array
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.nn.initializers import Initializer, lecun_normal, zeros
from fgrad.nn.layers.pooling import Lengths, Padding, lengths_of
from fgrad.nn.operands import floating, positive

__all__ = ["ConvolutionParams", "convolution", "init_convolution", "transposed_convolution"]

_LAYOUTS = {1: ("NHC", "HIO", "NHC"), 2: ("NHWC", "HWIO", "NHWC"), 3: ("NDHWC", "DHWIO", "NDHWC")}


class ConvolutionParams(NamedTuple):
    """`kernel` of shape (*window, inputs / groups, outputs), and `bias` of shape (outputs,), or `None`."""

    kernel: Array
    bias: Array | None


@public
def init_convolution(
    key: Any,
    inputs: int,
    outputs: int,
    window: Lengths,
    *,
    dimensions: int | None = None,
    groups: int = 1,
    bias: bool = True,
    weight_init: Initializer | None = None,
    bias_init: Initializer = zeros,
    dtype: Any = float,
) -> ConvolutionParams:
    """The parameters of `convolution` and `transposed_convolution`.

    Args:
        key: a key.
        inputs: channels of what goes in.
        outputs: channels of what comes out.
        window: the lengths of the kernel; or one for all, of which there are `dimensions`.
        dimensions: 1, 2 (as is the default for one length) or 3.
        groups: how many groups of channels are convolved apart; they divide inputs and outputs.
        bias: whether there is one.
        weight_init: `lecun_normal()` by default.
        bias_init: of shape (outputs,).
        dtype: of the parameters.

    Raises:
        ArgumentError: a size is not a positive integer, or does not fit the others.

    >>> import fgrad
    >>> init_convolution(fgrad.random.key(0), 3, 8, (5, 5)).kernel.shape
    (5, 5, 3, 8)
    """
    positive("init_convolution", inputs=inputs, outputs=outputs, groups=groups)
    count = dimensions or (2 if isinstance(window, int) else len(window))
    if count not in _LAYOUTS:
        raise ArgumentError(message(f"init_convolution: there are 1, 2 or 3 dimensions, not {count}."))
    sizes = lengths_of("init_convolution", "window", window, count)
    if inputs % groups or outputs % groups:
        what = f"init_convolution: `groups`={groups} must divide the inputs, {inputs}, and the outputs, {outputs}."
        raise ArgumentError(message(what))
    kernel = (weight_init or lecun_normal())(key, (*sizes, inputs // groups, outputs), dtype)
    return ConvolutionParams(kernel, bias_init(key, (outputs,), dtype) if bias else None)


@public
def convolution(
    params: ConvolutionParams,
    x: Any,
    *,
    strides: Lengths = 1,
    padding: Padding = "SAME",
    dilation: Lengths = 1,
    groups: int = 1,
) -> Array:
    """`convolution(params, x)`: each window of x times the kernel, summed over lengths and inputs, plus bias.

    The kernel is not turned round (it is a cross-correlation), as everywhere in this field.

    Args:
        params: a `ConvolutionParams`.
        x: shape (batch, *lengths, inputs).
        strides: how far one window is from the next.
        padding: `"VALID"`, `"SAME"`, or pairs (before, after) of zeros.
        dilation: how far the elements of a window are apart.
        groups: how many groups of channels are convolved apart.

    Returns:
        Shape (batch, *counts, outputs).

    Raises:
        ShapeError: x does not have the axes or the channels of the kernel.
        ArgumentError: an argument is not what it should be.

    >>> import numpy as np
    >>> convolution(ConvolutionParams(np.ones((2, 1, 1)), None), [[[1.0], [2.0], [4.0]]], padding="VALID")[0, :, 0]
    array([3., 6.])

    Source: LeCun et al., "Gradient-based learning applied to document recognition" (1998); Yu & Koltun (ICLR 2016), for
        dilation.
    """
    positive("convolution", groups=groups)
    x, count = _input("convolution", params, x, groups)
    steps, spread = (lengths_of("convolution", n, v, count) for n, v in (("strides", strides), ("dilation", dilation)))
    out = lax.conv_general_dilated(
        x,
        params.kernel,
        steps,
        padding,
        rhs_dilation=spread,
        dimension_numbers=_LAYOUTS[count],
        feature_group_count=groups,
    )
    return out if params.bias is None else out + params.bias


@public
def transposed_convolution(
    params: ConvolutionParams, x: Any, *, strides: Lengths = 1, padding: Padding = "SAME", dilation: Lengths = 1
) -> Array:
    """`transposed_convolution(params, x)`: every element of x spreads the kernel, turned round, about it.

    It enlarges by the strides what a convolution of the same strides makes smaller.

    Args:
        params: a `ConvolutionParams`.
        x: shape (batch, *lengths, inputs).
        strides: how far apart the elements of x are put.
        padding: `"VALID"`, `"SAME"` (lengths times strides), or pairs (before, after).
        dilation: how far the elements of the kernel are apart.

    Returns:
        Shape (batch, *lengths, outputs).

    Raises:
        ShapeError: x does not have the axes or the channels of the kernel.
        ArgumentError: an argument is not what it should be.

    >>> import numpy as np
    >>> kernel = np.array([1.0, 2.0]).reshape(2, 1, 1)
    >>> transposed_convolution(ConvolutionParams(kernel, None), [[[1.0], [10.0]]], strides=2)[0, :, 0]
    array([ 2.,  1., 20., 10.])

    Source: Zeiler et al., "Deconvolutional networks" (CVPR 2010); Dumoulin & Visin, "A guide to convolution arithmetic
        for deep learning" (2016), section 4.
    """
    name = "transposed_convolution"
    x, count = _input(name, params, x, 1)
    steps, spread = (lengths_of(name, n, v, count) for n, v in (("strides", strides), ("dilation", dilation)))
    out = lax.conv_transpose(x, params.kernel, steps, padding, rhs_dilation=spread, dimension_numbers=_LAYOUTS[count])
    return out if params.bias is None else out + params.bias


def _input(function: str, params: ConvolutionParams, x: Any, groups: int) -> tuple[Array, int]:
    """x, and the number of its axes that are convolved."""
    x = floating(function, "x", x, real=False)
    shape = fnp.shape(params.kernel)
    count = len(shape) - 2
    if count not in _LAYOUTS:
        what = f"{function}: the kernel must have shape (*window, inputs, outputs) with 1, 2 or 3 lengths, got {shape}."
        raise ShapeError(message(what))
    if fnp.ndim(x) != len(shape) or fnp.shape(x)[-1] != shape[-2] * groups:
        what = f"{function}: `x` must have shape (batch, *lengths, {shape[-2] * groups}) with {count} lengths, for a"
        raise ShapeError(message(f"{what} kernel of shape {shape} and groups={groups}; got {fnp.shape(x)}."))
    return x, count
