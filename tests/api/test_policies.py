"""The policy document is shown, and an admin replaces the version seen, with a reason."""

from __future__ import annotations

import json

import pytest

from api.answers import Answer
from tests.shared.policies import OWN, PolicyRig
from tests.shared.scene import scene, send
from tests.unchanged import unchanged

BAD = "version: 2\n"
FIRST, SECOND = "version: 1\n", "version: 1\ndefaults: {overlapHours: 24}\n"


async def put(
    rig: PolicyRig,
    document: str,
    replacing: str | None = None,
    *,
    etag: str = "",
    dry_run: bool = False,
    **changes: str,
) -> Answer:
    body = {"document": document, "reason": "change 17", "replacing": replacing} | changes
    text = json.dumps({name: part for name, part in body.items() if part is not None}).encode()
    query = {"dry_run": "true"} if dry_run else {}
    headers = {"if-match": etag} if etag else {}
    return await send(rig.api(), "http_push_policy", query=query, body=text, headers=headers)


async def test_the_first_document_is_written_shown_and_followed() -> None:
    rig = PolicyRig()
    assert (await send(rig.api(), "http_policy")).status == 404
    written = await put(rig, SECOND, None)
    assert written.status == 200
    shown = await send(rig.api(), "http_policy")
    assert (shown.body["document"], shown.body["version"]) == (SECOND, written.body["version"])
    (only,) = shown.body["history"]
    assert (only["by"], only["reason"]) == ("holder of a function key", "change 17")
    rig.secret("app-key", rig.account("appdata"), days_left=10)
    await rig.service().rotate(rig.item("app-key").to_json(), 1)
    assert rig.tags("app-key")["RekeyRetire"][:13] == rig.clock.now().strftime("2026-11-03T%H"), (
        "not a day's overlap"
    )


async def test_versions_of_one_second_are_told_apart() -> None:
    """A vault keeps whole seconds, and lists versions in no order: a script pushes twice in one."""
    rig, replaced = PolicyRig(), None
    for hours in range(1, 9):
        document = f"version: 1\ndefaults: {{overlapHours: {hours}}}\n"
        written = await put(rig, document, replaced)
        assert written.status == 200, written.body
        replaced = written.body["version"]
        shown = await send(rig.api(), "http_policy")
        assert (shown.body["version"], shown.body["document"]) == (replaced, document)


@pytest.mark.parametrize(("stale", "status"), [(None, 428), ("0" * 32, 412)])
async def test_a_change_names_the_version_that_it_replaces_or_is_a_428_and_a_412_where_that_has_gone(
    stale: str | None, status: int
) -> None:
    rig = PolicyRig()
    version = rig.push(FIRST).version
    with unchanged(rig):
        answer = await put(rig, SECOND, stale)
    assert answer.status == status
    assert version in answer.body["fix"]
    assert (await put(rig, SECOND, version)).status == 200


async def test_the_etag_that_was_shown_is_as_good_as_replacing() -> None:
    rig = PolicyRig()
    rig.push(FIRST)
    seen = (await send(rig.api(), "http_policy")).headers["ETag"]
    rig.clock.advance(1)
    written = await put(rig, SECOND, etag=seen)
    version, etag = written.body["version"], written.headers["ETag"]
    assert (written.status, etag) == (200, f'"{version}"')
    assert etag != seen
    assert (await put(rig, SECOND, etag=seen)).status == 412
    assert (await put(rig, SECOND, version, etag=etag)).status == 200


@pytest.mark.parametrize("etag", ["*", 'W/"x"', "x", '"a", "b"', '""', '"{version}"'])
async def test_an_etag_unknown_or_of_another_version_is_a_400_without_a_write(etag: str) -> None:
    rig = PolicyRig()
    shown = etag.replace("{version}", rig.push(FIRST).version)
    replacing = None if shown == etag else "0" * 32
    with unchanged(rig):
        assert (await put(rig, SECOND, replacing, etag=shown)).status == 400


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ("version: 2\n", "version"),
        ("nonsense", "document"),
        ("version: 1\nrules: [{match: {secret: a}, rotationWindow: never}]\n", "rotationWindow"),
        (
            "version: 1\nvaults: {https://foreign.vault.azure.net: {scopes: [/subscriptions/1]}}\n",
            "foreign",
        ),
    ],
)
async def test_a_document_that_cannot_be_followed_is_a_400_that_says_why_and_changes_nothing(
    document: str, named: str
) -> None:
    rig = PolicyRig()
    version = rig.push(FIRST).version
    with unchanged(rig):
        answer = await put(rig, document, version)
    assert answer.status == 400
    assert named in answer.body["detail"]


