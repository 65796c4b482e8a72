"""`rekey init`: list what could be served, ask what shall be, write the parameters."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from api.answers import BadRequest
from cli.codes import Exit
from cli.consent import Person, Typist
from cli.setup.checks import check, name_problems, warnings
from cli.setup.discovered import Discovered, survey
from cli.setup.managed_vaults import ManagedVault, parameters_file
from cli.setup.questions import choose, choose_logs
from cli.terminal import Terminal
from cloud.azure import Azure
from engine.errors import RekeyError

TEMPLATE = Path("infra", "main.bicep")


async def init(azure: Azure, terminal: Terminal, person: Person | None, args: Namespace) -> int:
    """Write a parameter file; nothing is made or changed in Azure."""
    target = _target(args)
    if problems := name_problems(args.name):
        raise BadRequest(problems[0], fix="choose another --name")
    terminal.progress("looking for vaults")
    discovered = await survey(azure, args.name)
    terminal.progress("")
    entries, logs = _given(args, discovered), args.logs_workspace
    if not entries:
        entries, logs = await _asked(azure, discovered, terminal, person, logs)
    await check(azure, args.name, entries, discovered, logs)
    for warning in warnings(entries):
        terminal.note(f"warning: {warning}")
    _write(target, args.name, entries, logs)
    deploy = f"make deploy GROUP={args.name} LOCATION=<region> PARAMETERS={target}"
    if not terminal.data({"written": str(target), "deploy": deploy}):
        terminal.line()
        terminal.line(f"written: {target}. Deploy it, code included, with")
        terminal.line(deploy)
    return Exit.FINE


def _write(target: Path, name: str, entries: Sequence[Mapping[str, Any]], logs: str) -> None:
    template = Path(os.path.relpath(TEMPLATE, target.parent)).as_posix()
    target.write_text(parameters_file(name, entries, template, logs), encoding="utf-8")


def _target(args: Namespace) -> Path:
    """Return the file to write; raises RekeyError for one that is there, or where there is no template."""
    target = Path(args.out)
    if not TEMPLATE.is_file():
        raise RekeyError(f"{TEMPLATE} is not here", fix="run this in a checkout of Rekey")
    if target.exists() and not args.force:
        fix = "choose another file with --out, or overwrite it with --force"
        raise RekeyError(f"{target} is there already", fix=fix)
    if not target.parent.is_dir():
        raise RekeyError(
            f"{target.parent} is not a folder", fix="create it, or choose another file with --out"
        )
    return target


def _given(args: Namespace, discovered: Discovered) -> list[Mapping[str, Any]]:
    """Return the vaults that the command line names; none where it names none."""
    if not args.vault:
        if args.scope or args.kind:
            raise BadRequest(
                "--scope and --kind say what a vault may rotate", fix="name it with --vault"
            )
        return []
    if not args.scope:
        raise BadRequest(
            "--vault alone may rotate nothing", fix="say with --scope what its secrets may rotate"
        )
    return [_entry(name, args, discovered) for name in args.vault]


def _entry(name: str, args: Namespace, discovered: Discovered) -> Mapping[str, Any]:
    vault = discovered.named(name)
    if vault is None:
        return {"name": name}  # The checks say what it lacks.
    kinds = tuple(args.kind or ("storage-key",))
    scopes = tuple(scope.rstrip("/") for scope in args.scope)
    return ManagedVault(
        vault.name, vault.subscription, vault.group, scopes, kinds, discovered.topic_of(vault)
    ).to_json()


async def _asked(
    azure: Azure, discovered: Discovered, terminal: Terminal, person: Person | None, logs: str
) -> tuple[list[Mapping[str, Any]], str]:
    """Return the vaults that are chosen, and the workspace of logs unless `logs` names it."""
    if person is None and not sys.stdin.isatty():
        raise RekeyError(
            "this is not a terminal, so nobody can be asked which vaults Rekey should serve",
            fix="name them: rekey init --vault NAME --scope ID, each as often as needed",
        )
    typist = person or Typist()
    vaults = await choose(azure, discovered, typist, terminal)
    logs = logs or await choose_logs(azure, discovered, vaults, typist, terminal)
    return [vault.to_json() for vault in vaults], logs
