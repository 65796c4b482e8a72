"""Key Vault through Microsoft's client: what is kept, what is written, and whom nobody asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cloud.azure import CHANGING
from cloud.storage.leases import SECONDS as LEASE_SECONDS
from cloud.vaults import KeyVaults
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    PermanentError,
    Throttled,
    TransientError,
)
from engine.ports import Vaults
from engine.secret import Draft, SecretRef, SecretVersion, Sensitive
from simulator.faults import Fault
from simulator.reach.transport import Call
from simulator.wire import UNANSWERED, Request, Response, json_response
from tests.shared.builders import NOW, V1
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, to_vault

FOREIGN = SecretRef("https://foreign.vault.azure.net", NAME)


def vaults(rig: Rig) -> Vaults:
    """Return the vaults as a fresh process has them."""
    return rig.service().engine.vaults


@pytest.mark.parametrize(
    "vault",
    [
        "https://foreign.vault.azure.net",
        "https://prod.vault.azure.net.evil.example",
        "https://prod.vault.azure.net:444",
        "http://prod.vault.azure.net",
        "https://PROD.vault.azure.net",
        "",
    ],
)
async def test_a_vault_that_is_not_listed_is_refused_before_any_request(vault: str) -> None:
    rig = scene()
    rig.world.add_vault("foreign").put(NAME, "not ours")
    ref, store = SecretRef(vault, NAME), vaults(rig)
    draft = Draft(Sensitive("x"), NOW, "text/plain", {})
    secret = SecretVersion(ref, V1, True, NOW, None, None, value=None)
    calls = (
        lambda: store.read(ref),
        lambda: store.read_version(ref, V1),
        lambda: store.publish(ref, draft),
        lambda: store.retag(secret, {}),
        lambda: store.disable(ref, V1),
        lambda: anext(aiter(store.list(vault))),
    )
    for call in calls:
        with pytest.raises(NeedsHuman, match="REKEY_VAULTS"):
            await call()
    assert rig.world.exchanges == []


async def test_a_secret_is_read_with_all_that_matters() -> None:
    rig = scene(tags={"Owner": "somebody"})
    held = rig.latest(NAME)
    read = await vaults(rig).read(rig.item(NAME).ref)
    assert read.version == held.version
    assert read.value == Sensitive(held.value)
    assert read.tags == held.tags
    assert read.content_type == "text/plain"
    assert read.created == datetime.fromtimestamp(held.created, UTC)
    assert read.expires == datetime.fromtimestamp(held.expires or 0, UTC)
    assert read.enabled
    assert held.value not in repr(read)


async def test_a_secret_without_tags_or_expiry_is_read() -> None:
    rig = Rig()
    rig.vault.put("bare", "x")
    read = await vaults(rig).read(rig.item("bare").ref)
    assert (read.tags, read.expires, read.content_type) == ({}, None, None)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (-(10**12), 0),
        (-62_135_596_800, 0),
        (-1, 0),
        (1, 1),
        (253_402_300_799, 253_402_300_799),
        (253_402_300_800, 253_402_300_799),
    ],
)
async def test_an_expiry_of_any_year_is_a_time(written: int, read: int) -> None:
    """The SDK hands on as a number what no calendar has, and a span before the year 1 is none."""
    rig = scene()
    held = rig.latest(NAME)
    rig.vault.secrets[NAME] = [replace(held, expires=written)]
    shown = await vaults(rig).read(rig.item(NAME).ref)
    assert shown.expires == datetime.fromtimestamp(read, UTC)


@pytest.mark.parametrize(
    "times",
    [
        {"created": None},
        {"created": "1700000000"},
        {"created": 10**14},
        {"created": 1, "exp": "1700000000"},
        {"created": 1, "exp": [1]},
    ],
)
async def test_an_answer_whose_times_cannot_be_read_says_nothing(times: object) -> None:
    rig = scene()
    body = {"id": f"{rig.vault.url}/secrets/{NAME}/{V1}", "value": "x", "attributes": times}
    rig.world.faults.append(Fault(to_vault(), json_response(200, body)))
    with pytest.raises(TransientError, match="vault's answer"):
        await vaults(rig).read(rig.item(NAME).ref)


async def test_an_answer_without_a_value_is_not_taken_for_an_empty_one() -> None:
    rig = scene()
    body = {"id": f"{rig.vault.url}/secrets/{NAME}/{V1}", "attributes": {"created": 1}}
    rig.world.faults.append(Fault(to_vault(), json_response(200, body)))
    assert (await vaults(rig).read(rig.item(NAME).ref)).value is None


async def test_expired_and_not_yet_valid_secrets_are_read() -> None:
    rig = scene(days_left=-3, not_before=NOW + timedelta(days=900))
    assert (await vaults(rig).read(rig.item(NAME).ref)).value


async def test_a_disabled_secret_comes_without_its_value() -> None:
    rig = scene(enabled=False)
    read = await vaults(rig).read(rig.item(NAME).ref)
    assert (read.enabled, read.value, read.version) == (False, None, None)


@pytest.mark.parametrize("code", ["Forbidden", "ForbiddenByRbac", "ForbiddenByFirewall"])
async def test_a_secret_that_the_app_may_not_read_is_not_taken_for_a_disabled_one(
    code: str,
) -> None:
    rig = scene()
    refuse(rig, 403, code, to_vault())
    with pytest.raises(AccessDenied, match=code):
        await vaults(rig).read(rig.item(NAME).ref)


async def test_a_secret_that_is_not_there_or_deleted_is_not_found() -> None:
    rig = scene()
    rig.vault.delete(NAME)
    for name in (NAME, "never-was"):
        with pytest.raises(NotFound):
            await vaults(rig).read(rig.item(name).ref)


async def test_a_version_is_written_with_expiry_content_type_and_tags_to_the_second() -> None:
    rig = scene()
    expires = datetime(2027, 1, 31, 23, 59, 59, 999_999, UTC)
    draft = Draft(Sensitive("new value"), expires, "application/x-thing", {"a": "b"})
    published = await vaults(rig).publish(rig.item(NAME).ref, draft)
    held = rig.latest(NAME)
    assert (held.version, None) == (published.version, published.value)
    assert (held.value, held.content_type) == ("new value", "application/x-thing")
    assert held.tags == {"a": "b"}
    assert held.expires == int(datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC).timestamp())
    assert held.enabled


async def test_writing_is_never_repeated_by_the_client() -> None:
    rig = scene()
    rig.world.faults.append(Fault(to_vault("PUT"), json_response(500, {}), after=True))
    draft = Draft(Sensitive("new value"), NOW, "text/plain", {})
    with pytest.raises(TransientError):
        await vaults(rig).publish(rig.item(NAME).ref, draft)
    assert len(rig.vault.versions(NAME)) == 2, "the write took effect, once"


async def test_the_name_of_a_deleted_secret_cannot_be_written_and_needs_a_person() -> None:
    rig = scene()
    rig.vault.delete(NAME)
    rig.clock.advance(60)
    with pytest.raises(NeedsHuman, match="ObjectIsDeletedButRecoverable") as caught:
        await vaults(rig).publish(rig.item(NAME).ref, Draft(Sensitive("x"), NOW, "text/plain", {}))
    assert "recover" in caught.value.fix


async def test_tags_are_replaced_on_exactly_one_version_and_nothing_else_changes() -> None:
    rig = scene(tags={"Owner": "somebody"})
    old = await vaults(rig).read(rig.item(NAME).ref)
    rig.clock.advance(1)
    newer = rig.vault.put(NAME, "newer", tags={"x": "y"})
    changed = await vaults(rig).retag(old, {"only": "this"})
    first, second = rig.vault.versions(NAME)
    assert (first.tags, first.version) == ({"only": "this"}, old.version)
    assert first.value == (old.value and old.value.reveal())
    assert (first.content_type, first.enabled) == ("text/plain", True)
    assert first.expires == int((old.expires or NOW).timestamp())
    assert second == newer
    assert changed.value == old.value


async def test_an_expiry_is_replaced_together_with_the_tags() -> None:
    rig = scene()
    expires = NOW + timedelta(days=90)
    store = vaults(rig)
    assert isinstance(store, KeyVaults), "the command line adopts with it"
    changed = await store.retag(await store.read(rig.item(NAME).ref), {}, expires)
    assert changed.expires == expires
    assert rig.latest(NAME).expires == int(expires.timestamp())


async def test_a_version_is_disabled_and_keeps_the_rest_and_twice_or_gone_is_fine() -> None:
    rig = scene(tags={"Owner": "somebody"})
    old = rig.latest(NAME)
    rig.clock.advance(1)
    rig.vault.put(NAME, "newer")
    for _ in range(2):
        await vaults(rig).disable(rig.item(NAME).ref, old.version)
    first = rig.vault.versions(NAME)[0]
    assert (first.enabled, first.tags) == (False, old.tags)
    assert (first.expires, first.content_type) == (old.expires, old.content_type)
    assert rig.latest(NAME).enabled
    await vaults(rig).disable(rig.item(NAME).ref, "f" * 32)
    await vaults(rig).disable(rig.item("never-was").ref, "f" * 32)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"attributes": None},
        {"attributes": {"created": 1}},
        {"attributes": {"created": 1, "enabled": None}},
        {"attributes": {"created": 1, "enabled": True}},
    ],
)
async def test_a_version_is_disabled_once_the_vault_says_so(body: object) -> None:
    rig = scene()
    rig.world.faults.append(Fault(to_vault("PATCH"), json_response(200, body)))
    held = rig.latest(NAME)
    with pytest.raises(TransientError, match="not say that the version is disabled") as caught:
        await vaults(rig).disable(rig.item(NAME).ref, held.version)
    assert caught.value.where.endswith(f"/secrets/{NAME}/{held.version}"), "not the current one"


async def test_an_answer_about_one_version_that_names_none_says_nothing() -> None:
    rig = scene()
    store, ref = vaults(rig), rig.item(NAME).ref
    held = await store.read(ref)
    draft = Draft(Sensitive("new value"), NOW, "text/plain", {})
    calls: tuple[Callable[[], Awaitable[SecretVersion]], ...] = (
        lambda: store.read(ref),
        lambda: store.read_version(ref, V1),
        lambda: store.publish(ref, draft),
        lambda: store.retag(held, {}),
    )
    nameless = json_response(200, {"value": "x", "attributes": {"created": 1, "enabled": True}})
    for call in calls:
        rig.world.faults.append(Fault(lambda request: "authorization" in request.headers, nameless))
        with pytest.raises(TransientError, match="names no version"):
            await call()


async def test_an_earlier_version_is_read_and_a_disabled_one_refused() -> None:
    rig = scene()
    old = rig.latest(NAME)
    rig.clock.advance(1)
    rig.vault.put(NAME, "newer")
    read = await vaults(rig).read_version(rig.item(NAME).ref, old.version)
    assert read.value == Sensitive(old.value)
    rig.vault.amend(old, enabled=False)
    with pytest.raises(AccessDenied, match="SecretDisabled"):
        await vaults(rig).read_version(rig.item(NAME).ref, old.version)


async def test_a_list_tells_all_that_a_decision_needs() -> None:
    rig = scene()
    (listed,) = [secret async for secret in vaults(rig).list(rig.vault.url)]
    read = await vaults(rig).read(rig.item(NAME).ref)
    assert listed == replace(read.bare, version=None, content_type=listed.content_type)


@pytest.mark.parametrize(
    "token",
    [
        "https://foreign.vault.azure.net/secrets?$skiptoken=x",
        "http://prod.vault.azure.net/secrets?$skiptoken=x",
        "https://prod.vault.azure.net:444/secrets?$skiptoken=x",
        "https://prod.vault.azure.net:x/secrets?$skiptoken=x",
        "https://prod.vault.azure.net.evil.example/secrets?$skiptoken=x",
        "https://prod.vault.azure.net@evil.example/secrets?$skiptoken=x",
        "https://somebody@prod.vault.azure.net/secrets?$skiptoken=x",
        "https://prod.vault.azure.net/deletedsecrets?$skiptoken=x",
        f"https://prod.vault.azure.net/secrets/{NAME}/versions?$skiptoken=x",
    ],
)
async def test_a_page_token_that_leads_anywhere_else_is_refused_before_any_request(
    token: str,
) -> None:
    """It comes from a message, and the app's own token is sent to its address."""
    rig = scene()
    with pytest.raises(NeedsHuman, match="does not belong to this vault"):
        await vaults(rig).page(rig.vault.url, token)
    assert not rig.world.exchanges


