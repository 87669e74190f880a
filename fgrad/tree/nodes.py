"""Nodes of structures, and the kinds of containers that they come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from operator import itemgetter
from typing import Any, TypeAlias, TypeVar

from fgrad.errors import ArgumentError, message
from fgrad.tree.keys import KeyPath, SequenceKey

__all__ = ["KINDS", "LEAF", "Brackets", "Cache", "Join", "Kind", "Node", "Split", "registered_kind"]

Join: TypeAlias = Callable[[Sequence[Any]], Any]
Split: TypeAlias = "tuple[Node, Sequence[Any]]"
Brackets: TypeAlias = tuple[str, Sequence[str], str]
K = TypeVar("K")
V = TypeVar("V")


class Cache(dict[K, V]):
    """A dict that forgets everything when it has grown too large."""

    limit = 1 << 14

    def keep(self, key: K, value: V) -> V:
        if len(self) >= self.limit:
            self.clear()
        self[key] = value
        return value


class Node:
    """One node of a structure: its kind, its number of children, and what else equal nodes have in common.

    A node whose children are all leaves is stored as its companion `flat`, which stands for itself and its
    leaves; a leaf is a node that spans one leaf. Shared nodes are unique: equal ones are the same object.
    """

    __slots__ = (
        "_hash",
        "_keys",
        "arity",
        "aux",
        "detail",
        "flat",
        "join",
        "kind",
        "shared",
        "span",
        "whole",
    )

    kind: Kind
    arity: int  # the number of children
    span: int  # the number of leaves that this entry stands for
    join: Join  # from the children, in order, to the object
    aux: Any  # equal in equal nodes
    detail: Any  # aux, and what else makes this very node: the insertion order of its keys, for example
    shared: bool
    whole: Node  # this node without its leaves
    flat: Node  # this node with its leaves
    _keys: KeyPath | None
    _hash: int | None

    def __init__(
        self, kind: Kind, arity: int, join: Join, aux: Any = None, detail: Any = None, shared: bool = True
    ) -> None:
        flat = Node.__new__(Node) if arity else self
        for node in (self, flat):
            node.kind, node.arity, node.join, node.aux, node.shared = kind, arity, join, aux, shared
            node.detail = aux if detail is None else detail
            node.span, node.whole, node.flat, node._hash, node._keys = 0, self, flat, None, None
        flat.span = arity

    @property
    def keys(self) -> KeyPath:
        """The keys of the children."""
        if self._keys is None:
            self._keys = self.kind.keys(self)
        return self._keys

    def same(self, other: Node) -> bool:
        """Whether the nodes are equal, whatever the insertion order of their keys."""
        if self is other:
            return True
        if self.kind is not other.kind or self.arity != other.arity or self.span != other.span:
            return False
        try:
            return self.aux is other.aux or bool(self.aux == other.aux)
        except Exception as error:
            what = f"the static data of {self.kind.describe(self)} cannot be compared: {error}"
            cure = "Its == must give True or False; arrays belong among the children."
            raise ArgumentError(message(what, cure=cure)) from error

    def structural_hash(self) -> int:
        """A hash that is equal in equal nodes."""
        if self._hash is None:
            try:
                self._hash = hash((self.kind.cls, self.arity, self.span, self.aux))
            except Exception as error:
                what = f"the static data of {self.kind.describe(self)} cannot be hashed: {error}"
                cure = "Static data must be hashable; arrays belong among the children."
                raise ArgumentError(message(what, cure=cure)) from error
        return self._hash

    def exact(self) -> Hashable:
        """What tells this node from an equal one that is built otherwise (order of keys, 1 against True)."""
        return self if self.shared else (self.kind.cls, self.arity, self.span, _exact(self.detail))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.kind, self.arity, self.detail, self.span > 0)


def _exact(value: Any) -> Hashable:
    """The value with its class, equal only to what can stand in for it: not 1 to True, nor 0.0 to -0.0."""
    if type(value) is tuple:
        return tuple(map(_exact, value))
    return type(value), repr(value) if type(value) in (float, complex) else value


def _restore(kind: Kind, arity: int, detail: Any, flat: bool) -> Node:
    node = kind.restore(arity, detail)
    return node.flat if flat else node


class Kind(ABC):
    """A class of containers: how its objects are taken apart, put together again, and described."""

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self.name = cls.__name__

    @abstractmethod
    def split(self, obj: Any) -> Split:
        """Takes an object apart: its node and its children."""

    @abstractmethod
    def restore(self, arity: int, detail: Any) -> Node:
        """The node with this many children and this detail."""

    @abstractmethod
    def describe(self, node: Node) -> str:
        """Words for an error message, such as `a list of length 2`."""

    @abstractmethod
    def brackets(self, node: Node) -> Brackets:
        """What is printed before, at each child, and after."""

    def keys(self, node: Node) -> KeyPath:
        """The keys of the children, as far as the node knows them."""
        return tuple(map(SequenceKey, range(node.arity)))

    def keys_of(self, node: Node, obj: Any) -> KeyPath:
        """The keys of the children of this object."""
        return node.keys

    def difference(self, want: Node, got: Node) -> str:
        """What differs between two nodes of this kind, where the descriptions alone may not tell."""
        return ""

    def __reduce__(self) -> tuple[Any, ...]:
        return registered_kind, (self.cls,)


KINDS: dict[type, Kind] = {}  # by exact class; those of NamedTuples are made when they are met


def registered_kind(cls: type) -> Kind:
    """The kind of a registered class."""
    kind = KINDS.get(cls)
    if kind is None:
        what = f"{cls.__qualname__} is not a registered pytree node in this process"
        raise ArgumentError(message(what, cure="Import the module that registers it before unpickling."))
    return kind


class _LeafKind(Kind):
    def split(self, obj: Any) -> Split:
        return LEAF, ()

    def restore(self, arity: int, detail: Any) -> Node:
        return LEAF

    def describe(self, node: Node) -> str:
        return "a leaf"

    def brackets(self, node: Node) -> Brackets:
        return "*", (), ""


KINDS[_LeafKind] = _LeafKind(_LeafKind)
LEAF = Node(KINDS[_LeafKind], 0, itemgetter(0))
LEAF.span = 1
