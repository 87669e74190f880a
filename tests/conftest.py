"""What holds for all tests: every program that is traced is well formed, and Hypothesis draws the same each time."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

from fgrad.api import grad
from fgrad.compiler import compiled
from fgrad.core import check_jaxpr
from fgrad.core import jaxpr as representation
from fgrad.core.jaxpr import Var
from fgrad.transforms import jaxprs, jvp, stage

settings.register_profile(
    "default",
    derandomize=True,
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(autouse=True, scope="session")
def one_thread_for_products() -> Iterator[None]:
    """Keeps BLAS from waiting for cores that other tests use: small matrices lose more by that than they gain."""
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture(autouse=True, scope="session")
def every_program_is_checked() -> Iterator[None]:
    """Checks every jaxpr that is made, every linear program that is recorded, and every optimized jaxpr."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (stage, jaxprs):
            patch.setattr(module, "inline_literals", checked(representation.inline_literals))
        patch.setattr(compiled, "optimize", checked(compiled.optimize))
        linearize = linear_program_checked(jvp.linearize)
        for module in (jvp, jaxprs, grad):
            patch.setattr(module, "linearize", linearize)
        yield


def checked(make: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        closed = make(*args, **kwargs)
        check_jaxpr(closed)
        return closed

    return wrapper


def linear_program_checked(linearize: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(linearize)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        outs, program = linearize(*args, **kwargs)
        atoms = [v for v in program.outs if type(v) is Var]
        check_jaxpr(representation.inline_literals(program.invars, atoms, program.eqns))
        return outs, program

    return wrapper


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes seconds; deselect with -m 'not slow'")
