"""`rekey who-read`: who read a secret, and which version each reader holds."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from api import readers
from cli.codes import Exit
from cli.naming import expected
from cli.session import Session
from cli.terminal import distance, moment
from cloud.rest.vault_log import VaultLog
from engine.errors import ConfigError

SWITCHED_OFF = (
    "REKEY_LOGS_WORKSPACE is empty: have each vault's AuditEvent sent to a Log Analytics workspace, "
    "and set its id there or in --workspace: `Who read it` in docs/consumers.md"
)
HEADS = ("holds", "reader", "kind", "last read", "", "reads", "version")
SPARE = ("", "kind", "reads", "version")


async def who_read(session: Session, args: Namespace) -> int:
    """Ask the vault's audit log; ends as found where somebody holds an older version."""
    workspace = args.workspace or session.azure.logs_workspace
    if not workspace:
        raise ConfigError([SWITCHED_OFF])
    ref = session.secret(args.secret)
    log = VaultLog(replace(session.azure, logs_workspace=workspace))
    engine = replace(session.service.engine, audit_log=log)
    async with expected(engine, ref):
        body = dict((await readers.who_read(engine, ref, args.days)).body)
    if not session.terminal.data(body, "readers"):
        _show(session, body)
    is_behind = any(
        reader["holds"] != "current" and reader["kind"] != "rekey" for reader in body["readers"]
    )
    return Exit.FOUND if is_behind or not body["logged"] else Exit.FINE


def _show(session: Session, body: Mapping[str, Any]) -> None:
    terminal, now, days = session.terminal, session.now(), body["days"]
    if not body["logged"]:
        terminal.line(
            f"the workspace has nothing of vault {body['vault']} from the last {days} days: who "
            "read is not known"
        )
        return
    terminal.line(f"read in the last {days} days by {len(body['readers'])}")
    if body["partial"]:
        terminal.line("there are more than these: the workspace cut its answer short", "33")
    if body["readers"]:
        terminal.line()
        terminal.table(HEADS, [_row(reader, now) for reader in body["readers"]], SPARE)


def _row(reader: Mapping[str, Any], now: datetime) -> tuple[str, ...]:
    name = "/".join(reader["reader"].split("/")[-2:])
    kind = "Rekey itself" if reader["kind"] == "rekey" else reader["kind"]
    last = datetime.fromisoformat(reader["last"])
    ago, count = distance(last, now), str(reader["reads"])
    return reader["holds"], name, kind, moment(last), ago, count, reader["version"]
