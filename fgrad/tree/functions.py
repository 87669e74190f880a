"""What is done with whole pytrees: map, reduce, transpose, broadcast."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce, wraps
from typing import Any, Final, ParamSpec, TypeVar

from fgrad.errors import ArgumentError, FgradError, TreeStructureError, hide_frames, message
from fgrad.tree.keys import KeyPath, Link, linked, path_of
from fgrad.tree.mismatch import shown
from fgrad.tree.nodes import LEAF, Node
from fgrad.tree.preorder import end_of_subtree, expanded
from fgrad.tree.table import SPLITS, describe, node_of
from fgrad.tree.treedef import IsLeaf, PyTreeDef, difference, flatten, flatten_with_path, tuple_of

__all__ = [
    "all_leaves",
    "broadcast_prefix",
    "flatten_axes",
    "tree_all",
    "tree_broadcast",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_map",
    "tree_map_with_path",
    "tree_reduce",
    "tree_reduce_associative",
    "tree_structure",
    "tree_transpose",
    "tree_unflatten",
    "treedef_children",
    "treedef_is_leaf",
    "treedef_tuple",
]

P = ParamSpec("P")
R = TypeVar("R")


class _Missing:
    def __repr__(self) -> str:
        return "<no value>"


_MISSING: Final = _Missing()


def _public(function: Callable[P, R]) -> Callable[P, R]:
    """Takes fgrad's frames out of the traceback of an error that leaves the function."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            hide_frames(error)
            raise

    return wrapped


def tree_leaves(tree: Any, is_leaf: IsLeaf | None = None) -> list[Any]:
    """The leaves of a pytree, in canonical order.

    >>> tree_leaves({"w": [1, 2], "b": 3, "none": None})
    [3, 1, 2]
    """
    return flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: IsLeaf | None = None) -> PyTreeDef:
    """The structure of a pytree.

    >>> tree_structure([1, (2, None)])
    PyTreeDef([*, (*, None)])
    """
    return flatten(tree, is_leaf)[1]


def tree_leaves_with_path(
    tree: Any, is_leaf: IsLeaf | None = None, is_leaf_takes_path: bool = False
) -> list[tuple[KeyPath, Any]]:
    """Pairs of key path and leaf.

    >>> from fgrad.tree import keystr
    >>> [(keystr(path), leaf) for path, leaf in tree_leaves_with_path({"w": [1, 2]})]
    [("['w'][0]", 1), ("['w'][1]", 2)]
    """
    return flatten_with_path(tree, is_leaf, is_leaf_takes_path)[0]


@_public
def tree_unflatten(treedef: PyTreeDef, leaves: Iterable[Any]) -> Any:
    """The tree with this structure and these leaves: the inverse of `flatten`.

    Args:
        treedef: the structure.
        leaves: the leaves, in canonical order.

    Returns:
        The tree.

    Raises:
        TreeStructureError: there are too many leaves, or too few.

    >>> tree_unflatten(tree_structure({"w": 0, "b": 0}), [1, 2])
    {'w': 2, 'b': 1}
    """
    return _checked(treedef, "unflatten").unflatten(leaves)


@_public
def tree_map(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf | None = None) -> Any:
    """Applies a function to every leaf of a tree, and to what stands in its place in further trees.

    Args:
        f: takes one leaf of each tree.
        tree: the tree whose structure decides; the result has it too.
        *rest: trees of the same structure, or with subtrees in place of leaves.
        is_leaf: called with every node of `tree`; where it is true, the node is taken as a leaf.

    Returns:
        The tree of results.

    Raises:
        TreeStructureError: a further tree does not fit the first; says which, and at which key path.

    >>> tree_map(lambda x, y: x + y, {"w": 1, "b": (2, None)}, {"b": (20, None), "w": 10})
    {'w': 11, 'b': (22, None)}
    """
    if not callable(f):
        raise ArgumentError(message(f"map needs a function as its first argument, got {describe(f)}"))
    leaves, treedef = flatten(tree, is_leaf)
    if not rest:
        return treedef.unflatten(list(map(f, leaves)))
    others = _leaves_of_rest(treedef, rest)
    return treedef.unflatten(list(map(f, leaves, *others)))


@_public
def tree_map_with_path(
    f: Callable[..., Any],
    tree: Any,
    *rest: Any,
    is_leaf: IsLeaf | None = None,
    is_leaf_takes_path: bool = False,
) -> Any:
    """As `map`, where the function takes the key path before the leaves.

    Args:
        f: takes the key path and one leaf of each tree.
        tree: the tree whose structure decides.
        *rest: trees of the same structure, or with subtrees in place of leaves.
        is_leaf: called with every node of `tree`; where it is true, the node is taken as a leaf.
        is_leaf_takes_path: call `is_leaf(path, node)` instead.

    Returns:
        The tree of results.

    Raises:
        TreeStructureError: a further tree does not fit the first.

    >>> from fgrad.tree import keystr
    >>> tree_map_with_path(lambda path, x: keystr(path), {"w": [1, 2]})
    {'w': ["['w'][0]", "['w'][1]"]}
    """
    if not callable(f):
        raise ArgumentError(message(f"map_with_path needs a function as its first argument, got {describe(f)}"))
    pairs, treedef = flatten_with_path(tree, is_leaf, is_leaf_takes_path)
    others = _leaves_of_rest(treedef, rest)
    return treedef.unflatten([f(path, leaf, *more) for (path, leaf), *more in zip(pairs, *others, strict=True)])


