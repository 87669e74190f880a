"""A whole step of training in one program: nothing is computed twice."""

from __future__ import annotations

from typing import Any

import numpy as np

import fgrad
import fgrad.numpy as fnp
from fgrad import optim
from fgrad.compiler.compiled import optimize
from fgrad.core import Literal

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(16, 6)), np.eye(4)[RNG.integers(4, size=16)]
PARAMS = [{"w": RNG.normal(size=shape), "b": np.zeros(shape[1])} for shape in ((6, 8), (8, 4))]
OPTIMIZER = optim.adam(1e-2)


def loss(params: Any, x: Any, y: Any) -> Any:
    first, last = params
    hidden = fnp.tanh(x @ first["w"] + first["b"])
    logits = hidden @ last["w"] + last["b"]
    penalty = sum(fnp.sum(layer["w"] ** 2) for layer in params)
    return fnp.mean(fnp.logsumexp(logits, axis=1) - fnp.sum(logits * y, axis=1)) + 1e-3 * penalty


def step(params: Any, state: Any, x: Any, y: Any) -> Any:
    value, grads = fgrad.value_and_grad(loss)(params, x, y)
    updates, state = OPTIMIZER.update(grads, state, params)
    return value, optim.apply_updates(params, updates), state


def test_no_expression_is_computed_twice() -> None:
    program = optimize(fgrad.make_jaxpr(step)(PARAMS, OPTIMIZER.init(PARAMS), X, Y))
    seen = set()
    for eqn in program.eqns:
        operands = tuple([repr(a.value) if type(a) is Literal else id(a) for a in eqn.invars])
        key = eqn.primitive.name, operands, repr(eqn.params)
        assert key not in seen, eqn
        seen.add(key)


def test_the_loss_is_computed_once_for_value_and_gradient() -> None:
    program = optimize(fgrad.make_jaxpr(step)(PARAMS, OPTIMIZER.init(PARAMS), X, Y))
    names = [eqn.primitive.name for eqn in program.eqns]
    assert names.count("tanh") == names.count("logsumexp_and_softmax") == 1
    assert names.count("dot_general") == 5  # two forward, one back, two of weights
    assert "softmax" not in names
