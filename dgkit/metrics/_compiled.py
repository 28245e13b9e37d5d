"""`compiled`: numba's njit with a cache on disk that saves time where it works and does no harm where it does not.

numba's own cache ends the import where no folder can be written to, and every later call where a file of it was cut (by
a full disk or a power cut), and it runs whatever machine code it finds. Here a file is used only if its checksum is
right; whatever else goes wrong, the function is compiled anew.
"""

import hashlib
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """A decorator: `numba.njit` without the GIL, and with the cache below.

    Examples
    --------
    >>> compiled()(lambda x: 2 * x)(3)
    6
    """

    def decorated(function: Callable[..., Any]) -> Any:
        # "numpy": a division by 0 gives inf or NaN; the test for it that numba makes else keeps loops from vector code
        kernel = numba.njit(nogil=True, error_model="numpy", **options)(function)
        with suppress(Exception):  # no folder that can be written to; or another numba, whose cache is built otherwise
            kernel._cache = _Cache(function)
        return kernel

    return decorated


class _Cache(FunctionCache):
    """numba's cache of one function, of which a failure is a miss."""

    def __init__(self, function: Callable[..., Any]):
        super().__init__(function)
        stamp = self._impl.locator.get_source_stamp()
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        with suppress(Exception):
            return super().load_overload(sig, target_context)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(Exception):
            super().save_overload(sig, data)


class _Files(IndexDataCacheFile):
    """A file for each signature, in place of an index and numbered files: its checksum, then the pickle."""

    def load(self, key: Any) -> Any:
        content = self._file(key).read_bytes()
        if content[:32] != self._checksum(content[32:]):
            return None
        known, data = pickle.loads(content[32:])
        return data if known == key else None

    def save(self, key: Any, data: Any) -> None:
        content = self._dump((key, data))
        with self._open_for_write(str(self._file(key))) as file:  # beside, and renamed
            file.write(self._checksum(content) + content)

    def _file(self, key: Any) -> Path:
        name = self._index_name.removesuffix(".nbi")
        return Path(self._cache_path) / f"{name}.{hashlib.sha256(repr(key[:2]).encode()).hexdigest()[:16]}.nbc"

    def _checksum(self, content: bytes) -> bytes:
        return hashlib.sha256(repr((self._version, self._source_stamp)).encode() + content).digest()
