"""Every function of fgrad.numpy, eagerly and compiled, against NumPy: values, dtypes, errors."""

from __future__ import annotations

import inspect
import os
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.core import ZERO
from fgrad.errors import ArgumentError
from fgrad.transforms.jvp import jvp
from tests.numpy.namespace_calls import BY_VALUE, LENIENT, NOT_NUMPYS, OWN, TABLES, Call, Weak, calls_of, mapped, plain

MODULES = {"": (fnp, np), "linalg": (fnp.linalg, np.linalg), "fft": (fnp.fft, np.fft)}
ENTRIES = [pytest.param(room, name, id=f"{room}.{name}".lstrip(".")) for room in TABLES for name in TABLES[room]]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("room", TABLES)
def test_every_function_has_an_entry_or_a_reason(room: str) -> None:
    module = MODULES[room][0]
    names = {
        name
        for name in getattr(module, "__all__", dir(module))
        if not name.startswith("_")
        and callable(getattr(module, name))
        and not isinstance(getattr(module, name), type | types.ModuleType)
    }
    told = [*TABLES[room], *NOT_NUMPYS[room], *OWN[room]]
    assert len(told) == len(set(told))
    assert names == set(told)


@pytest.mark.parametrize("room", TABLES)
def test_functions_without_traced_arguments_are_numpys(room: str) -> None:
    ours, numpys = MODULES[room]
    assert not [name for name in OWN[room] if getattr(ours, name) is not getattr(numpys, name)]


def run(f: Callable[..., Any], call: Call) -> Any:
    """The result as a list of leaves, or the error."""
    try:
        out = f(*call.args, **call.kwargs)
    except Exception as error:  # noqa: BLE001
        return error
    return leaves(out)


def leaves(out: Any) -> list[Any]:
    return [x for part in out for x in leaves(part)] if isinstance(out, (tuple, list)) else [out]


class Slot(int):
    """The number of a traced argument, in its place."""


class Traced:
    """A call with its arrays and weak numbers, `xs`, taken out."""

    def __init__(self, call: Call) -> None:
        self.xs: list[Any] = []
        self.call = mapped(self._taken, tuple(call))

    def _taken(self, x: Any) -> Any:
        if not isinstance(x, np.ndarray | Weak):
            return x
        self.xs.append(x.number if isinstance(x, Weak) else x)
        return Slot(len(self.xs) - 1)

    def back(self, xs: list[Any]) -> Call:
        """The call with other arrays in their places."""
        return Call(*mapped(lambda x: xs[x] if type(x) is Slot else x, self.call))


