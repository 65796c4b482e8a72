"""Show the policy document, and write a new version of it: an admin's act, with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Protocol, runtime_checkable

from api.access import Caller
from api.answers import Answer, BadRequest, Conflict
from api.requests import Request
from engine.errors import NotFound
from engine.model.policy import Policies
from engine.policy.change import Effect, Outdated, Unfollowable
from engine.secret import SecretVersion

BODY: dict[str, type] = {"document": str, "replacing": str, "reason": str}

MOST_BYTES = 64 * 1024
"""A secret holds 25 KB; JSON may need twice as much for the same text."""


@runtime_checkable
class Documents(Protocol):
    """Where policy documents are kept; see cloud.policy_store.PolicyStore."""

    async def history(self) -> list[SecretVersion]:
        """List the document's versions, newest first, without their texts."""
        ...

    async def text(self, version: str | None = None) -> str:
        """Return a version's text; None for the newest."""
        ...

    async def consider(self, text: str, replacing: str | None) -> Effect:
        """Tell what a document would do; raises as `push` does."""
        ...

    async def push(self, text: str, *, by: str, why: str, replacing: str | None) -> SecretVersion:
        """Write a new version in place of the one named; raises Unfollowable or Outdated."""
        ...


async def show(policies: Policies) -> Answer:
    """GET /api/policy: the newest document, and who wrote which version when and why."""
    documents = _documents(policies)
    versions = await documents.history()
    if not versions:
        raise NotFound("there is no policy document yet", fix="PUT one: see docs/policy.md")
    text = await documents.text() if versions[0].enabled else ""
    return _answer(versions[0].version, text, versions)


async def push(policies: Policies, request: Request, caller: Caller) -> Answer:
    """PUT /api/policy: a new version in place of `replacing`, if it can be followed; a dry run tells what it would do."""
    asked = request.json(BODY, MOST_BYTES)
    documents = _documents(policies)
    text, reason, replacing = asked.get("document", ""), asked.get("reason", "").strip(), asked.get("replacing")
    if not text or not reason:
        raise BadRequest("document or reason is missing", fix="send both; the reason is for the audit record")
    with _refusals():
        if request.flag("dry_run"):
            return _answer(replacing, text, [], await documents.consider(text, replacing))
        written = await documents.push(text, by=str(caller), why=reason, replacing=replacing)
    return _answer(written.version, text, [written])


@contextmanager
def _refusals() -> Iterator[None]:
    """Give a refused document the status that HTTP has for it."""
    try:
        yield
    except Unfollowable as error:
        raise BadRequest(error.what, where=error.where, fix=error.fix) from None
    except Outdated as error:
        raise Conflict(error.what, where=error.where, fix=error.fix) from None


def _answer(version: str | None, text: str, versions: list[SecretVersion], effect: Effect | None = None) -> Answer:
    told = asdict(effect) if effect else None
    history = [_past(one) for one in versions]
    return Answer(200, {"version": version, "document": text, "history": history, "effect": told})


def _documents(policies: Policies) -> Documents:
    if not isinstance(policies, Documents):
        raise NotFound("no policy document is configured", fix="set REKEY_POLICY: see docs/policy.md")
    return policies


def _past(version: SecretVersion) -> dict[str, Any]:
    tags = version.tags
    return {
        "version": version.version,
        "created": version.created.isoformat(),
        "enabled": version.enabled,
        "by": tags.get("PolicyBy"),
        "reason": tags.get("PolicyReason"),
    }
