"""Pictures: the computation graph of a function, the history of a run."""

from fgrad.viz.graphs import Graph, graph
from fgrad.viz.runs import History, history

__all__ = ["Graph", "History", "graph", "history"]
