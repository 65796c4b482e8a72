"""The rotator alone: what each refusal of Graph and of Entra becomes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    TransientError,
    VerificationFailed,
)
from engine.secret import Sensitive
from rotators.service_principal_secret import ServicePrincipalSecret
from simulator.entra.app_policy import AppPolicy
from simulator.entra.directory import Password
from simulator.faults import Fault
from simulator.reach.credential import SimulatedCredential
from simulator.reach.transport import Call
from simulator.wire import Request, Response, json_response
from tests.shared.graph_rig import GraphRig, days, seconds
from tests.shared.rig import OPERATION

GUID = "0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d"


@pytest.fixture
def rig() -> GraphRig:
    return GraphRig()


def fails(rig: GraphRig, action: str, response: Response, times: int = 1) -> None:
    def matches(request: Request) -> bool:
        return request.path.endswith(action)

    rig.world.faults.append(Fault(matches, response, times))


def refusal(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> Response:
    return json_response(
        status, {"error": {"code": code, "message": message, "innerError": {}}}, headers
    )


@pytest.mark.parametrize(
    "address",
    [
        "",
        "orders",
        f"api://{GUID}",
        f"/applications/{GUID}",
        f"{GUID}/x",
        "/subscriptions/s/resourceGroups/g",
    ],
)
def test_what_names_no_application_by_its_client_id_is_not_this_kinds(address: str) -> None:
    """An object id in Graph's own path would be taken for a client id.

    It is refused in place of guessed.
    """
    assert ServicePrincipalSecret.canonical(address, {}) is None


async def test_a_secret_is_added_with_the_operation_in_its_name_and_the_wanted_end(
    rig: GraphRig,
) -> None:
    issued = await rig.rotator().issue(rig.job())
    added = rig.alive()[-1]
    assert added.name == f"rekey {OPERATION}"
    assert (issued.credential_id, issued.fields["secret"].reveal()) == (added.key_id, added.secret)
    assert added.end == issued.expires == rig.clock.now() + days(90)
    assert issued.supersedes == rig.first.key_id
    assert rig.asked() == ["addPassword"]


async def test_the_tenant_of_the_settings_wins_over_the_tokens(rig: GraphRig) -> None:
    issued = await rig.rotator(tenant_id=GUID).issue(rig.job())
    assert issued.fields["tenant_id"].reveal() == GUID


async def test_bringing_back_a_refused_secret_adds_one_and_supersedes_none(rig: GraphRig) -> None:
    issued = await rig.rotator().issue(rig.job(in_place=True))
    assert issued.supersedes is None
    assert len(rig.alive()) == 2


async def test_what_an_earlier_try_left_is_removed_and_nothing_else(rig: GraphRig) -> None:
    rotator = rig.rotator()
    kept = await rotator.issue(rig.job())
    await rotator.issue(rig.job())
    await rotator.issue(rig.job(operation=GUID))
    await rotator.tidy(rig.app.app_id, OPERATION, keep=kept.credential_id)
    assert [password.name for password in rig.alive()] == [
        "by hand",
        f"rekey {OPERATION}",
        f"rekey {GUID}",
    ]
    assert kept.credential_id in {password.key_id for password in rig.alive()}
    await rotator.tidy(rig.app.app_id, OPERATION, keep=None)
    assert [password.name for password in rig.alive()] == ["by hand", f"rekey {GUID}"]


async def test_ids_are_compared_whatever_their_case(rig: GraphRig) -> None:
    """The portal and a person's hand may write them in capitals."""
    rotator = rig.rotator()
    issued = await rotator.issue(rig.job(proven=False, held_id=rig.first.key_id.upper()))
    assert issued.supersedes == rig.first.key_id
    await rotator.tidy(rig.app.app_id, OPERATION, keep=issued.credential_id.upper())
    assert len(rig.alive()) == 2
    await rotator.retire(rig.app.app_id, rig.first.key_id.upper(), issued.fields["secret"])
    assert [password.key_id for password in rig.alive()] == [issued.credential_id]


