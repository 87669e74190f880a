"""How every function of fgrad.numpy may be called: the table that the walks over the whole namespace read.

A form is a function of two makers of arrays, `a(*shape)` and `b(*shape)`, that gives a call. Its entry says over what
dtypes it is run: `EACH` dtype, all `PAIRS` of them, or the `FEW` in which a shape or an option is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "BY_VALUE",
    "LENIENT",
    "NOT_NUMPYS",
    "OWN",
    "TABLES",
    "Call",
    "Entry",
    "Make",
    "Weak",
    "call",
    "calls_of",
    "mapped",
    "plain",
]

DTYPES = [np.dtype(c) for c in "?bhilBHILefdFD"]
SCALARS = [bool, int, float, complex]
"""Python's numbers: weakly typed."""
REAL = [d for d in DTYPES if d.kind != "c"]
FEW = [np.dtype(np.float64), np.dtype(np.int32), np.dtype(np.complex64)]


class Weak(NamedTuple):
    """A Python number that is traced, among arguments."""

    number: Any


class Call(NamedTuple):
    """Arguments of a function; the arrays and weak numbers among them are traced, all else is static."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def call(*args: Any, **kwargs: Any) -> Call:
    return Call(args, kwargs)


def mapped(f: Callable[[Any], Any], x: Any) -> Any:
    """f of every item of nested lists."""
    if type(x) is dict:
        return {k: mapped(f, y) for k, y in x.items()}
    return type(x)([mapped(f, y) for y in x]) if type(x) in (list, tuple) else f(x)


def plain(call: Call) -> Call:
    """A call whose weak numbers are numbers."""
    return Call(*mapped(lambda x: x.number if isinstance(x, Weak) else x, tuple(call)))


class Make:
    """Makes arrays of a dtype (or weak numbers), always of the same few small numbers."""

    def __init__(self, dtype: Any, first: int = 0) -> None:
        self.dtype, self.first = dtype, first

    def __call__(self, *shape: int, low: int = -2, high: int = 3) -> Any:
        """Numbers from `low` to `high`, in no order, the first of them 0 in every second array."""
        if isinstance(self.dtype, type):
            return Weak({bool: True, int: 3, float: 1.5, complex: 0.5 - 1j}[self.dtype])
        count = int(np.prod(shape))
        numbers = (np.arange(count) * 7 + self.first) % (high - low + 1) + low
        kind = self.dtype.kind
        if kind in "bu":
            numbers = abs(numbers) % 2 if kind == "b" else abs(numbers)
        out = numbers.astype(self.dtype)
        if kind in "fc":
            out += np.asarray(0.25, self.dtype)
        if kind == "c":
            out += np.asarray(1j, self.dtype) * (numbers % 3 - 1).astype(self.dtype)
        return out.reshape(shape)

    def index(self, *shape: int, below: int = 2) -> Any:
        """Positions below a bound."""
        return (np.arange(int(np.prod(shape))) * 3 % below).reshape(shape)

    def mask(self, *shape: int) -> Any:
        """Truth values."""
        return (np.arange(int(np.prod(shape))) % 3 != 1).reshape(shape)

    def ordered(self, *shape: int) -> Any:
        """Numbers in ascending order along the last axis."""
        x = self(*shape)
        return x if isinstance(x, Weak) else np.sort(x, axis=-1)

    def square(self, n: int) -> Any:
        """A regular matrix."""
        return self(n, n) + np.eye(n, dtype=np.dtype(self.dtype)) * np.asarray(5, self.dtype)

    def hermitian(self, n: int) -> Any:
        """A positive definite matrix."""
        x = self.square(n)
        return x if x.dtype.kind == "b" else (x @ x.conj().T).astype(x.dtype)


Form = Callable[[Make, Make], Call]


class Entry(NamedTuple):
    """What a function is tried on: the first form over the dtypes of the sweep, all others over a few."""

    sweep: str
    forms: tuple[Form, ...]
    dtypes: list[Any]


def each(*forms: Form, dtypes: list[Any] = DTYPES) -> Entry:
    """All dtypes, then a few."""
    return Entry("each", forms, dtypes)


def pairs(*forms: Form, dtypes: list[Any] = DTYPES) -> Entry:
    """All pairs of dtypes, and Python's numbers, then a few."""
    return Entry("pairs", forms, dtypes)


def calls_of(entry: Entry) -> Iterator[tuple[str, Call]]:
    """The calls of an entry, and what to say of each."""
    first, *others = entry.forms
    if entry.sweep == "each":
        for d in entry.dtypes:
            yield f"{d}", first(Make(d), Make(d, 3))
    else:
        both = [*entry.dtypes, *SCALARS]
        for d in both:
            for e in both:
                yield f"{d}, {e}", first(Make(d), Make(e, 3))
    for k, form in enumerate(others):
        for d in FEW:
            yield f"form {k + 1}, {d}", form(Make(d), Make(d, 3))


def split(names: str) -> list[str]:
    return names.split()


