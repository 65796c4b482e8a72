"""The key behind a derived secret: which it is, and who consents to what."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import pytest

from engine.errors import NeedsHuman, TransientError
from engine.secret import SecretRef
from tests.engine.rotate.held import NOBODY, Lineage, held
from tests.engine.rotate.lineage_stage import Stage, staged
from tests.rotators.sas_scenes import EXTENT, KEY, SAS, SasScene

MOST_ANCESTORS = 20


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged() as ready:
        yield ready


async def test_only_a_derived_secret_has_a_lineage() -> None:
    scene = SasScene()
    scene.manage()
    async with held(scene.rig, KEY) as at:
        assert Lineage.of(at.parts, at.managed) is None


@pytest.mark.parametrize(("tag", "expected"), [("key1", "key1"), (" key2 ", "key2"), (None, "key")])
async def test_a_key_is_what_its_secret_holds_and_calls_it(
    stage: Stage, tag: str | None, expected: str
) -> None:
    stage.tag(CredentialId=tag)
    parent = await stage.parent()
    expires = stage.rig.latest(KEY).expires
    assert expires
    assert (parent.source, parent.credential_id) == (stage.scene.source_name, expected)
    assert (parent.key, parent.expires) == (
        stage.key,
        datetime.fromtimestamp(expires, stage.at.now.tzinfo),
    )


@pytest.mark.parametrize(("owner", "expected"), [("mine", "key2"), ("", "key1"), (NOBODY, "key1")])
async def test_what_the_record_of_the_keys_source_says_outranks_a_tag(
    stage: Stage, owner: str, expected: str
) -> None:
    version = stage.rig.latest(KEY)
    created = datetime.fromtimestamp(version.created, stage.at.now.tzinfo)
    write = stage.at.announced(version=version.version, created=created)
    owned = {} if owner == "mine" else {"owner": owner}
    await stage.note(published=write, **owned)
    assert (await stage.parent()).credential_id == expected


async def test_a_key_whose_source_another_secret_rotates_is_not_followed(stage: Stage) -> None:
    await stage.note(owner="https://prod.vault.azure.net/secrets/other")
    with pytest.raises(NeedsHuman, match=r"which https://prod.vault.azure.net/secrets/other "):
        await stage.parent()


@pytest.mark.parametrize("which", ["current", "another"])
async def test_a_compromised_key_is_waited_for_and_an_earlier_one_is_not(
    stage: Stage, which: str
) -> None:
    version = stage.rig.latest(KEY).version if which == "current" else "1" * 32
    await stage.note(compromised=(version,))
    if which == "another":
        assert (await stage.parent()).key == stage.key
        return
    with pytest.raises(TransientError) as caught:
        await stage.parent()
    assert (caught.value.code, caught.value.retry_after) == ("KeyCompromised", 60)


async def test_a_key_whose_value_does_not_follow_its_form_signs_nothing(stage: Stage) -> None:
    stage.tag(ValueTemplate="AccountKey={key}")
    with pytest.raises(NeedsHuman, match="the secret with its key does not follow its ValueTempl"):
        await stage.parent()


@pytest.mark.parametrize(
    ("tags", "what"),
    [
        ({"MayDerive": None}, "does not consent"),
        ({"ProviderAddress": None}, "is not managed"),
        ({"ValidityPeriodDays": "soon"}, "has malformed tags"),
        ({"MayDerive": f"another={EXTENT}"}, "does not consent"),
    ],
)
async def test_a_secret_that_does_not_say_that_it_holds_a_key_for_this_one_is_refused(
    stage: Stage, tags: Mapping[str, str | None], what: str
) -> None:
    stage.tag(tags)
    with pytest.raises(NeedsHuman, match=f"the secret with its key {what}") as caught:
        await stage.parent()
    assert caught.value.where.endswith(f"/{KEY}")


async def test_who_is_missing_in_a_consent_is_named_as_the_owner_must_write_it(
    stage: Stage,
) -> None:
    stage.tag(MayDerive=None)
    with pytest.raises(NeedsHuman) as caught:
        await stage.parent()
    assert caught.value.fix == f"its owner adds {SAS}={EXTENT} to its tag MayDerive"
    elsewhere = SecretRef("https://other.vault.azure.net", SAS)
    with pytest.raises(NeedsHuman) as caught:
        await stage.at.lineage.parent(elsewhere)
    assert f"adds {elsewhere}={EXTENT} to" in caught.value.fix


async def test_a_key_in_a_vault_that_may_not_rotate_its_source_signs_nothing(stage: Stage) -> None:
    scopes = {stage.rig.vault.url: ("/subscriptions/another",)}
    parts = stage.at.parts
    stage.at.parts = replace(parts, policy=replace(parts.policy, scopes=scopes))
    with pytest.raises(NeedsHuman, match="is in a vault not bound to its source"):
        await stage.parent()


async def test_the_policy_document_and_a_disabled_secret_hold_no_key(stage: Stage) -> None:
    parts = stage.at.parts
    own = replace(parts.policy, own=SecretRef(stage.rig.vault.url, KEY))
    stage.at.parts = replace(parts, policy=own)
    with pytest.raises(NeedsHuman, match="is the policy document"):
        await stage.parent()
    stage.at.parts = parts
    stage.rig.vault.amend(stage.rig.latest(KEY), enabled=False)
    with pytest.raises(NeedsHuman, match="is disabled"):
        await stage.parent()


def chain(stage: Stage, *names: str) -> None:
    """Let each of these secrets be derived from the next one, the first being the key's."""
    url, address = stage.rig.vault.url, f"{stage.scene.account.resource_id}/sas/queue/jobs/r"
    for name, following in pairwise(names):
        tags = {
            "ProviderAddress": address,
            "ValidityPeriodDays": "60",
            "DerivedFrom": f"{url}/secrets/{following}",
        }
        stage.rig.vault.put(name, "x", tags=tags)


async def refusal(stage: Stage) -> str:
    with pytest.raises(NeedsHuman) as caught:
        await stage.parent()
    return caught.value.what.removeprefix("the secret with its key ")


@pytest.mark.parametrize(
    ("names", "what"),
    [
        ((KEY, SAS), f"closes a circle: {SAS} from {KEY} from {SAS}"),
        ((KEY, "third", KEY), f"closes a circle: {SAS} from {KEY} from third from {KEY}"),
        (
            (KEY, "third", "fourth", "third"),
            f"closes a circle: {SAS} from {KEY} from third from fourth from third",
        ),
        ((KEY, "third", "gone"), "is derived itself, and signs nothing"),
    ],
)
async def test_a_chain_of_derived_secrets_is_refused_with_its_way(
    stage: Stage, names: tuple[str, ...], what: str
) -> None:
    chain(stage, *names)
    assert await refusal(stage) == what


async def test_a_secret_that_is_derived_from_itself_is_refused(stage: Stage) -> None:
    itself = stage.at.secret.ref
    stage.at.managed = replace(stage.at.managed, derived_from=itself)
    assert await refusal(stage) == "is derived from itself: a circle"


async def test_a_long_chain_is_not_followed_to_its_end(stage: Stage) -> None:
    chain(stage, KEY, *(f"link-{number}" for number in range(MOST_ANCESTORS + 5)))
    stage.rig.calls()
    assert await refusal(stage) == "is derived itself, and signs nothing"
    assert stage.rig.calls()["vault"] == MOST_ANCESTORS - 1
