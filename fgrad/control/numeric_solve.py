"""Running a numerical method, written in NumPy, on a function that was written for fgrad."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from fgrad.compiler.compiled import compiled_function
from fgrad.control.functional import Flat, Functional
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.core.primitive import instantiate
from fgrad.errors import NonDifferentiableError, message
from fgrad.transforms import jvp as forward
from fgrad.transforms.batch import batch
from fgrad.transforms.invariant import split_invariant
from fgrad.transforms.jaxprs import cached, to_front
from fgrad.transforms.stage import trace

__all__ = ["Method", "Problem", "solve_numerically"]

Rows = np.ndarray[Any, Any]
"""An array of shape (rows, n): one problem of n unknowns in each row."""


class Method(Protocol):
    """A numerical method: works on all rows at once, each of which is a problem of its own."""

    def __call__(self, problem: Problem, x: Rows, /) -> Rows:
        """What it finds for the rows, starting from `x`, or for the right-hand sides `x`."""
        ...


class Problem:
    """A function of vectors, for many rows at once, as numerical methods want it."""

    def __init__(self, fun: Flat, jacobian: Flat, likes: Sequence[Rows], depth: int) -> None:
        self._fun = fun
        self._jacobian = jacobian
        self._shapes = [x.shape for x in likes]
        self._dtypes = [x.dtype for x in likes]
        self._lead = self._shapes[0][:depth]
        self._sizes = [math.prod(shape[depth:]) for shape in self._shapes]
        self.rows = math.prod(self._lead)

    def pack(self, xs: Sequence[Any]) -> Rows:
        """Arrays as vectors."""
        vectors = [np.reshape(x, (self.rows, size)) for x, size in zip(xs, self._sizes, strict=True)]
        return vectors[0] if len(vectors) == 1 else np.concatenate(vectors, axis=1)

    def unpack(self, vectors: Rows) -> list[Any]:
        """Vectors as arrays."""
        out, offset = [], 0
        for shape, dtype, size in zip(self._shapes, self._dtypes, self._sizes, strict=True):
            out.append(vectors[:, offset : offset + size].reshape(shape).astype(dtype, copy=False)[()])
            offset += size
        return out

    def __call__(self, x: Rows) -> Rows:
        return self.pack(self._fun(*self.unpack(x)))

    def jacobian(self, x: Rows) -> Rows:
        """Of shape (rows, n, n): for each row its derivative."""
        columns = self._jacobian(*self.unpack(x))
        count = len(columns[0])
        stacked = np.concatenate(
            [np.reshape(c, (count, self.rows, size)) for c, size in zip(columns, self._sizes, strict=True)], axis=2
        )
        return np.moveaxis(stacked, 0, 2)


def _columns(fun: Flat, xs: Sequence[Array], depth: int) -> list[Array]:
    """The derivatives of a function of rows along every unknown, stacked along a new first axis."""
    avals = [aval_of(x) for x in xs]
    sizes = [math.prod(a.shape[depth:]) for a in avals]
    count, basis, offset = sum(sizes), [], 0
    for aval, size in zip(avals, sizes, strict=True):
        block = np.zeros((count, size), aval.dtype)
        block[range(offset, offset + size), range(size)] = 1
        rows = block.reshape(count, *(1,) * depth, *aval.shape[depth:])
        basis.append(np.broadcast_to(rows, (count, *aval.shape)))
        offset += size

    def column(*ts: Array) -> list[Array]:
        outs, tangents = forward.jvp(fun, xs, ts)
        return [instantiate(t, y) for t, y in zip(tangents, outs, strict=True)]

    found, dims = batch(column, count, basis, [0] * len(basis), fun)
    return [to_front(y, d, count) for y, d in zip(found, dims, strict=True)]


@cached
def _jacobian_jaxpr(closed: ClosedJaxpr, count: int, depth: int) -> ClosedJaxpr:
    def run(*args: Array) -> list[Array]:
        return _columns(lambda *xs: closed(*args[:count], *xs), args[count:], depth)

    return trace(run, closed.in_avals)


class NumericSolve(Functional):
    """`numeric_solve(*captured, *xs, fun=, method=, count=, depth=)`: what a method finds, starting from `xs`, whose
    first `depth` axes are rows.

    It stands inside of functions that have a derivative rule, and has none.
    """

    runs = "fun"

    def evaluate(self, args: Sequence[Array], params: dict[str, Any]) -> list[Array]:
        return self.impl(*args, **params)

    def impl(self, *args: Array, fun: Any, method: Method, count: int, depth: int) -> list[Array]:
        captured, likes = args[:count], [np.asarray(x) for x in args[count:]]
        run, jacobian = _runners(fun, captured, count, depth)
        problem = Problem(run, jacobian, likes, depth)
        return problem.unpack(method(problem, problem.pack(likes)))

    def shape(self, *avals: ShapedArray, count: int, **params: Any) -> list[ShapedArray]:
        return [ShapedArray(a.shape, a.dtype) for a in avals[count:]]

    def jvp(self, out: Any, xs: Any, ts: Any, *, method: Method, **params: Any) -> Any:
        name = getattr(method, "__name__", type(method).__name__)
        what = f"the iterations of `{name}` have no derivative."
        raise NonDifferentiableError(message(what, cure="Differentiate fgrad.implicit.root and its like instead."))

    def batch(
        self, size: int, xs: Sequence[Array], dims: Sequence[int | None], *, count: int, depth: int, **params: Any
    ) -> tuple[list[Array], list[int]]:
        changed = self.over_rows(size, dims[:count], params)
        given = [to_front(x, d, size) for x, d in zip(xs[count:], dims[count:], strict=True)]
        outs = self.bind(*xs[:count], *given, count=count, depth=depth + 1, **changed)
        return outs, [0] * len(outs)


def _runners(fun: Any, captured: Sequence[Array], count: int, depth: int) -> tuple[Flat, Flat]:
    """The function at some captured values, and its derivatives along every unknown."""
    if isinstance(fun, ClosedJaxpr):
        compiled, columns = _prepared(fun, captured, count), None

        def jacobian(*xs: Array) -> list[Array]:
            nonlocal columns
            columns = columns or _prepared(_jacobian_jaxpr(fun, count, depth), captured, count)
            return columns(*xs)

        return compiled, jacobian
    at = getattr(fun, "at", None)
    fixed: Flat = at(*captured) if at is not None else lambda *xs: fun(*captured, *xs)
    return fixed, lambda *xs: _columns(fixed, xs, depth)


def _prepared(closed: ClosedJaxpr, captured: Sequence[Array], count: int) -> Flat:
    """A program at some leading arguments; what depends on these alone is computed once."""
    split = split_invariant(closed, count)
    if split is None:
        whole = compiled_function(closed, "problem")
        return lambda *xs: list(whole(*captured, *xs))
    known = compiled_function(split.outer, "problem")(*captured)
    used = len(split.inner.in_avals) - len(closed.in_avals)
    inner = compiled_function(split.inner, "problem")

    def run(*xs: Array) -> list[Array]:
        found = inner(*known[:used], *captured, *xs)
        return [known[i] if fixed else found[i] for fixed, i in split.places]

    return run


_numeric_solve = NumericSolve()


def solve_numerically(fun: Flat, captured: Sequence[Array], xs: Sequence[Array], method: Method) -> list[Array]:
    """What a method finds for the function `fun(*captured, …)`, starting from `xs`, or for right-hand sides `xs`."""
    return _numeric_solve(*captured, *xs, fun=fun, method=method, count=len(captured), depth=0)  # type: ignore[no-any-return]
