"""Source text of functions, with that of all they need, taken out of fgrad's own files.

A definition is copied as it stands, without annotations; the names of fgrad in it are replaced by those that they get
in the new module. Names of NumPy and the standard library are imported.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from fgrad.core.primitive import Primitive
from fgrad.primitives.special import Special

__all__ = ["Bundle", "UnexportableError", "numpy_name"]


class UnexportableError(Exception):
    """Something cannot be written as source that needs only NumPy; the text says what."""


_STRANGERS = frozenset({"importlib", "contextvars"})
_SCIPY = frozenset({"scipy_function", "scipy_module"})
"""How fgrad comes by SciPy."""
_ALIENS = ("fgrad.transforms", "fgrad.compiler", "fgrad.api", "fgrad.control", "fgrad.core")
_SELF_CONTAINED = frozenset({"fgrad.core.aval"})

_MESSAGE = """def {name}(what, *, at=None, cure=""):
    return f"{{what}}\\n  {{cure}}" if cure else what
"""


class _Edit(NamedTuple):
    """A part of a file, in bytes, and what stands there instead."""

    start: int
    end: int
    text: str


class _File:
    """A module of fgrad as text and tree.

    Attributes:
        text: the source, in bytes, as positions count bytes.
        definitions: what is defined at the top level, by name.
        imports: where imported names come from: a module, and a name in it, or `None` for the module itself.
    """

    def __init__(self, module: str) -> None:
        path = sys.modules[module].__file__
        assert path is not None
        self.text = Path(path).read_bytes()
        self.starts = [0]
        for line in self.text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.definitions: dict[str, ast.stmt] = {}
        self.imports: dict[str, tuple[str, str | None]] = {}
        for node in ast.parse(self.text).body:
            self._read(node)

    def _read(self, node: ast.stmt) -> None:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            self.definitions[node.name] = node
        elif isinstance(node, ast.Import):
            self.imports.update((a.asname or a.name.partition(".")[0], (a.name, None)) for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            self.imports.update((a.asname or a.name, (str(node.module), a.name)) for a in node.names)
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            self.definitions[node.targets[0].id] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            self.definitions[node.target.id] = node

    def offset(self, line: int, column: int) -> int:
        return self.starts[line - 1] + column

    def span(self, node: Any) -> tuple[int, int]:
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)


_file = lru_cache(maxsize=None)(_File)


class Bundle:
    """The definitions that a generated module begins with.

    Attributes:
        imports: import statements.
        definitions: source texts, each after those it needs to be defined.
    """

    def __init__(self, value_source: Callable[[Any, str], str], fresh: Callable[[str], str]) -> None:
        self.imports: dict[str, None] = {"import numpy as np": None}
        self.definitions: list[str] = []
        self._names: dict[Any, str] = {}
        self._value_source = value_source
        self._fresh = fresh

    def function(self, function: FunctionType) -> str:
        """The name in the new module of a function, or class, of fgrad's."""
        inner: Any = function
        while hasattr(inner, "__wrapped__"):
            inner = inner.__wrapped__
        module = inner.__module__
        if not module.startswith("fgrad.") or _file(module).definitions.get(inner.__name__) is None:
            raise UnexportableError(f"the function `{inner.__name__}` of {module}")
        if getattr(sys.modules[module], inner.__name__, None) is not function:
            raise UnexportableError(f"the function `{inner.__qualname__}` of {module}")
        return self._global(module, inner.__name__)

    def method(self, owner: Primitive, name: str, above: type | None = None) -> str:
        """The name of a function that does what a method of a primitive does.

        Args:
            owner: the primitive.
            name: the method.
            above: a class whose own method is passed over, as by `super()` in it.
        """
        if isinstance(owner, Special):
            raise UnexportableError("SciPy")
        classes = type(owner).__mro__
        cls = next(c for c in classes[classes.index(above) + 1 if above else 0 :] if name in vars(c))
        key = (type(owner), cls, name)
        known = self._names.get(key)
        if known is not None:
            return known
        found = vars(cls)[name]
        function = getattr(found, "__func__", found)
        if not isinstance(function, FunctionType):
            return self._value_source(getattr(owner, name), name)
        self._refuse(cls.__module__, name)
        hint = owner.name if name == "impl" else f"{owner.name}_{name}"
        alias = self._names[key] = self._fresh(hint)
        file = _file(cls.__module__)
        tree = file.definitions[cls.__name__]
        assert isinstance(tree, ast.ClassDef)
        node = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)
        text = _Rewriter(self, file, cls.__module__, node, owner, cls).text(alias)
        self.definitions.append(text)
        return alias

    def memory(self, owner: Primitive, name: str) -> str:
        """The name of a dict in which a primitive remembers what it has computed; it begins empty."""
        key = (owner, name)
        if key not in self._names:
            alias = self._names[key] = self._fresh(f"{owner.name}_{name.strip('_')}")
            self.definitions.append(f"{alias} = {{}}\n")
        return self._names[key]

    def name(self, module: str, name: str) -> str:
        """What a global name of one of fgrad's modules is called in the new module."""
        if name not in vars(sys.modules[module]):
            return name  # a builtin, or of a type only
        return self._global(module, name)

    def _global(self, module: str, name: str) -> str:
        value = getattr(sys.modules[module], name)
        file = _file(module)
        if name in file.imports and name not in file.definitions:
            return self._imported(name, value, *file.imports[name])
        if isinstance(value, Primitive):
            return self.method(value, "impl")
        if isinstance(value, type) and issubclass(value, BaseException):
            return str(next(cls.__name__ for cls in value.__mro__ if vars(builtins).get(cls.__name__) is cls))
        key = (module, name)
        known = self._names.get(key)
        if known is not None:
            return known
        alias = self._names[key] = self._fresh(name)
        if module == "fgrad.errors" and name == "message":
            self.definitions.append(_MESSAGE.format(name=alias))
            return alias
        self._refuse(module, name)
        if name in file.definitions:
            self.definitions.append(_Rewriter(self, file, module, file.definitions[name]).text(alias))
        else:
            self.definitions.append(f"{alias} = {self._value_source(value, name)}\n")
        return alias

    def _imported(self, name: str, value: Any, module: str, original: str | None) -> str:
        if module.partition(".")[0] == "fgrad":
            if original is None or isinstance(value, ModuleType):
                raise UnexportableError(f"the module {module}")
            importlib.import_module(module)
            return self._global(module, original)
        if module.partition(".")[0] not in {"numpy", *sys.stdlib_module_names} or module in _STRANGERS:
            raise UnexportableError(f"what is imported from {module}")
        statement = f"import {module}" if original is None else f"from {module} import {original}"
        renamed = f" as {name}" if name not in (original, module) else ""
        self.imports[statement + renamed] = None
        return name

    def _refuse(self, module: str, name: str) -> None:
        if module not in _SELF_CONTAINED and (module.startswith(_ALIENS) or name in _SCIPY):
            what = "SciPy" if name in _SCIPY else f"`{name}` of {module}"
            raise UnexportableError(what)


