"""Computation graphs: what is drawn, the numbers at the nodes, and that no name of the user's can break a picture."""

from __future__ import annotations

import re
import shutil
import struct
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad import lax, viz
from fgrad.errors import ArgumentError, GraphvizError, MissingExtraError, NonScalarOutputError
from fgrad.viz import extras
from fgrad.viz.graphs import Graph
from fgrad.viz.layout import laid_out

GRAPHVIZ = shutil.which("dot") is not None
needs_graphviz = pytest.mark.skipif(not GRAPHVIZ, reason="needs the program dot of Graphviz")


def product(x: Any, y: Any, w: Any) -> Any:
    q = x + y
    z = q * w
    return z  # noqa: RET504 (its name is drawn)


@fgrad.jit
def layer(w: Any, x: Any) -> Any:
    return fnp.tanh(w @ x)


def network(ws: Any, x: Any) -> Any:
    for w in ws:
        x = layer(w, x)
    return fnp.sum(x)


WS = [np.array([[0.5, -1.0], [0.25, 2.0]]), np.array([[1.0, 0.5], [-0.5, 0.125]])]
X = np.array([1.0, -0.5])


def texts(graph: Graph) -> list[str]:
    return [
        element.text or ""
        for element in ET.fromstring(graph.svg(engine="fgrad")).iter("{http://www.w3.org/2000/svg}text")
    ]


# What is drawn


def test_boxes_for_variables_circles_for_operators_and_shapes_on_the_edges() -> None:
    graph = viz.graph(product, np.ones((2, 3)), 1.0, np.float32(2))
    assert [(n.label, n.kind) for n in graph.nodes] == [
        ("x", "argument"), ("y", "argument"), ("w", "argument"),
        ("+", "operator"), ("q", "variable"), ("×", "operator"), ("z", "output"),
    ]  # fmt: skip
    label = {n.key: n.label for n in graph.nodes}
    assert [(label[e.tail], label[e.head], e.label) for e in graph.edges] == [
        ("x", "+", "f64[2,3]"), ("y", "+", "f64[]"), ("+", "q", "f64[2,3]"),
        ("q", "×", "f64[2,3]"), ("w", "×", "f32[]"), ("×", "z", "f64[2,3]"),
    ]  # fmt: skip
    assert "f64[2,3]" in texts(graph)
    assert "f64[2,3]" not in texts(viz.graph(product, np.ones((2, 3)), 1.0, 2.0, shapes=False))


def test_operators_say_what_they_do() -> None:
    def f(x: Any) -> Any:
        return fnp.maximum(1 - x / 2, 0.0) ** 3, fnp.sum(x, axis=0), -x, x.astype(np.float32), 3 * x

    labels = [n.label for n in viz.graph(f, np.ones(2)).nodes if n.kind == "operator"]
    assert labels == ["÷ 2", "1 −", "maximum(·, 0)", "power 3", "Σ", "−", "as", "3 ×"]


def test_leaves_of_pytrees_bear_their_paths() -> None:
    def f(params: Any, *, scale: float) -> Any:
        return {"a": params["w"][0] * scale, "b": params["w"][1]}

    graph = viz.graph(f, {"w": (1.0, 2.0)}, scale=3.0)
    assert [n.label for n in graph.nodes] == ["params['w'][0]", "params['w'][1]", "scale", "×", "f['a']", "f['b']"]


def test_the_function_that_began_first_names_a_value() -> None:
    def sigmoid(x: Any) -> Any:
        inner = fnp.exp(-x)
        return 1 / (1 + inner)

    def f(w: Any) -> Any:
        z = w * 2.0
        return sigmoid(z) + sigmoid(w * 3.0)

    assert [n.label for n in viz.graph(f, 1.0).nodes if n.kind == "variable"] == ["z", "inner", "x", "inner"]


def test_names_are_found_under_transforms() -> None:
    def f(x: Any) -> Any:
        z = fnp.sin(x)
        return z * z

    for transformed in (fgrad.grad(f), fgrad.vmap(f), fgrad.jit(f), fgrad.vmap(fgrad.grad(f))):
        x = 1.0 if transformed.__wrapped__ is f and "Gradient" in (transformed.__doc__ or "") else np.ones(3)
        assert viz.graph(transformed, x).node("z").kind == "variable"


