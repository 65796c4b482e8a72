"""What becomes of a package on Flex Consumption."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from simulator.account.azure import EmptyAzure
from simulator.azure import SUBSCRIPTION
from simulator.reach.server import start_in_thread
from simulator_tests.host.waiting import wait_for

SITE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rekey/providers/Microsoft.Web/sites/rekey"
APP = """
import azure.functions as func

app = func.FunctionApp()

@app.route("here")
def here(req: func.HttpRequest) -> str:
    return "here"
"""


def without_its_packages() -> bytes:
    """Return a package with the sources of an app alone."""
    with zipfile.ZipFile(whole := io.BytesIO(), "w") as package:
        package.writestr("function_app.py", APP)
        package.writestr("host.json", '{"version": "2.0"}')
    return whole.getvalue()


def test_an_app_that_brings_no_packages_has_none_but_the_platforms(tmp_path: Path) -> None:
    """Not those of whoever runs the tests, with which it would start."""
    with start_in_thread(lambda domains: EmptyAzure(domains, tmp_path)) as cloud:
        azure, log = cloud.world, tmp_path / "host.log"
        azure.environment = cloud.running.environment
        azure.add_account("own")
        site = azure.web.add(SITE)
        site.plain = {"AzureWebJobsStorage": cloud.running.connection_string("own")}
        azure.flex._run(site, without_its_packages())
        run = azure.flex.runs[SITE]
        try:
            wait_for(lambda: bool(run.base), log.read_text)
        finally:
            azure.flex.end()
    assert run.functions == ()
    assert "azure-functions-runtime 1.1.1, which the platform carries" in log.read_text()
