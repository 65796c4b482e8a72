"""Walks over the OpenAPI document.

Every answer's ids are sent back wherever something accepts them, and every parameter is mutated.

It reads the document alone, and shares nothing with the generator that test_openapi.py uses.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from api.answers import Answer
from api.requests import Request, stamp
from api.routes import ROUTES, document
from tests.shared.delivery import Delivery
from tests.shared.policies import EMPTY, OWN, PolicyRig
from tests.shared.scene import NAME

DOCUMENT = document()
CALLS = [
    (path, method, call)
    for path, methods in sorted(DOCUMENT["paths"].items())
    for method, call in sorted(methods.items())
]
ALIASES = {"name": "secret", "incident": "id", "replacing": "version"}
"""What an answer calls a parameter, where that is another name."""
HOSTILE = [
    "", " ", ".", "..", "%2F", "a/b", "null", "0", "-1", "1e9", "true", "TRUE", "*", "?", "[", "{}",
    "\x00", "\r\n", "\ud800", "ß", "\u202e", "'\"<script>", "${7*7}", "x" * 3000, "9" * 400,
]  # fmt: skip
JUNK: list[Any] = [None, True, 0, -1, 1e308, [], {}, [[]], {"": ""}, *HOSTILE]


@dataclass
class World:
    """The API over one world, and all that its answers have told."""

    rig: PolicyRig = field(default_factory=PolicyRig)
    records: list[dict[str, Any]] = field(default_factory=list)
    """Objects of answers, each with what stood around it."""
    etag: str = ""
    key: int = 0

    def __post_init__(self) -> None:
        self.rig.vault.put(OWN.name, EMPTY)
        self.rig.secret(NAME, self.rig.account("appdata"), days_left=10, tags={"Owner": "me"})
        self.rig.secret("second-key", self.rig.account("second"), days_left=80)
        wrong = {"ValidityPeriodDays": "sixty"}
        self.rig.secret("parked-key", self.rig.account("third"), days_left=5, tags=wrong)
        self.rig.clock.advance(60)

    def send(
        self,
        path: str,
        method: str,
        values: Mapping[str, str],
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        """Send one request, and hold its answer against the document."""
        route = next(
            route
            for route in ROUTES
            if f"/api/{route.path}" == path and route.method.lower() == method
        )
        sent = Request.arrived(route.method, route.path, values, query, headers, body)
        answer = asyncio.run(self.rig.api().answer(route, sent))
        self.rig.clock.advance(1)
        _holds(
            DOCUMENT["paths"][path][method], answer, f"{method} {path} {values} {query} {body!r}"
        )
        return answer

    def learn(self, answer: Answer) -> None:
        """Take in what an answer says."""
        # The document itself is an answer, too, but holds no identifiers.
        if answer.status < 300 and isinstance(answer.body, dict) and "openapi" not in answer.body:
            self.records += _records(answer.body, {})
            self.etag = answer.headers.get("ETag", self.etag)

    def work(self) -> None:
        """Let the app take up what is on its queues."""
        orders = list(self.rig.queue("sweeps"))
        self.rig.queue("sweeps").clear()

        async def run() -> None:
            for order in orders:
                await self.rig.service().sweep_vault(base64.b64decode(order.body))
            # What cannot be dealt with comes back every quarter of an hour.
            await Delivery(self.rig, self.rig.service).run(within=timedelta(minutes=10))

        asyncio.run(run())


def _holds(call: Mapping[str, Any], answer: Answer, what: str) -> None:
    """Fail where the document does not describe this answer."""
    assert answer.status < 500, f"{what}: {answer.status} {answer.text()[:500]}"
    responses = call["responses"]
    assert str(answer.status) in responses, f"{what}: {answer.status} is undocumented"
    described = responses[str(answer.status)]
    assert answer.content_type in described["content"], f"{what}: {answer.content_type}"
    schema = described["content"][answer.content_type]["schema"]
    value: Any = answer.body if isinstance(answer.body, str) else json.loads(answer.text())
    whole = {**schema, "components": DOCUMENT["components"]}
    assert not [*Draft202012Validator(whole).iter_errors(value)], what
    required = {n for n, header in described.get("headers", {}).items() if header["required"]}
    assert required <= answer.headers.keys(), what
    if answer.status >= 400:
        assert value["detail"], what


def _records(value: Any, around: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every object in an answer; what stands around one belongs to it, too."""
    if isinstance(value, dict):
        plain = {name: part for name, part in value.items() if isinstance(part, str)}
        own = {**{k: v for k, v in around.items() if k in ("vault", "secret")}, **plain}
        yield own
        for part in value.values():
            yield from _records(part, own)
    elif isinstance(value, list):
        for part in value:
            yield from _records(part, around)


def _fitting(call: Mapping[str, Any], record: Mapping[str, str]) -> dict[str, str] | None:
    """Return the path's parameters out of one record; None where it does not have them."""
    values = {}
    for parameter in call["parameters"]:
        if parameter["in"] == "path":
            value = record.get(ALIASES.get(parameter["name"], parameter["name"]), "")
            if not value or not re.search(parameter["schema"].get("pattern", ""), value):
                return None
            values[parameter["name"]] = value
    return values


