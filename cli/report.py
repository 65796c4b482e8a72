"""`rekey report`: does every secret keep to its policy? For auditors, as CSV, HTML or JSON."""

from __future__ import annotations

import csv
import io
import json
from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TextIO

from api.answers import BadRequest
from cli.codes import Exit
from cli.gathering import inventory
from cli.report_page import as_html
from cli.session import Session
from cli.terminal import moment, printable
from engine.decide.inventory import Entry
from engine.model.manual import is_manual
from engine.model.policy import Policy
from engine.model.tags import REPLICA_OF

FORMULA = tuple("=+-@|%＝＋－＠")  # noqa: RUF001 - spreadsheets take the wide ones, too
type Row = dict[str, str]


async def report(session: Session, args: Namespace) -> int:
    """Judge every secret, and write the whole list."""
    engine = await session.ready()
    listed = await inventory(session, engine, session.vaults(args.vault))
    now = engine.clock.now()
    rows = [_row(one, engine.policy, now) for one in listed.found]
    failing = sum(row["compliant"] == "no" for row in rows)
    kind = "json" if session.terminal.as_json else args.format
    text = {"csv": as_csv, "html": as_html, "json": as_json}[kind](rows, now)
    _write(args.out, text, session.terminal.out)
    return listed.worst(Exit.FOUND if failing else Exit.FINE)


def _row(one: Entry, policy: Policy, now: datetime) -> Row:
    """Judge one secret: it complies if it expires, is managed, and is neither overdue nor parked nor drifted."""
    secret, managed = one.secret, one.managed
    expired = secret.expires is not None and secret.expires <= now
    # A replica follows its primary, and a manual one its owner.
    followed = managed is None and (REPLICA_OF in secret.tags or is_manual(secret.tags))
    verdicts = {
        "managed": managed is not None or followed,
        "expiry set": secret.expires is not None,
        "rotated within policy": secret.created + managed.validity > now if managed else followed and not expired,
        "not overdue": one.state != "overdue" and not expired,
        "not parked": one.state not in ("parked", "drifted"),
    }
    if one.state == "disabled" or policy.is_own(secret.ref):
        verdicts = dict.fromkeys(verdicts, True)
    return {
        "vault": secret.ref.vault,
        "secret": secret.ref.name,
        "compliant": _word(all(verdicts.values())),
        **{name: _word(verdict) for name, verdict in verdicts.items()},
        "state": one.state,
        "reason": one.reason,
        "owner": secret.tags.get("Owner", ""),
        "rotator": managed.rotator.kind if managed else "",
        "source": managed.source if managed else "",
        "last written": moment(secret.created),
        "age in days": str((now - secret.created) // timedelta(days=1)),
        "validity in days": str(managed.validity.days) if managed else "",
        "due": moment(one.due) if one.due else "",
        "expires": moment(secret.expires),
    }


def _word(verdict: object) -> str:
    return "yes" if verdict else "no"


def as_csv(rows: Sequence[Row], now: datetime) -> str:
    """Write comma-separated values (RFC 4180) that a spreadsheet takes for nothing but text."""
    del now
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(rows[0] if rows else ["no secrets"])
    writer.writerows([_harmless(text) for text in row.values()] for row in rows)
    return written.getvalue()


def _harmless(text: str) -> str:
    """Keep a cell from being taken for a formula: https://owasp.org/www-community/attacks/CSV_Injection."""
    shown = printable(text)
    return f"'{shown}" if shown.lstrip().startswith(FORMULA) else shown


def as_json(rows: Sequence[Row], now: datetime) -> str:
    """Write JSON."""
    return json.dumps({"at": now.isoformat(timespec="seconds"), "secrets": list(rows)}, indent=2) + "\n"


def _write(path: str | None, text: str, out: TextIO) -> None:
    if path is None:
        out.write(text)
        return
    try:
        Path(path).write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise BadRequest(f"{path} cannot be written: {error.strerror}", fix="name another file") from None