UNARY = each(
    lambda a, b: call(a(6)),
    lambda a, b: call(a()),
    lambda a, b: call(a(2, 0)),
    lambda a, b: call(a(2, 3).T),
    dtypes=[*DTYPES, *SCALARS],
)
BINARY = pairs(
    lambda a, b: call(a(6), b(6)),
    lambda a, b: call(a(2, 1), b(3)),
    lambda a, b: call(a(), b(3)),
    lambda a, b: call(a(0, 1), b(1, 3)),
    lambda a, b: call(a(2), b(3)),
)
SMALL_POWERS = pairs(
    lambda a, b: call(a(6), b(6, low=0)),
    lambda a, b: call(a(2, 1), b(3, low=0)),
    lambda a, b: call(a(6), b(6)),
)
AXES: tuple[Form, ...] = (
    lambda a, b: call(a(2, 3), axis=0),
    lambda a, b: call(a(2, 3), axis=-1, keepdims=True),
    lambda a, b: call(a(2, 3, 2), axis=(0, -1)),
    lambda a, b: call(a(2, 3), axis=None, keepdims=True),
    lambda a, b: call(a(2, 3), axis=()),
    lambda a, b: call(a(2, 0, 3), axis=0),
    lambda a, b: call(a(2, 0, 3), axis=1),
    lambda a, b: call(a()),
    lambda a, b: call(a(0)),
    lambda a, b: call(a(2, 3), axis=2),
    lambda a, b: call(a(2, 3), axis=(0, 0)),
)
MASKS: tuple[Form, ...] = (
    lambda a, b: call(a(2, 3), axis=1, where=a.mask(2, 3)),
    lambda a, b: call(a(2, 3), where=a.mask(3), keepdims=True),
)
INITIAL: tuple[Form, ...] = (
    lambda a, b: call(a(2, 3), axis=1, initial=2),
    lambda a, b: call(a(2, 3), axis=0, initial=1, where=a.mask(2, 3)),
    lambda a, b: call(a(2, 0), axis=1, initial=2),
)
TYPED: tuple[Form, ...] = (
    lambda a, b: call(a(2, 3), axis=0, dtype=np.float32),
    lambda a, b: call(a(2, 3), dtype=np.complex128),
)
POSITIONS: tuple[Form, ...] = (
    lambda a, b: call(a(2, 3), axis=0),
    lambda a, b: call(a(2, 3), axis=-1, keepdims=True),
    lambda a, b: call(a(2, 3), keepdims=True),
    lambda a, b: call(a(0, 3), axis=1),
    lambda a, b: call(a(0, 3), axis=0),
    lambda a, b: call(a()),
)
CUMULATIVE: tuple[Form, ...] = (
    lambda a, b: call(a(2, 3), axis=0),
    lambda a, b: call(a(2, 3), axis=-1),
    lambda a, b: call(a(2, 0), axis=1),
    lambda a, b: call(a(3), dtype=np.float32),
    lambda a, b: call(a(2, 3), axis=2),
)


def first(a: Make, b: Make) -> Call:
    return call(a(2, 3))


def line(a: Make, b: Make) -> Call:
    return call(a(6))


def reduction(*more: Form) -> Entry:
    return each(first, *AXES, *more)


