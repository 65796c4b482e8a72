"""The worker protocol's messages as plain classes, so that no gRPC is needed.

Names and fields are those of Azure/azure-functions-language-worker-protobuf, FunctionRpc.proto. The
worker library looks them up in this module by name.
"""

from __future__ import annotations

from typing import Any, ClassVar


class Message:
    """A message: the given fields are its attributes, and nothing else is checked."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class OneOf(Message):
    """A message of which at most one field is set."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**{name: value for name, value in fields.items() if value is not None})

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's own name
        """Return the name of the field that is set, or None."""
        return next(iter(self.__dict__), None)

    @property
    def value(self) -> Any:
        """The value that is set, or None."""
        return next(iter(self.__dict__.values()), None)


class TypedData(OneOf):
    """A value passed into or out of a function: string, json, bytes, int, double or http."""


class ParameterBinding(Message):
    """A named value: an input of an invocation, or one of its outputs."""

    name: str
    data: TypedData | None

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's own name
        """Return the kind of the value; shared memory is not used here."""
        return "data"


class RpcHttp(Message):
    """An HTTP request or answer.

    A request has method, url, headers, body, params and query. An answer has status_code, headers,
    body and cookies.
    """


class RpcException(Message):
    """An exception of the function or of the app: message and stack trace."""

    message: str
    stack_trace: str


class StatusResult(Message):
    """How a request to the worker ended."""

    Failure: ClassVar[int] = 0
    Success: ClassVar[int] = 1
    status: int
    exception: RpcException | None = None


class BindingInfo(Message):
    """The worker's description of one binding."""

    undefined: ClassVar[int] = 0
    out: ClassVar[int] = 1
    inout: ClassVar[int] = 2


class RpcHttpCookie(Message):
    """One Set-Cookie of an answer."""

    class SameSite:
        """The values of a cookie's SameSite attribute."""

        Lax = "Lax"
        Strict = "Strict"
        ExplicitNone = "None"


# A class body can't hold an attribute called None.
setattr(RpcHttpCookie.SameSite, "None", "")


class WorkerInitResponse(Message):
    """The answer to worker_init_request."""


class WorkerMetadata(Message):
    """The worker's versions."""


class FunctionEnvironmentReloadResponse(Message):
    """The answer to function_environment_reload_request."""


class FunctionMetadataResponse(Message):
    """The answer to functions_metadata_request."""


class RpcFunctionMetadata(Message):
    """One indexed function: name, function_id, raw_bindings."""


class RpcRetryOptions(Message):
    """A function's retry policy."""


class FunctionLoadResponse(Message):
    """The answer to function_load_request."""


class InvocationResponse(Message):
    """The answer to invocation_request: result, return_value, output_data."""

    return_value: TypedData | None = None
    output_data: list[ParameterBinding] = []  # noqa: RUF012 - a default that is only read


class NullableString(Message):
    """A string that may be missing."""


class NullableBool(NullableString):
    """A truth value that may be missing."""


class NullableDouble(NullableString):
    """A number that may be missing."""


class NullableTimestamp(NullableString):
    """A point in time that may be missing."""


class Timestamp(Message):
    """Seconds since 1970."""
