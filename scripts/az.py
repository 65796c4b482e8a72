"""The Azure CLI with the sign-in of whoever runs a script, and Microsoft Graph through it."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


MISSING = (
    "the Azure CLI is not on the path. Fix: install it, "
    "https://learn.microsoft.com/cli/azure/install-azure-cli, then az login"
)


class AzError(Exception):
    """`az` failed, and the message is its error output; or it is missing."""


def az(*arguments: str) -> Any:
    """Run `az` and return its JSON answer, or None without one."""
    program = shutil.which("az")
    if program is None:
        raise AzError(MISSING)
    done = subprocess.run(  # noqa: S603
        [program, *arguments, "--output", "json"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise AzError(done.stderr.strip())
    return json.loads(done.stdout) if done.stdout.strip() else None


@functools.cache
def cloud() -> Any:
    """Return the cloud that `az` is signed in to; cached, since a call of `az` takes a second."""
    return az("cloud", "show")


def graph_url() -> str:
    """Return the address of Microsoft Graph in the cloud that `az` is signed in to."""
    return f"{cloud()['endpoints']['microsoftGraphResourceId'].rstrip('/')}/v1.0"


def get(url: str) -> Any:
    """Read an object of Microsoft Graph."""
    return az("rest", "--method", "get", "--url", url)


def listed(url: str) -> Iterator[Any]:
    """Read a list of Microsoft Graph, page by page."""
    while url:
        page = get(url)
        yield from page["value"]
        url = page.get("@odata.nextLink", "")


def post(url: str, body: Mapping[str, Any]) -> None:
    """Add an object to Microsoft Graph."""
    az("rest", "--method", "post", "--url", url, "--body", json.dumps(body))


def patch(url: str, body: Mapping[str, Any]) -> None:
    """Change an object of Microsoft Graph, or create it if it does not exist."""
    create = ("--headers", "Prefer=create-if-missing")
    az("rest", "--method", "patch", "--url", url, *create, "--body", json.dumps(body))
