"""What a version that Rekey wrote must look like.

Its owner's tags, expiry, content type, and the time it was made.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from engine.secret import SecretVersion
from engine.state.tags import MAX_TAG_LENGTH, MAX_TAGS, OURS
from tests.proof.excuses import Excuse
from tests.proof.sources import MARK

if TYPE_CHECKING:
    from tests.proof.watch import Watch

NOT_THEIRS = OURS | {"CredentialId"}
"""Tags that a new version need not take over."""
FINISHED = timedelta(minutes=45)
"""How long after its window what began inside it may still be finished."""
LONGEST = timedelta(minutes=10)
"""How much later than the validity a version may end: clocks differ, and a call takes a while."""
WEEK = timedelta(days=7)
"""How long a window may stay closed."""


class Wrong(Exception):
    """A version does not look as it must."""


def examine(watch: Watch, before: SecretVersion, version: SecretVersion, *, raced: bool) -> None:
    """Raise Wrong where a version does not look as it must.

    `raced`: its owner has changed something meanwhile.
    """
    name, tags = version.ref.name, version.tags
    if any(MARK in text for text in tags.values()):
        raise Wrong(f"P6: a value leaked into a tag of {name}")
    if len(tags) > MAX_TAGS or any(len(text) > MAX_TAG_LENGTH for text in tags.values()):
        raise Wrong(f"tags: {name} has {len(tags)} tags, or one that is too long")
    _ends(watch, version)
    if not raced:
        _kept(before, version)
    _in_its_window(watch, before, version)


def _kept(before: SecretVersion, version: SecretVersion) -> None:
    theirs = [
        {tag: text for tag, text in shown.tags.items() if tag not in NOT_THEIRS}
        for shown in (before, version)
    ]
    if theirs[0] != theirs[1]:
        raise Wrong(f"tags: {version.ref.name} had {theirs[0]}, and has {theirs[1]}")
    if version.content_type != (before.content_type or "text/plain"):
        raise Wrong(f"content type: {version.ref.name} has {version.content_type!r}")


def _ends(watch: Watch, version: SecretVersion) -> None:
    """Check the expiry against the longest validity asked for so far, and the source's own end."""
    days = watch.longest.get(version.ref.name) or float(
        watch.owner_tags(version).get("ValidityPeriodDays", "90")
    )
    longest = timedelta(days=days) + LONGEST
    if version.expires is None or version.expires > version.created + longest:
        raise Wrong(f"expiry: {version.ref.name} ends {version.expires}")


def _in_its_window(watch: Watch, before: SecretVersion, version: SecretVersion) -> None:
    opens, made = watch.open_at, version.created
    if opens is None or opens(made) or opens(made - FINISHED):
        return
    if before.expires is None or before.expires <= made + WEEK:
        # It would expire before its window opens.
        return
    source = watch.source_of(version) or ""
    if not watch.excuses.cover(Excuse.LATE, source, watch.world.kernel.time()):
        raise Wrong(f"window: {version.ref.name} was rotated at {made}")
