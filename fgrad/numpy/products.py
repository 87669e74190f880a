"""Products of vectors, matrices and tensors. Given only concrete arrays each is NumPy's own.

All but a few are one `dot_general`. Operands of different dtypes are promoted as in NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index

from fgrad.core.aval import Array, aval_of
from fgrad.core.interpreter import Tracer, install
from fgrad.errors import ArgumentError, ShapeError, message
from fgrad.numpy.axes import as_dtype
from fgrad.numpy.dispatch import as_operand, is_traced, refuse
from fgrad.numpy.einsums import diagonal_of
from fgrad.primitives import operators
from fgrad.primitives.contraction import dot_general
from fgrad.primitives.elementwise import mul
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_keys import FULL
from fgrad.primitives.indexing import gather
from fgrad.primitives.joining import stack
from fgrad.primitives.rounding import conj
from fgrad.primitives.shape import broadcast_to, move_axis, reduce_sum, reshape, transpose

__all__ = [
    "cross",
    "dot",
    "inner",
    "kron",
    "matmul",
    "matvec",
    "outer",
    "tensordot",
    "trace",
    "vdot",
    "vecdot",
    "vecmat",
]

Axes = tuple[int, ...]


def _promoted(a: Any, b: Any) -> tuple[Array, Array]:
    """Two operands as arrays of one dtype."""
    x, y = as_operand(a), as_operand(b)
    left, right = aval_of(x), aval_of(y)
    if left.dtype == right.dtype and not (left.weak_type or right.weak_type):
        return x, y
    dtype = np.result_type(left.dtype, right.dtype)
    return as_dtype(x, dtype), as_dtype(y, dtype)


def _flat(x: Array) -> Array:
    shape = shape_of(x)
    return x if len(shape) == 1 else reshape(x, shape=(math.prod(shape),))


def _refuse_options(name: str, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    """A ufunc's `out`, `axes`, `dtype`, … mean nothing for traced arrays."""
    refuse(name, **({"out": args} if args else {}), **options)


def _conjugate(x: Array) -> Array:
    return conj(x) if aval_of(x).dtype.kind == "c" else x


def _check_core(name: str, x: Array, y: Array, x_axis: int, y_axis: int, least: tuple[int, int] = (1, 1)) -> None:
    """Refuses operands with too few axes, or whose summed axes, counted from the end, differ in length."""
    left, right = shape_of(x), shape_of(y)
    if len(left) < max(-x_axis, least[0]) or len(right) < max(-y_axis, least[1]):
        what = f"{name} of arrays of shapes {left} and {right}: one of them has too few axes."
        raise ShapeError(message(what, cure="Multiply by a number with `*`."))
    if left[x_axis] != right[y_axis]:
        what = f"{name} of arrays of shapes {left} and {right}: {left[x_axis]} and {right[y_axis]} elements are paired."
        raise ShapeError(message(what, cure="The axes that are summed over must have the same length."))


def _batched(name: str, x: Array, y: Array, x_core: int, y_core: int, x_sum: int, y_sum: int) -> Array:
    """The product of the last axes of two operands, row by row over their other axes, which broadcast.

    Args:
        name: of the function, for errors.
        x: the first operand.
        y: the second operand.
        x_core: how many axes of `x` take part in the product itself.
        y_core: how many of `y`.
        x_sum: which of them is summed over, counted from the end.
        y_sum: which of `y`.
    """
    _check_core(name, x, y, x_sum, y_sum, (x_core, y_core))
    x_shape, y_shape = shape_of(x), shape_of(y)
    x_rows, y_rows = x_shape[: len(x_shape) - x_core], y_shape[: len(y_shape) - y_core]
    try:
        rows = np.broadcast_shapes(x_rows, y_rows)
    except ValueError:
        what = f"{name} of arrays of shapes {x_shape} and {y_shape}: {x_rows} and {y_rows} do not broadcast together."
        raise ShapeError(message(what)) from None
    x_own, y_own = (_own_axes(r, rows) for r in (x_rows, y_rows))
    x = _squeezed(x, len(x_rows), len(rows), x_own)
    y = _squeezed(y, len(y_rows), len(rows), y_own)
    shared = [i for i in x_own if i in y_own]
    numbers = (
        ((len(x_own) + x_core + x_sum,), (len(y_own) + y_core + y_sum,)),
        (tuple(x_own.index(i) for i in shared), tuple(y_own.index(i) for i in shared)),
    )
    out = dot_general(x, y, dimension_numbers=numbers)
    # The axes of the result are: shared, those of x alone, the core of x, those of y alone, the core of y.
    x_alone, y_alone = ([i for i in own if i not in shared] for own in (x_own, y_own))
    x_rest, y_rest = x_core - 1, y_core - 1
    places = [*shared, *x_alone, *[len(rows)] * x_rest, *y_alone, *[len(rows) + x_rest] * y_rest]
    missing = [i for i in range(len(rows)) if i not in places]
    order = tuple(sorted(range(len(places)), key=places.__getitem__))
    out = out if order == tuple(range(len(order))) else transpose(out, axes=order)
    return reshape(out, shape=(*rows, *shape_of(out)[len(rows) - len(missing) :])) if missing else out


