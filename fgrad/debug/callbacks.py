"""Effects that look on: they change no value and no derivative."""

from __future__ import annotations

import code
import string
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, TypeVar

import numpy as np

from fgrad.control.effects import debug_callback, tap
from fgrad.control.external import call_arguments
from fgrad.core.aval import Array, aval_of, is_inexact
from fgrad.core.boundary import check_callable
from fgrad.core.interpreter import Tracer, reachable
from fgrad.errors import ArgumentError, FgradError, is_library, message, public
from fgrad.tree import flatten
from fgrad.tree.table import describe
from fgrad.tree.text import listing

__all__ = ["breakpoint", "callback", "print", "tap_grad"]

T = TypeVar("T")


@public
def print(fmt: str, *args: Any, ordered: bool = False, **kwargs: Any) -> None:  # noqa: A001
    """Prints values as the program runs, under every transform, in the order of the program.

    Under `jit` it prints at every call, under `vmap` once for each row. A derivative in forward mode prints the
    values, one in reverse mode prints them in its forward pass, once.

    Args:
        fmt: what is printed, with fields as those of `str.format`: "x = {x}", "{:.3f}". No f-string: the values are not
            known when that is made.
        args: values of the fields; arrays, anything else, and pytrees of these.
        ordered: prints are in order in any case.
        kwargs: values of the fields by name.

    Raises:
        ArgumentError: a field has no value, or `fmt` is not a string.

    >>> import fgrad, numpy as np
    >>> @fgrad.jit
    ... def f(x):
    ...     y = np.sin(x)
    ...     fgrad.debug.print("y = {y:.2f}", y=y)
    ...     return 2 * y
    >>> fgrad.grad(f)(0.5)
    y = 0.48
    np.float64(1.7551651237807455)
    """
    _check_format(fmt, args, kwargs)

    def write(*values: Any, **named: Any) -> None:
        sys.stdout.write(fmt.format(*values, **named) + "\n")

    _call(write, args, kwargs)


@public
def callback(fun: Callable[..., Any], *args: Any, ordered: bool = False, **kwargs: Any) -> None:
    """Calls a Python function with values as the program runs, under every transform, in the order of the program.

    Under `vmap` it is called once for each row; a derivative in reverse mode calls it in its forward pass, once.

    Args:
        fun: `fun(*args, **kwargs)`; the arrays it gets are NumPy arrays of its own. What it returns is ignored.
        args: its arguments; arrays, anything else, and pytrees of these.
        ordered: calls are in order in any case.
        kwargs: its arguments by name.

    >>> import fgrad, numpy as np
    >>> seen = []
    >>> fgrad.vmap(lambda x: fgrad.debug.callback(seen.append, x) or x)(np.array([1.0, 2.0]))
    array([1., 2.])
    >>> seen
    [np.float64(1.0), np.float64(2.0)]
    """
    check_callable(fun, "debug.callback", "debug.callback(f, x)")
    _call(fun, args, kwargs)


@public
def tap_grad(x: T, fun: Callable[[T], Any] | str | None = None) -> T:
    """The same values, whose cotangents are shown when they pass in reverse mode.

    Args:
        x: a pytree of arrays.
        fun: called with the cotangents, a pytree like `x` (zeros where none passes); or a name to print them under.
            By default they are printed.

    Returns:
        `x`, to go on with: only what is computed from it passes the tap.

    >>> import fgrad, numpy as np
    >>> fgrad.grad(lambda x: 3.0 * fgrad.debug.tap_grad(np.sin(x), "ct of sin x"))(0.0)
    ct of sin x: 3.0
    np.float64(3.0)
    """
    if fun is not None and not isinstance(fun, str) and not callable(fun):
        what = f"debug.tap_grad expects a function or a name, got {describe(fun)}."
        raise ArgumentError(message(what, cure='Write debug.tap_grad(x, f) or debug.tap_grad(x, "name").'))
    leaves, treedef = flatten(x)
    places = [i for i, leaf in enumerate(leaves) if type(leaf) is Tracer and is_inexact(leaf.dtype)]
    template = [leaf if _is_plain(leaf) else None for leaf in leaves]

    def show(*cts: Array) -> None:
        full: list[Any] = [np.zeros(np.shape(v)) if v is not None else None for v in template]
        for i, ct in zip(places, cts, strict=True):
            full[i] = _own(ct)
        found = treedef.unflatten(full)
        if callable(fun):
            fun(found)
        else:
            sys.stdout.write(f"{fun or 'cotangent'}: {found}\n")

    if not places:
        return x
    out = list(leaves)
    tapped = tap(*[reachable(leaves[i]) for i in places], function=show, rows=())
    for i, y in zip(places, tapped, strict=True):
        out[i] = y
    return treedef.unflatten(out)  # type: ignore[no-any-return]


