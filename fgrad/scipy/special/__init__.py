"""`scipy.special`, for arrays and for tracers: values of SciPy's, derivatives of every order.

What SciPy computes needs it installed (`pip install 'fgrad[scipy]'`), and says so at the first use. Without it there
are the functions of the chapter `entropy`, logsumexp, softmax, log_softmax, erf, erfc, erfinv, gammaln and exprel.

A function is of real numbers where nothing else is said; float32 stays float32, and integers are taken as float64. At a
pole, values and derivatives are as infinite as the mathematics has them. Parameters of a function that select one of a
discrete family (the n of `polygamma`, `expn`, `lpmv`, and the orders of Bessel functions) have no derivative: a
`NonDifferentiableError` says so when one is asked for.

The first three derivatives are right to a few units in the last place, also close to zeros, poles and removable
singularities, and far out, with these exceptions: `dawsn` around 6 (10⁻¹⁴, 10⁻¹², 10⁻¹¹); `i0e`, `i1e`, `k0e` and `k1e`
between 5 and 30, and `ive` and `kve` from 5 on, which lose a factor x with every order; derivatives of `beta` and
`betaln` by a parameter that is much larger than the other, which are differences of nearly equal numbers; and those of
`digamma`, `polygamma` and `gammaln` next to their negative poles, where SciPy's values lose digits too.
"""

from fgrad.numpy.normalized import log_softmax as log_softmax
from fgrad.numpy.normalized import softmax as softmax
from fgrad.numpy.reductions import logsumexp as logsumexp
from fgrad.scipy.special.bessel import *
from fgrad.scipy.special.entropy import *
from fgrad.scipy.special.gamma import *
from fgrad.scipy.special.hypergeometric import *
from fgrad.scipy.special.integrals import *
from fgrad.scipy.special.normal import *
