"""Flattening: which objects are containers, in which order their leaves come, and what comes back."""

import copy
import enum
import pickle
from collections import Counter, OrderedDict, defaultdict
from typing import Any, NamedTuple

import numpy as np
import pytest

from fgrad import tree
from fgrad.errors import ArgumentError, TreeStructureError


class Point(NamedTuple):
    x: Any
    y: Any


class Checked(NamedTuple("Checked", [("x", Any)])):
    """A NamedTuple whose constructor refuses what is not a number."""

    def __new__(cls, x: Any) -> "Checked":
        if not isinstance(x, int):
            raise TypeError(x)
        return super().__new__(cls, x)


class Color(enum.StrEnum):
    RED = "red"


class Opaque:
    """A key that is neither sortable nor has a repr of its own."""

    def __repr__(self) -> str:
        return "Opaque"


class OpaqueAlike(Opaque):
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return 7


def round_trip(x: Any) -> Any:
    leaves, treedef = tree.flatten(x)
    return treedef.unflatten(leaves)


@pytest.mark.parametrize(
    ("x", "leaves"),
    [
        (1.0, [1.0]),
        ("text", ["text"]),
        (None, []),
        ([], []),
        ((), []),
        ({}, []),
        ([1, (2, [3, None], {"b": 4, "a": 5})], [1, 2, 3, 5, 4]),
        (Point(1, [2, 3]), [1, 2, 3]),
        (OrderedDict(b=1, a=2), [1, 2]),
        (defaultdict(list, b=1, a=2), [2, 1]),
        ({2: "two", 10: "ten", 1: "one"}, ["one", "two", "ten"]),
    ],
)
def test_leaves_and_round_trip(x: Any, leaves: list[Any]) -> None:
    assert tree.leaves(x) == leaves
    assert round_trip(x) == x
    assert type(round_trip(x)) is type(x)


def test_only_exact_classes_are_containers() -> None:
    class MyList(list[int]):
        pass

    for leaf in (MyList([1]), Counter(a=1), {1, 2}, range(3), np.ones(3), (x for x in ()), type):
        assert tree.leaves([leaf])[0] is leaf


@pytest.mark.parametrize("kind", [dict, lambda items: defaultdict(int, items), OrderedDict])
def test_insertion_order_comes_back(kind: Any) -> None:
    x = kind([("b", 1), ("c", 2), ("a", 3)])
    assert list(round_trip(x)) == ["b", "c", "a"]
    other = kind(x.items()) if kind is OrderedDict else kind(reversed(x.items()))
    assert list(tree.map(lambda a, b: a + b, x, other).items()) == [("b", 2), ("c", 4), ("a", 6)]


def test_insertion_order_of_a_dict_is_not_structure() -> None:
    x, y = {"b": 1, "a": 2, "c": 3}, {"c": 3, "a": 2, "b": 1}
    (leaves, treedef), (others, other) = tree.flatten(x), tree.flatten(y)
    assert leaves == others == [2, 1, 3]
    assert treedef == other
    assert hash(treedef) == hash(other)
    assert repr(treedef) == repr(other)
    assert treedef.layout != other.layout
    assert list(treedef.unflatten(leaves)) == ["b", "a", "c"]
    assert list(other.unflatten(leaves)) == ["c", "a", "b"]


def test_order_of_an_ordered_dict_is_structure() -> None:
    assert tree.structure(OrderedDict(a=1, b=2)) != tree.structure(OrderedDict(b=1, a=2))
    assert tree.structure(OrderedDict(a=1)) != tree.structure({"a": 1})


def test_factory_of_a_defaultdict_is_kept() -> None:
    back = round_trip(defaultdict(list, a=1))
    back["new"].append(1)
    assert back == {"a": 1, "new": [1]}
    assert tree.structure(defaultdict(list, a=1)) != tree.structure(defaultdict(set, a=1))


