"""PyTreeDef, the structure of a pytree, and flattening. Nothing recurses: trees may be arbitrarily deep."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import chain, repeat
from typing import Any, NoReturn, TypeAlias, final

from fgrad.errors import TreeStructureError, hide_frames, message
from fgrad.tree.keys import KeyPath, Link, linked, path_of
from fgrad.tree.mismatch import path_in_structure, path_in_tree, place, versus, versus_node
from fgrad.tree.nodes import LEAF, Cache, Node
from fgrad.tree.preorder import depth, end_of_subtree, expanded, joined, packed, printed
from fgrad.tree.source import MAX_DEPTH, Builder, Matcher, compile_builder, compile_matcher
from fgrad.tree.table import LEAF_TYPES, SPLITS, describe, node_of
from fgrad.tree.text import plural

__all__ = ["IsLeaf", "PyTreeDef", "difference", "expanded_nodes", "flatten", "flatten_with_path", "tuple_of"]

IsLeaf: TypeAlias = Callable[..., bool]

_CHUNK = 1_000_000  # nodes between two searches for a container that contains itself
_DEEP = 1_000  # the length of a key path from which on there is a search whenever it has doubled
_SHARED_SIZE = 4096  # the size up to which structures are shared
_USES = 64  # uses of a structure after which source is compiled for it
_SOURCE_SIZE = range(4, 1000)  # of structures for which that pays


@final
class PyTreeDef:
    """The structure of a pytree: its containers, their keys and static data, and the places of its leaves.

    Structures compare by `==` and hash, whatever the insertion order of dict keys. They are made by `flatten`
    and `structure`; most are shared, so that comparing them costs next to nothing.

    >>> from fgrad import tree
    >>> tree.structure({"w": 1.0, "b": (2.0, None)})
    PyTreeDef({'b': (*, None), 'w': *})
    """

    __slots__ = ("__weakref__", "_build", "_hash", "_layout", "_match", "_uses", "nodes", "num_leaves")

    nodes: tuple[Node, ...]  # in pre-order; a node whose children are all leaves stands for them too
    num_leaves: int

    def __init__(self, nodes: tuple[Node, ...], num_leaves: int) -> None:
        self.nodes, self.num_leaves = nodes, num_leaves
        self._hash: int | None = None
        self._layout: Hashable = None
        self._uses = 0
        self._build: Builder | None = None
        self._match: Matcher | None = None

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, PyTreeDef):
            return NotImplemented
        mine, theirs = self.nodes, other.nodes
        return mine == theirs or (len(mine) == len(theirs) and all(map(Node.same, mine, theirs)))

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(tuple(map(Node.structural_hash, self.nodes)))
        return self._hash

    @property
    def layout(self) -> Hashable:
        """A key that is equal only where flattened objects are indistinguishable but for their leaves.

        Equal structures may differ in the insertion order of dict keys, and in 1 against True. What depends
        on these, such as the trace of a function that iterates over a dict, is to be kept by layout.
        """
        if self._layout is None:
            self._layout = tuple(map(Node.exact, self.nodes))
        return self._layout

    @property
    def num_nodes(self) -> int:
        """The number of containers and leaves."""
        return sum(1 + node.span for node in self.nodes if node is not LEAF) + self.nodes.count(LEAF)

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The tree of this structure with the given leaves.

        Args:
            leaves: as many as `num_leaves`, of any type, in canonical order.

        Returns:
            The tree; dict keys are in the insertion order of the tree that the structure was taken from.

        Raises:
            TreeStructureError: there are too many leaves, or too few.
        """
        try:
            if type(leaves) is not list and type(leaves) is not tuple:
                leaves = list(leaves)
            if len(leaves) != self.num_leaves:
                self._refuse_leaves(len(leaves))
            if self._build is not None:
                return self._build(leaves)
            self._used()
            return joined(self.nodes, leaves)
        except Exception as error:
            hide_frames(error)
            raise

    def _refuse_leaves(self, count: int) -> NoReturn:
        what = f"unflatten needs {plural(self.num_leaves, 'leaf', 'leaves')}, got {count:,}"
        if count < self.num_leaves:
            what += f": none for the leaf {place(self._path_of_leaf(count))}"
        raise TreeStructureError(message(what))

    def _path_of_leaf(self, number: int) -> KeyPath:
        nodes = tuple(expanded(self.nodes))
        places = [index for index, node in enumerate(nodes) if node is LEAF]
        return path_in_structure(nodes, places[number])

    def flatten_up_to(self, tree: Any, *, fault: str = "the tree does not fit the structure") -> list[Any]:
        """Flattens a tree down to the leaves of this structure, whose places may hold subtrees.

        Args:
            tree: a tree that has this structure as a prefix.
            fault: how the message of an error begins.

        Returns:
            What stands in the places of the leaves.

        Raises:
            TreeStructureError: the tree does not fit; says at which key path, and what was expected there.
        """
        try:
            leaves = None if self._match is None else self._match(tree)
            if leaves is not None:
                return leaves
            self._used()
            return _leaves_up_to(self.nodes, tree, fault)
        except Exception as error:
            hide_frames(error)
            raise

    def match(self, tree: Any) -> list[Any] | None:
        """The leaves of a tree if it has exactly this layout, else None. Quick if asked often."""
        if self._match is not None:
            return self._match(tree)
        self._used()
        leaves, treedef = flatten(tree)
        return leaves if treedef is self or treedef.layout == self.layout else None

    def _used(self) -> None:
        """Compiles source for the structure when it has been used often enough."""
        self._uses += 1
        if self._uses != _USES or len(self.nodes) not in _SOURCE_SIZE:
            return
        nodes = expanded_nodes(self, MAX_DEPTH)
        if nodes is not None:
            self._build = compile_builder(nodes, self.num_leaves)
            self._match = compile_matcher(nodes)
            _RECENT[nodes[0].kind.cls] = self

    def children(self) -> list[PyTreeDef]:
        """The structures of the children of the root."""
        root = self.nodes[0]
        if root.span:
            return [] if root is LEAF else [_LEAF_DEF] * root.arity
        children, start = [], 1
        for _ in range(root.arity):
            end = end_of_subtree(self.nodes, start)
            nodes = self.nodes[start:end]
            children.append(_define(nodes, sum(node.span for node in nodes)))
            start = end
        return children

    def node_data(self) -> tuple[type, Any] | None:
        """The class of the root and its auxiliary data (keys, static fields); None for a leaf."""
        root = self.nodes[0]
        return None if root is LEAF else (root.kind.cls, root.aux)

    def compose(self, inner: PyTreeDef) -> PyTreeDef:
        """The structure with `inner` in place of every leaf."""
        if inner.nodes == (LEAF,):
            return self
        nodes = chain.from_iterable(inner.nodes if node is LEAF else (node,) for node in expanded(self.nodes))
        return _define(tuple(nodes), self.num_leaves * inner.num_leaves)

    def __repr__(self) -> str:
        return f"PyTreeDef({''.join(printed(self.nodes))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _define, (self.nodes, self.num_leaves)

    def __copy__(self) -> PyTreeDef:
        return self

    def __deepcopy__(self, memo: Any) -> PyTreeDef:
        return self


