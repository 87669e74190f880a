"""Along unit directions only what is not zero is computed, and it is what mapping over an identity gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.core.aval import aval_of
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.transforms.directions import along_units

RNG = np.random.default_rng(0)
A, B, C = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 5)), RNG.normal(size=(2, 3, 4))
V, W = RNG.normal(size=4), RNG.normal(size=3)

LINEAR = {
    "identity": lambda x: x,
    "factor": lambda x: x * A,
    "factor in front": lambda x: V[:, None] * x,
    "wider factor": lambda x: x * C.transpose(0, 2, 1),
    "scalar": lambda x: -(2.0 * x) / 3.0,
    "quotient": lambda x: x / A,
    "single precision": lambda x: (x * A).astype(np.float32),
    "twice": lambda x: x * A + x * V[:, None] - x,
    "rows": lambda x: x[1:3] * A[1:3],
    "columns": lambda x: x[:, 1:] - x[:, :-1],
    "corner": lambda x: x[2:, :2],
    "element": lambda x: x[3, 1],
    "row": lambda x: x[1] * W,
    "column": lambda x: x[:, 2] * V,
    "new axes": lambda x: x[None, :, None] * A[:, None],
    "reversed": lambda x: x[::-1],
    "by array": lambda x: x[np.array([0, 2, 0])],
    "nothing": lambda x: x[:0],
    "constant": lambda x: x[1:1].sum() + np.zeros(3),
    "transposed": lambda x: x.T * A.T,
    "sum": lambda x: x.sum(),
    "sums of rows": lambda x: (x * A).sum(1),
    "sums of columns": lambda x: (x * A).sum(0) * W,
    "flat": lambda x: x.reshape(12) * np.arange(12.0),
    "flat piece": lambda x: x.reshape(12)[3:7],
    "split": lambda x: x.reshape(2, 2, 3) * C[:, :2, :3],
    "regrouped": lambda x: (x * A).reshape(3, 4) * A.reshape(3, 4),
    "ones": lambda x: x.reshape(1, 4, 1, 3)[0, :, 0],
    "row as a matrix": lambda x: x[1:2].reshape(3) * W,
    "part, then flat": lambda x: fnp.pad(x, ((1, 1), (0, 0))).reshape(18),
    "part, then split": lambda x: fnp.pad(x, ((1, 1), (0, 0))).reshape(2, 3, 3),
    "product": lambda x: x @ B,
    "product in front": lambda x: V @ x,
    "product with a diagonal": lambda x: A @ (x.T * A.T),
    "product of a part": lambda x: x[1:, :2] @ B[:2],
    "both axes": lambda x: fnp.tensordot(x, C, ((0, 1), (2, 1))),
    "outer": lambda x: fnp.tensordot(x, W, 0),
    "outer in front": lambda x: fnp.tensordot(W, x @ B, 0),
    "outer, then product": lambda x: fnp.einsum("ij,k,il->jkl", x, np.arange(15.0), A),
    "waiting": lambda x: ((x @ B)[:, None, :] * C.transpose(2, 0, 1)[:, :, :1] * V[:, None, None]).T @ A,
    "waiting in a sum": lambda x: (x.sum(1)[:, None] * A - x * V[:, None]) @ B,
    "waiting for nothing": lambda x: x.sum(1)[:, None] * A,
    "waiting, transposed": lambda x: W @ (-(x.sum(1)[:, None] * A).T / V),
    "broadcast": lambda x: fnp.broadcast_to(x[1], (5, 3)) * np.arange(15.0).reshape(5, 3),
    "stacked": lambda x: fnp.stack([x, x * A]),
    "joined": lambda x: fnp.concatenate([x[1:], x[:1] * W]),
    "set": lambda x: x.at[1].set(0.0),
    "added": lambda x: x.at[1:, :2].add(x[:3, 1:] * A[1:, 1:]),
    "one diagonal": lambda x: fnp.pad(x[1:] * A[1:], ((1, 0), (0, 0))) + fnp.pad(x[:-1], ((0, 1), (0, 0))),
    "flat diagonal": lambda x: fnp.diff(x.reshape(12)) ** 1 + x.reshape(12)[1:] * 2.0 - x.reshape(12)[:-1],
    "one flat diagonal": lambda x: fnp.pad(x.reshape(12)[1:], (1, 0)) * 3.0 + fnp.pad(x.reshape(12)[:-2], (0, 2)),
    "many parts": lambda x: sum((x[i % 3 : i % 3 + 2, i % 2 : i % 2 + 2] * (i + 1.0) for i in range(12)), 0.0),
    "chosen": lambda x: fnp.where(A > 0, x, 0.0),
    "cumulative": lambda x: fnp.cumsum(x, axis=0),
    "loop": lambda x: fgrad.lax.scan(lambda c, row: (c + row, c * 2.0), np.zeros(3), x)[1],
    "compiled": fgrad.jit(lambda x: x * A),
    "complex": lambda x: fnp.real((x * (1 + 2j)) * A),
}


def mapped(f: Any, *xs: Any) -> list[np.ndarray[Any, Any]]:
    """By the definition: one direction after the other."""
    size = sum(x.size for x in xs)
    f = fgrad.jit(f)
    found = []
    for i in range(size):
        unit = np.zeros(size)
        unit[i] = 1.0
        pieces = np.split(unit, np.cumsum([x.size for x in xs])[:-1])
        found.append(f(*[piece.reshape(x.shape) for piece, x in zip(pieces, xs, strict=True)]))
    return [np.stack(rows) for rows in zip(*found, strict=True)]


def along(f: Any, *xs: Any) -> list[np.ndarray[Any, Any]]:
    size = sum(x.size for x in xs)
    pairs = along_units(f, [aval_of(x) for x in xs], f)
    return [np.broadcast_to(y, (size, *np.shape(y))) if dim is None else np.moveaxis(y, dim, 0) for y, dim in pairs]


@pytest.mark.parametrize("name", LINEAR)
def test_units_are_mapped(name: str) -> None:
    def f(x: Any) -> list[Any]:
        return [LINEAR[name](x)]

    (found,), (expected,) = along(f, A), mapped(f, A)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5 if found.dtype == np.float32 else 1e-12, atol=1e-13)
    traced = fgrad.jit(lambda: along_units(f, [aval_of(A)], f)[0][0])()
    np.testing.assert_allclose(traced, along_units(f, [aval_of(A)], f)[0][0], rtol=1e-6, atol=1e-13)


def test_what_may_cancel_is_added_in_order() -> None:
    """A unit less a dense array that is nearly one, then what is left of it: apart, it would be lost."""

    def f(x: Any) -> list[Any]:
        rest = x - fnp.sum(x) * np.ones(3)
        return [rest * 1e20 + x[0] * 1e-3, (rest + fnp.sum(x)) * 0.1 + x * 1e-18]

    for found, expected in zip(along(f, np.ones(3)), mapped(f, np.ones(3)), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_several_arguments() -> None:
    def f(x: Any, v: Any, s: Any, none: Any) -> list[Any]:
        return [x @ W + v * s_known + s, v.sum() + s * 3.0 + x[1, 2] + none.sum(), x * A, 4.0 * none]

    s_known = 2.5
    args = (A, V, np.float64(1.0), np.zeros((0, 2)))
    for found, expected in zip(along(f, *args), mapped(f, *args), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def sizes(f: Any, *args: Any) -> list[int]:
    program: ClosedJaxpr = fgrad.make_jaxpr(f)(*args)
    return [v.aval.size for eqn in program.eqns for v in eqn.outvars]


def rosenbrock(x: Any) -> Any:
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def test_what_is_zero_is_not_computed() -> None:
    x = np.linspace(-1.0, 1.0, 50)
    found = sizes(fgrad.hessian(rosenbrock), x)
    assert sum(n > 50 for n in found) <= 6  # the matrix itself, and what is added to it
    assert (
        max(sizes(fgrad.jacfwd(lambda p: fnp.tanh(p["w"]).sum(1) * p["b"]), {"w": A, "b": V})) == 4 * 16
    )  # the result


def test_products_wait_for_products() -> None:
    """The second derivative of a perceptron never holds an array of directions × examples × units."""

    def loss(theta: Any) -> Any:
        w, v = theta[:30].reshape(10, 3), theta[30:]
        return ((fnp.tanh(x @ w.T) @ v) ** 2).mean()

    x = RNG.normal(size=(20, 3))
    assert max(sizes(fgrad.hessian(loss), RNG.normal(size=40))) == 40 * 40


def test_an_element_meets_its_own_directions_only() -> None:
    x = np.array([0.0, 1.0])
    with np.errstate(divide="ignore"):
        for jacobian in (fgrad.jacfwd, fgrad.jacrev):
            for f in (jacobian(fnp.sqrt), fgrad.jit(jacobian(fnp.sqrt))):
                np.testing.assert_array_equal(f(x), [[np.inf, 0.0], [0.0, 0.5]])


@pytest.mark.parametrize("inner", [fgrad.jacfwd, fgrad.jacrev])
@pytest.mark.parametrize("outer", [fgrad.jacfwd, fgrad.jacrev])
def test_jacobians_of_jacobians(outer: Any, inner: Any) -> None:
    def f(p: Any) -> Any:
        return {"y": fnp.tanh(p["a"] @ p["b"]) * p["c"], "z": (p["c"] * p["b"][0, 0]) ** 2}

    p = {"a": A, "b": B[:, :2], "c": np.float64(0.3)}
    found = outer(inner(f))(p)
    direction = fgrad.tree.map(lambda leaf: RNG.normal(size=np.shape(leaf)), p)
    pushed = fgrad.jvp(inner(f), (p,), (direction,))[1]
    for row, blocks in zip(fgrad.tree.leaves(pushed), _by_leaf(found, pushed), strict=True):
        total = sum(np.tensordot(block, direction[name], np.ndim(direction[name])) for name, block in blocks.items())
        np.testing.assert_allclose(total, row, rtol=1e-10, atol=1e-12)
    mapped = fgrad.vmap(lambda s: outer(inner(f))({**p, "c": s}))(np.array([0.3, 0.5]))
    for batched, single in zip(fgrad.tree.leaves(mapped), fgrad.tree.leaves(found), strict=True):
        np.testing.assert_allclose(batched[0], single, rtol=1e-12, atol=1e-14)


def _by_leaf(found: Any, like: Any) -> list[Any]:
    """The inner trees of a Jacobian, at the leaves of what was differentiated."""
    if not isinstance(like, dict):
        return [found]
    return [blocks for key in sorted(like) for blocks in _by_leaf(found[key], like[key])]
