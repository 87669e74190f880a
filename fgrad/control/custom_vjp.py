"""Functions with a reverse-mode rule of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from fgrad.control.capture import with_captured
from fgrad.control.custom import CustomCall, Tangent, batched, captured_tangents, sum_tangents, to_front
from fgrad.control.custom_function import CustomFunction, FlatCall, misfit
from fgrad.control.custom_linear import custom_linear
from fgrad.core.aval import Array, aval_of, is_inexact
from fgrad.core.boundary import check_callable, flat_outputs
from fgrad.core.interpreter import Tracer
from fgrad.core.primitive import ZERO, instantiate
from fgrad.errors import ArgumentError, OutputTypeError, ShapeError, TreeStructureError, message, public
from fgrad.primitives.shape import convert_element_type, move_axis, reduce_sum
from fgrad.transforms.batch import batch
from fgrad.tree import PyTreeDef
from fgrad.tree.table import describe
from fgrad.tree.text import plural

__all__ = ["custom_vjp"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class VjpRule(NamedTuple):
    """A reverse-mode rule on flat values.

    Attributes:
        fwd: `fwd(*xs)` gives results and residuals; `xs` begin with the captured values.
        bwd: `bwd(*res, *cts)` gives the cotangents of those `xs` that are not captured.
    """

    fwd: Callable[..., tuple[list[Array], list[Array]]]
    bwd: Callable[..., list[Array]]


class CustomVjpCall(CustomCall):
    """`custom_vjp_call(*args)`: a function whose cotangents are what `rule` says."""

    def pushforward(
        self, xs: Sequence[Array], ts: Sequence[Tangent], params: dict[str, Any]
    ) -> tuple[list[Array], list[Tangent]]:
        captured = params["captured"]
        if any(t is not ZERO for t in ts[captured:]):
            outs, tangents = _linearized(params["rule"], xs, ts[captured:])
        else:
            outs = self.bind(*xs, **params)
            tangents = [ZERO for _ in outs]
        if any(t is not ZERO for t in ts[:captured]):
            tangents = sum_tangents(tangents, captured_tangents(xs, ts, params))
        return outs, [t if is_inexact(aval_of(y).dtype) else ZERO for t, y in zip(tangents, outs, strict=True)]

    def batch_rule(self, rule: VjpRule, size: int, dims: Sequence[int | None], captured: int) -> VjpRule:
        count = 0
        res_dims: list[int | None] = []

        def fwd(*xs: Array) -> tuple[list[Array], list[Array]]:
            @wraps(rule.fwd)
            def flat(*values: Array) -> list[Array]:
                nonlocal count
                outs, res = rule.fwd(*values)
                count = len(outs)
                return [*outs, *res]

            both, both_dims = batch(flat, size, xs, dims)
            res_dims[:] = both_dims[count:]
            return [to_front(y, d, size) for y, d in zip(both[:count], both_dims, strict=False)], both[count:]

        def bwd(*values: Array) -> list[Array]:
            mapped = [*res_dims, *[0] * (len(values) - len(res_dims))]
            cts = batched(rule.bwd, size, mapped)(*values)
            return [_unmapped(ct, dim) for ct, dim in zip(cts, dims[captured:], strict=True)]

        return VjpRule(fwd, bwd)

    def capture_rule(self, rule: VjpRule, tracers: Sequence[Tracer]) -> VjpRule:
        fwd = with_captured(tracers, rule.fwd)

        def fwd_keeping(*xs: Array) -> tuple[list[Array], list[Array]]:
            outs, res = fwd(*xs)
            return outs, [*xs[: len(tracers)], *res]

        return VjpRule(fwd_keeping, with_captured(tracers, rule.bwd))


def _linearized(rule: VjpRule, xs: Sequence[Array], ts: Sequence[Tangent]) -> tuple[list[Array], list[Any]]:
    """Results, and their tangents as linear maps whose transpose is the rule."""
    outs, res = rule.fwd(*xs)
    full = [instantiate(t, x) for t, x in zip(ts, xs[len(xs) - len(ts) :], strict=True)]
    avals = tuple(aval_of(y) for y in outs)
    return outs, custom_linear(*res, *full, bwd=rule.bwd, count=len(res), avals=avals)


def _unmapped(ct: Array, dim: int | None) -> Array:
    """The cotangent of an argument from those of its rows: their sum where it was not mapped."""
    return reduce_sum(ct, axes=(0,)) if dim is None else move_axis(ct, 0, dim)


class custom_vjp(CustomFunction[P, R_co]):  # noqa: N801
    """A function with its own rule for reverse mode; forward mode transposes that rule.

    The rule says how the function varies with its arguments. Values of outer transforms that the function closes over
    vary as the function is written.

    Args:
        fun: the function. Its arguments and results are arrays and numbers, in pytrees.
        nondiff_argnums: arguments, by position or name, that are not arrays or have no cotangent; `bwd` gets them
            first.

    Returns:
        The function; `defvjp` gives it its rule.

    Raises:
        ArgumentError: (when it is called) there is no rule, or an argument is not an array.
        TreeStructureError: (when it is differentiated) the cotangents have not the structure of the arguments.
        ShapeError: (likewise) a cotangent has not the shape of its argument.

    >>> import fgrad, numpy as np
    >>> @fgrad.custom_vjp
    ... def clip_gradient(x):
    ...     return x
    >>> clip_gradient.defvjp(lambda x: (x, None), lambda res, ct: (np.clip(ct, -1.0, 1.0),))
    >>> fgrad.grad(lambda x: 5.0 * clip_gradient(x))(2.0)
    np.float64(1.0)
    """

    kind = "custom_vjp"
    primitive = CustomVjpCall()

    @public
    def __init__(self, fun: Callable[P, R_co], nondiff_argnums: int | str | Iterable[int | str] = ()) -> None:
        super().__init__(fun, nondiff_argnums)
        self._fwd: Callable[..., Any] | None = None
        self._bwd: Callable[..., Any] | None = None

    @public
    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Sets the rule.

        Args:
            fwd: takes the arguments of the function; returns `(out, res)`, the residuals any pytree of arrays.
            bwd: `bwd(*nondiff, res, ct)` returns a tuple with the cotangent of every other argument, linear in `ct`;
                `None` means 0, for an argument or for an array in it.
        """
        for rule in (fwd, bwd):
            check_callable(rule, "defvjp", f"{self.name}.defvjp(fwd, bwd)")
        self._fwd, self._bwd = fwd, bwd

    @public
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        if self._fwd is None or self._bwd is None:
            what = f"the custom_vjp function `{self.name}` was called before it had a rule."
            raise ArgumentError(message(what, cure=f"Define one: {self.name}.defvjp(fwd, bwd)."))
        call, values = self._flatten(args, kwargs, [self._fwd, self._bwd])
        outdef: Any = None

        def keep(found: PyTreeDef) -> None:
            nonlocal outdef
            outdef = found

        fun = self._flat_function(call, keep)
        rule = self._flat_rule(call, keep, lambda: outdef)
        outs = self.primitive.bind(*values, fun=fun, rule=rule, captured=len(call.captured))
        return outdef.unflatten(outs)  # type: ignore[no-any-return]

    def _flat_rule(self, call: FlatCall, keep: Callable[[PyTreeDef], None], outdef: Callable[[], PyTreeDef]) -> VjpRule:
        """The rule on flat values."""
        user_fwd, user_bwd = self._fwd, self._bwd
        assert user_fwd is not None
        assert user_bwd is not None
        resdef: Any = None

        @wraps(user_fwd)
        def fwd(*xs: Array) -> tuple[list[Array], list[Array]]:
            nonlocal resdef
            pair = user_fwd(*call.rebuild(xs))
            if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
                what = f"the forward rule of `{self.name}` must return (out, res), but it returned {describe(pair)}."
                cure = "Return the value, and what the backward rule needs (None if nothing)."
                raise OutputTypeError(message(what, cure=cure))
            outs, found = flat_outputs(pair[0], "its forward rule", self.fun)
            res, resdef = flat_outputs(pair[1], "the residuals of its forward rule", self.fun)
            keep(found)
            return outs, res

        @wraps(user_bwd)
        def bwd(*values: Array) -> list[Array]:
            count = resdef.num_leaves
            res, ct = resdef.unflatten(values[:count]), outdef().unflatten(values[count:])
            flat = self._cotangents(user_bwd(*call.static, res, ct), call)
            return [self._cotangent(c, i, call) for i, c in enumerate(flat)]

        bwd.__dict__["described"] = f"the backward rule of `{self.name}`"
        rule = VjpRule(fwd, bwd)
        return self.primitive.capture_rule(rule, call.captured) if call.captured else rule

    def _cotangents(self, cts: Any, call: FlatCall) -> list[Any]:
        """What the backward rule returned, one entry per leaf of the arguments."""
        expected = call.treedef.children()
        if not isinstance(cts, (tuple, list)) or len(cts) != len(expected):
            needed = f"{plural(len(expected), 'cotangent')} ({', '.join(call.names)})"
            rule = f"the backward rule of `{self.name}`"
            what = f"{rule} must return a tuple of {needed}, but it returned {describe(cts)}."
            cure = "Return one per argument; None for 0."
            if len(expected) == 1:
                cure = "Return (ct,): a tuple also for one argument."
            raise TreeStructureError(message(what, cure=cure))
        flat: list[Any] = []
        for ct, argument, name in zip(cts, expected, call.names, strict=True):
            fault = f"the backward rule of `{self.name}` returned a cotangent that is not like the argument {name},"
            flat += [None] * argument.num_leaves if ct is None else argument.flatten_up_to(ct, fault=fault)
        return flat

    def _cotangent(self, ct: Any, index: int, call: FlatCall) -> Array:
        """A cotangent that the backward rule returned, of the shape of its argument; zeros for `None` and for
        integers."""
        aval = call.avals[index]
        if ct is None or not is_inexact(aval.dtype):
            return np.zeros(aval.shape, aval.dtype)
        rule = f"the backward rule of `{self.name}`"
        try:
            got = aval_of(ct)
        except TypeError:
            what = f"{rule} returned {describe(ct)} as the cotangent of {call.place(index)}, which is {aval}."
            raise misfit(ct)(message(what, cure="Return an array of that shape; None for 0.")) from None
        if got.shape != aval.shape:
            what = f"{rule} returned a cotangent {got} for {call.place(index)}, which is {aval}."
            cure = "A cotangent has the shape of its argument: sum over what was broadcast."
            raise ShapeError(message(what, cure=cure))
        return ct if got.dtype == aval.dtype else convert_element_type(ct, dtype=aval.dtype)
