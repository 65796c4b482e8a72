"""Before an account's first rotation its logs are asked who uses the key that it replaces.

Whatever the workspace does, the warning comes, nothing is rotated by it, and nothing is prevented.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError

from cloud.rest import logs
from engine.contract import Job
from engine.errors import NeedsHuman
from rotators.shared.key_use import TABLES, query_of
from rotators.storage_key import StorageKey
from simulator.reach.transport import Call, Intercept
from simulator.telemetry.logs import Logged, LogWorkspace
from simulator.telemetry.vault_logs import TABLES as VAULTS
from simulator.wire import UNANSWERED, Request, Response, json_response
from tests.cli.desk import Answers, Desk
from tests.infra import deployed
from tests.infra.bicep import snapshot
from tests.rotators.subjects import StorageScene
from tests.shared.scene import NAME

RIGHT = "Microsoft.OperationalInsights/workspaces/query"
ROLE = (f"{RIGHT}/read", *(f"{RIGHT}/{table}/read" for table in TABLES))
KEY1, KEY2, SAS2 = "key1(0A)", "key2(5R)", "key2(5R),SasSignature(04)"
WARNING = "it may be in use elsewhere"
UNKNOWN = "could not be looked at"


class Watched(StorageScene):
    """An account whose first rotation is ahead, and a workspace that gets its logs."""

    def __init__(self) -> None:
        super().__init__()
        self.workspace: LogWorkspace = self.rig.world.add_log_workspace("central")
        self.rig.world.grant(self.rig.identity, ROLE, self.workspace.resource_id)

    def log(
        self,
        table: str,
        authentication: str,
        days: float = 1,
        caller: str = "10.0.0.1:4711",
        account: str = "appdata",
    ) -> None:
        """Let a request be logged that came so many days ago."""
        time = self.rig.clock.now() - timedelta(days=days)
        rows = self.workspace.tables.setdefault(table, [])
        rows.append(Logged(time, account, authentication, caller))

    def first(self) -> Job:
        return replace(self.job(), proven=False, written=self.rig.clock.now())

    def watching(
        self, intercept: Intercept | None = None, arm: str = "https://management.azure.com"
    ) -> StorageKey:
        """Return the rotator of an app that knows the workspace."""
        more = {"arm_endpoint": arm, "logs_workspace": self.workspace.id}
        return self.rig.alone(StorageKey, intercept, **more)

    async def warning(self, intercept: Intercept | None = None) -> str:
        """Return what a person is told before the first rotation."""
        return await self.watching(intercept).forewarn(self.first())

    def questions(self) -> list[Request]:
        """Return the requests that reached the workspace."""
        exchanges = self.rig.world.exchanges
        host = self.rig.world.domains.logs
        return [exchange.request for exchange in exchanges if exchange.request.host == host]


@pytest.fixture
def scene() -> Watched:
    return Watched()


def answering(answer: Response | Exception) -> Intercept:
    """Return a network in which the workspace answers this."""

    async def network(request: Request, call: Call) -> Response:
        if "loganalytics" not in request.host:
            return await call()
        if isinstance(answer, Exception):
            raise answer
        return answer

    return network


async def test_how_often_when_last_and_from_how_many_addresses_the_other_key_was_used() -> None:
    scene = Watched()
    scene.log("StorageBlobLogs", KEY2, days=3)
    scene.log("StorageBlobLogs", SAS2, days=2, caller="10.0.0.1:9")
    scene.log("StorageBlobLogs", KEY2, days=5, caller="10.0.0.2:9")
    scene.log("StorageQueueLogs", KEY2, days=7)
    last = scene.rig.clock.now() - timedelta(days=2)
    text = await scene.warning()
    assert f"blob, 3 requests from 2 addresses, the last at {last:%Y-%m-%d %H:%M}Z; queue, " in text
    assert "queue, 1 request from 1 address, the last at" in text
    assert text.index("key2, there since") < text.index("blob, 3") < text.index("Let whoever uses")
    assert "10.0.0" not in text, "an address is nobody's business here"
    assert len(scene.questions()) == 1


async def test_only_the_other_key_of_this_account_in_these_days_counts(scene: Watched) -> None:
    scene.log("StorageBlobLogs", KEY1)
    scene.log("StorageBlobLogs", "key20(5R)")
    scene.log("StorageBlobLogs", KEY2, account="appdata2")
    scene.log("StorageBlobLogs", KEY2, days=9)
    scene.log("StorageBlobLogs", "B3CC9D5C64B3351573D806751312317FE4E910877E7CBAFA9D95E0BE923DD25C")
    text = await scene.warning()
    assert "The last 8 days' logs of blob show no use of it" in text
    assert "There is no log of file, queue, table" in text
    assert WARNING in text


@pytest.mark.parametrize("table", ["", *TABLES])
async def test_no_log_of_the_account_is_never_told_as_no_use(scene: Watched, table: str) -> None:
    if table:
        scene.log(table, KEY2, account="another")
    text = await scene.warning()
    assert "has no log of the account" in text
    assert "nothing is known of its use" in text
    assert "no use" not in text


async def test_a_later_rotation_asks_nothing(scene: Watched) -> None:
    assert await scene.watching().forewarn(scene.job()) == ""
    assert not scene.questions()


async def test_without_the_setting_nothing_is_asked_and_nothing_said(scene: Watched) -> None:
    text = await scene.rotator().forewarn(scene.first())
    assert WARNING in text
    assert "log" not in text
    assert not scene.questions()


async def test_a_missing_right_is_named_and_prevents_nothing(scene: Watched) -> None:
    scene.rig.world.roles.assignments.pop()
    text = await scene.warning()
    assert WARNING in text
    assert UNKNOWN in text
    assert "the app's identity: grant it" in text
    assert f"grant it the role Log Analytics Reader at workspace {scene.workspace.id}" in text
    before = scene.value("key2")
    await scene.watching().issue(scene.first())
    assert scene.value("key2") != before


@pytest.mark.parametrize("action", ROLE)
async def test_each_right_of_the_templates_role_is_needed(action: str) -> None:
    (role,) = [
        actions
        for name, actions, _, _ in deployed.custom_roles(snapshot("everything-on"))
        if name == "storage-logs"
    ]
    assert sorted(role) == sorted({*ROLE, *(f"{RIGHT}/{table}/read" for table in VAULTS)})
    scene = Watched()
    for table in TABLES:
        scene.log(table, KEY2)
    whole = await scene.warning()
    assert all(f"{service}, 1 request" in whole for service in TABLES.values())
    scene.rig.world.roles.assignments.pop()
    less = [other for other in role if other != action]
    scene.rig.world.grant(scene.rig.identity, less, scene.workspace.resource_id)
    assert await scene.warning() != whole


def table_of(*rows: object, columns: Any = None, **more: object) -> Response:
    names = ("Type", "Logged", "Requests", "Callers", "Last")
    listed = columns or [{"name": name, "type": "string"} for name in names]
    table = {"name": "PrimaryResult", "columns": listed, "rows": list(rows)}
    return json_response(200, {"tables": [table], **more})


LAST = "2026-11-01T00:00:00.0000000Z"
NO_JSON, NO_TABLE, NO_ROW = (
    "in place of JSON",
    "answered with no table",
    "cannot be read (ValueError)",
)
NONSENSE: Mapping[str, tuple[Response, str]] = {
    "no JSON": (Response(200, {"Content-Type": "application/json"}, b"{"), NO_JSON),
    "a page": (Response(200, {"Content-Type": "text/html"}, b"<html>sign in</html>"), NO_JSON),
    "a list": (json_response(200, []), NO_JSON),
    "nothing": (Response(200, {}, b""), NO_JSON),
    "no tables": (json_response(200, {"tables": []}), NO_TABLE),
    "no table": (json_response(200, {"tables": [None]}), NO_TABLE),
    "no rows": (json_response(200, {"tables": [{"columns": []}]}), NO_TABLE),
    "odd columns": (table_of(columns=[1]), NO_TABLE),
    "a short row": (table_of(["StorageBlobLogs", 1]), NO_TABLE),
    "a row of text": (table_of("StorageBlobLogs"), NO_TABLE),
    "another table": (table_of(["Secrets\x1b[31m", 1, 1, 1, LAST]), NO_ROW),
    "nothing logged": (table_of(["StorageBlobLogs", 0, 0, 0, None]), NO_ROW),
    "no number": (table_of(["StorageBlobLogs", 1, "many", 1, LAST]), NO_ROW),
    "a truth": (table_of(["StorageBlobLogs", 1, True, 1, LAST]), NO_ROW),
    "less than none": (table_of(["StorageBlobLogs", 1, -1, 1, LAST]), NO_ROW),
    "no time": (table_of(["StorageBlobLogs", 1, 1, 1, "yesterday"]), NO_ROW),
    "deep": (
        Response(200, {"Content-Type": "application/json"}, b'{"a":' + b"[" * 100_000),
        "cannot be read (RecursionError)",
    ),
}


@pytest.mark.parametrize(("answer", "reason"), NONSENSE.values(), ids=NONSENSE)
async def test_nonsense_is_not_told_on_and_prevents_nothing(answer: Response, reason: str) -> None:
    scene = Watched()
    text = await scene.warning(answering(answer))
    assert WARNING in text
    assert UNKNOWN in text
    assert reason in text
    assert "show" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (json_response(429, {"error": {"code": "ThrottledError"}}, {"Retry-After": "1"}), "429"),
        (json_response(503, {"error": {"code": "Busy"}}), "503"),
        (json_response(504, {"error": {"code": "GatewayTimeout"}}), "504"),
        (json_response(401, {"error": {"code": "AuthenticationFailed"}}), "token was refused"),
        (json_response(404, {"error": {"code": "PathNotFoundError"}}), "REKEY_LOGS_WORKSPACE"),
        (UNANSWERED, "no answer"),
        (ServiceRequestError("no such host"), "no answer"),
        (RuntimeError("whatever else"), "RuntimeError"),
    ],
)
async def test_a_workspace_that_does_not_answer_is_asked_once_and_prevents_nothing(
    answer: Response | Exception, word: str
) -> None:
    scene, tries = Watched(), list[Request]()

    async def network(request: Request, call: Call) -> Response:
        if "loganalytics" in request.host:
            tries.append(request)
        return await answering(answer)(request, call)

    text = await scene.warning(network)
    assert WARNING in text
    assert UNKNOWN in text
    assert word in text
    assert len(tries) == 1


async def test_a_workspace_that_trickles_is_left_after_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A limit for each read does not end an answer that comes byte by byte."""
    monkeypatch.setattr(logs, "SECONDS", 0.0)

    async def never(request: Request, call: Call) -> Response:
        if "loganalytics" in request.host:
            await asyncio.Event().wait()
        return await call()

    assert UNKNOWN in await Watched().warning(never)


