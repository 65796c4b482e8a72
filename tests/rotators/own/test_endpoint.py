"""A kind that an HTTPS endpoint looks after: what it is asked, and what its answers mean."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from cloud.azure import Azure
from cloud.endpoints import endpoint
from cloud.rest import signed_requests
from cloud.rest.signing import SigningKey
from cloud.signing_keys import SigningKeys
from cloud.vaults import KeyVaults
from engine.contract import Issued, Job, Rewrites, Tidy, Undo
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    TransientError,
    VerificationFailed,
)
from engine.secret import SecretRef, Sensitive
from rotators.own.endpoint import rotator
from rotators.own.sandbox import sandboxed
from simulator.reach.transport import SimulatedCredential, SimulatedTransport
from simulator.wire import UNANSWERED, Request, Response, json_response
from tests.shared.promises import everything
from tests.shared.rig import Rig, RigClock

HOST = "rotate.acme.example"
SOURCE = "/kinds/acme-hook/orders"
VALUE = "V4lue-that-must-leak-nowhere"
KEY = "k3y-that-signs-and-must-leak-nowhere-0123"
ENTRY: dict[str, Any] = {
    "url": f"https://{HOST}/rekey",
    "key": "https://prod.vault.azure.net/secrets/acme-signing",
    "strategy": "two-slots",
    "slots": ["first", "second"],
    "fields": ["token"],
}
SINGLE = {**ENTRY, "strategy": "single-slot", "slots": ["admin"]}
MANY = {**{name: ENTRY[name] for name in ("url", "key", "fields")}, "strategy": "many"}


@dataclass
class Served:
    """The endpoint, in the simulated world."""

    tokens: dict[str, str]
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    next: Callable[[str], Response | None] = lambda _: None
    """What it answers in place of what is right."""
    made: int = 0

    def answers(self, host: str) -> bool:
        return host in (HOST, "elsewhere.example")

    def handle(self, request: Request) -> Response:
        call, body = request.path.rpartition("/")[2], json.loads(request.body)
        self.asked.append((call, body))
        return self.next(call) or json_response(200, self._answer(call, body))

    def _answer(self, call: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        match call:
            case "issue":
                self.made += 1
                slot = body["slot"] or f"token-{self.made}"
                self.tokens[slot] = f"{VALUE}-{self.made}"
                return {"credential_id": slot, "fields": {"token": self.tokens[slot]}}
            case "verify":
                ids = [body["credential_id"]] if body["credential_id"] else list(self.tokens)
                known = [self.tokens.get(id_) for id_ in ids]
                return {"accepted": body["credential"] in known}
            case "retire":
                self.tokens.pop(body["credential_id"], None)
                return {"outcome": "gone"}
            case "undo":
                self.tokens[body["credential_id"]] = body["credential"]
                return {"done": True}
            case _:
                return {"done": True}


class Stage:
    """A world with the endpoint, and the rotator that speaks to it."""

    def __init__(self, entry: Mapping[str, Any] = ENTRY, held: str = "first") -> None:
        self.rig, self.held = Rig(), held
        self.served = Served({held: VALUE})
        self.rig.world.services.append(self.served)
        transport = SimulatedTransport(self.rig.world)
        identity = SimulatedCredential(self.rig.world, self.rig.identity)
        azure = Azure(identity, options={"transport": transport})

        async def key() -> SigningKey:
            return SigningKey("v7", Sensitive(KEY))

        made = rotator(endpoint("acme-hook", entry), azure, RigClock(self.rig.clock), key)
        self.rotator: Any = made

    def job(self, **changes: Any) -> Job:
        usual: dict[str, Any] = {
            "source": SOURCE,
            "operation": "op-1",
            "held_id": self.held,
            "held": Sensitive(VALUE),
            "proven": True,
            "in_place": False,
            "expires": self.rig.clock.now() + timedelta(days=90),
        }
        return Job(**(usual | changes))

    def calls(self) -> list[str]:
        return [call for call, _ in self.served.asked]

    def answer(self, status: int, body: Any, **headers: str) -> None:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        shown = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        self.served.next = lambda _: Response(status, shown, text)


async def issued(stage: Stage, **changes: Any) -> Issued:
    made: Issued = await stage.rotator.issue(stage.job(**changes))
    return made


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_what_an_endpoint_says_it_has_not_done_is_not_taken_for_done() -> None:
    """A password that was not set back, and a credential that is left, were reported as done."""
    single, many = Stage(SINGLE, "admin"), Stage(MANY, "token-0")
    for stage in (single, many):
        stage.answer(200, {"done": False})
    with pytest.raises(TransientError, match="undo of acme-hook"):
        await single.rotator.undo(single.job(), Sensitive(VALUE))
    with pytest.raises(TransientError, match="tidy of acme-hook"):
        await many.rotator.tidy(SOURCE, "op-1", None)


async def test_each_request_has_a_nonce_of_its_own_so_that_none_is_taken_for_a_replay(
    stage: Stage,
) -> None:
    for _ in range(2):
        await stage.rotator.verify(SOURCE, "first", Sensitive(VALUE))
    inputs = [it.request.header("signature-input") for it in stage.rig.world.exchanges]
    nonces = re.findall('nonce="([^"]{20,})"', " ".join(map(str, inputs)))
    assert len(nonces) == len(inputs) == len(set(nonces)) == 2


async def test_the_slot_that_is_not_held_is_filled_and_the_request_says_all_that_it_takes() -> None:
    stage = Stage()
    made = await issued(stage)
    assert (made.credential_id, made.supersedes) == ("second", "first")
    assert made.fields == {"token": Sensitive(f"{VALUE}-1")}
    [(call, body)] = stage.served.asked
    assert call == "issue"
    assert {name: body[name] for name in ("version", "kind", "source", "operation", "slot")} == {
        "version": 1,
        "kind": "acme-hook",
        "source": "orders",
        "operation": "op-1",
        "slot": "second",
    }


async def test_every_try_of_one_rotation_bears_the_same_request_and_no_other_does() -> None:
    stage = Stage()
    for operation in ("op-1", "op-1", "op-2"):
        await issued(stage, operation=operation)
    await issued(stage, in_place=True)
    first, again, other, in_place = (body["request"] for _, body in stage.served.asked)
    assert first == again
    assert len({first, other, in_place}) == 3


@pytest.mark.parametrize(
    ("entry", "held"), [(ENTRY, "first"), (SINGLE, "admin"), (MANY, "token-0")]
)
async def test_what_was_made_before_an_incident_is_no_answer_to_its_request(
    entry: Mapping[str, Any], held: str
) -> None:
    stage = Stage(entry, held)
    await issued(stage)
    leaked = stage.rig.clock.now()
    for _ in range(2):
        stage.rig.clock.advance(60)
        await issued(stage, not_before=leaked)
    await issued(stage, not_before=leaked + timedelta(seconds=90))
    before, incident, again, later = (body["request"] for _, body in stage.served.asked)
    assert incident == again
    assert len({before, incident, later}) == 3


async def test_no_other_call_may_be_answered_with_what_was_answered_before() -> None:
    """A slot is retired at every second rotation, and an operation tidied at each of its tries."""
    stage = Stage({**ENTRY, "strategy": "many", "slots": []}, "by-hand")
    held = Sensitive(VALUE)
    for _ in range(2):
        await stage.rotator.retire(SOURCE, "second", held, "by-hand")
        await stage.rotator.tidy(SOURCE, "op-1", None)
    single = Stage({**ENTRY, "strategy": "single-slot", "slots": ["first"]})
    for _ in range(2):
        await single.rotator.undo(single.job(), held)
    asked = [body["request"] for _, body in (*stage.served.asked, *single.served.asked)]
    assert len(set(asked)) == len(asked) == 6


@pytest.mark.parametrize("length", [1, 25_000])
async def test_a_value_at_its_bounds_is_taken(stage: Stage, length: int) -> None:
    stage.answer(200, {"credential_id": "second", "fields": {"token": "x" * length}})
    assert len((await issued(stage)).fields["token"].reveal()) == length


@pytest.mark.parametrize("proven", [True, False])
async def test_a_refused_credential_is_replaced_in_its_own_slot(
    stage: Stage, *, proven: bool
) -> None:
    """Nobody asks which slot it is in: no slot accepts it."""
    refused = stage.job(in_place=True, proven=proven, held=Sensitive("refused by now"))
    await stage.rotator.preflight(refused)
    made = await stage.rotator.issue(refused)
    assert (made.credential_id, made.supersedes) == ("first", None)


async def test_which_slot_is_held_is_tried_out_where_nobody_has_proven_it(stage: Stage) -> None:
    made = await issued(stage, proven=False, held_id="second")
    assert (made.credential_id, made.supersedes) == ("second", "first")
    with pytest.raises(NeedsHuman, match="under no id"):
        await issued(stage, proven=False, held=Sensitive("nobody's"))
    with pytest.raises(NeedsHuman, match="under no id"):
        await issued(stage, held_id="third")


async def test_a_single_slot_is_replaced_and_can_be_set_back() -> None:
    stage = Stage(SINGLE, "admin")
    assert stage.rotator.single_slot({})
    made = await issued(stage, proven=False)
    assert (made.credential_id, made.supersedes) == ("admin", None)
    assert isinstance(stage.rotator, Undo)
    await stage.rotator.undo(stage.job(), Sensitive(VALUE))
    assert stage.served.tokens == {"admin": VALUE}


async def test_of_many_the_endpoint_chooses_the_id_and_removes_what_an_operation_made() -> None:
    stage = Stage(MANY, "token-0")
    assert isinstance(stage.rotator, Tidy)
    made = await issued(stage)
    assert (made.credential_id, made.supersedes) == ("token-1", "token-0")
    await stage.rotator.tidy(SOURCE, "op-1", "token-1")
    assert stage.served.asked[-1][1]["keep"] == "token-1"
    stage.answer(200, {"credential_id": "token-0", "fields": {"token": "new"}})
    with pytest.raises(PermanentError, match="another credential than a new one"):
        await issued(stage)
    stage.answer(200, {"credential_id": "a b", "fields": {"token": "new"}})
    with pytest.raises(PermanentError, match="usable id"):
        await issued(stage)


@pytest.mark.parametrize(
    ("credential_id", "token"),
    [
        (VALUE, "new"),
        (f"tok.{VALUE}", "new"),
        ("new-Token-1", "new-Token-1"),
        ("id-of-new-Token-1", "new-Token-1"),
        ("new-Token-1", "new-Token-1-of-orders-"),
    ],
)
async def test_of_many_no_id_shows_a_value(credential_id: str, token: str) -> None:
    """Many services revoke a token by the token itself. An id stands in tags, logs and answers."""
    stage = Stage(MANY, "token-0")
    stage.answer(200, {"credential_id": credential_id, "fields": {"token": token}})
    with pytest.raises(PermanentError, match="whose id shows a value") as caught:
        await issued(stage)
    assert credential_id not in everything(caught.value)


async def test_of_many_an_id_may_be_the_part_of_a_token_that_names_it() -> None:
    stage = Stage(MANY, "token-0")
    token = "new-Token-1.0123456789abcdef"
    stage.answer(200, {"credential_id": "new-Token-1", "fields": {"token": token}})
    assert (await issued(stage)).credential_id == "new-Token-1"


@pytest.mark.parametrize("proven", [True, False])
async def test_a_tag_that_holds_the_value_names_no_credential(*, proven: bool) -> None:
    stage = Stage(MANY, VALUE)
    with pytest.raises(NeedsHuman, match="under no id") as caught:
        await issued(stage, proven=proven)
    assert VALUE not in everything(caught.value)
    assert stage.calls() == []
    await stage.rotator.retire(SOURCE, VALUE, Sensitive("another"), "token-1")
    assert VALUE not in stage.served.tokens, "what such a tag once named can be revoked"


@pytest.mark.parametrize(
    ("credential_id", "held", "held_id", "reason"),
    [
        ("first", VALUE, "first", "hold it"),
        ("first", VALUE, None, "hold it"),
        ("first", None, None, "hold it"),
        ("third", VALUE, "first", "CredentialId"),
    ],
)
async def test_what_the_vault_may_hold_is_never_retired(
    stage: Stage, credential_id: str, held: str | None, held_id: str | None, reason: str
) -> None:
    value = Sensitive(held) if held else None
    with pytest.raises(NeedsHuman, match=reason):
        await stage.rotator.retire(SOURCE, credential_id, value, held_id)
    assert "retire" not in stage.calls()


async def test_an_endpoint_may_say_itself_that_a_credential_is_in_use(stage: Stage) -> None:
    stage.answer(200, {"outcome": "held"})
    with pytest.raises(NeedsHuman, match="hold it"):
        await stage.rotator.retire(SOURCE, "second", Sensitive(VALUE), "first")


async def test_a_source_that_is_gone_has_nothing_to_retire(stage: Stage) -> None:
    stage.answer(404, {"error": "no-such-source"})
    await stage.rotator.retire(SOURCE, "second", Sensitive(VALUE), "first")
    with pytest.raises(NotFound, match="no such source") as caught:
        await issued(stage)
    assert SOURCE in str(caught.value)


async def test_a_proof_waits_a_minute_and_then_fails(stage: Stage) -> None:
    began = stage.rig.clock.now()
    with pytest.raises(VerificationFailed):
        await stage.rotator.verify(SOURCE, "first", Sensitive("nobody's"))
    assert 60 <= (stage.rig.clock.now() - began).total_seconds() < 70


GOOD = {"credential_id": "second", "fields": {"token": "new"}}
NONSENSE: Mapping[str, tuple[int, Any, dict[str, str]]] = {
    "no JSON": (200, b"{", {}),
    "HTML": (200, b"<html>", {"Content_Type": "text/html"}),
    "nothing": (200, b"", {}),
    "another type": (200, {**GOOD, "fields": [VALUE]}, {}),
    "a number for a value": (200, {**GOOD, "fields": {"token": 7}}, {}),
    "an unknown member": (200, {**GOOD, VALUE: VALUE}, {}),
    "no id": (200, {"fields": {"token": VALUE}}, {}),
    "another slot": (200, {**GOOD, "credential_id": "first"}, {}),
    "another field": (200, {**GOOD, "fields": {VALUE: VALUE}}, {}),
    "an empty value": (200, {**GOOD, "fields": {"token": ""}}, {}),
    "a value too long for the vault": (200, {**GOOD, "fields": {"token": "x" * 25_001}}, {}),
    "the value that is held": (200, {**GOOD, "fields": {"token": VALUE}}, {}),
    "an expiry long ago": (200, {**GOOD, "expires": "2020-01-01T00:00:00Z"}, {}),
    "an expiry without a zone": (200, {**GOOD, "expires": "2030-01-01T00:00:00"}, {}),
    "an expiry that is none": (200, {**GOOD, "expires": VALUE}, {}),
    "an endless answer": (200, b'"' + b"x" * 70_000 + b'"', {}),
    "a sound answer of endless length": (200, json.dumps(GOOD).encode() + b" " * 70_000, {}),
    "a deep answer": (200, b"[" * 60_000, {}),
    "a redirect": (302, {}, {"Location": "https://elsewhere.example/rekey/issue"}),
    "a permanent redirect": (308, {}, {"Location": "https://elsewhere.example/rekey/issue"}),
    "a value in an error": (400, {"error": VALUE, "detail": VALUE}, {}),
    "created": (201, GOOD, {}),
}


@pytest.mark.parametrize("nonsense", NONSENSE)
async def test_nonsense_parks_the_secret_and_shows_no_value_anywhere(
    nonsense: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stage = Stage()
    status, body, headers = NONSENSE[nonsense]
    stage.answer(status, body, **headers)
    with pytest.raises(PermanentError) as caught:
        await issued(stage)
    assert not isinstance(caught.value, NeedsHuman)
    assert caught.value.fix
    assert SOURCE in str(caught.value)
    shown = everything(caught.value) + caplog.text
    assert VALUE not in shown
    assert KEY not in shown
    assert "xxxxxxxx" not in shown
    hosts = {exchange.request.host for exchange in stage.rig.world.exchanges}
    assert hosts == {HOST}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"error": "signature"}, AccessDenied),
        (403, {}, AccessDenied),
        (404, {}, PermanentError),
        (422, {"error": "needs-human"}, NeedsHuman),
        (409, {}, TransientError),
        (429, {}, TransientError),
        (500, {"error": VALUE}, TransientError),
        (503, b"busy", TransientError),
    ],
)
async def test_a_refusal_has_its_meaning(status: int, body: Any, kind: type[RekeyError]) -> None:
    stage = Stage()
    stage.answer(status, body, Retry_After="7")
    with pytest.raises(RekeyError) as caught:
        await issued(stage)
    assert type(caught.value) is kind
    assert VALUE not in everything(caught.value)
    wait = getattr(caught.value, "retry_after", None)
    assert wait == (7 if kind is TransientError else None)
    assert stage.calls() == ["issue"], "a change is never sent twice"


@pytest.mark.parametrize(
    ("status", "fix"),
    [
        (300, "write the final address into REKEY_ENDPOINTS"),
        (308, "write the final address into REKEY_ENDPOINTS"),
        (400, "correct the endpoint"),
        (404, "correct the endpoint"),
    ],
)
async def test_a_refusal_says_whether_the_settings_or_the_endpoint_is_to_be_corrected(
    stage: Stage, status: int, fix: str
) -> None:
    stage.answer(status, {})
    with pytest.raises(PermanentError, match=f"answered {status}") as caught:
        await issued(stage)
    assert caught.value.fix.startswith(fix)


async def test_a_credential_that_ends_this_very_moment_is_not_taken(stage: Stage) -> None:
    for seconds in (1, 0):
        ends = stage.rig.clock.now() + timedelta(seconds=seconds)
        stage.answer(200, {**GOOD, "expires": ends.isoformat()})
        if seconds:
            assert (await issued(stage)).expires == ends
        else:
            with pytest.raises(PermanentError, match="has expired"):
                await issued(stage)


async def test_an_endpoint_that_hangs_is_left_and_may_have_changed_something(stage: Stage) -> None:
    stage.served.next = lambda _: UNANSWERED
    with pytest.raises(TransientError, match="no answer") as caught:
        await issued(stage)
    assert caught.value.code == "NoAnswer"
    assert stage.calls() == ["issue"]


async def test_an_answer_that_drips_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(response: object) -> bytes:
        del response
        await asyncio.Event().wait()
        return b""

    monkeypatch.setattr(signed_requests, "SECONDS", 0.0)
    monkeypatch.setattr(signed_requests, "_read", endless)
    with pytest.raises(TransientError, match="TimeoutError"):
        await issued(Stage())


async def test_a_preflight_changes_nothing_and_tells_of_a_refused_signature(stage: Stage) -> None:
    await stage.rotator.preflight(stage.job())
    await stage.rotator.preflight(stage.job(proven=False))
    assert stage.calls() == ["verify", "verify"], "what is held is tried once each time"
    single = Stage(SINGLE, "admin")
    await single.rotator.preflight(single.job(proven=False))
    assert [body["credential_id"] for _, body in single.served.asked] == ["admin"]
    stage.answer(401, {})
    with pytest.raises(AccessDenied, match="signature"):
        await stage.rotator.preflight(stage.job())


@pytest.mark.parametrize(
    ("address", "source"),
    [
        (SOURCE, SOURCE),
        (" /kinds/Acme-Hook/Orders/ ", SOURCE),
        ("/kinds/acme-hook/a/b", "/kinds/acme-hook/a/b"),
        ("/kinds/acme-hook", None),
        ("/kinds/acme-hook/", None),
        ("/kinds/acme-hook/a-1.b_c~d", "/kinds/acme-hook/a-1.b_c~d"),
        (f"/kinds/acme-hook/{'a/' * 99}ab", f"/kinds/acme-hook/{'a/' * 99}ab"),
        (f"/kinds/acme-hook/{'a/' * 100}b", None),
        ("/kinds/acme-hook/a b", None),
        ("/kinds/acme-hook/team-a/../team-b/x", None),
        ("/kinds/acme-hook/team-a/./x", None),
        ("/kinds/acme-hook/team-a//x", None),
        ("/kinds/acme-hook/team-a/%2e%2e/x", None),
        ("/kinds/acme-hook/..", None),
        ("/kinds/acme-hook/a+b", None),
        ("/kinds/acme-hook/_a:b@c/-y/..z", "/kinds/acme-hook/_a:b@c/-y/..z"),
        ("/kinds/other/orders", None),
        (f"https://{HOST}/rekey", None),
    ],
)
def test_an_address_names_the_kind_and_a_source(address: str, source: str | None) -> None:
    assert Stage().rotator.canonical(address, {}) == source


def deployed(served: Served) -> Rig:
    """Return a deployment that rotates a secret of the endpoint's."""
    rig = Rig()
    rig.world.services.append(served)
    rig.vault.put("acme-signing", KEY)
    tags = {"ProviderAddress": SOURCE, "CredentialId": "first", "ValidityPeriodDays": "90"}
    rig.vault.put("hook", VALUE, expires=rig.clock.now(), tags=tags, content_type="text/plain")
    rig.environment = {
        "REKEY_ENDPOINTS": json.dumps({"acme-hook": ENTRY}),
        "REKEY_SCOPES": json.dumps({rig.vault.url: ["/kinds/acme-hook"]}),
    }
    return rig