def test_a_profiler_that_was_there_is_there_again() -> None:
    def look(*_: Any) -> None: ...

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        viz.graph(product, 1.0, 2.0, 3.0)
        assert sys.getprofile() is look
        with pytest.raises(ZeroDivisionError):
            viz.graph(lambda x: 1 / 0, 1.0)
        assert sys.getprofile() is look
    finally:
        sys.setprofile(before)


def test_outputs_that_no_operator_computes() -> None:
    graph = viz.graph(lambda x: (x, x, 3.0, x + 1, x), 2.0, values=True)
    outputs = [n for n in graph.nodes if n.kind == "output"]
    assert [n.label for n in outputs] == ["out[3]", "out[0]", "out[1]", "out[2]", "out[4]"]
    assert [n.value for n in outputs] == [3.0, 2.0, 2.0, None, 2.0]
    assert outputs[3].detail == "3"


def test_what_is_not_needed_is_not_drawn_and_simplify_draws_less() -> None:
    def f(x: Any) -> Any:
        fnp.cos(x)
        return fnp.sin(x) * 1.0 + fnp.sin(x)

    assert [n.label for n in viz.graph(f, 1.0).nodes] == ["x", "sin", "× 1", "sin", "+", "f"]
    assert [n.label for n in viz.graph(f, np.float64(1), simplify=True).nodes].count("sin") == 1


# Values and gradients


def test_values_and_gradients_at_every_node() -> None:
    graph = viz.graph(product, -2.0, 5.0, -4.0, values=True, gradients=True)
    assert {n.label: (float(n.value), float(n.gradient)) for n in graph.nodes} == {
        "x": (-2, -4), "y": (5, -4), "w": (-4, 3), "+": (3, -4), "q": (3, -4), "×": (-12, 1), "z": (-12, 1),
    }  # fmt: skip
    assert str(graph).splitlines()[3] == "q = x + y  f64[]  value 3  gradient -4"


def test_gradients_of_arguments_are_those_of_grad() -> None:
    expected = fgrad.grad(network, argnums=(0, 1))(WS, X)
    for depth in (0, 1):
        graph = viz.graph(network, WS, X, values=True, gradients=True, depth=depth)
        for label, gradient in zip(("ws[0]", "ws[1]", "x"), (*expected[0], expected[1]), strict=True):
            np.testing.assert_allclose(graph.node(label).gradient, gradient, rtol=1e-14)
        assert all(n.value is not None and n.gradient is not None for n in graph.nodes)
        assert graph.node("network").value == pytest.approx(network(WS, X), rel=1e-14)


@pytest.mark.parametrize("label", ["a", "h", "out"])
def test_gradients_of_intermediate_values_are_those_by_a_shift(label: str) -> None:
    def f(x: Any, shifts: Any) -> Any:
        a = fnp.exp(x) + shifts["a"]
        h = lax.cond(x[0] > 0, fnp.sin, fnp.cos, a) * a + shifts["h"]
        out = fnp.sum(h * a) + shifts["out"]
        return out**2

    shifts = {"a": np.zeros(2), "h": np.zeros(2), "out": np.float64(0)}
    graph = viz.graph(f, X, shifts, values=True, gradients=True)
    np.testing.assert_allclose(graph.node(label).gradient, fgrad.grad(f, argnums=1)(X, shifts)[label], rtol=1e-12)


def test_gradients_of_constants_integers_and_what_does_not_matter() -> None:
    table = np.array([1.0, 2.0, 3.0])
    graph = viz.graph(lambda n, x, unused: fnp.sum(n * table) * x, 2, 3.0, 4.0, values=True, gradients=True)
    assert graph.node("n").gradient is None
    assert graph.node("n").value == 2
    assert graph.node("unused").gradient == 0
    np.testing.assert_array_equal(graph.node("constant").gradient, [6, 6, 6])


def test_weak_types_stay_weak() -> None:
    graph = viz.graph(lambda s, x: fnp.sum((s * 2.0) * x), 3.0, np.ones(2, np.float32), values=True, gradients=True)
    assert graph.node("out").value.dtype == np.float32
    assert graph.node("x").gradient.dtype == np.float32


def test_gradients_of_complex_values_are_those_of_grad() -> None:
    def f(z: Any) -> Any:
        w = z * z
        return fnp.abs(w) ** 2

    for z in (1 + 2j, np.complex128(1 - 2j)):
        graph = viz.graph(f, z, values=True, gradients=True)
        assert graph.node("z").gradient == pytest.approx(fgrad.grad(f)(z))
        assert graph.node("w").gradient == pytest.approx(2 * np.conj(z * z))


