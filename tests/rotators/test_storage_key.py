"""What only storage account keys do: two slots, adoption by comparing, endpoints, firewalls."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError

from engine.contract import Job
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    RekeyError,
    TransientError,
    VerificationFailed,
)
from engine.secret import Sensitive
from rotators.storage_key import StorageKey
from simulator.reach.transport import Call, Intercept, SimulatedCredential
from simulator.wire import Request, Response, json_response
from tests.rotators.subjects import StorageScene
from tests.shared.rig import CONNECTION_STRING, Rig

READ = "Microsoft.Storage/storageAccounts/read"
ZONE = "appdata.z12.blob.storage.azure.net"


class Adopting(StorageScene):
    """A scene whose version Rekey did not write: nothing of its tags is proven."""

    def adoption(self, *, says: str | None, value: str | None, **options: str) -> Job:
        return replace(
            self.job(),
            proven=False,
            held_id=says,
            held=None if value is None else Sensitive(value),
            options=options,
        )

    def keys(self) -> dict[str, str]:
        return {name: self.value(name) for name in ("key1", "key2")}


@pytest.fixture
def scene() -> Adopting:
    return Adopting()


@pytest.mark.parametrize("says", ["key1", "key2", None, "nonsense"])
@pytest.mark.parametrize("holds", ["key1", "key2"])
async def test_the_first_rotation_finds_out_which_key_is_held_whatever_the_tag_says(
    scene: Adopting, holds: str, says: str | None
) -> None:
    before = scene.keys()
    issued = await scene.rotator().issue(scene.adoption(says=says, value=before[holds]))
    assert issued.supersedes == holds
    assert scene.keys()[holds] == before[holds], "the live key was touched"
    assert scene.keys()[issued.credential_id] != before[issued.credential_id]


@pytest.mark.parametrize("says", ["key1", "key2", None])
@pytest.mark.parametrize(
    ("shape", "pattern"),
    [
        ("AccountName=appdata;AccountKey={}", r"ValueTemplate to the value with \{key\} \(and"),
        (None, "does not follow the tag ValueTemplate"),
    ],
)
async def test_a_value_that_is_more_than_a_key_or_follows_no_template_is_not_guessed_at(
    scene: Adopting, shape: str | None, pattern: str, says: str | None
) -> None:
    """The tag may lie, and nothing can be compared: to trust it could cut the live key off."""
    before = scene.keys()
    value = shape and shape.format(before["key2"])
    with pytest.raises(NeedsHuman, match=pattern):
        await scene.rotator().issue(scene.adoption(says=says, value=value))
    assert scene.keys() == before


async def test_a_value_in_neither_slot_needs_a_person_unless_the_tag_names_a_key() -> None:
    scene = Adopting()
    before = scene.keys()
    with pytest.raises(NeedsHuman, match="neither key1 nor key2"):
        await scene.rotator().issue(scene.adoption(says=None, value="something else"))
    with pytest.raises(NeedsHuman, match="key3"):
        await scene.rotator().issue(scene.adoption(says="key3", value="something else"))
    assert scene.keys() == before
    issued = await scene.rotator().issue(scene.adoption(says="key2", value="something else"))
    assert issued.supersedes == "key2"
    assert scene.keys()["key2"] == before["key2"]


async def test_what_rekey_wrote_itself_costs_one_call_to_arm(scene: Adopting) -> None:
    await scene.rotator().issue(scene.job())
    assert scene.rig.calls() == {"arm": 1}


async def test_in_place_the_held_slot_is_read_back_and_nothing_regenerated(scene: Adopting) -> None:
    before = scene.live()
    job = replace(scene.job(), held=Sensitive("a dead value"), in_place=True)
    issued = await scene.rotator().issue(job)
    assert (issued.credential_id, issued.supersedes) == ("key1", None)
    assert issued.fields["key"].reveal() == scene.value("key1")
    assert scene.live() == before


@pytest.mark.parametrize("held_id", [None, "", "key3", "KEY1", "kerb1"])
@pytest.mark.parametrize("in_place", [False, True])
async def test_a_slot_is_key1_or_key2_and_nothing_else(held_id: str | None, in_place: bool) -> None:
    scene = StorageScene()
    before = scene.live()
    with pytest.raises(NeedsHuman, match="key1 or key2"):
        await scene.rotator().issue(replace(scene.job(), held_id=held_id, in_place=in_place))
    assert scene.live() == before


def with_keys(change: Any) -> Intercept:
    """Return what lets a test alter the keys in Azure's answers."""

    async def altered(request: Request, call: Call) -> Response:
        response = await call()
        if not request.path.lower().endswith(("/listkeys", "/regeneratekey")):
            return response
        keys = change(json.loads(response.body)["keys"])
        return json_response(response.status, {"keys": keys})

    return altered


