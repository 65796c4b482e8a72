"""What leaked is reported after its source has passed to another secret: it is cut off there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from simulator.reach.sabotage import Died
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.api.test_incidents import begin
from tests.api.test_leak_cases import DOCUMENT, accepted, key
from tests.api.test_leaks import audit, leak, leaky, rotate, settle
from tests.shared.policies import PolicyRig
from tests.shared.rig import CONNECTION_STRING
from tests.shared.scene import refuse, source_of, to_vault

BARE: Mapping[str, str | None] = {"ValueTemplate": None}
INSIDE: Mapping[str, str | None] = {"ValueTemplate": CONNECTION_STRING}


def key_in(value: str) -> str:
    """Return the key in a connection string, or the value itself."""
    _, _, rest = value.partition("AccountKey=")
    return rest.partition(";")[0] or value


def handed_over(rig: PolicyRig, former: str, tags: Mapping[str, str | None] | None = None) -> str:
    """Have the secret `heir` take the source of another one over; return the key that both hold."""
    held = key_in(rig.latest(former).value)
    kept = {**rig.tags(former), **(tags or {})}
    own = {tag: text for tag, text in kept.items() if text is not None and "Rekey" not in tag}
    if "ValueTemplate" not in own:
        value = held
    elif former == "other":
        value = rig.latest(former).value
    else:
        value = CONNECTION_STRING.format(account="appdata", key=held, suffix="core.windows.net")
    rig.vault.put("heir", value, expires=rig.clock.now() + timedelta(days=80), tags=own)
    rig.vault.amend(rig.latest(former), tags={})
    rig.clock.advance(60)
    return held


@pytest.fixture
async def rig() -> PolicyRig:
    rig = leaky(DOCUMENT)
    await audit(rig, "app-key", "other")
    return rig


async def test_a_whole_value_leads_to_the_next_owner_that_alone_has_the_key(rig: PolicyRig) -> None:
    text, held = rig.latest("other").value, handed_over(rig, "other", BARE)
    await audit(rig, "heir")
    answer = await leak(rig.api(), text)
    assert (answer.body["secret"], answer.body["version"]) == ("heir", rig.latest("heir").version)
    await settle(rig)
    assert held not in accepted(rig)
    assert rig.latest("heir").value in accepted(rig)


async def test_the_next_owner_is_found_as_soon_as_it_owns_the_source(rig: PolicyRig) -> None:
    """Its version has a print in the very write that makes it the owner: who dies after that has noted all."""
    leaked = handed_over(rig, "app-key")

    async def between(request: Request, call: Call) -> Response:
        response = await call()
        if request.method == "PUT" and b'"owner"' in request.body and b"/heir" in request.body:
            raise Died
        return response

    with pytest.raises(Died):
        await rig.service(between).rotate(rig.item("heir", action="audit").to_json(), 1)
    rig.clock.advance(600)
    answer = await leak(rig.api(), leaked)
    assert (answer.body["secret"], answer.body["version"]) == ("heir", rig.latest("heir").version)
    await settle(rig)
    assert leaked not in accepted(rig)


@pytest.mark.parametrize("tags", [{}, INSIDE], ids=["alone", "inside"])
async def test_a_report_about_the_former_owner_goes_to_the_next_one_in_whatever_form_it_holds_it(
    rig: PolicyRig, tags: Mapping[str, str | None]
) -> None:
    reported = rig.latest("app-key").version
    leaked = handed_over(rig, "app-key", tags)
    await audit(rig, "heir")
    await cut_off(rig, reported)
    assert leaked not in accepted(rig)
    assert key_in(rig.latest("heir").value) in accepted(rig)


async def test_an_incident_of_the_former_owners_version_is_one_of_the_next_owners(
    rig: PolicyRig,
) -> None:
    """Its tags tell where it was; who reports it needs not know who holds its credential now."""
    tags, reported = rig.tags("app-key"), rig.latest("app-key").version
    leaked = handed_over(rig, "app-key")
    rig.vault.amend(rig.latest("app-key"), tags=tags)
    rig.vault.put("app-key", "no longer in use", tags={})
    await audit(rig, "heir")
    heirs = rig.latest("heir").version
    answer = await begin(rig.api(), vault="prod", name="app-key", version=reported)
    assert answer.status == 202
    assert (answer.body["name"], answer.body["version"]) == ("heir", heirs)
    (message,) = rig.messages("rotations")
    assert (message["secret"], message["version"]) == ("heir", heirs)
    await settle(rig)
    assert leaked not in accepted(rig)


async def test_an_incident_whose_next_owner_cannot_be_read_names_the_source_all_the_same(
    rig: PolicyRig,
) -> None:
    """By that its worker finds who holds the credential now."""
    tags, reported = rig.tags("app-key"), rig.latest("app-key").version
    leaked = handed_over(rig, "app-key")
    rig.vault.amend(rig.latest("app-key"), tags=tags)
    rig.vault.put("app-key", "no longer in use", tags={})
    await audit(rig, "heir")
    refuse(rig, 503, "ServerBusy", to_vault(name="heir"), times=9)
    answer = await begin(rig.api(), vault="prod", name="app-key", version=reported)
    assert answer.status == 202
    (message,) = rig.messages("rotations")
    assert (message["secret"], message["source"]) == ("app-key", source_of(rig))
    rig.world.faults.clear()
    await settle(rig)
    assert leaked not in accepted(rig)


async def cut_off(rig: PolicyRig, version: str) -> None:
    """Work on a report that was accepted while `app-key` owned the source."""
    source = rig.world.accounts["appdata"].resource_id.lower()
    item = rig.item("app-key", version=version, compromised=True, source=source)
    await rig.service().rotate(item.to_json(), 1)
    (sent_on,) = [it for it in rig.messages("rotations") if it["secret"] == "heir"]
    assert sent_on["compromised"]
    await settle(rig)


async def test_a_report_of_what_is_to_be_retired_goes_to_who_owes_that_now(rig: PolicyRig) -> None:
    """Nobody can read it: the record alone says which credential it is."""
    reported, leaked = rig.latest("app-key").version, key(rig)
    await rotate(rig)
    handed_over(rig, "app-key")
    rig.vault.delete("app-key")
    await audit(rig, "heir")
    assert leaked in accepted(rig)
    await cut_off(rig, reported)
    assert leaked not in accepted(rig)
    assert rig.latest("heir").value in accepted(rig)


@pytest.mark.parametrize("tags", [{}, INSIDE], ids=["alone", "inside"])
async def test_what_is_noted_to_have_leaked_is_replaced_where_the_next_owner_holds_it(
    rig: PolicyRig, tags: Mapping[str, str | None]
) -> None:
    source = rig.world.accounts["appdata"].resource_id.lower()
    await rig.note(source, "app-key", compromised=(rig.latest("app-key").version,))
    leaked = handed_over(rig, "app-key", tags)
    await audit(rig, "heir")
    await settle(rig)
    assert leaked not in accepted(rig)
    assert key_in(rig.latest("heir").value) in accepted(rig)
    assert (await rig.known(source)).compromised.versions == ()


async def test_what_the_next_owner_lacks_is_cut_off_there_if_it_works(rig: PolicyRig) -> None:
    reported, leaked = rig.latest("app-key").version, key(rig)
    account = rig.world.accounts["appdata"]
    own = {tag: text for tag, text in rig.tags("app-key").items() if "Rekey" not in tag}
    kept, later = account.keys["key2"].value, rig.clock.now() + timedelta(days=80)
    rig.vault.put("heir", kept, expires=later, tags={**own, "CredentialId": "key2"})
    rig.vault.amend(rig.latest("app-key"), tags={})
    rig.clock.advance(60)
    await audit(rig, "heir")
    await cut_off(rig, reported)
    assert leaked not in accepted(rig)
    assert rig.latest("heir").value == kept
    assert kept in accepted(rig)
    known = await rig.known(account.resource_id.lower())
    assert (known.compromised.versions, [*known.compromised.revoked]) == ((), [reported])
