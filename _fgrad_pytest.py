"""What pytest imports of fgrad in every run: it stands outside of the package, whose import costs half a second.

The rest is fgrad/testing/plugin.py, which is imported for the first test that asks for it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

_MARKER = (
    "gradients(points=None, modes=('fwd', 'rev'), order=2, atol=None, rtol=None): "
    "run the test once per mode and point; the fixture gradcheck checks derivatives in that mode."
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def gradcheck(request: pytest.FixtureRequest) -> Any:
    """Checks derivatives: `gradcheck(f, *args)`; see `fgrad.testing.check_all`, and the marker `gradients`."""
    from fgrad.testing.plugin import GradCheck  # noqa: PLC0415

    return GradCheck(request)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("gradients")
    if marker is not None:
        from fgrad.testing.plugin import parametrize  # noqa: PLC0415

        parametrize(metafunc, marker)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Says below a failure what was being checked, and where."""
    report = yield
    checked = item.__dict__.get("gradchecked")
    if report.failed and checked is not None:
        report.sections.append(("gradcheck", checked))
    return report
