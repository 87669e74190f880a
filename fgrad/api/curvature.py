"""Products with the curvature matrices of statistics and of machine learning: Gauss-Newton and Fisher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fgrad.api.common import check_differentiable
from fgrad.api.jacobian import hvp
from fgrad.api.linear import check_arguments, linear_transpose, linearize
from fgrad.core.aval import Array, aval_of
from fgrad.core.boundary import check_callable, flat_leaves, parameter_names
from fgrad.errors import ArgumentError, message, public
from fgrad.primitives.exponential import exp, logaddexp
from fgrad.primitives.shape import reduce_sum
from fgrad.primitives.softmax import reduce_logsumexp
from fgrad.tree import flatten
from fgrad.tree.table import describe

__all__ = ["fisher_vp", "ggn_vp"]


@public
def ggn_vp(
    model: Callable[..., Any], loss: Callable[[Any], Any], primals: Sequence[Any], tangents: Sequence[Any]
) -> Any:
    """The product of the generalised Gauss-Newton matrix with a direction: Jᵀ·∇²L·J·t.

    J is the Jacobian of the model at the primals, ∇²L the Hessian of the loss at what the model returns. It is the
    Hessian of `loss(model(*primals))` without the curvature of the model: positive semi-definite for a convex loss.
    Costs a few evaluations; no matrix is formed.

    Args:
        model: a function of the primals that returns arrays, in a pytree.
        loss: a function of what the model returns, convex as a rule, with a scalar result; it closes over the targets.
        primals: the arguments of the model, a tuple of pytrees of real arrays.
        tangents: the direction, like the primals.

    Returns:
        The product, a tuple like the primals; for a single primal that entry alone.

    Raises:
        NonScalarOutputError: the loss is not a real scalar.
        NonDifferentiableError: a primal is an integer or a boolean.

    >>> import fgrad, numpy as np
    >>> a, b = np.array([[1.0, 2.0], [0.0, 1.0]]), np.zeros(2)
    >>> fgrad.ggn_vp(lambda x: a @ x, lambda y: 0.5 * ((y - b) ** 2).sum(), (np.ones(2),), (np.array([1.0, 0.0]),))
    array([1., 2.])

    Source: Schraudolph, "Fast curvature matrix-vector products for second-order gradient descent", 2002.
    """
    check_callable(loss, "ggn_vp", "ggn_vp(model, loss, (x,), (t,))")
    return _product(model, loss, primals, tangents, "ggn_vp")


@public
def fisher_vp(
    model: Callable[..., Any],
    family: str | Callable[[Any], Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
) -> Any:
    """The product of the Fisher information matrix with a direction, F·t.

    The model returns the natural parameters η of an exponential family, p(y | η) = h(y)·exp(⟨y, η⟩ − A(η)). Then
    F = E[∇log p · ∇log pᵀ] = Jᵀ·∇²A(η)·J exactly, the expectation being over labels that the model itself draws: no
    labels are needed. Examples and independent outputs are summed over; divide by their number for a mean.

    With "empirical" the model returns the log-likelihoods log p(yᵢ | x) of the examples with their given labels, one
    element each, and F = Σᵢ ∇log pᵢ · ∇log pᵢᵀ, which is not the same matrix.

    Args:
        model: a function of the primals.
        family: what η are the parameters of: "categorical" (logits, along the last axis), "bernoulli" (logits),
            "poisson" (log-rates), "gaussian" (means; unit variance); the log-partition function A, as a function of
            what the model returns, with a scalar result; or "empirical".
        primals: the arguments of the model, a tuple of pytrees of real arrays.
        tangents: the direction, like the primals.

    Returns:
        The product, a tuple like the primals; for a single primal that entry alone.

    Raises:
        ArgumentError: there is no such family.
        NonScalarOutputError: A is not a real scalar.
        NonDifferentiableError: a primal is an integer or a boolean.

    >>> import fgrad, numpy as np
    >>> x = np.array([[1.0, 0.0], [1.0, 2.0]])
    >>> fgrad.fisher_vp(lambda w: x @ w, "bernoulli", (np.zeros(2),), (np.array([1.0, 0.0]),))
    array([0.5, 0.5])

    Source: Martens, "New insights and perspectives on the natural gradient method", 2014, sections 9 and 11.
    """
    if isinstance(family, str):
        if family not in _FAMILIES:
            what = f"family of fisher_vp must be one of {', '.join(_FAMILIES)}, or a function, got {family!r}."
            raise ArgumentError(message(what, cure="Give the log-partition function of another family itself."))
        partition = _FAMILIES[family]
        return _product(model, lambda eta: sum(map(partition, flatten(eta)[0])), primals, tangents, "fisher_vp")
    if not callable(family):
        what = f"family of fisher_vp must be a name or a log-partition function, got {describe(family)}."
        raise ArgumentError(message(what, cure=f"The names are {', '.join(_FAMILIES)}."))
    return _product(model, family, primals, tangents, "fisher_vp")


def _categorical(eta: Array) -> Array:
    return _total(reduce_logsumexp(eta, axes=(aval_of(eta).ndim - 1,)))


def _bernoulli(eta: Array) -> Array:
    return _total(logaddexp(eta, 0.0))


def _poisson(eta: Array) -> Array:
    return _total(exp(eta))


def _gaussian(eta: Array) -> Array:
    return 0.5 * _total(eta * eta)


def _total(x: Array) -> Array:
    return reduce_sum(x, axes=tuple(range(aval_of(x).ndim)))


_FAMILIES: dict[str, Callable[[Array], Array]] = {
    "categorical": _categorical,
    "bernoulli": _bernoulli,
    "poisson": _poisson,
    "gaussian": _gaussian,
    "empirical": _gaussian,  # the Hessian is the identity: what is left is the sum of outer products of gradients
}
"""Log-partition functions, summed over all distributions in an array."""


def _product(
    model: Callable[..., Any], loss: Callable[[Any], Any], primals: Sequence[Any], tangents: Sequence[Any], verb: str
) -> Any:
    """Jᵀ·∇²L·J·t. The model is evaluated and linearized once; the transpose is that of the linear map."""
    usage = f"{verb}(model, {'loss' if verb == 'ggn_vp' else 'family'}, (x,), (t,))"
    check_callable(model, verb, usage)
    check_arguments(primals, "primals", verb)
    check_arguments(tangents, "tangents", verb)
    names = parameter_names(model, len(primals))
    leaves, _ = flat_leaves(primals, names, verb)
    check_differentiable(leaves, primals, names, verb, allow_int=None)
    out, push = linearize(model, *primals)
    curved = hvp(loss, (out,), (push(*tangents),))
    product = linear_transpose(push, *primals)(curved)
    return product[0] if len(primals) == 1 else product
