"""The gallery: networks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import fgrad
from fgrad import random, tree
from tests.examples.loading import load

Run = Callable[..., dict[str, list[float]]]


def test_optimizers(run: Run) -> None:
    assert run("optimizers")["Adam"] == [0.075, pytest.approx(6e-14, rel=0.5), 135]
    module = load("optimizers")
    bowl, rosenbrock = module.SURFACES["bowl"], module.SURFACES["Rosenbrock"]
    makers = {name: make for name, (make, _) in module.OPTIMIZERS.items()}
    paths = {name: module.best_path(make, bowl, 300)[1] for name, make in makers.items()}
    steps = {name: module.steps_until(path, bowl) for name, path in paths.items()}
    assert steps == {"SGD": 187, "momentum": 109, "AdaGrad": 13, "RMSProp": 261, "Adam": 135}
    _, creeping = module.best_path(makers["SGD"], rosenbrock, 300)
    _, rolling = module.best_path(makers["momentum"], rosenbrock, 300)
    assert rosenbrock.function(creeping[-1]) > 0.05 > 1e-4 > rosenbrock.function(rolling[-1])
    path = module.descend(module.optim.sgd(0.0), bowl, 3, 0.01)  # x ← (1 - rate·curvature) x
    for n, point in enumerate(path, start=1):
        np.testing.assert_allclose(point, bowl.start * np.array([0.99, 0.5]) ** n, rtol=1e-12)


def test_initialisation(run: Run) -> None:
    found = run("initialisation", "--width", "192")
    *_, activations, gradients = found["relu, Xavier"]
    assert activations == pytest.approx(np.sqrt(0.5), abs=0.02)  # half of the mean square is lost in every layer
    assert gradients == pytest.approx(np.sqrt(0.5), abs=0.02)
    *_, activations, gradients = found["relu, Kaiming"]
    assert activations == pytest.approx(1, abs=0.02)
    assert gradients == pytest.approx(1, abs=0.02)
    first, last, *_ = found["tanh, Xavier"]
    assert 0.1 < last < first < 0.7  # nearly linear: it falls slowly
    first, last, *_ = found["tanh, Kaiming"]
    assert last > 0.5


def test_gradients_of_layers_are_those_of_activations() -> None:
    module = load("initialisation")
    signals = module.propagate(random.key(0), module.INITIALIZERS["Xavier"], module.ACTIVATIONS["tanh"], 5, 16, 3)
    weight_keys = random.split(random.split(random.key(0), 3)[0], 5)
    weights = [module.INITIALIZERS["Xavier"](k, (16, 16)) for k in weight_keys]
    back = signals.gradients[4]
    for layer in (4, 3, 2, 1):  # δ ← (δ ∘ φ') Wᵀ
        back = (back * (1 - signals.activations[layer] ** 2)) @ weights[layer].T
        np.testing.assert_allclose(back, signals.gradients[layer - 1], rtol=1e-10)


def test_convnet_digits(run: Run) -> None:
    found = run("convnet_digits", "--epochs", "12")
    assert found["parameters"] == [13706]
    assert found["accuracy"][0] > 99
    accuracy, tests = found[""]
    assert tests == 360
    assert accuracy >= 98


def test_vae_digits(run: Run) -> None:
    found = run("vae_digits", "--epochs", "80")
    assert found["KL against sampling"][0] < 0.02
    *_, before = found["at first"]
    pixels, divergence, bound = found["learnt"]
    assert before == pytest.approx(47.89, abs=0.05)
    assert bound == pytest.approx(pixels + divergence, abs=0.02)
    assert bound < 26
    assert divergence > 1.5  # the code is in use
    error, of_the_mean = found["pixels are off by"]
    assert error < 0.8 * of_the_mean
    module = load("vae_digits")
    images = np.arange(4 * 64.0).reshape(4, 64)
    tiled = module.mosaic(images, 2)
    np.testing.assert_array_equal(tiled[9:17, 9:17], images[3].reshape(8, 8))


def test_rnn_text(run: Run) -> None:
    found = run("rnn_text", "--steps", "120")
    for name, limit in {
        "RNN": 1.5,
        "GRU": 2.0,
        "LSTM": 3.0,
        "peephole LSTM": 3.0,
        "coupled LSTM": 3.0,
        "two LSTMs": 3.5,
    }.items():
        assert found[name][0] < limit, name
    assert found["gradients grow per step by"][:3] == [0.8, 1.0, 1.25]
    plain, bits = found["plain    gradients up to"]
    clipped, clipped_bits = found["clipped  gradients up to"]
    assert plain > 1e9 > 1e4 > clipped
    assert clipped_bits < bits - 0.5
    from_the_left, both = found["letters of long words in new text:"]
    assert both > from_the_left + 5


def test_the_text_is_recited() -> None:
    module = load("rnn_text")
    assert module.TEXT.startswith("The Zen of Python, by Tim Peters\n")
    params, losses, _ = module.learn("GRU", random.key(0), 300)
    assert np.mean(losses[-10:]) == pytest.approx(0.25, abs=0.1)
    said = module.recite(params, module.CELLS["GRU"], "Beautiful is better", 60)
    assert said.startswith("Beautiful is better than ")
    pieces = [said[i : i + 10] for i in range(len(said) - 10)]
    assert np.mean([piece in module.TEXT for piece in pieces]) > 0.7


def test_meta_learning(run: Run) -> None:
    found = run("meta_learning", "--steps", "600")
    before, *after = found["Meta-learnt"]
    assert before > 2.5
    assert after[0] < 1.5
    assert after[2] < after[0]
    plain = found["Trained on all tasks"]
    assert plain[1] > 2 * after[0]


def test_the_meta_gradient_holds_a_hessian() -> None:
    module = load("meta_learning")
    params, task = module.init(random.key(0)), module.draw_task(random.key(1))
    theta, unravel = fgrad.flatten_util.ravel_pytree(params)
    moved, _ = fgrad.flatten_util.ravel_pytree(module.adapt(params, task.seen))
    found, _ = fgrad.flatten_util.ravel_pytree(fgrad.grad(module.adapted_loss)(params, task))
    outer = fgrad.grad(lambda t: module.loss(unravel(t), task.new))(moved)
    product = fgrad.hvp(lambda t: module.loss(unravel(t), task.seen), (theta,), (outer,))
    np.testing.assert_allclose(found, outer - module.INNER_RATE * product, rtol=1e-9, atol=1e-12)


def test_implicit_layer(run: Run) -> None:
    found = run("implicit_layer", "--steps", "40")
    assert found["gradient against"][1] < 1e-12
    module = load("implicit_layer")
    params, x = module.init(random.key(3)), np.array([0.5, -1.0])
    z = module.equilibrium(params, x)
    np.testing.assert_allclose(module.update(z, params, x), z, atol=1e-12)
    assert found["accuracy"][0] > 90


def test_neural_ode(run: Run) -> None:
    found = run("neural_ode", "--steps", "80")
    assert found["adjoint against differences"][0] < 1e-7
    at_first, at_last = found["distance from the pieces"]
    assert at_last < 0.5 * at_first


def test_physics_informed(run: Run) -> None:
    found = run("physics_informed", "--steps", "800")
    assert found["parameters"] == [501]
    at_first, learnt = found["relative error"]
    assert at_first == pytest.approx(0.8852, abs=1e-4)
    assert learnt < 5e-3
    module = load("physics_informed")
    params = tree.map(np.zeros_like, module.init(random.key(0)))
    x, t = 0.3, 0.2  # the network says nothing: u is what it was at first
    wanted = 0.1 * np.pi**2 * (np.sin(np.pi * x) + 4.5 * np.sin(3 * np.pi * x))
    assert float(module.residual(x, t, params)) == pytest.approx(wanted, rel=1e-12)
