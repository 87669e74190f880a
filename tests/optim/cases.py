"""Every optimizer with arguments that use its options, by the name that it has here and in optax."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fgrad import optim

__all__ = ["MASK", "OPTIMIZERS", "Case", "Layer", "params", "schedule"]


class Layer(NamedTuple):
    weight: Any
    bias: Any


def params(dtype: Any = np.float64) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "layers": [Layer(rng.normal(size=(3, 2)).astype(dtype), rng.normal(size=2).astype(dtype))],
        "scale": dtype(1.5),
    }


def schedule(step: Any) -> Any:
    return 0.05 * 0.9**step


MASK = {"layers": [Layer(weight=True, bias=False)], "scale": False}


class Case:
    """A call of a function of `fgrad.optim`, and of its namesake in optax."""

    def __init__(self, name: str, *args: Any, **options: Any) -> None:
        self.name = name
        self.args = args
        self.options = options

    def __call__(self) -> optim.GradientTransformation:
        return self.of(optim)

    def of(self, library: Any) -> Any:
        options = dict(self.options)
        if self.name == "adafactor" and library is not optim:
            options["dtype_momentum"] = np.float64
        return getattr(library, self.name)(*[a.of(library) if isinstance(a, Case) else a for a in self.args], **options)


OPTIMIZERS: dict[str, Case] = {
    "sgd": Case("sgd", 0.02),
    "momentum": Case("sgd", 0.02, 0.5),
    "nesterov": Case("sgd", 0.02, 0.5, nesterov=True),
    "adam": Case("adam", 0.05),
    "scheduled adam": Case("adam", schedule, eps_root=1e-12),
    "adamw": Case("adamw", 0.05, weight_decay=0.1),
    "masked adamw": Case("adamw", 0.05, weight_decay=0.1, mask=MASK, nesterov=True),
    "nadam": Case("nadam", 0.05),
    "nadamw": Case("nadamw", 0.05, weight_decay=0.1),
    "clipped": Case("chain", Case("clip_by_global_norm", 1.0), Case("sgd", 0.05, 0.9)),
    "adagrad": Case("adagrad", 0.5),
    "rmsprop": Case("rmsprop", 0.02),
    "centered rmsprop": Case(
        "rmsprop",
        0.02,
        0.95,
        centered=True,
        momentum=0.5,
        nesterov=True,
        eps_in_sqrt=False,
        initial_scale=1.0,
        bias_correction=True,
    ),
    "rmsprop with momentum": Case("rmsprop", 0.005, momentum=0.5),
    "adadelta": Case("adadelta", 20.0, weight_decay=0.01, weight_decay_mask=MASK),
    "adamax": Case("adamax", 0.05),
    "adamaxw": Case("adamaxw", 0.05, weight_decay=0.1, mask=MASK),
    "amsgrad": Case("amsgrad", 0.05, eps_root=1e-12),
    "radam": Case("radam", 0.01),
    "nesterov radam": Case("radam", 0.01, 0.9, 0.9, eps_root=1e-6, nesterov=True),
    "adabelief": Case("adabelief", 0.05),
    "nesterov adabelief": Case("adabelief", 0.05, nesterov=True),
    "lamb": Case("lamb", 0.01, weight_decay=0.1, mask=MASK),
    "lars": Case(
        "lars",
        0.02,
        weight_decay=0.01,
        weight_decay_mask=MASK,
        trust_coefficient=0.5,
        trust_ratio_mask=MASK,
        momentum=0.5,
    ),
    "nesterov lars": Case("lars", 5.0, momentum=0.5, nesterov=True),
    "lion": Case("lion", 0.01, weight_decay=0.1, mask=MASK),
    "sign_sgd": Case("sign_sgd", 0.01),
    "adafactor": Case("adafactor", 0.05, min_dim_size_to_factor=2),
    "adafactor with all options": Case(
        "adafactor", 0.02, 3, momentum=0.5, weight_decay_rate=0.001, weight_decay_mask=MASK, clipping_threshold=0.5
    ),
    "full adafactor": Case(
        "adafactor", 0.05, factored=False, multiply_by_parameter_scale=False, clipping_threshold=None
    ),
}
