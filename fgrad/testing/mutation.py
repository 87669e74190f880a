"""How good are the tests of a rule? Faults are planted in it, one after the other, and the tests must find them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from fgrad.control.custom_function import CustomFunction
from fgrad.errors import ArgumentError, CheckError, message, public
from fgrad.extend import ExtendedElementwise
from fgrad.testing.faults import Planted, planted, possible_faults
from fgrad.tree.table import describe

__all__ = ["Mutant", "MutationScore", "mutation_score"]

_WIDEST = 60


class Mutant(NamedTuple):
    """A fault, and what became of it.

    Attributes:
        function: in whose rule it was planted.
        rule: in which: "jvp", "vjp", or "derivative" of an element-wise primitive.
        fault: what is wrong, and of which argument or residual.
        verdict: "caught"; "survived": no check failed; "no effect": the rule gave what it should all the same, at
            every point where the checks called it; "not run": no check called it.
        by: which check found it, and what that said.
    """

    function: str
    rule: str
    fault: str
    verdict: str
    by: str


class MutationScore(NamedTuple):
    """What `mutation_score` found; printed, a table.

    Attributes:
        mutants: every fault.
    """

    mutants: tuple[Mutant, ...]

    @property
    def score(self) -> float:
        """How many of the faults were caught, of all that made a difference or were not run; from 0 to 1."""
        counted = [m for m in self.mutants if m.verdict != "no effect"]
        return sum(m.verdict == "caught" for m in counted) / len(counted) if counted else 0.0

    @property
    def missed(self) -> tuple[Mutant, ...]:
        """Those that survived, or were not run."""
        return tuple(m for m in self.mutants if m.verdict in ("survived", "not run"))

    def __str__(self) -> str:
        without = sum(m.verdict == "no effect" for m in self.mutants)
        caught = sum(m.verdict == "caught" for m in self.mutants)
        head = f"mutation score {self.score:.0%}: {caught} of {len(self.mutants) - without} faults caught"
        head += f", {without} more had no effect." if without else "."
        rows = [("verdict", "function", "rule", "fault", "by"), *[(m.verdict, *m[:3], m.by) for m in self.mutants]]
        widths = [max(len(row[k]) for row in rows) for k in range(4)]
        lines = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[4]]) for row in rows]
        text = [head, *[f"  {line.rstrip()}" for line in lines]]
        if any(m.verdict == "not run" for m in self.mutants):
            text.append("  Not run: no check uses that rule; or a compiled function does, which was traced before.")
        return "\n".join(text)


@public
def mutation_score(
    functions: Any, checks: Callable[[], Any] | Sequence[Callable[[], Any]] | Mapping[str, Callable[[], Any]]
) -> MutationScore:
    """Plants wrong rules in custom functions, one at a time, and says which of them the given checks find.

    For every argument: a wrong sign, a factor of 2, nothing at all, one term in place of a sum over what was broadcast,
    transposed axes, a dropped conjugate, two arguments swapped; for every residual: its value of another point. A fault
    that survives shows what the checks do not look at: a mode, an argument, complex numbers, a shape that is broadcast.

    Args:
        functions: a function made by `custom_jvp`, `custom_vjp`, `custom_rule`, `custom_gradient` or
            `extend.primitive`, or several.
        checks: a function without arguments, or several, or a dict of such by name. A check finds a fault by raising,
            or by returning False or a number other than 0, as `pytest.main([...])` does.

    Returns:
        The verdict on each fault; `str` of it is a table, `.score` a number from 0 to 1.

    Raises:
        ArgumentError: something else was given, or a function has no rule that the checks call.
        CheckError: a check fails without any fault.

    Source: R. A. DeMillo, R. J. Lipton, F. G. Sayward, "Hints on test data selection", Computer 11(4), 1978.

    >>> import fgrad, numpy as np
    >>> @fgrad.custom_vjp
    ... def scaled(x, factor):
    ...     return x * factor
    >>> scaled.defvjp(lambda x, a: (x * a, (x, a)), lambda res, ct: (ct * res[1], (ct * res[0]).sum()))
    >>> x = np.array([1.0, 2.0])
    >>> def by_hand():
    ...     assert np.array_equal(fgrad.grad(lambda x: scaled(x, 3.0).sum())(x), [3.0, 3.0])
    >>> print(mutation_score(scaled, by_hand))  # it says nothing of the gradient by the factor
    mutation score 44%: 4 of 9 faults caught.
      verdict   function  rule  fault                          by
      caught    scaled    vjp   wrong sign, x                  by_hand: AssertionError
      caught    scaled    vjp   a factor of 2, x               by_hand: AssertionError
      caught    scaled    vjp   forgotten, x                   by_hand: AssertionError
      survived  scaled    vjp   wrong sign, factor
      survived  scaled    vjp   a factor of 2, factor
      survived  scaled    vjp   forgotten, factor
      survived  scaled    vjp   missing broadcast sum, factor
      survived  scaled    vjp   stale residual, res[0]
      caught    scaled    vjp   stale residual, res[1]         by_hand: AssertionError
    >>> from fgrad.testing import check_rule
    >>> mutation_score(scaled, lambda: check_rule(scaled, x, 3.0)).score
    1.0
    """
    several = list(functions) if isinstance(functions, (list, tuple)) else [functions]
    for f in several:
        if not isinstance(f, CustomFunction) and not isinstance(getattr(f, "primitive", None), ExtendedElementwise):
            what = f"mutation_score expects functions with rules of their own, got {describe(f)}."
            cure = "Pass what custom_jvp, custom_vjp, custom_rule, custom_gradient or extend.primitive made."
            raise ArgumentError(message(what, cure=cure))
    named = _named(checks)
    mutants: list[Mutant] = []
    for f in several:
        found = _mutants(f, named)
        if not found:
            what = f"mutation_score: no check calls a rule of `{_name(f)}`."
            raise ArgumentError(message(what, cure="Check derivatives of it, such as check_rule(f, *args)."))
        mutants += found
    return MutationScore(tuple(mutants))


def _named(checks: Any) -> dict[str, Callable[[], Any]]:
    if callable(checks):
        checks = [checks]
    if isinstance(checks, (list, tuple)):
        checks = {getattr(c, "__name__", "check") + (f" {i}" if i else ""): c for i, c in enumerate(checks)}
    if not isinstance(checks, Mapping) or not checks or not all(map(callable, checks.values())):
        what = f"checks of mutation_score must be functions without arguments, got {describe(checks)}."
        raise ArgumentError(message(what, cure="Write mutation_score(f, lambda: check_rule(f, x))."))
    return dict(checks)


def _name(f: Any) -> str:
    return str(f.name if isinstance(f, CustomFunction) else f.primitive.name)


def _mutants(f: Any, checks: Mapping[str, Callable[[], Any]]) -> list[Mutant]:
    """What becomes of every fault that the rules of a function can have."""
    with planted(f, None) as seen:
        for name, check in checks.items():
            failure = _failure(check)
            if failure is not None:
                named = "a check" if name == "<lambda>" else f"the check {name}"
                raise CheckError(f"mutation_score: {named} fails without any fault: {failure}")
    found = []
    for rule, arguments in seen.arguments.items():
        residuals = seen.residuals[rule]
        for fault in possible_faults(rule, list(arguments.values()), list(residuals.values())):
            with planted(f, fault) as plant:
                verdict, by = _verdict(plant, checks)
            found.append(Mutant(_name(f), rule, str(fault), verdict, by))
    return found


def _verdict(plant: Planted, checks: Mapping[str, Callable[[], Any]]) -> tuple[str, str]:
    for name, check in checks.items():
        failure = _failure(check)
        if failure is not None:
            return "caught", failure if name == "<lambda>" else f"{name}: {failure}"
    if not plant.ran:
        return "not run", ""
    return ("survived" if plant.changed else "no effect"), ""


def _failure(check: Callable[[], Any]) -> str | None:
    """What a check says that fails; `None` if it passes."""
    try:
        result = check()
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - a check may fail in any way, and pytest's errors are no Exceptions
        kind = "" if isinstance(error, CheckError) else f"{type(error).__name__}: "
        text = f"{kind}{str(error).strip()}".splitlines()[0].removesuffix(": ")
        return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
    if result is False or (isinstance(result, int) and not isinstance(result, bool) and result != 0):
        return f"returned {result!r}"
    return None
