"""What every step of the engine needs: the ports, the policy, and the one decision asked with them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from engine.contract import Job, Rotator
from engine.decide.decision import Acting, Decision, Kinds, decide
from engine.decide.ledger import Ledger
from engine.errors import PermanentError
from engine.model import tags, template
from engine.model.policy import Policy
from engine.model.tags import Managed
from engine.model.workitem import WorkItem, operation_id
from engine.ports import Apps, Clock, Incidents, Leases, Reporter, Vaults, Webhooks, WorkQueue
from engine.secret import SecretVersion, Sensitive

log = logging.getLogger("rekey")


@dataclass(frozen=True)
class Parts:
    """The ports, and what follows from them alone."""

    vaults: Vaults
    leases: Leases
    rotators: Mapping[str, Rotator]
    policy: Policy
    clock: Clock
    reporter: Reporter
    queue: WorkQueue
    apps: Apps | None = None
    """How apps that use secrets are reached; None where none are."""
    webhooks: Webhooks | None = None
    """How owners are told; None where none are."""
    incidents: Incidents | None = None
    """Where it stands which incidents there were; None where none are kept."""

    @property
    def kinds(self) -> Kinds:
        """What is known of each kind of credential."""
        return {kind: type(rotator) for kind, rotator in self.rotators.items()}

    def decide(self, secret: SecretVersion, item: WorkItem) -> Decision:
        """Decide about a secret as it is now."""
        decision = decide(secret, item, self.policy, self.kinds, self.clock.now())
        self.reporter.about(item.operation, decision.managed.rotator.kind if isinstance(decision, Acting) else "")
        return decision

    async def ledger(self) -> Ledger:
        """Read what the records say of all secrets; where the app may not list them, tags alone must do."""
        try:
            return await Ledger.read(self.leases.index())
        except PermanentError as error:
            log.error("the records of the sources cannot be listed: %s", error)
            return Ledger({}, unread=True)

    def rotator(self, managed: Managed) -> Rotator:
        """Return the rotator of a secret's kind."""
        return self.rotators[managed.rotator.kind]

    @staticmethod
    def held(secret: SecretVersion, managed: Managed) -> Sensitive | None:
        """Return the credential inside the value; None where the value does not follow the template."""
        return (template.extract(managed.template, secret.value) or {}).get(managed.rotator.value_field)

    def _marked(self, secret: SecretVersion) -> bool:
        """Return whether a version bears the mark of this deployment, or of a Rekey that did not give its name yet."""
        return tags.PROOF in secret.tags or secret.tags.get(tags.BY) == (self.policy.deployment or None)

    def job(
        self,
        secret: SecretVersion,
        managed: Managed,
        *,
        proven: bool = False,
        touched: bool = False,
        in_place: bool = False,
    ) -> Job:
        """Describe to a rotator what is to be issued.

        `proven` where the record says that Rekey wrote this version, `touched` where an earlier try may have changed the source.
        """
        assert secret.version is not None  # noqa: S101 - a version that was read has an id
        return Job(
            source=managed.source,
            operation=operation_id(secret.ref, secret.version),
            held_id=managed.credential_id,
            held=self.held(secret, managed),
            written=None if proven or touched or self._marked(secret) else secret.created,
            proven=proven,
            in_place=in_place,
            expires=self.clock.now() + managed.validity,
            options={key: value for key, value in managed.settings.items() if key not in tags.OURS},
        )
