"""`rekey policy`: check, compare, push and roll back the policy document."""

from __future__ import annotations

import difflib
import sys
from argparse import Namespace
from pathlib import Path

from api.answers import BadRequest
from cli.codes import Exit
from cli.session import Session
from cli.terminal import COLOURS, moment
from cloud.policy_store import BY, WHY, PolicyStore
from engine.errors import NeedsHuman, NotFound
from engine.policy.check import check


async def validate(session: Session, args: Namespace) -> int:
    """Tell everything that is wrong with a file; asks Azure nothing."""
    text = _text(args.file)
    problems = check(text, session.deployed, session.service.engine.kinds)[1]
    if session.terminal.as_json:
        session.terminal.result({"problems": list(problems)})
    else:
        for problem in problems:
            session.terminal.line(problem)
        session.terminal.line(
            f"{args.file}, problems: {len(problems)}" if problems else f"{args.file}: can be followed"
        )
    return Exit.FOUND if problems else Exit.FINE


async def diff(session: Session, args: Namespace) -> int:
    """Show what a file would change."""
    new, store = _text(args.file), session.store()
    old = await _newest(session, store)
    if old and store.check(old)[1]:
        # Perhaps REKEY_POLICY names the wrong secret: what cannot be read as a policy is not shown.
        raise NeedsHuman(
            "what is in the vault is no policy that can be followed", where=str(store.ref), fix="push anew"
        )
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), "in the vault", args.file, lineterm=""))
    if session.terminal.as_json:
        session.terminal.result({"diff": lines})
    for line in () if session.terminal.as_json else lines:
        session.terminal.line(line, COLOURS.get(line[:1], ""))
    return Exit.FOUND if lines else Exit.FINE


async def push(session: Session, args: Namespace) -> int:
    """Write a file as the new version."""
    return await _push(session, _text(args.file), args.reason)


async def rollback(session: Session, args: Namespace) -> int:
    """Write the text of an earlier version as a new one."""
    return await _push(session, await session.store().text(args.version), args.reason)


async def history(session: Session, args: Namespace) -> int:
    """List the versions, newest first."""
    del args
    versions = [
        {
            "version": each.version or "",
            "written": moment(each.created),
            "by": each.tags.get(BY, ""),
            "enabled": "yes" if each.enabled else "no",
            "reason": each.tags.get(WHY, ""),
        }
        for each in await session.store().history()
    ]
    if session.terminal.as_json:
        session.terminal.result({"versions": versions})
    elif versions:
        session.terminal.table(tuple(versions[0]), [tuple(each.values()) for each in versions])
    else:
        session.terminal.line("there is no policy document yet")
    return Exit.FINE


async def _push(session: Session, text: str, reason: str) -> int:
    store, caller = session.store(), await session.caller()
    replaced = next((each.version for each in await store.history()), None)
    written = await store.push(text, by=str(caller), why=reason, replacing=replaced)
    result = {"status": "pushed", "version": written.version, "replaces": replaced, "by": str(caller), "reason": reason}
    if session.terminal.as_json:
        session.terminal.result(result)
    else:
        session.terminal.fields(result)
    return Exit.FINE


async def _newest(session: Session, store: PolicyStore) -> str:
    """Return the newest version's text; empty where there is no document, or it is disabled."""
    try:
        secret = await session.service.engine.vaults.read(store.ref)
    except NotFound:
        return ""
    return secret.value.reveal() if secret.value else ""


def _text(path: str) -> str:
    """Read a file, or standard input for `-`."""
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path} cannot be read: {error}", fix="name a text file, or - for standard input") from None
