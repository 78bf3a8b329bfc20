"""A row's text and tokens as lines to be shown: sections apart, spaces, line ends, token boundaries and special tokens
visible without colour.

Laid out once for a width, in a thread; a line's pieces are made when it comes into sight. Everything here is safe text.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from rich.cells import cell_len, set_cell_size, split_graphemes

from core.base.safe_text import UNSAFE, safe_line, safe_text
from core.tokens.segments import EOS, MARKER, OPENING, PROMPT, REASONING, RESPONSE
from tui.common.wrapping import line_starts

if TYPE_CHECKING:
    from core.examples.preview import Ask
    from core.tokens.tokenizer import TextTokenizer

Role = Literal["prompt", "marker", "reasoning", "response", "end", "mark", "special", "heading", "muted", "warning"]
Piece = tuple[str, Role, bool]  # safe text; what it is; whether it is dimmed, because it is not learnt
LETTERS = {PROMPT: "P", OPENING: "M", REASONING: "R", MARKER: "M", RESPONSE: "A", EOS: "E"}
ROLES: dict[int, Role] = {
    PROMPT: "prompt",
    OPENING: "marker",
    REASONING: "reasoning",
    MARKER: "marker",
    RESPONSE: "response",
    EOS: "end",
}
WORDS = {PROMPT: "prompt", OPENING: "opening", REASONING: "reasoning", MARKER: "marker", RESPONSE: "answer", EOS: "end"}
TRAINED, UNTRAINED = "┃", "┆"
GUTTER = 3  # cells: letter, stroke, blank
BOUNDARY, NEWLINE, SPACE, TAB, RETURN = "·", "⏎", "␣", "⇥", "␍"
PARTS = "‥"  # a token that holds only a part of a character, which stands at the token that completes it
_SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_VISIBLE = str.maketrans({" ": SPACE, "\n": NEWLINE, "\t": TAB, "\r": RETURN})


class Lines(Protocol):
    """What a sheet shows; the gutter is part of a line's pieces."""

    def __len__(self) -> int: ...

    def pieces(self, index: int) -> list[Piece]: ...


def gutter(slot: int, weights: Sequence[float]) -> Piece:
    return f"{LETTERS[slot]}{TRAINED if weights[slot] else UNTRAINED} ", ROLES[slot], not weights[slot]


class TextLines:
    """The text as it is, wrapped to `width` cells; each line end that it holds is marked. A section begins on a line of
    its own."""

    def __init__(
        self, texts: Sequence[tuple[int, str]], weights: Sequence[float], width: int, before: str = "", after: str = ""
    ) -> None:
        """texts: (slot, text) in order. before, after: the beginning and the end of sequence that the encoder adds, as
        they are spelt."""
        self._weights = weights
        self._lines: list[
            tuple[int, str, Role | None, bool]
        ] = []  # slot, text, its role where it is not the slot's, whether a line end follows
        if before:
            self._lines.append((PROMPT, special(before), "special", False))
        for slot in dict.fromkeys(slot for slot, _ in texts):
            self._add(slot, "".join(text for one, text in texts if one == slot), max(1, width - GUTTER - 1))
        if after:
            self._lines.append((EOS, special(after), "special", False))

    def _add(self, slot: int, text: str, width: int) -> None:
        for safe, hard in wrapped(text, width):
            self._lines.append((slot, safe, None, hard))

    def __len__(self) -> int:
        return len(self._lines)

    def pieces(self, index: int) -> list[Piece]:
        slot, text, role, hard = self._lines[index]
        dim = not self._weights[slot]
        made: list[Piece] = [gutter(slot, self._weights), (text, role or ROLES[slot], dim)]
        return [*made, (NEWLINE, "mark", True)] if hard else made


class TokenLines:
    """The tokens in their order, `·` after each; a section begins on a line of its own, and a token with a line end
    ends a line.

    with_ids: each token's id follows it in small digits.
    """

    def __init__(
        self,
        ids: Sequence[int],
        ends: Sequence[int],
        weights: Sequence[float],
        words: TokenWords,
        width: int,
        with_ids: bool = False,
    ) -> None:
        self._ids, self._ends, self._weights, self._words, self._with_ids = ids, ends, weights, words, with_ids
        self._shown = words.of(ids, ends)
        self._starts: list[
            tuple[int, int]
        ] = []  # of each line: its first token, and the character of that token's text it begins with
        self._slots: list[int] = []
        self._lay_out(max(4, width - GUTTER))

    def _lay_out(self, width: int) -> None:
        shown, widths, start = self._shown, self._words.widths, 0
        starts, slots, ids = self._starts, self._slots, self._ids
        for slot, end in enumerate(self._ends):
            used = width + 1  # more than there is: the section begins a line
            for token in range(start, end):
                text = shown[token]
                cells = widths.get(text)
                if cells is None:
                    cells = widths[text] = cell_len(text) + 1
                if self._with_ids:
                    cells += len(str(ids[token]))
                if used + cells > width:
                    starts.append((token, 0))
                    slots.append(slot)
                    used = 0
                    if cells > width:
                        for cut in _cuts(text, width - 1):
                            starts.append((token, cut))
                            slots.append(slot)
                        used = cells % width
                used = width + 1 if NEWLINE in text else used + cells
            start = max(start, end)

    def __len__(self) -> int:
        return len(self._starts)

    def pieces(self, index: int) -> list[Piece]:
        slot = self._slots[index]
        role, dim = ROLES[slot], not self._weights[slot]
        pieces: list[Piece] = [gutter(slot, self._weights)]
        token, at = self._starts[index]
        until, until_at = self._starts[index + 1] if index + 1 < len(self._starts) else (len(self._ids), 0)
        while token < until or (token == until and at < until_at):
            text = self._shown[token]
            whole = not (token == until and until_at)
            of_token: Role = "special" if self._words.is_special(self._ids[token]) else role
            pieces.append((text[at:] if whole else text[at:until_at], of_token, dim))
            if not whole:
                break
            if self._with_ids:
                pieces.append((str(self._ids[token]).translate(_SUBSCRIPT), "muted", False))
            pieces.append((BOUNDARY, "mark", True))
            token, at = token + 1, 0
        return pieces


