"""docs/deploy.md held against the template."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.infra.bicep import INFRA, ROOT, bicep

PAGE = (ROOT / "docs" / "deploy.md").read_text()


def template() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bicep("build", str(INFRA / "main.bicep"), "--stdout").output)
    return found


def test_the_page_lists_every_parameter_and_no_other() -> None:
    table = PAGE.partition("## What you can choose")[2].partition("`kinds` decides")[0]
    listed = {
        name
        for line in table.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert listed == set(template()["parameters"])


def test_every_output_that_a_command_reads_exists() -> None:
    outputs = set(template()["outputs"])
    read = set(re.findall(r"outputs\.(\w+)|\.(\w+)\.value", PAGE))
    named = {name for pair in read for name in pair if name and name != "outputs"}
    assert {"appName", "identityPrincipalId", "applications"} <= named
    assert named <= outputs


def test_every_file_that_a_command_uses_exists() -> None:
    for path in set(re.findall(r"(?:scripts|infra)/[\w./]+\w", PAGE)) - {"infra/my.bicepparam"}:
        assert (ROOT / path).exists(), path


def test_what_could_not_be_run_is_said() -> None:
    assert "**Not run, since no subscription was at hand**" in PAGE
