"""The demo's main job: an event, a sweep, a broken secret that is mended, a leak, a restore."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from demo.app import App
from demo.cast import VAULT
from demo.lines import say
from demo.operators import BROKEN, Operators, Terminal
from demo.watching import Parts, announce, is_healthy, latest, table, watch
from simulator.azure import Azure
from simulator.reach.server import Background


def play_main_job(cloud: Background[Azure], parts: Parts, app: App, rekey: Path) -> bool:
    """Run it; return whether all ended well."""
    vault, before = cloud.world.vaults[VAULT], latest(cloud, parts)
    announce(cloud, parts, app)
    say("no event tells of the others: the sweep finds them by its timer")
    ends = watch(vault, parts, before)
    terminal = Terminal(rekey, say)
    by_hand = Operators(cloud, {part.name: part for part in parts}, terminal, rekey.parent)
    well = by_hand.mend()
    mended = tuple(replace(part, ends="rotated") if part.name == BROKEN else part for part in parts)
    ends |= watch(vault, tuple(part for part in mended if part.name == BROKEN), before)
    well &= by_hand.cut_off() & by_hand.restore()
    say("how everything stands:")
    well &= terminal.show("status") == 0
    well &= is_healthy(app)
    return table(cloud, mended, before, ends) & well
