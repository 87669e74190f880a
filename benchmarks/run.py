"""Run the benchmarks: `python benchmarks/run.py [--only NAME] [--quick] [--json] [--list]`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, TextIO

sys.path[0] = str(Path(__file__).resolve().parents[1])  # this checkout, not this folder

from benchmarks import environment

environment.clean()  # before NumPy loads its BLAS

from benchmarks.harness import Settings, measure
from benchmarks.libraries import LIBRARIES
from benchmarks.report import TITLES, Table, as_json
from benchmarks.workload import Workload
from benchmarks.workloads import all_workloads

QUICK = Settings(rounds=3, round_seconds=0.03, sample_seconds=0.002, budget_seconds=1.0, pause_seconds=0.03)


def main() -> int:
    """Measure, print, and return 1 where something failed or disagreed."""
    options = arguments()
    workloads = [w for w in all_workloads() if not options.only or any(part in w.name for part in options.only)]
    if options.list:
        for workload in workloads:
            print(f"{workload.name:30}{workload.mode:9}{', '.join(TITLES[peer] for peer in workload.peers)}")
        return 0
    out = sys.stderr if options.json else sys.stdout
    results = run(workloads, options.base, QUICK if options.quick else Settings(), out)
    if options.json:
        print(json.dumps({"environment": environment.describe(), "results": results}, indent=1))
    return int(any(result["problems"] for result in results))


def run(workloads: list[Workload], base: str, settings: Settings, out: TextIO) -> list[dict[str, Any]]:
    """Measure every workload and print its row at once."""
    print(environment.text(), file=out)
    peers = [name for name in LIBRARIES if name != base]
    table = Table(base, peers)
    print(f"\nPeers: their time over {TITLES[base]}'s, so above 1 {TITLES[base]} is faster.\n", file=out)
    print(table.head(), file=out)
    results = []
    for workload in workloads:
        names = [name for name in (base, *peers) if name == "fgrad" or name in workload.peers]
        measured = measure(workload, names, settings)
        print(table.row(workload, measured), file=out, flush=True)
        results.append(as_json(base, workload, measured))
    print(table.foot(), file=out)
    return results


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="NAME", help="workloads whose name contains NAME")
    parser.add_argument("--quick", action="store_true", help="few short rounds: orientation, no more")
    parser.add_argument("--json", action="store_true", help="JSON on standard output, the table on the error")
    parser.add_argument("--list", action="store_true", help="name the workloads and stop")
    parser.add_argument("--base", default="fgrad", choices=LIBRARIES, help="whose time the ratios are over")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
