"""Compilation of functions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from types import MethodType
from typing import Any, Generic, NoReturn, ParamSpec, TypeVar, overload

import numpy as np

from fgrad.api.entry import MISSED, Entry, compile_entry
from fgrad.api.retracing import CacheEntry, CacheInfo, Miss, Signature, explain_miss, forbid_retrace
from fgrad.compiler.analysis import CostAnalysis, MemoryAnalysis
from fgrad.compiler.buffers import Buffers
from fgrad.compiler.compiled import Compiled
from fgrad.compiler.failures import explain
from fgrad.compiler.shared import compile_shared
from fgrad.control.call import close_over
from fgrad.control.jit_call import jit_call
from fgrad.core.aval import Array, ShapedArray, aval_of
from fgrad.core.boundary import call, check_callable, flat_leaves, flat_outputs, function_name, parameter_names
from fgrad.core.interpreter import Tracer, current
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.core.modes import runs_as_python, watched
from fgrad.errors import ArgumentError, FgradError, UnhashableStaticError, hide_frames, message, public, unveil
from fgrad.transforms.batch import named_axes
from fgrad.transforms.stage import trace
from fgrad.tree import PyTreeDef, flatten, flatten_with_path, keystr
from fgrad.tree.table import describe
from fgrad.tree.text import listing

__all__ = ["Jitted", "Lowered", "jit"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


_OFTEN = 64
"""Calls with a signature after which an entry is written for it, which takes as long as some hundred calls."""

_ENTRIES = 4
"""So many signatures are tried one after the other."""


class _Traced:
    """A function, traced for one signature; compiled when it is first run by itself."""

    __slots__ = ("arguments", "buffers", "function", "hits", "jaxpr", "name", "outdef", "signature")

    def __init__(
        self, jaxpr: ClosedJaxpr, outdef: PyTreeDef, name: str, arguments: list[str], signature: Signature
    ) -> None:
        self.jaxpr = jaxpr
        self.outdef = outdef
        self.name = name
        self.arguments = arguments
        self.signature = signature
        self.hits = 0
        self.function: Callable[..., tuple[Any, ...]] | None = None
        self.buffers: Buffers | None = None

    def __del__(self) -> None:
        # What was compiled may be remembered for longer, but not the memory that it keeps.
        if self.buffers is not None:
            self.buffers.clear()

    def compile(self) -> Compiled:
        compiled = compile_shared(self.jaxpr, self.name, self.arguments)
        self.buffers = compiled.buffers
        return compiled


@overload
def jit(
    fun: Callable[P, R],
    *,
    static_argnums: int | Sequence[int] | None = None,
    static_argnames: str | Iterable[str] | None = None,
) -> Jitted[P, R]: ...
@overload
def jit(
    fun: None = None,
    *,
    static_argnums: int | Sequence[int] | None = None,
    static_argnames: str | Iterable[str] | None = None,
) -> Callable[[Callable[P, R]], Jitted[P, R]]: ...
@public
def jit(
    fun: Callable[P, R] | None = None,
    *,
    static_argnums: int | Sequence[int] | None = None,
    static_argnames: str | Iterable[str] | None = None,
) -> Any:
    """A compiled version of `fun`: traced once per signature, run as straight NumPy code from then on.

    The signature is the tree structure of the arguments, the shape and dtype of every array, and the values of static
    arguments. The results have the values (up to rounding) and dtypes of `fun`; they own their memory.

    Args:
        fun: a pure function of arrays in pytrees. Left out, `jit(...)` is a decorator.
        static_argnums: positions of arguments that are passed on as they are. They must be hashable; another value is
            another signature. The parameter names are inferred, and the other way round.
        static_argnames: names of such arguments.

    Returns:
        A `Jitted` function; its `lower(*args)` shows the jaxpr and the generated source.

    Raises:
        UnhashableStaticError: a static argument is not hashable.
        TracerBoolConversionError: the function decides by the value of an array (`if x > 0`).

    >>> import fgrad, numpy as np
    >>> @fgrad.jit
    ... def norm(x):
    ...     return np.sqrt((x * x).sum())
    >>> norm(np.array([3.0, 4.0]))
    np.float64(5.0)
    """
    if fun is None:
        return lambda f: jit(f, static_argnums=static_argnums, static_argnames=static_argnames)
    check_callable(fun, "jit")
    return Jitted(fun, static_argnums, static_argnames)


class Jitted(Generic[P, R_co]):
    """A function that is compiled when it is called; see `jit`."""

    __wrapped__: Callable[P, R_co]

    def __init__(
        self,
        fun: Callable[P, R_co],
        static_argnums: int | Sequence[int] | None,
        static_argnames: str | Iterable[str] | None,
    ) -> None:
        functools.update_wrapper(self, fun)
        self.__wrapped__ = fun
        self._name = function_name(fun)
        self._static_nums, self._static_names = _static_arguments(fun, static_argnums, static_argnames)
        self._cache: dict[Hashable, _Traced] = {}
        self._treedef: PyTreeDef | None = None
        self._misses = 0
        self._last_miss: Miss | None = None
        self._entries: tuple[Entry, ...] = ()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        try:
            static: Hashable = None
            dynamic: Any = (args, kwargs) if kwargs else args
            if self._entries and current.get() is None:
                for entry in self._entries:
                    out = entry(dynamic)
                    if out is not MISSED:
                        return out  # type: ignore[no-any-return]
            if self._static_names or self._static_nums:
                dynamic, static = self._split(args, kwargs)
            treedef: Any = self._treedef
            leaves = treedef.match(dynamic) if treedef is not None else None
            if leaves is None:
                leaves, treedef = flatten(dynamic)
                self._treedef = treedef
            key = (treedef.layout, _signature(leaves), static)
            traced = self._cache.get(key)
            if traced is None or traced.function is None or current.get() is not None:
                # Inside of a vmap with a name the program depends on the axes that collectives may be over.
                axes = named_axes() if current.get() is not None else ()
                return self._first(args, kwargs, (*key, axes) if axes else key)  # type: ignore[no-any-return]
            traced.hits += 1
            if traced.hits == _OFTEN and static is None:
                self._prepare(traced, treedef, leaves)
            return traced.outdef.unflatten(traced.function(*leaves))  # type: ignore[no-any-return]
        except Exception as error:
            try:
                unveil(error)
                explain(error)
            except FgradError as told:
                hide_frames(told)
                raise
            hide_frames(error)
            raise

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<fgrad.jit of {self._name}>"

    @public
    def lower(self, *args: P.args, **kwargs: P.kwargs) -> Lowered:
        """The program for the signature of some arguments (arrays, or `ShapeDtypeStruct`), without running it."""
        traced, captured = self._trace(args, kwargs, self._signature_of(args, kwargs))
        if captured:
            what = f"`{self._name}` closes over values that are being traced, so that its program is not complete."
            raise ArgumentError(message(what, cure="Call lower outside of the transform, or pass them as arguments."))
        return Lowered(traced)

    def clear_cache(self) -> None:
        """Forgets every traced signature, and what `cache_info` counts."""
        self._cache.clear()
        self._treedef, self._misses, self._last_miss = None, 0, None
        self._entries = ()

    def cache_info(self) -> CacheInfo:
        """What is kept: hits, misses, currsize, and an entry for every signature.

        >>> import fgrad, numpy as np
        >>> double = fgrad.jit(lambda x: 2 * x)
        >>> [double(np.ones(n)).size for n in (3, 3, 4)]
        [3, 3, 4]
        >>> print(double.cache_info())
        1 hits, 2 misses, 2 programs
          x: f64[3]: 1 hits, 1 equations
          x: f64[4]: 0 hits, 1 equations
        """
        programs = list(self._cache.values())
        entries = [CacheEntry(str(t.signature), t.hits, len(t.jaxpr.eqns), t.function is not None) for t in programs]
        return CacheInfo(sum(t.hits for t in programs), self._misses, len(programs), tuple(entries))

    def explain_last_miss(self) -> Miss | None:
        """Why the last call that was traced had to be: what differs from the nearest signature that was known.

        `None` if there was no such call.

        >>> import fgrad, numpy as np
        >>> total = fgrad.jit(lambda params: params["w"].sum() + params["b"])
        >>> total({"w": np.ones(3), "b": 0.0}), total({"w": np.ones(3), "b": 0})
        (np.float64(3.0), np.float64(3.0))
        >>> total.explain_last_miss()
        `<lambda>` was traced again:
          params['b'] is a Python int, where it was a Python float
          (the nearest known signature: params['b']: float, params['w']: f64[3])
        """
        return self._last_miss

    def _prepare(self, traced: _Traced, treedef: PyTreeDef, leaves: Sequence[Any]) -> None:
        """Writes an entry for calls with a signature that has turned out to be frequent."""
        entry = compile_entry(traced, treedef, traced.outdef, leaves)
        if entry is not None:
            self._entries = (entry, *self._entries)[:_ENTRIES]

    def _first(self, args: Any, kwargs: Any, key: Hashable) -> Any:
        """A call with a new signature, or one that is itself being traced."""
        if runs_as_python():
            return self._as_python(args, kwargs)
        trees, names = self._dynamic(args, kwargs)
        leaves, _ = flat_leaves(trees, names, "jit")
        traced = self._cache.get(key)
        captured: list[Array] = []
        if traced is None:
            signature = self._signature_of(args, kwargs)
            miss = explain_miss(self._name, signature, [t.signature for t in self._cache.values()])
            forbid_retrace(miss)
            traced, captured = self._trace(args, kwargs, signature)
            self._misses += 1
            self._last_miss = replace(miss, captured=tuple(c.interpreter.describe() for c in captured))
            if not captured:
                self._cache[key] = traced
        else:
            traced.hits += 1
        if current.get() is None and not captured:
            if traced.function is None:
                traced.function = traced.compile().function
            return traced.outdef.unflatten(traced.function(*leaves))
        return traced.outdef.unflatten(jit_call(*captured, *leaves, jaxpr=traced.jaxpr, name=self._name))

    def _as_python(self, args: Any, kwargs: Any) -> Any:
        """A call of the function itself; where operations are watched, on arguments that tell of them."""
        trees, names = self._dynamic(args, kwargs)
        leaves, treedef = flatten(trees)
        extent = watched(leaves)
        if extent is None:
            return call(self.__wrapped__, args, kwargs, "jit")
        positional, named = self._given(args, kwargs, treedef.unflatten(extent.xs), names)
        outs, outdef = flat_outputs(call(self.__wrapped__, positional, named, "jit"), "jit", self.__wrapped__)
        return outdef.unflatten(extent.values(outs))

    def _given(
        self, args: Sequence[Any], kwargs: dict[str, Any], values: Sequence[Any], names: Sequence[str]
    ) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a call, with other values for those that are not static."""
        positions = [i for i in range(len(args)) if not self._is_static(i)]
        positional, named = list(args), dict(kwargs)
        for i, value in zip(positions, values, strict=False):
            positional[i] = value
        named.update(zip(names[len(positions) :], values[len(positions) :], strict=True))
        return positional, named

    def _is_static(self, place: int | str) -> bool:
        return place in (self._static_nums if isinstance(place, int) else self._static_names)

    def _split(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Hashable]:
        """The arguments that are traced, and a key of those that are not."""
        dynamic = tuple(x for i, x in enumerate(args) if i not in self._static_nums)
        named = {k: x for k, x in kwargs.items() if k not in self._static_names}
        places: list[tuple[int | str, Any]] = [(i, x) for i, x in enumerate(args) if i in self._static_nums]
        places += [(k, x) for k, x in kwargs.items() if k in self._static_names]
        key = tuple([(place, type(x), x) for place, x in places])
        try:
            hash(key)
        except TypeError as error:
            raise self._unhashable(places, len(args), error) from None
        return (dynamic, named), key

    def _unhashable(self, places: list[tuple[int | str, Any]], count: int, error: Exception) -> UnhashableStaticError:
        names = parameter_names(self.__wrapped__, count)
        for place, x in places:
            try:
                hash(x)
            except TypeError:
                name = names[place] if isinstance(place, int) else place
                what = f"the static argument {name} of `{self._name}` cannot be hashed: it is {describe(x)}."
                return UnhashableStaticError(message(what, cure=_static_cure(x)))
        return UnhashableStaticError(message(str(error)))

    def _dynamic(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], list[str]]:
        """The traced arguments in the order in which they are flattened, and their names."""
        names = parameter_names(self.__wrapped__, len(args))
        order = flatten(dict(zip(kwargs, kwargs, strict=True)))[0]
        trees = [(x, names[i]) for i, x in enumerate(args) if not self._is_static(i)]
        trees += [(kwargs[k], k) for k in order if not self._is_static(k)]
        return tuple(x for x, _ in trees), [name for _, name in trees]

    def _signature_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Signature:
        """What a call is traced for, by the names of its arguments."""
        structures: dict[str, PyTreeDef] = {}
        leaves: dict[str, dict[str, ShapedArray]] = {}
        for x, name in zip(*self._dynamic(args, kwargs), strict=True):
            paths, structures[name] = flatten_with_path(x)
            leaves[name] = {
                f"{name}{keystr(path)}": getattr(leaf, "aval", None) or aval_of(leaf) for path, leaf in paths
            }
        names = parameter_names(self.__wrapped__, len(args))
        static = {names[i]: x for i, x in enumerate(args) if self._is_static(i)}
        static.update((k, x) for k, x in kwargs.items() if self._is_static(k))
        return Signature(structures, leaves, static, named_axes() if current.get() is not None else ())

    def _trace(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], signature: Signature
    ) -> tuple[_Traced, list[Array]]:
        """Traces a call. Values of outer transforms that the function closes over become leading arguments."""
        trees, names = self._dynamic(args, kwargs)
        leaves, treedef = flatten(trees)
        avals = [getattr(x, "aval", None) or aval_of(x) for x in leaves]
        outdef: Any = None

        def flat(*xs: Array) -> list[Array]:
            nonlocal outdef
            positional, named = self._given(args, kwargs, treedef.unflatten(xs), names)
            out = call(self.__wrapped__, positional, named, "jit")
            outs, outdef = flat_outputs(out, "jit", self.__wrapped__)
            return outs

        closed, captured = close_over(trace(flat, avals, "jit", self.__wrapped__))
        arguments = [place for leaves in signature.leaves.values() for place in leaves]
        return _Traced(closed, outdef, self._name, arguments, signature), captured


