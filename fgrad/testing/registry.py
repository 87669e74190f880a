"""The walk over all primitives: every declared rule, at every declared sample, against what defines it.

>>> from fgrad.primitives.trigonometric import sin
>>> check_primitive(sin).name
'sin'
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.exceptions import ComplexWarning

import fgrad.compiler
import fgrad.control.checkpoint_name
import fgrad.debug
import fgrad.implicit
import fgrad.lax
import fgrad.numpy.fft
import fgrad.numpy.linalg
import fgrad.primitives.operators
import fgrad.random
import fgrad.scipy.linalg
import fgrad.scipy.special  # with these, every primitive is declared
from fgrad.core.aval import Array, aval_of, is_inexact
from fgrad.core.primitive import Primitive, Sample, registry
from fgrad.errors import CheckError, FgradError
from fgrad.primitives.elementwise import Elementwise
from fgrad.primitives.shape import copy
from fgrad.testing.calls import EXEMPT, examples
from fgrad.testing.points import typical_size
from fgrad.testing.rules import (
    Flat,
    Tally,
    check_adjoint,
    check_batch,
    check_compiled,
    check_direct_transpose,
    check_jet,
    check_tangent,
    check_types,
    first_derivatives,
    inexact_positions,
    mapped_over,
    restricted,
    subsets,
)

__all__ = ["EXEMPT", "Report", "check_primitive", "every_primitive", "walk"]

_ROWS = 3
_ORDER = 3
_EXPENSIVE = {"betainc": 2}
"""Primitives whose derivatives by parameters are series of their own, expanded to a lower order."""

DECLARED_CONSTANT = {
    "nextafter": "the distance between neighbouring numbers is not part of the mathematics",
    "stop_gradient": "being constant to derivatives is what it is for",
}
"""Primitives whose derivative is 0 although their value changes, and why."""


SATURATING = {
    "tanh": "1 − tanh² is right to the last digit of 1, not of itself where it is tiny: another exponential would be",
}
"""Element-wise primitives whose derivative is right relative to the largest element only, and why."""


_PHASES = (
    "complex vectors are determined up to phases, which NumPy chooses: its tests hold what does not depend on them"
)

REAL = {"eigh": _PHASES, "svd": _PHASES}
"""Primitives that accept complex numbers, but whose derivatives for them are not defined, and why."""


class Report(NamedTuple):
    """What the walk found of a primitive whose rules hold.

    Attributes:
        name: the primitive.
        cases: at how many arguments its rules were checked.
        judged: how many numbers were held against a numerical derivative.
        skipped: how many could not be, because there is a jump or an infinite slope.
        complex: at how many of the cases there are complex numbers.
    """

    name: str
    cases: int
    judged: int
    skipped: int
    complex: int


class _Case(NamedTuple):
    """A function at arguments.

    Attributes:
        label: the sample, for messages.
        f: the flat function.
        xs: its arguments.
        draw: further arguments of the same types, from the same domain.
        elementwise: whether every element of the result depends on one element of each argument.
    """

    label: str
    f: Flat
    xs: list[Array]
    draw: Callable[[], list[Array]]
    elementwise: bool


def every_primitive() -> list[Primitive]:
    """All primitives of fgrad, by name; those of rooms that are imported late are declared now.

    >>> len(every_primitive()) > 200
    True
    """
    for room in (fgrad.primitives, fgrad.control, fgrad.compiler):
        for module in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
            importlib.import_module(module.name)
    return [registry[name] for name in sorted(registry)]


def walk(primitives: Iterable[Primitive] | None = None) -> list[Report]:
    """Checks all primitives (or some), and says everything that is wrong with any of them.

    Raises:
        CheckError: rules are missing or wrong; says which, of which primitives, at which arguments.

    >>> from fgrad.primitives.elementwise import add, mul
    >>> [report.name for report in walk([add, mul])]
    ['add', 'mul']
    """
    reports, failures = [], []
    for primitive in list(registry.values() if primitives is None else primitives):
        if primitive.name in EXEMPT:
            continue
        try:
            reports.append(check_primitive(primitive))
        except CheckError as failure:
            failures.append(str(failure))
    if failures:
        raise CheckError("\n".join(failures))
    return reports


def check_primitive(primitive: Primitive, rng: np.random.Generator | None = None) -> Report:
    """Checks every rule of a primitive at every sample that it declares.

    The shape rule against the result of NumPy; tangents against numerical derivatives; transposes against tangents;
    linearity of what is linear; batching of every combination of arguments along several axes against a loop; compiled
    code against eager, also in place, also at strided arrays and Python scalars; second derivatives, forward and
    reverse over forward and reverse; and types in single precision. Every jaxpr on the way is checked.

    Args:
        primitive: what to check.
        rng: draws arguments and directions; by default it depends on the name alone.

    Returns:
        What was checked.

    Raises:
        CheckError: a rule is missing or wrong, or no sample is declared; says which, and in which file it belongs.
    """
    rng = rng or np.random.default_rng(zlib.crc32(primitive.name.encode()))
    tally, count, complexes, differentiable = Tally(), 0, 0, False
    for case in _cases(primitive, rng):
        count += 1
        complexes += _is_complex(case.xs)
        for rule, check in _checks(primitive, case, rng, tally):
            try:
                check()
            except Exception as error:
                raise _failure(primitive, rule, case.label, error) from error
        differentiable |= bool(inexact_positions(case.xs)) and any(
            is_inexact(aval_of(y).dtype) for y in case.f(*case.xs)
        )
    if not count:
        raise _failure(primitive, "samples", "none is declared", None)
    if differentiable and not tally.judged and primitive.name not in DECLARED_CONSTANT:
        raise _failure(primitive, "samples", "at none of them could a derivative be judged", None)
    return Report(primitive.name, count, tally.judged, tally.skipped, complexes)


def _failure(primitive: Primitive, rule: str, where: str, error: Exception | None) -> CheckError:
    cls = type(primitive)
    what = f"primitive `{primitive.name}`, {rule}: {where}"
    reason = f"\n  {type(error).__name__}: {error}" if error is not None else ""
    return CheckError(f"{what}{reason}\n  It is class {cls.__name__} in {inspect.getsourcefile(cls)}.")


def _cases(primitive: Primitive, rng: np.random.Generator) -> Iterator[_Case]:
    for number, (f, xs) in enumerate(examples(primitive.name, rng)):
        yield _Case(f"example {number} ({_types(xs)})", f, xs, lambda xs=xs: [_scaled(x, rng) for x in xs], False)  # type: ignore[misc]
    complexes = False
    for number, sample in enumerate(primitive.samples):
        case = _sample_case(primitive, number, sample, rng)
        complexes |= _is_complex(case.xs)
        yield case
    if not complexes and primitive.name not in REAL:
        yield from _complex_cases(primitive, rng)


def _is_complex(xs: Sequence[Array]) -> bool:
    return any(np.asarray(x).dtype.kind == "c" for x in xs)


def _complex_cases(primitive: Primitive, rng: np.random.Generator) -> Iterator[_Case]:
    """The samples of a primitive with complex numbers for real ones, where it accepts them."""
    for number, sample in enumerate(primitive.samples):
        turned = Sample(*[_turned(x) for x in sample.args], **sample.params)
        case = _sample_case(primitive, number, turned, rng)
        if not _is_complex(case.xs):
            continue
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings(action="error", category=ComplexWarning):
                case.f(*case.xs)
        except (FgradError, TypeError, ComplexWarning):
            return
        yield case


def _turned(given: Any) -> Callable[[np.random.Generator], Array]:
    """Complex numbers around those of a real argument, of about the same magnitude."""

    def sample(rng: np.random.Generator) -> Array:
        x = np.asarray(given(rng) if callable(given) else given)
        return x * (1 + 0.25j * rng.uniform(0.5, 1, x.shape)) if x.dtype == np.float64 else x

    return sample


def _sample_case(primitive: Primitive, number: int, sample: Sample, rng: np.random.Generator) -> _Case:
    def f(*xs: Array) -> list[Array]:
        out = primitive.bind(*xs, **sample.params)
        return list(out) if primitive.multiple else [out]

    elementwise = isinstance(primitive, Elementwise)

    def draw() -> list[Array]:
        drawn = sample.draw(rng)
        vary = [
            x if callable(given) else _varied(x, elementwise, rng) for x, given in zip(drawn, sample.args, strict=True)
        ]
        return [np.asarray(x)[()] for x in vary]

    xs = [np.asarray(x)[()] for x in sample.draw(rng)]
    given = f", {', '.join(f'{k}={v!r}' for k, v in sample.params.items())}" if sample.params else ""
    return _Case(f"sample {number} ({_types(xs)}{given})", f, xs, draw, elementwise)


def _types(xs: Sequence[Array]) -> str:
    return ", ".join(map(str, map(aval_of, xs)))


def _varied(x: Array, elementwise: bool, rng: np.random.Generator) -> Array:
    """Another array from the domain of a fixed one: its elements in another order, or all a little smaller."""
    x = np.asarray(x)
    if elementwise:
        return rng.permutation(x.ravel()).reshape(x.shape)
    return _scaled(x, rng)


def _scaled(x: Array, rng: np.random.Generator) -> Array:
    x = np.asarray(x)
    return (x * (1 - rng.integers(1, 8) / 64)).astype(x.dtype)[()] if is_inexact(x.dtype) else x[()]


def _checks(
    primitive: Primitive, case: _Case, rng: np.random.Generator, tally: Tally
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The checks of one case, each with the rule that is to blame when it fails."""
    f, xs = case.f, case.xs
    yield "shape", lambda: check_types(f, xs)
    yield from _derivative_checks(primitive, case, rng, tally)
    yield "batch", lambda: _check_batches(case, rng)
    if xs:
        stacked = [np.stack(x) for x in zip(xs, *[case.draw() for _ in range(_ROWS - 1)], strict=True)]
        yield "lower (batch)", lambda: check_compiled(mapped_over(f, _ROWS), [stacked])
    yield "lower", lambda: check_compiled(f, [xs, [_strided(x) for x in xs]])
    yield "lower (in place)", lambda: check_compiled(lambda *ys: f(*[copy(y) for y in ys]), [xs])
    if case.elementwise and all(np.ndim(x) == 0 for x in xs):
        yield "lower (Python scalars)", lambda: check_compiled(f, [[x.item() for x in xs]])
    narrow = [_narrowed(x) for x in xs]
    if any(a is not b for a, b in zip(narrow, xs, strict=True)):
        yield "lower (single precision)", lambda: check_compiled(f, [narrow])
        yield "jvp and transpose (single precision)", lambda: _check_single(case, narrow, rng)


