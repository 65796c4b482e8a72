"""The demo's main job: an event, a sweep, a broken secret that is mended, a leak, a restore."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from demo.app import App
from demo.cast import VAULT
from demo.lines import say
from demo.operators import BROKEN, RESTORED, Operators, Terminal
from demo.watching import Parts, announce, is_healthy, latest, table, watch
from simulator.azure import Azure
from simulator.reach.server import Background

LATER = {BROKEN: "rotated", RESTORED: "restored"}
"""How secrets end that operators act on."""


def play_main_job(cloud: Background[Azure], parts: Parts, app: App, rekey: Path) -> bool:
    """Run it; return whether all ended well."""
    vault, before = cloud.world.vaults[VAULT], latest(cloud, parts)
    announce(cloud, parts, app)
    say("no event tells of the others: the sweep finds them by its timer")
    ends = watch(vault, parts, before)
    terminal = Terminal(rekey, say)
    by_hand = Operators(cloud, {part.name: part for part in parts}, terminal, rekey.parent)
    well = by_hand.mend()
    later = tuple(replace(part, ends=LATER.get(part.name, part.ends)) for part in parts)
    ends |= watch(vault, tuple(part for part in later if part.name == BROKEN), before)
    well &= by_hand.cut_off()
    if by_hand.restore():
        ends[RESTORED] = "restored"
    say("how everything stands:")
    well &= terminal.show("status") == 0
    well &= is_healthy(app)
    return table(cloud, later, before, ends) & well
