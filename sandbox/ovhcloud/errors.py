"""The errors of the API, in OVHcloud's own form: `{"class": ..., "message": ...}` and an HTTP status."""

from typing import Any

CLASSES = {
    400: "BadRequest",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    429: "TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}


class ApiError(Exception):
    """An answer other than success; `extra` holds further fields of the body (`errorCode`, `httpCode`)."""

    def __init__(self, status: int, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.status = status
        side = "Server" if status >= 500 else "Client"
        self.body = {"class": f"{side}::{CLASSES[status]}", "message": message, **extra}


def not_found(kind: str, value: object) -> ApiError:
    return ApiError(404, f"The requested object ({kind} = {value}) does not exist")


def no_service() -> ApiError:
    """The answer for a service that this account does not own."""
    return ApiError(404, "This service does not exist")
