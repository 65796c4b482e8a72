"""GET /api/inventory?vault=…&secret=…: one secret on a page of its own. It reads no value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from api import readers
from api.access import Caller
from api.answers import Answer
from api.listing import index_of, seen, told
from api.models import Readers
from api.page import actions, incidents, links, look, rows, schedule
from api.page.actions import PageAction
from api.page.commands import commands
from api.page.timeline import ticks
from api.requests import Request
from api.route import Desk
from engine.contract import Derived
from engine.engine import Engine
from engine.errors import NotFound, RekeyError
from engine.secret import SecretRef, Version
from engine.state.entry import Entry
from engine.state.tags import REPLICA_OF

KEPT = ("vault", "secret", "code")
ASKED = "days"
"""Asks who read the secret within so many days: the answer takes seconds, so nobody gets it unasked."""
ELSEWHERE = "see the list: it may stand in another vault, or be deleted"


@dataclass(frozen=True, slots=True)
class Link:
    """Something that stands elsewhere, with its address in the portal or on this page."""

    name: str
    href: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """Who read a secret: the way to ask, the answer, or why there is none."""

    href: str = ""
    answer: Readers | None = None
    problem: RekeyError | None = None


async def one_secret(at: Desk, request: Request, caller: Caller) -> Answer:
    """Answer with the page of one secret, and with what the action would do that is to be tried."""
    engine, now = at.engine, at.engine.clock.now()
    if not request.query.get("vault"):
        raise NotFound("vault is missing", fix="send the vault's short name beside the secret's")
    request = replace(
        request, path={"vault": request.query["vault"], "name": request.query["secret"]}
    )
    ref = request.secret(engine.policy)
    versions = await _versions(engine, ref)
    index = await index_of(engine)
    entry = await seen(engine, versions[0], index)
    code = {"code": request.query["code"]} if request.query.get("code") else {}
    return look.drawn(
        "secret.html",
        title=ref.name,
        home="?" + urlencode(code),
        now=now,
        row=rows.row(entry, now, request.query),
        path=f"secrets/{ref.place}",
        board=await incidents.concerning(engine, entry, now, request.query),
        facts=_facts(entry),
        portal=links.to_secret(ref),
        source=_source(entry),
        runbook=at.runbook,
        ticks=ticks(),
        steps=schedule.next_of(engine, versions[0], index, now, request.query),
        consumers=_consumers(engine, entry, request.query),
        history=await told(engine, versions, index),
        reading=await _reading(engine, request, ref),
        commands=commands(entry),
        actions=[(action, _trying(action, request.query)) for action in _buttons(entry, caller)],
        trial=await actions.trial(engine, request, caller),
    )


async def _versions(engine: Engine, ref: SecretRef) -> list[Version]:
    versions = await engine.versions(ref)
    if not versions:
        raise NotFound("there is no such secret", where=str(ref), fix=ELSEWHERE)
    return versions


def _buttons(entry: Entry, caller: Caller) -> list[PageAction]:
    return actions.possible(entry) if actions.may_act(caller) else []


def _trying(action: PageAction, query: Mapping[str, str]) -> str:
    kept = {name: query[name] for name in KEPT if query.get(name)}
    return "?" + urlencode({**kept, "try": action.key}) + "#trial"


async def _reading(engine: Engine, request: Request, ref: SecretRef) -> Reading:
    if not readers.is_known(engine):
        return Reading()
    if not request.query.get(ASKED):
        kept = {name: request.query[name] for name in KEPT if request.query.get(name)}
        return Reading("?" + urlencode({**kept, ASKED: readers.DAYS}) + "#readers")
    days = request.number(ASKED, readers.DAYS, readers.MOST_DAYS, least=1)
    try:
        return Reading(answer=await readers.read_by(engine, ref, days))
    except RekeyError as error:
        return Reading(problem=error)


def _facts(entry: Entry) -> list[tuple[str, str]]:
    managed, tags = entry.managed, entry.secret.tags
    facts = {
        "Vault": entry.secret.ref.vault,
        "Kind": rows.kind_of(entry),
        "Owner": tags.get("Owner", ""),
        "Credential": tags.get("CredentialId", ""),
        "Valid for": f"{managed.validity.days} days" if managed else "",
        "Rotated": f"{managed.rotate_before.days} days before it expires" if managed else "",
        "Overlap": f"{managed.overlap.total_seconds() / 3600:g} hours" if managed else "",
        "Only within": tags.get("RotationWindow", ""),
    }
    return [(name, text) for name, text in facts.items() if text]


def _source(entry: Entry) -> Link | None:
    managed = entry.managed
    source = managed.source if managed else entry.secret.tags.get("ProviderAddress", "")
    # What a key makes has no address of its own in the portal: its source has.
    derived = managed.rotator if managed and isinstance(managed.rotator, Derived) else None
    shown = derived.made_at(source) if derived else source
    return Link(source, links.to_source(entry.secret.ref, shown)) if source else None


def _consumers(engine: Engine, entry: Entry, query: Mapping[str, str]) -> list[Link]:
    """Return the apps that the policy names, and the secrets that hold the same value."""
    ref = entry.secret.ref
    places = [
        Link(app, links.to_source(ref, app), "an app") for app in engine.policy.consumers(ref)
    ]
    for named, what in _named(entry):
        served = named.vault in engine.policy.scopes
        link = rows.to_secret(named.vault_name, named.name, query) if served else ""
        places.append(Link(str(named), link, what))
    primary = entry.secret.tags.get(REPLICA_OF, "")
    return [*places, Link(primary, "", "its primary")] if primary else places


def _named(entry: Entry) -> list[tuple[SecretRef, str]]:
    """Return the secrets that a secret's tags name: copies, its key, and what its key makes."""
    managed = entry.managed
    if managed is None:
        return []
    key = [(managed.derived_from, "its key")] if managed.derived_from else []
    made = [consent.ref(entry.secret.ref.vault) for consent in managed.may_derive]
    return [
        *((replica, "a replica") for replica in managed.replicas),
        *key,
        *((ref, "made from this key") for ref in made),
    ]
