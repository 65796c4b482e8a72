"""`rekey release`: take a secret out of management for good, and say what stays behind."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Any

from api.listing import every
from cli.codes import Exit
from cli.consent import consent
from cli.naming import expected
from cli.session import Session
from cli.tagging import KNOWN
from cli.terminal import moment
from engine.engine import Engine
from engine.errors import NeedsHuman
from engine.secret import SecretRef, Version
from engine.state.due import is_manual
from engine.state.index import Owned
from engine.state.tags import (
    DERIVED_FROM,
    OURS,
    REPLICA_OF,
    RETIRE,
    Managed,
)

KEPT = "Owner"
"""A tag that says something of the secret, whoever rotates it."""
WAIT = "wait until that has ended, which rekey show tells; or release it all the same, with --force"
RULE = "take it out of the rule first: rekey policy show, then rekey policy push"
ENABLE = "enable it first: its tags cannot be seen until then"


async def release(session: Session, args: Namespace) -> int:
    """Remove Rekey's tags from the current version, and have the records forget the secret."""
    engine, ref = await session.ready(), session.secret(args.secret)
    async with expected(engine, ref):
        owned = await engine.owned(ref)
    secret = owned.secret
    if not secret.enabled:
        raise NeedsHuman("its current version is disabled", where=str(ref), fix=ENABLE)
    dependents = [text async for text in _dependents(session, engine, ref)]

    def check(now: Owned) -> None:
        going = now.in_progress(engine.clock.now()) or "; ".join(dependents)
        if going and not args.force:
            raise NeedsHuman(going, where=str(ref), fix=WAIT)

    check(owned)
    managed, kept = _managed(engine, secret), _kept(engine, secret)
    removed = {tag: text for tag, text in secret.tags.items() if tag not in kept}
    going = owned.in_progress(engine.clock.now())
    left = [*([going] if going else []), *dependents, *_left(owned, managed)]
    if (removed or owned.records) and not args.dry_run:
        if not args.yes:
            warning = f"nobody rotates {ref} from then on; {'; '.join(left)}"
            consent(session.terminal, session.person, warning, "Release it?")
        await engine.release(ref, managed, kept, check)
    done = "would be released" if args.dry_run else "released"
    status = done if removed or owned.records else "not under management"
    _show(session, secret, removed, left, status)
    return Exit.FINE


def _managed(engine: Engine, secret: Version) -> Managed | None:
    return engine.tagged(secret).managed


def _kept(engine: Engine, secret: Version) -> dict[str, str]:
    """Return the tags that stay; NeedsHuman where the policy document manages it without any."""
    ours = (OURS | KNOWN) - {KEPT}
    kept = {tag: text for tag, text in secret.tags.items() if tag not in ours}
    applied = engine.policy.applied(replace(secret, tags=kept)).tags
    if "ProviderAddress" in applied or is_manual(applied):
        raise NeedsHuman(
            "a rule of the policy document manages it", where=str(secret.ref), fix=RULE
        )
    return kept


async def _dependents(session: Session, engine: Engine, ref: SecretRef) -> AsyncIterator[str]:
    """Name the secrets that are written, or made, from this one."""
    mine = str(ref).lower()
    async for entry in every(engine, session.vaults(None)):
        tags = entry.secret.tags
        for tag, what in ((REPLICA_OF, "is a replica of it"), (DERIVED_FROM, "is made from it")):
            if tags.get(tag, "").strip().rstrip("/").lower() == mine:
                name = entry.secret.ref.place
                yield f"{name} {what}, and would be written by nobody"


def _left(owned: Owned, managed: Managed | None) -> Iterator[str]:
    """Say what stays behind, each with what to do about it."""
    secret, until = owned.secret, "works on until it is revoked by hand at its source"
    if pending := owned.pending:
        yield f"{pending.credential_id}, which version {pending.version} holds, {until}"
    elif RETIRE in secret.tags:
        yield f"{secret.tags[RETIRE].rpartition(' ')[2]} {until}"
    if managed:
        credential = secret.tags.get("CredentialId", "the credential")
        yield f"{credential} of {managed.source} works on, and the vault holds it"
        yield (
            "the app may still change that source: narrow REKEY_SCOPES and the app's role there, "
            "if nothing else in it is rotated"
        )
    if secret.expires:
        yield f"it expires {moment(secret.expires)}: whoever owns it writes the next version"
    yield "earlier versions keep their tags and their values"


def _show(
    session: Session,
    secret: Version,
    removed: dict[str, str],
    left: Sequence[str],
    status: str,
) -> None:
    terminal = session.terminal
    result: dict[str, Any] = {
        "status": status,
        "vault": secret.ref.vault_name,
        "secret": secret.ref.name,
        "version": secret.version,
    }
    if terminal.data({**result, "removed": removed, "left": list(left)}):
        return
    terminal.progress("")
    terminal.fields(result)
    if removed:
        terminal.line()
        terminal.table(("tag removed", "it was"), list(removed.items()))
    if status != "not under management":
        terminal.line()
        terminal.line("what stays behind:")
        for text in left:
            terminal.line(f"  {text}")