async def test_a_leftover_that_only_one_replica_of_graph_knows_is_tried_again(
    rig: GraphRig,
) -> None:
    rotator = rig.rotator()
    await rotator.issue(rig.job())
    fails(
        rig,
        "/removePassword",
        refusal(400, "Request_BadRequest", "No password credential found with keyId 'x'."),
    )
    with pytest.raises(TransientError, match="Graph lists a secret but"):
        await rotator.tidy(rig.app.app_id, OPERATION, keep=None)
    await rotator.tidy(rig.app.app_id, OPERATION, keep=None)
    assert rig.alive() == [rig.first]


@pytest.mark.parametrize(
    ("named", "removed", "is_superseded"),
    [(True, False, True), (False, False, False), (True, True, False)],
)
async def test_an_adopted_secret_is_superseded_if_it_is_named_and_there(
    rig: GraphRig, *, named: bool, removed: bool, is_superseded: bool
) -> None:
    """What nobody told Rekey to take over stays with whoever made it."""
    began = rig.clock.now() - days(2)
    rig.directory.add_password(rig.app, "another team's", began, began + days(1))
    if removed:
        rig.directory.remove_password(rig.app, rig.first)
    held_id = rig.first.key_id if named else None
    issued = await rig.rotator().issue(rig.job(proven=False, held_id=held_id))
    assert issued.supersedes == (held_id if is_superseded else None)
    assert rig.asked() == ["read", *(["sign-in"] if named else []), "addPassword"]


async def test_an_adopted_secret_that_graph_does_not_list_yet_is_not_passed_over(
    rig: GraphRig,
) -> None:
    """Nobody would remove it after its overlap."""
    rig.directory.graph_lag = days(1)
    with pytest.raises(TransientError, match="Graph does not list the secret"):
        await rig.rotator().issue(rig.job(proven=False))
    assert "addPassword" not in rig.asked()


@pytest.mark.parametrize(
    ("held", "tags", "what"),
    [
        ("another~secret", {}, "the value is not the secret"),
        ("another~secret", {"held_id": None}, "the value is none of the application's secrets"),
        (None, {}, "does not follow the tag ValueTemplate"),
    ],
)
async def test_an_adopted_value_that_is_not_what_its_tags_say_is_for_a_human(
    rig: GraphRig, held: str | None, tags: dict[str, None], what: str
) -> None:
    job = rig.job(proven=False, held=held and Sensitive(held), **tags)
    rotator = rig.rotator()
    for act in (rotator.preflight, rotator.recognise, rotator.issue):
        with pytest.raises(NeedsHuman, match=what):
            await act(job)
    assert rig.alive() == [rig.first]


@pytest.mark.parametrize(
    ("removed", "what"), [(False, "the value is not the secret"), (True, "the value may be")]
)
async def test_a_value_that_is_another_secret_than_the_one_named_is_for_a_human(
    rig: GraphRig, *, removed: bool, what: str
) -> None:
    """What it holds would outlive its overlap."""
    other = rig.directory.add_password(rig.app, "another")
    if removed:
        rig.directory.remove_password(rig.app, rig.first)
    before = rig.alive()
    job = rig.job(proven=False, held=Sensitive(other.secret))
    rotator = rig.rotator()
    for act in (rotator.preflight, rotator.issue):
        with pytest.raises(NeedsHuman, match=what):
            await act(job)
    assert rig.alive() == before


async def test_a_credential_id_that_is_no_secrets_id_is_for_a_human(rig: GraphRig) -> None:
    with pytest.raises(NeedsHuman, match="not the id of a secret"):
        await rig.rotator().issue(rig.job(proven=False, held_id="key1"))


async def test_an_application_that_the_app_does_not_own_is_refused_with_the_permission_named(
    rig: GraphRig,
) -> None:
    rig.app.owners.clear()
    with pytest.raises(AccessDenied, match=r"Application\.ReadWrite\.OwnedBy and make it an owner"):
        await rig.rotator().issue(rig.job())
    with pytest.raises(AccessDenied, match="does not own the application"):
        await rig.rotator().preflight(rig.job())


async def test_an_owner_is_found_on_whatever_page_of_the_owners_it_is(rig: GraphRig) -> None:
    rig.app.owners |= {f"{number:08}-0000-4000-8000-000000000000" for number in range(4)}
    rig.directory.page_size = 2
    await rig.rotator().preflight(rig.job())
    assert rig.asked().count("owners") > 1
    rig.app.owners.discard(rig.identity.oid)
    with pytest.raises(AccessDenied, match="does not own the application"):
        await rig.rotator().preflight(rig.job())


