"""The list of an application's certificates, which Graph replaces as a whole.

Graph can add one entry alone (addKey), but only with a proof by a valid one, which the first, an
expired or a lost one does not give; and there is no entity tag. So a list is written back that was
read a moment ago, entry by entry as it was read. Sources:
https://learn.microsoft.com/graph/applications-how-to-add-certificate,
https://learn.microsoft.com/graph/api/resources/keycredential and
https://github.com/microsoftgraph/microsoft-graph-docs-contrib/issues/1076.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloud.rest.client import Json
from cloud.rest.graph import Graph
from engine.errors import NotFound, TransientError
from engine.ports import Clock
from rotators.shared.application import moment, path_of, read_rows
from rotators.shared.application_errors import refused
from rotators.shared.certificate import Pair

log = logging.getLogger("rekey")

SPREADING = timedelta(minutes=10)
"""For how long a list without a certificate that was just added is taken for an old one."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One certificate of an application, as Graph lists it."""

    entry: Json
    """What is sent back to keep it."""
    key_id: str
    name: str
    der: bytes
    """Empty for an entry of another kind, whose public part Graph does not show."""
    ends: datetime | None


class CertificateList:
    """Reads and replaces the lists of applications."""

    def __init__(self, graph: Graph, clock: Clock) -> None:
        self._graph, self._clock = graph, clock
        self._added: dict[str, tuple[str, datetime]] = {}
        """What this process added last to each application, and when."""
        self._removed: dict[str, tuple[set[str], datetime]] = {}
        """What this process removed lately from each application, and when last."""

    async def read(self, source: str) -> list[Listed]:
        """Return the list as a replica of Graph shows it; raises NotFound without application."""
        path = f"{path_of(source)}?$select=id,appId,keyCredentials"
        try:
            answer = await self._graph.read(path, "reading the application", source)
        except NotFound as error:
            problem = refused(error, source)
        else:
            return read_rows(answer, "keyCredentials", source, _listed)
        raise problem

    async def add(
        self,
        source: str,
        listed: Sequence[Listed],
        added: Json,
        revoked: frozenset[str] = frozenset(),
        held: str = "",
    ) -> None:
        """Put a list with one more entry in its place, and without those that were revoked.

        A replica that lags still shows them, and a request that comes late may have brought them
        back: written back, they would live on. `held`: the one in use. Each try of an operation
        adds the same certificate, so it may have been removed a moment ago, before it was used.
        """
        gone = {key_id.lower() for key_id in revoked} | self._removed_lately(source)
        gone.discard(held)
        kept = [present.entry for present in listed if present.key_id not in gone]
        if len(kept) < len(listed):
            log.warning("%s lists a certificate again that was revoked: it is removed", source)
        entries = [*kept, added]
        await self._replace(source, entries, "adding a certificate")
        self._added[source] = (str(added["keyId"]), self._clock.now())
        self._removed_lately(source).difference_update({str(added["keyId"]), held})

    async def remove(
        self, source: str, listed: Sequence[Listed], doomed: set[str], held: str = ""
    ) -> None:
        """Put a list without some entries in its place; nothing is sent if none is to go.

        Nor is anything written back that was removed a moment ago, except what is in use (`held`).
        """
        if doomed:
            self._check_newest(source, listed)
            gone = (doomed | self._removed_lately(source)) - {held}
            entries = [present.entry for present in listed if present.key_id not in gone]
            await self._replace(source, entries, "removing a certificate")
            self._removed[source] = (gone, self._clock.now())

    def shows_removed(self, source: str, listed: Sequence[Listed], but: set[str]) -> bool:
        """Return whether the list shows what this process removed a moment ago, but for some.

        It lags, or another process has listed that again since, and the vault may hold it.
        """
        gone = self._removed_lately(source) - but
        return any(present.key_id in gone for present in listed)

    def _check_newest(self, source: str, listed: Sequence[Listed]) -> None:
        """Raise TransientError if the list lacks what was added a moment ago: it is an old one."""
        key_id, at = self._added.get(source, ("", self._clock.now()))
        known = {present.key_id for present in listed}
        if key_id and key_id not in known and self._clock.now() - at < SPREADING:
            raise lagging(source)

    def _removed_lately(self, source: str) -> set[str]:
        removed, at = self._removed.get(source, (set[str](), self._clock.now()))
        return removed if self._clock.now() - at < SPREADING else set()

    async def _replace(self, source: str, entries: list[Json], what: str) -> None:
        try:
            await self._graph.replace(path_of(source), {"keyCredentials": entries}, what, source)
        except NotFound as error:
            # It was read a moment ago: a replica does not know it yet.
            problem = TransientError(error.what, where=source, code=error.code)
        else:
            return
        raise problem


def entry_of(pair: Pair | None, listed: Sequence[Listed]) -> Listed | None:
    """Return the entry of a certificate; None if it is not listed."""
    der = pair.der if pair else b""
    return next((present for present in listed if der and present.der == der), None)


def lagging(source: str) -> TransientError:
    """Return the error for a list that cannot be the latest one."""
    return TransientError(
        "Graph lists the certificates of a while ago: a replica lags behind",
        where=source,
        code="Replication",
    )


def _listed(entry: Json) -> Listed:
    try:
        der = base64.b64decode(entry.get("key") or "")
    except binascii.Error:
        der = b""
    name = entry.get("displayName") or ""
    key_id = entry["keyId"].lower()
    return Listed(entry, key_id, name, der, moment(entry.get("endDateTime")))
