"""Turns any exception into an error that a user can read, where the app must survive whatever a library raises."""

from __future__ import annotations

from core.base.errors import DataError, SuironError


def readable_error(error: Exception, where: str) -> SuironError:
    """`error` in three parts; Suiron's own errors stay as they are."""
    if isinstance(error, SuironError):
        return error
    if isinstance(error, OSError):
        return DataError(
            f"it cannot be read ({error.strerror or error})",
            where,
            "Check that it exists and that you have permission to read it",
        )
    return DataError(
        f"it cannot be read ({type(error).__name__}: {error})",
        where,
        "Check that it has the expected format; if so, please report this",
    )
