"""Tensors and JSON in one file that is safe to open (safetensors), written beside and renamed."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from dgkit.errors import FileFormatError


def write(path: str | os.PathLike[str], kind: str, tensors: Mapping[str, torch.Tensor], plain: Any) -> None:
    """Write `tensors` and the JSON-able `plain`; the old file stays whole until the new one is complete."""
    data = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = safetensors.torch.save(data, {"kind": kind, "plain": json.dumps(plain)})
    path = Path(path)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, 0o666 & ~_umask())  # mkstemp's files are for the owner alone
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def read(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, torch.Tensor], Any]:
    """What `write` wrote. Raises FileFormatError for anything else; nothing in the file is executed."""
    if not Path(path).is_file():
        raise FileFormatError(f"no file at {str(path)!r}. Check the path; `save` writes one.")
    try:
        with safetensors.safe_open(path, "pt") as file:
            meta = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        found, plain = meta.get("kind"), json.loads(meta.get("plain", "null"))
    except (safetensors.SafetensorError, ValueError, OSError) as error:
        raise FileFormatError(f"{str(path)!r} is not a {kind} file of dgkit, or is damaged: {error}") from error
    if found != kind:
        raise FileFormatError(f"{str(path)!r} is a {found or 'safetensors'} file; expected a {kind} file of dgkit.")
    return tensors, plain


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
