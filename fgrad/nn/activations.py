"""Activation functions, element by element. Each takes an array of real numbers and keeps its shape and dtype.

At a kink the derivative is 0 where that is a subgradient (`relu`, `hard_tanh`), else that of the branch for x ≤ 0.
None makes NaN or an overflow out of a finite x, in any derivative.
"""

from __future__ import annotations

from math import log, pi, sqrt
from typing import Any

import fgrad.numpy as fnp
from fgrad import lax
from fgrad.core import Array
from fgrad.errors import ShapeError, message, public
from fgrad.nn.operands import axis_of, floating

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "identity",
    "leaky_relu",
    "log1mexp",
    "log_sigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_sign",
    "softplus",
    "sparse_plus",
    "sparse_sigmoid",
    "squareplus",
    "swish",
    "tanh",
]

_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


@public
def identity(x: Any) -> Array:
    """`identity(x)`: x.

    >>> identity([1.0, -1.0])
    array([ 1., -1.])
    """
    return floating("identity", "x", x, real=False)


@public
def sigmoid(x: Any) -> Array:
    """`sigmoid(x)`: 1 / (1 + e⁻ˣ).

    >>> float(sigmoid(0.0))
    0.5
    """
    return lax.logistic(floating("sigmoid", "x", x, real=False))


@public
def tanh(x: Any) -> Array:
    """`tanh(x)`: the hyperbolic tangent.

    >>> float(tanh(0.0))
    0.0
    """
    return fnp.tanh(floating("tanh", "x", x, real=False))


@public
def relu(x: Any) -> Array:
    """`relu(x)`: max(x, 0). Its derivative at 0 is 0.

    >>> import fgrad
    >>> relu([-1.0, 2.0]), float(fgrad.grad(relu)(0.0))
    (array([0., 2.]), 0.0)

    Source: Nair & Hinton, "Rectified linear units improve restricted Boltzmann machines" (ICML 2010).
    """
    return fnp.maximum(fnp.asarray(x), 0)


@public
def relu6(x: Any) -> Array:
    """`relu6(x)`: min(max(x, 0), 6). Its derivative at 0 and at 6 is 0.

    >>> relu6([-1.0, 2.0, 8.0])
    array([0., 2., 6.])

    Source: Krizhevsky, "Convolutional deep belief networks on CIFAR-10" (2010).
    """
    return fnp.clip(fnp.asarray(x), 0, 6)


@public
def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Array:
    """`leaky_relu(x)`: x where x > 0, else negative_slope·x; so is its derivative at 0.

    Args:
        x: an array.
        negative_slope: a number.

    >>> leaky_relu([-1.0, 2.0])
    array([-0.01,  2.  ])

    Source: Maas, Hannun & Ng, "Rectifier nonlinearities improve neural network acoustic models" (ICML 2013).
    """
    x = floating("leaky_relu", "x", x)
    return fnp.where(x > 0, x, negative_slope * x)


@public
def prelu(x: Any, slope: Any, axis: int = -1) -> Array:
    """`prelu(x, slope)`: x where x > 0, else slope·x; the slope is a parameter, with a gradient.

    Args:
        x: an array.
        slope: a number, or one per channel.
        axis: where the channels are, if there are several slopes.

    Raises:
        ShapeError: `slope` has neither one element nor one per channel.

    >>> prelu([[-1.0, -1.0]], [0.1, 0.5])
    array([[-0.1, -0.5]])

    Source: He et al., "Delving deep into rectifiers" (ICCV 2015), equation 1.
    """
    x, slope = floating("prelu", "x", x), floating("prelu", "slope", slope)
    if fnp.ndim(slope):
        axis = axis_of("prelu", x, axis)
        channels = fnp.shape(x)[axis]
        if fnp.shape(slope) not in ((1,), (channels,)):
            what = f"prelu: `slope` must be a number or have shape ({channels},), one per channel of `x` along axis "
            raise ShapeError(message(f"{what}{axis}, got {fnp.shape(slope)}."))
        slope = fnp.reshape(slope, (-1, *[1] * (fnp.ndim(x) - axis - 1)))
    return fnp.where(x > 0, x, slope * x)