def _own_axes(rows: Axes, whole: Axes) -> list[int]:
    """Which of the broadcast axes an operand really has: not those it lacks, nor those of length 1."""
    offset = len(whole) - len(rows)
    return [i + offset for i, n in enumerate(rows) if n != 1]


def _squeezed(x: Array, count: int, total: int, own: list[int]) -> Array:
    shape = shape_of(x)
    if len(own) == count:
        return x
    return reshape(x, shape=(*[shape[i - total + count] for i in own], *shape[count:]))


def matmul(x1: Any, x2: Any, /, *args: Any, **options: Any) -> Array:
    """`matmul(x1, x2)` or `x1 @ x2`: the product of matrices, row by row over the axes before the last two.

    An array of one axis stands for a row on the left, for a column on the right.

    Args:
        x1: of shape (…, m, k) or (k,).
        x2: of shape (…, k, n) or (k,).
        args: as of NumPy's ufunc, for concrete arrays.
        options: likewise.

    Returns:
        The product, of shape (…, m, n) without the axes that an operand lacks.

    Raises:
        ShapeError: the shapes do not fit together.

    >>> matmul(np.eye(2), np.array([1.0, 2.0]))
    array([1., 2.])
    """
    if type(x1) is ndarray is type(x2) and not args and not options:
        return np.matmul(x1, x2)
    if not is_traced(x1, x2):
        return np.matmul(x1, x2, *args, **options)
    if args or options:
        _refuse_options("matmul", args, options)
    x, y = _promoted(x1, x2)
    x_rank, y_rank = len(shape_of(x)), len(shape_of(y))
    y_sum = -1 if y_rank == 1 else -2
    if 1 <= y_rank <= 2 and x_rank:
        _check_core("matmul", x, y, -1, y_sum)
        return dot_general(x, y, dimension_numbers=(((x_rank - 1,), (0,)), ((), ())))
    return _batched("matmul", x, y, min(x_rank, 2), min(y_rank, 2), -1, y_sum)


def matvec(x1: Any, x2: Any, /, *args: Any, **options: Any) -> Array:
    """`matvec(x1, x2)`: matrices times vectors, row by row over the other axes.

    Args:
        x1: of shape (…, m, n).
        x2: of shape (…, n).
        args: as of NumPy's ufunc, for concrete arrays.
        options: likewise.

    >>> matvec(np.eye(2), np.array([1.0, 2.0]))
    array([1., 2.])
    """
    if (type(x1) is ndarray is type(x2) or not is_traced(x1, x2)) and hasattr(np, "matvec"):
        return np.matvec(x1, x2, *args, **options) if args or options else np.matvec(x1, x2)
    _refuse_options("matvec", args, options)
    return _batched("matvec", *_promoted(x1, x2), 2, 1, -1, -1)


def vecmat(x1: Any, x2: Any, /, *args: Any, **options: Any) -> Array:
    """`vecmat(x1, x2)`: conjugated vectors times matrices, row by row over the other axes.

    Args:
        x1: of shape (…, n).
        x2: of shape (…, n, m).
        args: as of NumPy's ufunc, for concrete arrays.
        options: likewise.

    >>> vecmat(np.array([1.0, 2.0]), np.eye(2))
    array([1., 2.])
    """
    if (type(x1) is ndarray is type(x2) or not is_traced(x1, x2)) and hasattr(np, "vecmat"):
        return np.vecmat(x1, x2, *args, **options) if args or options else np.vecmat(x1, x2)
    _refuse_options("vecmat", args, options)
    x, y = _promoted(x1, x2)
    return _batched("vecmat", _conjugate(x), y, 1, 2, -1, -2)


