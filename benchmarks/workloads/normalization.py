"""Layer normalization and an activation: reductions along rows between element-wise work."""

from dataclasses import dataclass, replace
from functools import partial
from math import pi, sqrt
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload

EPSILON = 1e-5
SCALE, CUBIC = sqrt(2 / pi), 0.044715  # of gelu in its form with tanh


@dataclass(frozen=True, kw_only=True)
class LayerNormGelu(Workload):
    """value_and_grad of the mean square of gelu(layer norm), in rows, gain and bias, float32."""

    name = "layer_norm_gelu"
    rows: int = 4096
    features: int = 512

    def small(self) -> Self:
        return replace(self, rows=5, features=4)

    def inputs(self) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(self.rows, self.features)).astype(np.float32)
        gain, bias = rng.normal((1.0, 0.0), 0.1, size=(self.features, 2)).astype(np.float32).T.copy()
        return x, gain, bias

    def program(self, lib: Library, x: Any, gain: Any, bias: Any) -> Call:
        def loss(x: Any, gain: Any, bias: Any) -> Any:
            centred = x - lib.np.mean(x, axis=-1, keepdims=True)
            variance = lib.np.mean(centred * centred, axis=-1, keepdims=True)
            z = centred / lib.np.sqrt(variance + EPSILON) * gain + bias
            gelu = 0.5 * z * (1.0 + lib.np.tanh(SCALE * (z + CUBIC * z**3)))
            return lib.np.mean(gelu * gelu)

        return partial(lib.jit(lib.value_and_grad(loss, argnums=(0, 1, 2))), x, gain, bias)

    def by_hand(self, x: np.ndarray, gain: np.ndarray, bias: np.ndarray) -> Any:
        normal = x - x.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", normal, normal)[:, None] / np.float32(self.features)
        inverse = 1.0 / np.sqrt(variance + np.float32(EPSILON))
        normal *= inverse
        ct = normal * gain
        ct += bias
        value = gelu_by_hand(ct)
        grad_gain = np.einsum("ij,ij->j", ct, normal)
        grad_bias = ct.sum(axis=0)
        ct *= gain
        ct -= ct.mean(axis=1, keepdims=True)
        normal *= np.einsum("ij,ij->i", ct, normal)[:, None] / np.float32(self.features)
        ct -= normal
        ct *= inverse
        return value, (ct, grad_gain, grad_bias)

    def in_torch(self, torch: Any, *inputs: Any) -> Call:
        functional = torch.nn.functional
        leaves = [x.requires_grad_() for x in inputs]

        def value_and_grad() -> Any:
            x, gain, bias = leaves
            z = functional.layer_norm(x, (self.features,), gain, bias, EPSILON)
            value = functional.gelu(z, approximate="tanh").square().mean()
            return value, torch.autograd.grad(value, leaves)

        return value_and_grad


def gelu_by_hand(z: np.ndarray) -> Any:
    """The mean square of gelu(z); its gradient takes the place of z."""
    cubic = z * z
    slope = cubic * np.float32(3 * CUBIC * SCALE)
    slope += np.float32(SCALE)
    cubic *= np.float32(CUBIC * SCALE)
    cubic += np.float32(SCALE)
    cubic *= z
    t = np.tanh(cubic, out=cubic)
    slope *= z  # of gelu: (1 + t) / 2 · (1 + z (1 − t) slope)
    half = (t + 1.0) * np.float32(0.5)
    np.subtract(1.0, t, out=t)
    slope *= t
    slope += 1.0
    slope *= half
    z *= half
    value = np.vdot(z, z) / z.size
    z *= slope
    z *= np.float32(2 / z.size)
    return value


WORKLOADS = [LayerNormGelu()]