def _derivative_checks(
    primitive: Primitive, case: _Case, rng: np.random.Generator, tally: Tally
) -> Iterator[tuple[str, Callable[[], Any]]]:
    positions = inexact_positions(case.xs)
    for subset in subsets(positions):
        part, given = restricted(case.f, case.xs, subset), [case.xs[i] for i in subset]
        if not part(*given):
            return
        of = f" of arguments {subset}"
        strict = (
            case.elementwise
            and primitive.name not in SATURATING
            and all(np.asarray(x).dtype.kind == "f" for x in given)
        )
        if primitive.name not in DECLARED_CONSTANT:
            yield f"jvp{of}", lambda p=part, g=given, s=strict: check_tangent(p, g, rng, tally, elementwise=s)  # type: ignore[misc]
        yield f"transpose{of}", lambda p=part, g=given: check_adjoint(p, g, rng)  # type: ignore[misc]
        if type(primitive).transpose is not Primitive.transpose:
            yield f"transpose{of}", lambda p=part, g=given: check_direct_transpose(p, g, rng)  # type: ignore[misc]
    if not positions:
        return
    part, given = restricted(case.f, case.xs, positions), [case.xs[i] for i in positions]
    # Directions as long as the arguments may take second derivatives of extreme ones out of range.
    quietly = np.errstate(over="ignore", invalid="ignore")
    for name, derivative in first_derivatives(part, given, rng):
        tangent = quietly(lambda d=derivative: check_tangent(d, given, rng, tally))
        yield f"second derivative (jvp of {name})", tangent
        yield f"second derivative (vjp of {name})", quietly(lambda d=derivative: check_adjoint(d, given, rng))
        yield f"lower ({name})", lambda d=derivative: check_compiled(d, [given])  # type: ignore[misc]
    order = _EXPENSIVE.get(primitive.name, _ORDER)
    yield "jet", np.errstate(all="ignore")(lambda: check_jet(case.f, case.xs, np.random.default_rng(1), order))