@_public
def tree_all(tree: Any, *, is_leaf: IsLeaf | None = None) -> bool:
    """Whether all leaves are true.

    >>> tree_all([True, {"a": True}]), tree_all([True, {"a": False}]), tree_all([])
    (True, False, True)
    """
    return all(tree_leaves(tree, is_leaf))


@_public
def tree_reduce(
    function: Callable[[Any, Any], Any], tree: Any, initializer: Any = _MISSING, is_leaf: IsLeaf | None = None
) -> Any:
    """Folds the leaves from the first to the last: f(f(f(init, a), b), c).

    Args:
        function: takes the value so far and a leaf.
        tree: a pytree.
        initializer: the value to begin with; by default the first leaf.
        is_leaf: called with every node; where it is true, the node is taken as a leaf.

    Returns:
        The last value.

    Raises:
        ArgumentError: there are no leaves, and no initializer.

    >>> tree_reduce(lambda x, y: x - y, [1, (2, 3)], 10)
    4
    """
    leaves = tree_leaves(tree, is_leaf)
    if initializer is not _MISSING:
        return reduce(function, leaves, initializer)
    if not leaves:
        raise ArgumentError(message(f"reduce needs an initializer: {describe(tree)} has no leaves"))
    return reduce(function, leaves)


@_public
def tree_reduce_associative(
    operation: Callable[[Any, Any], Any],
    tree: Any,
    *,
    identity: Any = _MISSING,
    is_leaf: IsLeaf | None = None,
) -> Any:
    """Folds the leaves pairwise, as a balanced tree: f(f(a, b), f(c, d)).

    Args:
        operation: an associative function of two values.
        tree: a pytree.
        identity: the result if there are no leaves.
        is_leaf: called with every node; where it is true, the node is taken as a leaf.

    Returns:
        The last value.

    Raises:
        ArgumentError: there are no leaves, and no identity.

    >>> tree_reduce_associative(lambda x, y: f"({x}{y})", list("abcde"))
    '(((ab)(cd))e)'
    """
    values = tree_leaves(tree, is_leaf)
    if not values:
        if identity is _MISSING:
            raise ArgumentError(message(f"reduce_associative needs an identity: {describe(tree)} has no leaves"))
        return identity
    while len(values) > 1:
        odd = values[-1:] if len(values) % 2 else []
        values = [operation(x, y) for x, y in zip(values[::2], values[1::2], strict=False)] + odd
    return values[0]


@_public
def tree_transpose(outer_treedef: PyTreeDef, inner_treedef: PyTreeDef | None, pytree_to_transpose: Any) -> Any:
    """Turns a tree of trees inside out: a list of pairs becomes a pair of lists.

    Args:
        outer_treedef: the structure of the outer tree.
        inner_treedef: the structure of the inner trees; None: that of the first of them.
        pytree_to_transpose: a tree of the outer structure with trees of the inner structure as leaves.

    Returns:
        A tree of the inner structure with trees of the outer structure as leaves.

    Raises:
        TreeStructureError: the tree has another structure.

    >>> tree_transpose(tree_structure([0, 0, 0]), tree_structure(("a", "b")), [(1, 2), (3, 4), (5, 6)])
    ([1, 3, 5], [2, 4, 6])
    """
    subtrees = _checked(outer_treedef, "transpose").flatten_up_to(
        pytree_to_transpose, fault="transpose: the tree does not fit the outer structure"
    )
    if inner_treedef is None:
        if not subtrees:
            what = "transpose: the outer structure has no leaves to take the inner structure from"
            raise ArgumentError(message(what, cure="Give inner_treedef."))
        inner_treedef = tree_structure(subtrees[0])
    rows = []
    for number, subtree in enumerate(subtrees):
        row, structure = flatten(subtree)
        if structure != _checked(inner_treedef, "transpose"):
            what = f"transpose: inner tree {number + 1:,} differs {difference(inner_treedef, structure)}"
            raise TreeStructureError(message(what))
        rows.append(row)
    columns = zip(*rows, strict=True) if rows else [()] * inner_treedef.num_leaves
    return inner_treedef.unflatten([outer_treedef.unflatten(column) for column in columns])


