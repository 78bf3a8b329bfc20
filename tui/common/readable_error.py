"""Any error as one a person can read, for the places where the app must stay alive whatever a library does."""

from __future__ import annotations

from core.base.errors import DataError, SuironError


def readable(error: Exception, where: str) -> SuironError:
    """`error` in three parts; those of Suiron's own stay as they are."""
    if isinstance(error, SuironError):
        return error
    if isinstance(error, OSError):
        return DataError(
            f"it cannot be read ({error.strerror or error})", where, "Check that it exists and that you may read it"
        )
    return DataError(
        f"it cannot be read ({type(error).__name__}: {error})",
        where,
        "Check that it is what it should be; if so, please report this",
    )
