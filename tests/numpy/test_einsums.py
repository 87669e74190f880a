"""einsum: NumPy's values and dtypes over many subscripts, derivatives, and what contractions it becomes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgrad.core import ShapedArray
from fgrad.errors import ArgumentError, ShapeError
from fgrad.numpy.einsums import einsum, einsum_path
from fgrad.transforms.stage import trace
from tests.numpy.against_numpy import agree, check, gradients, rows, staged
from tests.numpy.test_reductions import elements

EXPRESSIONS: list[tuple[str, tuple[tuple[int, ...], ...]]] = [
    ("i->i", ((3,),)),
    ("i->", ((3,),)),
    ("ij->ji", ((2, 3),)),
    ("ba", ((2, 3),)),
    ("ij->", ((2, 3),)),
    ("ij->j", ((2, 3),)),
    ("ii", ((3, 3),)),
    ("ii->i", ((3, 3),)),
    ("iij->j", ((3, 3, 2),)),
    ("iii->", ((3, 3, 3),)),
    ("ijij->ij", ((2, 3, 2, 3),)),
    ("...ii->...i", ((2, 3, 3),)),
    ("i...->...i", ((2, 3, 4),)),
    ("...->...", ((2, 3),)),
    ("i,i", ((3,), (3,))),
    ("i,j", ((3,), (4,))),
    ("i,j->ji", ((3,), (4,))),
    ("i,i->i", ((3,), (3,))),
    (",", ((), ())),
    (",i->i", ((), (3,))),
    ("ij,jk", ((2, 3), (3, 4))),
    ("ij,jk->ki", ((2, 3), (3, 4))),
    ("ij,kj->ik", ((2, 3), (4, 3))),
    ("ji,jk->ik", ((3, 2), (3, 4))),
    ("ij,ij->ij", ((2, 3), (2, 3))),
    ("ij,ij", ((2, 3), (2, 3))),
    ("ij,j->ij", ((2, 3), (3,))),
    ("j,ij->ij", ((3,), (2, 3))),
    ("ij,ji->ij", ((2, 3), (3, 2))),
    ("ij,k->k", ((2, 3), (4,))),
    ("ij,k->", ((2, 3), (4,))),
    ("ij,jj->i", ((2, 3), (3, 3))),
    ("ii,jj->ij", ((2, 2), (3, 3))),
    ("ijk,kj->i", ((2, 3, 4), (4, 3))),
    ("ijk,lkj->il", ((2, 3, 4), (5, 4, 3))),
    ("aij,bjk->abik", ((2, 3, 4), (5, 4, 3))),
    ("abc,abd->dc", ((2, 3, 4), (2, 3, 5))),
    ("bij,bjk->bik", ((5, 2, 3), (5, 3, 4))),
    ("bij,bjk", ((5, 2, 3), (5, 3, 4))),
    ("bqhd,bkhd->bhqk", ((2, 3, 2, 4), (2, 5, 2, 4))),
    ("...ij,...jk->...ik", ((5, 2, 3), (5, 3, 4))),
    ("...ij,...jk->...ik", ((5, 2, 3), (3, 4))),
    ("...ij,...jk", ((1, 2, 3), (5, 3, 4))),
    ("i...,i...->...", ((2, 3), (2, 3))),
    ("...,...", ((), (3,))),
    ("i,i", ((1,), (3,))),
    ("ij,jk", ((2, 1), (3, 2))),
    ("Ab,bA", ((2, 3), (3, 2))),
    ("ij, jk -> ik", ((2, 3), (3, 4))),
    ("i,i,i->i", ((3,), (3,), (3,))),
    ("i,j,k->kij", ((2,), (3,), (4,))),
    ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 5))),
    ("ij,jk,ki", ((2, 3), (3, 4), (4, 2))),
    ("bi,bj,bij->b", ((2, 3), (2, 4), (2, 3, 4))),
    ("ij,jk,kl,lm->im", ((2, 3), (3, 4), (4, 5), (5, 2))),
    ("a,b,c,d,e->abcde", ((2,), (3,), (2,), (3,), (2,))),
    ("ab,bc,cd,de,ef->af", ((2, 3), (3, 2), (2, 3), (3, 2), (2, 3))),
    ("...a,...b,ab->...", ((4, 2), (4, 3), (2, 3))),
]


@pytest.mark.parametrize(("subscripts", "shapes"), EXPRESSIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8, np.complex128, bool])
def test_values(subscripts: str, shapes: Any, dtype: Any) -> None:
    xs = [elements(shape, dtype, i) for i, shape in enumerate(shapes)]
    check(lambda *a: einsum(subscripts, *a), lambda *a: np.einsum(subscripts, *a), *xs)


@pytest.mark.parametrize(("subscripts", "shapes"), EXPRESSIONS)
def test_gradients(subscripts: str, shapes: Any) -> None:
    rng = np.random.default_rng(0)
    gradients(lambda *a: einsum(subscripts, *a), *[rng.normal(size=shape) for shape in shapes])


@pytest.mark.parametrize(("subscripts", "shapes"), EXPRESSIONS)
def test_rows(subscripts: str, shapes: Any) -> None:
    rng = np.random.default_rng(0)
    rows(lambda *a: einsum(subscripts, *a), *[rng.normal(size=shape) for shape in shapes])


@st.composite
def expressions(draw: Any) -> tuple[str, list[tuple[int, ...]]]:
    """Random subscripts: labels shared at will, repeated, dropped, and permuted in the result."""
    lengths = {label: draw(st.integers(0, 3)) for label in "abcde"}
    terms = ["".join(draw(st.lists(st.sampled_from("abcde"), max_size=3))) for _ in range(draw(st.integers(1, 4)))]
    used = sorted(set("".join(terms)))
    output = "".join(draw(st.permutations(used)))[: draw(st.integers(0, len(used)))]
    text = ",".join(terms) + (f"->{output}" if draw(st.booleans()) else "")
    return text, [tuple(lengths[label] for label in term) for term in terms]


@given(expression=expressions())
def test_random_expressions(expression: Any) -> None:
    text, shapes = expression
    xs = [elements(shape, np.float64, i) for i, shape in enumerate(shapes)]
    check(lambda *a: einsum(text, *a), lambda *a: np.einsum(text, *a), *xs)


def test_lists_of_labels() -> None:
    x, y = elements((2, 3), np.float64, 0), elements((3, 4), np.float64, 1)
    agree(np.einsum(x, [0, 1], y, [1, 2], [2, 0]), staged(lambda x, y: einsum(x, [0, 1], y, [1, 2], [2, 0]), x, y))
    agree(np.einsum(x, [1, 0]), staged(lambda x: einsum(x, [1, 0]), x))
    agree(np.einsum(x, [0, ...], [..., 0]), staged(lambda x: einsum(x, [0, ...], [..., 0]), x))


def test_dtype() -> None:
    x = elements((2, 3), np.float32, 0)
    agree(np.einsum("ij->i", x, dtype=np.float64), staged(lambda x: einsum("ij->i", x, dtype=np.float64), x))
    agree(np.einsum("ij->i", x, dtype=np.float64), einsum("ij->i", x, dtype=np.float64))


def names_of(subscripts: str, *shapes: tuple[int, ...]) -> list[str]:
    avals = [ShapedArray(shape, np.dtype(np.float64)) for shape in shapes]
    return [eqn.primitive.name for eqn in trace(lambda *xs: [einsum(subscripts, *xs)], avals).eqns]


@pytest.mark.parametrize(
    ("subscripts", "shapes", "names"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)], ["dot_general"]),
        ("ij,jk->ki", [(2, 3), (3, 4)], ["dot_general"]),
        ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)], ["dot_general"]),
        ("ij,ij->ij", [(2, 3), (2, 3)], ["mul"]),
        ("ij,j->ij", [(2, 3), (3,)], ["mul"]),
        ("ij,i->ij", [(2, 3), (2,)], ["reshape", "mul"]),
        ("ijl,jk->ik", [(2, 3, 9), (3, 4)], ["reduce_sum", "dot_general"]),
    ],
)
def test_contractions(subscripts: str, shapes: Any, names: list[str]) -> None:
    """Sums over labels of one operand come first; what is a matrix product becomes one, without transposing."""
    assert names_of(subscripts, *shapes) == names


def test_order_of_contractions() -> None:
    """A chain that ends in a vector is done from the right: no product of matrices."""
    avals = [ShapedArray(s, np.dtype(np.float64)) for s in [(50, 50), (50, 50), (50, 50), (50,)]]
    closed = trace(lambda *xs: [einsum("ij,jk,kl,l->i", *xs)], avals)
    assert all(v.aval.ndim == 1 for eqn in closed.eqns for v in eqn.outvars)


def test_path() -> None:
    xs = [np.ones((2, 2)), np.ones((2, 5)), np.ones((5, 2))]
    expected = np.einsum_path("ij,jk,kl->il", *xs)
    assert einsum_path("ij,jk,kl->il", *xs) == expected
    found: list[Any] = []
    staged(lambda *ys: (found.append(einsum_path("ij,jk,kl->il", *ys)), ys[0])[1], *xs)
    assert found == [expected]


@pytest.mark.parametrize(
    ("subscripts", "shapes", "error", "words"),
    [
        ("ij,jk", [(2, 3), (4, 5)], ShapeError, "label 'j' have the lengths 3 and 4"),
        ("ij", [(2,)], ShapeError, "operand 0 has 1 axes, its subscripts name 2"),
        ("i", [(2, 3)], ShapeError, "operand 0 has 2 axes, its subscripts name 1"),
        ("ii", [(1, 3)], ShapeError, "diagonal of label 'i' is of lengths 1 and 3"),
        ("i,j", [(2,)], ArgumentError, "for 2 operands, got 1"),
        ("i->ii", [(2,)], ArgumentError, "label 'i' more than once"),
        ("i->j", [(2,)], ArgumentError, "label 'j', which no operand has"),
        ("i?", [(2, 3)], ArgumentError, r"hold '\?', which is not a letter"),
        ("...i->i", [(2, 3)], ArgumentError, "the result has no ellipsis"),
    ],
)
def test_what_does_not_fit_is_refused(subscripts: str, shapes: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        staged(lambda *xs: einsum(subscripts, *xs), *[np.ones(shape) for shape in shapes])


def test_out_and_labels() -> None:
    with pytest.raises(ArgumentError, match="einsum does not take `out`"):
        staged(lambda x: einsum("i", x, out=np.ones(3)), np.ones(3))
    with pytest.raises(ArgumentError, match="labels are from 0 to 51"):
        staged(lambda x: einsum(x, [52]), np.ones(3))
    with pytest.raises(ArgumentError, match="needs subscripts"):
        staged(einsum, np.ones(3))
