"""Convolutions of images, sequences and volumes, in every layout. Each is one primitive, and so are its derivatives."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fgrad.core.aval import Array, aval_of
from fgrad.errors import ArgumentError, ShapeError, message, public
from fgrad.lax.operands import operand, same_dtype
from fgrad.lax.window_parameters import pads_of, padtype_to_pads, pairs, positive_integers, unknown_padding
from fgrad.numpy.axes import as_dtype
from fgrad.primitives.convolution import Window, convolution, flipped
from fgrad.primitives.convolution_kernels import dilated, positions
from fgrad.primitives.families import shape_of
from fgrad.primitives.index_keys import FULL, slice_entry
from fgrad.primitives.indexing import gather, place
from fgrad.primitives.joining import stack
from fgrad.primitives.shape import reshape, transpose

__all__ = [
    "ConvDimensionNumbers",
    "ConvGeneralDilatedDimensionNumbers",
    "conv",
    "conv_dimension_numbers",
    "conv_general_dilated",
    "conv_general_dilated_patches",
    "conv_transpose",
    "conv_with_general_padding",
    "padtype_to_pads",
]

Axes: TypeAlias = tuple[int, ...]


class ConvDimensionNumbers(NamedTuple):
    """Which axes of the operands and the result of a convolution mean what.

    Attributes:
        lhs_spec: the axes of the input: batch, features, then the spatial ones.
        rhs_spec: the axes of the kernel: output features, input features, then the spatial ones.
        out_spec: the axes of the result: batch, features, then the spatial ones.
    """

    lhs_spec: Axes
    rhs_spec: Axes
    out_spec: Axes


ConvGeneralDilatedDimensionNumbers: TypeAlias = ConvDimensionNumbers | Sequence[str] | Sequence[Sequence[int]] | None
"""What `dimension_numbers` may be."""


@public
def conv_general_dilated(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: ConvGeneralDilatedDimensionNumbers = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Array:
    """The general convolution (a cross-correlation: the kernel is not reversed) over any number of spatial axes.

    With batch n, input features c, output features o, positions p and taps k:

        out[n, o, p] = Σ_c Σ_k lhs[n, c, (p·stride + k·rhs_dilation − low) / lhs_dilation] · rhs[o, c, k]

    where lhs is zero beside its elements and between them.

    Args:
        lhs: the input; by default of shape (n, c, *spatial).
        rhs: the kernel, of the same dtype; by default of shape (o, c / feature_group_count, *taps).
        window_strides: a number per spatial axis.
        padding: 'VALID' (none), 'SAME' (⌈length / stride⌉ positions; an odd zero goes behind), 'SAME_LOWER' (an odd
            zero goes before), or a pair `(low, high)` per spatial axis. Negative ones cut elements off.
        lhs_dilation: the distance of neighbouring input elements, for each spatial axis; 1 by default.
        rhs_dilation: the distance of neighbouring taps, likewise.
        dimension_numbers: a `ConvDimensionNumbers`; or three strings such as `('NHWC', 'HWIO', 'NHWC')` for input,
            kernel and result, where N is the batch, C the features, O and I the output and input features, and any
            other letters the spatial axes; or three sequences of axes, as in `ConvDimensionNumbers`.
        feature_group_count: input and output features fall into so many groups, convolved one by one.
        batch_group_count: the batch and the output features fall into so many groups, convolved one by one.
        precision: is accepted and ignored; products are computed in full.
        preferred_element_type: the dtype of the result; sums are computed in it where it is wider.

    Returns:
        The convolution. It may lie in memory in another order than its axes have.

    Raises:
        ShapeError: the shapes or dtypes do not fit together.
        ArgumentError: a stride, padding, dilation, layout or number of groups makes no sense.

    >>> image = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> conv_general_dilated(image, np.ones((1, 1, 2, 2)), (1, 1), 'VALID')
    array([[[[ 8., 12.],
             [20., 24.]]]])

    Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016.
    """
    name = "conv_general_dilated"
    if not (type(lhs) is type(rhs) is np.ndarray and lhs.dtype == rhs.dtype):
        lhs, rhs = same_dtype(name, lhs, rhs)
    dtype = aval_of(lhs).dtype
    if dtype.kind == "b":
        raise ShapeError(message(f"{name} takes numbers, got {aval_of(lhs)}.", cure="Convert: x.astype(int)."))
    if preferred_element_type is not None:
        wide = np.result_type(dtype, preferred_element_type)
        lhs, rhs = as_dtype(lhs, wide), as_dtype(rhs, wide)
    specs = _dimension_numbers(shape_of(lhs), shape_of(rhs), dimension_numbers, name)
    window = _window(
        [shape_of(lhs)[a] for a in specs.lhs_spec[2:]],
        [shape_of(rhs)[a] for a in specs.rhs_spec[2:]],
        (window_strides, padding, lhs_dilation, rhs_dilation),
        name,
    )
    groups = operator.index(feature_group_count), operator.index(batch_group_count)
    _check_features(shape_of(lhs), shape_of(rhs), specs, *groups)
    out = _convolved(lhs, rhs, specs, window, *groups)
    return out if preferred_element_type is None else as_dtype(out, np.dtype(preferred_element_type))


@public
def conv(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: str,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Array:
    """`conv_general_dilated` of an input (n, c, *spatial) with a kernel (o, c, *taps), without dilations and groups.

    >>> conv(np.ones((1, 1, 4)), np.ones((1, 1, 3)), (1,), 'SAME')
    array([[[2., 3., 3., 2.]]])
    """
    return conv_general_dilated(
        lhs, rhs, window_strides, padding, precision=precision, preferred_element_type=preferred_element_type
    )


@public
def conv_with_general_padding(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None,
    rhs_dilation: Sequence[int] | None,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Array:
    """`conv_general_dilated` of an input (n, c, *spatial) with a kernel (o, c, *taps), without groups.

    >>> conv_with_general_padding(np.ones((1, 1, 3)), np.ones((1, 1, 2)), (1,), ((0, 1),), (2,), None)
    array([[[1., 1., 1., 1., 1.]]])
    """
    return conv_general_dilated(
        lhs,
        rhs,
        window_strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


@public
def conv_transpose(
    lhs: Any,
    rhs: Any,
    strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: ConvGeneralDilatedDimensionNumbers = None,
    transpose_kernel: bool = False,
    precision: Any = None,
    preferred_element_type: Any = None,
    use_consistent_padding: bool = False,
) -> Array:
    """The convolution that enlarges: its input is stretched by `strides`. ("Deconvolution", fractional strides.)

    With `transpose_kernel` it is the transpose of the convolution with the same kernel, strides and padding: what
    that one's gradient by its input computes.

    Args:
        lhs: the input; by default of shape (n, *spatial, c).
        rhs: the kernel; by default of shape (*taps, c, o); of shape (*taps, o, c) where `transpose_kernel`.
        strides: a number per spatial axis.
        padding: that of the convolution of which this is the transpose: 'SAME' (lengths grow by the stride), 'VALID';
            or a pair per spatial axis, the zeros put around the stretched input.
        rhs_dilation: the distance of neighbouring taps, for each spatial axis.
        dimension_numbers: as for `conv_general_dilated`; features last by default. With `transpose_kernel` they are
            those of the forward convolution's kernel.
        transpose_kernel: reverses the taps and exchanges input and output features.
        precision: is accepted and ignored.
        preferred_element_type: as for `conv_general_dilated`.
        use_consistent_padding: pairs, too, are the padding of the convolution of which this is the transpose.

    Returns:
        The convolution.

    Raises:
        ShapeError: the shapes or dtypes do not fit together.
        ArgumentError: a stride, padding, dilation or layout makes no sense.

    >>> conv_transpose(np.ones((1, 3, 1)), np.ones((2, 1, 1)), (2,), 'VALID')[0, :, 0]
    array([1., 1., 1., 1., 1., 1.])
    """
    name = "conv_transpose"
    lhs, rhs = same_dtype(name, lhs, rhs)
    rank = len(shape_of(lhs)) - 2
    if dimension_numbers is None:
        ends, middle = (0, rank + 1), tuple(range(1, rank + 1))
        dimension_numbers = ((*ends, *middle), (rank + 1, rank, *range(rank)), (*ends, *middle))
    specs = _dimension_numbers(shape_of(lhs), shape_of(rhs), dimension_numbers, name)
    taps = [shape_of(rhs)[a] for a in specs.rhs_spec[2:]]
    strides = positive_integers(strides, len(taps), "strides", name)
    spreads = positive_integers(rhs_dilation, len(taps), "rhs_dilation", name)
    sizes = [dilated(k, d) for k, d in zip(taps, spreads, strict=True)]
    if isinstance(padding, str):
        pads = [_transposed_pads(k, s, padding, name) for k, s in zip(sizes, strides, strict=True)]
    else:
        pads = list(pairs(padding, len(taps), name))
        if use_consistent_padding:
            pads = [(k - 1 - low, k - 1 - high) for k, (low, high) in zip(sizes, pads, strict=True)]
    if transpose_kernel:
        rhs = flipped(rhs, specs.rhs_spec[2:])
        specs = specs._replace(rhs_spec=(specs.rhs_spec[1], specs.rhs_spec[0], *specs.rhs_spec[2:]))
    return conv_general_dilated(
        lhs,
        rhs,
        (1,) * len(taps),
        pads,
        strides,
        spreads,
        specs,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


@public
def conv_general_dilated_patches(
    lhs: Any,
    filter_shape: Sequence[int],
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: ConvGeneralDilatedDimensionNumbers = None,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Array:
    """What the taps of a kernel see at every position: the features of the result are pairs of a feature and a tap.

    Args:
        lhs: the input; by default of shape (n, c, *spatial).
        filter_shape: the number of taps along each spatial axis.
        window_strides: as for `conv_general_dilated`, and so are all others.
        padding: see there.
        lhs_dilation: see there.
        rhs_dilation: see there.
        dimension_numbers: see there; the entry of the kernel tells the order of its spatial axes.
        precision: is accepted and ignored.
        preferred_element_type: the dtype of the result.

    Returns:
        The patches, of shape (n, c·∏taps, *positions) in the layout of the result; taps vary faster than features.

    Raises:
        ArgumentError: a stride, padding, dilation or layout makes no sense.

    >>> conv_general_dilated_patches(np.arange(4.0).reshape(1, 1, 4), (2,), (1,), 'VALID')
    array([[[0., 1., 2.],
            [1., 2., 3.]]])
    """
    name = "conv_general_dilated_patches"
    x = operand(lhs)
    taps = tuple(operator.index(k) for k in filter_shape)
    specs = _dimension_numbers(shape_of(x), (1,) * (len(taps) + 2), dimension_numbers, name)
    x = transpose(x, axes=specs.lhs_spec)
    lengths = shape_of(x)[2:]
    window = _window(lengths, taps, (window_strides, padding, lhs_dilation, rhs_dilation), name)
    counts = [positions(n, k, dim) for n, k, dim in zip(lengths, taps, window, strict=True)]
    x = _padded(x, window)
    shape = shape_of(x)
    seen = []
    for tap in itertools.product(*map(range, taps)):
        parts = [
            slice(k * spread, k * spread + (count - 1) * stride + 1 if count else 0, stride)
            for k, count, (stride, _, _, _, spread) in zip(tap, counts, window, strict=True)
        ]
        key = (FULL, FULL, *[slice_entry(part, n) for part, n in zip(parts, shape[2:], strict=True)])
        seen.append(gather(x, key=key, unique=True))
    if not seen:
        raise ArgumentError(message(f"{name}: a kernel of shape {taps} has no taps."))
    out = reshape(stack(*seen, axis=2), shape=(shape[0], shape[1] * len(seen), *counts))
    out = _ordered(out, specs.out_spec)
    return out if preferred_element_type is None else as_dtype(out, np.dtype(preferred_element_type))


@public
def conv_dimension_numbers(
    lhs_shape: Sequence[int], rhs_shape: Sequence[int], dimension_numbers: ConvGeneralDilatedDimensionNumbers
) -> ConvDimensionNumbers:
    """The axes that a layout names, for operands of given shapes.

    >>> conv_dimension_numbers((1, 8, 8, 3), (3, 3, 3, 16), ('NHWC', 'HWIO', 'NHWC'))
    ConvDimensionNumbers(lhs_spec=(0, 3, 1, 2), rhs_spec=(3, 2, 0, 1), out_spec=(0, 3, 1, 2))
    """
    return _dimension_numbers(tuple(lhs_shape), tuple(rhs_shape), dimension_numbers, "conv_dimension_numbers")


def _transposed_pads(size: int, stride: int, padding: str, name: str) -> tuple[int, int]:
    """The zeros around a stretched input that make the transpose of a convolution padded as named."""
    kind = padding.upper()
    if kind not in ("SAME", "VALID"):
        raise unknown_padding(padding, name)
    total = size + stride - 2 + (max(size - stride, 0) if kind == "VALID" else 0)
    low = size - 1 if kind == "VALID" or stride > size - 1 else -(-total // 2)
    return low, total - low


def _window(
    lengths: Sequence[int], taps: Sequence[int], given: tuple[Any, Any, Any, Any], name: str
) -> tuple[Window, ...]:
    """The primitive's `window` from strides, padding, and the dilations of the input and of the kernel."""
    rank = len(lengths)
    strides = positive_integers(given[0], rank, "window_strides", name)
    stretches = positive_integers(given[2], rank, "lhs_dilation", name)
    spreads = positive_integers(given[3], rank, "rhs_dilation", name)
    stretched = [dilated(n, d) for n, d in zip(lengths, stretches, strict=True)]
    sizes = [dilated(k, d) for k, d in zip(taps, spreads, strict=True)]
    pads = pads_of(stretched, sizes, strides, given[1], name)
    return tuple([(s, low, high, b, d) for s, (low, high), b, d in zip(strides, pads, stretches, spreads, strict=True)])


