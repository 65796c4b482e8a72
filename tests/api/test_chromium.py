"""The browser of the tests itself: where it comes from, and that it outlives a crash."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Error

from tests.shared import chromium as package
from tests.shared.chromium import Chromium

PACK = "require('fs').writeFileSync(process.argv[1], require('zlib').brotliCompressSync('program'))"


def test_those_that_unpack_it_at_once_run_the_same_file(tmp_path: Path) -> None:
    packed = tmp_path / "chromium.br"
    subprocess.run(["node", "-e", PACK, packed], check=True)  # noqa: S603, S607 - nobody else's input

    def unpack(_: int) -> int:
        return package._unpacked(packed).stat().st_ino

    with ThreadPoolExecutor(8) as pool:
        files = set(pool.map(unpack, range(8)))
    assert files == {(tmp_path / "chromium").stat().st_ino}
    assert (tmp_path / "chromium").read_text() == "program"
    assert {path.name for path in tmp_path.iterdir()} == {"chromium", "chromium.br"}


def test_no_process_of_it_fails_while_it_starts(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEBUG", "pw:browser")
    with package.start_chromium() as browser:
        browser.new_page().goto("data:text/html,<h1>drawn</h1>")
    assert "GPU process" not in capfd.readouterr().err


def test_one_that_has_died_is_started_anew_for_the_next_test(chromium: Chromium) -> None:
    died = chromium.ready()
    assert chromium.ready() is died
    with pytest.raises(Error):
        died.new_browser_cdp_session().send("Browser.crash")
    next_one = chromium.ready()
    assert next_one is not died
    next_one.new_page().goto("data:text/html,<h1>drawn</h1>")