async def test_an_object_id_in_place_of_a_client_id_is_explained(rig: GraphRig) -> None:
    with pytest.raises(NotFound, match="not the object ID"):
        await rig.rotator().issue(rig.job(source=rig.app.object_id))


BUSY = "Error due to concurrent requests being made to the tenant. Please wait briefly and retry."


@pytest.mark.parametrize(
    ("status", "code", "message", "kind", "pattern"),
    [
        *((status, "Directory_ConcurrencyViolation", BUSY, TransientError, "was under way")
          for status in (400, 409, 503)),
        (429, "TooManyRequests", "Too many requests", TransientError, "429"),
        (500, "InternalServerError", "sorry", TransientError, "500"),
        (400, "Request_Odd", "Something odd.", PermanentError, "Something odd"),
        (400, "Request_Odd", "Odd: only 30 days.", PermanentError, "only 30 days"),
        (400, "Directory_ResourceSizeExceeded", "Full.", NeedsHuman, "holds as much as it may"),
    ],
)  # fmt: skip
async def test_a_changing_call_that_is_refused_is_never_repeated_by_itself_and_says_why(
    rig: GraphRig, status: int, code: str, message: str, kind: type[RekeyError], pattern: str
) -> None:
    fails(rig, "/addPassword", refusal(status, code, message, {"Retry-After": "37"}), times=9)
    with pytest.raises(kind, match=pattern) as caught:
        await rig.rotator().issue(rig.job())
    if isinstance(caught.value, TransientError):
        assert caught.value.code == code
        assert caught.value.retry_after == 37
    assert rig.asked() == ["addPassword"]


async def test_two_changes_at_once_are_told_by_their_message_where_the_code_says_less(
    rig: GraphRig,
) -> None:
    fails(rig, "/addPassword", refusal(400, "Request_BadRequest", BUSY))
    with pytest.raises(TransientError, match="was under way"):
        await rig.rotator().issue(rig.job())


@pytest.mark.parametrize("status", [200, 403, 404, 503])
@pytest.mark.parametrize("action", ["/addPassword", "/token"])
async def test_html_in_place_of_json_may_pass_and_is_named(
    rig: GraphRig, status: int, action: str
) -> None:
    page = Response(
        status, {"Content-Type": "text/html; charset=utf-8"}, b"<html>We are sorry</html>"
    )
    fails(rig, action, page, times=40)
    rotator = rig.rotator()
    doing = (
        rotator.issue(rig.job())
        if action == "/addPassword"
        else rotator.verify(rig.app.app_id, rig.first.key_id, Sensitive(rig.first.secret))
    )
    with pytest.raises(TransientError, match=rf"was answered {status}") as caught:
        await doing
    assert "We are sorry" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b'{"keyId": "x"}'),
        *(b'{"keyId": 5, "secretText": "x"}', b'{"keyId": "x", "secretText": 5}'),
        b'{"keyId": "x", "secretText": "x", "endDateTime": "soon"}',
        b'{"keyId": "x", "secretText": "x", "endDateTime": 5}',
    ],
)
async def test_an_answer_without_a_secret_may_pass(rig: GraphRig, body: bytes) -> None:
    fails(rig, "/addPassword", Response(200, {"Content-Type": "application/json"}, body))
    with pytest.raises(TransientError):
        await rig.rotator().issue(rig.job())


@pytest.mark.parametrize("body", [{}, {"access_token": ""}, {"access_token": None}])
async def test_a_sign_in_that_gives_no_token_proves_nothing(
    rig: GraphRig, body: dict[str, Any]
) -> None:
    fails(rig, "/token", json_response(200, body), times=40)
    with pytest.raises(TransientError, match="without a token"):
        await rig.rotator().verify(rig.app.app_id, rig.first.key_id, Sensitive(rig.first.secret))


async def test_a_sign_in_that_is_refused_without_a_code_of_entras_is_no_wrong_secret(
    rig: GraphRig,
) -> None:
    fails(rig, "/token", json_response(400, {"error": "invalid_request"}), times=40)
    with pytest.raises(PermanentError, match="was answered 400") as caught:
        await rig.rotator().verify(rig.app.app_id, rig.first.key_id, Sensitive(rig.first.secret))
    assert not isinstance(caught.value, VerificationFailed)