def _dimension_numbers(lhs: Axes, rhs: Axes, given: Any, name: str) -> ConvDimensionNumbers:
    rank = len(lhs)
    if len(rhs) != rank or rank < 2:
        what = f"{name} takes an input and a kernel of as many axes, at least 2, got shapes {lhs} and {rhs}."
        raise ShapeError(message(what, cure="Both have two axes for batch and features, and the spatial axes."))
    if given is None:
        return ConvDimensionNumbers(*[tuple(range(rank))] * 3)
    if not isinstance(given, (list, tuple)) or len(given) != 3:
        raise _unknown_layout(given, rank, name)
    if all(isinstance(spec, str) for spec in given):
        return _lettered(given, rank, name)
    try:
        specs = [tuple([operator.index(a) for a in spec]) for spec in given]
    except TypeError:
        raise _unknown_layout(given, rank, name) from None
    if any(sorted(spec) != list(range(rank)) for spec in specs):
        raise _unknown_layout(given, rank, name)
    return ConvDimensionNumbers(*specs)


def _lettered(given: Sequence[str], rank: int, name: str) -> ConvDimensionNumbers:
    """Layouts given as strings; the kernel's tells the order of the spatial axes."""
    lhs, rhs, out = given
    spatial = [c for c in rhs if c not in "OI"]
    wanted = [("NC", lhs), ("OI", rhs), ("NC", out)]
    if any(len(spec) != rank or sorted(spec) != sorted([*ends, *spatial]) for ends, spec in wanted):
        raise _unknown_layout(given, rank, name)
    specs = [tuple([spec.index(c) for c in (*ends, *spatial)]) for ends, spec in wanted]
    if any(len(set(spec)) != rank for spec in specs):
        raise _unknown_layout(given, rank, name)
    return ConvDimensionNumbers(*specs)


