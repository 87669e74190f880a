"""One file per family; a file's `WORKLOADS` are found by themselves."""

import importlib
import pkgutil

from benchmarks.workload import Workload


def all_workloads() -> list[Workload]:
    """Every workload of every file in this folder."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [workload for name in names for workload in importlib.import_module(f"{__name__}.{name}").WORKLOADS]
