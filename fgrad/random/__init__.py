"""Random numbers, as JAX has them: pure functions of a key.

A key is a `uint64` array of shape (2,). The same key gives the same numbers, eagerly, under `jit`, and in every
row under `vmap`; so a key is used once, and `split` or `fold_in` makes new ones from it::

    key, noise_key = split(key)
    noise = normal(noise_key, (3,))

Numbers of two keys, and numbers of a key and of its children, are independent; numbers that two functions draw with the
same key are not. Nothing has a derivative with respect to a key. What is drawn is differentiable in the parameters of
its distribution, where these move it continuously; others are applied to standard numbers, as in
`mean + scale * normal(key)`.

Streams are those of NumPy's `Philox` bit generator and `Generator`. Sources: Salmon, Moraes, Dror & Shaw,
"Parallel random numbers: as easy as 1, 2, 3" (SC 2011) for the generator; Claessen & Pałka, "Splittable
pseudorandom number generators using
cryptographic hashing" (Haskell 2013) for deriving keys by the generator's own bijection.
"""

from fgrad.random.keys import clone, key_data, wrap_key_data
from fgrad.random.parametric import (
    double_sided_maxwell,
    geometric,
    lognormal,
    maxwell,
    multivariate_normal,
    pareto,
    rayleigh,
    triangular,
    wald,
    weibull_min,
)
from fgrad.random.standard import (
    PRNGKey,
    bernoulli,
    bits,
    categorical,
    cauchy,
    choice,
    exponential,
    fold_in,
    gumbel,
    key,
    laplace,
    logistic,
    normal,
    orthogonal,
    permutation,
    rademacher,
    randint,
    split,
    truncated_normal,
    uniform,
)

__all__ = [
    "PRNGKey",
    "bernoulli",
    "bits",
    "categorical",
    "cauchy",
    "choice",
    "clone",
    "double_sided_maxwell",
    "exponential",
    "fold_in",
    "geometric",
    "gumbel",
    "key",
    "key_data",
    "laplace",
    "logistic",
    "lognormal",
    "maxwell",
    "multivariate_normal",
    "normal",
    "orthogonal",
    "pareto",
    "permutation",
    "rademacher",
    "randint",
    "rayleigh",
    "split",
    "triangular",
    "truncated_normal",
    "uniform",
    "wald",
    "weibull_min",
    "wrap_key_data",
]
