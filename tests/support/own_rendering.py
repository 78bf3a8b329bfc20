"""What transformers' own apply_chat_template makes of a conversation."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def own_rendering(
    folder: Path,
    messages: Sequence[dict[str, Any]],
    *,
    generate: bool = False,
    tools: list[Any] | None = None,
    **variables: Any,
) -> str:
    """The text, with the tokenizer and the chat template in `folder`, found by transformers itself."""
    sys.modules.setdefault("torchvision", None)  # type: ignore[arg-type]  # as core.models.backend: transformers remembers whether it loads
    from transformers import PreTrainedTokenizerFast

    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(bos := config.get("bos_token"), dict):
        config["bos_token"] = bos["content"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(folder))
    rendered = tokenizer.apply_chat_template(
        list(messages), tools=tools, tokenize=False, add_generation_prompt=generate, **variables
    )
    assert isinstance(rendered, str)
    return rendered