_TABLE: dict[str, Entry] = {
    **dict.fromkeys(
        split(
            "abs absolute acos acosh angle arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan "
            "atanh bitwise_count bitwise_invert bitwise_not cbrt ceil conj conjugate cos cosh deg2rad "
            "degrees exp exp2 expm1 fabs fix floor frexp i0 imag invert iscomplex isfinite isinf isnan "
            "isneginf isposinf isreal log log10 log1p log2 logical_not modf nan_to_num negative positive "
            "rad2deg radians real reciprocal rint round around sign signbit sin sinc sinh spacing sqrt "
            "square tan tanh trunc iscomplexobj isrealobj ndim shape size copy ones_like zeros_like"
        ),
        UNARY,
    ),
    **dict.fromkeys(
        split(
            "add arctan2 atan2 bitwise_and bitwise_or bitwise_xor copysign divide divmod equal "
            "float_power floor_divide fmax fmin fmod gcd greater greater_equal heaviside hypot isclose "
            "lcm less less_equal logaddexp logaddexp2 logical_and logical_or logical_xor maximum minimum "
            "mod multiply nextafter not_equal remainder subtract true_divide"
        ),
        BINARY,
    ),
    **dict.fromkeys(
        split("bitwise_left_shift bitwise_right_shift left_shift ldexp pow power right_shift"), SMALL_POWERS
    ),
    **dict.fromkeys(split("all any"), reduction(*MASKS)),
    **dict.fromkeys(split("amax amin max min nanmax nanmin"), reduction(*INITIAL)),
    "ptp": reduction(),
    **dict.fromkeys(split("prod sum nanprod nansum"), reduction(*MASKS, *INITIAL, *TYPED)),
    **dict.fromkeys(split("mean nanmean"), reduction(*MASKS, *TYPED)),
    **dict.fromkeys(
        split("std var nanstd nanvar"),
        reduction(
            *MASKS,
            *TYPED,
            lambda a, b: call(a(2, 3), axis=1, ddof=1),
            lambda a, b: call(a(2, 3), axis=1, correction=1),
            lambda a, b: call(a(2, 3), axis=1, mean=np.mean(a(2, 3), axis=1, keepdims=True)),
            lambda a, b: call(a(2, 3), ddof=7),
        ),
    ),
    "count_nonzero": each(first, *AXES),
    **dict.fromkeys(split("argmax argmin nanargmax nanargmin"), each(first, *POSITIONS)),
    **dict.fromkeys(split("cumprod cumsum nancumprod nancumsum"), each(first, *CUMULATIVE)),
    **dict.fromkeys(
        split("cumulative_prod cumulative_sum"),
        each(
            line,
            *CUMULATIVE,
            lambda a, b: call(a(2, 3), axis=1, include_initial=True),
            lambda a, b: call(a(2, 3)),
        ),
    ),
    "average": pairs(
        lambda a, b: call(a(3), weights=b(3, low=1)),
        lambda a, b: call(a(2, 3)),
        lambda a, b: call(a(2, 3), axis=0, weights=b(2, low=1), returned=True),
        lambda a, b: call(a(2, 3), axis=-1, keepdims=True),
        lambda a, b: call(a(2, 3), weights=b(2)),
    ),
    **dict.fromkeys(
        split("median nanmedian"),
        each(
            first,
            lambda a, b: call(a(2, 4), axis=1, keepdims=True),
            lambda a, b: call(a(2, 4, 2), axis=(0, 2)),
            lambda a, b: call(a(2, 3), axis=2),
            dtypes=REAL,
        ),
    ),
    **dict.fromkeys(
        split("quantile nanquantile"),
        each(
            lambda a, b: call(a(2, 3), 0.3),
            lambda a, b: call(a(2, 3), np.array([0.1, 0.5]), axis=0),
            lambda a, b: call(a(2, 3), 0.5, axis=(0, 1), keepdims=True, method="lower"),
            lambda a, b: call(a(2, 3), 0.4, axis=1, method="hazen"),
            lambda a, b: call(a(2, 3), 1.5),
            dtypes=REAL,
        ),
    ),
    **dict.fromkeys(
        split("percentile nanpercentile"),
        each(
            lambda a, b: call(a(2, 3), 30),
            lambda a, b: call(a(2, 3), np.array([10.0, 50.0]), axis=0),
            lambda a, b: call(a(2, 3), 101),
            dtypes=REAL,
        ),
    ),
    "allclose": pairs(lambda a, b: call(a(3), b(3)), lambda a, b: call(a(2, 1), a(2, 3))),
    **dict.fromkeys(
        split("array_equal array_equiv"), pairs(lambda a, b: call(a(3), b(3)), lambda a, b: call(a(3), a(3)))
    ),
    "clip": pairs(
        lambda a, b: call(a(6), b(6), b(6)),
        lambda a, b: call(a(6), -1, 1),
        lambda a, b: call(a(6), min=0),
        lambda a, b: call(a(6), None, b(6)),
        lambda a, b: call(a(6)),
    ),
    "astype": each(
        *[
            lambda a, b, d=d: call(a(6, low=0), d)
            for d in (np.float32, np.int8, np.bool_, np.complex64, np.float64, int)
        ]
    ),
    "array": each(
        line, lambda a, b: call([a(2), b(2)]), lambda a, b: call(a(2), ndmin=3), lambda a, b: call(a(2), int)
    ),
    **dict.fromkeys(
        split("asanyarray ascontiguousarray asfortranarray"),
        each(line, lambda a, b: call([a(2), b(2)]), lambda a, b: call(a(2), np.float32)),
    ),
    "asarray_chkfinite": each(line, lambda a, b: call(a(2), np.float32)),
    "asarray": each(line, lambda a, b: call([a(2), b(2)]), lambda a, b: call(a(2), np.float32)),
    "empty_like": each(lambda a, b: call(a(0, 3)), lambda a, b: call(a(2), np.int8, shape=(0,))),
    "full": each(lambda a, b: call((2, 3), a(3)), lambda a, b: call(2, a()), lambda a, b: call((), a(), np.float32)),
    "full_like": pairs(
        lambda a, b: call(a(3), b()),
        lambda a, b: call(a(2, 3), b(3)),
        lambda a, b: call(a(2), b(), np.int8),
        lambda a, b: call(a(2), b(), shape=(2, 2)),
    ),
    "arange": each(lambda a, b: call(0, 5, 2), lambda a, b: call(3), lambda a, b: call(3, dtype=np.float32)),
    **dict.fromkeys(
        split("linspace"),
        pairs(
            lambda a, b: call(a(2), b(2), 3),
            lambda a, b: call(a(), b(), 4, endpoint=False),
            lambda a, b: call(a(2), b(2), 4, retstep=True, axis=-1),
            lambda a, b: call(a(2), b(2), 1),
            lambda a, b: call(a(2), b(2), 0),
            lambda a, b: call(a(2), b(2), -1),
            lambda a, b: call(a(2), b(2), 4, dtype=np.int32),
        ),
    ),
    "logspace": pairs(lambda a, b: call(a(2), b(2), 3), lambda a, b: call(a(), b(), 3, base=2.0)),
    "geomspace": pairs(
        lambda a, b: call(a(2, low=1), b(2, low=1), 3),
        lambda a, b: call(a(low=1), b(low=1), 4, endpoint=False),
        dtypes=DTYPES[1:],
    ),
    "fromfunction": each(lambda a, b: call(lambda i, j: i + j, (2, 2))),
    "meshgrid": pairs(
        lambda a, b: call(a(2), b(3)),
        lambda a, b: call(a(2), b(3), indexing="ij", sparse=True),
        lambda a, b: call(a(2), b(3), indexing="no"),
    ),
    "vander": each(lambda a, b: call(a(3)), lambda a, b: call(a(3), 2, True), lambda a, b: call(a(2, 2))),
    **dict.fromkeys(split("diag diagflat"), each(line, lambda a, b: call(a(3), 1), lambda a, b: call(a(2, 3), -1))),
    **dict.fromkeys(split("tril triu"), each(first, lambda a, b: call(a(2, 3), -1), lambda a, b: call(a(2, 2, 3), 1))),
    **dict.fromkeys(
        split("diag_indices_from"),
        each(lambda a, b: call(a(3, 3)), lambda a, b: call(a(2, 3)), lambda a, b: call(a(2))),
    ),
    **dict.fromkeys(split("tril_indices_from triu_indices_from"), each(first, lambda a, b: call(a(2, 3), 1))),
    "mask_indices": each(lambda a, b: call(3, np.triu)),
    "ix_": each(lambda a, b: call(a.index(2), a.index(3)), lambda a, b: call(a.index(2, 2))),
    # shapes
    **dict.fromkeys(
        split("atleast_1d atleast_2d atleast_3d"), each(first, lambda a, b: call(a()), lambda a, b: call(a(2), b(3, 1)))
    ),
    "broadcast_arrays": pairs(lambda a, b: call(a(2, 1), b(3)), lambda a, b: call(a(2), b(3))),
    "broadcast_to": each(lambda a, b: call(a(3), (2, 3)), lambda a, b: call(a(), 4), lambda a, b: call(a(3), (2, 2))),
    "expand_dims": each(lambda a, b: call(a(3), 0), lambda a, b: call(a(3), (0, -1)), lambda a, b: call(a(3), 5)),
    "matrix_transpose": each(first, lambda a, b: call(a(2, 2, 3)), lambda a, b: call(a(2))),
    "moveaxis": each(
        lambda a, b: call(a(2, 3), 0, 1), lambda a, b: call(a(2, 3, 4), (0, 1), (-1, 0)), lambda a, b: call(a(2), 3, 0)
    ),
    **dict.fromkeys(
        split("transpose permute_dims"),
        each(
            first,
            lambda a, b: call(a(2, 3, 4), (2, 0, 1)),
            lambda a, b: call(a(2, 3), (0, 0)),
            lambda a, b: call(a(2), (0, 1)),
        ),
    ),
    "ravel": each(first, lambda a, b: call(a(2, 3), "F"), lambda a, b: call(a())),
    "reshape": each(
        lambda a, b: call(a(2, 3), (3, -1)),
        lambda a, b: call(a(2, 3), -1, order="F"),
        lambda a, b: call(a(0, 3), (3, 0)),
        lambda a, b: call(a(2, 3), (4, -1)),
        lambda a, b: call(a(2, 3), (-1, -1)),
    ),
    "rollaxis": each(lambda a, b: call(a(2, 3, 4), 2), lambda a, b: call(a(2, 3, 4), 0, 3), lambda a, b: call(a(2), 4)),
    "squeeze": each(
        lambda a, b: call(a(2, 1)), lambda a, b: call(a(1, 2, 1), axis=(0, -1)), lambda a, b: call(a(2), 0)
    ),
    "swapaxes": each(lambda a, b: call(a(2, 3), 0, -1), lambda a, b: call(a(2, 3), 0, 2)),
    # parts
    "flip": each(first, lambda a, b: call(a(2, 3), 0), lambda a, b: call(a(2, 3), (0, -1)), lambda a, b: call(a(2), 1)),
    "fliplr": each(first, lambda a, b: call(a(2))),
    "flipud": each(first, lambda a, b: call(a())),
    "roll": each(
        lambda a, b: call(a(6), 2),
        lambda a, b: call(a(2, 3), -1, 1),
        lambda a, b: call(a(2, 3), (1, 2), (0, 1)),
        lambda a, b: call(a(0), 2),
        lambda a, b: call(a(3), 1, 2),
    ),
    "rot90": each(
        first,
        lambda a, b: call(a(2, 3), 3),
        lambda a, b: call(a(2, 3, 2), 1, (1, 2)),
        lambda a, b: call(a(2, 2), 1, (0, 0)),
    ),
    "repeat": each(
        lambda a, b: call(a(3), 2),
        lambda a, b: call(a(2, 3), 2, axis=1),
        lambda a, b: call(a(2, 3), [1, 2], axis=0),
        lambda a, b: call(a(3), -1),
        lambda a, b: call(a(3), [1, 2]),
    ),
    "tile": each(lambda a, b: call(a(3), 2), lambda a, b: call(a(2, 3), (2, 1, 2)), lambda a, b: call(a(), (2, 2))),
    "resize": each(lambda a, b: call(a(3), (2, 2)), lambda a, b: call(a(0), 3), lambda a, b: call(a(3), 7)),
    "delete": each(
        lambda a, b: call(a(6), 1),
        lambda a, b: call(a(2, 3), [0, 2], axis=1),
        lambda a, b: call(a(6), slice(1, 5, 2)),
        lambda a, b: call(a(3), 5),
    ),
    "insert": pairs(
        lambda a, b: call(a(6), 1, b()),
        lambda a, b: call(a(2, 3), 1, b(3), axis=0),
        lambda a, b: call(a(6), [1, 3], b(2)),
        lambda a, b: call(a(3), 9, 1),
    ),
    "append": pairs(
        lambda a, b: call(a(3), b(2)),
        lambda a, b: call(a(2, 3), b(1, 3), axis=0),
        lambda a, b: call(a(2, 3), b(2), axis=0),
    ),
    **dict.fromkeys(
        split("concat concatenate"),
        pairs(
            lambda a, b: call((a(3), b(2))),
            lambda a, b: call((a(2, 3), b(2, 1)), axis=-1),
            lambda a, b: call((a(2, 3), b(2)), axis=None),
            lambda a, b: call((a(2), b(2)), dtype=np.float32, casting="unsafe"),
            lambda a, b: call((a(2, 3), b(2, 1))),
            lambda a, b: call(()),
            lambda a, b: call((a(), b())),
        ),
    ),
    "stack": pairs(
        lambda a, b: call((a(3), b(3))),
        lambda a, b: call((a(2, 3), b(2, 3)), axis=-1),
        lambda a, b: call((a(2), b(3))),
        lambda a, b: call(()),
    ),
    **dict.fromkeys(
        split("column_stack dstack hstack vstack"),
        pairs(lambda a, b: call((a(3), b(3))), lambda a, b: call((a(2, 3), b(2, 3)))),
    ),
    "block": pairs(lambda a, b: call([[a(2, 2), b(2, 1)], [b(1, 2), a(1, 1)]]), lambda a, b: call([a(2), b(2)])),
    **dict.fromkeys(
        split("split array_split"),
        each(
            lambda a, b: call(a(6), 3),
            lambda a, b: call(a(2, 6), [1, 3], axis=1),
            lambda a, b: call(a(6), 4),
            lambda a, b: call(a(6), 0),
        ),
    ),
    "hsplit": each(lambda a, b: call(a(2, 6), 3), lambda a, b: call(a(6), [2]), lambda a, b: call(a(), 1)),
    "vsplit": each(lambda a, b: call(a(6, 2), 3), lambda a, b: call(a(6), 3)),
    "dsplit": each(lambda a, b: call(a(1, 2, 6), 3), lambda a, b: call(a(6, 1), 3)),
    "unstack": each(
        first, lambda a, b: call(a(2, 3), axis=-1), lambda a, b: call(a()), lambda a, b: call(a(2), axis=3)
    ),
    "pad": each(
        lambda a, b: call(a(3), 1),
        *[
            lambda a, b, mode=mode: call(a(2, 3), ((1, 0), (2, 1)), mode=mode)
            for mode in (
                "edge",
                "reflect",
                "symmetric",
                "wrap",
                "maximum",
                "mean",
                "minimum",
                "linear_ramp",
                "empty_",
                "median",
            )
        ],
        lambda a, b: call(a(3), (1, 2), constant_values=(1, 2)),
        lambda a, b: call(a(3), -1),
        lambda a, b: call(a(0), 2),
    ),
    # indexing
    "take": each(
        lambda a, b: call(a(6), a.index(2, 2)),
        lambda a, b: call(a(2, 3), a.index(2), axis=1),
        lambda a, b: call(a(2, 3), 1, axis=0, mode="wrap"),
        lambda a, b: call(a(3), np.array([1, 7]), mode="clip"),
        lambda a, b: call(a(3), 5),
        lambda a, b: call(a(3), np.array([0.5])),
    ),
    "take_along_axis": each(
        lambda a, b: call(a(2, 3), a.index(2, 2), 1),
        lambda a, b: call(a(2, 3), a.index(4), None),
        lambda a, b: call(a(2, 3), a.index(2), 1),
        lambda a, b: call(a(2, 3), np.zeros((2, 1)), 1),
    ),
    "choose": pairs(
        lambda a, b: call(np.array([0, 1, 0]), [a(3), b(3)]),
        lambda a, b: call(np.array([0, 3]), [a(2), b(2)], mode="wrap"),
        lambda a, b: call(np.array([0, 3]), [a(2), b(2)]),
    ),
    "compress": each(
        lambda a, b: call([True, False, True], a(3)),
        lambda a, b: call([True, False], a(2, 3), axis=0),
        lambda a, b: call([[True]], a(2)),
    ),
    "extract": each(lambda a, b: call([True, False, True], a(3))),
    "select": pairs(
        lambda a, b: call([a.mask(3), a.mask(3)], [a(3), b(3)], b(1)),
        lambda a, b: call([a.mask(2, 1)], [a(3)], 2),
        lambda a, b: call([a.mask(2)], [a(2), b(2)]),
        lambda a, b: call([a.index(2)], [a(2)]),
    ),
    "where": pairs(
        lambda a, b: call(a.mask(3), a(3), b(3)),
        lambda a, b: call(a(2, 1), a(2, 3), b(3)),
        lambda a, b: call(a.mask(3), a(), b(3)),
        lambda a, b: call(a.mask(3), a(3)),
        lambda a, b: call(a.mask(3), a(2), b(3)),
    ),
    "diagonal": each(
        first, lambda a, b: call(a(2, 3, 2), 1, 0, -1), lambda a, b: call(a(2)), lambda a, b: call(a(2, 2), 0, 1, 1)
    ),
    "ravel_multi_index": each(
        lambda a, b: call((a.index(3), a.index(3)), (2, 3)),
        lambda a, b: call((np.array([5]), np.array([1])), (2, 3), mode="clip"),
        lambda a, b: call((np.array([0, 1]), np.array([1, 0])), (2, 3), order="F"),
    ),
    "unravel_index": each(lambda a, b: call(a.index(3), (2, 3)), lambda a, b: call(a.index(3), (2, 3), order="F")),
    # sorting
    "sort": each(
        first,
        *POSITIONS[:1],
        lambda a, b: call(a(2, 3), axis=None),
        lambda a, b: call(a(0)),
        lambda a, b: call(a()),
        lambda a, b: call(a(2, 3), kind="stable"),
        lambda a, b: call(a(2), axis=1),
    ),
    "argsort": each(
        lambda a, b: call(a(6), stable=True),
        lambda a, b: call(a(2, 3), axis=0, kind="stable"),
        lambda a, b: call(a(2, 3), None, kind="stable"),
        lambda a, b: call(a()),
        lambda a, b: call(a(2), axis=1),
    ),
    "sort_complex": each(line, lambda a, b: call(a(2, 3))),
    **dict.fromkeys(split("partition argpartition"), each(lambda a, b: call(a(1), 0), lambda a, b: call(a(3), 3))),
    "lexsort": pairs(lambda a, b: call((a(6), b(6))), lambda a, b: call((a(2, 3), b(2, 3)), axis=0)),
    "searchsorted": pairs(
        lambda a, b: call(a.ordered(6), b(3)),
        lambda a, b: call(a.ordered(6), b(2, 2), side="right"),
        lambda a, b: call(a(6), b(3), sorter=np.argsort(a(6))),
        lambda a, b: call(a(2, 3), b(3)),
        lambda a, b: call(a.ordered(6), b(3), side="no"),
    ),
    "digitize": pairs(
        lambda a, b: call(a(6), b.ordered(6)),
        lambda a, b: call(a(6), b.ordered(6), right=True),
        lambda a, b: call(a(6), [1, 0, 2]),
        dtypes=REAL,
    ),
    # sets, of values that are known
    "isin": pairs(
        lambda a, b: call(a(6), b(2)), lambda a, b: call(a(2, 3), b(2), invert=True), lambda a, b: call(a(3), b(0))
    ),
    # products
    **dict.fromkeys(
        split("dot inner"),
        pairs(
            lambda a, b: call(a(3), b(3)),
            lambda a, b: call(a(2, 3), b(3)),
            lambda a, b: call(a(), b(3)),
            lambda a, b: call(a(2, 3), b(2, 2)),
            lambda a, b: call(a(2, 0), b(0)),
        ),
    ),
    "vdot": pairs(lambda a, b: call(a(3), b(3)), lambda a, b: call(a(2, 3), b(2, 3)), lambda a, b: call(a(2), b(3))),
    "outer": pairs(lambda a, b: call(a(3), b(2)), lambda a, b: call(a(2, 2), b(2)), lambda a, b: call(a(0), b(2))),
    "matmul": pairs(
        lambda a, b: call(a(2, 3), b(3, 2)),
        lambda a, b: call(a(3), b(3)),
        lambda a, b: call(a(2, 2, 3), b(3)),
        lambda a, b: call(a(2, 0), b(0, 3)),
        lambda a, b: call(a(), b(3)),
        lambda a, b: call(a(2, 3), b(2, 3)),
    ),
    "matvec": pairs(
        lambda a, b: call(a(2, 3), b(3)), lambda a, b: call(a(2, 2, 3), b(2, 3)), lambda a, b: call(a(3), b(3))
    ),
    "vecmat": pairs(
        lambda a, b: call(a(2), b(2, 3)), lambda a, b: call(a(3, 2), b(2, 3)), lambda a, b: call(a(2), b(2))
    ),
    "vecdot": pairs(
        lambda a, b: call(a(3), b(3)), lambda a, b: call(a(2, 3), b(2, 1), axis=0), lambda a, b: call(a(2), b(3))
    ),
    "tensordot": pairs(
        lambda a, b: call(a(2, 3), b(3, 2), 1),
        lambda a, b: call(a(2, 3), b(2, 3)),
        lambda a, b: call(a(2, 3), b(3, 2), axes=([0, 1], [1, 0])),
        lambda a, b: call(a(2, 3), b(2, 3), 1),
    ),
    "kron": pairs(lambda a, b: call(a(2), b(2)), lambda a, b: call(a(2, 2), b(1, 2)), lambda a, b: call(a(2), b(2, 2))),
    "cross": pairs(
        lambda a, b: call(a(3), b(3)),
        lambda a, b: call(a(2, 3), b(3)),
        lambda a, b: call(a(3, 2), b(3, 2), axis=0),
        lambda a, b: call(a(4), b(4)),
    ),
    "trace": each(
        first,
        lambda a, b: call(a(2, 3, 2), 1, 0, 2),
        lambda a, b: call(a(2, 2), dtype=np.float32),
        lambda a, b: call(a(2)),
    ),
    "einsum": pairs(
        lambda a, b: call("ij,jk->ik", a(2, 3), b(3, 2)),
        lambda a, b: call("ii", a(2, 2)),
        lambda a, b: call("i,i", a(2), b(3)),
        lambda a, b: call("...i->...", a(2, 3)),
    ),
    "einsum_path": each(lambda a, b: call("ij,jk->ik", a(2, 3), b(3, 2))),
    **dict.fromkeys(
        split("convolve correlate"),
        pairs(
            lambda a, b: call(a(4), b(2)),
            *[lambda a, b, mode=mode: call(a(2), b(3), mode) for mode in ("same", "valid", "no")],
            lambda a, b: call(a(0), b(2)),
            lambda a, b: call(a(2, 2), b(2)),
        ),
    ),
    # calculus
    "diff": each(
        line,
        lambda a, b: call(a(2, 3), 2, axis=0),
        lambda a, b: call(a(3), prepend=1, append=a(2)),
        lambda a, b: call(a(3), -1),
        lambda a, b: call(a()),
        lambda a, b: call(a(2, 3), 4),
    ),
    "ediff1d": pairs(
        lambda a, b: call(a(3), b(2)),
        lambda a, b: call(a(2, 3)),
        lambda a, b: call(a(0)),
        lambda a, b: call(a(3), to_begin=b(1)),
    ),
    "gradient": each(
        lambda a, b: call(a(6)),
        lambda a, b: call(a(3, 4)),
        lambda a, b: call(a(3, 4), 2.0, axis=1, edge_order=2),
        lambda a, b: call(a(4), np.array([0.0, 1.0, 3.0, 4.0])),
        lambda a, b: call(a(1)),
    ),
    "trapezoid": pairs(
        lambda a, b: call(a(4), b(4)), lambda a, b: call(a(2, 3), dx=2.0, axis=0), lambda a, b: call(a(2, 3), b(3))
    ),
    "interp": pairs(
        lambda a, b: call(a(6), np.array([-1.0, 0.5, 2.0]), b(3)),
        lambda a, b: call(a(6), np.array([-1.0, 0.5, 2.0]), b(3), left=5.0, right=-5.0),
        lambda a, b: call(a(2, 3), np.array([0.0, 1.0, 2.0]), b(3), period=4.0),
        lambda a, b: call(a(6), np.array([0.0, 1.0]), b(3)),
        lambda a, b: call(a(6), np.zeros(0), b(0)),
        dtypes=REAL,
    ),
    "unwrap": each(line, lambda a, b: call(a(2, 3) * 4, axis=0), lambda a, b: call(a(6), period=3), dtypes=REAL),
    # polynomials
    "poly": each(
        lambda a, b: call(a(3)), lambda a, b: call(a(0)), lambda a, b: call(a.square(3)), lambda a, b: call(a(2, 3))
    ),
    **dict.fromkeys(split("polyadd polysub"), pairs(lambda a, b: call(a(3), b(2)), lambda a, b: call(a(), b(2)))),
    "polyfit": pairs(
        lambda a, b: call(np.arange(6.0) * 1.5, a(6), 2),
        lambda a, b: call(np.arange(6.0), a(6, 2), 1),
        lambda a, b: call(np.arange(6.0), a(6), -1),
        lambda a, b: call(np.arange(6.0), a(5), 1),
        dtypes=[np.dtype(c) for c in "ldD"],
    ),
    "polymul": pairs(
        lambda a, b: call(a(3, low=1), b(2, low=1)), lambda a, b: call(a(low=1), b(2, low=1)), dtypes=DTYPES[1:]
    ),
    "polydiv": pairs(
        lambda a, b: call(a(3, low=1), b(2, low=1)),
        lambda a, b: call(a(2, low=1), b(3, low=1)),
        dtypes=[np.dtype(c) for c in "ildD"],
    ),
    "polyval": pairs(lambda a, b: call(a(3), b(2)), lambda a, b: call(a(3), b(2, 2)), lambda a, b: call(a(0), b(2))),
    "polyder": each(
        lambda a, b: call(a(4)), lambda a, b: call(a(4), 2), lambda a, b: call(a(2), 3), lambda a, b: call(a(2), -1)
    ),
    "polyint": each(lambda a, b: call(a(4)), lambda a, b: call(a(4), 2, [1, 2]), lambda a, b: call(a(2), -1)),
    "kaiser": each(lambda a, b: call(5, a()), dtypes=REAL),
    # statistics
    **dict.fromkeys(
        split("cov corrcoef"),
        pairs(
            lambda a, b: call(a(2, 4), b(4)),
            lambda a, b: call(a(2, 4)),
            lambda a, b: call(a(3, 2), rowvar=False),
            lambda a, b: call(a(4)),
        ),
    ),
    **dict.fromkeys(
        split("histogram histogram_bin_edges"),
        each(
            lambda a, b: call(a(6)),
            lambda a, b: call(a(6), np.array([-1.0, 0.0, 3.0])),
            lambda a, b: call(a(6), 3, (-1.0, 1.0)),
            lambda a, b: call(a(6), 0),
            dtypes=REAL,
        ),
    ),
    "histogram2d": each(lambda a, b: call(a(6), b(6), 2), dtypes=REAL),
    "histogramdd": each(lambda a, b: call(a(4, 2), 2), dtypes=REAL),
    # bits
    "packbits": each(lambda a, b: call(a(6)), lambda a, b: call(a.mask(3, 9), axis=1, bitorder="little")),
    "unpackbits": each(lambda a, b: call(a(6)), lambda a, b: call(a.index(2, 2).astype(np.uint8), axis=0, count=3)),
    # functions of functions
    "apply_along_axis": each(
        lambda a, b: call(lambda row: row[::-1] * 2, 0, a(2, 3)), lambda a, b: call(lambda row: row * 2, 2, a(2, 3))
    ),
    "apply_over_axes": each(lambda a, b: call(lambda x, axis: x.sum(axis), a(2, 3, 2), (0, 2))),
    "piecewise": each(
        lambda a, b: call(a(6), [a.mask(6)], [lambda x: x * 2, 7]),
        lambda a, b: call(a(3), [a.mask(3), ~a.mask(3)], [1, 2]),
        lambda a, b: call(a(3), [a.mask(3)], [1, 2, 3]),
    ),
}

