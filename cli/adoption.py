"""`rekey adopt`: put a secret and its source under management.

Tags and a first expiry are set, or with `--create` a first version is written; nothing is rotated.
"""

from __future__ import annotations

from argparse import Namespace

from api.answers import BadRequest
from cli import adoption_file
from cli.codes import Exit
from cli.consent import consent
from cli.proposal import TAGS, Adoption, Proposal, Wish
from cli.session import Session
from cli.terminal import iso, moment
from engine.state.due import due_at, due_reason

DEFAULT_DAYS = "90"


async def adopt(session: Session, args: Namespace) -> int:
    """Prove that the source accepts the value and which credential it is, then tag the secret."""
    options = {
        tag: str(getattr(args, option))
        for option, tag in TAGS.items()
        if getattr(args, option) is not None
    }
    if args.from_file:
        if args.secret or options or args.create:
            what = "--from takes everything from its file"
            raise BadRequest(what, fix="leave the secret and its options out, or --from")
        return await adoption_file.adopt(session, args)
    if not args.secret:
        raise BadRequest("VAULT/NAME is missing", fix="name the secret before its options")
    if args.provider:
        options.setdefault("ValidityPeriodDays", DEFAULT_DAYS)
    wish = Wish(session.secret(args.secret), options, create=args.create, again=args.create)
    adoption = await Adoption.of(session)
    proposal = await adoption.proposed(wish)
    if not args.dry_run:
        if proposal.warning and not args.yes:
            question = "Put it under management?"
            consent(session.terminal, session.person, proposal.warning, question)
        proposal = await adoption.carried_out(proposal)
    _show(session, adoption, proposal, dry_run=args.dry_run)
    return Exit.FINE


def _show(session: Session, adoption: Adoption, proposal: Proposal, *, dry_run: bool) -> None:
    adopted, managed, now = proposal.adopted, proposal.managed, adoption.engine.clock.now()
    due, reason = due_at(adopted, managed), due_reason(adopted, managed, now)
    shown = {
        "expires": moment(adopted.expires),
        "due": f"at the next sweep: {reason}" if reason else moment(due),
    }
    is_new = dry_run and proposal.status != "adopted already"
    result = {
        "status": f"would be {proposal.status}" if is_new else proposal.status,
        "vault": adopted.ref.vault_name,
        "secret": adopted.ref.name,
        "version": None if is_new and proposal.status == "created" else adopted.version,
        "rotator": managed.rotator.kind,
        "source": managed.source,
        "credential": adopted.tags.get("CredentialId"),
        "expires": iso(adopted.expires),
        "due": iso(due),
        "due_now": bool(reason),
        "warning": proposal.warning,
    }
    if not session.terminal.data({**result, "tags": dict(adopted.tags)}):
        session.terminal.progress("")
        session.terminal.fields(
            {name: value for name, value in (result | shown).items() if name != "due_now"}
        )
        session.terminal.line("next: rekey doctor, to see whether a rotation would succeed")
