"""Incidents on the pages: beside the inventory, on a page of their own, and on that of a secret."""

from __future__ import annotations

import pytest

from api.answers import Answer
from engine.state.incident import LEAD
from engine.state.request import INCIDENT_SECONDS
from tests.api.page import HOSTILE, Element, shown
from tests.api.test_incidents import REASON, begin, carry_out, scattered
from tests.shared.rig import Rig
from tests.shared.scene import refuse, send, to_arm


async def ask(rig: Rig, **query: str) -> Answer:
    return await send(rig.api(), "http_dashboard", query=query)


def listed(page: Element) -> list[str]:
    return [item.text for item in page.one(id="incidents").all("li")]


async def test_where_there_was_no_incident_none_is_shown() -> None:
    page = await shown(scattered())
    assert "hidden" in page.one(id="incidents").attributes
    assert not (await shown(scattered(), vault="prod", secret="batch")).all(id="incidents")


async def test_an_open_incident_is_listed_with_its_progress_its_names_and_its_link() -> None:
    rig = scattered()
    identity = (await begin(rig.api(), name="app-*")).body["id"]
    page = await shown(rig, code="a+key")
    (line,) = listed(page)
    for part in (identity, "running", "0 of 2 replaced and cut off, 2 under way", REASON):
        assert part in line
    links = [link.attributes["href"] for link in page.one(id="incidents").all("a")]
    assert links == [
        f"?incident={identity}&code=a%2Bkey",
        "?vault=prod&secret=app-one&code=a%2Bkey",
        "?vault=prod&secret=app-two&code=a%2Bkey",
    ]
    assert page.one(id="incidents").one("h2").text == "Incidents under way"


async def test_an_incident_that_has_ended_stays_listed_and_is_folded_away() -> None:
    rig = scattered()
    identity = (await begin(rig.api(), name="app-*")).body["id"]
    await carry_out(rig)
    page = await shown(rig)
    (line,) = page.one("section", id="incidents").one("details").all("li")
    assert identity in line.text
    assert "2 of 2 replaced and cut off" in line.text
    assert "ended" in line.text
    assert "hidden" not in page.one(id="incidents").attributes


async def test_what_an_incident_needs_a_person_for_is_named_first_and_with_its_fix() -> None:
    rig = scattered()
    refuse(rig, 403, "AuthorizationFailed", to_arm("regenerateKey"), times=99)
    identity = (await begin(rig.api(), name="app-one")).body["id"]
    await carry_out(rig)
    (line,) = listed(await shown(rig))
    assert "needs a person" in line
    page = await shown(rig, incident=identity)
    assert page.one("h1").text == f"Incident {identity}"
    (item,) = page.one("section", **{"aria-labelledby": "part-1"}).all("li")
    assert item.text.startswith("app-one prod")
    assert "AuthorizationFailed" in item.text
    assert "Fix:" in item.text
    commands = [code.text for code in page.all("code")]
    assert f"rekey incident follow {identity} --wait" in commands


async def test_the_page_of_a_secret_shows_the_incident_that_concerns_it_and_no_other() -> None:
    rig = scattered()
    concerns = (await begin(rig.api(), name="app-one")).body["id"]
    await begin(rig.api(), key="two", name="batch")
    (line,) = listed(await shown(rig, vault="prod", secret="app-one"))
    assert concerns in line
    assert "the old credential is not cut off yet" in line
    assert not (await shown(rig, vault="prod", secret="app-two")).all(id="incidents")
    await carry_out(rig)
    (line,) = listed(await shown(rig, vault="prod", secret="app-one"))
    assert concerns in line
    assert "ended" in line
    assert "replaced and cut off" in line


async def test_the_page_of_a_secret_that_is_younger_shows_no_incident_as_one_of_its_own() -> None:
    rig = scattered()
    await begin(rig.api(), vault="prod")
    # One that is made sooner may be another name of what leaked.
    rig.clock.advance(INCIDENT_SECONDS + LEAD.total_seconds() + 1)
    rig.secret("younger", rig.account("younger"))
    page = await shown(rig, vault="prod", secret="younger")
    assert not page.all(id="incidents")


async def test_an_incident_of_long_ago_is_listed_and_counted_on_its_own_page_alone() -> None:
    rig = scattered()
    identity = (await begin(rig.api(), name="app-*")).body["id"]
    rig.clock.advance(30 * 86_400)
    (line,) = listed(await shown(rig))
    assert "replaced and cut off" not in line
    page = await shown(rig, incident=identity)
    assert "0 of 2 replaced" in page.one("main").text


async def test_incidents_that_cannot_be_read_are_said_to_be_so_and_hide_no_secret() -> None:
    rig = scattered()
    await begin(rig.api(), name="app-*")
    refuse(rig, 403, "AuthorizationFailure", lambda sent: "/incidents/" in sent.path, times=99)
    page = await shown(rig)
    assert "The incidents cannot be shown" in page.one(id="incidents").text
    assert "app-one" in page.one(id="secrets").text


async def test_the_first_page_alone_shows_incidents_and_one_pass_counts_them_all() -> None:
    rig = scattered()
    for key in ("one", "two", "three"):
        await begin(rig.api(), key=key, name="app-*")
    before = len([call for call in rig.world.exchanges if "/secrets" in call.request.path])
    page = await shown(rig)
    listings = [call for call in rig.world.exchanges if "/secrets" in call.request.path][before:]
    assert len(listed(page)) == 3
    assert len(listings) <= 3, "the rows, and one pass for all incidents, and a challenge"


@pytest.mark.parametrize("identity", ["20260101T000000Z-00000000", "../x", HOSTILE])
async def test_an_incident_that_never_was_is_a_404(identity: str) -> None:
    assert (await ask(scattered(), incident=identity)).status == 404


async def test_hostile_words_of_an_incident_are_shown_and_never_run() -> None:
    rig = scattered()
    accepted = await begin(rig.api(), name="app-*", reason=HOSTILE)
    for query in ({}, {"incident": accepted.body["id"]}):
        answer = await ask(rig, **query)
        assert "<script>alert" not in answer.text()
        assert "alert(&#39;owned&#39;)" in answer.text()


async def test_the_page_of_an_incident_says_what_it_did_with_each_secret() -> None:
    rig = scattered()
    old = rig.latest("app-one").version
    identity = (await begin(rig.api(), name="app-*")).body["id"]
    await carry_out(rig)
    page = await shown(rig, incident=identity, code="a+key")
    items = page.one("section", **{"aria-labelledby": "secrets-title"}).all("li")
    assert [item.one("a").text for item in items] == ["app-one", "app-two"]
    assert str(old) in items[0].text
    assert "tried at its source, which refused it twice in a row" in items[0].text
    links = [link.attributes["href"] for link in page.all("a")]
    assert f"incidents/{identity}/report?code=a%2Bkey" in links
