"""The options of the commands, those first that several of them take."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser

from cli.parsing import Parser
from cli.readers import line, moment, operation, state, version, whole, workspace
from cli.words import ATTENTION, LINES, MAX_REASON, MOST_WAIT, OUTPUTS, SCANNERS, STATES, VERBS
from rotators import KINDS

NAMED = "VAULT/NAME"
FORCED = {
    "rotate": "although it is not due",
    "retire": "although an app still uses an older version",
}
DRY_RUN = "say what would happen, changing nothing"


def common() -> ArgumentParser:
    """Return what every command has in common."""
    common = Parser(add_help=False)
    common.add_argument("-o", "--output", choices=OUTPUTS, help="how to write the result (table)")
    common.add_argument(
        "--json", dest="output", action="store_const", const="json", help="the same as -o json"
    )
    common.add_argument(
        "--query", metavar="JMESPATH", help="write only this of the result: https://jmespath.org"
    )
    common.add_argument(
        "--settings", metavar="FILE", help="read the settings from a file, not from the environment"
    )
    return common


def secret(command: ArgumentParser) -> ArgumentParser:
    """Take one secret."""
    command.add_argument(
        "secret",
        metavar=NAMED,
        help="or the URL of the secret; NAME alone where one vault alone has it",
    )
    return command


def watched(command: ArgumentParser) -> ArgumentParser:
    """Let a result be shown again and again."""
    seconds = whole(1, 3600)
    help_text = "show it again every so many seconds, until Ctrl-C (10)"
    command.add_argument(
        "--watch", nargs="?", type=seconds, const=10, metavar="SECONDS", help=help_text
    )
    return command


def vault(command: ArgumentParser) -> ArgumentParser:
    """Let one vault be chosen."""
    command.add_argument(
        "--vault", metavar="NAME", help="only the vault with this short name, or URL"
    )
    return command


def reasoned(
    command: ArgumentParser, most: int = MAX_REASON, *, required: bool = False
) -> ArgumentParser:
    """Take a reason, for the record."""
    command.add_argument(
        "--reason", metavar="TEXT", type=line(most), required=required, help="why, for the record"
    )
    return command


def waiting(command: ArgumentParser) -> None:
    """Let an operation be followed to its end."""
    command.add_argument(
        "--wait",
        nargs="?",
        type=whole(1, 3600),
        const=MOST_WAIT,
        metavar="SECONDS",
        help=f"follow it to its end ({MOST_WAIT} s)",
    )


def status(command: ArgumentParser) -> None:
    """Let some secrets be chosen."""
    watched(vault(command)).add_argument(
        "--state", type=state, choices=(*STATES, ATTENTION), help="only those in this state"
    )
    command.add_argument(
        "--expires-within",
        type=whole(0, 3650),
        metavar="DAYS",
        help="only what expires within so many days; 0 for what has expired",
    )
    command.add_argument(
        "--name", metavar="PATTERN", help="only names that match; * stands for anything"
    )
    command.add_argument("--owner", help="only this owner's")
    command.add_argument("--rotator", metavar="KIND", help="only this kind")


def who_read(command: ArgumentParser) -> None:
    """Take how far back, and where, the log is asked."""
    secret(command).add_argument(
        "--days", type=whole(1, 730), default=30, metavar="N", help="how far to look back (30)"
    )
    command.add_argument(
        "--workspace",
        type=workspace,
        metavar="ID",
        help="the workspace with the vault's audit log, in place of REKEY_LOGS_WORKSPACE",
    )


def doctor(command: ArgumentParser) -> None:
    """Let the app itself be looked at."""
    about = (
        "also see whether the app with this resource id works in Azure: functions, events, sweeps"
    )
    vault(command).add_argument("--app", metavar="ID", help=about)


def act(command: ArgumentParser, verb: str) -> None:
    """Act on one secret."""
    secret(command)
    if verb == "restore":
        help_text = "the version to go back to: typed again, the command does nothing"
        command.add_argument("--to", type=version, metavar="VERSION", help=help_text)
    if verb in FORCED:
        command.add_argument("--force", action="store_true", help=FORCED[verb])
    if verb == "rotate":
        help_text = "cut the old credential off, without an overlap"
        command.add_argument("--compromised", action="store_true", help=help_text)
    reasoned(command).add_argument("--dry-run", action="store_true", help=DRY_RUN)
    waiting(command)


def wait(command: ArgumentParser) -> None:
    """Take what is waited for."""
    secret(command)
    command.add_argument(
        "--state", default="ok", metavar="STATES", help="one state, or several with commas (ok)"
    )
    command.add_argument(
        "--operation",
        type=operation,
        metavar="ID",
        help="wait for the end of this operation instead",
    )
    command.add_argument(
        "--action", choices=VERBS, default="rotate", help="what the operation is (rotate)"
    )
    command.add_argument(
        "--since", type=moment, metavar="TIME", help="when the operation was requested"
    )
    command.add_argument(
        "--force", action="store_true", help="the operation was requested with --force"
    )
    command.add_argument(
        "--compromised", action="store_true", help="the operation was requested with --compromised"
    )
    command.add_argument(
        "--timeout", type=whole(1, 86_400), default=600, metavar="SECONDS", help="at most (600)"
    )


def leak(command: ArgumentParser) -> None:
    """Take what says where the value comes from. The value itself is refused: shells keep lines."""
    command.add_argument("refused", nargs="*", help=SUPPRESS)
    command.add_argument(
        "--from",
        dest="feed",
        choices=(LINES, *SCANNERS),
        help="standard input is the JSON report of this scanner; or each of its lines is judged",
    )
    command.add_argument(
        "--location", type=line(MAX_REASON), metavar="TEXT", help="where it was found"
    )
    command.add_argument(
        "--yes", action="store_true", help="cut off what is ours, whatever the policy says"
    )


def adopt(command: ArgumentParser) -> None:
    """Take the tags of a secret, or a file with many."""
    _adopted(command)
    command.add_argument(
        "--credential-id", metavar="ID", help="which credential it is, if Rekey cannot tell"
    )
    command.add_argument(
        "--validity-days", type=whole(1, 3650), help="how long a credential lives (90)"
    )
    command.add_argument(
        "--rotate-before-days", type=whole(1, 3650), help="how long before its expiry it is due"
    )
    command.add_argument(
        "--overlap-hours",
        type=whole(0, 8760),
        help="how long a superseded credential keeps working",
    )
    command.add_argument(
        "--window", help="when it may be rotated, such as 'Sat,Sun 01:00-05:00 Europe/Berlin'"
    )
    command.add_argument(
        "--template", help="what the value looks like around {key}, {password} or {secret}"
    )
    command.add_argument("--logins", help="two SQL logins that alternate, comma-separated")
    command.add_argument("--database", help="the database that {database} names")
    command.add_argument("--rotator", help="the kind, where the address fits several")
    _derivation(command)
    command.add_argument("--owner", help="who answers for it")
    command.add_argument(
        "--dry-run", action="store_true", help="prove everything and report it, changing nothing"
    )
    command.add_argument(
        "--yes", action="store_true", help="do not ask, even if there is something to warn of"
    )


def _adopted(command: ArgumentParser) -> None:
    """Take what is adopted: a secret that exists, one to be created, or a file."""
    command.add_argument(
        "secret",
        nargs="?",
        metavar=NAMED,
        help="or the URL of the secret; NAME alone where one vault is served",
    )
    way = command.add_mutually_exclusive_group()
    way.add_argument(
        "--provider",
        metavar="ADDRESS",
        help="the id of what issues the credential; an earlier version's tags, if left out",
    )
    way.add_argument(
        "--from",
        dest="from_file",
        metavar="FILE",
        help="adopt every line of a file that `rekey discover --save` wrote, and a person edited",
    )
    command.add_argument(
        "--create",
        action="store_true",
        help="there is no such secret yet: write its first version with a credential of its source",
    )


def release(command: ArgumentParser) -> None:
    """Take what is released."""
    secret(command).add_argument("--dry-run", action="store_true", help=DRY_RUN)
    command.add_argument(
        "--force",
        action="store_true",
        help="although something is in progress, or other secrets are made from this one",
    )
    command.add_argument("--yes", action="store_true", help="do not ask")


def _derivation(command: ArgumentParser) -> None:
    """Take what a key makes, and from which key."""
    command.add_argument(
        "--derived-from", metavar="URL", help="the secret with the key that makes the value"
    )
    command.add_argument(
        "--may-derive",
        metavar="ENTRIES",
        help="what other secrets may hold of this key, such as uploads=sas/container/uploads/rl",
    )


def init(command: ArgumentParser) -> None:
    """Take what a deployment serves."""
    command.add_argument(
        "--vault", action="append", help="a vault to look after; asked for if left out"
    )
    command.add_argument(
        "--scope", action="append", metavar="ID", help="what the vaults' secrets may rotate"
    )
    command.add_argument(
        "--kind", action="append", choices=KINDS, help="what they may be (storage-key)"
    )
    command.add_argument(
        "--logs-workspace",
        default="",
        metavar="ID",
        help="the Log Analytics workspace with the logs of the storage accounts",
    )
    command.add_argument("--name", default="rekey", help="how every resource's name begins (rekey)")
    command.add_argument(
        "--out", default="infra/my.bicepparam", metavar="FILE", help="(infra/my.bicepparam)"
    )
    command.add_argument("--force", action="store_true", help="overwrite the file")


def report(command: ArgumentParser) -> None:
    """Take where and how a report is written."""
    formats = ("csv", "html", "json")
    vault(command).add_argument(
        "--format", choices=formats, default="csv", help="how to write it for auditors (csv)"
    )
    command.add_argument(
        "--out", metavar="FILE", help="where to write it, in place of standard output"
    )
