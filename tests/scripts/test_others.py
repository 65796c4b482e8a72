"""`make others`: what cannot be had is said, and a function is struck and written down."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from scripts.check_history import check
from scripts.others import __main__ as others
from scripts.others import aws, azurator
from scripts.others.azure import Watched
from scripts.others.counting import Counted, table
from scripts.others.scene import MODES, Died, Lost, Mode, Scene
from scripts.others.services import NotThere, SecretsManager

PASSWORDS = {"v1": "first", "v2": "second"}
CALLS = ("list keys", "read", "replace a key", "read", "write")
"""What the rotator of `made_up` asks of Azure, in order."""


@pytest.fixture
def only_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave Rekey's own columns out, which take long."""
    monkeypatch.setattr(others, "OURS", {})


@pytest.mark.usefixtures("only_theirs")
def test_what_cannot_be_had_is_said_with_the_way_out_and_the_rest_is_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(azurator, "fetched", lambda: tmp_path)
    monkeypatch.setattr(azurator, "played", lambda _: [Counted(azurator.NAME)])
    assert others.main(["--aws", str(tmp_path)]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"| | {azurator.NAME} |"
    assert printed[-2].endswith(f"1 were played: {azurator.NAME} came out otherwise.")
    assert "--aws FOLDER" in printed[-1]
    assert others.main(["--aws", str(tmp_path), "--without", "azurator"]) == 3


@pytest.mark.usefixtures("only_theirs")
@pytest.mark.parametrize("folder", ["", "objects"])
def test_another_commit_than_the_pinned_one_is_refused(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, _, _ in aws.FUNCTIONS.values():
        (tmp_path / name).mkdir()
        (tmp_path / name / "lambda_function.py").write_text("raise SystemExit")
    (tmp_path / folder).mkdir(exist_ok=True)
    assert others.main(["--aws", str(tmp_path), "--without", "azurator"]) == 3
    assert aws.COMMIT[:7] in capsys.readouterr().out


@pytest.mark.usefixtures("only_theirs")
def test_a_program_that_cannot_be_installed_is_said_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(azurator, "ROOT", tmp_path)
    assert others.main(["--without", "aws"]) == 3
    assert "--without azurator" in capsys.readouterr().out


def test_the_page_names_what_is_pinned_and_its_table_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = others.PAGE.read_text()
    pinned = tomllib.loads((azurator.PROJECT / "pyproject.toml").read_text())["project"]
    assert aws.COMMIT in page
    assert pinned["dependencies"][0].partition("==")[2] in page
    printed = others.TABLE.search(page)
    assert printed
    copy = tmp_path / "others.md"
    copy.write_text(page)
    monkeypatch.setattr(others, "PAGE", copy)
    lines = printed[0].splitlines()[:-1]
    assert others.compared(lines, write=False) == 0
    assert others.compared([it[: it.rindex("|", 0, -1) + 1] for it in lines], write=False) == 0
    assert others.compared(["| | another |", "|---|---|"], write=False) == 1
    assert others.compared(["| | another |", "|---|---|"], write=True) == 0
    assert copy.read_text() == page.replace(printed[0], "| | another |\n|---|---|\n\n")


def rotation(scene: Scene, server: set[str]) -> None:
    """Set, prove and write a second password, as a function would."""
    manager = SecretsManager(
        scene,
        {name: {"password": word} for name, word in PASSWORDS.items()},
        {"v1": {"AWSCURRENT"}, "v2": {"AWSPENDING"}},
        {},
    )
    scene.begin("by hand", "one", {"v1": "first"}, 0)
    scene.process = 1
    scene.say("message", m=1, what="rotate", secret=scene.secret)
    scene.say("start", p=1, m=1, what="rotate", secret=scene.secret)
    password = json.loads(
        manager.get_secret_value(SecretId=scene.secret, VersionStage="AWSPENDING")["SecretString"]
    )["password"]

    def change() -> None:
        server.clear()
        server.add(password)

    scene.call("source", "set", change, scene.differs, source=scene.source)
    shown = {"accepted": password in server}
    name = scene.name(password)
    scene.call("source", "prove", bool, shown=lambda _: shown, source=scene.source, credential=name)
    former = manager.describe_secret(SecretId=scene.secret)["VersionIdsToStages"]
    assert former["v1"] == ["AWSCURRENT"]
    manager.update_secret_version_stage(MoveToVersionId="v2", RemoveFromVersionId="v1")
    assert (manager.current(), manager.staged("AWSPREVIOUS")) == ("v2", "v1")
    with pytest.raises(NotThere):
        manager.get_secret_value(SecretId=scene.secret, VersionId="v9", VersionStage="AWSPENDING")
    scene.say("report", p=1, secret=scene.secret, says="rotated", published="v2")
    scene.say("done", p=1)
    scene.say("end")


def test_a_rotation_that_goes_well_breaks_nothing() -> None:
    server = {"first"}
    scene = Scene(lambda: set(server))
    rotation(scene, server)
    assert check(scene.lines) == []
    counted = Counted("a function")
    counted.add("by hand", scene.lines)
    assert "| P1 Nothing lost | kept |" in table([counted])


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
    assert "| P3 Nothing published unproven | broken in 1 |" in table([counted])


def test_a_program_of_others_is_killed_and_cut_off_where_the_plan_says(tmp_path: Path) -> None:
    """The program is of `made_up`: it runs in processes of its own, as those of others do."""
    plans: list[dict[int, Mode]] = [{}, *({at: mode} for at in (2, 4) for mode in MODES)]
    stories: dict[str, list[str]] = {}

    def act(world: Watched, forks: subprocess.Popen[str]) -> None:
        for plan in plans:
            program = azurator.Program(world, forks, tmp_path)
            scene = azurator.history(program, "made up", plan)
            stories[" ".join(plan.values()) + "".join(map(str, plan))] = scene.lines
            assert not program.shown
        program.run("rotate", "--show")
        assert program.shown

    made_up = ("rotator", "main")
    python, folder = Path(sys.executable), str(Path(__file__).with_name("made_up"))
    asyncio.run(azurator.staged(python, made_up, act, folder))
    histories = {name: [json.loads(line) for line in lines] for name, lines in stories.items()}
    whole = [line["what"] for line in histories[""] if line["do"] == "call"]
    assert tuple(whole) == 2 * CALLS
    ends = {
        name: [it["do"] for it in lines if it["do"] in ("crash", "failed", "done")]
        for name, lines in histories.items()
    }
    assert ends[""] == ["done", "done"]
    for at in (2, 4):
        assert ends[f"die before{at}"] == ends[f"die after{at}"] == ["crash", "done", "done"]
        assert ends[f"lose the answer{at}"] == ["failed", "done", "done"]
    applied = {
        name: sum(it["do"] == "applied" for it in lines) for name, lines in histories.items()
    }
    assert (applied[""], applied["die before2"], applied["die after2"]) == (4, 4, 5)
    for lines in stories.values():
        assert {problem[:2] for _, problem in check(lines)} <= {"P3", "P5"}
