"""Generated code: what a person would write, and nothing of the user's enters it as code."""

from __future__ import annotations

import ast
import gc
import keyword
import linecache
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgrad
from fgrad.compiler import failures
from fgrad.compiler.compiled import compile_jaxpr, compiled_function
from fgrad.compiler.plan import plan
from fgrad.compiler.source import write_source
from fgrad.primitives.exponential import exp
from fgrad.primitives.trigonometric import sin

X = np.array([1.0, 2.0, 3.0])


def statements(f: Any, *args: Any) -> list[str]:
    """The lines of the body, without comments."""
    lines = fgrad.jit(f).lower(*args).as_text().splitlines()
    return [line.split("  #")[0].strip() for line in lines[1:]]


def test_one_operation_a_line_in_place_where_possible() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.exp(np.sin(x) * y) + 1.0

    assert statements(f, X, X) == [
        "a = np.sin(x)",
        "a = np.multiply(a, y, out=a)",
        "a = np.exp(a, out=a)",
        "a = np.add(a, 1.0, out=a)",
        "return (a,)",
    ]


def test_the_users_names_and_lines() -> None:
    def loss(weights: Any, bias: Any) -> Any:
        return weights["w"] * bias[0]

    text = fgrad.jit(loss).lower({"w": X}, [X]).as_text()
    assert text.startswith("def loss(weights_w, bias_0):\n")
    assert f"  # test_source.py:{loss.__code__.co_firstlineno + 1}\n" in text


@pytest.mark.parametrize("number", [2.5, -1.5, 0.1, 3, -7, 1e-300, 1e300, 12345678901234567890.0])
def test_numbers_stand_as_they_are(number: Any) -> None:
    assert fgrad.jit(lambda x: x * number)(2.0) == 2.0 * number
    assert repr(number) in fgrad.jit(lambda x: x * number).lower(X).as_text()


@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan, -0.0, 1j, np.float32(0.1), np.int8(-3), True])
def test_numbers_without_a_literal_are_kept_exactly(number: Any) -> None:
    got = fgrad.jit(lambda x: (np.multiply(x, number), number))(np.ones(2))
    expected = np.multiply(np.ones(2), number)
    assert got[0].dtype == expected.dtype
    np.testing.assert_array_equal(got[0].view(np.uint64), expected.view(np.uint64))
    np.testing.assert_array_equal(got[1], number)
    assert np.signbit(np.real(got[1])) == np.signbit(np.real(number))


AWKWARD = [
    "lambda",
    "np",
    "__import__('os')",
    "a",
    "x",
    "_sin",
    "class",
    "é",
    "1x",
    "",
    "x y",
    "x);import os;(",
    "None",
]


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_names(name: str) -> None:
    closed = fgrad.make_jaxpr(lambda x, y: np.sin(x) * y + X)(X, X)
    compiled = compile_jaxpr(closed, name, [name, name])
    np.testing.assert_array_equal(compiled.function(X, X)[0], np.sin(X) * X + X)


@given(st.text(), st.text(), st.text())
def test_no_name_becomes_code(name: str, first: str, second: str) -> None:
    closed = fgrad.make_jaxpr(lambda x, y: np.sin(x) * y)(X, X)
    source = write_source(closed, plan(closed.jaxpr), name, [first, second])
    (function,) = ast.parse(source.text).body
    assert isinstance(function, ast.FunctionDef)
    assert function.name == source.name
    assert len({a.arg for a in function.args.args}) == 2
    assert [type(s) for s in function.body] == [ast.Assign, ast.Assign, ast.Return]
    assert not keyword.iskeyword(source.name)


def test_files_in_comments_are_harmless() -> None:
    code = compile("def f(x):\n    return np.sin(x)\n", "evil\n    import os  # .py", "exec")
    namespace: dict[str, Any] = {"np": np}
    exec(code, namespace)
    text = fgrad.jit(namespace["f"]).lower(X).as_text()
    assert [type(s) for s in ast.parse(text).body[0].body] == [ast.Assign, ast.Return]  # type: ignore[attr-defined]