@pytest.mark.parametrize(
    "address",
    [
        "https://foreign.vault.azure.net/secrets?$skiptoken=x",
        "https://prod.vault.azure.net.evil.example/secrets?$skiptoken=x",
        "https://somebody@prod.vault.azure.net/secrets?$skiptoken=x",
        "http://prod.vault.azure.net/secrets?$skiptoken=x",
    ],
)
@pytest.mark.parametrize("what", ["secrets", "versions"])
async def test_a_next_page_that_lies_elsewhere_is_never_asked_for(what: str, address: str) -> None:
    rig = scene()
    rig.world.add_vault("foreign").put("not-ours", "x")
    item = {"id": f"{rig.vault.url}/secrets/{NAME}/{V1}", "attributes": {"created": 1}}
    rig.world.faults.append(
        Fault(to_vault(), json_response(200, {"value": [item], "nextLink": address}))
    )
    store, ref = vaults(rig), rig.item(NAME).ref
    listing = aiter(store.list(rig.vault.url) if what == "secrets" else store.versions(ref))
    assert (await anext(listing)).ref == ref
    with pytest.raises(PermanentError, match="leads to another host"):
        await anext(listing)
    assert {exchange.request.host for exchange in rig.world.exchanges} == {"prod.vault.azure.net"}


