"""The structure of a pytree as a flat list of its nodes, in pre-order. Nothing recurses: trees may be deep."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, FgradError, SavedFileError, TracerUseError, message
from fgrad.io.classes import ClassNameError, find_class, is_named_tuple, name_of
from fgrad.io.values import MalformedError, UnstorableError, decode, encode
from fgrad.tree import keystr
from fgrad.tree.containers import DefaultDictKind, DictKind, NamedTupleKind, NoneKind, SequenceKind
from fgrad.tree.custom import CustomKind, DataclassKind, StaticKind
from fgrad.tree.keys import KeyPath, Link, linked, path_of
from fgrad.tree.nodes import KINDS, Node
from fgrad.tree.table import SPLITS

__all__ = ["Part", "built", "listed", "located", "paths", "read_parts", "shown"]

LEAF = "*"
Join: TypeAlias = Callable[[Sequence[Any]], Any]

_FACTORIES: dict[str, Any] = {
    cls.__name__: cls for cls in (bool, bytes, complex, dict, float, frozenset, int, list, set, str, tuple, OrderedDict)
}


def shown(path: str) -> str:
    """A key path for a message."""
    path = path if len(path) <= 200 else f"{path[:100]} … {path[-99:]}"
    return f"`{path}`" if path else "the root"


# Writing


def listed(tree: Any) -> tuple[list[Any], list[tuple[str, Any]]]:
    """A tree as JSON for its nodes, and its leaves with their key paths, in order.

    Raises:
        ArgumentError: a container or a key cannot be written down; says at which key path.
        TracerUseError: a leaf is traced.
    """
    nodes: list[Any] = []
    leaves: list[tuple[str, Any]] = []
    stack: list[tuple[Link, Any]] = [(None, tree)]
    while stack:
        link, x = stack.pop()
        split = SPLITS[type(x)]
        if split is None:
            nodes.append(LEAF)
            leaves.append((keystr(path_of(link)), _concrete(x, link)))
            continue
        node, children = split(x)
        keys = node.kind.keys_of(node, x)
        try:
            nodes.append(_node(node, keys))
        except UnstorableError as error:
            what = f"save: {node.kind.describe(node)} at {shown(keystr(path_of(link)))} has a key that is {error}."
            raise ArgumentError(message(what, cure="Use strings, numbers, or tuples of them as keys.")) from None
        stack += zip(reversed(linked(link, keys)), reversed(children), strict=True)
    return nodes, leaves


def _concrete(x: Any, link: Link) -> Any:
    if isinstance(x, Tracer):
        what = f"save: the leaf at {shown(keystr(path_of(link)))} is {x!r}, which has no value to write."
        cure = "Save what a transformed function returns, outside of it, or call save through fgrad.io_callback."
        raise TracerUseError(message(what, cure=cure))
    return x


def _node(node: Node, keys: KeyPath) -> Any:
    """What is written for a node."""
    kind = node.kind
    if isinstance(kind, NamedTupleKind):
        return ["namedtuple", name_of(kind.cls), list(kind.fields)]
    if isinstance(kind, SequenceKind):
        return [kind.name, node.arity]
    if isinstance(kind, NoneKind):
        return ["None"]
    if isinstance(kind, DictKind):
        return _dict(kind, node)
    if isinstance(kind, DataclassKind):
        static = {name: _static(value) for name, value in zip(kind.meta, node.aux, strict=True)}
        return ["dataclass", name_of(kind.cls), list(kind.data), static]
    if isinstance(kind, StaticKind):
        return ["static", name_of(kind.cls), _static(node.aux)]
    return ["class", name_of(kind.cls), [str(key) for key in keys], _static(node.aux)]


def _dict(kind: DictKind, node: Node) -> Any:
    """The keys in the order of the children, and the places that they have in the dict."""
    ordered = kind.keys_in_order(node)
    inserted = node.detail[1] if isinstance(kind, DefaultDictKind) else node.detail
    places = {key: place for place, key in enumerate(ordered)}
    written = [kind.name, [encode(key) for key in ordered], [places[key] for key in inserted]]
    if isinstance(kind, DefaultDictKind):
        factory = node.aux[0]
        known = factory is None or _FACTORIES.get(getattr(factory, "__name__", "")) is factory
        written.append((factory and factory.__name__) if known else _static(factory))
    return written


def _static(value: Any) -> Any:
    """Static data; what files do not hold, such as functions, is named only: it comes back from a template."""
    try:
        return encode(value)
    except UnstorableError as error:
        return {"opaque": str(error)}


# Reading


class Part(NamedTuple):
    """A node as it was found: the number of its children, their keys, and what joins them."""

    arity: int
    keys: Callable[[], Sequence[str]]  # as they print in a key path
    join: Callable[[], Join]  # finds classes only when it is called
    leaf: bool = False


_LEAF_PART = Part(0, lambda: (), lambda: lambda children: None, leaf=True)


def read_parts(nodes: Any) -> list[Part]:
    """The nodes of a file, checked to be those of one tree.

    Raises:
        MalformedError: they are not.
    """
    if type(nodes) is not list:
        raise MalformedError("the nodes are not a list")
    parts = [_LEAF_PART if node == LEAF else _part(node) for node in nodes]
    missing = 1
    for part in parts:
        if not missing:
            break
        missing += part.arity - 1
    else:
        if not missing:
            return parts
    raise MalformedError("the nodes are not those of one tree")


def _part(node: Any) -> Part:
    if type(node) is list and node and type(node[0]) is str:
        read, size = _READERS.get(node[0], (None, 0))
        if read is not None and len(node) == size:
            return read(*node)
    raise MalformedError(f"{repr(node)[:60]} is no node of a tree")


def _sequence(kind: str, arity: Any) -> Part:
    if type(arity) is not int or arity < 0:
        raise MalformedError(f"a {kind} of length {arity!r}")
    make: Any = list if kind == "list" else tuple
    return Part(arity, lambda: [f"[{i}]" for i in range(arity)], lambda: make)


def _named_tuple(_: str, name: Any, fields: Any) -> Part:
    _check(type(name) is str and _are_strings(fields), "namedtuple")

    def join() -> Join:
        cls = find_class(name, is_named_tuple)
        _check_fields(name, cls._fields, fields)
        make: Join = cls._make
        return make

    return Part(len(fields), lambda: [f".{field}" for field in fields], join)


def _mapping(kind: str, keys: Any, places: Any, factory: Any = None) -> Part:
    count = len(keys) if type(keys) is list else -1
    ordered = type(places) is list and all([type(i) is int for i in places]) and sorted(places) == [*range(count)]
    _check(ordered, kind)

    def join() -> Join:
        names = [decode(keys[i]) for i in places]
        if len(set(names)) != count:
            raise MalformedError(f"a {kind} with a key twice")
        made = _maker(kind, factory)
        return lambda children: made(zip(names, [children[i] for i in places], strict=True))

    return Part(count, lambda: [f"[{decode(key)!r}]" for key in keys], join)


def _maker(kind: str, factory: Any) -> Callable[[Any], Any]:
    if kind != "defaultdict":
        return OrderedDict if kind == "OrderedDict" else dict
    if factory is None:
        return lambda items: defaultdict(None, items)
    if type(factory) is not str or factory not in _FACTORIES:
        raise ClassNameError(f"the default factory is {_opaque(factory)}, which files do not hold")
    return lambda items: defaultdict(_FACTORIES[factory], items)


def _dataclass(_: str, name: Any, data: Any, static: Any) -> Part:
    _check(type(name) is str and _are_strings(data) and type(static) is dict, "dataclass")

    def join() -> Join:
        kind: DataclassKind = _registered(name, DataclassKind)
        _check_fields(name, kind.data, data)
        _check_fields(name, kind.meta, list(static), "static fields")
        return kind.joiner(tuple(_restored(name, f"the static field {key}", value) for key, value in static.items()))

    return Part(len(data), lambda: [f".{field}" for field in data], join)


def _class(_: str, name: Any, keys: Any, aux: Any) -> Part:
    _check(type(name) is str and _are_strings(keys), "class")

    def join() -> Join:
        kind: CustomKind = _registered(name, CustomKind)
        return kind.joiner(_restored(name, "the auxiliary data", aux))

    return Part(len(keys), lambda: keys, join)


def _static_object(_: str, name: Any, value: Any) -> Part:
    _check(type(name) is str, "static")

    def join() -> Join:
        kind = _registered(name, StaticKind)
        made = _restored(name, "the object", value)
        if type(made) is not kind.cls:
            raise MalformedError(f"{made!r} is not of the class {name}")
        return lambda children: made

    return Part(0, lambda: (), join)


def _none(_: str) -> Part:
    return Part(0, lambda: (), lambda: lambda children: None)


_READERS: dict[str, tuple[Callable[..., Part], int]] = {
    "None": (_none, 1), "list": (_sequence, 2), "tuple": (_sequence, 2), "namedtuple": (_named_tuple, 3),
    "dict": (_mapping, 3), "OrderedDict": (_mapping, 3), "defaultdict": (_mapping, 4),
    "dataclass": (_dataclass, 4), "class": (_class, 4), "static": (_static_object, 3),
}  # fmt: skip


def _registered(name: str, kind: type) -> Any:
    return KINDS[find_class(name, lambda cls: type(KINDS.get(cls)) is kind)]


def _restored(name: str, which: str, value: Any) -> Any:
    if type(value) is dict and "opaque" in value:
        raise ClassNameError(f"{which} of {name} is {_opaque(value)}, which files do not hold")
    return decode(value)


def _opaque(value: Any) -> str:
    return str(value.get("opaque") if type(value) is dict else value)[:200]


def _check(well: bool, kind: str) -> None:
    if not well:
        raise MalformedError(f"a malformed {kind}")


def _are_strings(found: Any) -> bool:
    return type(found) is list and all([type(item) is str for item in found])


def _check_fields(name: str, here: Sequence[str], there: Sequence[str], what: str = "fields") -> None:
    if list(here) != list(there):
        names = [", ".join(fields) or "none" for fields in (here, there)]
        raise ClassNameError(f"{name} has the {what} {names[0]} here, and had {names[1]} when the file was written")


def built(parts: Sequence[Part], leaves: Sequence[Any]) -> Any:
    """The tree, from its last node to its first.

    Raises:
        SavedFileError: a class is not known, or refuses what it is made from; says at which key path.
    """
    stack: list[Any] = []
    rest = len(leaves)
    for place in range(len(parts) - 1, -1, -1):
        part = parts[place]
        if part.leaf:
            rest -= 1
            stack.append(leaves[rest])
            continue
        children = stack[: -part.arity - 1 : -1] if part.arity else []
        del stack[len(stack) - part.arity :]
        try:
            stack.append(part.join()(children))
        except Exception as error:
            raise _unbuildable(parts, place, error) from error
    return stack[0]


def _unbuildable(parts: Sequence[Part], place: int, error: Exception) -> SavedFileError:
    """The error for a node that cannot be put together."""
    try:
        path = next(path for i, path in _walk(parts) if i == place)
    except MalformedError:
        path = "a key that is malformed"
    cure = "The file is damaged, or was not written by fgrad.io.save."
    if isinstance(error, ClassNameError):
        cure = (
            "Import the module that defines it first, or give a template: load(path, like=tree). "
            "load(path, only=…) reads a part of a file."
        )
    what = str(error) if isinstance(error, FgradError) else f"{type(error).__name__}: {error}"
    return SavedFileError(message(f"load: the container at {shown(path)} cannot be made: {what}.", cure=cure))


def _walk(parts: Sequence[Part]) -> Iterator[tuple[int, str]]:
    """Every node with its key path."""
    stack = [""]
    for place, part in enumerate(parts):
        path = stack.pop()
        yield place, path
        if part.arity:
            stack += [f"{path}{key}" for key in reversed(part.keys())]


def paths(parts: Sequence[Part]) -> list[str]:
    """The key paths of the leaves."""
    return [path for place, path in _walk(parts) if parts[place].leaf]


def located(parts: Sequence[Part], path: str) -> range | None:
    """The nodes at and below a key path; None if it leads nowhere."""
    pending = [(0, path)]
    while pending:
        place, rest = pending.pop()
        child = _end(parts, place) if not rest else place + 1
        if not rest:
            return range(place, child)
        keys = parts[place].keys()
        for key in keys:
            if key and rest.startswith(key):  # `.w` begins `.weight` too
                pending.append((child, rest[len(key) :]))
            child = _end(parts, child)
    return None


def _end(parts: Sequence[Part], place: int) -> int:
    """Where the nodes below a node end."""
    missing = 1
    while missing:
        missing += parts[place].arity - 1
        place += 1
    return place
