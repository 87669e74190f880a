"""The names of `jax.lax`: which there are, with which arguments, and which are absent by design."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import pytest

from fgrad import lax

ABSENT = {
    "descriptions of hardware and of compilers that are not here": (
        "AccuracyMode",
        "DotAlgorithm",
        "DotAlgorithmPreset",
        "RandomAlgorithm",
        "Tolerance",
        "composite",
        "platform_dependent",
        "rng_bit_generator",
        "rng_uniform",
        "scaled_dot",
        "stage",
    ),
    "order of effects: programs here run in the order in which they are written": (
        "after_all",
        "create_token",
        "dce_sink",
    ),
    "several devices: there is one": (
        "pbroadcast",
        "pcast",
        "precv",
        "psend",
        "ragged_all_to_all",
        "with_sharding_constraint",
    ),
    "groups of rows of different lengths: a loop of products of plain arrays says it here": (
        "RaggedDotDimensionNumbers",
        "ragged_dot",
        "ragged_dot_general",
    ),
    "Fourier transforms: NumPy's interface is the one to have": ("FftType", "fft"),
    "internals of the computation of shapes": (
        "conv_general_dilated_local",
        "conv_general_permutations",
        "conv_general_shape_tuple",
        "conv_shape_tuple",
        "conv_transpose_shape_tuple",
        "reduce_window_shape_tuple",
    ),
}
"""What of `jax.lax` is not here, by the reason."""

WITHOUT_MEANING = {
    "_split_transpose": "private",
    "accuracy": "functions have one implementation",
    "args": "the one of random_gamma_grad has names here",
    "axis_index_groups": "groups of devices: there is one",
    "operand": "deprecated in cond and switch",
    "out_dtype": "convert the operands",
    "out_sharding": "there is one device",
    "sharding": "there is one device",
    "to": "there is one device",
}
"""Arguments of functions of `jax.lax` that are absent here, and why."""


def public_names(module: Any) -> set[str]:
    """Without primitives, which end in `_p`, and modules."""
    return {
        name
        for name in dir(module)
        if not name.startswith("_") and not name.endswith("_p") and not isinstance(getattr(module, name), ModuleType)
    }


def test_every_name_is_here_or_absent_by_design() -> None:
    jaxs = public_names(pytest.importorskip("jax.lax"))
    absent = {name for names in ABSENT.values() for name in names}
    ours = public_names(lax)
    assert not jaxs - ours - absent
    assert not absent & ours, "these are here: take them out of the list"


def test_arguments_have_the_same_names() -> None:
    jax_lax = pytest.importorskip("jax.lax")
    wrong = {}
    for name in sorted(public_names(jax_lax) & public_names(lax)):
        theirs, ours = getattr(jax_lax, name), getattr(lax, name)
        if inspect.isfunction(theirs) and inspect.isfunction(ours):
            lacking = [p for p in inspect.signature(theirs).parameters if p not in inspect.signature(ours).parameters]
            if set(lacking) - set(WITHOUT_MEANING):
                wrong[name] = lacking
    assert not wrong


def test_absence_is_explained_once() -> None:
    names = [name for names in ABSENT.values() for name in names]
    assert len(names) == len(set(names))
    assert not set(names) & public_names(lax)


@pytest.mark.parametrize("name", sorted(public_names(lax)))
def test_every_name_is_documented(name: str) -> None:
    value = getattr(lax, name)
    if inspect.isfunction(value):
        assert inspect.getdoc(value)
        assert value.__name__ == name