@pytest.mark.parametrize("body", [{}, {"passwordCredentials": None}, {"passwordCredentials": {}}])
async def test_an_answer_without_a_list_does_not_say_that_a_secret_is_gone(
    rig: GraphRig, body: object
) -> None:
    rotator = rig.rotator()
    fails(rig, f"(appId='{rig.app.app_id}')", json_response(200, body))
    with pytest.raises(TransientError, match="holds no passwordCredentials"):
        await rotator.lists(rig.app.app_id, rig.first.key_id)


@pytest.mark.parametrize(
    ("policy", "fix"),
    [
        (
            AppPolicy(max_lifetime=days(30)),
            "set ValidityPeriodDays to what the app management policy allows",
        ),
        (AppPolicy(secrets_allowed=False), "use a federated credential"),
    ],
)
async def test_a_policy_that_does_not_tell_its_cap_is_for_a_human(
    rig: GraphRig, policy: AppPolicy, fix: str
) -> None:
    rig.directory.policy = policy
    with pytest.raises(NeedsHuman, match=fix) as caught:
        await rig.rotator().issue(rig.job())
    assert policy.policy_id in str(caught.value)
    assert rig.asked() == ["addPassword"]


@pytest.mark.parametrize(
    ("text", "most"), [("at most P30D", 30), ("at most 30 days.", 30), ("at most 1 day.", 1)]
)
async def test_a_cap_is_read_in_whatever_words_a_refusal_tells_it(
    rig: GraphRig, text: str, most: int
) -> None:
    fails(rig, "/addPassword", refusal(400, "CredentialInvalidLifetimeAsPerAppPolicy", text))
    issued = await rig.rotator().issue(rig.job())
    assert issued.expires == rig.clock.now() + days(most) - seconds(300)


async def test_an_application_with_personal_accounts_takes_no_third_secret(rig: GraphRig) -> None:
    rig.app.audience = "AzureADandPersonalMicrosoftAccount"
    rotator = rig.rotator()
    await rotator.issue(rig.job())
    with pytest.raises(NeedsHuman, match="as many secrets as it may"):
        await rotator.issue(rig.job())


async def test_a_replica_that_lags_behind_is_waited_for(rig: GraphRig) -> None:
    """One success proves one replica: the next one's refusal starts the count anew."""
    rig.directory.lags = (seconds(0), seconds(20))
    issued = await rig.rotator().issue(rig.job())
    began = rig.clock.now()
    await rig.rotator().verify(rig.app.app_id, issued.credential_id, issued.fields["secret"])
    assert rig.clock.now() - began >= seconds(20)


async def test_replicas_that_never_agree_are_left_to_the_queue(rig: GraphRig) -> None:
    rig.directory.lags = (seconds(0), days(1))
    issued = await rig.rotator().issue(rig.job())
    with pytest.raises(TransientError, match="accepted and refused in turn"):
        await rig.rotator().verify(rig.app.app_id, issued.credential_id, issued.fields["secret"])


async def test_a_secret_that_is_refused_for_two_minutes_is_refused(rig: GraphRig) -> None:
    rig.directory.lags = (seconds(121),)
    issued = await rig.rotator().issue(rig.job())
    began = rig.clock.now()
    with pytest.raises(VerificationFailed, match="AADSTS7000215"):
        await rig.rotator().verify(rig.app.app_id, issued.credential_id, issued.fields["secret"])
    assert rig.clock.now() - began == seconds(120)


async def test_an_expired_secret_is_refused_at_once(rig: GraphRig) -> None:
    short = rig.directory.add_password(rig.app, end=rig.clock.now() + seconds(5))
    rig.clock.advance(6)
    with pytest.raises(VerificationFailed, match="has expired"):
        await rig.rotator().verify(rig.app.app_id, short.key_id, Sensitive(short.secret))
    assert rig.asked() == ["sign-in"]


