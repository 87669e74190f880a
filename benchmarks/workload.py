"""What a workload is: data, one program for every JAX-like library, one by hand in NumPy, one in PyTorch."""

import time
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any, ClassVar, Self

from benchmarks.libraries import PEERS, Call, Library
from benchmarks.trees import map_arrays


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One thing to measure at one size. Subclasses are frozen dataclasses: their fields are the size."""

    peers: tuple[str, ...] = PEERS
    """Which peers can do it, or are quick enough to be asked."""

    unit: ClassVar[str] = ""
    """What one time in the table is for, where that is not one call."""
    x64: ClassVar[bool] = False
    tolerance: ClassVar[float] = 1e-4
    """By how much results may differ, relative to the largest entry of an array."""

    @property
    def name(self) -> str:
        """The name in the table, `family.case`."""
        raise NotImplementedError

    @property
    def mode(self) -> str:
        """How the library runs it."""
        return "jit"

    @property
    def count(self) -> int:
        """How many units one call does."""
        return 1

    def small(self) -> Self:
        """The same at the smallest sensible size, for the tests."""
        return self

    def inputs(self) -> tuple[Any, ...]:
        """Trees of NumPy arrays, the same ones at every call."""
        raise NotImplementedError

    def program(self, lib: Library, *inputs: Any) -> Call:
        """The call to be timed in a library with JAX's names; what is done here is not timed."""
        raise NotImplementedError

    def by_hand(self, *inputs: Any) -> Any:
        """What an expert writes in plain NumPy; called directly, so it must be pure."""
        raise NotImplementedError

    def in_torch(self, torch: Any, *inputs: Any) -> Call:
        """The call to be timed in PyTorch; what is done here is not timed."""
        raise NotImplementedError

    def build(self, lib: Library, *inputs: Any) -> Call:
        """The call to be timed in this library, its inputs being the library's own arrays."""
        match lib.name:
            case "numpy":
                return partial(self.by_hand, *inputs)
            case "torch":
                return self.in_torch(lib.module, *inputs)
            case _:
                return self.program(lib, *inputs)

    def outcome(self, result: Any) -> Any:
        """What of a call's result is compared between libraries."""
        return result

    def seconds(self, call: Call, repeats: int) -> float:
        """Seconds per call, over `repeats` calls in a row."""
        start = time.perf_counter()
        for _ in repeat(None, repeats):
            call()
        return (time.perf_counter() - start) / repeats


def prepare(workload: Workload, lib: Library) -> Call:
    """The call that is timed: inputs made and converted, functions wrapped, results waited for."""
    return lib.blocking(workload.build(lib, *map_arrays(lib.array, workload.inputs())))
