"""Fresh processes: importing, and the time until the first gradient is there."""

import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.libraries import PEERS, Call, Library
from benchmarks.workload import Workload

ROOT = Path(__file__).resolve().parents[2]

IMPORT = """
import time, numpy
start = time.perf_counter()
import {modules}
print(time.perf_counter() - start)
"""

MODULES = {
    "fgrad": "fgrad, fgrad.numpy",
    "jax": "jax, jax.numpy",
    "autograd": "autograd, autograd.numpy",
    "torch": "torch",
}

FIRST_GRADIENT = """
from benchmarks.libraries import LIBRARIES
from benchmarks.workload import prepare
from benchmarks.workloads.{model} import {workload}
value, _ = prepare({workload}({size}), LIBRARIES[{name!r}](False))()
print(float(value))
"""

MODELS = {
    "mlp": {"workload": "Mlp", "size": "jitted=True"},
    "recurrent": {"workload": "Lstm", "size": "width=64"},
}


def fresh_process(code: str) -> float:
    """The number that the code prints, run in a new interpreter that sees this checkout."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@dataclass(frozen=True, kw_only=True)
class Import(Workload):
    """What importing a library adds to importing NumPy."""

    name, mode = "startup.import", "process"

    def inputs(self) -> tuple[()]:
        return ()

    def build(self, lib: Library, *inputs: Any) -> Call:
        return partial(fresh_process, IMPORT.format(modules=MODULES[lib.name]))

    def seconds(self, call: Call, repeats: int) -> float:
        return min(float(call()) for _ in range(repeats))

    def outcome(self, result: Any) -> None:
        return None  # a time is not compared


@dataclass(frozen=True, kw_only=True)
class FirstGradient(Workload):
    """A whole process: importing, tracing, compiling, running the jitted gradient of a model, once."""

    model: str
    mode = "process"

    @property
    def name(self) -> str:
        return {"mlp": "startup.first_gradient", "recurrent": "startup.first_gradient_lstm"}[self.model]

    def inputs(self) -> tuple[()]:
        return ()

    def build(self, lib: Library, *inputs: Any) -> Call:
        return partial(fresh_process, FIRST_GRADIENT.format(name=lib.name, model=self.model, **MODELS[self.model]))


WORKLOADS = [
    Import(peers=tuple(peer for peer in PEERS if peer != "numpy")),
    FirstGradient(model="mlp"),
    FirstGradient(model="recurrent"),
]
