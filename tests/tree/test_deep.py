"""Trees far deeper than Python's stack."""

import pickle
import tracemalloc
from typing import Any, NamedTuple

import pytest

from fgrad import tree
from fgrad.errors import TreeStructureError

DEPTH = 12_000


class Link(NamedTuple):
    value: Any
    rest: Any


def deep(kind: str, end: Any = 0) -> Any:
    x = end
    for number in range(DEPTH):
        match kind if kind != "mixed" else ("list", "tuple", "dict", "named")[number % 4]:
            case "list":
                x = [x]
            case "tuple":
                x = (x, None)
            case "dict":
                x = {"b": 1, "a": x}
            case "named":
                x = Link(1, x)
            case "partial":
                x = tree.Partial(max, x)
    return x


KINDS = ["list", "tuple", "dict", "named", "mixed", "partial"]


@pytest.mark.parametrize("kind", KINDS)
def test_deep(kind: str) -> None:
    x = deep(kind)
    leaves, treedef = tree.flatten(x)
    same = tree.structure(deep(kind))
    other = tree.structure(deep(kind, end=()))
    assert (
        len(leaves)
        == treedef.num_leaves
        == {"list": 1, "tuple": 1, "partial": 1, "mixed": DEPTH // 2 + 1}.get(kind, DEPTH + 1)
    )
    assert treedef == same
    assert hash(treedef) == hash(same)
    assert treedef != other
    assert treedef.layout == same.layout
    assert repr(treedef) == repr(same) != repr(other)
    assert tree.leaves(treedef.unflatten(leaves)) == leaves
    assert tree.leaves(tree.map(lambda a, b: a + b, x, deep(kind))) == [2 * leaf for leaf in leaves]
    assert tree.flatten(x, is_leaf=lambda node: False) == (leaves, treedef)
    assert treedef.compose(tree.structure(())).num_leaves == 0
    assert len(treedef.children()) in (1, 2)
    assert tree.flatten_axes("axes", treedef, x) == leaves
    if kind != "partial":
        assert pickle.loads(pickle.dumps(treedef)) == treedef


def test_deep_paths() -> None:
    ((path, leaf),) = tree.leaves_with_path(deep("list", end=5))
    assert leaf == 5
    assert path == (tree.SequenceKey(0),) * DEPTH


def test_deep_paths_share_their_beginnings() -> None:
    """In linear space, that is: whole paths to all the pending siblings would take half a gigabyte."""
    x = deep("tuple")
    treedef = tree.structure(x)
    tracemalloc.start()
    try:
        assert len(tree.leaves_with_path(x)) == 1
        assert tree.flatten_axes("axes", treedef, x) == [0]
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_deep_mismatch() -> None:
    with pytest.raises(TreeStructureError) as caught:
        tree.map(max, deep("mixed", end=[0]), deep("mixed", end=(0,)))
    text = str(caught.value).splitlines()[0]
    assert f"…({DEPTH - 16:,} more)…" in text
    assert text.endswith("expected a list of length 1, got a tuple of length 1")
    assert len(text) < 300


def test_source_is_not_compiled_for_deep_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fgrad.tree.treedef._USES", 1)
    for depth in (10, 40, 60, 200):
        x: Any = 1
        for _ in range(depth):
            x = [x]
        treedef = tree.structure(x)
        treedef.unflatten([1])
        assert treedef.unflatten([1]) == x
        assert (treedef._build is None) == (depth > 50)
