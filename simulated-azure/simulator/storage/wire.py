"""What all answers of Azure Storage share: headers, XML, and errors with their codes.

https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from xml.sax.saxutils import escape

from simulator.wire import Request, Response

XML = {"Content-Type": "application/xml"}
DECLARATION = '\ufeff<?xml version="1.0" encoding="utf-8"?>'


@dataclass
class StorageError(Exception):
    """A refusal with Azure's status and error code; `details` are further elements of the body."""

    status: int
    code: str
    message: str
    details: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def header_refused(name: str, value: str) -> StorageError:
    """Return the error for a header with an invalid value."""
    message = "The value for one of the HTTP headers is not in the correct format."
    return StorageError(
        400, "InvalidHeaderValue", message, {"HeaderName": name, "HeaderValue": value}
    )


def header_missing(name: str) -> StorageError:
    """Return the error for a missing required header."""
    message = "An HTTP header that's mandatory for this request is not specified."
    return StorageError(400, "MissingRequiredHeader", message, {"HeaderName": name})


def query_refused(name: str, value: str, reason: str) -> StorageError:
    """Return the error for an invalid query parameter."""
    message = "Value for one of the query parameters specified in the request URI is invalid."
    details = {"QueryParameterName": name, "QueryParameterValue": value, "Reason": reason}
    return StorageError(400, "InvalidQueryParameterValue", message, details)


def whole_number(request: Request, name: str, default: int, allowed: range) -> int:
    """Return a query parameter as a number; refuse it outside `allowed`, as Azure does."""
    text = request.query.get(name, "")
    if not text:
        return default
    try:
        number = int(text)
    except ValueError:
        raise query_refused(name, text, "") from None
    if number in allowed:
        return number
    message = (
        "One of the query parameters specified in the request URI is outside the permissible range."
    )
    limits = {"MinimumAllowed": str(allowed.start), "MaximumAllowed": str(allowed.stop - 1)}
    details = {"QueryParameterName": name, "QueryParameterValue": text, **limits}
    raise StorageError(400, "OutOfRangeQueryParameterValue", message, details)


def operation_refused(request: Request) -> StorageError:
    """Return the error for a request that matches no operation of the service."""
    if "comp" in request.query:
        return query_refused("comp", request.query["comp"], "")
    message = "The resource doesn't support specified Http Verb."
    return StorageError(405, "UnsupportedHttpVerb", message)


def http_date(moment: datetime) -> str:
    """Return a time as HTTP headers and the services' XML write it: RFC 1123, in GMT."""
    return format_datetime(moment, usegmt=True)


def element(name: str, *children: str, **attributes: str) -> str:
    """Return an XML element with these XML children."""
    described = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return (
        f"<{name}{described}>{''.join(children)}</{name}>" if children else f"<{name}{described} />"
    )


def text(name: str, value: object) -> str:
    """Return an XML element that holds text."""
    return element(name, escape(str(value)))


def document(root: str) -> bytes:
    """Return an XML document as the services send it: with a byte order mark."""
    return (DECLARATION + root).encode()


def metadata_of(request: Request) -> dict[str, str]:
    """Return the metadata in x-ms-meta-… headers; names must be valid C# identifiers."""
    prefix = "x-ms-meta-"
    metadata = {
        name.removeprefix(prefix): value
        for name, value in request.headers.items()
        if name.startswith(prefix)
    }
    if not all(name.isidentifier() for name in metadata):
        message = "The metadata specified is invalid. It has characters that are not permitted."
        raise StorageError(400, "InvalidMetadata", message)
    return metadata


def metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return metadata as the headers of an answer."""
    return {f"x-ms-meta-{name}": value for name, value in metadata.items()}


class Envelope:
    """Adds one service's common headers to answers, and turns refusals into answers."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._count = itertools.count(1)

    def seal(self, request: Request, response: Response, now: datetime) -> Response:
        """Return the answer with request id, version and date; an answer to HEAD has no body."""
        headers = {
            "Content-Length": str(len(response.body)),
            "Server": f"{self._server}/1.0 Microsoft-HTTPAPI/2.0",
            "x-ms-request-id": self._request_id(),
            "x-ms-version": request.header("x-ms-version", "2009-09-19"),
            "Date": http_date(now),
            **response.headers,
        }
        if client_id := request.header("x-ms-client-request-id"):
            headers["x-ms-client-request-id"] = client_id
        bodiless = request.method == "HEAD" or response.status in {
            HTTPStatus.NO_CONTENT,
            HTTPStatus.NOT_MODIFIED,
        }
        return Response(response.status, headers, b"" if bodiless else response.body)

    def refuse(self, request: Request, error: StorageError, now: datetime) -> Response:
        """Return a refusal as an answer."""
        headers = {
            **XML,
            **error.headers,
            "x-ms-error-code": error.code,
            "x-ms-request-id": self._request_id(),
        }
        time = now.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
        message = f"{error.message}\nRequestId:{headers['x-ms-request-id']}\nTime:{time}"
        details = [text(name, value) for name, value in error.details.items()]
        body = document(
            element("Error", text("Code", error.code), text("Message", message), *details)
        )
        return self.seal(request, Response(error.status, headers, body), now)

    def _request_id(self) -> str:
        return f"{next(self._count):08x}-001e-0000-0000-000000000000"
