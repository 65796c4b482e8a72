"""Who is let in with which role, and that a principal which nobody vouched for is not believed."""

from __future__ import annotations

import base64
import json
import logging
import re
from pathlib import Path

import pytest

from api.access import BY_KEY, Role
from api.answers import Answer
from api.app import Api
from api.route import Route
from api.routes import ROUTES
from tests.shared.rig import Rig
from tests.shared.scene import NAME, ask, scene, send, state
from tests.unchanged import unchanged

ROOT = Path(__file__).parents[2]
SIGNED_IN = {"WEBSITE_AUTH_ENABLED": "True"}
PATH = {"vault": "prod", "name": NAME, "operation": "0", "incident": "0"}
INCLUDED = {
    Role.REPORTER: {Role.REPORTER},
    Role.READER: {Role.READER},
    Role.OPERATOR: {Role.REPORTER, Role.READER, Role.OPERATOR},
    Role.ADMIN: set(Role),
}
LONG_NAMES = {
    "preferred_username": "",
    "oid": "",
    "sub": "0c0c-another",
    "http://schemas.microsoft.com/identity/claims/objectidentifier": "0b0e-jane",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": "jane@contoso.com",
}
"""What Easy Auth may call the claims that say who calls."""
GUARDED = [route for route in ROUTES if route.role]


def principal(*roles: str, typ: str = "roles", **claims: str) -> dict[str, str]:
    """Return the header that Easy Auth sets for a caller."""
    named = {"preferred_username": "jane@contoso.com", "oid": "0b0e-jane", **claims}
    listed = [{"typ": name, "val": value} for name, value in named.items() if value]
    listed += [{"typ": typ, "val": role} for role in roles]
    text = json.dumps({"auth_typ": "aad", "claims": listed, "name_typ": "name", "role_typ": typ})
    return {"x-ms-client-principal": base64.b64encode(text.encode()).decode()}


async def call(api: Api, route: Route, headers: dict[str, str]) -> Answer:
    return await send(
        api, route.name, PATH, body=b'{"reason": "a drill"}' if route.body else b"", headers=headers
    )


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.name)
@pytest.mark.parametrize("held", [None, *Role])
async def test_each_call_is_open_to_its_least_role_and_those_that_include_it(
    route: Route, held: Role | None
) -> None:
    rig = scene()
    before = state(rig)
    headers = principal(held.value) if held else principal()
    answer = await call(rig.api(env=SIGNED_IN), route, headers)
    assert route.role
    if held is None or route.role not in INCLUDED[held]:
        assert answer.status == 403
        assert route.role.value in answer.body["detail"]
        assert answer.body["fix"]
        assert state(rig) == before
    else:
        assert answer.status not in (401, 403)


def test_what_changes_something_is_not_for_readers_and_incidents_are_for_admins() -> None:
    for route in ROUTES:
        # The signature of its sender opens this one, and nobody signs in: tests/api/test_github.py.
        if route.method != "GET" and route.name != "http_leak_github":
            own = Role.REPORTER if route.name == "http_leak" else Role.OPERATOR
            assert route.role in (own, Role.ADMIN)
        if route.name in ("http_incident", "http_push_policy"):
            assert route.role is Role.ADMIN


def test_every_call_has_its_least_role_on_the_page() -> None:
    page = (ROOT / "docs" / "access.md").read_text()
    rows = re.findall(r"^\| `(\w+) (/api/\S+)` \| (?:none|`([\w.]+)`) \|$", page, re.MULTILINE)
    assert sorted(rows) == sorted(
        (route.method, f"/api/{route.path}", route.role.value if route.role else "")
        for route in ROUTES
    )


@pytest.mark.parametrize(
    ("roles", "typ"),
    [
        (("Rekey.Operator",), "roles"),
        (("Rekey.Operator",), "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"),
        (("Rekey.Reader", "Rekey.Operator"), "roles"),
        (("Rekey.Operator",), "groups"),
    ],
)
async def test_roles_are_found_where_easy_auth_puts_them(roles: tuple[str, ...], typ: str) -> None:
    answer = await ask(scene().api(env=SIGNED_IN), headers=principal(*roles, typ=typ))
    assert answer.status == 202


