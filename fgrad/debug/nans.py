"""Every operation checked for NaNs while it is computed: an interpreter below all others."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import numpy as np

from fgrad.core.aval import Array, aval_of, is_inexact
from fgrad.core.interpreter import replayed
from fgrad.core.primitive import Primitive
from fgrad.debug.nan import NonFinite, Watch
from fgrad.errors import NonFiniteError, SourceLine, is_library, user_line
from fgrad.transforms import transpose

__all__ = ["nans"]

_CURE = "fgrad.debug.explain_nan(f, *args) tells whether a result depends on it; numpy.where can leave it out."
_RULES = ("jvp", "derivative")


class Check(Watch):
    """Refuses the first result that is a NaN, or, if that is asked for, infinite."""

    as_python = True
    watches = True

    def __init__(self, inf: bool) -> None:
        super().__init__(None)
        self.verb = "debug.nans"
        self.closed = self.encloses = False
        self.inf = inf

    def _origin(
        self, primitive: Primitive, values: Sequence[Array], y: Array, found: NonFinite | None
    ) -> NonFinite | None:
        if not is_inexact(aval_of(y).dtype) or not (np.isnan(y).any() or (self.inf and np.isinf(y).any())):
            return None
        operation, phase, source = _cause(primitive)
        operands = tuple(self._plain(x) for x in values)
        told = NonFinite(operation, phase, source, operands, y, tuple(self._steps))
        raise NonFiniteError(f"{told}\n  {_CURE}")


def _cause(primitive: Primitive) -> tuple[str, str, SourceLine | None]:
    """What the operation belongs to, whose result has just been computed: itself, the derivative of an operation, or
    the way back through one; and the user's line."""
    frame: FrameType | None = sys._getframe(1)
    ruled: SourceLine | None = None  # a line of a rule of the user's
    while frame is not None:
        owner = frame.f_locals.get("self")
        if frame.f_code is transpose._transpose_eqn.__code__:
            eqn = frame.f_locals["eqn"]
            return (primitive.name, "transpose", ruled) if ruled else (eqn.primitive.name, "transpose", eqn.source)
        if frame.f_code.co_name in _RULES and isinstance(owner, Primitive):
            return (primitive if ruled else owner).name, "derivative", ruled or replayed.get() or user_line()
        if ruled is None and not is_library(frame.f_code.co_filename):
            ruled = SourceLine(frame.f_code, frame.f_lasti)
        frame = frame.f_back
    return primitive.name, "forward", replayed.get() or user_line()


@contextmanager
def nans(inf: bool = False) -> Iterator[None]:
    """In its extent every operation checks its result, and the first NaN is an error that says where it comes from.

    The error names the operation, the line of the program, the operands, and whether it happened on the way forward,
    in a derivative, or on the way back. Functions made by `jit` run as Python meanwhile, operation by operation; what
    is computed with NumPy outside of fgrad's functions is watched by NumPy itself, which raises `FloatingPointError`,
    too. Also a NaN that is left out again by `numpy.where` is an error; `explain_nan` tells those apart.

    Use it as `with fgrad.debug.nans():`, or as the decorator `@fgrad.debug.nans()`.

    Args:
        inf: refuse infinities as well.

    Raises:
        NonFiniteError: a result has a NaN in it; it is a `FloatingPointError`.

    >>> import fgrad, numpy as np
    >>> loss = fgrad.jit(lambda x: np.log(x - 1.0).sum())
    >>> with fgrad.debug.nans():
    ...     loss(np.array([2.0, 0.5]))
    Traceback (most recent call last):
    fgrad.errors.NonFiniteError: The first value that is not finite comes from `log`.
    ...
    """
    raised = {"invalid": "raise", "divide": "raise" if inf else None, "over": "raise" if inf else None}
    with np.errstate(**{key: value for key, value in raised.items() if value}), Check(inf):  # type: ignore[arg-type]
        yield