class _Rewriter:
    """Copies one definition."""

    def __init__(
        self,
        bundle: Bundle,
        file: _File,
        module: str,
        node: ast.stmt,
        owner: Primitive | None = None,
        cls: type | None = None,
    ) -> None:
        self.bundle, self.file, self.module, self.node, self.owner, self.cls = bundle, file, module, node, owner, cls
        self.local = _local_names(node)
        self.edits: list[_Edit] = []

    def text(self, alias: str) -> str:
        """The definition, under another name."""
        node = self.node
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(d.lineno for d in decorators)])
        start, end = self.file.offset(first, node.col_offset if self.owner else 0), self.file.span(node)[1]
        if self.owner is not None:  # a method: decorators say how it is bound
            start = self.file.offset(node.lineno, node.col_offset)
        else:
            for decorator in decorators:
                self._visit(decorator)
        self._rename(alias)
        if isinstance(node, ast.FunctionDef) and node.returns is not None:
            self._drop_returns(node)
        for field, child in ast.iter_fields(node):
            if field not in ("decorator_list", "name", "targets", "target", "returns", "annotation"):
                self._visit_all(child)
        text = self._edited(start, end)
        if self.owner is not None:
            text = re.sub(rf"^ {{{node.col_offset}}}", "", text, flags=re.MULTILINE)
        text = re.sub(r"  # (?:type: ignore|noqa)\b[^\n]*", "", text)
        return text + "\n"

    def _rename(self, alias: str) -> None:
        node = self.node
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            start = self.file.span(node)[0]
            found = self.file.text.index(node.name.encode(), start)
            self.edits.append(_Edit(found, found + len(node.name.encode()), alias))
        else:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target  # type: ignore[attr-defined]
            self.edits.append(_Edit(*self.file.span(target), alias))
            if isinstance(node, ast.AnnAssign):
                self.edits.append(_Edit(self.file.span(target)[1], self.file.span(node.annotation)[1], ""))

    def _edited(self, start: int, end: int) -> str:
        parts, position = [], start
        for edit in sorted(set(self.edits)):
            parts += [self.file.text[position : edit.start], edit.text.encode()]
            position = edit.end
        parts.append(self.file.text[position:end])
        return b"".join(parts).decode()

    def _visit_all(self, child: Any) -> None:
        for node in child if isinstance(child, list) else [child]:
            if isinstance(node, ast.AST):
                self._visit(node)

    def _visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.Name):
            self._visit_name(node)
            return
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            if self.owner is not None:
                self.edits.append(_Edit(*self.file.span(node), self._attribute(self.owner, node.attr)))
            return
        if self.owner is not None and isinstance(node, ast.Attribute) and ast.unparse(node.value) == "super()":
            self.edits.append(_Edit(*self.file.span(node), self.bundle.method(self.owner, node.attr, self.cls)))
            return
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id not in self.local:
            owner = getattr(sys.modules[self.module], node.value.id, None)
            if isinstance(owner, Primitive):
                self.edits.append(_Edit(*self.file.span(node), self._attribute(owner, node.attr)))
                return
        if isinstance(node, ast.arguments):
            self._visit_arguments(node)
            return
        if isinstance(node, ast.FunctionDef) and node.returns is not None:
            self._drop_returns(node)
        if isinstance(node, ast.AnnAssign):
            self._visit_annotated(node)
            return
        for field, child in ast.iter_fields(node):
            if field not in ("annotation", "returns"):
                self._visit_all(child)

    def _visit_name(self, node: ast.Name) -> None:
        if node.id in self.local or node.id == "self":
            return
        name = self.bundle.name(self.module, node.id)
        if name != node.id:
            self.edits.append(_Edit(*self.file.span(node), name))

    def _attribute(self, owner: Primitive, attribute: str) -> str:
        """What stands for an attribute of a primitive."""
        value = getattr(owner, attribute)
        if isinstance(value, MethodType) and value.__self__ is owner:
            return self.bundle.method(owner, attribute)
        if isinstance(value, dict) and attribute in vars(owner):
            return self.bundle.memory(owner, attribute)
        return self.bundle._value_source(value, attribute)

    def _visit_arguments(self, node: ast.arguments) -> None:
        every = [*node.posonlyargs, *node.args, *node.kwonlyargs, node.vararg, node.kwarg]
        for argument in every:
            if argument is not None and argument.annotation is not None:
                start = self.file.offset(argument.lineno, argument.col_offset) + len(argument.arg.encode())
                end = self.file.span(argument.annotation)[1]
                default = re.match(rb" = ", self.file.text[end : end + 3])
                self.edits.append(_Edit(start, end + 3, "=") if default else _Edit(start, end, ""))
        if self.owner is not None and node.args and node.args[0].arg == "self":
            start, end = self.file.span(node.args[0])
            rest = re.match(rb"\s*,\s*", self.file.text[end:])
            self.edits.append(_Edit(start, end + (rest.end() if rest else 0), ""))
        self._visit_all(node.defaults)
        self._visit_all([d for d in node.kw_defaults if d is not None])

    def _drop_returns(self, node: ast.FunctionDef) -> None:
        assert node.returns is not None
        start, end = self.file.span(node.returns)
        arrow = self.file.text.rindex(b"->", 0, start)
        while self.file.text[arrow - 1 : arrow] == b" ":
            arrow -= 1
        self.edits.append(_Edit(arrow, end, ""))

    def _visit_annotated(self, node: ast.AnnAssign) -> None:
        start, end = self.file.span(node.annotation)
        if node.value is None:  # a field of a class
            self.edits.append(_Edit(start, end, "object"))
        else:
            self.edits.append(_Edit(self.file.span(node.target)[1], end, ""))
            self._visit(node.value)


def _local_names(node: ast.AST) -> set[str]:
    """The names that a definition binds inside of itself."""
    found: set[str] = set()
    for child in ast.walk(node):
        if isinstance(child, ast.arg):
            found.add(child.arg)
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            found.add(child.id)
        elif isinstance(child, (ast.FunctionDef, ast.ClassDef)) and child is not node:
            found.add(child.name)
        elif isinstance(child, ast.ExceptHandler):
            found.add(child.name or "")
    return found


def numpy_name(value: Any) -> str | None:
    """`np.add`, where NumPy has a value under its own name; `None` for others."""
    name = getattr(value, "__name__", "")
    for prefix, module in (("np", np), ("np.linalg", np.linalg), ("np.fft", np.fft)):
        if name and getattr(module, name, None) is value:
            return f"{prefix}.{name}"
    return None
