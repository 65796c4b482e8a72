"""Examples for the help of every command; a test reads them all."""

from __future__ import annotations

from collections.abc import Mapping

WHOLE = (
    "rekey status",
    "rekey rotate prod/billing-storage --dry-run",
    "rekey COMMAND --help",
)
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "status": (
        "rekey status",
        "rekey status --state attention --watch",
        "rekey status -o tsv --query 'secrets[?owner==`team-a`].[secret, due]'",
    ),
    "show": (
        "rekey show prod/billing-storage",
        "rekey show prod/billing-storage -o json --query due",
    ),
    "history": ("rekey history prod/billing-storage", "rekey history prod/billing-storage -o csv"),
    "who-read": (
        "rekey who-read prod/billing-storage",
        "rekey who-read prod/billing-storage --days 90 -o json",
    ),
    "plan": ("rekey plan --days 60", "rekey plan --vault prod -o json"),
    "rotate": (
        "rekey rotate prod/billing-storage --dry-run",
        "rekey rotate prod/billing-storage --force --reason 'planned' --wait",
        "rekey rotate prod/billing-storage --compromised --reason 'key seen in a log' --wait",
    ),
    "retire": (
        "rekey retire prod/billing-storage --dry-run",
        "rekey retire prod/billing-storage --wait",
    ),
    "restore": (
        "rekey restore prod/billing-storage --dry-run",
        "rekey restore prod/billing-storage --to <version> --wait",
    ),
    "unpark": ("rekey unpark prod/billing-storage --wait",),
    "leak": (
        "rekey leak --location https://github.com/northwind/shop/blob/main/.env",
        "rekey leak --from trufflehog --json < trufflehog.jsonl",
        "rekey leak --from gitleaks --yes < gitleaks.json",
        "rekey leak --from lines --location wiki < .env",
    ),
    "wait": (
        "rekey wait prod/billing-storage",
        "rekey wait prod/billing-storage --state ok,due --timeout 600",
    ),
    "incident begin": (
        (
            "rekey incident begin --source /subscriptions/<id>/resourceGroups/data --reason "
            "'laptop stolen' --dry-run"
        ),
        "rekey incident begin --name 'billing-*' --reason 'key in a log' --wait 600",
    ),
    "incident follow": ("rekey incident follow 20261125T090010Z-1a2b3c4d --wait 600",),
    "incident report": (
        "rekey incident report 20261125T090010Z-1a2b3c4d",
        "rekey incident report 20261125T090010Z-1a2b3c4d --json > incident.json",
    ),
    "incident list": (
        "rekey incident list",
        "rekey incident list -o json --query 'incidents[0].id'",
    ),
    "doctor": (
        "rekey doctor",
        "rekey doctor --vault prod",
        "rekey doctor --app <resource id of the app>",
    ),
    "adopt": (
        "rekey adopt prod/legacy-key --provider <resource id of the storage account> --dry-run",
        (
            "rekey adopt prod/legacy-key --provider <resource id of the storage account> "
            "--owner team-a --yes"
        ),
        "rekey adopt prod/new-key --provider <resource id> --create --owner team-a",
        "rekey adopt --from adopt.csv --dry-run",
    ),
    "tags set": (
        "rekey tags set prod/billing-storage OverlapHours=24 Owner=team-a --dry-run",
        "rekey tags set prod/billing-storage ValidityPeriodDays=90",
    ),
    "release": (
        "rekey release prod/billing-storage --dry-run",
        "rekey release prod/billing-storage --yes",
    ),
    "discover": (
        "rekey discover",
        "rekey discover --older-than-days 0 -o csv",
        "rekey discover --save adopt.csv",
    ),
    "report": (
        "rekey report --format html --out report.html",
        "rekey report -o json --query 'secrets[?!compliant]'",
    ),
    "init": (
        "rekey init",
        "rekey init --vault prod --scope /subscriptions/<id>/resourceGroups/data",
    ),
    "conformance": (
        "rekey conformance acme-token",
        "rekey conformance acme-hook --endpoint sandbox.json",
    ),
    "completion": (
        "rekey completion bash > ~/.local/share/bash-completion/completions/rekey",
        "rekey completion zsh > ~/.zfunc/_rekey",
        "rekey completion fish > ~/.config/fish/completions/rekey.fish",
    ),
    "policy show": ("rekey policy show", "rekey policy show > policy.yaml"),
    "policy validate": ("rekey policy validate policy.yaml",),
    "policy diff": ("rekey policy diff policy.yaml",),
    "policy push": (
        "rekey policy push policy.yaml --reason 'weekends only' --dry-run",
        "rekey policy push policy.yaml --reason 'weekends only' --replacing <version>",
    ),
    "policy history": (
        "rekey policy history",
        "rekey policy history -o json --query 'versions[0].version'",
    ),
    "policy rollback": ("rekey policy rollback <version> --reason 'back to last week' --dry-run",),
}


def shown(lines: tuple[str, ...]) -> str:
    """Write examples for a help."""
    return "examples:\n" + "\n".join(f"  {line}" for line in lines)