@pytest.mark.parametrize(
    ("change", "pattern", "at_once"),
    [({"disabled": True}, "is disabled", True), ({"principal": None}, "az ad sp create", False)],
)
async def test_an_application_that_nobody_can_sign_in_to_is_for_a_human(
    rig: GraphRig, change: dict[str, Any], pattern: str, *, at_once: bool
) -> None:
    """A service principal may only not be known yet: it is waited for."""
    vars(rig.app).update(change)
    with pytest.raises(NeedsHuman, match=pattern):
        await rig.rotator().verify(rig.app.app_id, rig.first.key_id, Sensitive(rig.first.secret))
    assert (rig.asked() == ["sign-in"]) is at_once


async def test_a_wrong_tenant_is_for_a_human(rig: GraphRig) -> None:
    with pytest.raises(NeedsHuman, match="AZURE_TENANT_ID"):
        await rig.rotator(tenant_id=GUID).verify(
            rig.app.app_id, rig.first.key_id, Sensitive(rig.first.secret)
        )


async def test_a_superseded_secret_that_is_gone_already_is_fine(rig: GraphRig) -> None:
    await rig.rotator().retire(rig.app.app_id, GUID, Sensitive(rig.first.secret))
    await rig.rotator().retire(GUID, rig.first.key_id, Sensitive("other"))
    fails(
        rig,
        "/removePassword",
        refusal(400, "Request_BadRequest", "No password credential found with keyId 'x'."),
    )
    await rig.rotator().retire(rig.app.app_id, rig.first.key_id, Sensitive("other"))
    assert rig.alive() == [rig.first]


async def test_a_preflight_names_a_missing_permission(rig: GraphRig) -> None:
    rig.world.identities.app_roles[rig.identity.oid] = ("Application.Read.All",)
    with pytest.raises(AccessDenied, match=r"lacks the permission Application\.ReadWrite\.OwnedBy"):
        await rig.rotator().preflight(rig.job())


async def test_a_preflight_asks_no_ownership_of_somebody_who_may_change_every_application(
    rig: GraphRig,
) -> None:
    rig.app.owners.clear()
    rig.directory.grant(rig.identity, "Application.ReadWrite.All")
    await rig.rotator().preflight(rig.job())
    await rig.rotator().issue(rig.job())


class Claiming(SimulatedCredential):
    """Tokens that say more of the app than Graph is told."""

    claims: Mapping[str, object] = {}

    def _token(self, scopes: tuple[str, ...]) -> str:
        head, payload, signature = super()._token(scopes).split(".")
        known = json.loads(base64.urlsafe_b64decode(payload + "=="))
        more = {name: it for name, it in {**known, **self.claims}.items() if it is not None}
        text = json.dumps(more).encode()
        return f"{head}.{base64.urlsafe_b64encode(text).decode().rstrip('=')}.{signature}"


@pytest.mark.parametrize(
    ("claims", "is_asked"),
    [
        ({}, True),
        ({"wids": ["0997a1d0-0d1d-4acb-b408-d5ca73121e90"]}, True),
        ({"wids": ["9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"]}, False),
        ({"roles": ["Directory.ReadWrite.All"]}, False),
        ({"scp": "Application.ReadWrite.All"}, False),
        ({"oid": None}, False),
    ],
)
async def test_whose_directory_role_or_permission_is_for_every_application_need_own_none(
    rig: GraphRig, claims: Mapping[str, object], *, is_asked: bool
) -> None:
    """A person has no permissions of an application's, and may own it through a group."""
    rig.app.owners.clear()
    credential = Claiming(rig.world, rig.identity)
    credential.claims = claims
    token = rig.world.identities.token_for("https://graph.microsoft.com", rig.identity)

    async def known(request: Request, call: Call) -> Response:
        del call
        headers = {**request.headers, "authorization": f"Bearer {token}"}
        return rig.world.handle(replace(request, headers=headers))

    looks = rig.rotator(known, credential=credential).preflight(rig.job())
    with pytest.raises(AccessDenied, match="does not own") if is_asked else nullcontext():
        await looks


async def test_a_preflight_finds_an_application_whose_secrets_cannot_be_read(rig: GraphRig) -> None:
    """What Rekey wrote itself is not compared, but its leftovers must be found."""
    fails(rig, ")", refusal(403, "Authorization_RequestDenied", "Insufficient privileges"))
    with pytest.raises(AccessDenied):
        await rig.rotator().preflight(rig.job())


