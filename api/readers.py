"""Who read a secret, and which version each reader holds: asked of its vault's audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from api.answers import Answer
from api.models import Reader, Readers
from api.similar_names import no_such
from engine.engine import Engine
from engine.errors import NeedsHuman
from engine.secret import SecretRef

DAYS, MOST_DAYS = 30, 730
"""How far back is looked where nobody says; a workspace keeps interactive logs for two years."""
type Word = Literal["current", "older"]


async def who_read(engine: Engine, ref: SecretRef, days: int) -> Answer:
    """GET /api/secrets/{vault}/{name}/readers."""
    return Answer.of(200, await read_by(engine, ref, days))


def is_known(engine: Engine) -> bool:
    """Return whether a workspace is named that gets the vaults' audit log."""
    return engine.audit_log is not None and engine.audit_log.is_known


async def read_by(engine: Engine, ref: SecretRef, days: int) -> Readers:
    """Return who read a secret, the last reader first; raises NeedsHuman where no log is known."""
    if engine.audit_log is None or not engine.audit_log.is_known:
        raise NeedsHuman(
            "no workspace gets the audit log of the vaults, so who read is not known",
            fix="set REKEY_LOGS_WORKSPACE: `Who read it` in docs/consumers.md",
        )
    words = await _words(engine, ref)
    log = await engine.audit_log.readers(ref, days)
    readers = [
        Reader(
            holds=words.get(reader.version, "gone"),
            version=reader.version,
            reader=reader.name,
            kind=reader.kind,
            object=reader.oid or None,
            last=reader.last.isoformat(timespec="seconds"),
            reads=reader.count,
        )
        for reader in log.found
    ]
    return Readers(
        vault=ref.vault_name,
        secret=ref.name,
        days=days,
        logged=log.is_logged,
        partial=log.is_partial,
        readers=readers,
    )


async def _words(engine: Engine, ref: SecretRef) -> Mapping[str, Word]:
    """Return what each version is to who holds it."""
    versions = await engine.versions(ref)
    if not versions:
        raise await no_such(engine, ref)
    current, *earlier = (str(version.version) for version in versions)
    words: dict[str, Word] = dict.fromkeys(earlier, "older")
    return {**words, current: "current"}
