"""map, reduce, transpose, broadcast and the like."""

import inspect
from typing import Any

import pytest

import fgrad.tree_util as tree_util
from fgrad import tree
from fgrad.errors import ArgumentError, AxesError, TreeStructureError


def test_map() -> None:
    x = {"w": [1, (2, None)], "b": 3}
    assert tree.map(lambda leaf: leaf + 1, x) == {"w": [2, (3, None)], "b": 4}
    assert tree.map(lambda a, b, c: (a, b, c), x, x, x)["w"][1] == ((2, 2, 2), None)
    assert tree.map(lambda leaf: None, x) == {"w": [None, (None, None)], "b": None}
    assert x == {"w": [1, (2, None)], "b": 3}


def test_map_takes_subtrees_for_leaves() -> None:
    assert tree.map(lambda a, b: (a, b), [1, 2], [{"x": 3}, None]) == [(1, {"x": 3}), (2, None)]


def test_map_with_is_leaf() -> None:
    x, y = [None, (1, 2)], [5, (3, 4)]
    assert tree.map(lambda a, b: (a, b), x, y, is_leaf=lambda node: node is None) == [
        (None, 5),
        ((1, 3), (2, 4)),
    ]


def test_map_calls_in_the_order_of_the_leaves() -> None:
    seen: list[int] = []
    tree.map(seen.append, {"b": [2, 3], "a": 1})
    assert seen == [1, 2, 3]


def test_map_with_path() -> None:
    x = {"w": [1, 2], "b": 3}
    assert tree.map_with_path(lambda path, a, b: (tree.keystr(path), a, b), x, {"b": 30, "w": [10, 20]}) == {
        "w": [("['w'][0]", 1, 10), ("['w'][1]", 2, 20)],
        "b": ("['b']", 3, 30),
    }
    assert tree.map_with_path(lambda path, a: len(path), x, is_leaf=lambda node: isinstance(node, list)) == {
        "w": 1,
        "b": 1,
    }
    stopped = tree.map_with_path(lambda path, a: a, x, is_leaf=lambda path, node: bool(path), is_leaf_takes_path=True)
    assert stopped == x


def test_all() -> None:
    assert tree.all([])
    assert tree.all([True, {"a": 1}, None])
    assert not tree.all([True, {"a": 0}])
    assert not tree.all([True, None], is_leaf=lambda node: node is None)


def test_reduce() -> None:
    assert tree.reduce(lambda a, b: f"({a}{b})", ["a", ("b", "c")]) == "((ab)c)"
    assert tree.reduce(lambda a, b: f"({a}{b})", ["a"], "0") == "(0a)"
    assert tree.reduce(max, [], None) is None
    assert tree.reduce(lambda a, b: a + b, [(1, 2), (3,)], (), is_leaf=lambda x: isinstance(x, tuple)) == (
        1,
        2,
        3,
    )
    with pytest.raises(ArgumentError, match="reduce needs an initializer: a list of length 1 has no leaves"):
        tree.reduce(max, [None])


def test_reduce_associative() -> None:
    letters = list("abcdefg")
    joined = tree.reduce_associative(lambda a, b: f"({a}{b})", letters)
    assert joined == "(((ab)(cd))((ef)g))"
    assert tree.reduce_associative(max, [1], identity=9) == 1
    assert tree.reduce_associative(max, [None], identity=9) == 9
    assert tree.reduce_associative(lambda a, b: a + b, [(1,), (2,)], is_leaf=lambda x: isinstance(x, tuple)) == (1, 2)
    with pytest.raises(ArgumentError, match="reduce_associative needs an identity: an empty dict has no leaves"):
        tree.reduce_associative(max, {})


def test_transpose() -> None:
    rows = [{"a": 1, "b": (2, 3)}, {"b": (5, 6), "a": 4}]
    outer, inner = tree.structure([0, 0]), tree.structure(rows[0])
    columns = {"a": [1, 4], "b": ([2, 5], [3, 6])}
    assert tree.transpose(outer, inner, rows) == columns
    assert tree.transpose(outer, None, rows) == columns
    assert tree.transpose(inner, outer, columns) == rows
    assert tree.transpose(tree.structure([]), tree.structure((1, 2)), []) == ([], [])
    assert tree.transpose(tree.structure([1]), tree.structure(()), [()]) == ()


