"""The package as a whole: one version, few dependencies, and imports that point to lower levels only."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import fgrad

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fgrad"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

# A room of fgrad imports itself and the rooms on levels below its own; those of the last level may also
# import each other, in one direction. `fgrad/__init__.py` stands above them all: nothing inside imports it.
LEVELS = (
    ("version", "errors"),
    ("config",),
    ("tree",),
    ("core",),
    ("primitives",),
    ("transforms",),
    ("compiler",),
    ("control",),
    ("api",),
    ("numpy",),
    ("lax", "random", "scipy", "nn", "optim", "sparse", "implicit", "testing", "viz", "debug", "io",
     "export", "extend", "ad_checkpoint", "custom_derivatives", "tree_util", "flatten_util"),
)  # fmt: skip
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
TOP = len(LEVELS)

REQUIRED = {"numpy", "typing_extensions"}
OPTIONAL = {"scipy", "hypothesis", "pytest"}  # only where their absence is told by a clear error, or cannot be


class Import(NamedTuple):
    """An import statement in a module of fgrad: what names what, and how."""

    importer: str
    target: str
    line: int
    nested: bool  # inside a function
    type_only: bool  # under `if TYPE_CHECKING`

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports_of(module: str, source: str) -> Iterator[Import]:
    """Every import statement of a module, one `Import` per imported module."""

    def visit(node: ast.AST, nested: bool, type_only: bool) -> Iterator[Import]:
        for target in imported_modules(node):
            yield Import(module, target, node.lineno, nested, type_only)
        nested = nested or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        type_only = type_only or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        for child in ast.iter_child_nodes(node):
            yield from visit(child, nested, type_only)

    return visit(ast.parse(source), nested=False, type_only=False)


def imported_modules(node: ast.AST) -> list[str]:
    """`from fgrad import tree` imports fgrad.tree, and `from fgrad import grad` fgrad itself."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative import"
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name if name in FILES else str(node.module) for name in names]
    return []


def root(module: str) -> str:
    return module.partition(".")[0]


def room(module: str) -> str:
    """`core` of fgrad.core.jaxpr; the empty string for fgrad itself."""
    return module.removeprefix("fgrad").lstrip(".").partition(".")[0]


def level(module: str) -> int:
    return LEVEL[room(module)] if room(module) else TOP


def points_down(statement: Import) -> bool:
    here, there = level(statement.importer), level(statement.target)
    if room(statement.importer) == room(statement.target):
        return True
    return there < here or here == there == TOP - 1


def all_imports() -> list[Import]:
    return [found for name, path in FILES.items() for found in imports_of(name, path.read_text("utf-8"))]


def inner_imports() -> list[Import]:
    return [found for found in all_imports() if root(found.target) == "fgrad"]


def test_every_room_has_a_level() -> None:
    unknown = {room(name) for name in FILES} - {""} - set(LEVEL)
    assert not unknown, f"say in LEVELS on which level these stand: {sorted(unknown)}"


def test_imports_point_to_lower_levels_only() -> None:
    found = inner_imports()
    assert len(found) > len(FILES) / 2
    assert not [str(statement) for statement in found if not points_down(statement)]


def test_no_circular_imports() -> None:
    graph: dict[str, set[str]] = {name: set() for name in FILES}
    for statement in inner_imports():
        if not statement.type_only and statement.target != statement.importer:
            graph[statement.importer].add(statement.target)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_no_room_of_the_last_level_imports_another_both_ways() -> None:
    pairs = {(room(s.importer), room(s.target)) for s in inner_imports() if level(s.importer) == TOP - 1}
    assert not [(a, b) for a, b in pairs if a < b and (b, a) in pairs]


def test_fgrad_is_imported_at_the_top_of_files_only() -> None:
    assert not [str(statement) for statement in inner_imports() if statement.nested]


def test_outside_imports_are_declared() -> None:
    allowed = set(sys.stdlib_module_names) | REQUIRED | OPTIONAL | {"fgrad"}
    assert not [str(statement) for statement in all_imports() if root(statement.target) not in allowed]


@pytest.mark.parametrize(
    ("module", "source", "verdict"),
    [
        ("fgrad.core.jaxpr", "from fgrad.errors import message", True),
        ("fgrad.core.jaxpr", "from fgrad import errors", True),
        ("fgrad.core.jaxpr", "import fgrad.core.aval", True),
        ("fgrad.optim.adam", "import fgrad.random", True),
        ("fgrad.core.jaxpr", "from fgrad.api import grad", False),
        ("fgrad.errors", "import fgrad.core", False),
        ("fgrad.optim.adam", "import fgrad", False),
        ("fgrad.optim.adam", "from fgrad import grad", False),
    ],
)
def test_the_rule_for_levels(module: str, source: str, verdict: bool) -> None:
    assert [points_down(statement) for statement in imports_of(module, source)] == [verdict]


def test_the_finder_of_imports() -> None:
    source = (
        "import numpy as np\n"
        "if TYPE_CHECKING:\n"
        "    from fgrad.core.aval import Array\n"
        "def f():\n"
        "    import fgrad.api, scipy.linalg\n"
    )
    assert list(imports_of("m", source)) == [
        Import("m", "numpy", 1, nested=False, type_only=False),
        Import("m", "fgrad.core.aval", 3, nested=False, type_only=True),
        Import("m", "fgrad.api", 5, nested=True, type_only=False),
        Import("m", "scipy.linalg", 5, nested=True, type_only=False),
    ]


def loaded_by(statement: str) -> set[str]:
    """Names of the top-level packages that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    run = [sys.executable, "-W", "error", "-c", code]
    return set(subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


def test_importing_fgrad_loads_its_dependencies_only() -> None:
    extra = loaded_by("import numpy, fgrad") - loaded_by("import numpy") - set(sys.stdlib_module_names)
    assert {"fgrad"} <= extra <= {"fgrad", "typing_extensions"}


def test_version_comes_from_one_place() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", fgrad.__version__)
    literal = f'"{fgrad.__version__}"'
    holders = [path for path in (*FILES.values(), ROOT / "pyproject.toml") if literal in path.read_text("utf-8")]
    assert holders == [PACKAGE / "version.py"]
    assert PYPROJECT["tool"]["hatch"]["version"]["path"] == "fgrad/version.py"
    assert "version" in PYPROJECT["project"]["dynamic"]


def test_runtime_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {re.split(r"[<>=~!\[;]", requirement)[0].replace("-", "_") for requirement in project["dependencies"]}
    assert names == REQUIRED


def test_types_are_shipped() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_public_names_exist_and_are_listed_once() -> None:
    assert len(set(fgrad.__all__)) == len(fgrad.__all__)
    assert not [name for name in fgrad.__all__ if not hasattr(fgrad, name)]