class AskLines:
    """The prompts of inference one under the other, each under a heading, up to the place where the model begins to
    write."""

    def __init__(self, asks: Sequence[Ask], width: int) -> None:
        self._lines: list[list[Piece]] = []
        for number, ask in enumerate(asks, 1):
            if number > 1:
                self._lines.append([])
            about = (
                safe_line(ask.template, 60) + (f", {ask.tokens:,} tokens" if ask.tokens is not None else "")
                if ask.template
                else ""
            )
            self._lines.append([(f"{number} {ask.words}", "heading", False), (f"  {about}", "muted", False)])
            if ask.why:
                self._lines.append([("   ", "muted", False), (safe_line(f"none: {ask.why}", 400), "warning", False)])
                continue
            for safe, hard in wrapped(ask.text, max(1, width - GUTTER - 1)):
                mark: list[Piece] = [(NEWLINE, "mark", True)] if hard else []
                self._lines.append([(f"{number}{UNTRAINED} ", "muted", False), (safe, "prompt", False), *mark])
            self._lines.append([(f"{number}▸ ", "special", False), ("here the model begins to write", "muted", False)])

    def __len__(self) -> int:
        return len(self._lines)

    def pieces(self, index: int) -> list[Piece]:
        return self._lines[index]


class WordLines:
    """Words in the sheet's place."""

    def __init__(self, words: str, width: int, role: Role = "muted") -> None:
        self._lines: list[list[Piece]] = [[(safe, role, False)] for safe, _ in wrapped(words, max(1, width))]

    def __len__(self) -> int:
        return len(self._lines)

    def pieces(self, index: int) -> list[Piece]:
        return self._lines[index]


class TokenWords:
    """How the tokens of one tokenizer are shown. Keeps what it has made: a text has few different tokens."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.raw.get_added_tokens_decoder()
        self._special = {
            id: special(token.content) for id, token in added.items() if token.special or not token.content.isspace()
        }
        self._special |= {
            id: special(tokenizer.raw.id_to_token(id) or str(id))
            for id in tokenizer.stop_ids
            if id not in self._special
        }
        self._whole: dict[int, str | None] = dict(self._special)  # None: bytes that are no whole characters
        self.widths: dict[str, int] = {}  # cells, with the boundary

    def is_special(self, id: int) -> bool:
        return id in self._special

    def spelt(self, id: int) -> str:
        """A special token's own letters."""
        return self._tokenizer.raw.id_to_token(id) or str(id)

    def of(self, ids: Sequence[int], ends: Sequence[int] = ()) -> list[str]:
        """Each token as it is shown. Where one character lies in several tokens, it stands at the last of them and `‥`
        at the others."""
        whole, shown = self._whole, []
        decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        pending = False
        for id in ids:
            if id not in whole:
                whole[id] = self._make(id)
            text = whole[id]
            if text is not None and not pending:
                shown.append(text)
                continue
            if id in self._special:
                shown.append(_visible(decoder.decode(b"", True)) + (text or ""))
                decoder.reset()
                pending = False
                continue
            got = decoder.decode(self._tokenizer.token_bytes.data(id) or b"")
            pending = bool(decoder.getstate()[0])
            shown.append(_visible(got) if got else PARTS)
        if pending and shown:
            shown[-1] = shown[-1].replace(PARTS, "") + _visible(decoder.decode(b"", True))
        return shown

    def _make(self, id: int) -> str | None:
        data = self._tokenizer.token_bytes.data(id)
        if data is None:
            return _visible(self._tokenizer.token_text(id)) or f"⟨{id}⟩"
        if not data:
            return f"⟨{id}⟩"
        try:
            return _visible(data.decode())
        except UnicodeDecodeError:
            return None


def special(content: str) -> str:
    return f"⟨{_visible(content)}⟩"


def wrapped(text: str, width: int) -> list[tuple[str, bool]]:
    """Safe lines of at most `width` cells, and whether a line end of the text follows. A text that ends in one has no
    empty line after it."""
    lines: list[tuple[str, bool]] = []
    parts = safe_text(text).split("\n")
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        if last and not part:
            break
        starts = line_starts(part, width)
        for start, end in zip(starts, [*starts[1:], len(part)], strict=True):
            line = part[start:end]
            if line.endswith(" ") and cell_len(line) > width:  # spaces hang over the end of a line
                line = set_cell_size(line, width)
            lines.append((line, not last and end == len(part)))
    return lines


def _visible(text: str) -> str:
    """Spaces and line ends as signs; no other control character is left as one."""
    return UNSAFE.sub(lambda match: safe_text(match[0]), text.translate(_VISIBLE))


def _cuts(text: str, width: int) -> list[int]:
    """Where a text too wide for a line is cut, between characters."""
    cuts, used = [], 0
    for left, _, cells in split_graphemes(text)[0]:
        if used and used + cells > width:
            cuts.append(left)
            used = 0
        used += cells
    return cuts
