"""`make others`: what cannot be had is said, and a function is struck and written down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.check_history import check
from scripts.others import __main__ as others
from scripts.others.playing import Counted
from scripts.others.scene import SECRET, SOURCE, Died, Lost, Scene
from scripts.others.services import NotThere, SecretsManager

PASSWORDS = {"v1": "first", "v2": "second"}


def test_what_cannot_be_had_is_said_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert others.main(["--aws", str(tmp_path)]) == 3
    assert "--aws FOLDER" in capsys.readouterr().out


def test_another_commit_than_the_pinned_one_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, _, _ in others.FUNCTIONS.values():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "lambda_function.py").write_text("raise SystemExit")
    assert others.main(["--aws", str(tmp_path)]) == 3
    assert others.COMMIT in capsys.readouterr().out


def rotation(scene: Scene, server: set[str]) -> None:
    """Set, prove and write a second password, as a function would."""
    manager = SecretsManager(
        scene,
        {name: {"password": word} for name, word in PASSWORDS.items()},
        {"v1": {"AWSCURRENT"}, "v2": {"AWSPENDING"}},
        {},
    )
    scene.begin("by hand", "one", {"v1": "first"})
    scene.process = 1
    scene.say("message", m=1, what="rotate", secret=SECRET)
    scene.say("start", p=1, m=1, what="rotate", secret=SECRET)
    password = json.loads(
        manager.get_secret_value(SecretId=SECRET, VersionStage="AWSPENDING")["SecretString"]
    )["password"]

    def change() -> None:
        server.clear()
        server.add(password)

    scene.call("source", "set", change, scene.differs, source=SOURCE)
    shown = {"accepted": password in server}
    name = scene.name(password)
    scene.call("source", "prove", bool, shown=lambda _: shown, source=SOURCE, credential=name)
    former = manager.describe_secret(SecretId=SECRET)["VersionIdsToStages"]
    assert former["v1"] == ["AWSCURRENT"]
    manager.update_secret_version_stage(MoveToVersionId="v2", RemoveFromVersionId="v1")
    assert (manager.current(), manager.staged("AWSPREVIOUS")) == ("v2", "v1")
    with pytest.raises(NotThere):
        manager.get_secret_value(SecretId=SECRET, VersionId="v9", VersionStage="AWSPENDING")
    scene.say("report", p=1, secret=SECRET, says="rotated", published="v2")
    scene.say("done", p=1)
    scene.say("end")


def test_a_rotation_that_goes_well_breaks_nothing() -> None:
    server = {"first"}
    scene = Scene(lambda: set(server))
    rotation(scene, server)
    assert check(scene.lines) == []
    counted = Counted("a function")
    counted.add("by hand", scene.lines)
    assert "| P1 Nothing lost | kept |" in others.table([counted])


@pytest.mark.parametrize(("mode", "error"), [("die after", Died), ("lose the answer", Lost)])
def test_a_call_is_struck_after_its_effect(mode: str, error: type[BaseException]) -> None:
    server = {"first"}
    scene = Scene(lambda: set(server), {1: mode})  # type: ignore[dict-item]
    with pytest.raises(error):
        rotation(scene, server)
    assert server == {"second"}
    assert any('"applied"' in line and '"drops": "c0"' in line for line in scene.lines)


def test_a_version_that_nobody_proved_is_counted() -> None:
    server = {"first"}
    scene = Scene(lambda: set(server))
    rotation(scene, server)
    unproven = [line for line in scene.lines if '"accepted"' not in line]
    counted = Counted("a function")
    counted.add("by hand", unproven)
    assert counted.broken["P3"] == 1
    assert "| P3 Nothing published unproven | broken in 1 |" in others.table([counted])
