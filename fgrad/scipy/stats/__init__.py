"""Distributions and statistics: SciPy's module `scipy.stats`, with derivatives.

A distribution is `norm`, `gamma`, …; its functions are `logpdf`, `cdf` and so on, as in SciPy, with the shapes, the
location and the scale behind the variable:

    norm.logpdf(x, loc=0, scale=1)
    gamma.logpdf(x, a, loc=0, scale=1)
    poisson.logpmf(k, mu, loc=0)

They have derivatives by the variable and by all parameters, to every order, and these conventions:

* Outside the support the density is 0 and its logarithm −∞; the derivatives of both are 0, not NaN. So are those of the
  cumulative functions there.
* At an end of the support functions are what they are inside. Where the density is 0 or ∞ there, derivatives are 0; so
  are those of the cumulative functions of distributions whose density may be ∞ there (beta, gamma, χ²).
* Where a parameter has a value that it cannot have (a negative scale, a probability of 2) the result is NaN.
* Discrete distributions have no derivatives by k, nor by parameters that are whole numbers: these are 0.
* A quantile at probability 0 or 1 is the end of the support; it moves with the parameters of that, but not with q.
* The dtype is that of the arguments, float64 for integers; float32 stays float32.
"""

from fgrad.scipy.stats.bernoulli import bernoulli
from fgrad.scipy.stats.beta import beta
from fgrad.scipy.stats.betabinom import betabinom
from fgrad.scipy.stats.binom import binom
from fgrad.scipy.stats.cauchy import cauchy
from fgrad.scipy.stats.chi2 import chi2
from fgrad.scipy.stats.density_estimation import gaussian_kde
from fgrad.scipy.stats.dirichlet import dirichlet
from fgrad.scipy.stats.expon import expon
from fgrad.scipy.stats.gamma import gamma
from fgrad.scipy.stats.gennorm import gennorm
from fgrad.scipy.stats.geom import geom
from fgrad.scipy.stats.gumbel_l import gumbel_l
from fgrad.scipy.stats.gumbel_r import gumbel_r
from fgrad.scipy.stats.laplace import laplace
from fgrad.scipy.stats.logistic import logistic
from fgrad.scipy.stats.multinomial import multinomial
from fgrad.scipy.stats.multivariate_normal import multivariate_normal
from fgrad.scipy.stats.nbinom import nbinom
from fgrad.scipy.stats.norm import norm
from fgrad.scipy.stats.pareto import pareto
from fgrad.scipy.stats.poisson import poisson
from fgrad.scipy.stats.summaries import ModeResult, mode, rankdata, sem
from fgrad.scipy.stats.t import t
from fgrad.scipy.stats.truncnorm import truncnorm
from fgrad.scipy.stats.uniform import uniform
from fgrad.scipy.stats.vonmises import vonmises
from fgrad.scipy.stats.wrapcauchy import wrapcauchy

__all__ = [
    "ModeResult",
    "bernoulli",
    "beta",
    "betabinom",
    "binom",
    "cauchy",
    "chi2",
    "dirichlet",
    "expon",
    "gamma",
    "gaussian_kde",
    "gennorm",
    "geom",
    "gumbel_l",
    "gumbel_r",
    "laplace",
    "logistic",
    "mode",
    "multinomial",
    "multivariate_normal",
    "nbinom",
    "norm",
    "pareto",
    "poisson",
    "rankdata",
    "sem",
    "t",
    "truncnorm",
    "uniform",
    "vonmises",
    "wrapcauchy",
]
