"""The general product of two arrays: every product of tensors is one `dot_general`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, reduce
from itertools import count
from string import ascii_letters
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fgrad.core.aval import Array, ShapedArray
from fgrad.core.primitive import ZERO, Primitive, Sample, is_linear_input
from fgrad.core.writer import Writer
from fgrad.errors import ShapeError, message
from fgrad.primitives.coefficients import Coefficient, Series, total
from fgrad.primitives.families import draw, shape_of
from fgrad.primitives.joining import stack, unstack
from fgrad.primitives.shape import transpose

__all__ = ["Bilinear", "DimensionNumbers", "dot_general"]

Axes: TypeAlias = tuple[int, ...]
DimensionNumbers: TypeAlias = tuple[tuple[Axes, Axes], tuple[Axes, Axes]]
"""`((contracted axes of x, of y), (batch axes of x, of y))`."""


class Bilinear(Primitive):
    """A primitive that is linear in each of its two arguments: the product rule is its derivative."""

    def is_affine(self, varying: Sequence[bool]) -> bool:
        return not all(varying)

    def jvp(self, out: Array, xs: Sequence[Array], ts: Sequence[Any], **params: Any) -> Array:
        (x, y), (by_x, by_y) = xs, ts
        if by_y is ZERO:
            return self.bind(by_x, y, **params)
        if by_x is ZERO:
            return self.bind(x, by_y, **params)
        return self.bind(by_x, y, **params) + self.bind(x, by_y, **params)

    def series(self, out: Array, x: Series, y: Series, **params: Any) -> Iterator[Coefficient]:
        def product(j: int, k: int) -> Coefficient:
            a, b = x[j], y[k - j]
            return ZERO if a is ZERO or b is ZERO else self.bind(a, b, **params)

        return (reduce(total, (product(j, k) for j in range(k + 1))) for k in count(1))

    def jet(
        self, order: int, xs: Sequence[Array], terms: Sequence[Any], params: dict[str, Any]
    ) -> tuple[Array, list[Coefficient]]:
        """One product of a coefficient with all those of the other operand that it meets, for each coefficient."""
        (x, y), (by_x, by_y) = xs, terms
        if by_y is ZERO:
            out, *found = self._products(y, [x, *by_x], 1, params)
            return out, found
        out, *found = self._products(x, [y, *by_y], 0, params)
        for j, a in enumerate(() if by_x is ZERO else by_x, 1):
            if a is not ZERO:
                for k, product in enumerate(self._products(a, [y, *by_y[: order - j]], 0, params), j - 1):
                    found[k] = total(found[k], product)
        return out, found

    def _products(self, a: Array, bs: Sequence[Coefficient], place: int, params: dict[str, Any]) -> list[Coefficient]:
        """The products of one operand, at a place, with several others: side by side they make one big product.

        With two, a value and its slope, they do not: where one has rows of its own, the other would be repeated.
        """
        given = [b for b in bs if b is not ZERO]
        if len(given) > 2:
            operands: list[Array] = [stack(*given, axis=0)]
            operands.insert(place, a)
            dims: list[int | None] = [0]
            dims.insert(place, None)
            out, dim = self.batch(len(given), operands, dims, **params)
            products = iter(unstack(out, axis=dim))
        else:
            products = iter([self.bind(*((a, b) if place == 0 else (b, a)), **params) for b in given])
        return [b if b is ZERO else next(products) for b in bs]


def _numbers(contract: tuple[Axes, Axes], batch: tuple[Axes, Axes] = ((), ())) -> dict[str, DimensionNumbers]:
    return {"dimension_numbers": (contract, batch)}


class DotGeneral(Bilinear):
    """`dot_general(x, y, dimension_numbers=((x_contract, y_contract), (x_batch, y_batch)))`: a product of two tensors.

    Sums x·y over pairs of contracted axes. The axes of the result are the batch axes, which run along in both, then the
    remaining axes of x, then those of y. Both operands have the same dtype.
    """

    samples = (
        Sample(draw(-1, 1, (2, 3)), draw(-1, 1, (3, 4)), **_numbers(((1,), (0,)))),
        Sample(draw(-1, 1, (3, 2)), draw(-1, 1, (4, 3)), **_numbers(((0,), (1,)))),
        Sample(draw(-1, 1, (3,)), draw(-1, 1, (3,)), **_numbers(((0,), (0,)))),
        Sample(draw(-1, 1, (2, 3)), draw(-1, 1, (3,)), **_numbers(((1,), (0,)))),
        Sample(draw(-1, 1, (3,)), draw(-1, 1, (3, 2)), **_numbers(((0,), (0,)))),
        Sample(draw(-1, 1, (2,)), draw(-1, 1, (3,)), **_numbers(((), ()))),
        Sample(draw(-1, 1), draw(-1, 1), **_numbers(((), ()))),
        Sample(draw(-1, 1), draw(-1, 1, (2, 3)), **_numbers(((), ()))),
        Sample(draw(-1, 1, (2, 0)), draw(-1, 1, (0, 3)), **_numbers(((1,), (0,)))),
        Sample(draw(-1, 1, (2, 3, 4)), draw(-1, 1, (4, 5)), **_numbers(((2,), (0,)))),
        Sample(draw(-1, 1, (2, 3, 4)), draw(-1, 1, (4, 3, 2)), **_numbers(((1, 2), (1, 0)))),
        Sample(draw(-1, 1, (5, 2, 3)), draw(-1, 1, (5, 3, 4)), **_numbers(((2,), (1,)), ((0,), (0,)))),
        Sample(draw(-1, 1, (2, 5, 3)), draw(-1, 1, (3, 4, 5)), **_numbers(((2,), (0,)), ((1,), (2,)))),
        Sample(draw(-1, 1, (5, 3)), draw(-1, 1, (5, 3)), **_numbers(((1,), (1,)), ((0,), (0,)))),
        Sample(draw(-1, 1, (5, 3)), draw(-1, 1, (5, 3, 2)), **_numbers(((1,), (1,)), ((0,), (0,)))),
        Sample(draw(-1, 1, (5, 3)), draw(-1, 1, (2, 5)), **_numbers(((), ()), ((0,), (1,)))),
        Sample(draw(-1, 1, (2, 3), np.complex128), draw(-1, 1, (3, 2), np.complex128), **_numbers(((1,), (0,)))),
    )

    def impl(self, x: Array, y: Array, *, dimension_numbers: DimensionNumbers) -> Array:
        try:
            return _product(dimension_numbers, x.ndim, y.ndim)(x, y)
        except AttributeError:
            return _product(dimension_numbers, np.ndim(x), np.ndim(y))(np.asarray(x), np.asarray(y))

    def shape(self, x: ShapedArray, y: ShapedArray, *, dimension_numbers: DimensionNumbers) -> ShapedArray:
        if x.dtype != y.dtype:
            cure = "Convert one of them; fgrad.numpy.matmul and its kin promote."
            raise ShapeError(message(f"dot_general of {x} and {y}: the dtypes differ.", cure=cure))
        return ShapedArray(_result_shape(x.shape, y.shape, dimension_numbers), x.dtype)

    def transpose(self, ct: Array, x: Any, y: Any, *, dimension_numbers: DimensionNumbers) -> Sequence[Array | None]:
        if is_linear_input(x):
            plan = _backwards(dimension_numbers, len(x.aval.shape), len(shape_of(y)))
            return _cotangent(ct, y, plan), None
        return None, _cotangent(ct, x, _backwards(dimension_numbers, len(y.aval.shape), len(shape_of(x)), True))

    def batch(
        self,
        size: int,
        xs: Sequence[Array],
        dims: Sequence[int | None],
        *,
        dimension_numbers: DimensionNumbers,
    ) -> tuple[Array, int]:
        (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
        dim_x, dim_y = dims
        x_axes, y_axes = _shift(x_contract, dim_x), _shift(y_contract, dim_y)
        x_rows, y_rows = _shift(x_batch, dim_x), _shift(y_batch, dim_y)
        if dim_x is not None and dim_y is not None:
            numbers = (x_axes, y_axes), ((dim_x, *x_rows), (dim_y, *y_rows))
            return dot_general(*xs, dimension_numbers=numbers), 0
        out = dot_general(*xs, dimension_numbers=((x_axes, y_axes), (x_rows, y_rows)))
        # The mapped axis is one more free axis: unmapped weights still make one big product.
        if dim_x is not None:
            return out, len(x_batch) + dim_x - sum(a < dim_x for a in (*x_axes, *x_rows))
        assert dim_y is not None
        x_rank = len(shape_of(xs[0]))
        return out, x_rank - len(x_contract) + dim_y - sum(a < dim_y for a in (*y_axes, *y_rows))

    def lower(
        self,
        write: Writer,
        names: Sequence[str],
        out: str | None,
        *,
        dimension_numbers: DimensionNumbers,
    ) -> str:
        expression = _expression(names, write.avals, dimension_numbers)
        return expression if out is None else f"{expression.removesuffix(')')}, out={out})"

    def fills(self, avals: Sequence[ShapedArray], out: ShapedArray, **params: Any) -> bool:
        return self.can_write(avals, **params)

    def can_write(self, avals: Sequence[ShapedArray], *, dimension_numbers: DimensionNumbers) -> bool:
        """Whether the lowered expression can write its result into a given array, which lies in order."""
        return (
            not dimension_numbers[1][0] and len(dimension_numbers[0][0]) == 1 and [a.ndim for a in avals] in _MATRICES
        )


_MATRICES = ([2, 2], [2, 1], [1, 2])

dot_general = DotGeneral()


def _shift(axes: Axes, dim: int | None) -> Axes:
    return axes if dim is None else tuple([a + (a >= dim) for a in axes])


@lru_cache(maxsize=4096)
def _result_shape(x: Axes, y: Axes, numbers: DimensionNumbers) -> Axes:
    """The shape of a product; paired axes must exist, once each, and have the same length."""
    (x_contract, y_contract), (x_batch, y_batch) = numbers
    for shape, axes in ((x, (*x_contract, *x_batch)), (y, (*y_contract, *y_batch))):
        if len(set(axes)) != len(axes) or not all(0 <= a < len(shape) for a in axes):
            raise ShapeError(message(f"dot_general: {axes} are not distinct axes of an array of shape {shape}."))
    if len(x_contract) != len(y_contract) or len(x_batch) != len(y_batch):
        raise ShapeError(message(f"dot_general: the axes in {numbers} cannot be paired."))
    for i, j in (*zip(x_contract, y_contract, strict=True), *zip(x_batch, y_batch, strict=True)):
        if x[i] != y[j]:
            what = f"a product of shapes {x} and {y} pairs axis {i} of length {x[i]} with axis {j} of length {y[j]}."
            raise ShapeError(message(what, cure="Paired axes must have the same length."))
    left = [x[i] for i in _remaining(len(x), x_contract, x_batch)]
    right = [y[i] for i in _remaining(len(y), y_contract, y_batch)]
    return (*[x[i] for i in x_batch], *left, *right)


class _Backwards(NamedTuple):
    """How the cotangent of an operand comes from that of the product and the other operand."""

    other_first: bool
    dimension_numbers: DimensionNumbers
    axes: Axes | None


@lru_cache(maxsize=4096)
def _backwards(numbers: DimensionNumbers, rank: int, other_rank: int, second: bool = False) -> _Backwards:
    """Of the two orders of the factors takes the one whose product lies as the operand does, if there is one.

    Args:
        numbers: those of the product.
        rank: the number of axes of the operand whose cotangent is wanted.
        other_rank: that of the other operand.
        second: the operand is the second factor.
    """
    (contract, other_contract), (batch, other_batch) = [pair[::-1] if second else pair for pair in numbers]
    free = _remaining(rank, contract, batch)
    other_free = _remaining(other_rank, other_contract, other_batch)
    rows = tuple(range(len(batch)))
    start = len(rows) + (0 if second else len(free))
    spanned = tuple(range(start, start + len(other_free)))
    summed = [contract[other_contract.index(a)] for a in sorted(other_contract)]
    placed = {False: (*batch, *free, *summed), True: (*batch, *summed, *free)}
    as_wanted = tuple(range(rank))
    other_first = next((order for order in (second, not second) if placed[order] == as_wanted), second)
    paired, rows_paired = (spanned, other_free), (rows, other_batch)
    if other_first:
        paired, rows_paired = paired[::-1], rows_paired[::-1]
    axes = None if placed[other_first] == as_wanted else tuple([placed[other_first].index(a) for a in range(rank)])
    return _Backwards(other_first, (paired, rows_paired), axes)


def _cotangent(ct: Array, other: Array, plan: _Backwards) -> Array:
    factors = (other, ct) if plan.other_first else (ct, other)
    out = dot_general(*factors, dimension_numbers=plan.dimension_numbers)
    return out if plan.axes is None else transpose(out, axes=plan.axes)


def _remaining(rank: int, *used: Axes) -> Axes:
    taken = {a for axes in used for a in axes}
    return tuple([a for a in range(rank) if a not in taken])


class _View(NamedTuple):
    """What is done to an operand before it is multiplied, in this order; `None` where nothing is."""

    axes: Axes | None
    shape: Axes | None
    flip: bool = False
    copy: bool = False


_AS_IT_IS = _View(None, None)


class _Recipe(NamedTuple):
    """A product by one NumPy function of two operands, and what is done to its result.

    `subscripts` go before the operands: those of `np.einsum`.
    """

    function: Callable[..., Array]
    left: _View
    right: _View
    shape: Axes | None = None
    axes: Axes | None = None
    subscripts: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def _product(numbers: DimensionNumbers, x_rank: int, y_rank: int) -> Callable[[Any, Any], Array]:
    """The function that computes a product of operands of the given ranks."""
    (x_contract, y_contract), (x_batch, _) = numbers
    if x_batch or len(x_contract) != 1 or x_rank > 2 or y_rank > 2:
        return lambda x, y: _follow(_recipe(numbers, x.shape, y.shape, x.dtype.kind == "c"), x, y)
    # np.dot takes transposed views to BLAS as they are, with less overhead than np.matmul.
    flip_x = x_rank == 2 and x_contract == (0,)
    flip_y = y_rank == 2 and y_contract == (1,)
    if flip_x:
        return (lambda x, y: np.dot(x.T, y.T)) if flip_y else (lambda x, y: np.dot(x.T, y))
    return (lambda x, y: np.dot(x, y.T)) if flip_y else np.dot


def _follow(recipe: _Recipe, x: Any, y: Any) -> Array:
    out = recipe.function(*recipe.subscripts, _viewed(x, recipe.left), _viewed(y, recipe.right))
    if recipe.shape is not None:
        out = out.reshape(recipe.shape)
    return out if recipe.axes is None else out.transpose(recipe.axes)


def _viewed(x: Any, view: _View) -> Any:
    if view.axes is not None:
        x = x.transpose(view.axes)
    if view.shape is not None:
        x = x.reshape(view.shape)
    if view.flip:
        x = x.mT
    return np.ascontiguousarray(x) if view.copy else x


@lru_cache(maxsize=4096)
def _recipe(numbers: DimensionNumbers, x: Axes, y: Axes, conjugating: bool) -> _Recipe:
    """How to compute a product of operands of given shapes, without copies where axes can be merged without.

    Args:
        numbers: those of the product.
        x: the shape of the first operand.
        y: the shape of the second.
        conjugating: the operands are complex, so that `np.vecdot` is not their plain product.
    """
    (x_contract, y_contract), (x_batch, y_batch) = numbers
    x_free, y_free = _remaining(len(x), x_contract, x_batch), _remaining(len(y), y_contract, y_batch)
    rows, free, other = ([s[i] for i in axes] for s, axes in ((x, x_batch), (x, x_free), (y, y_free)))
    if not x_contract:
        left = _view(x, (*x_batch, *x_free), (*rows, *free, *[1] * len(other)))
        right = _view(y, (*y_batch, *y_free), (*rows, *[1] * len(free), *other))
        return _Recipe(np.multiply, left, right)
    if not rows and len(free) < 2 and len(other) > 1 and y_contract == (len(y) - 2,):
        # np.matmul takes a stack of matrices as it lies; only the result's axes have to be put in order.
        last = len(other) - 1
        axes = (last, *range(last), last + 1) if free else None
        flip = (1, 0) if x_contract == (0,) and free else None
        return _Recipe(np.matmul, _View(flip, None), _AS_IT_IS, axes=axes)
    x_sum, y_sum = _summing_order(x_contract, y_contract)
    count = math.prod([x[i] for i in x_sum])
    x_axes, y_axes = (*x_batch, *x_free, *x_sum), (*y_batch, *y_sum, *y_free)
    if not rows:
        left = _matrices(x, ((), x_free, x_sum)) if free else _view(x, x_axes, (count,))
        right = _matrices(y, ((), y_sum, y_free)) if other else _view(y, y_axes, (count,))
        shape = None if len(free) < 2 and len(other) < 2 else (*free, *other)
        return _Recipe(np.dot, left, right, shape)
    if not free and not other and not conjugating:
        return _Recipe(np.vecdot, _view(x, x_axes, (*rows, count)), _view(y, y_axes, (*rows, count)))
    m, n = math.prod(free), math.prod(other)
    shape = None if len(free) == len(other) == 1 else (*rows, *free, *other)
    if count == 1 and n >= _WIDE:
        left = _view(x, x_axes, (*rows, m, 1))
        return _Recipe(np.multiply, left, _view(y, y_axes, (*rows, 1, n)), shape)
    many = math.prod(rows) >= _MANY
    if many and _runs_along_rows(len(x) - 1 in x_batch, len(y) - 1 in y_batch, m, n, count):
        return _Recipe(np.einsum, _AS_IT_IS, _AS_IT_IS, subscripts=(_subscripts(numbers, len(x), len(y)),))
    left = _matrices(x, (x_batch, x_free, x_sum), len(x) - 1 in x_batch)
    tiny = many and len(y) - 1 in y_contract and len(x) - 1 in x_contract and count * n <= _TINY
    right = _matrices(y, (y_batch, y_sum, y_free), len(y) - 1 in y_batch or tiny)
    return _Recipe(np.matmul, left, right, shape)


# Measured with float32 and float64, 16 to 4096 matrices, on NumPy 2.4 with OpenBLAS.
_MANY = 16
"""Products from which on it pays to care how each of them is made."""
_WIDE = 16
"""Columns from which on an outer product by `np.multiply` is faster than by BLAS (1.5 times)."""
_TINY = 64
"""Elements up to which it pays to copy a transposed second factor (1.5 to 2 times as fast). Besides, before NumPy 2.3
`np.matmul` multiplies matrices without BLAS whose last axis, along memory, is not one of theirs."""
_LONG = 1024
"""Terms up to which rows are summed one after the other."""


def _runs_along_rows(x_last: bool, y_last: bool, m: int, n: int, count: int) -> bool:
    """Whether a stack of products is best computed side by side, in the order of memory, in which the stack comes last.

    BLAS needs a copy with every element moved: for products of a matrix and a vector, 2 to 20 times the time, for tiny
    matrices 3 to 10 times.
    """
    if count > _LONG:
        return False
    if n == 1 or m == 1:
        return x_last if n == 1 and m > 1 else y_last if m == 1 and n > 1 else x_last and y_last
    return x_last and y_last and m * n * count <= _TINY


def _subscripts(numbers: DimensionNumbers, x_rank: int, y_rank: int) -> str:
    """What `np.einsum` calls a product: letters of the axes of x, then of what y has besides."""
    (x_contract, y_contract), (x_batch, y_batch) = numbers
    left = list(ascii_letters[:x_rank])
    right = list(ascii_letters[x_rank : x_rank + y_rank])
    for i, j in (*zip(x_contract, y_contract, strict=True), *zip(x_batch, y_batch, strict=True)):
        right[j] = left[i]
    out = [left[i] for i in (*x_batch, *_remaining(x_rank, x_contract, x_batch))]
    out += [right[j] for j in _remaining(y_rank, y_contract, y_batch)]
    return f"{''.join(left)},{''.join(right)}->{''.join(out)}"


def _matrices(given: Axes, groups: tuple[Axes, Axes, Axes], copy: bool = False) -> _View:
    """A stack of matrices, from the axes of the stack, of the rows and of the columns. Where the axes are in order the
    other way round, so that merging them takes no copy, the matrices are transposed."""
    stack, rows, columns = groups
    shape = [given[a] for a in stack]
    merged = len(rows) != 1 or len(columns) != 1
    flip = merged and (*stack, *columns, *rows) == tuple(range(len(given))) != (*stack, *rows, *columns)
    shape += [math.prod(given[a] for a in axes) for axes in ((columns, rows) if flip else (rows, columns))]
    order = (*stack, *columns, *rows) if flip else (*stack, *rows, *columns)
    return _view(given, order, tuple(shape))._replace(flip=flip, copy=copy)


def _view(given: Axes, axes: Axes, shape: Axes) -> _View:
    """Axes in another order, then another shape."""
    ordered = tuple([given[a] for a in axes])
    kept = None if axes == tuple(range(len(axes))) else axes
    return _View(kept, None if ordered == shape else shape)


def _summing_order(x_contract: Axes, y_contract: Axes) -> tuple[Axes, Axes]:
    """Pairs of contracted axes may come in any order: one in which most operands need no copy to merge them."""
    pairs = list(zip(x_contract, y_contract, strict=True))
    orders = [sorted(pairs), sorted(pairs, key=lambda pair: pair[1])]
    best = max(orders, key=lambda order: _adjacent([a for a, _ in order]) + _adjacent([b for _, b in order]))
    return tuple([a for a, _ in best]), tuple([b for _, b in best])


def _adjacent(axes: list[int]) -> bool:
    return axes == list(range(axes[0], axes[0] + len(axes)))


def _expression(names: Sequence[str], avals: Sequence[ShapedArray], numbers: DimensionNumbers) -> str:
    """NumPy source for a product of operands of known shapes."""
    x, y = avals
    (x_contract, y_contract), (x_batch, _) = numbers
    if not x_batch and len(x_contract) == 1 and x.ndim <= 2 and y.ndim <= 2:
        left = f"{names[0]}.T" if x.ndim == 2 and x_contract == (0,) else names[0]
        right = f"{names[1]}.T" if y.ndim == 2 and y_contract == (1,) else names[1]
        return f"np.dot({left}, {right})"
    recipe = _recipe(numbers, x.shape, y.shape, x.dtype.kind == "c")
    left, right = (_source_of(name, view) for name, view in zip(names, (recipe.left, recipe.right), strict=True))
    given = [*map(repr, recipe.subscripts), left, right]
    product = f"np.{recipe.function.__name__}({', '.join(given)})"
    return _source_of(_source_of(product, _View(None, recipe.shape)), _View(recipe.axes, None))


def _source_of(name: str, view: _View) -> str:
    if view.axes is not None:
        name = f"{name}.T" if view.axes == (1, 0) else f"np.transpose({name}, {view.axes})"
    if view.shape is not None:
        name = f"np.reshape({name}, {view.shape})"
    if view.flip:
        name = f"{name}.mT"
    return f"np.ascontiguousarray({name})" if view.copy else name
