"""Derivatives that can be trusted: checks for functions and rules of one's own, and for every primitive of fgrad.

Start with `check_all(f, *args)`, which does everything that needs no knowledge of the function. A failed check raises
`CheckError`, which says which argument (by key path), along which direction, what was expected and got, how far that is
off, and how far the reference may be. What cannot be judged says so: kinks, jumps, infinite slopes, NaN, functions that
are not pure or not deterministic. The tutorial is docs/testing.md.

Against numerical derivatives (complex step, extrapolated differences, in double and extended precision):
    check_grads, check_second_order          derivatives of a function, of any order
    check_jvp, check_vjp                     a derivative however it was made
    check_rule                               the rules of custom functions against the functions
    directional_derivative                   the numerical derivative itself, with an estimate of its error

By identities, to the last digits:
    check_adjoint, check_modes               forward against reverse mode
    check_linear, check_tangent_linearity    linearity
    check_chain_rule, check_product_rule, check_sum_rule, check_inverse
    check_symmetry                           of second derivatives
    check_homogeneous, check_invariance      scaling, and symmetries that you name
    check_jit, check_vmap                    compiled is the same, vmap is stacking
    check_pure                               the function is one

Around tests:
    strategies                               Hypothesis strategies: arrays, pytrees, matrices, programs, …
    mutation_score                           does a test-suite find wrong rules?
    plugin                                   the fixture `gradcheck` and the marker `gradients` of pytest

Of fgrad itself: check_primitive and walk try every rule of every primitive.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import fgrad.testing.strategies as strategies
    from fgrad.errors import CheckError
    from fgrad.testing.all_checks import AllChecks, check_all
    from fgrad.testing.calculus import check_chain_rule, check_inverse, check_product_rule, check_sum_rule
    from fgrad.testing.checks import check_grads, check_jvp, check_vjp
    from fgrad.testing.custom_rules import RuleReport, check_rule
    from fgrad.testing.identities import (
        check_adjoint,
        check_jit,
        check_linear,
        check_modes,
        check_tangent_linearity,
        check_vmap,
    )
    from fgrad.testing.mutation import Mutant, MutationScore, mutation_score
    from fgrad.testing.purity import check_pure
    from fgrad.testing.references import Reference, directional_derivative
    from fgrad.testing.registry import Report, check_primitive, walk
    from fgrad.testing.second_order import check_second_order, check_symmetry
    from fgrad.testing.symmetries import check_homogeneous, check_invariance

__all__ = [
    "AllChecks",
    "CheckError",
    "Mutant",
    "MutationScore",
    "Reference",
    "Report",
    "RuleReport",
    "check_adjoint",
    "check_all",
    "check_chain_rule",
    "check_grads",
    "check_homogeneous",
    "check_invariance",
    "check_inverse",
    "check_jit",
    "check_jvp",
    "check_linear",
    "check_modes",
    "check_primitive",
    "check_product_rule",
    "check_pure",
    "check_rule",
    "check_second_order",
    "check_sum_rule",
    "check_symmetry",
    "check_tangent_linearity",
    "check_vjp",
    "check_vmap",
    "directional_derivative",
    "mutation_score",
    "strategies",
    "walk",
]

# They are imported when they are first used: every run of pytest imports the plugin, and most of them nothing else.
_PLACES = {
    "all_checks": ("AllChecks", "check_all"),
    "calculus": ("check_chain_rule", "check_inverse", "check_product_rule", "check_sum_rule"),
    "checks": ("check_grads", "check_jvp", "check_vjp"),
    "custom_rules": ("RuleReport", "check_rule"),
    "identities": (
        "check_adjoint",
        "check_jit",
        "check_linear",
        "check_modes",
        "check_tangent_linearity",
        "check_vmap",
    ),
    "mutation": ("Mutant", "MutationScore", "mutation_score"),
    "purity": ("check_pure",),
    "references": ("Reference", "directional_derivative"),
    "registry": ("Report", "check_primitive", "walk"),
    "second_order": ("check_second_order", "check_symmetry"),
    "symmetries": ("check_homogeneous", "check_invariance"),
}
_MODULES = {name: f"fgrad.testing.{module}" for module, names in _PLACES.items() for name in names}
_MODULES["CheckError"] = "fgrad.errors"


def __getattr__(name: str) -> Any:
    if name == "strategies":
        value: Any = import_module("fgrad.testing.strategies")
    elif name in _MODULES:
        value = getattr(import_module(_MODULES[name]), name)
    else:
        raise AttributeError(f"module 'fgrad.testing' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
