"""Files that are damaged, incomplete or hostile: a clear error, never a wrong tree, and no code is run."""

from __future__ import annotations

import json
import os
import sys
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fgrad import io
from fgrad.errors import SavedFileError
from fgrad.io.arrays import Stored, npy_header
from tests.io.trees import Pair, same

SMALL = {"a": np.arange(3, dtype=np.int16), "b": Pair(1.5, "text")}
FORMATS = (".npz", ".safetensors")


@pytest.fixture(params=FORMATS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"state{request.param}"


def refused(path: Path, data: bytes) -> bool:
    """Whether a file with these bytes is refused; it is not, where what was changed means nothing."""
    path.write_bytes(data)
    try:
        loaded = io.load(path)
    except SavedFileError:
        return True
    assert same(loaded, SMALL)
    return False


def test_files_that_are_cut_short(path: Path) -> None:
    io.save(path, SMALL)
    data = path.read_bytes()
    assert all([refused(path, data[:size]) for size in range(len(data))])
    assert refused(path, data[1:])
    assert path.suffix == ".npz" or refused(path, data + b"\0")


def test_files_with_a_flipped_byte(path: Path) -> None:
    io.save(path, SMALL)
    data = path.read_bytes()
    flipped = 0
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= (1, 0x80, 0xFF, 1 << place % 8)[place % 4]
        flipped += refused(path, bytes(changed))
    assert flipped > 0.75 * len(data)


def test_messages_name_the_file(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(SavedFileError, match=r"neither an .npz nor a safetensors file") as caught:
        io.load(path)
    assert caught.value.__notes__ == [f"The file is {path}"]


# Documents that `save` never writes


def entry(array: np.ndarray, header: bytes | None = None) -> bytes:
    stored = Stored("", array.dtype, array.shape)
    return (npy_header(stored) if header is None else header) + array.tobytes()


def write(path: Path, document: Any, entries: Any = ()) -> None:
    """A file with a document of ours, intact but for what it says; `entries` are pairs of a name and an array."""
    text = document if isinstance(document, str) else json.dumps(document)
    if path.suffix == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            for name, array in entries:
                archive.writestr(f"{name}.npy", entry(array))
            archive.writestr("fgrad.json", text)
        return
    crcs = {"": f"{zlib.crc32(text.encode()):x}"}
    header: dict[str, Any] = {"__metadata__": {"fgrad": text}}
    data = b""
    for name, array in entries:
        kind = {"i2": "I16", "f8": "F64"}[array.dtype.str[1:]]
        place = [len(data), len(data) + array.nbytes]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": place}
        crcs[name] = f"{zlib.crc32(array.tobytes()):x}"
        data += array.tobytes()
    header["__metadata__"]["crc32"] = json.dumps(crcs)
    head = json.dumps(header).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + data)


def document(nodes: Any, leaves: Any = (), **changes: Any) -> dict[str, Any]:
    return {"format": "fgrad.io", "version": 1, "nodes": nodes, "leaves": list(leaves), **changes}


VALUE = {"value": 3}


def test_documents_that_are_well(path: Path) -> None:
    write(
        path,
        document([["list", 2], "*", "*"], [{"array": "x", "dtype": "<f8", "shape": [2]}, VALUE]),
        [("x", np.ones(2))],
    )
    assert same(io.load(path), [np.ones(2), 3])


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ("", "cannot be read: Expecting value"),
        ("[" * 100_000, "cannot be read: .*recursion"),
        ('{"format":"fgrad.io","version":1,"nodes":[["static","a:b",' + '{"tuple":[' * 400, "cannot be read"),
        ("[]", "not a document of fgrad's"),
        (document(["*"], [VALUE], format="other"), "not a document of fgrad's"),
        (document(["*"], [VALUE], version=2), "of version 2; this release of fgrad reads version 1"),
        (document(["*"], [VALUE], version=True), "of version True"),
        (document("*", [VALUE]), "the nodes are not a list"),
        (document([], []), "the nodes are not those of one tree"),
        (document(["*", "*"], [VALUE, VALUE]), "the nodes are not those of one tree"),
        (document([["list", 2], "*"], [VALUE]), "the nodes are not those of one tree"),
        (document([["list", 10**15], "*"], [VALUE]), "the nodes are not those of one tree"),
        (document([["list", -1]], []), "a list of length -1"),
        (document([["list", 1.0], "*"], [VALUE]), "a list of length 1.0"),
        (document([["eval", "1"]], []), r"\['eval', '1'\] is no node of a tree"),
        (document([["list"]], []), r"\['list'\] is no node"),
        (document([{"a": 1}], []), r"{'a': 1} is no node"),
        (document(["*"], []), "another number of leaves than its tree"),
        (document(["*"], [VALUE, VALUE]), "another number of leaves"),
        (document(["*"], [3]), "3 is no leaf"),
        (document(["*"], [{"value": {"list": []}}]), "is no leaf"),
        (document(["*"], [{"value": {"eval": "1"}}]), r"{'eval': '1'} is no value"),
        (document(["*"], [{"value": {"int": "z"}}]), "a bad int: invalid literal"),
        (document(["*"], [{"value": {"bytes": "%"}}]), "bytes that are not base64"),
        (document(["*"], [{"value": {"float": 3}}]), "3 where a string belongs"),
        (document(["*"], [{"array": "x", "dtype": "|O", "shape": []}]), "'|O' is no dtype that files hold"),
        (document(["*"], [{"array": "x", "dtype": "<f16", "shape": []}]), "'<f16' is no dtype"),
        (document(["*"], [{"array": "x", "dtype": "<M8[D]", "shape": []}]), "is no dtype"),
        (document(["*"], [{"array": "x", "dtype": "<f3", "shape": []}]), "is no dtype"),
        (document(["*"], [{"array": "x", "dtype": "<f8", "shape": [-1]}]), r"of shape \[-1\]"),
        (document(["*"], [{"array": "x", "dtype": "<f8", "shape": [True]}]), r"of shape \[True\]"),
        (document(["*"], [{"array": "x", "dtype": "<f8", "shape": [1] * 65}]), "an array 'x' of shape"),
        (document(["*"], [{"array": "x", "dtype": "<f8", "shape": [], "order": "K"}]), "order 'K'"),
        (document(["*"], [{"array": "x", "dtype": "<f8", "shape": [10**12]}]), r"not what|too few or too many"),
        (document(["*"], [{"array": "x", "dtype": "<f8", "shape": [2**62, 2**62]}]), r"not what|too few or too many"),
        (document(["*"], [{"array": "x", "dtype": "<f8", "shape": [3]}]), r"not what|too few or too many"),
        (document(["*"], [{"array": "x", "dtype": "<i8", "shape": [2]}]), r"not what the tree says|its header is not"),
        (document(["*"], [{"array": "y", "dtype": "<f8", "shape": [2]}]), "its .* y(.npy)? is missing"),
        (document(["*"], [{"array": "../x", "dtype": "<f8", "shape": [2]}]), "its .* ../x(.npy)? is missing"),
        (document([["dict", [[]], [0]], "*"], [VALUE]), r"the root cannot be made: \[\] is no value"),
        (document([["dict", [{"list": []}], [0]], "*"], [VALUE]), "the root cannot be made: TypeError: unhashable"),
        (document([["dict", [1, 1], [0, 1]], "*", "*"], [VALUE, VALUE]), "a dict with a key twice"),
        (document([["dict", [1, 2], [0, 0]], "*", "*"], [VALUE, VALUE]), "a malformed dict"),
        (document([["dict", [1, 2], [0]], "*", "*"], [VALUE, VALUE]), "a malformed dict"),
        (document([["dict", 1, [0]], "*"], [VALUE]), "a malformed dict"),
        (document([["namedtuple", 1, []]], []), "a malformed namedtuple"),
        (document([["dataclass", "a:b", [1], {}], "*"], [VALUE]), "a malformed dataclass"),
        (document([["class", "a:b", "x", None], "*"], [VALUE]), "a malformed class"),
        (document([["static", 1, None]], []), "a malformed static"),
        (document([["static", "tests.io.trees:Mode", {"enum": ["tests.io.trees:Mode", "X"]}]], []), "no member 'X'"),
        (document([["static", "tests.io.trees:Mode", 3]], []), "3 is not of the class tests.io.trees:Mode"),
        (document([["namedtuple", "tests.io.trees:Pair", ["left"]], "*"], [VALUE]),
         "Pair has the fields left, right here, and had left when"),
        (document([["dataclass", "tests.io.trees:Layer", ["w", "b"], {}], "*", "*"], [VALUE, VALUE]),
         "Layer has the static fields act here, and had none when"),
        (document([["class", "tests.io.trees:Interval", [*"0123"], None], *"****"], [VALUE] * 4),
         "the root cannot be made: TypeError: .*arguments"),
    ],
)  # fmt: skip
def test_documents_that_are_not(found: Any, text: str, path: Path) -> None:
    write(path, found, [("x", np.ones(2))])
    with pytest.raises(SavedFileError, match=text):
        io.load(path)


