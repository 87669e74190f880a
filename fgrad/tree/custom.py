"""Registered classes: those with functions of the user's, dataclasses, and static ones."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence, ValuesView
from functools import partial
from operator import attrgetter
from types import FunctionType
from typing import Any

from fgrad.errors import ArgumentError, message
from fgrad.tree.containers import PLAIN
from fgrad.tree.keys import FlattenedIndexKey, GetAttrKey, KeyPath
from fgrad.tree.nodes import Brackets, Cache, Join, Kind, Node, Split
from fgrad.tree.text import an, function_name, listing, plural, short

__all__ = ["CustomKind", "DataclassKind", "StaticKind"]


class AuxKind(Kind):
    """A registered class whose objects are children plus auxiliary data."""

    def __init__(self, cls: type) -> None:
        super().__init__(cls)
        self.known: Cache[tuple[Any, ...], Node] = Cache()

    @abstractmethod
    def joiner(self, aux: Any) -> Join:
        """A function from children to the object that has them and this auxiliary data."""

    def node(self, arity: int, aux: Any) -> Node:
        """The node; shared where holding on to the auxiliary data costs nothing and equal means identical."""
        values = aux if type(aux) is tuple else (aux,)
        types = tuple(map(type, values))
        if not PLAIN.issuperset(types) and not all(map(_is_steady, values)):
            return Node(self, arity, self.joiner(aux), aux, shared=False)
        exact = (arity, aux, types)
        try:
            return self.known[exact]
        except KeyError:
            return self.known.keep(exact, Node(self, arity, self.joiner(aux), aux))

    def restore(self, arity: int, detail: Any) -> Node:
        return self.node(arity, detail)


class CustomKind(AuxKind):
    """A class with functions of the user's that take its objects apart and put them together."""

    def __init__(
        self,
        cls: type,
        flatten: Callable[[Any], tuple[Iterable[Any], Any]],
        unflatten: Callable[[Any, Any], Any],
        with_keys: Callable[[Any], tuple[Iterable[tuple[Any, Any]], Any]] | None,
    ) -> None:
        super().__init__(cls)
        self.flatten, self.unflatten, self.with_keys = flatten, unflatten, with_keys

    def split(self, obj: Any) -> Split:
        children, aux = self.taken_apart(self.flatten, obj)
        return self.node(len(children), aux), children

    def taken_apart(self, function: Callable[[Any], Any], obj: Any) -> tuple[Sequence[Any], Any]:
        """What a registered flatten function gives, checked."""
        result = function(obj)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            what = f"returned {short(result)}, not a pair (children, auxiliary data)"
            raise self.fault(function, what)
        children, aux = result
        if isinstance(children, (tuple, list)):
            return children, aux
        # An array or a dict can be iterated over as well, but hardly is what was meant.
        if isinstance(children, (str, bytes)) or not isinstance(children, (Sequence, Iterator, ValuesView)):
            what = f"gave {short(children)} as children, not a tuple (is a comma missing in `(x,)`?)"
            raise self.fault(function, what)
        return tuple(children), aux

    def joiner(self, aux: Any) -> Join:
        def join(children: Sequence[Any]) -> Any:
            obj = self.unflatten(aux, tuple(children))
            if not isinstance(obj, self.cls):
                raise self.fault(self.unflatten, f"returned {short(obj)}, not {an(self.name)}")
            return obj

        return join

    def fault(self, function: Callable[..., Any], what: str) -> ArgumentError:
        who = f"{function_name(function)}, registered for the pytree class {self.name}"
        return ArgumentError(message(f"{who}, {what}"))

    def keys(self, node: Node) -> KeyPath:
        return tuple(map(FlattenedIndexKey, range(node.arity)))

    def keys_of(self, node: Node, obj: Any) -> KeyPath:
        if self.with_keys is None:
            return node.keys
        pairs, _ = self.taken_apart(self.with_keys, obj)
        keys = tuple(pair[0] for pair in pairs if isinstance(pair, (tuple, list)) and len(pair) == 2)
        if len(keys) != len(pairs) or len(keys) != node.arity:
            what = f"gave {short(pairs)}, not {plural(node.arity, 'pair')} (key, child)"
            raise self.fault(self.with_keys, what)
        return keys

    def describe(self, node: Node) -> str:
        aux = f" and auxiliary data {short(node.aux)}" if _says_something(node.aux) else ""
        return f"{an(self.name)} with {plural(node.arity, 'child', 'children')}{aux}"

    def brackets(self, node: Node) -> Brackets:
        aux = f"[{short(node.aux)}]" if _says_something(node.aux) else ""
        return f"{self.name}{aux}(", [""] * node.arity, ")"


class DataclassKind(AuxKind):
    """A class whose objects are made from their attributes: some are children, the others are static."""

    def __init__(self, cls: type, data: tuple[str, ...], meta: tuple[str, ...]) -> None:
        super().__init__(cls)
        self.data, self.meta = data, meta
        self.children, self.static = _attributes(data), _attributes(meta)
        self.field_keys = tuple(map(GetAttrKey, data))

    def split(self, obj: Any) -> Split:
        return self.node(len(self.data), self.static(obj)), self.children(obj)

    def joiner(self, aux: Any) -> Join:
        make = partial(self.cls, **dict(zip(self.meta, aux, strict=True))) if aux else self.cls
        names = self.data
        return lambda children: make(**dict(zip(names, children, strict=True)))

    def keys(self, node: Node) -> KeyPath:
        return self.field_keys

    def static_text(self, node: Node) -> list[str]:
        return [f"{name}={short(value)}" for name, value in zip(self.meta, node.aux, strict=True)]

    def describe(self, node: Node) -> str:
        fields = [*self.data, *self.static_text(node)]
        return f"{an(self.name)}({listing(fields, len(fields))})"

    def brackets(self, node: Node) -> Brackets:
        static = ", ".join(self.static_text(node))
        comma = ", " if self.data and static else ""
        return f"{self.name}(", [f"{name}=" for name in self.data], f"{comma}{static})"

    def difference(self, want: Node, got: Node) -> str:
        triples = zip(self.meta, want.aux, got.aux, strict=True)
        differ = [(name, a, b) for name, a, b in triples if a is not b and a != b]
        return "; ".join(f"the static field {name} must be {short(a)}, not {short(b)}" for name, a, b in differ)


class StaticKind(Kind):
    """A class whose objects are part of the structure: they have no children."""

    def split(self, obj: Any) -> Split:
        return self.restore(0, obj), ()

    def restore(self, arity: int, detail: Any) -> Node:
        return Node(self, 0, lambda children: detail, detail, detail, shared=False)

    def describe(self, node: Node) -> str:
        return f"the static {self.name} {short(node.aux)}"

    def brackets(self, node: Node) -> Brackets:
        return f"{self.name}[{short(node.aux)}]", (), ""


def _is_steady(value: Any) -> bool:
    """Whether the value equals only itself (or is plain), and keeps nothing else alive."""
    cls = type(value)
    return cls in PLAIN or cls is type or (cls is FunctionType and value.__closure__ is None)


def _attributes(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    if not names:
        return lambda obj: ()
    get = attrgetter(*names)
    return lambda obj: (get(obj),)


def _says_something(aux: Any) -> bool:
    return aux is not None and not (isinstance(aux, tuple) and not aux)
