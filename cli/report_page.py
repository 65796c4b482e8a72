"""The report as a page for auditors: it needs nothing beside itself, runs no script and is fit to be printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from cli.naming import short_name
from cli.terminal import moment, printable

HEADS = ("secret", "complies", "state", "owner", "kind and source", "last written", "due", "expires")
BROKEN = {
    "managed": "not managed",
    "expiry_set": "no expiry",
    "rotated_within_policy": "not rotated within its policy",
    "not_overdue": "overdue",
    "not_parked": "parked",
}
"""How a point is called that is not met."""
STYLE = (
    "body{font:14px/1.4 system-ui,sans-serif;margin:2rem;color:#111;background:#fff}"
    "table{border-collapse:collapse;width:100%}caption{text-align:left;margin:.5rem 0}"
    "th,td{border:1px solid #999;padding:.25rem .5rem;text-align:left;vertical-align:top;overflow-wrap:break-word}"
    "th,time{white-space:nowrap}small{color:#444}"
    "tr.no td{background:#fdecea}thead{display:table-header-group}tr{break-inside:avoid}"
    "@media print{body{margin:0;font-size:9px}tr.no td:nth-child(2){font-weight:bold}@page{size:A4 landscape;margin:1cm}}"
)
"""Words are never broken: an id breaks at its slashes, where `wbr` allows it."""


def as_html(rows: Sequence[Mapping[str, Any]], now: datetime, unread: Sequence[str] = ()) -> str:
    """Write the page, what does not comply first; `unread` are vaults that are missing from it."""
    failing = sum(not row["compliant"] for row in rows)
    missing = f"; not read: {escape(', '.join(unread))}" if unread else ""
    heads = "".join(f'<th scope="col">{head}</th>' for head in HEADS)
    body = "\n".join(map(_row, sorted(rows, key=lambda row: bool(row["compliant"]))))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Rekey: compliance</title>\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<style>{STYLE}</style></head><body>\n<h1>Secrets and their policy</h1>\n"
        f"<table><caption>{moment(now)}: secrets: {len(rows)}, not compliant: {failing}{missing}</caption>\n"
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody></table></body></html>\n"
    )


def _row(row: Mapping[str, Any]) -> str:
    broken = [words for point, words in BROKEN.items() if row.get(point) is False]
    cells = (
        f"<b>{_text(row.get('secret'))}</b><br><small>{_text(short_name(row.get('vault') or ''))}</small>",
        "yes" if row["compliant"] else f"no: {', '.join(broken)}",
        f"{_text(row.get('state'))}<br><small>{_text(row.get('reason'))}</small>",
        _text(row.get("owner")),
        f"{_text(row.get('rotator'))}<br><small>{_breakable(row.get('source'))}</small>",
        _written(row),
        _time(row.get("due"), ""),
        _time(row.get("expires"), "never"),
    )
    kind = "yes" if row["compliant"] else "no"
    return f'<tr class="{kind}">' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _written(row: Mapping[str, Any]) -> str:
    validity = f" of {row['validity_days']}" if row.get("validity_days") else ""
    return f"{_time(row.get('last_written'), '')}<br><small>{_text(row.get('age_days'))}{validity} days</small>"


def _time(text: str | None, otherwise: str) -> str:
    date, _, clock = moment(datetime.fromisoformat(text)).partition(" ") if text else (otherwise, "", "")
    return f"<time>{date}</time> {clock}".rstrip()


def _text(value: object) -> str:
    return "" if value is None else escape(printable(str(value)))


def _breakable(source: str | None) -> str:
    return _text(source).replace("/", "/<wbr>")
