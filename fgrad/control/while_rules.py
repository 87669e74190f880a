"""The primitive of loops that end by a condition, `while_loop`, and all its rules.

The number of steps is not known before the loop has run. Where values are known, reverse mode runs the loop, with
residuals on a growing list, and goes on with a loop of known length; where they are not (under `jit`), it records an
equation that does so when it is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from fgrad.control.all_rows import masked_loop
from fgrad.control.bodies import BodyPrimitive, ignoring, told, transpose_by_linearizing
from fgrad.control.deferred import deferred_linear, equation, is_known, linearize_now
from fgrad.control.expansions import expand_while
from fgrad.control.rows import values
from fgrad.control.scan_rules import batch_body, jvp_body, linearize_scan
from fgrad.control.segments import segmented
from fgrad.control.while_rows import carried, while_rows
from fgrad.control.while_run import run_while
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.interpreter import Tracer
from fgrad.core.jaxpr import ClosedJaxpr, without_effects
from fgrad.core.primitive import ZERO, Zero, instantiate
from fgrad.errors import JaxprError
from fgrad.transforms.batch import uses_axis
from fgrad.transforms.jaxprs import batch_jaxpr, rows_jaxpr, to_front

__all__ = ["while_p"]

Tangents: TypeAlias = Sequence[Array | Zero]


class WhileLoop(BodyPrimitive):
    """`while_loop(*cond_consts, *body_consts, *init, cond_jaxpr=, body_jaxpr=, num_cond=, num_body=, checkpoint=)`:
    applies a body to a carry as long as a condition of it holds."""

    def impl(
        self,
        *args: Array,
        cond_jaxpr: ClosedJaxpr,
        body_jaxpr: ClosedJaxpr,
        num_cond: int,
        num_body: int,
        checkpoint: str | int | None,
    ) -> list[Array]:
        return run_while(args, cond_jaxpr, body_jaxpr, num_cond, num_body)[0]

    def shape(
        self,
        *avals: ShapedArray,
        cond_jaxpr: ClosedJaxpr,
        body_jaxpr: ClosedJaxpr,
        num_cond: int,
        num_body: int,
        checkpoint: str | int | None,
    ) -> list[ShapedArray]:
        given = [(a.shape, a.dtype) for a in avals]
        needed = [(a.shape, a.dtype) for a in [*cond_jaxpr.in_avals[:num_cond], *body_jaxpr.in_avals]]
        if given != needed:
            raise JaxprError(f"`while_loop` applies a program of {needed} to {given}")
        return body_jaxpr.in_avals[num_body:]

    def pushforward(self, xs: Sequence[Array], ts: Tangents, params: dict[str, Any]) -> tuple[list[Array], list[Any]]:
        num_cond, num_body = params["num_cond"], params["num_body"]
        nz = tuple(t is not ZERO for t in ts[num_cond:])
        pushed, nz, _ = jvp_body(params["body_jaxpr"], num_body, len(nz) - num_body, nz)
        full = [instantiate(t, x) if m else ZERO for x, t, m in zip(xs[num_cond:], ts[num_cond:], nz, strict=True)]
        t_consts = [t for t in full[:num_body] if t is not ZERO]
        t_carry = [t for t in full[num_body:] if t is not ZERO]
        cond = ignoring(params["cond_jaxpr"], tuple(aval_of(t) for t in t_carry))
        middle = num_cond + num_body
        outs = self.bind(
            *xs[:middle], *t_consts, *xs[middle:], *t_carry,
            **{**params, "cond_jaxpr": cond, "body_jaxpr": pushed, "num_body": num_body + len(t_consts)},
        )  # fmt: skip
        count = len(xs) - middle
        tangents = iter(outs[count:])
        return outs[:count], [next(tangents) if m else ZERO for m in nz[num_body:]]

    def jet(
        self, order: int, xs: Sequence[Array], terms: Sequence[Any], params: dict[str, Any]
    ) -> tuple[list[Array], list[Any]]:
        return expand_while(self, order, xs, terms, params)

    def linearize(self, xs: Sequence[Array], ts: Tangents, params: dict[str, Any]) -> tuple[list[Array], list[Any]]:
        if not is_known(xs):
            form = equation(self, [aval_of(x) for x in xs], params)
            return self.bind(*xs, **params), deferred_linear(form, xs, ts)
        num_cond, num_body = params["num_cond"], params["num_body"]
        args, tangents = xs[num_cond:], ts[num_cond:]
        counts = {"num_consts": num_body, "num_carry": len(args) - num_body}
        if params["checkpoint"] is not None:
            steps = self._steps(xs, params)
            pieces = {"length": steps, "scheme": params["checkpoint"], "reverse": False, **counts}
            return linearize_now(lambda *given: segmented(params["body_jaxpr"], given, **pieces), args, tangents)
        scan_params = {"jaxpr": params["body_jaxpr"], "length": None, "reverse": False, **counts}
        if any(type(x) is Tracer for x in xs):
            scan_params["length"] = self._steps(xs, params)
            return linearize_scan(args, tangents, scan_params)

        def run(given: Sequence[Array], forward: dict[str, Any]) -> tuple[list[Array], int]:
            cond_jaxpr, body_jaxpr = params["cond_jaxpr"], forward["jaxpr"]
            with told():
                return run_while([*xs[:num_cond], *given], cond_jaxpr, body_jaxpr, num_cond, forward["num_consts"])

        return linearize_scan(args, tangents, scan_params, run)

    def _steps(self, xs: Sequence[Array], params: dict[str, Any]) -> int:
        """How many steps the loop takes."""
        # The steps themselves will be taken afterwards: what has an effect has it then.
        cond_jaxpr, body_jaxpr = params["cond_jaxpr"], without_effects(params["body_jaxpr"])
        with told():
            return run_while(values(xs), cond_jaxpr, body_jaxpr, params["num_cond"], params["num_body"])[1]

    def transpose(self, ct: Tangents, *xs: Any, **params: Any) -> list[Any]:
        return transpose_by_linearizing(self, ct, xs, params)

    def batch(
        self,
        size: int,
        xs: Sequence[Array],
        dims: Sequence[int | None],
        *,
        cond_jaxpr: ClosedJaxpr,
        body_jaxpr: ClosedJaxpr,
        num_cond: int,
        num_body: int,
        checkpoint: str | int | None,
    ) -> tuple[list[Array], list[int | None]]:
        middle = num_cond + num_body
        inside = (*dims[num_cond:middle], *(None if d is None else 0 for d in dims[middle:]))
        body, mapped = batch_body(body_jaxpr, size, inside, num_body, len(xs) - middle)
        cond_dims = (*dims[:num_cond], *(0 if m else None for m in mapped))
        if batch_jaxpr(cond_jaxpr, size, cond_dims)[1] == [None]:
            cond = rows_jaxpr(cond_jaxpr, size, cond_dims, (False,))
            init = [
                to_front(x, d, size) if m else x for x, d, m in zip(xs[middle:], dims[middle:], mapped, strict=True)
            ]
            params = {"num_cond": num_cond, "num_body": num_body, "checkpoint": checkpoint}
            outs = self.bind(*xs[:middle], *init, cond_jaxpr=cond, body_jaxpr=body, **params)
            return outs, [0 if m else None for m in mapped]
        if uses_axis(size, cond_jaxpr, body_jaxpr):
            consts = tuple(d is not None for d in dims[:middle])
            cond, body = masked_loop(body_jaxpr, cond_jaxpr, size, consts, num_cond)
            given = [x if d is None else to_front(x, d, size) for x, d in zip(xs[:middle], dims, strict=False)]
            init = [to_front(x, d, size) for x, d in zip(xs[middle:], dims[middle:], strict=True)]
            params = {"num_cond": num_cond, "num_body": middle, "checkpoint": checkpoint}
            outs = self.bind(*given[:num_cond], *given, *init, cond_jaxpr=cond, body_jaxpr=body, **params)
            return outs, [0] * len(outs)
        starts = tuple(d is not None for d in dims[num_cond:])
        over = tuple(d is not None for d in dims[:middle]) + carried(body_jaxpr, num_body, starts)
        rows = [to_front(x, d, size) if m else x for x, d, m in zip(xs, dims, over, strict=True)]
        programs = {"cond_jaxpr": cond_jaxpr, "body_jaxpr": body_jaxpr}
        outs = while_rows.bind(*rows, **programs, num_cond=num_cond, num_body=num_body, rows=size, mapped=over)
        return outs, [0] * len(outs)


while_p = WhileLoop()
