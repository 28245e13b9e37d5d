"""Set-up and packaging: the same facts in every file, and the choice of torch's build without a network."""

import email
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

import dgkit as dg
from dgkit.errors import ConfigError

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = (ROOT / "binder" / "requirements.txt").read_text().split("\n")


@pytest.fixture(scope="module")
def dev():
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_version_comes_from_one_place():
    assert PROJECT["dynamic"] == ["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == dg.__version__


def test_the_citation_is_the_papers():
    paper = yaml.safe_load((ROOT / "CITATION.cff").read_text())["preferred-citation"]

    assert paper["doi"] == "10.1145/3419394.3423643"
    assert [author["family-names"] for author in paper["authors"]] == ["Lin", "Jain", "Wang", "Fanti", "Sekar"]


def test_binder_pins_what_the_course_needs(dev):
    assert f"torch=={dev.TORCH}+cpu" in REQUIREMENTS
    assert "-e .[lab]" in REQUIREMENTS
    for package in ("ipykernel", "jupyterlab"):
        wanted = next(line for line in PROJECT["optional-dependencies"]["lab"] if line.startswith(package))
        assert wanted in REQUIREMENTS
    assert (ROOT / "binder" / "runtime.txt").read_text().strip() == "python-3.12"
    start = (ROOT / "binder" / "start").read_text().strip()
    assert start.endswith('exec "$@"')
    assert all(os.access(ROOT / "binder" / script, os.X_OK) for script in ("start", "postBuild"))


@pytest.mark.skipif(sys.platform == "win32", reason="repo2docker does not run on Windows")
def test_binders_builder_takes_the_recipe():
    options = ["--no-build", "--debug", "--user-id", "1000", "--user-name", "learner"]
    command = [sys.executable, "-m", "repo2docker", *options, "."]

    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    recipe = said.stdout + said.stderr
    install = recipe.find('pip install --no-cache-dir -r "binder/requirements.txt"')
    assert said.returncode == 0, recipe
    assert "environment-2epy-2d3-2e12" in recipe  # Python 3.12, as the builder writes it
    assert 0 < recipe.find(" src/ ${REPO_DIR}/") < install  # "-e ." finds the repository copied
    assert 'R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in recipe


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_a_binder_session_has_one_thread():
    start = str(ROOT / "binder" / "start")

    said = subprocess.run([start, "printenv", "OMP_NUM_THREADS"], capture_output=True, text=True)

    assert said.stdout == "1\n"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_binder_compiles_kernels_as_it_builds(tmp_path):
    kernels = {"NUMBA_CACHE_DIR": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    subprocess.run([str(ROOT / "binder" / "postBuild")], cwd=ROOT, env=os.environ | kernels, check=True)

    assert len(list(tmp_path.rglob("*.nbc"))) > 5


def test_every_dependency_is_justified_in_the_changelog():
    text = (ROOT / "CHANGELOG.md").read_text()
    for line in PROJECT["dependencies"]:
        assert f"`{re.match(r'[A-Za-z0-9-]+', line)[0]}`" in text


def test_torch_is_the_cpu_build_without_a_gpu(dev):
    on_gpu, offline, online = (
        dev.torch_commands(True, False),
        dev.torch_commands(False, False),
        dev.torch_commands(False, True),
    )

    assert on_gpu == offline
    assert offline[0][-1] == f"torch=={dev.TORCH}"
    assert not any("--index-url" in command for command in offline)
    assert online[0][-3:] == [f"torch=={dev.TORCH}", "--index-url", dev.CPU_INDEX]
    assert online[-1] == offline[0]


def test_an_unreachable_index_is_noticed_without_a_long_wait(dev):
    assert dev.reachable("http://127.0.0.1:9", seconds=1) is False


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_make_lists_the_tasks_of_dev_by_default(dev):
    text = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert set(re.findall(r"^make (\S+)", text, re.MULTILINE)) == {"help", *dev.TASKS}


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEXTS = [ROOT / name for name in (".ci/run", ".pre-commit-config.yaml")]
TEXTS += [ROOT / f"{name}.md" for name in ("README", "GUIDE", "REFERENCE", "CONTRIBUTING", "CHANGELOG")]
TEXTS += [*WORKFLOWS, *ROOT.glob("instructor/*.md"), *ROOT.glob("apps/*.md")]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_commands_that_are_named_exist(dev, path):
    code = r"(?:`|^|run: |exec |entry: )"  # not the verb
    named = re.findall(
        code + r"(?:make|(?:py|python) dev\.py) ([a-z-]+)\b(?=`| ARGS|  +#| -|$)", path.read_text(), re.MULTILINE
    )

    assert set(named) <= set(dev.TASKS)


def test_those_who_run_the_tests_run_these(dev):
    run = {
        path.name: [
            step["run"]
            for job in yaml.safe_load(path.read_text())["jobs"].values()
            for step in job["steps"]
            if "run" in step
        ]
        for path in WORKFLOWS
    }

    assert run.pop("book.yml") == ["make book"]
    assert run == {"nightly.yml": ["npm ci", "make test-all"], "test.yml": ["python dev.py test"]}
    assert (ROOT / ".ci" / "run").read_text().endswith("exec make test\n")
    for path in WORKFLOWS:
        used = [
            step["uses"]
            for job in yaml.safe_load(path.read_text())["jobs"].values()
            for step in job["steps"]
            if "uses" in step
        ]
        assert used and all(re.fullmatch(r"[a-z-]+/[a-z-]+@v\d+", name) for name in used)


@pytest.mark.parametrize(
    ("task", "given", "lints", "pytest_gets"),
    [
        ("quick", ["-k", "flags"], False, ["tests/unit", "-m", "not training and not slow", "-k", "flags"]),
        ("test", [], True, ["-m", "not slow"]),
        ("test", ["tests/unit/test_encode.py", "-k", "flags"], False, ["tests/unit/test_encode.py", "-k", "flags"]),
        ("test_all", [], True, []),
    ],
)
def test_arguments_reach_pytest_in_several_processes_and_without_the_lint(
    dev, monkeypatch, task, given, lints, pytest_gets
):
    ran = []
    monkeypatch.setattr(dev, "run", lambda command: ran.append(command) or 0)

    assert getattr(dev, task)("python", given) == 0

    assert any("ruff" in command for command in ran) == lints
    assert ran[-1][:4] == ["python", "-m", "pytest", "-n"]
    assert ran[-1][7:] == pytest_gets


def test_what_a_missing_browser_leaves_untested_is_said_first(dev, monkeypatch, capsys):
    monkeypatch.setattr(dev, "run", lambda command: 0)
    said = {}
    for found in (None, "chromium"):
        monkeypatch.setattr(dev, "chromium", lambda: found)
        dev.test("python", [])
        said[found] = capsys.readouterr().out

    assert said["chromium"] == ""
    assert said[None].count("\n") == 1 and "not tested in a browser" in said[None] and "apt install" in said[None]


def test_no_file_names_a_place_of_one_machine():
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, files):
        if (path := ROOT / name).suffix not in (".nc", ".png", ".gif", ".dgkit", ".state", ""):
            assert str(ROOT) not in path.read_text(), name


@pytest.mark.parametrize(("value", "expected"), [("1", 2), ("0", 1), ("", 1), (None, 1)])
def test_one_switch_makes_chapters_fast(monkeypatch, value, expected):
    monkeypatch.delenv("DGKIT_FAST", raising=False)
    if value is not None:
        monkeypatch.setenv("DGKIT_FAST", value)

    assert dg.course.budget(full=1, fast=2) == expected


def test_an_unclear_switch_is_refused(monkeypatch):
    monkeypatch.setenv("DGKIT_FAST", "maybe")
    with pytest.raises(ConfigError, match="DGKIT_FAST is 'maybe'"):
        dg.course.budget(1, 2)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The sdist, and the wheel built from it, as `python -m build` does (but without asking an index for hatchling)."""
    folder = tmp_path_factory.mktemp("release")

    def build(source: Path, kind: str) -> Path:
        command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
        subprocess.run(command, cwd=source, check=True, capture_output=True)
        return next(folder.glob("*.tar.gz" if kind == "sdist" else "*.whl"))

    sdist = build(ROOT, "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return sdist, build(folder / sdist.name.removesuffix(".tar.gz"), "wheel")


def tracked(*folders: str) -> set[str]:
    listed = subprocess.run(["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(filter(None, listed.stdout.split("\0")))


def test_the_sdist_holds_what_the_repository_does(release):
    with tarfile.open(release[0]) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}

    hidden = {name for name in tracked() if any(part.startswith(".") for part in name.split("/"))}
    assert tracked() - hidden <= held
    assert not any("node_modules" in name or ".ipynb_checkpoints" in name for name in held)


def test_the_wheel_holds_code_data_widgets_and_chapters(release):
    with zipfile.ZipFile(release[1]) as archive:
        held = set(archive.namelist())

    lab = f"dgkit-{dg.__version__}.data/data/share/jupyter/labextensions/dgkit-lab/"
    wanted = {f"dgkit/{name}" for name in tracked("data")} | tracked("dgkit")
    wanted |= {lab + name.replace("notebooks/", "chapters/") for name in tracked("notebooks")}
    extension = "widgets/dgkit_widgets/labextension/"
    for name in tracked("widgets/dgkit_widgets"):
        wanted.add(lab + name.removeprefix(extension) if name.startswith(extension) else name.removeprefix("widgets/"))
    wanted |= {lab + "course.json", lab + "install.json"}
    wanted |= {"dgkit/py.typed", "dgkit/__init__.pyi"}  # by which a user's type checker reads ours
    assert wanted <= held
    assert {name.split("/")[0] for name in held} == {
        "dgkit", "dgkit_widgets", f"dgkit-{dg.__version__}.data", f"dgkit-{dg.__version__}.dist-info",
    }  # fmt: skip
    assert not any("solutions" in name or "checkpoints/" in name.replace("runs/checkpoints/", "") for name in held)


def test_the_wheel_says_what_it_is_and_needs(release):
    with zipfile.ZipFile(release[1]) as archive:
        about = email.message_from_bytes(archive.read(f"dgkit-{dg.__version__}.dist-info/METADATA"))

    needed = [line.partition(";")[0].strip() for line in about.get_all("Requires-Dist") if "extra ==" not in line]
    names = {re.match(r"[A-Za-z0-9-]+", line)[0].lower() for line in PROJECT["dependencies"]}
    assert (about["Name"], about["Version"], about["License-Expression"]) == (
        "dgkit",
        dg.__version__,
        "BSD-3-Clause AND CC-BY-4.0",
    )
    assert {re.match(r"[A-Za-z0-9-]+", line)[0].lower() for line in needed} == names
    assert set(about.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    assert about.get_all("License-File") == ["LICENSE", "LICENSE-content", "widgets/LICENSE-uPlot"]
    assert "Learn and explore **DoppelGANger**" in about.get_payload()


OUTSIDE = """
import json, sys
from importlib.metadata import version
from pathlib import Path
import dgkit as dg, dgkit_widgets
from dgkit import course
home = Path(sys.argv[1])
assert Path(dg.__file__).is_relative_to(home) and Path(dgkit_widgets.__file__).is_relative_to(home)
for name in dg.datasets.SHIPPED:
    dg.open_dataset(name)
runs = [name for name in course.experiments() if course.open_run(name).attrs["title"]]
point = course.checkpoints()["web_s7"]
step = dg.Trainer.load(point.path, point.data()).step
panel = home / "share/jupyter/labextensions/dgkit-lab"
chapters = [c["file"] for c in json.loads((panel / "course.json").read_text())["chapters"]]
assert all((panel / "chapters" / file).exists() for file in chapters)
passed = course.answer("00.1", 168).passed
widget = dgkit_widgets.SeriesBrowser(dg.simulate.web(30))
print(json.dumps([version("dgkit"), runs, step, len(chapters), passed, len(widget._esm) > 1000]))
"""


@pytest.mark.slow
def test_the_wheel_works_outside_the_repository(release, tmp_path):
    home = tmp_path / "home"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", str(home), str(release[1])], check=True)
    elsewhere = {**os.environ, "PYTHONPATH": str(home), "OMP_NUM_THREADS": "1"}

    run = [sys.executable, "-c", OUTSIDE, str(home)]
    said = subprocess.run(run, cwd=tmp_path, env=elsewhere, capture_output=True, text=True)

    assert said.returncode == 0, said.stderr
    chapters = len(list((ROOT / "notebooks").glob("*.ipynb")))
    assert json.loads(said.stdout) == [dg.__version__, list(dg.course.experiments()), 1000, chapters, True, True]
