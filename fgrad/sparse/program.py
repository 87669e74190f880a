"""The flat programs behind a sparse derivative: the function and its derivative, traced once per signature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fgrad.api.common import Argnums, check_differentiable, select_arguments
from fgrad.core.aval import Array, ShapedArray, aval_of, is_inexact
from fgrad.core.boundary import call, flat_leaves, flat_outputs, function_name, parameter_names, place_of
from fgrad.core.interpreter import Tracer
from fgrad.core.jaxpr import ClosedJaxpr, eliminate_dead_code
from fgrad.core.primitive import ZERO, instantiate
from fgrad.errors import ArgumentError, NonDifferentiableError, message
from fgrad.sparse.dependence import Rules, dependence
from fgrad.sparse.loops import RULES as LOOPS
from fgrad.sparse.matrix import Pattern
from fgrad.sparse.rules import RULES as MOVES
from fgrad.sparse.windows import RULES as WINDOWS
from fgrad.transforms import jvp as forward
from fgrad.transforms.stage import trace
from fgrad.transforms.transpose import transpose
from fgrad.tree import PyTreeDef

__all__ = ["RULES", "Arguments", "Found", "Program", "bind_arguments", "find_pattern", "trace_program"]

RULES = Rules({**MOVES, **WINDOWS, **LOOPS})

_LARGEST = 1 << 28
"""A pattern of more entries than this is not written down."""


class Arguments(NamedTuple):
    """A call, flattened.

    Attributes:
        leaves: all arrays of all arguments.
        treedef: how they make up positional arguments and then those by name.
        positional: the number of positional arguments.
        keys: the names of the others.
        chosen: which leaves the derivative is taken by.
    """

    leaves: list[Array]
    treedef: PyTreeDef
    positional: int
    keys: tuple[str, ...]
    chosen: tuple[int, ...]

    @property
    def signature(self) -> tuple[Any, ...]:
        """What programs traced from equal calls have in common."""
        return self.treedef, self.keys, tuple(map(aval_of, self.leaves))

    def call(self, fun: Callable[..., Any], leaves: Sequence[Array], verb: str) -> Any:
        """What a function returns for other leaves."""
        values = self.treedef.unflatten(leaves)
        return call(fun, values[: self.positional], dict(zip(self.keys, values[self.positional :], strict=True)), verb)


def bind_arguments(
    fun: Callable[..., Any], argnums: Argnums, args: tuple[Any, ...], kwargs: dict[str, Any], verb: str
) -> Arguments:
    """Flattens the arguments of a call; those that are differentiated by are checked."""
    names = [*parameter_names(fun, len(args)), *kwargs]
    trees = (*args, *kwargs.values())
    leaves, treedef = flat_leaves(trees, names, verb)
    numbered = treedef.unflatten(range(len(leaves)))
    by_name = dict(zip(kwargs, numbered[len(args) :], strict=True))
    places = select_arguments(fun, argnums, tuple(numbered[: len(args)]), by_name, verb)
    chosen, _ = flat_leaves(places.values, places.names, verb)
    selection = select_arguments(fun, argnums, args, kwargs, verb)
    check_differentiable([leaves[i] for i in chosen], selection.values, selection.names, verb, allow_int=None)
    return Arguments(leaves, treedef, len(args), tuple(kwargs), tuple(chosen))


class Program(NamedTuple):
    """A function and its derivative as flat programs.

    Attributes:
        function: takes all leaves of the arguments.
        pushed: takes all leaves, then tangents of the chosen ones; returns tangents of all outputs.
        chosen: which leaves these are.
    """

    function: ClosedJaxpr
    pushed: ClosedJaxpr
    chosen: tuple[int, ...]

    @property
    def inputs(self) -> list[ShapedArray]:
        """The types of what the derivative is taken by."""
        return [self.function.in_avals[i] for i in self.chosen]

    @property
    def outputs(self) -> list[ShapedArray]:
        return self.function.out_avals

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the derivative."""
        return sum(a.size for a in self.outputs), sum(a.size for a in self.inputs)

    @property
    def lasting(self) -> bool:
        """Whether the program may be kept: it closes over no traced values."""
        return not any(type(c) is Tracer for c in (*self.function.consts, *self.pushed.consts))

    def push(self, leaves: Sequence[Array], ts: Sequence[Array]) -> list[Array]:
        """Tangents of the outputs."""
        return self.pushed(*leaves, *ts)

    def pull(self, leaves: Sequence[Array], cts: Sequence[Array]) -> list[Array]:
        """Cotangents of the chosen inputs."""
        nz = [i in self.chosen for i in range(len(leaves))]
        _, linear = forward.linearize(self.function, leaves, nz, "sparse_jacobian")
        found = dict(zip(sorted(self.chosen), transpose(linear, cts), strict=True))
        return [instantiate(found.get(i, ZERO), leaves[i]) for i in self.chosen]


