"""Every credential of ours in a text is dealt with: none hides behind another one."""

from __future__ import annotations

import contextlib
import json
import logging
from collections import Counter
from datetime import timedelta

import pytest

from api.leaks import BLIND, CUT, MORE
from engine.errors import TransientError
from engine.secret import Sensitive
from rotators.storage_key import StorageKey
from simulator.wire import Request
from tests.api.test_access import SIGNED_IN, principal
from tests.api.test_github import POLICY, deliver, hooked
from tests.api.test_leak_cases import accepted
from tests.api.test_leak_reporters import signing
from tests.api.test_leaks import TRUSTED, WITHOUT, audit, leak, leaky, rotate, settle
from tests.shared.heard import Log
from tests.shared.policies import PolicyRig
from tests.shared.scene import refuse

DOCUMENTS = pytest.mark.parametrize("document", [TRUSTED, WITHOUT], ids=["keyed", "unkeyed"])


async def replaced(document: str) -> tuple[PolicyRig, str, str]:
    """Return a rig, a key that was cut off, and the one in its place."""
    rig = leaky(document)
    await audit(rig, "app-key", "other")
    await rotate(rig)
    dead = rig.latest("app-key").value
    await leak(rig.api(), dead)
    await settle(rig)
    assert dead not in accepted(rig)
    rig.clock.advance(120)
    return rig, dead, rig.latest("app-key").value


@DOCUMENTS
@pytest.mark.parametrize("shape", ['{{"old": "{0}", "new": "{1}"}}', "# KEY={0}\nKEY={1}\n"])
async def test_one_that_works_is_cut_off_behind_one_that_is_dead(shape: str, document: str) -> None:
    rig, dead, current = await replaced(document)
    answer = await leak(rig.api(), shape.format(dead, current))
    assert (answer.status, answer.body["status"]) == (202, "alive")
    assert answer.body["version"] == rig.latest("app-key").version
    await settle(rig)
    assert current not in accepted(rig)


