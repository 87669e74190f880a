"""What all distributions share: their parameters, what is outside their domain, and how they are published."""

from __future__ import annotations

import sys
from abc import ABC
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

import fgrad.numpy as fnp
from fgrad.core.aval import Array, aval_of
from fgrad.errors import message
from fgrad.scipy.stats.parameters import (
    COUNT,
    POSITIVE,
    Domain,
    arguments,
    both,
    everywhere,
    numbers,
    parameters,
    scalar,
)

__all__ = ["Distribution", "Point"]


class Distribution(ABC):
    """A family of distributions of one real variable.

    Subclasses say in `shapes` which parameters there are, and the formulas of the standard member, as methods that
    take the variable and the shapes. Where a parameter has a value that it cannot have, results are NaN.
    """

    name: ClassVar[str]
    shapes: ClassVar[Mapping[str, Domain]] = parameters()
    affine: ClassVar[Mapping[str, float]] = {"loc": 0.0}
    functions: ClassVar[Mapping[str, str]]
    """The public functions, and the formula without which there is none."""

    @classmethod
    def publish(cls) -> Self:
        """The distribution; its functions become names of the module that declares it, too."""
        out = cls()
        module = vars(sys.modules[cls.__module__])
        module.update({name: getattr(out, name) for name in cls.functions if cls.has(name)})
        return out

    def __getattr__(self, name: str) -> Any:
        what = f"the distribution {self.name} has no `{name.removeprefix('_')}`."
        raise AttributeError(message(what, cure=f"It has {', '.join(f for f in self.functions if self.has(f))}."))

    @classmethod
    def has(cls, function: str) -> bool:
        """Whether the distribution has one of its family's functions."""
        return hasattr(cls, cls.functions[function])

    def consistent(self, *shapes: Array) -> Any:
        """What must hold of several shapes together, beside the domain of each."""
        return None

    def point(self, function: str, variable: str, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Point:
        """The arguments of one of the functions, checked, as numbers of one dtype."""
        place = f"{self.name}.{function}"
        names = [variable, *self.shapes, *self.affine]
        given = arguments(place, names, self.affine, (value, *args), kwargs)
        return Point(self, numbers(place, names, given), given[1 + len(self.shapes) :])


class Point:
    """Where a function of a distribution is to be computed.

    Attributes:
        x: the variable, as it was given.
        shapes: the shapes; where one has a value that it cannot have, another one stands for it.
        loc, scale: the affine parameters; `None` where they are those of the standard member.
        valid: where all parameters have values that they can have; `None`: everywhere.
    """

    def __init__(self, distribution: Distribution, values: Sequence[Array], affine: Sequence[Any]) -> None:
        count = len(distribution.shapes)
        self.x = values[0]
        self.valid: Any = None
        shapes = [self._within(v, d) for v, d in zip(values[1 : 1 + count], distribution.shapes.values(), strict=True)]
        together = distribution.consistent(*shapes)
        if together is not None and not everywhere(together):
            self.valid = both(self.valid, together)
            stand_ins = [d.stand_in for d in distribution.shapes.values()]
            shapes = [fnp.where(together, v, u) for v, u in zip(shapes, stand_ins, strict=True)]
        self.shapes = tuple(shapes)
        standard = [
            type(given) in (int, float) and given == usual
            for given, usual in zip(affine, distribution.affine.values(), strict=True)
        ]
        loc, scale = [*values[1 + count :], None][:2]
        self.loc = None if standard[0] else loc
        self.scale = None if scale is None or standard[1] else self._within(scale, POSITIVE)

    def _within(self, value: Array, domain: Domain) -> Array:
        holds = domain.holds(value)
        if domain is COUNT:
            value = fnp.floor(value)  # it has no derivative
        if everywhere(holds):
            return value
        self.valid = both(self.valid, holds)
        return fnp.where(holds, value, domain.stand_in)

    def standard(self, x: Array) -> Array:
        """The variable of the standard member: (x − loc) / scale."""
        y = x if self.loc is None else x - self.loc
        return y if self.scale is None else y / self.scale

    def affine(self, y: Array) -> Array:
        """The opposite: loc + scale · y."""
        y = y if self.scale is None else self.scale * y
        return y if self.loc is None else self.loc + y

    def finished(self, out: Array, beyond: Any = None, elsewhere: Any = None) -> Array:
        """A result: another value `beyond` the support, and NaN where parameters have values that they cannot have."""
        if self.valid is not None:
            invalid = fnp.logical_not(self.valid)
            nan = aval_of(out).dtype.type(np.nan)
            elsewhere = nan if beyond is None else fnp.where(invalid, nan, elsewhere)
            beyond = invalid if beyond is None else fnp.logical_or(beyond, invalid)
        return scalar(out if beyond is None else fnp.where(beyond, elsewhere, out))
