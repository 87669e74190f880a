"""What is executed: the lines that are shown, and the same bits."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.compiler.bound import bound
from fgrad.compiler.compiled import Compiled

X = np.array([[1.5, -2.0, 0.25], [3.0, 0.0, 7.0]], np.float32)
W = np.linspace(-1, 1, 64 * 32, dtype=np.float32).reshape(64, 32)


def compiled(f: Any, *args: Any) -> Compiled:
    return fgrad.jit(f).lower(*args).compile()


def executed(program: Compiled) -> list[str]:
    return bound(program.source.code)[0].splitlines()


def run_shown(program: Compiled, *args: Any) -> Any:
    """What the lines that are shown compute."""
    namespace = dict(program.source.namespace)
    exec(program.text, namespace)
    return namespace[program.source.name](*args)


def assert_same_bits(found: Any, expected: Any) -> None:
    for y, z in zip(found, expected, strict=True):
        assert (type(y), np.asarray(y).dtype) == (type(z), np.asarray(z).dtype)
        assert np.asarray(y).tobytes() == np.asarray(z).tobytes()


def loss(x: Any) -> Any:
    y = np.maximum(np.tanh(x * 2 - 0.5), 0)
    return (np.sum(1 / (y + 3)) + fnp.mean(x)) / 7


def layer(w: Any) -> Any:
    return (np.tanh(w @ w.T) * 0.5).sum()


def stand_ins(program: Compiled) -> dict[str, str]:
    """What is shown in place of each name."""
    found: dict[str, str] = {}
    for line, text in zip(program.source.code.splitlines(), program.text.splitlines(), strict=True):
        names = re.findall(r"\b_bound\d*", line)
        pattern = re.sub(r"\b_bound\d*", "(.+?)", re.escape(line))
        match = re.fullmatch(pattern, text)
        assert match is not None
        for name, shown in zip(names, match.groups(), strict=True):
            assert found.setdefault(name, shown) == shown
    return found


@pytest.mark.parametrize(("f", "x"), [(loss, X), (fgrad.grad(loss), X), (fgrad.value_and_grad(layer), W)])
def test_executed_and_shown_lines_say_the_same(f: Any, x: Any) -> None:
    program = compiled(f, x)
    names = stand_ins(program)
    assert names
    for name, shown in names.items():
        value, meant = program.source.namespace[name], eval(shown, program.source.namespace)
        same = (
            value == np.asarray(meant, value.dtype) if isinstance(value, np.ndarray) else meant.__name__ in str(value)
        )
        assert np.all(same)
    for line, code in zip(executed(program), program.source.code.splitlines(), strict=True):
        assert "np." not in line.split("  #")[0]
        assert line.replace("np_", "np.").replace("add_reduce", "add.reduce") == bound_out(code)
    assert_same_bits(program.function(x), run_shown(program, x))


def bound_out(line: str) -> str:
    """A line with the array that takes the result passed by position, as NumPy allows but for two functions."""
    if "np.maximum" in line or "np.minimum" in line or "np.dot" in line:
        return line
    return line.replace(", out=", ", ")


def test_what_stands_in_for_what() -> None:
    lines = executed(compiled(lambda x: np.tanh(x * 2.0 + 1), X))
    assert lines[1].split("  #")[0] == "    a = np_multiply(x, _bound)"
    assert lines[2] == "    a = np_add(a, _bound2, a)"
    assert lines[3] == "    a = np_tanh(a, a)"


DTYPES = ["bool", "int8", "uint8", "int64", "uint64", "float16", "float32", "float64", "complex64", "complex128"]
NUMBERS = [True, 0, 1, -1, 3, 2**40, 0.1, -2.5, np.inf, np.nan, 1e-60, 1j, np.float32(0.1), np.float64(0.1), np.int8(3)]
FUNCTIONS = [np.add, np.multiply, np.true_divide, np.power, np.maximum, np.less, np.equal, np.bitwise_and]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_are_what_numpy_makes_of_them(dtype: str) -> None:
    x = np.array([0, 1, 3]).astype(dtype)
    for function, number in itertools.product(FUNCTIONS, NUMBERS):
        try:
            expected = [function(x, number), function(number, x)]
        except (TypeError, ValueError, OverflowError):
            continue
        f = fgrad.jit(lambda x, function=function, number=number: [function(x, number), function(number, x)])
        assert_same_bits(f(x), expected)


def test_a_number_out_of_range_is_refused_at_every_call() -> None:
    x = np.array([1, 2], np.uint8)
    assert_same_bits([fgrad.jit(lambda x: np.less(x, 300))(x)], [np.less(x, 300)])
    y = np.abs(X) + 1
    with pytest.warns(RuntimeWarning, match="overflow encountered in cast"):
        expected = y * 1e300
    f = fgrad.jit(lambda x: x * 1e300)
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match="overflow encountered in cast"):
            assert_same_bits([f(y)], [expected])


def test_arguments_may_be_called_as_functions_are() -> None:
    def np_tanh(np_add: Any, np_tanh: Any) -> Any:
        return np.tanh(np_add) + np_tanh

    assert_same_bits([fgrad.jit(np_tanh)(X, X)], [np.tanh(X) + X])


def test_the_name_of_a_file_is_no_function_of_numpys() -> None:
    code = "y = np.add(x, y)  # np.py:3\nz = x.np.add(np.nothing)\n"
    assert bound(code)[0] == "y = np_add(x, y)  # np.py:3\nz = x.np.add(np.nothing)\n"


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_numpy_wants_the_result_of_an_extremum_by_name(name: str) -> None:
    assert bound(f"a = np.{name}(a, b, out=a)\n")[0] == f"a = np_{name}(a, b, out=a)\n"


@pytest.mark.parametrize(
    "line",
    ["np.sum(x, out=y)", "np.square(x, dtype=t, out=y)", "np.add(x, out=y)", "np.add(np.exp(x, out=y), z, out=y)"],
)
def test_only_the_operands_and_the_result_are_passed_by_position(line: str) -> None:
    assert bound(line)[0] == line.replace("np.", "np_")


def test_a_number_that_several_operations_take_is_made_an_array_once() -> None:
    def f(rate: Any, x: Any, y: Any) -> Any:
        step = rate * 2
        return x * rate + y, y * rate, x * step, y / step, rate + 1

    program = compiled(f, 0.5, X, X)
    lines = [line.split("  #")[0].strip() for line in executed(program)]
    assert lines[1:3] == [
        "_bound = np_asarray(rate, _float32); a = rate * 2; _bound2 = np_asarray(a, _float32)",
        "b = np_multiply(x, _bound)",
    ]
    assert "_b" not in program.text.split("  #")[0]
    for rate in (0.5, -3.3, 1e-30):
        assert_same_bits(fgrad.jit(f)(rate, X, X), f(rate, X, X))
        assert_same_bits(program.function(rate, X, X), run_shown(program, rate, X, X))


@pytest.mark.parametrize("kind", [float, int, np.float16, np.float32, np.float64, np.complex64])
@pytest.mark.parametrize("dtype", ["int32", "float16", "float32", "float64", "complex64"])
def test_arrays_of_numbers_are_converted_as_numbers_are(kind: Any, dtype: str) -> None:
    def f(n: Any, x: Any, y: Any) -> Any:
        return x * n, n + x, y - n, np.power(x, n), np.greater(x.real, n.real)

    x, y = np.array([1, 2, 3]).astype(dtype), np.array([1.0, 2, 3], np.float32)
    assert_same_bits(fgrad.jit(f)(kind(3.3), x, y), f(kind(3.3), x, y))


def test_steps_of_loops_take_numbers_as_they_are_then() -> None:
    def step(n: Any, x: Any) -> Any:
        return n / 3, (x * n, x + n)

    xs = np.arange(240.0, dtype=np.float32).reshape(40, 6)
    n, expected = 1.0, []
    for x in xs:
        n, out = step(n, x)
        expected.append(out)
    for _ in range(3):
        found = fgrad.jit(lambda xs: fgrad.lax.scan(step, np.float32(1.0), xs))(xs)[1]
    np.testing.assert_allclose(found[0], [y for y, _ in expected], rtol=1e-4)
    np.testing.assert_allclose(found[1], [y for _, y in expected], rtol=1e-4)
