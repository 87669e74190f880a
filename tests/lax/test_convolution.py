"""Convolutions in every layout, against their definition in loops and, where it is installed, JAX."""

from __future__ import annotations

import importlib.util
import itertools
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fgrad
import fgrad.numpy as fnp
from fgrad.errors import ArgumentError, ShapeError
from fgrad.lax.convolution import (
    ConvDimensionNumbers,
    conv,
    conv_dimension_numbers,
    conv_general_dilated,
    conv_general_dilated_patches,
    conv_transpose,
    conv_with_general_padding,
    padtype_to_pads,
)
from tests.primitives.convolutions import naive

LETTERS = "HWD"
needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


class Call(NamedTuple):
    """Arguments of `conv_general_dilated`."""

    lhs: Any
    rhs: Any
    strides: tuple[int, ...]
    padding: Any
    lhs_dilation: tuple[int, ...]
    rhs_dilation: tuple[int, ...]
    layout: tuple[str, str, str]
    feature_groups: int
    batch_groups: int


@st.composite
def calls(draw: Any, *, stretched: bool = True, grouped: bool = True) -> Call:
    rank = draw(st.integers(1, 3))
    spatial = LETTERS[:rank]
    layout = tuple("".join(draw(st.permutations(ends + spatial))) for ends in ("NC", "OI", "NC"))
    kind = draw(st.sampled_from(["plain", "features", "batch"])) if grouped else "plain"
    groups = draw(st.integers(2, 3)) if kind != "plain" else 1
    small = st.integers(1, 3)
    of_feature, of_batch = (groups if kind == name else 1 for name in ("features", "batch"))
    features = draw(small)
    sizes = {"N": draw(small) * of_batch, "C": features * of_feature, **{c: draw(st.integers(2, 5)) for c in spatial}}
    kernel = {"O": draw(small) * groups, "I": features, **{c: draw(small) for c in spatial}}
    pads = st.tuples(st.integers(-1, 2), st.integers(0, 3))
    padding = draw(st.sampled_from(["SAME", "VALID", "SAME_LOWER", None]))
    padding = tuple(draw(pads) for _ in spatial) if padding is None else padding
    ones = (1,) * rank
    stretch = tuple(draw(small) for _ in spatial) if stretched and not isinstance(padding, str) else ones
    seed = draw(st.integers(0, 99))
    return Call(
        normal(*[sizes[c] for c in layout[0]], seed=seed),
        normal(*[kernel[c] for c in layout[1]], seed=seed + 1),
        tuple(draw(small) for _ in spatial),
        padding,
        stretch,
        tuple(draw(small) for _ in spatial),
        layout,
        of_feature,
        of_batch,
    )


def by_definition(call: Call) -> Any:
    """The groups convolved one by one, in the layout NC…, OI…"""
    spatial = [c for c in call.layout[1] if c not in "OI"]
    x = np.transpose(call.lhs, [call.layout[0].index(c) for c in ["N", "C", *spatial]])
    w = np.transpose(call.rhs, [call.layout[1].index(c) for c in ["O", "I", *spatial]])
    reach = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], call.rhs_dilation, strict=True)]
    pads = call.padding
    if isinstance(pads, str):
        pads = [zeros(n, k, s, pads) for n, k, s in zip(x.shape[2:], reach, call.strides, strict=True)]
    window = tuple(
        (s, low, high, stretch, d)
        for s, (low, high), stretch, d in zip(call.strides, pads, call.lhs_dilation, call.rhs_dilation, strict=True)
    )
    groups = call.feature_groups * call.batch_groups
    xs = np.split(x, groups, 1 if call.feature_groups > 1 else 0)
    parts = [naive(a[None], b[None], window)[0] for a, b in zip(xs, np.split(w, groups), strict=True)]
    out = np.concatenate(parts, 1)
    return np.transpose(out, [["N", "C", *spatial].index(c) for c in call.layout[2]])


def zeros(length: int, reach: int, stride: int, name: str) -> tuple[int, int]:
    """As many positions as strides fit into the length; the zeros they need, evenly, an odd one at one end."""
    if name == "VALID":
        return 0, 0
    needed = max((int(np.ceil(length / stride)) - 1) * stride + reach - length, 0)
    few, many = int(np.floor(needed / 2)), int(np.ceil(needed / 2))
    return (few, many) if name == "SAME" else (many, few)


