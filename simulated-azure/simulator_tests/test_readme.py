"""The example of the README does what the README says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_example_prints_what_the_page_says() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    ran = subprocess.run(  # noqa: S603 - our own page
        [sys.executable, "-c", example], capture_output=True, text=True, check=True
    )
    (promised,) = re.findall(r"It prints `(\w+)` and `(\w+)`", README)
    assert tuple(ran.stdout.split()) == promised


def test_every_folder_of_the_package_has_a_row() -> None:
    package = Path(__file__).parents[1] / "simulator"
    rows = "\n".join(line for line in README.splitlines() if line.startswith("| `"))
    named = re.findall(r"`(\w+)/`", rows)
    assert sorted(named) == sorted(path.parent.name for path in package.glob("*/__init__.py"))
