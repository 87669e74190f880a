"""Every primitive: patterns are never too small, and linear primitives have rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad.lax
from fgrad import jacfwd
from fgrad.core.primitive import Primitive, Sample, registry
from fgrad.primitives.families import NonDifferentiable
from fgrad.sparse import jacobian_sparsity
from fgrad.sparse.dependence import everything
from fgrad.sparse.program import RULES

assert fgrad.lax  # it declares the primitives of control flow

DENSE = {
    "adjugate_slope",
    "all_gather",
    "all_to_all",
    "custom_linear",
    "deferred",
    "linear_solve",
    "matrix_function_slope",
    "over_gaps",
    "pure_callback",
    "permute_rows",
    "psum",
    "solve",
    "spectral",
    "sum_scatter",
    "sylvester",
    "triangular_solve",
}
"""Linear primitives that make everything depend on everything: solvers, loops of unknown length, collectives."""

LINEAR = [
    p
    for p in registry.values()
    if type(p).__module__.startswith("fgrad.")
    and type(p).transpose is not Primitive.transpose
    and not isinstance(p, NonDifferentiable)
]


def kinds(sample: Sample) -> list[str]:
    return [np.asarray(x).dtype.kind for x in sample.draw(np.random.default_rng(0))]


SAMPLED = [
    (p, i)
    for p in registry.values()
    if type(p).__module__.startswith("fgrad.primitives") and not isinstance(p, NonDifferentiable)
    for i, sample in enumerate(p.samples)
    if "f" in kinds(sample) and "c" not in kinds(sample)
]


@pytest.mark.parametrize("primitive", LINEAR, ids=lambda p: p.name)
def test_linear_primitives_have_rules(primitive: Primitive) -> None:
    cure = f"declare a rule for {primitive.name} in fgrad/sparse/rules.py, or name it in DENSE"
    assert (RULES.of(primitive) is everything) == (primitive.name in DENSE), cure


@pytest.mark.parametrize(("primitive", "number"), SAMPLED, ids=lambda v: v if isinstance(v, int) else v.name)
def test_patterns_of_primitives_are_never_too_small(primitive: Primitive, number: int) -> None:
    sample = list(primitive.samples)[number]
    args = sample.draw(np.random.default_rng(0))
    varying = [i for i, x in enumerate(args) if np.asarray(x).dtype.kind == "f"]

    def f(*xs: Any) -> Any:
        given: list[Any] = list(args)
        for i, x in zip(varying, xs, strict=True):
            given[i] = x
        outs = primitive(*given, **sample.params)
        kept = outs if primitive.multiple else [outs]
        return [y for y in kept if np.dtype(y.dtype).kind == "f"]

    chosen = [np.asarray(args[i]) for i in varying]
    argnums = tuple(range(len(varying)))
    if not f(*chosen):
        return  # results without derivatives
    with np.errstate(all="ignore"):
        dense = jacfwd(f, argnums=argnums, flat=True)(*chosen)
        found = jacobian_sparsity(f, *chosen, argnums=argnums).todense()
    assert (found | (dense == 0)).all()
