"""What stands between a deployment and its Azure.

Deaths on order, and people who act in the middle of a call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from simulator.host.virtual import Dying
from simulator.reach.sabotage import Died
from simulator.reach.transport import Call
from simulator.wire import Request, Response, json_response

type Where = Callable[[Request], bool]
FORBIDDEN, NOT_AUTHORIZED = (
    json_response(403, {"error": {"code": code, "message": "not allowed"}})
    for code in ("Forbidden", "AuthorizationFailed")
)
"""How a vault says that it is not allowed, and how Resource Manager does."""


@dataclass
class Hook:
    """Something that happens before or after the next `times` requests that match."""

    where: Where
    act: Callable[[], object]
    times: int = 1
    after: bool = False

    def strike(self, request: Request, *, after: bool) -> None:
        """Act, where this is the request and the moment."""
        if self.times > 0 and self.after == after and self.where(request):
            self.times -= 1
            self.act()


@dataclass
class Strikes:
    """Stands in the transport of one deployment."""

    now: Callable[[], datetime]
    watch: Callable[[], None]
    """Called after every call that took effect."""
    hooks: list[Hook] = field(default_factory=list)
    trace: list[Request] = field(default_factory=list)
    """Every request, in order."""
    holds: Callable[[Request], Awaitable[object] | None] = lambda _: None
    """Returns what a request waits for before it is sent on."""
    dead: bool = False
    kind: Dying = "worker"
    died: list[datetime] = field(default_factory=list)
    """When processes died."""

    async def __call__(self, request: Request, call: Call) -> Response:
        """Let one call through, or strike."""
        self.trace.append(request)
        self._strike(request, after=False)
        if waits := self.holds(request):
            await waits
        response = await call()
        self.watch()
        self._strike(request, after=True)
        self.watch()
        return response

    def _strike(self, request: Request, *, after: bool) -> None:
        if not self.dead:
            for hook in list(self.hooks):
                hook.strike(request, after=after)
        if self.dead:
            raise Died

    def die(self, kind: Dying) -> None:
        """End the process: no call of it goes through any more."""
        self.dead, self.kind = True, kind
        self.died.append(self.now())

    @property
    def deaths(self) -> int:
        """How many processes have died."""
        return len(self.died)

    def revive(self) -> None:
        """Let a new process begin."""
        self.dead = False


def to(method: str = "", host: str = "", path: str = "") -> Where:
    """Match requests by method, and by what host and path hold.

    A challenge of Key Vault, which has no token, never matches.
    """

    def where(request: Request) -> bool:
        bare = ".vault." in request.host and not request.header("authorization")
        return (
            not bare
            and request.method == (method or request.method)
            and host in request.host
            and path.lower() in request.path.lower()
        )

    return where


REGENERATE, LIST_KEYS = to("POST", path="/regeneratekey"), to("POST", path="/listkeys")
ADD_PASSWORD, REMOVE_PASSWORD = to("POST", path="/addpassword"), to("POST", path="/removepassword")
PUBLISH, READ, RETAG = (
    to("PUT", ".vault."),
    to("GET", ".vault.", "/secrets/"),
    to("PATCH", ".vault."),
)
ADMIN = to("PATCH", path="/providers/microsoft.sql/servers/")


def alter(request: Request) -> bool:
    """Match a statement that sets a password, and not the question who may: `ALTER ANY LOGIN`."""
    return request.method == "EXECUTE" and b'"ALTER ' in request.body


def listing(request: Request) -> bool:
    """Match the listing of a vault."""
    return ".vault." in request.host and request.path.rstrip("/") == "/secrets"


SINGLE: dict[str, Where] = {"login": alter, "user": alter, "admin": ADMIN}
"""What sets the password of each kind that has but one slot."""