@public
def elu(x: Any, alpha: Any = 1.0) -> Array:
    """`elu(x)`: x where x > 0, else alpha·(eˣ − 1).

    Args:
        x: an array.
        alpha: minus the limit at −∞.

    >>> elu([-1.0, 2.0]).round(4)
    array([-0.6321,  2.    ])

    Source: Clevert, Unterthiner & Hochreiter, "Fast and accurate deep network learning by exponential linear units"
        (ICLR 2016), equation 15.
    """
    x = floating("elu", "x", x)
    return fnp.where(x > 0, x, alpha * _expm1_of_negative(x))


@public
def celu(x: Any, alpha: Any = 1.0) -> Array:
    """`celu(x)`: x where x > 0, else alpha·(exp(x / alpha) − 1), whose derivative is continuous for every alpha.

    Args:
        x: an array.
        alpha: minus the limit at −∞.

    >>> celu([-1.0, 2.0], alpha=2.0).round(4)
    array([-0.7869,  2.    ])

    Source: Barron, "Continuously differentiable exponential linear units" (2017).
    """
    x = floating("celu", "x", x)
    return fnp.where(x > 0, x, alpha * _expm1_of_negative(x / alpha))


@public
def selu(x: Any) -> Array:
    """`selu(x)`: λ·elu(x, α), with the λ and α that keep mean 0 and variance 1 from layer to layer.

    >>> selu([-1.0, 2.0]).round(4)
    array([-1.1113,  2.1014])

    Source: Klambauer et al., "Self-normalizing neural networks" (NeurIPS 2017), equation 2.
    """
    return _SELU_SCALE * elu(floating("selu", "x", x), _SELU_ALPHA)


