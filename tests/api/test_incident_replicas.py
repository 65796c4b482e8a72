"""A tag ReplicaOf is a wish: it hides no incident, and gives nobody power over another secret."""

from __future__ import annotations

import json

import pytest

from tests.api.test_incidents import begin, carry_out, progress, reported, scattered
from tests.shared.rig import VAULT_ACTIONS, Rig
from tests.shared.scene import send


@pytest.mark.parametrize("text", ["nonsense", "", "https://prod.vault.azure.net/secrets/a b"])
async def test_a_tag_that_names_no_secret_hides_the_progress_of_no_incident(text: str) -> None:
    """One secret's writer would blind everybody to every incident, the dry run included."""
    rig = scattered()
    rig.vault.put("odd", "x", tags={"ReplicaOf": text})
    accepted = await begin(rig.api(), everything=True)
    path = {"incident": accepted.body["id"]}
    answers = {
        "progress": (await send(rig.api(), "http_incident_progress", path)).status,
        "report": (await send(rig.api(), "http_incident_report", path)).status,
        "dry run": (await begin(rig.api(), {"dry_run": "true"}, key="", everything=True)).status,
    }
    assert answers == dict.fromkeys(answers, 200)
    listed = (await send(rig.api(), "http_incidents")).body["incidents"]
    assert listed[0]["status"] == "running"


async def test_a_secret_that_calls_itself_a_replica_has_no_other_one_cut_off() -> None:
    """The victim names no replica, and lies in a vault that the incident does not cover."""
    rig = scattered()
    other = rig.world.add_vault("other")
    rig.world.grant(rig.identity, VAULT_ACTIONS, other.resource_id)
    group = rig.host.resource_id.split("/providers/")[0]
    urls = [rig.vault.url, other.url]
    rig.environment = {
        "REKEY_VAULTS": ",".join(urls),
        "REKEY_SCOPES": json.dumps({url: [group] for url in urls}),
    }
    held = rig.latest("app-one").value
    other.put("evil", "x", tags={"ReplicaOf": f"{rig.vault.url}/secrets/app-one"})
    rig.clock.advance(60)
    await begin(rig.api(), vault="other")
    await carry_out(rig)
    assert held in {key.value for key in rig.world.accounts["appone"].keys.values()}


async def test_a_foreign_vault_that_a_tag_names_is_not_reported_on_for_a_month() -> None:
    rig = scattered()
    rig.vault.put("evil", "x", tags={"ReplicaOf": "https://evil.example/secrets/any"})
    rig.clock.advance(60)
    await begin(rig.api(), name="evil")
    await carry_out(rig)
    assert rig.open_items == []


async def test_a_leaked_version_of_a_replica_is_cut_off_with_the_version_that_it_copies() -> None:
    """A replica has no source of its own, so nothing could replace what it holds there."""
    rig: Rig = scattered()
    copied, url = rig.latest("app-one"), f"{rig.vault.url}/secrets"
    copy = rig.vault.put("copy", copied.value, tags={"ReplicaOf": f"{url}/app-one"})
    rig.tag("app-one", Replicas=f"{url}/copy")
    rig.clock.advance(60)
    accepted = await begin(rig.api(), vault="prod", name="copy", version=copy.version)
    shown = accepted.body
    assert (accepted.status, shown["name"], shown["version"]) == (202, "app-one", copied.version)
    assert shown["reason"].endswith(f"; reported of its replica {url}/copy")
    await carry_out(rig)
    works = {key.value for key in rig.world.accounts["appone"].accepted_keys()}
    assert copied.value not in works
    assert rig.latest("copy").value in works
    assert (await progress(rig.api(), accepted))["status"] == "ended"


async def test_an_incident_says_of_a_replica_that_nothing_writes_that_it_needs_a_person() -> None:
    """Its primary does not name it any more, so it would be waited for until the month is over."""
    rig: Rig = scattered()
    primary = f"{rig.vault.url}/secrets/app-one"
    rig.vault.put("app-copy", rig.latest("app-one").value, tags={"ReplicaOf": primary})
    rig.clock.advance(60)
    accepted = await begin(rig.api(), name="app-*")
    await carry_out(rig)
    rig.clock.advance(86_400)
    await carry_out(rig)
    shown = await progress(rig.api(), accepted)
    assert (shown["status"], shown["rotated"]) == ("needs a person", 2)
    rows = (await reported(rig.api(), accepted))["secrets"]
    assert {row["secret"]: row["status"] for row in rows}["app-copy"] == "needs a person"


async def test_an_incident_says_how_to_help_a_secret_that_became_a_replica() -> None:
    """What it held still works at its source, which no tag names any more."""
    rig = scattered()
    await rig.work("app-one", force=True, trigger="manual")
    held = rig.latest("app-one").value
    primary = f"{rig.vault.url}/secrets/app-two"
    rig.tag("app-one", ProviderAddress=None, ReplicaOf=primary)
    rig.tag("app-two", Replicas=f"{rig.vault.url}/secrets/app-one")
    rig.clock.advance(60)
    accepted = await begin(rig.api(), name="app-one")
    await carry_out(rig)
    assert held in {key.value for key in rig.world.accounts["appone"].keys.values()}
    (named,) = (await progress(rig.api(), accepted))["named"]
    assert named["reason"].endswith("what leaked may still be accepted")
    assert named["fix"].startswith("give it its ProviderAddress back")
