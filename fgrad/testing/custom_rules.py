"""Rules of custom functions held against the functions as they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import MethodType
from typing import Any, NamedTuple

import numpy as np

from fgrad.api.linear import jvp, vjp
from fgrad.control.custom_function import CustomFunction
from fgrad.control.custom_jvp import WithJvp
from fgrad.core.aval import Array
from fgrad.errors import ArgumentError, FgradError, message, public
from fgrad.testing.compare import Difference, different_types, rounding, unequal, worst
from fgrad.testing.points import Direction, Point, dot
from fgrad.testing.references import Reference, directional_derivative
from fgrad.tree import flatten
from fgrad.tree.table import describe

__all__ = ["RuleReport", "check_rule"]

_SCALES = (1.0, 1.0, 1000.0)  # a rule that is not linear shows at another scale
_ELEMENTS = 64


class RuleReport(NamedTuple):
    """What `check_rule` found of a rule that is right.

    Attributes:
        name: the function.
        compared: how many arrays of tangents and cotangents were compared.
        notes: where the function has a kink, or where its derivative as it is written cannot be trusted.
    """

    name: str
    compared: int
    notes: tuple[str, ...]


@public
def check_rule(f: Callable[..., Any], *args: Any, rtol: float | None = None, **kwargs: Any) -> RuleReport:
    """Checks that the rules of a custom function agree with the function as it is written.

    The function without its rules is differentiated operation by operation, and the two are compared along random
    directions: tangents if there is a forward-mode rule, and cotangents. Where they differ, the differences of the
    function decide: at a kink, and where its operations have no finite derivative although the rule has the right one,
    that is reported and is no failure.

    Args:
        f: a function made by `custom_jvp`, `custom_vjp`, `custom_rule` or `custom_gradient`.
        args: its arguments, and `kwargs`, those by name.
        rtol: how far derivatives may differ relative to their size; by default by rounding, in the precision of their
            dtypes.

    Returns:
        How much was compared, and notes on kinks and the like.

    Raises:
        ArgumentError: `f` has no rule.
        CheckError: a rule disagrees with the function; names the argument, what was expected, and what the rule says.

    >>> import fgrad, numpy as np
    >>> cube = fgrad.custom_vjp(lambda x: x**3)
    >>> cube.defvjp(lambda x: (x**3, x), lambda x, ct: (3.0 * x**2 * ct,))
    >>> check_rule(cube, np.array([1.0, 2.0])).notes
    ()
    >>> cube.defvjp(lambda x: (x**3, x), lambda x, ct: (-3.0 * x**2 * ct,))
    >>> check_rule(cube, 2.0)
    Traceback (most recent call last):
        ...
    fgrad.errors.CheckError: check_rule of `<lambda>`: the cotangent of x is wrong.
      at x: expected -1.585258359, got 1.585258359: relative error 2, allowed 9.2e-13
    """
    custom, bound = _custom(f)
    names, full = custom.bound_arguments((*bound, *args), kwargs)
    places = [place for place in full if place not in custom.static]

    def of(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*values: Any) -> Any:
            given = {**full, **dict(zip(places, values, strict=True))}
            positional = [x for place, x in given.items() if isinstance(place, int)]
            return function(*positional, **{place: x for place, x in given.items() if isinstance(place, str)})

        called.__name__ = custom.name
        return called

    point = Point(of(custom.fun), [full[place] for place in places], "check_rule")
    point.names = [names[place] for place in places]
    if not point.moved:
        raise ArgumentError(message(f"check_rule of `{point.name}`: no argument is a floating-point or complex array."))
    return _Check(point, of(custom), rtol).run(isinstance(custom, WithJvp) and custom.has_jvp)


def _custom(f: Any) -> tuple[CustomFunction[..., Any], tuple[Any, ...]]:
    """The custom function, and the instance that it is a method of, if it is one."""
    bound: tuple[Any, ...] = ()
    if isinstance(f, MethodType):
        f, bound = f.__func__, (f.__self__,)
    if not isinstance(f, CustomFunction):
        what = f"check_rule expects a function with a rule of its own, got {describe(f)}."
        raise ArgumentError(
            message(what, cure="Pass what custom_jvp, custom_vjp, custom_rule or custom_gradient made.")
        )
    return f, bound


class _Check:
    """One function with rules at a point."""

    def __init__(self, point: Point, ruled: Callable[..., Any], rtol: float | None) -> None:
        self.point, self.ruled, self.rtol = point, ruled, rtol
        self.rng = np.random.default_rng(0)
        self.compared = 0
        self.notes: dict[str, None] = {}

    def run(self, forward: bool) -> RuleReport:
        self._check_value(self.ruled(*self.point.args), "the function returns another value when it is called again")
        for scale in _SCALES:
            ts = [None if t is None else (scale * t).astype(t.dtype)[()] for t in self.point.direction(self.rng)]
            if forward:
                self._check_tangent(ts)
            cts = [(scale * np.asarray(ct)).astype(np.asarray(ct).dtype)[()] for ct in self.point.cotangents(self.rng)]
            self._check_cotangents(cts)
        self._note_kinks(self._reference(self.point.direction(self.rng)))
        return RuleReport(self.point.name, self.compared, tuple(self.notes))

    def _ruled(self, derivative: Callable[[], Any], mode: str) -> Any:
        """What the rule says; what it does wrong by itself is told as a failure of this check."""
        try:
            return derivative()
        except FgradError as error:
            raise self.point.failure(f"the {mode} rule fails.", *str(error).splitlines()) from error

    def _check_value(self, out: Any, what: str) -> None:
        outs, outdef = flatten(out)
        if outdef != self.point.outdef:
            raise self.point.failure(f"{what}: the structure is {outdef}, not {self.point.outdef}.")
        for i, (expected, got) in enumerate(zip(self.point.outs, outs, strict=True)):
            wrong = unequal(np.asarray(expected), np.asarray(got), None, self.rtol)
            if wrong:
                raise self.point.failure(f"{what}.", f"at {self.point.out_place(i)}{wrong}")

    def _check_tangent(self, ts: Direction) -> None:
        point = self.point
        along = point.tangent_tree(ts)
        out, tangent = self._ruled(lambda: jvp(self.ruled, point.args, along), "forward-mode")
        self._check_value(out, "the forward-mode rule returns another value")
        expected, got = flatten(jvp(point.f, point.args, along)[1])[0], flatten(tangent)[0]
        reference: Reference | None = None
        for j, i in enumerate(point.moving):
            self._check_types(expected[i], got[i], f"the tangent of {point.out_place(i)}")
            for difference in self._differences(expected[i], got[i]):
                reference = reference or self._reference(ts)
                if self._excused(reference, j, difference, f"{point.out_place(i)}{_at(difference)}"):
                    continue
                raise point.failure(
                    "the tangent is wrong.", f"at {point.out_place(i)}{difference}", *self._guilty(ts, i)
                )

    def _guilty(self, ts: Direction, output: int) -> list[str]:
        """With respect to which arguments a tangent is wrong."""
        point = self.point
        if len(point.moved) == 1:
            return [f"with respect to {point.arg_place(point.moved[0])}"]
        lines = []
        for i in point.moved:
            along = point.tangent_tree([t if i == j else None for j, t in enumerate(ts)])
            expected = flatten(jvp(point.f, point.args, along)[1])[0][output]
            difference = next(
                self._differences(expected, flatten(jvp(self.ruled, point.args, along)[1])[0][output]), None
            )
            if difference is not None:
                lines.append(f"with respect to {point.arg_place(i)}: at {point.out_place(output)}{difference}")
        return lines

    def _check_cotangents(self, cts: Sequence[Array]) -> None:
        point = self.point
        ct = point.cotangent_tree(cts)
        out, pullback = self._ruled(lambda: vjp(self.ruled, *point.args), "reverse-mode")
        self._check_value(out, "the reverse-mode rule returns another value")
        got = flatten(self._ruled(lambda: pullback(ct), "reverse-mode"))[0]
        expected = flatten(vjp(point.f, *point.args)[1](ct))[0]
        for i in point.moved:
            place = point.arg_place(i)
            self._check_types(expected[i], got[i], f"the cotangent of {place}")
            for difference in self._differences(expected[i], got[i]):
                unit = np.zeros_like(np.asarray(point.leaves[i]))
                unit[difference.element] = 1
                reference = self._reference([unit[()] if i == k else None for k in range(len(point.leaves))])
                at = f"{place}{_at(difference)}"
                if not self._excused_element(reference, cts, difference, at):
                    raise point.failure(f"the cotangent of {place} is wrong.", f"at {place}{difference}")

    def _check_types(self, expected: Array, got: Array, what: str) -> None:
        self.compared += 1
        wrong = different_types(np.asarray(expected), np.asarray(got))
        if wrong:
            raise self.point.failure(f"{what} has another type: {wrong}.")

    def _differences(self, expected: Array, got: Array) -> Iterator[Difference]:
        """Where a derivative differs from what is expected by more than rounding, the worst place first."""
        expected, got = np.array(expected), np.array(got)
        for _ in range(_ELEMENTS):
            difference = worst(expected, got, self._allowed(expected))
            if difference is None:
                return
            yield difference
            got[difference.element] = expected[difference.element]

    def _allowed(self, expected: Array) -> Array:
        if self.rtol is not None:
            return self.rtol * np.where(np.isfinite(expected), np.abs(expected), 0.0)
        return rounding(expected, self.point.precision)

    def _reference(self, ts: Direction) -> Reference:
        return directional_derivative(self.point.call, self.point.leaves, ts)

    def _excused(self, reference: Reference, j: int, difference: Difference, place: str) -> bool:
        """Whether differences of the function say that it is not the rule that is wrong."""
        element = difference.element
        kink = bool(np.asarray(reference.kinks[j])[element])
        value, error = (np.asarray(part[j])[element] for part in (reference.values, reference.errors))
        reliable = bool(np.asarray(reference.reliable[j])[element])
        return self._judged(difference, value, error, reliable, kink, place)

    def _excused_element(self, reference: Reference, cts: Sequence[Array], difference: Difference, place: str) -> bool:
        """The same for an element of a cotangent: it is the derivative along that element, weighed by cotangents."""
        kink = any([bool(np.any(kinks)) for kinks in reference.kinks])
        reliable = all([bool(np.all(flags)) for flags in reference.reliable])
        value, _ = dot(cts, reference.values)
        error, _ = dot([np.abs(ct) for ct in cts], [np.abs(e) for e in reference.errors])
        return self._judged(difference, value, error, reliable, kink, place)

    def _judged(self, difference: Difference, value: Any, error: Any, reliable: bool, kink: bool, place: str) -> bool:
        if kink:
            self._note(f"the function has a kink at {place}: the rule says {difference.got:.6g}.")
            return True
        right = reliable and abs(difference.got - value) <= 10 * abs(error) + self._allowed(np.asarray(value))
        if right:
            told = f"the rule is right at {place} ({difference.got:.6g}), the operations say {difference.expected:.6g}."
            self._note(told)
        elif not reliable and not np.isfinite(difference.expected):
            self._note(f"the derivative of the operations is {difference.expected} at {place}: not judged.")
            return True
        return bool(right)

    def _note_kinks(self, reference: Reference) -> None:
        for j, kinks in enumerate(reference.kinks):
            for element in np.argwhere(np.asarray(kinks))[:_ELEMENTS]:
                at = f"[{', '.join(map(str, element))}]" if len(element) else ""
                self._note(f"the function has a kink: at {self.point.out_place(self.point.moving[j])}{at}.")

    def _note(self, text: str) -> None:
        self.notes[text] = None


def _at(difference: Difference) -> str:
    return f"[{', '.join(map(str, difference.element))}]" if difference.element else ""