async def test_a_list_goes_on_where_the_link_names_the_port_of_https() -> None:
    rig = scene()
    for number in range(30):
        rig.vault.put(f"more-{number}", "x")

    async def named(request: Request, call: Call) -> Response:
        del request
        answer = await call()
        body = answer.body.replace(b"vault.azure.net/secrets?", b"vault.azure.net:443/secrets?")
        return replace(answer, body=body)

    store = rig.service(named).engine.vaults
    assert len([secret async for secret in store.list(rig.vault.url)]) == 31


async def test_a_page_without_a_secret_may_lead_on() -> None:
    rig = scene()
    rig.vault.empty_pages = True
    store = vaults(rig)
    empty, token = await store.page(rig.vault.url, None)
    (secret,), _ = await store.page(rig.vault.url, token)
    assert not empty
    assert [secret] == [listed async for listed in store.list(rig.vault.url)]
    assert [version async for version in store.versions(secret.ref)]


@pytest.mark.parametrize("body", [{}, {"value": None}, {"value": {}}, {"error": "later"}, []])
async def test_an_answer_that_is_no_list_is_not_taken_for_an_empty_one(body: object) -> None:
    """An incident would count such a vault as one in which nothing has leaked."""
    rig = scene()
    store, ref = vaults(rig), rig.item(NAME).ref
    for listing in (store.list(rig.vault.url), store.versions(ref)):
        rig.world.faults.append(Fault(to_vault(), json_response(200, body)))
        with pytest.raises(TransientError, match="nonsense"):
            await anext(aiter(listing))
    rig.world.faults.append(Fault(to_vault(), json_response(200, body)))
    with pytest.raises(TransientError, match="nonsense"):
        await store.page(rig.vault.url, None)


