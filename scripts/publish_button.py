"""Put a release's template and form on the branch `button`, where the portal can read them.

python scripts/publish_button.py FOLDER VERSION

The portal reads in the browser, and the files of a GitHub release do not allow that (CORS:
https://github.com/Azure/bicep/discussions/7756); raw.githubusercontent.com does. Uses `gh`, and
GITHUB_REPOSITORY, GITHUB_SHA.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BRANCH = "button"
FILES = ("azuredeploy.json", "createUiDefinition.json")


def gh(
    path: str, *options: str, body: Mapping[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """Call GitHub's API for this repository."""
    command = ["gh", "api", f"repos/{os.environ['GITHUB_REPOSITORY']}/{path}", *options]
    command += ["--input", "-"] if body is not None else []
    text = json.dumps(body) if body is not None else None
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)  # noqa: S603


def publish(folder: Path, version: str) -> None:
    """Write both files; raises SystemExit with what GitHub said."""
    if gh(f"git/ref/heads/{BRANCH}").returncode:
        _done(gh("git/refs", body={"ref": f"refs/heads/{BRANCH}", "sha": os.environ["GITHUB_SHA"]}))
    for name in FILES:
        held = gh(f"contents/{name}?ref={BRANCH}", "--jq", ".sha")
        content = base64.b64encode((folder / name).read_bytes()).decode()
        body = {"message": f"Publish {name} of {version}", "content": content, "branch": BRANCH}
        known = {} if held.returncode else {"sha": held.stdout.strip()}
        _done(gh(f"contents/{name}", "--method", "PUT", body={**body, **known}))


def _done(ran: subprocess.CompletedProcess[str]) -> None:
    if ran.returncode:
        sys.exit(f"GitHub refused: {ran.stderr.strip()}")


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks for; returns the exit code."""
    if len(arguments) != 2:  # noqa: PLR2004
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    publish(Path(arguments[0]), arguments[1])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
