"""What is said when trees do not fit: the tree, the key path, what was expected and what was got."""

import re
import traceback
from collections import OrderedDict, defaultdict
from typing import Any, NamedTuple

import numpy as np
import pytest

from fgrad import tree
from fgrad.errors import TreeStructureError


class Point(NamedTuple):
    x: Any
    y: Any


def first_line(error: pytest.ExceptionInfo[Any]) -> str:
    return str(error.value).splitlines()[0]


MISMATCHES: list[tuple[Any, Any, str]] = [
    ([1], (1,), "at the root: expected a list of length 1, got a tuple of length 1"),
    ({"a": [1, 2]}, {"a": [1, 2, 3]}, "at ['a']: expected a list of length 2, got a list of length 3"),
    (
        {"layers": [1, {"b": 1, "w": 2}]},
        {"layers": [1, [1, 2]]},
        "at ['layers'][1]: expected a dict with keys 'b', 'w', got a list of length 2",
    ),
    (
        {"layers": [{"b": 1, "w": 2}]},
        {"layers": [{"w": 1, "v": 3}]},
        (
            "at ['layers'][0]: expected a dict with keys 'b', 'w', got a dict with keys 'v', 'w'; "
            "missing key 'b'; unexpected key 'v'"
        ),
    ),
    ({"a": 1}, {}, "at the root: expected a dict with key 'a', got an empty dict; missing key 'a'"),
    ({"a": None}, {"a": 3.0}, "at ['a']: expected None, got a float 3.0"),
    ([None], [np.ones((3, 2))], "at [0]: expected None, got an array of shape (3, 2) and dtype float64"),
    ([None], [object], "at [0]: expected None, got a type <class 'object'>"),
    (Point(1, [2]), Point(1, 2), "at .y: expected a list of length 1, got an int 2"),
    (Point(1, 2), (1, 2), "at the root: expected a Point(x, y), got a tuple of length 2"),
    (
        OrderedDict(a=1, b=2),
        OrderedDict(b=1, a=2),
        (
            "at the root: expected an OrderedDict with keys 'a', 'b', got an OrderedDict with keys 'b', 'a'; "
            "the keys are the same but their order differs"
        ),
    ),
    (
        defaultdict(list, a=1),
        defaultdict(int, a=1),
        (
            "at the root: expected a defaultdict(list) with key 'a', got a defaultdict(int) with key 'a'; "
            "the factories differ"
        ),
    ),
    (
        defaultdict(list, a=1),
        defaultdict(int, b=1),
        (
            "at the root: expected a defaultdict(list) with key 'a', got a defaultdict(int) with key 'b'; "
            "the factories differ; missing key 'a'; unexpected key 'b'"
        ),
    ),
    ([(1, 2), {"a": 3}, [4]], [(1, 2), {"a": 3}, 4], "at [2]: expected a list of length 1, got an int 4"),
]


@pytest.mark.parametrize(("want", "got", "what"), MISMATCHES, ids=repr)
def test_mismatch(want: Any, got: Any, what: str) -> None:
    with pytest.raises(TreeStructureError) as caught:
        tree.map(lambda *leaves: leaves, want, got)
    assert first_line(caught) == f"map: tree 2 does not fit tree 1 {what}"
    with pytest.raises(TreeStructureError) as caught:
        tree.map_with_path(lambda *leaves: leaves, want, want, got)
    assert first_line(caught) == f"map: tree 3 does not fit tree 1 {what}"
    with pytest.raises(TreeStructureError) as caught:
        tree.structure(want).flatten_up_to(got)
    assert first_line(caught) == f"the tree does not fit the structure {what}"


@pytest.mark.parametrize(("want", "got", "what"), MISMATCHES, ids=repr)
def test_difference(want: Any, got: Any, what: str) -> None:
    text = tree.difference(tree.structure(want), tree.structure(got))
    assert text is not None
    what = re.sub(r"got an? (float 3.0|array of .*|type .*|int \d)$", "got a leaf", what)  # no structure tells these
    assert text == what
    assert tree.difference(tree.structure(want), tree.structure(want)) is None


def test_difference_below_a_leaf() -> None:
    """As a prefix the first would fit; as a structure it does not."""
    text = tree.difference(tree.structure([1, (2, 3)]), tree.structure([1, (2, [3])]))
    assert text == "at [1][1]: expected a leaf, got a list of length 1"


def test_none_says_that_it_is_no_leaf() -> None:
    with pytest.raises(
        TreeStructureError, match=r"expected a list of length 1, got None\n(.|\n)*None is a container wi"
    ):
        tree.map(max, [[1]], [None])


def test_unflatten_counts() -> None:
    treedef = tree.structure({"a": [1, 2, 3], "b": 2})
    with pytest.raises(TreeStructureError, match=r"unflatten needs 4 leaves, got 2: none for the leaf at \['a'\]\[2\]"):
        treedef.unflatten([1, 2])
    with pytest.raises(TreeStructureError, match=r"unflatten needs 4 leaves, got 5\n"):
        tree.unflatten(treedef, range(5))
    with pytest.raises(TreeStructureError, match=r"unflatten needs 1 leaf, got 0: none for the leaf at the root"):
        tree.structure(1).unflatten([])


def test_messages_of_giant_trees_are_short() -> None:
    many, others = {f"key{i}": i for i in range(100_000)}, {f"other{i}": i for i in range(100_000)}
    long = {"x" * 10_000: [1] * 10_000}
    for want, got in (
        (many, others),
        (long, {"x" * 10_000: 1}),
        (long, many),
        ({1: [1]}, {1: "long" * 10_000}),
    ):
        with pytest.raises(TreeStructureError) as caught:
            tree.map(max, want, got)
        assert len(first_line(caught)) < 500
    with pytest.raises(
        TreeStructureError, match=r"'key0', 'key1', 'key10', 'key100', 'key1000', 'key10000' and 99,994 m"
    ):
        tree.map(max, many, others)


def test_the_users_line_is_named_and_fgrads_frames_are_not() -> None:
    for call in (
        lambda: tree.map(max, [1], (1,)),
        lambda: tree.structure([1]).flatten_up_to((1,)),
        lambda: tree.structure([1]).unflatten([]),
        lambda: tree.transpose(tree.structure([1]), None, ()),
        lambda: tree.broadcast([1], (1,)),
        lambda: tree.flatten_axes("in_axes", tree.structure([1]), (1,)),
    ):
        with pytest.raises(TreeStructureError) as caught:
            call()
        assert f"at {__file__}:" in str(caught.value)
        frames = traceback.extract_tb(caught.value.__traceback__)
        assert {frame.filename for frame in frames} == {__file__}


@pytest.mark.parametrize(
    "call",
    [
        lambda: tree.map(lambda x: 1 // x, {"a": [0]}),
        lambda: tree.map_with_path(lambda path, x: 1 // x, {"a": [0]}),
        lambda: tree.flatten([0], is_leaf=lambda x: 1 // 0),
        lambda: tree.flatten_with_path([0], is_leaf=lambda x: 1 // 0),
        lambda: tree.reduce(lambda x, y: 1 // 0, [1, 2]),
        lambda: tree.all([0], is_leaf=lambda x: 1 // 0),
    ],
)
def test_errors_of_the_users_functions_show_only_the_users_lines(call: Any) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        call()
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert {frame.filename for frame in frames} == {__file__}
    assert frames[-1].name == "<lambda>"
