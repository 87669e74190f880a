"""What an optimizer is, how its updates are applied, and how several are put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import fgrad.numpy as fnp
from fgrad import tree
from fgrad.errors import ArgumentError, message
from fgrad.optim.check import check_tree
from fgrad.optim.leaves import cast

__all__ = ["GradientTransformation", "apply_updates", "chain"]


class GradientTransformation(NamedTuple):
    """A pair of pure functions.

    Attributes:
        init: `init(params)` gives the first state.
        update: `update(grads, state, params=None)` gives what is to be added to the parameters, and the next state.
    """

    init: Callable[[Any], Any]
    update: Callable[..., tuple[Any, Any]]


def apply_updates(params: Any, updates: Any) -> Any:
    """The parameters plus their updates, in the dtypes of the parameters.

    Args:
        params: a pytree of real or complex arrays.
        updates: a pytree of the same structure and shapes.

    Returns:
        A pytree like `params`.

    Raises:
        TreeStructureError: the structures differ.
        ShapeError: a leaf of `updates` has another shape.
        ArgumentError: a parameter is an integer, which updates cannot change by fractions.

    >>> apply_updates({"w": 1.0}, {"w": -0.25})
    {'w': 0.75}
    """
    check_tree("apply_updates", "updates", updates, "params", params)
    for path, p in tree.leaves_with_path(params):
        if fnp.result_type(p).kind not in "fc":
            what = f"apply_updates: params{tree.keystr(path)} has dtype {fnp.result_type(p)}, which holds no fractions."
            raise ArgumentError(message(what, cure="Make it floating-point: x.astype(float), or 1.0 for 1."))
    return tree.map(lambda p, u: cast(p + u, p), params, updates)


def chain(*transformations: GradientTransformation) -> GradientTransformation:
    """Several transformations, each of which is given the updates of the one before; their states are in a tuple.

    Args:
        transformations: what `clip_by_global_norm`, `adam` and the like return.

    Returns:
        One transformation.

    Raises:
        ArgumentError: an argument is not a transformation.

    >>> import numpy as np
    >>> from fgrad.optim import clip_by_global_norm, sgd
    >>> opt = chain(clip_by_global_norm(1.0), sgd(0.1))
    >>> updates, state = opt.update(np.array([30.0, 40.0]), opt.init(np.zeros(2)))
    >>> updates
    array([-0.06, -0.08])
    """
    for i, t in enumerate(transformations):
        if not (hasattr(t, "init") and hasattr(t, "update")):
            raise ArgumentError(message(f"chain: argument {i} is not a gradient transformation, got {t!r:.60}."))

    def init(params: Any) -> tuple[Any, ...]:
        return tuple([t.init(params) for t in transformations])

    def update(grads: Any, state: tuple[Any, ...], params: Any = None) -> tuple[Any, tuple[Any, ...]]:
        if type(state) is not tuple or len(state) != len(transformations):
            what = f"chain.update: `state` must be a tuple of {len(transformations)} states, got {state!r:.60}."
            raise ArgumentError(message(what, cure="Pass the state that init(params) or the update before returned."))
        states = []
        for t, s in zip(transformations, state, strict=True):
            grads, s = t.update(grads, s, params)
            states.append(s)
        return grads, tuple(states)

    return GradientTransformation(init, update)
