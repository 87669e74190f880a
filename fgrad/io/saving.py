"""Saving a pytree."""

from __future__ import annotations

import os
from typing import Any

from fgrad.errors import ArgumentError, message, public
from fgrad.io import npz, safetensors
from fgrad.io.atomic import replacing
from fgrad.io.document import compose
from fgrad.tree.text import short

__all__ = ["save"]

_FORMATS: dict[str, Any] = {
    ".npz": (npz.write_npz, npz.KEEPS_ORDER),
    ".safetensors": (safetensors.write_safetensors, safetensors.KEEPS_ORDER),
}


@public
def save(path: str | os.PathLike[str], tree: Any, *, sync: bool = True) -> None:
    """Writes a pytree to a file, from which `load` brings it back, types included.

    The file holds every array under its key path, so that other programs read it too (`numpy.load`, and the readers of
    safetensors), and the structure as JSON: no pickle. NumPy and Python scalars come back as such, exactly; so do
    the dtype, byte order and, in .npz, memory order of arrays, the order of dict keys, NamedTuples (states of
    optimizers) and registered classes, whose static data may be numbers, strings, dtypes, enums and tuples, lists,
    dicts and sets of them. Other static data, such as functions, are only named: `load(path, like=tree)` brings those
    back. An array that stands in the tree twice is written twice.

    The file is replaced as a whole: after a crash, at whatever moment, there is the old file or the new one.

    Args:
        path: where to, with the suffix `.npz` or `.safetensors`.
        tree: a pytree of arrays (of booleans, integers, floating-point or complex numbers of up to 64 bits per part),
            Python numbers, strings and bytes.
        sync: wait until the file is on the disk. Without, a large file is written quicker, and a crash of the program
            still harms nothing, but one of the machine may.

    Raises:
        ArgumentError: the suffix is another; or a leaf is of a type, or of a dtype, that files do not hold (objects,
            dates, longdouble): says at which key path.
        TracerUseError: a leaf is traced.
        OSError: the file cannot be written.

    >>> import numpy as np, os, tempfile
    >>> from fgrad import io
    >>> path = os.path.join(tempfile.mkdtemp(), "state.npz")
    >>> io.save(path, {"w": np.arange(3.0), "step": 7})
    >>> io.load(path)
    {'w': array([0., 1., 2.]), 'step': 7}
    >>> np.load(path)["['w']"]
    array([0., 1., 2.])
    """
    name = path_text(path, "save")
    suffix = os.path.splitext(name)[1].lower()
    if suffix not in _FORMATS:
        what = f"save: path must end in .npz or .safetensors, which says what format is written; got {short(name)}."
        raise ArgumentError(message(what))
    write, keeps_order = _FORMATS[suffix]
    text, arrays = compose(tree, keeps_order)
    with replacing(name, sync) as file:
        write(file, text, arrays)


def path_text(path: Any, function: str) -> str:
    """The path as a string."""
    try:
        return os.fsdecode(path)
    except TypeError:
        raise ArgumentError(message(f"{function}: path must be a string or a path, got {short(path)}.")) from None
