"""Keys, standard distributions, integers and choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NoReturn, SupportsIndex

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array, aval_of, dtype_name
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, message
from fgrad.numpy.dispatch import as_operand, is_traced
from fgrad.primitives.random import (
    random_bits,
    random_categorical,
    random_fold_in,
    random_integers,
    random_permutation,
    random_real,
    random_seed,
    random_split,
)
from fgrad.primitives.shape import convert_element_type, reshape
from fgrad.primitives.special import erf, erf_inv

__all__ = [
    "PRNGKey",
    "bernoulli",
    "bits",
    "categorical",
    "cauchy",
    "choice",
    "exponential",
    "fold_in",
    "gumbel",
    "key",
    "laplace",
    "logistic",
    "normal",
    "orthogonal",
    "permutation",
    "rademacher",
    "randint",
    "split",
    "truncated_normal",
    "uniform",
]

Shape = int | Sequence[int]
_KEY = np.dtype(np.uint64)


# Keys


def key(seed: Any) -> Array:
    """The key of an integer, from which everything random of a program is derived.

    Args:
        seed: an integer scalar of at most 64 bits; it may be traced. Negative ones count as their two's complement.

    Returns:
        A key: uint64, shape (2,).

    Raises:
        ArgumentError: `seed` is not an integer.

    >>> key(0)
    array([ 5512269402585950393, 15885006099936863467], dtype=uint64)
    """
    return random_seed(_integer(seed, "seed", "key"))


PRNGKey = key


def split(key: Array, num: Shape = 2) -> Array:
    """New keys from a key, which is not to be used again.

    Args:
        key: a key.
        num: how many, or the shape of an array of keys. The first keys are the same for every `num`.

    Returns:
        Keys: uint64, shape (num, 2).

    Raises:
        ArgumentError: `key` is not a key, or `num` not a number of keys.

    >>> first, second = split(key(0))
    >>> split(key(0), (2, 3)).shape
    (2, 3, 2)
    """
    check_key(key, "split")
    shape = static_shape(num, "num", "split")
    keys = random_split(key, num=math.prod(shape))
    return keys if len(shape) == 1 else reshape(keys, shape=(*shape, 2))


def fold_in(key: Array, data: Any) -> Array:
    """The key that belongs to a key and an integer: a new one for every step of a loop, say.

    Args:
        key: a key; it may be folded with any number of integers.
        data: an integer scalar of at most 64 bits; it may be traced.

    Returns:
        A key: uint64, shape (2,).

    Raises:
        ArgumentError: `key` is not a key, or `data` not an integer.

    >>> keys = [fold_in(key(0), step) for step in range(3)]
    """
    check_key(key, "fold_in")
    return random_fold_in(key, _integer(data, "data", "fold_in"))


# Real numbers


def uniform(key: Array, shape: Shape = (), dtype: Any = float, minval: Any = 0.0, maxval: Any = 1.0) -> Array:
    """Real numbers that are uniform in [minval, maxval).

    `minval + (maxval − minval)·u`, with u in [0, 1): differentiable in both bounds. As in NumPy, rounding may
    give `maxval` itself where the bounds are not 0 and 1.

    Args:
        key: a key.
        shape: the shape of the result.
        dtype: float16, float32 or float64.
        minval: lower bound; it broadcasts to the shape.
        maxval: upper bound; it broadcasts to the shape.

    Returns:
        An array of that shape and dtype.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> uniform(key(0), (2,))
    array([0.04298242, 0.50083192])
    """
    shape, dtype = static_shape(shape, "shape", "uniform"), real_dtype(dtype, "uniform")
    u = draw("uniform", key, shape, dtype)
    if type(minval) is float and type(maxval) is float and minval == 0.0 and maxval == 1.0:
        return u
    low, high = (parameter(x, name, shape, dtype, "uniform") for x, name in ((minval, "minval"), (maxval, "maxval")))
    return low + (high - low) * u


def normal(key: Array, shape: Shape = (), dtype: Any = float) -> Array:
    """Standard normal numbers: mean 0, variance 1.

    Args:
        key: a key.
        shape: the shape of the result.
        dtype: a real dtype, in which the numbers are drawn; or a complex one, whose parts have variance ½ each.

    Returns:
        An array of that shape and dtype.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> normal(key(0), (2,))
    array([-0.56828749, -0.00662315])
    """
    kind = np.dtype(dtype)
    shape = static_shape(shape, "shape", "normal")
    if kind in (np.complex64, np.complex128):
        parts = draw("normal", key, (2, *shape), np.dtype(f"f{kind.itemsize // 2}"))
        scale = parts.dtype.type(math.sqrt(0.5))
        return convert_element_type(parts[0] * scale + parts[1] * (1j * scale), dtype=kind)
    return draw("normal", key, shape, real_dtype(kind, "normal"))


def truncated_normal(
    key: Array, lower: Any = -2.0, upper: Any = 2.0, shape: Shape | None = None, dtype: Any = float
) -> Array:
    """Standard normal numbers, given that they are in [lower, upper]: √2·erf⁻¹(u), with u uniform between the two erf.

    Args:
        key: a key.
        lower: lower bound.
        upper: upper bound; both broadcast to the shape.
        shape: the shape of the result; left out, that of the bounds.
        dtype: float16, float32 or float64.

    Returns:
        An array of that shape and dtype, differentiable in both bounds.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> truncated_normal(key(0), shape=(2,))
    array([-1.52382   ,  0.00199044])
    """
    function, dtype = "truncated_normal", real_dtype(dtype, "truncated_normal")
    full = fnp.broadcast_shapes(fnp.shape(lower), fnp.shape(upper))
    size = full if shape is None else static_shape(shape, "shape", function)
    low, high = (parameter(x, name, size, dtype, function) for x, name in ((lower, "lower"), (upper, "upper")))
    first, last = erf(low * math.sqrt(0.5)), erf(high * math.sqrt(0.5))
    x = math.sqrt(2) * erf_inv(first + (last - first) * draw("uniform", key, size, dtype))
    return fnp.clip(x, low, high)  # rounding may step over a bound, as far as to infinity


def orthogonal(key: Array, n: int, shape: Shape = (), dtype: Any = float) -> Array:
    """Orthogonal (of a complex dtype, unitary) matrices, uniform by Haar's measure.

    Args:
        key: a key.
        n: how many rows and columns a matrix has.
        shape: the shape of a stack of them.
        dtype: real or complex.

    Returns:
        An array of shape (*shape, n, n).

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> q = orthogonal(key(0), 3)
    >>> bool(np.allclose(q @ q.T, np.eye(3)))
    True

    Source: Mezzadri, "How to generate random matrices from the classical compact groups" (Notices AMS 2007).
    """
    shape = static_shape(shape, "shape", "orthogonal")
    q, r = fnp.linalg.qr(normal(key, (*shape, n, n), dtype))
    diagonal = fnp.diagonal(r, axis1=-2, axis2=-1)
    size = fnp.abs(diagonal)
    return q * (diagonal / fnp.where(size == 0, 1.0, size))[..., None, :]


def exponential(key: Array, shape: Shape = (), dtype: Any = float) -> Array:
    """Standard exponential numbers: density e⁻ˣ for x ≥ 0.

    >>> bool(np.all(exponential(key(0), (3, 2)) >= 0))
    True
    """
    return _draw_public("exponential", key, shape, dtype)


def gumbel(key: Array, shape: Shape = (), dtype: Any = float) -> Array:
    """Standard Gumbel numbers: distribution function exp(−e⁻ˣ).

    Args:
        key: a key.
        shape: the shape of the result.
        dtype: float16, float32 or float64.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> gumbel(key(0), (2, 3)).shape
    (2, 3)
    """
    return _draw_public("gumbel", key, shape, dtype)


def laplace(key: Array, shape: Shape = (), dtype: Any = float) -> Array:
    """Standard Laplace numbers: density ½·e^−|x|.

    Args:
        key: a key.
        shape: the shape of the result.
        dtype: float16, float32 or float64.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> laplace(key(0), (2, 3)).shape
    (2, 3)
    """
    return _draw_public("laplace", key, shape, dtype)


def logistic(key: Array, shape: Shape = (), dtype: Any = float) -> Array:
    """Standard logistic numbers: distribution function 1 / (1 + e⁻ˣ).

    Args:
        key: a key.
        shape: the shape of the result.
        dtype: float16, float32 or float64.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> logistic(key(0), (2, 3)).shape
    (2, 3)
    """
    return _draw_public("logistic", key, shape, dtype)


def cauchy(key: Array, shape: Shape = (), dtype: Any = float) -> Array:
    """Standard Cauchy numbers: density 1 / (π·(1 + x²)).

    Args:
        key: a key.
        shape: the shape of the result.
        dtype: float16, float32 or float64.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> cauchy(key(0), (2, 3)).shape
    (2, 3)
    """
    return _draw_public("cauchy", key, shape, dtype)


# Integers, truth values, choices


def bits(key: Array, shape: Shape = (), dtype: Any = np.uint64) -> Array:
    """Unsigned integers, all equally likely.

    >>> bits(key(0), (2,), np.uint8).dtype
    dtype('uint8')
    """
    check_key(key, "bits")
    kind = np.dtype(dtype)
    if kind.kind != "u":
        refuse("bits", f"`dtype` is {dtype_name(kind)}", "Give an unsigned dtype: uint8, uint16, uint32 or uint64.")
    return random_bits(key, shape=static_shape(shape, "shape", "bits"), dtype=kind)


def randint(key: Array, shape: Shape, minval: Any, maxval: Any, dtype: Any = int) -> Array:
    """Integers from `minval` up to, not including, `maxval`, all equally likely.

    Args:
        key: a key.
        shape: the shape of the result.
        minval: the smallest number; an integer or an array of them that broadcasts to the shape.
        maxval: one more than the greatest.
        dtype: an integer dtype that all these numbers fit into.

    Returns:
        An array of that shape and dtype.

    Raises:
        ArgumentError: an argument is not what it should be; also when the program runs, for traced bounds that are not.

    >>> randint(key(0), (5,), 0, 10)
    array([9, 0, 2, 5, 4])
    """
    check_key(key, "randint")
    kind, shape = np.dtype(dtype), static_shape(shape, "shape", "randint")
    if kind.kind not in "iu":
        refuse("randint", f"`dtype` is {dtype_name(kind)}", "Give an integer dtype, or draw with uniform.")
    low, high = _integers(minval, "minval", shape), _integers(maxval, "maxval", shape)
    return random_integers(key, low, high, shape=shape, dtype=kind)


def bernoulli(key: Array, p: Any = 0.5, shape: Shape | None = None) -> Array:
    """Truth values that are true with probability p.

    Args:
        key: a key.
        p: probabilities; they broadcast to the shape.
        shape: the shape of the result; that of `p` if left out.

    Returns:
        A boolean array.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> bernoulli(key(0), 0.9, (4,))
    array([ True,  True,  True,  True])
    """
    p = as_operand(p)
    size = aval_of(p).shape if shape is None else static_shape(shape, "shape", "bernoulli")
    p = parameter(p, "p", size, np.dtype(np.float64), "bernoulli")
    return draw("uniform", key, size, np.dtype(np.float64), "bernoulli") < p


def rademacher(key: Array, shape: Shape = (), dtype: Any = int) -> Array:
    """Signs: −1 or 1, both equally likely.

    >>> rademacher(key(1), (4,))
    array([-1, -1,  1,  1])
    """
    check_key(key, "rademacher")
    signs = (
        2 * random_integers(key, 0, 2, shape=static_shape(shape, "shape", "rademacher"), dtype=np.dtype(np.int8)) - 1
    )
    return convert_element_type(signs, dtype=np.dtype(dtype))


def permutation(key: Array, x: Any, axis: int = 0, independent: bool = False) -> Array:
    """An array in random order; of an integer n, the numbers 0, …, n − 1 in random order.

    Args:
        key: a key.
        x: an array, or the integer n. The order is the same for every array that is as long.
        axis: the axis whose entries are put in another order.
        independent: give every vector along that axis an order of its own, instead of moving whole slices.

    Returns:
        An array of the shape and dtype of `x`, differentiable in it.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> permutation(key(0), 5)
    array([0, 2, 4, 3, 1])
    """
    check_key(key, "permutation")
    x = as_operand(x)
    shape = aval_of(x).shape
    if not shape:
        return random_permutation(key, shape=(_length(x, "x", "permutation"),))
    axis = _axis(axis, shape, "permutation")
    if not independent or len(shape) == 1:
        return fnp.take(x, random_permutation(key, shape=(shape[axis],)), axis=axis)
    order = random_permutation(key, shape=(*shape[:axis], *shape[axis + 1 :], shape[axis]))
    return fnp.take_along_axis(x, fnp.moveaxis(order, -1, axis), axis)


def categorical(key: Array, logits: Any, axis: int = -1, shape: Shape | None = None) -> Array:
    """Classes, drawn by unnormalised log-probabilities: class k with probability e^logits[k] / Σ e^logits.

    Args:
        key: a key.
        logits: real numbers, one per class; −inf for a class that must not come. Other axes are independent draws.
        axis: the axis of the classes.
        shape: the shape of the result, to which that of `logits` without the axis broadcasts; left out, that
            very shape.

    Returns:
        An int64 array of positions in that axis.

    Raises:
        ArgumentError: an argument is not what it should be; also when the program runs, for logits with NaN,
            with +inf, or all of −inf.

    >>> categorical(key(0), np.log([0.1, 0.9]), shape=(5,))
    array([0, 1, 1, 1, 1])
    """
    check_key(key, "categorical")
    logits = _numbers(logits, "logits", "categorical")
    full = aval_of(logits).shape
    if not full:
        refuse("categorical", "`logits` is a scalar", "Give one number per class: an array of shape (classes,).")
    axis = _axis(axis, full, "categorical")
    rest = (*full[:axis], *full[axis + 1 :])
    size = rest if shape is None else static_shape(shape, "shape", "categorical")
    check_broadcast(rest, size, "logits, without its axis of classes,", "categorical")
    if not full[axis]:
        refuse("categorical", f"`logits` has shape {full}: no classes", "Give at least one class.")
    logits = fnp.moveaxis(logits, axis, -1)
    weights = fnp.exp(logits - fnp.max(logits, axis=-1, keepdims=True))
    return random_categorical(key, weights, shape=size)


def choice(key: Array, a: Any, shape: Shape = (), replace: bool = True, p: Any = None, axis: int = 0) -> Array:
    """Entries of an array, or of 0, …, a − 1 for an integer a, at random.

    Args:
        key: a key.
        a: an array, of which slices along `axis` are drawn; or an integer.
        shape: how many are drawn; these axes take the place of `axis` in the result.
        replace: whether an entry may come more than once.
        p: how likely each entry is: numbers that are not negative, one per entry; they need not sum to 1.
        axis: the axis of `a` that entries are taken from.

    Returns:
        An array of the dtype of `a` (int64 for an integer), differentiable in `a`.

    Raises:
        ArgumentError: an argument is not what it should be.

    >>> choice(key(0), np.array([10, 20, 30]), (2,), replace=False)
    array([10, 30])
    """
    check_key(key, "choice")
    shape, a = static_shape(shape, "shape", "choice"), as_operand(a)
    full = aval_of(a).shape
    axis = _axis(axis, full, "choice") if full else 0
    count = full[axis] if full else _length(a, "a", "choice")
    drawn = math.prod(shape)
    if drawn > (count if not replace else count * drawn):
        what = f"{drawn} entries were asked for, but there are {count}" + ("" if replace else " and replace is False")
        refuse("choice", what, "Draw fewer, or with replace=True from at least one.")
    index = _positions(key, count, shape, replace, p)
    return fnp.take(a, index, axis=axis) if full else index


def _positions(key: Array, count: int, shape: tuple[int, ...], replace: bool, p: Any) -> Array:
    """What `choice` draws: positions below `count`."""
    drawn = math.prod(shape)
    if p is None:
        if replace:
            return random_integers(key, 0, count, shape=shape, dtype=np.dtype(np.int64))
        return reshape(random_permutation(key, shape=(count,))[:drawn], shape=shape)
    p = _numbers(p, "p", "choice")
    if aval_of(p).shape != (count,):
        refuse("choice", f"`p` has shape {aval_of(p).shape}", f"Give one probability per entry: shape ({count},).")
    if replace:
        return random_categorical(key, p, shape=shape)
    # The smallest of independent exponential times at rates p (Efraimidis & Spirakis, 2006); what has p = 0 comes last.
    times = draw("exponential", key, (count,), np.dtype(np.float64))
    possible = p > 0
    times = fnp.where(possible, times / fnp.where(possible, p, 1.0), np.inf)
    return reshape(fnp.argsort(times)[:drawn], shape=shape)


# Checking arguments


def refuse(function: str, what: str, cure: str) -> NoReturn:
    raise ArgumentError(message(f"random.{function}: {what}.", cure=cure))


def check_key(key: Any, function: str) -> None:
    """Refuses what is not a key, and says how to make one of it."""
    if type(key) is Tracer or isinstance(key, np.ndarray):
        if key.dtype == _KEY and key.shape == (2,):
            return
        what = f"`key` must be uint64 of shape (2,), got {aval_of(key)}"
        if key.dtype == _KEY and key.shape[-1:] == (2,):
            refuse(
                function,
                what,
                f"That is an array of keys: use one (keys[0]), or map them: fgrad.vmap(random.{function}).",
            )
        refuse(function, what, "Make a key with fgrad.random.key(seed), and more of it with fgrad.random.split.")
    cure = "Make a key with fgrad.random.key(seed)."
    if isinstance(key, (int, np.integer)):
        cure = f"Make a key of it: fgrad.random.key({key})."
    elif isinstance(key, (np.random.Generator, np.random.RandomState)):
        cure = "Draws are pure functions: make a key with fgrad.random.key(seed), and split it for every draw."
    refuse(function, f"`key` must be a key, got {key!r:.60} of type {type(key).__name__}", cure)


def _integer(x: Any, name: str, function: str) -> Array:
    """An integer scalar of at most 64 bits."""
    if type(x) is int:
        if not -(2**63) <= x < 2**64:
            refuse(
                function,
                f"`{name}` is {x}, which has more than 64 bits",
                "Fold it in parts: fold_in(fold_in(key, a), b).",
            )
        return x
    x = _numbers(x, name, function)
    aval = aval_of(x)
    if aval.shape:
        cure = f"Map several with fgrad.vmap(random.{function})."
        refuse(function, f"`{name}` must be a scalar, got {aval}", cure)
    if aval.dtype.kind not in "biu":
        refuse(
            function,
            f"`{name}` must be an integer, got {aval}",
            "Give an integer, for example step rather than step / 2.",
        )
    return x


def _integers(x: Any, name: str, shape: tuple[int, ...]) -> Array:
    """A bound of `randint`."""
    if type(x) is int:
        return x
    x = _numbers(x, name, "randint")
    aval = aval_of(x)
    if aval.dtype.kind not in "biu":
        refuse("randint", f"`{name}` must hold integers, got {aval}", "Convert it: x.astype(int).")
    check_broadcast(aval.shape, shape, name, "randint")
    return x


def _numbers(x: Any, name: str, function: str) -> Array:
    """Anything NumPy takes for an array of numbers."""
    try:
        x = as_operand(x)
        if aval_of(x).dtype.kind in "biuf":
            return x
        got = f"dtype {aval_of(x).dtype}"
    except (TypeError, ValueError):
        got = f"{x!r:.60}"
    refuse(function, f"`{name}` must be made of real numbers, got {got}", "Give a number or an array.")


def _length(x: Array, name: str, function: str) -> int:
    """A number of entries that is known while tracing."""
    if aval_of(x).dtype.kind not in "iu" or (type(x) is Tracer and x.concrete is None):
        cure = "Give an array, or an integer that is not traced (jit's static_argnums)."
        refuse(function, f"`{name}` must be an array or a known integer, got {x!r:.60}", cure)
    if int(x) < 0:
        refuse(function, f"`{name}` is {int(x)}", "A number of entries cannot be negative.")
    return int(x)


def static_shape(shape: Any, name: str, function: str) -> tuple[int, ...]:
    entries = (shape,) if isinstance(shape, (SupportsIndex, Tracer)) else shape
    try:
        sizes = tuple(n.__index__() for n in entries)
    except (AttributeError, TypeError) as error:
        if is_traced(shape):
            raise
        cure = "Give an integer or a tuple of integers."
        raise ArgumentError(message(f"random.{function}: `{name}` is {shape!r:.60}.", cure=cure)) from error
    if any(n < 0 for n in sizes):
        refuse(function, f"`{name}` is {shape}", "Sizes cannot be negative.")
    return sizes


def _axis(axis: Any, shape: tuple[int, ...], function: str) -> int:
    if not isinstance(axis, (int, np.integer)) or not -len(shape) <= axis < len(shape):
        refuse(
            function,
            f"`axis` is {axis!r:.60} for an array of shape {shape}",
            f"It must lie in [{-len(shape)}, {len(shape)}).",
        )
    return int(axis) % len(shape)


def real_dtype(dtype: Any, function: str) -> np.dtype[Any]:
    kind: np.dtype[Any] = np.dtype(dtype)
    if kind.kind != "f" or kind.itemsize > 8:
        refuse(function, f"`dtype` is {dtype_name(kind)}", "Give float64, float32 or float16, and convert with astype.")
    return kind


def check_broadcast(given: tuple[int, ...], shape: tuple[int, ...], name: str, function: str) -> None:
    aligned = shape[len(shape) - len(given) :]
    if len(given) > len(shape) or any(n not in (1, m) for n, m in zip(given, aligned, strict=True)):
        refuse(
            function,
            f"{name} of shape {given} does not broadcast to {shape}",
            "Give the shape of the result as `shape`.",
        )


def parameter(x: Any, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], function: str) -> Array:
    """A parameter of a distribution, in the dtype of the result."""
    x = _numbers(x, name, function)
    check_broadcast(aval_of(x).shape, shape, f"`{name}`", function)
    return convert_element_type(x, dtype=dtype)


def draw(
    distribution: str, key: Array, shape: tuple[int, ...], dtype: np.dtype[Any], function: str | None = None
) -> Array:
    check_key(key, function or distribution)
    return random_real(key, distribution=distribution, shape=shape, dtype=dtype)


def _draw_public(distribution: str, key: Array, shape: Any, dtype: Any) -> Array:
    size = static_shape(shape, "shape", distribution)
    return draw(distribution, key, size, real_dtype(dtype, distribution))
