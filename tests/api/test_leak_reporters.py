"""What a report costs and takes, whoever sends it: no answer, and no wait, tells a hit from a miss."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from api.leaks import BARE, BLIND, STEP_SECONDS
from simulator.wire import Request, Response
from tests.api.test_access import SIGNED_IN, principal
from tests.api.test_leaks import KEYED, audit, leak, leaky, rotate
from tests.rotators.sas_scenes import SasScene
from tests.shared.policies import EMPTY, PolicyRig
from tests.shared.scene import refuse

NOBODYS = "none-of-ours-at-all"


async def signing(document: str) -> tuple[PolicyRig, SasScene]:
    """Return a rig whose vault holds a key, and a signature of a container that the key made."""
    rig = PolicyRig()
    rig.vault.put("leak-key", "k" * 40)
    rig.push(EMPTY + document)
    scene = SasScene(rig=rig)
    scene.manage()
    rig.clock.advance(60)
    await audit(rig, "app-key", "uploads")
    return rig, scene


def lists(request: Request) -> bool:
    return request.host == "prod.vault.azure.net" and request.path == "/secrets"


async def test_a_hit_takes_as_long_as_a_miss_in_a_vault_that_takes_long_to_list() -> None:
    rig = leaky()
    await audit(rig, "app-key", "other")

    async def slow(request: Request, call: Callable[[], Awaitable[Response]]) -> Response:
        rig.clock.advance(17.0 if lists(request) else 0.01)
        return await call()

    reporter, api = principal("Rekey.Reporter"), rig.api(slow, env=SIGNED_IN)
    await leak(api, "so that the policy is read", headers=reporter)
    times = list[int]()
    for value in (NOBODYS, rig.latest("app-key").value, NOBODYS, rig.latest("app-key").value):
        # The vault is listed at most once a minute.
        rig.clock.advance(61)
        begun = rig.clock.now()
        assert (await leak(api, value, headers=reporter)).status == 202
        times.append(round((rig.clock.now() - begun).total_seconds()))
    assert times == [20] * 4


async def test_where_something_cannot_be_read_a_hit_is_answered_like_a_miss_and_cut_off() -> None:
    rig = leaky()
    await audit(rig, "app-key")
    refuse(rig, 403, "Forbidden", lambda request: request.path.startswith("/secrets/other/"), 9)
    api, reporter = rig.api(env=SIGNED_IN), principal("Rekey.Reporter")
    hit, miss = [
        await leak(api, value, headers=reporter) for value in (rig.latest("app-key").value, NOBODYS)
    ]
    assert (hit.status, hit.text()) == (503, miss.text())
    (message,) = rig.messages("rotations")
    assert message["secret"] == "app-key"


async def test_a_report_that_fails_is_answered_as_late_as_one_that_is_received() -> None:
    """A hit fails where it is posted, and a miss later: at once, each failure would tell which."""
    rig = leaky()
    await audit(rig, "app-key", "other")
    refuse(rig, 503, "ServerBusy", lambda request: ".queue." in request.host, times=99)
    api, reporter = rig.api(env=SIGNED_IN), principal("Rekey.Reporter")
    for value in (rig.latest("app-key").value, NOBODYS):
        begun = rig.clock.now()
        assert (await leak(api, value, headers=reporter)).status == 503
        assert (rig.clock.now() - begun).total_seconds() % STEP_SECONDS == 0
        assert rig.clock.now() > begun


async def test_a_crowd_that_misses_at_once_takes_two_looks_at_the_records() -> None:
    rig = leaky()
    await audit(rig, "app-key", "other")
    looks = list[Request]()

    async def slow(request: Request, call: Callable[[], Awaitable[Response]]) -> Response:
        if "restype=container&comp=list" in request.url:
            looks.append(request)
        await asyncio.sleep(0)
        return await call()

    api = rig.api(slow)
    await leak(api, NOBODYS)
    looks.clear()
    await asyncio.gather(*(leak(api, f"false-report-{n:04}") for n in range(20)))
    assert 1 <= len(looks) <= 2


async def test_a_report_full_of_signatures_reads_each_key_once() -> None:
    rig, scene = await signing(KEYED)
    api, (token, _, _) = rig.api(), scene.signed("key1", rig.clock.now()).rpartition("sig=")
    await leak(api, NOBODYS)
    rig.calls()
    false = "\n".join(f"{token}sig=no{n:03}" for n in range(150))
    assert (await leak(api, false)).body["status"] == "unknown"
    assert rig.calls()["vault"] < 20


@pytest.mark.parametrize("document", [KEYED, ""], ids=["keyed", "unkeyed"])
async def test_a_superseded_signature_without_its_url_leads_to_its_key(document: str) -> None:
    rig, scene = await signing(document)
    leaked = rig.latest("uploads").value
    await rotate(rig, "uploads")
    answer = await leak(rig.api(), leaked)
    known = [answer.body[name] for name in ("status", "kind", "secret")]
    assert known == ["alive", "storage-key", "app-key"]
    assert "whatever that key signed ends with it" in answer.body["reason"]
    unmanaged = scene.signed("key1", rig.clock.now() + timedelta(days=1), "rdl")
    answer = await leak(rig.api(), unmanaged)
    assert answer.body["status"] == "unknown"
    assert answer.body["reason"].startswith(BARE)
    assert (BLIND in answer.body["reason"]) is (document != KEYED)


@pytest.mark.parametrize("host", ["appdata-secondary.blob.core.windows.net", "files.contoso.com"])
async def test_a_signature_leads_to_its_key_whatever_its_account_is_called_in_the_url(
    host: str,
) -> None:
    """It is read from a replica in another region, or under a domain of its owner's."""
    rig, scene = await signing(KEYED)
    token = scene.signed("key1", rig.clock.now() + timedelta(days=1), "rdl")
    answer = await leak(rig.api(), f"https://{host}/uploads/a?{token}")
    assert (answer.body["status"], answer.body["secret"]) == ("alive", "app-key")


async def test_a_signature_that_names_its_account_has_no_other_accounts_keys_read() -> None:
    rig, scene = await signing(KEYED)
    rig.secret("other", rig.account("otherdata"), days_left=80)
    rig.clock.advance(60)
    await audit(rig, "other")
    token = scene.signed("key1", rig.clock.now() + timedelta(days=1), "rdl")
    rig.world.exchanges.clear()
    answer = await leak(rig.api(), f"https://appdata.blob.core.windows.net/uploads/a?{token}")
    assert (answer.body["status"], answer.body["secret"]) == ("alive", "app-key")
    assert "/secrets/other/versions" not in {it.request.path for it in rig.world.exchanges}
