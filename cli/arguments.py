"""The commands and their options."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser
from typing import Any

from api.actions import VERBS
from api.listing import ATTENTION
from api.operations import MOST_WAIT
from api.requests import MAX_REASON
from cli import acting, adoption, discovery, doctor, init, plan, policy, report, status
from cli.setup.served import KINDS as TEMPLATE_KINDS
from engine.model.entry import STATES
from engine.secret import VERSION
from engine.version import VERSION as RELEASE

EPILOG = "Exit codes: 0 fine, 1 something was found, 2 usage, 3 settings, 4 Azure, 5 declined, 6 still running, 130 interrupted."
NAMED = "VAULT/NAME"
VERB_HELP = {
    "rotate": "rotate a secret if it is due, or at once with --force",
    "retire": "revoke the superseded credential, if its overlap has passed",
    "restore": "publish the superseded credential again, if the source still accepts it",
    "unpark": "try a parked secret again now; its mark goes when that works",
}


def parser() -> ArgumentParser:
    """Return the parser of the whole command line; `args.run` is the command's function."""
    whole = ArgumentParser("rekey", description="Credential rotation for Azure Key Vault, by hand.", epilog=EPILOG)
    whole.add_argument("--version", action="version", version=f"rekey {RELEASE}")
    common = ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="write JSON")
    common.add_argument("--settings", metavar="FILE", help="read the settings from a file, not from the environment")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Any, summary: str, within: Any = commands) -> ArgumentParser:
        made: ArgumentParser = within.add_parser(
            name, parents=[common], help=summary, description=summary, epilog=EPILOG
        )
        made.set_defaults(run=run, before=None)
        return made

    _status(command("status", status.status, "how every secret stands, what needs a person first"))
    _plan(command("plan", plan.plan, "what will happen in the days to come"))
    for verb in VERBS:
        _act(command(verb, acting.act, VERB_HELP[verb]), forced=verb == "rotate")
    _doctor(command("doctor", doctor.doctor, "look at everything that a rotation will need, changing nothing"))
    _adopt(command("adopt", adoption.adopt, "put a secret under management; nothing is rotated"))
    _init(command("init", None, "write the parameters of a deployment; needs no app and no settings"))
    _discover(command("discover", discovery.discover, "credentials in reach that no managed secret covers"))
    _report(command("report", report.report, "whether every secret keeps to its policy, for auditors"))
    documents = commands.add_parser("policy", help="check, compare, push and roll back the policy document")
    below = documents.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
    command("validate", policy.validate, "tell everything that is wrong with a file", below).add_argument("file")
    command("diff", policy.diff, "show what a file would change", below).add_argument("file")
    _reasoned(command("push", policy.push, "write a file as the new version", below)).add_argument("file")
    command("history", policy.history, "list the versions, newest first", below)
    rollback = _reasoned(command("rollback", policy.rollback, "write an earlier version's text anew", below))
    rollback.add_argument("version", type=_version, help="its whole id, as the history shows it")
    return whole


def _vault(command: ArgumentParser) -> ArgumentParser:
    command.add_argument("--vault", help="only the vault with this short name")
    return command


def _doctor(command: ArgumentParser) -> None:
    _vault(command).add_argument(
        "--app",
        metavar="ID",
        help="also see whether the app with this resource id works in Azure: functions, events, sweeps",
    )


def _status(command: ArgumentParser) -> None:
    _vault(command).add_argument("--state", choices=(*STATES, ATTENTION), help="only those in this state")
    command.add_argument("--name", help="only names that match; * stands for anything")
    command.add_argument("--owner", help="only this owner's")
    command.add_argument("--rotator", help="only this kind")


def _plan(command: ArgumentParser) -> None:
    _vault(command).add_argument("--days", type=_whole(1, 366), default=30, help="how far to look ahead (30)")


def _act(command: ArgumentParser, *, forced: bool) -> None:
    command.add_argument("secret", metavar=NAMED)
    if forced:
        command.add_argument("--force", action="store_true", help="although it is not due")
        command.add_argument(
            "--compromised", action="store_true", help="cut the old credential off, without an overlap"
        )
    command.add_argument("--reason", type=_text(MAX_REASON), help="why, for the record")
    command.add_argument("--dry-run", action="store_true", help="tell what would happen, changing nothing")
    command.add_argument(
        "--wait",
        nargs="?",
        type=_whole(1, 3600),
        const=MOST_WAIT,
        metavar="SECONDS",
        help=f"follow it to its end ({MOST_WAIT} s)",
    )


def _adopt(command: ArgumentParser) -> None:
    command.add_argument("secret", metavar=NAMED)
    command.add_argument("--provider", required=True, metavar="ADDRESS", help="the id of what issues the credential")
    command.add_argument("--credential-id", metavar="ID", help="which credential it is, where that cannot be told")
    command.add_argument("--validity-days", type=_whole(1, 3650), default=90, help="how long a credential lives (90)")
    command.add_argument("--rotate-before-days", type=_whole(1, 3650), help="how long before its expiry it is due")
    command.add_argument("--overlap-hours", type=_whole(0, 8760), help="how long a superseded credential keeps working")
    command.add_argument("--window", help="when it may be rotated, such as 'Sat,Sun 01:00-05:00 Europe/Berlin'")
    command.add_argument("--template", help="what the value looks like around {key}, {password} or {secret}")
    command.add_argument("--logins", help="two SQL logins that alternate, comma-separated")
    command.add_argument("--database", help="the database that {database} names")
    command.add_argument("--rotator", help="the kind, where the address fits several")
    command.add_argument("--owner", help="who answers for it")
    command.add_argument("--dry-run", action="store_true", help="prove and tell everything, changing nothing")


def _init(command: ArgumentParser) -> None:
    command.set_defaults(before=init.init)
    command.add_argument("--vault", action="append", help="a vault to look after; asked for if left out")
    command.add_argument("--scope", action="append", metavar="ID", help="what the vaults' secrets may rotate")
    command.add_argument("--kind", action="append", choices=TEMPLATE_KINDS, help="what they may be (storage-key)")
    command.add_argument("--name", default="rekey", help="how every resource's name begins (rekey)")
    command.add_argument("--out", default="infra/my.bicepparam", metavar="FILE", help="(infra/my.bicepparam)")
    command.add_argument("--force", action="store_true", help="overwrite the file")


def _discover(command: ArgumentParser) -> None:
    command.add_argument(
        "--older-than-days", type=_whole(0, 3650), default=90, help="leave out what is younger; 0 for all (90)"
    )


def _report(command: ArgumentParser) -> None:
    _vault(command).add_argument(
        "--format", choices=("csv", "html", "json"), default="csv", help="how to write it (csv)"
    )
    command.add_argument("--out", metavar="FILE", help="where to write it, in place of standard output")


def _reasoned(command: ArgumentParser) -> ArgumentParser:
    command.add_argument("--reason", type=_text(256), required=True, help="why, for the record")
    return command


def _whole(least: int, most: int) -> Any:
    def whole(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text[:9]) <= most:
            raise argparse.ArgumentTypeError(f"write a whole number, {least} to {most}")
        return int(text)

    return whole


def _version(text: str) -> str:
    if not VERSION.fullmatch(text):
        raise argparse.ArgumentTypeError("write a version's id, as `rekey policy history` shows it")
    return text


def _text(most: int) -> Any:
    def text(given: str) -> str:
        if not given.strip() or len(given) > most or not given.isprintable():
            raise argparse.ArgumentTypeError(f"write 1 to {most} printable characters")
        return given

    return text
