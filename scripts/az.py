"""The Azure CLI, as whoever runs a script is signed in to it, and Microsoft Graph through it."""

from __future__ import annotations

import functools
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class AzError(Exception):
    """`az` failed; the message is what it said."""


def az(*arguments: str) -> Any:
    """Run `az` and return its JSON answer, None where there is none."""
    done = subprocess.run(  # noqa: S603
        ["az", *arguments, "--output", "json"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AzError(done.stderr.strip())
    return json.loads(done.stdout) if done.stdout.strip() else None


@functools.cache
def cloud() -> Any:
    """Return the cloud that `az` is signed in to; it is asked for once, since each call of `az` takes a second."""
    return az("cloud", "show")


def graph_url() -> str:
    """Return Microsoft Graph of the cloud that `az` is signed in to."""
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
    """Change an object of Microsoft Graph, and make it where there is none."""
    create = ("--headers", "Prefer=create-if-missing")
    az("rest", "--method", "patch", "--url", url, *create, "--body", json.dumps(body))
