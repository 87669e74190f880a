"""One function with the same rule, given in each of the ways that there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import fgrad

__all__ = ["KINDS", "ruled"]

Slopes = Callable[..., tuple[Any, ...]]


def _jvp(fun: Callable[..., Any], slopes: Slopes, static: Any) -> Callable[..., Any]:
    def rule(*given: Any) -> Any:
        *fixed, primals, tangents = given
        args = _joined(fun, static, fixed, primals)
        terms = [s * t for s, t in zip(slopes(*args), tangents, strict=True)]
        return fun(*args), sum(terms[1:], terms[0])

    return rule


def _vjp(fun: Callable[..., Any], slopes: Slopes, static: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    places = _places(fun, static)

    def fwd(*args: Any) -> Any:
        return fun(*args), tuple(x for i, x in enumerate(args) if i not in places)

    def bwd(*given: Any) -> Any:
        *fixed, primals, ct = given
        return tuple(s * ct for s in slopes(*_joined(fun, static, fixed, primals)))

    return fwd, bwd


def _places(fun: Callable[..., Any], static: Any) -> list[int]:
    names = fun.__code__.co_varnames[: fun.__code__.co_argcount]
    return sorted(names.index(s) if isinstance(s, str) else s for s in static)


def _joined(fun: Callable[..., Any], static: Any, fixed: Any, primals: Any) -> list[Any]:
    args = list(primals)
    for place, x in zip(_places(fun, static), fixed, strict=True):
        args.insert(place, x)
    return args


def _custom_jvp(fun: Any, slopes: Slopes, static: Any) -> Any:
    f = fgrad.custom_jvp(fun, static)
    f.defjvp(_jvp(fun, slopes, static))
    return f


def _custom_vjp(fun: Any, slopes: Slopes, static: Any) -> Any:
    f = fgrad.custom_vjp(fun, static)
    f.defvjp(*_vjp(fun, slopes, static))
    return f


KINDS: dict[str, Callable[[Any, Slopes, Any], Any]] = {
    "custom_jvp": _custom_jvp,
    "custom_vjp": _custom_vjp,
    "jvp rule": lambda f, slopes, static: fgrad.custom_rule(f, jvp=_jvp(f, slopes, static), static=static),
    "vjp rule": lambda f, slopes, static: fgrad.custom_rule(f, vjp=_vjp(f, slopes, static), static=static),
    "both rules": lambda f, slopes, static: fgrad.custom_rule(
        f, jvp=_jvp(f, slopes, static), vjp=_vjp(f, slopes, static), static=static
    ),
}


def ruled(kind: str, fun: Callable[..., Any], slopes: Slopes, static: Iterable[int | str] = ()) -> Any:
    """`fun` with a rule that multiplies by `slopes(*args)`, one factor per argument that is not static."""
    return KINDS[kind](fun, slopes, tuple(static))
