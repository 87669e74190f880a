"""Primitives: the operations that programs are made of, each declared once, in one class."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, Final, NoReturn

import numpy as np

from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.interpreter import dispatch, replayed
from fgrad.core.jaxpr import Var
from fgrad.errors import FgradError, MissingRuleError, OutOfBoundsError, message

__all__ = ["BOUNDS_CURE", "ZERO", "Primitive", "Sample", "Zero", "instantiate", "is_linear_input", "registry"]

registry: dict[str, Primitive] = {}
"""Every declared primitive by name."""


def _declared(name: str, module: str) -> Primitive:
    """A primitive by name; the module that declares it is imported if need be."""
    if name not in registry:
        import_module(module)
    return registry[name]


BOUNDS_CURE = "Check the indices; fgrad.numpy.clip(index, 0, size - 1) moves them into the axis."

_SCALARS = frozenset({bool, int, float, complex})


class Zero:
    """A tangent or cotangent that is known to be zero and is never computed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Zero"

    def __reduce__(self) -> str:
        return "ZERO"


ZERO: Final = Zero()


def instantiate(t: Array | Zero, x: Array) -> Array:
    """The tangent `t` of `x` as an array: zeros of the shape and dtype of `x` where it is symbolic."""
    if t is not ZERO:
        return t
    aval = x.aval if type(x) is Var else aval_of(x)
    return np.zeros(aval.shape, aval.dtype)


def is_linear_input(x: Any) -> bool:
    """Whether an argument of a transpose rule is an unknown, the linear input (it is then a `Var`)."""
    return type(x) is Var


class Sample:
    """Arguments and parameters at which the generic tests try a primitive.

    Attributes:
        args: positional arguments; arrays, or functions of a `numpy.random.Generator` that draw them.
        params: the primitive's parameters.
    """

    __slots__ = ("args", "params")

    def __init__(self, *args: Any, **params: Any) -> None:
        self.args = args
        self.params = params

    def draw(self, rng: np.random.Generator) -> list[Array]:
        """Concrete arguments."""
        return [a(rng) if callable(a) else a for a in self.args]


