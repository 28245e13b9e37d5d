"""What others cite: the same version, licence and title everywhere, and a paper whose references are there."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import dgkit as dg

ROOT = Path(__file__).parents[2]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
ZENODO = json.loads((ROOT / ".zenodo.json").read_text("utf-8"))
PAPER = (ROOT / "paper" / "paper.md").read_text("utf-8")


def test_one_version_title_and_authors_everywhere():
    assert CITATION["version"] == ZENODO["version"] == dg.__version__
    assert CITATION["title"] == ZENODO["title"]
    assert [one["name"] for one in CITATION["authors"]] == [one["name"] for one in ZENODO["creators"]]
    assert ZENODO["related_identifiers"][0]["identifier"] == CITATION["preferred-citation"]["doi"]


def test_both_licences_are_there_in_full_and_named():
    expression = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["license"]
    assert expression.split(" AND ") == CITATION["license"] == ["BSD-3-Clause", "CC-BY-4.0"]

    content = (ROOT / "LICENSE-content").read_text("utf-8")
    for part in (
        "Section 1 -- Definitions",
        "Patent and trademark rights are not licensed",
        "Section 8 -- Interpretation",
    ):
        assert part in content
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "(LICENSE)" in readme and "(LICENSE-content)" in readme


def test_the_paper_is_as_long_as_it_may_be_and_says_what_was_not_done():
    _, head, body = PAPER.split("---\n", 2)

    assert {"title", "tags", "authors", "affiliations", "date", "bibliography"} <= set(yaml.safe_load(head))
    assert len(body.split()) < 1000
    assert {"# Summary", "# Statement of need", "# References"} <= set(re.findall(r"^# .*$", body, re.MULTILINE))
    assert "has not been used in class yet" in body


def test_every_reference_is_in_the_bibliography_and_used():
    listed = re.findall(r"^@\w+\{(\w+),", (ROOT / "paper" / "paper.bib").read_text("utf-8"), re.MULTILINE)

    assert sorted(listed) == sorted(set(re.findall(r"@(\w+)\b", PAPER.split("---\n", 2)[2])))


FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_asks_something(path):
    form = yaml.safe_load(path.read_text("utf-8"))

    assert {"name", "description", "body"} <= set(form)
    assert len({field["id"] for field in form["body"]}) == len(form["body"])
    assert all(field["type"] in ("textarea", "input") and field["attributes"]["label"] for field in form["body"])


FOLDERS = (".", ".github", "apps", "data", "instructor", "paper")
TEXTS = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.md"))


def places(path):
    """The places in a text that a link may lead to, as GitHub names them after headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_text_links_to_is_there(path):
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)|(?:href|src|srcset)=\"([^\"]+)\"", text)
    targets = [link.partition("#") for one, other in links if "://" not in (link := one or other)]

    assert [name for name, _, _ in targets if not (path.parent / name).exists()] == []
    assert [
        (name, place)
        for name, _, place in targets
        if place and place not in places(path.parent / name if name else path)
    ] == []


def test_what_the_checklist_names_is_there():
    named = re.findall(r"`([\w./-]+)`", (ROOT / "paper" / "checklist.md").read_text("utf-8"))
    places = (ROOT, ROOT / "paper", ROOT / "instructor")

    assert [name for name in named if not any((place / name).exists() for place in places)] == []
