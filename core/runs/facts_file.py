"""facts.json of a job: what it found out about its rows, model and machine, written once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from core.base.files import replace_file

FACTS_FILE = "facts.json"


def write_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Write the facts of the job in `folder`. Raises OSError."""
    replace_file(folder / FACTS_FILE, msgspec.json.format(msgspec.json.encode(facts), indent=1) + b"\n")


def read_facts(folder: Path) -> dict[str, Any]:
    """The facts of the job in `folder`; of an earlier version, those in its status. Empty where there are none yet, or
    they cannot be read."""
    for name, key in ((FACTS_FILE, ""), ("status.json", "facts")):
        try:
            content = msgspec.json.decode((folder / name).read_bytes())
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            continue
        facts = content.get(key) if key and isinstance(content, dict) else content
        if isinstance(facts, dict) and facts:
            return facts
    return {}
