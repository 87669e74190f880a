"""The forward Laplacian: the interpreter whose states are a value, its gradient and its Laplacian.

A Laplacian is a sum of second derivatives along all unit directions, and what an operation does to second derivatives
of its arguments is linear. So these are summed as they arise: one Laplacian is carried, not one second derivative for
each direction. Of the operation itself only the curvature along every gradient is needed: a second-order jet.

Source: Li et al., "A computational framework for neural network-based variational Monte Carlo with Forward Laplacian",
2024.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.interpreter import Interpreter, Tracer, lift
from fgrad.core.primitive import ZERO, Primitive, Zero
from fgrad.primitives.coefficients import times, total
from fgrad.primitives.shape import broadcast_to, move_axis, reduce_sum
from fgrad.transforms.batch import batch
from fgrad.transforms.jet import Jet

__all__ = ["Laplacian", "laplacian"]

Harmonics: TypeAlias = tuple[Array, Array | Zero, Array | Zero]


class Laplacian(Interpreter[Harmonics]):
    """Carries derivatives along several directions, and the sum of the second ones.

    Attributes:
        size: the number of directions; they run along the first axis of a gradient.
    """

    def __init__(self, size: int, function: Callable[..., Any] | None = None) -> None:
        super().__init__("laplacian", function)
        self.size = size

    def step(self, primitive: Primitive, states: list[Harmonics], params: dict[str, Any]) -> Any:
        xs, slopes, sums = ([s[i] for s in states] for i in range(3))
        if all(g is ZERO for g in slopes) and all(s is ZERO for s in sums):
            out = primitive.bind(*xs, **params)
            return [(y, ZERO, ZERO) for y in out] if primitive.multiple else (out, ZERO, ZERO)
        outs, firsts, seconds = self._along(primitive, xs, slopes, params)
        if any(s is not ZERO for s in sums):
            moved = _pushed(primitive, outs, xs, sums, params)
            seconds = [total(a, b) for a, b in zip(moved, seconds, strict=True)]
        results = list(zip(outs, firsts, seconds, strict=True))
        return results if primitive.multiple else results[0]

    def _along(
        self, primitive: Primitive, xs: list[Array], slopes: list[Any], params: dict[str, Any]
    ) -> tuple[list[Array], list[Any], list[Any]]:
        """The results, their derivatives along all directions, and the sums of the second ones, but for those that the
        arguments have already."""
        present: list[list[bool]] = []

        def row(*given: Array) -> list[Array]:
            terms = iter(given)
            states = [(x, ZERO if g is ZERO else [next(terms), ZERO]) for x, g in zip(xs, slopes, strict=True)]
            found = Jet(2, "laplacian").step(primitive, states, params)
            expansions = found if primitive.multiple else [found]
            outs = [y for y, _ in expansions]
            rest = [[ZERO if t is ZERO else t[k] for _, t in expansions] for k in range(2)]
            present[:] = [[t is not ZERO for t in part] for part in rest]
            return outs + [t for part in rest for t in part if t is not ZERO]

        given = [g for g in slopes if g is not ZERO]
        flat, dims = batch(row, self.size, given, [0] * len(given))
        count = len(present[0])
        rest = iter(zip(flat[count:], dims[count:], strict=True))
        firsts = [self._front(*next(rest)) if m else ZERO for m in present[0]]
        seconds = [times(self._summed(*next(rest)), 2.0) if m else ZERO for m in present[1]]
        return flat[:count], firsts, seconds

    def _front(self, g: Array, dim: int | None) -> Array:
        return broadcast_to(g, shape=(self.size, *aval_of(g).shape)) if dim is None else move_axis(g, dim, 0)

    def _summed(self, s: Array, dim: int | None) -> Array:
        return s * float(self.size) if dim is None else reduce_sum(s, axes=(dim,))

    def lift(self, value: Array) -> Harmonics:
        return value, ZERO, ZERO

    def aval(self, state: Harmonics) -> ShapedArray:
        return aval_of(state[0])

    def value(self, state: Harmonics) -> Array:
        return state[0]

    def constant(self, state: Harmonics) -> Array:
        return state[0] if state[1] is ZERO and state[2] is ZERO else None

    def harmonics(self, x: Array) -> Harmonics:
        """What an output of the traced function is: value, derivatives along the directions, Laplacian."""
        if type(x) is Tracer and x.interpreter is self:
            return x.state  # type: ignore[no-any-return]
        return lift(self, x)


def _pushed(
    primitive: Primitive, outs: list[Array], xs: list[Array], ts: list[Any], params: dict[str, Any]
) -> list[Any]:
    """The tangents of some results that are known already."""
    if type(primitive).pushforward is Primitive.pushforward:
        found = primitive.jvp(outs if primitive.multiple else outs[0], xs, ts, **params)
    else:
        found = primitive.pushforward(xs, ts, params)[1]
    return list(found) if primitive.multiple else [found]


def laplacian(
    f: Callable[..., Sequence[Array]], xs: Sequence[Array], slopes: Sequence[Array], size: int, function: Any = None
) -> list[Harmonics]:
    """For every output of a function of flat arguments: value, derivatives along all directions, sum of the second
    ones.

    Args:
        f: returns a flat list.
        xs: its arguments.
        slopes: directions, along the first axis.
        size: their number.
        function: what the user gave.
    """
    interpreter = Laplacian(size, function or f)
    with interpreter:
        outs = f(*[Tracer(interpreter, (x, g, ZERO)) for x, g in zip(xs, slopes, strict=True)])
        return [interpreter.harmonics(y) for y in outs]
