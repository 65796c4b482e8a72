"""Every Bicep file compiles without a warning, is formatted, describes what it takes, and takes no secret."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.infra.bicep import INFRA, bicep, warnings

TEMPLATES = sorted(INFRA.rglob("*.bicep"))
PARAMETERS = sorted(INFRA.rglob("*.bicepparam"))


def title(path: Path) -> str:
    return str(path.relative_to(INFRA))


@pytest.mark.parametrize("file", [*TEMPLATES, *PARAMETERS], ids=title)
def test_a_file_is_linted_without_a_warning(file: Path) -> None:
    run = bicep("lint", file)
    assert run.code == 0
    assert warnings(run) == []


@pytest.mark.parametrize("file", [*TEMPLATES, *PARAMETERS], ids=title)
def test_a_file_is_formatted(file: Path) -> None:
    assert bicep("format", file, "--stdout").output.rstrip() == file.read_text().rstrip()


@pytest.mark.parametrize("file", PARAMETERS, ids=title)
def test_a_parameter_file_fits_its_template(file: Path) -> None:
    run = bicep("build-params", file, "--stdout")
    assert run.code == 0
    assert warnings(run) == []


def test_the_linter_finds_what_is_wrong(tmp_path: Path) -> None:
    """Else the tests above could not fail."""
    file = tmp_path / "wrong.bicep"
    file.write_text("param unused string\n")
    assert warnings(bicep("lint", file))


@pytest.mark.parametrize("file", TEMPLATES, ids=title)
def test_every_parameter_output_and_function_is_described(file: Path) -> None:
    lines = file.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"(param|output|func|type) ", line):
            above = lines[max(number - 8, 0) : number]
            block = above[max((place for place, text in enumerate(above) if not text), default=-1) + 1 :]
            assert any(text.startswith("@description(") for text in block), f"{file.name}:{number + 1} {line}"


def test_no_parameter_takes_a_secret_and_no_output_gives_one() -> None:
    template = json.loads(bicep("build", INFRA / "main.bicep", "--stdout").output)
    text = json.dumps(template)
    assert not re.search(r"\blist[A-Z]\w*\(", text), "a list… function reads keys"
    assert "securestring" not in text.lower()
    assert "secureobject" not in text.lower()
    names = " ".join([*template["parameters"], *template["outputs"]]).lower()
    assert not re.search(r"password|secret|key|token|sas|connectionstring", names)


def test_nothing_in_the_template_differs_from_one_deployment_to_the_next() -> None:
    """Names come from guid and uniqueString of what stays the same, so a second deployment finds its own resources."""
    text = "".join(file.read_text() for file in TEMPLATES)
    assert "guid(" in text
    assert not re.search(r"newGuid\(|utcNow\(|deployment\(\)", text)
