"""Multi-layer perceptrons, float32: gradients, of a small and of a wide one, and a training step."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload

Params = list[dict[str, Any]]


def data(sizes: tuple[int, ...], batch: int) -> tuple[Params, np.ndarray, np.ndarray]:
    """Parameters, inputs and one-hot targets."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    params = [
        {"w": normal(m, n) / np.float32(np.sqrt(m)), "b": normal(n) * np.float32(0.1)} for m, n in pairwise(sizes)
    ]
    labels = rng.integers(sizes[-1], size=batch)
    return params, normal(batch, sizes[0]), np.eye(sizes[-1], dtype=np.float32)[labels]


def cross_entropy(lib: Library) -> Callable[[Params, Any, Any], Any]:
    """The loss, for a batch or for one example."""

    def loss(params: Params, x: Any, y: Any) -> Any:
        *hidden, last = params
        for layer in hidden:
            x = lib.np.maximum(x @ layer["w"] + layer["b"], 0)
        logits = x @ last["w"] + last["b"]
        return lib.np.mean(lib.logsumexp(logits, axis=-1) - lib.np.sum(logits * y, axis=-1))

    return loss


def forward_by_hand(params: Params, x: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Every layer's input, and the logits."""
    inputs: list[np.ndarray] = []
    for layer in params:
        if inputs:
            np.maximum(x, 0, out=x)
        inputs.append(x)
        x = x @ layer["w"]
        x += layer["b"]
    return inputs, x


def softmax_by_hand(logits: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Losses of the examples, and softmax minus target."""
    logits = logits - logits.max(axis=1, keepdims=True)
    picked = np.einsum("ij,ij->i", logits, y)
    ct = np.exp(logits, out=logits)
    total = ct.sum(axis=1, keepdims=True)
    ct /= total
    ct -= y
    return np.log(total[:, 0]) - picked, ct


def value_and_grad_by_hand(params: Params, x: np.ndarray, y: np.ndarray) -> tuple[Any, Params]:
    """The loss and its gradient."""
    inputs, logits = forward_by_hand(params, x)
    losses, ct = softmax_by_hand(logits, y)
    ct *= np.float32(1 / len(x))
    grads: Params = []
    for layer, a in zip(reversed(params), reversed(inputs), strict=True):
        grads.append({"w": a.T @ ct, "b": ct.sum(axis=0)})
        if a is not x:
            ct = ct @ layer["w"].T
            ct *= a > 0
    return losses.mean(), grads[::-1]


def adam_by_hand(params: Params, grads: Params, m: Params, v: Params, step: int = 1) -> tuple[Params, Params, Params]:
    """One step of Adam with rate 1e-3: parameters and both moments."""
    first, second = np.float32(1 - 0.9**step), np.float32(1 - 0.999**step)
    new: tuple[Params, Params, Params] = ([], [], [])
    for layers in zip(params, grads, m, v, strict=True):
        updated = [
            adam_leaf(*(layer[key] for layer in layers), first, second)  # type: ignore[call-arg]
            for key in ("w", "b")
        ]
        for tree, (w, b) in zip(new, zip(*updated, strict=True), strict=True):
            tree.append({"w": w, "b": b})
    return new


def adam_leaf(
    p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, first: np.float32, second: np.float32
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Adam on one array."""
    m = m * np.float32(0.9)
    v = v * np.float32(0.999)
    change = g * np.float32(0.1)
    m += change
    np.multiply(g, g, out=change)
    change *= np.float32(0.001)
    v += change
    np.divide(v, second, out=change)
    np.sqrt(change, out=change)
    change += np.float32(1e-8)
    np.divide(m, change, out=change)
    change *= np.float32(1e-3) / first
    return np.subtract(p, change, out=change), m, v


def torch_loss(torch: Any, params: Params, x: Any, y: Any) -> Any:
    """The loss in PyTorch's own words."""
    *hidden, last = params
    for layer in hidden:
        x = torch.relu(torch.addmm(layer["b"], x, layer["w"]))
    return torch.nn.functional.cross_entropy(torch.addmm(last["b"], x, last["w"]), y)


def torch_leaves(params: Params) -> list[Any]:
    """The parameters in a row, gradients wanted."""
    return [layer[key].requires_grad_() for layer in params for key in ("w", "b")]


def pairs(leaves: Any) -> Params:
    """The inverse of `torch_leaves`."""
    return [{"w": w, "b": b} for w, b in zip(leaves[::2], leaves[1::2], strict=True)]


@dataclass(frozen=True, kw_only=True)
class Mlp(Workload):
    """value_and_grad of softmax cross entropy, jitted or not."""

    jitted: bool
    sizes: tuple[int, ...] = (64, 128, 128, 10)
    batch: int = 128

    def small(self) -> Self:
        return replace(self, sizes=(4, 5, 3), batch=6)

    @property
    def name(self) -> str:
        return "mlp.value_and_grad" if self.jitted else "eager.mlp"

    @property
    def mode(self) -> str:
        return "jit" if self.jitted else "eager"

    def inputs(self) -> tuple[Any, ...]:
        return data(self.sizes, self.batch)

    def program(self, lib: Library, params: Params, x: Any, y: Any) -> Call:
        value_and_grad = lib.value_and_grad(cross_entropy(lib))
        return partial(lib.jit(value_and_grad) if self.jitted else value_and_grad, params, x, y)

    def by_hand(self, params: Params, x: np.ndarray, y: np.ndarray) -> Any:
        return value_and_grad_by_hand(params, x, y)

    def in_torch(self, torch: Any, params: Params, x: Any, y: Any) -> Call:
        leaves, labels = torch_leaves(params), y.argmax(1)

        def value_and_grad() -> Any:
            loss = torch_loss(torch, params, x, labels)
            return loss, pairs(torch.autograd.grad(loss, leaves))

        return value_and_grad


@dataclass(frozen=True, kw_only=True)
class WideMlp(Mlp):
    """The same at a size where products are most of the work."""

    name = "mlp.wide"
    jitted: bool = True
    sizes: tuple[int, ...] = (784, 1024, 1024, 10)
    batch: int = 256


@dataclass(frozen=True, kw_only=True)
class AdamStep(Workload):
    """Loss, gradient and a step of Adam, as one jitted function; loss and new parameters are compared."""

    name = "mlp.adam_step"
    sizes: tuple[int, ...] = (64, 128, 128, 10)
    batch: int = 128

    def small(self) -> Self:
        return replace(self, sizes=(4, 5, 3), batch=6)

    def inputs(self) -> tuple[Any, ...]:
        params, x, y = data(self.sizes, self.batch)
        zeros = [{key: np.zeros_like(leaf) for key, leaf in layer.items()} for layer in params]
        return params, zeros, x, y

    def program(self, lib: Library, params: Params, zeros: Params, x: Any, y: Any) -> Call:
        value_and_grad = lib.value_and_grad(cross_entropy(lib))
        if lib.name == "autograd":  # it has no optimizer of this kind
            return lambda: by_hand_step(value_and_grad, params, zeros, x, y)
        adam = lib.optim.adam(1e-3)

        def step(params: Params, state: Any, x: Any, y: Any) -> Any:
            loss, grads = value_and_grad(params, x, y)
            updates, state = adam.update(grads, state, params)
            return loss, lib.optim.apply_updates(params, updates), state

        return partial(lib.jit(step), params, adam.init(params), x, y)

    def by_hand(self, params: Params, zeros: Params, x: np.ndarray, y: np.ndarray) -> Any:
        return by_hand_step(value_and_grad_by_hand, params, zeros, x, y)

    def in_torch(self, torch: Any, params: Params, zeros: Params, x: Any, y: Any) -> Call:
        leaves, labels = torch_leaves(params), y.argmax(1)
        adam = torch.optim.Adam(leaves, lr=1e-3)

        def step() -> Any:
            adam.zero_grad()
            loss = torch_loss(torch, params, x, labels)
            loss.backward()
            adam.step()
            return loss, pairs(leaves), adam.state

        return step

    def outcome(self, result: Any) -> Any:
        return result[:2]


def by_hand_step(value_and_grad: Callable[..., Any], params: Params, zeros: Params, x: Any, y: Any) -> Any:
    """A training step whose optimizer is NumPy by hand."""
    loss, grads = value_and_grad(params, x, y)
    params, *moments = adam_by_hand(params, grads, zeros, zeros)
    return loss, params, moments


WORKLOADS = [Mlp(jitted=True), WideMlp(), AdamStep(), Mlp(jitted=False)]
