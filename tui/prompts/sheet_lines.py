"""Lays out a row's text, tokens and prompts as lines, section by section, readable without colour.

Line ends, token boundaries and special tokens are visible. The lines are laid out once for a width, in a thread; the
pieces of a line are made when it comes into sight. Everything here is safe text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from rich.cells import cell_len, set_cell_size, split_graphemes

from core.base.plural import counted
from core.base.safe_text import safe_line, safe_text
from core.tokens.segments import EOS, MARKER, OPENING, PROMPT, REASONING, RESPONSE
from tui.common.wrapping import line_starts
from tui.prompts.token_texts import NEWLINE, TokenTexts, special_text

if TYPE_CHECKING:
    from core.examples.prompt_preview import InferencePrompt

Role = Literal["prompt", "marker", "reasoning", "response", "end", "mark", "special", "heading", "muted", "warning"]
Piece = tuple[str, Role, bool]  # safe text; what it is; whether it is dimmed, because it is not trained
SECTION_LETTERS = {PROMPT: "P", OPENING: "M", REASONING: "R", MARKER: "M", RESPONSE: "A", EOS: "E"}
SECTION_ROLES: dict[int, Role] = {
    PROMPT: "prompt",
    OPENING: "marker",
    REASONING: "reasoning",
    MARKER: "marker",
    RESPONSE: "response",
    EOS: "end",
}
SECTION_WORDS = {
    PROMPT: "prompt",
    OPENING: "opening",
    REASONING: "reasoning",
    MARKER: "marker",
    RESPONSE: "answer",
    EOS: "end",
}
TRAINED, UNTRAINED = "┃", "┆"
GUTTER = 3  # cells: letter, stroke, space
BOUNDARY = "·"  # between two tokens
_SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class SheetLines(Protocol):
    """What a sheet shows. The gutter is part of a line's pieces."""

    def __len__(self) -> int: ...

    def pieces(self, index: int) -> list[Piece]: ...


def section_gutter(slot: int, weights: Sequence[float]) -> Piece:
    """The gutter before a line of this section. weights: of the six sections."""
    stroke = TRAINED if weights[slot] else UNTRAINED
    return f"{SECTION_LETTERS[slot]}{stroke} ", SECTION_ROLES[slot], not weights[slot]


class TextLines:
    """The text, wrapped to `width` cells, with a mark for each of its line ends. A section begins on a new line."""

    def __init__(
        self, texts: Sequence[tuple[int, str]], weights: Sequence[float], width: int, before: str = "", after: str = ""
    ) -> None:
        """texts: section and text, in order. before, after: the beginning and the end of sequence that the encoder
        adds, as they are spelt."""
        self._weights = weights
        # section, text, its role where it is not the section's, whether a line end follows
        self._lines: list[tuple[int, str, Role | None, bool]] = []
        if before:
            self._lines.append((PROMPT, special_text(before), "special", False))
        for slot in dict.fromkeys(slot for slot, _ in texts):
            section_text = "".join(text for text_slot, text in texts if text_slot == slot)
            self._add(slot, section_text, max(1, width - GUTTER - 1))
        if after:
            self._lines.append((EOS, special_text(after), "special", False))

    def _add(self, slot: int, text: str, width: int) -> None:
        for line, has_line_end in wrap_text(text, width):
            self._lines.append((slot, line, None, has_line_end))

    def __len__(self) -> int:
        return len(self._lines)

    def pieces(self, index: int) -> list[Piece]:
        slot, text, role, has_line_end = self._lines[index]
        dim = not self._weights[slot]
        pieces: list[Piece] = [section_gutter(slot, self._weights), (text, role or SECTION_ROLES[slot], dim)]
        return [*pieces, (NEWLINE, "mark", True)] if has_line_end else pieces


