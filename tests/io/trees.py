"""Trees to be saved, and what makes two trees the same."""

from __future__ import annotations

import dataclasses
import enum
from collections import OrderedDict, defaultdict
from typing import Any, NamedTuple

import numpy as np

from fgrad import optim, tree


class Color(enum.Enum):
    RED = 1


class Pair(NamedTuple):
    left: Any
    right: Any


@tree.register_dataclass
@dataclasses.dataclass
class Layer:
    w: Any
    b: Any
    act: Any = tree.static(default="relu")  # noqa: RUF009


@tree.register_pytree_node_class
class Interval:
    def __init__(self, low: Any, high: Any, name: Any = None) -> None:
        self.low, self.high, self.name = low, high, name

    def __repr__(self) -> str:
        return f"Interval{self.low, self.high, self.name}"

    def tree_flatten(self) -> Any:
        return (self.low, self.high), self.name

    @classmethod
    def tree_unflatten(cls, name: Any, ends: Any) -> Interval:
        return cls(*ends, name)


@tree.register_static
class Mode(enum.Enum):
    TRAIN = "train"


STATIC = (1, -(2**80), 1.5, 2j, b"\x00\xff", "é", None, True, (1, [2, {"a": 3}]), frozenset({1}), slice(0, 2, None),
          range(3), ..., np.dtype("float32"), np.float32(0.1), Color.RED, Pair(1, 2), {3})  # fmt: skip


def parameters() -> Any:
    return {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": [np.zeros(3), np.float32(0.1)]}


DTYPES = ("?", "i1", "<i2", ">i4", "i8", "u1", ">u2", "u4", "u8", "f2", "f4", ">f8", "c8", ">c16")

TREES: dict[str, Any] = {
    "leaf": np.arange(3),
    "number": 0.1,
    "none": None,
    "containers": [(), [], {}, (1,), {"b": 1, "a": (2, [None])}, OrderedDict(z=1, a=2), defaultdict(list, z=[1], a=[])],
    "factories": [defaultdict(None, a=1), defaultdict(dict, a={})],
    "keys": {"b": 1, "a": 2, 3: 3, (1, "x"): 4, 0.5: 5, True: 6, None: 7, b"k": 8, Color.RED: 9, Pair(1, 2): 10,
             frozenset({1}): 11, "a/b:\\c\n%\x00": 12, "../../x": 13, "fgrad.json": 14, 1j: 15, np.int8(7): 16},
    "numbers": [0.1, -0.0, float("inf"), float("-inf"), float("nan"), 5e-324, 1e308, 3, -(2**100), 2**53, True, 1 - 0j,
                complex("nan-infj"), "text \ud800 é", b"\x00\xff"],
    "scalars": [np.float32(0.1), np.float64("nan"), np.int8(-1), np.bool_(True), np.complex64(1 + 2j),
                np.uint64(2**64 - 1)],
    "optimizer": optim.chain(optim.clip_by_global_norm(1.0), optim.adamw(1e-3)).init(parameters()),
    "classes": [Pair(np.ones(2), Layer(np.eye(2), None, "tanh")), Interval(1.0, np.zeros(2), STATIC), Mode.TRAIN],
    "arrays": {dtype: np.arange(6).reshape(2, 3).astype(dtype) for dtype in DTYPES},
    "layouts": [np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(24.0).reshape(2, 3, 4)[:, ::2, ::-1],
                np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2), np.float64(2) * np.ones(()), np.zeros((0, 3)),
                np.broadcast_to(np.float32(1), (3, 2)), np.zeros((1, 0, 2), ">c16")],
}  # fmt: skip


def same(a: Any, b: Any) -> bool:
    """Whether two trees are the same: types, order of keys, bits of the leaves."""
    leaves, treedef = tree.flatten(a)
    others, other = tree.flatten(b)
    return treedef.layout == other.layout and all(map(same_leaf, leaves, others)) and repr(a) == repr(b)


def same_leaf(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype.str == b.dtype.str and a.shape == b.shape and a.tobytes() == b.tobytes()
    return repr(a) == repr(b)
