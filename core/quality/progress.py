"""How long passes over the rows report their progress."""

from __future__ import annotations

from collections.abc import Callable

ReportProgress = Callable[[str, int, int], None]
"""Called with what is being done, in words, how many of it are done, and of how many in all."""
