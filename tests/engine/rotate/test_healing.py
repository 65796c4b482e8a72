"""A version that its source refuses is replaced, unless somebody else wrote it or changes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.errors import NeedsHuman, VerificationFailed
from engine.model.tags import OPERATION
from tests.engine.rotate.plain_kind import NEW, NEW_ID, OLD, OLD_ID, Able, Plain, working
from tests.shared.scene import NAME

HOUR = timedelta(hours=1)
PROVEN = f"verify {OLD_ID} {OLD}"


async def test_a_refused_version_that_rekey_wrote_is_replaced_in_place_and_disabled() -> None:
    kind = Able(accepted=set())
    kind.issues = replace(kind.issues, supersedes=None)
    async with working(kind, {OPERATION: "op"}, action="audit") as work:
        work.published()
        before = str(work.at.secret.version)
        healed = await work.confirming.confirm(work.secret, "audited")
        assert healed.version == work.latest.version
        assert work.latest.value == NEW
        assert kind.calls == [
            PROVEN,
            "issue in place",
            f"verify {NEW_ID} {NEW}",
            "tidy op but None",
        ]
        assert work.progress.result == "healed"
        assert not work.progress.drifted
        assert [version.enabled for version in work.rig.vault.versions(NAME)] == [False, True]
        record = work.at.record
        assert record.verified.repaired_at == work.at.now
        assert record.published
        assert (record.published.replaces, record.stale) == (before, ())


async def test_a_refused_password_is_not_asked_about_again_before_it_is_replaced() -> None:
    """It could not be set back: its source does not accept it."""
    kind = Able(accepted=set(), works=False)
    async with working(kind, {"Single": "true"}, action="audit") as work:
        work.published()
        with pytest.raises(VerificationFailed, match="a password that nobody knows"):
            await work.confirming.confirm(work.secret, "audited")
        assert kind.calls == [PROVEN, "issue in place", f"verify {NEW_ID} {NEW}"]
        assert work.progress.drifted


@pytest.mark.parametrize("problem", [None, NeedsHuman("another deployment uses it")])
async def test_a_refused_version_of_somebody_else_is_replaced_only_if_the_kind_lets_it(
    problem: NeedsHuman | None,
) -> None:
    kind = Able(accepted=set(), problem=problem)
    async with working(kind) as work:
        work.at.know(proven=str(work.at.secret.version))
        if problem:
            with pytest.raises(NeedsHuman, match="another deployment"):
                await work.confirming.confirm(work.secret, "audited")
            assert kind.calls == [PROVEN, "preflight"]
        else:
            await work.confirming.confirm(work.secret, "audited")
            assert kind.calls[:3] == [PROVEN, "preflight", "issue in place"]
            assert work.latest.value == NEW


async def test_a_refused_value_that_somebody_just_wrote_is_left_to_them() -> None:
    kind = Plain(accepted=set())
    async with working(kind) as work:
        with pytest.raises(NeedsHuman, match="somebody just wrote"):
            await work.confirming.confirm(work.secret, "audited")
        assert kind.calls == [PROVEN]
        assert work.progress.drifted
