"""Functions with a forward-mode rule of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from fgrad.control.custom import Tangent
from fgrad.control.custom_function import Argnums, CustomFunction, FlatCall, Keep, misfit
from fgrad.control.custom_rules import JvpRule, custom_jvp_call
from fgrad.control.symbolic import SymbolicZero
from fgrad.core.aval import Array, aval_of, is_inexact
from fgrad.core.boundary import check_callable, flat_outputs, place_of
from fgrad.core.interpreter import Tracer
from fgrad.core.primitive import ZERO, instantiate
from fgrad.errors import ArgumentError, NonDifferentiableError, OutputTypeError, ShapeError, message, public
from fgrad.primitives.shape import convert_element_type
from fgrad.tree import PyTreeDef
from fgrad.tree import map as tree_map
from fgrad.tree.table import describe
from fgrad.tree.text import plural

__all__ = ["WithJvp", "custom_jvp"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class WithJvp(CustomFunction[P, R_co]):
    """A function that may be given a forward-mode rule."""

    _jvp: Callable[..., Any] | None = None
    _jvps: tuple[Callable[..., Any] | None, ...] | None = None
    _symbolic_tangents = False

    @public
    def defjvp(self, jvp: Callable[..., Any], symbolic_zeros: bool = False) -> Callable[..., Any]:
        """Sets the rule.

        Args:
            jvp: `jvp(*nondiff, primals, tangents)` returns value and tangent of the result, the latter linear in
                `tangents`. Both arguments are tuples with one entry per argument of the function, those that can only
                be given by name last; a tangent that is known to be 0 arrives as zeros. `None` in place of a tangent
                that is returned means 0.
            symbolic_zeros: a tangent that is known to be 0 arrives as a `SymbolicZero`, and may be returned as one.

        Returns:
            The rule, so that `defjvp` can decorate it.
        """
        check_callable(jvp, "defjvp", f"{self.name}.defjvp(rule)")
        self._jvp, self._jvps, self._symbolic_tangents = jvp, None, symbolic_zeros
        return jvp

    @public
    def defjvps(self, *jvps: Callable[..., Any] | None) -> None:
        """Sets one rule per argument, whose tangents add up.

        Args:
            jvps: `jvp(t, out, *primals)` returns the tangent of the result due to that of one argument; `None` means 0.
                It is not called where `t` is known to be 0.
        """
        for jvp in jvps:
            if jvp is not None:
                check_callable(jvp, "defjvps", f"{self.name}.defjvps(rule, None)")
        if self.static:
            what = f"`{self.name}` has nondiff_argnums, which the rules of defjvps know nothing of."
            raise ArgumentError(message(what, cure="Use defjvp."))
        self._jvp, self._jvps = None, jvps

    @property
    def has_jvp(self) -> bool:
        """Whether there is a forward-mode rule."""
        return self._jvp is not None or self._jvps is not None

    def _flat_jvp(self, call: FlatCall, keep: Keep) -> JvpRule | None:
        if not self.has_jvp:
            return None

        def rule(xs: Sequence[Array], ts: Sequence[Tangent]) -> tuple[list[Array], list[Tangent]]:
            pair = self._pushed(call, xs, ts)
            if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
                what = f"the jvp rule of `{self.name}` must return (out, tangent), but it returned {describe(pair)}."
                raise OutputTypeError(message(what, cure="Return the value of the function and its tangent."))
            outs, outdef = flat_outputs(pair[0], "its jvp rule", self.fun)
            keep(outdef)
            fault = f"the jvp rule of `{self.name}` returned a tangent that is not like its value,"
            tangents = outdef.flatten_up_to(pair[1], fault=fault)
            varying = [t for t in ts if t is not ZERO]
            constant = all(type(t) is Tracer for t in varying)
            checked = [self._tangent(t, i, outs, outdef, constant) for i, t in enumerate(tangents)]
            return outs, checked

        return rule if self._jvp is None else wraps(self._jvp)(rule)

    def _pushed(self, call: FlatCall, xs: Sequence[Array], ts: Sequence[Tangent]) -> Any:
        """What the user's rule returns."""
        primals = call.treedef.unflatten(xs)
        if self._symbolic_tangents:
            full = [SymbolicZero(a) if t is ZERO else t for t, a in zip(ts, call.avals, strict=True)]
        else:
            full = [instantiate(t, x) for t, x in zip(ts, xs, strict=True)]
        tangents = call.treedef.unflatten(full)
        if self._jvp is not None:
            return self._jvp(*call.static, primals, tangents)
        return self._summed(call, primals, tangents, call.given([t is not ZERO for t in ts]))

    def _summed(self, call: FlatCall, primals: Any, tangents: Any, given: Sequence[bool]) -> Any:
        """Value and tangent by one rule per argument."""
        jvps = self._jvps
        assert jvps is not None
        if len(jvps) != len(primals):
            rules, needed = plural(len(jvps), "rule"), plural(len(primals), "argument")
            what = f"`{self.name}` was given {rules} by defjvps for {needed}."
            raise ArgumentError(message(what, cure="Give one per argument; None for a derivative of 0."))
        count = len(primals) - len(call.keywords)
        out = self(*primals[:count], **dict(zip(call.keywords, primals[count:], strict=True)))
        chosen = [(jvp, t) for jvp, t, m in zip(jvps, tangents, given, strict=True) if jvp is not None and m]
        terms = [jvp(t, out, *primals) for jvp, t in chosen]
        total = terms[0] if terms else tree_map(lambda y: None, out)
        for term in terms[1:]:
            total = tree_map(lambda a, b: a + b, total, term)
        return out, total

    def _tangent(self, t: Any, index: int, outs: Sequence[Array], outdef: PyTreeDef, constant: bool) -> Tangent:
        """A tangent that the rule returned, of the shape and dtype of its value.

        Args:
            t: what was returned, `None` for 0.
            index: which of the results it belongs to.
            outs: the values of all results.
            outdef: their structure.
            constant: whether it is constant if it is not traced.
        """
        y = aval_of(outs[index])
        if t is None or isinstance(t, SymbolicZero) or not is_inexact(y.dtype):
            return ZERO
        rule = f"the jvp rule of `{self.name}` returned"

        def where() -> str:
            return place_of([outdef.unflatten(outs)], ["output"], index)

        try:
            got = aval_of(t)
        except TypeError:
            what = f"{rule} {describe(t)} for the tangent of {where()}, which is {y}."
            raise misfit(t)(message(what, cure="Return an array of that shape; None for 0.")) from None
        if got.shape != y.shape:
            what = f"{rule} a tangent {got} for {where()}, which is {y}."
            raise ShapeError(message(what, cure="A tangent has the shape of its value."))
        if constant and type(t) is not Tracer and np.any(t):
            what = f"{rule} a tangent for {where()} that does not depend on the tangents of the arguments."
            raise NonDifferentiableError(
                message(what, cure="It must be linear in them: multiply by the tangent; None for 0.")
            )
        return t if got.dtype == y.dtype else convert_element_type(t, dtype=y.dtype)


