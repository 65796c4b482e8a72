"""What an operator is answered, and that a refusal leaves vault and account as they were."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from api.access import BY_KEY
from api.answers import KINDS
from api.models import Verb
from api.route import Route
from api.routes import ROUTES
from engine.state.request import operation_id
from simulator.wire import Request
from tests.shared.delivery import Delivery
from tests.shared.rig import CONNECTION_STRING, Rig
from tests.shared.scene import NAME, ask, refuse, scene, send, to_arm, to_vault, told
from tests.unchanged import unchanged

STRING = {"template": CONNECTION_STRING, "tags": {"CredentialId": None}}
ELSEWHERE = "/subscriptions/x/resourceGroups/y/providers/Microsoft.Storage/storageAccounts/appdata"


async def rotated_an_hour_ago() -> Rig:
    """Return a rig whose secret has been rotated from key1 to key2."""
    rig = scene()
    await ask(rig.api())
    await Delivery(rig, rig.service).run()
    rig.clock.advance(3600)
    return rig


async def inside_an_overlap() -> Rig:
    """Return such a rig when an hour is left of its overlap, a week."""
    rig = await rotated_an_hour_ago()
    rig.clock.advance(166 * 3600)
    return rig


async def test_a_due_secret_is_queued_and_the_answer_names_its_operation() -> None:
    rig = scene()
    version = rig.latest(NAME).version
    answer = await ask(rig.api(), {"reason": "audit finding 7"})
    assert answer.status == 202
    assert answer.body["status"] == "queued"
    assert answer.body["version"] == version
    item = rig.item(NAME, version=version, requested_by=BY_KEY, reason="audit finding 7")
    assert answer.body["operation"] == item.operation == operation_id(item.ref, version)
    (message,) = rig.messages("rotations")
    assert message == {
        **message,
        "trigger": "manual",
        "version": version,
        "operation": item.operation,
        "requested_by": BY_KEY,
        "reason": "audit finding 7",
    }


@pytest.mark.parametrize("body", [None, b"", b"  \n", {}, {"force": False}, {"reason": ""}])
async def test_an_empty_request_is_as_good_as_one_with_defaults(body: object) -> None:
    rig = scene()
    assert (await ask(rig.api(), body)).status == 202


@pytest.mark.parametrize(
    "vault",
    [
        "prod",
        "PROD",
        "prod.vault.azure.net",
        "https://prod.vault.azure.net",
        "https://PROD.vault.azure.net/",
        "https%3A%2F%2Fprod.vault.azure.net%2F",
    ],
)
async def test_a_vault_is_named_by_its_short_name_host_or_url_in_any_case(vault: str) -> None:
    """Azure unescapes a path before it looks for the function.

    So the slashes of a URL arrive only if escaped twice. Source:
    https://github.com/Azure/azure-functions-host/issues/3998.
    """
    assert (await ask(scene().api(), vault=vault)).status == 202


@pytest.mark.parametrize(
    ("parameter", "meant"),
    [
        ("dryRun", "dry_run"),
        ("dryrun", "dry_run"),
        ("dry-run", "dry_run"),
        ("Dry_Run", "dry_run"),
        ("Wait", "wait"),
    ],
)
async def test_a_mistyped_parameter_is_a_400_that_suggests_the_right_one_and_never_acts(
    parameter: str, meant: str
) -> None:
    problem = await refused(scene(), 400, **{parameter: "true"})
    assert f"did you mean {meant}?" in problem["fix"]
    assert problem["errors"] == [{"detail": "it is unknown", "parameter": parameter}]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_a_parameter_that_a_call_does_not_have_is_a_400_everywhere(route: Route) -> None:
    rig = scene()
    path = {"vault": "prod", "name": NAME, "operation": "0", "incident": "0"}
    with unchanged(rig):
        answer = await send(
            rig.api(), route.name, path, {"colour": "blue", "code": "a-function-key"}
        )
    assert answer.status == 400
    shown = [flaw["parameter"] for flaw in answer.body["errors"]]
    assert shown == ([] if route.confidential else ["colour"])


@pytest.mark.parametrize(
    ("options", "body", "action", "key"),
    [
        ({}, None, "rotate", "operation"),
        (STRING, None, "rotate", "rotator"),
        ({"days_left": 80}, None, "skip", "fix"),
        ({"days_left": 80}, {"force": True}, "rotate", "source"),
        ({"tags": {"ValidityPeriodDays": "sixty"}}, None, "park", "fix"),
        (None, {"force": True}, "wait", "until"),
        (None, {"compromised": True}, "rotate", "credential"),
    ],
)
async def test_a_dry_run_tells_what_would_happen_and_changes_nothing(
    options: dict[str, Any] | None, body: object, action: str, key: str
) -> None:
    """Without options the secret is inside its overlap."""
    rig = await inside_an_overlap() if options is None else scene(**options)
    rig.world.exchanges.clear()
    with unchanged(rig):
        answer = await ask(rig.api(), body, dry_run="TRUE")
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert answer.body["action"] == action
    assert answer.body[key]
    sent = {exchange.request.method for exchange in rig.world.exchanges}
    assert not sent & {"PUT", "PATCH", "DELETE"}


@pytest.mark.parametrize("days_left", [10, 80])
@pytest.mark.parametrize("hours", [None, 1, 24 * 8])
@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("rotate", {}),
        ("rotate", {"force": True}),
        ("rotate", {"compromised": True}),
        ("retire", {}),
        ("restore", {}),
    ],
)
async def test_what_a_dry_run_tells_is_what_is_then_done(
    action: Verb, body: dict[str, bool], hours: int | None, days_left: float
) -> None:
    """Before any rotation, inside an overlap and after it, every step is counted at the account and in the vault."""
    rig = scene(days_left=days_left)
    if hours:
        await ask(rig.api(), {"force": True})
        await Delivery(rig, rig.service).run()
        rig.clock.advance(hours * 3600)
    steps = [
        step["action"]
        for step in (await ask(rig.api(), body, action=action, dry_run="true")).body["steps"]
    ]
    versions = len(rig.vault.versions(NAME))
    rig.world.exchanges.clear()
    accepted = (await ask(rig.api(), body, action=action)).status == 202
    assert accepted == bool({"rotate", "retire", "restore"} & {*steps})
    await Delivery(rig, rig.service).run()
    regenerated = [
        exchange for exchange in rig.world.exchanges if to_arm("regenerateKey")(exchange.request)
    ]
    assert len(regenerated) == steps.count("rotate") + steps.count("retire")
    written = len(rig.vault.versions(NAME)) - versions
    assert written == steps.count("rotate") + steps.count("restore")


async def refused(rig: Rig, status: int, body: object = None, **request: Any) -> dict[str, Any]:
    """Ask, and return the problem, which says what to do; nothing may have been changed."""
    with unchanged(rig):
        answer = await ask(rig.api(), body, **request)
    assert answer.status == status, answer.body
    wire = told(answer)
    assert wire.headers["Content-Type"] == "application/problem+json"
    problem = wire.json()
    assert isinstance(problem, dict)
    assert problem["status"] == status
    assert problem["detail"]
    assert problem["title"] in {kind.title for _, kind in KINDS}
    assert problem["type"].startswith("/api/openapi.json#/components/responses/")
    assert problem["fix"]
    return problem


async def test_an_unknown_secret_is_a_404() -> None:
    problem = await refused(scene(), 404, name="no-such-secret")
    assert problem["instance"] == "/api/secrets/prod/no-such-secret/rotate"
    assert problem["detail"].startswith("there is no such secret")
    assert "restore" not in problem["fix"]


async def test_a_mistyped_secret_is_a_404_that_names_the_one_that_was_meant() -> None:
    rig = scene()
    assert (await refused(rig, 404, name="app-kye"))["fix"] == f"did you mean {NAME}?"
    shown = await send(rig.api(), "http_show", {"vault": "prod", "name": "APP-KEYS"})
    assert (shown.status, shown.body["fix"]) == (404, f"did you mean {NAME}?")


async def test_where_the_app_may_not_list_a_mistyped_secret_is_a_404_all_the_same() -> None:
    rig = scene()
    refuse(rig, 403, "Forbidden", lambda request: request.path == "/secrets", times=9)
    assert "GET /api/secrets" in (await refused(rig, 404, name="app-kye"))["fix"]


@pytest.mark.parametrize("name", ["a_b", "..", "a%2fb", "x" * 128, "ü", ""])
async def test_what_cannot_be_a_secrets_name_is_a_404_without_a_request(name: str) -> None:
    rig = scene()
    await refused(rig, 404, name=name)
    assert not rig.calls()


@pytest.mark.parametrize(
    "vault",
    [
        "foreign",
        "foreign.vault.azure.net",
        "https://foreign.vault.azure.net",
        "",
        "..",
        "prod/secrets/x?",
    ],
)
async def test_a_foreign_vault_is_a_404_and_gets_no_request_at_all(vault: str) -> None:
    rig = scene()
    rig.world.add_vault("foreign").put(NAME, "not ours")
    await refused(rig, 404, vault=vault)
    assert rig.world.exchanges == []


def without_keys() -> Rig:
    rig = scene()
    rig.world.accounts["appdata"].allow_shared_key_access = False
    return rig


def without_account() -> Rig:
    rig = scene()
    rig.world.remove_account("appdata")
    return rig


@pytest.mark.parametrize(
    ("make", "status", "detail", "fix"),
    [
        (lambda: scene(days_left=80), 409, "not due before 2026-12-22 09:00Z", "force"),
        (lambda: scene(enabled=False), 409, "disabled", ""),
        (lambda: scene(tags={"ProviderAddress": None}), 409, "ProviderAddress", ""),
        (without_account, 404, "storageaccounts/appdata", "restore"),
        (without_keys, 422, "allowSharedKeyAccess", ""),
        (lambda: scene(tags={"ValidityPeriodDays": "sixty"}), 422, "ValidityPeriodDays", ""),
        (lambda: scene(tags={"ProviderAddress": ELSEWHERE}), 422, "not bound", ""),
    ],
)
async def test_what_does_not_fit_has_its_status_its_reason_and_its_fix(
    make: Callable[[], Rig], status: int, detail: str, fix: str
) -> None:
    problem = await refused(make(), status)
    assert detail in problem["detail"]
    assert fix in problem["fix"]


async def test_a_forced_rotation_inside_the_overlap_is_a_409_that_says_until_when() -> None:
    problem = await refused(await inside_an_overlap(), 409, {"force": True})
    assert "key1 is inside its overlap until 2026-11-09 09:00Z" in problem["detail"]
    assert "compromised" in problem["fix"]


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"7",
        b'"force"',
        b"[" * 16_000,
        {"force": "true"},
        {"force": 1},
        {"force": None},
        {"compromised": "no"},
        {"reason": 7},
        {"colour": "blue"},
        {"Force": True},
        {"operation": "x"},
        {"version": "x"},
    ],
)
@pytest.mark.parametrize("dry_run", ["false", "true"])
async def test_an_unreadable_body_is_a_400_with_what_to_send(body: object, dry_run: str) -> None:
    problem = await refused(scene(), 400, body, dry_run=dry_run)
    assert '{"force": bool, "compromised": bool, "reason": text}' in problem["fix"]


async def test_every_problem_of_a_body_is_told() -> None:
    problem = await refused(scene(), 400, {"force": 1, "reason": 2, "colour": 3})
    assert [flaw["pointer"] for flaw in problem["errors"]] == ["#/colour", "#/force", "#/reason"]
    assert all(name in problem["detail"] for name in ("force", "reason", "colour"))


@pytest.mark.parametrize("value", ["", " ", "yes", "1", "0", "tru", "true,true", "x" * 5000])
async def test_a_dry_run_value_that_is_none_is_a_400_and_never_a_rotation(value: str) -> None:
    problem = await refused(scene(), 400, dry_run=value)
    assert "dry_run=true" in problem["fix"]
    assert "dry_run" in problem["detail"]
    assert len(problem["detail"]) < 100


@pytest.mark.parametrize("place", ["account", "vault"])
async def test_a_missing_role_is_a_403_with_identity_scope_and_role(place: str) -> None:
    rig = Rig()
    account = rig.world.add_account("appdata")
    rig.secret(NAME, account)
    scope, role = account.resource_id.lower(), "Storage Account Key Operator Service Role"
    if place == "vault":
        rig.world.roles.assignments.clear()
        scope, role = rig.vault.url, "Key Vault Secrets Officer"
    problem = await refused(rig, 403)
    assert rig.identity.appid in problem["detail"]
    assert rig.identity.oid in problem["detail"]
    assert scope in problem["fix"]
    assert role in problem["fix"]


@pytest.mark.parametrize(
    ("where", "status", "after"),
    [
        (to_vault(), 429, "17"),
        *((to_arm("listKeys"), status, "") for status in (500, 503, 429)),
        (lambda request: request.host == "rekeyhost.queue.core.windows.net", 503, ""),
    ],
)
async def test_azure_in_trouble_is_a_503_with_its_time_or_one_of_our_own(
    where: Callable[[Request], bool], status: int, after: str
) -> None:
    rig = scene()
    refuse(rig, status, "Trouble", where, times=9, **({"Retry_After": after} if after else {}))
    with unchanged(rig):
        answer = await ask(rig.api())
    assert answer.status == 503
    assert answer.headers["Retry-After"] == (after or answer.headers["Retry-After"]) > "0"


async def test_only_what_has_passed_its_overlap_is_retired_by_hand() -> None:
    rig = await inside_an_overlap()
    await refused(rig, 409, action="retire")
    rig.clock.advance(3700)
    assert (await ask(rig.api(), action="retire")).status == 202
    (message,) = rig.messages("rotations")
    assert message["action"] == "retire"


async def test_only_what_is_inside_its_overlap_can_be_restored_by_hand() -> None:
    await refused(scene(), 409, action="restore")
    assert (await ask((await inside_an_overlap()).api(), action="restore")).status == 202


@pytest.mark.parametrize("named", [False, True])
async def test_a_restore_that_is_sent_twice_does_not_undo_itself(named: bool) -> None:
    """Without a key it went forward again, so it needed one."""
    rig = await rotated_an_hour_ago()
    first = rig.vault.versions(NAME)[0].version
    body, answers, credentials = {"version": first} if named else None, [], []
    for dry_run in ("false", "false", "true"):
        answers.append(await ask(rig.api(), body, action="restore", headers={}, dry_run=dry_run))
        await Delivery(rig, rig.service).run()
        credentials.append((rig.latest(NAME).version, rig.tags(NAME)["CredentialId"]))
    assert [answer.status for answer in answers] == [202, 200, 200]
    for answer in answers[1:]:
        assert answer.body["status"] == "succeeded"
        assert f"it holds already what version {first} holds" in answer.body["reason"]
    assert len(set(credentials)) == 1
    assert credentials[0][1] == "key1"
    assert len(rig.vault.versions(NAME)) == 3


async def test_what_a_person_wrote_after_a_restore_is_not_what_was_restored() -> None:
    """With every tag that its version had: the record alone tells who wrote it."""
    rig = await rotated_an_hour_ago()
    await ask(rig.api(), action="restore", headers={})
    await Delivery(rig, rig.service).run()
    rig.clock.advance(60)
    rig.vault.put(NAME, "something else", tags=rig.tags(NAME))
    answer = await ask(rig.api(), action="restore", headers={}, dry_run="true")
    assert "it holds already" not in answer.text()


async def test_who_names_the_version_goes_forward_again_after_a_restore() -> None:
    rig = await rotated_an_hour_ago()
    second = rig.latest(NAME).version
    await ask(rig.api(), action="restore", headers={})
    await Delivery(rig, rig.service).run()
    answer = await ask(rig.api(), {"version": second}, action="restore", headers={})
    assert answer.status == 202
    await Delivery(rig, rig.service).run()
    assert rig.tags(NAME)["CredentialId"] == "key2"


async def test_a_leak_is_taken_up_although_its_secret_cannot_be_rotated_as_it_is() -> None:
    """Its tags are wrong, which a person mends: the engine comes back to it until then."""
    rig = scene()
    rig.tag(NAME, ValidityPeriodDays="sixty")
    reported = rig.latest(NAME).version
    assert (await ask(rig.api())).status == 422
    answer = await ask(rig.api(), {"compromised": True, "reason": "leaked"})
    assert (answer.status, answer.body["version"]) == (202, reported)
    (message,) = rig.messages("rotations")
    assert (message["compromised"], message["version"]) == (True, reported)


@pytest.mark.parametrize("body", [{"force": True}, {"compromised": True}])
async def test_what_would_rotate_once_more_when_sent_again_needs_an_idempotency_key(
    body: dict[str, bool],
) -> None:
    problem = await refused(scene(), 400, body, headers={})
    assert "UUID" in problem["fix"]
    assert problem["errors"] == [
        {"detail": "sent again, it would rotate once more", "header": "idempotency-key"}
    ]


async def test_a_retirement_refuses_force_where_it_would_be_ignored() -> None:
    rig = await inside_an_overlap()
    problem = await refused(rig, 409, {"force": True}, action="retire")
    assert "compromised" in problem["fix"]
    await refused(rig, 409, {"force": True}, action="retire", dry_run="true")
    rig.clock.advance(3700)
    await refused(rig, 409, {"force": True}, action="retire")


@pytest.mark.parametrize("action", ["retire", "restore", "unpark"])
async def test_what_only_a_rotation_can_be_is_refused_elsewhere(action: Verb) -> None:
    problem = await refused(await inside_an_overlap(), 400, {"compromised": True}, action=action)
    assert problem["errors"] == [{"detail": "'compromised' is unknown", "pointer": "#/compromised"}]


@pytest.mark.parametrize(
    ("name", "body", "key"),
    [
        ("http_rotate", b'{"compromised": false, "compromised": true}', "compromised"),
        ("http_incident", b'{"name": "app-k*", "name": "*", "reason": "a drill"}', "name"),
        ("http_push_policy", b'{"document": "a: 1", "document": "", "reason": ""}', "document"),
    ],
)
async def test_a_member_that_stands_twice_in_a_body_is_a_400(
    name: str, body: bytes, key: str
) -> None:
    """Whoever reads only the first of them would not expect what the last one does."""
    rig, path = scene(), {"vault": "prod", "name": NAME}
    with unchanged(rig):
        answer = await send(rig.api(), name, path, body=body, headers={"idempotency-key": "1"})
    assert answer.status == 400
    assert answer.body["errors"] == [{"detail": f"{key!r} stands twice", "pointer": f"#/{key}"}]


@pytest.mark.parametrize("name", ["http_leak", "http_leak_github"])
@pytest.mark.parametrize("value", ["hunter2-hunter2-hunter2", "\ud800-hunter2-hunter2"])
async def test_a_value_that_is_sent_as_a_parameter_is_shown_and_written_nowhere(
    name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    """`curl -G` makes parameters of what it would send in the body."""
    caplog.set_level(logging.DEBUG)
    for query in ({value: ""}, {"value": value}):
        answer = await send(scene().api(), name, query=query)
        assert answer.status == 400
        assert "the body" in answer.body["fix"]
        assert "hunter2" not in answer.text() + caplog.text


async def test_a_report_with_two_values_is_a_400_that_shows_neither() -> None:
    body = b'{"value": "one-value", "value": "another-value"}'
    answer = await send(scene().api(), "http_leak", body=body)
    assert answer.status == 400
    assert "-value" not in answer.text()


async def test_a_reason_is_cut_and_kept_out_of_the_way() -> None:
    rig = scene()
    assert (await ask(rig.api(), {"reason": "x" * 9000})).status == 202
    assert rig.messages("rotations")[0]["reason"] == "x" * 200


@pytest.mark.parametrize("text", [rb"\ud800", b"\xed\xa0\x80", rb"caf\udce9"])
@pytest.mark.parametrize("name", ["http_rotate", "http_unpark", "http_incident"])
async def test_a_reason_that_no_page_can_show_is_a_400(name: str, text: bytes) -> None:
    rig, path = scene(), {"vault": "prod", "name": NAME}
    body = b'{"reason": "' + text + b'"' + b', "everything": true' * ("inc" in name) + b"}"
    with unchanged(rig):
        answer = await send(rig.api(), name, path, body=body, headers={"idempotency-key": "1"})
    assert answer.status == 400
    assert [flaw["pointer"] for flaw in answer.body["errors"]] == ["#/reason"]


@pytest.mark.parametrize("name", ["http_rotate", "http_unpark", "http_incident", "http_leak"])
async def test_a_body_that_the_host_has_kept_back_is_a_400_and_not_taken_for_none(
    name: str,
) -> None:
    """The host hands over a body only where Content-Length says how long it is."""
    rig, path = scene(), {"vault": "prod", "name": NAME}
    chunked = {"transfer-encoding": "chunked", "idempotency-key": "1"}
    with unchanged(rig):
        answer = await send(rig.api(), name, path, headers=chunked)
    assert answer.status == 400
    assert "Content-Length" in answer.body["fix"]


async def test_no_answer_ever_shows_a_value() -> None:
    rig = scene(template=CONNECTION_STRING)
    keys = [key.value for key in rig.world.accounts["appdata"].keys.values()]
    for dry_run in ("false", "true"):
        answer = await ask(rig.api(), dry_run=dry_run)
        assert not any(key in answer.text() for key in keys)


async def test_a_dry_run_whose_later_step_cannot_succeed_says_so() -> None:
    rig = await inside_an_overlap()
    rig.world.accounts["appdata"].allow_shared_key_access = False
    answer = await ask(rig.api(), {"compromised": True}, dry_run="true")
    assert answer.body["action"] == "park"
    assert "allowSharedKeyAccess" in answer.body["reason"]
    assert [step["action"] for step in answer.body["steps"]] == ["retire", "park"]
