"""Registration of classes as pytree nodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from fgrad.errors import ArgumentError, message
from fgrad.tree.custom import CustomKind, DataclassKind, StaticKind
from fgrad.tree.table import is_registered, register
from fgrad.tree.text import function_name, listing, short

__all__ = [
    "register_dataclass",
    "register_pytree_node",
    "register_pytree_node_class",
    "register_pytree_with_keys",
    "register_pytree_with_keys_class",
    "register_static",
    "static",
]

T = TypeVar("T")
Class = TypeVar("Class", bound=type)


def register_pytree_node(
    nodetype: type[T],
    flatten_func: Callable[[T], tuple[Iterable[Any], Any]],
    unflatten_func: Callable[[Any, Any], T],
    flatten_with_keys_func: Callable[[T], tuple[Iterable[tuple[Any, Any]], Any]] | None = None,
) -> None:
    """Makes the objects of a class nodes of pytrees.

    Only objects of exactly this class become nodes; subclasses are registered by themselves.

    Args:
        nodetype: the class.
        flatten_func: takes an object to a pair: its children (a tuple), and auxiliary data, which are static:
            hashable, and comparable by `==`.
        unflatten_func: takes the auxiliary data and a tuple of children, which may be anything, to an object.
        flatten_with_keys_func: as `flatten_func`, with pairs (key, child) in place of the children.

    Raises:
        ArgumentError: the class is registered already, or is a builtin.

    >>> class Interval:
    ...     def __init__(self, low, high):
    ...         self.low, self.high = low, high
    >>> register_pytree_node(Interval, lambda x: ((x.low, x.high), None), lambda _, ends: Interval(*ends))
    """
    _check_class(nodetype)
    _check_callables(flatten_func, unflatten_func, flatten_with_keys_func)
    register(CustomKind(nodetype, flatten_func, unflatten_func, flatten_with_keys_func))


def register_pytree_with_keys(
    nodetype: type[T],
    flatten_with_keys: Callable[[T], tuple[Iterable[tuple[Any, Any]], Any]],
    unflatten_func: Callable[[Any, Any], T],
    flatten_func: Callable[[T], tuple[Iterable[Any], Any]] | None = None,
) -> None:
    """Makes the objects of a class nodes whose children are named.

    Args:
        nodetype: the class.
        flatten_with_keys: takes an object to a pair: pairs (key, child), and auxiliary data. Keys are
            `GetAttrKey`, `DictKey` and the like, or anything whose `str` is part of a key path.
        unflatten_func: takes the auxiliary data and a tuple of children to an object.
        flatten_func: the same as `flatten_with_keys` without the keys; for speed only.

    Raises:
        ArgumentError: the class is registered already, or is a builtin.
    """
    _check_class(nodetype)
    _check_callables(flatten_with_keys, unflatten_func, flatten_func)

    def without_keys(obj: T) -> tuple[Iterable[Any], Any]:
        result = flatten_with_keys(obj)
        try:
            pairs, aux = result
            return [child for _, child in pairs], aux
        except (TypeError, ValueError):
            what = f"{function_name(flatten_with_keys)}, registered for the pytree class {nodetype.__name__}"
            need = "it must return pairs (key, child), and the auxiliary data"
            raise ArgumentError(message(f"{what}, returned {short(result)}: {need}")) from None

    register(CustomKind(nodetype, flatten_func or without_keys, unflatten_func, flatten_with_keys))


def register_pytree_node_class(cls: Class) -> Class:
    """Class decorator: objects are nodes by methods `tree_flatten()` and `tree_unflatten(aux, children)`.

    >>> @register_pytree_node_class
    ... class Pair:
    ...     def __init__(self, a, b):
    ...         self.a, self.b = a, b
    ...     def tree_flatten(self):
    ...         return (self.a, self.b), None
    ...     @classmethod
    ...     def tree_unflatten(cls, aux, children):
    ...         return cls(*children)
    """
    _check_class(cls)
    flatten, unflatten = _methods(cls, "tree_flatten", "tree_unflatten")
    register_pytree_node(cls, flatten, unflatten)
    return cls


def register_pytree_with_keys_class(cls: Class) -> Class:
    """Class decorator: objects are nodes by `tree_flatten_with_keys()`, `tree_unflatten(aux, children)`.

    A method `tree_flatten(self)` is used too where there is one.
    """
    _check_class(cls)
    with_keys, unflatten = _methods(cls, "tree_flatten_with_keys", "tree_unflatten")
    register_pytree_with_keys(cls, with_keys, unflatten, getattr(cls, "tree_flatten", None))
    return cls


def register_dataclass(
    nodetype: Class,
    data_fields: Sequence[str] | None = None,
    meta_fields: Sequence[str] | None = None,
    drop_fields: Sequence[str] = (),
) -> Class:
    """Makes the objects of a dataclass nodes: fields are children, or static.

    Used as a decorator above `@dataclass` (frozen ones too), or called with the names. Objects are put
    together again by calling the class with its fields as keywords.

    Args:
        nodetype: the class. If it is not a dataclass, name both sorts of fields.
        data_fields: names of the children. By default every field of the constructor that is not marked
            static by `dataclasses.field(metadata=dict(static=True))`.
        meta_fields: names of the static fields, which must be hashable. By default those that are marked.
        drop_fields: fields that are left out: they take their defaults when an object is put together again.

    Returns:
        The class itself.

    Raises:
        ArgumentError: the class is registered already, or the names are not those of its fields.

    >>> from dataclasses import dataclass, field
    >>> @register_dataclass
    ... @dataclass(frozen=True)
    ... class Layer:
    ...     w: float
    ...     b: float
    ...     act: str = field(default="relu", metadata=dict(static=True))
    """
    _check_class(nodetype)
    data, meta = _fields(nodetype, data_fields, meta_fields, drop_fields)
    register(DataclassKind(nodetype, data, meta))
    return nodetype


def register_static(cls: Class) -> Class:
    """Class decorator: objects become part of the structure, without leaves. They must be hashable.

    >>> @register_static
    ... class Mode(str):
    ...     pass
    """
    _check_class(cls)
    register(StaticKind(cls))
    return cls


def static(**kwargs: Any) -> Any:
    """`dataclasses.field` for a field that `register_dataclass` takes as static."""
    metadata = {**(kwargs.pop("metadata", None) or {}), "static": True}
    return dataclasses.field(metadata=metadata, **kwargs)


def _fields(
    cls: type, data: Sequence[str] | None, meta: Sequence[str] | None, drop: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of children and static fields, given or inferred, checked."""
    if (data is None) != (meta is None):
        raise _field_fault(cls, "name both data_fields and meta_fields, or neither")
    if any(isinstance(names, str) for names in (data, meta, drop)):
        raise _field_fault(cls, "data_fields, meta_fields and drop_fields are sequences of names")
    declared = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else None
    fields = None if declared is None else [field for field in declared if field.init]
    if data is None or meta is None:
        if fields is None:
            cure = "Put @register_dataclass above @dataclass, or name data_fields and meta_fields."
            raise _field_fault(cls, "it is not a dataclass", cure)
        kept = [field for field in fields if field.name not in drop]
        meta = [field.name for field in kept if field.metadata.get("static", False)]
        data = [field.name for field in kept if field.name not in meta]
    named = [*data, *meta, *drop]
    if len(set(named)) != len(named):
        twice = sorted({name for name in named if named.count(name) > 1})
        raise _field_fault(cls, f"fields named twice: {listing(twice, len(twice))}")
    if fields is not None and (wrong := {field.name for field in fields} ^ set(named)):
        words = "not a field of its constructor" if wrong & set(named) else "neither data, meta nor dropped"
        names = sorted(wrong & set(named) or wrong)
        raise _field_fault(cls, f"{words}: {listing(names, len(names))}")
    return tuple(data), tuple(meta)


def _field_fault(cls: type, what: str, cure: str = "") -> ArgumentError:
    return ArgumentError(message(f"register_dataclass of {cls.__qualname__}: {what}", cure=cure))


def _check_class(cls: Any) -> None:
    if not isinstance(cls, type):
        raise ArgumentError(message(f"only classes are registered as pytree nodes, not {short(cls)}"))
    if cls.__module__ == "builtins" and not is_registered(cls):
        raise ArgumentError(message(f"the builtin class {cls.__name__} cannot become a pytree node"))
    if is_registered(cls):
        raise ArgumentError(message(f"the class {cls.__qualname__} is a pytree node already"))


def _check_callables(*functions: Any) -> None:
    for function in functions:
        if function is not None and not callable(function):
            what = f"a class becomes a pytree node by functions, not by {short(function)}"
            raise ArgumentError(message(what))


def _methods(cls: type, *names: str) -> list[Any]:
    missing = [name for name in names if not callable(getattr(cls, name, None))]
    if missing:
        raise ArgumentError(message(f"{cls.__qualname__} needs the method {missing[0]} to be a pytree node"))
    return [getattr(cls, name) for name in names]