@DOCUMENTS
@pytest.mark.parametrize("role", ["Rekey.Admin", "Rekey.Reporter"])
async def test_none_is_tried_again_for_one_report(
    document: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, dead, current = await replaced(document)
    tried, accepts = Counter[str](), StorageKey.accepts

    async def counted(self: StorageKey, source: str, slot: str, key: Sensitive) -> bool:
        tried[key.reveal()] += 1
        return await accepts(self, source, slot, key)

    monkeypatch.setattr(StorageKey, "accepts", counted)
    api = rig.api(env=SIGNED_IN)
    for text, times in (
        (f"OLD={dead}\nNEW={current}\n", {dead: 1, current: 1}),
        (dead, {dead: 1}),
        (current, {current: 1}),
    ):
        await leak(api, text, headers=principal(role))
        assert tried == times
        tried.clear()


@DOCUMENTS
async def test_both_keys_of_an_account_are_cut_off(document: str) -> None:
    rig = leaky(document)
    await audit(rig, "app-key", "other")
    before = rig.latest("app-key").value
    await rotate(rig)
    both = [before, rig.latest("app-key").value]
    assert {*both} <= accepted(rig)
    answer = await leak(rig.api(), json.dumps([{"value": key} for key in both]), act=True)
    versions = [version.version for version in rig.vault.versions("app-key")]
    told = f"{answer.body['version']} {answer.body['reason']}"
    assert all(version[:8] in told for version in versions)
    await settle(rig)
    assert not {*both} & accepted(rig)
    assert rig.latest("app-key").value in accepted(rig)
    assert (await leak(rig.api(), json.dumps(both))).body["status"] == "refused"


@DOCUMENTS
@pytest.mark.parametrize("audited", [True, False], ids=["seen", "never seen"])
async def test_a_reporters_text_with_two_secrets_has_both_cut_off(
    document: str,
    *,
    audited: bool,
) -> None:
    rig = leaky(document)
    if audited:
        await audit(rig, "app-key", "other")
    text = "".join(f"{name}={rig.latest(name).value}\n" for name in ("app-key", "other"))
    answer = await leak(rig.api(env=SIGNED_IN), text, headers=principal("Rekey.Reporter"))
    assert answer.body["status"] == "received"
    await settle(rig)
    assert not [key for key in accepted(rig) if key in text]


@DOCUMENTS
async def test_a_signature_beside_another_credential_leads_to_its_key(document: str) -> None:
    rig, scene = await signing(document)
    rig.secret("other", rig.account("otherdata"), days_left=80)
    rig.clock.advance(60)
    await audit(rig, "other")
    token = scene.signed("key1", rig.clock.now() + timedelta(days=1), "rdl")
    url = f"https://appdata.blob.core.windows.net/uploads/a?{token}"
    leaked = [rig.latest(name).value for name in ("app-key", "other")]
    await leak(rig.api(), f"A={leaked[1]}\nB='{url}'\n", act=True)
    await settle(rig)
    assert not {*leaked} & accepted(rig)


async def amid(document: str) -> tuple[PolicyRig, str]:
    """Return a rig, and a text with a key and one that a rotation is about to publish."""
    rig = leaky(document)
    return rig, await interrupted(rig)


async def interrupted(rig: PolicyRig) -> str:
    """Let a rotation fail before it publishes, and return a text with its key and another one."""
    await audit(rig, "app-key", "other")
    keys = rig.world.accounts["appdata"].keys
    before = {key.value for key in keys.values()}
    refuse(rig, 503, "ServerBusy", lambda sent: sent.method == "PUT" and "/app-key" in sent.path)
    with contextlib.suppress(TransientError):
        await rotate(rig)
    (unpublished,) = {key.value for key in keys.values()} - before
    return f"A={rig.latest('other').value}\nB={unpublished}\n"


async def test_what_is_about_to_be_published_and_cannot_be_tried_is_reported_again() -> None:
    """An incident is about versions, and it has none yet."""
    rig = leaky()
    unpublished = (await interrupted(rig)).partition("B=")[2].strip()
    refuse(rig, 503, "ServerBusy", lambda sent: sent.host.startswith("appdata."), times=9)
    answer = await leak(rig.api(), unpublished, act=True)
    assert answer.status == 503
    assert "a rotation that is in progress" in answer.body["detail"]


@DOCUMENTS
async def test_what_was_superseded_a_moment_ago_is_found_though_no_record_says_so_yet(
    document: str,
) -> None:
    rig = leaky(document)
    superseded = rig.latest("app-key")

    def records_it(sent: Request) -> bool:
        is_write = sent.method == "PUT" and "/sources/" in sent.path and "comp" not in sent.query
        return is_write and rig.latest("app-key").version != superseded.version

    refuse(rig, 503, "ServerBusy", records_it, times=9)
    with contextlib.suppress(TransientError):
        await rotate(rig)
    answer = await leak(rig.api(), superseded.value)
    assert (answer.status, answer.body["version"]) == (202, superseded.version)


@DOCUMENTS
async def test_one_that_cannot_be_judged_keeps_no_other_alive_and_is_told(document: str) -> None:
    rig, text = await amid(document)
    answer = await leak(rig.api(), text)
    assert (answer.status, answer.body["secret"]) == (202, "other")
    assert "report it again in two minutes" in answer.body["reason"]
    await settle(rig)
    assert not [key for key in text.split("AccountKey=")[1].split(";")[:1] if key in accepted(rig)]


@pytest.mark.parametrize(
    ("why", "document"),
    [(CUT, TRUSTED), (BLIND, WITHOUT), (MORE, TRUSTED), (MORE, WITHOUT)],
    ids=["cut", "blind", "more, keyed", "more, unkeyed"],
)
async def test_what_was_not_looked_at_is_logged_where_the_answer_hides_it(
    why: str, document: str, caplog: Log
) -> None:
    """The log names who has sent it and where it was found, and no word of it."""
    rig, keys = await amid(document)
    texts = {
        CUT: "".join(f"a-word-of-it-{n:04}\n" for n in range(600)),
        BLIND: "nobodys-password",
        MORE: keys,
    }
    caplog.set_level(logging.WARNING, "rekey.leak")
    place = f"build 7 {texts[why][:80]}"
    reporter = principal("Rekey.Reporter")
    answer = await leak(rig.api(env=SIGNED_IN), texts[why], location=place, headers=reporter)
    assert answer.body["status"] == "received"
    (line,) = [it.getMessage() for it in caplog.records if why in it.getMessage()]
    assert "jane@contoso.com" in line
    assert "build 7" in line
    assert not any(word in line for word in (*keys.split(), "a-word-of-it", "nobodys-password"))


@pytest.mark.parametrize("why", [CUT, MORE], ids=["cut", "more"])
async def test_what_was_not_looked_at_is_logged_where_github_has_found_it(
    why: str, caplog: Log
) -> None:
    """The alert is dealt with, so none of Rekey's own is raised."""
    caplog.set_level(logging.WARNING, "rekey.leak")
    rig, github = hooked(POLICY)
    long = "".join(f"a-word-of-it-{n:04}\n" for n in range(600))
    github.value = long if why == CUT else await interrupted(rig)
    assert (await deliver(rig.api())).status == 202
    (line,) = [it.getMessage() for it in caplog.records if why in it.getMessage()]
    assert "GitHub" in line
    assert "/security/secret-scanning/" in line