@given(calls())
@settings(max_examples=120)
def test_value_is_the_definition(call: Call) -> None:
    np.testing.assert_allclose(conv_general_dilated(*call), by_definition(call), rtol=1e-12, atol=1e-12)


@given(calls())
@settings(max_examples=40)
def test_gradients_by_both_arguments(call: Call) -> None:
    """A convolution is linear in each argument, so its derivative along t is its value at t."""
    rest = call[2:]
    out, pull = fgrad.vjp(lambda x, w: conv_general_dilated(x, w, *rest), call.lhs, call.rhs)
    ct = normal(*out.shape, seed=5)
    by_lhs, by_rhs = pull(ct)
    t, u = normal(*call.lhs.shape, seed=6), normal(*call.rhs.shape, seed=7)
    np.testing.assert_allclose(np.sum(by_lhs * t), np.sum(ct * by_definition(call._replace(lhs=t))), atol=1e-9)
    np.testing.assert_allclose(np.sum(by_rhs * u), np.sum(ct * by_definition(call._replace(rhs=u))), atol=1e-9)


@given(calls())
@settings(max_examples=20)
def test_transforms_agree(call: Call) -> None:
    rest = call[2:]

    def f(x: Any, w: Any) -> Any:
        return conv_general_dilated(x, w, *rest)

    np.testing.assert_allclose(fgrad.jit(f)(call.lhs, call.rhs), f(call.lhs, call.rhs), rtol=1e-12)
    xs, ws = np.stack([call.lhs, 2 * call.lhs]), np.stack([call.rhs, call.rhs[::-1]], -1)
    rows = np.stack([f(xs[0], ws[..., 0]), f(xs[1], ws[..., 1])])
    np.testing.assert_allclose(fgrad.vmap(f, (0, -1))(xs, ws), rows, rtol=1e-12, atol=1e-12)
    grads = fgrad.vmap(fgrad.grad(lambda x, w: fnp.sum(f(x, w) ** 2), 1), (0, -1))(xs, ws)
    single = fgrad.grad(lambda w: fnp.sum(f(xs[1], w) ** 2))(ws[..., 1])
    np.testing.assert_allclose(grads[1], single, rtol=1e-10, atol=1e-10)


def test_second_derivatives() -> None:
    x, w = normal(1, 2, 4), normal(3, 2, 2, seed=1)

    def loss(x: Any, w: Any) -> Any:
        return fnp.sum(np.tanh(conv_general_dilated(x, w, (2,), ((1, 2),), (2,), (2,))))

    def flat(z: Any) -> Any:
        return loss(fnp.reshape(z[: x.size], x.shape), fnp.reshape(z[x.size :], w.shape))

    z = np.concatenate([x.ravel(), w.ravel()])
    step = 1e-6
    numeric = [(fgrad.grad(flat)(z + e) - fgrad.grad(flat)(z - e)) / (2 * step) for e in step * np.eye(z.size)]
    np.testing.assert_allclose(fgrad.hessian(flat)(z), np.stack(numeric), atol=1e-7)
    np.testing.assert_allclose(fgrad.jacrev(fgrad.jacrev(flat))(z), fgrad.hessian(flat)(z), atol=1e-12)


