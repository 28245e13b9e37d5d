"""The widgets' JavaScript: formatted and linted by biome, its types checked, its library tested by Node.

Users need no Node, and neither do the tests of what they use; without it these are skipped, saying so.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

WIDGETS = Path(__file__).parents[2] / "widgets"
JS, LAB = WIDGETS / "js", WIDGETS / "labextension"
NPM = shutil.which("npm")
TOOLS = [JS / "node_modules" / name for name in ("@biomejs/biome", "typescript", "uplot")]
WIDTH = 100  # of a line, as in widgets/biome.json
SOURCES = [path for folder in (JS / "src", JS / "test", LAB / "src") for path in folder.rglob("*.*")]


@pytest.mark.skipif(NPM is None, reason="no npm on the PATH: checking the widgets' JavaScript needs Node 20 or newer")
@pytest.mark.skipif(not all(map(Path.exists, TOOLS)), reason="no tools in widgets/js/node_modules: npm ci there first")
@pytest.mark.parametrize("script", ["lint", "check", "test"])
def test_javascript_passes(script):
    found = subprocess.run(
        [NPM, "run", "--silent", script], cwd=JS, capture_output=True, text=True, encoding="utf-8", timeout=300
    )

    assert found.returncode == 0, f"npm run {script}, in widgets/js, says:\n{found.stdout}\n{found.stderr}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(WIDGETS).as_posix())
def test_a_line_is_short_enough_to_read(path):
    lines = path.read_text(encoding="utf-8").splitlines()

    assert [f"line {k}: {len(line)}" for k, line in enumerate(lines, 1) if len(line) > WIDTH] == []


def test_the_lock_file_names_no_registry():
    text = (JS / "package-lock.json").read_text(encoding="utf-8")

    assert text.count('"integrity":') > 30
    assert "resolved" not in text
