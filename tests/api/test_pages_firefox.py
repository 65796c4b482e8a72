"""The pages in Firefox, whose own engine draws them and runs the script; axe finds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.inventory import many, varied
from tests.shared.chromium import MODULES, serve
from tests.shared.firefox import Firefox, start_firefox
from tests.shared.scene import scene

AXE = (MODULES / "axe-core" / "axe.min.js").read_text()
LOADED = "document.getElementById('said').textContent.startsWith('All loaded')"


@pytest.fixture(scope="module")
def firefox() -> Iterator[Firefox]:
    with start_firefox() as running:
        yield running


def violations(firefox: Firefox) -> Any:
    firefox.run(AXE)
    script = (
        "return axe.run({resultTypes: ['violations']}).then((found) => "
        "found.violations.map((rule) => rule.id))"
    )
    return firefox.run(AXE + ";" + script)


@pytest.mark.parametrize("width", [450, 1280])
@pytest.mark.parametrize(
    "query", ["", "?group=owner", "?vault=prod&secret=checkout-sql", "?state=fine"]
)
def test_a_page_is_whole_narrow_and_open_to_all(firefox: Firefox, query: str, width: int) -> None:
    firefox.resize(width, 2_000)
    with serve(varied().api()) as address:
        firefox.open(f"{address}/api/inventory{query}")
        if "secret" not in query and "fine" not in query:
            firefox.until(LOADED)
            assert firefox.run("return document.querySelectorAll('tr[data-state]').length") == 12
        root = "document.documentElement"
        assert firefox.run(f"return {root}.scrollWidth <= {root}.clientWidth")
        assert firefox.run("return getComputedStyle(document.body).maxWidth") == "1248px", (
            "the style applies"
        )
        assert violations(firefox) == []


def test_the_script_brings_a_thousand_rows_in_order(firefox: Firefox) -> None:
    with serve(many(1_000).api()) as address:
        firefox.open(f"{address}/api/inventory")
        firefox.until(LOADED)
        keys = firefox.run(
            "return [...document.querySelectorAll('tr[data-state]')].map((row) => "
            "row.dataset.urgency)"
        )
    assert len(keys) == 1_000
    assert keys[:20] == sorted(keys[:20])
    assert keys[20:] == sorted(keys[20:])


def test_a_button_acts_after_its_dry_run(firefox: Firefox) -> None:
    rig = scene(days_left=60)
    with serve(rig.api()) as address:
        firefox.open(f"{address}/api/inventory?vault=prod&secret=app-key&try=rotate")
        assert firefox.run("return document.activeElement.id") == "trial"
        firefox.run(
            "document.querySelector('#act input').value = 'trying it'; "
            "document.querySelector('#act button').click()"
        )
        firefox.until("document.getElementById('outcome').textContent !== 'Sent…'")
        (item,) = rig.messages("rotations")
    assert (item["force"], item["reason"]) == (True, "trying it")
