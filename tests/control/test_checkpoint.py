"""Rematerialization: the same values and derivatives, nothing kept but the arguments, everything computed again."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad import errors
from fgrad.core.jaxpr import ClosedJaxpr
from tests.compiler.tiling import whole_arrays
from tests.control.transforms import FIRST, SECOND


def f(x: Any) -> Any:
    return np.sin(np.sin(x) * x)


def counts(jaxpr: ClosedJaxpr) -> Counter[str]:
    """How often each primitive stands in a program, calls looked into."""
    found: Counter[str] = Counter()
    for eqn in jaxpr.eqns:
        found[eqn.primitive.name] += 1
        for value in eqn.params.values():
            if isinstance(value, ClosedJaxpr):
                found += counts(value)
    return found


@pytest.mark.parametrize("way", FIRST)
def test_first_derivatives(way: str) -> None:
    expected = fgrad.grad(f)(0.7)
    np.testing.assert_allclose(FIRST[way](fgrad.checkpoint(f), 0.7), expected, rtol=1e-12)
    nested = fgrad.checkpoint(lambda x: fgrad.checkpoint(f)(x) + fgrad.checkpoint(f)(2 * x))
    expected = fgrad.grad(lambda x: f(x) + f(2 * x))(0.7)
    np.testing.assert_allclose(FIRST[way](nested, 0.7), expected, rtol=1e-12)


@pytest.mark.parametrize("way", SECOND)
def test_second_derivatives(way: str) -> None:
    expected = fgrad.grad(fgrad.grad(f))(0.7)
    np.testing.assert_allclose(SECOND[way](fgrad.checkpoint(f), 0.7), expected, rtol=1e-12)


@pytest.mark.parametrize("way", FIRST)
def test_closing_over_what_is_differentiated(way: str) -> None:
    def loss(w: Any) -> Any:
        return fgrad.checkpoint(lambda x: np.sin(w * x) * w)(w) + fgrad.checkpoint(lambda x: w * x)(3.0)

    expected = fgrad.grad(lambda w: np.sin(w * w) * w + w * 3.0)(0.7)
    np.testing.assert_allclose(FIRST[way](loss, 0.7), expected, rtol=1e-12)


def test_values_name_doc_and_signature() -> None:
    @fgrad.checkpoint
    def scaled(x: Any, *, by: Any = 2.0) -> Any:
        """Scales."""
        return x * by

    assert scaled(3.0) == 6.0
    assert scaled(3.0, by=5.0) == 15.0
    assert scaled.__name__ == "scaled"
    assert scaled.__doc__ == "Scales."
    assert fgrad.grad(lambda by: scaled(3.0, by=by))(5.0) == 3.0
    assert fgrad.jit(fgrad.grad(lambda by: scaled(3.0, by=by)))(5.0) == 3.0
    assert fgrad.remat is fgrad.checkpoint


def test_pytrees_and_integers_in_and_out() -> None:
    @fgrad.checkpoint
    def layer(p: Any, n: Any) -> Any:
        return {"out": np.tanh(p["w"] * n).sum(), "n": n + 1, "none": None}

    p = {"w": np.array([0.1, 0.2])}
    for wrap in (lambda g: g, fgrad.jit):
        out = wrap(layer)(p, 3)
        assert out["n"] == 4
        assert out["none"] is None
        (gradient,) = wrap(fgrad.grad(lambda p: layer(p, 3)["out"]))(p).values()
        np.testing.assert_allclose(gradient, 3 * (1 - np.tanh(3 * p["w"]) ** 2))
        pushed = wrap(lambda p: fgrad.jvp(lambda q: layer(q, 3)["out"], (p,), (p,))[1])(p)
        np.testing.assert_allclose(pushed, (gradient * p["w"]).sum())


def test_python_control_flow_on_values() -> None:
    """Under `grad` alone the function runs on values, and runs again when it is differentiated."""
    runs = []

    @fgrad.checkpoint
    def root(x: Any) -> Any:
        runs.append(float(x))
        y = x
        while abs(y * y - x) > 1e-12:
            y = (y + x / y) / 2
        return y

    assert fgrad.grad(root)(4.0) == pytest.approx(0.25)
    assert runs == [4.0, 4.0]
    assert fgrad.jvp(root, (4.0,), (1.0,))[1] == pytest.approx(0.25)
    assert fgrad.grad(fgrad.grad(root))(4.0) == pytest.approx(-1 / 32)


def test_the_recomputation_shows_in_the_jaxpr() -> None:
    jaxpr = fgrad.make_jaxpr(fgrad.grad(fgrad.checkpoint(f)))(0.7)
    forward, backward = jaxpr.eqns
    assert counts(forward.params["jaxpr"]) == {"sin": 2, "mul": 1}
    again = counts(backward.params["jaxpr"])
    assert again["cos"] == 2
    assert again["sin"] == 1  # what the derivative needs of the way to the result, and no more
    assert counts(fgrad.make_jaxpr(fgrad.grad(f))(0.7))["sin"] == 2


def test_residuals_are_the_arguments_alone() -> None:
    jaxpr = fgrad.make_jaxpr(lambda x: fgrad.vjp(fgrad.checkpoint(f), x)[1](1.0))(0.7)
    forward, backward = jaxpr.eqns
    (argument,) = jaxpr.jaxpr.invars
    assert list(forward.invars) == [argument]
    assert backward.invars[0] is argument
    assert not set(backward.invars) & set(forward.outvars)


def test_jit_does_not_undo_it() -> None:
    step = fgrad.jit(fgrad.value_and_grad(fgrad.checkpoint(f)))
    assert counts(step.lower(0.7).compile().jaxpr)["sin"] == 3
    plain = fgrad.jit(fgrad.value_and_grad(f))
    assert counts(plain.lower(0.7).compile().jaxpr)["sin"] == 2
    np.testing.assert_allclose(step(0.7), plain(0.7), rtol=1e-12)


def peak(run: Callable[[], Any]) -> int:
    """The most memory that a call takes, in bytes."""
    run()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def whole() -> Iterator[None]:
    with whole_arrays():
        yield


BLOCKS, STEPS, SIZE = 8, 10, 20_000
LAYERS, EVERY = 100, 10


def chain(wrap: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A deep element-wise chain, block by block."""

    def block(x: Any) -> Any:
        for _ in range(STEPS):
            x = np.tanh(x) * x
        return x

    def loss(x: Any) -> Any:
        for _ in range(BLOCKS):
            x = wrap(block)(x)
        return x.sum()

    return loss


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_peak_memory_falls(compiled: bool) -> None:
    x = np.linspace(0.5, 1.0, SIZE)
    finish = fgrad.jit if compiled else lambda g: g
    plain, checkpointed = (finish(fgrad.grad(chain(wrap))) for wrap in (lambda g: g, fgrad.checkpoint))
    np.testing.assert_allclose(checkpointed(x), plain(x), rtol=1e-12)
    used, saved = (peak(lambda run=run: run(x)) / x.nbytes for run in (checkpointed, plain))
    assert saved > 2 * BLOCKS * STEPS  # two arrays a step
    # One array a block, and what one block and its derivative need: a few arrays a step.
    assert used < BLOCKS + 6 * STEPS


