"""What is drawn is what was asked for, shrinks to what a person would write, and is differentiable where it should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import fgrad
from fgrad.errors import ArgumentError
from fgrad.testing import check_adjoint, check_grads, check_jit
from fgrad.testing.strategies import (
    Case,
    arrays,
    orthogonal_matrices,
    perturbations,
    points_near_kinks,
    programs,
    pytrees,
    spd_matrices,
)
from fgrad.testing.strategies.programs import OPERATIONS, Program

ROOT = Path(__file__).resolve().parents[2]
QUICK = settings(derandomize=True, max_examples=300, database=None)


def smallest(strategy: Any, condition: Any) -> Any:
    return find(strategy, condition, settings=QUICK)


LAYOUTS = {
    "F": lambda x: x.flags.f_contiguous and not x.flags.c_contiguous,
    "reversed": lambda x: any(s < 0 for s in x.strides),
    "strided": lambda x: not x.flags.contiguous and all(s > 0 for s in x.strides),
    "read-only": lambda x: not x.flags.writeable,
    "offset": lambda x: x.base is not None and x.flags.c_contiguous and x.flags.writeable,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str) -> None:
    x = smallest(arrays(layouts=[layout]), lambda x: x.size > 1 and LAYOUTS[layout](x))
    assert x.size <= 4
    assert not x.any()
    assert smallest(arrays(), lambda x: x.size > 1).flags.c_contiguous


@given(arrays((2, 3), st.sampled_from([np.float32, np.complex64, np.int8, np.bool_])))
def test_shapes_and_dtypes(x: np.ndarray) -> None:
    assert x.shape == (2, 3)
    assert x.dtype in (np.float32, np.complex64, np.int8, np.bool_)
    assert np.isfinite(x).all()


def test_special_values() -> None:
    for wanted in (np.isnan, lambda x: (x == 0) & np.signbit(x)):
        assert smallest(arrays((), special=True, layouts=["C"]), lambda x, w=wanted: w(x)).shape == ()
    assert smallest(arrays((), special=True), lambda x: 0 < x < np.finfo(np.float64).tiny) == 5e-324
    x = smallest(arrays((), layouts=["C"], conditioning="ill"), lambda x: abs(x) > 1e9)
    assert abs(x) > 1e9


@given(pytrees(arrays((), layouts=["C"]), max_leaves=4))
@settings(max_examples=10)
def test_containers(tree: Any) -> None:
    leaves = fgrad.tree.leaves(tree)
    assert leaves
    assert all(type(x) is np.ndarray and x.shape == () for x in leaves)
    assert check_grads(lambda t: sum(x * x for x in fgrad.tree.leaves(t)), (tree,), order=1) is None


def test_points_near_kinks() -> None:
    assert smallest(points_near_kinks((0.5, -1.0), (3,)), lambda x: True).tolist() == [1.5, 1.5, 1.5]
    near = smallest(points_near_kinks((0.5,), ()), lambda x: 0 < abs(x - 0.5) < 1e-10)
    assert near == np.nextafter(0.5, 1)
    assert smallest(points_near_kinks((0.5,), ()), lambda x: x == 0.5) == 0.5
    assert smallest(points_near_kinks((0.5,), (), np.float32), lambda x: x < 0.5).dtype == np.float32


@given(st.sampled_from([np.float64, np.complex128]).flatmap(lambda d: orthogonal_matrices(dtype=d)))
def test_orthogonal_matrices(q: np.ndarray) -> None:
    np.testing.assert_allclose(q.conj().T @ q, np.eye(len(q)), atol=1e-14)


@given(st.sampled_from([np.float64, np.complex128]).flatmap(lambda d: spd_matrices(3, d, max_condition=100.0)))
def test_spd_matrices(a: np.ndarray) -> None:
    assert (a == a.conj().T).all()
    values = np.linalg.eigvalsh(a)
    assert 1 - 1e-12 < values[0] <= values[-1] < 100 * (1 + 1e-12)


def test_matrices_shrink_to_the_unit_matrix() -> None:
    for strategy in (orthogonal_matrices(3), spd_matrices(3)):
        np.testing.assert_array_equal(smallest(strategy, lambda a: True), np.eye(3))
    assert smallest(orthogonal_matrices(2), lambda q: 0.1 < abs(q[0, 1]) < 0.9).shape == (2, 2)


TREE = {"w": np.full((2,), 4.0, np.float32), "z": 1 + 2j, "n": np.arange(3)}


@given(perturbations(TREE, size=0.5))
def test_perturbations(t: dict[str, Any]) -> None:
    assert t["w"].dtype == np.float32
    assert np.abs(t["w"]).max() <= 2
    assert t["z"].dtype == np.complex128
    assert t["n"].tolist() == [0, 0, 0]


@given(programs(scalar=True))
def test_programs_are_differentiable(case: Case) -> None:
    check_adjoint(case.f, case.args, rtol=1e-7)
    check_jit(case.f, case.args, atol=1e-9, rtol=1e-9)
    value, gradients = fgrad.value_and_grad(case.f, argnums=(0, 1))(*case.args)
    assert np.ndim(value) == 0
    assert [np.shape(g) for g in gradients] == [np.shape(x) for x in case.args]


@given(programs())
def test_programs_print_as_the_python_that_they_are(case: Case) -> None:
    namespace: dict[str, Any] = {"np": fgrad.numpy, "fgrad": fgrad}
    exec(repr(case.f), namespace)
    np.testing.assert_array_equal(namespace["program"](*case.args), case.f(*case.args))
    assert len(case.f.lines) == case.f.size


@pytest.mark.parametrize("op", [op for op in OPERATIONS if op.kind != "kinked"], ids=lambda op: op.text)
def test_every_operation_can_be_drawn_and_is_differentiable(op: Any) -> None:
    shape = (3,) if op.most == 1 else (2, 2)
    program = Program(["x", "y"], [("n", "2"), ("out", op.text)], ["out"])
    x, y = (np.linspace(*ends, int(np.prod(shape))).reshape(shape) for ends in ((0.3, 1.2), (-1, 0.4)))
    check_grads(program, (x, y), order=1, modes=("rev",))


def test_programs_shrink_to_what_matters() -> None:
    case = smallest(programs(), lambda case: "np.cumsum" in repr(case.f))
    assert case.f.size == 1
    assert all(not np.any(x) for x in case.args)
    (parameter,) = [p for p, x in zip(case.f.parameters, case.args, strict=True) if np.ndim(x)]
    assert str(case.f) == f"def program(a, b):\n    c = np.cumsum({parameter}, axis=-1)\n    return c"
    assert repr(case).startswith("\ndef program(a, b):")


@given(programs(2, kinds=["kinked"]), programs(4, parameters=3, dtype=np.float32, shapes=st.just((2,))))
@settings(max_examples=10)
def test_what_programs_may_hold(kinked: Case, single: Case) -> None:
    assert all(any(name in e for name in ("abs", "max", "min", "clip", "sort")) for _, e in kinked.f.lines)
    assert [x.dtype for x in single.args] == [np.float32] * 3
    assert single.f.size <= 4


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: arrays(layouts=["D"]), "layouts of arrays must be some of C, F"),
        (lambda: arrays(conditioning="bad"), "conditioning of arrays must be 'well' or 'ill'"),
        (lambda: points_near_kinks(()), "points_near_kinks needs a kink and a floating-point dtype"),
        (lambda: points_near_kinks(dtype=np.int64), "points_near_kinks needs a kink and a floating-point dtype"),
        (lambda: spd_matrices(max_condition=0.5), "max_condition of spd_matrices must be at least 1"),
        (lambda: programs(kinds=["wild"]), "kinds of programs must be some of smooth, shape"),
        (lambda: programs(parameters=0), "parameters of programs must be 1 to 5"),
    ],
)
def test_messages(call: Any, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        call()


def test_without_hypothesis() -> None:
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import fgrad, numpy as np\n"
        "fgrad.testing.check_grads(np.sin, (1.0,), order=1)\n"
        "try:\n    fgrad.testing.strategies\n"
        "except fgrad.errors.MissingExtraError as error:\n    print(error)"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "strategies draws with Hypothesis, which is not installed" in found.stdout
    assert "pip install 'fgrad[testing]'" in found.stdout