BY_VALUE: dict[str, Entry] = {
    "bincount": each(
        lambda a, b: call(a(6, low=0), minlength=4),
        lambda a, b: call(a.index(6), weights=a(6)),
        lambda a, b: call(a.index(6), minlength=-1),
        lambda a, b: call(a.index(2, 2)),
    ),
    "real_if_close": each(line, lambda a, b: call(a(2, 3) * 0)),
    "trim_zeros": each(lambda a, b: call(np.array([0, 1, 2, 0]).astype(a.dtype))),
    **dict.fromkeys(
        split("argwhere flatnonzero nonzero unique unique_all unique_counts unique_inverse"),
        each(line, lambda a, b: call(a(2, 3)), lambda a, b: call(a(0))),
    ),
    **dict.fromkeys(
        split("intersect1d setdiff1d setxor1d union1d"),
        pairs(lambda a, b: call(a(6), b(3)), lambda a, b: call(a(2, 3), b(2, 2)), lambda a, b: call(a(0), b(2))),
    ),
}
"""Functions whose result has a shape or a dtype that depends on values: traced arrays must have them."""

_LINALG: dict[str, Entry] = {
    **dict.fromkeys(
        split("det inv pinv svdvals slogdet matrix_rank cond qr"),
        each(lambda a, b: call(a.square(3)), lambda a, b: call(a(3)), lambda a, b: call(np.zeros((0, 2, 2)))),
    ),
    **dict.fromkeys(
        split("eigvalsh cholesky"),
        each(lambda a, b: call(a.hermitian(3)), lambda a, b: call(a(2, 3)), lambda a, b: call(np.zeros((0, 2, 2)))),
    ),
    "solve": pairs(
        lambda a, b: call(a.square(3), b(3)),
        lambda a, b: call(a.square(3), b(3, 2)),
        lambda a, b: call(a(2, 3), b(2)),
        lambda a, b: call(a.square(3), b(2)),
    ),
    "lstsq": pairs(
        lambda a, b: call(a.square(3), b(3)),
        lambda a, b: call(a.square(3)[:, :2], b(3, 2)),
        lambda a, b: call(a.square(3), b(2)),
    ),
    "norm": each(
        first,
        *[lambda a, b, o=o: call(a(3), o) for o in (1, 2, np.inf, -np.inf, 0, 3.5)],
        *[lambda a, b, o=o: call(a(2, 3), o) for o in (1, -1, 2, -2, np.inf, -np.inf, "fro", "nuc", "no", 7)],
        lambda a, b: call(a(2, 3), axis=-1, keepdims=True),
        lambda a, b: call(a(2, 3, 2), 1, axis=(0, 2)),
    ),
    "matrix_norm": each(
        first, *[lambda a, b, o=o: call(a(2, 3), ord=o, keepdims=True) for o in (1, -1, 2, np.inf, "nuc", "no")]
    ),
    "vector_norm": each(
        first,
        *[lambda a, b, o=o: call(a(2, 3), ord=o, axis=0) for o in (0, 1, 2, 3.5, np.inf)],
        lambda a, b: call(a(2, 3), keepdims=True),
        lambda a, b: call(a(2, 3, 2), axis=(0, 2)),
    ),
    "matrix_power": each(
        *[lambda a, b, n=n: call(a.square(2), n) for n in (3, 0, -1)],
        lambda a, b: call(a(2, 3), 2),
        lambda a, b: call(a(2, 2), 0.5),
    ),
    "multi_dot": pairs(
        lambda a, b: call([a(2, 3), b(3, 2), a(2)]), lambda a, b: call([a(2, 3), b(2, 2)]), lambda a, b: call([a(2)])
    ),
    "tensorinv": each(
        lambda a, b: call(a.square(4).reshape(2, 2, 4)),
        lambda a, b: call(a.square(4).reshape(4, 2, 2), ind=1),
        lambda a, b: call(a(2, 3), ind=0),
    ),
    "tensorsolve": each(lambda a, b: call(a.square(4).reshape(2, 2, 4), b(2, 2))),
    **{name: _TABLE[name] for name in split("cross matmul matrix_transpose vecdot tensordot outer")},
    "diagonal": each(first, lambda a, b: call(a(2, 3, 2), offset=1), lambda a, b: call(a(2))),
    "trace": each(
        first,
        lambda a, b: call(a(2, 3, 2), offset=1),
        lambda a, b: call(a(2, 2), dtype=np.float32),
        lambda a, b: call(a(2)),
    ),
}


