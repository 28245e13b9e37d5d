"""Which files are meant, and their bytes: unpacked within bounds, told apart by what they hold, decoded to UTF-8.

No name and no ending is believed: a file is what its first bytes say. Nothing is fetched, nothing is unpickled, and
nothing is unpacked further than `max_bytes`. Left out: archives in archives, tar, passwords.
"""

import bz2
import codecs
import glob
import io
import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from dgkit._atomic import contents
from dgkit._netcdf import limit
from dgkit.errors import ConfigError, FileFormatError

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]  # one file, a pattern of many, or a list
_MARKS = (  # the longer first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_KINDS = ((b"PAR1", "parquet"), (b"\xd0\xcf\x11\xe0", "excel"))  # OLE: the Excel of before 2007
_OTHERS = (
    (b"\x89HDF\r\n\x1a\n", "a NetCDF or HDF file: dg.open_dataset opens those"),
    (b"CDF", "a NetCDF file: dg.open_dataset opens those"),
    (b"\x93NUMPY", "a NumPy array: make a table of it, e.g. pandas.DataFrame(numpy.load(path)), for from_table"),
    (b"ARROW1", "an Arrow file: read it, e.g. with pandas.read_feather, and give the table to from_table"),
    (b"ORC", "an ORC file: read it, e.g. with pandas.read_orc, and give the table to from_table"),
    (b"SQLite format 3", "a database: read a table of it, e.g. with pandas.read_sql, for from_table"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd: unpack it first (zstd -d)"),
    (b"PARE", "an encrypted Parquet file: decrypt it, or give from_table what reads it with the key"),
    (b"7z\xbc\xaf", "packed by 7-Zip: unpack it first"),
    (b"Rar!", "packed by RAR: unpack it first"),
    (b"%PDF", "a PDF: save the table as CSV"),
    (b"<", "a web page or XML: save the table as CSV"),
)
_ZIP_END, _ZIP_LAST = b"PK\x05\x06", 2**16 + 22  # where a zip archive's table of contents ends: its last bytes
_JSON = re.compile(rb"\s*(\{\s*[\"}]|\[\s*[{\]])")
_BLOCK = 2**24  # bytes that are looked at in one go


def files(path: Paths) -> list[Path]:
    """The files that a path, a pattern such as "logs/*.csv" or a list of these means, in the order of their names."""
    if not isinstance(path, str | os.PathLike):
        if not isinstance(path, Sequence) or isinstance(path, bytes) or not path:
            raise ConfigError(
                "path must be a path, a pattern such as 'logs/*.csv', or a list of these with one at least."
            )
        return [file for one in path for file in files(one)]
    name = os.fspath(path)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", name):
        raise FileFormatError(f"{name!r} is an address, and nothing is fetched. Download the file, and give its path.")
    if glob.has_magic(name) and not os.path.exists(name):
        found = sorted(Path(one) for one in glob.glob(name, recursive=True) if os.path.isfile(one))
        if not found:
            raise FileFormatError(f"{name!r} matches no file.")
        return found
    if os.path.isdir(name):
        raise FileFormatError(f"{name!r} is a folder. Say which of its files: {os.path.join(name, '*.csv')!r}.")
    return [Path(path)]


def unpacked(path: Path, member: str | None, max_bytes: int | None) -> tuple[str, bytes]:
    """What a file holds ("text", "parquet", "excel"), and its bytes, unpacked."""
    content = contents(path)
    most = limit(len(content), max_bytes)
    for _ in range(2):  # a packed file in an archive
        if content.startswith(b"\x1f\x8b"):
            content = _inflated(path, content, lambda: zlib.decompressobj(wbits=31), most)
        elif content.startswith(b"BZh"):
            content = _inflated(path, content, bz2.BZ2Decompressor, most)
        elif content.startswith(b"\xfd7zXZ\x00"):
            content = _inflated(path, content, lzma.LZMADecompressor, most)
        elif content.startswith(b"PK"):
            names, inner = _member(path, content, member, most)
            if inner is None:
                if "xl/" in names or "content.xml" in names:
                    return "excel", content
                raise FileFormatError(f"{str(path)!r} is an archive without a file in it.")
            content = inner
    for mark, kind in _KINDS:
        if content.startswith(mark):
            return kind, content
    for mark, what in _OTHERS:
        if content.startswith(mark):
            raise FileFormatError(f"{str(path)!r} is {what}.")
    if content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise FileFormatError(f"{str(path)!r} is a pickle, which can run code when opened. Save the table as CSV.")
    return "text", content


def is_json(content: bytes) -> bool:
    """Whether a text, in UTF-8, begins as an object or a list of objects does."""
    return _JSON.match(content) is not None


def _inflated(path: Path, content: bytes, unpacker: object, most: int) -> bytes:
    """What gzip, bz2 or xz packed, in one or several streams, read until `most` bytes and not further."""
    pieces, size, rest = [], 0, content
    try:
        while rest and rest.strip(b"\0"):  # padding may follow
            machine = unpacker()  # type: ignore[operator]
            while not machine.eof:
                piece = machine.decompress(rest, most - size + 1)
                size += len(piece)
                pieces.append(piece)
                if size > most:
                    raise _too_much(path, most)
                if not machine.eof and not piece:
                    raise damaged(path, "a packed file", "", ends=False)
                rest = getattr(machine, "unconsumed_tail", b"")
            rest = machine.unused_data
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
        raise damaged(path, "a packed file", "have it packed anew") from error
    return b"".join(pieces)


def _member(path: Path, content: bytes, member: str | None, most: int) -> tuple[set[str], bytes | None]:
    """The names of what Office formats hold, or the one file of an archive that is meant."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            marks = {"xl/" if name.startswith("xl/") else name for name in names}
            names = [name for name in names if not name.startswith("__MACOSX/") and not Path(name).name.startswith(".")]
            if not names or "xl/" in marks or {"content.xml", "mimetype"} <= marks:
                return marks, None
            if member is None and len(names) > 1:
                shown = ", ".join(map(repr, names[:10])) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
                raise FileFormatError(
                    f"{str(path)!r} holds {len(names)} files: {shown}. Say which: member={names[0]!r}. To read many as "
                    "one table, unpack it, and give a pattern as the path, such as 'folder/*.csv'."
                )
            chosen = names[0] if member is None else member
            if chosen not in names:
                raise FileFormatError(f"{str(path)!r} holds no {chosen!r}, but {', '.join(map(repr, names[:10]))}.")
            with archive.open(chosen) as file:
                inner = file.read(most + 1)
    except FileFormatError:
        raise
    except (RuntimeError, NotImplementedError) as error:  # a password, an unusual way of packing
        raise FileFormatError(
            f"{str(path)!r} is a zip archive that cannot be unpacked here ({error!s:.100}). Unpack it first, or "
            "copy it again if it should be a plain one."
        ) from error
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError) as error:
        raise damaged(path, "a zip archive", "have it packed anew", ends=_ZIP_END in content[-_ZIP_LAST:]) from error
    if len(inner) > most:
        raise _too_much(path, most)
    return marks, inner


def damaged(path: Path, kind: str, otherwise: str, *, ends: bool = True) -> FileFormatError:
    """What to raise for a file that breaks off, where its end is missing (not `ends`), or cannot be read within."""
    size = f"{os.path.getsize(path):,} bytes"
    if not ends:
        return FileFormatError(f"{str(path)!r} is {kind} that ends too early, after {size}. Fetch or copy it again.")
    return FileFormatError(
        f"{str(path)!r} ({size}) is {kind}, but damaged. Fetch or copy it again, and see that its size is that of the "
        f"original; if it is, {otherwise}."
    )


def _too_much(path: Path, most: int) -> FileFormatError:
    return FileFormatError(
        f"{str(path)!r} holds more than {most:,} bytes once it is unpacked. If that is right, say how many at most: "
        f"max_bytes={8 * most}."
    )


def utf8(path: Path, content: bytes, encoding: str | None) -> bytes:
    """A text file's bytes as UTF-8 without a mark; FileFormatError names the line that cannot be decoded."""
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    if encoding is None and marked is None and b"\0" in content[:4]:  # UTF-16 without a mark: every other byte is 0
        marked = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
    name, at = encoding or marked or "utf-8", 0
    try:
        if codecs.lookup(name).name in ("utf-8", "utf-8-sig"):
            content = content.removeprefix(codecs.BOM_UTF8)
            decoder = codecs.getincrementaldecoder("utf-8")()
            while at < len(content) and not (at == 0 and content.isascii()):
                decoder.decode(content[at : at + _BLOCK], final=at + _BLOCK >= len(content))
                at += _BLOCK
        else:
            content = content.decode(name).encode()
    except LookupError as error:
        raise ConfigError(f"encoding is {encoding!r}, which Python does not know.") from error
    except UnicodeError as error:
        line = content.count(b"\n", 0, at + getattr(error, "start", 0)) + 1
        shown = content.split(b"\n", line)[line - 1].decode("cp1252", "replace").strip()[:60]
        raise FileFormatError(
            f"{str(path)!r} is not {encoding or marked or 'UTF-8'}, see line {line}. Western European files "
            f"are often encoding='cp1252', in which the line reads {shown!r}; give the encoding that reads right."
        ) from error
    if (nul := content.find(b"\0")) >= 0:
        raise FileFormatError(
            f"{str(path)!r} has a zero byte in line {content.count(bytes([10]), 0, nul) + 1}: it is no text, or "
            "damaged there. Copy it again, or give its encoding= (e.g. 'utf-16')."
        )
    return content
