"""What fgrad returns where a derivative does not exist, is a matter of taste, or is easily got wrong.

The table here is the one source of `docs/conventions.md`, which `python -m fgrad.testing.conventions docs` writes, and
of the tests that hold fgrad to it.

>>> CONVENTIONS[0].code, CONVENTIONS[0].at, CONVENTIONS[0].derivatives
('np.maximum(x, 0)', '0.0', (0.0, 0.0, 0.0))
>>> CONVENTIONS[0].function()(np.float64(0.0))
np.float64(0.0)
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array

__all__ = ["CONVENTIONS", "Convention", "document"]

_inf, _nan = np.inf, np.nan
_W = np.array([1.0, 10.0, 100.0])


class Convention(NamedTuple):
    """One row of the table.

    Attributes:
        topic: the section that it stands in.
        code: an expression in x, with `np` for `fgrad.numpy` and w for the vector (1, 10, 100).
        at: the argument x.
        derivatives: the value, the gradient, the Hessian and so on, as far as they are told.
        why: the reason.
        peers: what others return for the gradient, where it is something else.
    """

    topic: str
    code: str
    at: str
    derivatives: tuple[Any, ...]
    why: str = ""
    peers: str = ""

    def function(self) -> Callable[[Array], Array]:
        """The expression as a function of x."""
        function: Callable[[Array], Array] = eval(f"lambda x: {self.code}", {"np": fnp, "w": _W})
        return function

    def point(self) -> Array:
        """The argument as an array."""
        return np.asarray(eval(self.at, {"inf": _inf, "nan": _nan}))[()]


_TIES = "Kinks and ties"
_LENGTHS = "Lengths and angles"
_PRODUCTS = "Products and powers"
_SUMS = "Sums of exponentials"
_EDGES = "Edges of a domain, and missing numbers"
_COMPLEX = "Complex numbers"
_MATRICES = "Matrices"

_SHORT = "the shortest subgradient"
_SHARED = "those that tie share evenly"
_EXACT = "exact"

CONVENTIONS: tuple[Convention, ...] = (
    Convention(
        _TIES,
        "np.maximum(x, 0)",
        "0.0",
        (0.0, 0.0, 0.0),
        f"a kink in one variable: {_SHORT}. A plain number is a constant",
        "JAX and autograd ½; all relu 0",
    ),
    Convention(_TIES, "np.minimum(x, 0)", "0.0", (0.0, 0.0), _SHORT, "JAX and autograd ½"),
    Convention(_TIES, "np.where(x > 0, x, 0)", "0.0", (0.0, 0.0), "as `maximum(x, 0)`"),
    Convention(_TIES, "np.abs(x)", "0.0", (0.0, 0.0, 0.0), _SHORT, "JAX 1"),
    Convention(_TIES, "np.sign(x)", "0.0", (0.0, 0.0), "constant almost everywhere"),
    Convention(_TIES, "np.copysign(x, 1.0)", "0.0", (0.0, 0.0), "as `abs(x)`", "JAX 1"),
    Convention(_TIES, "np.clip(x, 0, 1)", "0.0", (0.0, 0.0), "as `maximum(x, 0)`", "JAX ½, PyTorch 1"),
    Convention(_TIES, "np.clip(x, 0, 1)", "1.0", (1.0, 0.0), "as `minimum(x, 1)`", "JAX ½, PyTorch 1"),
    Convention(
        _TIES, "np.maximum(x[0], x[1])", "[1.0, 1.0]", (1.0, [0.5, 0.5], [[0, 0], [0, 0]]), f"two variables: {_SHARED}"
    ),
    Convention(_TIES, "np.minimum(x[0], x[1])", "[1.0, 1.0]", (1.0, [0.5, 0.5]), _SHARED),
    Convention(_TIES, "np.fmax(x[0], x[1])", "[1.0, 1.0]", (1.0, [0.5, 0.5]), _SHARED, "JAX (0, 1), PyTorch (1, 0)"),
    Convention(_TIES, "np.max(x)", "[1.0, 1.0, 0.0]", (1.0, [0.5, 0.5, 0.0]), _SHARED),
    Convention(_TIES, "np.min(x)", "[1.0, 1.0, 2.0]", (1.0, [0.5, 0.5, 0.0]), _SHARED),
    Convention(_TIES, "np.ptp(x)", "[1.0, 1.0]", (0.0, [0.0, 0.0]), "max − min"),
    Convention(_TIES, "np.sort(x) @ w", "[1.0, 1.0, 0.0]", (110.0, [10.0, 100.0, 1.0]), "the order of a stable sort"),
    Convention(
        _TIES,
        "np.median(x)",
        "[2.0, 1.0, 2.0, 0.0]",
        (1.5, [0.5, 0.5, 0.0, 0.0]),
        "the elements that a stable sort picks",
    ),
    Convention(_TIES, "np.floor(x)", "1.0", (1.0, 0.0), "constant almost everywhere"),
    Convention(_TIES, "np.mod(x, 2.0)", "2.0", (0.0, 1.0), "the slope on both sides of the jump"),
    Convention(_TIES, "np.heaviside(x, 0.5)", "0.0", (0.5, 0.0), "constant almost everywhere"),
    Convention(
        _TIES,
        "np.interp(x, np.arange(3.0), np.array([0.0, 1.0, 0.0]))",
        "1.0",
        (1.0, -1.0),
        "the slope to the right of a node",
    ),
    Convention(
        _LENGTHS,
        "np.linalg.norm(x)",
        "[0.0, 0.0]",
        (0.0, [0, 0], [[0, 0], [0, 0]]),
        f"{_SHORT}, and no curvature",
        "JAX and autograd NaN",
    ),
    Convention(
        _LENGTHS,
        "np.linalg.norm(x) ** 2",
        "[0.0, 0.0]",
        (0.0, [0, 0], [[0, 0], [0, 0]]),
        "follows from the row above: write `x @ x` where the second derivative 2·I is needed",
        "JAX and autograd NaN",
    ),
    Convention(_LENGTHS, "x @ x", "[0.0, 0.0]", (0.0, [0, 0], [[2, 0], [0, 2]]), _EXACT),
    Convention(
        _LENGTHS, "np.linalg.norm(x, 1)", "[0.0, 1.0]", (1.0, [0, 1]), "the sum of absolute values", "JAX (1, 1)"
    ),
    Convention(_LENGTHS, "np.linalg.norm(x, np.inf)", "[1.0, -1.0]", (1.0, [0.5, -0.5]), _SHARED, "autograd (1, −1)"),
    Convention(_LENGTHS, "np.linalg.norm(x, 3)", "[0.0, 0.0]", (0.0, [0, 0]), _SHORT, "JAX and autograd NaN"),
    Convention(
        _LENGTHS,
        "np.hypot(x[0], x[1])",
        "[0.0, 0.0]",
        (0.0, [0, 0], [[0, 0], [0, 0]]),
        "as `norm`",
        "JAX (½, ½); PyTorch and autograd NaN",
    ),
    Convention(
        _LENGTHS,
        "np.std(x)",
        "[2.0, 2.0]",
        (0.0, [0, 0], [[0, 0], [0, 0]]),
        "as `norm`",
        "JAX and autograd NaN",
    ),
    Convention(_LENGTHS, "np.var(x)", "[2.0, 2.0]", (0.0, [0, 0], [[0.5, -0.5], [-0.5, 0.5]]), _EXACT),
    Convention(
        _LENGTHS,
        "np.arctan2(x[0], x[1])",
        "[0.0, 0.0]",
        (0.0, [0, 0], [[0, 0], [0, 0]]),
        "no direction is better than another",
        "JAX and autograd NaN",
    ),
    Convention(
        _LENGTHS, "np.arctan2(x[0], x[1])", "[0.0, -1.0]", (np.pi, [-1, 0]), "the angle jumps, its slope does not"
    ),
    Convention(_LENGTHS, "np.sqrt(x)", "0.0", (0.0, _inf), "true: the slope is infinite"),
    Convention(
        _LENGTHS,
        "np.sqrt(np.sum(x ** 2))",
        "[0.0, 0.0]",
        (0.0, [_nan, _nan]),
        "∞·0 by the chain rule: write `np.linalg.norm(x)`, or guard with `select_fn`",
    ),
    Convention(_LENGTHS, "np.cbrt(x)", "0.0", (0.0, _inf), "true: the slope is infinite"),
    Convention(_LENGTHS, "np.sinc(x)", "0.0", (1.0, 0.0, -(np.pi**2) / 3, 0.0, np.pi**4 / 5), _EXACT, "autograd NaN"),
    Convention(
        _PRODUCTS,
        "np.prod(x)",
        "[0.0, 2.0, 3.0]",
        (0.0, [6, 0, 0], [[0, 3, 2], [3, 0, 0], [2, 0, 0]]),
        "no division",
        "autograd NaN",
    ),
    Convention(
        _PRODUCTS,
        "np.prod(x)",
        "[0.0, 0.0, 3.0]",
        (0.0, [0, 0, 0], [[0, 3, 0], [3, 0, 0], [0, 0, 0]]),
        "no division",
        "autograd NaN",
    ),
    Convention(
        _PRODUCTS,
        "np.cumprod(x) @ w",
        "[0.0, 2.0, 3.0]",
        (0.0, [621, 0, 0], [[0, 310, 200], [310, 0, 0], [200, 0, 0]]),
        "no division",
    ),
    Convention(
        _PRODUCTS,
        "np.cumprod(x) @ w",
        "[0.0, 0.0, 3.0]",
        (0.0, [1, 0, 0], [[0, 310, 0], [310, 0, 0], [0, 0, 0]]),
        "no division",
    ),
    *[
        Convention(
            _PRODUCTS, f"x ** {n}", "0.0", tuple([float(np.prod(range(1, n + 1))) * (k == n) for k in range(5)]), _EXACT
        )
        for n in range(5)
    ],
    Convention(
        _PRODUCTS,
        "x ** 2.0",
        "0.0",
        (0.0, 0.0, 2.0, 0.0, 0.0),
        "exact, whatever the type of the exponent",
        "JAX NaN from the third derivative on",
    ),
    Convention(_PRODUCTS, "x ** 2.5", "0.0", (0.0, 0.0, 0.0, _inf), "true: the third derivative is infinite"),
    Convention(
        _PRODUCTS,
        "np.sum(x ** np.arange(4.0))",
        "0.0",
        (1.0, 1.0, 2.0, 6.0, 0.0),
        "exact, also where the exponents are an array",
        "JAX NaN",
    ),
    Convention(
        _PRODUCTS,
        "x[0] ** x[1]",
        "[0.0, 0.0]",
        (1.0, [0, 0], [[0, 0], [0, 0]]),
        "0⁰ is 1, and counts as constant",
        "JAX NaN for the first",
    ),
    Convention(_PRODUCTS, "x[0] ** x[1]", "[0.0, 2.0]", (0.0, [0, 0], [[2, 0], [0, 0]]), "0ʸ·log 0 is 0 for y > 0"),
    Convention(_PRODUCTS, "x[0] ** x[1]", "[0.0, 1.0]", (0.0, [1, 0]), "0ʸ·log 0 is 0 for y > 0"),
    Convention(
        _PRODUCTS,
        "(-2.0) ** x",
        "2.0",
        (4.0, _nan),
        "not real for other exponents: an integer has no tangent",
    ),
    Convention(_SUMS, "np.logaddexp(x[0], x[1])", "[-inf, -inf]", (-_inf, [0.5, 0.5]), _SHARED, "all others NaN"),
    Convention(
        _SUMS, "np.logaddexp(x[0], x[1])", "[inf, inf]", (_inf, [0.5, 0.5]), _SHARED, "JAX (1, 1), autograd NaN"
    ),
    Convention(_SUMS, "np.logaddexp(x[0], x[1])", "[-inf, 0.0]", (0.0, [0, 1]), "the limit"),
    Convention(_SUMS, "np.logaddexp(x[0], x[1])", "[inf, 0.0]", (_inf, [1, 0]), "the limit", "JAX (1, 1)"),
    Convention(
        _SUMS,
        "np.logsumexp(x)",
        "[-inf, -inf]",
        (-_inf, [0, 0], [[0, 0], [0, 0]]),
        "masked everywhere: nothing moves it",
        "all others NaN",
    ),
    Convention(_SUMS, "np.logsumexp(x)", "[0.0, -inf]", (0.0, [1, 0], [[0, 0], [0, 0]]), "the limit"),
    Convention(_SUMS, "np.logsumexp(x)", "[inf, 0.0]", (_inf, [1, 0]), "the limit", "all others (NaN, 0)"),
    Convention(_SUMS, "np.logsumexp(x)", "[inf, inf]", (_inf, [0.5, 0.5]), _SHARED, "all others NaN"),
    Convention(_SUMS, "np.exp(x)", "-inf", (0.0, 0.0, 0.0), "the limit"),
    Convention(_SUMS, "np.tanh(x)", "inf", (1.0, 0.0, 0.0), "the limit"),
    Convention(_EDGES, "np.log(x)", "0.0", (-_inf, _inf), "true"),
    Convention(_EDGES, "np.log1p(x)", "-1.0", (-_inf, _inf), "true"),
    Convention(_EDGES, "np.arcsin(x)", "1.0", (np.pi / 2, _inf), "true"),
    Convention(_EDGES, "np.arccosh(x)", "1.0", (0.0, _inf), "true"),
    Convention(
        _EDGES, "x * np.log(x)", "0.0", (_nan, _nan), "as NumPy computes it: guard with `select_fn`, or use `xlogy`"
    ),
    Convention(_EDGES, "np.maximum(x[0], x[1])", "[nan, 1.0]", (_nan, [0, 0]), "a NaN is nobody's maximum"),
    Convention(_EDGES, "np.nansum(x)", "[nan, 1.0]", (1.0, [0, 1]), "what is left out has no influence"),
    Convention(
        _EDGES, "np.nanmean(x)", "[nan, nan]", (_nan, [0, 0]), "what is left out has no influence", "PyTorch NaN"
    ),
    Convention(_EDGES, "np.nan_to_num(x)", "nan", (0.0, 0.0), "what is replaced has no influence"),
    Convention(
        _COMPLEX, "np.real(x)", "1 + 2j", (1.0, 1), "∂f/∂a − i·∂f/∂b, for x = a + i·b", "PyTorch: its conjugate"
    ),
    Convention(_COMPLEX, "np.imag(x)", "1 + 2j", (2.0, -1j), "the same", "PyTorch: its conjugate"),
    Convention(_COMPLEX, "np.abs(x)", "3 + 4j", (5.0, 0.6 - 0.8j), "the same", "PyTorch: its conjugate"),
    Convention(_COMPLEX, "np.abs(x)", "0j", (0.0, 0), _SHORT),
    Convention(_COMPLEX, "np.abs(x) ** 2", "0j", (0.0, 0), _EXACT),
    Convention(_COMPLEX, "np.angle(x)", "0j", (0.0, 0), "no direction is better than another", "JAX and autograd NaN"),
    Convention(_COMPLEX, "np.linalg.norm(x)", "[0j, 0j]", (0.0, [0, 0]), _SHORT, "JAX and autograd NaN"),
    Convention(
        _MATRICES,
        "np.linalg.det(x)",
        "[[0.0, 0.0], [0.0, 2.0]]",
        (0.0, [[2, 0], [0, 0]]),
        "the cofactors, also of a singular matrix",
        "autograd raises",
    ),
    Convention(
        _MATRICES,
        "np.linalg.det(x)",
        "[[0.0, 0.0], [0.0, 0.0]]",
        (0.0, [[0, 0], [0, 0]], [[[[0, 0], [0, 1]], [[0, 0], [-1, 0]]], [[[0, -1], [0, 0]], [[1, 0], [0, 0]]]]),
        "the cofactors, also of a singular matrix",
        "autograd raises",
    ),
    Convention(
        _MATRICES,
        "2 * np.sum(np.log(np.diag(np.linalg.cholesky(x))))",
        "[[2.0, 1.0], [1.0, 2.0]]",
        (float(np.log(3.0)), [[2 / 3, 0], [-2 / 3, 2 / 3]]),
        "log det x as a function of the triangle that is read",
        "JAX and autograd share the −2/3 between both triangles",
    ),
    Convention(
        _MATRICES,
        "np.linalg.eigvalsh(x)[0]",
        "[[2.0, 1.0], [1.0, 2.0]]",
        (1.0, [[0.5, 0], [-1, 0.5]]),
        "likewise a function of the lower triangle",
        "JAX shares the −1 between both triangles",
    ),
    Convention(
        _MATRICES,
        "np.sum(np.linalg.eigvalsh(x))",
        "[[1.0, 0.0], [0.0, 1.0]]",
        (2.0, [[1, 0], [0, 1]], np.zeros((2, 2, 2, 2)).tolist()),
        "what does not depend on the choice of eigenvectors is right at repeated eigenvalues",
        "JAX NaN for the second",
    ),
    Convention(
        _MATRICES,
        "np.sum(np.linalg.svd(x, compute_uv=False))",
        "[[1.0, 0.0], [0.0, 1.0]]",
        (2.0, [[1, 0], [0, 1]]),
        "likewise at repeated singular values",
    ),
)
"""The table."""


_PREFACE = """# What fgrad returns at the hard places

