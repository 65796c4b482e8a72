"""One secret's page: how it stands, what comes and why, who uses it, what was, what can be done."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from api.page import actions, links, look
from cli.arguments import parser
from engine.secret import SecretRef
from tests.api import page as pages
from tests.api.inventory import DRIFTED, Inventory, varied
from tests.api.page import HOSTILE, Element, read
from tests.api.test_access import principal
from tests.rotators.sas_scenes import KEY, SAS, SasScene
from tests.shared.policies import OWN, PolicyRig
from tests.shared.rig import Rig
from tests.shared.scene import NAME, scene, send
from tests.unchanged import unchanged


async def shown(rig: Rig, name: str, **query: str) -> Element:
    return await pages.shown(rig, vault="prod", secret=name, **query)


def section(page: Element, title: str) -> Element:
    return page.one("section", **{"aria-labelledby": f"{title}-title"})


def commands(page: Element) -> list[str]:
    return [code.text for code in page.all("code")]


def buttons(page: Element) -> list[str]:
    return [link.text.rstrip("…") for link in page.all("a", **{"class": "button"})]


async def test_a_row_leads_to_the_secrets_own_page_and_that_back_to_all() -> None:
    inventory = await pages.shown(varied(), code="a+key")
    heads = [head.one("a") for head in inventory.all("th", scope="row")]
    (link,) = [head for head in heads if head.text == "reports-storage"]
    assert link.attributes["href"] == "?vault=prod&secret=reports-storage&code=a%2Bkey"
    page = await shown(varied(), "reports-storage", code="a+key")
    assert page.one("h1").text == "reports-storage"
    assert page.one("p", **{"class": "why"}).text == DRIFTED
    assert page.all("a")[1].attributes["href"] == "?code=a%2Bkey"


async def test_it_says_what_happens_next_and_why() -> None:
    steps = section(await shown(varied(), "checkout-sql"), "next").all("li")
    assert [step.attributes["data-what"] for step in steps][:3] == ["retire", "rotate", "retire"]
    assert steps[0].text.startswith("loses its earlier credential 2026-11-08 09:00")
    assert all(step.one("span", **{"class": "because"}).text.startswith("Why:") for step in steps)


async def test_what_nothing_prevents_is_said_with_its_fix() -> None:
    (step,) = section(await shown(varied(), "warehouse-sql"), "next").all("li")
    assert (step.attributes["data-what"], step.attributes["class"]) == ("expire", "alarm")
    assert "Fix:" in step.text


async def test_its_history_says_who_wrote_each_version() -> None:
    rig = scene(days_left=5)
    item = rig.item("app-key", trigger="manual", reason="trying it")
    await rig.service().rotate(item.to_json(), 1)
    history = section(await shown(rig, "app-key"), "history").all("li")
    assert len(history) == 2
    assert "written by Rekey" in history[0].text
    assert "trying it" in history[0].text
    assert history[0].all("strong")
    assert "written by somebody else" in history[1].text


async def test_its_consumers_are_named_with_the_way_to_them() -> None:
    app = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/shop"
    rig = PolicyRig()
    rig.secret("app-key", rig.account("appdata"))
    rig.push(f"version: 1\nconsumers:\n  - match: {{secret: app-key}}\n    resources: [{app}]\n")
    assert rig.vault.secrets[OWN.name]
    consumers = section(await shown(rig, "app-key"), "consumers")
    assert consumers.one("bdi").text.lower() == app.lower()
    portal = "https://portal.azure.com/#@/resource/subscriptions/s/"
    assert consumers.one("a").attributes["href"].startswith(portal)
    assert "None is named." in section(await shown(varied(), "checkout-sql"), "consumers").text


async def test_secret_and_source_are_one_click_away_in_the_portal() -> None:
    about = section(await shown(varied(), "checkout-sql"), "facts")
    source, secret = (link.attributes["href"] for link in about.all("a"))
    assert (
        secret
        == "https://portal.azure.com/#@/asset/Microsoft_Azure_KeyVault/Secret/https://prod.vault.azure.net/secrets/checkout-sql"
    )
    assert source.startswith("https://portal.azure.com/#@/resource/subscriptions/")


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "//evil.example/x", "/subscriptions/s/../..?x#y", HOSTILE]
)
async def test_an_address_out_of_a_tag_is_followed_only_where_it_is_one_of_azures(
    address: str,
) -> None:
    rig = Inventory()
    rig.add("odd", ProviderAddress=address)
    links = [link.attributes["href"] for link in (await shown(rig, "odd")).all("a")]
    assert all(link.startswith(("?", "#", "https://portal.azure.com/#@/asset/")) for link in links)


@pytest.mark.parametrize(
    "name", ["checkout-sql", "warehouse-sql", "orders-storage", "reports-storage", "mail-relay"]
)
async def test_every_command_is_one_that_the_command_line_takes(name: str) -> None:
    lines = [shlex.split(line) for line in commands(await shown(varied(), name))]
    assert lines
    for words in lines:
        if words[0] == "rekey":
            parser().parse_args(words[1:])
        else:
            assert words[:4] == ["az", "keyvault", "secret", "list-versions"], (
                "nothing that fetches a value"
            )


async def test_what_can_be_done_fits_the_state() -> None:
    rig = varied()
    assert buttons(await shown(rig, "orders-storage")) == ["Rotate now", "It has leaked"]
    again = ["Try again", "Rotate now", "It has leaked"]
    assert buttons(await shown(rig, "warehouse-sql")) == again
    overlap = ["Rotate now", "It has leaked", "Undo the rotation", "Retire the earlier one"]
    assert buttons(await shown(rig, "checkout-sql")) == overlap
    legacy = await pages.shown(rig, vault="shared", secret="legacy-ftp")
    assert buttons(legacy) == []
    assert any(line.startswith("rekey adopt shared/legacy-ftp") for line in commands(legacy))


@pytest.mark.parametrize(
    ("role", "able"), [("Rekey.Reader", False), ("Rekey.Operator", True), ("Rekey.Admin", True)]
)
async def test_there_are_buttons_for_whoever_may_press_them(role: str, able: bool) -> None:
    api = varied().api(env={"WEBSITE_AUTH_ENABLED": "true"})
    query = {"vault": "prod", "secret": "orders-storage"}
    page = read((await send(api, "http_dashboard", query=query, headers=principal(role))).text())
    assert bool(buttons(page)) is able
    assert commands(page)
    answer = await send(
        api, "http_dashboard", query={**query, "try": "rotate"}, headers=principal(role)
    )
    assert answer.status == (200 if able else 403)


async def test_a_button_says_first_what_would_happen_and_changes_nothing() -> None:
    rig = scene(days_left=60)
    with unchanged(rig):
        trial = (await shown(rig, "app-key", **{"try": "rotate"})).one(id="trial")
    assert trial.one("h2").text == "Rotate now: what would happen"
    terms, texts = ([part.text for part in trial.all(tag)] for tag in ("dt", "dd"))
    facts = dict(zip(terms, texts, strict=True))
    assert facts["action"] == "rotate"
    assert facts["reason"]
    assert facts["due"] == "2026-12-02 09:00 UTC"
    form = trial.one("form")
    assert form.attributes["data-path"] == "secrets/prod/app-key/rotate"
    assert form.attributes["data-body"] == '{"force": true}'
    assert "hidden" in form.attributes, "the script shows it: without one it could do nothing"


async def test_what_cannot_be_done_has_its_reason_and_no_button() -> None:
    trial = (await shown(scene(days_left=60), "app-key", **{"try": "unpark"})).one(id="trial")
    assert trial.one("h2").text == "Try again: not now"
    assert "it is not parked: nothing is left to do" in trial.text
    assert not trial.all("form")


async def test_what_is_parked_for_unreadable_tags_can_be_tried_again_or_has_leaked() -> None:
    """Both buttons were missing, and so was the way to report a leak before the tags are mended."""
    wrong = {"ValidityPeriodDays": "ninety"}
    rig = scene(days_left=60, tags=wrong)
    await rig.service().rotate(rig.item("app-key", trigger="sweep").to_json(), 1)
    page = await shown(rig, "app-key")
    assert buttons(page) == ["Try again", "It has leaked"]
    again, leaked = [
        (await shown(rig, "app-key", **{"try": action})).one(id="trial")
        for action in ("unpark", "leaked")
    ]
    assert "rekey tags set prod/app-key ValidityPeriodDays=90" in again.text
    assert not again.all("form")
    assert leaked.one("form").attributes["data-body"] == '{"compromised": true}'


async def test_hostile_tags_stay_text() -> None:
    rig = Inventory()
    tags: dict[str, Any] = dict.fromkeys(("Owner", "CredentialId", "RotationWindow"), HOSTILE)
    rig.add("odd", marked=("parked", HOSTILE), **tags)
    page = await shown(rig, "odd")
    assert len(page.all("script")) == 1
    assert not [
        part for part in page.all() if part.tag != "bdi" and "\u202e" in "".join(part.texts)
    ]


async def test_no_value_is_read_unless_something_is_tried_and_none_is_shown() -> None:
    rig = varied()
    assert "value of" not in str(await shown(rig, "checkout-sql"))
    sent = [exchange.request for exchange in rig.world.exchanges]
    paths = {request.path.rstrip("/") for request in sent if "vault.azure.net" in request.host}
    assert paths == {"/secrets/checkout-sql/versions"}
    tried = await shown(scene(days_left=60), "app-key", **{"try": "leaked"})
    assert "value" not in str(tried.one(id="trial").all("dd"))


async def dropped(**tags: str) -> list[list[str]]:
    """Let a rotated secret be dropped; return its page's commands as a shell splits them."""
    rig = scene(days_left=5, tags=tags)
    await rig.service().rotate(rig.item("app-key").to_json(), 1)
    rig.clock.advance(3600)
    rig.vault.put("app-key", "written by hand", created=rig.clock.now())
    page = await shown(rig, "app-key")
    assert page.one("p", **{"class": "standing"}).text == "dropped"
    assert buttons(page) == []
    return [words for line in commands(page) if (words := shlex.split(line))[0] == "rekey"]


