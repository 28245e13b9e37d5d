"""Stops calls at any moment and makes them again: python -m tests.slow.stops HOW COUNT [SEED [CALL]], HOW one of HOWS.

Children are forked from a process that has imported all and computed nothing. Each is stopped at a line of code drawn
at random from those that the call runs, or after a time drawn at random. A kill: SIGKILL, then the call again in a
process of its own. An interrupt: SIGINT, at times a second one; then the call again in the same process. A full disk: a
small tmpfs filled but for some pages, where the system lets a user mount one (`unshare`), and a limit on the size of a
file (RLIMIT_FSIZE: the C libraries meet both); then, with room, the call again in the same process.

Prints what was wrong, one a line: a file that is not whole, litter, a run that is not the one without a stop, a process
that is not as before, an epsilon that is not what was spent, an error that is not dgkit's.
"""

import contextlib
import hashlib
import linecache
import os
import pickle
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import netCDF4  # noqa: F401 (these once, before the forks)
import numpy as np
import torch
import torch._dynamo  # torch's Adam asks for it
import xarray as xr
from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK

import dgkit as dg
from dgkit import _cells
from dgkit.core import accounting, keep
from dgkit.core.fit import fit as fit_all
from dgkit.core.trainer import Trainer
from dgkit.course import runs
from dgkit.course.experiment import Experiment
from dgkit.sweeps import train_model
from tests.conftest import small_dataset

HOWS = ("kill", "interrupt", "full")
SIZES = {"sample_len": 4, "batch_size": 5, "lstm_units": 6, "discriminator_units": 8, "attribute_units": 6}
CONFIG = dg.Config(steps=6, ema=0.5, **SIZES)
DATA = small_dataset()
with warnings.catch_warnings(action="ignore"):
    PRIVATE = dg.Config(steps=6, dp=dg.privacy.DP(1.0, delta=1e-3), **SIZES)
    accounting.spent(PRIVATE, DATA.sizes["sample"], 1, 2)  # imports what the children need
GRID = {"seed": [0, 1], "sample_len": [4, 6]}
TRACED = (str(Path(dg.__file__).parent), tempfile.__file__, contextlib.__file__, shutil.__file__)


# --- the calls: what is there before, the call, which goes on when made again, and whether its files are whole --------


def digest(model):
    """Of the weights and, but for the seconds, the history."""
    found = hashlib.sha256()
    for name, network in model.networks().items():
        for key, value in network.state_dict().items():
            found.update(f"{name}.{key}".encode() + value.numpy().tobytes())
    for key in sorted(set(model.history.data_vars) - {"seconds"}):
        found.update(model.history[key].values.tobytes())
    return found.hexdigest()[:16]


def spent(model):
    """What a private model says that it has spent, which must be what its steps have."""
    told = model.history.epsilon.values if "epsilon" in model.history else np.zeros(0)
    true = [accounting.spent(PRIVATE, DATA.sizes["sample"], k, 2) for k in range(1, len(told) + 1)]
    if not np.allclose(told, true, rtol=1e-6) and not np.all(told >= np.array(true) * (1 - 1e-6)):
        raise AssertionError(f"epsilon is {told}, spent was {true}")
    return len(told)


def cell(model):
    return xr.Dataset({"views": model.sample(3, seed=1).views.mean()})


def trained_cell(train, config, point):
    return cell(train_model(train, config))


EXPERIMENT = Experiment(
    "What stops leave?", lambda point: DATA, trained_cell, dg.Config(steps=2, **SIZES), GRID,
    {"steps": 1, "seed": 0, "sample_len": 4},
)  # fmt: skip


def no_file(folder):
    pass


def values(ds):
    return hashlib.sha256(np.float32(ds.views.values).tobytes()).hexdigest()[:16]


def fit(folder, config=CONFIG):
    model = fit_all(DATA, config, checkpoints=folder / "run", every=2, progress=False)
    return digest(model) if config is CONFIG else spent(model)


def fit_is_whole(folder, config=CONFIG):
    found = {}
    for step, path in keep.checkpoints(folder / "run").items():
        found[step] = digest(dg.load(path)) if config is CONFIG else spent(dg.load(path))
    if (path := folder / "run" / keep.STATE).exists():
        trainer = Trainer.load(path, DATA)
        found["state"] = counted(trainer)
        found.setdefault(trainer.step, digest(trainer.model) if config is CONFIG else spent(trainer.model))
    return found