def coarseness(call: Call) -> float:
    """By how much results may differ: as much as the coarsest argument suggests."""
    sizes: list[int] = [16]
    mapped(
        lambda x: sizes.append(x.dtype.itemsize // (1 + (x.dtype.kind == "c"))) if floating(x) else None, tuple(call)
    )
    return {2: 4e-3, 4: 3e-5}.get(min(sizes), 1e-11)


def floating(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind in "fc"


def differ(expected: Any, got: Any, tolerance: float = 0.0) -> str:
    """In what a result differs from NumPy's; nothing where it does not."""
    if isinstance(expected, Exception):
        if isinstance(got, Exception):
            base = _class_of(expected)
            return "" if isinstance(got, base) else f"{type(got).__name__} ({got}) instead of {expected!r}"
        return f"a result instead of {expected!r}"
    if isinstance(got, Exception):
        return f"{type(got).__name__}: {got}"
    if len(got) != len(expected):
        return f"{len(got)} results instead of {len(expected)}"
    for e, g in zip(expected, got, strict=True):
        if type(e) is str or e is None:
            if e != g:
                return f"{g!r} instead of {e!r}"
            continue
        x, y = np.asarray(e), np.asarray(g)
        if x.shape != y.shape:
            return f"shape {y.shape} instead of {x.shape}"
        if x.dtype != y.dtype:
            return f"{y.dtype} instead of {x.dtype}"
        small = {"f": 1, "c": 2}.get(x.dtype.kind)
        rtol = 0.0 if small is None else max(tolerance, {2: 4e-3, 4: 3e-5}.get(x.dtype.itemsize // small, 1e-11))
        if not np.allclose(y, x, rtol=rtol, atol=rtol, equal_nan=True):
            return f"{y!r} instead of {x!r}"
    return ""


def _class_of(error: Exception) -> type[Exception]:
    """The class that users catch: NumPy's own subclasses of TypeError for ufuncs are private."""
    for base in (np.exceptions.AxisError, np.linalg.LinAlgError, IndexError, ValueError, TypeError, OverflowError):
        if isinstance(error, base):
            return base
    return type(error)


@pytest.mark.parametrize(("room", "name"), ENTRIES)
def test_eager_and_compiled_calls_agree_with_numpy(room: str, name: str) -> None:
    ours, numpys = (getattr(module, name) for module in MODULES[room])
    wrong: list[str] = []
    good: list[tuple[str, Traced, Any]] = []
    for what, call in calls_of(TABLES[room][name]):
        expected = run(numpys, plain(call))
        if difference := differ(expected, run(ours, plain(call))):
            wrong.append(f"{what}, eagerly: {difference}")
        traced = Traced(call)
        if not traced.xs:
            continue
        if name in BY_VALUE:
            if difference := differ(expected, with_values(ours, traced)):
                wrong.append(f"{what}, traced with values: {difference}")
        elif isinstance(expected, Exception):
            if name not in LENIENT and (difference := differ(expected, failure(ours, traced))):
                wrong.append(f"{what}, traced: {difference}")
        else:
            good.append((what, traced, expected))
    wrong += compiled(ours, good)
    assert not wrong, f"{len(wrong)} calls of {name} differ:\n" + "\n".join(wrong[:12])


def with_values(ours: Callable[..., Any], traced: Traced) -> Any:
    """The result where tracers hold values."""

    def f(*xs: Any) -> list[Any]:
        call = traced.back(list(xs))
        return leaves(ours(*call.args, **call.kwargs))

    ts = [np.zeros_like(x) if np.asarray(x).dtype.kind in "fc" else ZERO for x in traced.xs]
    return run(lambda: jvp(f, traced.xs, ts)[0], Call((), {}))


def failure(ours: Callable[..., Any], traced: Traced) -> Any:
    """How a call fails when it is traced, or, where only numbers are at fault, when it is run."""

    def f(xs: list[Any]) -> Any:
        call = traced.back(xs)
        return ours(*call.args, **call.kwargs)

    staged = run(fgrad.make_jaxpr(f), Call((traced.xs,), {}))
    error = staged if isinstance(staged, Exception) else run(fgrad.jit(f), Call((traced.xs,), {}))
    if isinstance(error, Exception):
        assert not list(frames_within_fgrad(error)), "the traceback shows frames of fgrad"
    return error


def frames_within_fgrad(error: Exception) -> Iterator[str]:
    """What a user would see of fgrad in a traceback."""
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith(os.path.dirname(fgrad.__file__)):
            yield f"{frame.filename}:{frame.lineno}"


def compiled(ours: Callable[..., Any], good: list[tuple[str, Traced, Any]]) -> list[str]:
    """Where one compiled function that makes all calls differs."""
    wrong = []
    kept: list[tuple[str, Any, float]] = []

    def everything(many: list[list[Any]]) -> list[Any]:
        outs = []
        for (what, traced, expected), xs in zip(good, many, strict=True):
            out = run(ours, traced.back(xs))
            if isinstance(out, Exception):
                wrong.append(f"{what}, compiled: {differ(expected, out)}")
            else:
                texts = [x for x in out if isinstance(x, str)]
                assert texts == [x for x in expected if isinstance(x, str)]
                kept.append((what, [x for x in expected if not isinstance(x, str)], coarseness(traced.back(traced.xs))))
                outs.append([x for x in out if not isinstance(x, str)])
        return outs

    outs = fgrad.jit(everything)([traced.xs for _, traced, _ in good])
    for (what, expected, tolerance), out in zip(kept, outs, strict=True):
        if difference := differ(expected, out, tolerance):
            wrong.append(f"{what}, compiled: {difference}")
    return wrong


def test_out_is_refused_for_traced_arrays() -> None:
    for room, table in TABLES.items():
        for name, entry in table.items():
            ours, numpys = (getattr(module, name) for module in MODULES[room])
            _, call = next(iter(calls_of(entry._replace(forms=entry.forms[:1]))))
            traced = Traced(call)
            if not traced.xs or not (isinstance(numpys, np.ufunc) or "out" in inspect.signature(ours).parameters):
                continue

            def f(xs: Any, out: Any, ours: Any = ours, traced: Traced = traced) -> Any:
                call = traced.back(xs)
                return ours(*call.args, **call.kwargs, out=out)

            with pytest.raises(ArgumentError, match="does not take `out`"):
                fgrad.make_jaxpr(lambda xs, f=f: f(xs, np.zeros(6)))(traced.xs)
