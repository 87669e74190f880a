"""Classes by name, as files name them. Finding one imports nothing but modules of fgrad, and runs no code."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

from fgrad.errors import FgradError
from fgrad.tree.nodes import KINDS

__all__ = ["ClassNameError", "find_class", "is_named_tuple", "name_of"]

_OWN = re.compile(r"fgrad(\.[a-z][a-z0-9_]*)+")


class ClassNameError(FgradError, ValueError):
    """A file names a class that is not here."""


def name_of(cls: type) -> str:
    """The name that files have for a class: `package.module:Class`."""
    return f"{cls.__module__}:{cls.__qualname__}"


def is_named_tuple(cls: type) -> bool:
    """Whether the class is a NamedTuple."""
    fields = getattr(cls, "_fields", None)
    return issubclass(cls, tuple) and isinstance(fields, tuple) and all(type(field) is str for field in fields)


def find_class(name: str, suits: Callable[[type], bool]) -> Any:
    """The class that a file names, among those of modules that are imported already and those known to pytrees.

    Attributes are looked up in namespaces alone, for a module or a metaclass may run code where it lacks one.

    Args:
        name: as `name_of` writes it.
        suits: whether a class is of the expected sort.

    Raises:
        ClassNameError: there is none, or there are several.
    """
    module, _, path = name.partition(":")
    found: Any = _module(module)
    for part in path.split("."):
        found = vars(found).get(part) if isinstance(found, (ModuleType, type)) else None
    if isinstance(found, type) and name_of(found) == name and suits(found):
        return found
    known = [cls for cls in list(KINDS) if name_of(cls) == name and suits(cls)]
    if len(known) == 1:
        return known[0]
    if known:
        raise ClassNameError(f"{len(known)} classes are named {name}")
    if isinstance(found, type):
        raise ClassNameError(f"{name} is not the kind of class here that it was when the file was written")
    where = (
        f"its module is imported, and has no class {path}" if module in sys.modules else "its module is not imported"
    )
    raise ClassNameError(f"the class {name} is not known: {where}")


def _module(name: str) -> ModuleType | None:
    if name not in sys.modules and _OWN.fullmatch(name):
        try:
            import_module(name)
        except ImportError:
            return None
    return sys.modules.get(name)
