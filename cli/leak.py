"""`rekey leak`: report values that have leaked. They come on standard input, never as an argument."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from itertools import batched
from typing import Any

from api.answers import BadRequest
from api.idempotency import Queued
from api.leaks import Finding, Reports, others, taken, whole
from cli.codes import Exit
from cli.session import Session
from cli.words import LINES
from engine.engine import Engine
from engine.errors import NeedsHuman, RekeyError
from engine.service import revocation_starts
from leaks.feeds import READERS
from leaks.reading import MOST_TEXT

MOST_BYTES = 64 * 1024 * 1024
"""A scanner's report may be long; it is read once."""
ALIVE, UNKNOWN = "alive", "unknown"
AT_ONCE = 16
"""How many findings are judged, or posted, at a time."""


async def leak(session: Session, args: Namespace) -> int:
    """Judge what standard input holds; with --yes, or after a question, cut off what is ours."""
    if args.refused:
        raise BadRequest(
            "a value is never an argument: this one is in the history of the shell now",
            fix="send it on standard input, and clear the history",
        )
    findings, unread = _findings(args, _read())
    engine, caller = await session.ready(), str(await session.caller())
    feed = args.feed if args.feed in READERS else "cli"
    reports = Reports()
    sent = [Finding(value, feed, place, caller, act=args.yes) for value, place in findings]
    results = await judge(engine, reports, sent)
    results = await post(engine, results)
    results += await besides(engine, reports, sent, results)
    judged = [result for result in results if isinstance(result, Queued)]
    answers = [whole(result.answer, result).body for result in judged]
    problems = [result for result in results if isinstance(result, BaseException)]
    if answers or not problems:
        _show(session, answers, unread)
    for problem in problems:
        raise problem
    waits = any(answer["status"] == ALIVE and not answer["incident"] for answer in answers)
    return Exit.FOUND if waits or unread else Exit.FINE


async def judge(
    engine: Engine, reports: Reports, findings: Sequence[Finding]
) -> list[Queued | BaseException]:
    """Judge all, several at a time, once the first has built the index that all are found by.

    Return what each comes to, or its problem, which keeps no other leak alive.
    """
    turns = asyncio.Semaphore(AT_ONCE)

    async def judged(finding: Finding) -> Queued:
        async with turns:
            return await taken(engine, reports, finding)

    first, rest = findings[:1], findings[1:]
    results = await asyncio.gather(*map(judged, first), return_exceptions=True)
    return results + await asyncio.gather(*map(judged, rest), return_exceptions=True)


async def besides(
    engine: Engine,
    reports: Reports,
    findings: Sequence[Finding],
    results: Sequence[Queued | BaseException],
) -> list[Queued | BaseException]:
    """Act on who else holds what was found, and return what that comes to, and the problems."""
    further = list[Queued | BaseException]()
    for finding, result in zip(findings, results, strict=True):
        if isinstance(result, Queued):
            try:
                async for other in others(engine, reports, finding, result):
                    await other.post(engine)
                    further.append(other)
            except RekeyError as error:
                further.append(error)
    return further


async def post(
    engine: Engine, results: Sequence[Queued | BaseException]
) -> list[Queued | BaseException]:
    """Post what they come to: the most dangerous first, as fast as Azure allows.

    Return the results, with the problem of each that could not be posted in its place.
    """
    judged = [result for result in results if isinstance(result, Queued)]
    ordered = sorted(judged, key=lambda queued: queued.danger)
    leaks = [queued for queued in ordered if queued.incident]
    sources = [queued.incident.source for queued in leaks if queued.incident]
    due = list(zip(leaks, revocation_starts(sources), strict=True))
    due += [(queued, 0.0) for queued in ordered if not queued.incident]
    failed = dict[int, BaseException]()
    for some in batched(due, AT_ONCE, strict=False):
        posting = (queued.post(engine, delay) for queued, delay in some)
        outcomes = await asyncio.gather(*posting, return_exceptions=True)
        for (queued, _), outcome in zip(some, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                failed[id(queued)] = outcome
    return [failed.get(id(result), result) for result in results]


def _read() -> str:
    if sys.stdin.isatty():
        sys.stderr.write("Paste the value, then Ctrl-D:\n")
    try:
        text = sys.stdin.read(MOST_BYTES + 1)
    except UnicodeDecodeError:
        raise NeedsHuman("standard input is no text", fix="send it in UTF-8") from None
    if len(text) > MOST_BYTES:
        raise NeedsHuman("standard input is too long", fix=f"send {MOST_BYTES} bytes at most")
    return text.removeprefix("\ufeff")


def _findings(args: Namespace, text: str) -> tuple[Sequence[tuple[str, str]], int]:
    if args.feed == LINES:
        lines = dict.fromkeys(line.strip() for line in text.splitlines())
        return [(line, args.location or "") for line in lines if line], 0
    if args.feed:
        return READERS[args.feed](text)
    if len(text) > MOST_TEXT or not text.strip():
        what = "is too long" if text.strip() else "is empty"
        raise NeedsHuman(
            f"the value on standard input {what}",
            fix="send one value; of a scanner's report or a file, --from says how it is read",
        )
    return [(text, args.location or "")], 0


def _show(session: Session, answers: Sequence[Mapping[str, Any]], unread: int) -> None:
    if session.terminal.data({"leaks": answers, "unread": unread}, "leaks"):
        return
    if not answers and not unread:
        session.terminal.line("nothing was found")
    if unread:
        session.terminal.note(f"findings that cannot be read: {unread}")
    known = [answer for answer in answers if answer["status"] != UNKNOWN] or answers[:1]
    for answer in known:
        session.terminal.fields({name: value for name, value in answer.items() if value})
        session.terminal.line()
    if rest := len(answers) - len(known):
        session.terminal.note(f"what else was found is unknown: {rest}")
