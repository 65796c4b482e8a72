"""`rekey leak`: report values that have leaked. They come on standard input, never as an argument."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from api.answers import BadRequest
from api.leaks import Finding, Reports, taken
from cli.codes import Exit
from cli.session import Session
from engine.errors import NeedsHuman
from engine.leak.feeds import READERS
from engine.leak.reading import MOST_TEXT

MOST_BYTES = 64 * 1024 * 1024
"""A scanner's report may be long; it is read once."""
ALIVE = "alive"


async def leak(session: Session, args: Namespace) -> int:
    """Judge what standard input holds; with --yes, or after a question, cut off what is ours."""
    if args.refused:
        raise BadRequest(
            "a value is never an argument: this one is in the history of the shell now",
            fix="send it on standard input, and clear the history",
        )
    findings, unread = _findings(args, _read())
    engine, caller = await session.ready(), str(await session.caller())
    reports, answers = Reports(), list[Mapping[str, Any]]()
    for value, location in findings:
        finding = Finding(value, args.feed or "cli", location, caller, act=args.yes)
        queued = await taken(engine, reports, finding)
        answers.append((await queued.post(engine.queue)).body)
    _show(session, answers, unread)
    waits = any(answer["status"] == ALIVE and not answer["incident"] for answer in answers)
    return Exit.FOUND if waits or unread else Exit.FINE


def _read() -> str:
    if sys.stdin.isatty():
        sys.stderr.write("Paste the value, then Ctrl-D:\n")
    try:
        text = sys.stdin.read(MOST_BYTES + 1)
    except UnicodeDecodeError:
        raise NeedsHuman("standard input is no text", fix="send it in UTF-8") from None
    if len(text) > MOST_BYTES:
        raise NeedsHuman("standard input is too long", fix=f"send {MOST_BYTES} bytes at most")
    return text


def _findings(args: Namespace, text: str) -> tuple[Sequence[tuple[str, str]], int]:
    if args.feed:
        return READERS[args.feed](text)
    if len(text) > MOST_TEXT or not text.strip():
        what = "is too long" if text.strip() else "is empty"
        raise NeedsHuman(
            f"the value on standard input {what}",
            fix="send one value; for a scanner's report, name the scanner in --from",
        )
    return [(text, args.location or "")], 0


def _show(session: Session, answers: Sequence[Mapping[str, Any]], unread: int) -> None:
    if session.terminal.data({"leaks": answers, "unread": unread}, "leaks"):
        return
    if not answers:
        session.terminal.line("nothing was found")
    if unread:
        session.terminal.note(f"findings that cannot be read: {unread}")
    for answer in answers:
        session.terminal.fields({name: value for name, value in answer.items() if value})
        session.terminal.line()
