"""Stamp the compiled template with a release's own package, so that the portal's button brings its code along.

python scripts/stamp_release.py FOLDER VERSION PACKAGE_URL

FOLDER holds rekey.zip and SHA256SUMS; the template and the portal's form are written beside them,
and their sums added.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

INFRA = Path(__file__).resolve().parents[1] / "infra"
TEMPLATE, FORM, SUMS = "azuredeploy.json", "createUiDefinition.json", "SHA256SUMS"


def stamped(template: dict[str, Any], version: str, url: str, digest: str) -> dict[str, Any]:
    """Return the template with this package as its default; nobody is asked for it any more."""
    defaults = {"packageUri": url, "remoteBuild": False}
    parameters = {
        name: {**parameter, "defaultValue": defaults[name]} if name in defaults else parameter
        for name, parameter in template["parameters"].items()
    }
    package = {"version": version, "uri": url, "sha256": digest}
    return {
        **template,
        "metadata": {**template["metadata"], "package": package},
        "parameters": parameters,
    }


def stamp(folder: Path, version: str, url: str) -> None:
    """Write template, form and sums into a release's folder."""
    template = json.loads((INFRA / TEMPLATE).read_text())
    digest = _sum(folder / "rekey.zip")
    (folder / TEMPLATE).write_text(
        json.dumps(stamped(template, version, url, digest), indent=2) + "\n"
    )
    (folder / FORM).write_bytes((INFRA / FORM).read_bytes())
    with (folder / SUMS).open("a") as sums:
        sums.writelines(f"{_sum(folder / name)}  {name}\n" for name in (TEMPLATE, FORM))


def _sum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks for; returns the exit code."""
    if len(arguments) != 3 or not arguments[2].startswith("https://"):  # noqa: PLR2004
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    stamp(Path(arguments[0]), arguments[1], arguments[2])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
