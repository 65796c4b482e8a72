"""Which functions the strict host leaves out.

Each test has a function that a kinder host would run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.host.bundle import ID, chosen
from simulator.host.functions import Function
from simulator.host.indexing import runnable
from simulator.host.route_constraints import satisfies
from simulator.host.settings import HostFile, SettingError
from simulator_tests.host.strict import BUNDLE, strict, write_app

HOST_FILE = HostFile({"version": "2.0", **BUNDLE})


def http(name: str, route: str | None = None, *methods: str) -> Function:
    return Function(
        name,
        (
            {
                "type": "httpTrigger",
                "direction": "IN",
                "name": "req",
                "route": route,
                "methods": methods,
            },
            {"type": "http", "direction": "OUT", "name": "$return"},
        ),
    )


def triggered(name: str, kind: str, parameter: str = "message") -> Function:
    return Function(name, ({"type": kind, "direction": "IN", "name": parameter},))


def refused(*functions: Function, host_file: HostFile = HOST_FILE) -> dict[str, str]:
    return runnable(functions, host_file)[1]


async def test_without_the_extension_bundle_queues_and_events_are_not_heard_while_http_answers(
    tmp_path: Path,
) -> None:
    source = """
        @app.route("hello")
        def hello(req: func.HttpRequest) -> str:
            return "all is well"

        @app.queue_trigger("message", "a", "S")
        def on_a(message: func.QueueMessage) -> None: ...

        @app.event_grid_trigger("event")
        def on_event(event: func.EventGridEvent) -> None: ...

        @app.timer_trigger("timer", "0 0 * * * *")
        def tick(timer: func.TimerRequest) -> None: ...
        """
    folder = write_app(tmp_path / "app", source)
    (folder / "host.json").write_text('{"version": "2.0"}')
    async with strict(folder) as host:
        assert host.names == {"hello", "tick"}
        assert await host.text("hello") == "all is well"
        assert set(host.supervisor.refused) == {"on_a", "on_event"}
        assert "'queueTrigger' are not registered" in host.supervisor.refused["on_a"]


@pytest.mark.parametrize(
    "kind", ["queueTrigger", "eventGridTrigger", "blobTrigger", "serviceBusTrigger"]
)
def test_every_binding_that_is_not_built_in_needs_the_bundle(kind: str) -> None:
    assert "f" in refused(triggered("f", kind), host_file=HostFile({"version": "2.0"}))
    assert refused(triggered("f", kind)) == {}


def named(version: object, name: str = ID) -> HostFile:
    return HostFile({"version": "2.0", "extensionBundle": {"id": name, "version": version}})


@pytest.mark.parametrize(
    ("version", "newest"),
    [
        ("[4.*, 5.0.0)", "4.38"),
        ("[3.*, 4.0.0)", "3.41"),
        ("[3.*, 4.0.0]", "4.0"),
        ("(4.0.0, 4.2.0)", "4.1"),
        ("[4.20.0]", "4.20"),
        ("[,2.0.0)", "1.8"),
        ("[4.36, )", "4.38"),
        ("2.0.0", "4.38"),
        ("4.*", "4.38"),
    ],
)
def test_the_newest_bundle_within_the_range_is_taken(version: str, newest: str) -> None:
    assert chosen(named(version)) == newest


@pytest.mark.parametrize("version", ["[5.*, 6.0.0)", "[4.*, 4.0.0)", "[4.10.0]", "[4.*, 3.0.0)"])
def test_a_range_that_holds_no_bundle_leaves_queues_and_events_out(
    version: str, caplog: pytest.LogCaptureFixture
) -> None:
    left_out = refused(triggered("f", "queueTrigger"), http("g"), host_file=named(version))
    assert set(left_out) == {"f"}
    assert f"Bundle version matching the {version} was not found" in caplog.messages
    assert "Unable to find or download extension bundle" in caplog.messages


def test_a_bundle_that_nobody_publishes_is_not_found() -> None:
    assert "f" in refused(triggered("f", "queueTrigger"), host_file=named("[4.*, 5.0.0)", "X.Y"))


@pytest.mark.parametrize(
    "version", ["", None, "latest", "4.x", "[4.*, 5.0.0", "[,]", "[]", "[4.*; 5.0.0)"]
)
def test_without_a_version_that_can_be_read_the_host_does_not_start(version: object) -> None:
    with pytest.raises(SettingError, match="value of version property in extensionBundle section"):
        runnable([http("f")], named(version))


@pytest.mark.parametrize("name", ["", " ", "a b"])
def test_without_an_id_that_can_be_read_the_host_does_not_start(name: str) -> None:
    with pytest.raises(SettingError, match="value of id property in extensionBundle section"):
        runnable([http("f")], named("[4.*, 5.0.0)", name))


@pytest.mark.parametrize("kind", ["httpTrigger", "timerTrigger", "warmupTrigger", "manualTrigger"])
def test_what_is_built_in_needs_no_bundle(kind: str) -> None:
    assert refused(triggered("f", kind), host_file=HostFile({"version": "2.0"})) == {}


def test_an_output_binding_needs_the_bundle_too() -> None:
    writer = Function(
        "w", (*http("w").bindings, {"type": "queue", "direction": "OUT", "name": "out"})
    )
    assert (
        "'queue' are not registered" in refused(writer, host_file=HostFile({"version": "2.0"}))["w"]
    )


@pytest.mark.parametrize("name", ["1st", "_f", "a b", "host", "Host", "f" * 129, "é", "a.b"])
def test_a_name_that_the_host_does_not_take_leaves_its_function_out(name: str) -> None:
    assert "not a valid function name" in refused(triggered(name, "timerTrigger"))[name]


@pytest.mark.parametrize("name", ["f", "F1", "a-b", "a_b", "f" * 128, "hosts"])
def test_other_names_are_taken(name: str) -> None:
    assert refused(triggered(name, "timerTrigger")) == {}


@pytest.mark.parametrize(
    "route", ["admin", "admin/keys", "ADMIN", "administration", "runtime", "runtimes/x", "/admin"]
)
def test_routes_that_begin_like_the_hosts_own_are_refused(route: str) -> None:
    assert "built in routes" in refused(http("f", route))["f"]


@pytest.mark.parametrize("route", ["secrets/admin", "adm", "my-runtime"])
def test_routes_that_only_hold_such_a_word_are_not(route: str) -> None:
    assert refused(http("f", route)) == {}


def test_of_two_functions_with_one_route_and_method_the_second_is_left_out() -> None:
    assert refused(http("a", "x/{id}", "GET"), http("b", "X/{ID}/", "GET", "POST")) == {
        "b": "The route specified conflicts with the route defined by function 'a'."
    }
    assert "b" in refused(http("a", "x", "GET"), http("b", "x"))


def test_two_functions_may_share_a_route_by_different_methods_or_parameters_of_different_names() -> (
    None
):
    assert refused(http("a", "x", "GET"), http("b", "x", "POST")) == {}
    assert refused(http("a", "x/{id}"), http("b", "x/{name}")) == {}


@pytest.mark.parametrize("parameter", ["my_message", "1st", "a-b"])
def test_a_parameter_name_with_other_signs_than_letters_and_digits_leaves_its_function_out(
    parameter: str,
) -> None:
    """Python allows my_message; the host does not."""
    assert "binding name" in refused(triggered("f", "timerTrigger", parameter))["f"]


def test_a_constraint_that_does_not_exist_leaves_its_function_out() -> None:
    assert "'integer' could not be resolved" in refused(http("f", "x/{id:integer}"))["f"]
    assert refused(http("f", "x/{id:int:min(1)}")) == {}


@pytest.mark.parametrize(
    ("constraints", "good", "bad"),
    [
        (":int", "12", "x"),
        (":guid", "0af76519-16cd-43dd-8448-eb211c80319c", "12"),
        (":bool", "True", "yes"),
        (":alpha", "abc", "a1"),
        (":length(3)", "abc", "abcd"),
        (":length(1,2)", "ab", "abc"),
        (":minlength(2)", "ab", "a"),
        (":maxlength(2)", "ab", "abc"),
        (":int:min(1)", "1", "0"),
        (":max(5)", "5", "6"),
        (":range(1,3)", "3", "4"),
        (":regex(^a.c$)", "abc", "ab"),
        (":double", "1.5", "x"),
    ],
)
def test_a_constraint_is_met_or_not(constraints: str, good: str, bad: str) -> None:
    assert satisfies(good, constraints)
    assert not satisfies(bad, constraints)


def test_without_a_host_json_the_bundle_is_added_by_the_host() -> None:
    assert refused(triggered("f", "queueTrigger"), host_file=HostFile({})) == {}


@pytest.mark.parametrize("bundle", [{}, None])
def test_an_empty_section_names_no_bundle(bundle: Any) -> None:
    content = json.loads(json.dumps({"version": "2.0", "extensionBundle": bundle}))
    assert "f" in refused(triggered("f", "queueTrigger"), host_file=HostFile(content))
