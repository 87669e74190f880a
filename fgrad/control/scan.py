"""Loops of known length: `scan`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fgrad.control.bodies import Body, flat_tree, trace_body
from fgrad.control.carry import Carry, Naming, fit_numbers, flat_carry, settle
from fgrad.control.python_loops import python_scan
from fgrad.control.scan_rules import scan_p
from fgrad.control.segments import check_segments, segmented, unrolled
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.boundary import check_callable, flat_outputs, function_name, place_of
from fgrad.core.modes import runs_as_python
from fgrad.errors import ArgumentError, OutputTypeError, ShapeError, message, public
from fgrad.tree.table import describe

__all__ = ["run_scan", "scan"]


@public
def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    *,
    checkpoint: str | int | None = None,
    every: int | None = None,
) -> tuple[Any, Any]:
    """A loop that carries values and collects results: `carry, y = f(carry, x)` for every row `x` of `xs`.

    `f` is traced once, whatever the length; the loop runs its compiled program. Reverse mode keeps of every step what
    the derivative needs and cannot have from the inputs, and what does not vary in the loop once.

    Args:
        f: takes the carry and a row; returns the new carry, of the structure, shapes and dtypes of the old one, and a
            result, any pytree of arrays (or `None`).
        init: the first carry, a pytree of arrays.
        xs: a pytree of arrays, all with the same number of rows along axis 0; `None` for a loop without.
        length: the number of steps; needed where `xs` has no arrays.
        reverse: go through the rows from the last to the first; results stay with their rows.
        unroll: so many steps are written out as one; `True` for all.
        checkpoint: what reverse mode keeps of long loops, in place of the residuals of every step: `"sqrt"` keeps
            states in proportion to √n and computes each step twice; `"binomial"` keeps them in proportion to log₂ n
            and computes each step about log₂ n times; a number k is `every=k`.
        every: keep a state every so many steps, and compute the steps between again.

    Returns:
        The last carry, and the results stacked along a new axis 0.

    Raises:
        ShapeError: arrays of `xs` differ in length, or a carry changes its shape or dtype.
        TreeStructureError: the carry changes its structure.
        OutputTypeError: `f` does not return a pair.

    >>> import fgrad, numpy as np
    >>> fgrad.lax.scan(lambda total, x: (total + x, total * x), 0.0, np.array([1.0, 2.0, 3.0]))
    (np.float64(6.0), array([0., 2., 9.]))
    >>> fgrad.grad(lambda w: fgrad.lax.scan(lambda h, _: (np.tanh(w * h), None), 1.0, length=3)[0])(0.5)
    np.float64(0.62457646...)

    Source: for `"sqrt"` and `"binomial"`, Griewank and Walther, "Algorithm 799: Revolve", 2000.
    """
    check_callable(f, "scan", "scan(f, init, xs)")
    options: dict[str, Any] = {"length": length, "reverse": reverse, "unroll": unroll}
    return run_scan(f, init, xs, Naming("scan", f, "init"), **options, checkpoint=checkpoint, every=every)


def run_scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any,
    naming: Naming,
    *,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    checkpoint: str | int | None = None,
    every: int | None = None,
) -> tuple[Any, Any]:
    """`scan`, for functions that are made of it: messages speak of them."""
    verb = naming.verb
    leaves, carrydef = flat_tree(init, naming.parameter, verb)
    rows, rowsdef = flat_tree(xs, "xs", verb)
    length = _length(rows, xs, length, verb)
    check_segments(checkpoint, every, unroll, verb)
    if length and runs_as_python():
        return python_scan(lambda state, x: _pair(f(state, x), naming), init, rows, rowsdef, length, reverse)
    row_avals = [ShapedArray(a.shape[1:], a.dtype) for a in map(aval_of, rows)]
    outdef: Any = None

    def trace(carry: Carry, avals: list[ShapedArray]) -> Body:
        def flat(*args: Array) -> list[Array]:
            nonlocal outdef
            state = carrydef.unflatten(args[: len(avals)])
            new, y = _pair(f(state, rowsdef.unflatten(args[len(avals) :])), naming)
            outs = fit_numbers(flat_carry(new, carry), avals)
            ys, outdef = flat_outputs(y, verb, naming.fun)
            return [*outs, *ys]

        return trace_body(flat, [*avals, *row_avals], verb, naming.fun)

    carry, body = settle(Carry(leaves, carrydef, naming), trace)
    args = [*body.consts, *carry.leaves, *rows]
    count = len(carry.leaves)
    params = {"reverse": bool(reverse), "num_consts": len(body.consts), "num_carry": count}
    if checkpoint is not None or every is not None:
        outs = segmented(body.jaxpr, args, length, checkpoint if every is None else every, **params)
    elif unroll is True or unroll > 1:
        outs = unrolled(body.jaxpr, args, length, length if unroll is True else unroll, **params)
    else:
        outs = scan_p.bind(*args, jaxpr=body.jaxpr, length=length, **params)
    return carrydef.unflatten(outs[:count]), outdef.unflatten(outs[count:])


def _pair(pair: Any, naming: Naming) -> tuple[Any, Any]:
    """What the body returned: carry and result."""
    if isinstance(pair, (tuple, list)) and len(pair) == 2:
        return pair[0], pair[1]
    what = f"{naming.verb}: `{function_name(naming.fun)}` must return (carry, y), but it returned {describe(pair)}."
    raise OutputTypeError(message(what, cure="Return the new carry and this step's result, or (carry, None)."))


def _length(rows: Sequence[Array], xs: Any, length: int | None, verb: str) -> int:
    """The number of steps."""
    if length is not None and (isinstance(length, bool) or not hasattr(length, "__index__") or length < 0):
        what = f"{verb}: length must be the number of steps, got {describe(length)}."
        raise ArgumentError(message(what, cure="Give a non-negative integer, or leave it out where xs has arrays."))
    if not rows:
        if length is None:
            what = f"{verb} does not know how many steps to take: xs has no arrays."
            raise ArgumentError(message(what, cure="Give length, or xs."))
        return int(length)
    sizes: dict[int, str] = {}
    for i, x in enumerate(rows):
        shape = aval_of(x).shape
        if not shape:
            what = f"{verb} loops over rows, but {place_of([xs], ['xs'], i)} is {aval_of(x)}: it has none."
            cure = "Arrays in xs have a leading axis; let the function close over what is the same for all steps."
            raise ShapeError(message(what, cure=cure))
        sizes.setdefault(shape[0], place_of([xs], ["xs"], i))
    if length is not None:
        sizes.setdefault(int(length), "length")
    if len(sizes) > 1:
        listed = ", ".join(f"{n} for {place}" for n, place in sizes.items())
        cure = "All arrays in xs, and length, must agree in the number of rows (axis 0)."
        raise ShapeError(message(f"{verb} got different numbers of steps: {listed}.", cure=cure))
    return next(iter(sizes))