def vecdot(x1: Any, x2: Any, /, *args: Any, axis: int = -1, **options: Any) -> Array:
    """`vecdot(x1, x2)`: Σ x̄1·x2 along an axis, row by row over the other axes.

    >>> vecdot(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 1.0]))
    array([3., 7.])
    """
    if type(x1) is ndarray is type(x2) and axis == -1 and not args and not options:
        return np.vecdot(x1, x2)
    if not is_traced(x1, x2):
        return np.vecdot(x1, x2, *args, **{"axis": axis, **options})
    _refuse_options("vecdot", args, options)
    x, y = _promoted(x1, x2)
    if not shape_of(x) or not shape_of(y):
        _check_core("vecdot", x, y, -1, -1)
    x, y = (_axis_last(v, axis) for v in (x, y))
    return _batched("vecdot", _conjugate(x), y, 1, 1, -1, -1)


def _axis_last(x: Array, axis: int) -> Array:
    rank = len(shape_of(x))
    return move_axis(x, normalize_axis_index(axis, rank), rank - 1)


def dot(a: Any, b: Any, out: Any = None) -> Array:
    """`dot(a, b)`: Σ over the last axis of `a` and the last but one of `b`; a plain product where one is a number.

    >>> dot(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    np.float64(11.0)
    """
    if type(a) is ndarray is type(b) or not is_traced(a, b):
        return np.dot(a, b, out)
    refuse("dot", out=out)
    x, y = _promoted(a, b)
    x_rank, y_rank = len(shape_of(x)), len(shape_of(y))
    if not x_rank or not y_rank:
        return mul(x, y)
    _check_core("dot", x, y, -1, -1 if y_rank == 1 else -2)
    numbers = ((x_rank - 1,), (max(y_rank - 2, 0),))
    return dot_general(x, y, dimension_numbers=(numbers, ((), ())))


def inner(a: Any, b: Any, /) -> Array:
    """`inner(a, b)`: Σ over the last axes of both; a plain product where one is a number.

    >>> inner(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    np.float64(11.0)
    """
    if type(a) is ndarray is type(b) or not is_traced(a, b):
        return np.inner(a, b)
    x, y = _promoted(a, b)
    x_rank, y_rank = len(shape_of(x)), len(shape_of(y))
    if not x_rank or not y_rank:
        return mul(x, y)
    _check_core("inner", x, y, -1, -1)
    return dot_general(x, y, dimension_numbers=(((x_rank - 1,), (y_rank - 1,)), ((), ())))


def outer(a: Any, b: Any, out: Any = None) -> Array:
    """`outer(a, b)`: the products aᵢ·bⱼ of all elements.

    >>> outer([1, 2], [3, 4])
    array([[3, 4],
           [6, 8]])
    """
    if type(a) is ndarray is type(b) or not is_traced(a, b):
        return np.outer(a, b, out)
    refuse("outer", out=out)
    x, y = _promoted(a, b)
    return dot_general(_flat(x), _flat(y), dimension_numbers=(((), ()), ((), ())))


def vdot(a: Any, b: Any, /) -> Array:
    """`vdot(a, b)`: Σ ā·b over all elements.

    >>> vdot(np.array([1j]), np.array([1j]))
    np.complex128(1+0j)
    """
    if type(a) is ndarray is type(b) or not is_traced(a, b):
        return np.vdot(a, b)
    x, y = (_flat(v) for v in _promoted(a, b))
    _check_core("vdot", x, y, -1, -1)
    return dot_general(_conjugate(x), y, dimension_numbers=(((0,), (0,)), ((), ())))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Array:
    """`tensordot(a, b, axes)`: Σ over pairs of axes; the other axes of `a` come first in the result, then those of `b`.

    Args:
        a: an array.
        b: an array.
        axes: how many last axes of `a` to pair with the first ones of `b`, or the pair of their axes.

    >>> tensordot(np.ones((2, 3)), np.ones((3, 4)), axes=1).shape
    (2, 4)
    """
    if type(a) is ndarray is type(b) or not is_traced(a, b):
        return np.tensordot(a, b, axes)
    x, y = _promoted(a, b)
    x_rank, y_rank = len(shape_of(x)), len(shape_of(y))
    if np.ndim(axes) == 0 and not isinstance(axes, (list, tuple)):
        count = int(axes)
        if not 0 <= count <= min(x_rank, y_rank):
            raise np.exceptions.AxisError(f"tensordot over {count} axes of arrays with {x_rank} and {y_rank} axes.")
        x_axes, y_axes = tuple(range(x_rank - count, x_rank)), tuple(range(count))
    else:
        x_axes, y_axes = (
            tuple(normalize_axis_index(i, rank) for i in (side if isinstance(side, (list, tuple)) else (side,)))
            for side, rank in zip(axes, (x_rank, y_rank), strict=True)
        )
    lengths = [tuple(shape_of(v)[i] for i in side) for v, side in ((x, x_axes), (y, y_axes))]
    if lengths[0] != lengths[1]:
        what = f"tensordot of arrays of shapes {shape_of(x)} and {shape_of(y)}"
        raise ShapeError(message(f"{what} pairs axes of lengths {lengths[0]} and {lengths[1]}."))
    return dot_general(x, y, dimension_numbers=((x_axes, y_axes), ((), ())))


