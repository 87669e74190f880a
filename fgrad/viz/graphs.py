"""Computation graphs of functions."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeAlias

from fgrad.api.jit import Jitted
from fgrad.api.trace import trace_call
from fgrad.compiler.simplify import simplify as simplified
from fgrad.core.boundary import check_callable, function_name, parameter_names
from fgrad.core.jaxpr import Equation, eliminate_dead_code
from fgrad.errors import ArgumentError, GraphvizError, message, public
from fgrad.tree import KeyPath, flatten, flatten_with_path, keystr
from fgrad.viz.build import Known, build
from fgrad.viz.dot import to_dot
from fgrad.viz.evaluate import all_gradients, all_values
from fgrad.viz.extras import has_graphviz, matplotlib_module, run_dot
from fgrad.viz.layout import laid_out
from fgrad.viz.listing import lines_of
from fgrad.viz.mermaid import to_mermaid
from fgrad.viz.model import Diagram, Edge, Node, Panel
from fgrad.viz.names import local_names
from fgrad.viz.png import to_png
from fgrad.viz.svg import to_svg
from fgrad.viz.text import call_title, function_of
from fgrad.viz.unfold import unfolded

__all__ = ["Graph", "graph"]

Engine: TypeAlias = Literal["graphviz", "fgrad"]
_FORMS = (".dot", ".gv", ".mmd", ".md", ".svg", ".png", ".pdf", ".txt")
_DOTS_PER_INCH = 144.0


@public
def graph(
    fun: Callable[..., Any],
    *args: Any,
    values: bool = False,
    gradients: bool = False,
    depth: int = 0,
    unfold: str | Collection[str] = (),
    shapes: bool = True,
    simplify: bool = False,
    direction: Literal["LR", "TB"] = "LR",
    limit: int = 200,
    **kwargs: Any,
) -> Graph:
    """The computation graph of `fun`: boxes for variables, circles for operators, shapes on the edges.

    The function is traced, and what it computes is drawn: the graph of a gradient is that of `grad(f)`. Variables bear
    the names of the arguments, and of the local variables of the user's functions (of those in functions that were
    compiled before nothing is known any more). With `gradients=True` every node shows ∂out/∂v, v being its value.

    Args:
        fun: the function.
        args: its arguments; arrays, in pytrees. Where neither values nor gradients are asked for, a
            `fgrad.ShapeDtypeStruct` stands for an array.
        values: write the forward value at every node, in green.
        gradients: write the gradient of the output, which is one real number, at every node, in amber.
        depth: how many levels of nested programs (`jit`, `scan`, `cond`, custom rules, …) are unfolded; each is one
            node otherwise. A function that is nothing but one call is unfolded in any case.
        unfold: names of primitives (`scan`) or of compiled functions that are unfolded at any depth.
        shapes: write the shape and dtype of the value on every edge.
        simplify: draw the program that `jit` would compile: without identities and repeated subexpressions.
        direction: `LR` from left to right, `TB` from top to bottom.
        limit: the number of operators from which on parts are drawn as one node each: what a line or a function
            computes, and what repeats itself.
        kwargs: arguments of `fun` by name.

    Returns:
        A `Graph`: notebooks draw it, `save("graph.svg")` writes it to a file.

    Raises:
        NonScalarOutputError: gradients are asked for, and the output is not one real number.
        ArgumentError: an option makes no sense, or values are asked for where only shapes are given.

    >>> import fgrad.viz
    >>> def f(x, y, w):
    ...     q = x + y
    ...     return q * w
    >>> print(fgrad.viz.graph(f, -2.0, 5.0, -4.0, values=True, gradients=True))
    x = argument  f64[]  value -2  gradient -4
    y = argument  f64[]  value 5  gradient -4
    w = argument  f64[]  value -4  gradient 3
    q = x + y  f64[]  value 3  gradient -4
    f = q × w  f64[]  value -12  gradient 1
    """
    check_callable(fun, "graph", "graph(f, x)")
    _check_options(depth, direction, limit)
    names = {unfold} if isinstance(unfold, str) else set(unfold)
    with local_names() as local:
        closed, outdef = trace_call(fun, args, kwargs, set(), "graph")
    closed = simplified(closed) if simplify else eliminate_dead_code(closed)
    alone = closed.eqns[0] if len(closed.eqns) == 1 and closed.eqns[0].primitive.is_call else None

    def wanted(eqn: Equation, level: int) -> bool:
        return (
            level < depth
            or eqn is alone
            or not names.isdisjoint((eqn.primitive.name, call_title(eqn), function_of(eqn)))
        )

    flat = unfolded(closed, local, wanted)
    trees = (*args, *kwargs.values())
    leaves = flatten(trees)[0]
    arguments = [*parameter_names(fun, len(args)), *kwargs]
    paths = [(a, path) for a, t in zip(arguments, trees, strict=True) for path, _ in flatten_with_path(t)[0]]
    inputs = _labels(paths, limit)
    name = function_name(fun)
    # A transform bears the name of the function that it was made from, but what it returns is something else.
    returned = "out" if name == "<lambda>" or (hasattr(fun, "__wrapped__") and not isinstance(fun, Jitted)) else name
    known = Known(
        values=all_values(flat.closed, leaves) if values else {},
        gradients=all_gradients(flat.closed, leaves, name) if gradients else {},
    )
    results = flatten_with_path(outdef.unflatten([0] * outdef.num_leaves))[0]
    outputs = _labels([(returned, path) for path, _ in results], limit)
    return Graph(build(flat, inputs, outputs, name, known, wanted, limit), direction, shapes)


def _labels(paths: Sequence[tuple[str, KeyPath]], limit: int) -> list[str]:
    """What leaves are called. Where there are many, those of one branch get one name, and are drawn as one."""
    deepest = max((len(path) for _, path in paths), default=0)
    labels: list[str] = []
    for depth in range(deepest, -1, -1):
        labels = [name + keystr(path[:depth]) for name, path in paths]
        if len(set(labels)) <= limit // 5:
            break
    return labels


def _check_options(depth: int, direction: str, limit: int) -> None:
    for name, value, least in (("depth", depth, 0), ("limit", limit, 1)):
        if not isinstance(value, int) or value < least:
            what = f"{name} of graph is {value!r}: not a whole number from {least} on."
            raise ArgumentError(message(what, cure=f"Give {name}={least}, or more."))
    if direction not in ("LR", "TB"):
        what = f"direction of graph is {direction!r}."
        raise ArgumentError(message(what, cure="Give 'LR' (from left to right) or 'TB' (from top to bottom)."))


class Graph:
    """The picture of a program; see `graph`.

    Attributes:
        panels: the program, and then the loops, branches and custom rules that are unfolded from it.
        direction: `LR` or `TB`.
        shapes: whether edges bear shapes and dtypes.
    """

    def __init__(self, panels: Diagram, direction: str, shapes: bool) -> None:
        self.panels: list[Panel] = panels
        self.direction = direction
        self.shapes = shapes

    @property
    def nodes(self) -> list[Node]:
        """The nodes of all panels."""
        return [node for panel in self.panels for node in panel.nodes]

    @property
    def edges(self) -> list[Edge]:
        """The edges of all panels."""
        return [edge for panel in self.panels for edge in panel.edges]

    @public
    def node(self, label: str) -> Node:
        """The first node with a label.

        Raises:
            ArgumentError: there is none.
        """
        for node in self.nodes:
            if node.label == label:
                return node
        labels = ", ".join(dict.fromkeys(node.label for node in self.nodes))
        raise ArgumentError(message(f"the graph has no node {label!r}.", cure=f"There are: {labels}."))

    def dot(self) -> str:
        """The graph in the language of Graphviz."""
        return to_dot(self.panels, self.direction, self.shapes)

    def mermaid(self) -> str:
        """The graph as a Mermaid flow chart: GitHub draws it between ```` ```mermaid ```` and ```` ``` ````."""
        return to_mermaid(self.panels, self.direction, self.shapes)

    @public
    def svg(self, *, engine: Engine | None = None) -> str:
        """The graph as the text of an SVG file.

        Args:
            engine: `graphviz` lays it out by the program `dot`, `fgrad` does so by itself. By default Graphviz does
                where it is installed.

        Raises:
            MissingExtraError: Graphviz is asked for, and not installed.
        """
        if _by_graphviz(engine):
            return run_dot(self.dot(), "svg", _DOTS_PER_INCH).decode()
        return to_svg(laid_out(self.panels, self.direction, self.shapes))

    @public
    def png(self, *, engine: Engine | None = None, dpi: float = _DOTS_PER_INCH) -> bytes:
        """The graph as the bytes of a PNG file.

        Args:
            engine: as for `svg`; `fgrad` draws by matplotlib.
            dpi: dots per inch.

        Raises:
            MissingExtraError: neither Graphviz nor matplotlib is installed, or not the one that was asked for.
        """
        if _by_graphviz(engine):
            return run_dot(self.dot(), "png", dpi)
        return to_png(laid_out(self.panels, self.direction, self.shapes), dpi)

    @public
    def draw(self, axes: Any, *, engine: Engine | None = None, dpi: float = _DOTS_PER_INCH) -> None:
        """Draws the graph into axes of matplotlib, beside other plots.

        Args:
            axes: the axes; what they measured is switched off.
            engine: as for `png`.
            dpi: dots per inch of the picture that is put there.
        """
        image = matplotlib_module("matplotlib.image", "Graph.draw")
        axes.imshow(image.imread(io.BytesIO(self.png(engine=engine, dpi=dpi))), interpolation="antialiased")
        axes.set_axis_off()

    @public
    def save(self, path: str | PathLike[str], *, engine: Engine | None = None) -> None:
        """Writes the graph to a file, in the form that its suffix names.

        Args:
            path: ends in `.svg`, `.png`, `.pdf` (Graphviz only), `.dot`, `.mmd`, `.md` (Mermaid for GitHub) or `.txt`.
            engine: as for `svg`.

        Raises:
            ArgumentError: the suffix is none of these.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix == ".png":
            path.write_bytes(self.png(engine=engine))
        elif suffix == ".pdf":
            path.write_bytes(run_dot(self.dot(), "pdf", _DOTS_PER_INCH))
        elif suffix in _FORMS:
            path.write_text(self._text(suffix, engine), "utf-8")
        else:
            what = f"a graph cannot be saved as {path.name!r}: its suffix says no form."
            raise ArgumentError(message(what, cure=f"Suffixes that do: {', '.join(_FORMS)}."))

    def _text(self, suffix: str, engine: Engine | None) -> str:
        if suffix == ".svg":
            return self.svg(engine=engine)
        if suffix == ".txt":
            return f"{self}\n"
        if suffix in (".dot", ".gv"):
            return self.dot()
        return f"```mermaid\n{self.mermaid()}```\n" if suffix == ".md" else self.mermaid()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook may show; it takes the richest form that it knows."""
        try:
            image = self.svg()
        except GraphvizError:
            image = self.svg(engine="fgrad")
        return {"text/plain": str(self), "text/vnd.mermaid": self.mermaid(), "image/svg+xml": image}

    def __str__(self) -> str:
        """One line for every node, in the order of the program."""
        first, *others = self.panels
        lines = lines_of(first)
        for panel in others:
            lines += [f"{panel.title}:", *[f"    {line}" for line in lines_of(panel)]]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Graph of {self.panels[0].title}: {len(self.nodes)} nodes, {len(self.edges)} edges>"


def _by_graphviz(engine: str | None) -> bool:
    """Whether Graphviz draws."""
    if engine not in (None, "graphviz", "fgrad"):
        what = f"engine of a graph is {engine!r}."
        raise ArgumentError(message(what, cure="Give 'graphviz' or 'fgrad', or leave it out."))
    return has_graphviz() if engine is None else engine == "graphviz"