class custom_jvp(WithJvp[P, R_co]):  # noqa: N801
    """A function with its own rule for directional derivatives, in forward and in reverse mode.

    The rule says how the function varies with its arguments. Values of outer transforms that the function closes over
    vary as the function is written.

    Args:
        fun: the function. Its arguments and results are arrays and numbers, in pytrees.
        nondiff_argnums: arguments, by position or name, that are not arrays or have no tangent; the rule gets them
            first.
        nondiff_argnames: further ones, by name.

    Returns:
        The function; `defjvp` gives it its rule.

    Raises:
        ArgumentError: (when it is called) there is no rule, or an argument is not an array.
        TreeStructureError: (when it is differentiated) value and tangent differ in structure.
        ShapeError: (likewise) a tangent has not the shape of its value.

    >>> import fgrad, numpy as np
    >>> @fgrad.custom_jvp
    ... def log1pexp(x):
    ...     return np.log1p(np.exp(x))
    >>> @log1pexp.defjvp
    ... def log1pexp_jvp(primals, tangents):
    ...     (x,), (t,) = primals, tangents
    ...     return log1pexp(x), t / (1 + np.exp(-x))
    >>> fgrad.grad(log1pexp)(0.0)
    np.float64(0.5)
    """

    kind = "custom_jvp"
    primitive = custom_jvp_call

    @public
    def __init__(self, fun: Callable[P, R_co], nondiff_argnums: Argnums = (), nondiff_argnames: Argnums = ()) -> None:
        super().__init__(fun, nondiff_argnums, nondiff_argnames)

    def _rules(self) -> list[Any]:
        if not self.has_jvp:
            what = f"the custom_jvp function `{self.name}` was called before it had a rule."
            raise ArgumentError(message(what, cure=f"Define one: @{self.name}.defjvp."))
        return [self._jvp, self._jvps]
