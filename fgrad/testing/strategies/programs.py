"""Random differentiable programs, which print as the Python that they are."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import fgrad.lax
import fgrad.numpy
from fgrad.api.grad import grad
from fgrad.api.jit import jit
from fgrad.api.linear import jvp
from fgrad.api.vmap import vmap
from fgrad.control.checkpoint import checkpoint
from fgrad.core.aval import Array
from fgrad.errors import ArgumentError, message, public
from fgrad.testing.strategies.arrays import arrays
from fgrad.testing.strategies.needed import st

__all__ = ["OPERATIONS", "Case", "Operation", "Program", "programs"]


class _Transforms:
    """What programs call `fgrad`."""

    checkpoint, grad, jit, jvp, lax, vmap = (
        staticmethod(checkpoint),
        staticmethod(grad),
        staticmethod(jit),
        staticmethod(jvp),
        fgrad.lax,
        staticmethod(vmap),
    )


_NAMES: dict[str, Any] = {"np": fgrad.numpy, "fgrad": _Transforms}


class Operation(NamedTuple):
    """An expression that a line of a program may hold.

    Attributes:
        kind: "smooth", "kinked", "shape" or "control".
        text: the expression, of `x`, perhaps `y`, and `n`, a small number.
        least: how many axes `x` has at least.
        most: how many it has at most.
        twins: whether `y` must have the shape of `x`.
    """

    kind: str
    text: str
    least: int = 0
    most: int = 4
    twins: bool = False


OPERATIONS: tuple[Operation, ...] = (
    *[
        Operation("smooth", text)
        for text in (
            "x + y",
            "x - y",
            "x * y",
            "-x",
            "np.sin(x)",
            "np.cos(x)",
            "np.tanh(x)",
            "np.arctan(x)",
            "np.exp(np.tanh(x))",
            "np.expm1(np.sin(x))",
            "np.log1p(x * x)",
            "np.sqrt(1.0 + x * x)",
            "x / (1.0 + y * y)",
            "1.0 / (2.0 + np.sin(x))",
            "np.tanh(x) ** n",
            "np.logaddexp(x, y)",
            "np.arctan2(x, 1.5 + np.sin(y))",
            "np.hypot(x, 1.0 + y * y)",
            "np.where(np.arange(x.size).reshape(x.shape) % 2 == 0, np.sin(x), x)",
        )
    ],
    *[Operation("smooth", f"np.{name}(x)") for name in ("sum", "mean")],
    *[
        Operation("smooth", text, least=1)
        for text in (
            "np.sum(x, axis=-1)",
            "np.mean(x, axis=0, keepdims=True)",
            "np.prod(np.tanh(x), axis=0)",
            "np.var(x, axis=-1)",
            "np.logsumexp(x, axis=-1)",
            "np.cumsum(x, axis=-1)",
            "np.cumprod(np.sin(x), axis=0)",
            "np.einsum('...i,...i->...', x, x)",
        )
    ],
    Operation("smooth", "np.outer(x, y)", least=1, most=1),
    Operation("smooth", "x @ np.swapaxes(x, -1, -2)", least=2),
    Operation("smooth", "np.linalg.solve(2.0 * np.eye(len(x)) + np.tanh(x @ x.T) / 8.0, x)", least=2, most=2),
    *[
        Operation("kinked", text)
        for text in ("np.abs(x)", "np.maximum(x, y)", "np.minimum(x, y)", "np.clip(x, -0.9, 0.8)")
    ],
    *[Operation("kinked", text, least=1) for text in ("np.max(x, axis=-1)", "np.sort(x, axis=-1)")],
    *[
        Operation("shape", text)
        for text in ("np.ravel(x)", "np.expand_dims(x, 0)", "np.broadcast_to(x, (2, *x.shape))", "x[..., None]")
    ],
    *[
        Operation("shape", text, least=1)
        for text in (
            "x.T",
            "x[0]",
            "x[::-1]",
            "x[n % len(x) :]",
            "np.roll(x, n, axis=0)",
            "np.repeat(x, 2, axis=0)",
            "np.pad(x, 1)",
            "np.concatenate([x, x[::-1]])",
            "x[np.array([0, -1, n % len(x)])]",
            "np.at(x)[n % len(x)].set(0.25)",
            "np.at(x)[np.array([0, -1, 0])].add(0.5)",
        )
    ],
    Operation("shape", "np.stack([x, y])", twins=True),
    *[
        Operation("control", text)
        for text in (
            "fgrad.jit(lambda v: np.sin(v) * v)(x)",
            "fgrad.checkpoint(lambda v: np.tanh(v * v))(x)",
            "fgrad.grad(lambda v: np.sum(np.sin(v) * v))(x)",
            "fgrad.jvp(lambda v: np.sin(v), (x,), (np.cos(x),))[1]",
            "fgrad.lax.cond(np.sum(x) > 0, np.sin, lambda v: v * v, x)",
            "fgrad.lax.fori_loop(0, n, lambda i, v: np.sin(v) + 0.5 * x, x)",
            "fgrad.lax.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, np.sin(s[1])), (0, x))[1]",
        )
    ],
    *[
        Operation("control", text, least=1)
        for text in (
            "fgrad.vmap(lambda row: np.sin(row) * np.sum(row))(x)",
            "fgrad.lax.scan(lambda carry, row: (np.tanh(carry + row), carry * row), 0.0 * x[0], x)[1]",
        )
    ],
)
"""What programs are made of. Values stay of magnitude about 1, and within the domains of all functions."""

_SIMPLEST_FIRST = {"smooth": 0, "shape": 1, "kinked": 2, "control": 3}


class Program:
    """A function that was drawn: it can be called, and its `repr` is its source.

    Attributes:
        parameters: the names of its arguments.
        lines: its assignments, as `(name, expression)`.
        results: the names of what it returns.

    >>> program = Program(["a"], [("c", "np.sin(a)"), ("d", "c * a")], ["d"])
    >>> print(program)
    def program(a):
        c = np.sin(a)
        d = c * a
        return d
    >>> program(2.0)
    np.float64(1.8185948536513634)
    """

    def __init__(self, parameters: Sequence[str], lines: Sequence[tuple[str, str]], results: Sequence[str]) -> None:
        self.parameters, self.results = list(parameters), list(results)
        self.lines = _needed(lines, results)
        self.__name__ = "program"
        self._function = _function(str(self))

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __str__(self) -> str:
        body = [f"    {name} = {expression}" for name, expression in self.lines]
        return "\n".join(
            [f"def program({', '.join(self.parameters)}):", *body, f"    return {', '.join(self.results)}"]
        )

    def __repr__(self) -> str:
        return str(self)

    @property
    def size(self) -> int:
        """How many assignments there are."""
        return len(self.lines)


@functools.lru_cache(maxsize=2048)
def _function(source: str) -> Callable[..., Any]:
    """The function that a program is. Nothing stands in it but the expressions above, and names that are given here."""
    namespace = dict(_NAMES)
    exec(compile(source, "<program>", "exec"), namespace)
    return namespace["program"]  # type: ignore[no-any-return]


def _needed(lines: Sequence[tuple[str, str]], results: Sequence[str]) -> list[tuple[str, str]]:
    """The lines that the results depend on."""
    used, kept = set(results), []
    for name, expression in reversed(lines):
        if name in used:
            used |= set(re.findall(r"\b[a-z]\d*\b", expression))
            kept.append((name, expression))
    return kept[::-1]


class Case(NamedTuple):
    """A program with arguments.

    Attributes:
        f: the program.
        args: its arguments, a tuple of arrays.
    """

    f: Program
    args: tuple[Array, ...]

    def __repr__(self) -> str:
        values = "\n".join(f"{name} = {x!r}" for name, x in zip(self.f.parameters, self.args, strict=True))
        return f"\n{self.f}\n{values}"


@public
def programs(
    size: Any = None,
    *,
    parameters: int = 2,
    shapes: Any = None,
    dtype: Any = np.float64,
    kinds: Sequence[str] = ("smooth", "shape", "control"),
    scalar: bool = False,
    limit: int = 32,
) -> st.SearchStrategy[Case]:
    """Random differentiable programs with arguments.

    A program is a function of arrays in `fgrad.numpy`, whose lines apply functions, reductions, linear algebra,
    indexing, control flow and nested transforms to earlier lines. Its values are kept from growing, so that derivatives
    of it can be compared.

    Args:
        size: how many lines are drawn, or a strategy of that; by default up to 6. Lines that the result does not
            depend on are left out.
        parameters: how many arguments there are.
        shapes: a strategy of the shapes of arguments; by default of up to three axes.
        dtype: of the arguments.
        kinds: what lines may be: "smooth", "shape" (indexing, reshaping), "control" (control flow and nested
            transforms), and "kinked" (`abs`, `maximum`, `sort`, …), which is left out by default.
        scalar: the program returns a number, so that `grad` applies; by default, an array.
        limit: no array has more elements.

    Returns:
        A strategy of `Case(f, args)`; `repr(f)` is Python. It shrinks to few and simple lines, and small arguments.

    >>> from hypothesis import find
    >>> find(programs(parameters=1), lambda case: case.f.size == 2)
    <BLANKLINE>
    def program(a):
        c = a + a
        d = c + c
        return d
    a = np.float64(0.0)
    """
    unknown = [kind for kind in kinds if kind not in _SIMPLEST_FIRST]
    if unknown or not kinds:
        what = f"kinds of programs must be some of {', '.join(_SIMPLEST_FIRST)}, got {tuple(kinds)!r:.80}."
        raise ArgumentError(message(what))
    if not 1 <= parameters <= 5:
        raise ArgumentError(message(f"parameters of programs must be 1 to 5, got {parameters!r:.80}."))
    table = sorted([op for op in OPERATIONS if op.kind in kinds], key=lambda op: _SIMPLEST_FIRST[op.kind])
    return _programs(size, parameters, shapes, np.dtype(dtype), tuple(table), scalar, limit)


@st.composite
def _programs(
    draw: st.DrawFn,
    size: Any,
    parameters: int,
    shapes: Any,
    dtype: np.dtype[Any],
    table: tuple[Operation, ...],
    scalar: bool,
    limit: int,
) -> Case:
    names = list("abfgh"[:parameters])
    args = tuple(draw(arrays(shapes, dtype, layouts=("C",), max_size=min(limit, 8)))[()] for _ in names)
    values: dict[str, Array] = dict(zip(names, args, strict=True))
    steps = st.tuples(st.sampled_from(table), st.integers(0, 3), st.integers(0, 3), st.integers(1, 3))
    drawn = size if isinstance(size, st.SearchStrategy) else None
    count = draw(drawn) if drawn is not None else size
    least, most = (1, 6) if count is None else (count, count)
    lines: list[tuple[str, str]] = []
    for op, i, j, n in draw(st.lists(steps, min_size=least, max_size=most)):
        _extend(lines, values, op, i, j, n, limit)
    result = lines[-1][0] if lines else names[0]
    if scalar and np.ndim(values[result]):
        lines.append((_name(len(lines)), f"np.sum({result})"))
        result = lines[-1][0]
    return Case(Program(names, lines, [result]), args)


def _extend(
    lines: list[tuple[str, str]], values: dict[str, Array], op: Operation, i: int, j: int, n: int, limit: int
) -> None:
    """Adds a line, if the operation applies to the values that are picked, counted from the last."""
    recent = list(values)[::-1]
    x, y = (recent[k % len(recent)] for k in (i, j))
    if not op.least <= np.ndim(values[x]) <= op.most or not np.size(values[x]):
        return
    if re.search(r"\by\b", op.text):
        if op.twins and np.shape(values[x]) != np.shape(values[y]):
            y = x
        try:
            np.broadcast_shapes(np.shape(values[x]), np.shape(values[y]))
        except ValueError:
            y = x
    given = {"x": x, "y": y, "n": str(n)}
    expression = re.sub(r"\b[xyn]\b(?!=)", lambda found: given[found[0]], op.text)
    with np.errstate(all="ignore"):
        out = _value(expression, values)
    if np.size(out) <= limit and np.ndim(out) <= 4 and np.isfinite(out).all():
        name = _name(len(lines))
        lines.append((name, expression))
        values[name] = out


def _value(expression: str, values: dict[str, Array]) -> Array:
    """What an expression of known values is."""
    out: Array = Program(list(values), [("out", expression)], ["out"])(*values.values())
    return out


def _name(k: int) -> str:
    letters = "cdepqruwz"
    return letters[k] if k < len(letters) else f"v{k}"
