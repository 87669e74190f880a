"""A whole training step as one program: nothing is computed twice, every parameter is touched once."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad import optim, tree
from fgrad.compiler.compiled import optimize
from fgrad.core.jaxpr import Jaxpr, Var

LAYERS = 25


def network() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    return [
        {"w": rng.normal(0, 0.4, (8 + i % 2, 8 + (i + 1) % 2)).astype(np.float32), "b": np.zeros(8 + (i + 1) % 2, "f4")}
        for i in range(LAYERS)
    ]


def loss(p: Any, x: Any, y: Any) -> Any:
    for layer in p:
        x = fnp.tanh(x @ layer["w"] + layer["b"])
    return fnp.mean((x - y) ** 2)


def train_step(opt: optim.GradientTransformation) -> Any:
    def step(p: Any, state: Any, x: Any, y: Any) -> Any:
        value, grads = fgrad.value_and_grad(loss)(p, x, y)
        updates, state = opt.update(grads, state, p)
        return optim.apply_updates(p, updates), state, value

    return step


def duplicates(jaxpr: Jaxpr) -> list[str]:
    """Equations that another one, with the same arguments, has computed already."""
    seen = Counter((e.primitive.name, tuple(map(id, e.invars)), repr(sorted(e.params.items()))) for e in jaxpr.eqns)
    return [key[0] for key, n in seen.items() if n > 1]


@pytest.mark.parametrize("make", [optim.adam, optim.rmsprop, optim.amsgrad])
def test_a_step_over_fifty_leaves(make: Any) -> None:
    opt, p = optim.chain(optim.clip_by_global_norm(1.0), make(1e-3)), network()
    assert len(tree.leaves(p)) == 50
    x, y = np.ones((4, 8), np.float32), np.full((4, 9), 0.5, np.float32)
    args = p, opt.init(p), x, y
    step = fgrad.jit(train_step(opt))
    lowered = step.lower(*args)
    program = optimize(lowered.jaxpr).jaxpr
    assert duplicates(program) == []
    uses = Counter(a for e in program.eqns for a in e.invars if type(a) is Var)
    # read by its layer, by the gradient of the layers below (not of a bias, nor of the first one), and by the update
    assert [uses[v] for v in program.invars[:50]] == [2, 2, *[2, 3] * 24]
    source = lowered.as_text()
    if make is optim.adam:
        # one root of second moments for every leaf, one of their correction, one for the norm
        assert len(re.findall(r"np\.sqrt\(", source)) == 52
        assert len(re.findall(r"np\.power\(", source)) == 2
        assert len(re.findall(r"np\.divide\(", source)) == 50
    before = tree.map(np.copy, args)
    q, state, value = step(*args)
    r, eager_state, eager_value = train_step(opt)(*args)
    for a, b in zip(tree.leaves((q, state, value)), tree.leaves((r, eager_state, eager_value)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)
    for a, b in zip(tree.leaves(before), tree.leaves(args), strict=True):
        assert np.array_equal(a, b)
    for _ in range(30):
        q, state, last = step(q, state, x, y)
    assert last < value


@pytest.mark.parametrize(
    ("make", "operations"),
    [
        # how many NumPy calls on whole arrays a step takes; every one goes through memory once
        (lambda: optim.sgd(0.1), 2),
        (lambda: optim.sgd(0.1, 0.9), 4),
        (lambda: optim.adam(0.1), 12),
        (lambda: optim.adamw(0.1), 14),
        (lambda: optim.rmsprop(0.1), 9),
        (lambda: optim.adagrad(0.1, initial_accumulator_value=0.1), 11),
        (lambda: optim.lion(0.1), 11),
        (lambda: optim.amsgrad(0.1), 14),
    ],
)
def test_how_often_an_update_goes_through_memory(make: Any, operations: int) -> None:
    opt, p = make(), np.ones(300, np.float32)

    def step(p: Any, state: Any, g: Any) -> Any:
        updates, state = opt.update(g, state, p)
        return optim.apply_updates(p, updates), state

    jaxpr = optimize(fgrad.jit(step).lower(p, opt.init(p), p).jaxpr).jaxpr
    assert duplicates(jaxpr) == []
    assert len([e for e in jaxpr.eqns if e.outvars[0].aval.shape]) <= operations