class Primitive:
    """The base of every primitive. A subclass is a declaration; its one instance is the operation.

    Attributes:
        name: the class's name in snake case.
        multiple: the results are a list.
        preserves_weak: Python scalars alone give a Python scalar, as Python's own operators do.
        opaque: any result may be an argument or a constant as it is, or a view of one.
        effect: it does something besides computing its results: an equation of it is never dropped, repeated, merged
            with another, or moved past another such equation.
        samples: what the generic tests are run on.
    """

    name: str
    multiple: bool = False
    preserves_weak: bool = False
    opaque: bool = False
    effect: bool = False
    samples: Iterable[Sample] = ()
    impl: Callable[..., Any]

    def __init__(self) -> None:
        self.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()
        if self.name in registry:
            raise ValueError(f"a primitive named {self.name!r} is declared already")
        registry[self.name] = self

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> Any:
        return _declared, (self.name, type(self).__module__)

    def bind(self, *args: Array, **params: Any) -> Any:
        """Applies the primitive in the current context."""
        return dispatch(self, args, params)

    def __call__(self, *args: Array, **params: Any) -> Any:
        return dispatch(self, args, params)

    def evaluate(self, args: Sequence[Array], params: dict[str, Any]) -> Any:
        """Computes with NumPy."""
        try:
            out = self.impl(*args, **params)
        except Exception as error:
            self.explain(error, [aval_of(x) for x in args], params)
            raise
        if self.preserves_weak and type(out) is not np.ndarray:
            for x in args:
                if type(x) not in _SCALARS:
                    return out
            return out.item() if isinstance(out, np.generic) else out
        return out

    def explain(self, error: Exception, avals: Sequence[ShapedArray], params: dict[str, Any]) -> None:
        """Raises in place of an error that was met with arrays the one that their shapes alone lead to: it says more.

        Args:
            error: what was raised, by NumPy as a rule.
            avals: the arguments.
            params: the parameters.
        """
        try:
            self.shape(*avals, **params)
        except FgradError as explained:
            raise explained from None
        except Exception:  # noqa: BLE001 (the error that is being explained is the better one)
            return
        if isinstance(error, IndexError) and not isinstance(error, FgradError):
            raise OutOfBoundsError(message(f"{error}.", at=replayed.get(), cure=BOUNDS_CURE)) from None

    # The rules below are declared with the parameters of their primitive: their general form stands in the doc string.

    def shape(self, *avals: Any, **params: Any) -> Any:
        """`shape(*avals, **params)`: the abstract results. Only here is validated: its errors are the user's errors."""
        self._missing("shape")

    def jvp(self, *args: Any, **params: Any) -> Any:
        """`jvp(out, xs, ts, **params)`: the tangent of `out` at `xs` along `ts`, at least one of which is not
        `ZERO`."""
        self._missing("jvp")

    def transpose(self, *args: Any, **params: Any) -> Any:
        """`transpose(ct, *xs, **params)`: cotangents of the linear inputs, those that are a `Var`; `None` for
        others."""
        self._missing("transpose")

    def batch(self, *args: Any, **params: Any) -> Any:
        """`batch(size, xs, dims, **params)`: the result over one more axis, and where that axis is in it."""
        self._missing("batch")

    def over_axis(self, *args: Any, **params: Any) -> tuple[Any, int | None]:
        """`over_axis(size, xs, dims, **params)`: as `batch`, for collectives, over the very axis that they name."""
        self._missing("over_axis")

    def lower(self, *args: Any, **params: Any) -> str:
        """`lower(write, names, out, **params)`: a NumPy expression for the result.

        `names` are the expressions of the arguments; `out` names an array that may be overwritten, where `inplace`
        allows.
        """
        write, names, _ = args
        impl = write.constant(self.impl, self.name)
        given = [*names, *(f"{key}={write.constant(value, key)}" for key, value in params.items())]
        return f"{impl}({', '.join(given)})"

    def inplace(self, *args: Any, **params: Any) -> bool:
        """`inplace(avals, out, **params)`: whether the lowered expression can write its result into a given array."""
        return False

    def fills(self, *args: Any, **params: Any) -> bool:
        """`fills(avals, out, **params)`: whether it can write it into a given array that is none of the operands."""
        return self.inplace(*args, **params)

    def is_view(self, *args: Any, **params: Any) -> bool:
        """`is_view(**params)`: whether the result may share memory with the first argument."""
        return False

    def pushforward(self, xs: Sequence[Array], ts: Sequence[Array | Zero], params: dict[str, Any]) -> tuple[Any, Any]:
        """Result and tangent. Higher-order primitives, which compute the two together, override this."""
        out = dispatch(self, tuple(xs), params)
        return out, self.jvp(out, xs, ts, **params)

    linearize: Callable[..., tuple[Any, Any]] | None = None
    """As `pushforward`, where tangents are being recorded and the result must not depend on them; `None` if it is the
    same."""

    def is_affine(self, varying: Sequence[bool]) -> bool:
        """Whether, as a function of the arguments that vary, taken together, the result has a constant derivative."""
        return False

    series: Callable[..., Iterator[Array | Zero] | None] | None = None
    """`series(out, *xs, **params)`: generates the Taylor coefficients of the result, from the first on, from the series
    of the arguments (primitives/coefficients.py). The k-th one must not ask an argument for more than its k-th. Where
    it is `None`, or returns `None` for these arguments, they are found from the derivative."""

    jet: Callable[..., tuple[Any, Any]] | None = None
    """`jet(order, xs, terms, params)`: result, and its Taylor coefficients from the first to the one of that order, for
    higher-order primitives, which compute the two together. Each of `terms` is `ZERO` or a list of coefficients."""

    is_call: bool = False
    """Whether it means no more than the function in its parameters, `jaxpr` or `fun`, applied to the arguments."""

    def _missing(self, slot: str) -> NoReturn:
        file = inspect.getsourcefile(type(self))
        where = f"class {type(self).__name__} in {file}"
        what = f"primitive `{self.name}` declares no `{slot}`."
        raise MissingRuleError(message(what, at=replayed.get(), cure=f"Add it to {where}."))
