"""The programs of the gallery as modules, and what they print."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).resolve().parents[2] / "examples"


def load(name: str) -> ModuleType:
    """An example, imported and not run."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def printed_by(module: ModuleType, *arguments: str) -> str:
    """What `main` of an example prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        module.main(list(arguments))
    return printed.getvalue()


def inked(path: Path) -> float:
    """Which part of a picture is not white."""
    from matplotlib.image import imread  # noqa: PLC0415 (an extra)

    return float((imread(path)[..., :3].min(axis=2) < 0.9).mean())
