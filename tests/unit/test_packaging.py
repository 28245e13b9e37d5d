"""Set-up and packaging: the same facts in every file, and the choice of torch's build without a network."""

import importlib.util
import os
import re
import subprocess
import tomllib
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
    assert os.access(ROOT / "binder" / "start", os.X_OK)


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


def test_make_lists_its_tasks_by_default():
    text = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    for task in ("lab", "test", "lint", "bench", "record", "build"):
        assert f"make {task}" in text


def test_no_file_names_a_place_of_one_machine():
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, files):
        if (path := ROOT / name).suffix not in (".nc", ".state", ""):
            assert str(ROOT) not in path.read_text(), name


@pytest.mark.parametrize(("value", "expected"), [("1", 2), ("0", 1), ("", 1), (None, 1)])
def test_one_switch_makes_chapters_fast(monkeypatch, value, expected):
    monkeypatch.delenv("DGKIT_FAST", raising=False)
    if value is not None:
        monkeypatch.setenv("DGKIT_FAST", value)

    assert dg.budget(full=1, fast=2) == expected


def test_an_unclear_switch_is_refused(monkeypatch):
    monkeypatch.setenv("DGKIT_FAST", "maybe")
    with pytest.raises(ConfigError, match="DGKIT_FAST is 'maybe'"):
        dg.budget(1, 2)
