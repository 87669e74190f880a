"""The primitive that runs a compiled program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fgrad.compiler.compiled import compiled_function
from fgrad.compiler.failures import explain
from fgrad.control.call import Call
from fgrad.core.aval import Array
from fgrad.core.jaxpr import ClosedJaxpr

__all__ = ["jit_call"]


class Jit(Call):
    """`jit(*args, jaxpr=, name=)`: applies a jaxpr as compiled NumPy code."""

    def evaluate(self, args: Sequence[Array], params: dict[str, Any]) -> list[Array]:
        return self.impl(*args, **params)

    def impl(self, *xs: Array, jaxpr: ClosedJaxpr, **params: Any) -> list[Array]:
        try:
            return list(compiled_function(jaxpr, params["name"])(*xs))
        except Exception as error:
            explain(error)
            raise


jit_call = Jit()
