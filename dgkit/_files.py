"""Tensors and JSON in one file that is safe to open (safetensors): read once, written beside and renamed.

The header's metadata are `kind`, the JSON `plain`, and `sha256`, that of the whole file with zeros in its place. Files
of before have no `sha256`, and are read all the same.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from dgkit._atomic import contents, replace, shown_path
from dgkit.errors import FileFormatError, SaveError

AnyPath = str | os.PathLike[str]
LARGEST, LONGEST = 2**32, 3 * 2**20  # bytes of a file, and of its header: up to 20 times as much in memory, and 3 s
NOT_NEGATIVE = ("running_var", "num_batches_tracked", "exp_avg_sq")
DAMAGES = (KeyError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError, RecursionError)
_SUM, _ZEROS = b'"sha256":"%s"', b"0" * 64  # a quote within `plain` is escaped: this stands in a header once


def write(path: AnyPath, kind: str, tensors: Mapping[str, Tensor], plain: Any) -> None:
    """Write `tensors` and the JSON-able `plain`; the old file stays whole until the new one is complete.

    Raises SaveError where that cannot be, or where weights are NaN or infinite.
    """
    data = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    for name, tensor in data.items():
        if not name.startswith("history.") and (wrong := _unsound(name, tensor)):
            raise SaveError(f"{shown_path(path)} is not written: {wrong}. Training diverged; save a model of before.")
    content = safetensors.torch.save(data, {"kind": kind, "plain": json.dumps(plain), "sha256": _ZEROS.decode()})
    size = 8 + int.from_bytes(content[:8], "little")
    if size > LONGEST or len(content) > LARGEST:
        raise SaveError(
            f"{shown_path(path)} is not written: it would have {len(content):,} bytes, {size:,} of them names and "
            f"settings; dgkit reads up to {LARGEST:,} and {LONGEST:,}. Use smaller networks, or fewer categories."
        )
    header = content[:size].replace(_SUM % _ZEROS, _SUM % hashlib.sha256(content).hexdigest().encode(), 1)
    replace(path, [header, memoryview(content)[size:]])


def read(path: AnyPath, kind: str) -> tuple[dict[str, Tensor], Any]:
    """What `write` wrote. Raises FileFormatError for anything else; nothing in the file is executed."""
    content = contents(path, LARGEST)
    try:
        if content[8:9] not in (b"{", b""):
            raise ValueError("its first bytes are those of another format")
        size = int.from_bytes(content[:8], "little")
        if size > min(LONGEST, len(content) - 8):
            raise ValueError(f"its header should have {size:,} bytes, of {len(content):,} in all")
        meta = json.loads(content[8 : 8 + size]).get("__metadata__", {})
        if (found := meta.get("kind")) == kind:
            if set(meta) - {"sha256"} != {"kind", "plain"}:
                raise ValueError(f"its header has the entries {', '.join(map(repr, sorted(meta)))}")
            if "sha256" in meta:
                _check_sum(content, size + 8, meta["sha256"])
            # copies, where torch would put them: a product may depend on how its numbers lie in memory
            tensors = {name: tensor.clone() for name, tensor in safetensors.torch.load(content).items()}
            return tensors, json.loads(meta["plain"])
    except (safetensors.SafetensorError, *DAMAGES) as error:
        raise FileFormatError(
            f"{shown_path(path)} is not a {kind} file of dgkit, or is damaged: {said(error)}"
        ) from error
    named = found if isinstance(found, str) and len(found) < 40 else "safetensors"
    raise FileFormatError(f"{shown_path(path)} is a {named} file; expected a {kind} file of dgkit.")


def _check_sum(content: bytes, size: int, told: Any) -> None:
    """ValueError unless the file, `size` bytes of which come before the tensors, is as it was written."""
    entry = _SUM % str(told).encode()
    digest = hashlib.sha256(content[:size].replace(entry, _SUM % _ZEROS, 1))
    digest.update(memoryview(content)[size:])
    if entry not in content[:size] or digest.hexdigest() != told:
        raise ValueError("its checksum is not that of its contents, so they have changed since it was saved")


def check_tensors(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """FileFormatError unless there are tensors of these names, shapes and dtypes and no others, all of them finite.

    `wanted` is compared only, and may be on torch's "meta" device, where a tensor takes no memory.
    """
    for name in sorted(set(tensors) ^ set(wanted)):
        raise FileFormatError(f"it lacks the tensor {name!r}" if name in wanted else f"no such tensor is {name!r:.80}")
    for name, like in wanted.items():
        tensor = tensors[name]
        if (tensor.shape, tensor.dtype) != (like.shape, like.dtype):
            found, told = (f"{tuple(one.shape)} of {one.dtype}" for one in (tensor, like))
            raise FileFormatError(f"tensor {name!r} is {found}; by the settings in the file it is {told}")
        if wrong := _unsound(name, tensor):
            raise FileFormatError(wrong)


def widest(tensors: Mapping[str, Tensor]) -> int:
    """The largest size of any tensor that holds something: no layer of the file's networks is wider."""
    return max((size for tensor in tensors.values() if tensor.numel() for size in tensor.shape), default=0)


def check_history(columns: Mapping[str, Tensor]) -> int:
    """The number of steps. FileFormatError unless all columns are of numbers, one a step."""
    for name, column in columns.items():
        first = next(iter(columns.values()))
        if column.ndim != 1 or column.shape != first.shape or column.dtype not in (torch.float64, torch.int64):
            raise FileFormatError(f"history {name!r} is {tuple(column.shape)} of {column.dtype}, not one number a step")
    return len(next(iter(columns.values()))) if columns else 0


def _unsound(name: str, tensor: Tensor) -> str:
    """What is wrong with the values of a tensor; "" where nothing is."""
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        return f"tensor {name!r} holds NaN or infinity"
    if name.endswith(NOT_NEGATIVE) and bool((tensor < 0).any()):
        return f"tensor {name!r} holds negative numbers"
    return ""


def said(error: Exception) -> str:
    """What an error says, in one line of bounded length: torch adds where it was in C++."""
    return "it is nested too deep" if isinstance(error, RecursionError) else f"{str(error).partition(chr(10))[0]:.300}"
