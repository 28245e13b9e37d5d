"""Cut, flipped and lying files of each kind, hundreds of them, in a process whose memory is bounded."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.slow.damage import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_refused_or_works(kind):
    asked = [sys.executable, "-m", "tests.slow.damage", kind, "400"]

    done = subprocess.run(asked, cwd=Path(__file__).parents[2], capture_output=True, text=True)

    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr[-2000:]