async def test_kerberos_keys_are_never_taken_for_one_of_the_two(scene: Adopting) -> None:
    kerberos = base64.b64encode(b"k" * 64).decode()

    def first(keys: list[dict[str, str]]) -> list[dict[str, str]]:
        return [{"keyName": "kerb1", "value": kerberos, "permissions": "FULL"}, *keys]

    issued = await scene.rotator(with_keys(first)).issue(
        scene.adoption(says=None, value=scene.value("key2"))
    )
    assert issued.supersedes == "key2"
    with pytest.raises(NeedsHuman, match="neither key1 nor key2"):
        await scene.rotator(with_keys(first)).issue(scene.adoption(says=None, value=kerberos))


@pytest.mark.parametrize(
    "answer",
    [[], [{"keyName": "key2"}], [{"value": "x"}], [{"keyName": "key1", "value": "A" * 88}], None],
)
async def test_an_answer_without_the_key_is_never_published(answer: object) -> None:
    scene = Adopting()

    def less(keys: object) -> object:
        del keys
        return answer

    with pytest.raises(RekeyError):
        await scene.rotator(with_keys(less)).issue(scene.job())
    with pytest.raises(RekeyError):
        await scene.rotator(with_keys(less)).issue(
            scene.adoption(says="key2", value="something else")
        )


async def test_the_order_of_the_keys_makes_no_difference(scene: Adopting) -> None:
    issued = await scene.rotator(with_keys(lambda keys: keys[::-1])).issue(
        scene.adoption(says=None, value=scene.value("key1"))
    )
    assert issued.supersedes == "key1"


async def test_an_old_key_in_the_answer_fails_its_proof(scene: Adopting) -> None:
    """Azure's answer alone proves nothing: only a signed request does."""
    old = scene.value("key2")

    def stale(keys: list[dict[str, str]]) -> list[dict[str, str]]:
        return [{**key, "value": old} if key["keyName"] == "key2" else key for key in keys]

    issued = await scene.rotator(with_keys(stale)).issue(scene.job())
    with pytest.raises(VerificationFailed):
        await scene.rotator().verify(scene.job().source, issued.credential_id, issued.fields["key"])


@pytest.mark.parametrize("action", ["preflight", "verify"])
@pytest.mark.parametrize(
    ("change", "error", "pattern", "fix"),
    [
        ({"allow_shared_key_access": False}, NeedsHuman, "allowSharedKeyAccess", ""),
        ({"network_default_action": "Deny"}, AccessDenied, "firewall", "private endpoint"),
    ],
)
async def test_an_account_that_takes_no_keys_or_keeps_the_app_out_is_named_without_waiting(
    change: dict[str, Any], error: type[RekeyError], pattern: str, fix: str, action: str
) -> None:
    scene = Adopting()
    vars(scene.rig.world.accounts["appdata"]).update(change)
    before, started = scene.keys(), scene.rig.clock.now()
    with pytest.raises(error, match=pattern) as caught:
        await act(scene, action)
    assert caught.value.fix
    assert fix in caught.value.fix
    assert scene.rig.clock.now() == started
    assert scene.keys() == before


async def act(
    scene: Adopting, action: str, rotator: StorageKey | None = None, job: Job | None = None
) -> None:
    """Let the rotator look at the account in one of the ways that it has."""
    kind = rotator or scene.rotator()
    key = scene.value("key1")
    if action == "preflight":
        await kind.preflight(job or scene.adoption(says="key1", value=key))
    else:
        await kind.verify(scene.job().source, "key1", Sensitive(key))


