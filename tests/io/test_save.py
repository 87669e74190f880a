"""Saving and loading: everything comes back as what it was."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import subprocess
import sys
import zipfile
import zlib
from collections import namedtuple
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import fgrad
from fgrad import io, optim, tree
from fgrad.errors import ArgumentError, SavedFileError, TracerUseError, TreeStructureError
from fgrad.io import arrays, atomic, npz
from fgrad.tree.nodes import KINDS
from tests.io.trees import TREES, Interval, Layer, Pair, parameters, same

FORMATS = (".npz", ".safetensors")
STATE = {"params": parameters(), "step": 7}


@pytest.fixture(params=FORMATS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"state{request.param}"


@pytest.mark.parametrize("name", TREES)
def test_trees_come_back(name: str, path: Path) -> None:
    io.save(path, TREES[name])
    loaded = io.load(path)
    assert same(loaded, TREES[name])
    assert all(leaf.flags.writeable for leaf in tree.leaves(loaded) if isinstance(leaf, np.ndarray))
    assert all(isinstance(entry, io.Entry) for entry in io.describe(path))


def test_memory_order_comes_back(tmp_path: Path) -> None:
    io.save(tmp_path / "a.npz", np.asfortranarray(np.ones((2, 3))))
    assert io.load(tmp_path / "a.npz").flags.f_contiguous


def test_deep_trees(path: Path) -> None:
    deep: Any = np.ones(2)
    for _ in range(3_000):
        deep = [deep]
    io.save(path, deep)
    loaded = io.load(path)
    for _ in range(3_000):
        (loaded,) = loaded
    assert same(loaded, np.ones(2))
    many = [{"a": i} for i in range(3_000)]
    io.save(path, many)
    assert io.load(path) == many


def test_what_numpy_reads(tmp_path: Path) -> None:
    io.save(tmp_path / "a.npz", STATE)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert set(file) == {"['params']['w']", "['params']['b'][0]", "['params']['b'][1]", "fgrad.json"}
        np.testing.assert_array_equal(file["['params']['w']"], STATE["params"]["w"])
        assert json.loads(file["fgrad.json"])["version"] == 1
    io.save(tmp_path / "b.npz", TREES["layouts"])
    with np.load(tmp_path / "b.npz") as file:
        for i, array in enumerate(TREES["layouts"]):
            np.testing.assert_array_equal(file[f"[{i}]"], array)


def test_what_safetensors_reads(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.numpy")
    io.save(tmp_path / "a.safetensors", {**STATE, "c": np.array([1 + 2j])})
    found = package.load_file(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(found["['params']['w']"], STATE["params"]["w"])
    assert found["['c']"].tolist() == [[1.0, 2.0]]


def test_files_are_reproducible(path: Path) -> None:
    io.save(path, STATE)
    first = path.read_bytes()
    io.save(path, STATE)
    assert path.read_bytes() == first


def test_long_and_equal_names(path: Path) -> None:
    long = {"a" * 300: np.ones(1), "a" * 299 + "b": np.zeros(1)}
    io.save(path, long)
    assert same(io.load(path), long)


# Parts


def test_parts(path: Path) -> None:
    io.save(path, STATE)
    assert same(io.load(path, only="['params']"), STATE["params"])
    assert same(io.load(path, only="['params']['b'][0]"), np.zeros(3))
    assert io.load(path, only="['step']") == 7
    assert list(io.load(path, only="*['b']*")) == ["['params']['b'][0]", "['params']['b'][1]"]
    assert list(io.load(path, only=["['step']", "*['w']"])) == ["['step']", "['params']['w']"]
    assert same(io.load(path, only="['params']", like=parameters()), parameters())


def test_names_that_begin_others(path: Path) -> None:
    class Weights(NamedTuple):
        w: Any
        w2: Any

    io.save(path, Weights(1, {"a*": 2}))
    assert io.load(path, only=".w") == 1
    assert io.load(path, only=".w2['a*']") == 2


def test_parts_read_nothing_else(path: Path) -> None:
    io.save(path, {"a": np.ones(100), "b": np.zeros(100)})
    data = bytearray(path.read_bytes())
    place = data.index(np.ones(100).tobytes())
    data[place + 3] ^= 1
    path.write_bytes(data)
    assert same(io.load(path, only="['b']"), np.zeros(100))
    with pytest.raises(SavedFileError, match=r"the checksum of its \w+ \['a'\]\S* does not fit"):
        io.load(path)


def test_parts_that_are_not_there(path: Path) -> None:
    io.save(path, STATE)
    for only in ("['parms']", "['params']['w'][0]", "*x*", ["['step']", ".step"]):
        with pytest.raises(ArgumentError, match=r"nothing in the file fits only=(.|\n)*Its leaves are `\['params'\]"):
            io.load(path, only=only)
    with pytest.raises(ArgumentError, match="only must be a key path or a sequence of key paths, got 3"):
        io.load(path, only=3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="like needs the whole file, or one key path as `only`"):
        io.load(path, only="*", like=STATE)


def test_describe(path: Path) -> None:
    io.save(path, STATE)
    contents = io.describe(path)
    assert contents[-1] == io.Entry("['step']", None, None, 0, 7)
    assert [entry.shape for entry in contents[:3]] == [(3,), (), (2, 3)]
    assert str(contents).splitlines() == [
        "['params']['b'][0]  float64[3]",
        "['params']['b'][1]  float32[]",
        "['params']['w']     float32[2,3]",
        "['step']            int 7",
        "4 leaves, 52 bytes of arrays",
    ]


# Templates


def test_templates(path: Path) -> None:
    io.save(path, STATE)
    assert same(io.load(path, like=STATE), STATE)
    shapes = fgrad.eval_shape(lambda: {"params": parameters(), "step": 7})
    assert same(io.load(path, like=shapes), STATE)
    assert same(io.load(path, like={"step": 0, "params": parameters()}), {"step": 7, "params": STATE["params"]})


def test_templates_bring_static_data(path: Path) -> None:
    saved = Layer(np.ones(2), Interval(1.0, 2.0, len), np.tanh)
    io.save(path, saved)
    with pytest.raises(SavedFileError, match=r"at `.b` cannot be made: .*Interval is the \w+ `len`, which files do"):
        io.load(path)
    loaded = io.load(path, like=saved)
    assert loaded.act is np.tanh
    assert loaded.b.name is len
    assert same(io.load(path, only=".w"), np.ones(2))
    io.save(path, tree.Partial(np.tanh, 1.0))
    with pytest.raises(SavedFileError, match=r"the auxiliary data of fgrad.tree.partial:Partial is the numpy.ufunc"):
        io.load(path)


@pytest.mark.parametrize(
    ("like", "text"),
    [
        ({"params": parameters()}, r"like has nothing at `\['step'\]`"),
        ({**STATE, "more": 1}, r"it has nothing at `\['more'\]`"),
        ({**STATE, "step": 1.0}, r"has int 7 at `\['step'\]`, where like has a Python float"),
        ({**STATE, "step": np.ones(2)}, r"has int 7 at `\['step'\]`, where like has float64\[2\]"),
        ({**STATE, "params": {**parameters(), "w": np.ones((2, 3))}},
         r"has float32\[2,3\] at `\['params'\]\['w'\]`, where like has float64\[2,3\]"),
    ],
)  # fmt: skip
def test_templates_that_differ(like: Any, text: str, path: Path) -> None:
    io.save(path, STATE)
    with pytest.raises(TreeStructureError, match=text):
        io.load(path, like=like)


# Classes


class Kept(NamedTuple):
    x: Any


@tree.register_dataclass
@dataclasses.dataclass
class One:
    x: Any


KEPT, ONE = Kept, One(1)


def test_classes_are_found_in_imported_modules(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    io.save(path, {"a": [Kept(1)], "b": 2})
    assert same(io.load(path), {"a": [Kept(1)], "b": 2})
    other = namedtuple("Kept", ["y"], module=__name__)
    monkeypatch.setitem(globals(), "Kept", other)
    with pytest.raises(
        SavedFileError, match=r"at `\['a'\]\[0\]` cannot be made: .*:Kept has the fields y here, and had x"
    ):
        io.load(path)
    assert io.load(path, only="['b']") == 2
    assert io.load(path, like={"a": [dataclasses.replace(ONE, x=3)], "b": 2}) == {"a": [ONE], "b": 2}
    unregistered = type("Kept", (), {"__module__": __name__})
    monkeypatch.setitem(globals(), "Kept", unregistered)
    monkeypatch.delitem(KINDS, KEPT)
    with pytest.raises(
        SavedFileError, match=r":Kept is not the kind of class here that it was when the file was written"
    ):
        io.load(path)


FRESH = """
import sys
from fgrad import io
from fgrad.errors import SavedFileError
assert "fgrad.optim" not in sys.modules
print(type(io.load(sys.argv[1])).__name__)
try:
    io.load(sys.argv[2])
