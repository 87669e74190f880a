"""The benchmark suite: every workload computes on fgrad what NumPy computes by hand; times are not judged."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.harness import Measurement, Settings, Worker, calibrate, compare, serve, turn
from benchmarks.libraries import LIBRARIES
from benchmarks.report import Table, as_json, ratio_cell, time_cell
from benchmarks.trees import differences, leaves, map_arrays
from benchmarks.workload import Workload, prepare
from benchmarks.workloads import all_workloads
from benchmarks.workloads.dispatch import Add
from benchmarks.workloads.startup import Import
from benchmarks.workloads.tracing import LongProgram

RUN = Path(__file__).parents[1] / "benchmarks" / "run.py"
ALL = all_workloads()
SMALL = list({workload.name: workload for workload in (each.small() for each in ALL)}.values())
LONG = [workload for workload in SMALL if isinstance(workload, LongProgram)]
BY_HAND = [workload for workload in SMALL if "numpy" in workload.peers]


def outcome(workload: Workload, library: str) -> list[np.ndarray]:
    return leaves(workload.outcome(prepare(workload, LIBRARIES[library](workload.x64))()))


@pytest.mark.parametrize("workload", BY_HAND, ids=lambda workload: workload.name)
def test_fgrad_agrees_with_numpy_by_hand(workload: Workload) -> None:
    found = outcome(workload, "fgrad")
    assert sum(leaf.size for leaf in found) > 0
    assert differences(found, outcome(workload, "numpy"), workload.tolerance) is None


def test_autograd_agrees_with_numpy_by_hand() -> None:
    """It lacks a scan, gradients in several arguments and more, which this project writes for it."""
    pytest.importorskip("autograd")
    for workload in BY_HAND:
        if "autograd" in workload.peers:
            found, expected = outcome(workload, "autograd"), outcome(workload, "numpy")
            assert differences(found, expected, workload.tolerance) is None, workload.name


@pytest.mark.parametrize("workload", LONG, ids=lambda workload: workload.name)
def test_long_programs(workload: LongProgram) -> None:
    out, slope = workload.slope(*workload.inputs())
    expected: dict[str, Any] = {
        "trace": workload.size,
        "linearize": (out, slope),
        "transpose": slope,
        "gradient": (np.sum(out), slope),
        "compile": out,
    }
    found = outcome(workload, "fgrad")
    assert differences(found, leaves(expected[workload.family]), workload.tolerance) is None


def test_import_time_is_measured_in_a_fresh_process() -> None:
    call = prepare(Import(), LIBRARIES["fgrad"](False))
    assert 0.0 < Import().seconds(call, 1) < 60.0


def test_every_workload_is_tested_and_named_once() -> None:
    covered = {workload.name for workload in BY_HAND + LONG} | {Import().name}
    assert {workload.name for workload in SMALL} == covered
    assert len({workload.name for workload in ALL}) == len(ALL)


def test_calling_a_workload_twice_gives_the_same() -> None:
    """A workload by hand that wrote into its inputs would time something else than it checks."""
    for workload in BY_HAND:
        call = prepare(workload, LIBRARIES["numpy"](workload.x64))
        first = [leaf.copy() for leaf in leaves(workload.outcome(call()))]
        assert differences(leaves(workload.outcome(call())), first, 0.0) is None, workload.name


def test_map_arrays_takes_several_trees() -> None:
    tree = {"b": np.ones(2), "a": (np.zeros(1), 3)}
    out = map_arrays(lambda x, y: x + y, tree, tree)
    assert out["a"][1] == 3
    assert [leaf.tolist() for leaf in leaves(out)] == [[0.0], 3, [2.0, 2.0]]  # in the order of the keys


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([[1.0, 2.0]], None),
        ([[1.0, 2.0001]], None),
        ([[1.0, 2.1]], "array 0 differs by 1.0e-01 (largest entry 2.0e+00)"),
        ([[1.0, math.nan]], "array 0 differs by nan (largest entry 2.0e+00)"),
        ([[1.0]], "array 0 has shape (1,) instead of (2,)"),
        ([], "0 arrays instead of 1"),
    ],
)
def test_differences(found: list[list[float]], message: str | None) -> None:
    assert differences([np.array(leaf) for leaf in found], [np.array([1.0, 2.0])], 1e-4) == message


class Pipe:
    """The driver's end of a connection, its questions written down beforehand."""

    def __init__(self, *questions: bool) -> None:
        self.questions = list(questions)
        self.sent: list[tuple[str, Any]] = []

    def send(self, message: tuple[str, Any]) -> None:
        self.sent.append(message)

    def recv(self) -> bool:
        return self.questions.pop(0)


BRIEF = Settings(rounds=1, round_seconds=0.001, sample_seconds=0.0001)


def test_a_worker_sends_its_result_and_then_samples() -> None:
    pipe = Pipe(True, True, False)
    serve(pipe, Add(), "numpy", BRIEF)  # type: ignore[arg-type]
    assert [kind for kind, _ in pipe.sent] == ["ready", "samples", "samples"]
    assert all(sample > 0 for _, samples in pipe.sent[1:] for sample in samples)