def test_making_an_array_of_a_number_is_not_drawn() -> None:
    graph = viz.graph(lambda x: fgrad.nn.sigmoid(x * 2.0), 1.0, values=True, gradients=True)
    assert [n.label for n in graph.nodes] == ["x", "× 2", "σ", "out"]
    assert graph.edges[1].tail == graph.node("× 2").key
    assert [n.label for n in viz.graph(lambda x: x.astype(np.float32), np.ones(2)).nodes] == ["x", "as", "out"]


def test_the_graph_of_a_gradient_and_of_a_second_derivative() -> None:
    def f(x: Any) -> Any:
        return fnp.sin(x) * x

    x = 0.7
    first = viz.graph(fgrad.grad(f), x, values=True, gradients=True)
    assert first.node("out").value == pytest.approx(np.cos(x) * x + np.sin(x))
    assert first.node("x").gradient == pytest.approx(2 * np.cos(x) - x * np.sin(x))
    second = viz.graph(fgrad.grad(fgrad.grad(f)), np.float64(x), values=True, gradients=True, simplify=True)
    assert second.node("out").value == pytest.approx(2 * np.cos(x) - x * np.sin(x))
    assert second.node("x").gradient == pytest.approx(-3 * np.sin(x) - x * np.cos(x))


def test_long_arrays_are_told_by_their_range() -> None:
    graph = viz.graph(lambda x: x * 2, np.linspace(-1, 1, 100), values=True)
    assert [line.text for line in graph.node("x").lines] == ["x", "-1 … 1"]
    graph = viz.graph(lambda x: x > 0, np.linspace(-1, 1, 100), values=True)
    assert graph.node("out").lines[-1].text == "50 of 100 true"
    assert viz.graph(lambda x: x, np.zeros((0, 3)), values=True).node("x").lines[-1].text == "empty"
    assert viz.graph(lambda x: x, np.full(9, 3 + 4j), values=True).node("x").lines[-1].text == "|·| 5 … 5"


# Nested programs


def test_calls_fold_and_unfold() -> None:
    folded = viz.graph(network, WS, X)
    assert [n.label for n in folded.nodes if n.kind == "call"] == ["jit layer", "jit layer"]
    assert folded.node("jit layer").detail == "2 operations"
    for graph in (viz.graph(network, WS, X, depth=1), viz.graph(network, WS, X, unfold="layer")):
        assert not [n for n in graph.nodes if n.kind == "call"]
        assert [n.group for n in graph.nodes if n.label == "tanh"] == [("jit layer",), ("jit layer (2)",)]
        assert "jit layer (2)" in graph.dot()
        assert (
            'subgraph g1["jit layer #40;2#41;"]' in graph.mermaid() or 'subgraph g1["jit layer (2)"]' in graph.mermaid()
        )
    assert viz.graph(network, WS, X, unfold=["scan"]).nodes[3].kind == "call"


def test_a_function_that_is_one_call_is_unfolded() -> None:
    assert [n.label for n in viz.graph(layer, WS[0], X).nodes] == ["w", "x", "@", "tanh", "layer"]


def test_results_are_numbered_as_they_are_returned() -> None:
    @fgrad.jit
    def both(x: Any) -> Any:
        return x + 1.0, x * 2.0, x - 3.0

    def f(x: Any) -> Any:
        results = both(x)
        return results[2] * results[0]

    graph = viz.graph(f, 5.0, values=True)
    assert [(n.label, n.value) for n in graph.nodes if n.kind == "variable"] == [("result 0", 6.0), ("result 2", 2.0)]

    def pair(x: Any) -> Any:
        a, _, c = both(x)
        return c * a

    labels = [(n.label, n.value) for n in viz.graph(pair, 5.0, values=True).nodes if n.kind == "variable"]
    assert labels == [("a", 6.0), ("c", 2.0)]


def test_depth_counts_levels() -> None:
    inner = fgrad.jit(fnp.sin)
    middle = fgrad.jit(lambda x: inner(x) * 2.0)

    def f(x: Any) -> Any:
        return middle(x) + 1.0

    assert [[n.kind for n in viz.graph(f, 1.0, depth=d).nodes].count("call") for d in (0, 1, 2)] == [1, 1, 0]
    assert viz.graph(f, 1.0, depth=2).node("sin").group == ("jit", "jit sin")