async def test_what_cancels_the_work_is_not_swallowed() -> None:
    async def cancelled(request: Request, call: Call) -> Response:
        if "loganalytics" in request.host:
            raise asyncio.CancelledError
        return await call()

    with pytest.raises(asyncio.CancelledError):
        await Watched().warning(cancelled)


async def test_an_incomplete_answer_is_told_as_such() -> None:
    row = ["StorageBlobLogs", 4, 0, 0, None]
    answer = table_of(row, error={"code": "PartialError"})
    text = await Watched().warning(answering(answer))
    assert "logs of blob show no use of it" in text
    assert "The workspace calls its answer incomplete" in text


async def test_a_cloud_without_a_known_address_is_said_so(scene: Watched) -> None:
    place = scene.watching().facts.place(scene.source_name)
    rotator = scene.watching(arm="https://management.example")
    assert "address is not known" in await rotator.use(place, place.pair.second)


@pytest.mark.parametrize(("arm", "service"), logs.SERVICES.items())
async def test_each_cloud_has_its_own_address_and_audience(
    arm: str, service: tuple[str, str]
) -> None:
    scene, requests = Watched(), list[Request]()
    place = scene.watching().facts.place(scene.source_name)

    async def network(request: Request, call: Call) -> Response:
        del call
        requests.append(request)
        return table_of()

    await scene.watching(network, arm).use(place, place.pair.second)
    (request,) = requests
    assert request.url == f"{service[0]}/v1/workspaces/{scene.workspace.id}/query"
    token = request.header("authorization").removeprefix("Bearer ")
    assert scene.rig.world.identities.principal_of(token, service[1]) == scene.rig.identity


