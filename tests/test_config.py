"""Settings: for the process, and for a context."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import pytest

import fgrad
from fgrad.errors import ArgumentError


def test_a_context_changes_settings_for_itself() -> None:
    before = fgrad.config.num_threads
    with fgrad.config.using(num_threads=7):
        assert fgrad.config.num_threads == 7
        seen: list[int] = []
        thread = threading.Thread(target=lambda: seen.append(fgrad.config.num_threads))
        thread.start()
        thread.join()
        assert seen == [before]
        with fgrad.config.using(buffer_bytes=5):
            assert (fgrad.config.num_threads, fgrad.config.buffer_bytes) == (7, 5)
    assert fgrad.config.num_threads == before


def test_updates_hold_until_the_next() -> None:
    before = fgrad.config.num_threads
    try:
        fgrad.config.update("num_threads", 3)
        assert fgrad.config.num_threads == 3
        fgrad.config.num_threads = 5
        assert fgrad.config.num_threads == 5
    finally:
        fgrad.config.update("num_threads", before)


@pytest.mark.parametrize("value", [0, -1, 1.5, "2", True, None])
def test_numbers_of_threads_are_whole_and_positive(value: Any) -> None:
    with pytest.raises(ArgumentError, match="setting `num_threads` must be a whole number, at least 1"):
        fgrad.config.update("num_threads", value)


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ArgumentError, match="there is no setting 'threads'"):
        fgrad.config.update("threads", 2)
    with pytest.raises(ArgumentError, match="buffer_bytes, num_threads"), fgrad.config.using(threads=2):
        pass
    with pytest.raises(AttributeError, match="no attribute 'threads'"):
        fgrad.config.threads


@pytest.mark.parametrize(("given", "expected"), [("3", "3"), ("0", None), ("many", None)])
def test_the_environment_says_how_many_threads(given: str, expected: str | None) -> None:
    code = "import fgrad; print(fgrad.config.num_threads)"
    environment = {**os.environ, "FGRAD_NUM_THREADS": given}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == (expected or str(len(os.sched_getaffinity(0))))