def test_loops_branches_and_rules_unfold_into_panels() -> None:
    @fgrad.custom_vjp
    def double(x: Any) -> Any:
        return 2.0 * x

    double.defvjp(lambda x: (2.0 * x, None), lambda _, ct: (2.0 * ct,))

    def f(x: Any) -> Any:
        c, _ = lax.scan(lambda c, t: (c * t, c), x, np.ones(3))
        c = lax.while_loop(lambda c: c < 10.0, lambda c: c * 2.0, c)
        return double(lax.cond(c > 3.0, fnp.sin, fnp.cos, c))

    assert len(viz.graph(f, 1.0).panels) == 1
    graph = viz.graph(f, 1.0, depth=1, values=True, gradients=True)
    assert [p.title for p in graph.panels] == [
        "f", "scan", "while_loop: cond_jaxpr", "while_loop: body_jaxpr", "cond: branches[0]", "cond: branches[1]",
        "custom_vjp double",
    ]  # fmt: skip
    scan = graph.panels[1]
    assert [n.label for n in scan.nodes] == ["carry", "x", "×", "next carry", "y"]
    assert graph.panels[0].nodes[[n.key for n in graph.panels[0].nodes].index(scan.owner)].label == "scan"
    assert all(n.value is None for p in graph.panels[1:] for n in p.nodes)
    assert "custom_vjp double" in texts(graph)
    assert "scan:\n    carry = argument  f64[]" in str(graph)


# Large graphs


def test_a_loop_that_was_unrolled_is_one_node() -> None:
    def f(x: Any) -> Any:
        for _ in range(150):
            x = fnp.tanh(x * 2.0)
        return fnp.sum(x)

    assert len(viz.graph(f, X, limit=1000).nodes) == 304
    (node,) = [n for n in viz.graph(f, X, values=True, gradients=True).nodes if n.kind == "summary"]
    assert (node.label, node.detail) == ("mul, tanh", "× 150 · 300 operations")
    assert node.value is not None
    assert node.gradient is not None


def test_lines_and_functions_of_the_user_are_joined() -> None:
    def step(x: Any, i: int) -> Any:
        for k in range(2 + i * i * 7 % 11 % 3):
            x = fnp.sin(x) + fnp.cos(x * float(k))
        return x

    def f(x: Any) -> Any:
        for i in range(12):
            x = step(x, i)
            x = fnp.exp(-x)
        return x

    graph = viz.graph(f, 0.5, limit=40)
    assert len(graph.nodes) <= 42
    assert "step" in [n.label for n in graph.nodes]
    assert re.fullmatch(r"test_graph\.py(:\d+)? · \d+ operations", graph.node("step").detail)
    drawn = [int(re.search(r"(\d+) operation", n.detail)[1]) for n in graph.nodes if n.kind == "summary"]
    drawn += [1 for n in graph.nodes if n.kind == "operator"]
    assert sum(drawn) == sum(2 + 4 * (2 + i * i * 7 % 11 % 3) for i in range(12))


def test_one_long_function_is_cut_into_pieces() -> None:
    def f(x: Any) -> Any:
        for i in range(60):
            x = fnp.sin(x) if i % 2 else fnp.cos(x)
            x = x * x if i % 3 else x + x
            x = fnp.exp(x) if i * i % 11 < 5 else fnp.tanh(x) + x if i * i % 13 < 7 else fnp.arctan(x)
        return x

    graph = viz.graph(fgrad.grad(f), 0.5, limit=20)
    assert 10 < len(graph.nodes) <= 25
    assert ET.fromstring(graph.svg(engine="fgrad")) is not None


def test_many_leaves_share_boxes() -> None:
    params = [{"w": np.ones(3), "b": np.ones(())} for _ in range(30)]
    graph = viz.graph(lambda params: fgrad.tree.map(lambda p: p * 2.0, params), params, limit=100)
    assert [n.detail for n in graph.nodes if n.kind == "argument"] == ["60 arrays"]
    assert [(n.label, n.detail) for n in graph.nodes if n.kind == "output"] == [("out", "60 arrays")]
    some = viz.graph(lambda params: fgrad.tree.map(lambda p: p * 2.0, params), params, limit=200)
    assert [n.label for n in some.nodes if n.kind == "argument"] == [f"params[{i}]" for i in range(30)]


def test_many_constants_share_a_box() -> None:
    tables = [np.full(3, float(i)) for i in range(30)]
    graph = viz.graph(lambda x: sum(x * t for t in tables), 1.0, limit=100)
    assert [(n.label, n.detail) for n in graph.nodes if n.kind == "constant"] == [("constants", "30 arrays")]


