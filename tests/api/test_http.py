"""What every call has in common over HTTP: methods, headers, problems."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.answers import Answer
from api.requests import Request as ApiRequest
from api.route import Route
from api.routes import METHODS, ROUTES, allowed, arriving, document
from tests.shared.rig import Rig
from tests.shared.scene import NAME, scene, send, state

PATH = {"vault": "prod", "name": NAME, "operation": "0", "incident": "0"}
EVERY = pytest.mark.parametrize("called", ROUTES, ids=lambda called: called.name)


async def by(method: str, called: Route, rig: Rig | None = None) -> Answer:
    """Send a request by a method that may be none of the call's."""
    request = ApiRequest.arrived(method, called.path, PATH, {}, {}, b"")
    return await (rig or scene()).api().answer(called, request)


@EVERY
async def test_no_answer_is_kept_or_guessed_at(called: Route) -> None:
    answer = await send(scene().api(), called.name, PATH)
    assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == (
        "no-store",
        "nosniff",
    )


@EVERY
async def test_a_method_that_a_path_does_not_take_is_a_405_that_names_those_that_it_takes(
    called: Route,
) -> None:
    rig = scene()
    before = state(rig)
    for method in set(arriving(called)) - set(called.methods):
        answer = await by(method, called, rig)
        assert answer.status == 405
        assert answer.headers["Allow"] == ", ".join(allowed(called.path))
    assert state(rig) == before
    assert rig.world.exchanges == []


@pytest.mark.parametrize("path", sorted({called.path for called in ROUTES}))
def test_each_method_reaches_one_function_of_a_path(path: str) -> None:
    """The platform answers 404 where none takes it, and either of two where both do."""
    methods = [method for called in ROUTES if called.path == path for method in arriving(called)]
    assert sorted(methods) == sorted(METHODS)


@pytest.mark.parametrize(
    "called", [route for route in ROUTES if route.method == "GET"], ids=lambda called: called.name
)
async def test_the_head_of_what_can_be_read_is_the_same_without_its_body(called: Route) -> None:
    whole, head = await by("GET", called), await by("HEAD", called)
    assert replace(whole, body="") == head


@pytest.mark.parametrize(
    ("name", "query", "kind"),
    [
        ("http_list", {"limit": "0"}, "bad-request"),
        ("http_show", {}, "not-found"),
        ("http_policy", {}, "not-found"),
    ],
)
async def test_a_problem_has_a_type_that_the_document_describes(
    name: str, query: dict[str, str], kind: str
) -> None:
    problem = (await send(scene().api(), name, {"vault": "prod", "name": "none"}, query)).body
    address, _, place = problem["type"].partition("#/")
    assert (address, place.rpartition("/")[2]) == ("/api/openapi.json", kind)
    described = document()
    for part in place.split("/"):
        described = described[part]
    assert described["description"] == problem["title"]
    assert set(problem) == {"type", "title", "status", "detail", "instance", "fix", "errors"}