This table is made by `python -m fgrad.testing.conventions docs`, and the tests hold fgrad to every line of it: eagerly
and under `jit`, in forward and in reverse mode. In it, `np` is `fgrad.numpy`, and `w` is the vector (1, 10, 100). The
last column says what JAX, PyTorch and HIPS autograd gave for the first derivative (in 2026, in double precision) where
it was something else.

Where a function has no derivative, fgrad returns the one that does least: **0 at a kink in one variable** (the shortest
subgradient), **equal shares among equals** for several variables, and limits at infinity. Where the derivative is
infinite, it says so. No NaN comes out of an expression whose value is sane, but by an explicit 0·∞ of the chain rule.
"""

_NOTES = {
    _LENGTHS: """To guard a function outside of its domain, `fgrad.lax.select_fn(x > 0, np.sqrt, lambda x: 0.0 * x, x)`
runs and differentiates each function only on the elements that take it. `np.where(x > 0, np.sqrt(x), 0)` computes
√x everywhere: where x is 0 or less, ∞·0 or NaN·0 spoils the gradient.
""",
    _COMPLEX: """As in JAX, `grad(f)(z)` of a real function f of z = a + i·b is ∂f/∂a − i·∂f/∂b, so that the step
downhill is `z - lr * np.conj(grad(f)(z))`. Of a holomorphic function it is the ordinary f′(z), which
`grad(f, holomorphic=True)` returns. PyTorch returns the conjugate.
""",
    _MATRICES: """`eigh` and `svd` of matrices with repeated values: eigenvectors are not unique then. Where the