async def test_a_missing_role_names_identity_scope_and_role(scene: Adopting) -> None:
    scene.rig.world.roles.assignments.clear()
    with pytest.raises(AccessDenied) as caught:
        await scene.rotator().issue(scene.job())
    text = str(caught.value)
    assert "Storage Account Key Operator Service Role" in text
    assert scene.job().source in text
    assert scene.rig.identity.appid in text
    assert scene.rig.identity.oid in text


def zone(rig: Rig) -> Intercept:
    """Return a network in which the account is not where the convention says.

    But in a DNS zone of its own.
    """

    async def network(request: Request, call: Call) -> Response:
        if request.host == "appdata.blob.core.windows.net":
            raise ServiceRequestError("Cannot connect to host: Name or service not known")
        if request.host == ZONE:
            return rig.world.handle(
                replace(request, url=request.url.replace(ZONE, "appdata.blob.core.windows.net"))
            )
        response = await call()
        return replace(
            response, body=response.body.replace(b"appdata.blob.core.windows.net", ZONE.encode())
        )

    return network


async def test_an_account_that_left_a_dns_zone_of_its_own_is_found_by_the_same_process() -> None:
    scene, away = StorageScene(), True
    scene.rig.world.grant(scene.rig.identity, [READ], scene.job().source)
    zoned = zone(scene.rig)

    async def network(request: Request, call: Call) -> Response:
        if away:
            return await zoned(request, call)
        if request.host == ZONE:
            raise ServiceRequestError("Cannot connect to host: Name or service not known")
        return await call()

    rotator, source, held = scene.rotator(network), scene.job().source, scene.value("key1")
    assert await rotator.accepts(source, "key1", Sensitive(held))
    away = False
    with pytest.raises(TransientError):
        await rotator.accepts(source, "key1", Sensitive(held))
    assert await rotator.accepts(source, "key1", Sensitive(held))


async def test_an_account_in_a_dns_zone_of_its_own_is_found_by_asking_for_its_endpoint() -> None:
    scene = Adopting()
    scene.rig.world.grant(scene.rig.identity, [READ], scene.job().source)
    rotator = scene.rotator(zone(scene.rig))
    job = scene.adoption(says=None, value=scene.value("key1"))
    issued = await rotator.issue(job)
    await rotator.verify(job.source, issued.credential_id, issued.fields["key"])
    requests = [
        exchange.request
        for exchange in scene.rig.world.exchanges
        if exchange.request.method == "GET"
    ]
    assert len([request for request in requests if request.host == "management.azure.com"]) == 1, (
        "asked once, then known"
    )


async def test_a_connection_string_by_suffix_is_refused_where_it_would_lead_nowhere() -> None:
    scene = Adopting()
    scene.rig.world.grant(scene.rig.identity, [READ], scene.job().source)
    before = scene.keys()
    job = scene.adoption(says=None, value=before["key1"], ValueTemplate=CONNECTION_STRING)
    with pytest.raises(NeedsHuman, match="DNS zone") as caught:
        await scene.rotator(zone(scene.rig)).issue(job)
    assert "BlobEndpoint" in caught.value.fix
    assert scene.keys() == before


async def test_a_network_that_fails_for_now_is_no_lack_of_permission(scene: Adopting) -> None:
    """The app need not be allowed to read the account.

    So that refusal must not park a secret for a lost packet.
    """
    with pytest.raises(TransientError, match="no answer") as caught:
        await act(scene, "verify", storage_key(scene.rig, zone(scene.rig)))
    assert "Reader" in caught.value.fix


async def test_an_account_without_blobs_is_refused(scene: Adopting) -> None:
    scene.rig.world.grant(scene.rig.identity, [READ], scene.job().source)

    async def files_only(request: Request, call: Call) -> Response:
        if ".blob." in request.host:
            raise ServiceRequestError("Name or service not known")
        response = await call()
        return replace(response, body=response.body.replace(b'"blob": "https', b'"blob2": "https'))

    with pytest.raises(NeedsHuman, match="no blob endpoint"):
        await act(scene, "verify", storage_key(scene.rig, files_only))


