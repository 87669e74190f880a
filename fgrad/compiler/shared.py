"""Programs that have been compiled before: a function that is written anew, with the same code and the same values
around it, is traced again, but not compiled again.

Equal programs are told by their equations, and constants by identity. What is remembered holds no arrays: constants are
referred to weakly, and put into their places in generated code when it is used again.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from threading import Lock
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from fgrad.compiler.bound import is_stand_in
from fgrad.compiler.compiled import Compiled, compile_jaxpr
from fgrad.compiler.fingerprint import fingerprint
from fgrad.compiler.inline import inline
from fgrad.compiler.source import Source
from fgrad.core.jaxpr import ClosedJaxpr, Jaxpr
from fgrad.core.primitive import Primitive

__all__ = ["compile_shared", "forget"]

_KEPT = 256


class _Known(NamedTuple):
    """A program that has been compiled.

    Attributes:
        constants: its constants.
        compiled: what was made of it, if it has none.
        jaxpr: the program after simplification.
        kept: which constants that has.
        source: the generated code, without constants.
        names: what the code calls them.
    """

    constants: tuple[weakref.ref[Any], ...]
    compiled: Compiled | None
    jaxpr: Jaxpr
    kept: tuple[int, ...]
    source: Source
    names: dict[str, int]

    def again(self, consts: Sequence[Any]) -> Compiled | None:
        """The program compiled for these constants; `None` if they are others."""
        if any(ref() is not c for ref, c in zip(self.constants, consts, strict=True)):
            return None  # another array lies where one was that is no more
        if self.compiled is not None:
            return self.compiled
        namespace = {**self.source.namespace, **{name: consts[i] for name, i in self.names.items()}}
        program = ClosedJaxpr(self.jaxpr, [consts[i] for i in self.kept])
        return Compiled(program, self.source._replace(namespace=namespace))


_known: OrderedDict[Hashable, _Known] = OrderedDict()
_lock = Lock()


def forget() -> None:
    """Drops the programs that are remembered, as when a rule of a primitive is replaced."""
    with _lock:
        _known.clear()


def compile_shared(closed: ClosedJaxpr, name: str, arguments: Sequence[str]) -> Compiled:
    """As `compile_jaxpr`, for a program that may have been compiled before.

    Args:
        closed: the program; its constants are plain arrays.
        name: what the generated function is called.
        arguments: names for its arguments.
    """
    program = inline(closed)
    try:
        key = (name, tuple(arguments), tuple(map(id, program.consts)), fingerprint(program.jaxpr))
        hash(key)
    except TypeError:
        return compile_jaxpr(program, name, arguments)
    with _lock:
        known = _known.get(key)
        if known is not None:
            _known.move_to_end(key)
    compiled = known.again(program.consts) if known is not None else None
    if compiled is None:
        compiled = compile_jaxpr(program, name, arguments)
        known = _remembered(compiled, program.consts, name)
        if known is not None:
            with _lock:
                _known[key] = known
                if len(_known) > _KEPT:
                    _known.popitem(last=False)
    return compiled


def _remembered(compiled: Compiled, consts: Sequence[Any], name: str) -> _Known | None:
    """What can be kept of a program; `None` where its code may hold arrays elsewhere than in its constants."""
    source = compiled.source
    if not all(type(c) is np.ndarray for c in consts):
        return None
    position = {id(c): i for i, c in enumerate(consts)}
    names = {k: position[id(v)] for k, v in source.namespace.items() if id(v) in position}
    held = {k: v for k, v in source.namespace.items() if k not in names}
    kept = tuple([position.get(id(c), -1) for c in compiled.jaxpr.consts])
    if -1 in kept or (consts and not all(is_stand_in(k) or _holds_nothing(v) for k, v in held.items())):
        return None
    source = source._replace(namespace=held)
    refs = tuple([weakref.ref(c) for c in consts])
    return _Known(refs, None if consts else compiled, compiled.jaxpr.jaxpr, kept, source, names)


def _holds_nothing(value: Any) -> bool:
    """Whether something that generated code refers to cannot hold an array of the user's."""
    if isinstance(value, tuple):
        return all(map(_holds_nothing, value))
    if isinstance(value, MethodType):
        return isinstance(value.__self__, Primitive)
    if isinstance(value, FunctionType):
        return value.__closure__ is None
    plain = (ModuleType, np.ufunc, np.dtype, np.generic, type, bool, int, float, complex, str)
    return value is None or isinstance(value, (*plain, Primitive))
