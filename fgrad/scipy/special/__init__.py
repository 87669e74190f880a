"""`scipy.special`, for arrays and for tracers: values of SciPy's, derivatives of every order.

What SciPy computes needs it installed (`pip install 'fgrad[scipy]'`), and says so at the first use. Without it there
are the functions of the chapter `entropy`, logsumexp, softmax, log_softmax, erf, erfc, erfinv, gammaln and exprel.

A function is of real numbers where nothing else is said; float32 stays float32, and integers are taken as float64. At a
pole, values and derivatives are as infinite as the mathematics has them. Parameters of a function that select one of a
discrete family (the n of `polygamma`, `expn`, `lpmv`, and the orders of Bessel functions) have no derivative: a
`NonDifferentiableError` says so when one is asked for.
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