def _transform(*more: Form) -> Entry:
    return each(
        line,
        lambda a, b: call(a(2, 3), 4, axis=0),
        lambda a, b: call(a(2, 3), norm="ortho"),
        lambda a, b: call(a(2, 3), norm="no"),
        lambda a, b: call(a(0)),
        lambda a, b: call(a(3), 0),
        *more,
    )


def _transforms() -> Entry:
    return each(
        first,
        lambda a, b: call(a(2, 3), (4, 3), axes=(0, 1), norm="forward"),
        lambda a, b: call(a(2, 3, 2), axes=(0, -1)),
        lambda a, b: call(a(2, 3), (4,), axes=(0, 1)),
        lambda a, b: call(a(2, 3), axes=(0, 4)),
    )


_FFT: dict[str, Entry] = {
    **dict.fromkeys(split("fft ifft rfft irfft hfft ihfft"), _transform()),
    **dict.fromkeys(split("fft2 ifft2 rfft2 irfft2 fftn ifftn rfftn irfftn"), _transforms()),
    **dict.fromkeys(
        split("fftfreq rfftfreq"),
        each(
            lambda a, b: call(6, Weak(0.1)),
            lambda a, b: call(5),
            lambda a, b: call(0),
            lambda a, b: call(4.0),
            lambda a, b: call(4, device="cpu"),
            lambda a, b: call(4, device="gpu"),
        ),
    ),
    **dict.fromkeys(
        split("fftshift ifftshift"), each(first, lambda a, b: call(a(2, 3), axes=1), lambda a, b: call(a(0)))
    ),
}

