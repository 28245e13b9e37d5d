"""Recordings in several processes, stopped from outside: nothing is lost, and no process stays behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    return finished(start(tmp_path_factory.mktemp("right"), jobs=1))


def start(folder, jobs=2):
    asked = [sys.executable, "-m", "tests.slow.recording", str(folder), str(jobs)]
    return subprocess.Popen(asked, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process):
    out, error = process.communicate(timeout=240)
    assert process.returncode == 0, error[-2000:]
    return out


def under_way(folder, jobs=2):
    """A recording that has some cells and lacks some, and the processes that compute them."""
    process = start(folder, jobs)
    end = time.monotonic() + 120
    while len(list(folder.glob("cells/tiny/*"))) < 2:
        assert process.poll() is None and time.monotonic() < end, process.communicate()[1][-2000:]
        time.sleep(0.02)
    children = psutil.Process(process.pid).children(recursive=True)
    return process, [one for one in children if any("multiprocessing.spawn" in part for part in one.cmdline())]


def test_two_processes_record_what_one_does(tmp_path, right):
    assert finished(start(tmp_path)) == right


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_stopped_recording_leaves_no_process_and_goes_on(tmp_path, right, how):
    process, workers = under_way(tmp_path)
    process.send_signal(how)
    process.communicate(timeout=60)

    assert len(workers) == 2
    assert not psutil.wait_procs(workers, timeout=30)[1]
    done = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("cells/tiny/*")}
    assert 2 <= len(done) < 9  # eight, and the check

    assert finished(start(tmp_path)) == right
    assert done == {name: (tmp_path / "cells/tiny" / name).stat().st_mtime_ns for name in done}
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_a_worker_that_is_ended_is_said_and_the_recording_goes_on(tmp_path, right):
    process, workers = under_way(tmp_path)
    workers[0].kill()
    _, error = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "DgkitError: a process that recorded 'tiny' was ended from outside" in error
    assert finished(start(tmp_path)) == right