async def test_a_secret_that_fell_out_of_management_is_given_back_its_tags_by_a_command() -> None:
    lines = await dropped(Owner="data platform", OverlapHours="24")
    command = ["rekey", "adopt", "prod/app-key"]
    assert lines == [[*command, "--dry-run"], command]


@pytest.mark.parametrize(
    "evil", ["$(id)", "`id`", "a'; id; '", 'a" & id', "a\nid", "a\u202eb", "-rf", "a|b", "%PATH%"]
)
async def test_no_tag_becomes_a_command_when_it_is_pasted(evil: str) -> None:
    lines = await dropped(Owner=evil)
    assert lines == await dropped()


def test_the_steps_of_a_dry_run_are_said_in_turn() -> None:
    steps = [{"action": action, "reason": "compromised"} for action in ("retire", "rotate")]
    until = "2026-11-08T09:00:00+00:00"
    forecast = {"action": "rotate", "vault": "prod", "until": until, "steps": steps, "cost": 2}
    assert actions._facts(forecast) == [
        ("action", "rotate"),
        ("until", "2026-11-08 09:00 UTC"),
        ("steps", "retire: compromised; rotate: compromised"),
        ("cost", "2"),
    ]


async def test_a_key_and_what_it_makes_name_each_other() -> None:
    signature = SasScene()
    signature.manage()
    made, key = await shown(signature.rig, SAS), await shown(signature.rig, KEY)
    assert "its key" in made.text
    assert [link for link in made.all("a") if KEY in link.attributes["href"]]
    assert "made from this key" in key.text
    assert [link for link in key.all("a") if f"secret={SAS}" in link.attributes["href"]]
    (source,) = [
        link.attributes["href"] for link in made.all("a") if "/resource/" in link.attributes["href"]
    ]
    assert source.endswith(f"/{signature.account.name}"), "the portal shows no signature"
    answer = await send(signature.rig.api(), "http_show", {"vault": "prod", "name": SAS})
    assert dict(answer.body)["derived_from"].endswith(f"/secrets/{KEY}")


async def test_page_and_api_say_who_wrote_a_version_although_its_tags_are_gone() -> None:
    """Azure CLI replaces all tags where somebody sets one."""
    rig = scene(days_left=60)
    rig.clock.advance(60)
    await rig.service().rotate(rig.item(NAME, force=True).to_json(), 1)
    rig.vault.amend(rig.latest(NAME), tags={"Owner": "somebody"})
    answer = await send(rig.api(), "http_show", {"vault": "prod", "name": NAME})
    assert [row["written_by"] for row in answer.body["history"]] == ["Rekey", "somebody else"]
    newest, oldest = (await shown(rig, NAME)).one("ol", **{"class": "history"}).all("li")
    assert "written by Rekey" in newest.text
    assert "written by somebody else" in oldest.text


def test_a_vault_of_an_unknown_cloud_is_in_no_portal() -> None:
    ref = SecretRef("https://prod.vault.localhost", "app")
    assert links.to_secret(ref) == links.to_source(ref, "/subscriptions/s") == ""


def test_no_page_is_kept_or_named_to_others() -> None:
    assert look.headers()["Cache-Control"] == "no-store"
    assert look.headers()["Referrer-Policy"] == "no-referrer"
