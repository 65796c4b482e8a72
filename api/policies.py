"""Show the policy document, and write a new version of it: an admin's act, with a reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Protocol, runtime_checkable

from api import models
from api.access import Caller
from api.answers import Answer, BadRequest, Flaw, PreconditionFailed, PreconditionRequired
from api.request_models import PolicyBody
from api.requests import Request
from engine.errors import NotFound
from engine.policy.change import Effect, Outdated, Unfollowable
from engine.secret import SecretRef, Version
from engine.state.history import PUSHED_BY, PUSHED_WHY
from engine.state.policy import Policies

IF_MATCH = "if-match"
MOST_BYTES = 64 * 1024
"""A secret holds 25 KB; JSON may need twice as much for the same text."""


@runtime_checkable
class Documents(Protocol):
    """Where policy documents are kept; see cloud.policy_store.PolicyStore."""

    async def history(self) -> list[Version]:
        """List the document's versions, newest first, without their texts."""
        ...

    async def text(self, version: str | None = None) -> str:
        """Return a version's text; None for the newest. Raises NeedsHuman if it is no policy."""
        ...

    async def consider(self, text: str, replacing: str | None) -> Effect:
        """Tell what a document would do; raises as `push` does."""
        ...

    async def push(
        self,
        text: str,
        *,
        by: str,
        why: str,
        replacing: str | None,
        before: Callable[[], None] = ...,
    ) -> Version:
        """Write a new version in place of the one named; raises Unfollowable or Outdated.

        Raises NeedsHuman if what it would replace is no policy document. `before` is called right
        before it is written.
        """
        ...


async def show(policies: Policies) -> Answer:
    """GET /api/policy: the newest document, and who wrote which version when and why."""
    documents = _documents(policies)
    versions = await documents.history()
    if not versions:
        raise NotFound("there is no policy document yet", fix="PUT one: see docs/policy.md")
    text = await documents.text() if versions[0].enabled else ""
    return _answer(versions[0].version, text, versions)


async def push(
    policies: Policies, request: Request, caller: Caller, note: Callable[[Answer], None]
) -> Answer:
    """PUT /api/policy: a new version in place of the one named; a dry run tells its effect."""
    sent = request.read(PolicyBody, MOST_BYTES)
    documents = _documents(policies)
    text, reason, replacing = sent.document, sent.reason.strip(), _replaced(request, sent)
    if missing := [name for name, value in (("document", text), ("reason", reason)) if not value]:
        flaws = [Flaw("it is missing", pointer=f"#/{name}") for name in missing]
        fix = "send document and reason; the reason is for the audit record"
        raise BadRequest(f"{' and '.join(missing)} missing", fix=fix, flaws=flaws)
    with _refusals(replacing):
        if request.flag("dry_run"):
            return _answer(replacing, text, [], await documents.consider(text, replacing))
        written = await documents.push(
            text,
            by=str(caller),
            why=reason,
            replacing=replacing,
            before=lambda: note(Answer(200, "")),
        )
    return _answer(written.version, text, [written])


def _replaced(request: Request, sent: PolicyBody) -> str | None:
    """Return the version that the caller has seen: `replacing`, or the ETag in If-Match."""
    named, header = sent.replacing or None, request.headers.get(IF_MATCH, "").strip()
    if not header:
        return named
    etag = re.fullmatch(r'"([0-9a-z]{1,64})"', header)
    if etag is None:
        fix = "send the ETag of GET /api/policy as it came; `*` would overwrite what nobody saw"
        raise BadRequest(
            f"If-Match is {header[:80]!r}",
            fix=fix,
            flaws=[Flaw("it is not an ETag of the document", header=IF_MATCH)],
        )
    if named and named != etag[1]:
        flaws = [
            Flaw("they name two versions", header=IF_MATCH),
            Flaw("they name two versions", pointer="#/replacing"),
        ]
        raise BadRequest(
            "If-Match and replacing name two versions", fix="send one of them", flaws=flaws
        )
    return etag[1]


@contextmanager
def _refusals(replacing: str | None) -> Iterator[None]:
    """Give a refused document the status that HTTP has for it."""
    try:
        yield
    except Unfollowable as error:
        flaws = [Flaw(text, pointer="#/document") for text in error.problems]
        raise BadRequest(error.what, where=error.where, fix=error.fix, flaws=flaws) from None
    except Outdated as error:
        if replacing:
            raise PreconditionFailed(error.what, where=error.where, fix=error.fix) from None
        what, fix = (
            "it does not say which version it replaces",
            "send the ETag of GET /api/policy as If-Match, or replacing",
        )
        raise PreconditionRequired(what, where=error.where, fix=f"{fix}; {error.fix}") from None


def _answer(
    version: str | None, text: str, versions: list[Version], effect: Effect | None = None
) -> Answer:
    shown = _effect(effect) if effect else None
    history = [_past(version) for version in versions]
    policy = models.Policy(version=version, document=text, history=history, effect=shown)
    return Answer.of(200, policy, headers={"ETag": f'"{version}"'} if version else {})


def _effect(effect: Effect) -> models.Effect:
    named = {"changed": _named(effect.changed), "moved": _named(effect.moved)}
    return models.view(models.Effect, {**asdict(effect), **named})


def _named(changes: Sequence[Mapping[str, str | None]]) -> list[dict[str, str | None]]:
    """Name each secret as a path does."""
    refs = [SecretRef.parse(str(change["secret"])) for change in changes]
    return [
        {**change, "vault": ref.vault_name, "secret": ref.name}
        for change, ref in zip(changes, refs, strict=True)
    ]


def _documents(policies: Policies) -> Documents:
    if not isinstance(policies, Documents):
        raise NotFound(
            "no policy document is configured", fix="set REKEY_POLICY: see docs/policy.md"
        )
    return policies


def _past(version: Version) -> models.PolicyVersion:
    return models.PolicyVersion(
        version=version.version,
        created=version.created.isoformat(),
        enabled=version.enabled,
        by=version.tags.get(PUSHED_BY),
        reason=version.tags.get(PUSHED_WHY),
    )