@public
def gelu(x: Any, approximate: bool = True) -> Array:
    """`gelu(x)`: x·Φ(x), where Φ is the distribution function of a standard normal variable.

    Args:
        x: an array.
        approximate: ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), within 5e-4 of it.

    >>> gelu([-1.0, 2.0]).round(4), gelu([-1.0, 2.0], approximate=False).round(4)
    (array([-0.1588,  1.9546]), array([-0.1587,  1.9545]))

    Source: Hendrycks & Gimpel, "Gaussian error linear units" (2016), section 2.
    """
    x = floating("gelu", "x", x)
    if approximate:
        return 0.5 * x * (1 + fnp.tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * lax.erfc(-sqrt(0.5) * x)


@public
def silu(x: Any) -> Array:
    """`silu(x)`, also called `swish`: x·sigmoid(x).

    >>> silu([-1.0, 2.0]).round(4)
    array([-0.2689,  1.7616])

    Source: Elfwing, Uchibe & Doya, "Sigmoid-weighted linear units" (2018); Ramachandran, Zoph & Le (2017).
    """
    x = floating("silu", "x", x)
    return x * lax.logistic(x)


swish = silu


@public
def mish(x: Any) -> Array:
    """`mish(x)`: x·tanh(softplus(x)).

    >>> mish([-1.0, 2.0]).round(4)
    array([-0.3034,  1.944 ])

    Source: Misra, "Mish: a self regularized non-monotonic activation function" (2019).
    """
    x = floating("mish", "x", x)
    return x * fnp.tanh(softplus(x))


@public
def softplus(x: Any) -> Array:
    """`softplus(x)`: log(1 + eˣ).

    >>> softplus([0.0, 100.0]).round(4)
    array([  0.6931, 100.    ])

    Source: Dugas et al., "Incorporating second-order functional knowledge for better option pricing" (NIPS 2000).
    """
    return fnp.logaddexp(floating("softplus", "x", x), 0.0)


@public
def log_sigmoid(x: Any) -> Array:
    """`log_sigmoid(x)`: log(sigmoid(x)) = −softplus(−x).

    >>> log_sigmoid([-100.0, 0.0]).round(4)
    array([-100.    ,   -0.6931])
    """
    return -softplus(-floating("log_sigmoid", "x", x))


@public
def soft_sign(x: Any) -> Array:
    """`soft_sign(x)`: x / (1 + |x|).

    >>> soft_sign([-1.0, 3.0])
    array([-0.5 ,  0.75])

    Source: Turian, Bergstra & Bengio, "Quadratic features and deep architectures for chunking" (NAACL 2009).
    """
    x = floating("soft_sign", "x", x)
    return x / (1 + fnp.abs(x))


@public
def hard_tanh(x: Any) -> Array:
    """`hard_tanh(x)`: x limited to −1 … 1. Its derivative at ±1 is 0.

    >>> hard_tanh([-2.0, 0.5])
    array([-1. ,  0.5])

    Source: Collobert, "Large scale machine learning" (2004).
    """
    return fnp.clip(fnp.asarray(x), -1, 1)


@public
def hard_sigmoid(x: Any) -> Array:
    """`hard_sigmoid(x)`: relu6(x + 3) / 6.

    >>> hard_sigmoid([-4.0, 0.0, 1.5])
    array([0.  , 0.5 , 0.75])

    Source: Howard et al., "Searching for MobileNetV3" (ICCV 2019), section 5.2.
    """
    return relu6(floating("hard_sigmoid", "x", x) + 3) / 6


@public
def hard_silu(x: Any) -> Array:
    """`hard_silu(x)`, also called `hard_swish`: x·hard_sigmoid(x).

    >>> hard_silu([-4.0, 1.0]).round(4)
    array([-0.    ,  0.6667])

    Source: Howard et al., "Searching for MobileNetV3" (ICCV 2019), section 5.2.
    """
    x = floating("hard_silu", "x", x)
    return x * hard_sigmoid(x)


hard_swish = hard_silu


@public
def squareplus(x: Any, b: Any = 4.0) -> Array:
    """`squareplus(x)`: ½·(x + √(x² + b)), a softplus made of algebra alone.

    Args:
        x: an array.
        b: how smooth it is, 0 or more; `squareplus(0)` is √b / 2.

    >>> squareplus([0.0, 1.5])
    array([1., 2.])

    Source: Barron, "Squareplus: a softplus-like algebraic rectifier" (2021).
    """
    x = floating("squareplus", "x", x)
    return 0.5 * (x + fnp.hypot(x, fnp.sqrt(b)))


@public
def sparse_plus(x: Any) -> Array:
    """`sparse_plus(x)`: 0 below −1, x above 1, and ¼·(x + 1)² between.

    >>> sparse_plus([-2.0, 0.0, 2.0])
    array([0.  , 0.25, 2.  ])

    Source: Blondel, Martins & Niculae, "Learning with Fenchel-Young losses" (JMLR 2020), section 4.
    """
    x = floating("sparse_plus", "x", x)
    inside = fnp.clip(x, -1, 1)
    return 0.25 * fnp.square(inside + 1) + relu(x - 1)


@public
def sparse_sigmoid(x: Any) -> Array:
    """`sparse_sigmoid(x)`: ½·(x + 1), limited to 0 … 1; the derivative of `sparse_plus`.

    >>> sparse_sigmoid([-2.0, 0.0, 2.0])
    array([0. , 0.5, 1. ])

    Source: Martins & Astudillo, "From softmax to sparsemax" (ICML 2016).
    """
    return 0.5 * fnp.clip(floating("sparse_sigmoid", "x", x) + 1, 0, 2)


@public
def log1mexp(x: Any) -> Array:
    """`log1mexp(x)`: log(1 − e⁻ˣ) for x ≥ 0, without cancellation.

    >>> log1mexp([1e-20, 50.0])
    array([-4.60517019e+01, -1.92874985e-22])

    Source: Mächler, "Accurately computing log(1 − exp(−|a|))" (2012), equation 7.
    """
    x = floating("log1mexp", "x", x)
    small = x < log(2)
    near, far = fnp.where(small, x, 1.0), fnp.where(small, 1.0, x)
    return fnp.where(small, fnp.log(-fnp.expm1(-near)), fnp.log1p(-fnp.exp(-far)))


@public
def glu(x: Any, axis: int = -1) -> Array:
    """`glu(x)`: the first half of x along an axis, times the sigmoid of the second.

    Args:
        x: an array whose axis has an even length.
        axis: which it is.

    Raises:
        AxesError: there is no such axis.
        ShapeError: its length is odd.

    >>> glu([3.0, 0.0])
    array([1.5])

    Source: Dauphin et al., "Language modeling with gated convolutional networks" (ICML 2017).
    """
    x = floating("glu", "x", x)
    axis = axis_of("glu", x, axis)
    if fnp.shape(x)[axis] % 2:
        what = f"glu: axis {axis} of `x`, of shape {fnp.shape(x)}, must have an even length: its halves are values and"
        raise ShapeError(message(f"{what} gates."))
    values, gates = fnp.split(x, 2, axis)
    return values * lax.logistic(gates)


def _expm1_of_negative(x: Array) -> Array:
    """eˣ − 1, where x is negative; elsewhere anything finite."""
    return fnp.expm1(fnp.minimum(x, 0))
