"""The commands and their options. Imports nothing heavy: `rekey --help` answers at once.

Each command names its function as `module:function`, which is imported when the command runs.
"""

from __future__ import annotations

from argparse import ArgumentParser

from cli.examples import EXAMPLES, WHOLE, shown
from cli.options import line, moment, operation, version, whole
from cli.parsing import Parser
from cli.words import ATTENTION, MAX_REASON, MOST_WAIT, OUTPUTS, SHELLS, STATES, TEMPLATE_KINDS, VERBS
from engine.version import VERSION as RELEASE

EPILOG = (
    "Exit codes: 0 fine, 1 something was found, 2 usage, 3 settings, 4 Azure, 5 declined, 6 still running,"
    " 130 interrupted."
)
NAMED = "VAULT/NAME"
DRY_RUN = "tell what would happen, changing nothing"
VERB_HELP = {
    "rotate": "rotate a secret if it is due, or at once with --force",
    "retire": "revoke the superseded credential, if its overlap has passed",
    "restore": "publish the superseded credential again, if the source still accepts it",
    "unpark": "try a parked secret again now; its mark goes when that works",
}


def parser() -> Parser:
    """Return the parser of the whole command line; `args.run` names the command's function."""
    about = "Credential rotation for Azure Key Vault, by hand."
    root = Parser("rekey", description=about, epilog=f"{shown(WHOLE)}\n\n{EPILOG}")
    root.add_argument("--version", action="version", version=f"rekey {RELEASE}")
    root.set_defaults(run=None, parser=root)
    commands = _Commands(root)
    _looking(commands)
    _doing(commands)
    _managing(commands)
    _incident(commands.below("incident", "rotate and cut off everything in a scope, and follow it"))
    _policy(commands.below("policy", "show, check, compare, push and roll back the policy document"))
    return root


class _Commands:
    """The commands of one level."""

    def __init__(self, within: ArgumentParser, path: str = "") -> None:
        self._path = path
        self._made = within.add_subparsers(dest=f"{path}command", metavar="COMMAND", title="commands")
        self._common = _common()

    def add(self, name: str, run: str, summary: str, needs: str = "settings") -> ArgumentParser:
        """Add a command; `needs` says what it needs before it runs: settings, azure or nothing."""
        path = f"{self._path} {name}".strip()
        epilog = f"{shown(EXAMPLES[path])}\n\n{EPILOG}"
        text = f"{summary[0].upper()}{summary[1:]}."
        made: ArgumentParser = self._made.add_parser(
            name, parents=[self._common], help=summary, description=text, epilog=epilog
        )
        made.set_defaults(run=run, needs=needs, parser=made, watch=None)
        return made

    def below(self, name: str, summary: str) -> _Commands:
        """Add a command that has commands of its own."""
        made: ArgumentParser = self._made.add_parser(name, help=summary, description=summary, epilog=EPILOG)
        made.set_defaults(run=None, parser=made)
        return _Commands(made, name)


def _common() -> ArgumentParser:
    common = Parser(add_help=False)
    common.add_argument("-o", "--output", choices=OUTPUTS, help="how to write the result (table)")
    common.add_argument("--json", dest="output", action="store_const", const="json", help="the same as -o json")
    common.add_argument("--query", metavar="JMESPATH", help="write only this of the result: https://jmespath.org")
    common.add_argument("--settings", metavar="FILE", help="read the settings from a file, not from the environment")
    return common


def _looking(commands: _Commands) -> None:
    _status(commands.add("status", "cli.status:status", "how every secret stands, what needs a person first"))
    show = commands.add("show", "cli.showing:show", "one secret: how it stands, why, and what happens next")
    _watched(_one(show))
    _one(commands.add("history", "cli.showing:history", "every version of one secret, newest first"))
    plan = _watched(_vault(commands.add("plan", "cli.plan:plan", "what will happen in the days to come")))
    plan.add_argument("--days", type=whole(1, 366), default=30, help="how far to look ahead (30)")
    doctor = "look at everything that a rotation will need, changing nothing"
    _doctor(commands.add("doctor", "cli.doctor:doctor", doctor))
    _report(commands.add("report", "cli.report:report", "whether every secret keeps to its policy, for auditors"))
    discover = commands.add("discover", "cli.discovery:discover", "credentials in reach that no managed secret covers")
    older = "leave out what is younger; 0 for all (90)"
    discover.add_argument("--older-than-days", type=whole(0, 3650), default=90, metavar="N", help=older)