except SavedFileError as error:
    print(error)
assert "tests" not in sys.modules
"""


def test_a_fresh_interpreter(tmp_path: Path) -> None:
    io.save(tmp_path / "a.npz", optim.adam(0.1).init(parameters()))
    io.save(tmp_path / "b.npz", {"a": Pair(1, 2)})
    files = [str(tmp_path / name) for name in ("a.npz", "b.npz")]
    root = Path(__file__).resolve().parents[2]
    run = [sys.executable, "-c", FRESH, *files]
    lines = subprocess.run(run, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == "AdamState"
    assert "`['a']` cannot be made: the class tests.io.trees:Pair is not known: its module is not imported" in lines[1]
    assert "Import the module that defines it first, or give a template: load(path, like=tree)" in lines[-1]


# What is refused


@pytest.mark.parametrize(
    ("leaf", "text"),
    [
        (np.array(["2020-01-01"], "M8[D]"), r"dtype datetime64\[D\]: convert it to integers"),
        (np.array([1], "m8[s]"), r"dtype timedelta64\[s\]: convert it to integers"),
        (np.array([None]), "dtype object: it holds Python objects"),
        (np.array(["a"]), "files hold booleans, integers"),
        (np.zeros(1, [("a", "f4")]), "files hold booleans, integers"),
        (np.ma.array([1.0]), r"a numpy.ma.MaskedArray: convert it, np.asarray\(x\)"),
        (np.sin, "the numpy.ufunc `sin`"),
        (object(), "an object of the class object"),
        (fgrad.ShapeDtypeStruct((), float), "an object of the class fgrad.*ShapeDtypeStruct"),
    ],
)  # fmt: skip
def test_leaves_that_files_do_not_hold(leaf: Any, text: str, path: Path) -> None:
    with pytest.raises(ArgumentError, match=rf"save: the leaf at `\['a'\]\[1\]` is (.|\n)*{text}"):
        io.save(path, {"a": [1, leaf]})
    assert not list(path.parent.iterdir())


@pytest.mark.skipif(np.dtype("longdouble").itemsize == 8, reason="longdouble is double")
def test_long_doubles(path: Path) -> None:
    for dtype in ("longdouble", "clongdouble"):
        with pytest.raises(
            ArgumentError, match="its format differs between machines: convert it to float64 or complex"
        ):
            io.save(path, [np.ones(2, dtype)])


def test_arguments(path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"path must end in .npz or .safetensors, .* got '.*state.pkl'"):
        io.save(str(path.with_suffix(".pkl")), 1)
    for function in (io.load, io.describe):
        with pytest.raises(ArgumentError, match=f"{function.__name__}: path must be a string or a path, got 3"):
            function(3)  # type: ignore[operator]
        with pytest.raises(FileNotFoundError, match="state"):
            function(path)
    with pytest.raises(
        ArgumentError, match=r"a dict with key .* at `\['a'\]` has a key that is an object of the class obj"
    ):
        io.save(path, {"a": {object(): 1}})


def test_tracers(path: Path) -> None:
    def loss(w: Any) -> Any:
        io.save(path, {"w": w})
        return w

    with pytest.raises(TracerUseError, match=r"the leaf at `\['w'\]` is .*(.|\n)*call save through fgrad.io_callback"):
        fgrad.grad(loss)(1.0)
    assert not path.exists()


# Atomic writing


def test_a_crash_leaves_the_old_file_or_the_new_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = {"x": np.zeros(5)}, {"x": np.ones(7), "y": 3}
    functions = [(os, "open"), (os, "fsync"), (os, "replace"), (os, "unlink"), (atomic, "_sync_folder")]
    crashes = 0
    for module, name in functions:
        for late in (False, True):
            for leftover in path.parent.glob(".*"):
                leftover.unlink()
            io.save(path, old)
            original = getattr(module, name)

            def crashing(*args: Any, late: bool = late, original: Any = original) -> Any:
                if late:
                    original(*args)
                raise KeyboardInterrupt

            with monkeypatch.context() as patch:
                patch.setattr(module, name, crashing)
                try:
                    io.save(path, new)
                except KeyboardInterrupt:
                    crashes += 1
            found = io.load(path)
            assert same(found, old) or same(found, new)
            if name in ("fsync", "replace") and not late:
                assert same(found, old)
                assert os.listdir(path.parent) == [path.name]
    assert crashes == 8


def test_a_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = zlib.crc32
    io.save(path, {"x": np.zeros(5)})
    for allowed in range(8):
        count = 0

        def checksum(data: Any, crc: int = 0, allowed: int = allowed) -> int:
            nonlocal count
            count += 1
            if count > allowed:
                raise OSError(28, "No space left on device")
            return original(data, crc)

        with monkeypatch.context() as patch:
            patch.setattr(zlib, "crc32", checksum)
            with pytest.raises(OSError, match="No space left"):
                io.save(path, {"x": [np.ones(3)] * 10})
        assert same(io.load(path), {"x": np.zeros(5)})
        assert os.listdir(path.parent) == [path.name]


def test_arrays_in_several_pieces(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "CHUNK", 1000)
    monkeypatch.setattr(npz, "CHUNK", 1000)
    large = [
        np.arange(1000.0),
        np.arange(2000.0)[::2],
        np.asfortranarray(np.arange(1000.0).reshape(25, 40)),
        np.arange(4000.0)[::3],
    ]
    io.save(path, large, sync=False)
    assert same(io.load(path), large)


def test_archives_of_more_than_four_gigabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in (1000, 3000):  # in place of 2³² - 1, the number that marks what stands in an extra field
        monkeypatch.setattr(npz, "_LIMIT", limit)
        path, archive = tmp_path / "a.npz", zipfile.ZipFile
        io.save(path, {"a": np.ones(10), "b": np.arange(300.0), "c": np.ones(10)})
        data = path.read_bytes()
        marks = data.count(limit.to_bytes(4, "little"))
        assert marks > 2
        path.write_bytes(data.replace(limit.to_bytes(4, "little"), b"\xff" * 4))
        with archive(path) as opened:
            assert opened.testzip() is None
            assert {info.file_size for info in opened.infolist()} >= {128 + 80, 128 + 2400}
        assert same(io.load(path), {"a": np.ones(10), "b": np.arange(300.0), "c": np.ones(10)})


@pytest.mark.skipif(os.name == "nt", reason="POSIX")
def test_permissions_and_links(path: Path) -> None:
    plain = path.with_name("plain")
    plain.touch()
    link = path.with_name(f"link{path.suffix}")
    link.symlink_to(path)
    io.save(link, 1)
    assert link.is_symlink()
    assert io.load(path) == 1
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
