"""Exported modules: they compute what the function does, in a process that has no fgrad."""

from __future__ import annotations

import functools
import pickle
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
import fgrad.testing.registry  # every primitive is declared
from fgrad import lax, random
from fgrad.core.primitive import registry
from fgrad.errors import ArgumentError, ExportError
from fgrad.export import to_numpy_source
from fgrad.primitives.softmax import reduce_logsumexp

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 4))
V = RNG.normal(size=5)
BIG = RNG.normal(size=(40, 30))


class Point(NamedTuple):
    x: Any
    y: Any


@fgrad.tree.register_dataclass
@dataclass
class Layer:
    w: Any
    b: Any


def mlp(params: Any, x: Any, y: Any) -> Any:
    for layer in params[:-1]:
        x = np.tanh(x @ layer["w"] + layer["b"])
    last = params[-1]
    return ((x @ last["w"] + last["b"] - y) ** 2).mean()


PARAMS = [
    {"w": RNG.normal(size=(4, 6)), "b": np.zeros(6)},
    {"w": RNG.normal(size=(6, 2)), "b": np.ones(2)},
]


def rnn(w: Any, xs: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = np.tanh(h @ w + x)
        return h, h.sum()

    h, sums = lax.scan(step, np.zeros(4), xs)
    return h.sum() + (sums**2).sum()


def embedding(table: Any, tokens: Any) -> Any:
    return (table[tokens] ** 3).sum() + table[2, 1:].sum() + table[:, ::2].prod()


def sampled(key: Any, scale: Any) -> Any:
    one, two = random.split(key)
    noise = random.normal(one, (3, 4)) * scale
    return noise.sum() + random.uniform(two, (2,)), random.permutation(one, 7), random.randint(two, (3,), 0, 9)


def newton(a: Any) -> Any:
    return lax.while_loop(lambda x: abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, a)


def total(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: sum((fnp.sin(y) * y).sum() for y in fgrad.tree.leaves(f(*args)))


@fgrad.custom_vjp
def halved(x: Any) -> Any:
    return x * x


halved.defvjp(lambda x: (x * x, x), lambda x, ct: (ct * x,))


CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "mlp": (fgrad.value_and_grad(mlp), (PARAMS, X, RNG.normal(size=(5, 2)))),
    "mlp in single precision": (
        fgrad.value_and_grad(mlp),
        fgrad.tree.map(lambda x: x.astype(np.float32), (PARAMS, X, RNG.normal(size=(5, 2)))),
    ),
    "hessian": (fgrad.hessian(lambda v: np.sin(v).prod() + (v**3).sum()), (V,)),
    "hessian of a product": (fgrad.hessian(lambda p: (np.outer(p["a"], p["b"]) ** 2).sum()), ({"a": V, "b": V[:3]},)),
    "per-example gradients": (
        fgrad.vmap(fgrad.grad(lambda w, x: np.tanh(w @ x).sum()), in_axes=(None, 0)),
        (np.ones((3, 4)), X),
    ),
    "jit in jit": (fgrad.jit(lambda x: fgrad.jit(np.sin)(x) * 2), (V,)),
    "scan": (fgrad.value_and_grad(rnn), (np.eye(4), X)),
    "scan back": (lambda xs: lax.scan(lambda c, x: (c + x, c * x), 0.0, xs, reverse=True), (V,)),
    "scan of numbers": (lambda h: lax.scan(lambda c, _: (c * 0.5 + 1, None), h, length=4)[0], (2.0,)),
    "scan that only passes on": (lambda c, xs: lax.scan(lambda c, x: (c, c), c, xs), (X, V)),
    "scan of nothing": (lambda c: lax.scan(lambda c, x: (c + x, c), c, np.zeros(0)), (V,)),
    "hessian through scan": (fgrad.hessian(rnn), (np.eye(4), X)),
    "vmap of scan": (fgrad.vmap(lambda xs: lax.scan(lambda c, x: (c * x, c), 1.0, xs)[1]), (X,)),
    "fori": (lambda x: lax.fori_loop(0, 5, lambda i, c: c * 1.1 + i, x), (V,)),
    "while": (newton, (2.0,)),
    "while of arrays": (lambda x, y: lax.while_loop(lambda c: c.sum() < 50, lambda c: c * y, abs(x)), (V, V + 3)),
    "while forward": (lambda a: fgrad.jvp(newton, (a,), (1.0,)), (2.0,)),
    "cond": (
        fgrad.value_and_grad(lambda x: lax.cond(x.sum() > 0, lambda x: np.sin(x).sum(), lambda x: x.prod(), x)),
        (V,),
    ),
    "cond that passes on": (lambda x, c: lax.cond(c, lambda x: (x, x), lambda x: (x, -x), x), (V, True)),
    "switch": (lambda i, x: lax.switch(i, [np.sin, np.cos, np.tanh], x), (np.int64(7), V)),
    "random": (fgrad.jit(sampled), (random.key(3), 2.0)),
    "random rows": (fgrad.vmap(lambda k: random.normal(k, (2,))), (random.split(random.key(1), 3),)),
    "random gradient": (
        fgrad.grad(lambda s, key: (random.normal(key, (3,)) * s).sum() ** 2 + random.gumbel(key)),
        (2.0, random.key(0)),
    ),
    "categorical": (lambda key, w: random.categorical(key, w, shape=(6,)), (random.key(5), V)),
    "indexing": (fgrad.value_and_grad(embedding), (X, np.array([0, 3, 3, 1]))),
    "much indexing": (fgrad.grad(embedding), (BIG, RNG.integers(0, 40, 300))),
    "updates": (lambda x, i: fnp.at(x)[i].add(1.0).at[0].set(2.0).at[1:].max(0.1), (X, np.array([1, 1]))),
    "dynamic slices": (lambda x, i: lax.dynamic_update_slice(x, lax.dynamic_slice(x, (i,), (2,)) * 2, (0,)), (V, 2)),
    "sort": (fgrad.value_and_grad(lambda x: (np.sort(x, axis=0) * np.arange(5.0)[:, None]).sum()), (X,)),
    "argsort": (lambda x: (np.argsort(x), np.argmax(x), np.searchsorted(np.sort(x), x)), (V,)),
    "median": (fgrad.grad(lambda x: fnp.median(x) + fnp.quantile(x, 0.3)), (V,)),
    "softmax": (fgrad.value_and_grad(total(lambda x: fnp.exp(x - fnp.logaddexp(x, 0.0)))), (X,)),
    "logsumexp": (fgrad.value_and_grad(lambda x: reduce_logsumexp(x, axes=(1,)).sum()), (X,)),
    "cumulative": (fgrad.grad(total(lambda x: (np.cumsum(x), np.cumprod(x), fnp.cumsum(x[::-1])))), (V,)),
    "convolution": (
        fgrad.value_and_grad(lambda x, k: (lax.conv(x, k, (1, 1), "SAME") ** 2).sum(), (0, 1)),
        (RNG.normal(size=(2, 3, 6, 6)), RNG.normal(size=(4, 3, 3, 3))),
    ),
    "pooling": (
        fgrad.grad(lambda x: (lax.reduce_window(x, -np.inf, lax.max, (2, 2), (2, 2), "VALID") ** 2).sum()),
        (RNG.normal(size=(6, 6)),),
    ),
    "einsum": (
        fgrad.grad(total(lambda x, y: fnp.einsum("bij,bjk->bik", x, y)), (0, 1)),
        (BIG.reshape(6, 10, 20), BIG.reshape(6, 20, 10)),
    ),
    "complex": (lambda x: abs(x * (1 + 2j)) ** 2 + np.conj(x * 1j).imag, (V,)),
    "choices": (fgrad.grad(total(lambda x: np.where(x > 0, np.log(abs(x) + 1), np.clip(x, -0.5, 0.5)))), (X,)),
    "dtypes": (
        lambda x, n: (x.astype(np.float32), n % 3, n // 2, x > 0, (x > 0) & (n == 1), n.astype(np.int8)),
        (V, np.arange(5)),
    ),
    "constants": (lambda x: (x @ BIG, BIG, np.arange(4), np.array([np.nan, -np.inf, -0.0]), np.float32(0.1)), (BIG.T,)),
    "constants with a shape": (lambda x: (x + np.zeros((2, 0)), np.ones((0, 3)) * 2.0, np.array(2.5) * x), (1.5,)),
    "returns what it was given": (lambda x, y: (x, x, {"y": y}, 3, x[1:], x.T), (X, 2)),
    "nothing": (lambda: (1.0, ()), ()),
    "fused optimizer step": (
        lambda p, x, y: fgrad.tree.map(lambda p, g: p - 0.1 * g, p, fgrad.grad(mlp)(p, x, y)),
        (PARAMS, X, RNG.normal(size=(5, 2))),
    ),
    "checkpoint": (fgrad.value_and_grad(fgrad.checkpoint(lambda x: np.sin(np.cos(x)).sum())), (V,)),
    "custom rule": (fgrad.grad(lambda x: halved(x).sum()), (V,)),
    "third derivative": (fgrad.vmap(fgrad.grad(fgrad.grad(fgrad.grad(np.tanh)))), (V,)),
    "jet": (lambda x: fgrad.jet(np.exp, (x,), ((1.0, 0.0),)), (0.5,)),
}

RUNNER = """
import importlib, pickle, sys, traceback

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("fgrad", "scipy"):
            raise ImportError(name + " must not be imported")

sys.meta_path.insert(0, Blocked())
sys.path.insert(0, sys.argv[1])
with open(sys.argv[2], "rb") as file:
    cases = pickle.load(file)
found = []
for module, args in cases:
    try:
        function = importlib.import_module(module).exported
        found.append([function(*args) for _ in range(2)])
    except Exception:
        found.append(traceback.format_exc())
with open(sys.argv[3], "wb") as file:
    pickle.dump(found, file)
"""


@functools.cache
def exported() -> dict[str, str]:
    return {name: to_numpy_source(f, *args, name="exported") for name, (f, args) in CASES.items()}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What the exported modules return, twice, in a process without fgrad."""
    folder: Path = tmp_path_factory.mktemp("exported")
    modules = []
    for k, (name, text) in enumerate(exported().items()):
        (folder / f"case{k}.py").write_text(text, "utf-8")
        modules.append((f"case{k}", CASES[name][1]))
    (folder / "cases.pickle").write_bytes(pickle.dumps(modules))
    (folder / "run.py").write_text(RUNNER)
    files = [str(folder / name) for name in ("run.py", "", "cases.pickle", "found.pickle")]
    done = subprocess.run(
        [sys.executable, "-W", "error", *files], capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(CASES, pickle.loads((folder / "found.pickle").read_bytes()), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_results(name: str, results: dict[str, list[Any]]) -> None:
    f, args = CASES[name]
    expected = fgrad.jit(f)(*args)
    assert isinstance(results[name], list), results[name]
    for found in results[name]:
        assert fgrad.tree.structure(found) == fgrad.tree.structure(expected)
        for x, y in zip(fgrad.tree.leaves(found), fgrad.tree.leaves(expected), strict=True):
            assert (type(x), np.shape(x)) == (type(y), np.shape(y))
            dtype = np.asarray(y).dtype
            assert np.asarray(x).dtype == dtype
            np.testing.assert_allclose(x, y, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_modules_import_numpy_and_the_standard_library_alone(name: str) -> None:
    text = exported()[name]
    lines = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    assert {line.split()[1].partition(".")[0] for line in lines} <= {"numpy", *sys.stdlib_module_names}
    assert "np.load" not in text or "allow_pickle=False" in text
    assert [line for line in text.splitlines() if len(line) > 200] == []


def test_results_own_their_memory() -> None:
    namespace: dict[str, Any] = {}
    exec(exported()["returns what it was given"], namespace)
    x = X.copy()
    outs = [y for y in fgrad.tree.leaves(namespace["exported"](x, 2)) if isinstance(y, np.ndarray)]
    for y in outs:
        y[...] = 0.0
    np.testing.assert_array_equal(x, X)


GOLDEN = '''"""`loss(w, x)`, written by fgrad.export.to_numpy_source. It needs NumPy alone.

Arguments:
    w: a dict with keys 'bias', 'weight'
        w['bias']: float64[]
        w['weight']: float64[3]
    x: float64[4, 3]

Returns:
    result: a tuple of length 2
        result[0]: float64[]
        result[1]['bias']: float64[]
        result[1]['weight']: float64[3]
"""

import numpy as np

_constant = np.array([1.0, 2.0, 3.0, 4.0], "float64")


def loss(w, x):
    w_bias = w['bias']
    w_weight = w['weight']
    a = np.dot(x, w_weight)  # test_numpy_source.py:LINE
    a = np.add(a, w_bias, out=a)
    a = np.subtract(a, _constant, out=a)
    b = np.square(a)
    c = np.add.reduce(b, axis=0)
    a = np.multiply(np.float64(2.0), a, out=a)
    d = np.add.reduce(a, axis=0)
    e = np.dot(x.T, a)
    return (c, {'bias': d, 'weight': e})
'''


def test_golden() -> None:
    y = np.arange(1.0, 5.0)

    def loss(w: Any, x: Any) -> Any:
        return ((x @ w["weight"] + w["bias"] - y) ** 2).sum()

    text = to_numpy_source(fgrad.value_and_grad(loss), {"weight": np.ones(3), "bias": np.float64(0)}, np.ones((4, 3)))
    line = loss.__code__.co_firstlineno + 1
    assert text == GOLDEN.replace("LINE", str(line))


def run(f: Callable[..., Any], *args: Any, given: Any = None) -> Any:
    namespace: dict[str, Any] = {}
    exec(to_numpy_source(f, *args, name="exported"), namespace)
    return namespace["exported"](*(args if given is None else given))


def test_named_tuples_and_dataclasses() -> None:
    def f(p: Point, layer: Layer) -> Any:
        return Point(p.x * 2, layer.w), Layer(layer.b, p.y), OrderedDict(k=p.x), None

    args = (Point(1.0, X), Layer(V, 2.0))
    text = to_numpy_source(f, *args)
    assert "p: a tuple, in the place of a Point" in text
    assert "layer: a dict, in the place of " in text
    assert "layer.w: float64[5]" in text
    found = run(f, *args, given=((1.0, X), {"w": V, "b": 2.0}))
    assert type(found[0]) is tuple
    assert found[0][0] == 2.0
    np.testing.assert_array_equal(found[0][1], V)
    assert found[1] == {"w": 2.0, "b": pytest.approx(X)}
    assert found[2] == {"k": 1.0}
    assert found[3] is None


def test_shapes_are_enough() -> None:
    text = to_numpy_source(lambda x: x * 2, fgrad.ShapeDtypeStruct((3,), np.float32))
    assert "x: float32[3]" in text


def test_names_that_are_no_identifiers() -> None:
    text = to_numpy_source(lambda p: p["a b"] + p['"""'] + p[1], {"a b": 1.0, '"""': 2.0, 1: 3.0})
    namespace: dict[str, Any] = {}
    exec(text, namespace)
    assert namespace["function_lambda"]({"a b": 1.0, '"""': 2.0, 1: 4.0}) == 7.0


def test_a_part_named_as_another_argument() -> None:
    def f(p: Any, p_w: Any, np: Any) -> Any:  # a user may call an argument np
        return p["w"] - p_w + np

    assert run(f, {"w": 5.0}, 2.0, 1.0) == 4.0


@pytest.mark.parametrize(
    ("f", "args", "needs"),
    [
        (lambda x: fgrad.pure_callback(np.sin, x, x), (V,), r"`pure_callback` .*called back"),
        (lambda x: (fgrad.debug.print("{}", x), x)[1], (V,), r"`debug_callback` .*called back"),
        (lax.lgamma, (V,), r"`lgamma` .*SciPy"),
        (fgrad.grad(newton), (2.0,), r"`deferred`.*\n.*\n.*while_loop"),
    ],
)
def test_what_cannot_be_exported(f: Any, args: Any, needs: str) -> None:
    with pytest.raises(ExportError, match=f"(?s){needs}") as caught:
        to_numpy_source(f, *args)
    assert "cannot be exported as NumPy" in str(caught.value)
    assert "test_numpy_source.py:" in str(caught.value)


def test_what_is_no_name_and_no_function() -> None:
    with pytest.raises(ArgumentError, match="name must be the name of a function, got"):
        to_numpy_source(np.sin, 1.0, name="a b")
    with pytest.raises(ArgumentError, match="expects a function"):
        to_numpy_source(1.0)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="values that are being traced"):
        fgrad.grad(lambda x: len(to_numpy_source(np.sin, x)) * x)(1.0)


def samples() -> list[Any]:
    """Every declared primitive, but those that run programs of the user's, with each of its samples."""
    found = []
    for name, primitive in sorted(registry.items()):
        for k, sample in enumerate(primitive.samples):
            if not type(primitive).__module__.startswith(("fgrad.control", "fgrad.core")):
                found.append(pytest.param(primitive, sample, id=f"{name}-{k}"))
    return found


@pytest.mark.parametrize(("primitive", "sample"), samples())
def test_every_primitive(primitive: Any, sample: Any) -> None:
    rng = np.random.default_rng(1)
    args = [a(rng) if callable(a) else a for a in sample.args]

    def f(*xs: Any) -> Any:
        return primitive.bind(*xs, **sample.params)

    try:
        text = to_numpy_source(f, *args, name="exported")
    except ExportError as error:
        assert "SciPy" in str(error) or primitive.name == "spectral"  # noqa: PT017 - which holds a function
        return
    assert "import fgrad" not in text
    namespace: dict[str, Any] = {}
    exec(text, namespace)
    assert not [v for v in namespace.values() if str(getattr(v, "__module__", "")).startswith("fgrad")]
    with np.errstate(all="ignore"):
        expected, found = fgrad.jit(f)(*args), namespace["exported"](*args)
    for x, y in zip(fgrad.tree.leaves(found), fgrad.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(x, y)
        assert np.asarray(x).dtype == np.asarray(y).dtype


def test_what_a_primitive_remembers_is_not_exported() -> None:
    def f(x: Any) -> Any:
        return np.cumprod(x, axis=0)[::-1].cumprod()

    def export() -> str:
        return to_numpy_source(fgrad.grad(lambda x: f(x).sum()), V)

    before = export()
    for dtype in (np.float32, np.float64, np.complex64):
        fgrad.jit(f)(V.astype(dtype))
    fgrad.jit(fgrad.jacfwd(f))(V.astype(np.float32))
    assert export() == before
    assert " = {}\n" in before