async def test_a_preflight_does_not_mind_a_secret_that_is_refused(rig: GraphRig) -> None:
    """A rotation is what mends it."""
    rig.directory.remove_password(rig.app, rig.first)
    await rig.rotator().preflight(rig.job())


async def test_a_value_is_recognised_by_the_beginning_of_its_secret(rig: GraphRig) -> None:
    rig.directory.add_password(rig.app, "another")
    known = await rig.rotator().recognise(rig.job(proven=False, held_id=None))
    assert (known.credential_id, known.ends) == (rig.first.key_id, rig.first.end)


async def test_a_value_that_two_secrets_begin_as_is_for_a_human(
    rig: GraphRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = rig.directory.add_password(rig.app, "another")
    monkeypatch.setattr(Password, "hint", rig.held[:3])
    with pytest.raises(NeedsHuman, match="any of 2") as caught:
        await rig.rotator().recognise(rig.job(proven=False, held_id=None))
    assert {rig.first.key_id, other.key_id} <= {*re.findall(r"[-0-9a-f]{36}", caught.value.what)}


@pytest.mark.parametrize(
    ("named", "what"),
    [("first", ""), (GUID, f"not the secret {GUID}"), (None, "none of the application's secrets")],
)
async def test_a_secret_that_is_listed_without_its_beginning_is_known_by_its_id_alone(
    rig: GraphRig, monkeypatch: pytest.MonkeyPatch, named: str | None, what: str
) -> None:
    monkeypatch.setattr(Password, "hint", None)
    held_id = rig.first.key_id if named == "first" else named
    recognised = rig.rotator().recognise(rig.job(proven=False, held_id=held_id))
    if not what:
        assert (await recognised).credential_id == rig.first.key_id
        return
    with pytest.raises(NeedsHuman, match=what) as caught:
        await recognised
    assert "CredentialId" in caught.value.fix


async def test_no_id_turns_a_value_into_another_secret_than_the_one_that_it_begins_as(
    rig: GraphRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = rig.first.key_id
    other = await rig.rotator().issue(rig.job())
    hint = property(lambda it: None if it.key_id == first else it.secret[:3])
    monkeypatch.setattr(Password, "hint", hint)
    job = replace(rig.job(proven=False, held_id=first), held=other.fields["secret"])
    with pytest.raises(NeedsHuman, match=f"not the secret {first}"):
        await rig.rotator().recognise(job)


async def test_a_secret_that_is_listed_without_its_beginning_may_be_the_one_held(
    rig: GraphRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Password, "hint", None)
    other = rig.directory.add_password(rig.app, "another")
    with pytest.raises(NeedsHuman, match="may hold it"):
        await rig.rotator().retire(rig.source, rig.first.key_id, Sensitive(rig.held))
    assert rig.alive() == [rig.first, other]


async def test_an_application_lists_the_secrets_that_it_has(rig: GraphRig) -> None:
    """A version that a person disabled cannot be tried: only the list tells."""
    rig.directory.add_password(rig.app, "another")
    assert await rig.rotator().lists(rig.source, rig.first.key_id)
    assert not await rig.rotator().lists(rig.source, GUID)


async def test_an_answer_without_a_list_does_not_show_that_a_secret_is_gone(rig: GraphRig) -> None:
    answer = json_response(200, {"id": "1", "appId": rig.app.app_id})
    fails(rig, f"applications(appId='{rig.app.app_id}')", answer)
    with pytest.raises(TransientError, match="holds no passwordCredentials"):
        await rig.rotator().lists(rig.source, rig.first.key_id)


@pytest.mark.parametrize(
    "entry", [None, {}, {"keyId": None}, {"keyId": GUID, "endDateTime": "soon"}], ids=str
)
async def test_a_list_with_an_entry_that_cannot_be_read_shows_nothing(
    rig: GraphRig, entry: object
) -> None:
    answer = json_response(200, {"passwordCredentials": [entry]})
    fails(rig, f"applications(appId='{rig.app.app_id}')", answer)
    with pytest.raises(TransientError, match="cannot be read"):
        await rig.rotator().lists(rig.source, rig.first.key_id)