class TokenLines:
    """The tokens in their order, `·` after each. A section begins on a new line, and a token with a line end ends a
    line.

    with_ids: each token is followed by its id in small digits.
    """

    def __init__(
        self,
        ids: Sequence[int],
        ends: Sequence[int],
        weights: Sequence[float],
        token_texts: TokenTexts,
        width: int,
        with_ids: bool = False,
    ) -> None:
        self._ids, self._ends, self._weights, self._with_ids = ids, ends, weights, with_ids
        self._token_texts = token_texts
        self._texts = token_texts.of_ids(ids)
        # of each line: its first token, and the character of that token's text that it begins with
        self._starts: list[tuple[int, int]] = []
        self._slots: list[int] = []  # of each line: its section
        self._lay_out(max(4, width - GUTTER))

    def _lay_out(self, width: int) -> None:
        texts, widths, start = self._texts, self._token_texts.widths, 0
        starts, slots, ids = self._starts, self._slots, self._ids
        for slot, end in enumerate(self._ends):
            used = width + 1  # more than the width: the section begins a line
            for token in range(start, end):
                text = texts[token]
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
        role, dim = SECTION_ROLES[slot], not self._weights[slot]
        pieces: list[Piece] = [section_gutter(slot, self._weights)]
        token, offset = self._starts[index]
        end, end_offset = self._starts[index + 1] if index + 1 < len(self._starts) else (len(self._ids), 0)
        while token < end or (token == end and offset < end_offset):
            text = self._texts[token]
            token_role: Role = "special" if self._token_texts.is_special(self._ids[token]) else role
            if token == end:  # the line ends within this token
                pieces.append((text[offset:end_offset], token_role, dim))
                break
            pieces.append((text[offset:], token_role, dim))
            if self._with_ids:
                pieces.append((str(self._ids[token]).translate(_SUBSCRIPT), "muted", False))
            pieces.append((BOUNDARY, "mark", True))
            token, offset = token + 1, 0
        return pieces


class PromptLines:
    """The prompts for inference, each under a heading, up to where the model begins to write."""

    def __init__(self, prompts: Sequence[InferencePrompt], width: int) -> None:
        self._lines: list[list[Piece]] = []
        for number, prompt in enumerate(prompts, 1):
            if number > 1:
                self._lines.append([])
            self._add(number, prompt, max(1, width - GUTTER - 1))

    def _add(self, number: int, prompt: InferencePrompt, width: int) -> None:
        template = safe_line(prompt.template, 60)
        if template and prompt.tokens is not None:
            template += f", {counted(prompt.tokens, 'token')}"
        self._lines.append([(f"{number} {prompt.purpose}", "heading", False), (f"  {template}", "muted", False)])
        if prompt.why:
            for line, _ in wrap_text(safe_line(f"none: {prompt.why}", 1000), width):
                self._lines.append([("   ", "muted", False), (line, "warning", False)])
            return
        for line, has_line_end in wrap_text(prompt.text, width):
            mark: list[Piece] = [(NEWLINE, "mark", True)] if has_line_end else []
            self._lines.append([(f"{number}{UNTRAINED} ", "muted", False), (line, "prompt", False), *mark])
        self._lines.append([(f"{number}▸ ", "special", False), ("the model begins to write here", "muted", False)])

    def __len__(self) -> int:
        return len(self._lines)

    def pieces(self, index: int) -> list[Piece]:
        return self._lines[index]


class WordLines:
    """Words in place of a row, or about it."""

    def __init__(self, words: str, width: int, role: Role = "muted") -> None:
        self._lines: list[list[Piece]] = [[(line, role, False)] for line, _ in wrap_text(words, max(1, width))]

    def __len__(self) -> int:
        return len(self._lines)

    def pieces(self, index: int) -> list[Piece]:
        return self._lines[index]


class JoinedLines:
    """Lines below each other, with an empty line between two parts."""

    def __init__(self, parts: Sequence[SheetLines]) -> None:
        self._parts = [part for part in parts if len(part)]
        self._length = sum(map(len, self._parts)) + max(0, len(self._parts) - 1)

    def __len__(self) -> int:
        return self._length

    def pieces(self, index: int) -> list[Piece]:
        for part in self._parts:
            if index < len(part):
                return part.pieces(index)
            index -= len(part) + 1
            if index == -1:
                break
        return []


def wrap_text(text: str, width: int) -> list[tuple[str, bool]]:
    """Safe lines of at most `width` cells, and whether a line end of the text follows. A text that ends in a line end
    has no empty line after it."""
    lines: list[tuple[str, bool]] = []
    parts = safe_text(text).split("\n")
    for index, part in enumerate(parts):
        is_last = index == len(parts) - 1
        if is_last and not part:
            break
        starts = line_starts(part, width)
        for start, end in zip(starts, [*starts[1:], len(part)], strict=True):
            line = part[start:end]
            if line.endswith(" ") and cell_len(line) > width:  # spaces hang over the end of a line
                line = set_cell_size(line, width)
            lines.append((line, not is_last and end == len(part)))
    return lines


def _cuts(text: str, width: int) -> list[int]:
    """The offsets at which a text too wide for a line is cut, between characters."""
    cuts, used = [], 0
    for left, _, cells in split_graphemes(text)[0]:
        if used and used + cells > width:
            cuts.append(left)
            used = 0
        used += cells
    return cuts