TABLES: dict[str, dict[str, Entry]] = {"": _TABLE | BY_VALUE, "linalg": _LINALG, "fft": _FFT}

_SIGNS = "its vectors have free signs or phases: tested by what they do in test_linalg.py"
_WRITES = "it writes into an argument in NumPy, and gives a new array here: tested in test_indexing.py"

NOT_NUMPYS: dict[str, dict[str, str]] = {
    "": {
        "unique_values": "the order is free, and differs for complex numbers: tested in test_sets.py",
        "roots": "of traced coefficients they are complex: whether they are real depends on values",
        "result_type": "it gives a dtype: tested in test_dtypes.py",
        "isscalar": "a traced array without axes is a scalar, as what it stands for may be",
        **dict.fromkeys(["at"], "functional updates are not NumPy's: tested in test_indexing.py"),
        **dict.fromkeys(["log_softmax", "logsumexp", "sigmoid", "softmax"], "it is not NumPy's"),
        **dict.fromkeys(["fill_diagonal", "place", "put", "put_along_axis"], _WRITES),
    },
    "linalg": {
        **dict.fromkeys(["eig", "eigh", "svd"], _SIGNS),
        "eigvals": "of traced matrices they are complex: whether they are real depends on values",
    },
    "fft": {},
}
"""Functions that are not held against NumPy's of the same name, with the reason."""

LENIENT = {"select": "NumPy refuses a Python integer beside unsigned ones, which it promotes everywhere else"}
"""Functions that may give a result where NumPy's raise, with the reason."""

OWN = {
    "": split(
        "array_repr array_str bartlett blackman broadcast_shapes can_cast diag_indices empty eye "
        "from_dlpack frombuffer fromfile fromiter fromstring get_printoptions hamming hanning "
        "identity indices isdtype issubdtype iterable load ones printoptions promote_types "
        "save savez set_printoptions tri tril_indices triu_indices zeros"
    ),
    "linalg": [],
    "fft": [],
}
"""Functions that take no traced array, and are NumPy's."""
