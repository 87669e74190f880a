"""The page of the gallery names every program, and its pictures exist and are small."""

from __future__ import annotations

import re

from tests.examples.loading import FOLDER

PAGE = FOLDER.parent / "docs" / "gallery.md"


def test_every_program_is_named() -> None:
    named = re.findall(r"^\| \[(\w+)\]\(\.\./examples/(\w+)\.py\)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert all(name == file for name, file in named)
    assert sorted(file for _, file in named) == sorted(path.stem for path in FOLDER.glob("*.py"))


def test_every_picture_is_there_and_shown() -> None:
    shown = re.findall(r"!\[.+\]\(gallery/(\w+)\.png\)", PAGE.read_text(encoding="utf-8"))
    pictures = {path.stem: path for path in (PAGE.parent / "gallery").glob("*.png")}
    assert sorted(shown) == sorted(pictures)
    assert max(path.stat().st_size for path in pictures.values()) < 60_000
    assert all((FOLDER / f"{name}.py").exists() for name in pictures)
