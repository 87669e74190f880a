"""The first programs of the gallery: their published numbers, and their pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import fgrad
from tests.examples.loading import FOLDER, inked, load, printed_by

pytest.importorskip("matplotlib")


# chain_rule.py


def test_z_of_x_y_and_w_at_every_node() -> None:
    example = load("chain_rule")
    graph = example.graphs()["z = (x + y)·w"]
    numbers = {node.label: (float(node.value), float(node.gradient)) for node in graph.nodes}
    assert numbers["q"] == (3, -4)
    assert numbers["z"] == (-12, 1)
    assert [numbers[name][1] for name in "xyw"] == [-4, -4, 3] == list(example.product_by_hand(-2, 5, -4))


def test_one_neuron_and_two_by_hand() -> None:
    example = load("chain_rule")
    neuron, x, y = example.NEURON_AT
    assert fgrad.grad(example.loss)(neuron, x, y) == example.loss_by_hand(neuron, x, y) == example.Neuron(-4.5, -1.5)
    gradient = fgrad.grad(example.chain, argnums=(0, 1, 2, 3))(*example.CHAIN_AT)
    assert [float(g) for g in gradient] == [6, 3, -3, -1.5] == list(example.chain_by_hand(*example.CHAIN_AT))
    graph = example.graphs()["two neurons in a row"]
    assert [float(graph.node(name).gradient) for name in ("w1", "b1", "w2", "b2", "h", "out")] == [
        6,
        3,
        -3,
        -1.5,
        3,
        -1.5,
    ]


def test_the_neuron_finds_the_line() -> None:
    example = load("chain_rule")
    way = example.fit(100)
    assert way[1][0] == pytest.approx((1.05, 0.6))  # 0.3 times the means of xy and y
    assert way[-1][0] == pytest.approx((2, 1), abs=1e-10)
    losses = [loss for _, loss in way]
    assert losses[0] == pytest.approx(4.5)
    assert sorted(losses, reverse=True) == losses


# two_two_two.py


def test_the_published_numbers() -> None:
    example = load("two_two_two")
    np.testing.assert_allclose(example.predict(example.START), [0.75136507, 0.772928465], atol=5e-9)
    assert example.loss(example.START) == pytest.approx(0.298371109, abs=5e-10)
    after = example.step(example.START)
    np.testing.assert_allclose(np.ravel(after.hidden), [0.149780716, 0.19956143, 0.24975114, 0.29950229], atol=5e-9)
    np.testing.assert_allclose(np.ravel(after.output), [0.35891648, 0.408666186, 0.511301270, 0.561370121], atol=5e-9)
    assert example.loss(after) == pytest.approx(0.2910278, abs=5e-8)


def test_the_graph_has_the_same_gradients() -> None:
    example = load("two_two_two")
    graph, gradient = example.graph(), fgrad.grad(example.loss)(example.START)
    drawn = [graph.node(f"w{i}").gradient for i in range(1, 9)]
    np.testing.assert_allclose(drawn, np.concatenate([np.ravel(g) for g in gradient]), rtol=1e-13)
    assert graph.node("w5").gradient == pytest.approx(0.082167041, abs=5e-10)
    assert graph.node("w1").gradient == pytest.approx(0.000438568, abs=5e-10)


def test_it_is_trained_to_a_tolerance() -> None:
    example = load("two_two_two")
    weights, steps = example.train(example.START, 1e-4)
    assert example.loss(weights) <= 1e-4
    assert 1000 < steps < 10_000
    before = example.curve(example.START, 2, int(steps) - 1)
    assert before[1] > 1e-4  # one step fewer would not have done
    assert before[0] == pytest.approx(0.298371109, abs=5e-10)
    np.testing.assert_allclose(example.predict(weights), example.TARGETS, atol=0.012)


# gradient_descent.py


def test_weights_halve_their_way_to_two() -> None:
    example = load("gradient_descent")
    expected = [Fraction(1), *map(Fraction, ("3/2", "7/4", "15/8", "31/16", "63/32", "127/64"))]
    assert example.weights_by_hand(7) == expected
    np.testing.assert_allclose(example.weights(0.5, 7), [float(w) for w in expected], rtol=4e-16)
    for w in (-1.0, 0.0, 5.0):
        assert fgrad.grad(example.loss)(w) == pytest.approx(w - 2, abs=1e-15)


def test_the_matrix_form_in_single_precision() -> None:
    example = load("gradient_descent")
    early, late = (example.descend(example.MATRIX_STEP, steps) for steps in (1_000, 10_000))
    assert early.dtype == late.dtype == np.float32
    np.testing.assert_allclose(early, [1.0372, 0.9102], atol=5e-5)
    np.testing.assert_allclose(late, [1, 1], atol=5e-5)
    assert 1e-10 < example.squares(late) < 1e-9


def test_the_final_weights_by_the_step_size() -> None:
    example = load("gradient_descent")
    for step_size in (0.1, 0.5, 1.5):
        for derivative in (fgrad.grad, fgrad.jacfwd):
            slope = derivative(lambda eta: example.weights(eta, 7)[-1])(step_size)
            assert slope == pytest.approx(example.slope_by_hand(step_size, 7), rel=1e-12)
    assert example.slope_by_hand(0.5, 7) == 14 / 64
    expected = example.matrix_slope_by_hand(0.01, 1_000)
    for derivative in (fgrad.jacfwd, fgrad.jacrev):
        np.testing.assert_allclose(derivative(example.descend)(example.MATRIX_STEP, 1_000), expected, rtol=1e-4)
    way = example.matrix_way(example.MATRIX_STEP, 1_000)
    np.testing.assert_allclose(way[-1], example.descend(example.MATRIX_STEP, 1_000), rtol=1e-6)


# regularised_mlp.py


def test_the_gradient_of_the_regularised_objective() -> None:
    example = load("regularised_mlp")
    for seed in range(3):
        at = example.example(seed)
        graph = fgrad.viz.graph(example.objective, *at, values=True, gradients=True)
        gradient = fgrad.grad(example.objective, argnums=(0, 1))(*at)
        for by_fgrad, by_hand in zip(gradient, example.gradient_by_hand(graph), strict=True):
            np.testing.assert_allclose(by_fgrad, by_hand, rtol=1e-12, atol=1e-14)
        w1, w2, x, y = at
        o = w2 @ np.tanh(w1 @ x)
        assert graph.node("L").value == pytest.approx(np.sum((o - y) ** 2) / 2)
        assert graph.node("s").value == pytest.approx(0.05 * (np.sum(w1**2) + np.sum(w2**2)))
        np.testing.assert_allclose(graph.node("o").gradient, o - y, rtol=1e-12)


def test_memory_of_training_grows_with_depth_and_batch() -> None:
    example = load("regularised_mlp")
    memory = {(d, b): example.memory(d, b) for d, b in ((4, 256), (16, 256), (64, 256), (16, 1024))}
    for used in memory.values():
        assert used["prediction"] < used["training, checkpointed"] < used["training"]
    by_depth = {name: memory[64, 256][name] / memory[4, 256][name] for name in memory[4, 256]}
    assert by_depth["prediction"] == 1
    assert 12 <= by_depth["training"] <= 20  # sixteen times as deep
    assert by_depth["training, checkpointed"] <= 5  # the square root of that
    assert 3.5 <= memory[16, 1024]["prediction"] / memory[16, 256]["prediction"] <= 4.5
    assert 3.5 <= memory[16, 1024]["training"] / memory[16, 256]["training"] <= 6


def test_checkpointing_changes_no_gradient() -> None:
    example = load("regularised_mlp")
    rng = np.random.default_rng(0)
    ws, x = [rng.normal(size=(3, 3)) for _ in range(5)], rng.normal(size=(2, 3))
    plain, saving = (
        fgrad.grad(lambda ws, f=f: f(ws, x).sum())(ws) for f in (example.predict, example.predict_in_parts)
    )
    np.testing.assert_allclose(plain, saving, rtol=1e-12)


def test_the_graph_of_the_second_derivative() -> None:
    example = load("regularised_mlp")
    graph, t = example.second_derivative_graph(0.7), np.tanh(0.7)
    assert graph.node("out").value == pytest.approx((1 - t**2) * (1 - 3 * t**2) + example.LAMBDA, rel=1e-12)


# neuron.py


def test_partial_derivatives_of_a_neuron() -> None:
    example = load("neuron")
    rng = np.random.default_rng(0)
    for at in (example.NEURON_AT, *rng.normal(size=(5, 4))):
        gradient = fgrad.grad(example.neuron_loss, argnums=(0, 1, 2, 3))(*map(float, at))
        np.testing.assert_allclose(gradient, example.neuron_by_hand(*at), rtol=1e-12)
    assert example.neuron_loss(*example.NEURON_AT) == pytest.approx(0.334214, abs=5e-7)
    assert gradient_of_bias(example) == pytest.approx(0.121938, abs=5e-7)


def gradient_of_bias(example) -> float:
    return fgrad.grad(example.neuron_loss, argnums=1)(*example.NEURON_AT)


def test_errors_of_two_layers_for_every_cost() -> None:
    example = load("neuron")
    for seed in range(4):
        differences = example.compare(seed)
        assert list(differences) == list(example.COSTS)
        assert max(differences.values()) < 1e-14


def test_cross_entropy_of_a_unit_that_is_badly_wrong() -> None:
    example = load("neuron")
    z, y = np.array([40.0]), np.array([0.0])
    assert fgrad.grad(example.sigmoid_cross_entropy)(z, y) == pytest.approx([1.0])
    assert 0 <= fgrad.grad(example.sigmoid_quadratic)(z, y)[0] < 1e-15


def test_the_picture_in_the_readme_is_up_to_date() -> None:
    example = load("neuron")
    graph = fgrad.viz.graph(example.neuron_loss, *map(np.float64, example.NEURON_AT), values=True, gradients=True)
    assert (FOLDER.parent / "docs" / "neuron.svg").read_text("utf-8") == graph.svg(engine="fgrad")


# custom_multiply.py


def test_the_passes_of_the_product_run_and_save_the_inputs() -> None:
    example = load("custom_multiply")
    example.calls.clear()
    assert [float(g) for g in fgrad.grad(example.multiply, argnums=(0, 1))(3.0, -4.0)] == [-4, 3]
    assert example.calls == ["forward", "backward"]
    out, saved = example.forward(3.0, -4.0)
    assert (out, saved) == (-12.0, (3.0, -4.0))
    assert example.backward(saved, 2.0) == (-8.0, 6.0)


def test_the_product_under_every_transform() -> None:
    example = load("custom_multiply")
    derivative = example.cube
    for expected in (12.0, 12.0, 6.0, 0.0):
        derivative = fgrad.grad(derivative)
        assert derivative(2.0) == expected
    x = np.linspace(-1, 1, 5)
    np.testing.assert_allclose(fgrad.jit(fgrad.vmap(fgrad.grad(example.cube)))(x), 3 * x**2)
    assert fgrad.testing.check_rule(example.multiply, x, x + 2).notes == ()


# What all print and draw


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("chain_rule", (), ("-4.0 -4.0 3.0", "6.0 3.0 -3.0 -1.5", "w  2.00000   b  1.00000")),
        ("two_two_two", ("--tolerance", "1e-3"), ("0.298371109", "0.35891648", "0.149780716")),
        (
            "gradient_descent",
            (),
            ("1 3/2 7/4 15/8 31/16 63/32 127/64", "[1.0372, 0.9102]", "[1.0000, 1.0000]", "0.218750"),
        ),
        ("regularised_mlp", (), ("∂J/∂W₁ = ∂J/∂z xᵀ + λW₁", "prediction  training")),
        ("neuron", (), ("0.334214", "softmax, cross entropy")),
        ("custom_multiply", (), ("-4.0 3.0 by the passes forward backward", "derivative 3 of x³ at 2: 6.0", "agrees")),
    ],
)
def test_what_is_printed_and_drawn(
    name: str, arguments: tuple[str, ...], words: tuple[str, ...], tmp_path: Path
) -> None:
    picture = tmp_path / "picture.png"
    printed = printed_by(load(name), *arguments, "--out", str(picture))
    for text in words:
        assert text in printed
    assert printed.splitlines()[-1] == f"picture {picture}"
    assert 0.02 < inked(picture) < 0.6
