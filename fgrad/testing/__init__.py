"""Checks of derivatives and transforms: for functions of one's own, and for every primitive of fgrad."""

from fgrad.errors import CheckError
from fgrad.testing.checks import check_grads, check_jvp, check_vjp
from fgrad.testing.custom_rules import RuleReport, check_rule
from fgrad.testing.identities import check_adjoint, check_jit, check_linear, check_tangent_linearity, check_vmap
from fgrad.testing.references import Reference, directional_derivative
from fgrad.testing.registry import Report, check_primitive, walk

__all__ = [
    "CheckError",
    "Reference",
    "Report",
    "RuleReport",
    "check_adjoint",
    "check_grads",
    "check_jit",
    "check_jvp",
    "check_linear",
    "check_primitive",
    "check_rule",
    "check_tangent_linearity",
    "check_vjp",
    "check_vmap",
    "directional_derivative",
    "walk",
]
