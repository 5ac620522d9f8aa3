"""Files that are written whole or not at all."""

import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from .errors import bad


def place(path: Any) -> Path:
    """`path` as a Path, or an HLError for what names no file."""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path) or "\0" in str(os.fspath(path)):
        raise bad("file", repr(path), "a path")
    return Path(os.fspath(path))


def write_whole(path: Path, content: str | bytes | memoryview) -> None:
    """Write `content` beside `path`, then in its place: until then, and where it fails, the older file stays as it is.

    What the system refuses (a full disk, no permission, no such folder) is an HLError.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _refused(path, error) from error


def writable(path: Path, folder: bool = False) -> Path:
    """`path` if a file can be written there, or an HLError: told before a long run, not after it.

    folder  make the folder where there is none
    """
    try:
        if folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        if not path.parent.is_dir():
            raise bad("file", f"a folder {path.parent} that does not exist", "a folder that does")
        if path.is_dir():
            raise bad("file", f"{path}, which is a folder", "a file that can be written", "give a name in it")
        TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise _refused(path, error) from None
    return path


def _refused(path: Path, error: OSError) -> Exception:
    got = f"{path} ({error.strerror or error})"
    return bad("file", got, "a place that can be written", "choose another name or make room; nothing was changed")
