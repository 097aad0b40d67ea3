"""The one exception that becomes an error answer."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An answer other than 200.

    Args:
        status: HTTP status.
        message: The sentence for developers.
        type: Stripe's error type.
        code: Stripe's error code, where Stripe gives one.
        param: The parameter at fault.
        saved: Whether an idempotency key keeps this answer. Failed validation is not kept.
        extra: Further fields of the error object, such as ``decline_code``.
        headers: Further response headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        saved: bool = True,
        extra: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.saved = saved
        self.extra = extra or {}
        self.headers = headers or {}

    def body(self, request_log_url: str | None = None) -> dict[str, Any]:
        """Return the error envelope; absent fields stay absent, as with Stripe."""
        error: dict[str, Any] = {"message": self.message, "type": self.type}
        if self.code:
            error["code"] = self.code
        if self.param:
            error["param"] = self.param
        if request_log_url:
            error["request_log_url"] = request_log_url
        return {"error": {**error, **self.extra}}


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Build the 400 of a request whose shape is wrong; no idempotency key keeps it."""
    return ApiError(400, message, code=code, param=param, saved=False)


def refused(message: str, *, code: str | None = None, param: str | None = None) -> ApiError:
    """Build the 400 of a well-formed request that a rule refuses."""
    return ApiError(400, message, code=code, param=param)


def missing(noun: str, identifier: str, param: str = "id", status: int = 404) -> ApiError:
    """Build the answer for an object that does not exist in this account."""
    return ApiError(status, f"No such {noun}: '{identifier}'", code="resource_missing", param=param)
