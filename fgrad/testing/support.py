"""Which transform works on which function, found by trying: `docs/support.md`.

`python -m fgrad.testing.support docs` writes the document; a test says when it is out of date, or when a function has
an empty cell that is not accounted for.

>>> [row for row in matrix(["numpy"]) if row.name == "sin"]
[Row(room='numpy', name='sin', cells={'jvp': 'yes', 'vjp': 'yes', 'vmap': 'yes', 'jit': 'yes', 'second': 'yes'})]
"""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fgrad.api.jit import jit
from fgrad.api.linear import jvp, vjp
from fgrad.api.vmap import vmap
from fgrad.core.aval import Array, aval_of, is_inexact
from fgrad.testing.support_examples import EXAMPLES, GUESSES, Example
from fgrad.tree import flatten

__all__ = ["NOT_BY_NATURE", "ROOMS", "Row", "document", "matrix", "section"]

COLUMNS = ("jvp", "vjp", "vmap", "jit", "second")

_SCIPY = ("special", "linalg", "stats", "signal", "fft", "integrate", "optimize")

ROOMS = {
    "numpy": "fgrad.numpy",
    "linalg": "fgrad.numpy.linalg",
    "fft": "fgrad.numpy.fft",
    "lax": "fgrad.lax",
    "nn": "fgrad.nn",
    **{f"scipy.{name}": f"fgrad.scipy.{name}" for name in _SCIPY},
}
"""The namespaces; those that are not installed are left out."""

_UNKNOWN = "no example is written for it (fgrad/testing/support_examples.py)"

NOT_BY_NATURE: dict[str, str] = {
    "numpy.trim_zeros": "the shape of its result depends on values, so that there is none under `jit` and `vmap`",
    **dict.fromkeys(
        ["scipy.linalg.hessenberg", "scipy.linalg.rsf2csf", "scipy.linalg.schur"],
        "its result is one of many, with no smooth choice among them",
    ),
    **dict.fromkeys(
        ["scipy.optimize.least_squares", "scipy.optimize.minimize", "scipy.optimize.root"],
        "it runs SciPy's own solver, which needs values; `fgrad.implicit` and `fgrad.optim` have others",
    ),
}
"""Functions with empty cells, and why they cannot have more."""


class Row(NamedTuple):
    """What works on one function.

    Attributes:
        room: the namespace.
        name: the function.
        cells: per transform "yes", "none" where there is nothing to differentiate or map, or the error.
    """

    room: str
    name: str
    cells: dict[str, str]


def functions(room: str) -> dict[str, Callable[..., Any]]:
    """The public functions of a namespace that are fgrad's own, by name; none where it is not installed."""
    module = ROOMS[room]
    try:
        if find_spec(module) is None:
            return {}
        namespace = import_module(module)
    except ImportError:
        return {}
    names = getattr(namespace, "__all__", None) or dir(namespace)
    found = {name: getattr(namespace, name) for name in sorted(names) if not name.startswith("_")}
    for name, f in list(found.items()):
        if hasattr(type(f), "functions") and hasattr(type(f), "has"):  # a distribution of scipy.stats
            found |= {f"{name}.{inner}": getattr(f, inner) for inner in f.functions if f.has(inner)}
    return {name: f for name, f in found.items() if _is_function(f)}


def _is_function(f: Any) -> bool:
    if isinstance(f, (type, types.ModuleType, np.ufunc)) or not callable(f):
        return False
    module = getattr(f, "__module__", None) or ""
    return module.startswith("fgrad.") and not module.startswith("fgrad.numpy.protocols")


def matrix(rooms: Iterable[str] | None = None) -> list[Row]:
    """Tries every transform on every function of some namespaces, by default of all."""
    return [_row(room, name, f) for room in rooms or ROOMS for name, f in functions(room).items()]


def _row(room: str, name: str, f: Callable[..., Any]) -> Row:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        example = EXAMPLES.get(f"{room}.{name}") or _guessed(f)
        if example is None:
            return Row(room, name, dict.fromkeys(COLUMNS, _UNKNOWN))
        try:
            trial = _Trial(f, example)
        except Exception as error:  # noqa: BLE001 (whatever it is, the example is wrong)
            return Row(room, name, dict.fromkeys(COLUMNS, f"example: {error}"))
        return Row(room, name, dict(_cells(trial)))


def _guessed(f: Callable[..., Any]) -> Example | None:
    """The first guess that a function takes, and returns finite numbers for."""
    for example in GUESSES:
        try:
            outs = flatten(example.call(f, *example.arrays))[0]
            if all(np.isfinite(y).all() for y in outs if is_inexact(aval_of(y).dtype)):
                return example
        except Exception:  # noqa: BLE001 (a guess that is wrong)
            continue
    return None


