"""The commands and their options. Imports nothing heavy: `rekey --help` answers at once.

Each command names its function as `module:function`, which is imported when the command runs.
"""

from __future__ import annotations

from argparse import ArgumentParser

from cli import option_sets
from cli.examples import EXAMPLES, WHOLE, shown
from cli.parsing import Parser
from cli.readers import incident, line, version, whole
from cli.words import MAX_PATH, SHELLS, VERBS
from engine import VERSION as RELEASE

EPILOG = (
    "Exit codes: 0 fine, 1 something was found, 2 usage, 3 settings, 4 Azure, 5 declined, 6 "
    "still running,"
    " 7 failed, 130 interrupted."
)
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
    _tags(commands.below("tags", "mend or change what a secret's tags ask for"))
    _incident(commands.below("incident", "rotate and cut off everything in a scope, and follow it"))
    _policy(commands.below("policy", "show, validate, diff, push or roll back the policy document"))
    return root


class _Commands:
    """The commands of one level."""

    def __init__(self, within: ArgumentParser, path: str = "") -> None:
        self._path = path
        self._made = within.add_subparsers(
            dest=f"{path}command", metavar="COMMAND", title="commands"
        )
        self._common = option_sets.common()

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
        made: ArgumentParser = self._made.add_parser(
            name, help=summary, description=summary, epilog=EPILOG
        )
        made.set_defaults(run=None, parser=made)
        return _Commands(made, name)


def _looking(commands: _Commands) -> None:
    option_sets.status(
        commands.add(
            "status", "cli.status:status", "how every secret stands, what needs a person first"
        )
    )
    show = commands.add(
        "show", "cli.showing:show", "one secret: how it stands, why, and what happens next"
    )
    option_sets.watched(option_sets.secret(show))
    option_sets.secret(
        commands.add("history", "cli.showing:history", "every version of one secret, newest first")
    )
    option_sets.who_read(
        commands.add(
            "who-read",
            "cli.who_read:who_read",
            "who read a secret, and which version each reader holds",
        )
    )
    plan = option_sets.watched(
        option_sets.vault(
            commands.add("plan", "cli.plan:plan", "what will happen in the days to come")
        )
    )
    plan.add_argument("--days", type=whole(1, 366), default=30, help="how far to look ahead (30)")
    doctor = "look at everything that a rotation will need, changing nothing"
    option_sets.doctor(commands.add("doctor", "cli.doctor:doctor", doctor))
    option_sets.report(
        commands.add(
            "report", "cli.report:report", "whether every secret keeps to its policy, for auditors"
        )
    )
    _discovering(commands)


def _discovering(commands: _Commands) -> None:
    discover = commands.add(
        "discover", "cli.discovery:discover", "credentials in reach that no managed secret covers"
    )
    older = "leave out what is younger; 0 for all (90)"
    discover.add_argument(
        "--older-than-days", type=whole(0, 3650), default=90, metavar="N", help=older
    )
    saving = "also write a file to edit, for `rekey adopt --from`"
    discover.add_argument("--save", type=line(MAX_PATH), metavar="FILE", help=saving)


def _doing(commands: _Commands) -> None:
    for verb in VERBS:
        option_sets.act(commands.add(verb, "cli.acting:act", VERB_HELP[verb]), verb)
    option_sets.leak(
        commands.add(
            "leak", "cli.leak:leak", "report what has leaked, by its value on standard input"
        )
    )
    option_sets.wait(
        commands.add(
            "wait",
            "cli.waiting:wait",
            "wait until a secret is in a state, or an operation has ended",
        )
    )


def _managing(commands: _Commands) -> None:
    option_sets.adopt(
        commands.add(
            "adopt", "cli.adoption:adopt", "put a secret under management; nothing is rotated"
        )
    )
    option_sets.release(
        commands.add("release", "cli.release:release", "take a secret out of management for good")
    )
    before = "write the parameters of a deployment; needs no app and no settings"
    option_sets.init(commands.add("init", "cli.init:init", before, "azure"))
    own = commands.add(
        "conformance",
        "cli.conformance:conformance",
        "play all that a kind must keep against one of your own; needs no app and no settings",
        "nothing",
    )
    own.add_argument("kind", help="the name of the kind, as the tag Rotator has it")
    own.add_argument(
        "--endpoint",
        metavar="FILE",
        help="the kind is an HTTPS endpoint, which this JSON file describes",
    )
    completion = commands.add(
        "completion",
        "cli.completion:completion",
        "write what completes commands and options in a shell",
        "nothing",
    )
    completion.add_argument("shell", choices=SHELLS)


def _tags(commands: _Commands) -> None:
    setting = commands.add(
        "set", "cli.tagging:set_tags", "set tags of a secret's current version; nothing is rotated"
    )
    option_sets.secret(setting).add_argument(
        "tags", nargs="+", metavar="TAG=VALUE", help="TAG= removes the tag"
    )
    setting.add_argument("--dry-run", action="store_true", help=option_sets.DRY_RUN)


def _incident(commands: _Commands) -> None:
    begin = commands.add(
        "begin", "cli.incident:begin", "rotate and cut off everything in a scope, after a question"
    )
    option_sets.vault(begin)
    begin.add_argument(
        "--name", metavar="PATTERN", help="only names that match; * stands for anything"
    )
    begin.add_argument(
        "--source", metavar="ID", help="only what this resource, group or application issued"
    )
    begin.add_argument(
        "--version",
        type=version,
        metavar="ID",
        help="only this version, of the one secret that --vault and --name name",
    )
    begin.add_argument("--everything", action="store_true", help="everything in all vaults")
    option_sets.reasoned(begin, required=True).add_argument(
        "--dry-run", action="store_true", help=option_sets.DRY_RUN
    )
    begin.add_argument("--yes", action="store_true", help="do not ask")
    follow = commands.add("follow", "cli.incident:follow", "how far an incident has come")
    follow.add_argument(
        "incident", type=incident, metavar="ID", help="as `begin` answered and `list` shows it"
    )
    report = commands.add(
        "report", "cli.incident:report", "what an incident did with each secret, for an auditor"
    )
    report.add_argument("incident", type=incident, metavar="ID", help="as `list` shows it")
    for command in (begin, follow):
        option_sets.waiting(command)
    commands.add("list", "cli.incident:newest", "the incidents that there were, newest first")


def _policy(commands: _Commands) -> None:
    show = commands.add("show", "cli.policy:show", "show the newest version's text, or another's")
    show.add_argument(
        "version", nargs="?", type=version, help="its whole id, as the history shows it"
    )
    commands.add(
        "validate", "cli.policy:validate", "list everything that is wrong with a file"
    ).add_argument("file")
    commands.add(
        "diff", "cli.policy:diff", "show what a file would change, and for which secrets"
    ).add_argument("file")
    push = commands.add("push", "cli.policy:push", "write a file as the new version")
    push.add_argument("file")
    commands.add("history", "cli.policy:history", "list the versions, newest first")
    rollback = commands.add(
        "rollback", "cli.policy:rollback", "push an earlier version's text again"
    )
    rollback.add_argument("version", type=version, help="its whole id, as the history shows it")
    for command in (push, rollback):
        command.add_argument(
            "--replacing",
            type=version,
            metavar="VERSION",
            help="only while this is the newest version: what `policy diff` compared with",
        )
        option_sets.reasoned(command, 256, required=True).add_argument(
            "--dry-run", action="store_true", help=option_sets.DRY_RUN
        )