def kron(a: Any, b: Any) -> Array:
    """`kron(a, b)`: the Kronecker product, a block aᵢ·b for every element of `a`.

    >>> kron([1, 10], [1, 2])
    array([ 1,  2, 10, 20])
    """
    if type(a) is ndarray is type(b) or not is_traced(a, b):
        return np.kron(a, b)
    x, y = _promoted(a, b)
    rank = max(len(shape_of(x)), len(shape_of(y)))
    left, right = ((1,) * (rank - len(shape_of(v))) + shape_of(v) for v in (x, y))
    x = reshape(x, shape=tuple(n for m in left for n in (m, 1)))
    y = reshape(y, shape=tuple(n for m in right for n in (1, m)))
    return reshape(mul(x, y), shape=tuple(m * n for m, n in zip(left, right, strict=True)))


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Array:
    """`cross(a, b)`: the vector product. Of two vectors in the plane it is the third component alone.

    Args:
        a: vectors of 3 (or 2) components.
        b: vectors of 3 (or 2) components.
        axisa: the axis of the components in `a`.
        axisb: the axis of the components in `b`.
        axisc: the axis of the components in the result.
        axis: all three of these, where it is given.

    >>> cross(np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    array([0., 0., 1.])
    """
    if type(a) is ndarray is type(b) or not is_traced(a, b):
        return np.cross(a, b, axisa, axisb, axisc, axis)
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = _promoted(a, b)
    us, vs = _components(x, axisa), _components(y, axisb)
    if len(us) == len(vs) == 2:
        return us[0] * vs[1] - us[1] * vs[0]
    parts = [_difference(us, vs, (i + 1) % 3, (i + 2) % 3) for i in range(3)]
    shape = np.broadcast_shapes(*[shape_of(p) for p in parts])
    parts = [broadcast_to(p, shape=shape) for p in parts]
    return stack(*parts, axis=normalize_axis_index(axisc, len(shape) + 1))


def _components(x: Array, axis: int) -> list[Array]:
    """The components of vectors: two or three arrays."""
    shape = shape_of(x)
    at = normalize_axis_index(axis, len(shape))
    if shape[at] not in (2, 3):
        raise ShapeError(
            message(f"cross takes vectors of 2 or 3 components, axis {axis} of shape {shape} has {shape[at]}.")
        )
    keys = [tuple(k if i == at else FULL for i in range(len(shape))) for k in range(shape[at])]
    return [gather(x, key=key, unique=True) for key in keys]


def _difference(us: Sequence[Array], vs: Sequence[Array], i: int, j: int) -> Array:
    """uᵢ·vⱼ − uⱼ·vᵢ; a vector in the plane has no third component."""
    if i == len(us) or j == len(vs):
        return -(us[j] * vs[i])
    if j == len(us) or i == len(vs):
        return us[i] * vs[j]
    return us[i] * vs[j] - us[j] * vs[i]


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Array:
    """`trace(a)`: the sum of the diagonal of two axes.

    >>> trace(np.eye(3))
    np.float64(3.0)
    """
    if type(a) is ndarray or not is_traced(a):
        return np.trace(a, offset, axis1, axis2, dtype, out)
    refuse("trace", out=out)
    x = as_operand(a)
    rank = len(shape_of(x))
    first, second = (normalize_axis_index(i, rank) for i in (axis1, axis2))
    if first == second:
        raise ArgumentError(message("trace: `axis1` and `axis2` must be different axes."))
    diagonal = diagonal_of(x, first, second, offset)
    if dtype is not None:
        diagonal = as_dtype(diagonal, dtype)
    total = reduce_sum(diagonal, axes=(rank - 2,))
    return total if dtype is None else as_dtype(total, dtype)


def _operator(reflected: bool) -> Callable[[Tracer, Any], Any]:
    def product(x: Tracer, y: Any) -> Any:
        other = operators.operand(y)
        if other is NotImplemented:
            return NotImplemented
        return matmul(other, x) if reflected else matmul(x, other)

    return product


install(__matmul__=_operator(False), __rmatmul__=_operator(True))
operators.ufuncs[np.matmul] = matmul
operators.ufuncs[np.vecdot] = vecdot
for _name, _function in (("matvec", matvec), ("vecmat", vecmat)):
    if hasattr(np, _name):
        operators.ufuncs[getattr(np, _name)] = _function