@_public
def tree_broadcast(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf | None = None) -> Any:
    """A tree with the structure of the full tree, filled by the leaves of the prefix.

    Args:
        prefix_tree: a tree whose structure is a prefix of the full tree's.
        full_tree: the tree that gives the structure.
        is_leaf: called with every node of the prefix; where it is true, the node is taken as a leaf.

    Returns:
        The tree.

    Raises:
        TreeStructureError: the prefix does not fit.

    >>> tree_broadcast({"a": 0, "b": 1}, {"a": [10, 20], "b": 30})
    {'a': [0, 0], 'b': 1}
    """
    return tree_structure(full_tree).unflatten(broadcast_prefix(prefix_tree, full_tree, is_leaf))


@_public
def broadcast_prefix(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf | None = None) -> list[Any]:
    """The leaves of `broadcast(prefix_tree, full_tree)`.

    >>> broadcast_prefix((0, 1), ([10, 20], 30))
    [0, 0, 1]
    """
    leaves, treedef = flatten(prefix_tree, is_leaf)
    subtrees = treedef.flatten_up_to(full_tree, fault="broadcast: the full tree does not fit the prefix")
    counts = (len(tree_leaves(subtree)) for subtree in subtrees)
    return [leaf for leaf, count in zip(leaves, counts, strict=True) for _ in range(count)]


@_public
def flatten_axes(
    name: str, treedef: PyTreeDef, prefix_tree: Any, *, error: type[FgradError] = TreeStructureError
) -> list[Any]:
    """One entry for each leaf of a structure, from a prefix of it, such as `in_axes` of `vmap`.

    None in the prefix is an entry, which holds for all leaves below it.

    Args:
        name: what the user calls the prefix.
        treedef: the full structure.
        prefix_tree: the prefix.
        error: the class of error to raise.

    Returns:
        The entries, in the order of the leaves.

    Raises:
        TreeStructureError: the prefix does not fit; says at which key path.

    >>> flatten_axes("in_axes", tree_structure(({"w": 0, "b": 0}, 0)), (None, 1))
    [None, None, 1]
    """
    entries: list[Any] = []
    nodes = tuple(expanded(_checked(treedef, "flatten_axes").nodes))
    index = 0
    stack: list[tuple[Link, Any]] = [(None, prefix_tree)]
    while stack:
        link, x = stack.pop()
        split = None if x is None else SPLITS[type(x)]
        if split is None:
            end = end_of_subtree(nodes, index)
            entries += [x] * nodes[index:end].count(LEAF)
            index = end
            continue
        node, children = split(x)
        if not node.same(nodes[index]):
            raise error(message(_prefix_fault(name, path_of(link), node, nodes[index]), cure=_PREFIX_CURE))
        links = linked(link, node.kind.keys_of(node, x))
        stack += zip(reversed(links), reversed(children), strict=True)
        index += 1
    return entries


_PREFIX_CURE = "A prefix has the tree's containers down to some level, and one entry for all that is below."


def _prefix_fault(name: str, path: KeyPath, node: Node, wanted: Node) -> str:
    details = wanted.kind.difference(wanted, node) if wanted.kind is node.kind else ""
    given, needed = node.kind.describe(node), wanted.kind.describe(wanted)
    return f"{name}{shown(path)} is {given}, where the tree has {needed}{details and '; ' + details}"


def treedef_is_leaf(treedef: PyTreeDef) -> bool:
    """Whether the structure is that of a single leaf.

    >>> treedef_is_leaf(tree_structure(1)), treedef_is_leaf(tree_structure([1]))
    (True, False)
    """
    return _checked(treedef, "treedef_is_leaf").nodes == (LEAF,)


def treedef_tuple(treedefs: Iterable[PyTreeDef]) -> PyTreeDef:
    """The structure of the tuple of trees of the given structures.

    >>> treedef_tuple([tree_structure(1), tree_structure([1, 2])])
    PyTreeDef((*, [*, *]))
    """
    return tuple_of(_checked(treedef, "treedef_tuple") for treedef in treedefs)


def treedef_children(treedef: PyTreeDef) -> list[PyTreeDef]:
    """The structures of the children of the root.

    >>> treedef_children(tree_structure((1, [2, 3])))
    [PyTreeDef(*), PyTreeDef([*, *])]
    """
    return _checked(treedef, "treedef_children").children()


def all_leaves(iterable: Iterable[Any], is_leaf: IsLeaf | None = None) -> bool:
    """Whether each of the objects is a leaf.

    >>> all_leaves([1, "a"]), all_leaves([1, (2,)]), all_leaves([None])
    (True, False, False)
    """
    return all((is_leaf is not None and is_leaf(x)) or node_of(x) is LEAF for x in iterable)


def _leaves_of_rest(treedef: PyTreeDef, rest: Sequence[Any]) -> list[list[Any]]:
    """The leaves of the second, third, … tree of a map."""
    return [
        treedef.flatten_up_to(tree, fault=f"map: tree {number} does not fit tree 1")
        for number, tree in enumerate(rest, 2)
    ]


def _checked(treedef: PyTreeDef, name: str) -> PyTreeDef:
    if not isinstance(treedef, PyTreeDef):
        raise ArgumentError(message(f"{name} needs a PyTreeDef, got {describe(treedef)}"))
    return treedef