HOSTILE = (
    "", "ab", "a" * 25, "AppData", "appdata'", "appdata' or true //", "x' | union Secrets //",
    "app\ndata", "appdata\n", "app\\data", "аppdata", "app data", "{account}",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
async def test_nothing_but_a_name_gets_into_the_query(name: str) -> None:
    with pytest.raises(NeedsHuman):
        query_of(name, "key2")
    with pytest.raises(NeedsHuman):
        query_of("appdata", name)
    scene = Watched()
    place = replace(scene.watching().facts.place(scene.source_name), names=(name,))
    assert UNKNOWN in await scene.watching().use(place, place.pair.second)
    assert not scene.questions()


async def test_the_question_is_bounded_for_the_service_too(scene: Watched) -> None:
    await scene.warning()
    (request,) = scene.questions()
    assert request.header("prefer") == "wait=8"
    assert json.loads(request.body)["timespan"] == "P8D"


class Doors(Desk):
    """A desk whose operator may query a workspace that gets the account's logs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        central = self.world.add_log_workspace("central")
        for reader in (self.identity, self.ada):
            self.world.grant(reader, ROLE, central.resource_id)
        time = self.clock.now() - timedelta(days=1)
        central.tables["StorageBlobLogs"] = [Logged(time, "appdata", KEY2, "10.0.0.1:1")]
        self.environment = {"REKEY_LOGS_WORKSPACE": central.id}

    def knowing(self) -> dict[str, str]:
        """Return the operator's settings, the workspace among them."""
        return {**self.env, **self.environment}


SEEN = "show it in use: blob, 1 request from 1 address"


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_the_doctor_says_who_uses_the_other_key(form: tuple[str, ...]) -> None:
    desk = Doors()
    desk.secret("app", desk.account("appdata"), days_left=80)
    ran = desk.run("doctor", *form, env=desk.knowing())
    assert ran.code == 0, ran.err
    assert SEEN in ran.out


def test_adoption_asks_with_that_in_the_question() -> None:
    desk = Doors()
    account = desk.account("appdata")
    desk.vault.put("app", account.keys["key1"].value)
    command = ("adopt", "prod/app", "--provider", account.resource_id)
    refused = desk.run(*command, env=desk.knowing(), person=Answers(["no"]))
    assert SEEN in refused.out + refused.err
    assert "ProviderAddress" not in desk.tags("app")
    tried = desk.run(*command, "--dry-run", env=desk.knowing())
    assert SEEN in tried.out


@pytest.mark.parametrize("right", [True, False])
async def test_the_daily_audit_logs_it_and_goes_on_without_it(
    caplog: pytest.LogCaptureFixture, right: bool
) -> None:
    desk = Doors()
    desk.secret(NAME, desk.account("appdata"), days_left=80)
    if not right:
        roles = desk.world.roles
        roles.assignments = [role for role in roles.assignments if "Insights" not in role.scope]
    item = desk.item(NAME, action="audit")
    with caplog.at_level("WARNING", "rekey"):
        outcome = await desk.service().engine.handle(item)
    assert outcome.result == "confirmed"
    assert (SEEN if right else UNKNOWN) in caplog.text
