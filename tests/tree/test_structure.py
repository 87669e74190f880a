"""PyTreeDef: equality, printing, parts, and the source compiled for structures in frequent use."""

import copy
import gc
import pickle
import weakref
from collections import OrderedDict, defaultdict
from typing import Any, NamedTuple

import numpy as np
import pytest

from fgrad import tree
from fgrad.errors import TreeStructureError
from fgrad.tree import treedef as module


class Point(NamedTuple):
    x: Any
    y: Any


@tree.register_static
class Mode(str):
    __slots__ = ()


@tree.register_pytree_node_class
class Box:
    def __init__(self, content: Any, label: Any) -> None:
        self.content, self.label = content, label

    def tree_flatten(self) -> tuple[Any, Any]:
        return (self.content,), self.label

    @classmethod
    def tree_unflatten(cls, label: Any, children: Any) -> "Box":
        return cls(*children, label)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box) and (self.content, self.label) == (other.content, other.label)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Box({self.content!r}, {self.label!r})"


TREES: list[Any] = [
    1,
    None,
    [],
    {},
    (1,),
    [1, 2],
    (1, 2),
    {"b": 1, "a": (2, None, [3])},
    {"a": 1, 2: 3},
    Point([1], {"z": 2, "a": 3}),
    OrderedDict(b=1, a=[2]),
    defaultdict(list, b=1, a=[2]),
    Box([1, 2], "label"),
    Box(1, None),
    Box((), ("a", 1)),
    Box([1], 2.5),
    [Mode("train"), 1],
    [[[]], [()], [{}], [None]],
    [(1, 2), 3, (4, 5)],
    [(1,), ((2,),)],
    [((1,),), (2,)],
    {"params": [{"w": 1, "b": 2} for _ in range(3)], "step": 4, "key": Point(5, None)},
]


@pytest.mark.parametrize("x", TREES, ids=repr)
def test_equal_only_to_itself(x: Any) -> None:
    same = [y for y in TREES if tree.structure(y) == tree.structure(x)]
    assert same == [x]
    again = tree.structure(tree.map(lambda leaf: [0][0], x))
    assert again == tree.structure(x)
    assert hash(again) == hash(tree.structure(x))
    assert again.layout == tree.structure(x).layout
    assert hash(again.layout) == hash(tree.structure(x).layout)


@pytest.mark.parametrize("x", TREES, ids=repr)
def test_copies(x: Any) -> None:
    leaves, treedef = tree.flatten(x)
    for made in (pickle.loads(pickle.dumps(treedef)), copy.copy(treedef), copy.deepcopy([treedef])[0]):
        assert made == treedef
        assert hash(made) == hash(treedef)
        assert repr(made) == repr(treedef)
        assert made.unflatten(leaves) == x
        assert made.layout == treedef.layout


def test_unpickled_structures_keep_insertion_order() -> None:
    treedef = pickle.loads(pickle.dumps(tree.structure({"b": 1, 2: 2, "a": 3})))
    assert list(treedef.unflatten([0, 0, 0])) == ["b", 2, "a"]


def test_structures_are_shared() -> None:
    x = {"b": [1, 2], "a": Point(1, (2, None)), "box": Box(1, "label")}
    assert tree.structure(x) is tree.structure(tree.map(np.float64, x))


def test_static_data_that_only_compare_are_not_mixed_up() -> None:
    first, second = tree.structure(Box(0, 1)), tree.structure(Box(0, True))
    assert first == second
    assert first.layout != second.layout
    assert first.unflatten([0]).label is not True
    assert second.unflatten([0]).label is True
    zero, negative = tree.structure(Box(0, 0.0)), tree.structure(Box(0, -0.0))
    assert str(negative.unflatten([0]).label) == "-0.0"
    assert zero == negative


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (1, "*"),
        (None, "None"),
        ([], "[]"),
        ((1,), "(*,)"),
        ({"w": 1, "b": (2, None)}, "{'b': (*, None), 'w': *}"),
        ([1, [2, (3, 4)], {}], "[*, [*, (*, *)], {}]"),
        (Point(1, [2]), "Point(x=*, y=[*])"),
        (OrderedDict(b=1, a=2), "OrderedDict({'b': *, 'a': *})"),
        (defaultdict(list, b=1), "defaultdict(list, {'b': *})"),
        (defaultdict(None, b=1), "defaultdict(None, {'b': *})"),
        (Box(1, "label"), "Box['label'](*)"),
        (Box([1, 2], None), "Box([*, *])"),
        ([Mode("train")], "[Mode['train']]"),
    ],
    ids=repr,
)
def test_repr(x: Any, text: str) -> None:
    assert repr(tree.structure(x)) == f"PyTreeDef({text})"


