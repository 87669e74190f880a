"""Real-time recurrent learning: the gradient in forward mode, step by step, in memory that does not grow with time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fgrad.numpy as fnp
from fgrad import flatten_util, lax, tree
from fgrad.api.grad import grad
from fgrad.api.linear import jvp
from fgrad.api.vmap import vmap
from fgrad.core import Array
from fgrad.core.boundary import check_callable
from fgrad.errors import public
from fgrad.nn.operands import floating
from fgrad.nn.recurrent.cells import Cell

__all__ = ["rtrl"]


@public
def rtrl(cell: Cell, loss: Callable[..., Array]) -> Callable[..., tuple[Array, Any]]:
    """Value and gradient of a sum of losses over time, without going back in time.

    With θ the parameters, s the state, and S = ∂s/∂θ the sensitivities, which begin with 0, each step makes
    S ← ∂F/∂s·S + ∂F/∂θ and adds ∂loss/∂out·(∂out/∂s·S + ∂out/∂θ) to the gradient. The gradient is the same as that of
    back-propagation through time; it takes as many tangents as there are parameters, and no memory of the past.

    Args:
        cell: what `rnn`, `gru`, `lstm` and the like return.
        loss: `loss(out, target)` gives a scalar.

    Returns:
        A function `(params, xs, targets, start=None)`: `xs` of shape (steps, …, inputs), `targets` a pytree with
        a first axis of steps; it gives the sum of the losses over all steps, and the gradient, like the parameters.

    Raises:
        ArgumentError: `loss` is not callable.

    >>> import fgrad, numpy as np
    >>> from fgrad.nn.recurrent import rnn
    >>> cell = rnn(3, 2)
    >>> params = cell.init(fgrad.random.key(0))
    >>> total, gradient = rtrl(cell, lambda out, y: ((out - y) ** 2).sum())(params, np.ones((5, 3)), np.zeros((5, 2)))
    >>> gradient.recurrent.shape
    (2, 2)

    Source: Williams & Zipser, "A learning algorithm for continually running fully recurrent neural networks" (1989).
    """
    check_callable(loss, "rtrl", "rtrl(cell, loss)")

    def value_and_gradient(params: Any, xs: Any, targets: Any, start: Any = None) -> tuple[Array, Any]:
        xs = floating("rtrl", "xs", xs)
        state = cell.start(params, fnp.shape(xs)[1:-1]) if start is None else start
        flat, unravel = flatten_util.ravel_pytree(params)
        directions = fnp.eye(fnp.shape(flat)[0], dtype=flat.dtype)
        nothing = tree.map(lambda s: fnp.zeros((fnp.shape(flat)[0], *fnp.shape(s)), fnp.result_type(s)), state)

        def step(carry: tuple[Any, Any, Array, Array], inputs: tuple[Array, Any]) -> tuple[Any, None]:
            state, sensitivities, total, gradient = carry
            x, target = inputs

            def run(flat: Array, state: Any) -> tuple[Any, Array]:
                return cell.step(unravel(flat), state, x)

            def pushed(direction: Array, sensitivity: Any) -> tuple[Any, Array]:
                tangents: tuple[Any, Array] = jvp(run, (flat, state), (direction, sensitivity))[1]
                return tangents

            state_after, out = run(flat, state)
            sensitivities, outs = vmap(pushed)(directions, sensitivities)
            slope = grad(loss)(out, target)
            shares = fnp.sum(outs * slope, axis=tuple(range(1, fnp.ndim(outs))))
            return (state_after, sensitivities, total + loss(out, target), gradient + shares), None

        zero = fnp.zeros((), flat.dtype)
        (_, _, total, gradient), _ = lax.scan(step, (state, nothing, zero, fnp.zeros_like(flat)), (xs, targets))
        return total, unravel(gradient)

    return value_and_gradient
