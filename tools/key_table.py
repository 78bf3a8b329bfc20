"""Writes the README's table of keys from `tui.actions`, between its two markers: `python -m tools.key_table` mends it,
`--check` only looks."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tui.actions import ACTIONS, ROOMS, key_words

README = Path(__file__).resolve().parents[1] / "README.md"
MARKS = re.compile(r"(<!-- keys -->\n).*?(<!-- /keys -->)", re.DOTALL)


def table() -> str:
    lines = ["| where | key | what it does |", "| --- | --- | --- |"]
    for scope, (name, _) in ROOMS.items():
        for action in ACTIONS:
            if action.scope == scope:
                keys = " ".join(f"`{key}`" for key in key_words(action))
                lines.append(f"| {name} | {keys} | {action.help} |")
    return "\n".join(lines)


def main() -> None:
    text = README.read_text(encoding="utf-8")
    mended = MARKS.sub(lambda match: match[1] + table() + "\n" + match[2], text)
    if "--check" in sys.argv:
        sys.exit(
            "README.md: the table of keys is not that of tui/actions.py. Run `python -m tools.key_table`."
            if mended != text
            else 0
        )
    README.write_text(mended, encoding="utf-8")


if __name__ == "__main__":
    main()
