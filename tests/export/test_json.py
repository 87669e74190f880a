"""Programs as JSON: the same program comes back, in any process, and no text runs code."""

from __future__ import annotations

import ast
import copy
import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.testing.registry  # declares every primitive
from fgrad import debug, lax, random
from fgrad.compiler.compiled import compile_jaxpr
from fgrad.core.jaxpr import ClosedJaxpr
from fgrad.core.primitive import registry
from fgrad.errors import ExportError, JaxprError
from fgrad.export import from_json, to_json

X = np.array([1.0, 2.0, 3.0])
SHARED = np.arange(6.0).reshape(2, 3)


def scan(x: Any) -> Any:
    return lax.scan(lambda c, a: (c * np.sin(a), c), 1.0, x)[0]


def loop(x: Any) -> Any:
    return np.sum(lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, np.sin(c[1]) * x), (0, x))[1])


PROGRAMS: dict[str, Any] = {
    "jit": lambda x: np.sum(fgrad.jit(np.sin)(x)),
    "scan": scan,
    "loop": loop,
    "cond": lambda x: np.sum(lax.cond(np.sum(x) > 0, np.sin, np.cos, x)),
    "checkpoint": lambda x: np.sum(fgrad.checkpoint(lambda x: np.sin(np.cos(x)))(x)),
    "constants": lambda x: np.sum(SHARED @ x) + np.sum(SHARED) * np.float32(0.1),
    "indices": lambda x: np.sum(x[[0, 1]] * x[:2]),
    "random": lambda x: np.sum(x * random.normal(random.key(0), (3,))),
    "solve": lambda x: np.sum(np.linalg.solve(np.eye(3) + np.outer(x, x), x)),
    "complex": lambda x: np.sum(np.abs(np.fft.fft(x)) ** 2),
}
TRANSFORMS: dict[str, Any] = {
    "itself": lambda f: f,
    "gradient": fgrad.grad,
    "hessian": fgrad.hessian,
    "rows": lambda f: lambda x: fgrad.vmap(f)(np.array([[1.0], [2.0]]) * x),
    "compiled": lambda f: fgrad.jit(fgrad.value_and_grad(f)),
}


def program(name: str, transform: str) -> ClosedJaxpr:
    closed: ClosedJaxpr = fgrad.make_jaxpr(TRANSFORMS[transform](PROGRAMS[name]))(X)
    return closed


def every_program() -> Iterator[tuple[str, ClosedJaxpr]]:
    for name in PROGRAMS:
        for transform in TRANSFORMS:
            yield f"{name} {transform}", program(name, transform)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_come_back(name: str, transform: str) -> None:
    closed = program(name, transform)
    text = to_json(closed)
    again = from_json(text)
    assert str(again) == str(closed)
    assert to_json(again) == text
    assert again.in_avals == closed.in_avals
    assert again.out_avals == closed.out_avals
    for made in (again, pickle.loads(pickle.dumps(closed))):
        for ours, theirs in zip(made(X), closed(X), strict=True):
            assert type(ours) is type(theirs)
            np.testing.assert_array_equal(ours, theirs)


def test_programs_that_come_back_are_functions() -> None:
    again = from_json(to_json(program("scan", "itself")))
    np.testing.assert_allclose(fgrad.jit(fgrad.grad(lambda x: again(x)[0]))(X), fgrad.grad(scan)(X))


FRESH = """
import pickle, sys
import numpy as np
from fgrad.export import from_json, to_json
import fgrad.testing.registry  # declares them all
from fgrad.core.checker import check_jaxpr
for text, data, x, outs in pickle.load(open(sys.argv[1], "rb")):
    closed = from_json(text)
    assert to_json(closed) == text
    unpickled = pickle.loads(data)
    check_jaxpr(unpickled)
    assert to_json(unpickled) == text
    for made in (closed(x), unpickled(x)):
        for ours, theirs in zip(made, outs, strict=True):
            np.testing.assert_array_equal(ours, theirs)
print("done")
"""


def test_a_fresh_interpreter(tmp_path: Path) -> None:
    cases = [(to_json(closed), pickle.dumps(closed), X, closed(X)) for _, closed in every_program()]
    (tmp_path / "cases").write_bytes(pickle.dumps(cases))
    root = Path(__file__).resolve().parents[2]
    run = [sys.executable, "-W", "error", "-c", FRESH, str(tmp_path / "cases")]
    assert subprocess.run(run, cwd=root, capture_output=True, text=True, check=True).stdout == "done\n"


TRACED = """
import hashlib
from tests.export.test_json import every_program, to_json
print(hashlib.sha256("".join(to_json(closed) for _, closed in every_program()).encode()).hexdigest())
"""


