"""What a new version will look like. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from engine.contract import Issued
from engine.secret import DEFAULT_CONTENT_TYPE, Draft, Version
from engine.state import template
from engine.state.request import operation_id
from engine.state.tags import (
    BY,
    CAUSE,
    MAX_TAGS,
    OPERATION,
    OURS,
    RETIRE,
    Managed,
    Pending,
    shortened,
)


def new_version(
    secret: Version,
    managed: Managed,
    issued: Issued,
    now: datetime,
    overlap: timedelta,
    cause: str = "",
    deployment: str = "",
) -> Draft:
    """Compose the version that replaces `secret`: other tags are kept, Rekey's own are renewed."""
    assert secret.version is not None  # noqa: S101 - a version that was read has an id
    tags = {key: value for key, value in secret.tags.items() if key not in OURS}
    tags["CredentialId"] = issued.credential_id
    tags[OPERATION] = operation_id(secret.ref, secret.version)
    if issued.supersedes:
        tags[RETIRE] = str(Pending(_end_of(overlap, now), secret.version, issued.supersedes))
    elif RETIRE in secret.tags and not _is_overwritten(secret.tags[RETIRE], issued):
        tags[RETIRE] = secret.tags[RETIRE]
    for tag, text in ((BY, deployment), (CAUSE, cause)):
        if text and len(tags) < MAX_TAGS:
            tags[tag] = shortened(text)
    return Draft(
        value=template.render(managed.template, issued.fields),
        expires=min(now + managed.validity, issued.expires or now + managed.validity),
        content_type=secret.content_type or DEFAULT_CONTENT_TYPE,
        tags=tags,
    )


def _is_overwritten(pending: str, issued: Issued) -> bool:
    """Return whether a new credential took the place of the one that was to be retired.

    A person had put theirs there, and it was healed in place: what was there before is gone.
    """
    return pending.split(" ", 2)[-1] == issued.credential_id


def _end_of(overlap: timedelta, now: datetime) -> datetime:
    """Return when an overlap ends that begins now: a second later, since a tag cuts off fractions.

    So no overlap is cut short, and no overlap at all means that the moment has already passed.
    """
    return now + overlap + timedelta(seconds=1) if overlap else now
