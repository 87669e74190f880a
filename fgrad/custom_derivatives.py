"""Functions with derivatives of their own, and what their rules may be given."""

from fgrad.control.closure_convert import closure_convert
from fgrad.control.custom_gradient import custom_gradient
from fgrad.control.custom_jvp import custom_jvp
from fgrad.control.custom_rule import CustomRule, custom_rule
from fgrad.control.custom_vjp import custom_vjp
from fgrad.control.symbolic import CustomVJPPrimal, SymbolicZero, custom_vjp_primal_tree_values

__all__ = [
    "CustomRule",
    "CustomVJPPrimal",
    "SymbolicZero",
    "closure_convert",
    "custom_gradient",
    "custom_jvp",
    "custom_rule",
    "custom_vjp",
    "custom_vjp_primal_tree_values",
]