async def test_an_account_that_is_gone_answers_nowhere_and_is_told_as_gone(scene: Adopting) -> None:
    """No later try would find it."""
    job = scene.job()
    scene.rig.world.grant(scene.rig.identity, [READ], job.source)
    scene.vanish()

    async def nowhere(request: Request, call: Call) -> Response:
        if ".blob." in request.host:
            raise ServiceRequestError("Name or service not known")
        return await call()

    with pytest.raises(NotFound, match="appdata"):
        await storage_key(scene.rig, nowhere).verify(job.source, "key1", Sensitive("A" * 86 + "=="))


class OfEveryCloud(SimulatedCredential):
    """Tokens for the one cloud that is simulated, whichever one they are asked for."""

    def _token(self, scopes: tuple[str, ...]) -> str:
        del scopes
        return super()._token(("https://management.azure.com/.default",))


def storage_key(
    rig: Rig, intercept: Intercept | None = None, arm_endpoint: str = "https://management.azure.com"
) -> StorageKey:
    """Return a rotator in a cloud of one's choice."""
    identity = OfEveryCloud(rig.world, rig.identity)
    return rig.alone(StorageKey, intercept, credential=identity, arm_endpoint=arm_endpoint)


@pytest.mark.parametrize(
    ("arm", "suffix"),
    [
        ("https://management.azure.com", "core.windows.net"),
        ("https://management.usgovcloudapi.net", "core.usgovcloudapi.net"),
        ("https://management.chinacloudapi.cn", "core.chinacloudapi.cn"),
        ("https://arm.example.org", "core.windows.net"),
    ],
)
async def test_each_cloud_has_its_own_suffix_and_in_an_unknown_one_the_account_is_asked(
    scene: Adopting, arm: str, suffix: str
) -> None:
    scene.rig.world.grant(scene.rig.identity, [READ], scene.job().source)
    origins = set[str]()

    async def elsewhere(request: Request, call: Call) -> Response:
        del call
        origins.add("/".join(request.url.split("/")[:3]))
        host = (
            "appdata.blob.core.windows.net" if ".blob." in request.host else "management.azure.com"
        )
        return scene.rig.world.handle(replace(request, url=request.url.replace(request.host, host)))

    rotator = storage_key(scene.rig, elsewhere, arm)
    issued = await rotator.issue(scene.adoption(says=None, value=scene.value("key1")))
    assert issued.fields["suffix"].reveal() == suffix
    assert origins == {arm, f"https://appdata.blob.{suffix}"}


@pytest.mark.parametrize("value", ["", "short", "A" * 88, "A" * 86 + "=", "ü" * 88])
async def test_what_cannot_be_a_key_is_refused_without_a_request(value: str) -> None:
    scene = StorageScene()
    with pytest.raises(VerificationFailed):
        await scene.rotator().verify(scene.job().source, "key1", Sensitive(value))
    assert not scene.rig.calls()


async def test_a_proof_takes_a_minute_of_patience_and_no_more(scene: Adopting) -> None:
    started = scene.rig.clock.now()
    with pytest.raises(VerificationFailed, match="refuses the key"):
        await scene.rotator().verify(scene.job().source, "key1", Sensitive("A" * 86 + "=="))
    assert timedelta(seconds=60) <= scene.rig.clock.now() - started < timedelta(seconds=70)


async def test_a_busy_account_is_no_refusal(scene: Adopting) -> None:
    async def busy(request: Request, call: Call) -> Response:
        return (
            json_response(503, {}, {"x-ms-error-code": "ServerBusy"})
            if ".blob." in request.host
            else await call()
        )

    with pytest.raises(TransientError, match="503 ServerBusy"):
        await scene.rotator(busy).verify(scene.job().source, "key1", Sensitive(scene.value("key1")))


@pytest.mark.parametrize(
    "source",
    [
        "",
        "/subscriptions/x",
        "/subscriptions/s/resourcegroups/../providers/microsoft.storage/storageaccounts/UPPER",
    ],
)
async def test_a_source_that_is_no_accounts_id_is_never_asked_for(source: str) -> None:
    scene = StorageScene()
    with pytest.raises(NeedsHuman, match="storage account"):
        await scene.rotator().issue(replace(scene.job(), source=source))
    assert not scene.rig.calls()
