"""Functions with a reverse-mode rule of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from fgrad.control.custom_function import Argnums, CustomFunction, FlatCall, Keep, misfit
from fgrad.control.custom_rules import Forward, VjpRule, custom_vjp_call
from fgrad.control.symbolic import CustomVJPPrimal, SymbolicZero
from fgrad.core.aval import Array, ShapedArray, aval_of, is_inexact
from fgrad.core.boundary import check_callable, flat_outputs
from fgrad.core.primitive import ZERO
from fgrad.errors import ArgumentError, OutputTypeError, ShapeError, TreeStructureError, message, public
from fgrad.primitives.shape import convert_element_type
from fgrad.tree import PyTreeDef
from fgrad.tree.table import describe
from fgrad.tree.text import plural

__all__ = ["ReverseRule", "WithVjp", "as_given", "custom_vjp"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class ReverseRule(CustomFunction[P, R_co]):
    """A function with a reverse-mode rule, whose cotangents are checked."""

    def _cotangents(self, cts: Any, call: FlatCall) -> list[Array]:
        """What the backward rule returned, one array per leaf of the arguments."""
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
            flat += (
                [None] * argument.num_leaves
                if ct is None or isinstance(ct, SymbolicZero)
                else argument.flatten_up_to(ct, fault=fault)
            )
        return [self._cotangent(ct, i, call) for i, ct in enumerate(flat)]

    def _cotangent(self, ct: Any, index: int, call: FlatCall) -> Array:
        """A cotangent that the backward rule returned, of the shape of its argument; zeros for `None` and for
        integers."""
        aval = call.avals[index]
        if ct is None or isinstance(ct, SymbolicZero) or not is_inexact(aval.dtype):
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


class WithVjp(ReverseRule[P, R_co]):
    """A function that may be given a reverse-mode rule."""

    _fwd: Callable[..., Any] | None = None
    _bwd: Callable[..., Any] | None = None
    _symbolic_cotangents = False

    @public
    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any], symbolic_zeros: bool = False) -> None:
        """Sets the rule.

        Args:
            fwd: takes the arguments of the function; returns `(out, res)`, the residuals any pytree of arrays.
            bwd: `bwd(*nondiff, res, ct)` returns a tuple with the cotangent of every other argument, those that can
                only be given by name last, linear in `ct`; `None` means 0, for an argument or for an array in it.
            symbolic_zeros: every array in the arguments of `fwd` is a `CustomVJPPrimal`, which has a `value` and says
                whether it is `perturbed`; a cotangent that is known to be 0 reaches `bwd` as a `SymbolicZero`.
        """
        for rule in (fwd, bwd):
            check_callable(rule, "defvjp", f"{self.name}.defvjp(fwd, bwd)")
        self._fwd, self._bwd, self._symbolic_cotangents = fwd, bwd, symbolic_zeros

    def _flat_vjp(self, call: FlatCall, keep: Keep) -> VjpRule | None:
        user_fwd = self._fwd
        if user_fwd is None:
            return None
        symbolic = self._symbolic_cotangents

        @wraps(user_fwd)
        def rule(xs: Sequence[Array], nz: Sequence[bool]) -> Forward:
            values = list(map(CustomVJPPrimal, xs, nz)) if symbolic else xs
            args, kwargs = call.rebuild(values)
            pair = user_fwd(*args, **kwargs)
            if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
                what = f"the forward rule of `{self.name}` must return (out, res), but it returned {describe(pair)}."
                cure = "Return the value, and what the backward rule needs (None if nothing)."
                raise OutputTypeError(message(what, cure=cure))
            outs, outdef = flat_outputs(pair[0], "its forward rule", self.fun)
            res, resdef = flat_outputs(pair[1], "the residuals of its forward rule", self.fun)
            keep(outdef)
            return Forward(outs, res, self._flat_bwd(call, outdef, resdef, [aval_of(y) for y in outs]))

        return rule

    def _flat_bwd(
        self, call: FlatCall, outdef: PyTreeDef, resdef: PyTreeDef, avals: Sequence[ShapedArray]
    ) -> Callable[..., list[Array]]:
        """The backward rule on flat values."""
        user_bwd, symbolic = self._bwd, self._symbolic_cotangents
        assert user_bwd is not None

        @wraps(user_bwd)
        def bwd(*values: Array) -> list[Array]:
            count = resdef.num_leaves
            cts = [as_given(ct, aval, symbolic) for ct, aval in zip(values[count:], avals, strict=True)]
            found = user_bwd(*call.static, resdef.unflatten(values[:count]), outdef.unflatten(cts))
            return self._cotangents(found, call)

        bwd.__dict__["described"] = f"the backward rule of `{self.name}`"
        return bwd


def as_given(ct: Any, aval: ShapedArray, symbolic: bool = False) -> Any:
    """A cotangent as the backward rule gets it."""
    if ct is not ZERO:
        return ct
    return SymbolicZero(aval) if symbolic else np.zeros(aval.shape, aval.dtype)


class custom_vjp(WithVjp[P, R_co]):  # noqa: N801
    """A function with its own rule for reverse mode; forward mode transposes that rule.

    The rule says how the function varies with its arguments. Values of outer transforms that the function closes over
    vary as the function is written.

    Args:
        fun: the function. Its arguments and results are arrays and numbers, in pytrees.
        nondiff_argnums: arguments, by position or name, that are not arrays or have no cotangent; `bwd` gets them
            first.
        nondiff_argnames: further ones, by name.

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
    primitive = custom_vjp_call

    @public
    def __init__(self, fun: Callable[P, R_co], nondiff_argnums: Argnums = (), nondiff_argnames: Argnums = ()) -> None:
        super().__init__(fun, nondiff_argnums, nondiff_argnames)

    def _rules(self) -> list[Any]:
        if self._fwd is None:
            what = f"the custom_vjp function `{self.name}` was called before it had a rule."
            raise ArgumentError(message(what, cure=f"Define one: {self.name}.defvjp(fwd, bwd)."))
        return [self._fwd, self._bwd]
