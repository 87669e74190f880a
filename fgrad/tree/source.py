"""Python source that builds the trees of one structure and recognizes them, for structures used often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from fgrad.tree.nodes import LEAF, Node
from fgrad.tree.table import LEAF_TYPES, SPLITS

__all__ = ["MAX_DEPTH", "Builder", "Matcher", "TreeSource", "compile_builder", "compile_matcher"]

Builder: TypeAlias = Callable[[Sequence[Any]], Any]
Matcher: TypeAlias = Callable[[Any], "list[Any] | None"]

MAX_DEPTH = 50  # Python's parser gives up at 200 nested brackets


class TreeSource:
    """Lines of one function, and the values that they refer to by name.

    Attributes:
        lines: the statements.
        names: the values.
        failed: the statement for a tree of another structure.
    """

    def __init__(self, failed: str = "return None") -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"all_leaves": LEAF_TYPES.issuperset, "splits": SPLITS}
        self.failed = failed

    def constant(self, value: Any) -> str:
        name = f"c{len(self.names)}"
        self.names[name] = value
        return name

    def built(self, nodes: Sequence[Node], leaves: Sequence[str]) -> str:
        """The expression for the tree with these leaves. The nodes are expanded, and at most MAX_DEPTH deep."""
        stack: list[str] = []
        left = list(leaves)
        for node in reversed(nodes):
            if node is LEAF:
                stack.append(left.pop())
                continue
            children = stack[: -node.arity - 1 : -1]
            del stack[len(stack) - node.arity :]
            stack.append(_built(node, children, self))
        return stack[0]

    def taken_apart(self, nodes: Sequence[Node], tree: str) -> list[str]:
        """Adds lines that check that a tree has exactly this layout, but for the classes of its leaves, and names its
        leaves. The nodes are expanded, and shared."""
        count = 1
        stack = [tree]
        leaves: list[str] = []
        for node in nodes:
            name = stack.pop()
            if node is LEAF:
                leaves.append(name)
                continue
            children = [f"x{number}" for number in range(count, count + node.arity)]
            count += node.arity
            _taken_apart(node, name, children, self)
            stack += children[::-1]
        return leaves

    def compiled(self, header: str) -> Any:
        """The function."""
        text = f"def function({header}):\n " + "\n ".join(self.lines)
        exec(compile(text, f"{__file__}<generated>", "exec"), self.names)
        return self.names.pop("function")


def compile_builder(nodes: Sequence[Node], num_leaves: int) -> Builder:
    """A function from the leaves to the tree. The nodes are expanded, and at most MAX_DEPTH deep."""
    source = TreeSource()
    leaves = [f"x{number}" for number in range(num_leaves)]
    if num_leaves:
        source.lines.append(f"{', '.join(leaves)}, = leaves")
    source.lines.append(f"return {source.built(nodes, leaves)}")
    builder: Builder = source.compiled("leaves")
    return builder


def _built(node: Node, children: list[str], source: TreeSource) -> str:
    """The expression that builds one node."""
    cls = node.kind.cls
    listed = "".join(f"{child}, " for child in children)
    if cls is list:
        return f"[{listed}]"
    if cls is tuple:
        return f"({listed})"
    if cls is dict:
        values = dict(zip(node.aux, children, strict=True))
        return "{" + ", ".join(f"{source.constant(key)}: {values[key]}" for key in node.detail) + "}"
    return "None" if cls is type(None) else f"{source.constant(node.join)}(({listed}))"


def compile_matcher(nodes: Sequence[Node]) -> Matcher:
    """A function from a tree to its leaves if it has exactly this layout, else to None.

    The nodes are expanded, and shared.
    """
    source = TreeSource()
    leaves = source.taken_apart(nodes, "x0")
    source.lines.append(f"leaves = [{', '.join(leaves)}]")
    source.lines.append("return leaves if all_leaves(map(type, leaves)) else None")
    matcher: Matcher = source.compiled("x0")
    return matcher


def _taken_apart(node: Node, name: str, children: list[str], source: TreeSource) -> None:
    """The lines that check one node and name its children."""
    cls = node.kind.cls
    listed = "".join(f"{child}, " for child in children)
    failed = source.failed
    if cls is type(None):
        source.lines.append(f"if {name} is not None: {failed}")
        return
    source.lines.append(f"if type({name}) is not {source.constant(cls)}: {failed}")
    if cls in (list, tuple, dict):
        source.lines.append(f"if len({name}) != {node.arity}: {failed}")
        values = name
        if cls is dict and children:
            source.lines.append("".join(f"k{index}, " for index in range(node.arity)) + f"= {name}")
            checks = [_differs(f"k{index}", key, source) for index, key in enumerate(node.detail)]
            source.lines.append(f"if {' or '.join(checks)}: {failed}")
            named = dict(zip(node.aux, children, strict=True))
            listed = "".join(f"{named[key]}, " for key in node.detail)
            values = f"{name}.values()"
    else:
        source.lines.append(f"node, values = splits[{source.constant(cls)}]({name})")
        source.lines.append(f"if node is not {source.constant(node)}: {failed}")
        values = "values"
    if children:
        source.lines.append(f"{listed}= {values}")


def _differs(name: str, key: Any, source: TreeSource) -> str:
    """True if what is named is neither the key nor an equal object of the same class."""
    same, cls = source.constant(key), source.constant(type(key))
    return f"{name} is not {same} and (type({name}) is not {cls} or {name} != {same})"
