"""A problem as a page, for a reader whose browser asked for one; programs get the same as JSON."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

from api.answers import Answer, Unauthorized, problem
from api.page import look
from api.requests import Request
from api.route import Route

HEADINGS = {
    400: "This address cannot be understood",
    401: "Who are you?",
    403: "You may not see this",
    404: "There is nothing here",
    409: "There is nothing to do now",
    429: "Too many readers at once",
    503: "Azure does not answer",
}
INVENTORY = "/api/inventory"
UNAUTHORIZED = 401
KEYLESS = "no key came with this request, and nobody is signed in"
FIX = (
    "add ?code=<key> to the address, or send the header x-functions-key, or sign in: see "
    "docs/access.md"
)


def wants_page(request: Request) -> bool:
    """Return whether the caller is a browser that shows what it gets."""
    return "text/html" in request.headers.get("accept", "").lower()


def is_page(route: Route) -> bool:
    """Return whether a call answers with a page."""
    return "Html" in route.answers.values()


def presented(route: Route, request: Request, answer: Answer) -> Answer:
    """Return the problem as a page where the call is one for people and a browser asked."""
    return as_page(request, answer) if is_page(route) and wants_page(request) else answer


def as_page(request: Request, answer: Answer, *, door: bool = False) -> Answer:
    """Return a problem as a page, with its status and what it says to programs in its headers."""
    code = request.query.get("code", "")
    page = look.drawn(
        "problem.html",
        answer.status,
        title="inventory" if door else "problem",
        home="?" + urlencode({"code": code} if code else {}),
        heading=HEADINGS.get(answer.status, "Rekey failed"),
        problem=answer.body,
        door=door,
        sign_in=_sign_in(INVENTORY if door else request.url, request)
        if answer.status == UNAUTHORIZED
        else "",
        retry=answer.headers.get("Retry-After", ""),
    )
    return replace(page, headers={**answer.headers, **page.headers})


async def door(request: Request) -> Answer:
    """GET /api/dashboard: lead who brought a key to the inventory.

    Ask all others for one, or to sign in. The platform answers a request without a key with an
    empty page, so this call asks for none. It shows nothing, and believes nothing: on a path that
    is open the platform vouches for no caller.
    """
    if request.query.get("code") or "x-functions-key" in request.headers:
        query = urlencode(dict(request.query))
        location = INVENTORY + (f"?{query}" if query else "")
        return replace(
            look.drawn("moved.html", 303, title="moved", home=location), headers=_moved(location)
        )
    answer = problem(Unauthorized(KEYLESS, fix=FIX), request.url)
    return as_page(request, answer, door=True) if wants_page(request) else answer


def _moved(location: str) -> dict[str, str]:
    return {**look.headers(), "Location": location}


def _sign_in(page: str, request: Request) -> str:
    """Return where Azure signs a person in, and from where it leads back here.

    See docs/access.md.
    """
    query = urlencode({name: text for name, text in request.query.items() if name != "code"})
    back = page + (f"?{query}" if query else "")
    return "/.auth/login/aad?" + urlencode({"post_login_redirect_uri": back})
