"""What somebody does who may edit tags, and nothing else.

On the secret, on a replica, on a secret of another vault.
"""

from __future__ import annotations

from engine.secret import SecretRef
from engine.state.tags import MAX_TAGS, REPLICA_OF, RETIRE
from tests.proof.excuses import Excuse
from tests.proof.staging import FIRST, Move, add_source, current, owned, source_of
from tests.proof.world import OTHER_VAULT, VAULT, World

LONG_AGO = "2026-11-01T00:00:00Z"
NOBODYS = "00000000-0000-0000-0000-000000000000"


def forge(name: str = "app", vault: str = VAULT, **forged: str) -> Move:
    """Return a move in which somebody edits tags on the current version, Rekey's own among them."""

    def edit(world: World) -> None:
        version = current(world, name, vault)
        if len(tags := {**version.tags, **forged}) <= MAX_TAGS:
            world.edit(version.ref, tags=tags)

    return edit


def claiming(**forged: str) -> Move:
    """Return a forgery after which the secret's owner has to mend what it claims."""
    edit = forge(**forged)

    def move(world: World) -> None:
        world.watch.excuses.grant(Excuse.CLAIM, "app")
        edit(world)

    return move


def of_ours(kind: str) -> dict[str, Move]:
    """Return a forgery of every tag of Rekey's own, one by one, and of all of them at once."""
    somebody_elses = "id2" if kind == "many" else FIRST[kind]
    forged = {
        "RekeyRetire": f"{LONG_AGO} v1 {somebody_elses}",
        "RekeyOperation": NOBODYS,
        "RekeyState": f"compromised 2027-01-01T00:00:00Z {NOBODYS[-12:]}",
        "RekeyReason": "nothing to see here",
        "RekeyProof": "0" * 64,
        "RekeyCause": "manual by somebody: of course",
        "RekeyBy": "another deployment",
    }
    # Who forges these has the secret parked, and has to mend it; all others change nothing.
    parking = ("RekeyRetire", "RekeyBy", "RekeyOperation")
    moves = {
        tag: (claiming if tag in parking else forge)(**{tag: text}) for tag, text in forged.items()
    }
    parked = forge(RekeyState=f"parked 2026-11-02T09:00:00Z {NOBODYS[-12:]}", RekeyReason="made up")
    later = claiming(RekeyRetire=f"2036-01-01T00:00:00Z v1 {FIRST[kind]}")
    broken = claiming(RekeyRetire="soon", RekeyState="?", RekeyOperation="", RekeyBy="\n")
    return {
        **moves,
        "parked": parked,
        "a later end": later,
        "nonsense": broken,
        "all at once": claiming(**forged),
    }


def claims(kind: str) -> dict[str, Move]:
    """Return a forgery of every tag that says what is rotated, and where."""
    victim, outside = source_of(kind, "victim"), source_of(kind, "outside")
    return {
        "ProviderAddress of another secret": claiming(ProviderAddress=victim),
        "ProviderAddress outside the scopes": claiming(ProviderAddress=outside),
        "ProviderAddress of nobody": claiming(ProviderAddress="/nothing/at-all"),
        "CredentialId of the other": forge(CredentialId="id2" if kind == "many" else FIRST[kind]),
        "CredentialId of nobody": forge(CredentialId="no such key"),
        "Rotator": claiming(Rotator="many" if kind != "many" else "two-slots"),
        "ValueTemplate without the credential": claiming(ValueTemplate="always the same"),
        "ValueTemplate of another form": claiming(ValueTemplate="Password={key};"),
    }


def victims(world: World, kind: str) -> None:
    """Add a source that another secret owns, and one that no secret here may rotate."""
    held = add_source(world, kind, "victim")
    address = source_of(kind, "victim")
    tags = {"ProviderAddress": address, "CredentialId": FIRST[kind], "ValidityPeriodDays": "90"}
    owned(world, address, world.secret("victim", held, 80, tags))
    world.watch.foreign |= world.sources[address].alive()
    add_source(world, kind, "outside")
    world.scopes = world.scopes[:-1]
    outside = world.sources[source_of(kind, "outside")].alive()
    world.watch.untouchable |= outside
    world.watch.foreign |= outside


def second_vault(world: World) -> None:
    """Add a vault in which nobody consents.

    A stranger, one who consents to somebody else, and the policy document.
    """
    world.other_scopes = ()
    world.own = SecretRef(OTHER_VAULT, "policy")
    elsewhere = {REPLICA_OF: f"{VAULT}/secrets/another", "Owner": "team-b"}
    consenting = {REPLICA_OF: f"{VAULT}/secrets/app"}
    for name, tags in (
        ("stranger", {"Owner": "team-b"}),
        ("elsewhere", elsewhere),
        ("policy", consenting),
    ):
        version = world.secret(name, "somebody else's", 400, tags, OTHER_VAULT)
        world.watch.bystanders[version.ref] = (version,)


def naming_replicas(*names: str) -> Move:
    """Return a move that has `app` name further replicas, in the other vault."""

    def move(world: World) -> None:
        usual = current(world).tags.get("Replicas", "")
        urls = [*filter(None, [usual]), *(f"{OTHER_VAULT}/secrets/{name}" for name in names)]
        claiming(Replicas=",".join(urls))(world)

    return move


def forging_a_replica(kind: str) -> dict[str, Move]:
    """Return what a replica's owner may do to it; none of it decides about the primary."""
    return {
        "the replica's RekeyRetire": forge("copy-a", **{RETIRE: f"{LONG_AGO} v1 {FIRST[kind]}"}),
        "the replica's RekeyOperation": forge("copy-a", RekeyOperation=NOBODYS),
        "the replica's form": _theirs("copy-a", ValueTemplate="nothing of it"),
        "the replica's own claim": _theirs("copy-b", ProviderAddress=source_of(kind)),
        "consent goes": _theirs("copy-a", **{REPLICA_OF: f"{VAULT}/secrets/another"}),
        "the replica is disabled": _disable_copy,
    }


def _theirs(name: str, **tags: str) -> Move:
    """Return a move after which only a replica's owner can help, and its primary waits for that."""
    edit = forge(name, **tags)

    def move(world: World) -> None:
        for claimed in (name, "app"):
            world.watch.excuses.grant(Excuse.CLAIM, claimed)
        edit(world)

    return move


def _disable_copy(world: World) -> None:
    version = current(world, "copy-b")
    world.watch.excuses.grant(Excuse.CLAIM, "app")
    world.watch.off.add(str(version.version))
    world.edit(version.ref, enabled=False)


def give_consent(world: World) -> None:
    """The replicas' owners mend theirs.

    Consent, enabled, in the form that they want, with no claim of their own.
    """
    for ref, desired in world.wanted.items():
        if REPLICA_OF in desired:
            version = world.vault[ref][-1]
            world.watch.off.discard(str(version.version))
            kept = {tag: text for tag, text in version.tags.items() if tag == "CredentialId"}
            if dict(version.tags) != desired | kept or not version.enabled:
                world.edit(ref, enabled=True, tags=desired | kept)
