"""What a shared access signature of a storage account permits: read from its address, and written.

An address is the account's id, `/sas/`, and one of

    account/<services>/<resource types>/<permissions>    such as account/bq/sco/rl
    container/<container>/<permissions>
    blob/<container>/<blob>/<permissions>
    queue/<queue>/<permissions>
    table/<table>/<permissions>
    share/<share>/<permissions>
    file/<share>/<file>/<permissions>

The letters, and their order, are those of
https://learn.microsoft.com/rest/api/storageservices/create-account-sas and create-service-sas.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from engine.errors import NeedsHuman

MARK = "/sas/"
ADDRESS = re.compile(
    r"(?P<account>/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.storage"
    r"/storageaccounts/[a-z0-9]{3,24})/sas/(?P<what>account|container|blob|queue|table|share|file)/(?P<rest>.+)",
    re.IGNORECASE,
)
SERVICES, TYPES = "bqtf", "sco"
LETTERS: Mapping[str, str] = {
    "account": "rwdxylacuptfi",
    "container": "racwdxyltmeopi",
    "blob": "racwdxytmeopi",
    "queue": "raup",
    "table": "raud",
    "share": "rcwdl",
    "file": "rcwd",
}
"""The permissions in the order in which they must be written."""
NAME = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}|\$root|\$web|\$logs")
"""A container's, a queue's or a share's name."""
TABLE = re.compile(r"[a-z][a-z0-9]{2,62}")
"""A table's name in lower case, as it is signed."""
SEGMENT = re.compile(r"[^/,?#%\\\s]{1,254}")
"""A part of a blob's or a file's name that an address can hold. A comma ends an entry of the tag MayDerive."""
FORMS: Mapping[str, int] = {
    "account": 3,
    "container": 2,
    "blob": 3,
    "queue": 2,
    "table": 2,
    "share": 2,
    "file": 3,
}
"""How many parts follow at least."""
SERVICE: Mapping[str, str] = {
    "container": "blob",
    "blob": "blob",
    "queue": "queue",
    "table": "table",
    "share": "file",
    "file": "file",
}
NAMED: Mapping[str, str] = {"blob": "container", "file": "share"}
"""What the first part of a name with slashes is called."""
PATHS = frozenset({"blob", "file"})
"""What has a name that may hold slashes."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What one signature permits, and where."""

    account_id: str
    """The account's id, in lower case: the source of the key."""
    what: str
    """account, container, blob, queue, table, share or file."""
    path: tuple[str, ...]
    """The container or share with the parts of a name; of an account, services and types."""
    permissions: str

    @property
    def account(self) -> str:
        """The account's name."""
        return self.account_id.rpartition("/")[2]

    @property
    def service(self) -> str:
        """The service at which it is used: blob, queue, table or file."""
        if self.what == "account":
            return {"b": "blob", "q": "queue", "t": "table", "f": "file"}[self.path[0][0]]
        return SERVICE[self.what]

    @property
    def resource(self) -> str:
        """The canonicalised resource; empty for an account."""
        if self.what == "account":
            return ""
        return f"/{self.service}/{self.account}/{'/'.join(self.path)}"

    @classmethod
    def read(cls, source: str) -> Extent:
        """Read what `canonical` returned; raises NeedsHuman that says what is wrong with it."""
        extent = _extent(source)
        problem = _problem(extent) if extent else "is not the address of a signature"
        if extent is None or problem:
            raise NeedsHuman(
                f"ProviderAddress {problem}", where=source, fix="see the page of storage-sas"
            )
        return extent


def account_of(source: str) -> str:
    """Return the id of the account whose key signs. A group may be called sas, too."""
    extent = _extent(source)
    return extent.account_id if extent else ""


def canonical(address: str) -> str | None:
    """Return the one spelling of an address; None if it is of another kind.

    The name of a blob or file keeps its letters' case, which matters.
    """
    extent = _extent(address.strip().rstrip("/"))
    if extent is None:
        return None
    return f"{extent.account_id}{MARK}{'/'.join((extent.what, *extent.path, extent.permissions))}"


def _extent(address: str) -> Extent | None:
    match = ADDRESS.fullmatch(address)
    if match is None:
        return None
    what, (*path, letters) = match["what"].lower(), match["rest"].split("/")
    if len(path) + 1 < FORMS[what] or (what not in PATHS and len(path) + 1 > FORMS[what]):
        return None
    if not all(text.isascii() and text.isalpha() for text in (letters, *_sets(what, path))):
        return None
    if what == "account":
        path = [_ordered(path[0], SERVICES), _ordered(path[1], TYPES)]
    else:
        path[0] = path[0].lower()
    return Extent(match["account"].lower(), what, tuple(path), _ordered(letters, LETTERS[what]))


def _sets(what: str, path: list[str]) -> list[str]:
    """Return the parts of an address that are letters, beside its permissions."""
    return path if what == "account" else []


def _ordered(letters: str, order: str) -> str:
    """Return letters once each in their order; those that are not known come last."""
    lower = letters.lower()
    return "".join(letter for letter in order if letter in lower) + "".join(
        letter for letter in lower if letter not in order
    )


def _problem(extent: Extent) -> str:
    if extent.what == "account":
        services, types = extent.path
        if not (services and types and set(services) <= {*SERVICES} and set(types) <= {*TYPES}):
            return f"names services or types beside {SERVICES} and {TYPES}"
    elif not (TABLE if extent.what == "table" else NAME).fullmatch(extent.path[0]):
        return f"names no {NAMED.get(extent.what, extent.what)}: {extent.path[0]!r}"
    elif not all(SEGMENT.fullmatch(part) for part in extent.path[1:]):
        return f"names a {extent.what} that an address cannot hold"
    known = LETTERS[extent.what]
    if not extent.permissions or not set(extent.permissions) <= {*known}:
        return f"asks for permissions {extent.permissions!r}; a {extent.what} has {known}"
    return ""
