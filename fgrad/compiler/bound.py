"""What is executed of generated code: the lines that are shown, with what they name found beforehand.

A function of NumPy's is looked up once and not at every call, a number is the array that NumPy would make of it, and
the array that takes a result is passed by position. On small arrays that is a quarter of the time. Nothing else
differs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy._core import multiarray

from fgrad.core.jaxpr import Equation, Literal, Var
from fgrad.core.writer import Writer
from fgrad.primitives.elementwise import Elementwise

__all__ = ["BoundWriter", "Numbers", "bound", "is_stand_in", "with_arrays_for_numbers"]

Use = tuple[Var, np.dtype[Any]]
"""A number, and what its array is to be."""


class BoundWriter(Writer):
    """A writer whose source names the objects that are used in place of what is shown."""

    def __init__(self, run: Callable[[Callable[[int], None], int], None] | None = None) -> None:
        super().__init__(run)
        self._shown: dict[str, str] = {}
        self._bound: dict[tuple[str, Any], str] = {}
        self._unseen: dict[str, str] = {}

    def stand_in(self, text: str, value: Any) -> str:
        key = text, value.dtype if isinstance(value, np.ndarray) else value
        name = self._bound.get(key)
        if name is None:
            name = self._bound[key] = self.fresh("bound")
            self._shown[name] = text
            self.namespace[name] = value
        return name

    def local(self, text: str) -> str:
        """A name in the code for what is shown as `text`, which a statement that is not shown gives its value."""
        name = self.fresh("bound")
        self._shown[name] = text
        return name

    def unseen(self, statement: str, *, after: bool) -> str:
        """A mark for a statement that is not shown: it stands after (before) another one in its line, with a space
        between them."""
        mark = self.fresh("after" if after else "before")
        self._unseen[mark] = f"; {statement}" if after else f"{statement}; "
        return mark

    def shown(self, code: str) -> str:
        """The code as a person would write it."""
        code = self._without_marks(code, dict.fromkeys(self._unseen, ""))
        return _STAND_IN.sub(lambda found: self._shown.get(found[0], found[0]), code) if self._shown else code

    def executed(self, code: str) -> str:
        """The code with what is not shown."""
        return self._without_marks(code, self._unseen)

    def _without_marks(self, code: str, statements: Mapping[str, str]) -> str:
        return _MARK.sub(lambda found: statements.get(found[0].strip(), found[0]), code) if statements else code


def is_stand_in(name: str) -> bool:
    """Whether generated code has a name from a `BoundWriter`, for something that the program does not hold."""
    return _STAND_IN.fullmatch(name) is not None


_STAND_IN = re.compile(r"\b_bound\d*\b(?![.:])")  # not in the comment of a file of that name
_MARK = re.compile(r" _after\d*\b|\b_before\d* ")
_NUMPY = re.compile(r"(?<![\w.])np((?:\.[A-Za-z_]\w*)+)")
_OUT = re.compile(r"^(\s*(?:\w+ = )?np\.)(\w+)\(([^()=\n]*), out=(\w+)\)", re.MULTILINE)


def bound(code: str) -> tuple[str, dict[str, Any]]:
    """The code with names in place of `np.name`, line by line the same, and the objects that it names so."""
    namespace: dict[str, Any] = {}

    def named(found: re.Match[str]) -> str:
        value = _numpy(found[1])
        if value is None:
            return found[0]
        name = "np" + found[1].replace(".", "_")
        namespace[name] = value
        return name

    return _NUMPY.sub(named, _OUT.sub(_by_position, code)), namespace


def _by_position(found: re.Match[str]) -> str:
    ufunc = _numpy(f".{found[2]}")
    # NumPy wants the third argument of these two by its name.
    if not isinstance(ufunc, np.ufunc) or ufunc is np.maximum or ufunc is np.minimum:
        return found[0]
    if found[3].count(",") + 1 != ufunc.nin:
        return found[0]
    return f"{found[1]}{found[2]}({found[3]}, {found[4]})"


_QUICKER = {
    ".dot": np.ndarray.dot,  # looks for no overrides: 0.1 µs
    ".einsum": getattr(multiarray, "c_einsum", np.einsum),  # plans no path: the code does not ask for one
}


@cache
def _numpy(path: str) -> Any:
    """An object of NumPy's by its path; `None` where there is none, as in the name of a file in a comment."""
    if path in _QUICKER:
        return _QUICKER[path]
    value: Any = np
    for name in path[1:].split("."):
        value = getattr(value, name, None)
    return value


