"""Optimizers: pure pairs of functions over pytrees, with the names and shapes of optax.

    opt = adam(1e-3)
    state = opt.init(params)
    updates, state = opt.update(grads, state, params)
    params = apply_updates(params, updates)

A state is a NamedTuple. Its `hyper` holds the hyperparameters of the next update, as leaves: read them, replace
them (`state._replace(hyper=state.hyper._replace(learning_rate=1e-4))`, without another trace under `jit`),
differentiate with respect to them, or map over them with `vmap`.
"""

from fgrad.optim.adam import AdamHyper, AdamState, AdamWHyper, adam, adamw
from fgrad.optim.clip import ClipHyper, ClipState, clip_by_global_norm, global_norm
from fgrad.optim.hyper import Schedule
from fgrad.optim.schedules import (
    constant_schedule,
    cosine_decay_schedule,
    cosine_onecycle_schedule,
    exponential_decay,
    join_schedules,
    linear_onecycle_schedule,
    linear_schedule,
    piecewise_constant_schedule,
    piecewise_interpolate_schedule,
    polynomial_schedule,
    sgdr_schedule,
    warmup_constant_schedule,
    warmup_cosine_decay_schedule,
    warmup_exponential_decay_schedule,
)
from fgrad.optim.sgd import SgdHyper, SgdState, sgd
from fgrad.optim.transformation import GradientTransformation, apply_updates, chain

__all__ = [
    "AdamHyper",
    "AdamState",
    "AdamWHyper",
    "ClipHyper",
    "ClipState",
    "GradientTransformation",
    "Schedule",
    "SgdHyper",
    "SgdState",
    "adam",
    "adamw",
    "apply_updates",
    "chain",
    "clip_by_global_norm",
    "constant_schedule",
    "cosine_decay_schedule",
    "cosine_onecycle_schedule",
    "exponential_decay",
    "global_norm",
    "join_schedules",
    "linear_onecycle_schedule",
    "linear_schedule",
    "piecewise_constant_schedule",
    "piecewise_interpolate_schedule",
    "polynomial_schedule",
    "sgd",
    "sgdr_schedule",
    "warmup_constant_schedule",
    "warmup_cosine_decay_schedule",
    "warmup_exponential_decay_schedule",
]
