"""Functions that are not functions: what they remember, what they write into, and what they keep of a trace."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from fgrad.api.linear import jvp
from fgrad.core.aval import is_inexact
from fgrad.core.interpreter import Tracer
from fgrad.errors import public
from fgrad.testing.points import Point, random_state

__all__ = ["check_pure"]

_DEEPEST = 3
_LARGEST = 2**16
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


@public
def check_pure(f: Callable[..., Any], *args: Any) -> None:
    """Checks that a function is one: its result depends on its arguments alone, and it does nothing else.

    It is called twice, and differentiated once. It must return the same, must not write into its arguments, must not
    change what it closes over, its globals, default arguments or attributes, must not draw from the global random
    generators, and must not keep a traced value. Files, the network and the clock are not watched.

    Args:
        f: a function of pytrees of arrays.
        args: its arguments.

    Raises:
        CheckError: it is not pure; says what changed.

    >>> import numpy as np
    >>> check_pure(np.sin, np.array([0.5, 1.0]))
    >>> calls = []
    >>> def remembering(x):
    ...     calls.append(1)
    ...     return 2.0 * x
    >>> check_pure(remembering, 1.0)
    Traceback (most recent call last):
        ...
    fgrad.errors.CheckError: check_pure of `remembering`: the function is not pure: a call changes `calls`, a global.
      it was [], and is [1, 1] after two calls
      return what is to be kept, or pass it as an argument.
    """
    before, generators = dict(_surroundings(f)), random_state()
    marks, shown = {k: _mark(v) for k, v in before.items()}, {k: f"{v!r:.60}" for k, v in before.items()}
    point = Point(f, args, "check_pure")
    for place, value in _surroundings(f):
        if place in marks and _mark(value) != marks[place]:
            raise point.failure(
                f"the function is not pure: a call changes {place}.",
                f"it was {shown[place]}, and is {value!r:.60} after two calls",
                "return what is to be kept, or pass it as an argument.",
            )
    if random_state() != generators:
        raise point.failure(
            "the function is not pure: it draws from the global random generator.",
            "make the numbers, or a key of fgrad.random, an argument.",
        )
    if point.moved and point.moving:
        with np.errstate(all="ignore"):
            jvp(f, point.args, point.tangent_tree(point.direction(np.random.default_rng(0))))
        for place, value in _surroundings(f):
            kept = _tracer_in(value)
            if kept is not None:
                raise point.failure(
                    f"the function is not pure: it keeps a traced value in {place}.",
                    f"there is a traced {kept.aval}, which means nothing after the call that made it",
                    "return what is to be kept.",
                )


def _surroundings(f: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """What a function can see beside its arguments, by the name that a message gives it."""
    if depth > _DEEPEST:
        return
    if isinstance(f, functools.partial):
        yield from _surroundings(f.func, depth + 1)
        yield from ((f"the argument {k!r} of its partial", x) for k, x in f.keywords.items())
    elif isinstance(f, MethodType):
        yield from _attributes(f.__self__)
        yield from _surroundings(f.__func__, depth + 1)
    elif isinstance(f, FunctionType):
        yield from _seen_by(f, depth)
    elif hasattr(f, "__wrapped__"):
        yield from _surroundings(f.__wrapped__, depth + 1)
    elif not isinstance(f, (type, np.ufunc)) and isinstance(getattr(type(f), "__call__", None), FunctionType):  # noqa: B004
        yield from _attributes(f)


def _seen_by(f: FunctionType, depth: int) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
        try:
            yield f"`{name}`, which it closes over", cell.cell_contents
        except ValueError:
            continue
    for name in f.__code__.co_names:
        if name in f.__globals__ and not isinstance(f.__globals__[name], (ModuleType, FunctionType, type)):
            yield f"`{name}`, a global", f.__globals__[name]
    yield from ((f"its default argument {i}", x) for i, x in enumerate(f.__defaults__ or ()))
    yield from ((f"its default argument {k!r}", x) for k, x in (f.__kwdefaults__ or {}).items())
    if f.__dict__.get("__wrapped__") is not None:
        yield from _surroundings(f.__dict__["__wrapped__"], depth + 1)


def _attributes(instance: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(getattr(instance, "__dict__", None), dict):
        yield from ((f"its attribute `{k}`", x) for k, x in vars(instance).items())


def _mark(x: Any, depth: int = 0) -> Any:
    """Something that changes when a value does."""
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype, x.tobytes() if x.nbytes <= _LARGEST else x.ravel()[:: x.size // 1024 + 1].tobytes()
    if isinstance(x, (np.generic, *_PLAIN)):
        is_nan = isinstance(x, (float, np.inexact)) and is_inexact(np.asarray(x).dtype) and x != x
        return type(x), "nan" if is_nan else x
    if depth > _DEEPEST:
        return id(x)
    if isinstance(x, Mapping):
        return type(x), [(k, _mark(v, depth + 1)) for k, v in list(x.items())[:_LARGEST]]
    if isinstance(x, (list, tuple)):
        return type(x), len(x), [_mark(v, depth + 1) for v in x[:_LARGEST]]
    if isinstance(x, (set, frozenset)):
        return type(x), set(map(id, x)), len(x)
    return id(x)


def _tracer_in(x: Any, depth: int = 0) -> Tracer | None:
    """A traced value in a container."""
    if type(x) is Tracer:
        return x
    if depth > _DEEPEST or not isinstance(x, (Mapping, list, tuple, set)):
        return None
    items = x.values() if isinstance(x, Mapping) else x
    found = (_tracer_in(v, depth + 1) for v in items)
    return next((t for t in found if t is not None), None)
