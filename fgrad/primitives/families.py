"""What families of primitives have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.primitive import ZERO, Primitive, Sample, Zero

__all__ = ["Linear", "NonDifferentiable", "complexes", "draw", "floats", "integers", "shape_of", "spread"]


class Linear(Primitive):
    """A primitive that is linear in its first argument, for any value of the others: the tangent goes the same way."""

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return not any(varying[1:])

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Array | Zero], **params: Any) -> Array | Zero:
        if ts[0] is ZERO:
            return ZERO
        return self.bind(ts[0], *xs[1:], **params)


class NonDifferentiable(Primitive):
    """A primitive whose result is constant almost everywhere, or has no tangent."""

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return True

    def jvp(self, out: Any, xs: Sequence[Array], ts: Sequence[Array | Zero], **params: Any) -> Any:
        return [ZERO for _ in out] if self.multiple else ZERO


def shape_of(x: Array) -> tuple[int, ...]:
    """The shape of an array, scalar, tracer, or linear input of a transpose rule."""
    shape = getattr(x, "shape", None)
    if shape is None:
        aval: ShapedArray = getattr(x, "aval", None) or aval_of(x)
        return aval.shape
    return shape  # type: ignore[no-any-return]


def draw(low: float, high: float, shape: tuple[int, ...] = (), dtype: Any = np.float64) -> Callable[..., Any]:
    """Draws an array with entries uniform between two bounds."""
    return lambda rng: np.asarray(rng.uniform(low, high, shape), dtype)


def spread(low: float, high: float, shape: tuple[int, ...]) -> Callable[..., Any]:
    """Draws an array whose entries are far enough apart that no order changes under a small perturbation."""

    def sample(rng: np.random.Generator) -> Any:
        size = int(np.prod(shape))
        values = np.linspace(low, high, size) if size > 1 else np.array([(low + high) / 2])
        return rng.permutation(values).reshape(shape)

    return sample


def floats(low: float, high: float, count: int = 1, hard: Sequence[float] = ()) -> list[Sample]:
    """Samples of an element-wise function of `count` real arguments: matrices, a scalar, an empty array, broadcasting.

    Args:
        low: lower bound of the domain.
        high: upper bound of the domain.
        count: the number of arguments.
        hard: points of the domain where an implementation is likely to be wrong.
    """
    samples = [
        Sample(*[draw(low, high, (2, 3))] * count),
        Sample(*[draw(low, high)] * count),
        Sample(*[draw(low, high, (0, 2))] * count),
    ]
    if count > 1:
        samples += [
            Sample(draw(low, high, (2, 1, 3)), *[draw(low, high, (4, 1))] * (count - 1)),
            Sample(*[draw(low, high, (3,))] * (count - 1), draw(low, high)),
        ]
    if hard:
        samples.append(Sample(*[np.array(hard)] * count))
    return samples


def complexes(count: int = 1, scale: float = 1.0) -> list[Sample]:
    """Samples of a holomorphic function of `count` complex arguments."""

    def sample(rng: np.random.Generator) -> Any:
        return scale * (rng.uniform(0.2, 1, (2, 3)) + 1j * rng.uniform(0.2, 1, (2, 3)))

    return [Sample(*[sample] * count)]


def integers(low: int, high: int, count: int = 1, dtype: Any = np.int64) -> list[Sample]:
    """Samples of an element-wise function of integers."""

    def sample(rng: np.random.Generator) -> Any:
        return rng.integers(low, high, (2, 3)).astype(dtype)

    return [Sample(*[sample] * count)]