def _unknown_layout(given: Any, rank: int, name: str) -> ArgumentError:
    letters = "HWD"[: rank - 2] if rank < 6 else "".join(map(chr, range(ord("a"), ord("a") + rank - 2)))
    what = f"{name}: {given!r} are no `dimension_numbers` of arrays of {rank} axes."
    first, last = (f"NC{letters}", f"OI{letters}", f"NC{letters}"), (f"N{letters}C", f"{letters}IO", f"N{letters}C")
    cure = f"For example {first} or {last}."
    return ArgumentError(message(what, cure=cure))


def _check_features(lhs: Axes, rhs: Axes, specs: ConvDimensionNumbers, features: int, batches: int) -> None:
    """Groups must divide what they divide, and the kernel have the features of one group."""
    rows, channels = (lhs[a] for a in specs.lhs_spec[:2])
    made, taken = (rhs[a] for a in specs.rhs_spec[:2])
    if min(features, batches) < 1 or (features > 1 and batches > 1):
        what = f"feature_group_count={features} and batch_group_count={batches}"
        raise ArgumentError(message(f"conv_general_dilated: {what} must be positive, and one of them 1."))
    for argument, groups, parts, count in (
        ("feature_group_count", features, "features of lhs", channels),
        ("feature_group_count", features, "output features of rhs", made),
        ("batch_group_count", batches, "rows of lhs", rows),
        ("batch_group_count", batches, "output features of rhs", made),
    ):
        if count % groups:
            what = f"conv_general_dilated: {argument}={groups} does not divide the {count} {parts}."
            raise ArgumentError(message(what))
    if channels != taken * features:
        within = f" in each of {features} groups" if features > 1 else ""
        what = f"lhs of shape {lhs} has {channels // features} features{within}, rhs of shape {rhs} takes {taken}."
        cure = "Check the layouts (dimension_numbers) and feature_group_count."
        raise ShapeError(message(f"conv_general_dilated: {what}", cure=cure))


