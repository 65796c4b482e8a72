"""What a person who kills processes sees: the result, and no line for each credential tried."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts import kill
from tests.shared.heard import Log

LOGGER = logging.getLogger("azure.identity.aio._internal.decorators")
RESULT = {"kills": 0, "accepted": 0, "versions": 0, "tries": 0, "longest": 0.0}


def test_the_refusals_of_dead_credentials_hide_no_result(
    monkeypatch: pytest.MonkeyPatch,
    caplog: Log,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    def play(*_: object) -> SimpleNamespace:
        LOGGER.warning("AADSTS7000215")
        return SimpleNamespace(**RESULT, leaked=[], problems=[])

    monkeypatch.setattr(kill, "play", play)
    monkeypatch.setattr("tempfile.mkdtemp", lambda **_: str(tmp_path))
    try:
        assert kill.main([]) == 0
    finally:
        logging.getLogger("azure.identity").setLevel(logging.NOTSET)
    assert "AADSTS7000215" not in caplog.text
    assert capsys.readouterr().out.endswith("every promise held\n")
