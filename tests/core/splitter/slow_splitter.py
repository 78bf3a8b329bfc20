"""The splitter's rules once more, over a whole text at once and with nothing held back: slow, and easy to read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.splitter.splitter import Markers

OPENING = re.compile(r" {0,3}(`{3,})[^`]*$| {0,3}(~{3,}).*$", re.DOTALL)
BEFORE_HEADING = re.compile(r"(?:\r\n\r\n|\n\r\n|\n\n|\r\n|\n)\Z")
BEFORE_TAG = re.compile(r"(?:\r\n|\n)\Z")


def _tags(text: str, markers: Markers) -> Iterator[tuple[str, str]]:
    at = 0
    for found in re.finditer("|".join(map(re.escape, markers.all())), text):
        yield "text", text[at : found.start()]
        yield "mark", found.group()
        at = found.end()
    yield "text", text[at:]


def _headings(text: str, markers: Markers) -> Iterator[tuple[str, str]]:
    fence = ""
    for line in re.findall(r"[^\n]*\n|[^\n]+\Z", text):
        mark = next((m for m in markers.all() if not fence and line.startswith(m)), None)
        if mark is not None:
            yield "mark", mark
            yield "text", re.sub(r"\A[ \t]*(?:\r?\n)?", "", line[len(mark) :])
            continue
        yield "text", line
        if not line.endswith("\n"):
            return
        body = line[:-1]
        if not fence:
            found = OPENING.match(body)
            fence = (found[1] or found[2]) if found else ""
        elif re.fullmatch(rf" {{0,3}}{fence[0]}{{{len(fence)},}}[ \t]*\r?", body):
            fence = ""


def split_whole(text: str, markers: Markers, start: str) -> tuple[str, str, str]:
    """reasoning, response, ending."""
    headings = markers.line_start
    stream: list[tuple[str, str]] = []
    for what, piece in (_headings if headings else _tags)(text, markers):
        if what == "text" and stream and stream[-1][0] == "text":
            stream[-1] = ("text", stream[-1][1] + piece)
        else:
            stream.append((what, piece))

    texts, line_ends = {"reasoning": "", "response": ""}, {"reasoning": "", "response": ""}
    section = "reasoning" if start == "reasoning" else "response"
    preamble, answer, eat = start == "undecided", "", 0
    for place, (what, piece) in enumerate(stream):
        if what == "text":
            raw = piece if headings else re.sub(rf"\A(?:\r?\n){{0,{eat}}}", "", piece)
            last = place == len(stream) - 1
            whole = line_ends[section] + raw if raw or not last else ""
            cut = None if last else (BEFORE_HEADING if headings else BEFORE_TAG).search(whole)
            kept = whole[: cut.start()] if cut else whole
            texts[section] += kept
            line_ends[section] = whole[len(kept) :] if texts[section].strip() else ""
            answer += kept if section == "response" and not preamble else ""
            continue
        preamble, answered, reasoned = False, bool(answer.strip()), bool(texts["reasoning"].strip())
        again = answered and (piece not in markers.reasoning or (reasoned and section == "response"))
        if piece in markers.runaway:
            return texts["reasoning"], texts["response"], "runaway"
        if again and headings:
            over = any(what == "mark" and later in markers.runaway for what, later in stream[place + 1 :])
            return texts["reasoning"], texts["response"], "runaway" if over else "complete"
        target = "reasoning" if piece in markers.reasoning and not again else "response"
        eat = 0 if target == section and texts[section].strip() else 1 if piece in markers.reasoning else 2
        section = target
    return (
        texts["reasoning"],
        texts["response"],
        "in_reasoning" if section == "reasoning" and not answer.strip() else "complete",
    )
