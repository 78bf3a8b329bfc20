"""Writes the list of rooms and files into ARCHITECTURE.md: `python -m tools.room_table`.

The line of a file is the first sentence of its docstring, so the list cannot differ from the code. A test compares.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "ARCHITECTURE.md"
TOP_FOLDERS = ("core", "tui")
BEGIN, END = "<!-- rooms -->", "<!-- /rooms -->"


def room_table() -> str:
    """The rooms as Markdown: a heading and what it knows for each folder, then a line for each file."""
    return "\n".join(line for top in TOP_FOLDERS for folder in _folders(ROOT / top) for line in _room(folder))


def with_room_table(page: str) -> str:
    """The page with the list between its two markers replaced. Raises ValueError where a marker is missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"ARCHITECTURE.md has no {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{room_table()}\n{END}{after}"


def _folders(top: Path) -> Iterator[Path]:
    """The folder and those below it that are packages, by name."""
    yield top
    for folder in sorted(path for path in top.iterdir() if (path / "__init__.py").is_file()):
        yield from _folders(folder)


def _room(folder: Path) -> Iterator[str]:
    name = folder.relative_to(ROOT).as_posix()
    yield f"\n### {name}/\n\n{_docstring(folder / '__init__.py')}\n"
    files = [path for path in sorted(folder.glob("*.py")) if path.name not in ("__init__.py", "__main__.py")]
    if (folder / "__main__.py").is_file():
        files.insert(0, folder / "__main__.py")
    for path in files:
        yield f"- `{path.name}`: {_first_sentence(_docstring(path))}"


def _docstring(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split())


def _first_sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence; abbreviations and file names have none before a space."""
    found = re.match(r"(.+?[.!?])(\s+[-A-Z`(]|$)", text)
    return found.group(1) if found else text


if __name__ == "__main__":
    PAGE.write_text(with_room_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