class _Trial:
    """A function, ready to be called: arrays of floating-point numbers in, such arrays out."""

    def __init__(self, f: Callable[..., Any], example: Example) -> None:
        self.example, self.function = example, f
        self.xs = [np.asarray(x)[()] for x in example.arrays]
        self.moving = [x for x in self.xs if is_inexact(x.dtype)]
        self.outs = self.arrays(example.call(f, *self.xs))
        self.differentiable = bool(self.moving) and any(is_inexact(aval_of(y).dtype) for y in self.outs)

    @staticmethod
    def arrays(out: Any) -> list[Array]:
        return [y for y in flatten(out)[0] if _is_array(y)]

    def __call__(self, *xs: Array) -> list[Array]:
        return self.arrays(self.example.call(self.function, *xs))

    def inexact(self, *moving: Array) -> list[Array]:
        given = iter(moving)
        xs = [next(given) if is_inexact(x.dtype) else x for x in self.xs]
        return [y for y in self(*xs) if is_inexact(aval_of(y).dtype)]


def _is_array(y: Any) -> bool:
    try:
        return aval_of(y).dtype.kind in "biufc"
    except TypeError:
        return False


def _cells(trial: _Trial) -> Iterator[tuple[str, str]]:
    tries: dict[str, Callable[[_Trial], None]] = {
        "jvp": _try_jvp,
        "vjp": _try_vjp,
        "vmap": _try_vmap,
        "jit": _try_jit,
        "second": _try_second,
    }
    for column, attempt in tries.items():
        needed = trial.differentiable if column in ("jvp", "vjp", "second") else bool(trial.xs and trial.outs)
        if not needed:
            yield column, "none"
            continue
        try:
            attempt(trial)
            yield column, "yes"
        except Exception as error:  # noqa: BLE001 (whatever it is, it says that this does not work)
            yield column, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def _ones(xs: Sequence[Array]) -> list[Array]:
    return [np.ones_like(x) for x in xs]


def _finite(xs: Iterable[Array]) -> None:
    if not all(np.isfinite(x).all() for x in xs):
        raise ArithmeticError("the derivative is not finite")


def _try_jvp(trial: _Trial) -> None:
    _finite(jvp(trial.inexact, tuple(trial.moving), tuple(_ones(trial.moving)))[1])


def _pulled(trial: _Trial, *moving: Array) -> Any:
    outs, pull = vjp(trial.inexact, *moving)
    return pull([_filled(y) for y in outs])


def _filled(y: Array) -> Array:
    aval = aval_of(y)
    return np.ones(aval.shape, aval.dtype)[()]


def _try_vjp(trial: _Trial) -> None:
    _finite(_pulled(trial, *trial.moving))


def _try_second(trial: _Trial) -> None:
    _finite(jvp(lambda *m: _pulled(trial, *m), tuple(trial.moving), tuple(_ones(trial.moving)))[1])


def _try_vmap(trial: _Trial) -> None:
    rows = vmap(trial)(*[np.stack([x, x]) for x in trial.xs])
    _same([y[1] for y in rows], trial.outs)


def _try_jit(trial: _Trial) -> None:
    _same(jit(trial)(*trial.xs), trial.outs)


def _same(got: Sequence[Array], wanted: Sequence[Array]) -> None:
    if len(got) != len(wanted):
        raise ArithmeticError("another number of results")
    for x, y in zip(got, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-9)


def document(rows: Sequence[Row]) -> str:
    """The text of `docs/support.md`."""
    rooms = dict.fromkeys(row.room for row in rows)
    parts = [_PREFACE, *[section(room, [row for row in rows if row.room == room]) for room in rooms]]
    parts.append("## Empty cells\n\n" + "\n".join(f"- `{name}`: {why}." for name, why in NOT_BY_NATURE.items()))
    return "\n\n".join(parts) + "\n"


def section(room: str, rows: Sequence[Row]) -> str:
    """The part of the document about one namespace."""
    head = f"## {ROOMS[room]}\n\n| function | jvp | vjp | vmap | jit | second order |\n|---|---|---|---|---|---|"
    return "\n".join([head, *map(_line, rows)])


_PREFACE = """# What works on what

This table is made by trying: `python -m fgrad.testing.support docs` calls every public function under every transform,
and the tests say when it is out of date. ✓: it works; –: there is nothing to differentiate (the result, or all that the
function takes, are integers, truth values, or no arrays), or to map; an empty cell is explained at the end. *Second
order* is forward over reverse mode."""

_MARKS = {"yes": "✓", "none": "–"}


def _line(row: Row) -> str:
    return f"| `{row.name}` | {' | '.join(_MARKS.get(row.cells[c], '') for c in COLUMNS)} |"


if __name__ == "__main__":
    Path(*sys.argv[1:], "support.md").write_text(document(matrix()), "utf-8")
