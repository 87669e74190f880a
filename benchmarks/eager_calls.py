"""What a call of `fgrad.numpy` on concrete arrays of ten elements costs, over NumPy's own call: every function in turn.

    python benchmarks/eager_calls.py [NAME …]

The calls are those of the table that the tests walk. With names, only these; else all above the bound are listed.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])  # this checkout, not this folder

import fgrad.numpy as fnp
from tests.numpy.namespace_calls import TABLES, Call, Entry, Make, plain

BOUND, ROUNDS, SECONDS = 1.3, 15, 0.002


class Row(NamedTuple):
    """Seconds for a call, the best of all rounds."""

    name: str
    numpy: float
    fgrad: float

    @property
    def ratio(self) -> float:
        return self.fgrad / self.numpy


class Ten(Make):
    """Vectors have ten elements."""

    def __call__(self, *shape: int, low: int = -2, high: int = 3) -> Any:
        return super().__call__(*((10,) if len(shape) == 1 and shape[0] else shape), low=low, high=high)

    def mask(self, *shape: int) -> Any:
        return super().mask(*((10,) if len(shape) == 1 else shape))


def sample(entry: Entry, function: Callable[..., Any]) -> Call | None:
    """The first of an entry's calls that NumPy takes."""
    for dtype in (np.float64, np.int64):
        for form in entry.forms:
            call = plain(form(Ten(np.dtype(dtype)), Ten(np.dtype(dtype), 3)))
            try:
                function(*call.args, **call.kwargs)
            except (TypeError, ValueError, IndexError):
                continue
            return call
    return None


def seconds(function: Callable[..., Any], call: Call, count: int) -> float:
    """For a call, the mean over many; most functions are called as they are in a program, without unpacking."""
    args, kwargs = call
    start = perf_counter()
    if kwargs or not 1 <= len(args) <= 2:
        for _ in range(count):
            function(*args, **kwargs)
    elif len(args) == 1:
        x = args[0]
        for _ in range(count):
            function(x)
    else:
        x, y = args
        for _ in range(count):
            function(x, y)
    return (perf_counter() - start) / count


def measured(names: list[str]) -> Iterator[Row]:
    """A row for every function, NumPy and fgrad in turn."""
    for room, table in TABLES.items():
        ours, numpys = ((getattr(m, room) if room else m) for m in (fnp, np))
        for name, entry in table.items():
            f, g = getattr(ours, name), getattr(numpys, name)
            if f is g or (names and name not in names) or (call := sample(entry, g)) is None:
                continue
            count = max(20, int(SECONDS / max(seconds(g, call, 20), 1e-7)))
            times = [(seconds(g, call, count), seconds(f, call, count)) for _ in range(ROUNDS)]
            yield Row(f"{room}.{name}".lstrip("."), *map(min, zip(*times, strict=True)))


def main() -> None:
    names = sys.argv[1:]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        rows = sorted(measured(names), key=lambda row: -row.ratio)
    for row in rows:
        if names or row.ratio > BOUND:
            print(f"{row.ratio:6.2f}  {row.name:24} numpy {row.numpy * 1e9:7.0f} ns, fgrad {row.fgrad * 1e9:7.0f} ns")
    above = sum([row.ratio > BOUND for row in rows])
    print(f"{len(rows)} functions, {above} above {BOUND}, median {np.median([row.ratio for row in rows]):.2f}")


if __name__ == "__main__":
    main()
