"""Values as Python source: what a lowering rule refers to, written so that a module can stand alone."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np

from fgrad.core.jaxpr import ClosedJaxpr, Equation
from fgrad.core.primitive import Primitive
from fgrad.core.writer import Writer
from fgrad.export.bundle import Bundle, UnexportableError, numpy_name

__all__ = ["ExportWriter", "tuple_source"]

_FEW = 24
"""Arrays of so many elements are written out as numbers."""

_WIDTH = 100

_DECODER = '''def {name}(text):
    """An array from the bytes of an .npy file."""
    return np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False)
'''


class ExportWriter(Writer):
    """Names what generated source refers to, and defines it by source of its own.

    Attributes:
        bundle: the definitions.
        program: writes a function for a program; returns its name.
    """

    def __init__(self, program: Callable[[ClosedJaxpr, str], str]) -> None:
        super().__init__()
        self.bundle = Bundle(self.constant, self.fresh)
        self.program = program
        self.equation: Equation | None = None
        self._kept: list[Any] = []
        self._decoder = ""

    def constant(self, value: Any, hint: str = "c") -> str:
        known = self._names.get(id(value))
        if known is None:
            known = self._source(value, hint)
            if isinstance(value, (np.ndarray, ClosedJaxpr)):  # kept alive: it is known by its identity
                self._kept.append(value)
                self._names[id(value)] = known
        return known

    def _source(self, value: Any, hint: str) -> str:
        if value is None or value is Ellipsis or isinstance(value, (bool, int, str, bytes)):
            return repr(value)
        if isinstance(value, np.generic):
            return _scalar(value)
        if isinstance(value, (float, complex)):
            return _number(value)
        if isinstance(value, np.dtype):
            return f'np.dtype("{value.name}")' if value.isnative else f"np.dtype({value.str!r})"
        if isinstance(value, np.ndarray):
            return self._array(value, hint)
        if isinstance(value, slice):
            return f"slice({', '.join(self.constant(v) for v in (value.start, value.stop, value.step))})"
        if isinstance(value, (tuple, list, dict, frozenset)):
            return self._container(value, hint)
        return self._callable(value, hint)

    def _callable(self, value: Any, hint: str) -> str:
        name = numpy_name(value)
        if name is not None:
            return name
        if isinstance(value, ClosedJaxpr):
            return self.program(value, hint)
        if isinstance(value, Primitive):
            return self.bundle.method(value, "impl")
        if isinstance(value, MethodType) and isinstance(value.__self__, Primitive):
            return self.bundle.method(value.__self__, value.__name__)
        if isinstance(value, partial):
            self.bundle.imports["import functools"] = None
            parts = [self.constant(value.func, hint), *map(self.constant, value.args)]
            parts += [f"{k}={self.constant(v, k)}" for k, v in value.keywords.items()]
            return f"functools.partial({', '.join(parts)})"
        if isinstance(value, (BuiltinFunctionType, type)) and value.__module__ in ("builtins", "math", "operator"):
            if value.__module__ == "builtins":
                return value.__name__
            self.bundle.imports[f"import {value.__module__}"] = None
            return f"{value.__module__}.{value.__name__}"
        if isinstance(value, (FunctionType, type)) or hasattr(value, "__wrapped__"):
            return self.bundle.function(value)
        if isinstance(value, np.ufunc):
            raise UnexportableError(f"the ufunc `{value.__name__}` of another package, such as SciPy")
        raise UnexportableError(f"`{hint}`, a {type(value).__name__}")

    def _container(self, value: Any, hint: str) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{self.constant(k)}: {self.constant(v, hint)}" for k, v in value.items()) + "}"
        items = [self.constant(v, hint) for v in value]
        if isinstance(value, frozenset):
            return f"frozenset({{{', '.join(sorted(items))}}})" if items else "frozenset()"
        if hasattr(value, "_fields"):
            return f"{self.constant(type(value))}({', '.join(items)})"
        if isinstance(value, list):
            return f"[{', '.join(items)}]"
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"

    def _array(self, value: np.ndarray, hint: str) -> str:
        if value.dtype.hasobject or value.dtype.kind not in "biufc":
            raise UnexportableError(f"an array of dtype {value.dtype}")
        name = self.fresh(hint)
        if value.size <= _FEW and value.dtype.kind in "biuf" and value.dtype.itemsize <= 8 and value.dtype.isnative:
            finite = value.dtype.kind != "f" or np.isfinite(value).all()
            numbers = repr(value.tolist()) if finite else _nested(value.tolist())
            shape = f".reshape({value.shape})" if not value.size and value.ndim > 1 else ""
            self.bundle.definitions.append(f'{name} = np.array({numbers}, "{value.dtype.name}"){shape}\n')
            return name
        return self._packed(name, value)

    def _packed(self, name: str, value: np.ndarray) -> str:
        if not self._decoder:
            self._decoder = self.fresh("array")
            self.bundle.imports.update({"import base64": None, "import io": None})
            self.bundle.definitions.append(_DECODER.format(name=self._decoder))
        stream = io.BytesIO()
        np.save(stream, value, allow_pickle=False)
        lines = textwrap.wrap(base64.b64encode(stream.getvalue()).decode(), _WIDTH)
        text = "\n".join(f'    "{line}"' for line in lines)
        self.bundle.definitions.append(f"{name} = {self._decoder}(\n{text}\n)\n")
        return name


def _nested(numbers: Any) -> str:
    if isinstance(numbers, list):
        return f"[{', '.join(map(_nested, numbers))}]"
    return _number(numbers)


def _number(value: complex) -> str:
    """A Python number, also one that is not finite."""
    if isinstance(value, complex):
        finite = np.isfinite(value) and not (np.signbit(value.real) or np.signbit(value.imag))
        return repr(value) if finite else f"complex({_number(value.real)}, {_number(value.imag)})"
    if np.isfinite(value):
        return repr(value)
    return "np.nan" if np.isnan(value) else "np.inf" if value > 0 else "-np.inf"


def _scalar(value: np.generic) -> str:
    """A scalar of NumPy's."""
    if value.dtype.kind not in "biufc":
        raise UnexportableError(f"a scalar of dtype {value.dtype}")
    name = "bool" if value.dtype.kind == "b" else value.dtype.name
    if value.dtype.itemsize > (16 if value.dtype.kind == "c" else 8):
        return f'np.{name}("{value!s}")' if value.dtype.kind == "f" else repr(value)
    number = _number(value.item()) if value.dtype.kind in "fc" else repr(value.item())
    return f"np.{name}({number})"


def tuple_source(items: Sequence[str]) -> str:
    """A tuple of expressions."""
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
