"""Some of the parameters: by key path, by labels, by masks."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import optim, tree
from fgrad.errors import ArgumentError, TreeStructureError
from tests.optim.cases import MASK, Layer, params

P = params()
G = tree.map(lambda x: x + 1.0, P)


def leaves(pytree: Any) -> list[Any]:
    return [np.asarray(x).tolist() for x in tree.leaves(pytree)]


def weights_alone(pytree: Any) -> Any:
    return tree.map_with_path(lambda path, x: x if "weight" in tree.keystr(path) else 0 * x, pytree)


MASKS: dict[str, Any] = {
    "tree": MASK,
    "function": lambda p: tree.map(lambda x: np.ndim(x) > 1, p),
    "glob": "*/weight",
    "long glob": "layers/*/weight",
    "expression": re.compile(r"layers/\d+/weight$"),
}


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("run", [lambda f: f, fgrad.jit])
def test_masked(kind: str, run: Any) -> None:
    opt = optim.masked(optim.adam(0.1), MASKS[kind])
    state = opt.init(P)
    assert [np.shape(x) for x in tree.leaves(state.inner_state.mu)] == [(3, 2)]
    updates, following = run(opt.update)(G, state, P)
    alone, _ = optim.adam(0.1).update(G, optim.adam(0.1).init(P), P)
    np.testing.assert_allclose(updates["layers"][0].weight, alone["layers"][0].weight, rtol=1e-15)
    assert np.array_equal(updates["layers"][0].bias, G["layers"][0].bias)
    assert updates["scale"] == G["scale"]
    assert tree.structure(following) == tree.structure(state)
    assert leaves(opt.update(G, state)[0]) == leaves(opt.update(G, state, P)[0])


@pytest.mark.parametrize("kind", MASKS)
def test_freezing_and_decay_take_the_same_masks(kind: str) -> None:
    frozen = optim.freeze(MASKS[kind])
    updates, _ = frozen.update(G, frozen.init(P))
    np.testing.assert_equal(leaves(updates), leaves(tree.map(np.subtract, G, weights_alone(G))))
    decay = optim.add_decayed_weights(0.5, MASKS[kind])
    updates, _ = decay.update(tree.map(np.zeros_like, G), decay.init(P), P)
    np.testing.assert_equal(leaves(updates), leaves(tree.map(lambda x: 0.5 * x, weights_alone(P))))


FAST = {"scale": "fast", "layers": "slow"}


@pytest.mark.parametrize(
    ("transforms", "labels"),
    [
        ({"scale": optim.sgd(1.0), "layers/*": optim.sgd(0.1, 0.9)}, None),
        ({"scale": optim.sgd(1.0), "*": optim.sgd(0.1, 0.9)}, None),
        ({re.compile("^s"): optim.sgd(1.0), re.compile("bias|weight"): optim.sgd(0.1, 0.9)}, None),
        ({"fast": optim.sgd(1.0), "slow": optim.sgd(0.1, 0.9)}, FAST),
        ({"fast": optim.sgd(1.0), "slow": optim.sgd(0.1, 0.9)}, lambda p: FAST),
        ({"fast": optim.sgd(1.0), "slow": optim.sgd(0.1, 0.9)}, optim.by_path({"scale": "fast", "*": "slow"})),
    ],
)
def test_multi_transform(transforms: Any, labels: Any) -> None:
    opt = optim.multi_transform(transforms, labels)
    state = opt.init(P)
    for run in (opt.update, fgrad.jit(opt.update)):
        updates, following = run(G, state, P)
        again, _ = run(G, following, P)
        assert updates["scale"] == again["scale"] == -G["scale"]
        np.testing.assert_allclose(updates["layers"][0].bias, -0.1 * G["layers"][0].bias, rtol=1e-15)
        np.testing.assert_allclose(again["layers"][0].weight, -0.19 * G["layers"][0].weight, rtol=1e-15)
        assert tree.structure(following) == tree.structure(state)
    assert sorted(optim.hyperparams(state, "*learning_rate").values()) == [0.1, 1.0]
    assert all(isinstance(key, str) for key in state.inner_states)


def test_agrees_with_optax() -> None:
    optax = pytest.importorskip("optax")
    jax = pytest.importorskip("jax")

    def both(library: Any) -> Any:
        groups = {"fast": library.sgd(0.1, 0.9), "slow": library.adam(0.01)}
        return library.chain(library.multi_transform(groups, FAST), library.masked(library.scale(2.0), MASK))

    ours, theirs = both(optim), both(optax)
    p, q = params(np.float32), jax.tree.map(jax.numpy.asarray, params(np.float32))
    state, their_state = ours.init(p), theirs.init(q)
    for _ in range(20):
        updates, state = ours.update(p, state, p)
        their_updates, their_state = theirs.update(q, their_state, q)
        p, q = optim.apply_updates(p, updates), optax.apply_updates(q, their_updates)
    for x, y in zip(tree.leaves(p), jax.tree.leaves(q), strict=True):
        np.testing.assert_allclose(x, np.asarray(y), rtol=1e-5, atol=1e-5)


def test_masks_that_do_not_fit() -> None:
    adam = optim.adam(0.1)
    with pytest.raises(ArgumentError, match=r"the pattern '\*/wieght' fits no parameter(?s:.*)'layers/0/weight'"):
        optim.masked(adam, "*/wieght").init(P)
    with pytest.raises(ArgumentError, match=r"adamw\.update: the pattern 'x' fits no parameter"):
        optim.adamw(0.1, mask="x").update(G, optim.adamw(0.1).init(P), P)
    with pytest.raises(
        ArgumentError, match=r"must hold True or False for every parameter, got 1 at params\['layers'\]"
    ):
        optim.masked(adam, {"layers": 1, "scale": True}).init(P)
    with pytest.raises(TreeStructureError, match="does not fit the prefix"):
        optim.masked(adam, {"scale": True}).init(P)
    with pytest.raises(ArgumentError, match="masked: `inner` is not a gradient transformation"):
        optim.masked(0.1, "*")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"masked\.update: `state` must be MaskedState"):
        optim.masked(adam, "*").update(G, adam.init(P))


def test_labels_that_do_not_fit() -> None:
    sgd = optim.sgd(0.1)
    with pytest.raises(ArgumentError, match=r"no pattern fits params\['scale'\], whose key path is 'scale'"):
        optim.multi_transform({"layers/*": sgd}).init(P)
    with pytest.raises(
        ArgumentError, match=r"the pattern 'scale' fits no parameter that is left(?s:.*)put the special"
    ):
        optim.multi_transform({"*": sgd, "scale": sgd}).init(P)
    with pytest.raises(ArgumentError, match=r"params\['scale'\] has the label 'fats'(?s:.*)'fast', 'slow'"):
        optim.multi_transform({"fast": sgd, "slow": sgd}, {"scale": "fats", "layers": "slow"}).init(P)
    with pytest.raises(ArgumentError, match=r"transforms\['a'\] is not a gradient transformation"):
        optim.multi_transform({"a": 0.1})  # type: ignore[dict-item]
    with pytest.raises(ArgumentError, match="a pattern is a glob or a compiled regular expression, got 3"):
        optim.by_path({3: "x"})
    with pytest.raises(ArgumentError, match=r"multi_transform\.update: `state` must be PartitionState"):
        optim.multi_transform({"*": sgd}).update(G, sgd.init(P))
    opt = optim.multi_transform({"*": sgd})
    with pytest.raises(TreeStructureError, match="`params` does not have the structure of grads"):
        opt.update(G, opt.init(P), {"layers": [Layer(1.0, None)], "scale": 1.0})


def test_named_chain() -> None:
    opt = optim.named_chain(("clip", optim.clip(0.5)), ("descend", optim.sgd(0.1)))
    state = opt.init(P)
    updates, state = opt.update(G, state, P)
    expected, _ = optim.chain(optim.clip(0.5), optim.sgd(0.1)).update(G, tuple(opt.init(P).values()), P)
    assert leaves(updates) == leaves(expected)
    assert state["descend"].count == 1
    with pytest.raises(ArgumentError, match="names must differ, got 'a', 'a'"):
        optim.named_chain(("a", optim.sgd(0.1)), ("a", optim.sgd(0.1)))
    with pytest.raises(ArgumentError, match=r"argument 0 must be \(name, transformation\)"):
        optim.named_chain(optim.sgd(0.1))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="argument 0, 'a', is not a gradient transformation"):
        optim.named_chain(("a", 3))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"named_chain\.update: `state` must be a dict with 'clip', 'descend'"):
        opt.update(G, {"clip": 1}, P)