async def test_a_whole_rotation_goes_from_the_settings_to_the_vault() -> None:
    served = Served({"first": VALUE})
    rig = deployed(served)
    outcome = await rig.service().engine.handle(rig.item("hook", force=True))
    assert outcome.result == "rotated", outcome
    assert rig.latest("hook").value == f"{VALUE}-1"
    bodies = [call for call, _ in served.asked]
    assert bodies.index("issue") < len(bodies) - 1, "what is issued is proven"
    signed_by = {
        exchange.request.headers["signature-input"].partition("keyid=")[2].partition(";")[0]
        for exchange in rig.world.exchanges
        if exchange.request.host == HOST
    }
    assert signed_by == {f'"{rig.latest("acme-signing").version}"'}


@pytest.mark.parametrize("since", [None, -60], ids=["one version", "all that is older"])
async def test_under_an_incident_a_slow_endpoint_is_sent_the_same_request_until_it_is_done(
    since: float | None,
) -> None:
    """The message may be lost. Then the record alone has the source looked at again."""
    served = Served({"first": VALUE})
    rig = deployed(served)
    rig.clock.advance(120)
    began = since and (rig.clock.now() + timedelta(seconds=since)).isoformat()
    leak = {"compromised": True, "reported": rig.clock.now().isoformat(), "since": began or ""}
    served.next = lambda call: json_response(503, {}) if call == "issue" else None
    with pytest.raises(TransientError):
        await rig.handle("hook", version=rig.latest("hook").version, **leak)
    for _ in range(3):
        rig.clock.advance(180)
        await rig.handle("hook", action="audit", recheck=True)
    served.next = lambda _: None
    rig.clock.advance(180)
    await rig.handle("hook", action="audit", recheck=True)
    requests = [body["request"] for call, body in served.asked if call == "issue"]
    assert (len(requests), len({*requests})) == (5, 1)
    assert rig.latest("hook").value == f"{VALUE}-1"


