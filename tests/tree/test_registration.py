"""Registration of classes as pytree nodes."""

import dataclasses
import functools
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from fgrad import tree
from fgrad.errors import ArgumentError, TreeStructureError


class Base:
    """Something with children and a label."""

    def __init__(self, *children: Any, label: Any = None) -> None:
        self.children, self.label = children, label


def make(
    flatten: Callable[[Any], Any] = lambda x: (x.children, x.label),
    unflatten: Callable[[Any, Any], Any] | None = None,
    with_keys: Callable[[Any], Any] | None = None,
) -> type[Base]:
    """A new registered class."""

    class New(Base):
        pass

    def rebuild(label: Any, children: Any) -> Any:
        return New(*children, label=label)

    tree.register_pytree_node(New, flatten, unflatten or rebuild, with_keys)
    return New


@tree.register_dataclass
@dataclass(frozen=True)
class Layer:
    w: Any
    b: Any = None
    act: str = field(default="relu", metadata={"static": True})
    size: Any = tree.static(default=3, kw_only=True)  # noqa: RUF009 (a field)


def test_node() -> None:
    New = make()
    leaves, treedef = tree.flatten([New(1, [2, 3], label="a"), 4])
    assert leaves == [1, 2, 3, 4]
    back, _ = treedef.unflatten("wxyz")
    assert type(back) is New
    assert back.children == ("w", ["x", "y"])
    assert back.label == "a"
    assert treedef != tree.structure([New(1, [2, 3], label="b"), 4])
    assert tree.keystr(tree.leaves_with_path(New([1]))[0][0]) == "[<flat index 0>][0]"


def test_node_with_keys() -> None:
    New = make(with_keys=lambda x: ([(f".child{i}", c) for i, c in enumerate(x.children)], x.label))
    assert [tree.keystr(path) for path, _ in tree.leaves_with_path(New(1, [2]))] == [".child0", ".child1[0]"]
    with pytest.raises(TreeStructureError, match=r"at \.child1\[0\]: expected a list of length 1, got an int 2"):
        tree.map(max, New(1, [[2]]), New(1, [2]))


def test_register_with_keys_only() -> None:
    class New(Base):
        pass

    tree.register_pytree_with_keys(
        New, lambda x: ([(tree.GetAttrKey("a"), x.children[0])], None), lambda _, children: New(*children)
    )
    assert tree.leaves_with_path(New(5)) == [((tree.GetAttrKey("a"),), 5)]
    assert tree.map(str, New(5)).children == ("5",)


def test_class_decorators() -> None:
    @tree.register_pytree_with_keys_class
    class New(Base):
        calls: tuple[str, ...] = ()

        def tree_flatten(self) -> Any:
            New.calls += ("flatten",)
            return self.children, None

        def tree_flatten_with_keys(self) -> Any:
            New.calls += ("with keys",)
            return [(tree.SequenceKey(i), c) for i, c in enumerate(self.children)], None

        @classmethod
        def tree_unflatten(cls, aux: Any, children: Any) -> Any:
            return cls(*children)

    assert tree.map(str, New(1, 2)).children == ("1", "2")
    assert New.calls == ("flatten",)
    assert tree.keystr(tree.leaves_with_path(New(1, 2))[1][0]) == "[1]"
    with pytest.raises(ArgumentError, match="Base needs the method tree_flatten to be a pytree node"):
        tree.register_pytree_node_class(Base)


def test_children_may_be_any_sequence_or_iterator() -> None:
    for children in (
        [1, 2],
        (1, 2),
        iter((1, 2)),
        (x for x in (1, 2)),
        {"a": 1, "b": 2}.values(),
        range(1, 3),
    ):
        assert tree.leaves(make(lambda x: (x.label, None))(label=children)) == [1, 2]


@pytest.mark.parametrize(
    ("result", "what"),
    [
        (None, "returned None, not a pair (children, auxiliary data)"),
        ((1, 2, 3), "returned (1, 2, 3), not a pair (children, auxiliary data)"),
        ((np.ones(2), None), "gave array([1., 1.]) as children, not a tuple (is a comma missing in `(x,)`?)"),
        (("ab", None), "gave 'ab' as children, not a tuple"),
        (({"a": 1}, None), "gave {'a': 1} as children, not a tuple"),
        (({1}, None), "gave {1} as children, not a tuple"),
        ((None, (1,)), "gave None as children, not a tuple"),
    ],
    ids=repr,
)
def test_bad_flatten(result: Any, what: str) -> None:
    def own_flatten(x: Any) -> Any:
        return result

    with pytest.raises(ArgumentError) as caught:
        tree.flatten([make(own_flatten)()])
    prefix = "test_bad_flatten.<locals>.own_flatten, registered for the pytree class New, "
    assert str(caught.value).startswith(prefix + what)


