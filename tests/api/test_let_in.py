"""Who is let in while many others are inside: no crowd keeps out those whom it must not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from api import app
from api.app import Api
from api.concurrency_limit import ConcurrencyLimit
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.api.test_access import SIGNED_IN, principal
from tests.api.test_leaks import KEYED, leak, leaky
from tests.shared.scene import NAME, ask, scene, send


async def test_strangers_who_all_wait_for_the_apps_health_do_not_close_the_door() -> None:
    api = replace(scene().api(), probes=ConcurrencyLimit(0))
    names = ("http_health", "http_door", "http_openapi")
    assert [(await send(api, name)).status for name in names] == [429, 401, 200]


async def test_who_lists_whole_vaults_takes_one_of_the_few_places_for_that() -> None:
    api = replace(scene().api(), listings=ConcurrencyLimit(0))
    names = ("list", "dashboard", "metrics", "incidents", "incident_progress", "incident_report")
    path = {"incident": "20261102T090000Z-0a1b2c3d"}
    answers = {name: (await send(api, f"http_{name}", path)).status for name in names}
    drill = b'{"everything": true, "reason": "a drill"}'
    answers["incident"] = (
        await send(api, "http_incident", query={"dry_run": "true"}, body=drill)
    ).status
    assert answers == dict.fromkeys((*names, "incident"), 429)


async def reported(api: Api, go: asyncio.Event, names: Sequence[str]) -> list[int]:
    """Have callers report at once what nobody holds, and return the answers."""
    reports = [
        asyncio.create_task(leak(api, f"{name}-{n:040}", principal("Rekey.Reporter", oid=name)))
        for n, name in enumerate(names)
    ]
    for _ in range(200):
        await asyncio.sleep(0)
    go.set()
    return [answer.status for answer in await asyncio.gather(*reports)]


async def test_a_caller_who_sends_many_reports_at_once_keeps_nobody_elses_out() -> None:
    rig, go = leaky(KEYED), asyncio.Event()

    async def wait(request: Request, call: Call) -> Response:
        if ".queue." in request.host:
            await go.wait()
        return await call()

    answers = await reported(rig.api(wait, env=SIGNED_IN), go, ["flood"] * 30 + ["team"] * 4)
    assert answers.count(202) == app.MOST_OF_ONE + 4
    assert answers[30:] == [202] * 4


async def test_holders_of_function_keys_do_not_share_the_few_places_of_one_caller() -> None:
    rig, go = leaky(KEYED), asyncio.Event()

    async def wait(request: Request, call: Call) -> Response:
        if ".vault." in request.host:
            await go.wait()
        return await call()

    answers = await reported(rig.api(wait), go, ["anybody"] * (app.MOST_OF_ONE + 1))
    assert answers == [200] * len(answers)


async def test_a_request_that_fails_gives_its_place_back() -> None:
    api = replace(scene().api(), acts=ConcurrencyLimit(1))
    assert [(await ask(api, name="nothing-here")).status for _ in range(2)] == [404, 404]


async def test_full_reports_keep_no_admins_report_out() -> None:
    rig = leaky(KEYED)
    api = replace(rig.api(env=SIGNED_IN), leaks=ConcurrencyLimit(0))
    leaked = rig.latest("app-key").value
    assert (await leak(api, leaked, principal("Rekey.Reporter"))).status == 429
    assert (await leak(api, leaked, principal("Rekey.Admin"), act=True)).status == 202


async def test_twenty_pipelines_follow_their_operations_at_the_same_time() -> None:
    rig, go = scene(), asyncio.Event()
    location = urlsplit((await ask(rig.api())).headers["Location"])

    async def wait(request: Request, call: Call) -> Response:
        if ".vault." in request.host:
            await go.wait()
        return await call()

    api, path = (
        rig.api(wait),
        {"vault": "prod", "name": NAME, "operation": location.path.rpartition("/")[2]},
    )
    query = dict(parse_qsl(location.query))
    looks = [asyncio.create_task(send(api, "http_operation", path, query)) for _ in range(20)]
    for _ in range(100):
        await asyncio.sleep(0)
    go.set()
    assert {answer.status for answer in await asyncio.gather(*looks)} == {202}


def test_the_docs_say_how_many_requests_an_instance_answers_at_the_same_time() -> None:
    docs = " ".join((Path(app.__file__).parents[1] / "docs" / "api.md").read_text().split())
    assert (
        f"{app.MOST_LISTINGS} calls that list whole vaults, {app.MOST_WAITS} that wait for an end, "
        f"{app.MOST_LOOKS} that look at something else, {app.MOST_LEAKS} reports of leaks, "
        f"{app.MOST_DELIVERIES} deliveries of GitHub's, {app.MOST_PROBES} probes of its health and "
        f"{app.MOST_ACTS} calls that act"
    ) in docs