def trace_program(fun: Callable[..., Any], arguments: Arguments, verb: str) -> Program:
    """Traces a function, and differentiates the program.

    Raises:
        NonDifferentiableError: an output is an integer or a boolean.
    """

    def flat(*leaves: Array) -> list[Array]:
        out = arguments.call(fun, leaves, verb)
        outs, outdef = flat_outputs(out, verb, fun)
        for i, y in enumerate(outs):
            aval = aval_of(y)
            if not is_inexact(aval.dtype):
                where = place_of([outdef.unflatten(outs)], ["output"], i)
                what = f"{verb} needs real or complex outputs, but `{function_name(fun)}` returned {aval} at {where}."
                raise NonDifferentiableError(message(what, cure="Return it as a float, or leave it out."))
        return outs

    avals = [aval_of(x) for x in arguments.leaves]
    chosen = arguments.chosen
    function = trace(flat, avals, verb, fun)

    def push(*args: Array) -> list[Array]:
        tangents = dict(zip(chosen, args[len(avals) :], strict=True))
        xs = args[: len(avals)]
        outs, ts = forward.jvp(function, xs, [tangents.get(i, ZERO) for i in range(len(xs))])
        return [instantiate(t, y) for t, y in zip(ts, outs, strict=True)]

    pushed = trace(push, [*avals, *[avals[i] for i in chosen]], verb, fun)
    return Program(function, eliminate_dead_code(pushed), chosen)


class Found(NamedTuple):
    """A pattern, and the arrays that the program closes over whose values it depends on: positions, zeros."""

    pattern: Pattern
    used: list[NDArray[Any]]


def find_pattern(program: Program, verb: str) -> Found:
    """Where the derivative may have entries that are not zero.

    Raises:
        ArgumentError: nearly everywhere, and there are too many.
    """
    varying = [False] * len(program.function.in_avals) + [True] * len(program.chosen)
    interpreter, outs = dependence(program.pushed, varying, RULES)
    sets = interpreter.sets
    ids = np.concatenate([y.sets.reshape(-1) for y in outs]) if outs else np.zeros(0, np.int64)
    lengths = sets.lengths(ids)
    if (total := int(lengths.sum())) > _LARGEST:
        share = total / max(program.shape[0] * program.shape[1], 1)
        what = f"{verb}: the derivative, {program.shape[0]} x {program.shape[1]}, has up to {total} entries"
        cure = "Use jacfwd, jacrev or hessian with chunk_size, or products: jvp, vjp, hvp."
        raise ArgumentError(message(f"{what} ({share:.0%}) that are not zero: it is not sparse.", cure=cure))
    indices = np.empty((total, 2), np.int64)
    indices[:, 0] = np.repeat(np.arange(len(ids)), lengths)
    indices[:, 1] = sets.elements(ids)
    return Found(Pattern(indices, program.shape), list(interpreter.used.values()))
