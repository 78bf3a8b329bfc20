"""The JSON that the client sends: what a question becomes as a request. Light."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from core.engine.protocol import ChatQuestion


def chat_request(question: ChatQuestion, answer_id: str, client: str, loaded: tuple[str, str] | None) -> dict[str, Any]:
    """The body for /v1/chat/completions. client: the name of whoever asks. loaded: the model and the adapter's folder
    that it has loaded."""
    return {
        "messages": [{"role": "user", "content": question.instruction}],
        "stream": True,
        "max_tokens": question.max_tokens,
        "temperature": question.temperature,
        "top_p": question.top_p,
        "seed": question.seed,
        **msgspec.to_builtins(question.sampling),
        "suiron": {
            "input": question.input,
            "language": question.language,
            "template": question.template,
            "data": question.data,
            "tuned": question.tuned,
            "drop_empty_input": question.drop_empty_input,
            "draft": question.draft,
            "draft_reasoning": question.draft_reasoning,
            "thinking_budget": question.thinking_budget,
            "on_loop": question.on_loop,
            "id": answer_id,
            "client": client,
            "cold": question.cold,
            "holds": loaded,
        },
    }


def score_request(
    prefix: ChatQuestion | str,
    continuations: Sequence[str | list[int]],
    client: str,
    loaded: tuple[str, str] | None,
) -> dict[str, Any]:
    """The body for /suiron/score. client, loaded: as for `chat_request`."""
    suiron: dict[str, Any] = {"client": client, "holds": loaded}
    if isinstance(prefix, str):
        return {"prompt": prefix, "continuations": continuations, "suiron": suiron}
    names = ("input", "language", "template", "data", "tuned", "drop_empty_input")
    suiron |= {name: getattr(prefix, name) for name in names}
    messages = [{"role": "user", "content": prefix.instruction}]
    return {"messages": messages, "continuations": continuations, "suiron": suiron}