class Lowered:
    """A traced function: what `jit(f).lower(*args)` returns."""

    def __init__(self, traced: _Traced) -> None:
        self._traced = traced
        self._compiled: Compiled | None = None

    @property
    def jaxpr(self) -> ClosedJaxpr:
        """The program as it was traced."""
        return self._traced.jaxpr

    def compile(self) -> Compiled:
        """The compiled program: its `jaxpr` after simplification, its source `text`, its flat `function`."""
        if self._compiled is None:
            self._compiled = self._traced.compile()
        return self._compiled

    def as_text(self) -> str:
        """The generated NumPy source."""
        return self.compile().text.rstrip("\n")

    def memory_analysis(self) -> MemoryAnalysis:
        """The memory that the compiled program takes: arguments, results, and the most that is held at once.

        >>> import fgrad, numpy as np
        >>> lowered = fgrad.jit(lambda x: np.exp(np.sin(x) * x)).lower(np.ones(1000))
        >>> lowered.memory_analysis().peak_memory_in_bytes
        8000
        """
        return self.compile().memory_analysis()

    def cost_analysis(self) -> CostAnalysis:
        """The work that the compiled program does: floating-point operations, bytes read and written.

        >>> import fgrad, numpy as np
        >>> fgrad.jit(lambda x: x @ x).lower(np.ones((10, 10))).cost_analysis().flops
        2000
        """
        return self.compile().cost_analysis()