HOSTILE = [
    "os:system",
    "posix:system",
    "builtins:eval",
    "builtins:dict",
    "builtins:tuple",
    "subprocess:Popen",
    "antigravity:x",
    "this:s",
    "fgrad.testing:x",
    "fgrad.nowhere:X",
    "fgrad:..",
    "fgrad.io.atomic:os.system",
    "fgrad.x/../y:Z",
    ":",
    "os.path:sys.modules",
    "tests.io.trees:np.ndarray",
    "tests.io.trees:Pair.__class__",
    "a:b",
    "../x:y",
    "fgrad:grad",
    "tests.io.trees:Interval.__init__.__globals__",
    "http.server:HTTPServer",
    "typing:NamedTuple",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_run_no_code(name: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes: list[Any] = [
        [["namedtuple", name, ["x"]], "*"],
        [["dataclass", name, ["x"], {"y": 1}], "*"],
        [["class", name, ["x"], {"tuple": ["id"]}], "*"],
        [["static", name, {"enum": [name, "x"]}]],
        [["static", name, {"namedtuple": [name, ["x"], ["id"]]}]],
        [["static", "tests.io.trees:Mode", {"namedtuple": [name, ["x"], ["id"]]}]],
        [["static", "tests.io.trees:Mode", {"enum": [name, "x"]}]],
        [["defaultdict", [1], [0], name], "*"],
        [["defaultdict", [1], [0], name.replace(":", ".")], "*"],
        [["class", "fgrad.tree.partial:Partial", ["args", "keywords"], {"enum": [name, "x"]}], "*", "*"],
    ]
    monkeypatch.setattr(os, "system", None)
    modules = set(sys.modules)
    for one in nodes:
        write(path, document(one, [VALUE] * one.count("*")))
        with pytest.raises(SavedFileError, match="cannot be made"):
            io.load(path)
    assert {name for name in set(sys.modules) - modules if not name.startswith("fgrad")} == set()


def test_modules_that_make_their_attributes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Watching(type(sys)):  # type: ignore[misc]
        def __getattr__(self, name: str) -> Any:
            raise AssertionError

    monkeypatch.setitem(sys.modules, "watching", Watching("watching"))
    write(path, document([["namedtuple", "watching:Pair", []]]))
    with pytest.raises(SavedFileError, match="its module is imported, and has no class Pair"):
        io.load(path)


# Archives that are not


def archived(change: Callable[[zipfile.ZipFile], None]) -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("fgrad.json", json.dumps(document(["*"], [{"array": "x", "dtype": "<f8", "shape": [4]}])))
        change(archive)
    return stream.getvalue()


def compressed(archive: zipfile.ZipFile) -> None:
    archive.writestr("x.npy", entry(np.ones(4)), zipfile.ZIP_DEFLATED)


def doubled(archive: zipfile.ZipFile) -> None:
    archive.writestr("x.npy", entry(np.ones(4)))
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("x.npy", entry(np.zeros(4)))


def headed(header: bytes) -> Callable[[zipfile.ZipFile], None]:
    return lambda archive: archive.writestr("x.npy", entry(np.ones(4), header))


def overlapping(archive: zipfile.ZipFile) -> None:
    archive.writestr("x.npy", entry(np.ones(4)))
    for i in range(100):  # entries that share their bytes
        info = zipfile.ZipInfo(f"y{i}")
        original = archive.getinfo("x.npy")
        info.CRC, info.header_offset = original.CRC, original.header_offset
        info.file_size = info.compress_size = original.file_size
        archive.filelist.append(info)


OBJECTS = npy_header(Stored("", np.dtype("f8"), (4,))).replace(b"'<f8'", b"'|O' ")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (compressed, "its entry x.npy is compressed or encrypted, which save never does"),
        (doubled, "two of its entries have one name"),
        (overlapping, "its entries would be larger than the file"),
        (headed(OBJECTS), "its header is not that of the array"),
        (headed(b"\x93NUMPY" + b"(" * 122), "its header is not that of the array"),
        (headed(b"\x93NUMPY\x01\x00\xff\xff" + b" " * 118), "its header is not that of the array"),
    ],
)
def test_archives(change: Any, text: str, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(archived(change))
    with pytest.raises(SavedFileError, match=text):
        io.load(tmp_path / "a.npz")


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("fgrad.json", b" " * 50_000_000)
    with pytest.raises(SavedFileError, match="its entries would be larger than the file"):
        io.load(tmp_path / "a.npz")


def test_files_of_others(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.ones(2))
    with pytest.raises(SavedFileError, match=r"no entry fgrad.json .* \(numpy.load reads its arrays\)"):
        io.load(tmp_path / "a.npz")
    head = json.dumps({"x": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}).encode()
    (tmp_path / "a.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + bytes(8))
    with pytest.raises(SavedFileError, match=r"nothing in it says .* \(safetensors.numpy.load_file reads its arrays\)"):
        io.load(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (b'{"x":1}', "its tensor x has no place"),
        (b'{"x":{"data_offsets":[0,-1]}}', "its tensor x has no place"),
        (b'{"x":{"data_offsets":[0,8.0]}}', "its tensor x has no place"),
        (b'{"x":{"data_offsets":[0,8]},"x":{"data_offsets":[0,8]}}', "a key stands in it twice"),
        (b'{"x":{"data_offsets":[0,8]},"y":{"data_offsets":[0,8]}}', "larger or smaller than the file"),
        (b'{"x":{"data_offsets":[0,9999999999]}}', "larger or smaller than the file"),
        (b'{"__metadata__":{"fgrad":"{}","crc32":"{}"},"x":{"data_offsets":[0,8]}}', "its checksums are missing"),
        (b'{"__metadata__":{"fgrad":"{}","crc32":3},"x":{"data_offsets":[0,8]}}', "its checksums are missing"),
        (b'{"a":' + b"[" * 100_000, "its header cannot be read"),
        (b"{", "its header cannot be read"),
    ],
)
def test_headers(head: bytes, text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(8))
    with pytest.raises(SavedFileError, match=text):
        io.load(path)
    path.write_bytes((10**18).to_bytes(8, "little") + head)
    with pytest.raises(SavedFileError, match="its header would have 1,000,000,000,000,000,000 bytes"):
        io.load(path)
