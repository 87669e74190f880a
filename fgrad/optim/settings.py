"""Hyperparameters of any state, however deep: read and set by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad import tree
from fgrad.core import Array
from fgrad.core.interpreter import Tracer
from fgrad.errors import ArgumentError, message, public
from fgrad.optim.hyper import plain
from fgrad.optim.paths import Pattern, matches, path_text

__all__ = ["hyperparams", "lr_at", "set_hyperparams"]


@public
def hyperparams(state: Any, where: Pattern = "*") -> dict[str, Array]:
    """All hyperparameters in a state, by key path.

    Args:
        state: the state of any optimizer, or any pytree that holds some.
        where: only those whose key path (`1/hyper/learning_rate`) this pattern fits.

    Returns:
        A dict from key path to value.

    >>> from fgrad.optim import chain, clip_by_global_norm, sgd
    >>> hyperparams(chain(clip_by_global_norm(1.0), sgd(0.1)).init(0.0))
    {'0/hyper/max_norm': 1.0, '1/hyper/learning_rate': 0.1}
    """
    return {
        path_text(path): leaf
        for path, leaf in tree.leaves_with_path(state)
        if _is_hyper(path) and matches(where, path_text(path))
    }


@public
def lr_at(state: Any, where: Pattern = "*") -> Array:
    """The learning rate of the next update, wherever in the state it is.

    Args:
        state: the state of any optimizer.
        where: which one, if there are several: a pattern for the key path of the learning rate.

    Returns:
        The number. Of a line search it is the step size that it found last.

    Raises:
        ArgumentError: there is no learning rate, or there are several.

    >>> from fgrad.optim import chain, clip_by_global_norm, sgd
    >>> lr_at(chain(clip_by_global_norm(1.0), sgd(0.1)).init(0.0))
    0.1
    """
    leaves = tree.leaves_with_path(state)
    rates = [(path, x) for path, x in leaves if _name(path) == "learning_rate" and matches(where, path_text(path))]
    rates = [(path, x) for path, x in rates if _is_hyper(path)] or rates
    if len(rates) != 1:
        found = ", ".join(path_text(path) for path, _ in rates)
        what = f"lr_at: the state has {f'several learning rates: {found}' if rates else 'no learning rate'}."
        cure = "Say which one: lr_at(state, where=pattern)." if rates else "hyperparams(state) shows what there is."
        raise ArgumentError(message(what, cure=cure))
    return rates[0][1]


@public
def set_hyperparams(state: Any, where: Pattern = "*", **values: Any) -> Any:
    """The state with other hyperparameters; `jit` does not trace again.

    What a schedule gives is set for the next update only.

    Args:
        state: the state of any optimizer, however deep.
        where: only those whose key path (`1/hyper/learning_rate`) this pattern fits.
        values: the new values by name: `learning_rate=1e-4`.

    Returns:
        A state like `state`.

    Raises:
        ArgumentError: there is no hyperparameter of this name.

    >>> from fgrad.optim import chain, clip_by_global_norm, sgd
    >>> state = chain(clip_by_global_norm(1.0), sgd(0.1)).init(0.0)
    >>> lr_at(set_hyperparams(state, learning_rate=0.05))
    0.05
    """
    found = set()

    def leaf(path: Any, x: Any) -> Any:
        name = _name(path)
        if name in values and _is_hyper(path) and matches(where, path_text(path)):
            found.add(name)
            return _like(x, values[name])
        return x

    out = tree.map_with_path(leaf, state)
    for name in values:
        if name not in found:
            there = ", ".join(hyperparams(state)) or "nothing"
            raise ArgumentError(message(f"set_hyperparams: the state has no {name} to be set; there is {there}."))
    return out


def _name(path: Any) -> str:
    """The last key."""
    return path_text(path[-1:])


def _is_hyper(path: Any) -> bool:
    return len(path) > 1 and path[-2] == tree.GetAttrKey("hyper")


def _like(old: Any, value: Any) -> Any:
    """A new value of the type of the old one, so that compiled code is not traced again."""
    if type(value) is Tracer:
        return value
    return old.dtype.type(value) if isinstance(old, np.generic) else plain(value)