@pytest.mark.parametrize("name", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("spread", [1, 2])
def test_conv_transpose_is_the_transpose(name: str, stride: int, size: int, spread: int) -> None:
    """Of the convolution with the same kernel, strides and padding, at a length that all strides fit into."""
    layout = ("NHC", "HIO", "NHC")
    w = normal(size, 2, 3)
    reach = (size - 1) * spread + 1
    length = 5 * stride if name == "SAME" else 4 * stride + max(reach, stride)

    def forward(x: Any) -> Any:
        return conv_general_dilated(x, w, (stride,), name, None, (spread,), layout)

    x = normal(1, length, 2)
    out, pull = fgrad.vjp(forward, x)
    back = conv_transpose(out, w, (stride,), name, (spread,), transpose_kernel=True)
    assert out.shape == (1, 5, 3)
    np.testing.assert_allclose(back, pull(out)[0], atol=1e-12)


def test_conv_transpose_with_pairs() -> None:
    x, w = normal(1, 4, 2), normal(3, 2, 5)
    given = conv_transpose(x, w, (2,), ((1, 2),))
    np.testing.assert_allclose(
        given, conv_general_dilated(x, w, (1,), ((1, 2),), (2,), None, ("NHC", "HIO", "NHC")), rtol=1e-12
    )
    consistent = conv_transpose(x, w, (2,), ((1, 0),), use_consistent_padding=True)
    np.testing.assert_allclose(consistent, given, rtol=1e-12)


def test_shorthands() -> None:
    x, w = normal(2, 3, 7), normal(4, 3, 3)
    np.testing.assert_array_equal(conv(x, w, (2,), "SAME"), conv_general_dilated(x, w, (2,), "SAME"))
    general = conv_with_general_padding(x, w, (1,), ((1, 2),), (2,), (3,))
    np.testing.assert_array_equal(general, conv_general_dilated(x, w, (1,), ((1, 2),), (2,), (3,)))


@given(calls(grouped=False))
@settings(max_examples=40)
def test_patches_times_a_kernel_are_the_convolution(call: Call) -> None:
    spatial = [c for c in call.layout[1] if c not in "OI"]
    w = np.transpose(call.rhs, [call.layout[1].index(c) for c in ["O", "I", *spatial]])
    patches = conv_general_dilated_patches(call.lhs, w.shape[2:], *call[2:7])
    axis = call.layout[2].index("C")
    out = np.moveaxis(np.tensordot(patches, w.reshape(w.shape[0], -1), (axis, 1)), -1, axis)
    np.testing.assert_allclose(out, by_definition(call), atol=1e-12)


def test_patches_are_copies_not_products() -> None:
    """Infinities stay where they are, and a gradient is counted as often as an element is seen."""
    x = np.array([[[1.0, np.inf, 3.0, 4.0]]])
    patches = conv_general_dilated_patches(x, (2,), (1,), "VALID", preferred_element_type=np.float32)
    np.testing.assert_array_equal(patches, [[[1, np.inf, 3], [np.inf, 3, 4]]])
    assert patches.dtype == np.float32
    seen = fgrad.grad(lambda x: fnp.sum(conv_general_dilated_patches(x, (2,), (1,), "VALID")))(x)
    np.testing.assert_array_equal(seen, [[[1, 2, 2, 1]]])


def test_preferred_element_type() -> None:
    x, w = np.full((1, 1, 300), 100, np.int8), np.full((1, 1, 300), 2, np.int8)
    assert conv_general_dilated(x, w, (1,), "VALID", preferred_element_type=np.int32).item() == 60000
    single = conv_general_dilated(x.astype(float), w.astype(float), (1,), "VALID", preferred_element_type=np.float32)
    assert single.dtype == np.float32


def test_dimension_numbers() -> None:
    expected = ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 1, 2, 3))
    shapes = (1, 8, 8, 3), (3, 3, 3, 16)
    assert conv_dimension_numbers(*shapes, ("NHWC", "HWIO", "NCHW")) == expected
    assert conv_dimension_numbers(*shapes, expected) == expected
    assert conv_dimension_numbers(*shapes, tuple(map(list, expected))) == expected
    assert conv_dimension_numbers(*shapes, None) == ConvDimensionNumbers(*[(0, 1, 2, 3)] * 3)
    # The kernel tells the order of the spatial axes.
    assert conv_dimension_numbers(*shapes, ("NHWC", "OIWH", "NCHW")).lhs_spec == (0, 3, 2, 1)


@pytest.mark.parametrize(("length", "size", "stride"), list(itertools.product([1, 5, 6], [1, 2, 3], [1, 2, 3])))
def test_paddings_by_name(length: int, size: int, stride: int) -> None:
    for name in ("SAME", "SAME_LOWER", "VALID", "same"):
        assert padtype_to_pads((length,), (size,), (stride,), name) == [zeros(length, size, stride, name.upper())]
    assert padtype_to_pads((length,), (size,), (stride,), ((1, -2),)) == [(1, -2)]