def layers(x: Any, w: Any, wrap: Callable[[Any], Any]) -> Any:
    """A chain of element-wise layers, every tenth of which is a checkpoint."""

    def block(x: Any, w: Any) -> Any:
        for _ in range(EVERY):
            x = np.sin(x * w)
        return x

    for _ in range(LAYERS // EVERY):
        x = wrap(block)(x, w)
    return x.sum()


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("wrt", [0, (0, 1)], ids=["input", "input and weights"])
def test_a_chain_of_100_layers_takes_less_than_a_third(wrt: Any) -> None:
    """By `memory_analysis` at the size at which it matters, and by the process at a smaller one."""
    memory: dict[Any, Any] = {}
    for wrap in (lambda g: g, fgrad.checkpoint):
        gradient = fgrad.grad(partial(layers, wrap=wrap), wrt)
        big = fgrad.ShapeDtypeStruct((10**6,), np.float64)
        memory[wrap, "analysis"] = fgrad.jit(gradient).lower(big, big).memory_analysis().peak_memory_in_bytes
        x, w = np.linspace(0.1, 1.0, SIZE), np.full(SIZE, 1.1)
        memory[wrap, "eager"] = peak(lambda: gradient(x, w))  # noqa: B023
        large = np.linspace(0.1, 1.0, 10 * SIZE)
        compiled = fgrad.jit(gradient)
        memory[wrap, "jit"] = peak(lambda: compiled(large, large))  # noqa: B023
    for way in ("analysis", "eager", "jit"):
        plain, checkpointed = (size for (_, name), size in memory.items() if name == way)
        assert checkpointed < 0.25 * plain, way
    assert memory[fgrad.checkpoint, "jit"] == pytest.approx(
        memory[fgrad.checkpoint, "analysis"] * 10 * SIZE / 10**6, rel=0.02
    )


# What a policy saves.

POLICIES: dict[str, Any] = {
    "everything": fgrad.checkpoint_policies.everything_saveable,
    "nothing": fgrad.checkpoint_policies.nothing_saveable,
    "dots": fgrad.checkpoint_policies.dots_saveable,
    "dots without batch": fgrad.checkpoint_policies.dots_with_no_batch_dims_saveable,
    "one name": fgrad.checkpoint_policies.save_only_these_names("hidden"),
    "any name": fgrad.checkpoint_policies.save_any_names_but_these(),
    "anything but": fgrad.checkpoint_policies.save_anything_except_these_names("hidden"),
    "both": fgrad.checkpoint_policies.save_from_both_policies(
        fgrad.checkpoint_policies.dots_saveable, fgrad.checkpoint_policies.save_only_these_names("hidden")
    ),
}
policies = pytest.mark.parametrize("policy", POLICIES)


def network(x: Any, w: Any) -> Any:
    hidden = fgrad.checkpoint_name(np.exp(np.tanh(w @ x)), "hidden")
    return np.sin(np.sin(w @ hidden) * x)


def recomputed(policy: Any, f: Callable[..., Any] = network) -> Counter[str]:
    """What the backward half of a gradient does."""
    x, w = np.array([0.3, -0.2]), np.array([[0.1, 0.7], [-0.4, 0.9]])
    checkpointed = fgrad.checkpoint(f, policy=policy)
    jaxpr = fgrad.make_jaxpr(lambda x, w: fgrad.vjp(checkpointed, x, w)[1](np.ones(2)))(x, w)
    return counts(jaxpr.eqns[-1].params["jaxpr"])


@policies
@pytest.mark.parametrize("way", FIRST)
def test_first_derivatives_with_a_policy(policy: str, way: str) -> None:
    def g(x: Any) -> Any:
        return np.exp(fgrad.checkpoint_name(np.sin(x), "hidden") * x)

    np.testing.assert_allclose(
        FIRST[way](fgrad.checkpoint(g, policy=POLICIES[policy]), 0.7), fgrad.grad(g)(0.7), rtol=1e-12
    )


@policies
@pytest.mark.parametrize("way", SECOND)
def test_second_derivatives_with_a_policy(policy: str, way: str) -> None:
    def g(x: Any) -> Any:
        return np.exp(fgrad.checkpoint_name(np.sin(x), "hidden") * x)

    expected = fgrad.grad(fgrad.grad(g))(0.7)
    np.testing.assert_allclose(SECOND[way](fgrad.checkpoint(g, policy=POLICIES[policy]), 0.7), expected, rtol=1e-12)


def test_policies_choose_what_is_computed_again() -> None:
    again = {name: recomputed(policy) for name, policy in POLICIES.items()}
    products = 4  # those of the backward pass itself: two cotangents of each product
    functions = ("tanh", "exp", "sin", "cos")
    assert [again["everything"][f] for f in functions] == [0, 0, 0, 0]
    assert again["everything"]["dot_general"] == products
    assert [again["nothing"][f] for f in functions] == [1, 1, 1, 2]
    assert again["nothing"]["dot_general"] == products + 2
    assert again["dots"]["dot_general"] == products
    assert again["dots"]["exp"] == 1
    # What has the name is exp(tanh(w·x)): neither is computed again; tanh is, for its own derivative.
    assert [again["one name"][f] for f in functions] == [1, 0, 1, 2]
    assert again["one name"]["dot_general"] == products + 2
    assert again["any name"] == again["one name"]
    assert again["both"]["dot_general"] == products
    assert again["both"]["exp"] == 0
    assert [again["anything but"][f] for f in functions] == [0, 1, 0, 0]


def test_products_of_stacks_are_told_from_those_with_weights() -> None:
    def f(x: Any, w: Any) -> Any:
        stacked = fgrad.vmap(lambda row, column: np.outer(row, column) @ column)(w, w)
        return np.sin(stacked @ x) + np.sin(w @ x)

    batched = recomputed(fgrad.checkpoint_policies.dots_with_no_batch_dims_saveable, f)["dot_general"]
    assert batched > recomputed(fgrad.checkpoint_policies.dots_saveable, f)["dot_general"]
    assert batched < recomputed(None, f)["dot_general"]


def test_what_is_saved_and_what_the_rest_needs_are_the_residuals() -> None:
    x, w = np.array([0.3, -0.2]), np.array([[0.1, 0.7], [-0.4, 0.9]])
    policy = fgrad.checkpoint_policies.everything_saveable

    def residuals(policy: Any) -> Any:
        f = fgrad.checkpoint(lambda x, w, unused: np.exp(w @ x) + unused, policy=policy)
        jaxpr = fgrad.make_jaxpr(lambda x, w: fgrad.vjp(lambda x, w: f(x, w, 2.0), x, w)[1](np.ones(2)))(x, w)
        forward, backward = jaxpr.eqns[0], jaxpr.eqns[-1]
        return len(forward.outvars), len(backward.invars)

    assert residuals(None) == (1, 3)  # x, w and the cotangent
    assert residuals(policy) == (2, 4)  # exp(w·x), too: the result is another


def test_policies_are_asked_of_operations_in_compiled_functions() -> None:
    f = fgrad.jit(network)
    assert recomputed(fgrad.checkpoint_policies.dots_saveable, f)["dot_general"] == 4
    x, w = np.array([0.3, -0.2]), np.array([[0.1, 0.7], [-0.4, 0.9]])
    eager = fgrad.grad(lambda x: fgrad.checkpoint(f, policy=fgrad.checkpoint_policies.dots_saveable)(x, w).sum())(x)
    np.testing.assert_allclose(eager, fgrad.grad(lambda x: network(x, w).sum())(x), rtol=1e-12)


def test_what_a_policy_sees() -> None:
    seen: list[Any] = []

    def policy(primitive: Any, *avals: Any, **params: Any) -> bool:
        seen.append((primitive.name, tuple(a.shape for a in avals), sorted(params)))
        return False

    x, w = np.ones(2), np.ones((3, 2))
    for wrap in (lambda g: g, fgrad.jit):
        seen.clear()
        wrap(fgrad.grad(lambda x: fgrad.checkpoint(lambda x: np.tanh(w @ x), policy=policy)(x).sum()))(x)
        assert ("dot_general", ((3, 2), (2,)), ["dimension_numbers"]) in seen
        assert ("tanh", ((3,),), []) in seen


@policies
def test_python_control_flow_with_a_policy(policy: str) -> None:
    """The function runs once; what is computed again is what it did."""
    runs = []

    def root(x: Any) -> Any:
        runs.append(float(x))
        y = x
        while abs(y * y - x) > 1e-12:
            y = fgrad.checkpoint_name((y + x / y) / 2, "hidden")
        return y

    f = fgrad.checkpoint(root, policy=POLICIES[policy])
    assert fgrad.grad(f)(4.0) == pytest.approx(0.25)
    assert runs == [4.0]
    assert fgrad.grad(fgrad.grad(f))(4.0) == pytest.approx(-1 / 32)
    assert fgrad.vmap(fgrad.grad(fgrad.checkpoint(np.sqrt, policy=POLICIES[policy])))(
        np.array([4.0, 9.0])
    ) == pytest.approx([1 / 4, 1 / 6])


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_memory_between_everything_and_nothing(compiled: bool) -> None:
    def f(x: Any, policy: Any) -> Any:
        def block(x: Any) -> Any:
            for _ in range(STEPS):
                x = np.sin(fgrad.checkpoint_name(np.sin(x), "hidden"))
            return x

        for _ in range(BLOCKS):
            x = fgrad.checkpoint(block, policy=policy)(x)
        return x.sum()

    x = np.linspace(0.5, 1.0, 5 * SIZE)
    used = {}
    for name in ("nothing", "one name", "everything"):
        gradient: Any = fgrad.grad(partial(f, policy=POLICIES[name]))
        used[name] = peak(partial(fgrad.jit(gradient) if compiled else gradient, x))
    assert used["nothing"] < 0.5 * used["one name"]
    assert used["one name"] < 0.8 * used["everything"]


def test_the_compiler_may_merge_where_it_is_allowed() -> None:
    def sines(**options: Any) -> int:
        step = fgrad.jit(fgrad.value_and_grad(fgrad.checkpoint(f, **options)))
        np.testing.assert_allclose(step(0.7), fgrad.value_and_grad(f)(0.7), rtol=1e-12)
        return counts(step.lower(0.7).compile().jaxpr)["sin"]

    assert sines(prevent_cse=True) == 3
    assert sines(prevent_cse=False) == 2
    assert sines(policy=fgrad.checkpoint_policies.everything_saveable) == 2


def test_nested_checkpoints_are_computed_again_at_every_depth() -> None:
    inner = fgrad.checkpoint(lambda x: np.sin(np.sin(x)))
    outer = fgrad.checkpoint(lambda x: inner(inner(x)))
    step = fgrad.jit(fgrad.value_and_grad(outer))
    plain = fgrad.value_and_grad(lambda x: np.sin(np.sin(np.sin(np.sin(x)))))
    np.testing.assert_allclose(step(0.7), plain(0.7), rtol=1e-12)
    program = step.lower(0.7).compile().jaxpr
    assert {"checkpoint", "optimization_barrier"}.isdisjoint(counts(program))
    # Four forwards; the first half again; one more for the derivative of each half.
    assert counts(program)["sin"] == 4 + 2 + 2


def test_static_arguments() -> None:
    seen = []

    def power(x: Any, n: int, kind: str = "plain") -> Any:
        seen.append((n, kind))
        return x**n if kind == "plain" else -(x**n)

    for static in ((1, 2), ("n", "kind"), (1, -1)):
        f = fgrad.checkpoint(power, static_argnums=static)
        for wrap in (lambda g: g, fgrad.jit):
            assert wrap(fgrad.grad(lambda x: f(x, 3)))(2.0) == 12.0  # noqa: B023
            assert wrap(fgrad.grad(lambda x: f(x, n=2, kind="minus")))(2.0) == -4.0  # noqa: B023
    assert set(seen) == {(3, "plain"), (2, "minus")}
    g = fgrad.checkpoint(lambda f, x: f(x), static_argnums=0)
    assert fgrad.grad(lambda w: g(lambda x: w * x, w))(3.0) == 6.0


def test_as_a_decorator() -> None:
    @fgrad.checkpoint(policy=fgrad.checkpoint_policies.dots_saveable, prevent_cse=False)
    def f(x: Any) -> Any:
        return np.sin(x)

    @partial(fgrad.remat, static_argnums=(1,))
    def g(x: Any, n: int) -> Any:
        return x * n

    assert fgrad.grad(f)(0.0) == 1.0
    assert fgrad.grad(g)(1.0, 3) == 3.0


def test_names() -> None:
    named = fgrad.make_jaxpr(lambda x: fgrad.checkpoint_name({"a": x, "b": 2.0 * x}, "both"))(1.0)
    assert counts(named)["name"] == 2
    assert fgrad.checkpoint_name({"a": 1.0, "b": [None]}, "x") == {"a": 1.0, "b": [None]}
    assert fgrad.ad_checkpoint.checkpoint_name is fgrad.checkpoint_name
    f = fgrad.jit(lambda x: np.sin(fgrad.checkpoint_name(np.sin(x), "s")))
    assert f(0.5) == np.sin(np.sin(0.5))


def test_messages() -> None:
    def two(x: Any, y: Any) -> Any:
        return x

    for make, match in (
        (lambda: fgrad.checkpoint(two, policy=3), r"policy of checkpoint must be a function, got an int 3"),  # type: ignore[call-overload]
        (
            lambda: fgrad.checkpoint(two)(1.0, "fast"),
            r"argument y of checkpoint is a str(.|\n)*in static_argnums if it",
        ),
        (lambda: fgrad.checkpoint(two, static_argnums=2), "static_argnums of checkpoint names 2, which is no argument"),
        (lambda: fgrad.checkpoint(two, static_argnums="z"), "static_argnums of checkpoint names 'z', which is no arg"),
        (lambda: fgrad.checkpoint_name(1.0, 2), "the name that checkpoint_name gives must be a string, got an int 2"),  # type: ignore[arg-type]
        (
            lambda: fgrad.checkpoint_policies.save_only_these_names(["a"]),
            "save_only_these_names takes names, got a lis",
        ),  # type: ignore[arg-type]
        (lambda: fgrad.checkpoint_policies.save_from_both_policies(1, 2), "save_from_both_policies takes two policies"),  # type: ignore[arg-type]
    ):
        with pytest.raises(errors.ArgumentError, match=match):
            make()


def test_policies_have_names() -> None:
    policies = fgrad.checkpoint_policies
    named = policies.save_only_these_names("a", "b")
    either = policies.save_from_both_policies(policies.dots_saveable, named)
    assert either.__name__ == "save_from_both_policies(dots_saveable, save_only_these_names('a', 'b'))"
    assert "policy=save_only_these_names('a', 'b')" in str(fgrad.make_jaxpr(fgrad.checkpoint(f, policy=named))(1.0))


@policies
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_what_has_an_effect_has_it_once(policy: str, compiled: bool) -> None:
    seen = []

    def g(x: Any) -> Any:
        y = np.sin(x)
        fgrad.debug.callback(lambda v: seen.append(float(v)), y)
        return np.sin(y)

    finish = fgrad.jit if compiled else lambda h: h
    for wrap, expected in ((fgrad.grad, 1), (lambda h: fgrad.grad(fgrad.grad(h)), 1), (fgrad.jacfwd, 1)):
        seen.clear()
        finish(wrap(fgrad.checkpoint(g, policy=POLICIES[policy])))(0.5)
        assert seen == [np.sin(0.5)] * expected


@policies
def test_what_is_kept_of_python_code_is_used_under_every_transform(policy: str) -> None:
    """The pullback may be called when everything has ended; calls in the function carry Python code."""
    seen: list[float] = []

    @fgrad.custom_jvp
    def square(x: Any) -> Any:
        return x * x

    square.defjvp(lambda primals, tangents: (square(*primals), 20 * primals[0] * tangents[0]))

    def inner(x: Any) -> Any:
        fgrad.debug.callback(lambda v: seen.append(float(v)), x)
        return np.sin(np.sin(x))

    outer = fgrad.checkpoint(lambda x: fgrad.checkpoint(inner)(square(x)) * square(x), policy=POLICIES[policy])
    expected = fgrad.grad(lambda x: np.sin(np.sin(square(x))) * square(x))(0.7)
    _, pull = fgrad.vjp(outer, 0.7)
    _, push = fgrad.linearize(outer, 0.7)
    for found in (pull(1.0)[0], fgrad.jit(pull)(1.0)[0], push(1.0), fgrad.jit(push)(1.0)):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(fgrad.vmap(pull)(np.ones(2))[0], [expected, expected], rtol=1e-12)
    np.testing.assert_allclose(fgrad.jit(fgrad.vmap(push))(np.ones(2)), [expected, expected], rtol=1e-12)
    assert seen == [0.7 * 0.7] * 2


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_the_body_of_a_scan(compiled: bool) -> None:
    w, x = np.random.default_rng(0).normal(size=(4, 4)) / 4, np.ones((4, 500))

    def body(x: Any, _: Any) -> Any:
        for _ in range(5):
            x = np.sin(w @ x)
        return x, None

    def gradient(body: Any) -> Any:
        found = fgrad.grad(lambda x: fgrad.lax.scan(body, x, None, length=20)[0].sum())
        return fgrad.jit(found) if compiled else found

    with fgrad.config.using(buffer_bytes=0):  # memory that is kept between calls is not seen
        plain = gradient(body)
        expected, most = plain(x), peak(lambda: plain(x))
        for policy, share in ((None, 0.4), (fgrad.checkpoint_policies.everything_saveable, 1.6)):
            again = gradient(fgrad.checkpoint(body, policy=policy))
            np.testing.assert_allclose(again(x), expected, rtol=1e-12)
            assert peak(partial(again, x)) < share * most
