"""A function at a point: its arguments and outputs as flat lists, directions through it, and names for its parts."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fgrad.api.common import float0
from fgrad.api.linear import jvp, vjp
from fgrad.core.aval import Array, aval_of, is_inexact
from fgrad.core.boundary import (
    check_callable,
    flat_leaves,
    flat_outputs,
    function_name,
    parameter_names,
    place_of,
)
from fgrad.errors import ArgumentError, CheckError, message
from fgrad.tree import flatten, flatten_with_path, keystr
from fgrad.tree.table import describe

__all__ = [
    "Direction",
    "Point",
    "dot",
    "element_text",
    "no_tangent",
    "random_like",
    "random_state",
    "typical_size",
]

Direction = list[Array | None]
"""One array per leaf; `None` where a leaf stays as it is."""


class Point:
    """A function at given arguments.

    Attributes:
        name: the name of the function.
        leaves: the arrays of the arguments.
        nz: which of them are inexact, that is, can be moved.
        outs: the arrays of the output.
        moving: the positions of the inexact ones of the output.

    Raises:
        ArgumentError: `f` is no function, or `args` no tuple or list.
        CheckError: an argument, or what the function returns, is NaN or infinite; the function writes into its
            arguments, or returns something else when it is called again.
    """

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], check: str) -> None:
        check_callable(f, check, f"{check}(f, …)")
        if not isinstance(args, (tuple, list)):
            what = f"args of {check} must be a tuple or list of arguments, got {describe(args)}."
            raise ArgumentError(message(what, cure=f"Write {check}(f, (x,), …) for one argument."))
        self.f, self.args, self.check, self.name = f, tuple(args), check, function_name(f)
        self.names = parameter_names(f, len(self.args))
        self.leaves, self.treedef = flat_leaves(self.args, self.names, check)
        self.nz = [is_inexact(aval_of(x).dtype) for x in self.leaves]
        self._check_finite()
        kept = [np.array(x) for x in self.leaves]
        generators = random_state()
        self.out = f(*self.args)
        self.outs, self.outdef = flat_outputs(self.out, check, f)
        self.outs = [np.array(y)[()] if isinstance(y, np.ndarray) else y for y in self.outs]
        self.moving = [i for i, y in enumerate(self.outs) if is_inexact(aval_of(y).dtype)]
        self._check_unwritten(kept)
        self._check_repeated(generators != random_state())
        self._check_values()

    def _check_finite(self) -> None:
        for i in self.moved:
            strange = np.argwhere(~np.isfinite(np.atleast_1d(self.leaves[i])))
            if len(strange):
                x = np.asarray(self.leaves[i])
                place = tuple(int(k) for k in strange[0])[: x.ndim]
                raise self.failure(
                    f"the argument {self.arg_place(i)}{element_text(place)} is {x[place]}.",
                    "a function cannot be followed from there: check it at finite arguments.",
                )

    def _check_unwritten(self, kept: Sequence[Array]) -> None:
        for i, (x, before) in enumerate(zip(self.leaves, kept, strict=True)):
            if not isinstance(x, np.ndarray) or np.array_equal(x, before, equal_nan=is_inexact(before.dtype)):
                continue
            place = tuple(int(k) for k in np.argwhere(np.atleast_1d(x != before))[0])[: x.ndim]
            at = f"{self.arg_place(i)}{element_text(place)}"
            found = f"{at} was {before[place]} before the call, and is {x[place]} after it."
            x[...] = before
            raise self.failure(
                "the function is not pure: it writes into its argument.",
                found,
                "compute a new array: fgrad.numpy.at(x)[i].set(y), or a copy.",
            )

    def _check_repeated(self, drew: bool) -> None:
        again, outdef = flatten(self.f(*self.args))
        if outdef != self.outdef:
            raise self.failure(
                "the function is not deterministic: a second call with the same arguments returned another structure.",
                f"first {self.outdef}, then {outdef}",
            )
        for i, (x, y) in enumerate(zip(self.outs, again, strict=True)):
            if np.array_equal(x, y, equal_nan=is_inexact(aval_of(x).dtype)):
                continue
            differ = np.argwhere(np.atleast_1d(~((np.asarray(x) == y) | ((np.asarray(x) != x) & (np.asarray(y) != y)))))
            place = tuple(int(k) for k in differ[0])[: np.ndim(x)] if np.shape(x) == np.shape(y) else ()
            seen = f"first {np.asarray(x)[place]}, then {np.asarray(y)[place]}" if np.shape(x) == np.shape(y) else ""
            cause = "it keeps a state between calls, or draws random numbers: make these arguments (fgrad.random)."
            if drew:
                cause = "it draws from the global random generator: make the numbers, or a key, an argument."
            raise self.failure(
                "the function is not deterministic: "
                f"two calls with the same arguments returned different values at {self.out_place(i)}.",
                *([f"at {self.out_place(i)}{element_text(place)}: {seen}"] if seen else []),
                cause,
            )

    def _check_values(self) -> None:
        for i in self.moving:
            strange = np.argwhere(~np.isfinite(np.atleast_1d(self.outs[i])))
            if len(strange):
                y = np.asarray(self.outs[i])
                place = tuple(int(k) for k in strange[0])[: y.ndim]
                where = f"{self.out_place(i)}{element_text(place)}"
                raise self.failure(
                    f"the output is not finite here, so it has no derivative: {where} is {y[place]}.",
                    "fgrad.debug.explain_nan(f, *args) says where a NaN came from.",
                )

    def need_derivative(self) -> None:
        """Refuses what has no derivative to check.

        Raises:
            ArgumentError: no argument, or no output, is inexact.
        """
        if not self.moved:
            found = ", ".join(f"{self.arg_place(i)}: {aval_of(x)}" for i, x in enumerate(self.leaves[:4]))
            what = f"{self.check} of `{self.name}`: no argument is a floating-point or complex array"
            what += f" (got {found})." if found else "."
            raise ArgumentError(message(what, cure="Integers and booleans have no derivative: pass floats."))
        if not self.moving:
            found = ", ".join(f"{self.out_place(i)}: {aval_of(x)}" for i, x in enumerate(self.outs[:4])) or "nothing"
            what = f"{self.check} of `{self.name}`: no output is a floating-point or complex array (got {found})."
            raise ArgumentError(message(what, cure="There is no derivative to check: return the floats."))

    def push(self, ts: Direction) -> list[Array]:
        """The tangents of the inexact outputs, in forward mode."""
        with np.errstate(all="ignore"):
            leaves = flatten(jvp(self.f, self.args, self.tangent_tree(ts))[1])[0]
        for i in self.moving:
            self.need_finite(leaves[i], f"the tangent of {self.out_place(i)}")
        return [leaves[i] for i in self.moving]

    def pull(self, cts: Sequence[Array]) -> list[Array]:
        """The cotangents of all arguments, in reverse mode."""
        with np.errstate(all="ignore"):
            found = flatten(vjp(self.f, *self.args)[1](self.cotangent_tree(cts)))[0]
        for i in self.moved:
            self.need_finite(found[i], f"the cotangent of {self.arg_place(i)}")
        return found

    def need_finite(self, t: Array, what: str) -> None:
        """Refuses a derivative that is not finite, though the function is.

        Raises:
            CheckError: an element is NaN or infinite; says which.
        """
        strange = np.argwhere(~np.isfinite(np.atleast_1d(t)))
        if len(strange):
            place = tuple(int(k) for k in strange[0])[: np.ndim(t)]
            raise self.failure(
                "the derivative is not finite here, though the function is.",
                f"{what}{element_text(place)} is {np.asarray(t)[place]}.",
                "fgrad.debug.explain_nan(f, *args) says where it came from.",
            )

    @property
    def moved(self) -> list[int]:
        """The positions of the leaves that can be moved."""
        return [i for i, m in enumerate(self.nz) if m]

    @property
    def precision(self) -> float:
        """The relative precision of the coarsest number that takes part."""
        arrays = [self.leaves[i] for i in self.moved] + [self.outs[i] for i in self.moving]
        return max((float(np.finfo(aval_of(x).dtype).eps) for x in arrays), default=0.0)

    @property
    def magnitude(self) -> float:
        """The largest output. A derivative along a direction as long as the arguments may be the sum of such terms."""
        return max((float(np.abs(self.outs[i]).max(initial=0.0)) for i in self.moving), default=0.0)

    def arg_place(self, index: int) -> str:
        """Where a leaf of the arguments stands: `params['w'][0]`."""
        return place_of(self.args, self.names, index)

    def out_place(self, index: int) -> str:
        """Where a leaf of the output stands: `output['loss']`."""
        return f"output{keystr(flatten_with_path(self.out)[0][index][0])}"

    def direction(self, rng: np.random.Generator, only: int | None = None) -> Direction:
        """A random direction, about as long as the arguments; `only` one leaf moves, if it is given."""
        return [
            random_like(rng, x, typical_size(x)) if m and only in (None, i) else None
            for i, (x, m) in enumerate(zip(self.leaves, self.nz, strict=True))
        ]

    def cotangents(self, rng: np.random.Generator) -> list[Array]:
        """Random cotangents of the inexact outputs."""
        return [random_like(rng, self.outs[i]) for i in self.moving]

    def tangent_tree(self, ts: Direction) -> tuple[Any, ...]:
        """A direction as tangents of the arguments."""
        full = [no_tangent(x) if t is None else t for x, t in zip(self.leaves, ts, strict=True)]
        return self.treedef.unflatten(full)  # type: ignore[no-any-return]

    def cotangent_tree(self, cts: Sequence[Array]) -> Any:
        """Cotangents of the inexact outputs as those of the output."""
        given = iter(cts)
        return self.outdef.unflatten(
            [next(given) if i in self.moving else no_tangent(y) for i, y in enumerate(self.outs)]
        )

    def call(self, leaves: Sequence[Array]) -> list[Array]:
        """The inexact outputs at other arguments."""
        outs = flatten(self.f(*self.treedef.unflatten(leaves)))[0]
        return [outs[i] for i in self.moving]

    def failure(self, what: str, *lines: str) -> CheckError:
        """The error that says what was found."""
        text = "\n".join([f"{self.check} of `{self.name}`: {what}", *[f"  {line}" for line in lines]])
        return CheckError(text)


def element_text(place: Sequence[int]) -> str:
    """Where an element stands in its array: `[0, 1]`; nothing in an array without axes."""
    return f"[{', '.join(map(str, place))}]" if len(place) else ""


def random_state() -> tuple[Any, ...]:
    """Where the global random generators stand."""
    state = np.random.get_state(legacy=False)  # noqa: NPY002 - it is the one that functions draw from
    return random.getstate(), pickle.dumps(state)


def typical_size(x: Array) -> float:
    """The largest finite magnitude in an array, 1 if there is none."""
    magnitudes = np.abs(np.asarray(x))
    largest = float(np.max(magnitudes, initial=0.0, where=np.isfinite(magnitudes)))
    return largest if largest > 0 else 1.0


def no_tangent(x: Array) -> Array:
    """Zeros as the tangent of an array; of dtype `float0` where it has none."""
    aval = aval_of(x)
    return np.zeros(aval.shape, aval.dtype if is_inexact(aval.dtype) else float0)


def random_like(rng: np.random.Generator, x: Array, size: float = 1.0) -> Array:
    """A random array of the shape and dtype of another."""
    aval = aval_of(x)
    drawn = rng.normal(size=aval.shape)
    if aval.dtype.kind == "c":
        drawn = drawn + 1j * rng.normal(size=aval.shape)
    return np.asarray(size * drawn).astype(aval.dtype)[()]


def dot(xs: Sequence[Any], ys: Sequence[Any]) -> tuple[float, float]:
    """The real part of Σ x·y, and the sum of the magnitudes of its terms."""
    total = size = 0.0
    for x, y in zip(xs, ys, strict=True):
        if x is not None and y is not None:
            terms = np.real(np.asarray(x).astype(complex) * y)
            total, size = total + float(terms.sum()), size + float(np.abs(terms).sum())
    return total, size