def counted(trainer):
    """Nothing but that the batches are those of the steps."""
    if trainer.batches < trainer.step:
        raise AssertionError(f"{trainer.batches} batches are counted after {trainer.step} steps")


def old_model(folder):
    Trainer(DATA, CONFIG).model.save(folder / "model")
    os.chmod(folder / "model", 0o600)


def save(folder):
    trainer = Trainer(DATA, CONFIG)
    next(trainer)
    trainer.model.save(folder / "model")
    return digest(dg.load(folder / "model"))


def save_is_whole(folder):
    model = dg.load(folder / "model")
    assert (folder / "model").stat().st_mode & 0o777 == 0o600
    return {model.history.sizes.get("step", 0): digest(model)}


def resume(folder, config=CONFIG):
    """A training driven by hand, by half steps, that saves its state after each of them."""
    path = folder / "state"
    trainer = Trainer.load(path, DATA) if path.exists() else Trainer(DATA, config)
    while trainer.step < config.steps:
        measured = trainer.step_discriminator()
        trainer.record(measured | trainer.step_generator(), 0.0)
        trainer.save(path)
    return digest(trainer.model) if config is CONFIG else spent(trainer.model)


def resume_is_whole(folder, config=CONFIG):
    if not (folder / "state").exists():
        return {}
    trainer = Trainer.load(folder / "state", DATA)
    counted(trainer)
    return {trainer.step: digest(trainer.model) if config is CONFIG else spent(trainer.model)}


def sweep(folder):
    base = dg.Config(steps=2, **SIZES)
    return values(dg.sweep(DATA, GRID, base=base, measure=cell, folder=folder / "cells", progress=False))


def sweep_is_whole(folder):
    found = [path for path in (folder / "cells").glob("*") if not path.name.startswith(".")]
    return {path.name: values(_cells.read(path)) for path in found}


def record(folder):
    runs.experiment_of = lambda name: EXPERIMENT
    path = runs.record("tiny", out=folder / "out", cells=folder / "cells", progress=False)
    return values(_cells.read(path)) + values(_cells.read(path, "check"))


def record_is_whole(folder):
    paths = [path for path in folder.glob("*/**/*.nc") if not path.name.startswith(".")]
    return {path.name: values(_cells.read(path)) for path in paths}


CALLS = {
    "fit": (no_file, fit, fit_is_whole),
    "save": (old_model, save, save_is_whole),
    "resume": (no_file, resume, resume_is_whole),
    "sweep": (no_file, sweep, sweep_is_whole),
    "record": (no_file, record, record_is_whole),
    "private fit": (no_file, lambda folder: fit(folder, PRIVATE), lambda folder: fit_is_whole(folder, PRIVATE)),
    "private resume": (
        no_file,
        lambda folder: resume(folder, PRIVATE),
        lambda folder: resume_is_whole(folder, PRIVATE),
    ),
}


# --- children ---------------------------------------------------------------------------------------------------------


def child(call, *given, seconds=60):
    """What `call` gives in a fork of this process; None where that was ended by a signal."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reader)
            os.setsid()
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 2)
            try:
                found = pickle.dumps((call(*given), None))
            except BaseException:
                found = pickle.dumps((None, traceback.format_exc()))
            with open(writer, "wb") as file:
                file.write(found)
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with open(reader, "rb") as file:
        content, end = b"", time.monotonic() + seconds
        while select.select([file], [], [], max(0, end - time.monotonic()))[0]:
            if not (more := os.read(file.fileno(), 2**16)):
                break
            content += more
        else:
            os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    if status or not content:
        return None
    found, error = pickle.loads(content)
    if error:
        raise RuntimeError(error)
    return found


class At:
    """A trace function that calls `stop` at the `n`th time that a line is about to run; without one it counts lines."""

    def __init__(self, line=None, n=0, stop=None):
        self.line, self.n, self.stop, self.seen, self.more = line, n, stop, Counter(), None

    def __call__(self, frame, event, argument):
        return self.trace if frame.f_code.co_filename.startswith(TRACED) else None

    def trace(self, frame, event, argument):
        if event == "line":
            where = (frame.f_code.co_filename, frame.f_lineno)
            self.seen[where] += 1
            if where == self.line and self.seen[where] == self.n:
                self.stop()
        return self.trace


def as_now():
    """What a stop must not leave changed in a process."""
    os.umask(mask := os.umask(0))
    files = sorted(os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink())
    return {
        "handler": signal.getsignal(signal.SIGINT), "threads": torch.get_num_threads(), "umask": mask,
        "inside": _cells._Inside.count, "lock": NETCDF4_PYTHON_LOCK.locked(),
        "files": [name for name in files if name.startswith(str(tempfile.gettempdir())) or "deleted" in name],
    }  # fmt: skip


def litter(folder):
    """Files that no call leaves on purpose."""
    found = [path.relative_to(folder) for path in folder.rglob("*")]
    return [str(path) for path in found if path.name.startswith(".") or (path.parts[0] == "scratch" and path.parts[1:])]


def begin(folder):
    """A process that knows nothing of those before."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warnings.simplefilter("ignore")
    tempfile.tempdir = str(folder / "scratch")
    Path(tempfile.tempdir).mkdir(exist_ok=True)


