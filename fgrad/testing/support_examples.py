"""How to call the public functions: what the support matrix tries each of them with.

An example is a function of differentiable arrays and these arrays; `call(f)` says it for one function. What has no
entry in `EXAMPLES` is called with the first of `GUESSES` that it takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fgrad.api.vmap import vmap
from fgrad.lax.gathering import GatherDimensionNumbers, ScatterDimensionNumbers

__all__ = ["EXAMPLES", "GUESSES", "Example"]


class Example(NamedTuple):
    """One call of a function: `call(f, *arrays)`."""

    call: Callable[..., Any]
    arrays: tuple[Any, ...]


_x = np.array([0.3, 0.5, 0.8])
_y = np.array([0.6, 0.2, 0.9])
_A = np.array([[2.0, 0.3, 0.1], [0.3, 1.5, 0.2], [0.1, 0.2, 1.1]])
_T = np.array([_A, 2 * _A])
_i = np.array([2, 0, 1])
_n = np.array([1, 5, 3])
_b = np.array([True, False, True])
_image = np.linspace(0.1, 1.6, 16).reshape(1, 1, 4, 4) ** 2
_heads = np.linspace(-0.5, 0.9, 24).reshape(1, 3, 2, 4)
_kernel = np.array([[[[0.5, 0.2], [0.1, 0.9]]]])


def _plain(f: Any, *xs: Any) -> Any:
    return f(*xs)


_ARGUMENTS = ((_x,), (1 + _x,), (_x, _y), (_A,), (_A, _T[1]), (_A, _x), (_x, _y, 1 + _x))

GUESSES: tuple[Example, ...] = (
    *[Example(_plain, arrays) for arrays in _ARGUMENTS],
    *[Example(_plain, arrays) for arrays in ((_n,), (_n, _n[::-1].copy()))],
    Example(lambda f, x: f(x, _i), (_x,)),
    Example(lambda f, x, y: f([x, y]), (_x, _y)),
    Example(lambda f, x: f(x, 1), (_x,)),
    Example(lambda f, x: f(x, 1, 1), (_x,)),
    Example(lambda f, x: f(x, 0, 1), (_A,)),
    Example(lambda f, x: f(_n, x), (_x,)),
    Example(lambda f, x: f(_n, 9, x), (_x,)),
    Example(lambda f, x, y: f(_n, 9, x, y), (_x, _y)),
    Example(lambda f: f((3,)), ()),
    Example(lambda f: f(3), ()),
)


def _mapped(f: Any, x: Any) -> Any:
    """Collectives are called inside of `vmap`."""
    return vmap(f, axis_name="i")(x)


def _newton(g: Any, x: Any) -> Any:
    for _ in range(30):
        x = x - g(x) / (2 * x)
    return x


def _collective(*rest: Any, **options: Any) -> Example:
    return Example(lambda f, x: _mapped(lambda row: f(row, "i", *rest, **options), x), (_A,))


def _of(call: Callable[..., Any], *arrays: Any) -> Example:
    return Example(call, arrays)


_scattered = ScatterDimensionNumbers((), (0,), (0,))
_dimensions = ("NCHW", "OIHW", "NCHW")

EXAMPLES: dict[str, Example] = {
    "numpy.at": _of(lambda f, x: f(x)[1:].add(2.0), _x),
    "numpy.result_type": _of(lambda f: f(_x, _i) and None),
    "numpy.empty_like": _of(lambda f: f(_x) * 0),
    "numpy.lexsort": _of(lambda f, x, y: f((x, y)), _x, _y),
    "numpy.roll": _of(lambda f, x: f(x, 1), _x),
    "numpy.tile": _of(lambda f, x: f(x, 2), _x),
    "lax.broadcast_shapes": _of(lambda f: f((2, 1), (3,)) and None),
    "lax.dtype": _of(lambda f: f(_x) and None),
    "lax.shape_as_value": _of(lambda f: f((2, 1))),
    "numpy.apply_along_axis": _of(lambda f, x: f(lambda v: v * v.sum(), 0, x), _A),
    "numpy.apply_over_axes": _of(lambda f, x: f(np.sum, x, [0]), _A),
    "numpy.arange": _of(lambda f: f(3)),
    "numpy.argpartition": _of(lambda f, x: f(x, 1), _x),
    "numpy.array_split": _of(lambda f, x: f(x, 2), _x),
    "numpy.asarray": _of(_plain, _x),
    "numpy.astype": _of(lambda f, x: f(x, np.float32), _x),
    "numpy.broadcast_to": _of(lambda f, x: f(x, (2, 3)), _x),
    "numpy.choose": _of(lambda f, x, y: f(_i % 2, [x, y]), _x, _y),
    "numpy.compress": _of(lambda f, x: f(_b, x), _x),
    "numpy.delete": _of(lambda f, x: f(x, 1), _x),
    "numpy.dsplit": _of(lambda f, x: f(x, 3), _T),
    "numpy.einsum": _of(lambda f, x, y: f("ij,j->i", x, y), _A, _x),
    "numpy.einsum_path": _of(lambda f: f("ij,j->i", _A, _x)),
    "numpy.extract": _of(lambda f, x: f(_b, x), _x),
    "numpy.fill_diagonal": _of(lambda f, x: f(x, 1.0), _A),
    "numpy.fromfunction": _of(lambda f: f(lambda i, j: i + j, (2, 3))),
    "numpy.full": _of(lambda f, x: f((3,), x), _x),
    "numpy.full_like": _of(lambda f, x: f(_y, x), _x),
    "numpy.geomspace": _of(lambda f, x, y: f(x, y, 3), _x, _y),
    "numpy.hsplit": _of(lambda f, x: f(x, 3), _A),
    "numpy.kaiser": _of(lambda f, x: f(4, x), np.float64(2.0)),
    "numpy.linspace": _of(lambda f, x, y: f(x, y, 4), _x, _y),
    "numpy.logspace": _of(lambda f, x, y: f(x, y, 4), _x, _y),
    "numpy.mask_indices": _of(lambda f: f(3, np.triu)),
    "numpy.nonzero": _of(lambda f, x: f(x, size=3), _x),
    "numpy.argwhere": _of(lambda f, x: f(x, size=3), _x),
    "numpy.flatnonzero": _of(lambda f, x: f(x, size=3), _x),
    "numpy.interp": _of(_plain, _y, _x, 1 + _x),
    "numpy.insert": _of(lambda f, x, y: f(x, 1, y), _x, np.float64(2.0)),
    "numpy.partition": _of(lambda f, x: f(x, 1), _x),
    "numpy.percentile": _of(lambda f, x: f(x, 30.0), _x),
    "numpy.nanpercentile": _of(lambda f, x: f(x, 30.0), _x),
    "numpy.piecewise": _of(lambda f, x: f(x, [x > 0.4], [np.sin, np.cos]), _x),
    "numpy.place": _of(lambda f, x, y: f(x, _b, y, inplace=False), _x, _y),
    "numpy.put": _of(lambda f, x, y: f(x, _i, y, inplace=False), _x, _y),
    "numpy.put_along_axis": _of(lambda f, x, y: f(x, _i[None], y, 0), _A, _y),
    "numpy.ravel_multi_index": _of(lambda f: f((_i, _i), (3, 3))),
    "numpy.reshape": _of(lambda f, x: f(x, (9,)), _A),
    "numpy.resize": _of(lambda f, x: f(x, (5,)), _x),
    "numpy.select": _of(lambda f, x, y: f([_b, ~_b], [x, y]), _x, _y),
    "numpy.split": _of(lambda f, x: f(x, 3), _x),
    "numpy.searchsorted": _of(lambda f, x, y: f(x, y), _x, _y),
    "numpy.take_along_axis": _of(lambda f, x: f(x, _i, 0), _x),
    "numpy.unpackbits": _of(lambda f: f(np.arange(3, dtype=np.uint8))),
    "numpy.unravel_index": _of(lambda f: f(_i, (2, 2))),
    "numpy.vsplit": _of(lambda f, x: f(x, 3), _A),
    "numpy.where": _of(lambda f, x, y: f(_b, x, y), _x, _y),
    "numpy.polyfit": _of(lambda f, x, y: f(x, y, 1), _x, _y),
    "numpy.roots": _of(_plain, np.array([1.0, -3.0, 1.0])),
    "numpy.unique": _of(lambda f, x: f(x, size=3), _x),
    "numpy.unique_all": _of(lambda f, x: f(x, size=3), _x),
    "numpy.unique_counts": _of(lambda f, x: f(x, size=3), _x),
    "numpy.unique_inverse": _of(lambda f, x: f(x, size=3), _x),
    "numpy.unique_values": _of(lambda f, x: f(x, size=3), _x),
    "numpy.trim_zeros": _of(_plain, _x),
    "numpy.histogram": _of(lambda f, x: f(_y, bins=np.array([0.0, 0.5, 1.0]), weights=x), _x),
    "numpy.histogram2d": _of(lambda f, x: f(_x, _y, bins=2, range=[[0, 1], [0, 1]], weights=x), _x),
    "numpy.histogramdd": _of(lambda f, x: f(_A, bins=2, range=[[0, 3]] * 3, weights=x), _x),
    "numpy.bincount": _of(lambda f, x: f(_i, x, length=3), _x),
    "numpy.repeat": _of(lambda f, x: f(x, 2), _x),
    "numpy.union1d": _of(lambda f, x, y: f(x, y, size=6), _x, _y),
    "numpy.intersect1d": _of(lambda f, x, y: f(x, y, size=3), _x, _y),
    "numpy.setdiff1d": _of(lambda f, x, y: f(x, y, size=3), _x, _y),
    "numpy.setxor1d": _of(lambda f, x, y: f(x, y, size=6), _x, _y),
    "linalg.matrix_power": _of(lambda f, x: f(x, 3), _A),
    "linalg.tensorinv": _of(lambda f, x: f(x, 1), _A),
    "linalg.lstsq": _of(lambda f, x, y: f(x, y)[:2], np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]]), _x),
    "linalg.eig": _of(_plain, np.array([[2.0, 0.5, 0.1], [0.3, 1.0, 0.2], [0.1, 0.3, 0.4]])),
    "lax.all_gather": _collective(),
    "lax.all_to_all": _collective(0, 0),
    "lax.axis_index": Example(lambda f, x: _mapped(lambda row: row * f("i"), x), (_A,)),
    "lax.axis_size": Example(lambda f, x: _mapped(lambda row: row * f("i"), x), (_A,)),
    "lax.pmax": _collective(),
    "lax.pmin": _collective(),
    "lax.pmean": _collective(),
    "lax.psum": _collective(),
    "lax.psum_scatter": _collective(),
    "lax.ppermute": _collective([(0, 1), (1, 2), (2, 0)]),
    "lax.pshuffle": _collective([1, 2, 0]),
    "lax.pswapaxes": _collective(0),
    "lax.argmax": _of(lambda f, x: f(x, 0, np.int64), _x),
    "lax.argmin": _of(lambda f, x: f(x, 0, np.int64), _x),
    "lax.associative_scan": _of(lambda f, x: f(lambda a, b: a * b, x), _x),
    "lax.bitcast_convert_type": _of(lambda f, x: f(x, np.int64), _x),
    "lax.broadcast": _of(lambda f, x: f(x, (2,)), _x),
    "lax.broadcast_in_dim": _of(lambda f, x: f(x, (2, 3), (1,)), _x),
    "lax.broadcasted_iota": _of(lambda f: f(np.float64, (2, 3), 1)),
    "lax.concatenate": _of(lambda f, x, y: f([x, y], 0), _x, _y),
    "lax.cond": _of(lambda f, x: f(x[0] > 0, np.sin, np.cos, x), _x),
    "lax.conv": _of(lambda f, x, y: f(x, y, (1, 1), "SAME"), _image, _kernel),
    "lax.conv_dimension_numbers": _of(lambda f: f((1, 1, 4, 4), (1, 1, 2, 2), _dimensions) and None),
    "lax.conv_general_dilated": _of(lambda f, x, y: f(x, y, (1, 1), "VALID"), _image, _kernel),
    "lax.conv_general_dilated_patches": _of(lambda f, x: f(x, (2, 2), (1, 1), "VALID"), _image),
    "lax.conv_transpose": _of(lambda f, x, y: f(x, y, (2, 2), "SAME", dimension_numbers=_dimensions), _image, _kernel),
    "lax.conv_with_general_padding": _of(
        lambda f, x, y: f(x, y, (1, 1), [(0, 0), (0, 0)], (1, 1), (1, 1)), _image, _kernel
    ),
    "lax.convert_element_type": _of(lambda f, x: f(x, np.float32), _x),
    "lax.custom_linear_solve": _of(
        lambda f, A, b: f(lambda x: A @ x, b, lambda mv, b: np.linalg.solve(A, b), symmetric=True), _A, _x
    ),
    "lax.custom_root": _of(
        lambda f, a: f(lambda x: x * x - a, 1.0 + 0 * a, _newton, lambda g, y: y / g(1.0 + 0 * y)),
        np.float64(2.0),
    ),
    "lax.dot_general": _of(lambda f, x, y: f(x, y, (((1,), (0,)), ((), ()))), _A, _x),
    "lax.dynamic_slice": _of(lambda f, x: f(x, (1,), (2,)), _x),
    "lax.dynamic_update_index_in_dim": _of(lambda f, x, y: f(x, y, 1, 0), _x, np.float64(2.0)),
    "lax.dynamic_update_slice": _of(lambda f, x, y: f(x, y, (1,)), _x, _y[:2]),
    "lax.dynamic_update_slice_in_dim": _of(lambda f, x, y: f(x, y, 1, 0), _x, _y[:2]),
    "lax.empty": _of(lambda f: f((3,), np.float64)),
    "lax.fori_loop": _of(lambda f, x: f(0, 3, lambda i, y: y * x, x), _x),
    "lax.full": _of(lambda f, x: f((3,), x), np.float64(2.0)),
    "lax.index_take": _of(lambda f, x: f(x, (_i,), (0,)), _x),
    "lax.igamma_grad_a": _of(_plain, 1 + _x, 1 + _y),
    "lax.imag": _of(lambda f, x: f(x * (1 + 2j)), _x),
    "lax.real": _of(lambda f, x: f(x * (1 + 2j)), _x),
    "lax.iota": _of(lambda f: f(np.float64, 3)),
    "lax.map": _of(lambda f, x: f(np.sin, x), _x),
    "lax.pad": _of(lambda f, x, y: f(x, y, [(1, 1, 0)]), _x, np.float64(0.5)),
    "lax.padtype_to_pads": _of(lambda f: f((4, 4), (2, 2), (1, 1), "SAME") and None),
    "lax.polygamma": _of(lambda f, x: f(np.ones(3), x), _x),
    "lax.reduce": _of(lambda f, x: f(x, 0.0, lambda a, b: a + b, (0,)), _x),
    "lax.reduce_and": _of(lambda f: f(_b, (0,))),
    "lax.reduce_or": _of(lambda f: f(_b, (0,))),
    "lax.reduce_xor": _of(lambda f: f(_b, (0,))),
    **{f"lax.reduce_{name}": _of(lambda f, x: f(x, (0,)), _x) for name in ("max", "min", "prod", "sum")},
    "lax.reduce_window": _of(lambda f, x: f(x, 0.0, lambda a, b: a + b, (2,), (1,), "VALID"), _x),
    "lax.reduce_precision": _of(lambda f, x: f(x, 8, 23), _x),
    "lax.reshape": _of(lambda f, x: f(x, (9,)), _A),
    "lax.rev": _of(lambda f, x: f(x, (0,)), _x),
    "lax.gather": _of(lambda f, x: f(x, _i[:, None], GatherDimensionNumbers((1,), (0,), (0,)), (1, 3)), _A),
    **{
        f"lax.scatter{name}": _of(lambda f, x, y: f(x, _i[:, None], y, _scattered), _x, _y)
        for name in ("", "_add", "_sub", "_mul", "_min", "_max")
    },
    "lax.scatter_apply": _of(lambda f, x: f(x, _i[:, None], lambda v: v * 2, _scattered, update_shape=(3,)), _x),
    "lax.scan": _of(lambda f, x: f(lambda c, row: (c * row, c + row), x[0], x), _x),
    "lax.select": _of(lambda f, x, y: f(_b, x, y), _x, _y),
    "lax.select_fn": _of(lambda f, x: f(x > 0.4, np.sqrt, np.sin, x), _x),
    "lax.select_n": _of(lambda f, x, y: f(_i % 2, x, y), _x, _y),
    "lax.slice": _of(lambda f, x: f(x, (1,), (3,)), _x),
    "lax.split": _of(lambda f, x: f(x, (1, 2)), _x),
    "lax.squeeze": _of(lambda f, x: f(x, (0,)), _x[None]),
    "lax.switch": _of(lambda f, x: f(1, [np.sin, np.cos], x), _x),
    "lax.transpose": _of(lambda f, x: f(x, (1, 0)), _A),
    "lax.while_loop": _of(lambda f, x: f(lambda y: y[0] < 2, lambda y: 2 * y, x), _x),
    "scipy.linalg.rsf2csf": _of(lambda f, x, y: f(x, y), np.triu(_A), np.eye(3)),
    "lax.sort_key_val": _of(_plain, _x, _y),
    "lax.betainc": _of(_plain, 1 + _x, 1 + _y, _x),
    "lax.zeta": _of(_plain, 2 + _x, 1 + _y),
    "nn.dot_product_attention": _of(_plain, _heads, 2 * _heads, 1 - _heads),
    "nn.glu": _of(_plain, _image),
    "nn.one_hot": _of(lambda f: f(_i, 3)),
    "scipy.special.bessel_jn": _of(lambda f, x: f(x, v=2), _x),
    **{
        f"scipy.special.{name}": _of(lambda f, x: f(2, x), 1 + _x)
        for name in ("expn", "iv", "ive", "jn", "jv", "kn", "kv", "kve", "yn", "yv")
    },
    "scipy.special.eval_gegenbauer": _of(lambda f, x: f(2, 0.7, x), _x),
    "scipy.special.hyp2f1": _of(lambda f, x: f(0.5, 1.5, 2.5, x), _x),
    "scipy.special.lpmv": _of(lambda f, x: f(1, 2, x), _x),
    "scipy.special.sph_harm_y": _of(lambda f, x, y: f(np.array([2]), np.array([1]), x, y), _x[:1], _y[:1]),
    "scipy.linalg.cho_solve": _of(lambda f, c, b: f((c, True), b), np.linalg.cholesky(_A), _x),
    "scipy.linalg.eigh_tridiagonal": _of(lambda f, d, e: f(d, e, eigvals_only=True), 1 + _x, _y[:2]),
    "scipy.linalg.funm": _of(lambda f, a: f(a, np.exp), _A),
    "scipy.linalg.hadamard": _of(lambda f: f(4)),
    "scipy.linalg.leslie": _of(_plain, _x, _y[:2]),
    "scipy.linalg.lu_solve": _of(lambda f, a, b: f((a, np.arange(3)), b), _A, _x),
    "scipy.linalg.solve_banded": _of(lambda f, a, b: f((1, 1), a, b), _A + 1, _x),
    "scipy.linalg.solve_sylvester": _of(_plain, _A, 2 * _A, _T[1] + 1),
    "scipy.signal.get_window": _of(lambda f: f("hann", 4)),
    "scipy.stats.bernoulli.logpmf": _of(lambda f, x: f(np.array([0, 1, 1]), x), _x),
    "scipy.stats.truncnorm.logpdf": _of(lambda f, x, a, b: f(x, a, b), _x, -_y, 1 + _y),
    "scipy.optimize.minimize": _of(lambda f, a: f(lambda x: ((x - a) ** 2).sum(), np.zeros(3), method="BFGS").x, _x),
    "scipy.optimize.root": _of(lambda f, a: f(lambda x: x + 0.1 * x**3 - a, np.zeros(3)).x, _x),
    "scipy.optimize.least_squares": _of(lambda f, a: f(lambda x: 2 * x - a, np.zeros(3)).x, _x),
    "scipy.integrate.odeint": _of(lambda f, y, k: f(lambda y, t, k: -k * y, y, np.array([0.0, 0.5]), k), _x, _y),
}
"""What a guess does not do for."""
