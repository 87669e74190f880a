"""Von Mises' distribution on the circle, with concentration kappa.

>>> from fgrad.scipy.stats import vonmises
>>> round(float(vonmises.pdf(0.0, kappa=1.0)), 6)
0.34171
"""

from __future__ import annotations

import math

import fgrad.numpy as fnp
from fgrad.core.aval import Array
from fgrad.primitives.special import bessel_ie
from fgrad.scipy.stats.continuous import Continuous
from fgrad.scipy.stats.parameters import NOT_NEGATIVE, parameters

__all__ = ["vonmises"]


class Vonmises(Continuous):
    """Density exp(kappa·cos y) / (2π·I₀(kappa)), of angles in radians; it is periodic."""

    name = "vonmises"
    shapes = parameters(kappa=NOT_NEGATIVE)

    def _logpdf(self, y: Array, kappa: Array) -> Array:
        # kappa·(cos y − 1) and the scaled Bessel function: neither overflows nor cancels.
        bend = -2 * kappa * fnp.square(fnp.sin(0.5 * y))
        return bend - math.log(2 * math.pi) - fnp.log(bessel_ie(kappa, order=0))


vonmises = Vonmises.publish()