def test_named_tuples_keep_their_class_without_running_its_constructor() -> None:
    assert type(round_trip(Point(1, 2))) is Point
    assert tree.map(str, Checked(1)) == ("1",)
    assert tree.structure(Point(1, 2)) != tree.structure((1, 2))


MIXED = [
    {1: "a", "a": "b", None: "c"},
    {"a": 1, 2.5: 2, 2: 3, "b": 4},
    {(1, 2): 1, "a": 2, (0, 5): 3},
    {frozenset({1}): 1, frozenset({2}): 2, frozenset({1, 2}): 3},
    {float("nan"): 1, 1.0: 2, 0.5: 3},
    {int: 1, str: 2, "int": 3},
    {1j: 1, 2j: 2},
    {b"x": 1, "x": 2},
]


@pytest.mark.parametrize("x", MIXED, ids=repr)
def test_keys_need_not_be_sortable(x: dict[Any, Any]) -> None:
    backwards = dict(reversed(x.items()))
    (leaves, treedef), (others, other) = tree.flatten(x), tree.flatten(backwards)
    assert leaves == others
    assert treedef == other
    assert hash(treedef) == hash(other)
    assert list(treedef.unflatten(leaves).items()) == list(x.items())
    assert list(other.unflatten(leaves).items()) == list(backwards.items())


def test_opaque_keys_are_ordered_by_identity_or_refused() -> None:
    a, b = Opaque(), Opaque()
    assert tree.leaves({a: 1, b: 2}) == tree.leaves({b: 2, a: 1})
    with pytest.raises(ArgumentError, match="the dict keys Opaque and Opaque cannot be put in an order"):
        tree.flatten({OpaqueAlike(): 1, OpaqueAlike(): 2})


@pytest.mark.parametrize(
    ("known", "key"),
    [("red", Color.RED), (1, True), (1, 1.0), (0.0, -0.0), (True, 1), ("red", np.str_("red"))],
)
@pytest.mark.parametrize("kind", [dict, OrderedDict])
def test_equal_keys_of_other_classes_are_not_mixed_up(known: Any, key: Any, kind: Any) -> None:
    """Structures are equal then, but each gives back its own key."""
    first, second = tree.structure(kind({known: 0})), tree.structure(kind({key: 0}))
    assert first == second
    assert hash(first) == hash(second)
    assert first.layout != second.layout
    for treedef, own in ((first, known), (second, key)):
        (back,) = treedef.unflatten([0])
        assert type(back) is type(own)
        assert repr(back) == repr(own)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ({1: 0, 2.0: 1, "a": 2}, {1.0: 0, 2: 1, "a": 2}),
        ({"red": 0, "zero": 1, 5: 2}, {Color.RED: 0, "zero": 1, 5: 2}),
    ],
    ids=repr,
)
def test_equal_keys_of_other_classes_have_the_same_place(x: Any, y: Any) -> None:
    assert tree.flatten(x) == tree.flatten(y)


def test_none_is_a_container_without_leaves() -> None:
    leaves, treedef = tree.flatten({"a": None, "b": [None, 1]})
    assert leaves == [1]
    assert treedef.unflatten([2]) == {"a": None, "b": [None, 2]}
    assert tree.leaves([None, 1], is_leaf=lambda x: x is None) == [None, 1]


def test_is_leaf_sees_every_container_and_leaf_once() -> None:
    seen: list[Any] = []
    leaves, treedef = tree.flatten([1, {"a": (2, 3)}, None], is_leaf=lambda x: seen.append(x) or x == (2, 3))
    assert leaves == [1, (2, 3)]
    assert repr(treedef) == "PyTreeDef([*, {'a': *}, None])"
    assert seen == [[1, {"a": (2, 3)}, None], 1, {"a": (2, 3)}, (2, 3), None]


def test_is_leaf_gives_the_structure_that_plain_flattening_gives() -> None:
    x = [(1, 2), {"a": 3, "b": ()}, [None, [4]]]
    assert tree.flatten(x, is_leaf=lambda x: False) == tree.flatten(x)


