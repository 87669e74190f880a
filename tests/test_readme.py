"""README.md tells the truth: its Python runs, prints what it says, and its shell commands name what exists.

The Python blocks of a page run in order in one namespace. Lines that start with `# > ` are, together, exactly
what their block prints.
"""

from __future__ import annotations

import contextlib
import io
import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"


class Block(NamedTuple):
    """A fenced code block of a Markdown page; `line` is where its first line stands."""

    language: str
    code: str
    line: int

    @property
    def promised(self) -> str:
        lines = [line for line in self.code.splitlines() if line.startswith("# >")]
        return "\n".join(line.removeprefix("# >").removeprefix(" ") for line in lines)


def blocks_of(text: str) -> list[Block]:
    fence = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [Block(m[1], m[2], text.count("\n", 0, m.start(2)) + 1) for m in fence.finditer(text)]


def run(block: Block, namespace: dict[str, Any]) -> str:
    """What a block prints, as if it were saved in a file of its own."""
    code = compile(block.code, "tour.py", "exec", dont_inherit=True)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, namespace)
    return "\n".join(line.rstrip() for line in printed.getvalue().rstrip().splitlines())


def check(page: str, text: str) -> int:
    """Run every Python block of a page; return how many there are."""
    namespace: dict[str, Any] = {"__name__": "readme"}
    blocks = [block for block in blocks_of(text) if block.language == "python"]
    for block in blocks:
        try:
            assert run(block, namespace) == block.promised
        except Exception as error:
            error.add_note(f"in the block that begins at {page}:{block.line}")
            raise
    return len(blocks)


def test_readme_runs_and_prints_what_it_says() -> None:
    assert check("README.md", README.read_text("utf-8")) >= 6


def test_contributing_runs_and_prints_what_it_says() -> None:
    check("CONTRIBUTING.md", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))


def test_every_block_has_a_language_that_is_checked() -> None:
    assert {block.language for block in blocks_of(README.read_text("utf-8"))} == {"python", "sh"}


def test_commands_name_what_exists() -> None:
    commands = [b.code.strip() for b in blocks_of(README.read_text("utf-8")) if b.language == "sh"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = re.findall(r"\.\[(\w+)\]", " ".join(commands))
    assert extras == ["examples", "dev"]
    assert set(extras) <= set(project["optional-dependencies"])
    for script in re.findall(r"\S+\.py\b", " ".join(commands)):
        assert (ROOT / script).is_file()


def test_links_within_the_repository_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)", README.read_text("utf-8"))
    assert not [link for link in links if "://" not in link and not (ROOT / link).exists()]


@pytest.mark.parametrize(
    ("page", "error"),
    [
        ("```python\nprint(1)\n# > 2\n```\n", AssertionError),
        ("```python\nprint(1)\n```\n", AssertionError),
        ("```python\n1 / 0\n```\n", ZeroDivisionError),
    ],
)
def test_the_check_can_fail(page: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        check("page.md", page)


def test_the_check_can_pass() -> None:
    assert (
        check(
            "page.md", "```python\nx = 1\n```\n\n```python\nprint(x, end='\\n\\n')\n# > 1\n# >\nprint(2)\n# > 2\n```\n"
        )
        == 2
    )
