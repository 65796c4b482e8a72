"""`rekey report`: does every secret keep to its policy? For auditors, as CSV, HTML or JSON."""

from __future__ import annotations

import io
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from api.answers import BadRequest
from cli.codes import Exit
from cli.gathering import inventory
from cli.query import csv_text
from cli.report_page import as_html
from cli.session import Session
from cli.terminal import iso, moment, printable
from engine.state.due import is_manual
from engine.state.entry import Entry
from engine.state.policy import Policy
from engine.state.tags import REPLICA_OF

type Row = dict[str, Any]
"""One secret with its verdicts: booleans, numbers, ISO times, text."""

TIMES = ("last_written", "due", "expires")


async def report(session: Session, args: Namespace) -> int:
    """Judge every secret, and write the whole list."""
    engine = await session.ready()
    listed = await inventory(session, engine, session.vaults(args.vault))
    now = engine.clock.now()
    rows = [_row(entry, engine.policy, now) for entry in listed.found]
    failing = any(not row["compliant"] for row in rows)
    data = {"at": iso(now), "secrets": rows, "unread": listed.to_json()}
    unread = [missing["vault"] for missing in listed.to_json()]
    written, terminal = io.StringIO(), session.terminal
    output = args.format if args.format == "json" and terminal.is_for_people else terminal.output
    if not replace(terminal, out=written, output=output).data(data, "secrets"):
        written.write(as_html(rows, now, unread) if args.format == "html" else as_csv(rows, unread))
    _write(args.out, written.getvalue(), terminal.out)
    return listed.worst(Exit.FOUND if failing else Exit.FINE)


def _row(entry: Entry, policy: Policy, now: datetime) -> Row:
    """Judge one secret.

    It complies if it expires, is managed, and is neither overdue nor parked nor drifted. What only
    a person rotates has until it expires. What has leaked is overdue until its source refuses it.
    """
    secret, managed = entry.secret, entry.managed
    expired = secret.expires is not None and secret.expires <= now
    # A replica follows its primary, and a manual one its owner.
    followed = managed is None and bool(secret.tags.get(REPLICA_OF) or is_manual(secret.tags))
    verdicts = {
        "managed": managed is not None or followed,
        "expiry_set": secret.expires is not None,
        "rotated_within_policy": secret.created + managed.validity > now
        if managed
        else followed and not expired,
        "not_overdue": not (expired or entry.is_leaked) and (followed or entry.state != "overdue"),
        "not_parked": entry.state not in ("parked", "drifted"),
    }
    is_own = policy.is_own(secret.ref) or secret.ref.holds_key_pairs
    if not secret.enabled or (is_own and managed is None):
        kept = {"not_overdue": not entry.is_leaked, "not_parked": verdicts["not_parked"]}
        verdicts = {**dict.fromkeys(verdicts, True), **kept}
    return {
        "vault": secret.ref.vault_name,
        "secret": secret.ref.name,
        "compliant": all(verdicts.values()),
        **verdicts,
        "state": entry.state,
        "reason": entry.reason,
        "owner": secret.tags.get("Owner"),
        "rotator": managed.rotator.kind if managed else None,
        "source": managed.source if managed else None,
        "last_written": iso(secret.created),
        "age_days": (now - secret.created) // timedelta(days=1),
        "validity_days": managed.validity.days if managed else None,
        "due": iso(entry.due),
        "expires": iso(secret.expires),
    }


def as_csv(rows: Sequence[Row], unread: Sequence[str] = ()) -> str:
    """Write comma-separated values (RFC 4180) that a spreadsheet takes for nothing but text.

    `unread` are vaults that could not be read: nothing of them complies.
    """
    blank = dict.fromkeys(rows[0] if rows else ("vault", "compliant", "reason"), "")
    why = {"compliant": False, "reason": "could not be read"}
    rows = [*rows, *({**blank, "vault": vault, **why} for vault in unread)]
    heads = [_head(name) for name in rows[0]] if rows else ["no secrets"]
    return csv_text(
        [heads], [[printable(_cell(name, value)) for name, value in row.items()] for row in rows]
    )


def _head(name: str) -> str:
    return {"age_days": "age in days", "validity_days": "validity in days"}.get(
        name, name.replace("_", " ")
    )


def _cell(name: str, value: Any) -> str:
    """Write a value for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "never" if name == "expires" else ""
    return moment(datetime.fromisoformat(value)) if name in TIMES and value else str(value)


def _write(path: str | None, text: str, out: TextIO) -> None:
    if path is None:
        out.write(text)
        return
    try:
        Path(path).write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise BadRequest(
            f"{path} cannot be written: {error.strerror}", fix="name another file"
        ) from None