def test_transpose_faults() -> None:
    outer, pair = tree.structure([0, 0]), tree.structure((0, 0))
    with pytest.raises(
        TreeStructureError, match="transpose: the tree does not fit the outer structure at the root: exp"
    ):
        tree.transpose(outer, pair, [(1, 2)])
    what = r"transpose: inner tree 2 differs at \[1\]: expected a leaf, got a list of length 1"
    with pytest.raises(TreeStructureError, match=what):
        tree.transpose(outer, pair, [(1, 2), (3, [4])])
    with pytest.raises(ArgumentError, match="has no leaves to take the inner structure from"):
        tree.transpose(tree.structure([]), None, [])
    with pytest.raises(ArgumentError, match="transpose needs a PyTreeDef, got a list of length 2"):
        tree.transpose([1, 2], pair, [(1, 2), (3, 4)])  # type: ignore[arg-type]


def test_broadcast() -> None:
    full = {"b": [1, (2, 3)], "a": None, "c": 4}
    assert tree.broadcast({"a": 7, "b": 8, "c": 9}, full) == {"b": [8, (8, 8)], "a": None, "c": 9}
    assert tree.broadcast(7, full) == {"b": [7, (7, 7)], "a": None, "c": 7}
    assert tree.broadcast([None, (1, 2)], [[5], 6], is_leaf=lambda x: x is None or isinstance(x, tuple)) == [
        [None],
        (1, 2),
    ]
    assert tree.broadcast_prefix({"b": 0, "a": 1, "c": 2}, full) == [0, 0, 0, 2]
    what = r"broadcast: the full tree does not fit the prefix at \['c'\]: expected a list of length 1"
    with pytest.raises(TreeStructureError, match=what):
        tree.broadcast({"a": 7, "b": 8, "c": [9]}, full)


def test_flatten_axes() -> None:
    treedef = tree.structure(({"w": [1, 2], "b": 3}, None, 4))
    assert tree.flatten_axes("in_axes", treedef, 0) == [0] * 4
    assert tree.flatten_axes("in_axes", treedef, None) == [None] * 4
    assert tree.flatten_axes("in_axes", treedef, ({"w": 1, "b": None}, 5, 2)) == [None, 1, 1, 2]
    assert tree.flatten_axes("in_axes", treedef, ({"b": 0, "w": [1, None]}, None, 2)) == [0, 1, None, 2]
    assert tree.flatten_axes("in_axes", tree.structure(None), 0) == []
    assert tree.flatten_axes("in_axes", tree.structure(None), None) == []


@pytest.mark.parametrize(
    ("prefix", "what"),
    [
        ((0,), "in_axes is a tuple of length 1, where the tree has a tuple of length 2"),
        ([0, 0], "in_axes is a list of length 2, where the tree has a tuple of length 2"),
        ((0, [0]), "in_axes[1] is a list of length 1, where the tree has a leaf"),
        (
            ({"w": 0, "c": 0}, 0),
            (
                "in_axes[0] is a dict with keys 'c', 'w', where the tree has a dict with keys 'b', 'w'; "
                "missing key 'b'; unexpected key 'c'"
            ),
        ),
        (
            ({"w": (0, 0), "b": 0}, 0),
            "in_axes[0]['w'] is a tuple of length 2, where the tree has a list of length 2",
        ),
    ],
    ids=repr,
)
def test_flatten_axes_faults(prefix: Any, what: str) -> None:
    treedef = tree.structure(({"w": [1, 2], "b": 3}, 4))
    with pytest.raises(AxesError) as caught:
        tree.flatten_axes("in_axes", treedef, prefix, error=AxesError)
    first, *_, cure = str(caught.value).splitlines()
    assert first == what
    assert cure.strip().startswith("A prefix has the tree's containers down to some level")
    with pytest.raises(TreeStructureError):
        tree.flatten_axes("in_axes", treedef, prefix)


def test_all_leaves() -> None:
    assert tree.all_leaves([1, "a", object()])
    assert not tree.all_leaves([1, []])
    assert not tree.all_leaves([1, None])
    assert tree.all_leaves([1, None, (1,)], is_leaf=lambda x: not isinstance(x, list))


def test_wrong_kinds_of_arguments() -> None:
    with pytest.raises(ArgumentError, match="map needs a function as its first argument, got a dict with key 'a'"):
        tree.map({"a": 1}, max)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="map_with_path needs a function as its first argument, got None"):
        tree.map_with_path(None, [1])  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="unflatten needs a PyTreeDef, got a list of length 1"):
        tree.unflatten([1], tree.structure([1]))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="treedef_tuple needs a PyTreeDef, got an int 1"):
        tree.treedef_tuple([1])  # type: ignore[list-item]


def test_names_of_jax() -> None:
    for name in (
        "flatten",
        "unflatten",
        "map",
        "leaves",
        "structure",
        "all",
        "reduce",
        "transpose",
        "map_with_path",
    ):
        assert getattr(tree_util, f"tree_{name}") is getattr(tree, name)
    for module in (tree, tree_util):
        assert sorted(module.__all__) == module.__all__
        for name in module.__all__:
            assert not inspect.ismodule(getattr(module, name))