@pytest.mark.parametrize("role", ["rekey.operator", "Rekey.Operator ", "Operator", "Rekey.*", ""])
async def test_only_the_very_role_counts(role: str) -> None:
    assert (await ask(scene().api(env=SIGNED_IN), headers=principal(role))).status == 403


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        "e30=",
        base64.b64encode(b"[]").decode(),
        base64.b64encode(b"null").decode(),
        base64.b64encode(b'{"claims": 7}').decode(),
        base64.b64encode(b'{"claims": [7]}').decode(),
        base64.b64encode(b'{"claims": [{"typ": "roles"}]}').decode(),
        base64.b64encode(b"\xff\xfe").decode(),
        base64.b64encode(
            b'{"auth_typ": "google", "claims": [{"typ": "roles", "val": "Rekey.Admin"}, {"typ": "oid", "val": "x"}]}'
        ).decode(),
        base64.b64encode(b"[" * 100_000).decode(),
        principal("Rekey.Admin", oid="", preferred_username="jane")["x-ms-client-principal"],
        "\u00fc",
    ],
)
async def test_a_principal_that_cannot_be_read_is_a_401(header: str) -> None:
    rig = scene()
    with unchanged(rig):
        answer = await ask(rig.api(env=SIGNED_IN), headers={"x-ms-client-principal": header})
    assert answer.status == 401
    assert answer.body["fix"]


async def test_a_sign_in_that_has_run_out_is_a_401() -> None:
    rig = scene()
    now = int(rig.clock.now().timestamp())
    api = rig.api(env=SIGNED_IN)
    for ends, status in ((now + 1, 202), (now, 401), (now - 1, 401)):
        headers = principal("Rekey.Operator", exp=str(ends))
        assert (await ask(api, headers=headers)).status == status


@pytest.mark.parametrize(
    "env", [{}, {"WEBSITE_AUTH_ENABLED": "False"}, {"WEBSITE_AUTH_ENABLED": ""}]
)
async def test_without_platform_sign_in_a_forged_principal_is_nobody(env: dict[str, str]) -> None:
    rig = scene()
    answer = await ask(
        rig.api(env=env), headers=principal("Rekey.Admin", preferred_username="forged")
    )
    assert answer.status == 202
    assert rig.messages("rotations")[0]["requested_by"] == BY_KEY


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("jane@contoso.com", {}),
        ("1f1f-pipeline", {"preferred_username": "", "azp": "1f1f-pipeline"}),
        ("jane@contoso.com", LONG_NAMES),
    ],
)
async def test_who_asked_is_in_the_message_by_name_and_id_an_app_by_its_own(
    name: str, claims: dict[str, str]
) -> None:
    rig = scene()
    headers = principal("Rekey.Operator", **claims)
    await ask(rig.api(env=SIGNED_IN), headers=headers)
    assert rig.messages("rotations")[0]["requested_by"] == f"{name} (0b0e-jane)"


async def test_a_name_cannot_smuggle_lines_into_the_log() -> None:
    rig = scene()
    headers = principal(
        "Rekey.Operator", preferred_username='jane\r\n{"result": "rotated"}' + "x" * 500
    )
    await ask(rig.api(env=SIGNED_IN), headers=headers)
    named = rig.messages("rotations")[0]["requested_by"]
    assert "\n" not in named
    assert len(named) < 250


@pytest.mark.parametrize(
    ("site", "status"),
    [("cross-site", 403), ("same-site", 403), ("same-origin", 202), ("none", 202)],
)
async def test_another_sites_page_cannot_act_with_a_persons_sign_in(site: str, status: int) -> None:
    rig = scene()
    before = state(rig)
    answer = await ask(
        rig.api(env=SIGNED_IN), headers={**principal("Rekey.Operator"), "sec-fetch-site": site}
    )
    assert answer.status == status
    assert (state(rig) == before) == (status == 403)


async def test_every_call_that_acts_or_is_refused_is_recorded_with_who_and_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "rekey.audit")
    api = scene().api(env=SIGNED_IN)
    await ask(api, headers=principal("Rekey.Reader"))
    await ask(api, {"reason": "audit finding 7"}, headers=principal("Rekey.Operator"))
    await ask(api, action="retire", headers=principal("Rekey.Operator"))
    await ask(api, action="unpark", headers=principal("Rekey.Operator"))
    entries = [json.loads(log.message) for log in caplog.records if log.name == "rekey.audit"]
    ended = [(entry["result"], entry["status"]) for entry in entries]
    assert ended == [("refused", 403), ("asked", 202), ("declined", 409), ("asked", 200)]
    assert (entries[0]["action"], entries[0]["secret"]) == ("rotate", NAME)
    assert entries[0]["requested_by"] == "jane@contoso.com (0b0e-jane)"
    assert entries[1]["why"] == "audit finding 7"


async def test_anybody_may_ask_whether_the_app_is_well_and_learns_nothing_more() -> None:
    answer = await send(Rig().api(env=SIGNED_IN), "http_health")
    assert (answer.status, answer.body) == (200, {"status": "ok", "vaults": 1, "refused_kinds": 0})
