"""docs/first-deployment.md held against what scripts and the simulated Azure know."""

from __future__ import annotations

import re

import pytest

from scripts.deploying import site, template
from tests.infra.bicep import ROOT

PAGE = (ROOT / "docs" / "first-deployment.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith("| you see")
]
MET = " ✓"
SOURCE = re.compile(
    r"\[([\w.-]+) (\d+)\]\(https://github\.com/[\w.-]+/([\w.-]+)/(?:issues|pull)/(\d+)\)"
)


def test_every_error_that_the_scripts_wait_out_is_on_the_page() -> None:
    known = (*template.SPREADING, "InaccessibleStorageException", "from host runtime")
    assert [code for code in known if code not in PAGE] == []
    assert "from host runtime" in site.SPREADING


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_every_row_says_what_is_seen_why_what_is_done_and_what_to_do(row: list[str]) -> None:
    assert [bool(cell) for cell in row] == [True] * 4
    for name, number, repository, issue in SOURCE.findall(row[1]):
        assert number == issue
        assert name in repository or set(name.split("-")) <= set(repository.split("-"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_what_the_simulated_azure_refuses_is_marked_and_nothing_else(row: list[str]) -> None:
    places = (ROOT / "simulated-azure" / "simulator" / "arm", ROOT / "cli" / "setup")
    code = "".join(path.read_text() for place in places for path in place.rglob("*.py"))
    words = re.findall(r"`([^`]+)`", row[0])
    assert any(word.partition(" (")[0] in code for word in words) == (MET in row[0]), words


@pytest.mark.parametrize("page", ["deploy.md", "quickstart.md", "troubleshooting.md"])
def test_the_page_is_found_from(page: str) -> None:
    assert "(first-deployment.md)" in (ROOT / "docs" / page).read_text()
    assert "first-deployment.md" in (ROOT / "mkdocs.yml").read_text()