def _query(world: World, call: Mapping[str, Any], record: Mapping[str, str]) -> dict[str, str]:
    """Return the query's parameters that a record knows, and what is required besides."""
    query = {}
    for parameter in call["parameters"]:
        name, schema = parameter["name"], parameter["schema"]
        value = record.get(name, "")
        if parameter["in"] != "query" or (name == "name" and "secret" not in record):
            continue
        if parameter["required"] and not value:
            value = stamp(world.rig.clock.now())
        known = value in schema.get("enum", [value]) and re.search(schema.get("pattern", ""), value)
        if (
            value
            and known
            and (parameter["required"] or name in ("vault", "owner", "rotator", "state"))
        ):
            query[name] = value
    return query


def _body(data: st.DataObject, call: Mapping[str, Any], record: Mapping[str, str]) -> bytes:
    """Return a body whose members come from a record, where it knows them."""
    if "requestBody" not in call:
        return b""
    (content,) = call["requestBody"]["content"].values()
    shape = DOCUMENT["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    body: dict[str, Any] = {"reason": "a walk"}
    for name, member in shape["properties"].items():
        known = record.get(ALIASES.get(name, name))
        if name == "document":
            body[name] = record.get("document", EMPTY)
        elif member.get("type") == "boolean":
            body |= {name: True} if data.draw(st.booleans()) else {}
        elif known and name in ("version", "replacing", "vault", "source"):
            body[name] = known
        elif name == "value":
            body[name] = "nobody's"
    if "everything" in shape["properties"]:
        body.pop("version", None)  # It needs a vault and a name, which no record has together.
        narrowed = {"vault", "name", "source"} & body.keys()
        body = {name: part for name, part in body.items() if name != "everything" or not narrowed}
        body |= {} if narrowed or "everything" in body else {"everything": True}
    return json.dumps({name: body[name] for name in body if name in shape["properties"]}).encode()


def fed(world: World, data: st.DataObject) -> None:
    """Send a record back to a call that accepts it: it is found, and it can be read."""
    if not world.records:
        path = "/api/secrets"
        world.learn(world.send(path, "get", {}, {}, {}, b""))
        return
    record = data.draw(st.sampled_from(world.records))
    if next_page := record.get("next"):
        parts = urlsplit(next_page)
        answer = world.send(parts.path, "get", {}, dict(parse_qsl(parts.query)), {}, b"")
        assert answer.status == 200, next_page
        return
    possible = [(p, m, c, v) for p, m, c in CALLS if (v := _fitting(c, record)) is not None]
    path, method, call, values = data.draw(st.sampled_from(possible))
    world.key += 1
    headers = {"idempotency-key": f"walk-{world.key}"}
    if world.etag and "policy" in path and data.draw(st.booleans()):
        headers["if-match"] = world.etag
    query = _query(world, call, record)
    if data.draw(st.booleans()) and any(p["name"] == "dry_run" for p in call["parameters"]):
        query["dry_run"] = "true"
    body = _body(data, call, record)
    answer = world.send(path, method, values, query, headers, body)
    what = f"{method} {path} {values} {query} {body!r} {record}: {answer.text()[:300]}"
    assert answer.status not in (400, 404), what
    world.learn(answer)
    if location := answer.headers.get("Location", ""):
        _followed(world, location)


def _followed(world: World, location: str) -> None:
    """Go where an answer leads."""
    if location.startswith("/api/inventory"):
        return
    parts = urlsplit(location)
    for path, method, call in CALLS:
        pattern = re.sub(r"\\{(\w+)\\}|{(\w+)}", r"(?P<\2>[^/]+)", path)
        if method == "get" and (match := re.fullmatch(pattern, parts.path)) and match.groupdict():
            answer = world.send(
                path, method, match.groupdict(), dict(parse_qsl(parts.query)), {}, b""
            )
            assert answer.status in (200, 202), f"{location}: {answer.text()[:300]}"
            world.learn(answer)
            assert call["parameters"]


def mutated(world: World, data: st.DataObject) -> None:
    """Send a request with one part that is wrong, or may be: it is answered as described."""
    path, method, call = data.draw(st.sampled_from(CALLS))
    record = data.draw(st.sampled_from(world.records)) if world.records else {}
    values = _fitting(call, record) or {
        p["name"]: {"vault": "prod", "name": NAME}.get(p["name"], "x")
        for p in call["parameters"]
        if p["in"] == "path"
    }
    query, body = _query(world, call, record), _body(data, call, record)
    headers = {"idempotency-key": f"mutant-{world.key}"}
    world.key += 1
    text = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40))
    parameter = data.draw(st.sampled_from([*call["parameters"], None]))
    if parameter is None:
        query[data.draw(st.sampled_from(["dryrun", "dry_run", "Limit", "x", ""]))] = data.draw(text)
    elif parameter["in"] == "path":
        values[parameter["name"]] = data.draw(text)
    elif parameter["in"] == "query":
        query[parameter["name"]] = data.draw(text)
    else:
        headers[parameter["name"].lower()] = data.draw(text)
    if body and data.draw(st.booleans()):
        members = json.loads(body)
        members[data.draw(st.sampled_from([*members, "extra"]))] = data.draw(st.sampled_from(JUNK))
        body = json.dumps(members).encode()
    world.learn(world.send(path, method, values, query, headers, body))


@settings(
    max_examples=20,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.data())
def test_every_walk_from_answer_to_answer_ends_where_the_document_says(data: st.DataObject) -> None:
    world = World()
    for step in data.draw(st.lists(st.sampled_from("ffffmmmw"), min_size=15, max_size=25)):
        match step:
            case "f":
                fed(world, data)
            case "m":
                mutated(world, data)
            case _:
                world.work()