class Numbers:
    """Numbers that are not known before the program runs: where several operations on arrays take one, it is made the
    array that NumPy would make of it at each of them."""

    def __init__(self, eqns: Sequence[Equation], writer: Writer) -> None:
        self._writer = writer
        self._wanted: dict[Var, list[np.dtype[Any]]] = {}
        self._made: dict[Use, str] = {}
        if isinstance(writer, BoundWriter):
            uses = Counter([use for eqn in eqns for use in _uses(eqn) if use is not None])
            for (v, dtype), count in uses.items():
                if count > 1:
                    self._wanted.setdefault(v, []).append(dtype)

    def operands(self, eqn: Equation, given: Sequence[str]) -> list[str]:
        """The operands of an equation."""
        out = with_arrays_for_numbers(eqn, given, self._writer)
        if not self._made:
            return out
        return [self._made.get(use, text) if use else text for use, text in zip(_uses(eqn), out, strict=True)]

    def marks(self, variables: Sequence[Var], name: Callable[[Var], str], *, after: bool) -> list[str]:
        """Marks for the statements that make arrays of variables that have values now."""
        marks = []
        for v in variables:
            for dtype in self._wanted.get(v, ()):
                assert isinstance(self._writer, BoundWriter)
                array = self._made[v, dtype] = self._writer.local(name(v))
                made = f"{array} = np.asarray({name(v)}, {self._writer.constant(dtype, dtype.name)})"
                marks.append(self._writer.unseen(made, after=after))
        return marks


def _uses(eqn: Equation) -> Sequence[Use | None]:
    """For each operand of an operation on arrays that is a number, and a variable, the dtype that it is converted
    to."""
    nothing = (None,) * len(eqn.invars)
    if not any([type(a) is Var and not a.aval.shape for a in eqn.invars]):
        return nothing
    ufunc = getattr(eqn.primitive, "impl", None)
    if not isinstance(eqn.primitive, Elementwise) or not isinstance(ufunc, np.ufunc) or ufunc.nin != len(eqn.invars):
        return nothing
    if not eqn.outvars[0].aval.shape or all(a.aval.shape for a in eqn.invars):
        return nothing
    dtypes = _loop(ufunc, tuple([a.aval.key for a in eqn.invars]))
    return [
        (a, dtype if a.aval.weak_type else a.aval.dtype)
        if type(a) is Var and not a.aval.shape and dtype is not None and dtype.kind in "fc"
        else None
        for a, dtype in zip(eqn.invars, dtypes, strict=True)
    ]


def with_arrays_for_numbers(eqn: Equation, operands: Sequence[str], writer: Writer) -> list[str]:
    """The operands of an equation, where numbers are those that NumPy's loop computes with."""
    if not any([type(a) is Literal for a in eqn.invars]):
        return list(operands)
    if all([type(a) is Literal or a.aval.weak_type for a in eqn.invars]):
        return list(operands)  # among Python's numbers alone an integer is not weak: NumPy takes int64
    ufunc = getattr(eqn.primitive, "impl", None)
    if not isinstance(eqn.primitive, Elementwise) or not isinstance(ufunc, np.ufunc):
        return list(operands)
    return [
        text if array is None else writer.stand_in(text, array)
        for text, array in zip(operands, _arrays(ufunc, eqn), strict=True)
    ]


def _arrays(ufunc: np.ufunc, eqn: Equation) -> list[Any]:
    """For each operand that is a number what NumPy makes of it; `None` for the others."""
    if ufunc.nin != len(eqn.invars):
        return [None] * len(eqn.invars)
    keys = tuple([a.aval.key for a in eqn.invars])
    dtypes = _loop(ufunc, keys)
    return [
        _array(a.value, dtype) if type(a) is Literal and dtype is not None else None
        for a, dtype in zip(eqn.invars, dtypes, strict=True)
    ]


@cache
def _loop(ufunc: np.ufunc, keys: tuple[Any, ...]) -> tuple[np.dtype[Any] | None, ...]:
    """The dtypes that a ufunc converts its operands to."""
    keys = tuple([np.dtype(bool) if key is bool else key for key in keys])
    nothing = (None,) * ufunc.nin
    try:
        dtypes = ufunc.resolve_dtypes((*keys, *[None] * ufunc.nout))
        mixed = tuple([dtype if isinstance(key, type) else key for key, dtype in zip(keys, dtypes, strict=False)])
        same = ufunc.resolve_dtypes((*mixed, *[None] * ufunc.nout)) == dtypes
    except TypeError:
        return nothing
    return tuple(dtypes[: ufunc.nin]) if same and all(d.kind in "biufc" for d in dtypes) else nothing


def _array(value: Any, dtype: np.dtype[Any]) -> Any:
    """A number as an array; `None` where the conversion has something to say, which is to be said at every call."""
    if isinstance(value, np.ndarray):
        return None
    if isinstance(value, np.generic):
        dtype = value.dtype
    try:
        with np.errstate(all="raise"):
            array = np.array(value, dtype)
    except (OverflowError, FloatingPointError, TypeError, ValueError):
        return None
    array.flags.writeable = False
    return array