def test_errors_in_compiled_code_show_the_generated_line() -> None:
    f = compile_jaxpr(fgrad.make_jaxpr(lambda x, y: sin(x) + exp(y))(X, X)).function
    with pytest.raises(ValueError, match="broadcast") as caught:
        f(X, np.ones(2))
    assert "np.add(" in "".join(traceback.format_exception(caught.value))


def test_the_source_is_known_to_debuggers() -> None:
    compiled = compile_jaxpr(fgrad.make_jaxpr(np.sin)(X))
    filename = compiled.function.__code__.co_filename
    assert "".join(linecache.getlines(filename)) == compiled.text


def test_a_program_is_compiled_once() -> None:
    closed = fgrad.make_jaxpr(np.sin)(X)
    assert compiled_function(closed) is compiled_function(closed)


def test_a_compiled_program_goes_with_its_jaxpr() -> None:
    gc.collect()
    gc.disable()
    try:
        closed = fgrad.make_jaxpr(lambda x: x + X)(X)
        function = weakref.ref(compiled_function(closed))
        filename = function().__code__.co_filename  # type: ignore[union-attr]
        assert filename in linecache.cache
        del closed
        assert function() is None
    finally:
        gc.enable()
    assert filename not in linecache.cache
    assert filename not in failures._lines


def test_a_dropped_jitted_function_frees_its_constants_at_once() -> None:
    def run() -> weakref.ref[np.ndarray]:
        held = np.ones(10)
        fgrad.jit(lambda x: x * held)(np.ones(10))
        return weakref.ref(held)

    gc.disable()
    try:
        assert run()() is None
    finally:
        gc.enable()


def test_compiled_code_is_reentrant() -> None:
    f = fgrad.jit(lambda x: np.exp(np.sin(x) * 2.0) + x)
    inputs = [np.full(1000, float(i)) for i in range(64)]
    f(inputs[0])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(f, inputs))
    for x, y in zip(inputs, found, strict=True):
        np.testing.assert_array_equal(y, np.exp(np.sin(x) * 2.0) + x)


def test_many_arguments_and_results() -> None:
    xs = [np.float64(i) for i in range(300)]
    outs = fgrad.jit(lambda xs: [x * 2.0 for x in xs])(xs)
    assert outs == [2.0 * i for i in range(300)]
    assert fgrad.jit(lambda xs: ())(xs) == ()


@pytest.mark.parametrize("ufunc", [np.greater, np.greater_equal, np.less, np.less_equal])
@pytest.mark.parametrize(("x", "y"), [(1j, 2j), (1 + 2j, 1 + 1j), (np.complex128(3), 2j)])
def test_complex_numbers_are_ordered_as_numpy_orders_them(ufunc: Any, x: Any, y: Any) -> None:
    assert fgrad.jit(ufunc)(x, y) == ufunc(x, y)


PAYLOADS = [
    "x\nnp.injected = True",
    "x): np.injected = True #",
    "'''\nnp.injected = True\n'''",
    "{np.__setattr__('injected', True)}",
    "x\r\x0cnp.injected = True",
    "x\u2028np.injected = True",
    "\\x0anp.injected = True",
    "lambda",
    "ﬁ",
    '"',
]


@pytest.mark.parametrize("name", PAYLOADS)
def test_no_name_in_data_becomes_code(name: str) -> None:
    """Functions, keys of dicts, names of axes, checkpoints and static values: all over the generated code."""

    def f(p: Any, kind: Any) -> Any:
        y = fgrad.vmap(lambda row: row - fgrad.lax.pmean(row, name), axis_name=name)(p[name])
        return {name: fgrad.checkpoint_name(np.sin(y), name).sum()}

    f.__name__ = f.__qualname__ = name
    g = fgrad.jit(fgrad.grad(lambda p, kind: f(p, kind)[name]), static_argnums=1)
    found = g({name: X}, name)[name]
    np.testing.assert_allclose(found, np.cos(X - X.mean()) - np.cos(X - X.mean()).mean())
    for text in (g.lower({name: X}, name).as_text(), fgrad.jit(f, static_argnums=1).lower({name: X}, name).as_text()):
        assert not any(
            isinstance(n, (ast.Import, ast.Global, ast.Attribute)) and getattr(n, "attr", "") == "injected"
            for n in ast.walk(ast.parse(text))
        )
    assert not hasattr(np, "injected")