# Files and notebooks

EVIL = '"];click n0\n<script>alert(1)</script>&amp;\\"`#quot;{{}}|>\x00\x07\ud800$x$ %%'


@pytest.fixture
def evil() -> Graph:
    def f(d: Any) -> Any:
        return fnp.sum(d[EVIL] * 2.0)

    f.__name__ = EVIL
    return viz.graph(lambda d: fgrad.jit(f)(d) + fgrad.jit(f)(d), {EVIL: np.ones(3)}, values=True, depth=1)


def test_nothing_that_is_written_can_leave_its_place(evil: Graph) -> None:
    tree = ET.fromstring(evil.svg(engine="fgrad"))
    assert {element.tag.partition("}")[2] for element in tree.iter()} == {
        "svg", "rect", "path", "polygon", "g", "title", "ellipse", "text",
    }  # fmt: skip
    for line in evil.mermaid().splitlines():
        assert re.fullmatch(
            r"flowchart LR|\s+n\d+(\[|\(\(|\[\[)\"[^\"`]*\"(\]|\)\)|\]\]):::\w+|\s+n\d+ -->\|\"[^\"]*\"\| n\d+"
            r"|\s+classDef \w+ [\w#:,]+|\s+subgraph g\d+\[\"[^\"<>]*\"\]|\s+end|\s+style g\d+ [\w#:,]+",
            line,
        ), line
        assert "<script" not in line
    strings = re.sub(r'"(\\.|[^"\\])*"', '""', evil.dot())
    strings = re.sub(r"label=<(<font point-size=\"\" color=\"\">[^<>]*</font>(<br/>)?)+>", "label=<>", strings)
    assert not set("`\\$%") & set(strings)
    assert "script" not in strings


@needs_graphviz
def test_graphviz_takes_what_is_written(evil: Graph, tmp_path: Path) -> None:
    for graph in (evil, viz.graph(network, WS, X, depth=1, values=True, gradients=True)):
        assert ET.fromstring(graph.svg(engine="graphviz")).tag.endswith("svg")
        assert graph.png(engine="graphviz").startswith(b"\x89PNG")
    evil.save(tmp_path / "graph.pdf")
    assert (tmp_path / "graph.pdf").read_bytes().startswith(b"%PDF")


def test_every_text_is_inside_of_the_picture() -> None:
    for direction in ("LR", "TB"):
        graph = viz.graph(network, WS, X, depth=1, values=True, gradients=True, direction=direction)
        svg = ET.fromstring(graph.svg(engine="fgrad"))
        width, height = float(svg.get("width")), float(svg.get("height"))
        for element in svg.iter("{http://www.w3.org/2000/svg}text"):
            assert 0 < float(element.get("x")) < width
            assert 0 < float(element.get("y")) < height


def test_no_two_nodes_overlap() -> None:
    def f(x: Any, y: Any) -> Any:
        return fgrad.grad(lambda x: fnp.sum(fnp.tanh(x * y) * fnp.sin(x) + x / y))(x)

    for direction in ("LR", "TB"):
        places = laid_out(viz.graph(f, X, X, values=True).panels, direction, True).places
        assert len(places) > 10
        for i, a in enumerate(places):
            for b in places[:i]:
                apart = abs(a.x - b.x) >= (a.width + b.width) / 2 or abs(a.y - b.y) >= (a.height + b.height) / 2
                assert apart, (a.node.label, b.node.label)


def test_edges_point_along_the_direction() -> None:
    graph = viz.graph(network, WS, X)
    at = {p.node.key: p for p in laid_out(graph.panels, "LR", True).places}
    assert all(at[e.tail].x < at[e.head].x for e in graph.edges)


@pytest.mark.parametrize("suffix", [".svg", ".png", ".dot", ".gv", ".mmd", ".md", ".txt", ".SVG"])
def test_save_by_suffix(suffix: str, tmp_path: Path) -> None:
    graph = viz.graph(product, 1.0, 2.0, 3.0, values=True)
    path = tmp_path / f"graph{suffix}"
    graph.save(path, engine="fgrad")
    begin = {
        ".svg": b"<svg", ".png": b"\x89PNG", ".dot": b"digraph {", ".gv": b"digraph {", ".mmd": b"flowchart LR",
        ".md": b"```mermaid\nflowchart LR", ".txt": b"x = argument",
    }  # fmt: skip
    assert path.read_bytes().startswith(begin[suffix.lower()])