cotangent does not ask for what is undefined, the derivative is right; where it does,
`fgrad.errors.DegenerateWarning` says so, and the share that is undefined counts as 0. A function V·g(Λ)·Vᵀ of a
symmetric matrix that is written with `eigh` lacks what is off the diagonal within an eigenspace, and no warning can
tell; `fgrad.scipy.linalg.funm(x, g, hermitian=True)` has derivatives, of every order, that are right there, too.
`sqrtm`, `logm` and `expm` have them anyway.

One triangle: what reads one triangle of a symmetric or Hermitian matrix is a function of that triangle, and its
derivative by the other is exactly 0. These are `cholesky`, `cho_factor`, `eigh`, `eigvalsh` (the lower one, unless
`upper`, `UPLO` or SciPy's `lower=False` say otherwise), `solve_triangular`, and
`fgrad.scipy.linalg.solve(assume_a="sym", "her" or "pos")`. With `symmetrize_input=True`, or `hermitian=True` of
functions of matrices, it is a function of the mean of both, and gradients are symmetric. `solve`, `inv`, `det` and
`fgrad.implicit.linear_solve` read the whole matrix, whatever is said about it. On symmetric directions all agree.

## Accuracy

`expm1`, `log1p`, `logistic` (`sigmoid`), `logaddexp(x, 0)` (softplus), `-logaddexp(-x, 0)` (log-sigmoid), and
`log_softmax` (which `x - logsumexp(x)` is not) are right to a few units in the last place together with their first
three derivatives, at 0, −0, subnormal numbers, 1e−300, ±40, ±700 and infinities: a test holds them against mpmath. Only
the third derivatives of `log_softmax`, which vanish between equals, have the digits of the weights there. One function
is an exception: the derivative of `tanh`, 1 − tanh², is right to the last digit of 1, not of itself where it is tiny;
another exponential in every backward pass would cost four to seven times as much.
""",
}


def document() -> str:
    """The text of `docs/conventions.md`."""
    parts = [_PREFACE]
    for topic in dict.fromkeys(c.topic for c in CONVENTIONS):
        rows = [c for c in CONVENTIONS if c.topic == topic]
        parts.append(f"## {topic}\n")
        parts.append("| f(x) | x | value | derivative | further ones | why | others |\n|---|---|---|---|---|---|---|")
        parts += [_line(c) for c in rows]
        parts.append("")
        if topic in _NOTES:
            parts.append(_NOTES[topic])
    return "\n".join(parts).rstrip() + "\n"


def _line(row: Convention) -> str:
    value, first, *further = [_number(d) for d in row.derivatives]
    cells = [f"`{row.code}`", row.at, value, first, "; ".join(further), row.why, row.peers]
    return f"| {' | '.join(cells)} |"


def _number(x: Any) -> str:
    """A number, or nested lists of numbers, as text."""
    if isinstance(x, (list, tuple)):
        return f"({', '.join(_number(item) for item in x)})"
    text = f"{x:.6g}".replace("e-0", "e-").replace("nan", "NaN").replace("inf", "∞").replace("-", "−")
    return text.replace("j", "i")


if __name__ == "__main__":
    Path(*sys.argv[1:], "conventions.md").write_text(document(), "utf-8")
