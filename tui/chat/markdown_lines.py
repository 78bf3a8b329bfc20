"""Turns Markdown into styled lines of a given width.

Knows the syntax; knows nothing of colours, screens or the source of the text.

It styles and lays out the text, but never drops or adds a character that carries meaning, because the answer of a small
model is evidence, not prose: `2*3*4` is not emphasis, a line that begins with `+ 5` keeps its plus, line breaks stay,
TeX keeps its backslashes. Links, images, HTML and entities stay plain text: the reader sees where a link leads, and
nothing can be followed, run or decoded into a control character.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len

from tui.common.wrapping import line_starts

if TYPE_CHECKING:
    from markdown_it.token import Token

# hint: not Markdown, but a message of the panel
Kind = Literal["", "strong", "em", "code", "heading", "mark", "hint"]
Run = tuple[str, Kind]
Line = list[Run]
_PLAIN: Kind = ""

# levels of nesting; deeper text comes from a model that loops on `>` or `-`, and the parser would omit some of it
DEEPEST = 12
NARROWEST = 8  # cells for text, however deep lists and quotes are nested
_OFF = ("html_block", "reference", "lheading", "escape", "link", "image", "autolink", "html_inline", "entity")


def markdown_lines(text: str, width: int) -> list[Line]:
    """`text` as lines of at most `width` cells; each line is runs of (text, kind). `text` has passed `safe_text`."""
    from markdown_it import MarkdownIt

    source = text.split("\n")
    tokens = MarkdownIt("commonmark").enable("table").disable(_OFF).parse(text)
    if any(token.level > DEEPEST for token in tokens):
        return _plain(source, width)
    return _Page(source, width).draw(tokens)


def _plain(source: list[str], width: int) -> list[Line]:
    return [[(line[start:end], "")] for line in source for start, end in _spans(line, width)]


def _spans(line: str, width: int) -> Iterator[tuple[int, int]]:
    starts = line_starts(line, width)
    return zip(starts, [*starts[1:], len(line)], strict=True)


class _Page:
    """The lines so far, and the prefix of the next: quote bars, bullets, the indent of the further lines of an item."""

    def __init__(self, source: list[str], width: int) -> None:
        self.source, self.width = source, width
        self.lines: list[Line] = []
        self.prefix: list[Run] = []
        self.bullet: Run | None = None  # replaces the last prefix, on the next line only
        self.end = 0  # the source line after the last block

    def draw(self, tokens: list[Token]) -> list[Line]:
        heading = False
        skip_to: Token | None = None
        for index, token in enumerate(tokens):
            if skip_to is not None:
                skip_to = None if token is skip_to else skip_to
                continue
            match token.type:
                case "blockquote_open":
                    self._gap(token)
                    self.prefix.append(("▌ ", "mark"))
                case "list_item_open":
                    self._gap(token)
                    self._flush_bullet()
                    mark = f"{token.info}{token.markup} "
                    self.bullet = (mark, "mark")
                    self.prefix.append((" " * cell_len(mark), ""))
                case "blockquote_close" | "list_item_close":
                    self._flush_bullet()
                    self.prefix.pop()
                case "heading_open":
                    heading = True
                case "inline":
                    self._gap(token)
                    for line in _hard_lines(token.children or [], "heading" if heading else ""):
                        self._emit(line)
                    heading = False
                case "fence" | "code_block":
                    self._gap(token)
                    self._code(token)
                case "hr":
                    self._gap(token)
                    self._emit([("─" * self._room(), "mark")])
                case "table_open":
                    self._gap(token)
                    skip_to = next(
                        other for other in tokens[index:] if other.type == "table_close" and other.level == token.level
                    )
                    self._table(token, tokens[index : tokens.index(skip_to, index)])
        return self.lines

    def _gap(self, token: Token) -> None:
        """Add one empty line where the source has one or more, and move `end` past a block with text of its own."""
        start, end = token.map or (self.end, self.end)
        if (
            self.lines
            and start > 0
            and not self.source[start - 1].strip(" >")
            and start > self.end - 1
            and self.lines[-1] != []
        ):
            self.lines.append([])
        self.end = max(self.end, end if token.type in ("inline", "fence", "code_block", "hr", "table_open") else start)

    def _room(self) -> int:
        return max(NARROWEST, self.width - sum(cell_len(text) for text, _ in self.prefix))

    def _emit(self, line: Line) -> None:
        text = "".join(part for part, _ in line)
        for part in _split(line, _spans(text, self._room())):
            before = [*self.prefix[:-1], self.bullet] if self.bullet else self.prefix
            self.bullet = None
            self.lines.append([*before, *part])

    def _flush_bullet(self) -> None:
        """An item without text still shows its mark."""
        if self.bullet:
            self._emit([])

    def _code(self, token: Token) -> None:
        if token.info.strip():
            self._emit([(f"{token.markup}{token.info.rstrip()}", "mark")])
        self._flush_bullet()
        self.prefix.append(("  ", ""))
        for line in token.content.rstrip("\n").split("\n"):
            self._emit([(line, "code")])
        self.prefix.pop()

    def _table(self, table: Token, tokens: list[Token]) -> None:
        """Columns side by side where they fit, else the source as it is."""
        rows: list[list[Line]] = []
        for token in tokens:
            if token.type == "tr_open":
                rows.append([])
            elif token.type == "inline":
                lines = list(_hard_lines(token.children or [], "strong" if len(rows) == 1 else ""))
                rows[-1].append(lines[0])
        widths = [max(_cells(row[column]) for row in rows) for column in range(len(rows[0]))]
        if sum(widths) + 3 * (len(widths) - 1) > self._room():
            start, end = table.map or (0, 0)
            for source in self.source[start:end]:
                self._emit([(source, "")])
            return
        for index, row in enumerate(rows):
            line: Line = []
            for cell, width in zip(row, widths, strict=True):
                if line:
                    line.append((" │ ", "mark"))
                line += [*cell, (" " * (width - _cells(cell)), _PLAIN)]
            self._emit(line)
            if index == 0:
                self._emit([("─┼─".join("─" * width for width in widths), "mark")])


def _cells(line: Line) -> int:
    return sum(cell_len(text) for text, _ in line)


def _split(line: Line, spans: Iterator[tuple[int, int]]) -> Iterator[Line]:
    """The runs of each span of a line. The spans follow each other without a gap."""
    runs = iter(line)
    text, kind = "", _PLAIN
    for start, end in spans:
        part: Line = []
        missing = end - start
        while missing:
            if not text:
                text, kind = next(runs)
            taken, text = text[:missing], text[missing:]
            if taken:
                part.append((taken, kind))
            missing -= len(taken)
        yield part


def _hard_lines(children: list[Token], base: Kind) -> Iterator[Line]:
    """The inline content of a block: the runs of each of its source lines."""
    literal = set(_literal_marks(children))
    line: Line = []
    kinds: list[Kind] = [base]
    for index, token in enumerate(children):
        if token.type in ("softbreak", "hardbreak"):
            yield line
            line = []
        elif index in literal:
            line.append((token.markup, kinds[-1]))
        elif token.type in ("strong_open", "em_open"):
            kinds.append(base or ("strong" if token.type == "strong_open" else "em"))
        elif token.type in ("strong_close", "em_close"):
            kinds.pop()
        elif token.content:
            line.append((token.content, "code" if token.type == "code_inline" else kinds[-1]))
    yield line


def _literal_marks(children: list[Token]) -> Iterator[int]:
    """Indices of `*` marks that touch a word or formula on either side, as in 2*3*4 or 2**3: those are text."""
    opened: list[int] = []
    before: list[str] = []  # by index, the character before it; the end of a line counts as a space
    after: list[str] = []  # from the last index to the first
    character = " "
    for token in children:
        before.append(character)
        character = " " if token.type.endswith("break") else (token.content or character)[-1]
    character = " "
    for token in reversed(children):
        after.append(character)
        character = " " if token.type.endswith("break") else (token.content or character)[0]
    after.reverse()
    for index, token in enumerate(children):
        if token.type in ("strong_open", "em_open"):
            opened.append(index)
        elif token.type in ("strong_close", "em_close"):
            start = opened.pop()
            if _ascii_word(before[start]) or _ascii_word(after[index]):
                yield from (start, index)


def _ascii_word(character: str) -> bool:
    return character.isascii() and character.isalnum()
