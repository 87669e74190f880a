"""Alternating rounds: one process per library, asked in turn, so that a slow minute is slow for all."""

import gc
import math
import multiprocessing
import time
import traceback
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import numpy as np

from benchmarks.libraries import LIBRARIES, Call
from benchmarks.trees import differences, leaves
from benchmarks.workload import Workload, prepare


@dataclass(frozen=True)
class Settings:
    """How long to measure."""

    rounds: int = 9
    round_seconds: float = 0.12
    """A library's turn ends with the first sample after this time."""
    sample_seconds: float = 0.004
    """Calls are repeated within a sample until it lasts this long."""
    budget_seconds: float = 6.0
    """A library that has used this much (and has two samples) is not asked again."""
    pause_seconds: float = 0.05
    """Between turns: a BLAS thread pool goes on spinning for a while after its last call."""
    timeout_seconds: float = 300.0


@dataclass
class Measurement:
    """What one library did on one workload."""

    samples: list[float] = field(default_factory=list)
    """Seconds per unit."""
    problem: str | None = None
    """Why there are no samples, or how the result disagrees."""
    missing: bool = False

    @property
    def best(self) -> float:
        """The fastest sample."""
        return min(self.samples, default=math.nan)

    @property
    def median(self) -> float:
        """The middle sample."""
        return median(self.samples) if self.samples else math.nan


def serve(connection: Connection, workload: Workload, name: str, settings: Settings) -> None:
    """A worker's life: load the library, send the first result, then samples whenever asked."""
    try:
        call = prepare(workload, LIBRARIES[name](workload.x64))
        connection.send(("ready", leaves(workload.outcome(call()))))
        repeats = calibrate(workload, call, settings.sample_seconds)
        while connection.recv():
            connection.send(("samples", turn(workload, call, repeats, settings.round_seconds)))
    except ModuleNotFoundError as error:
        connection.send(("missing", str(error)))
    except Exception:  # noqa: BLE001 (whatever it is, the driver reports it)
        connection.send(("failed", traceback.format_exc()))


def calibrate(workload: Workload, call: Call, target: float) -> int:
    """How many calls make a sample of at least `target` seconds."""
    repeats = 1
    while (elapsed := workload.seconds(call, repeats) * repeats) < target:
        repeats = math.ceil(repeats * min(10.0, 1.2 * target / max(elapsed, 1e-9)))
    return repeats


def turn(workload: Workload, call: Call, repeats: int, limit: float) -> list[float]:
    """Samples, in seconds per unit, until `limit` seconds have passed."""
    gc.collect()
    samples: list[float] = []
    end = time.perf_counter() + limit
    while not samples or time.perf_counter() < end:
        samples.append(workload.seconds(call, repeats) / workload.count)
    return samples


class Worker:
    """The driver's side of a worker process."""

    def __init__(self, workload: Workload, name: str, settings: Settings) -> None:
        self.name = name
        self.settings = settings
        self.measurement = Measurement()
        self.outcome: list[np.ndarray] = []
        self.used = 0.0
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, workload, name, settings), daemon=True)
        self.process.start()
        theirs.close()

    @property
    def active(self) -> bool:
        """Whether this worker is still to be asked for samples."""
        enough = self.used > self.settings.budget_seconds and len(self.measurement.samples) > 1
        return self.measurement.problem is None and not enough

    def wait(self) -> None:
        """Take the first result, or the reason that there is none."""
        self.outcome = self.receive() or []

    def take_turn(self) -> None:
        """One round of samples."""
        start = time.perf_counter()
        self.connection.send(True)
        self.measurement.samples += self.receive() or []
        self.used += time.perf_counter() - start

    def receive(self) -> Any:
        """The content of the worker's next message; a failure is noted, and None returned."""
        try:
            if not self.connection.poll(self.settings.timeout_seconds):
                return self.give_up(f"no answer in {self.settings.timeout_seconds:.0f} s")
            kind, content = self.connection.recv()
        except EOFError:
            return self.give_up("the worker process ended")
        if kind in ("missing", "failed"):
            self.measurement.missing = kind == "missing"
            return self.give_up(content)
        return content

    def give_up(self, problem: str) -> None:
        """Note why this library is not measured."""
        self.measurement.problem = problem
        self.measurement.samples.clear()

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.join()


def measure(workload: Workload, names: list[str], settings: Settings) -> dict[str, Measurement]:
    """Time the workload on every named library in alternating rounds, and check that the results agree."""
    workers = [Worker(workload, name, settings) for name in names]
    try:
        for worker in workers:
            worker.wait()
        for number in range(settings.rounds):
            first = number % len(workers)  # nobody always follows the same neighbour
            for worker in workers[first:] + workers[:first]:
                if worker.active:
                    time.sleep(settings.pause_seconds)
                    worker.take_turn()
        compare(workers, workload.tolerance)
    finally:
        for worker in workers:
            worker.stop()
    return {worker.name: worker.measurement for worker in workers}


def compare(workers: list[Worker], tolerance: float) -> None:
    """Note who disagrees with NumPy by hand; where there is none, with the first that ran."""
    ran = [worker for worker in workers if worker.measurement.problem is None]
    if not ran:
        return
    reference = next((worker for worker in ran if worker.name == "numpy"), ran[0])
    for worker in ran:
        difference = differences(worker.outcome, reference.outcome, tolerance)
        if difference:
            worker.measurement.problem = f"disagrees with {reference.name}: {difference}"