def _check_batches(case: _Case, rng: np.random.Generator) -> None:
    rows = [case.xs, *[case.draw() for _ in range(_ROWS - 1)]]
    ranks = [np.ndim(x) for x in case.xs]
    for mapped in subsets(range(len(case.xs))):
        patterns = {
            tuple(0 for _ in mapped),
            tuple(ranks[i] for i in mapped),
            tuple((n + 1) % (ranks[i] + 1) for n, i in enumerate(mapped)),
        }
        for axes in sorted(patterns):
            check_batch(case.f, rows, mapped, axes)


def _check_single(case: _Case, xs: Sequence[Array], rng: np.random.Generator) -> None:
    """Tangents and cotangents have the dtypes of what they belong to, also where single and double precision meet."""
    positions = inexact_positions(xs)
    part, given = restricted(case.f, xs, positions), [xs[i] for i in positions]
    if not part(*given):
        return
    check_adjoint(part, given, rng)
    if case.elementwise and len(given) > 1:
        wide = np.asarray(given[0]).astype(np.result_type(given[0], np.float64))[()]
        check_adjoint(part, [wide, *given[1:]], rng)


def _strided(x: Array) -> Array:
    """The same numbers, not next to each other in memory."""
    x = np.asarray(x)
    if x.ndim == 0:
        return x[()]
    spread = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    spread[..., ::2] = x
    return np.asfortranarray(spread)[..., ::2]


def _narrowed(x: Array) -> Array:
    dtype = np.asarray(x).dtype
    narrow = {"d": np.float32, "D": np.complex64}.get(dtype.char)
    if narrow is None or typical_size(x) > np.finfo(np.float32).max:
        return x
    return np.asarray(x).astype(narrow)[()]
