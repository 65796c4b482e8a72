"""How an app starts on the strict host: each test has an app that a kinder host would run."""

from __future__ import annotations

from pathlib import Path

from simulator.host.limits import Limits
from simulator_tests.host.strict import strict, write_app

ROUTE = """
@app.route("{name}")
def {name}(req: func.HttpRequest) -> str:
    return {expression}
"""


def route(name: str, expression: str) -> str:
    return ROUTE.format(name=name, expression=expression)


async def test_a_setting_with_an_empty_value_does_not_reach_the_app(tmp_path: Path) -> None:
    folder = write_app(tmp_path / "app", route("empty", "repr(os.environ.get('EMPTY'))"))
    async with strict(folder, EMPTY="", FULL="1") as host:
        assert await host.text("empty") == "None"


async def test_the_environment_is_replaced_and_what_the_placeholder_had_is_gone(
    tmp_path: Path,
) -> None:
    folder = write_app(tmp_path / "app", route("names", "' '.join(sorted(os.environ))"))
    async with strict(folder, MINE="1") as host:
        names = (await host.text("names")).split()
        assert "MINE" in names
        assert "WEBSITE_PLACEHOLDER_MODE" not in names


async def test_the_process_starts_without_the_apps_settings(tmp_path: Path) -> None:
    """A naive app sets what the interpreter reads as it starts, such as PYTHONOPTIMIZE."""
    expression = "str('MINE' in open('/proc/self/environ').read()) + str(sys.flags.optimize)"
    folder = write_app(tmp_path / "app", route("first", expression))
    async with strict(folder, MINE="1", PYTHONOPTIMIZE="2") as host:
        assert await host.text("first") == "False0"


async def test_an_app_whose_settings_are_needed_as_it_loads_finds_them(tmp_path: Path) -> None:
    folder = write_app(
        tmp_path / "app", "WHEN_LOADED = os.environ['MINE']" + route("loaded", "WHEN_LOADED")
    )
    async with strict(folder, MINE="here") as host:
        assert await host.text("loaded") == "here"


async def test_a_packages_module_wins_over_the_apps_own_of_the_same_name(tmp_path: Path) -> None:
    folder = packaged(write_app(tmp_path / "app", "import helper" + route("whose", "helper.WHOSE")))
    (folder / "helper.py").write_text("WHOSE = 'the app'")
    (folder / ".python_packages/lib/site-packages/helper.py").write_text("WHOSE = 'a package'")
    async with strict(folder) as host:
        assert await host.text("whose") == "a package"


async def test_the_apps_folder_is_the_last_of_the_path_and_the_start_folder_is_not_in_it(
    tmp_path: Path,
) -> None:
    folder = write_app(tmp_path / "app", route("path", "os.pathsep.join(sys.path)"))
    async with strict(folder) as host:
        path = (await host.text("path")).split(":")
    assert path[-1] == str(folder)
    assert "site-packages" in path[0]
    assert path[1].endswith("python_worker")
    assert "" not in path


async def test_an_app_that_does_not_ship_the_worker_library_gets_the_platforms_older_one(
    tmp_path: Path,
) -> None:
    folder = packaged(write_app(tmp_path / "app", route("hello", "'hello'")))
    (folder / ".python_packages/lib/site-packages/azure_functions_runtime").unlink()
    async with strict(folder) as host:
        assert host.names == set()
        assert "azure-functions-runtime 1.1.1, which the platform carries" in host.said(
            "Host.Startup"
        )


async def test_the_loop_is_uvloops_and_lives_as_long_as_the_process(tmp_path: Path) -> None:
    source = """
        @app.route("loop")
        async def loop(req: func.HttpRequest) -> str:
            current = asyncio.get_running_loop()
            return f"{type(current).__mro__[1].__module__} {id(current)}"
        """
    async with strict(write_app(tmp_path / "app", source)) as host:
        first = await host.text("loop")
        assert first.startswith("uvloop")
        assert await host.text("loop") == first


async def test_an_app_that_cannot_be_loaded_is_tried_twice_and_then_runs_without_functions(
    tmp_path: Path,
) -> None:
    source = """
        print("loading", file=sys.stderr, flush=True)
        logging.critical("nobody hears this")
        raise RuntimeError("a wrong setting")
        """
    async with strict(write_app(tmp_path / "app", source)) as host:
        assert host.names == set()
        assert host.said("Host.Function.Console").splitlines() == ["loading", "loading"]
        assert "a wrong setting" in host.said("Host.Startup")
        assert "nobody hears this" not in str(host.log)


async def test_what_is_logged_while_the_app_loads_reaches_nobody_and_what_is_printed_does(
    tmp_path: Path,
) -> None:
    source = "logging.error('logged'); print('printed error', file=sys.stderr, flush=True)" + route(
        "hello", "'hello'"
    )
    async with strict(write_app(tmp_path / "app", source)) as host:
        await host.text("hello")
        assert host.said("Host.Function.Console") == "printed error"
        assert ("root", "logged") not in host.log
        assert "logged" not in {message for _, message in host.log}


async def test_a_module_that_only_the_folder_of_the_start_has_is_not_found(tmp_path: Path) -> None:
    """The old host ran in the repository's root, and found whatever lay there."""
    folder = write_app(tmp_path / "app", "import simulator" + route("hello", "'hello'"))
    async with strict(folder) as host:
        assert host.names == set()
        assert "No module named 'simulator'" in host.said("Host.Startup")


def packaged(folder: Path) -> Path:
    """Give an app packages of its own: links to what it needs of this environment's."""
    from simulator.host.app_folder import OF_THIS_PROCESS

    packages = folder / ".python_packages" / "lib" / "site-packages"
    packages.mkdir(parents=True)
    for name in ("azure", "azure_functions_runtime", "azurefunctions", "werkzeug", "markupsafe"):
        (packages / name).symlink_to(OF_THIS_PROCESS / name)
    return folder


async def test_an_app_that_takes_too_long_to_load_is_given_up(tmp_path: Path) -> None:
    folder = write_app(tmp_path / "app", "import time; time.sleep(60)" + route("hello", "'hello'"))
    async with strict(folder, Limits(start=0.5)) as host:
        assert host.names == set()
        assert "did not load the app within 0.5 s" in host.said("Host.Startup")
