"""Functions with a forward-mode rule of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from fgrad.control.capture import Environment
from fgrad.control.custom import CustomCall, Tangent, batched, captured_tangents, sum_tangents
from fgrad.control.custom_function import CustomFunction, FlatCall, misfit
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

__all__ = ["custom_jvp"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
Rule = Callable[[Sequence[Array], Sequence[Tangent]], tuple[list[Array], list[Tangent]]]
"""Values and tangents of the results, from the values of all arguments and the tangents of those not captured."""


class CustomJvpCall(CustomCall):
    """`custom_jvp_call(*args)`: a function whose tangent is what `rule(xs, ts)` says."""

    def pushforward(
        self, xs: Sequence[Array], ts: Sequence[Tangent], params: dict[str, Any]
    ) -> tuple[list[Array], list[Tangent]]:
        captured = params["captured"]
        if any(t is not ZERO for t in ts[captured:]):
            outs, tangents = params["rule"](xs, ts[captured:])
        else:
            outs = self.bind(*xs, **params)
            tangents = [ZERO for _ in outs]
        if any(t is not ZERO for t in ts[:captured]):
            tangents = sum_tangents(tangents, captured_tangents(xs, ts, params))
        return outs, [t if is_inexact(aval_of(y).dtype) else ZERO for t, y in zip(tangents, outs, strict=True)]

    def batch_rule(self, rule: Rule, size: int, dims: Sequence[int | None], captured: int) -> Rule:
        def over_rows(xs: Sequence[Array], ts: Sequence[Tangent]) -> tuple[list[Array], list[Tangent]]:
            nz = [t is not ZERO for t in ts]

            @wraps(rule)
            def flat(*values: Array) -> list[Array]:
                given = iter(values[len(xs) :])
                outs, tangents = rule(values[: len(xs)], [next(given) if m else ZERO for m in nz])
                return [*outs, *[instantiate(t, y) for t, y in zip(tangents, outs, strict=True)]]

            marked = [d for d, m in zip(dims[captured:], nz, strict=True) if m]
            both = batched(flat, size, [*dims, *marked])(*xs, *[t for t in ts if t is not ZERO])
            return both[: len(both) // 2], list(both[len(both) // 2 :])

        return over_rows

    def capture_rule(self, rule: Rule, tracers: Sequence[Tracer]) -> Rule:
        def open_rule(xs: Sequence[Array], ts: Sequence[Tangent]) -> tuple[list[Array], list[Tangent]]:
            with Environment(tracers, xs[: len(tracers)]) as environment:
                return environment.outside(rule(xs[len(tracers) :], ts))  # type: ignore[no-any-return]

        return open_rule


class custom_jvp(CustomFunction[P, R_co]):  # noqa: N801
    """A function with its own rule for directional derivatives, in forward and in reverse mode.

    The rule says how the function varies with its arguments. Values of outer transforms that the function closes over
    vary as the function is written.

    Args:
        fun: the function. Its arguments and results are arrays and numbers, in pytrees.
        nondiff_argnums: arguments, by position or name, that are not arrays or have no tangent; the rule gets them
            first.

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
    primitive = CustomJvpCall()

    @public
    def __init__(self, fun: Callable[P, R_co], nondiff_argnums: int | str | Iterable[int | str] = ()) -> None:
        super().__init__(fun, nondiff_argnums)
        self._rule: Callable[..., Any] | None = None

    @public
    def defjvp(self, jvp: Callable[..., Any]) -> Callable[..., Any]:
        """Sets the rule.

        Args:
            jvp: `jvp(*nondiff, primals, tangents)` returns value and tangent of the result, the latter linear in
                `tangents`. Both arguments are tuples with one entry per argument of the function; a tangent that is
                known to be 0 arrives as zeros. `None` in place of a tangent that is returned means 0.

        Returns:
            The rule, so that `defjvp` can decorate it.
        """
        check_callable(jvp, "defjvp", f"{self.name}.defjvp(rule)")
        self._rule = jvp
        return jvp

    @public
    def defjvps(self, *jvps: Callable[..., Any] | None) -> None:
        """Sets one rule per argument, whose tangents add up.

        Args:
            jvps: `jvp(t, out, *primals)` returns the tangent of the result due to that of one argument; `None` means 0.
        """
        for jvp in jvps:
            if jvp is not None:
                check_callable(jvp, "defjvps", f"{self.name}.defjvps(rule, None)")
        if self._static:
            what = f"`{self.name}` has nondiff_argnums, which the rules of defjvps know nothing of."
            raise ArgumentError(message(what, cure="Use defjvp."))

        def rule(primals: Any, tangents: Any) -> Any:
            if len(jvps) != len(primals):
                given, needed = plural(len(jvps), "rule"), plural(len(primals), "argument")
                what = f"`{self.name}` was given {given} by defjvps for {needed}."
                raise ArgumentError(message(what, cure="Give one per argument; None for a derivative of 0."))
            out = self(*primals)  # type: ignore[call-arg]
            terms = [jvp(t, out, *primals) for jvp, t in zip(jvps, tangents, strict=True) if jvp is not None]
            total = terms[0] if terms else tree_map(lambda y: instantiate(ZERO, y), out)
            for term in terms[1:]:
                total = tree_map(lambda a, b: a + b, total, term)
            return out, total

        self._rule = rule

    @public
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        if self._rule is None:
            what = f"the custom_jvp function `{self.name}` was called before it had a rule."
            raise ArgumentError(message(what, cure=f"Define one: @{self.name}.defjvp."))
        call, values = self._flatten(args, kwargs, [self._rule])
        outdef: Any = None

        def keep(found: PyTreeDef) -> None:
            nonlocal outdef
            outdef = found

        fun = self._flat_function(call, keep)
        rule = self._flat_rule(call, keep)
        outs = self.primitive.bind(*values, fun=fun, rule=rule, captured=len(call.captured))
        return outdef.unflatten(outs)  # type: ignore[no-any-return]

    def _flat_rule(self, call: FlatCall, keep: Callable[[PyTreeDef], None]) -> Rule:
        """The rule on flat values."""
        user = self._rule
        assert user is not None

        @wraps(user)
        def rule(xs: Sequence[Array], ts: Sequence[Tangent]) -> tuple[list[Array], list[Tangent]]:
            full = [instantiate(t, x) for t, x in zip(ts, xs, strict=True)]
            pair = user(*call.static, call.treedef.unflatten(xs), call.treedef.unflatten(full))
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

        if not call.captured:
            return rule
        return self.primitive.capture_rule(rule, call.captured)

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
        if t is None or not is_inexact(y.dtype):
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
