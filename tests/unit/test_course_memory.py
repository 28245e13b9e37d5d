"""What a chapter's cell leaves behind goes back to the system."""

import ctypes
import subprocess
import sys

import pytest

LINUX = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")
pytestmark = pytest.mark.skipif(not LINUX, reason="memory is given back where C's library is glibc")

CELLS = """
import sys, weakref
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_cell(sys.argv[1])
shell.run_cell('''import gc, weakref
gc.disable()
class Circle: pass
circle = Circle()
circle.me, circle.pixels, left = circle, bytearray(b"1") * 2**26, weakref.ref(circle)
del circle''')
print(shell.user_ns["left"]() is None)
"""


def told(first_cell):
    command = [sys.executable, "-c", CELLS, first_cell]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]


def test_circles_of_objects_are_taken_apart_after_a_chapters_cell():
    assert told("from dgkit import course") == "True"


def test_other_notebooks_are_left_alone():
    assert told("import dgkit; dgkit.errors") == "False"


def test_nothing_happens_outside_ipython():
    assert subprocess.run([sys.executable, "-c", "from dgkit import course"], check=True).returncode == 0