def test_texts_are_the_same_in_every_process() -> None:
    here = hashlib.sha256("".join(to_json(closed) for _, closed in every_program()).encode()).hexdigest()
    root = Path(__file__).resolve().parents[2]
    run = [sys.executable, "-c", TRACED]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(root)}
    there = subprocess.run(run, cwd=root, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    assert here == there


def test_shared_programs_and_arrays_are_written_once() -> None:
    inner = fgrad.jit(lambda x: np.sum(SHARED @ x))
    again = from_json(to_json(fgrad.make_jaxpr(lambda x: inner(x) * inner(x) + np.sum(SHARED))(X)))
    calls = [eqn.params["jaxpr"] for eqn in again.eqns if eqn.primitive.name == "jit"]
    assert len(calls) == 2
    assert calls[0] is calls[1]
    assert json.loads(to_json(again))["arrays"] == [["<f8", [2, 3], json.loads(to_json(again))["arrays"][0][2]]]


def test_long_and_deep_programs() -> None:
    def long(x: Any) -> Any:
        for _ in range(20_000):
            x = np.sin(x)
        return x

    def deep(x: Any) -> Any:
        f = np.sin
        for _ in range(60):
            f = fgrad.jit(lambda x, f=f: np.cos(f(x)))
        return f(x)

    for f in (long, deep):
        closed = fgrad.make_jaxpr(f)(0.5)
        assert from_json(to_json(closed))(0.5) == closed(0.5)
        assert pickle.loads(pickle.dumps(closed))(0.5) == closed(0.5)


# What is refused


def rule(primals: Any, tangents: Any) -> Any:
    return np.sin(primals[0]), np.cos(primals[0]) * tangents[0]


def test_programs_that_hold_functions() -> None:
    ruled = fgrad.custom_jvp(np.sin)
    ruled.defjvp(rule)
    shape = fgrad.ShapeDtypeStruct((3,), float)
    for f, where in (
        (ruled, r"equation 0 \(custom_jvp_call\) of the program holds the function `rule`"),
        (lambda x: (debug.print("{}", x), x)[1], r"equation 0 \(debug_callback\) of the program holds the function"),
        (lambda x: np.sin(fgrad.pure_callback(np.sin, shape, x)), r"equation 0 \(pure_callback\) of the program holds"),
    ):
        with pytest.raises(ExportError, match=rf"to_json: {where}(.|\n)*A text holds no Python functions"):
            to_json(fgrad.make_jaxpr(f)(X))
    with pytest.raises(ExportError, match=r"must be a ClosedJaxpr, got <ufunc 'sin'>.(.|\n)*make_jaxpr\(f\)\(\*args\)"):
        to_json(np.sin)  # type: ignore[arg-type]


DOCUMENT = json.loads(to_json(fgrad.make_jaxpr(lambda x: np.sin(x) * SHARED)(X)))


def changed(*path: Any, to: Any) -> str:
    document = copy.deepcopy(DOCUMENT)
    part = document
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = to
    return json.dumps(document)


SIN = ("programs", 0, "eqns", 0)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "JSONDecodeError"),
        (b"\xff", "UnicodeDecodeError"),
        (3, "not the text of a program"),
        ("[" * 100_000, "RecursionError"),
        (changed("format", to="x"), "not the text of a program"),
        (changed("version", to=2), "it is of version 2; this release of fgrad reads version 1"),
        (changed("programs", to=[]), "arrays or programs are missing"),
        (changed("primitives", to={"nothing": "os"}), "the primitive 'nothing' is not declared: import 'os' first"),
        (changed("primitives", to={"nothing": "fgrad.nothing"}), "the primitive 'nothing' is not declared"),
        (changed("primitives", to={"nothing": "fgrad.export.json_text"}), "the primitive 'nothing' is not declared"),
        (changed("arrays", 0, to=["|O", [1], ""]), "'|O' is no dtype"),
        (changed("arrays", 0, 1, to=[10**12]), r"shape \[1000000000000\] with 48 bytes"),
        (changed("arrays", 0, 1, to=[2, 4]), r"shape \[2, 4\] with 48 bytes"),
        (changed("arrays", 0, 2, to="%"), "not base64"),
        (changed("programs", 0, "consts", to=[]), "reads a variable|is no type|neither a bound|has type|binds"),
        (changed("programs", 0, "consts", 0, to={"array": 7}), "there is no array 7"),
        (changed("programs", 0, "consts", 0, to={"array": -1}), "there is no array -1"),
        (changed("programs", 0, "consts", 0, to="text"), "str is not an array type"),
        (changed("programs", 0, "invars", 0, to="<f8[-1]"), "is no type"),
        (changed("programs", 0, "invars", 0, to="<f8[1,,2]"), "is no type"),
        (changed("programs", 0, "invars", 0, to="<f8[4]"), "has type|takes|broadcast|binds a result|fit"),
        (changed("programs", 0, "outvars", 0, to=99), "99 is neither a bound variable nor a literal"),
        (changed("programs", 0, "outvars", 0, to={"literal": "x"}), "str is not an array type"),
        (changed(*SIN, to=["sin"]), "equation 0"),
        (changed(*SIN, 0, to="nothing"), "equation 0: 'nothing' is no primitive"),
        (changed(*SIN, 1, to=[0, 0]), "`sin` does not take 2 arguments"),
        (changed(*SIN, 1, to=[5]), "5 is neither a bound variable"),
        (changed(*SIN, 1, to=3), "3 where a list belongs"),
        (changed(*SIN, 2, to=["<f4[3]"]), "binds a result of type f32"),
        (changed(*SIN, 2, to=["<f8[3]", "<f8[3]"]), "binds 2 results, its shape rule gives 1"),
        (changed(*SIN, 3, to={"out": 1}), r"`sin` does not take 1 arguments and \['out'\]"),
        (changed(*SIN, 3, to={"x": {"program": 0}}), "there is no program 0"),
        (changed(*SIN, 3, to={"x": {"ufunc": "load"}}), "'load' is no ufunc of NumPy"),
        (changed(*SIN, 3, to={"x": {"primitive": "nothing"}}), "there is no primitive 'nothing'"),
        (changed(*SIN, 3, to={"x": {"namedtuple": ["tests.io.trees:Pair", ["left", "right"], [1, 2]]}}), "not fgrad's"),
    ],
)  # fmt: skip
def test_texts_that_are_not(text: Any, fault: str) -> None:
    with pytest.raises(JaxprError, match=rf"from_json: the text cannot be read: .*({fault})"):
        from_json(text)


