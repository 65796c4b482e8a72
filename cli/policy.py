"""`rekey policy`: show, validate, diff, push or roll back the policy document."""

from __future__ import annotations

import difflib
import shlex
import sys
from argparse import Namespace
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from api.answers import BadRequest
from cli.codes import Exit
from cli.plain import plain
from cli.policy_effect import data_of, show_effect
from cli.policy_lag import taken_up_by
from cli.session import Session
from cli.terminal import COLOURS, iso, moment, printable
from cloud.policy_store import BY, WHY, PolicyStore
from engine.errors import AccessDenied, NotFound, TransientError
from engine.policy.change import Effect
from engine.policy.check import check
from engine.secret import Version


async def show(session: Session, args: Namespace) -> int:
    """Show a version's text, unless it is no policy document."""
    store = session.store()
    versions = await store.history()
    if not versions:
        raise NotFound(
            "there is no policy document yet", fix="write one: rekey policy push FILE --reason TEXT"
        )
    text = await _text_of(store, args.version)
    past = next((version for version in versions if version.version == args.version), versions[0])
    if not session.terminal.data({**_past(past), "document": text}):
        session.terminal.out.write("".join(printable(line) + "\n" for line in text.splitlines()))
    return Exit.FINE


async def validate(session: Session, args: Namespace) -> int:
    """Tell everything that is wrong with a file; asks Azure nothing."""
    text = _text(args.file)
    problems = check(text, session.deployed, session.service.engine.kinds)[1]
    if not session.terminal.data({"problems": list(problems)}, "problems"):
        for problem in problems:
            session.terminal.line(problem)
        session.terminal.line(
            f"{args.file}, problems: {len(problems)}"
            if problems
            else f"{args.file}: can be followed"
        )
    return Exit.FOUND if problems else Exit.FINE


async def diff(session: Session, args: Namespace) -> int:
    """Show what a file would change, and for which secrets."""
    new, store = _text(args.file), session.store()
    newest = await _newest(store)
    replaced = newest.version if newest else None
    old = await store.text(newest.version) if newest and newest.enabled else ""
    lines = list(
        difflib.unified_diff(
            old.splitlines(), new.splitlines(), "in the vault", args.file, lineterm=""
        )
    )
    problems = list(store.check(new)[1])
    effect = await store.consider(new, replaced) if lines and not problems else None
    result = {"diff": lines, "problems": problems, "effect": data_of(effect), "replaces": replaced}
    if session.terminal.data(result, "diff"):
        return Exit.FOUND if lines else Exit.FINE
    for line in lines:
        session.terminal.line(line, COLOURS.get(line[:1], ""))
    for problem in problems:
        session.terminal.line(f"cannot be followed: {problem}", "31")
    if effect:
        session.terminal.line()
        show_effect(session.terminal, effect, session.now())
        _show_next(session, "push", args.file, "TEXT", replaced)
    return Exit.FOUND if lines else Exit.FINE


async def push(session: Session, args: Namespace) -> int:
    """Write a file as the new version."""
    return await _push(session, _text(args.file), args, args.file)


async def rollback(session: Session, args: Namespace) -> int:
    """Write the text of an earlier version as a new one."""
    text = await _text_of(session.store(), args.version)
    return await _push(session, text, args, args.version)


async def history(session: Session, args: Namespace) -> int:
    """List the versions, newest first."""
    del args
    versions = await session.store().history()
    if session.terminal.data({"versions": [_past(version) for version in versions]}, "versions"):
        return Exit.FINE
    if versions:
        heads = ("version", "written", "by", "enabled", "reason")
        session.terminal.table(heads, [_row(version) for version in versions])
    else:
        session.terminal.line("there is no policy document yet")
    return Exit.FINE


def _past(version: Version) -> dict[str, Any]:
    return {
        "version": version.version,
        "created": iso(version.created),
        "by": version.tags.get(BY),
        "enabled": version.enabled,
        "reason": version.tags.get(WHY),
    }


def _row(version: Version) -> tuple[str, ...]:
    enabled = "yes" if version.enabled else "no"
    by, why = version.tags.get(BY, ""), version.tags.get(WHY, "")
    return version.version or "", moment(version.created), by, enabled, why


async def _push(session: Session, text: str, args: Namespace, named: str) -> int:
    store, caller = session.store(), await session.caller()
    newest = await _newest(store)
    replaced = args.replacing or (newest.version if newest else None)
    effect = await _effect(session, text, replaced, args)
    result: dict[str, Any] = {"status": "would be pushed", "version": None}
    result |= {"replaces": replaced, "by": str(caller), "reason": args.reason}
    if not args.dry_run:
        written = await store.push(text, by=str(caller), why=args.reason, replacing=replaced)
        until = iso(taken_up_by(written))
        result |= {"status": "pushed", "version": written.version, "app_follows_it_by": until}
    if not session.terminal.data({**result, "effect": data_of(effect)}):
        _show_pushed(session, result, effect)
        if args.dry_run:
            _show_next(session, args.policycommand, named, args.reason, replaced)
    return Exit.FINE


def _show_next(
    session: Session, command: str, named: str, reason: str, replaced: str | None
) -> None:
    """Show what to type next, so that nothing is replaced but what this was compared with."""
    line = shlex.join(("rekey", "policy", command, named, "--reason", reason))
    session.terminal.line(f"next: {line}" + (f" --replacing {replaced}" if replaced else ""))


def _show_pushed(session: Session, result: Mapping[str, Any], effect: Effect | None) -> None:
    until = result.get("app_follows_it_by")
    by = {"app_follows_it_by": moment(datetime.fromisoformat(until))} if until else {}
    session.terminal.fields({**result, **by})
    if until:
        session.terminal.line("until then the app may still follow the version that it replaces")
    if effect:
        session.terminal.line()
        show_effect(session.terminal, effect, session.now())


async def _effect(
    session: Session, text: str, replaced: str | None, args: Namespace
) -> Effect | None:
    """Return what a push would do.

    None where that cannot be seen, which keeps nobody from pushing.
    """
    try:
        return await session.store().consider(text, replaced)
    except (AccessDenied, TransientError) as error:
        if args.dry_run:
            raise
        session.terminal.note(f"its effect is not known: {plain(error)}")
        return None


async def _newest(store: PolicyStore) -> Version | None:
    return next(iter(await store.history()), None)


async def _text_of(store: PolicyStore, version: str | None) -> str:
    """Return the text of a version that somebody named, or of the newest one."""
    try:
        return await store.text(version)
    except NotFound:
        if version is None:
            raise
        raise NotFound(
            f"the policy document has no version {version}",
            where=str(store.ref),
            fix="rekey policy history shows them",
        ) from None


def _text(path: str) -> str:
    """Read a file, or standard input for `-`."""
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error.reason
        raise BadRequest(
            f"{path} cannot be read: {why}", fix="name a text file, or - for standard input"
        ) from None
