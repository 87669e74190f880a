"""Functions that return their own pullback."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from fgrad.control.capture import captured_tracers, with_captured
from fgrad.control.custom_function import FlatCall, Keep
from fgrad.control.custom_rules import Forward, VjpRule, custom_vjp_call
from fgrad.control.custom_vjp import ReverseRule, as_given
from fgrad.core.aval import Array, aval_of
from fgrad.core.boundary import check_callable, flat_outputs
from fgrad.core.interpreter import Tracer, reachable
from fgrad.core.primitive import ZERO
from fgrad.errors import OutputTypeError, message, public
from fgrad.transforms.jvp import Jvp
from fgrad.tree import structure
from fgrad.tree.table import describe

__all__ = ["custom_gradient"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class CustomGradient(ReverseRule[P, R_co]):
    """A function made by `custom_gradient`."""

    kind = "custom_gradient"
    primitive = custom_vjp_call

    def __init__(self, both: Callable[P, tuple[R_co, Callable[..., Any]]]) -> None:
        @wraps(both)
        def value(*args: P.args, **kwargs: P.kwargs) -> R_co:
            out, _ = self._pair(*args, **kwargs)
            return out  # type: ignore[no-any-return]

        self._both = both
        super().__init__(value)

    def _rules(self) -> list[Any]:
        return [self._both]

    def _pair(self, *args: Any, **kwargs: Any) -> tuple[Any, Callable[..., Any]]:
        """Value and pullback, as the user's function returns them."""
        pair = self._both(*args, **kwargs)
        if not (isinstance(pair, tuple) and len(pair) == 2 and callable(pair[1])):
            what = f"`{self.name}` must return (out, vjp) in custom_gradient, but it returned {describe(pair)}."
            raise OutputTypeError(message(what, cure="Return the value, and a function of its cotangent."))
        return pair

    def _flat_vjp(self, call: FlatCall, keep: Keep) -> VjpRule:
        def rule(xs: Sequence[Array], nz: Sequence[bool]) -> Forward:
            # All values on the way are tracers, so that those that the pullback closes over are found.
            with Jvp(self.kind, self._both) as interpreter:
                args, kwargs = call.rebuild([Tracer(interpreter, (x, ZERO)) for x in xs])
                out, pullback = self._pair(*args, **kwargs)
                outs, outdef = flat_outputs(out, self.kind, self._both)
                captured = captured_tracers(pullback)
                res = [interpreter.pair(reachable(t))[0] for t in captured]
                outs = [interpreter.pair(y)[0] for y in outs]
            keep(outdef)
            avals = [aval_of(y) for y in outs]

            @wraps(pullback)
            def flat(*cts: Any) -> list[Array]:
                full = outdef.unflatten([as_given(ct, aval) for ct, aval in zip(cts, avals, strict=True)])
                return self._cotangents(self._tuple(pullback(full), call), call)

            bwd = with_captured(captured, flat)
            bwd.__dict__["described"] = f"the pullback that `{self.name}` returned"
            return Forward(outs, res, bwd)

        return rule

    def _tuple(self, cts: Any, call: FlatCall) -> Any:
        """What the pullback returned as a tuple; for one argument it may be the cotangent itself."""
        children = call.treedef.children()
        if len(children) != 1:
            return cts
        first = children[0]
        if isinstance(cts, tuple) and len(cts) == 1 and structure(cts[0]) == first:
            return cts
        bare = not isinstance(cts, (tuple, list)) or structure(cts) == first
        return (cts,) if bare else cts


@public
def custom_gradient(fun: Callable[..., Any]) -> CustomGradient[Any, Any]:
    """A function with a reverse-mode rule of its own, which it returns along with its value.

    Forward mode transposes that rule. What the pullback closes over, values of any transform among it, is what is kept
    for the way back.

    Args:
        fun: returns `(out, vjp)`; `vjp(ct)` returns a tuple with one cotangent per argument of `fun`, or the cotangent
            itself for one argument, linear in `ct`; `None` means 0.

    Returns:
        A function with the arguments of `fun` that returns `out`.

    Raises:
        OutputTypeError: (when it is called) `fun` does not return such a pair.
        TreeStructureError: (when it is differentiated) the cotangents have not the structure of the arguments.
        ShapeError: (likewise) a cotangent has not the shape of its argument.

    >>> import fgrad
    >>> @fgrad.custom_gradient
    ... def doubled_slope(x):
    ...     return x**2, lambda ct: 2.0 * (2.0 * x) * ct
    >>> doubled_slope(3.0), fgrad.grad(doubled_slope)(3.0)
    (9.0, np.float64(12.0))
    """
    check_callable(fun, "custom_gradient")
    return CustomGradient(fun)