def expanded_nodes(treedef: PyTreeDef, limit: int) -> tuple[Node, ...] | None:
    """The nodes, leaves among them, that source can be written for; `None` if they are deeper than the limit."""
    nodes = tuple(expanded(treedef.nodes))
    return nodes if all(node.shared for node in nodes) and depth(nodes) <= limit else None


_DEFS: Cache[tuple[Node, ...], PyTreeDef] = Cache()
_RECENT: dict[type, PyTreeDef] = {}  # by class of the root: the structure that source was last compiled for


def _define(nodes: tuple[Node, ...], num_leaves: int) -> PyTreeDef:
    """The structure of these nodes; the same object whenever the nodes are the same."""
    known = _DEFS.get(nodes)
    if known is not None:
        return known
    made = PyTreeDef(nodes, num_leaves)
    if len(nodes) <= _SHARED_SIZE and all(node.shared for node in nodes):
        _DEFS.keep(nodes, made)
    return made


_LEAF_DEF = _define((LEAF,), 1)


def flatten(tree: Any, is_leaf: IsLeaf | None = None) -> tuple[list[Any], PyTreeDef]:
    """Takes a pytree apart into its leaves and its structure.

    Args:
        tree: a pytree. What is not a container is a leaf; None is a container without leaves.
        is_leaf: called with every node from the root on; where it is true, the node is taken as a leaf.

    Returns:
        The leaves in canonical order (dicts in the order of their sorted keys), and the structure.

    >>> leaves, treedef = flatten({"w": [1.0, 2.0], "b": 3.0, "none": None})
    >>> leaves
    [3.0, 1.0, 2.0]
    >>> treedef.unflatten(leaves)
    {'w': [1.0, 2.0], 'b': 3.0, 'none': None}
    """
    try:
        if is_leaf is not None:
            return _flatten_until(tree, is_leaf)
        recent = _RECENT.get(type(tree))
        if recent is not None and recent._match is not None and (found := recent._match(tree)) is not None:
            return found, recent
        leaves: list[Any] = []
        nodes: list[Node] = []
        stack = [tree]
        splits, all_leaves, known = SPLITS, LEAF_TYPES.issuperset, len(LEAF_TYPES)
        while stack:
            for _ in repeat(None, _CHUNK):
                x = stack.pop()
                split = splits[type(x)]
                if split is None:
                    leaves.append(x)
                    nodes.append(LEAF)
                else:
                    node, children = split(x)
                    if all_leaves(map(type, children)):
                        leaves += children
                        nodes.append(node.flat)
                    else:
                        nodes.append(node)
                        stack += children[::-1]
                if not stack:
                    break
            else:
                _refuse_cycles(tree)
        if len(LEAF_TYPES) != known:  # the leaves of a class met for the first time were taken one by one
            nodes = list(packed(tuple(expanded(nodes))))
        return leaves, _define(tuple(nodes), len(leaves))
    except Exception as error:
        hide_frames(error)
        raise


