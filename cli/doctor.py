"""`rekey doctor`: look at everything that a rotation will need, before it is needed.

Nothing is changed.
"""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict

from api.listing import index_of
from cli.checks import Check, finding
from cli.codes import Exit
from cli.deployed import deployed
from cli.gathering import inventory
from cli.plain import advice
from cli.session import AT_ONCE, Session
from cli.terminal import COLOURS
from cloud.policy_store import WAY_OUT
from cloud.storage.backlog import QUEUES, backlog
from engine.engine import Engine
from engine.errors import ConfigError, RekeyError
from engine.kinds import OwnKinds
from engine.state.decision import Park
from engine.state.entry import NEEDS_A_PERSON, Entry
from engine.state.request import WorkItem

UNUSED = frozenset({"disabled", "unmanaged"})
"""States of secrets that no rotation concerns."""


async def doctor(session: Session, args: Namespace) -> int:
    """Check settings, sign-in, policy, queues, vaults, and every managed secret with its source."""
    checks: list[Check] = []
    async for check in _all(session, args.vault, args.app):
        checks.append(check)
        if session.terminal.is_for_people:
            _show(session, check)
    findings = sum(check.result == "finding" for check in checks)
    if not session.terminal.data(
        {"findings": findings, "checks": [asdict(check) for check in checks]}, "checks"
    ):
        session.terminal.line(f"checks: {len(checks)}, findings: {findings}", "1")
    return Exit.FOUND if findings else Exit.FINE


async def _all(session: Session, vault: str | None, app: str | None) -> AsyncIterator[Check]:
    yield Check("fine", f"the settings are in order; vaults: {len(session.settings.scopes)}")
    try:
        caller = await session.caller()
    except RekeyError as error:
        yield finding(error)
        return
    yield Check(
        "note",
        f"rights are checked as {caller}",
        fix="send a dry run over HTTP to see what the app's own identity may do",
    )
    for check in (await _policy(session), await _queues(session)):
        yield check
    if app:
        async for check in deployed(session, app):
            yield check
    try:
        engine = await session.ready()
    except RekeyError as error:
        yield finding(error)
        return
    for check in own_kinds(engine):
        yield check
    async for check in _vaults(session, engine, session.vaults(vault)):
        yield check


def own_kinds(engine: Engine) -> Iterator[Check]:
    """Yield what packages and endpoints offer here, and what is refused of it."""
    rotators = engine.rotators
    if not isinstance(rotators, OwnKinds):
        return
    for kind, origin in rotators.own().items():
        yield Check("fine", f"the kind {kind} can be used", origin)
    for refusal in rotators.refusals:
        what, _separator, fix = refusal.partition(". Fix: ")
        yield Check("finding", what, fix=fix)


async def _policy(session: Session) -> Check:
    try:
        store = session.store()
        _, problems = store.check(await store.text())
    except ConfigError:
        return Check("note", "no policy document: tags alone decide")
    except RekeyError as error:
        return finding(error)
    if problems:
        what = f"the policy document: {'; '.join(problems)}"
        return Check("finding", what, str(store.ref), WAY_OUT)
    return Check("fine", "the policy document can be followed", str(store.ref))


async def _queues(session: Session) -> Check:
    try:
        waiting = await backlog(session.settings.storage, session.settings.events, session.azure)
    except RekeyError as error:
        return finding(error)
    given_up = {name: waiting[f"{name}-poison"] for name in QUEUES if waiting[f"{name}-poison"]}
    if given_up:
        counts = ", ".join(f"{count} of {name}" for name, count in given_up.items())
        return Check(
            "finding",
            f"messages that were given up: {counts}",
            fix="see docs/runbook.md, section 'Messages on a poison queue'",
        )
    counts = ", ".join(f"{name} {count}" for name, count in waiting.items() if count is not None)
    return Check("fine", f"messages on the queues: {counts or 'none, and no queue yet'}")


async def _vaults(session: Session, engine: Engine, vaults: Sequence[str]) -> AsyncIterator[Check]:
    index = await index_of(engine)
    for vault in vaults:
        listed = await inventory(session, engine, [vault], index, tell=False)
        for vault_unread in listed.unread:
            yield finding(vault_unread.error)
        if not listed.unread:
            managed = sum(entry.managed is not None for entry in listed.found)
            yield Check(
                "fine",
                f"the vault can be listed; secrets: {len(listed.found)}, managed: {managed}",
                vault,
            )
        turn = asyncio.Semaphore(AT_ONCE)
        looks = [
            _secret(session, engine, entry, turn)
            for entry in listed.found
            if entry.state not in UNUSED
        ]
        for check in await asyncio.gather(*looks):
            yield check


async def _secret(session: Session, engine: Engine, entry: Entry, turn: asyncio.Semaphore) -> Check:
    """See whether this secret could be rotated now, due or not."""
    where = str(entry.secret.ref)
    async with turn:
        session.terminal.progress(f"looking at {where}")
        try:
            problem = await _rehearsed(engine, entry)
        except RekeyError as error:
            return finding(error, where)
    if isinstance(problem, Park):
        return Check("finding", problem.reason, where, problem.fix)
    if entry.state in NEEDS_A_PERSON:
        return Check("finding", f"{entry.state}: {entry.reason}", where, entry.fix)
    if entry.managed is None:
        # A replica follows its primary, and what only a person rotates a person must look after.
        return Check("note" if entry.fix else "fine", entry.reason, where, entry.fix)
    return Check("note", problem, where) if problem else Check("fine", "could be rotated", where)


async def _rehearsed(engine: Engine, entry: Entry) -> Park | str:
    """Return what keeps it from being rotated, else what is to be known beforehand, if anything."""
    secret = await engine.vaults.read(entry.secret.ref)
    decision = engine.decide(secret, WorkItem(secret.ref, force=True))
    if isinstance(decision, Park):
        return decision
    managed = engine.tagged(secret).managed
    if secret.version and managed:
        return await engine.rehearse(secret, managed)
    return ""


def _show(session: Session, check: Check) -> None:
    session.terminal.progress("")
    place = f" ({check.where})" if check.where else ""
    session.terminal.line(f"{check.result}: {check.what}{place}", COLOURS.get(check.result, ""))
    if fix := advice(check.fix):
        session.terminal.line(f"    fix: {fix}" if check.result == "finding" else f"    {fix}")