def test_leaves_of_a_class_never_met_before() -> None:
    class New:
        pass

    x = [(New(), New()), {"a": New()}, New()]
    assert tree.structure(x) is tree.structure([(1, 2), {"a": 3}, 4])


def test_paths() -> None:
    x = {"layers": [Point(1, {3: 2}), OrderedDict(z=3)], "d": defaultdict(int, a=4), "none": None}
    pairs, treedef = tree.flatten_with_path(x)
    assert [("params" + tree.keystr(path), leaf) for path, leaf in pairs] == [
        ("params['d']['a']", 4),
        ("params['layers'][0].x", 1),
        ("params['layers'][0].y[3]", 2),
        ("params['layers'][1]['z']", 3),
    ]
    assert treedef == tree.structure(x)
    layers = (tree.DictKey("layers"), tree.SequenceKey(0), tree.GetAttrKey("y"), tree.DictKey(3))
    assert pairs[2][0] == layers
    assert tree.keystr(layers, simple=True, separator="/") == "layers/0/y/3"
    assert tree.leaves_with_path(5) == [((), 5)]


def test_keys() -> None:
    assert (
        tree.keystr([tree.SequenceKey(1), tree.DictKey("a b"), tree.GetAttrKey("w"), tree.FlattenedIndexKey(2), "own"])
        == "[1]['a b'].w[<flat index 2>]own"
    )
    assert tree.keystr(["own", tree.SequenceKey(1)], simple=True, separator=".") == "own.1"
    assert hash(tree.DictKey("a")) == hash(tree.DictKey("a"))
    assert tree.DictKey("a") != tree.GetAttrKey("a")
    assert tree.DictKey(0) != tree.FlattenedIndexKey(0)
    assert {tree.DictKey("a"), tree.DictKey("a"), tree.DictKey("b")} == {tree.DictKey("b"), tree.DictKey("a")}


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (tree.SequenceKey(idx=1), "SequenceKey(idx=1)"),
        (tree.DictKey(key="a"), "DictKey(key='a')"),
        (tree.GetAttrKey(name="a"), "GetAttrKey(name='a')"),
        (tree.FlattenedIndexKey(key=1), "FlattenedIndexKey(key=1)"),
    ],
)
def test_keys_are_values(key: Any, text: str) -> None:
    assert repr(key) == text
    assert pickle.loads(pickle.dumps(key)) == copy.deepcopy(key) == key
    (name,) = type(key).__match_args__
    with pytest.raises(AttributeError, match="is immutable"):
        setattr(key, name, 2)
    assert repr(key) == text


def test_is_leaf_of_paths() -> None:
    x = {"a": [1, 2], "b": [3, 4]}
    assert tree.leaves_with_path(x, is_leaf=lambda x: x == [1, 2])[0] == ((tree.DictKey("a"),), [1, 2])
    by_path = tree.leaves_with_path(x, is_leaf=lambda path, x: path == (tree.DictKey("b"),), is_leaf_takes_path=True)
    assert [leaf for _, leaf in by_path] == [1, 2, [3, 4]]


@pytest.mark.parametrize("function", [tree.flatten, tree.flatten_with_path, tree.leaves])
def test_a_container_in_itself_is_refused(function: Any) -> None:
    x: dict[str, Any] = {"a": 1}
    x["self"] = [x]
    with pytest.raises(TreeStructureError, match=r"the pytree is infinite: a (dict|list) .* contains itself"):
        function(x)
    cut = tree.leaves({"x": x}, is_leaf=lambda node: isinstance(node, list))
    assert cut == [1, [x]]


def test_one_object_in_two_places_is_not_a_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fgrad.tree.treedef._CHUNK", 2)
    part = [1, (), None]
    assert tree.leaves([part, part, {"a": part}]) == [1, 1, 1]
    assert tree.leaves([part, part, {"a": part}], is_leaf=lambda x: False) == [1, 1, 1]
