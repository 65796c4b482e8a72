"""`rekey tags set`: mend or change the tags of one secret, with the checks of `rekey adopt`."""

from __future__ import annotations

import difflib
from argparse import Namespace
from collections.abc import Iterable, Mapping
from dataclasses import replace

from api.answers import BadRequest
from api.listing import index_of, judge
from cli.codes import Exit
from cli.naming import expected
from cli.proposal import TAGS
from cli.proving import claims, recognised, refuse_claimed, refuse_superseded
from cli.session import Session
from engine.engine import Engine
from engine.errors import NeedsHuman
from engine.secret import SecretVersion
from engine.state.decision import Park
from engine.state.entry import Entry
from engine.state.request import WorkItem
from engine.state.tags import (
    BY,
    CREDENTIAL,
    MANUAL,
    MAX_TAG_LENGTH,
    MAX_TAGS,
    OPERATION,
    OURS,
    REPLICA_OF,
    RETIRE,
)

KNOWN = frozenset({*TAGS.values(), MANUAL, REPLICA_OF, "Replicas"})
"""The tags that Rekey reads."""
REMOVABLE = frozenset({RETIRE, BY, OPERATION})
"""Rekey's own tags that a fix may ask a person to remove."""
ABOUT_VALUE = ("ProviderAddress", CREDENTIAL, "Rotator", "ValueTemplate", "DerivedFrom", "Logins")
"""Tags that say what the value is: a change of one is proven at the source."""
HEADS = ("tag", "now", "then")


async def set_tags(session: Session, args: Namespace) -> int:
    """Set tags of the current version, unless Rekey could not follow them."""
    engine, ref = await session.ready(), session.secret(args.secret)
    async with expected(engine, ref):
        secret = await engine.vaults.read(ref)
    settings = _wanted(args.tags)
    then = replace(secret, tags=_changed(secret, settings))
    await _prove(session, engine, secret, then)
    changes = {
        tag: (secret.tags.get(tag), then.tags.get(tag))
        for tag in settings
        if secret.tags.get(tag) != then.tags.get(tag)
    }
    if changes and not args.dry_run:
        await engine.vaults.retag(secret, then.tags)
        await refuse_superseded(engine, secret)
    index = await index_of(engine)
    before, after = (judge(engine, version, index) for version in (secret, then))
    _show(session, before, after, changes, dry_run=args.dry_run)
    return Exit.FINE


def _wanted(texts: Iterable[str]) -> dict[str, str]:
    """Read `Tag=Value`; nothing behind the sign removes the tag."""
    settings: dict[str, str] = {}
    for text in texts:
        tag, sign, value = text.partition("=")
        if not sign or not tag.strip():
            raise BadRequest(f"{text[:64]!r} sets no tag", fix="write Tag=Value, or Tag= to remove")
        if not text.isprintable():
            raise BadRequest(f"{text[:64]!a} is not printable", fix="write printable characters")
        settings[_named(tag.strip(), value.strip())] = value.strip()
    return settings


def _named(tag: str, value: str) -> str:
    """Return the tag; BadRequest where it is Rekey's own, or was perhaps mistyped."""
    if tag in OURS and (value or tag not in REMOVABLE):
        raise BadRequest(
            f"only Rekey sets the tag {tag}", fix=f"removable are {', '.join(sorted(REMOVABLE))}"
        )
    near = difflib.get_close_matches(tag.lower(), {name.lower() for name in KNOWN}, n=1, cutoff=0.8)
    meant = next((name for name in KNOWN if near and name.lower() == near[0]), tag)
    if meant != tag and tag not in KNOWN:
        raise BadRequest(f"Rekey reads no tag {tag}", fix=f"did you mean {meant}?")
    if len(value) > MAX_TAG_LENGTH:
        raise BadRequest(
            f"{tag} is longer than the {MAX_TAG_LENGTH} characters of a tag", fix="shorten it"
        )
    return tag


def _changed(secret: SecretVersion, settings: Mapping[str, str]) -> dict[str, str]:
    if not secret.enabled or secret.version is None:
        raise NeedsHuman("its current version is disabled", where=str(secret.ref), fix="enable it")
    tags = {tag: text for tag, text in {**secret.tags, **settings}.items() if text}
    if len(tags) > MAX_TAGS:
        raise NeedsHuman(
            f"{len(tags)} tags are more than the {MAX_TAGS} that a secret may have",
            where=str(secret.ref),
            fix="remove a tag: Tag= does so",
        )
    return tags


async def _prove(
    session: Session, engine: Engine, secret: SecretVersion, then: SecretVersion
) -> None:
    """Raise NeedsHuman where Rekey could not follow the tags, or they do not fit the value."""
    now, later = (engine.policy.applied(version).tags for version in (secret, then))
    if "ProviderAddress" in now and not {"ProviderAddress", REPLICA_OF} & later.keys():
        raise NeedsHuman(
            "without ProviderAddress nobody would rotate it, and its record would not know",
            where=str(secret.ref),
            fix=f"rekey release {secret.ref.place} says what stays behind, and asks",
        )
    decision = engine.decide(then, WorkItem(secret.ref, force=True))
    if isinstance(decision, Park):
        raise NeedsHuman(decision.reason, where=str(secret.ref), fix=decision.fix)
    if all(secret.tags.get(tag) == then.tags.get(tag) for tag in ABOUT_VALUE):
        return
    managed = engine.tagged(then).managed
    if managed is None:
        return
    refuse_claimed(await claims(session, engine), then.ref, managed)
    session.terminal.progress("proving the value at its source")
    await recognised(engine, then, managed)


def _show(
    session: Session,
    before: Entry,
    after: Entry,
    changes: Mapping[str, tuple[str | None, str | None]],
    *,
    dry_run: bool,
) -> None:
    ref, terminal = after.secret.ref, session.terminal
    done = "would be set" if dry_run else "set"
    counted = after.secret.tags
    bound = [tag for tag, (_, then) in changes.items() if counted.get(tag) != then]
    overruled = f"the policy document decides about {', '.join(bound)}" if bound else ""
    result = {
        "status": done if changes else "as they were",
        "vault": ref.vault_name,
        "secret": ref.name,
        "version": after.secret.version,
        "state": before.state,
        "then": after.state,
        "reason": "; ".join(filter(None, (after.reason, overruled))),
    }
    rows = [{"tag": tag, "now": now, "then": then} for tag, (now, then) in changes.items()]
    if terminal.data({**result, "tags": rows}, "tags"):
        return
    terminal.progress("")
    terminal.fields(result)
    if rows:
        terminal.line()
        shown = ((tag, now or "", then or "(removed)") for tag, (now, then) in changes.items())
        terminal.table(HEADS, list(shown))
    if changes and not dry_run and before.state in ("parked", "drifted"):
        terminal.line(f"next: rekey unpark {ref.place} --wait, to try it again now")