@pytest.mark.parametrize("x", TREES, ids=repr)
def test_parts_make_the_whole(x: Any) -> None:
    treedef = tree.structure(x)
    children = treedef.children()
    assert sum(child.num_leaves for child in children) == (0 if tree.treedef_is_leaf(treedef) else treedef.num_leaves)
    assert sum(child.num_nodes for child in children) + 1 == treedef.num_nodes
    assert tree.treedef_tuple(children) == tree.structure(
        tuple(child.unflatten([0] * child.num_leaves) for child in children)
    )
    assert tree.treedef_tuple(children).children() == children == tree.treedef_children(treedef)


def test_node_data() -> None:
    assert tree.structure(1).node_data() is None
    assert tree.structure([1]).node_data() == (list, None)
    assert tree.structure(None).node_data() == (type(None), None)
    assert tree.structure({"b": 1, "a": 2}).node_data() == (dict, ("a", "b"))
    assert tree.structure(Box(1, "label")).node_data() == (Box, "label")


@pytest.mark.parametrize("outer", TREES, ids=repr)
@pytest.mark.parametrize("inner", [1, None, (1, 2), [], {"b": [1], "a": 2}], ids=repr)
def test_compose(outer: Any, inner: Any) -> None:
    composed = tree.structure(outer).compose(tree.structure(inner))
    assert composed == tree.structure(tree.map(lambda _: inner, outer))


def test_a_leaf_is_not_none() -> None:
    assert tree.treedef_is_leaf(tree.structure(1))
    assert not tree.treedef_is_leaf(tree.structure(None))
    assert not tree.treedef_is_leaf(tree.structure([]))


def test_unflatten_takes_any_leaves_and_iterables() -> None:
    treedef = tree.structure({"w": 1, "b": 2})
    assert treedef.unflatten(iter("ab")) == {"b": "a", "w": "b"}
    assert treedef.unflatten({1: 0, 2: 0}) == {"b": 1, "w": 2}
    assert treedef.unflatten([None, [1, 2]]) == {"b": None, "w": [1, 2]}
    assert tree.unflatten(treedef, (1, 2)) == {"b": 1, "w": 2}


def test_results_are_fresh() -> None:
    x = [[1], {"a": 2}, []]
    leaves, treedef = tree.flatten(x)
    back = treedef.unflatten(leaves)
    assert back is not x
    assert all(a is not b for a, b in zip(back, x, strict=True))
    back[0].append(5)
    assert x == [[1], {"a": 2}, []]
    assert treedef.unflatten(leaves) == x


def test_flatten_up_to() -> None:
    treedef = tree.structure({"a": 1, "b": [2, None]})
    assert treedef.flatten_up_to({"b": [(1, 2), None], "a": None}) == [None, (1, 2)]
    with pytest.raises(TreeStructureError, match=r"it does not fit at \['b'\]\[1\]: expected None, got an int 3"):
        treedef.flatten_up_to({"a": 1, "b": [2, 3]}, fault="it does not fit")


def test_match() -> None:
    x = {"b": [1, 2], "a": (3, None)}
    treedef = tree.structure(x)
    assert treedef.match(x) == [3, 1, 2]
    for other in (
        {"a": (3, None), "b": [1, 2]},
        {"b": [1, [2]], "a": (3, None)},
        {"b": [1, 2], "a": (3, 4)},
        1,
    ):
        assert treedef.match(other) is None