def test_png_is_as_large_as_it_should_be_and_drawn_on() -> None:
    graph = viz.graph(product, 1.0, 2.0, 3.0, values=True, gradients=True)
    small, large = (graph.png(engine="fgrad", dpi=dpi) for dpi in (72, 144))
    width, height = struct.unpack(">II", small[16:24])
    assert width > 2 * height > 100
    for whole, half in zip(struct.unpack(">II", large[16:24]), (width, height), strict=True):
        assert abs(whole - 2 * half) <= 2
    figure = pytest.importorskip("matplotlib.figure").Figure()
    axes = figure.subplots()
    graph.draw(axes, engine="fgrad")
    image = axes.images[0].get_array()
    assert 0.02 < (np.asarray(image)[..., :3].min(axis=2) < 0.9 * np.asarray(image).max()).mean() < 0.6


def test_what_notebooks_get() -> None:
    bundle = viz.graph(product, 1.0, 2.0, 3.0)._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/vnd.mermaid", "image/svg+xml"}
    assert bundle["text/plain"].startswith("x = argument")
    assert "<svg" in bundle["image/svg+xml"]
    assert repr(viz.graph(product, 1.0, 2.0, 3.0)) == "<Graph of product: 7 nodes, 6 edges>"


def test_pictures_without_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras.shutil, "which", lambda name: None)
    graph = viz.graph(product, 1.0, 2.0, 3.0)
    assert graph.svg() == graph.svg(engine="fgrad")
    with pytest.raises(
        MissingExtraError, match=r"needs the program `dot` of Graphviz, which is not installed(.|\n)*apt install"
    ):
        graph.svg(engine="graphviz")


def test_png_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(extras.importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r"Graph\.png needs matplotlib(.|\n)*pip install 'fgrad\[viz\]'"):
        viz.graph(product, 1.0, 2.0, 3.0).png(engine="fgrad")


def test_graphviz_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "dot"
    script.write_text("#!/bin/sh\necho no memory >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(extras.shutil, "which", lambda name: str(script))
    with pytest.raises(GraphvizError, match=r"Graphviz could not draw the graph: no memory(.|\n)*engine='fgrad'"):
        viz.graph(product, 1.0, 2.0, 3.0).svg()
    assert "<svg" in viz.graph(product, 1.0, 2.0, 3.0)._repr_mimebundle_()["image/svg+xml"]
    script.write_text("#!/bin/sh\nexec sleep 5\n")
    monkeypatch.setattr(extras, "_SECONDS", 0.05)
    with pytest.raises(GraphvizError, match=r"did not finish within 0\.05 seconds(.|\n)*limit=50"):
        viz.graph(product, 1.0, 2.0, 3.0).svg()


# Bad input


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"depth": -1}, r"depth of graph is -1: not a whole number from 0 on"),
        ({"limit": 0}, r"limit of graph is 0: not a whole number from 1 on"),
        ({"depth": 1.5}, r"depth of graph is 1\.5"),
        ({"direction": "up"}, r"direction of graph is 'up'(.|\n)*'LR'"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        viz.graph(product, 1.0, 2.0, 3.0, **options)


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(ArgumentError, match="graph expects a function, got an int 3"):
        viz.graph(3)
    with pytest.raises(
        NonScalarOutputError, match=r"needs `<lambda>` to return one real number, but it returned f64\[2\]"
    ):
        viz.graph(lambda x: x, X, gradients=True)
    with pytest.raises(NonScalarOutputError, match=r"but it returned f64\[\], f64\[\]"):
        viz.graph(lambda x: (x, x), 1.0, gradients=True)
    with pytest.raises(ArgumentError, match="needs the values of its arguments, but one is a ShapeDtypeStruct"):
        viz.graph(lambda x: x, fgrad.ShapeDtypeStruct((3,), float), values=True)
    assert viz.graph(lambda x: x @ x, fgrad.ShapeDtypeStruct((3,), float)).node("out").type == "f64[]"


def test_what_cannot_be_saved_or_found(tmp_path: Path) -> None:
    graph = viz.graph(product, 1.0, 2.0, 3.0)
    with pytest.raises(ArgumentError, match=r"cannot be saved as 'graph\.jpg'(.|\n)*\.svg"):
        graph.save(tmp_path / "graph.jpg")
    with pytest.raises(ArgumentError, match="engine of a graph is 'word'"):
        graph.svg(engine="word")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"the graph has no node 'v'(.|\n)*There are: x, y, w, \+, q, ×, z\."):
        graph.node("v")
