"""Name each call to Azure by service and operation.

The names are few, and never contain that of a vault, a secret or an account. The REST references of
the services define which parts of a path are fixed words and which are names:
https://learn.microsoft.com/rest/api/keyvault/secrets,
https://learn.microsoft.com/rest/api/storageservices and
https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

VERBS = {
    "GET": "Get",
    "HEAD": "Get",
    "PUT": "Set",
    "PATCH": "Update",
    "POST": "Post",
    "DELETE": "Delete",
}
OTHER = "Other"
LABELS = {
    ".vault": "keyvault",
    ".blob": "blob",
    ".queue": "queue",
    ".eventgrid": "eventgrid",
    ".loganalytics": "logs",
}
"""The second label of a service's host name, the same in every cloud."""


def service_of(url: str) -> str:
    """Return keyvault, arm, graph, login, logs, blob, queue or eventgrid."""
    parts = urlsplit(url)
    host, path = (parts.hostname or "").lower(), parts.path.lower()
    if named := next((service for label, service in LABELS.items() if f"{label}." in host), None):
        return named
    if path.startswith("/subscriptions/"):
        return "arm"
    if path.endswith("/oauth2/v2.0/token"):
        return "login"
    if path.startswith("/v1.0/"):
        return "graph"
    if path.endswith("/api/events"):
        return "eventgrid"
    # The storage emulator has the account in the path, not in the host.
    return "queue" if path.endswith("/messages") else "blob"


def operation_of(  # noqa: PLR0911 - a table
    service: str, method: str, url: str, headers: Mapping[str, str]
) -> str:
    """Return the name of the operation, such as GetSecret, RegenerateKey or AcquireLease."""
    parts = urlsplit(url)
    words = [word for word in parts.path.split("/") if word]
    match service:
        case "keyvault":
            return _secret(method, words)
        case "arm":
            return _resource(method, words)
        case "graph":
            return _graph(method, words[1:])
        case "blob":
            return _blob(method, parse_qs(parts.query), headers.get("x-ms-lease-action", ""))
        case "queue":
            return (
                "PutMessage"
                if words[-1:] == ["messages"]
                else {"PUT": "CreateQueue"}.get(method, "GetQueue")
            )
        case "login":
            return "GetToken"
        case "logs":
            return "Query"
        case _:
            return "Publish"


def _secret(method: str, words: list[str]) -> str:
    """Name the operation of secrets[/{name}[/{version}]]; no version is called `versions`.

    Of certificates/{name}[/create], [/pending] or [/{version}], too.
    """
    if words[:1] == ["certificates"]:
        last = words[-1].capitalize()
        return {"Create": "CreateCertificate", "Pending": "GetPending"}.get(last, "GetCertificate")
    if words[2:] == ["versions"]:
        return "ListVersions"
    return "ListSecrets" if len(words) == 1 else f"{VERBS.get(method, OTHER)}Secret"


def _resource(method: str, words: list[str]) -> str:
    """Name the operation of a path to a resource.

    Its form: subscriptions/{id}[/resourceGroups/{name}]/providers/{namespace}/{type}/{name}
    [/{type}/{name}]…[/{action}[/{key}]].
    """
    start = 4 if words[2:3] and words[2].lower() == "resourcegroups" else 2
    kinds = words[start + 2 :: 2] if words[start : start + 1] == ["providers"] else []
    word = words[-1] if method == "POST" else kinds[-1] if kinds else ""
    if method == "POST" and words[-2:-1] and words[-2].startswith("regenerate"):
        # The key that is meant stands behind the action.
        word = words[-2]
    return _call(method, word if kinds else "")


def _graph(method: str, words: list[str]) -> str:
    """Name the operation of {collection}[(key)][/{id}][/{action}]."""
    if not words:
        return OTHER
    return _call(method, words[-1] if method == "POST" else words[0].partition("(")[0])


def _call(method: str, word: str) -> str:
    """Return the operation on a type of object, or for POST the action.

    A word that has more than letters may be a name, so it gives `Other`.
    """
    if not word.isalpha():
        return OTHER
    word = word[0].upper() + word[1:]
    return word if method == "POST" else VERBS.get(method, OTHER) + word.removesuffix("s")


BLOBS = {"GET": "GetBlob", "HEAD": "GetProperties", "PUT": "PutBlob", "DELETE": "DeleteBlob"}


def _blob(method: str, query: Mapping[str, list[str]], lease: str) -> str:
    about = (query.get("comp", [""])[0], query.get("restype", [""])[0])
    match about:
        case ("lease", _):
            return f"{lease.capitalize()}Lease" if lease.isalpha() else "Lease"
        case ("properties", "service"):
            return "GetServiceProperties"
        case ("metadata", _):
            return "SetMetadata"
        case ("list", "container"):
            return "ListBlobs"
        case (_, "container"):
            return "CreateContainer"
        case _:
            return BLOBS.get(method, OTHER)
