"""Einstein's summation convention: reading subscripts, and in which order to contract. No arrays here, only shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fgrad.errors import ArgumentError, ShapeError, message

__all__ = ["Labels", "Subscripts", "contraction_order", "read_subscripts", "split_operands"]

Labels: TypeAlias = tuple[int, ...]
"""One label per axis: the number of a letter; −1, −2, … for the axes under an ellipsis, the last one first."""

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NUMBER = {letter: i for i, letter in enumerate(_LETTERS)}

Term: TypeAlias = tuple[Any, ...]
"""The labels of an operand as written, with `Ellipsis` where there is one."""


class Subscripts(NamedTuple):
    """What an expression says.

    Attributes:
        inputs: the labels of each operand's axes.
        output: the labels of the result's.
        sizes: the length of each label.
    """

    inputs: tuple[Labels, ...]
    output: Labels
    sizes: dict[int, int]


def split_operands(operands: Sequence[Any]) -> tuple[list[Any], tuple[Term, ...], Term | None]:
    """The arrays, their terms and the term of the result, from either form of `einsum`'s arguments."""
    if len(operands) < 2:
        raise ArgumentError(message("einsum needs subscripts and at least one operand."))
    if isinstance(operands[0], str):
        terms, output = _split(operands[0])
        arrays = list(operands[1:])
        if len(arrays) != len(terms):
            what = f"einsum subscripts {operands[0]!r} are for {len(terms)} operands, got {len(arrays)}."
            raise ArgumentError(message(what))
        return arrays, terms, output
    pairs = len(operands) // 2
    terms = tuple(_sublist(operands[2 * i + 1]) for i in range(pairs))
    return list(operands[: 2 * pairs : 2]), terms, _sublist(operands[-1]) if len(operands) % 2 else None


def _sublist(labels: Any) -> Term:
    return tuple(label if label is Ellipsis else _in_range(int(label)) for label in labels)


def _in_range(label: int) -> int:
    if not 0 <= label < len(_LETTERS):
        raise ArgumentError(message(f"an einsum sublist has the label {label}, labels are from 0 to 51."))
    return label


@lru_cache(maxsize=1024)
def _split(text: str) -> tuple[tuple[Term, ...], Term | None]:
    left, arrow, right = text.replace(" ", "").partition("->")
    return tuple(_term(part, text) for part in left.split(",")), _term(right, text) if arrow else None


def _term(part: str, text: str) -> Term:
    before, dots, after = part.partition("...")
    for letter in before + after:
        if letter not in _NUMBER:
            raise ArgumentError(message(f"einsum subscripts {text!r} hold {letter!r}, which is not a letter."))
    ellipsis = (Ellipsis,) if dots else ()
    return (*[_NUMBER[c] for c in before], *ellipsis, *[_NUMBER[c] for c in after])


@lru_cache(maxsize=4096)
def read_subscripts(terms: tuple[Term, ...], output: Term | None, shapes: tuple[tuple[int, ...], ...]) -> Subscripts:
    """Gives every axis its label. Axes of length 1 broadcast against longer ones of the same label, as in NumPy.

    Raises:
        ShapeError: a term does not fit its operand, or two axes of one label differ in length.
        ArgumentError: the term of the result is malformed.
    """
    inputs = tuple(_labelled(term, shape, i) for i, (term, shape) in enumerate(zip(terms, shapes, strict=True)))
    sizes: dict[int, int] = {}
    for labels, shape in zip(inputs, shapes, strict=True):
        for label, n in zip(labels, shape, strict=True):
            known = sizes.setdefault(label, n)
            if known == 1:
                sizes[label] = n
            elif n not in (1, known):
                raise ShapeError(message(f"einsum: axes of {_name(label)} have the lengths {known} and {n}."))
    spread = sorted(label for label in sizes if label < 0)
    return Subscripts(inputs, _result(output, inputs, spread), sizes)


def _name(label: int) -> str:
    return f"label {_LETTERS[label]!r}" if label >= 0 else "the ellipsis"


def _labelled(term: Term, shape: tuple[int, ...], position: int) -> Labels:
    named = len(term) - term.count(Ellipsis)
    extra = len(shape) - named
    if extra < 0 or (extra and Ellipsis not in term):
        what = f"einsum operand {position} has {len(shape)} axes, its subscripts name {named}."
        raise ShapeError(message(what, cure="Let every axis have a label, or put an ellipsis for the others."))
    if Ellipsis not in term:
        labels: Labels = term
    else:
        at = term.index(Ellipsis)
        labels = (*term[:at], *range(-extra, 0), *term[at + 1 :])
    lengths: dict[int, int] = {}
    for label, n in zip(labels, shape, strict=True):
        if lengths.setdefault(label, n) != n:
            what = f"einsum operand {position}: the diagonal of {_name(label)} is of lengths {lengths[label]} and {n}."
            raise ShapeError(message(what))
    return labels


def _result(output: Term | None, inputs: tuple[Labels, ...], spread: list[int]) -> Labels:
    """The labels of the result: as given, or those of the ellipsis and then those that come once, in order."""
    if output is None:
        counts = Counter(label for labels in inputs for label in labels)
        return (*spread, *sorted(label for label, n in counts.items() if label >= 0 and n == 1))
    known = {label for labels in inputs for label in labels}
    named = [label for label in output if label is not Ellipsis]
    for label in named:
        if named.count(label) > 1:
            raise ArgumentError(message(f"einsum: the result has {_name(label)} more than once."))
        if label not in known:
            raise ArgumentError(message(f"einsum: the result has {_name(label)}, which no operand has."))
    if Ellipsis not in output:
        if spread:
            raise ArgumentError(message("einsum: operands have axes under an ellipsis, the result has no ellipsis."))
        return output
    at = output.index(Ellipsis)
    return (*output[:at], *spread, *output[at + 1 :])


@lru_cache(maxsize=4096)
def contraction_order(
    inputs: tuple[Labels, ...], output: Labels, sizes: tuple[tuple[int, int], ...]
) -> tuple[tuple[int, ...], ...]:
    """Which operands to contract, step by step; the result of a step is put at the end of the list.

    It is NumPy's search for the cheapest order: of all orders for few operands, greedy for many.
    """
    if len(inputs) <= 2:
        return (tuple(range(len(inputs))),)
    lengths = dict(sizes)
    letters = {label: _LETTERS[i] for i, label in enumerate(lengths)}
    text = ",".join("".join(letters[label] for label in labels) for labels in inputs)
    arrays = [np.broadcast_to(np.float64(0), tuple(lengths[label] for label in labels)) for labels in inputs]
    search = "optimal" if len(inputs) <= 4 else "greedy"
    path = np.einsum_path(f"{text}->{''.join(letters[i] for i in output)}", *arrays, optimize=search)[0]
    return tuple(tuple(int(i) for i in step) for step in path[1:])