async def test_a_vault_that_is_not_found_is_not_taken_for_an_empty_one() -> None:
    rig = scene()
    refuse(rig, 404, "VaultNotFound", to_vault())
    with pytest.raises(NotFound, match="VaultNotFound"):
        _ = [secret async for secret in vaults(rig).list(rig.vault.url)]


type Look = Callable[[Vaults, SecretVersion], Awaitable[object]]
LOOKS: dict[str, Look] = {
    "the current version": lambda store, held: store.read(held.ref),
    "one version": lambda store, held: store.read_version(held.ref, str(held.version)),
    "the secrets": lambda store, held: anext(aiter(store.list(held.ref.vault))),
    "a page of secrets": lambda store, held: store.page(held.ref.vault, None),
    "the versions": lambda store, held: anext(aiter(store.versions(held.ref))),
}


@pytest.mark.parametrize("name", LOOKS)
async def test_reading_is_repeated_while_azure_is_busy(name: str) -> None:
    rig, look = scene(), LOOKS[name]
    held = await vaults(rig).read(rig.item(NAME).ref)
    refuse(rig, 503, "Busy", to_vault(), times=2)
    assert await look(vaults(rig), held)


@pytest.mark.parametrize("name", LOOKS)
async def test_a_long_pause_that_a_vault_asks_for_is_left_to_the_caller(name: str) -> None:
    rig, look = scene(), LOOKS[name]
    held = await vaults(rig).read(rig.item(NAME).ref)
    refuse(rig, 429, "Throttled", to_vault(), Retry_After="40")
    begun = rig.clock.now()
    with pytest.raises(Throttled) as caught:
        await look(vaults(rig), held)
    assert (caught.value.retry_after, rig.clock.now()) == (40, begun)


@pytest.mark.parametrize(
    ("name", "longest"),
    [("reading", LEASE_SECONDS), ("writing", 20 - CHANGING["connection_timeout"])],
)
async def test_a_call_that_a_vault_leaves_unanswered_ends_before_a_lease_does(
    name: str, longest: float
) -> None:
    """A change has 20 seconds, with those in which it connects; the engine holds a lease so long."""
    rig = scene()
    store, ref, begun = vaults(rig), rig.item(NAME).ref, rig.clock.now()
    draft = Draft(Sensitive("x"), NOW, "text/plain", {})
    rig.world.faults.append(Fault(to_vault("GET" if name == "reading" else "PUT"), UNANSWERED, 9))
    with pytest.raises(TransientError, match="got no answer"):
        await (store.read(ref) if name == "reading" else store.publish(ref, draft))
    assert (rig.clock.now() - begun).total_seconds() <= longest
