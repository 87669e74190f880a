"""A long short-term memory: a loop of small products."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from benchmarks.libraries import Call, Library
from benchmarks.workload import Workload

Params = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Lstm(Workload):
    """value_and_grad, in the weights, of the mean square of all states of an LSTM, float32."""

    width: int
    steps: int = 100
    batch: int = 32

    def small(self) -> Self:
        return replace(self, width=3, steps=4, batch=2)

    @property
    def name(self) -> str:
        return f"lstm.{self.width}"

    def inputs(self) -> tuple[Params, np.ndarray]:
        rng = np.random.default_rng(0)
        h = self.width

        def normal(*shape: int) -> np.ndarray:
            return rng.normal(size=shape).astype(np.float32)

        scale = np.float32(1 / np.sqrt(h))
        params = {"x": normal(h, 4 * h) * scale, "h": normal(h, 4 * h) * scale, "b": normal(4 * h) * np.float32(0.1)}
        return params, normal(self.steps, self.batch, h)

    def program(self, lib: Library, params: Params, xs: Any) -> Call:
        def loss(params: Params, xs: Any) -> Any:
            def step(carry: tuple[Any, Any], x: Any) -> tuple[tuple[Any, Any], Any]:
                h, c = carry
                z = x @ params["x"] + h @ params["h"] + params["b"]
                i, f, g, o = lib.np.split(z, 4, axis=-1)
                c = lib.sigmoid(f) * c + lib.sigmoid(i) * lib.np.tanh(g)
                h = lib.sigmoid(o) * lib.np.tanh(c)
                return (h, c), h

            zeros = lib.np.zeros((self.batch, self.width), np.float32)
            _, hs = lib.lax.scan(step, (zeros, zeros), xs)
            return lib.np.mean(hs**2)

        return partial(lib.jit(lib.value_and_grad(loss)), params, xs)

    def by_hand(self, params: Params, xs: np.ndarray) -> Any:
        gates, hs, cs, tanhs = forward_by_hand(params, xs)
        states = hs[1:]
        ct = backward_by_hand(params, gates, cs, tanhs, states * np.float32(2 / states.size))
        ct = ct.reshape(-1, 4 * self.width)
        grads = {
            "x": xs.reshape(len(ct), -1).T @ ct,
            "h": hs[:-1].reshape(len(ct), -1).T @ ct,
            "b": ct.sum(axis=0),
        }
        return np.vdot(states, states) / states.size, grads

    def in_torch(self, torch: Any, params: Params, xs: Any) -> Call:
        leaves = [params[key].T.contiguous().requires_grad_() for key in ("x", "h")] + [params["b"].requires_grad_()]
        zeros = torch.zeros(1, self.batch, self.width)

        def value_and_grad() -> Any:
            weights = [*leaves, torch.zeros_like(leaves[-1])]  # it has two biases
            hs, *_ = torch.lstm(xs, (zeros, zeros), weights, True, 1, 0.0, True, False, False)
            value = hs.square().mean()
            wx, wh, b = torch.autograd.grad(value, leaves)
            return value, {"x": wx.T, "h": wh.T, "b": b}

        return value_and_grad


def forward_by_hand(params: Params, xs: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of every step: the gates (step, batch, gate, width); h and c, with those before the first step; tanh(c).

    sigmoid(x) = (1 + tanh(x/2)) / 2, so that one tanh does all gates.
    """
    steps, batch, _ = xs.shape
    width = len(params["h"])
    half = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), width)
    wh = params["h"] * half
    z = xs.reshape(steps * batch, -1) @ (params["x"] * half)
    z += params["b"] * half
    z = z.reshape(steps, batch, 4 * width)
    gates = z.reshape(steps, batch, 4, width)
    hs, cs = np.zeros((2, steps + 1, batch, width), z.dtype)
    tanhs = np.empty_like(hs[1:])
    product, inflow = np.empty_like(z[0]), np.empty_like(tanhs[0])
    for t in range(steps):
        np.matmul(hs[t], wh, out=product)
        z[t] += product
        np.tanh(z[t], out=z[t])
        for gate in gates[t, :, :2], gates[t, :, 3]:
            gate *= 0.5
            gate += 0.5
        i, f, g, o = (gates[t, :, number] for number in range(4))
        np.multiply(f, cs[t], out=cs[t + 1])
        np.multiply(i, g, out=inflow)
        cs[t + 1] += inflow
        np.tanh(cs[t + 1], out=tanhs[t])
        np.multiply(o, tanhs[t], out=hs[t + 1])
    return gates, hs, cs, tanhs


def backward_by_hand(
    params: Params, gates: np.ndarray, cs: np.ndarray, tanhs: np.ndarray, ct_hs: np.ndarray
) -> np.ndarray:
    """The cotangents of what the gates' activations are applied to."""
    i, f, g, o = (gates[:, :, number] for number in range(4))
    wh = np.ascontiguousarray(params["h"].T)
    cts = np.empty_like(gates)
    flat = cts.reshape(*cts.shape[:2], -1)
    ct_h, ct_c, through = np.zeros((3, *tanhs[0].shape), tanhs.dtype)
    for t in reversed(range(len(gates))):
        ct = np.subtract(1.0, gates[t], out=cts[t])
        ct *= gates[t]
        ct[:, 0] *= g[t]
        ct[:, 1] *= cs[t]
        complement_of_square(g[t], ct[:, 2])
        ct[:, 2] *= i[t]
        ct[:, 3] *= tanhs[t]
        ct_h += ct_hs[t]
        complement_of_square(tanhs[t], through)
        through *= o[t]
        through *= ct_h
        ct_c += through
        ct[:, :3] *= ct_c[:, None]
        ct[:, 3] *= ct_h
        np.matmul(flat[t], wh, out=ct_h)
        ct_c *= f[t]
    return cts


def complement_of_square(x: np.ndarray, out: np.ndarray) -> None:
    """1 − x², the slope of tanh where it is x."""
    np.multiply(x, x, out=out)
    np.subtract(1.0, out, out=out)


WORKLOADS = [Lstm(width=64), Lstm(width=256)]
