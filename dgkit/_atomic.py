"""Files read once, and written beside and renamed: whole at any moment, and on the disk at the end."""

import contextlib
import hashlib
import math
import os
import platform
import re
import secrets
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from dgkit._interrupts import after_the_step
from dgkit.errors import FileFormatError, SaveError

OLD = 3600  # seconds after which a temporary file is a killed run's, whoever wrote it
_HERE = hashlib.sha256(platform.node().encode()).hexdigest()[:8]  # process numbers are this machine's
_BESIDE = re.compile(r"\.dgkit-([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.tmp")


def contents(path: str | os.PathLike[str], largest: float = math.inf) -> bytes:
    """The bytes of a file, read once. Raises FileFormatError: no file, no ordinary one, not to be read, too large."""
    try:
        with open(os.fsdecode(path), "rb", opener=_at_once) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise FileFormatError(f"{shown_path(path)} is no file but a pipe or a device. Give the path of a file.")
            if about.st_size > largest:
                raise FileFormatError(f"{shown_path(path)} has {about.st_size:,} bytes; dgkit reads up to {largest:,}.")
            return file.read(about.st_size)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileFormatError(f"no file at {shown_path(path)}. Check the path.") from error
    except OSError as error:
        if os.path.isdir(path):
            raise FileFormatError(f"{shown_path(path)} is a folder. Give the path of a file in it.") from error
        raise FileFormatError(f"{shown_path(path)} cannot be read: {error.strerror}. Check who may read it.") from error
    except FileFormatError:
        raise
    except (TypeError, ValueError) as error:  # no path; a NUL in the name
        raise FileFormatError(f"{shown_path(path)} cannot be the path of a file: {error}.") from error


def _at_once(name: str, flags: int) -> int:
    """Opens without waiting, as a pipe would for someone to write to it."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


@after_the_step()
def replace(path: str | os.PathLike[str], parts: Iterable[bytes | memoryview]) -> None:
    """Make a file of these bytes, or put it in the place of the one there: whole at any moment, on the disk at the end.

    A link is followed, the mode of a file that is there is kept, and temporary files of killed runs beside it are
    removed. Raises SaveError.
    """
    try:
        if os.fsdecode(path).endswith(("/", os.sep)):
            raise ValueError("a path that ends in a slash is a folder's")
        target = Path(os.path.realpath(os.fsdecode(path)))
        mode = _mode(target)
        with temporary(target.parent, 0o666 if mode is None else 0o600) as beside:
            with open(beside, "r+b") as file:
                file.writelines(parts)
                if mode is not None:
                    os.chmod(beside, mode)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, target)
    except (OSError, TypeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise SaveError(
            f"{shown_path(path)} cannot be written: {why}. Check that its folder is there, may be written to and has "
            "room."
        ) from error


@contextlib.contextmanager
def temporary(folder: Path, mode: int = 0o600) -> Iterator[Path]:
    """A new, empty file of this process, gone at the end; and where that is never reached, when the next is made."""
    path = folder / f".dgkit-{_HERE}-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        _tidy(folder)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, mode))
        yield path
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def usable(folder: str | os.PathLike[str]) -> Path:
    """A folder that is there, before hours are spent on what is to be kept in it. Raises SaveError."""
    try:
        path = Path(os.fsdecode(folder))
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, TypeError, ValueError) as error:  # no path; a NUL in the name
        raise SaveError(f"{shown_path(folder)} cannot be made a folder: {error}. Give another.") from error
    return path


def shown_path(path: str | os.PathLike[str]) -> str:
    """A path, or what was given for one, in a message."""
    return repr(os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else path)


def _mode(path: Path) -> int | None:
    """Of the file there; None where there is none."""
    try:
        found = path.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found):
        raise ValueError("there is a folder of this name" if stat.S_ISDIR(found) else "it is no ordinary file")
    return stat.S_IMODE(found)


def _tidy(folder: Path) -> None:
    """Remove what killed runs left: temporary files that are old, or whose process is gone."""
    with os.scandir(folder) as entries:
        for entry in entries:
            found = _BESIDE.fullmatch(entry.name)
            with contextlib.suppress(OSError):  # another process may be tidying too
                if found and (
                    time.time() - entry.stat().st_mtime > OLD or (found[1] == _HERE and _gone(int(found[2])))
                ):
                    os.unlink(entry.path)


def _gone(process: int) -> bool:
    if os.name != "posix":  # on Windows this call would end the process
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # another user's
        return False
    return False
