"""Route templates and keys by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.host.functions import Function
from simulator.host.keys import Keys
from simulator.host.routes import Route, all_routes


def function(route: str | None, name: str = "f", **more: Any) -> Function:
    return Function(
        name, ({"type": "httpTrigger", "direction": "IN", "name": "req", "route": route, **more},)
    )


def match(template: str, path: str, prefix: str = "api") -> dict[str, str] | None:
    return Route.of(function(template), prefix).match("GET", path)


@pytest.mark.parametrize(
    ("template", "path", "params"),
    [
        ("a", "/api/a", {}),
        ("a", "/api/A/", {}),
        ("a", "/api/ab", None),
        ("a", "/x/api/a", None),
        ("a.b", "/api/aXb", None),
        ("{x}", "/api/1", {"x": "1"}),
        ("{x}", "/api/", None),
        ("{x}", "/api/1/2", None),
        ("{x:int}", "/api/1", {"x": "1"}),
        ("{x?}", "/api", {}),
        ("{x?}", "/api/1", {"x": "1"}),
        ("a/{*rest}", "/api/a/1/2", {"rest": "1/2"}),
        ("a/{*rest}", "/api/a", {}),
        ("{x}.{y}", "/api/1.2", {"x": "1", "y": "2"}),
        ("v-{x}/b", "/api/v-1/b", {"x": "1"}),
        ("secrets/{vault}/{name}/rotate", "/api/secrets/V/N/rotate", {"vault": "V", "name": "N"}),
    ],
)
def test_a_template_matches_the_paths_that_it_describes(
    template: str, path: str, params: dict[str, str] | None
) -> None:
    assert match(template, path) == params


def test_without_a_prefix_routes_begin_at_the_root() -> None:
    assert match("a", "/a", prefix="") == {}


def test_a_function_without_a_route_answers_to_its_name() -> None:
    assert Route.of(function(None, name="Hello"), "api").match("GET", "/api/hello") == {}


def test_methods_are_compared_without_case_and_none_means_all() -> None:
    assert Route.of(function("a", methods=["post"]), "api").match("POST", "/api/a") == {}
    assert Route.of(function("a", methods=["post"]), "api").match("GET", "/api/a") is None
    assert Route.of(function("a"), "api").match("BREW", "/api/a") == {}


def test_the_more_specific_route_is_asked_first() -> None:
    routes = all_routes(
        [function("{*rest}", "rest"), function("{x}", "x"), function("a", "a")], "api"
    )
    assert [route.function.name for route in routes] == ["a", "x", "rest"]


def test_functions_with_other_triggers_have_no_route() -> None:
    assert all_routes([Function("f", ({"type": "queueTrigger", "name": "q"},))], "api") == []


KEYS = Keys(default="d", master="m", system="s", functions={"f": "fk"})


@pytest.mark.parametrize(
    ("level", "opens"),
    [
        ("anonymous", {"", "d", "m", "s", "fk", "x"}),
        ("function", {"d", "m", "fk"}),
        ("system", {"s", "m"}),
        ("admin", {"m"}),
    ],
)
def test_each_level_is_opened_by_its_keys_and_by_the_master_key(
    level: str, opens: set[str]
) -> None:
    assert {key for key in ("", "d", "m", "s", "fk", "x") if KEYS.allow(level, key, "f")} == opens


def test_the_key_of_one_function_does_not_open_another() -> None:
    assert not KEYS.allow("function", "fk", "g")


def test_an_unknown_level_is_closed_to_all_but_the_master() -> None:
    assert not KEYS.allow("other", "d")
    assert KEYS.allow("other", "m")


def test_keys_do_not_show_in_a_repr_and_are_random_unless_given() -> None:
    assert "'m'" not in repr(KEYS)
    assert Keys().master != Keys().master