X, W = normal(2, 4, 5, 5), normal(6, 4, 3, 3)


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"rhs": W[0]}, ShapeError, "takes an input and a kernel of as many axes"),
        ({"rhs": W[:, :3]}, ShapeError, r"lhs of shape \(2, 4, 5, 5\) has 4 features, rhs of shape .* takes 3"),
        ({"rhs": W.astype(np.float32)}, ShapeError, "arguments of one dtype, got float64, float32"),
        ({"lhs": X > 0, "rhs": W > 0}, ShapeError, "takes numbers, got bool"),
        ({"window_strides": (1,)}, ArgumentError, r"`window_strides` must be 2 positive integers, .* got \(1,\)"),
        ({"window_strides": 2}, ArgumentError, "`window_strides` must be 2 positive integers"),
        ({"rhs_dilation": (0, 1)}, ArgumentError, "`rhs_dilation` must be 2 positive integers"),
        ({"lhs_dilation": (1, 1.5)}, ArgumentError, "`lhs_dilation` must be 2 positive integers"),
        ({"padding": "FULL"}, ArgumentError, "no padding 'FULL'.*\n.*\n.*'SAME', 'SAME_LOWER', 'VALID', or a pair"),
        ({"padding": ((1, 1),)}, ArgumentError, r"`padding` must be 2 pairs"),
        ({"padding": (1, 1)}, ArgumentError, r"knows no padding \(1, 1\)"),
        ({"dimension_numbers": ("NHWC", "OIHW", "NHQC")}, ArgumentError, "(?s)are no `dimension_numbers`.*NCHW"),
        ({"dimension_numbers": "NHWC"}, ArgumentError, "'NHWC' are no `dimension_numbers` of arrays of 4 axes"),
        ({"dimension_numbers": ((0, 1, 2, 2),) * 3}, ArgumentError, "are no `dimension_numbers`"),
        ({"dimension_numbers": (0, 1, 2)}, ArgumentError, "are no `dimension_numbers`"),
        ({"dimension_numbers": ("NCHH", "OIHH", "NCHH")}, ArgumentError, "are no `dimension_numbers`"),
        ({"feature_group_count": 3}, ArgumentError, "feature_group_count=3 does not divide the 4 features of lhs"),
        ({"feature_group_count": 4, "rhs": W[:, :1]}, ArgumentError, "does not divide the 6 output features of rhs"),
        ({"feature_group_count": 2}, ShapeError, "has 2 features in each of 2 groups, rhs of shape .* takes 4"),
        ({"batch_group_count": 3}, ArgumentError, "batch_group_count=3 does not divide the 2 rows of lhs"),
        ({"batch_group_count": 2, "rhs": W[:5]}, ArgumentError, "batch_group_count=2 does not divide the 5 output"),
        ({"batch_group_count": 2, "feature_group_count": 2}, ArgumentError, "must be positive, and one of them 1"),
        ({"feature_group_count": 0}, ArgumentError, "must be positive"),
    ],
)
def test_refused(change: dict[str, Any], error: type[Exception], told: str) -> None:
    arguments = {"lhs": X, "rhs": W, "window_strides": (1, 1), "padding": "VALID", **change}
    with pytest.raises(error, match=told):
        conv_general_dilated(**arguments)


def test_refused_elsewhere() -> None:
    with pytest.raises(ArgumentError, match="conv_transpose knows no padding 'SAME_LOWER'"):
        conv_transpose(normal(1, 3, 1), normal(2, 1, 1), (1,), "SAME_LOWER")
    with pytest.raises(ArgumentError, match="padtype_to_pads of 2 axes, 1 lengths of a window and 2 strides"):
        padtype_to_pads((3, 3), (1,), (1, 1), "SAME")
    with pytest.raises(ArgumentError, match=r"a kernel of shape \(0,\) has no taps"):
        conv_general_dilated_patches(normal(1, 1, 3), (0,), (1,), "VALID")


@needs_jax
@given(calls())
@settings(max_examples=20)
def test_against_jax(call: Call) -> None:
    import jax  # noqa: PLC0415

    arguments = [np.float32(call.lhs), np.float32(call.rhs)]
    expected = jax.lax.conv_general_dilated(*arguments, *call[2:])
    np.testing.assert_allclose(conv_general_dilated(*arguments, *call[2:]), expected, rtol=1e-4, atol=1e-4)
