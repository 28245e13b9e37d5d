"""Damages files of one kind over and over and reads them, in a process of its own: python -m tests.slow.damage KIND N.

A file is cut, bits of it are flipped, or, with a checksum that is right again or none as of old, a value of its JSON is
another, or a tensor. Prints what was neither refused nor worked afterwards, one a line.
"""

import copy
import json
import math
import re
import signal
import struct
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

import dgkit as dg
from dgkit import _files, baselines
from tests.conftest import small_dataset

KINDS = ("model", "training state", "baseline")
ODD = (
    None, True, False, -1, 0, 1, 2, 3, 10**9, 2**62, 10**30, 10**400, 0.5, -2.0, 1e30, 1e308, math.nan, math.inf,
    "", "x", "tanh", "sigmoid", "exp", "<f8", "<U3", "feature", "length", "categorical", "b", "\udcff", [], [1], [[]],
    {}, {"a": 1}, ["a", "b"], [0.5, "a"],
)  # fmt: skip
ALLOWED = {  # what is said of files that may be what they say: of other data, of rates too high
    "load": "^this state was trained on other data|^device=",
    "use": "none of the categories the model knows|not of the schema|is missing|not written: .* holds NaN",
}
DATA = small_dataset()
CONFIG = dg.Config(steps=4, sample_len=4, batch_size=5, lstm_units=6, discriminator_units=8, attribute_units=6, ema=0.5)


def made(kind, folder, k):
    """A file of this kind, and how it is read and then used."""
    path = folder / "whole"
    if kind == "baseline":
        with warnings.catch_warnings(action="ignore"):
            baselines.fit(baselines.names()[k % len(baselines.names())], DATA, steps=2).save(path)
        return path, baselines.load, lambda model: [repr(model), model.sample(9), model.save(folder / "again")]
    trainer = dg.Trainer(DATA, CONFIG)
    next(trainer)
    if kind == "model":
        trainer.model.save(path)

        def use(model):
            return [repr(model), model.sample(3), model.discriminate(DATA), model.save(folder / "again")]

        return path, dg.load, use
    trainer.step_discriminator()
    trainer.save(path)

    def go_on(trainer):
        for step in (trainer.step_generator, trainer.step_discriminator, trainer.step_generator):
            step()
        trainer.save(folder / "again")

    return path, lambda path: dg.Trainer.load(path, DATA), go_on


def places(plain, path=()):
    """Every place in a JSON value."""
    inner = plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ()
    for key, value in inner:
        yield (*path, key)
        yield from places(value, (*path, key))


def other_json(plain, rng):
    """The JSON with a value changed, taken out or put in."""
    plain = copy.deepcopy(plain)
    plain["encoder"]["schema"] = json.loads(plain["encoder"]["schema"])
    every = list(places(plain))
    *path, key = every[rng.integers(len(every))]
    inner = plain
    for name in path:
        inner = inner[name]
    new = ODD[rng.integers(len(ODD))]
    how = rng.integers(8)
    if how == 0:
        del inner[key]
    elif how == 1 and isinstance(inner, dict):
        inner["more"] = new
    elif how == 2 and type(inner[key]) in (int, float):
        inner[key] = type(inner[key])(inner[key] * 10) if rng.integers(2) else inner[key] + 1
    else:
        inner[key] = new
    if isinstance(plain.get("encoder"), dict) and not isinstance(plain["encoder"].get("schema"), str):
        plain["encoder"]["schema"] = json.dumps(plain["encoder"].get("schema"))
    return plain


def other_tensors(tensors, rng):
    """The tensors with one of another form, or of other values, or of another name."""
    names = list(tensors)
    name = names[rng.integers(len(names))]
    value = tensors[name]
    how = rng.integers(9)
    if how == 0:
        return {k: v for k, v in tensors.items() if k != name}
    if how == 1:
        return {k + "x" * (k == name): v for k, v in tensors.items()}
    changed = {
        2: lambda: value.to(torch.float16 if rng.integers(2) else torch.int64),
        3: lambda: value.flatten()[: max(0, value.numel() - 1)],
        4: lambda: torch.zeros(1),
        5: lambda: torch.cat([value.flatten(), value.flatten()]),
        6: lambda: (value - 3 if value.dtype != torch.uint8 else value.flip(0)),
        7: lambda: (value.clone().fill_(math.nan if value.is_floating_point() else 7)),
        8: lambda: flipped(value, rng),
    }[int(how)]()
    return {**tensors, name: changed.clone()}


def flipped(value, rng):
    """With one bit flipped."""
    content = bytearray(value.contiguous().numpy().tobytes())
    if content:
        content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    return torch.frombuffer(content, dtype=value.dtype).reshape(value.shape) if content else value


def damage(path, kind, whole, rng):
    """Write a damaged file; whether reading it must fail."""
    how = rng.integers(6)
    if how == 0:
        path.write_bytes(whole[: rng.integers(len(whole))])
        return True
    if how <= 2:  # in the header, or anywhere
        content, size = bytearray(whole), struct.unpack("<Q", whole[:8])[0]
        content[rng.integers(size + 8 if how == 1 else len(whole))] ^= 1 << int(rng.integers(8))
        path.write_bytes(content)
        return True
    size = struct.unpack("<Q", whole[:8])[0]
    meta = json.loads(whole[8 : 8 + size])["__metadata__"]
    tensors, plain = safetensors.torch.load(whole), json.loads(meta["plain"])
    if how == 5:
        tensors = other_tensors(tensors, rng)
    else:
        plain = other_json(plain, rng)
    if rng.integers(2):
        content = safetensors.torch.save(tensors, {"kind": kind, "plain": json.dumps(plain)})  # as of old
        path.write_bytes(content)
        return False
    sound = _files._unsound
    _files._unsound = lambda *given: ""
    _files.write(path, kind, tensors, plain)
    _files._unsound = sound
    return False


def main(kind, count, seed):
    if sys.platform == "linux":
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, resource.RLIM_INFINITY))
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(seed)
    faults, accepted, slowest = [], 0, 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for k in range(count):
            if k % 50 == 0:
                whole, read, use = made(kind, folder, k // 50)
                whole = whole.read_bytes()
            must_fail = damage(folder / "damaged", kind, whole, rng)
            start, what = time.perf_counter(), "load"
            if hasattr(signal, "alarm"):
                signal.alarm(60)
            try:
                found = read(folder / "damaged")
                slowest, what = max(slowest, time.perf_counter() - start), "use"
                accepted += 1
                if must_fail:
                    faults.append(f"{k}: accepted")
                use(found)
            except dg.DgkitError as error:
                right = ALLOWED[what]
                if not isinstance(error, dg.FileFormatError if what == "load" else ()) and not re.search(
                    right, str(error)
                ):
                    faults.append(f"{k}: {what}: {error!r:.300}")
            except Exception as error:
                (folder / f"fault{k}").write_bytes((folder / "damaged").read_bytes())
                faults.append(f"{k}: {what}: raw {error!r:.300}")
            slowest = max(slowest, time.perf_counter() - start)
    print(*faults, sep="\n")
    print(f"{kind}: {count} files, {accepted} read, {len(faults)} faults, slowest {slowest:.1f} s", file=sys.stderr)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0))
