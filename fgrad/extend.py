"""Primitives of one's own, from functions of NumPy arrays: SciPy's, a compiled library's, one's own.

>>> import fgrad, numpy as np
>>> @fgrad.extend.primitive(elementwise=True, derivative=lambda out, x: np.cos(x))
... def my_sin(x):
...     return np.sin(x)
>>> fgrad.grad(fgrad.jit(my_sin))(0.0), fgrad.vmap(fgrad.grad(fgrad.grad(my_sin)))(np.zeros(2))
(np.float64(1.0), array([-0., -0.]))
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from fgrad.api.trace import ShapeDtypeStruct
from fgrad.control.custom_rule import custom_rule
from fgrad.control.external import pure_callback
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.boundary import check_callable, function_name
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, NonDifferentiableError, OutputTypeError, ShapeError, message, public
from fgrad.numpy.dispatch import as_operand
from fgrad.primitives.elementwise import Elementwise
from fgrad.tree import flatten
from fgrad.tree.functions import tree_map
from fgrad.tree.table import describe

__all__ = ["primitive"]

_Rule = Callable[..., Any]


@public
def primitive(
    fun: Callable[..., Any] | None = None,
    *,
    elementwise: bool = False,
    derivative: _Rule | Sequence[_Rule | None] | None = None,
    jvp: _Rule | None = None,
    vjp: _Rule | None = None,
    shape: Callable[..., Any] | None = None,
    dtype: Any = None,
    vmap_method: str | None = None,
    name: str | None = None,
) -> Any:
    """A function of NumPy arrays that fgrad does not look into, as an operation that every transform knows.

    The function is called with NumPy arrays, also under `jit`; it must be pure and must not write into its arguments.
    Derivatives are said by rules, which are traced like any other function: they may call what is defined here, too,
    and derivatives of every order follow.

    An element-wise function (`elementwise=True`) takes arrays that broadcast together. Its rule is `derivative`: for
    every argument a function `d(out, *xs)`, the partial derivative, which is multiplied with tangents and cotangents.

    Any other function maps pytrees of arrays to such. Its rules are `jvp(out, xs, ts)`, the tangent of the result for
    tangents `ts` of the arguments, and `vjp(out, xs, ct)`, a tuple of the cotangents of the arguments. One of them
    is enough: the other mode transposes it.

    Args:
        fun: the function. Left out, `primitive(...)` is a decorator.
        elementwise: it is applied element by element.
        derivative: of an element-wise function: one function per argument, `None` for those without a derivative; for
            one argument it need not be in a list.
        jvp: the tangent of the result, linear in the tangents.
        vjp: the cotangents of the arguments, linear in that of the result; `None` for an argument that has none.
        shape: `shape(*xs)`, of `ShapeDtypeStruct`s, gives those of the results. By default the function is called
            once to see what it returns: with the arguments where their values are known, and with arbitrary positive
            numbers under `jit`.
        dtype: of the result of an element-wise function; by default it is called with ones to see.
        vmap_method: how to call a function that is not element-wise under `vmap`, as for `fgrad.pure_callback`: for
            one row after the other, or for all at once ("broadcast_all", "expand_dims").
        name: how programs show it; the function's own name by default.

    Returns:
        The function, for arrays and for traced arrays.

    Raises:
        ArgumentError: rules do not go together, or the type of the result cannot be found by a call.
        NonDifferentiableError: (when it is differentiated) there is no rule.
        ShapeError: (when it is called) the function, or a rule, returns another shape than it should.

    >>> import fgrad, numpy as np
    >>> from fgrad import extend
    >>> power = extend.primitive(
    ...     np.float_power, elementwise=True,
    ...     derivative=[lambda out, x, y: y * x ** (y - 1), lambda out, x, y: out * np.log(x)],
    ... )
    >>> fgrad.grad(power, argnums=(0, 1))(2.0, 3.0)
    (np.float64(12.0), np.float64(5.545177444479562))
    >>> @extend.primitive(vjp=lambda y, xs, ct: (np.outer(-np.linalg.solve(xs[0].T, ct), y),))
    ... def solution(A):
    ...     return np.linalg.solve(A, np.ones(len(A)))
    >>> fgrad.jit(fgrad.grad(lambda A: solution(A)[0]))(np.diag([2.0, 4.0]))
    array([[-0.25 , -0.125],
           [-0.   , -0.   ]])
    """
    if fun is None:
        return functools.partial(
            primitive,
            elementwise=elementwise,
            derivative=derivative,
            jvp=jvp,
            vjp=vjp,
            shape=shape,
            dtype=dtype,
            vmap_method=vmap_method,
            name=name,
        )
    check_callable(fun, "extend.primitive", "extend.primitive(f, elementwise=True, derivative=df)")
    called = name or function_name(fun)
    given = {
        "derivative": derivative,
        "dtype": dtype,
        "jvp": jvp,
        "vjp": vjp,
        "shape": shape,
        "vmap_method": vmap_method,
    }
    wrong = ("jvp", "vjp", "shape", "vmap_method") if elementwise else ("derivative", "dtype")
    for key in wrong:
        if given[key] is not None:
            kind = "an element-wise function" if elementwise else "a function that is not element-wise"
            cure = (
                "Give `derivative`, and `dtype`." if elementwise else "Give `jvp`, `vjp`, `shape`; or elementwise=True."
            )
            raise ArgumentError(message(f"`{key}` means nothing for `{called}`, {kind}.", cure=cure))
    if elementwise:
        return _elementwise(fun, called, derivative, dtype)
    return _opaque(fun, called, jvp, vjp, shape, vmap_method)


def _elementwise(
    fun: Callable[..., Any], name: str, derivative: _Rule | Sequence[_Rule | None] | None, dtype: Any
) -> Callable[..., Array]:
    rules: list[_Rule | None] | None = None
    if derivative is not None:
        rules = [derivative] if callable(derivative) else list(derivative)
    for i, rule in enumerate(rules or []):
        if rule is not None and not callable(rule):
            what = f"the derivative of `{name}` by its argument {i} must be a function, got {describe(rule)}."
            raise ArgumentError(message(what, cure="Write lambda out, *xs: …, or None where there is no derivative."))
    made = ExtendedElementwise(fun, name, rules, dtype)

    @public
    @functools.wraps(fun)
    def apply(*xs: Any) -> Array:
        if rules is not None and len(xs) != len(rules):
            what = f"`{name}` takes {len(rules)} arguments, those it has derivatives for, but was given {len(xs)}."
            raise TypeError(message(what, cure="Give `derivative` one function, or None, per argument."))
        return made.bind(*[as_operand(x) for x in xs])

    apply.__dict__["primitive"] = made
    return apply


def _restored(module: str, name: str) -> Any:
    return operator.attrgetter(name)(import_module(module)).primitive


class ExtendedElementwise(Elementwise):
    """An element-wise function that a user has made a primitive of."""

    def __init__(self, fun: Callable[..., Any], name: str, rules: list[_Rule | None] | None, dtype: Any) -> None:
        self.name = name  # it is not in the registry: several may have the same name
        self._dtypes: dict[Any, np.dtype[Any]] = {}
        self.fun, self.rules = fun, rules
        self.dtype = None if dtype is None else np.dtype(dtype)

    def __reduce__(self) -> Any:
        return _restored, (self.fun.__module__, self.fun.__qualname__)

    def impl(self, *xs: Array) -> Array:
        out = np.asarray(self.fun(*xs), self.dtype)
        wanted = np.broadcast_shapes(*map(np.shape, xs))
        if out.shape != wanted:
            what = (
                f"`{self.name}` of arrays of shapes {', '.join(map(str, map(np.shape, xs)))} returned {aval_of(out)}."
            )
            raise ShapeError(message(what, cure=f"An element-wise function must return an array of shape {wanted}."))
        return out[()]

    def result_dtype(self, keys: tuple[Any, ...], avals: Sequence[ShapedArray]) -> np.dtype[Any]:
        if self.dtype is not None:
            known: np.dtype[Any] = self.dtype
            return known
        some = [key(1) if isinstance(key, type) else np.ones(1, key) for key in keys]
        found: np.dtype[Any] = np.asarray(_tried(self.fun, some, self.name, "dtype=np.float64")).dtype
        return found

    def derivative(self, out: Array, *xs: Array) -> Any:
        if self.rules is None:
            what = f"`{self.name}` has no derivative: it was made a primitive without one."
            raise NonDifferentiableError(message(what, cure="Give extend.primitive derivative=lambda out, x: …"))
        partials = [functools.partial(self._partial, i, out, xs) for i in range(len(xs))]
        return partials[0]() if len(xs) == 1 else partials

    def _partial(self, i: int, out: Array, xs: Sequence[Array]) -> Array:
        rule = (self.rules or [])[i]
        if rule is None:
            what = f"`{self.name}` has no derivative by its argument {i}."
            cure = f"Give extend.primitive a function in place {i} of `derivative`, or use fgrad.stop_gradient."
            raise NonDifferentiableError(message(what, cure=cure))
        found: Array = rule(out, *xs)
        shape, wanted = aval_of(as_operand(found)).shape, aval_of(out).shape
        try:
            fits = np.broadcast_shapes(shape, wanted) == wanted
        except ValueError:
            fits = False
        if not fits:
            what = f"the derivative of `{self.name}` by its argument {i} has shape {shape}, its result {wanted}."
            raise ShapeError(message(what, cure="The rule must be element-wise, too."))
        return as_operand(found)


def _opaque(
    fun: Callable[..., Any],
    name: str,
    jvp: _Rule | None,
    vjp: _Rule | None,
    shape: Callable[..., Any] | None,
    vmap_method: str | None,
) -> Callable[..., Any]:
    types = _ResultTypes(fun, name, shape)

    @functools.wraps(fun)
    def compute(*xs: Any) -> Any:
        if not any([type(x) is Tracer for x in flatten(xs)[0]]):
            return fun(*xs)
        return pure_callback(fun, types(xs), *xs, vmap_method=vmap_method)

    made = custom_rule(compute)

    def pushed(xs: Any, ts: Any) -> Any:
        if jvp is None:
            what = f"`{name}` has no derivative: it was made a primitive without one."
            raise NonDifferentiableError(message(what, cure="Give extend.primitive jvp=…, or vjp=…"))
        out = made(*xs)
        return out, jvp(out, xs, ts)

    def forward(*xs: Any) -> Any:
        out = made(*xs)
        return out, (out, xs)

    if vjp is not None:
        made.defvjp(forward, lambda res, ct: vjp(*res, ct))
    if jvp is not None or vjp is None:
        made.defjvp(pushed)
    return made  # type: ignore[no-any-return]


class _ResultTypes:
    """What a function returns, for arguments of given types; it is asked once for each."""

    def __init__(self, fun: Callable[..., Any], name: str, shape: Callable[..., Any] | None) -> None:
        self.fun, self.name, self.shape = fun, name, shape
        self.known: dict[Any, Any] = {}

    def __call__(self, xs: tuple[Any, ...]) -> Any:
        leaves, treedef = flatten(xs)
        structs = [ShapeDtypeStruct(a.shape, a.dtype) for a in map(aval_of, leaves)]
        key = (treedef, *structs)
        if key not in self.known:
            self.known[key] = self._found(leaves, treedef, structs)
        return self.known[key]

    def _found(self, leaves: list[Any], treedef: Any, structs: list[ShapeDtypeStruct]) -> Any:
        if self.shape is not None:
            return self.shape(*treedef.unflatten(structs))
        values = [x.concrete if type(x) is Tracer else x for x in leaves]
        if any([v is None for v in values]):
            some = treedef.unflatten([_some(s) for s in structs])
            out = _tried(self.fun, some, self.name, "shape=lambda *xs: fgrad.ShapeDtypeStruct(…, …)")
        else:
            out = self.fun(*treedef.unflatten(values))
        return tree_map(self._type, out)

    def _type(self, y: Any) -> ShapeDtypeStruct:
        try:
            aval = aval_of(y)
        except TypeError:
            what = f"`{self.name}` returned {describe(y)}: that is not an array."
            raise OutputTypeError(message(what, cure="Return NumPy arrays.")) from None
        return ShapeDtypeStruct(aval.shape, aval.dtype)


def _some(struct: ShapeDtypeStruct) -> Array:
    """Numbers between ½ and 1½, no two of them alike, so that a matrix of them is not singular; ones of integers."""
    spread = (np.arange(struct.size) * 0.6180339887) % 1 + 0.5 if struct.dtype.kind in "fc" else np.ones(struct.size)
    return spread.astype(struct.dtype).reshape(struct.shape)[()]


def _tried(fun: Callable[..., Any], some: Sequence[Any], name: str, say: str) -> Any:
    """What a function returns for arbitrary numbers."""
    try:
        with np.errstate(all="ignore"):
            return fun(*some)
    except Exception as error:
        what = f"`{name}` was called with arbitrary numbers to see what it returns, and raised {type(error).__name__}:"
        cure = f"Say what it returns: extend.primitive(…, {say})."
        raise ArgumentError(message(f"{what} {error}", cure=cure)) from error
