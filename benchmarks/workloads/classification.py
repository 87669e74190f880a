"""Two losses of classification on data that does not fit a small cache."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload


@dataclass(frozen=True, kw_only=True)
class SoftmaxCrossEntropy(Workload):
    """value_and_grad in the logits, 4096 examples, 1000 classes, integer labels, float32."""

    name = "softmax_cross_entropy"
    examples: int = 4096
    classes: int = 1000

    def small(self) -> Self:
        return replace(self, examples=5, classes=3)

    def inputs(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        logits = rng.normal(size=(self.examples, self.classes)).astype(np.float32)
        return logits, rng.integers(self.classes, size=self.examples)

    def program(self, lib: Library, logits: Any, labels: Any) -> Call:
        def loss(logits: Any, labels: Any) -> Any:
            picked = logits[np.arange(self.examples), labels]
            return lib.np.mean(lib.logsumexp(logits, axis=1) - picked)

        return partial(lib.jit(lib.value_and_grad(loss)), logits, labels)

    def by_hand(self, logits: np.ndarray, labels: np.ndarray) -> Any:
        rows = np.arange(len(labels))
        ct = logits - logits.max(axis=1, keepdims=True)
        picked = ct[rows, labels]
        np.exp(ct, out=ct)
        total = ct.sum(axis=1, keepdims=True)
        ct /= total * np.float32(len(labels))
        ct[rows, labels] -= np.float32(1 / len(labels))
        return np.mean(np.log(total[:, 0]) - picked), ct

    def in_torch(self, torch: Any, logits: Any, labels: Any) -> Call:
        logits.requires_grad_()

        def value_and_grad() -> Any:
            loss = torch.nn.functional.cross_entropy(logits, labels)
            return loss, *torch.autograd.grad(loss, logits)

        return value_and_grad


@dataclass(frozen=True, kw_only=True)
class LogisticRegression(Workload):
    """value_and_grad in the weights, 100,000 examples of 100 features, labels ±1, float64."""

    name = "logistic_regression"
    examples: int = 100_000
    features: int = 100

    x64, tolerance = True, 1e-9

    def small(self) -> Self:
        return replace(self, examples=6, features=3)

    def inputs(self) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(self.examples, self.features))
        return rng.normal(size=self.features), x, np.sign(rng.normal(size=self.examples))

    def program(self, lib: Library, w: Any, x: Any, y: Any) -> Call:
        def loss(w: Any, x: Any, y: Any) -> Any:
            return lib.np.mean(lib.np.logaddexp(0.0, -y * (x @ w)))

        return partial(lib.jit(lib.value_and_grad(loss)), w, x, y)

    def by_hand(self, w: np.ndarray, x: np.ndarray, y: np.ndarray) -> Any:
        margin = x @ w
        margin *= y
        e = np.exp(-np.abs(margin))
        loss = np.mean(np.log1p(e) - np.minimum(margin, 0.0))
        ct = np.where(margin > 0, e, 1.0)  # sigmoid(-margin), without overflow
        ct /= e + 1.0
        ct *= y
        ct *= -1.0 / len(y)
        return loss, ct @ x

    def in_torch(self, torch: Any, w: Any, x: Any, y: Any) -> Call:
        w.requires_grad_()

        def value_and_grad() -> Any:
            loss = torch.nn.functional.softplus(-y * (x @ w)).mean()
            return loss, *torch.autograd.grad(loss, w)

        return value_and_grad


WORKLOADS = [SoftmaxCrossEntropy(), LogisticRegression()]
