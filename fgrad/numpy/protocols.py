"""NumPy's functions given tracers: `np.sum(x)` is `fgrad.numpy.sum(x)` where x is traced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from fgrad.core.interpreter import Tracer, install
from fgrad.errors import TracerArrayConversionError, message

__all__ = ["register_namespace"]

_namespaces: dict[str, Mapping[str, Any]] = {}

_LATER = {"numpy.fft": "fgrad.numpy.fft", "numpy.linalg": "fgrad.numpy.linalg"}
"""Modules that register themselves when they are imported, which is when they are first used."""


def register_namespace(module: str, functions: Mapping[str, Any]) -> None:
    """Lets the functions of a namespace stand for those of the same names in one of NumPy's modules."""
    _namespaces[module] = functions


def _counterpart(module: str, name: str) -> Any:
    """fgrad's function of a name; those that are imported later, a namespace names."""
    functions = _namespaces.get(module, {})
    return functions["__getattr__"](name) if name in functions.get("_LATER", ()) else functions.get(name)


def _array_function(
    self: Tracer, function: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    module = getattr(function, "__module__", None) or "numpy"
    name = getattr(function, "__name__", str(function))
    if module in _LATER and module not in _namespaces:
        import_module(_LATER[module])
    found = _counterpart(module, name)
    if found is None or found is function:
        what = (
            f"{module}.{name} has no counterpart in fgrad that takes traced arrays, in {self.interpreter.describe()}."
        )
        cure = "Write it with functions of fgrad.numpy, or give it a rule of its own (fgrad.custom_jvp)."
        raise TracerArrayConversionError(message(what, cure=cure))
    return found(*args, **kwargs)


install(__array_function__=_array_function)
