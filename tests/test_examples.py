"""The examples run as a user runs them, and do what they promise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "examples" / "digits.py"


def run(script: Path, *arguments: str, path: str = str(ROOT)) -> subprocess.CompletedProcess[str]:
    """Run an example in a fresh interpreter that finds fgrad in this checkout."""
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    picture = tmp_path_factory.mktemp("digits") / "digits.png"
    return run(DIGITS, "--epochs", "30", "--out", str(picture)), picture


def test_digits_reads_97_percent(digits: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, _ = digits
    assert done.returncode == 0, done.stderr
    accuracy, correct, total = re.search(r"test accuracy +([\d.]+)% \((\d+) of (\d+)", done.stdout).groups()
    assert int(total) >= 350
    assert float(accuracy) == pytest.approx(100 * int(correct) / int(total), abs=0.01)
    assert float(accuracy) >= 97


def test_digits_tells_the_time_of_a_step(digits: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, _ = digits
    assert 0 < float(re.search(r"time per step +([\d.]+) ms", done.stdout)[1]) < 100


def test_digits_shows_progress_and_no_warning(digits: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, _ = digits
    assert "30/30" in done.stderr
    assert "Warning" not in done.stderr


def test_digits_draws_a_picture(digits: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, path = digits
    assert str(path) in done.stdout
    image = pytest.importorskip("matplotlib.image").imread(path)
    height, width, _ = image.shape
    assert height > 600
    assert width > 1200
    left, right = image[:, : width // 2, :3], image[:, width // 2 :, :3]
    for half in (left, right):
        assert 0.02 < (half.min(axis=2) < 0.9).mean() < 0.6  # drawn on, and not all over


def test_digits_is_reproducible(tmp_path: Path) -> None:
    arguments = ("--epochs", "2", "--seed", "5", "--out", str(tmp_path / "digits.png"))
    first, second = (run(DIGITS, *arguments).stdout.splitlines()[0] for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--batch", "100000"), "--batch 100000 exceeds the 1438 training images"),
        (("--epochs", "0"), "--epochs: 0 is not positive"),
        (("--out", "nowhere/digits.png"), "there is no folder nowhere"),
    ],
)
def test_digits_refuses_what_it_cannot_do(arguments: tuple[str, ...], message: str) -> None:
    done = run(DIGITS, *arguments)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_digits_names_the_extra_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "sklearn.py").write_text("raise ModuleNotFoundError('as if it were absent', name='sklearn')")
    done = run(DIGITS, path=f"{tmp_path}{os.pathsep}{ROOT}")
    assert done.returncode != 0
    assert done.stderr.strip() == 'This example needs sklearn: pip install "fgrad[examples]"'