def test_texts_that_are_cut_short() -> None:
    text = to_json(program("jit", "gradient"))
    for size in range(0, len(text), 17):
        with pytest.raises(JaxprError, match="from_json: the text cannot be read"):
            from_json(text[:size])


# Code in place of every string and parameter


ATTACKS: tuple[Any, ...] = (
    "__import__('os').system('x')",
    {"tuple": ["__import__('os')", "__import__('os')"]},
    "x'); __import__('os').system('x') #",
    ["__import__('os')"],
    'x"""\n__import__("os").system("x")\n"""',
    "x\n__import__('os').system('x')",
)


def places(found: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of everything in a document."""
    yield path
    items = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


def is_code(closed: ClosedJaxpr) -> bool:
    """Whether what a program says became code when it was compiled."""
    try:
        text = compile_jaxpr(closed).text
    except SyntaxError:
        return True
    except Exception:  # noqa: BLE001 - whatever a rule thinks of such a parameter
        return False
    return any(isinstance(node, ast.Name) and node.id == "__import__" for node in ast.walk(ast.parse(text)))


def accepted(document: Any, path: tuple[Any, ...], attack: Any) -> ClosedJaxpr | None:
    """The program with an attack in one place, if it is taken for one."""
    document = copy.deepcopy(document)
    part = document
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = attack
    try:
        return from_json(json.dumps(document))
    except JaxprError:
        return None


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_in_a_program_becomes_code(name: str) -> None:
    document = json.loads(to_json(program(name, "itself")))
    taken = 0
    for number, path in enumerate(places(document)):
        if path:
            closed = accepted(document, path, ATTACKS[number % len(ATTACKS)])
            if closed is not None:
                taken += 1
                assert not is_code(closed), path
    assert taken < number / 4


@pytest.mark.parametrize("chunk", range(4))
def test_no_parameter_of_a_primitive_becomes_code(chunk: int) -> None:
    rng = np.random.default_rng(0)
    tried = 0
    for primitive in sorted(registry.values(), key=str)[chunk::4]:
        for sample in [sample for sample in primitive.samples if sample.params][:2]:
            args = sample.draw(rng)
            closed = fgrad.make_jaxpr(lambda *xs, p=primitive, s=sample: p.bind(*xs, **s.params))(*args)
            document = json.loads(to_json(closed))
            assert str(from_json(json.dumps(document))) == str(closed)
            for place, eqn in enumerate(document["programs"][-1]["eqns"]):
                at = ("programs", len(document["programs"]) - 1, "eqns", place, 3)
                assert accepted(document, (*at, "x=__import__('os'),y"), 1) is None
                for path in places(eqn[3]):
                    tried += 1
                    taken = accepted(document, (*at, *path), ATTACKS[tried % len(ATTACKS)])
                    assert taken is None or not is_code(taken), (primitive, path)
    assert tried > 50
