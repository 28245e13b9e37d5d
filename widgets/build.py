"""Build what the browser runs, from sources to committed files: `python widgets/build.py` (needs Node and npm).

Users need no Node: the built files ship with the package. Beside them lies a hash of the sources they were made from,
which a test compares with the sources at hand.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
JS, STATIC = HERE / "js", HERE / "dgkit_widgets" / "static"
LAB, LAB_BUILT = HERE / "labextension", HERE / "dgkit_widgets" / "labextension"


def js_sources() -> list[Path]:
    """The files that the anywidgets' bundles are made from."""
    return sorted([*JS.glob("src/**/*.js"), *JS.glob("src/**/*.css"), JS / "package.json", JS / "package-lock.json"])


def lab_sources() -> list[Path]:
    """The files that the JupyterLab extension is made from; course.json is not built in but read when it runs."""
    settings = [LAB / name for name in ("package.json", "tsconfig.json", "yarn.lock", ".yarnrc.yml")]
    return sorted([*LAB.glob("src/*.ts*"), *LAB.glob("style/*.css"), *settings])


def digest(paths: list[Path]) -> str:
    """sha256 over the files' names and contents, the same whatever the system's line ends."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.relative_to(HERE).as_posix().encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n"))
    return total.hexdigest()


def build_js() -> None:
    """Bundle every widgets/js/src/NAME.js into dgkit_widgets/static/NAME.js (and .css)."""
    npm("ci", cwd=JS)
    npm("run", "build", cwd=JS)
    (STATIC / "sources.sha256").write_text(digest(js_sources()) + "\n")


def build_labextension() -> None:
    """Compile widgets/labextension into dgkit_widgets/labextension; jlpm and jupyter-builder come with JupyterLab."""
    scripts = sysconfig.get_path("scripts")
    environment = {**os.environ, "PATH": scripts + os.pathsep + os.environ["PATH"]}
    for task in (["install", "--immutable"], ["build"]):
        subprocess.run([str(Path(scripts) / "jlpm"), *task], cwd=LAB, check=True, env=environment)
    (LAB_BUILT / "sources.sha256").write_text(digest(lab_sources()) + "\n")


def npm(*arguments: str, cwd: Path) -> None:
    program = shutil.which("npm")
    if program is None:
        sys.exit("npm is not on the PATH: rebuilding needs Node 20 or newer. Using dgkit does not.")
    subprocess.run([program, *arguments, "--no-audit", "--no-fund"], cwd=cwd, check=True)


if __name__ == "__main__":
    build_js()
    build_labextension()
