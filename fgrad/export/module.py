"""A stand-alone module that computes a function."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Sequence
from typing import Any

from fgrad.compiler.source import Names, result, write_body
from fgrad.core.aval import Array, aval_of
from fgrad.core.boundary import call, check_callable, flat_leaves, flat_outputs, function_name, parameter_names
from fgrad.core.interpreter import Tracer
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.errors import ArgumentError, message, public
from fgrad.export.programs import Programs
from fgrad.export.trees import built, described, leaves_of
from fgrad.transforms.stage import trace
from fgrad.tree import PyTreeDef, keystr
from fgrad.tree.table import describe

__all__ = ["to_numpy_source"]

_VERB = "export.to_numpy_source"


@public
def to_numpy_source(f: Callable[..., Any], *args: Any, name: str | None = None) -> str:
    """A Python module that computes a function and imports NumPy alone: it needs no fgrad.

    The function may be what `grad`, `value_and_grad`, `hessian`, `vmap`, `jit`, … make. It is traced for the shapes and
    dtypes of the arguments; the doc string of the module names them. Every operation is one line. The module defines
    one public function, which takes and returns the containers that `f` does; in the place of a dataclass, or another
    registered class with named fields, it takes and returns a dict, in that of a named tuple a tuple. Arrays that `f`
    closes over are written into the module.

    Args:
        f: a function of arrays in pytrees.
        args: arguments, or `ShapeDtypeStruct` in the place of arrays.
        name: what the exported function is called; the name of `f` by default.

    Returns:
        The source of the module.

    Raises:
        ExportError: an operation calls back into Python, needs SciPy, or depends on values in a way that NumPy code
            cannot express; the message says which, and at which line.

    >>> import fgrad, numpy as np
    >>> text = fgrad.export.to_numpy_source(fgrad.grad(lambda x: (x * x).sum()), np.ones(3), name="gradient")
    >>> namespace = {}
    >>> exec(text, namespace)
    >>> namespace["gradient"](np.array([1.0, 2.0, 3.0]))
    array([2., 4., 6.])
    """
    check_callable(f, _VERB, f"{_VERB}(f, x)")
    if name is not None and not (isinstance(name, str) and name.isidentifier()):
        what = f"{_VERB}: name must be the name of a function, got {describe(name)}."
        raise ArgumentError(message(what, cure='Give an identifier, as "loss_and_grad".'))
    names = parameter_names(f, len(args))
    leaves, treedef = flat_leaves(args, names, _VERB)
    if any(type(x) is Tracer for x in leaves):
        what = f"{_VERB} was given values that are being traced."
        raise ArgumentError(message(what, cure="Call it outside of transforms."))
    outdef: Any = None

    def flat(*xs: Array) -> list[Array]:
        nonlocal outdef
        outs, outdef = flat_outputs(call(f, treedef.unflatten(xs), {}, _VERB), _VERB, f)
        return outs

    closed = trace(flat, [getattr(x, "aval", None) or aval_of(x) for x in leaves], _VERB, f)
    title = _identifier(name or function_name(f), "function")
    return _module(closed, outdef, title, [_identifier(n, "argument") for n in names], args)


def _module(closed: ClosedJaxpr, outdef: PyTreeDef, title: str, names: Sequence[str], args: Sequence[Any]) -> str:
    programs = Programs()
    program, planned = programs.ready(closed)
    places = [
        (keystr(path), text, name)
        for tree, name in zip(args, names, strict=True)
        for path, text, _ in leaves_of(tree, name)
    ]
    hints = [_leaf_name(name, path, names) for path, _, name in places]
    variables = Names(programs.writer, hints, program)
    used = {a for eqn in program.eqns for a in eqn.invars} | set(program.jaxpr.outvars)
    lines = [
        f"    {variables[v]} = {text}"
        for v, (path, text, _) in zip(program.jaxpr.invars, places, strict=True)
        if path and v in used
    ]
    lines += write_body(planned, variables, programs.writer, "    ").lines
    outvars = program.jaxpr.outvars
    texts = [result(a, c, variables, programs.writer) for a, c in zip(outvars, planned.copies, strict=True)]
    lines.append(f"    return {built(outdef.unflatten([_Text(t) for t in texts]), str)}")
    types = outdef.unflatten([_Typed(a.aval) for a in outvars])
    doc = _doc(title, names, args, types)
    head = [f'"""{doc}"""', "", *sorted(programs.writer.bundle.imports, key=_import_order), ""]
    parts = ["\n".join(head), *programs.writer.bundle.definitions]
    parts.append("\n".join([f"def {title}({', '.join(names)}):", *lines]) + "\n")
    return _spaced(parts)


def _spaced(parts: Sequence[str]) -> str:
    """Two empty lines around functions and classes, none between constants."""
    text, after_constant = parts[0], False
    for k, part in enumerate(parts[1:]):
        constant = not part.startswith(("def ", "class ", "@"))
        text += ("" if constant and after_constant else "\n" if constant and not k else "\n\n") + part
        after_constant = constant
    return text


class _Text(str):
    """The source of one result, in its place."""

    __slots__ = ()


class _Typed:
    """The type of one result, in its place."""

    def __init__(self, aval: Any) -> None:
        self.aval = aval


def _doc(title: str, names: Sequence[str], args: Sequence[Any], types: Any) -> str:
    lines = [f"`{title}({', '.join(names)})`, written by fgrad.export.to_numpy_source. It needs NumPy alone.", ""]
    given = [line for tree, name in zip(args, names, strict=True) for line in described(tree, name)]
    lines += ["Arguments:", *(f"    {line}" for line in given or ["none"])]
    lines += ["", "Returns:", *(f"    {line}" for line in described(types, "result"))]
    text = "\n".join(lines) + "\n"
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def _leaf_name(name: str, path: str, names: Sequence[str]) -> str:
    """A name for a part of an argument that is no other argument's."""
    if not path:
        return name
    found = _identifier(name + path, "x")
    return f"{found}_leaf" if found in names else found


def _identifier(text: str, default: str) -> str:
    found = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")
    return (
        f"{default}_{found}" if found[:1].isdigit() or keyword.iskeyword(found) or found == "np" else found or default
    )


def _import_order(statement: str) -> tuple[bool, bool, str]:
    return "numpy" in statement, statement.startswith("from "), statement