def _convolved(
    lhs: Array, rhs: Array, specs: ConvDimensionNumbers, window: tuple[Window, ...], features: int, batches: int
) -> Array:
    """The convolution with one axis for all groups, where there are groups."""
    lhs_spec, rhs_spec, out_spec = specs
    if features == batches == 1:
        numbers = ((lhs_spec[1:2], rhs_spec[1:2]), ((), ()), (lhs_spec[2:], rhs_spec[2:]))
        return _ordered(convolution(lhs, rhs, dimension_numbers=numbers, window=window), out_spec)
    groups, axis = (features, lhs_spec[1]) if features > 1 else (batches, lhs_spec[0])
    lhs, lhs_spec = _split(lhs, axis, groups), tuple(_moved(lhs_spec, axis))
    rhs, rhs_spec = _split(rhs, rhs_spec[0], groups), tuple(_moved(rhs_spec, rhs_spec[0]))
    grouped = ((lhs_spec[1:2], rhs_spec[1:2]), ((axis,), (rhs_spec[0] - 1,)), (lhs_spec[2:], rhs_spec[2:]))
    out = convolution(lhs, rhs, dimension_numbers=grouped, window=window)  # (groups, rows, features, *positions)
    out = transpose(out, axes=(1, 0, *range(2, len(shape_of(out)))))
    rows, _, made, *counts = shape_of(out)
    return _ordered(reshape(out, shape=(rows, groups * made, *counts)), out_spec)


