"""Files that are replaced as a whole: whatever happens on the way, there is the old one or the new one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

__all__ = ["replacing"]


@contextmanager
def replacing(path: str, sync: bool) -> Iterator[BinaryIO]:
    """A new file, to be written into; it takes the place of the file at `path` once it is complete, and on disk."""
    path = os.path.realpath(path)  # what a link names is replaced, not the link
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name[:40]}.{secrets.token_hex(8)}.tmp")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(temporary, flags, 0o666)  # less what the user's mask forbids, as for any new file
    try:
        with open(descriptor, "w+b") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise
    if sync:
        _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Makes the new name last, where a system lets folders be opened."""
    try:
        descriptor = os.open(folder or ".", os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