def _flatten_until(tree: Any, is_leaf: IsLeaf) -> tuple[list[Any], PyTreeDef]:
    leaves: list[Any] = []
    nodes: list[Node] = []
    stack = [tree]
    while stack:
        x = stack.pop()
        split = None if is_leaf(x) else SPLITS[type(x)]
        if split is None:
            leaves.append(x)
            nodes.append(LEAF)
        else:
            node, children = split(x)
            nodes.append(node)
            stack += children[::-1]
        if len(nodes) % _CHUNK == 0:
            _refuse_cycles(tree, is_leaf)
    return leaves, _define(packed(nodes), len(leaves))


def flatten_with_path(
    tree: Any, is_leaf: IsLeaf | None = None, is_leaf_takes_path: bool = False
) -> tuple[list[tuple[KeyPath, Any]], PyTreeDef]:
    """As `flatten`, where each leaf comes with its key path.

    Args:
        tree: a pytree.
        is_leaf: called with every node; where it is true, the node is taken as a leaf.
        is_leaf_takes_path: call `is_leaf(path, node)` instead.

    Returns:
        Pairs (path, leaf), and the structure.

    >>> from fgrad.tree import keystr
    >>> pairs, _ = flatten_with_path({"layers": [{"w": 1.0}]})
    >>> "params" + keystr(pairs[0][0])
    "params['layers'][0]['w']"
    """
    try:
        leaves: list[tuple[KeyPath, Any]] = []
        nodes: list[Node] = []
        stack: list[tuple[Link, Any]] = [(None, tree)]
        deep = _DEEP
        while stack:
            link, x = stack.pop()
            stop = is_leaf is not None and (is_leaf(path_of(link), x) if is_leaf_takes_path else is_leaf(x))
            split = None if stop else SPLITS[type(x)]
            if split is None:
                leaves.append((path_of(link), x))
                nodes.append(LEAF)
                continue
            node, children = split(x)
            nodes.append(node)
            links = linked(link, node.kind.keys_of(node, x))
            stack += zip(reversed(links), reversed(children), strict=True)
            if link is not None and link[2] > deep:
                deep *= 2
                _refuse_cycles(tree, None if is_leaf_takes_path else is_leaf)
        return leaves, _define(packed(nodes), len(leaves))
    except Exception as error:
        hide_frames(error)
        raise


def tuple_of(treedefs: Iterable[PyTreeDef]) -> PyTreeDef:
    """The structure of the tuple of trees of the given structures."""
    treedefs = tuple(treedefs)
    root = node_of(treedefs)
    if treedefs and all(treedef.nodes == (LEAF,) for treedef in treedefs):
        return _define((root.flat,), len(treedefs))
    nodes = chain.from_iterable(treedef.nodes for treedef in treedefs)
    return _define((root, *nodes), sum(treedef.num_leaves for treedef in treedefs))


def difference(want: PyTreeDef, got: PyTreeDef) -> str | None:
    """The first difference between two structures, in words; None if they are equal.

    >>> from fgrad.tree import structure
    >>> difference(structure({"a": [1, 2]}), structure({"a": (1, 2)}))
    "at ['a']: expected a list of length 2, got a tuple of length 2"
    """
    nodes = tuple(expanded(want.nodes))
    for index, (a, b) in enumerate(zip(nodes, expanded(got.nodes), strict=False)):
        if not a.same(b):
            return f"{place(path_in_structure(nodes, index))}: {versus_node(a, b)}"
    return None


def _leaves_up_to(nodes: Sequence[Node], tree: Any, fault: str) -> list[Any]:
    leaves: list[Any] = []
    stack = [tree]
    for index, node in enumerate(nodes):
        x = stack.pop()
        if node is LEAF:
            leaves.append(x)
            continue
        split = SPLITS[type(x)]
        got, children = (LEAF, ()) if split is None else split(x)
        if got is not node.whole and not got.same(node.whole):
            where = place(path_in_tree(nodes, index, tree))
            cure = "Give it the same containers, down to the places of the leaves."
            if describe(x) == "None":
                cure = "None is a container without leaves, not a leaf."
            raise TreeStructureError(message(f"{fault} {where}: {versus(node, x)}", cure=cure))
        if node.span:
            leaves += children
        else:
            stack += children[::-1]
    return leaves


def _refuse_cycles(tree: Any, is_leaf: IsLeaf | None = None) -> None:
    """Raises an error if a container contains itself: flattening it would never end."""
    ancestors: set[int] = set()
    stack = [(tree, False)]
    while stack:
        x, done = stack.pop()
        split = SPLITS[type(x)]
        if done:
            ancestors.remove(id(x))
        elif split is not None and not (is_leaf is not None and is_leaf(x)):
            if id(x) in ancestors:
                what = f"the pytree is infinite: {describe(x)} contains itself"
                raise TreeStructureError(message(what))
            ancestors.add(id(x))
            stack.append((x, True))
            stack += [(child, False) for child in split(x)[1]]