@pytest.fixture
def eager_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiles source for a structure on its first use."""
    monkeypatch.setattr(module, "_USES", 1)
    monkeypatch.setattr(module, "_SOURCE_SIZE", range(1, 1000))
    monkeypatch.setattr(module, "_RECENT", {})
    module._DEFS.clear()


@pytest.mark.usefixtures("eager_source")
@pytest.mark.parametrize("x", TREES, ids=repr)
def test_source_agrees_with_the_loops(x: Any) -> None:
    leaves, treedef = tree.flatten(x)
    assert treedef.unflatten(leaves) == x
    if all(node.shared for node in treedef.nodes):
        assert treedef._build is not None
        assert treedef._match is not None
    back = treedef.unflatten(leaves)
    assert back == x
    assert repr(back) == repr(x)
    assert tree.flatten(x) == (leaves, treedef)
    assert treedef.flatten_up_to(x) == leaves
    assert treedef.match(x) == leaves
    for other in TREES:
        assert (treedef.match(other) is not None) == (other is x)
        assert (tree.structure(other) == treedef) == (other is x)


@pytest.mark.usefixtures("eager_source")
def test_source_is_exact() -> None:
    """Trees that nearly match are left to the loops."""
    x = {"b": [0, 0], "a": {1: 0, 2: 0}, "c": None}
    treedef = tree.structure(x)
    treedef.unflatten([1, 2, 3, 4])
    assert treedef._match is not None
    near: list[Any] = [
        {"a": {1: 0, 2: 0}, "b": [0, 0], "c": None},  # another insertion order
        {"b": [0, 0], "a": {True: 0, 2: 0}, "c": None},
        {"b": [0, 0], "a": {1: 0, 2: 0}, "c": 0},
        {"b": [0, 0], "a": {1: 0, 2: 0}, "d": None},
        {"b": [0, 0, 0], "a": {1: 0, 2: 0}, "c": None},
        {"b": [0, [0]], "a": {1: 0, 2: 0}, "c": None},
        {"b": [0, None], "a": {1: 0, 2: 0}, "c": None},
        {"b": (0, 0), "a": {1: 0, 2: 0}, "c": None},
        OrderedDict(b=[0, 0], a={1: 0, 2: 0}, c=None),
    ]
    for other in near:
        assert treedef._match(other) is None
        assert treedef.match(other) is None
        leaves, structure = tree.flatten(other)
        assert structure.layout != treedef.layout
        assert repr(structure.unflatten(leaves)) == repr(other)
    key = "".join(["lay", "er 1"])  # a string of its own
    spaced = tree.structure({"layer 1": 0})
    spaced.unflatten([0])
    assert spaced.match({key: 5}) == [5]


@pytest.mark.usefixtures("eager_source")
def test_source_does_not_hide_a_leaf_class_that_becomes_a_node() -> None:
    class Late:
        pass

    x = [Late(), Late()]
    treedef = tree.structure(x)
    treedef.unflatten([1, 2])
    assert treedef.match(x) == x
    tree.register_pytree_node(Late, lambda late: ((), None), lambda aux, children: Late())
    assert treedef.match(x) is None
    assert tree.leaves(x) == []


def test_a_named_tuple_may_be_registered_after_it_was_met() -> None:
    class Late(NamedTuple):
        x: int
        y: int

    for _ in range(100):
        assert tree.map(lambda leaf: leaf + 1, [Late(1, 2), 0, 0, 0]) == [Late(2, 3), 1, 1, 1]
    tree.register_pytree_node(Late, lambda late: ((late.x,), late.y), lambda y, children: Late(children[0], y))
    assert tree.map(lambda leaf: leaf + 1, [Late(1, 2), 0, 0, 0]) == [Late(2, 2), 1, 1, 1]


def test_source_comes_with_use() -> None:
    x = {number: {"w": 1, "b": 2, "use": 3} for number in range(6)}
    leaves, treedef = tree.flatten(x)
    assert treedef._build is None
    for _ in range(module._USES):
        assert treedef.unflatten(leaves) == x
    assert treedef._build is not None
    assert module._RECENT[dict] is treedef
    assert tree.flatten(x) == (leaves, treedef)
    with pytest.raises(TreeStructureError, match="unflatten needs 18 leaves, got 17"):
        treedef.unflatten(leaves[1:])


def test_caches_forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fgrad.tree.nodes.Cache.limit", 4)
    first = tree.structure([{"a0": 1}])
    for number in range(100):
        x = [{f"a{number}": 1, "b": [1] * number}, (1,) * number]
        leaves, treedef = tree.flatten(x)
        assert treedef.unflatten(leaves) == x
        assert treedef == tree.structure(x)
    assert len(module._DEFS) <= 4
    assert first == tree.structure([{"a0": 1}])
    assert hash(first) == hash(tree.structure([{"a0": 1}]))


def test_structures_with_module_level_functions_are_shared() -> None:
    static = ("relu", copy.copy, float)
    assert tree.structure(Box(1, static)) is tree.structure(Box(2, static))


def test_structures_do_not_keep_alive_what_their_functions_close_over() -> None:
    def closed_over() -> "weakref.ref[np.ndarray[Any, Any]]":
        content = np.ones(3)
        treedef = tree.structure([tree.Partial(lambda: content)])
        assert treedef.unflatten([])[0]() is content
        return weakref.ref(content)

    kept = closed_over()
    gc.collect()
    assert kept() is None
