"""Python's own containers: list, tuple, NamedTuple, dict, OrderedDict, defaultdict, None."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from fgrad.tree.keys import DictKey, GetAttrKey, KeyPath
from fgrad.tree.nodes import KINDS, Brackets, Cache, Join, Kind, Node, Split
from fgrad.tree.order import canonical_order
from fgrad.tree.text import an, listing, short

__all__ = [
    "PLAIN",
    "DefaultDictKind",
    "DictKind",
    "NamedTupleKind",
    "NoneKind",
    "OrderedDictKind",
    "SequenceKind",
    "named_tuple_kind",
]

Pick: TypeAlias = Callable[[Any], Sequence[Any]]

# Equal keys of these classes and of one class are interchangeable, and holding on to them costs nothing.
PLAIN = frozenset({str, int, bool, bytes, type(None)})


class SequenceKind(Kind):
    """list and tuple."""

    def __init__(self, cls: type, join: Join) -> None:
        super().__init__(cls)
        self.join = join
        self.nodes: Cache[int, Node] = Cache()

    def split(self, obj: Any) -> Split:
        try:
            return self.nodes[len(obj)], obj
        except KeyError:
            return self.restore(len(obj), None), obj

    def restore(self, arity: int, detail: Any) -> Node:
        return self.nodes.get(arity) or self.nodes.keep(arity, Node(self, arity, self.join))

    def describe(self, node: Node) -> str:
        return f"{an(self.name)} of length {node.arity:,}"

    def brackets(self, node: Node) -> Brackets:
        if self.cls is list:
            return "[", [""] * node.arity, "]"
        return "(", [""] * node.arity, ",)" if node.arity == 1 else ")"


class NamedTupleKind(SequenceKind):
    """One subclass of NamedTuple, which keeps its type."""

    def __init__(self, cls: type) -> None:
        super().__init__(cls, getattr(cls, "_make", None) or (lambda children: cls(*children)))
        self.fields: tuple[str, ...] = tuple(getattr(cls, "_fields", ()))

    def keys(self, node: Node) -> KeyPath:
        return tuple(map(GetAttrKey, self.fields)) if len(self.fields) == node.arity else super().keys(node)

    def describe(self, node: Node) -> str:
        return f"{an(self.name)}({listing(self.fields, node.arity)})"

    def brackets(self, node: Node) -> Brackets:
        return f"{self.name}(", [f"{field}=" for field in self.fields], ")"

    def __reduce__(self) -> tuple[Any, ...]:
        return named_tuple_kind, (self.cls,)


def named_tuple_kind(cls: type) -> Kind:
    """The kind of a subclass of NamedTuple, made when it is first met."""
    return KINDS.get(cls) or KINDS.setdefault(cls, NamedTupleKind(cls))


class NoneKind(Kind):
    """None: a node without children."""

    def __init__(self) -> None:
        super().__init__(type(None))
        self.node = Node(self, 0, lambda children: None)

    def split(self, obj: Any) -> Split:
        return self.node, ()

    def restore(self, arity: int, detail: Any) -> Node:
        return self.node

    def describe(self, node: Node) -> str:
        return "None"

    def brackets(self, node: Node) -> Brackets:
        return "None", (), ""


class DictKind(Kind):
    """dict: equal whatever the insertion order; leaves come in the canonical order of the keys."""

    def __init__(self, cls: type = dict) -> None:
        super().__init__(cls)
        self.known: Cache[tuple[Any, ...], tuple[Node, Pick]] = Cache()

    def split(self, obj: Any) -> Split:
        keys = tuple(obj)
        if not _ONLY_STR(map(type, keys)):
            return self.split_by_types(obj, keys)
        try:
            node, pick = self.known[keys]
        except KeyError:
            node, pick = self.known.keep(keys, self.make(keys))
        return node, pick(obj)

    def split_by_types(self, obj: Any, keys: tuple[Any, ...]) -> Split:
        """As split, where some keys are not strings: 1, 1.0 and True are equal, but must not be mixed up."""
        types = tuple(map(type, keys))
        if not PLAIN.issuperset(types):
            node, pick = self.make(keys, shared=False)
        else:
            exact = (keys, types)
            node, pick = self.known.get(exact) or self.known.keep(exact, self.make(keys))
        return node, pick(obj)

    def make(self, keys: tuple[Any, ...], shared: bool = True) -> tuple[Node, Pick]:
        """The node of a dict with these keys, and what picks the children out of it."""
        ordered = canonical_order(keys)
        return Node(self, len(keys), _dict_join(keys, ordered), ordered, keys, shared), _picker(ordered)

    def restore(self, arity: int, detail: Any) -> Node:
        return self.split(dict.fromkeys(detail))[0]

    def keys_in_order(self, node: Node) -> tuple[Any, ...]:
        """The keys of the children."""
        keys: tuple[Any, ...] = node.aux
        return keys

    def keys(self, node: Node) -> KeyPath:
        return tuple(map(DictKey, self.keys_in_order(node)))

    def describe(self, node: Node) -> str:
        return _with_keys(self.name, self.keys_in_order(node))

    def brackets(self, node: Node) -> Brackets:
        return "{", [f"{key!r}: " for key in self.keys_in_order(node)], "}"

    def difference(self, want: Node, got: Node) -> str:
        wanted, present = self.keys_in_order(want), self.keys_in_order(got)
        parts = _named("missing", wanted, set(present)), _named("unexpected", present, set(wanted))
        return "; ".join(filter(None, parts))


class OrderedDictKind(DictKind):
    """OrderedDict: the order of the keys is part of the structure."""

    def __init__(self) -> None:
        super().__init__(OrderedDict)

    def make(self, keys: tuple[Any, ...], shared: bool = True) -> tuple[Node, Pick]:
        def join(children: Sequence[Any]) -> Any:
            return OrderedDict(zip(keys, children, strict=True))

        return Node(self, len(keys), join, keys, keys, shared), _picker(keys)

    def brackets(self, node: Node) -> Brackets:
        opening, labels, closing = super().brackets(node)
        return f"OrderedDict({opening}", labels, f"{closing})"

    def difference(self, want: Node, got: Node) -> str:
        return super().difference(want, got) or "the keys are the same but their order differs"


class DefaultDictKind(DictKind):
    """defaultdict: the factory is part of the structure, and kept."""

    def __init__(self) -> None:
        super().__init__(defaultdict)

    def split(self, obj: Any) -> Split:
        factory = obj.default_factory
        node, pick = self.with_factory(factory, tuple(obj))
        return node, pick(obj)

    def with_factory(self, factory: Any, keys: tuple[Any, ...]) -> tuple[Node, Pick]:
        ordered = canonical_order(keys)
        join_dict = _dict_join(keys, ordered)

        def join(children: Sequence[Any]) -> Any:
            return defaultdict(factory, join_dict(children))

        return Node(self, len(keys), join, (factory, ordered), (factory, keys), shared=False), _picker(ordered)

    def restore(self, arity: int, detail: Any) -> Node:
        return self.with_factory(*detail)[0]

    def keys_in_order(self, node: Node) -> tuple[Any, ...]:
        keys: tuple[Any, ...] = node.aux[1]
        return keys

    def describe(self, node: Node) -> str:
        return _with_keys(f"defaultdict({_factory_name(node)})", self.keys_in_order(node))

    def brackets(self, node: Node) -> Brackets:
        opening, labels, closing = super().brackets(node)
        return f"defaultdict({_factory_name(node)}, {opening}", labels, f"{closing})"

    def difference(self, want: Node, got: Node) -> str:
        text = super().difference(want, got)
        return text if want.aux[0] is got.aux[0] else f"the factories differ{text and '; ' + text}"


_ONLY_STR = frozenset({str}).issuperset


def _picker(keys: tuple[Any, ...]) -> Pick:
    """A function from a mapping to the tuple of its values at these keys."""
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda mapping: tuple(mapping[key] for key in keys)


def _dict_join(keys: tuple[Any, ...], ordered: tuple[Any, ...]) -> Join:
    """A function from values in canonical order to the dict with the given insertion order."""
    if keys == ordered:
        return lambda children: dict(zip(keys, children, strict=True))
    places = {key: place for place, key in enumerate(ordered)}
    arrange = itemgetter(*(places[key] for key in keys))
    return lambda children: dict(zip(keys, arrange(children), strict=True))


def _with_keys(name: str, keys: Sequence[Any]) -> str:
    return f"{an(name)} with {_keys_text(keys)}" if keys else f"an empty {name}"


def _keys_text(keys: Sequence[Any]) -> str:
    """`key 'a'` or `keys 'a', 'b'`."""
    return f"key{'s' if len(keys) > 1 else ''} {listing(map(short, keys), len(keys))}"


def _named(fault: str, keys: Iterable[Any], others: set[Any]) -> str:
    faulty = [key for key in keys if key not in others]
    return f"{fault} {_keys_text(faulty)}" if faulty else ""


def _factory_name(node: Node) -> str:
    factory = node.aux[0]
    return getattr(factory, "__name__", None) or short(factory)
