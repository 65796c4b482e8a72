"""`rekey who-read`: who read a secret, and which version each reader holds."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cli.codes import Exit
from cli.naming import expected
from cli.session import Session
from cli.terminal import distance, iso, moment
from cloud.rest.vault_log import VaultLog
from engine.decide.history import newest_first
from engine.errors import ConfigError, NotFound
from engine.model.readers import Reader, Readers
from engine.secret import SecretRef

SWITCHED_OFF = (
    "REKEY_LOGS_WORKSPACE is empty: have each vault's AuditEvent sent to a Log Analytics workspace, "
    "and set its id there or in --workspace: `Who read it` in docs/consumers.md"
)
HEADS = ("holds", "reader", "kind", "last read", "", "reads", "version")
SPARE = ("kind", "reads", "version")


@dataclass(frozen=True, slots=True)
class Held:
    """What a reader holds: the current version, an older one, or one that is there no more."""

    reader: Reader
    word: str
    is_rekey: bool

    def to_json(self) -> dict[str, Any]:
        """Return it as data."""
        reader = self.reader
        return {
            "holds": self.word,
            "version": reader.version,
            "reader": reader.name,
            "kind": "rekey" if self.is_rekey else reader.kind,
            "object": reader.oid or None,
            "last": iso(reader.last),
            "reads": reader.count,
        }


async def who_read(session: Session, args: Namespace) -> int:
    """Ask the vault's audit log; ends as found where somebody holds an older version."""
    workspace = args.workspace or session.azure.logs_workspace
    if not workspace:
        raise ConfigError([SWITCHED_OFF])
    ref = session.secret(args.secret)
    words = await _words(session, ref)
    log = VaultLog(replace(session.azure, logs_workspace=workspace))
    readers = await log.readers(ref, args.days)
    holders = [
        Held(reader, words.get(reader.version, "gone"), _is_rekey(session, reader))
        for reader in readers.found
    ]
    if not session.terminal.data(_data(ref, readers, holders), "readers"):
        _show(session, ref, readers, holders)
    is_behind = any(holder.word != "current" and not holder.is_rekey for holder in holders)
    return Exit.FOUND if is_behind or not readers.is_logged else Exit.FINE


async def _words(session: Session, ref: SecretRef) -> Mapping[str, str]:
    """Return what each version is to who holds it."""
    engine = session.service.engine
    async with expected(engine, ref):
        versions = newest_first([version async for version in engine.vaults.versions(ref)])
        if not versions:
            raise NotFound("there is no such secret", where=str(ref))
    current, *earlier = (str(version.version) for version in versions)
    return {**dict.fromkeys(earlier, "older"), current: "current"}


def _is_rekey(session: Session, reader: Reader) -> bool:
    """Return whether it is the app, which reads what it proves: its identity's name says so."""
    own = session.settings.identity_name
    return bool(own) and reader.name.rpartition("/")[2].lower() == str(own).lower()


def _data(ref: SecretRef, readers: Readers, holders: list[Held]) -> dict[str, Any]:
    return {
        "vault": ref.vault_name,
        "secret": ref.name,
        "days": readers.days,
        "logged": readers.is_logged,
        "partial": readers.is_partial,
        "readers": [holder.to_json() for holder in holders],
    }


def _show(session: Session, ref: SecretRef, readers: Readers, holders: list[Held]) -> None:
    terminal, now = session.terminal, session.now()
    if not readers.is_logged:
        terminal.line(
            f"the workspace has nothing of vault {ref.vault_name} from the last {readers.days} "
            "days: who read is not known"
        )
        return
    terminal.line(f"read in the last {readers.days} days by {len(holders)}")
    if readers.is_partial:
        terminal.line("there are more than these: the workspace cut its answer short", "33")
    if holders:
        terminal.line()
        terminal.table(
            HEADS, [_row(holder, distance(holder.reader.last, now)) for holder in holders], SPARE
        )


def _row(holder: Held, ago: str) -> tuple[str, ...]:
    reader = holder.reader
    kind = "Rekey itself" if holder.is_rekey else reader.kind
    name = "/".join(reader.name.split("/")[-2:])
    return holder.word, name, kind, moment(reader.last), ago, str(reader.count), reader.version