def _static_cure(x: Any) -> str:
    if type(x) is Tracer:
        return f"It is being traced by {x.interpreter.verb}: do not mark it static, or pass a plain number."
    if isinstance(x, (list, set, dict)):
        better = {list: "a tuple", set: "a frozenset", dict: "a tuple of pairs"}
        return f"Pass {better.get(type(x), 'something hashable')} instead, or do not mark it static."
    return "Do not mark it static: arrays are traced." if isinstance(x, np.ndarray) else "Do not mark it static."


_WEAK = frozenset({float, int, bool, complex})


def _signature(leaves: Sequence[Any]) -> Hashable | None:
    """What distinguishes calls: the shape and dtype of every array, the type of every Python scalar."""
    key: list[Any] = []
    for x in leaves:
        kind = type(x)
        if kind is np.ndarray:
            key.append(x.shape)
            key.append(x.dtype)
        elif kind in _WEAK:
            key.append(kind)
        else:
            if kind is Tracer and current.get() is None:
                return None  # it has leaked, as `flat_leaves` will say
            try:
                key.append(aval_of(x))
            except TypeError:
                return None
    return tuple(key)


def _static_arguments(
    fun: Callable[..., Any], nums: int | Sequence[int] | None, names: str | Iterable[str] | None
) -> tuple[frozenset[int], frozenset[str]]:
    """Static arguments by position and by name; each is inferred from the other."""
    try:
        parameters = list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    kinds = {p.kind for p in parameters}
    by_name = _names(names)
    by_num = {n + (len(positional) if n < 0 else 0) for n in _positions(nums)}
    known = {p.name for p in parameters}
    if parameters and inspect.Parameter.VAR_KEYWORD not in kinds:
        for name in by_name - known:
            _refuse_static(f"static_argnames of jit names {name!r}, which is no parameter of", fun, parameters)
    if parameters and inspect.Parameter.VAR_POSITIONAL not in kinds:
        for num in by_num - set(range(len(positional))):
            _refuse_static(f"static_argnums of jit names position {num}, which is no argument of", fun, parameters)
    by_name |= {positional[n] for n in by_num if n < len(positional)}
    by_num |= {positional.index(name) for name in by_name if name in positional}
    return frozenset(by_num), frozenset(by_name)


def _names(names: Any) -> set[str]:
    given = [names] if isinstance(names, str) else list(names or ())
    for name in given:
        if not isinstance(name, str):
            what = f"static_argnames of jit must be names of parameters, got {describe(name)}."
            raise ArgumentError(message(what, cure="For positions there is static_argnums."))
    return set(given)


def _positions(nums: Any) -> list[int]:
    given = [nums] if isinstance(nums, (int, str, np.integer)) else list(nums or ())
    for num in given:
        if not isinstance(num, (int, np.integer)) or isinstance(num, bool):
            what = f"static_argnums of jit must be positions of arguments, got {describe(num)}."
            raise ArgumentError(message(what, cure="For names there is static_argnames."))
    return [int(num) for num in given]


def _refuse_static(what: str, fun: Any, parameters: Sequence[inspect.Parameter]) -> NoReturn:
    names = [p.name for p in parameters]
    cure = f"The parameters are {listing(names, len(names))}."
    raise ArgumentError(message(f"{what} `{function_name(fun)}`.", cure=cure))
