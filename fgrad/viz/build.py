"""From a program to the nodes and edges of its picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import PurePath
from typing import NamedTuple

from fgrad.core.aval import Array
from fgrad.core.jaxpr import Atom, ClosedJaxpr, Equation, Jaxpr, Literal, Var, inner_jaxprs
from fgrad.viz.model import Diagram, Edge, Kind, Node, Panel
from fgrad.viz.names import Names
from fgrad.viz.summary import Chunk, summarised
from fgrad.viz.text import clipped, operator_detail, operator_label, value_text
from fgrad.viz.unfold import Flat, Wanted, unfolded

__all__ = ["build"]


class Known(NamedTuple):
    """What is written at the variables of a program: their values, and the derivatives of the output by them."""

    values: dict[Var, Array]
    gradients: dict[Var, Array]


def build(
    flat: Flat,
    inputs: Sequence[str],
    outputs: Sequence[str],
    title: str,
    known: Known,
    wanted: Wanted,
    limit: int,
) -> Diagram:
    """The picture of a program, and of the loops and branches in it that are opened.

    Args:
        flat: the program, its calls opened.
        inputs: the names of its inputs.
        outputs: the names of its outputs.
        title: its own name.
        known: what is written at the variables.
        wanted: which of the equations that hold programs are opened.
        limit: how many nodes there may be for its equations.
    """
    keys = count()
    panel = Panel(title)
    builder = _Builder(panel, flat, known, keys, limit)
    builder.draw(inputs, outputs)
    diagram = [panel]
    pending = list(builder.holders)
    titles: Counter[str] = Counter()
    while pending:
        node, eqn, level = pending.pop(0)
        if not wanted(eqn, level):
            continue
        titles[node.label] += 1
        if titles[node.label] > 1:
            node.label = f"{node.label} ({titles[node.label]})"
        programs = inner_jaxprs(eqn.params)
        for name, program in programs:
            closed = program if isinstance(program, ClosedJaxpr) else ClosedJaxpr(program, ())
            if isinstance(program, Jaxpr) and program.constvars:
                continue  # the values of its constants are known to the primitive alone
            inner = unfolded(closed, flat.names, _deeper(wanted, level + 1))
            part = Panel(node.label if len(programs) == 1 else f"{node.label}: {name}", owner=node.key)
            builder = _Builder(part, inner, Known({}, {}), keys, limit)
            builder.draw(*_roles(eqn, closed))
            diagram.append(part)
            pending += [(n, e, level + 1 + depth) for n, e, depth in builder.holders]
    return diagram


def _roles(eqn: Equation, program: ClosedJaxpr) -> tuple[list[str], list[str]]:
    """What the inputs and outputs of a program in an equation are for; empty where no more is known than its own
    names."""
    if eqn.primitive.name != "scan":
        return [], _numbered("out", len(program.out_avals))
    consts, carry = eqn.params["num_consts"], eqn.params["num_carry"]
    inputs = [*_numbered("const", consts), *_numbered("carry", carry)]
    inputs += _numbered("x", len(program.in_avals) - len(inputs))
    return inputs, [*_numbered("next carry", carry), *_numbered("y", len(program.out_avals) - carry)]


def _numbered(name: str, n: int) -> list[str]:
    return [name] if n == 1 else [f"{name} {i}" for i in range(n)]


def _deeper(wanted: Wanted, levels: int) -> Wanted:
    return lambda eqn, level: wanted(eqn, levels + level)


class _Builder:
    def __init__(self, panel: Panel, flat: Flat, known: Known, keys: count[int], limit: int) -> None:
        self.panel = panel
        self.flat = flat
        self.names: Names = flat.names
        self.known = known
        self.keys = keys
        self.limit = limit
        self.place: dict[Var, Node] = {}
        self.holders: list[tuple[Node, Equation, int]] = []

    def draw(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        jaxpr = self.flat.closed.jaxpr
        self._inputs(jaxpr, inputs)
        named = self._outputs_of_equations(jaxpr, outputs)
        chunks = summarised(jaxpr.eqns, self.flat.groups, self.limit)
        used = _used_outside(jaxpr, chunks)
        for chunk in chunks:
            self._chunk(chunk, used[chunk.start], named)
        self._remaining_outputs(jaxpr, outputs, named)

    def _node(self, kind: Kind, label: str, var: Var | None = None, **more: str | tuple[str, ...]) -> Node:
        node = Node(next(self.keys), kind, label, **more)  # type: ignore[arg-type]
        if var is not None:
            node.type = str(var.aval)
            node.value, node.gradient = self.known.values.get(var), self.known.gradients.get(var)
        self.panel.nodes.append(node)
        return node

    def _edge(self, tail: Node, head: Node, label: str) -> None:
        self.panel.edges.append(Edge(tail.key, head.key, label))

    def _inputs(self, jaxpr: Jaxpr, inputs: Sequence[str]) -> None:
        labels = [inputs[i] if inputs else self.names.get(v, f"in {i}") for i, v in enumerate(jaxpr.invars)]
        self._sources("argument", jaxpr.invars, labels, shared=bool(inputs))
        labels = [self.names.get(v, "constant") for v in jaxpr.constvars]
        many = len(labels) > self.limit // 5
        self._sources("constant", jaxpr.constvars, ["constants"] * len(labels) if many else labels, shared=many)
        for var, const in zip(jaxpr.constvars, () if many else self.flat.closed.consts, strict=False):
            if self.place[var].value is None:
                self.place[var].detail = value_text(const)

    def _sources(self, kind: Kind, variables: Sequence[Var], labels: Sequence[str], *, shared: bool) -> None:
        """Boxes for what comes from outside; a label that several share is that of one box."""
        counts = Counter(labels) if shared else Counter[str]()
        boxes: dict[str, Node] = {}
        for var, label in zip(variables, labels, strict=True):
            if counts[label] <= 1:
                self.place[var] = self._node(kind, clipped(label), var)
                continue
            if label not in boxes:
                boxes[label] = self._node(kind, clipped(label), detail=f"{counts[label]} arrays")
            self.place[var] = boxes[label]

    def _outputs_of_equations(self, jaxpr: Jaxpr, outputs: Sequence[str]) -> dict[Var, str]:
        """What the outputs are called that an equation computes; each is drawn where it is computed."""
        if len(set(outputs)) < len(outputs):
            return {}  # several are drawn as one
        bound = {v for eqn in jaxpr.eqns for v in eqn.outvars}
        named: dict[Var, str] = {}
        for i, atom in enumerate(jaxpr.outvars):
            if isinstance(atom, Var) and atom in bound and atom not in named:
                named[atom] = self.names.get(atom) or _output(outputs, i)
        return named

    def _chunk(self, chunk: Chunk, results: Sequence[Var], outputs: dict[Var, str]) -> None:
        eqns = self.flat.closed.eqns[chunk.start : chunk.stop]
        group = self.flat.groups[chunk.start]
        first = eqns[0]
        if chunk.size == 1 and _only_types(first) and results and not {*results} & {*outputs, *self.names}:
            self.place[results[0]] = self.place[first.invars[0]]  # type: ignore[index]
            return
        only = results[0] if len(results) == 1 else None
        if chunk.size > 1:
            node = self._node("summary", chunk.label, only, detail=chunk.detail, group=group)
        else:
            programs = inner_jaxprs(first.params)
            kind: Kind = "call" if programs else "operator"
            label, detail = clipped(operator_label(first)), operator_detail(first)
            node = self._node(kind, label, only, detail=detail, group=group)
            if programs:
                self.holders.append((node, first, len(group)))
        if first.source is not None:
            source = first.source
            node.source = f"{PurePath(source.filename).name}:{source.line} ({source.function})"
        self._into(node, eqns)
        self.place.update((var, node) for var in results)
        own = results if chunk.size > 1 else first.outvars
        for i, var in enumerate(own):
            name = outputs.get(var) or self.names.get(var) or f"result {i}"
            if var in outputs or (chunk.size == 1 and var in results and (only is None or var in self.names)):
                self._box(node, name, var, var in outputs)

    def _into(self, node: Node, eqns: Sequence[Equation]) -> None:
        """Edges to an operator; several values that come from one node share one."""
        inner = {v for eqn in eqns for v in eqn.outvars}
        read = [a for eqn in eqns for a in eqn.invars if isinstance(a, Var) and a not in inner]
        if len(eqns) > 1:
            read = list(dict.fromkeys(read))
        keys = [self.place[var].key for var in read]
        node.operands = tuple(keys if len(eqns) == 1 else dict.fromkeys(keys))
        tails: dict[int, tuple[Node, list[str]]] = {}
        for var in read:
            tail = self.place[var]
            tails.setdefault(tail.key, (tail, []))[1].append(str(var.aval))
        for tail, labels in tails.values():
            self._edge(tail, node, _together(labels))

    def _box(self, node: Node, name: str, var: Var, output: bool) -> None:
        """The box of what an operator computes. An output that is computed in a call lies outside of it, as the
        arguments do."""
        box = self._node("output" if output else "variable", clipped(name), var, group=() if output else node.group)
        self._edge(node, box, str(var.aval))
        self.place[var] = box

    def _remaining_outputs(self, jaxpr: Jaxpr, outputs: Sequence[str], drawn: dict[Var, str]) -> None:
        """Outputs that are inputs or constants, that are returned twice, or that are drawn as one."""
        counts = Counter(outputs)
        boxes: dict[str, Node] = {}
        edges: dict[tuple[int, int], tuple[Node, Node, list[str]]] = {}
        seen: set[Atom] = set()
        for i, atom in enumerate(jaxpr.outvars):
            label = _output(outputs, i)
            var = atom if isinstance(atom, Var) else None
            if var in drawn and var not in seen:
                seen.add(atom)
                continue
            if outputs and counts[outputs[i]] > 1:
                box = boxes.get(outputs[i]) or self._node("output", label, detail=f"{counts[outputs[i]]} arrays")
                boxes[outputs[i]] = box
            else:
                box = self._node("output", label, var)
            if isinstance(atom, Literal):
                box.detail = box.detail or value_text(atom.value)
            else:
                tail = self.place[atom]
                edges.setdefault((tail.key, box.key), (tail, box, []))[2].append(str(atom.aval))
        for tail, box, labels in edges.values():
            self._edge(tail, box, _together(labels))


def _only_types(eqn: Equation) -> bool:
    """Whether an equation makes an array of a Python number, and no more: it is not drawn."""
    if eqn.primitive.name != "convert_element_type" or isinstance(eqn.invars[0], Literal):
        return False
    return eqn.invars[0].aval.dtype == eqn.outvars[0].aval.dtype


def _output(outputs: Sequence[str], i: int) -> str:
    return clipped(outputs[i]) if i < len(outputs) else f"out {i}"


def _together(labels: Sequence[str]) -> str:
    counts = Counter(labels)
    texts = [text if n == 1 else f"{n} × {text}" for text, n in counts.items()]
    return ", ".join(texts) if len(texts) <= 2 else f"{len(labels)} arrays"


def _used_outside(jaxpr: Jaxpr, chunks: Sequence[Chunk]) -> dict[int, list[Var]]:
    """For every chunk, by its start, the results that are read by others, or returned."""
    owner: dict[Var, int] = {}
    for chunk in chunks:
        owner.update((v, chunk.start) for eqn in jaxpr.eqns[chunk.start : chunk.stop] for v in eqn.outvars)
    used: dict[Var, None] = {}
    for chunk in chunks:
        for eqn in jaxpr.eqns[chunk.start : chunk.stop]:
            used.update(
                (a, None) for a in eqn.invars if isinstance(a, Var) and owner.get(a, chunk.start) != chunk.start
            )
    used.update((a, None) for a in jaxpr.outvars if isinstance(a, Var) and a in owner)
    found: dict[int, list[Var]] = {chunk.start: [] for chunk in chunks}
    for var in used:
        found[owner[var]].append(var)
    return found