def told(call, folder):
    """What the call gives, or the fault that it is."""
    try:
        return call(folder)
    except BaseException as error:
        return f"{type(error).__name__}: {error!s:.300}"


def reference(name, folder):
    """Lines that a call runs, its seconds, what is right, and what its files hold at any time."""
    begin(folder)
    before, call, whole = CALLS[name]
    before(folder)
    old = whole(folder)
    start = time.perf_counter()
    right = call(folder)
    seconds = time.perf_counter() - start
    found = {**whole(folder), **old} if name == "save" else whole(folder)
    if name in ("fit", "resume"):
        trainer = Trainer(DATA, CONFIG)
        found |= {0: digest(trainer.model)} | {record.step: digest(trainer.model) for record in trainer}
    largest = max((path.stat().st_size for path in folder.rglob("*") if path.is_file()), default=0)
    pages = sum(-(-path.stat().st_size // 4096) + 1 for path in folder.rglob("*"))
    again = folder / "again"
    again.mkdir()
    before(again)
    sys.settrace(at := At())
    call(again)
    sys.settrace(None)
    files = [path.name for path in folder.rglob("*")]
    # no signal is handled where a block ends, where the trace function is called before the exit, too
    lines = {line: n for line, n in at.seen.items() if not linecache.getline(*line).lstrip().startswith("with ")}
    return {"lines": lines, "seconds": seconds, "right": right, "found": found, "largest": largest,
            "pages": pages, "files": files}  # fmt: skip


def stopped(name, folder, how, draw, right):
    """The call, stopped; in a process that lives on, what is wrong of it then and of the call made again."""
    begin(folder)
    call = CALLS[name][1]
    before = as_now()
    before_files = before.pop("files")
    seconds, line, n, twice = draw["seconds"], draw["line"], draw["n"], draw["twice"]
    faults, error = [], None

    def stop():
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        signal.raise_signal(signal.SIGINT)
        if twice:
            signal.raise_signal(signal.SIGINT)

    try:
        if how == "full":
            if draw["pages"] is not None:
                (folder.parent / "filler").write_bytes(bytes(4096 * max(0, free_pages(folder) - draw["pages"])))
            else:
                resource.setrlimit(resource.RLIMIT_FSIZE, (draw["limit"], resource.RLIM_INFINITY))
        elif line is not None:
            sys.settrace(At(line, n, stop))
        else:
            signal.signal(signal.SIGALRM, lambda number, frame: stop())
            if how == "kill":
                signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process
            signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))
        try:
            found = call(folder)  # `fit` gives the model so far
            told = {right["right"], *right["found"].values()}
            if not name.startswith("private") and found not in told and not (name == "fit" and twice):
                faults.append(f"gave {found}")
            elif name == "private fit" and found < right["right"]:
                error = "interrupted"
        finally:
            sys.settrace(None)
            signal.setitimer(signal.ITIMER_REAL, 0)
    except BaseException as raised:
        error = f"{type(raised).__name__}: {raised!s:.300}"
        if not isinstance(raised, {"full": dg.DgkitError, "interrupt": KeyboardInterrupt}[how]):
            faults.append(f"raised {error}")
        if hasattr(raised, "__traceback__"):
            raised.__traceback__ = None
    if how == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        with contextlib.suppress(OSError):
            (folder.parent / "filler").unlink(missing_ok=True)
    after = as_now()
    del after["files"], before_files
    faults += [f"{key} was {before[key]!r}, is {after[key]!r}" for key in before if before[key] != after[key]]
    faults += [f"litter {path}" for path in litter(folder)]
    faults += checked(name, folder, right)
    return faults, error


