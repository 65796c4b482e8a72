"""Let Rekey's identity change the secrets of applications: the one step that a template cannot do.

python scripts/grant_graph.py IDENTITY APPLICATION…

IDENTITY is the identity's object id (the deployment's output identityPrincipalId), APPLICATION a
client id. Gives Microsoft
Graph's permission Application.ReadWrite.OwnedBy, and makes the identity an owner of each
application. What is given already
is left as it is, so it can be run again. Uses `az` as you are signed in: a Privileged Role
Administrator for the permission,
an owner of the applications (or a Cloud Application Administrator) for the rest.
Source: https://learn.microsoft.com/graph/api/serviceprincipal-post-approleassignments and
application-post-owners.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # So that it runs as a file too.

from scripts.az import GUID, AzError, get, graph_url, listed, post

GRAPH_APPLICATION = "00000003-0000-0000-c000-000000000000"
"""Microsoft Graph's own application, the same in every tenant."""
OWNED_BY = "18a4783c-866b-4cc7-a460-3d5e5662c884"
"""Application.ReadWrite.OwnedBy: https://learn.microsoft.com/graph/permissions-reference."""


def grant(identity: str, applications: Sequence[str]) -> None:
    """Give the permission and the ownerships that are missing."""
    graph = graph_url()
    _give_permission(graph, identity)
    for application in applications:
        _make_owner(graph, identity, application)


def _give_permission(graph: str, identity: str) -> None:
    target = get(f"{graph}/servicePrincipals(appId='{GRAPH_APPLICATION}')?$select=id")["id"]
    given = listed(f"{graph}/servicePrincipals/{identity}/appRoleAssignments")
    if any(each["appRoleId"] == OWNED_BY and each["resourceId"] == target for each in given):
        print("Application.ReadWrite.OwnedBy: given already")
        return
    body = {"principalId": identity, "resourceId": target, "appRoleId": OWNED_BY}
    post(f"{graph}/servicePrincipals/{identity}/appRoleAssignments", body)
    print("Application.ReadWrite.OwnedBy: given; it takes up to an hour to work")


def _make_owner(graph: str, identity: str, application: str) -> None:
    owners = f"{graph}/applications(appId='{application}')/owners"
    if any(each["id"] == identity for each in listed(f"{owners}?$select=id")):
        print(f"{application}: owned already")
        return
    # The object id is asked for because owners are added by it alone.
    found = get(f"{graph}/applications(appId='{application}')?$select=id")["id"]
    post(
        f"{graph}/applications/{found}/owners/$ref",
        {"@odata.id": f"{graph}/directoryObjects/{identity}"},
    )
    print(f"{application}: owned")


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks for; returns the exit code."""
    if not arguments or not all(GUID.fullmatch(each) for each in arguments):
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    try:
        grant(arguments[0], arguments[1:])
    except AzError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
