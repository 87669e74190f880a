"""Large programs in few pieces: equations in a row that belong together are drawn as one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import groupby
from pathlib import PurePath
from typing import NamedTuple

from fgrad.core.jaxpr import Equation
from fgrad.errors import SourceLine
from fgrad.viz.text import clipped, operations

__all__ = ["Chunk", "summarised"]


class Chunk(NamedTuple):
    """The equations from `start` to `stop`, drawn as one node; they follow each other, so that no circle can arise.

    Attributes:
        start: the first.
        stop: behind the last.
        label: what they are called together.
        detail: how many they are.
        key: what is the same in repetitions.
    """

    start: int
    stop: int
    label: str
    detail: str
    key: Hashable

    @property
    def size(self) -> int:
        return self.stop - self.start


def summarised(eqns: Sequence[Equation], groups: Sequence[tuple[str, ...]], limit: int) -> list[Chunk]:
    """The equations of a program in at most `limit` chunks.

    As far as it is needed, these are joined: what one line of the user's program computes, or one function; what
    repeats itself in a row (a loop that was unrolled); in the end, whatever stands side by side.
    """
    chunks = [Chunk(i, i + 1, "", "", (e.primitive.name, _line(e))) for i, e in enumerate(eqns)]
    for key in (_line, _function):
        if len(chunks) > limit:
            chunks = _folded_repeats(chunks)
        if len(chunks) > limit:
            joined = _joined(chunks, eqns, groups, key)
            if len(joined) < min(limit, _TOO_FEW):
                break  # one function does nearly everything
            chunks = joined
    return chunks if len(chunks) <= limit else _cut(chunks, eqns, limit)


_TOO_FEW = 8


def _line(eqn: Equation) -> tuple[str, str]:
    source = eqn.source
    return ("", "") if source is None else (f"{PurePath(source.filename).name}:{source.line}", _name(source))


def _function(eqn: Equation) -> tuple[str, str]:
    source = eqn.source
    return ("", "") if source is None else (PurePath(source.filename).name, _name(source))


def _name(source: SourceLine) -> str:
    return source.function.strip("<>")


def _joined(
    chunks: Sequence[Chunk],
    eqns: Sequence[Equation],
    groups: Sequence[tuple[str, ...]],
    key: Callable[[Equation], tuple[str, str]],
) -> list[Chunk]:
    """Joins neighbours that come from one place of the user's program."""

    def origin(chunk: Chunk) -> Hashable:
        places = {key(eqn) for eqn in eqns[chunk.start : chunk.stop]}
        return groups[chunk.start], places.pop() if len(places) == 1 else chunk.start

    found: list[Chunk] = []
    for _, run in groupby(chunks, origin):
        members = list(run)
        if len(members) == 1:
            found += members
            continue
        start, stop = members[0].start, members[-1].stop
        place, function = key(eqns[start])
        label = function or "no line of yours"
        found.append(Chunk(start, stop, clipped(label), f"{place} · {operations(stop - start)}", (place, function)))
    return found


def _folded_repeats(chunks: Sequence[Chunk]) -> list[Chunk]:
    """Joins what repeats itself in a row, with the shortest period that there is at each place."""
    keys = [c.key for c in chunks]
    found: list[Chunk] = []
    i = 0
    while i < len(chunks):
        period, times = _repeats(keys, i)
        if times < 3:
            found.append(chunks[i])
            i += 1
            continue
        last = i + period * times
        start, stop = chunks[i].start, chunks[last - 1].stop
        once = tuple(keys[i : i + period])
        parts = [chunks[k].label or str(keys[k][0]) for k in range(i, i + period)]  # type: ignore[index]
        label = clipped(", ".join(dict.fromkeys(parts)))
        found.append(Chunk(start, stop, label, f"× {times} · {operations(stop - start)}", (once, times)))
        i = last
    return found


_LONGEST_PERIOD = 64


def _repeats(keys: Sequence[Hashable], i: int) -> tuple[int, int]:
    """The period of what repeats itself from `i` on, and how often it stands there in a row."""
    for period in range(1, min(_LONGEST_PERIOD, (len(keys) - i) // 3) + 1):
        if keys[i] != keys[i + period] or keys[i] != keys[i + 2 * period]:
            continue
        last = i + period
        while last < len(keys) and keys[last] == keys[last - period]:
            last += 1
        if last - i >= 3 * period:
            return period, (last - i) // period
    return 1, 1


def _cut(chunks: Sequence[Chunk], eqns: Sequence[Equation], limit: int) -> list[Chunk]:
    """As many pieces as there may be, of about as many chunks each."""
    found: list[Chunk] = []
    for part in range(limit):
        members = chunks[part * len(chunks) // limit : (part + 1) * len(chunks) // limit]
        if len(members) == 1:
            found += members
            continue
        start, stop = members[0].start, members[-1].stop
        places = [_line(eqn) for eqn in eqns[start:stop]]
        name, function = max(dict.fromkeys(places), key=places.count)
        label = f"mostly {name}" if name else "no line of yours"
        found.append(Chunk(start, stop, label, f"{function} · {operations(stop - start)}".removeprefix(" · "), start))
    return found