@pytest.mark.parametrize("result", [None, (1,), Base()], ids=lambda x: type(x).__name__)
def test_bad_unflatten(result: Any) -> None:
    New = make(unflatten=lambda label, children: result)
    with pytest.raises(ArgumentError, match=r"registered for the pytree class New, returned .*, not a New"):
        tree.map(str, New(1))


@pytest.mark.parametrize("pairs", [[1], [("a", 1, 2)], [], [("a", 1), ("b", 2)]], ids=repr)
def test_bad_keys(pairs: Any) -> None:
    New = make(with_keys=lambda x: (pairs, None))
    with pytest.raises(ArgumentError, match=r"registered for the pytree class New, gave .*, not 1 pair \(key, child\)"):
        tree.flatten_with_path(New(1))


def test_bad_pairs_without_a_flatten_of_its_own() -> None:
    class New(Base):
        pass

    tree.register_pytree_with_keys(New, lambda x: ((1, 2), None), lambda aux, children: New())
    with pytest.raises(ArgumentError, match=r"the pytree class New, returned .*: it must return pairs"):
        tree.flatten(New())


def test_errors_of_registered_functions_come_through() -> None:
    with pytest.raises(ZeroDivisionError):
        tree.flatten(make(lambda x: 1 // 0)())


def test_auxiliary_data_must_hash_and_compare() -> None:
    New = make()
    unhashable = tree.structure(New(label=[1]))
    assert unhashable == tree.structure(New(label=[1]))
    what = r"the static data of a New with 0 children and auxiliary data \[1\] cannot be hashed"
    with pytest.raises(ArgumentError, match=what):
        hash(unhashable)
    x, y = New(1, label=np.ones(2)), New(1, label=np.ones(2))
    assert tree.structure(x) == tree.structure(x)
    for compare in (lambda: tree.structure(x) == tree.structure(y), lambda: tree.map(max, x, y)):
        with pytest.raises(ArgumentError, match=r"auxiliary data array\(\[1\., 1\.\]\) cannot be compared"):
            compare()


def test_registered_twice() -> None:
    New = make()
    again: list[Callable[[Any], Any]] = [
        lambda cls: tree.register_pytree_node(cls, max, max),
        lambda cls: tree.register_pytree_with_keys(cls, max, max),
        tree.register_static,
        tree.register_dataclass,
    ]
    for register in again:
        with pytest.raises(ArgumentError, match=r"the class .*New is a pytree node already"):
            register(New)
        for builtin in (dict, type(None)):
            with pytest.raises(ArgumentError, match=f"the class {builtin.__name__} is a pytree node already"):
                register(builtin)
        for builtin in (int, str, set, object):
            with pytest.raises(ArgumentError, match=f"the builtin class {builtin.__name__} cannot become a pytree"):
                register(builtin)


def test_registration_wants_classes_and_functions() -> None:
    with pytest.raises(ArgumentError, match="only classes are registered as pytree nodes, not 3"):
        tree.register_static(3)  # type: ignore[type-var]
    with pytest.raises(ArgumentError, match="a class becomes a pytree node by functions, not by 3"):
        tree.register_pytree_node(Base, 3, max)  # type: ignore[arg-type]
    assert tree.leaves(x := Base()) == [x]


def test_subclasses_are_leaves_unless_registered() -> None:
    New = make()

    class Sub(New):  # type: ignore[misc, valid-type]
        pass

    assert tree.leaves(x := Sub(1)) == [x]
    with pytest.raises(TreeStructureError, match=r"got a Sub, a leaf \(its base New is a pytree node, but it is not"):
        tree.map(max, [New(1)], [Sub(1)])


def test_dataclass() -> None:
    x = Layer(1, [2], "tanh")
    leaves, treedef = tree.flatten(x)
    assert leaves == [1, 2]
    assert treedef.unflatten(leaves) == x
    assert repr(treedef) == "PyTreeDef(Layer(w=*, b=[*], act='tanh', size=3))"
    assert [tree.keystr(path) for path, _ in tree.leaves_with_path([x])] == ["[0].w", "[0].b[0]"]
    assert tree.map(lambda a, b: a + b, x, dataclasses.replace(x, w=10)) == Layer(11, [4], "tanh")
    assert tree.leaves(Layer(None)) == []
    assert pickle.loads(pickle.dumps(treedef)) == treedef
    what = r"got a Layer\(w, b, act='relu', size=4\); the static field act must be 'tanh', not 'relu'; "
    with pytest.raises(TreeStructureError, match=what + "the static field size must be 3, not 4"):
        tree.map(max, x, Layer(1, [2], size=4))


def test_dataclass_static_fields_must_hash() -> None:
    what = r"the static data of a Layer\(w, b, act='relu', size=\[1\]\) cannot be hashed"
    with pytest.raises(ArgumentError, match=what):
        hash(tree.structure(Layer(1, size=[1])))


def test_dataclass_by_names() -> None:
    @functools.partial(tree.register_dataclass, data_fields=["y", "x"], meta_fields=["name"])
    @dataclass(slots=True, kw_only=True)
    class New:
        x: int
        name: str
        y: int

    treedef = tree.structure(New(x=1, name="n", y=2))
    assert treedef.unflatten([5, 6]) == New(x=6, name="n", y=5)


def test_dataclass_runs_its_constructor() -> None:
    @tree.register_dataclass
    @dataclass
    class New:
        x: Any
        doubled: Any = field(init=False)

        def __post_init__(self) -> None:
            self.doubled = 2 * self.x

    assert tree.map(lambda x: x + 1, New(3)).doubled == 8


def test_dataclass_with_dropped_fields() -> None:
    @functools.partial(tree.register_dataclass, drop_fields=["cache"])
    @dataclass
    class New:
        x: Any
        cache: Any = None

    assert tree.map(lambda x: x + 1, New(3, cache=[1])) == New(4, None)


def test_a_class_that_is_like_a_dataclass() -> None:
    class New:
        def __init__(self, x: Any, name: Any) -> None:
            self.x, self.name = x, name

    tree.register_dataclass(New, ["x"], ["name"])
    new = tree.map(str, New(1, "n"))
    assert (new.x, new.name) == ("1", "n")


@pytest.mark.parametrize(
    ("names", "what"),
    [
        ((["x"], ["y"], []), "neither data, meta nor dropped: z"),
        ((["x", "y"], ["z", "q"], []), "not a field of its constructor: q"),
        ((["x", "y"], ["z", "post"], []), "not a field of its constructor: post"),
        ((["x", "y"], ["z", "x"], []), "fields named twice: x"),
        ((["x", "y"], ["z"], ["x"]), "fields named twice: x"),
        ((["x"], None, []), "name both data_fields and meta_fields, or neither"),
        (("xyz", [], []), "data_fields, meta_fields and drop_fields are sequences of names"),
        ((None, None, ["q"]), "not a field of its constructor: q"),
        ((None, None, "z"), "data_fields, meta_fields and drop_fields are sequences of names"),
    ],
    ids=repr,
)
def test_bad_fields(names: Any, what: str) -> None:
    @dataclass
    class New:
        x: Any
        y: Any
        z: Any
        post: Any = field(init=False, default=None)

    with pytest.raises(ArgumentError) as caught:
        tree.register_dataclass(New, *names)
    assert f"register_dataclass of {New.__qualname__}: {what}" in str(caught.value)
    tree.register_dataclass(New)


def test_decorators_in_the_wrong_order() -> None:
    with pytest.raises(ArgumentError, match=r"it is not a dataclass(.|\n)*Put @register_dataclass above @dataclass"):

        @dataclass
        @tree.register_dataclass
        class New:
            x: Any


def test_static() -> None:
    @tree.register_static
    class Mode(str):
        __slots__ = ()

    x = [Mode("train"), 1]
    assert tree.leaves(x) == [1]
    assert tree.map(str, x)[0] is x[0]
    with pytest.raises(
        TreeStructureError, match=r"at \[0\]: expected the static Mode 'train', got the static Mode 'test'"
    ):
        tree.map(max, x, [Mode("test"), 1])


def test_partial() -> None:
    add = tree.Partial(lambda x, y, z: x + y + z, 1, z=[2])
    leaves, treedef = tree.flatten(add)
    assert leaves == [1, 2]
    assert [tree.keystr(path) for path, _ in tree.leaves_with_path(add)] == [".args[0]", ".keywords['z'][0]"]
    assert tree.map(lambda leaf: [leaf], add).args == ([1],)
    assert tree.Partial(max, 3)(5) == 5
    assert hash(treedef) == hash(tree.structure(tree.Partial(add.func, 5, z=[5])))
    assert treedef != tree.structure(tree.Partial(max, 5, z=[5]))


def test_partial_of_partials() -> None:
    inner = tree.Partial(divmod, 7)
    assert tree.leaves(tree.Partial(inner, 2)) == [7, 2]
    static = tree.Partial(functools.partial(divmod, 7), 2)
    assert tree.leaves(static) == [2]
    assert static() == tree.map(lambda x: x, static)() == (3, 1)
    bound = functools.partial(divmod, 7)
    assert tree.structure(tree.Partial(bound, 2)) == tree.structure(tree.Partial(bound, 3))
    with pytest.raises(ArgumentError, match="Partial needs a function, got an int 3"):
        tree.Partial(3)  # type: ignore[arg-type]


def test_unpickling_needs_the_registration() -> None:
    data = pickle.dumps(tree.structure(tree.Partial(max, 1)))
    code = f"""
import pickle
from fgrad.tree import nodes, partial, structure
made = pickle.loads({data!r})
assert made == structure(partial.Partial(max, 1)), made
del nodes.KINDS[partial.Partial]
pickle.loads({data!r})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ArgumentError: Partial is not a registered pytree node in this process" in done.stderr
    assert "Import the module that registers it before unpickling." in done.stderr
