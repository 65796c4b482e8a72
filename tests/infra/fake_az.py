"""An `az` that answers as Microsoft Graph does, keeping a tenant in the file state.json beside it. Copied and run as a program."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

FILE = Path(__file__).with_name("state.json")
GRAPH = "https://graph.microsoft.us/v1.0"
ENDPOINTS = {
    "microsoftGraphResourceId": "https://graph.microsoft.us/",
    "activeDirectory": "https://login.microsoftonline.us",
}
PAGE = 2
"""How many entries of a list come at once."""


def answer(value: Any = None) -> NoReturn:
    if value is not None:
        print(json.dumps(value))  # noqa: T201
    sys.exit()


def refuse(message: str) -> NoReturn:
    sys.exit(f"ERROR: {message}")


def paged(entries: list[Any], url: str) -> NoReturn:
    skip = int(url.partition("$skiptoken=")[2] or 0)
    page: dict[str, Any] = {"value": entries[skip : skip + PAGE]}
    if len(entries) > skip + PAGE:
        page["@odata.nextLink"] = f"{GRAPH}{url.partition('?')[0]}?$skiptoken={skip + PAGE}"
    answer(page)


def found(state: dict[str, Any], key: str, value: str) -> dict[str, Any] | None:
    return next((each for each in state["applications"] if each.get(key) == value), None)


def read(state: dict[str, Any], url: str) -> NoReturn:
    path = url.partition("?")[0]
    owned = re.match(r"/applications\(appId='(.+?)'\)/owners", path)
    named = re.match(r"/(?:applications|servicePrincipals)\((\w+)='(.+?)'\)$", path)
    if path.endswith(("/appRoleAssignments", "/appRoleAssignedTo")):
        paged(state["assignments"], url)
    if owned:
        paged([{"id": owner} for owner in state["owners"].get(owned[1], [])], url)
    if not named:
        refuse(f"{url} is not known")
    answer(found(state, named[1], named[2]) or {"id": f"object-of-{named[2]}"})


def upsert(state: dict[str, Any], url: str, body: dict[str, Any], create: bool) -> None:
    """Change an object; a list that is given replaces the one that is there, as Graph has it."""
    if named := re.fullmatch(r"/applications\(uniqueName='(.+)'\)", url):
        one = found(state, "uniqueName", named[1])
        if one is None and create:
            one = {"id": f"id-{named[1]}", "appId": state["next"], "uniqueName": named[1]}
            state["applications"].append(one)
        if one is None:
            refuse("Resource does not exist")
        one.update(body)
    elif trust := re.fullmatch(r"/applications/(.+)/federatedIdentityCredentials\(name='(.+)'\)", url):
        state["credentials"][f"{trust[1]} {trust[2]}"] = body
    elif plain := re.fullmatch(r"/applications/(.+)", url):
        one = found(state, "id", plain[1])
        if one is None:
            refuse("Resource does not exist")
        one.update(body)
    elif principal := re.fullmatch(r"/servicePrincipals\(appId='(.+)'\)", url):
        state["principals"][principal[1]] = body
    else:
        refuse(f"{url} is not known")


def add(state: dict[str, Any], url: str, body: dict[str, Any]) -> None:
    if url.endswith(("/appRoleAssignments", "/appRoleAssignedTo")):
        if body in state["assignments"]:
            refuse("Permission being assigned already exists on the object")
        state["assignments"].append(body)
    else:
        name = url.split("/")[2].removeprefix("object-of-")
        state["owners"].setdefault(name, []).append(body["@odata.id"].rpartition("/")[2])


def main() -> None:
    state = json.loads(FILE.read_text())
    if sys.argv[1:3] == ["cloud", "show"]:
        answer({"name": "AzureUSGovernment", "endpoints": ENDPOINTS})
    if sys.argv[1:3] == ["account", "show"]:
        answer({"tenantId": "cccccccc-0000-0000-0000-000000000001"})
    given = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=False))
    method, url = given["--method"], given["--url"].removeprefix(GRAPH)
    state["calls"].append([method, url])
    FILE.write_text(json.dumps(state))
    if state["refuse"]:
        print("Insufficient privileges to complete the operation.", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    if method == "get":
        read(state, url)
    body = json.loads(given["--body"])
    if method == "patch":
        upsert(state, url, body, create=given.get("--headers") == "Prefer=create-if-missing")
    else:
        add(state, url, body)
    FILE.write_text(json.dumps(state))


if __name__ == "__main__":
    main()
