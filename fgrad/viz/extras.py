"""The packages and programs that pictures are drawn with, and what to do where one is missing."""

from __future__ import annotations

import importlib
import shutil
import subprocess
from typing import Any

from fgrad.errors import GraphvizError, MissingExtraError, message

__all__ = ["has_graphviz", "matplotlib_figure", "matplotlib_module", "run_dot"]

_SECONDS = 60


def has_graphviz() -> bool:
    """Whether the program `dot` of Graphviz is installed."""
    return shutil.which("dot") is not None


def run_dot(text: str, form: str, dpi: float) -> bytes:
    """What Graphviz makes of a text in its language.

    Args:
        text: the graph.
        form: `svg`, `png` or `pdf`.
        dpi: dots per inch, for `png`.

    Raises:
        MissingExtraError: Graphviz is not installed.
        GraphvizError: it gave up.
    """
    program = shutil.which("dot")
    if program is None:
        what = "engine='graphviz' needs the program `dot` of Graphviz, which is not installed."
        cure = "Install it (apt install graphviz, brew install graphviz, winget install graphviz), or leave engine out."
        raise MissingExtraError(message(what, cure=cure))
    options = [f"-T{form}", *([f"-Gdpi={dpi:g}"] if form == "png" else [])]
    try:
        done = subprocess.run(
            [program, *options], input=text.encode(), capture_output=True, timeout=_SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        what = f"Graphviz did not finish within {_SECONDS} seconds."
        raise GraphvizError(message(what, cure="Draw fewer nodes (limit=50), or give engine='fgrad'.")) from None
    except subprocess.CalledProcessError as error:
        what = f"Graphviz could not draw the graph: {error.stderr.decode(errors='replace').strip()}"
        raise GraphvizError(message(what, cure="Give engine='fgrad', or look at .dot().")) from None
    return done.stdout


def matplotlib_module(name: str, user: str) -> Any:
    """A module of matplotlib.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        cure = "Install it: pip install 'fgrad[viz]'."
        raise MissingExtraError(message(f"{user} needs matplotlib, which is not installed.", cure=cure)) from None


def matplotlib_figure(user: str, **options: Any) -> Any:
    """A new figure, which no window and no global state belongs to."""
    return matplotlib_module("matplotlib.figure", user).Figure(**options)
