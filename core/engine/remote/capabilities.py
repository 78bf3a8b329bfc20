"""What a server can do beyond answering a chat, found by trying once, and what that means in words."""

from __future__ import annotations

from typing import Literal

import msgspec


class ServerCapabilities(msgspec.Struct):
    """What is known of one model of a server. It changes as requests are refused."""

    is_suiron: bool = False
    """Whether it is an engine of this program."""
    completes: bool = True
    """Whether it continues a text (`/completions`); True until it has refused to."""
    continues_by: Literal["field", "prefill"] = "field"
    """How it is asked to continue an assistant's message: by the field `continue_final_message`, or by its place at the
    end alone."""
    begins_in_reasoning: bool = False
    """Whether its answers begin inside a reasoning that only has a closing tag."""
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """The field for the most tokens of a chat's answer."""
    refused: frozenset[str] = frozenset()
    """Fields that it refuses and that the question can do without."""

    def missing_words(self) -> str:
        """What it cannot do, as a list for one line."""
        missing = ["adapters of this machine", "base/tuned switch", "cold answers", "kept prefixes on demand", "scores"]
        if self.is_suiron:
            missing = ["adapters of this machine", "base/tuned switch"]
        if not self.completes:
            missing.insert(0, "text templates")
        return "no " + ", ".join(missing)


_known: dict[tuple[str, str], ServerCapabilities] = {}


def capabilities_of(url: str, model: str) -> ServerCapabilities:
    """What this process knows of a model of a server."""
    return _known.setdefault((url, model), ServerCapabilities())


def forget_capabilities() -> None:
    """Forget all that is known, as a new process does."""
    _known.clear()
