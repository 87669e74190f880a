"""The libraries behind one set of names, JAX's: `lib.np`, `lib.grad`, `lib.jit`, `lib.vmap`, …"""

import importlib
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numpy import ndarray

from benchmarks.trees import map_arrays

Call = Callable[[], Any]
"""What is timed: a call without arguments."""


class Library:
    """What a library has under JAX's name comes from its module; the differences are written down here."""

    name: str
    module: ModuleType
    np: ModuleType

    def __init__(self, x64: bool) -> None:
        """Import the library; raises ImportError where it is not installed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)

    def array(self, array: ndarray) -> Any:
        """A NumPy array as the library's own."""
        return array

    def blocking(self, call: Call) -> Call:
        """The call, returning only when its result is there."""
        return call

    def hvp(self, function: Callable[..., Any], x: Any, t: Any) -> Any:
        """The Hessian of `function` at `x` times `t`."""
        return self.jvp(self.grad(function), (x,), (t,))[1]

    def softmax(self, x: Any) -> Any:
        """The softmax along the last axis, where the library has none that can be differentiated."""
        return self.np.exp(x - self.logsumexp(x, axis=-1, keepdims=True))


class NumPy(Library):
    """NumPy by hand."""

    name = "numpy"

    def __init__(self, x64: bool) -> None:
        self.module = self.np = np


class Fgrad(Library):
    """This project."""

    name = "fgrad"

    def __init__(self, x64: bool) -> None:
        self.module = importlib.import_module("fgrad")
        self.np = importlib.import_module("fgrad.numpy")
        self.logsumexp = self.np.logsumexp

    def sigmoid(self, x: Any) -> Any:
        """The logistic function."""
        return self.module.lax.logistic(x)

    def softmax(self, x: Any) -> Any:
        """The softmax along the last axis."""
        return self.np.softmax(x, axis=-1)

    @property
    def optim(self) -> ModuleType:
        """The optimizers, imported where they are used: they are no part of a first gradient."""
        return importlib.import_module("fgrad.optim")


class Jax(Library):
    """JAX, with optax for its optimizers."""

    name = "jax"

    def __init__(self, x64: bool) -> None:
        self.module = importlib.import_module("jax")
        self.module.config.update("jax_enable_x64", x64)
        self.np = importlib.import_module("jax.numpy")
        self.logsumexp = self.module.nn.logsumexp
        self.sigmoid = self.module.nn.sigmoid

    @property
    def jet(self) -> Callable[..., Any]:
        """Taylor mode, which JAX has under another name."""
        return importlib.import_module("jax.experimental.jet").jet  # type: ignore[no-any-return]

    @property
    def optim(self) -> ModuleType:
        """optax; raises ImportError where it is not installed."""
        return importlib.import_module("optax")

    def array(self, array: ndarray) -> Any:
        return self.np.asarray(array)

    def softmax(self, x: Any) -> Any:
        return self.module.nn.softmax(x)

    def blocking(self, call: Call) -> Call:
        wait = self.module.block_until_ready
        return lambda: wait(call())


class Autograd(Library):
    """HIPS autograd: no compiler, so `jit` is the function itself, and no vmap and no scan, so these are loops."""

    name = "autograd"

    def __init__(self, x64: bool) -> None:
        self.module = importlib.import_module("autograd")
        self.np = importlib.import_module("autograd.numpy")
        special = importlib.import_module("autograd.scipy.special")
        self.logsumexp, self.sigmoid = special.logsumexp, special.expit
        self.jacrev = self.module.jacobian
        self.lax = SimpleNamespace(scan=self.scan)

    def jit(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself."""
        return function

    def vjp(self, function: Callable[..., Any], x: Any) -> tuple[Any, Callable[[Any], tuple[Any]]]:
        """Value and pullback, in JAX's order."""
        pullback, out = self.module.make_vjp(function)(x)
        return out, lambda ct: (pullback(ct),)

    def hvp(self, function: Callable[..., Any], x: Any, t: Any) -> Any:
        """Reverse over reverse: the Hessian is symmetric."""
        return self.module.make_vjp(self.grad(function))(x)[0](t)

    def value_and_grad(self, function: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
        """JAX's: autograd's takes one argument number."""
        if isinstance(argnums, int):
            return self.module.value_and_grad(function, argnums)  # type: ignore[no-any-return]

        def in_several(*args: Any) -> tuple[Any, tuple[Any, ...]]:
            def joint(chosen: tuple[Any, ...]) -> Any:
                given = dict(zip(argnums, chosen, strict=True))
                return function(*(given.get(i, x) for i, x in enumerate(args)))

            value, grads = self.module.value_and_grad(joint)(tuple(args[i] for i in argnums))
            return value, tuple(grads)

        return in_several

    def scan(self, step: Callable[[Any, Any], tuple[Any, Any]], init: Any, xs: Any) -> tuple[Any, Any]:
        """A loop over the rows of one array, the results stacked."""
        carry, ys = init, []
        for x in xs:
            carry, y = step(carry, x)
            ys.append(y)
        return carry, self.np.stack(ys)

    def vmap(self, function: Callable[..., Any], in_axes: tuple[int | None, ...]) -> Callable[..., Any]:
        """A loop over leading axes, the results stacked."""

        def mapped(*args: Any) -> Any:
            size = next(len(x) for x, axis in zip(args, in_axes, strict=True) if axis == 0)
            rows = [
                function(*(x if axis is None else x[i] for x, axis in zip(args, in_axes, strict=True)))
                for i in range(size)
            ]
            return map_arrays(lambda *column: np.stack(column), *rows)

        return mapped


class Torch(Library):
    """PyTorch, eager."""

    name = "torch"

    def __init__(self, x64: bool) -> None:
        self.module = self.np = importlib.import_module("torch")

    def array(self, array: ndarray) -> Any:
        return self.module.from_numpy(array.copy())


LIBRARIES: dict[str, type[Library]] = {cls.name: cls for cls in (Fgrad, NumPy, Jax, Autograd, Torch)}
PEERS = tuple(name for name in LIBRARIES if name != "fgrad")