def signing_keys(rig: Rig) -> tuple[SigningKeys, SecretRef]:
    """Return the keys of a process, and which secret holds the one of the endpoint."""
    options = {"transport": SimulatedTransport(rig.world)}
    azure = Azure(SimulatedCredential(rig.world, rig.identity), options=options)
    keys = SigningKeys(KeyVaults(azure, frozenset({rig.vault.url})), RigClock(rig.clock))
    return keys, SecretRef(rig.vault.url, "acme-signing")


@pytest.mark.parametrize(("key", "reason"), [("short", "fewer than 32"), (None, "disabled")])
async def test_without_a_fit_key_nothing_is_sent(key: str | None, reason: str) -> None:
    rig = Rig()
    rig.vault.put("acme-signing", key or KEY, enabled=key is not None)
    keys, ref = signing_keys(rig)
    with pytest.raises(NeedsHuman, match=reason):
        await keys.read(ref)


async def test_a_new_key_is_taken_up_within_five_minutes() -> None:
    rig = Rig()
    rig.vault.put("acme-signing", KEY)
    keys, ref = signing_keys(rig)
    first = await keys.read(ref)
    rig.vault.put("acme-signing", KEY[::-1])
    assert (await keys.read(ref)).id == first.id
    rig.clock.advance(300)
    assert (await keys.read(ref)).key == Sensitive(KEY[::-1])


@pytest.mark.parametrize("entry", [ENTRY, SINGLE, MANY], ids=lambda entry: entry["strategy"])
def test_what_an_endpoint_of_many_has_removed_may_come_back_late(entry: dict[str, Any]) -> None:
    """It may replace its list as a whole: an incident waits until no request can land any more."""
    made = Stage(entry).rotator
    assert isinstance(sandboxed(made), Rewrites) is (entry["strategy"] == "many")