def _doing(commands: _Commands) -> None:
    for verb in VERBS:
        _act(commands.add(verb, "cli.acting:act", VERB_HELP[verb]), forced=verb == "rotate")
    _wait(commands.add("wait", "cli.waiting:wait", "wait until a secret is in a state, or an operation has ended"))


def _managing(commands: _Commands) -> None:
    _adopt(commands.add("adopt", "cli.adoption:adopt", "put a secret under management; nothing is rotated"))
    before = "write the parameters of a deployment; needs no app and no settings"
    _init(commands.add("init", "cli.init:init", before, "azure"))
    completion = commands.add(
        "completion", "cli.completion:completion", "write what completes commands and options in a shell", "nothing"
    )
    completion.add_argument("shell", choices=SHELLS)


def _one(command: ArgumentParser) -> ArgumentParser:
    command.add_argument("secret", metavar=NAMED, help="or the URL of the secret; NAME alone where one vault is served")
    return command


def _watched(command: ArgumentParser) -> ArgumentParser:
    seconds = whole(1, 3600)
    help_text = "show it anew every so many seconds, until Ctrl-C (10)"
    command.add_argument("--watch", nargs="?", type=seconds, const=10, metavar="SECONDS", help=help_text)
    return command


def _vault(command: ArgumentParser) -> ArgumentParser:
    command.add_argument("--vault", metavar="NAME", help="only the vault with this short name, or URL")
    return command


def _reasoned(command: ArgumentParser, most: int = MAX_REASON, *, required: bool = False) -> ArgumentParser:
    command.add_argument("--reason", metavar="TEXT", type=line(most), required=required, help="why, for the record")
    return command


def _waiting(command: ArgumentParser) -> None:
    command.add_argument(
        "--wait",
        nargs="?",
        type=whole(1, 3600),
        const=MOST_WAIT,
        metavar="SECONDS",
        help=f"follow it to its end ({MOST_WAIT} s)",
    )


def _status(command: ArgumentParser) -> None:
    _watched(_vault(command)).add_argument("--state", choices=(*STATES, ATTENTION), help="only those in this state")
    command.add_argument("--name", metavar="PATTERN", help="only names that match; * stands for anything")
    command.add_argument("--owner", help="only this owner's")
    command.add_argument("--rotator", metavar="KIND", help="only this kind")


def _doctor(command: ArgumentParser) -> None:
    about = "also see whether the app with this resource id works in Azure: functions, events, sweeps"
    _vault(command).add_argument("--app", metavar="ID", help=about)


def _act(command: ArgumentParser, *, forced: bool) -> None:
    _one(command)
    if forced:
        command.add_argument("--force", action="store_true", help="although it is not due")
        help_text = "cut the old credential off, without an overlap"
        command.add_argument("--compromised", action="store_true", help=help_text)
    _reasoned(command).add_argument("--dry-run", action="store_true", help=DRY_RUN)
    _waiting(command)


def _wait(command: ArgumentParser) -> None:
    _one(command)
    command.add_argument("--state", default="ok", metavar="STATES", help="one state, or several with commas (ok)")
    command.add_argument("--operation", type=operation, metavar="ID", help="wait for the end of this operation instead")
    command.add_argument("--action", choices=VERBS, default="rotate", help="what the operation is (rotate)")
    command.add_argument("--since", type=moment, metavar="TIME", help="when the operation was requested")
    command.add_argument("--force", action="store_true", help="the operation was requested with --force")
    command.add_argument("--compromised", action="store_true", help="the operation was requested with --compromised")
    command.add_argument("--timeout", type=whole(1, 86_400), default=600, metavar="SECONDS", help="at most (600)")


