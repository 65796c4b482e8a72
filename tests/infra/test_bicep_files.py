"""Every Bicep file compiles without a warning, is formatted, and describes what it takes: no secret."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from scripts.snapshots import COMPILED
from tests.infra.bicep import INFRA, bicep, warnings

TEMPLATES = sorted(INFRA.rglob("*.bicep"))


def title(path: Path) -> str:
    return str(path.relative_to(INFRA))


def test_every_file_is_linted_without_a_warning() -> None:
    """The examples lead to every template, and from there to every module."""
    run = bicep("lint", "--pattern", f"{INFRA}/*.bicepparam")
    assert run.code == 0
    assert warnings(run) == []


def test_an_example_leads_to_every_template_and_a_template_to_every_module() -> None:
    text = "".join(file.read_text() for file in (*TEMPLATES, *INFRA.glob("*.bicepparam")))
    named = set(re.findall(r"'(?:\.\./|modules/)?([\w.-]+\.bicep)'", text))
    assert {file.name for file in TEMPLATES} <= named


def test_the_linter_finds_what_is_wrong_in_a_module_of_an_examples_template(tmp_path: Path) -> None:
    """Else the test above could not fail."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "wrong.bicep").write_text("param unused string = ''\n")
    (tmp_path / "right.bicep").write_text("module wrong 'modules/wrong.bicep' = {}\n")
    (tmp_path / "example.bicepparam").write_text("using 'right.bicep'\n")
    (warning,) = warnings(bicep("lint", "--pattern", f"{tmp_path}/*.bicepparam"))
    assert "unused" in warning


def test_every_file_is_formatted(tmp_path: Path) -> None:
    copy = shutil.copytree(INFRA, tmp_path / "infra")
    assert bicep("format", "--pattern", f"{copy}/**/*.bicep*").code == 0
    for file in (*TEMPLATES, *INFRA.rglob("*.bicepparam")):
        assert (copy / title(file)).read_text() == file.read_text(), title(file)


@pytest.mark.parametrize("file", TEMPLATES, ids=title)
def test_every_parameter_output_and_function_is_described(file: Path) -> None:
    lines = file.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"(param|output|func|type) ", line):
            above = lines[max(number - 8, 0) : number]
            block = above[
                max((place for place, text in enumerate(above) if not text), default=-1) + 1 :
            ]
            assert any(text.startswith("@description(") for text in block), (
                f"{file.name}:{number + 1} {line}"
            )


def test_no_parameter_takes_a_secret_and_no_output_gives_one() -> None:
    template = json.loads(COMPILED.read_text())
    text = json.dumps(template)
    assert not re.search(r"\blist[A-Z]\w*\(", text), "a list… function reads keys"
    assert "securestring" not in text.lower()
    assert "secureobject" not in text.lower()
    names = " ".join([*template["parameters"], *template["outputs"]]).lower()
    assert not re.search(r"password|secret|key|token|sas|connectionstring", names)


def test_nothing_differs_from_one_deployment_to_the_next_but_the_time_of_two_alerts() -> None:
    """Names come from what stays the same, so a second deployment finds its own resources."""
    text = "".join(file.read_text() for file in TEMPLATES)
    assert "guid(" in text
    assert not re.search(r"newGuid\(|deployment\(\)", text)
    assert re.findall(r"param (\w+) string = utcNow\(", text) == ["deployedAt"]
    assert text.count("utcNow(") == 1
    rules = (INFRA / "alert-rules.bicep").read_text()
    due = re.compile(r"^  (\w+): \{(?:(?!\n  \}).)*DUE", re.MULTILINE | re.DOTALL)
    assert due.findall(rules) == ["unswept", "denied"]
