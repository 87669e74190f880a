"""Laws that hold for every pytree."""

import random
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgrad import tree
from fgrad.errors import TreeStructureError
from fgrad.tree import treedef as module


class Point(NamedTuple):
    x: Any
    y: Any


@tree.register_dataclass
@dataclass(frozen=True)
class Layer:
    w: Any
    b: Any
    name: Any = tree.static(default="n")  # noqa: RUF009 (a field)


@tree.register_pytree_node_class
@dataclass
class Box:
    items: tuple[Any, ...]
    label: Any

    def tree_flatten(self) -> tuple[Any, Any]:
        return self.items, self.label

    @classmethod
    def tree_unflatten(cls, label: Any, items: Any) -> "Box":
        return cls(items, label)


strings = st.text("abc", max_size=2)
keys = (
    strings
    | st.integers(0, 3)
    | st.booleans()
    | st.none()
    | st.tuples(strings)
    | st.sampled_from([0.5, 2.5, 1j, b"a", int])
)
labels = strings | st.integers(0, 2) | st.booleans() | st.none() | st.sampled_from([0.0, -0.0, (1, "a"), ()])


def containers(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    dicts = st.dictionaries(keys, children, max_size=4)
    return st.one_of(
        st.lists(children, max_size=4),
        st.lists(children, max_size=4).map(tuple),
        dicts,
        st.dictionaries(strings, children, max_size=4),
        dicts.map(OrderedDict),
        dicts.map(lambda x: defaultdict(list, x)),
        st.builds(Point, children, children),
        st.builds(Layer, children, children, labels),
        st.builds(Box, st.lists(children, max_size=3).map(tuple), labels),
    )


leaves = st.integers() | st.text(max_size=2)
trees = st.recursive(leaves | st.none(), containers, max_leaves=12)


def shuffled(x: Any, rng: random.Random) -> Any:
    """The tree with the entries of its dicts in another order."""

    def node(x: Any) -> bool:
        return type(x) in (dict, defaultdict)

    def shuffle(x: Any) -> Any:
        if not node(x):
            return x
        items = [(key, shuffled(child, rng)) for key, child in x.items()]
        rng.shuffle(items)
        return dict(items) if type(x) is dict else defaultdict(x.default_factory, items)

    return tree.map(shuffle, x, is_leaf=node)


def text(x: Any) -> str:
    """Shows types, insertion orders and the signs of zeros, which == does not."""
    return repr(x)


@given(trees)
def test_unflatten_inverts_flatten(x: Any) -> None:
    leaves, treedef = tree.flatten(x)
    back = treedef.unflatten(leaves)
    assert text(back) == text(x)
    again, structure = tree.flatten(back)
    assert again == leaves
    assert structure == treedef
    assert structure.layout == treedef.layout
    assert treedef.num_leaves == len(leaves)
    assert not any(leaf is None or isinstance(leaf, (list, tuple, dict, Box, Layer)) for leaf in leaves)


@given(trees)
def test_flatten_inverts_unflatten(x: Any) -> None:
    treedef = tree.structure(x)
    leaves = [object() for _ in range(treedef.num_leaves)]
    assert tree.flatten(treedef.unflatten(leaves)) == (leaves, treedef)


@given(trees)
def test_map_of_the_identity(x: Any) -> None:
    assert text(tree.map(lambda leaf: leaf, x)) == text(x)
    assert text(tree.map(lambda a, b, c: b, x, x, x)) == text(x)


@given(trees)
def test_map_composes(x: Any) -> None:
    def f(leaf: Any) -> Any:
        return repr(leaf)

    def g(leaf: Any) -> Any:
        return leaf + "!"

    assert text(tree.map(g, tree.map(f, x))) == text(tree.map(lambda leaf: g(f(leaf)), x))


@given(trees, st.randoms(use_true_random=False))
def test_order_of_insertion_is_no_structure(x: Any, rng: random.Random) -> None:
    y = shuffled(x, rng)
    (leaves, treedef), (others, other) = tree.flatten(x), tree.flatten(y)
    assert others == leaves
    assert other == treedef
    assert hash(other) == hash(treedef)
    assert repr(other) == repr(treedef)
    assert text(tree.map(lambda a, b: b, x, y)) == text(x)
    assert text(tree.map(lambda a, b: b, y, x)) == text(y)
    assert (other.layout == treedef.layout) == (text(treedef.unflatten(leaves)) == text(other.unflatten(leaves)))


@given(trees, trees)
def test_equality(x: Any, y: Any) -> None:
    (leaves, treedef), (others, other) = tree.flatten(x), tree.flatten(y)
    equal = treedef == other
    assert equal == (other == treedef)
    assert equal == (tree.difference(treedef, other) is None)
    assert equal <= (hash(treedef) == hash(other))
    marks = list(range(len(leaves)))
    assert equal == (
        len(leaves) == len(others) and treedef.unflatten(marks) == other.unflatten(marks) and _kinds(x) == _kinds(y)
    )
    assert (treedef.layout == other.layout) <= equal
    same = treedef.match(y)
    assert (same is not None) == (treedef.layout == other.layout)
    assert same in (None, others)


def _kinds(x: Any) -> list[Any]:
    """The classes of all containers; 1 == 1.0 == True must not make [] and () equal."""
    seen: list[Any] = []
    tree.flatten(x, is_leaf=lambda node: seen.append(type(node) if isinstance(node, (list, tuple, dict)) else 0))
    return seen


@given(trees)
def test_paths_lead_to_the_leaves(x: Any) -> None:
    pairs, treedef = tree.flatten_with_path(x)
    assert treedef == tree.structure(x)
    assert [leaf for _, leaf in pairs] == tree.leaves(x)
    assert len({path for path, _ in pairs}) == len(pairs)
    for path, leaf in pairs:
        node = x
        for key in path:
            match key:
                case tree.SequenceKey(index):
                    node = node[index]
                case tree.DictKey(own):
                    node = node[own]
                case tree.GetAttrKey(name):
                    node = getattr(node, name)
                case tree.FlattenedIndexKey(index):
                    node = node.items[index]
        assert node is leaf


@given(trees)
def test_printed_paths_are_python(x: Any) -> None:
    for path, leaf in tree.leaves_with_path(x):
        printed = tree.keystr(path)
        if "<flat index" not in printed and "<class" not in printed:
            assert eval(f"x{printed}", {"x": x}) is leaf


@given(trees, trees)
def test_flatten_up_to_cuts_at_the_leaves(x: Any, part: Any) -> None:
    leaves, treedef = tree.flatten(x)
    assert treedef.flatten_up_to(treedef.unflatten([part] * len(leaves))) == [part] * len(leaves)
    composed = tree.structure(treedef.unflatten([part] * len(leaves)))
    assert composed == treedef.compose(tree.structure(part))
    if len(leaves) and tree.structure(part).num_leaves:
        turned = tree.transpose(treedef, tree.structure(part), treedef.unflatten([part] * len(leaves)))
        assert tree.structure(turned) == tree.structure(part).compose(treedef)


@given(trees, trees)
def test_a_tree_that_does_not_fit_is_refused_at_a_place_where_it_differs(x: Any, y: Any) -> None:
    treedef = tree.structure(x)
    try:
        parts = treedef.flatten_up_to(y)
    except TreeStructureError:
        assert treedef != tree.structure(y)
    else:
        structures = [tree.structure(part) for part in parts]
        assert sum(structure.num_leaves for structure in structures) == tree.structure(y).num_leaves
        assert tree.structure(treedef.unflatten(parts)) == tree.structure(y)


@given(trees)
def test_broadcast_of_a_prefix(x: Any) -> None:
    leaves, treedef = tree.flatten(x)
    assert tree.broadcast_prefix(7, x) == [7] * len(leaves)
    assert tree.broadcast_prefix(x, x) == leaves
    assert tree.flatten_axes("axes", treedef, x) == leaves
    one_level = tree.map(lambda child: 7, x, is_leaf=lambda node: node is not x)
    assert tree.flatten_axes("axes", treedef, one_level) == [7] * len(leaves)


@given(trees)
def test_compiled_source_agrees_with_the_loops(x: Any) -> None:
    leaves, treedef = tree.flatten(x)
    if not all(node.shared for node in treedef.nodes):
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_USES", 1)
        patch.setattr(module, "_SOURCE_SIZE", range(1, 1000))
        patch.setattr(module, "_RECENT", {})
        treedef = module.PyTreeDef(treedef.nodes, treedef.num_leaves)
        treedef._used()
        assert treedef._build is not None
        assert treedef._match is not None
        assert text(treedef.unflatten(leaves)) == text(x)
        assert treedef._match(x) == leaves
        assert text(tree.map(lambda leaf: leaf, x)) == text(x)