def _incident(commands: _Commands) -> None:
    begin = commands.add("begin", "cli.incident:begin", "rotate and cut off everything in a scope, after a question")
    follow = commands.add("follow", "cli.incident:follow", "how far an incident has come")
    for command in (begin, follow):
        _vault(command)
        command.add_argument("--name", metavar="PATTERN", help="only names that match; * stands for anything")
        command.add_argument("--source", metavar="ID", help="only what this resource, group or application issued")
        _waiting(command)
    begin.add_argument("--everything", action="store_true", help="everything in all vaults")
    _reasoned(begin, required=True).add_argument("--dry-run", action="store_true", help=DRY_RUN)
    begin.add_argument("--yes", action="store_true", help="do not ask")
    follow.add_argument("--since", type=moment, required=True, metavar="TIME", help="as `incident begin` answered")


def _adopt(command: ArgumentParser) -> None:
    _one(command)
    command.add_argument("--provider", required=True, metavar="ADDRESS", help="the id of what issues the credential")
    command.add_argument("--credential-id", metavar="ID", help="which credential it is, where that cannot be told")
    command.add_argument("--validity-days", type=whole(1, 3650), default=90, help="how long a credential lives (90)")
    command.add_argument("--rotate-before-days", type=whole(1, 3650), help="how long before its expiry it is due")
    command.add_argument("--overlap-hours", type=whole(0, 8760), help="how long a superseded credential keeps working")
    command.add_argument("--window", help="when it may be rotated, such as 'Sat,Sun 01:00-05:00 Europe/Berlin'")
    command.add_argument("--template", help="what the value looks like around {key}, {password} or {secret}")
    command.add_argument("--logins", help="two SQL logins that alternate, comma-separated")
    command.add_argument("--database", help="the database that {database} names")
    command.add_argument("--rotator", help="the kind, where the address fits several")
    command.add_argument("--owner", help="who answers for it")
    command.add_argument("--dry-run", action="store_true", help="prove and tell everything, changing nothing")
    command.add_argument("--yes", action="store_true", help="do not ask, whatever there is to be warned of")


def _init(command: ArgumentParser) -> None:
    command.add_argument("--vault", action="append", help="a vault to look after; asked for if left out")
    command.add_argument("--scope", action="append", metavar="ID", help="what the vaults' secrets may rotate")
    command.add_argument("--kind", action="append", choices=TEMPLATE_KINDS, help="what they may be (storage-key)")
    command.add_argument("--name", default="rekey", help="how every resource's name begins (rekey)")
    command.add_argument("--out", default="infra/my.bicepparam", metavar="FILE", help="(infra/my.bicepparam)")
    command.add_argument("--force", action="store_true", help="overwrite the file")


def _report(command: ArgumentParser) -> None:
    formats = ("csv", "html", "json")
    _vault(command).add_argument("--format", choices=formats, default="csv", help="how to write it for auditors (csv)")
    command.add_argument("--out", metavar="FILE", help="where to write it, in place of standard output")


def _policy(commands: _Commands) -> None:
    show = commands.add("show", "cli.policy:show", "show the newest version's text, or another's")
    show.add_argument("version", nargs="?", type=version, help="its whole id, as the history shows it")
    commands.add("validate", "cli.policy:validate", "tell everything that is wrong with a file").add_argument("file")
    commands.add("diff", "cli.policy:diff", "show what a file would change, and for which secrets").add_argument("file")
    push = commands.add("push", "cli.policy:push", "write a file as the new version")
    push.add_argument("file")
    commands.add("history", "cli.policy:history", "list the versions, newest first")
    rollback = commands.add("rollback", "cli.policy:rollback", "write an earlier version's text anew")
    rollback.add_argument("version", type=version, help="its whole id, as the history shows it")
    for command in (push, rollback):
        _reasoned(command, 256, required=True).add_argument("--dry-run", action="store_true", help=DRY_RUN)
