"""`python -m fgrad.testing [primitive …]`: the walk over all primitives (or some), and how many faults it finds.

With `--walk` only the former. The score of all takes some minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fgrad.core.primitive import registry
from fgrad.testing.registry import every_primitive, walk
from fgrad.testing.rule_faults import score


def main(arguments: Sequence[str]) -> int:
    """Prints what was found.

    Returns:
        The exit status: 1 if a fault survived.
    """
    every_primitive()
    names = [a for a in arguments if a != "--walk"]
    unknown = sorted(set(names) - set(registry))
    if unknown:
        print(f"There is no primitive {', '.join(unknown)}.", file=sys.stderr)  # noqa: T201
        return 2
    primitives = [registry[name] for name in names or sorted(registry)]
    reports = walk(primitives)
    print(  # noqa: T201
        f"{len(reports)} primitives hold at {sum(r.cases for r in reports)} cases, "
        f"{sum(r.complex for r in reports)} of them complex; {sum(r.judged for r in reports)} derivatives were held "
        f"against numerical ones, {sum(r.skipped for r in reports)} could not be: kinks and infinite slopes."
    )
    if "--walk" in arguments:
        return 0
    result = score(primitives)
    print(result)  # noqa: T201
    return bool(result.survivors)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
