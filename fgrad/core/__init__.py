"""The core: abstract values, jaxprs, primitives, tracers and interpreters."""

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.checker import check_jaxpr
from fgrad.core.evaluate import eval_jaxpr, jaxpr_as_fun
from fgrad.core.interpreter import Interpreter, Tracer, interpret
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Literal, Var
from fgrad.core.primitive import ZERO, Primitive, Sample, Zero, registry
from fgrad.core.printer import format_jaxpr

__all__ = [
    "ZERO",
    "Array",
    "Atom",
    "ClosedJaxpr",
    "Equation",
    "Interpreter",
    "Jaxpr",
    "Literal",
    "Primitive",
    "Sample",
    "ShapedArray",
    "Tracer",
    "Var",
    "Zero",
    "aval_of",
    "check_jaxpr",
    "eval_jaxpr",
    "format_jaxpr",
    "interpret",
    "jaxpr_as_fun",
    "registry",
]
