"""Kills, interrupts and full disks at any moment of fit, save, resume, sweep and record, some of each; more by hand."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="children are forked, and looked at in /proc")
@pytest.mark.parametrize("how", ["kill", "interrupt", "full"])
def test_a_stop_at_any_moment_leaves_whole_files_and_a_process_that_goes_on(how):
    asked = [sys.executable, "-m", "tests.slow.stops", how, "56"]

    done = subprocess.run(asked, cwd=Path(__file__).parents[2], capture_output=True, text=True)

    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr[-2000:]