def free_pages(folder):
    about = os.statvfs(folder)
    return about.f_bavail * about.f_frsize // 4096


def checked(name, folder, right):
    """What is wrong with the files that are there; then of the call made again, and with what that leaves."""
    faults = []
    for again in (False, True):
        if again:
            found = told(CALLS[name][1], folder)
            if found != right["right"]:
                faults.append(f"called again: {found}, not {right['right']}")
        found = told(CALLS[name][2], folder)
        if not isinstance(found, dict):
            faults.append(f"files, {again=}: {found}")
        else:
            wrong = {k: v for k, v in found.items() if k in right["found"] and right["found"][k] != v}
            if not name.startswith("private"):
                wrong |= {k: "is not one of those" for k in found if k not in right["found"]}
            faults += [f"files, {again=}: {k} {v}" for k, v in wrong.items()]
    faults += [f"litter in the end {path}" for path in litter(folder)]
    return faults


def judged(name, folder, right):
    begin(folder)
    return checked(name, folder, right)


def main(how, count, seed, only=None):
    rng = np.random.default_rng(seed)
    faults, hit, names = [], 0, [only] if only else list(CALLS)
    with tempfile.TemporaryDirectory(dir=os.environ.get("STOPS_FOLDER")) as root:
        rights = {}
        for name in names:
            folder = Path(root) / "reference"
            folder.mkdir()
            rights[name] = child(reference, name, folder, seconds=300)
            shutil.rmtree(folder)
        for k in range(count):
            name = names[k % len(names)]
            right = rights[name]
            folder = Path(root) / "disk"
            folder.mkdir()
            file = rng.choice(sorted({file for file, _ in right["lines"]}))  # or few stops come while files are written
            lines = sorted(line for line in right["lines"] if line[0] == file)
            line = lines[rng.integers(len(lines))] if rng.integers(4) else None
            draw = {
                "seconds": rng.uniform(0, right["seconds"]), "line": line,
                "n": int(rng.integers(1, right["lines"][line] + 1)) if line else 0, "twice": bool(rng.integers(3) == 0),
                "limit": int(rng.integers(right["largest"] + 1)),
                "pages": int(rng.integers(right["pages"] + 1)) if os.environ.get("STOPS_FOLDER") and k % 2 else None,
            }  # fmt: skip
            child(prepared, name, folder)
            found = child(stopped, name, folder, how, draw, right)
            if found is None and how == "kill":
                hit += 1
                wrong = child(judged, name, folder, right)
                wrong = ["did not end"] if wrong is None else wrong
            elif found is None:
                wrong = ["did not end, or ended by a signal"]
            else:
                wrong, error = found
                hit += error is not None
            where = f"{Path(line[0]).name}:{line[1]}, time {draw['n']}" if line else f"{draw['seconds']:.3f} s"
            where = f"{draw['limit']} bytes, {draw['pages']} pages" if how == "full" else where
            faults += [f"{k} {name}, {how} at {where}{', twice' * draw['twice']}: {one}" for one in wrong]
            shutil.rmtree(folder)
    print(*faults, sep="\n")
    print(f"{how}: {count} calls, {hit} stopped, {len(faults)} faults", file=sys.stderr)
    return bool(faults)


def prepared(name, folder):
    begin(folder)
    CALLS[name][0](folder)


def on_a_disk_of_its_own():
    """This very call within a mount of its own, where the system allows it; else nothing."""
    folder = tempfile.mkdtemp()
    mount = f"mount -t tmpfs -o size=4m none {folder}"
    try:
        if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True).returncode == 0:
            again = f'{mount} && exec env STOPS_FOLDER={folder} {sys.executable} -m tests.slow.stops "$@"'
            return subprocess.run(["unshare", "-rm", "sh", "-c", again, "sh", *sys.argv[1:]]).returncode
    except OSError:
        pass
    finally:
        os.rmdir(folder)
    return None


if __name__ == "__main__":
    if sys.argv[1] == "full" and "STOPS_FOLDER" not in os.environ and (code := on_a_disk_of_its_own()) is not None:
        sys.exit(code)
    torch.set_num_threads(1)
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0, *sys.argv[4:]))