def _split(x: Array, axis: int, groups: int) -> Array:
    """The same array with an axis taken apart into one of groups and one within them."""
    shape = shape_of(x)
    return reshape(x, shape=(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :]))


def _moved(spec: Axes, axis: int) -> list[int]:
    """Axes as they are numbered after `_split`, which puts one before `axis`."""
    return [a + (a >= axis) for a in spec]


def _ordered(out: Array, spec: Axes) -> Array:
    """A result with its axes where the layout wants them."""
    if spec == tuple(range(len(spec))):
        return out
    return transpose(out, axes=tuple([spec.index(a) for a in range(len(spec))]))


def _padded(x: Array, window: tuple[Window, ...]) -> Array:
    """An array (n, c, *spatial), stretched, with zeros around it, or cut where those before it are negative."""
    shape = shape_of(x)
    whole = [dilated(n, dim[3]) for n, dim in zip(shape[2:], window, strict=True)]
    outer = [max(low, 0) + n + max(high, 0) for n, (_, low, high, _, _) in zip(whole, window, strict=True)]
    if tuple(outer) != shape[2:]:
        inside = [
            slice_entry(slice(max(low, 0), max(low, 0) + n, step), m)
            for n, m, (_, low, _, step, _) in zip(whole, outer, window, strict=True)
        ]
        x = place(x, key=(FULL, FULL, *inside), unique=True, shape=(*shape[:2], *outer))
    if any(low < 0 for _, low, _, _, _ in window):  # what is cut off behind, no position sees
        kept = [slice_entry(slice(max(-low, 0), n), n) for n, (_, low, _, _, _) in zip(outer, window, strict=True)]
        x = gather(x, key=(FULL, FULL, *kept), unique=True)
    return x
