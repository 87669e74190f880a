"""Everything that can be checked of a function without knowing anything about it, in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from fgrad.api.jit import jit
from fgrad.api.linear import vjp
from fgrad.control.custom_function import CustomFunction
from fgrad.core.aval import Array, aval_of, is_inexact
from fgrad.core.boundary import function_name
from fgrad.errors import ArgumentError, CheckError, ConcretizationTypeError, message, public
from fgrad.testing.calculus import named
from fgrad.testing.checks import check_derivatives
from fgrad.testing.custom_rules import check_rule
from fgrad.testing.identities import check_adjoint, check_jit, check_modes, check_tangent_linearity, check_vmap, same
from fgrad.testing.points import Point
from fgrad.testing.purity import check_pure
from fgrad.testing.second_order import check_symmetry
from fgrad.tree import flatten
from fgrad.tree.text import plural

__all__ = ["AllChecks", "check_all"]

_ROWS = 3


class AllChecks(NamedTuple):
    """What `check_all` found of a function that is as it should be; printed, a list.

    Attributes:
        name: the function.
        passed: the checks.
        skipped: those that do not apply, and why.
    """

    name: str
    passed: tuple[str, ...]
    skipped: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"check_all of `{self.name}`: {plural(len(self.passed), 'check')} passed."]
        lines += [f"  passed   {name}" for name in self.passed]
        return "\n".join([*lines, *[f"  skipped  {name}" for name in self.skipped]])


@public
def check_all(
    f: Callable[..., Any],
    *args: Any,
    order: int = 2,
    atol: float | None = None,
    rtol: float | None = None,
    skip: tuple[str, ...] = (),
) -> AllChecks:
    """Checks everything that must hold of a differentiable function, and says all that does not.

    These are: `pure`, what it says of its arguments and surroundings; `derivatives`, up to `order`, in all combinations
    of the modes, against numerical ones; `adjoint`, `modes` and `linearity` of forward and reverse mode; `symmetry` of
    second derivatives; `rule`, of a custom function, against the function; `jit`, of it and of its gradient; `vmap`.

    Args:
        f: a function of pytrees of arrays.
        args: its arguments.
        order: up to which order derivatives are checked.
        atol: how far derivatives and values may be off in absolute terms; by default by rounding.
        rtol: how far relative to their size.
        skip: names of checks that are not to be made.

    Returns:
        What was checked. Under `jit` and `vmap` a function that needs the values of its arguments is not.

    Raises:
        CheckError: something does not hold; the message says everything that does not, and what does.
        ArgumentError: no argument or no output is a floating-point or complex array, or `skip` names no check.

    >>> import numpy as np
    >>> print(check_all(lambda x: np.tanh(x) * x, np.array([0.3, -1.0])))
    check_all of `<lambda>`: 8 checks passed.
      passed   pure: it does nothing but return what depends on its arguments
      passed   derivatives: up to order 2, against numerical ones
      passed   adjoint: reverse mode is the transpose of forward mode
      passed   modes: forward and reverse mode agree, element by element
      passed   linearity: derivatives are linear in the tangent
      passed   symmetry: second derivatives do not depend on the order
      passed   jit: it changes nothing, neither values nor gradients
      passed   vmap: it is stacking
    """
    checks = {what.partition(":")[0]: (what, check) for what, check in _checks(f, args, order, atol, rtol)}
    unknown = [name for name in skip if name not in {*checks, "rule"}]
    if unknown:
        what = f"skip of check_all names {unknown[0]!r}, which is no check."
        raise ArgumentError(message(what, cure=f"The checks are {', '.join(checks)}."))
    with np.errstate(all="ignore"):
        Point(f, args, "check_all").need_derivative()
    passed, skipped, failed = [], [], []
    for name, (what, check) in checks.items():
        if name in skip:
            skipped.append(f"{what} (as asked)")
            continue
        try:
            with np.errstate(all="ignore"):
                check()
            passed.append(what)
        except CheckError as error:
            failed.append((what, str(error)))
        except ConcretizationTypeError as error:
            skipped.append(f"{what} ({str(error).splitlines()[0]})")
    if failed:
        raise CheckError(_told(function_name(f), passed, skipped, failed))
    return AllChecks(function_name(f), tuple(passed), tuple(skipped))


def _told(name: str, passed: list[str], skipped: list[str], failed: list[tuple[str, str]]) -> str:
    count = len(passed) + len(failed)
    lines = [f"check_all of `{name}`: {len(failed)} of {plural(count, 'check')} failed."]
    seen: dict[str, str] = {}
    for what, text in failed:
        first, *rest = text.splitlines()
        # "check_grads of `f`: it is wrong" says of a function of another name, such as `jvp(f)`, which it is.
        told = first.partition(f" of `{name}`: ")[2] or first
        reason = [f"    {told}", *[f"    {line}" for line in rest]]
        earlier = seen.setdefault("\n".join(reason), what.partition(":")[0])
        lines += [f"  FAILED   {what}", *(reason if what.startswith(f"{earlier}:") else [f"    as {earlier}"])]
    lines += [f"  passed   {what}" for what in passed]
    lines += [f"  skipped  {what}" for what in skipped]
    return "\n".join(lines)


def _checks(
    f: Callable[..., Any], args: tuple[Any, ...], order: int, atol: float | None, rtol: float | None
) -> Iterator[tuple[str, Callable[[], Any]]]:
    yield "pure: it does nothing but return what depends on its arguments", lambda: check_pure(f, *args)
    yield (
        f"derivatives: up to order {order}, against numerical ones",
        lambda: check_derivatives(f, args, order, ("fwd", "rev"), (atol, rtol, None), "check_grads"),
    )
    yield "adjoint: reverse mode is the transpose of forward mode", lambda: check_adjoint(f, args, rtol)
    yield "modes: forward and reverse mode agree, element by element", lambda: check_modes(f, *args, rtol=rtol)
    yield "linearity: derivatives are linear in the tangent", lambda: check_tangent_linearity(f, args, rtol)
    if order > 1:
        yield "symmetry: second derivatives do not depend on the order", lambda: check_symmetry(f, *args, rtol=rtol)
    if isinstance(getattr(f, "__func__", f), CustomFunction):
        yield "rule: its rules agree with the function", lambda: check_rule(f, *args, rtol=rtol)
    yield "jit: it changes nothing, neither values nor gradients", lambda: _check_jit(f, args, atol, rtol)
    yield "vmap: it is stacking", lambda: _check_vmap(f, args, atol, rtol)


def _check_jit(f: Callable[..., Any], args: tuple[Any, ...], atol: float | None, rtol: float | None) -> None:
    check_jit(f, args, atol, rtol)
    point = Point(f, args, "check_jit")
    cts = point.cotangents(np.random.default_rng(0))
    point.pull(cts)  # what is not finite cannot be compared

    def gradient(g: Callable[..., Any]) -> Callable[..., list[Array]]:
        def pulled(*xs: Any) -> list[Array]:
            found = flatten(vjp(g, *xs)[1](point.cotangent_tree(cts)))[0]
            return [found[i] for i in point.moved]

        return named(pulled, f"vjp({point.name})")

    check_jit(gradient(f), args, atol, rtol)
    plain = Point(gradient(f), args, "check_jit")
    same(plain, gradient(jit(f))(*args), plain.out, "the gradient of jit(f) is not that of f", atol, rtol)


def _check_vmap(f: Callable[..., Any], args: tuple[Any, ...], atol: float | None, rtol: float | None) -> None:
    leaves, treedef = flatten(args)
    rows = [[_scaled(x, 1 - k / 64) for x in leaves] for k in range(_ROWS)]
    for row in rows:
        if not all(np.isfinite(y).all() for y in flatten(f(*treedef.unflatten(row)))[0]):
            rows = [leaves] * _ROWS  # a neighbour lies outside of the domain
            break
    stacked = [np.stack([np.asarray(x) for x in column]) for column in zip(*rows, strict=True)]
    check_vmap(f, treedef.unflatten(stacked), atol=atol, rtol=rtol)


def _scaled(x: Array, factor: float) -> Array:
    return (np.asarray(x) * factor).astype(aval_of(x).dtype) if is_inexact(aval_of(x).dtype) else np.asarray(x)