def test_a_worker_tells_what_fails_and_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(Add):
        def by_hand(self, *inputs: Any) -> Any:
            raise ZeroDivisionError("by design")

    class Absent:
        def __init__(self, x64: bool) -> None:
            raise ModuleNotFoundError("No module named 'absent'")

    pipe = Pipe()
    serve(pipe, Failing(), "numpy", BRIEF)  # type: ignore[arg-type]
    monkeypatch.setitem(LIBRARIES, "absent", Absent)
    serve(pipe, Add(), "absent", BRIEF)  # type: ignore[arg-type]
    (failed, why), missing = pipe.sent
    assert failed == "failed"
    assert why.endswith("ZeroDivisionError: by design\n")
    assert missing == ("missing", "No module named 'absent'")


def test_samples_are_per_unit_and_long_enough() -> None:
    calls = []

    class Counted(Add):
        @property
        def count(self) -> int:
            return 1000

        def seconds(self, call: Any, repeats: int) -> float:
            calls.append(repeats)
            return 1e-4

    assert 40 <= calibrate(Counted(), print, 0.004) <= 100
    assert turn(Counted(), print, 40, 0.0) == pytest.approx([1e-7])
    assert calls[-1] == 40


def worker(name: str, result: float, problem: str | None = None) -> Worker:
    made = object.__new__(Worker)
    made.name, made.outcome, made.measurement = name, [np.array(result)], Measurement([1.0], problem)
    return made


def test_who_disagrees_with_numpy_is_told() -> None:
    workers = [worker("fgrad", 2.0), worker("numpy", 1.0), worker("jax", 1.0), worker("torch", 5.0, "failed")]
    compare(workers, 1e-4)
    problems = [each.measurement.problem for each in workers]
    assert problems == [
        "disagrees with numpy: array 0 differs by 1.0e+00 (largest entry 1.0e+00)",
        None,
        None,
        "failed",
    ]


MEASURED = {
    "fgrad": Measurement([1e-3, 2e-3, 3e-3]),
    "numpy": Measurement([2e-3, 8e-3, 9e-3]),
    "jax": Measurement([5e-3], problem="disagrees with numpy: array 0"),
    "torch": Measurement([], problem="No module named 'torch'", missing=True),
    "autograd": Measurement([], problem="Traceback\nTypeError: no"),
}


def test_the_table_holds_ratios_of_best_and_median() -> None:
    table = Table("fgrad", ["numpy", "jax", "torch", "autograd"])
    row = table.row(Add(), MEASURED)
    assert " ".join(row.split()) == "dispatch.add jit 1 ms 2 ms 2.00 4.00 5.00! 2.50! · failed"
    head, foot = table.head().splitlines(), table.foot().splitlines()
    assert {len(head[1]), len(head[2]), len(foot[0])} == {len(row)}
    assert foot[1].split()[:4] == ["geometric", "mean", "2.00", "4.00"]
    assert foot[2:] == [
        "dispatch.add, JAX: disagrees with numpy: array 0",
        "dispatch.add, autograd: TypeError: no",
    ]


def test_json_holds_seconds_ratios_and_problems() -> None:
    entry = as_json("fgrad", Add(), MEASURED)
    assert entry["seconds"]["fgrad"] == {"best": 1e-3, "median": 2e-3, "samples": 3}
    assert entry["ratios"]["numpy"] == pytest.approx({"best": 2.0, "median": 4.0})
    assert entry["missing"] == ["torch"]
    assert set(entry["problems"]) == {"jax", "autograd"}


def test_cells() -> None:
    assert [time_cell(t) for t in (2.5, 0.25, 1.234e-5, 4.5e-8, math.nan)] == [
        "2.5 s",
        "250 ms",
        "12.3 µs",
        "45 ns",
        "·",
    ]
    assert [ratio_cell(r) for r in (0.456, 12.34, 123.4)] == ["0.46", "12.3", "123"]


def test_the_command() -> None:
    command = [sys.executable, str(RUN), "--quick", "--json", "--only", "dispatch.add"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    report = json.loads(done.stdout)
    assert report["environment"]["cores"] >= 1
    assert [result["name"] for result in report["results"]] == ["dispatch.add"]
    assert {"fgrad", "numpy"} <= set(report["results"][0]["seconds"])
    assert "dispatch.add" in done.stderr


def test_the_example_of_the_readme() -> None:
    code = (RUN.parent / "README.md").read_text().split("```python")[1].split("```")[0]
    names: dict[str, Any] = {"__name__": __name__}
    exec(code, names)
    (workload,) = (each.small() for each in names["WORKLOADS"])
    assert differences(outcome(workload, "fgrad"), outcome(workload, "numpy"), 1e-6) is None


def test_the_readme_names_every_workload() -> None:
    text = (RUN.parent / "README.md").read_text()
    assert [
        workload.name
        for workload in ALL
        if f"`{workload.name}`" not in text and f"`{workload.name.partition('.')[0]}`" not in text
    ] == []


def test_the_list() -> None:
    done = subprocess.run([sys.executable, str(RUN), "--list"], check=True, capture_output=True, text=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [workload.name for workload in ALL]
