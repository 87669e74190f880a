"""A function at a point: its arguments and outputs as flat lists, directions through it, and names for its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.api.common import float0
from fgrad.core.aval import Array, aval_of, is_inexact
from fgrad.core.boundary import flat_leaves, flat_outputs, function_name, parameter_names, place_of
from fgrad.errors import CheckError
from fgrad.tree import flatten, flatten_with_path, keystr

__all__ = ["Direction", "Point", "dot", "no_tangent", "random_like", "typical_size"]

Direction = list[Array | None]
"""One array per leaf; `None` where a leaf stays as it is."""


class Point:
    """A function at given arguments.

    Attributes:
        name: the name of the function.
        leaves: the arrays of the arguments.
        nz: which of them are inexact, that is, can be moved.
        outs: the arrays of the output.
        moving: the positions of the inexact ones of the output.

    Raises:
        CheckError: the function returns NaN or infinity here, or another value when it is called again.
    """

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], check: str) -> None:
        self.f, self.args, self.check, self.name = f, tuple(args), check, function_name(f)
        self.names = parameter_names(f, len(self.args))
        self.leaves, self.treedef = flat_leaves(self.args, self.names, check)
        self.nz = [is_inexact(aval_of(x).dtype) for x in self.leaves]
        self.out = f(*self.args)
        self.outs, self.outdef = flat_outputs(self.out, check, f)
        self.moving = [i for i, y in enumerate(self.outs) if is_inexact(aval_of(y).dtype)]
        self._check_values()

    def _check_values(self) -> None:
        again = flatten(self.f(*self.args))[0]
        for i, (x, y) in enumerate(zip(self.outs, again, strict=False)):
            if not np.array_equal(x, y, equal_nan=True):
                raise self.failure(
                    f"two calls with the same arguments returned different values at {self.out_place(i)}."
                )
        for i in self.moving:
            if not np.isfinite(self.outs[i]).all():
                raise self.failure(
                    f"{self.out_place(i)} is not finite here, so it has no derivative: {self.outs[i]!r:.80}."
                )

    @property
    def moved(self) -> list[int]:
        """The positions of the leaves that can be moved."""
        return [i for i, m in enumerate(self.nz) if m]

    @property
    def precision(self) -> float:
        """The relative precision of the coarsest number that takes part."""
        arrays = [self.leaves[i] for i in self.moved] + [self.outs[i] for i in self.moving]
        return max((float(np.finfo(aval_of(x).dtype).eps) for x in arrays), default=0.0)

    def arg_place(self, index: int) -> str:
        """Where a leaf of the arguments stands: `params['w'][0]`."""
        return place_of(self.args, self.names, index)

    def out_place(self, index: int) -> str:
        """Where a leaf of the output stands: `output['loss']`."""
        return f"output{keystr(flatten_with_path(self.out)[0][index][0])}"

    def direction(self, rng: np.random.Generator, only: int | None = None) -> Direction:
        """A random direction, about as long as the arguments; `only` one leaf moves, if it is given."""
        return [
            random_like(rng, x, typical_size(x)) if m and only in (None, i) else None
            for i, (x, m) in enumerate(zip(self.leaves, self.nz, strict=True))
        ]

    def cotangents(self, rng: np.random.Generator) -> list[Array]:
        """Random cotangents of the inexact outputs."""
        return [random_like(rng, self.outs[i]) for i in self.moving]

    def tangent_tree(self, ts: Direction) -> tuple[Any, ...]:
        """A direction as tangents of the arguments."""
        full = [no_tangent(x) if t is None else t for x, t in zip(self.leaves, ts, strict=True)]
        return self.treedef.unflatten(full)  # type: ignore[no-any-return]

    def cotangent_tree(self, cts: Sequence[Array]) -> Any:
        """Cotangents of the inexact outputs as those of the output."""
        given = iter(cts)
        return self.outdef.unflatten(
            [next(given) if i in self.moving else no_tangent(y) for i, y in enumerate(self.outs)]
        )

    def call(self, leaves: Sequence[Array]) -> list[Array]:
        """The inexact outputs at other arguments."""
        outs = flatten(self.f(*self.treedef.unflatten(leaves)))[0]
        return [outs[i] for i in self.moving]

    def failure(self, what: str, *lines: str) -> CheckError:
        """The error that says what was found."""
        text = "\n".join([f"{self.check} of `{self.name}`: {what}", *[f"  {line}" for line in lines]])
        return CheckError(text)


def typical_size(x: Array) -> float:
    """The largest finite magnitude in an array, 1 if there is none."""
    magnitudes = np.abs(np.asarray(x))
    largest = float(np.max(magnitudes, initial=0.0, where=np.isfinite(magnitudes)))
    return largest if largest > 0 else 1.0


def no_tangent(x: Array) -> Array:
    """Zeros as the tangent of an array; of dtype `float0` where it has none."""
    aval = aval_of(x)
    return np.zeros(aval.shape, aval.dtype if is_inexact(aval.dtype) else float0)


def random_like(rng: np.random.Generator, x: Array, size: float = 1.0) -> Array:
    """A random array of the shape and dtype of another."""
    aval = aval_of(x)
    drawn = rng.normal(size=aval.shape)
    if aval.dtype.kind == "c":
        drawn = drawn + 1j * rng.normal(size=aval.shape)
    return np.asarray(size * drawn).astype(aval.dtype)[()]


def dot(xs: Sequence[Any], ys: Sequence[Any]) -> tuple[float, float]:
    """The real part of Σ x·y, and the sum of the magnitudes of its terms."""
    total = size = 0.0
    for x, y in zip(xs, ys, strict=True):
        if x is not None and y is not None:
            terms = np.real(np.asarray(x).astype(complex) * y)
            total, size = total + float(terms.sum()), size + float(np.abs(terms).sum())
    return total, size
