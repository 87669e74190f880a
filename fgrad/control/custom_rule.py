"""Functions with a rule for forward mode, for reverse mode, or for both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from fgrad.control.custom_function import Argnums
from fgrad.control.custom_jvp import WithJvp
from fgrad.control.custom_rules import custom_rule_call
from fgrad.control.custom_vjp import WithVjp
from fgrad.errors import ArgumentError, message, public
from fgrad.tree.table import describe

__all__ = ["CustomRule", "custom_rule"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class CustomRule(WithJvp[P, R_co], WithVjp[P, R_co]):
    """A function with rules for its derivative; see `custom_rule`."""

    kind = "custom_rule"
    primitive = custom_rule_call

    def _rules(self) -> list[Any]:
        if not self.has_jvp and self._fwd is None:
            what = f"the custom_rule function `{self.name}` was called before it had a rule."
            cure = f"Define one: @{self.name}.defjvp, or {self.name}.defvjp(fwd, bwd)."
            raise ArgumentError(message(what, cure=cure))
        return [self._jvp, self._jvps, self._fwd, self._bwd]


@public
def custom_rule(
    fun: Callable[..., Any] | None = None,
    *,
    jvp: Callable[..., Any] | None = None,
    vjp: tuple[Callable[..., Any], Callable[..., Any]] | None = None,
    static: Argnums = (),
    symbolic_zeros: bool = False,
) -> Any:
    """A function with rules of its own for its derivative: forward mode uses `jvp`, reverse mode `vjp`.

    One rule is enough: forward mode transposes `vjp` where there is no `jvp`, and reverse mode transposes `jvp` where
    there is no `vjp`. Values of outer transforms that the function closes over vary as the function is written.

    Args:
        fun: the function. Its arguments and results are arrays and numbers, in pytrees. Left out, `custom_rule(...)` is
            a decorator.
        jvp: `jvp(*static, primals, tangents)` returns value and tangent, as for `custom_jvp.defjvp`.
        vjp: the pair `(fwd, bwd)`, as for `custom_vjp.defvjp`: `fwd` takes the arguments and returns `(out, res)`,
            `bwd(*static, res, ct)` returns a tuple of cotangents.
        static: arguments, by position or name, that are not arrays or have no tangent; the rules get them first.
        symbolic_zeros: the rules are told what is known to be zero, as for `defjvp` and `defvjp`.

    Returns:
        The function; `defjvp`, `defjvps` and `defvjp` set its rules, too.

    Raises:
        ArgumentError: `vjp` is not a pair of functions; or (when it is called) there is no rule.

    >>> import fgrad, numpy as np
    >>> @fgrad.custom_rule(
    ...     jvp=lambda primals, tangents: (cube(*primals), 3.0 * primals[0] ** 2 * tangents[0]),
    ...     vjp=(lambda x: (cube(x), x), lambda x, ct: (3.0 * x**2 * ct,)),
    ... )
    ... def cube(x):
    ...     return x**3
    >>> fgrad.grad(cube)(2.0), fgrad.jvp(cube, (2.0,), (1.0,))[1]
    (np.float64(12.0), np.float64(12.0))
    """
    if fun is None:
        return lambda f: custom_rule(f, jvp=jvp, vjp=vjp, static=static, symbolic_zeros=symbolic_zeros)
    made = CustomRule(fun, static)
    if jvp is not None:
        made.defjvp(jvp, symbolic_zeros)
    if vjp is not None:
        if not (isinstance(vjp, (tuple, list)) and len(vjp) == 2):
            what = f"vjp of custom_rule must be a pair of functions, got {describe(vjp)}."
            raise ArgumentError(message(what, cure="Write vjp=(fwd, bwd)."))
        made.defvjp(*vjp, symbolic_zeros)
    return made
