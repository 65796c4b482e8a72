"""Judge a reported value: whose it is, whether its source accepts it, and what may be done by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from engine.engine import Engine
from engine.errors import RekeyError, TransientError
from engine.leak.index import Index
from engine.leak.owner import Match
from engine.leak.reading import Reported, read
from engine.leak.signer import key_of, signing_key
from engine.rotation.proof import REFUSALS, TRIED, read_proof
from engine.state.policy_document import LeakRule, Leaks

DRIFTED = "its source refuses it now, but it is in use"
AGAIN, AGAIN_SECONDS = "report it again in two minutes", 120.0
type Status = Literal["alive", "refused", "not ours", "unknown"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reported value is. It holds the value, which no answer, message or record does."""

    status: Status
    reported: Reported
    match: Match | None = None
    is_accepted: bool = False
    """Its source has just accepted it. An `alive` one that could not be tried may work, too."""
    untried: str = ""
    """What keeps it from being cut off by itself: it could not be tried, or is in use."""
    refused: datetime | None = None
    proof: str = ""
    was: str = ""
    """The proof that it was refused before: somebody has put it back."""


async def judge(engine: Engine, index: Index, text: str) -> Verdict:
    """Return what a value is; raises TransientError rather than guess."""
    reported = read(text)
    with engine.reporter.step("match"):
        match = await _found(engine, index, reported)
    if match is None:
        return Verdict("not ours" if reported.kind else "unknown", reported)
    with engine.reporter.step("prove"):
        is_accepted, untried = await _tried(engine, match)
    if not match.version and (is_accepted or untried):
        # An incident is about versions: nothing but what it will be published as can be cut off.
        what = "it is the credential of a rotation that is in progress"
        raise TransientError(what, where=str(match.ref), fix=AGAIN, retry_after=AGAIN_SECONDS)
    if untried:
        return Verdict("alive", reported, match, untried=untried)
    record = await engine.leases.peek(match.source)
    proof = record.compromised.proofs.get(match.version, "") if record else ""
    if is_accepted:
        return Verdict("alive", reported, match, is_accepted=True, was=proof)
    if match.is_current:
        # Rekey heals what is drifted, and a new credential takes its time to spread.
        return Verdict("alive", reported, match, untried=DRIFTED)
    refused, how = read_proof(proof)
    now = engine.clock.now().replace(microsecond=0)
    return Verdict("refused", reported, match, refused=refused or now, proof=how or TRIED)


async def _found(engine: Engine, index: Index, reported: Reported) -> Match | None:
    """Return what a text is: the credential in it, or the key that made the signature in it."""
    match = await index.find(engine, reported.parts)
    if match and match.kind in engine.kinds:
        return await key_of(engine, match) or match
    return match or await signing_key(engine, reported.parts, index.turns)


async def _tried(engine: Engine, match: Match) -> tuple[bool | None, str]:
    """Return whether the source accepts the value; None, and why, where it could not be tried.

    Only refusals in a row count as one.
    """
    rotator = engine.rotators.get(match.kind)
    if rotator is None:
        return None, f"the kind {match.kind or 'of its secret'} is not known here"
    try:
        for _ in range(REFUSALS):
            if await rotator.accepts(match.source, match.credential_id, match.credential):
                return True, ""
    except RekeyError as error:
        return None, error.what
    return False, ""


def acts(leaks: Leaks, verdict: Verdict, feed: str, *, asked: bool) -> bool:
    """Return whether a report cuts the value off, because a person has asked for it or the policy lets it.

    Without a rule the policy does only where the source has just accepted the value, and the feed
    is trusted.
    """
    match = verdict.match
    if match is None or verdict.status != "alive":
        return False
    if asked:
        return True
    for rule in leaks.rules:
        if _fits(rule, verdict, match, feed):
            return rule.acts
    return verdict.is_accepted and not verdict.untried and feed in leaks.trusted


def _fits(rule: LeakRule, verdict: Verdict, match: Match, feed: str) -> bool:
    return (
        (rule.match is None or rule.match.covers(match.ref))
        and rule.kind in ("", match.kind)
        and rule.owner in ("", match.owner)
        and rule.feed in ("", feed)
        and (verdict.is_accepted or not rule.accepted)
    )