@pytest.mark.parametrize(("document", "reason"), [("", "change 17"), (SECOND, "")])
async def test_a_change_without_document_or_reason_is_a_400(document: str, reason: str) -> None:
    rig = PolicyRig()
    version = rig.push(FIRST).version
    assert (await put(rig, document, version, reason=reason)).status == 400


async def dry_run(rig: PolicyRig, document: str, replacing: str) -> Answer:
    with unchanged(rig):
        return await put(rig, document, replacing, dry_run=True)


async def test_a_dry_run_tells_which_secrets_would_not_be_rotated_any_more() -> None:
    rig = PolicyRig()
    version = rig.push(FIRST).version
    for name, days in (("app-key", 80), ("other-key", 29.5)):
        rig.secret(name, rig.account(name.replace("-", "")), days_left=days)
    answer = await dry_run(
        rig, f"{FIRST}rules: [{{match: {{secret: '*'}}, manual: true}}]\n", version
    )
    assert answer.status == 200
    effect = answer.body["effect"]
    assert effect["now"] == {"ok": 1, "due": 1, "unmanaged": 1}
    assert effect["then"] == {"manual": 2, "unmanaged": 1}
    app, other = effect["changed"]
    assert (app["vault"], app["secret"], app["from"]) == ("prod", "app-key", "ok")
    assert (other["from"], other["to"]) == ("due", "manual")
    assert "only a person rotates it" in app["reason"]


@pytest.mark.parametrize(
    ("document", "replacing", "status"), [(BAD, None, 400), (SECOND, "0" * 32, 412)]
)
async def test_a_dry_run_is_refused_as_the_push_would_be(
    document: str, replacing: str | None, status: int
) -> None:
    rig = PolicyRig()
    version = rig.push(FIRST).version
    assert (await dry_run(rig, document, replacing or version)).status == status
    assert (await put(rig, document, replacing or version)).status == status


async def test_a_disabled_document_is_replaced_by_the_version_that_is_shown() -> None:
    rig = PolicyRig()
    rig.vault.amend(rig.push(FIRST), enabled=False)
    rig.clock.advance(1)
    shown = (await send(rig.api(), "http_policy")).body
    assert (shown["document"], shown["effect"]) == ("", None)
    assert (await put(rig, SECOND)).status == 428
    assert (await put(rig, SECOND, shown["version"])).status == 200
    assert (await send(rig.api(), "http_policy")).body["document"] == SECOND


async def test_a_document_that_cannot_be_followed_makes_the_app_unwell_until_a_better_one() -> None:
    rig = PolicyRig()
    version = rig.push("nonsense").version
    assert (await send(rig.api(), "http_health")).status == 503
    assert (await send(rig.api(), "http_list")).status == 503
    assert (await send(rig.api(), "http_policy")).body["document"] == "nonsense"
    assert (await put(rig, FIRST, version)).status == 200
    assert (await send(rig.api(), "http_health")).status == 200


async def test_without_a_configured_document_there_is_none_to_show_or_to_change() -> None:
    api = scene().api()
    assert (await send(api, "http_policy")).status == 404
    body = json.dumps({"document": FIRST, "reason": "x"}).encode()
    assert (await send(api, "http_push_policy", body=body)).status == 404


@pytest.mark.parametrize("part", ["document", "reason"])
async def test_half_a_character_is_in_no_document_and_in_no_reason(part: str) -> None:
    rig = PolicyRig()
    body = json.dumps({"document": FIRST, "reason": "x", part: FIRST + "# \ud800"}).encode()
    with unchanged(rig):
        answer = await send(rig.api(), "http_push_policy", body=body)
    assert [flaw["pointer"] for flaw in answer.body["errors"]] == [f"#/{part}"]


async def test_a_secret_that_holds_no_document_is_neither_shown_nor_replaced() -> None:
    """REKEY_POLICY may name the wrong secret: a reader would see its value, an admin destroy it."""
    rig = PolicyRig()
    version = rig.vault.put(OWN.name, "planted-password").version
    with unchanged(rig):
        shown = await send(rig.api(), "http_policy")
        refused = [await put(rig, FIRST, version), await put(rig, FIRST, version, dry_run=True)]
    for answer in (shown, *refused):
        assert answer.status == 422
        assert "REKEY_POLICY" in answer.body["fix"]
        assert "planted" not in answer.text()