@public
def breakpoint() -> None:  # noqa: A001
    """Stops where the program runs past here, and reads Python statements; the user's variables have their values.

    Under `vmap` it stops once for each row. The end of the input (Ctrl-D) goes on.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_library(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return
    where = f"{frame.f_code.co_filename}:{frame.f_lineno} ({frame.f_code.co_name})"
    known, others = dict(frame.f_locals), frame.f_globals
    traced = {name: x for name, x in known.items() if _is_traced(x)}

    def stop(values: dict[str, Any]) -> None:
        banner = f"Stopped at {where}; variables: {', '.join(known)}."
        code.interact(banner, local={**others, **known, **values}, exitmsg="")

    _call(stop, (traced,), {})


def _call(fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    call = call_arguments(args, kwargs)

    def function(*xs: Array) -> Sequence[Array]:
        positional, named = call.rebuild([_own(x) for x in xs])
        fun(*positional, **named)
        return ()

    debug_callback(*call.arrays, function=function, avals=(), rows=())


def _is_traced(x: Any) -> bool:
    """Whether a variable is, or contains, a traced value."""
    try:
        return any(type(leaf) is Tracer for leaf in flatten(x)[0])
    except FgradError:  # it is no pytree: keys that cannot be sorted, for example
        return False


def _own(x: Array) -> Array:
    """An array that the user may keep and write into."""
    return x.copy() if type(x) is np.ndarray else x


def _is_plain(x: Any) -> bool:
    try:
        aval_of(x)
    except TypeError:
        return False
    return type(x) is not Tracer


def _check_format(fmt: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Refuses a format string that does not fit the values."""
    if not isinstance(fmt, str):
        what = f"debug.print expects a format string, got {describe(fmt)}."
        raise ArgumentError(message(what, cure='Write debug.print("{x}", x=x).'))
    if "Tracer<" in fmt:
        what = (
            "debug.print was given a string that was formatted already: it shows a traced value, which has no numbers."
        )
        raise ArgumentError(message(what, cure='Write debug.print("{x}", x=x), not debug.print(f"{x}").'))
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(fmt) if name is not None]
    except ValueError as error:
        what = f"debug.print cannot read the format {fmt!r}: {error}."
        raise ArgumentError(message(what, cure="Write {{ and }} for braces.")) from None
    wanted = [field.partition(".")[0].partition("[")[0] for field in fields]
    numbered = [int(name) if name.isdigit() else i for i, name in enumerate(w for w in wanted if not w or w.isdigit())]
    missing = [repr(w) for w in wanted if w and not w.isdigit() and w not in kwargs]
    missing += [f"number {n}" for n in numbered if n >= len(args)]
    if missing:
        what = f"debug.print has no value for the field {missing[0]} of {fmt!r}."
        given = listing([*map(str, range(len(args))), *kwargs], len(args) + len(kwargs)) or "none"
        raise ArgumentError(message(what, cure=f"The values given are: {given}. Write debug.print('{{x}}', x=x)."))
