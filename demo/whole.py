"""The whole demo: secrets in every state, an operator by hand, every kind, a policy."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path

from demo.app import App
from demo.cast import VAULT, vaults
from demo.kept import dashboard
from demo.kinds import Kinds
from demo.lines import say, wrapped
from demo.operators import LEAKED, Operators, Terminal
from demo.watching import Parts, announce, is_healthy, latest, table, watch
from simulator.azure import Azure
from simulator.reach.server import Background


def play_all(cloud: Background[Azure], parts: Parts, app: App, rekey: Path) -> bool:
    """Run all of it; return whether all ended well."""
    shop, others = (tuple(part for part in parts if part.vault == name) for name in vaults(parts))
    kinds = Kinds(cloud, others, latest(cloud, others), app, say)
    well = _sweeps(cloud, shop, app)
    _needs_a_person(app)
    print(flush=True)
    cast = {part.name: part for part in shop}
    well &= Operators(cloud, cast, Terminal(rekey, say), rekey.parent).play(kinds.begin)
    well &= kinds.end()
    return well & _look(app) & is_healthy(app)


def _sweeps(cloud: Background[Azure], parts: Parts, app: App) -> bool:
    """Run the demo's steps; return whether all ended well."""
    vault = cloud.world.vaults[VAULT]
    before = latest(cloud, parts)
    announce(cloud, parts, app)
    say("an operator rotates media-key by hand:")
    _by_hand(app)
    say("the app works; the sweep finds by its timer what no event told:")
    ends = watch(vault, parts, before)
    return table(cloud, parts, before, ends)


def _by_hand(app: App) -> None:
    """Rotate one secret as an operator would: read it, request a rotation, then force it."""
    path = f"/api/secrets/{VAULT}/media-key/rotate"
    for note, body in (("?dry_run=true", {}), ("", {}), ("", {"force": True, "reason": "demo"})):
        status, answer = app.post(path + note, body)
        say(f"  POST {path}{note} {json.dumps(body)} -> {status}: {_told(answer)}")


def _needs_a_person(app: App) -> None:
    """Print the secrets that need a person, as an operator would ask in the morning."""
    _, listed = app.get("/api/secrets?state=attention")
    print(f"\nGET /api/secrets?state=attention -> {len(listed['secrets'])} secret(s) for a person:")
    for row in listed["secrets"]:
        since = f"{row['state']} since {row['parked_since']}"
        print(wrapped(f"  {row['secret']}: {since}: {row['reason']}", 13))


def _told(answer: dict[str, str]) -> str:
    if "fix" in answer:
        return f"{answer.get('reason') or answer['detail']}; fix: {answer['fix']}"
    return f"{answer.get('action') or answer['status']}, {answer['reason']}"


def _look(app: App) -> bool:
    """Ask for the page as a browser does; return whether it shows the incident."""
    status, page = app.get("/api/inventory")
    well = status == HTTPStatus.OK and LEAKED in str(page) and "a laptop was stolen" in str(page)
    say(f"the page for people, {dashboard(app)}: {status}, with secrets and the incident")
    return well
