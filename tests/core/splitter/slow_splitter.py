"""The splitter's rules once more, over a whole text at once and with nothing held back: slow, and easy to read."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from core.splitter.marker_families import family_markers, family_opened_by
from core.splitter.splitter import THINK, Markers

OPENING = re.compile(r" {0,3}(`{3,})[^`]*$| {0,3}(~{3,}).*$", re.DOTALL)
BEFORE_HEADING = re.compile(r"(?:\r\n\r\n|\n\r\n|\n\n|\r\n|\n)\Z")
BEFORE_TAG = re.compile(r"(?:\r\n|\n)\Z")


def _tags(text: str, markers: Markers, start: str) -> Iterator[tuple[str, range]]:
    """Text and tags in their order; "end" for the tags and white space that end an answer."""
    kinds, closers, closer = markers.kinds(), dict(markers.wraps), ""
    section, preamble, answered = "reasoning" if start == "reasoning" else "response", start == "undecided", False
    begin = position = 0
    while position < len(text):
        ends = {*markers.end, closer} - {""} if section == "response" else set()
        counting = {*markers.runaway, *ends}
        if not answered:
            counting |= {*markers.all()}
        if not answered and not preamble and section == "response":
            counting |= set(closers)
        tag = next((one for one in counting if text.startswith(one, position)), None)
        if tag is not None and kinds[tag] == "end" and _is_last(text[position:], ends):
            yield "text", range(begin, position)
            yield "end", range(position, len(text))
            return
        if tag is None or kinds[tag] == "end":
            answered = answered or (section == "response" and not preamble and not text[position].isspace())
            position += 1
            continue
        yield "text", range(begin, position)
        begin = position + len(tag)
        yield "marker", range(position, begin)
        position, preamble, closer = begin, False, closers.get(tag, closer)
        if kinds[tag] == "runaway":
            break
        section = "reasoning" if kinds[tag] == "reasoning" else "response"
    yield "text", range(begin, len(text))


def _is_last(rest: str, ends: set[str]) -> bool:
    """Whether nothing but tags that end an answer and white space is left."""
    while rest:
        tag = next((one for one in ends if rest.startswith(one)), "")
        if not tag:
            return False
        rest = rest[len(tag) :].lstrip()
    return True


def _headings(text: str, markers: Markers, _: str) -> Iterator[tuple[str, range]]:
    fence = ""
    for found_line in re.finditer(r"[^\n]*\n|[^\n]+\Z", text):
        line, start, end = found_line.group(), *found_line.span()
        marker = next((m for m in markers.all() if not fence and line.startswith(m)), None)
        if marker is not None:
            yield "marker", range(start, start + len(marker))
            layout = re.match(r"[ \t]*(?:\r?\n)?", line[len(marker) :])
            assert layout is not None
            yield "text", range(start + len(marker) + layout.end(), end)
            continue
        yield "text", range(start, end)
        if not line.endswith("\n"):
            return
        body = line[:-1]
        if not fence:
            found = OPENING.match(body)
            fence = (found[1] or found[2]) if found else ""
        elif re.fullmatch(rf" {{0,3}}{fence[0]}{{{len(fence)},}}[ \t]*\r?", body):
            fence = ""


def sort_whole(text: str, markers: Markers, start: str) -> tuple[list[str], str]:
    """For each character what becomes of it (reasoning, response, marker, layout around one, or after the end of the
    answer), and the ending."""
    headings = markers.line_start
    if markers == THINK and start == "undecided" and (family := family_opened_by(text)) is not None:
        markers = family_markers(family)
    stream: list[tuple[str, list[int]]] = []  # stretches of the text, each as the positions of its characters
    for sort, stretch in (_headings if headings else _tags)(text, markers, start):
        if sort == "text" and stream and stream[-1][0] == "text":
            stream[-1][1].extend(stretch)
        else:
            stream.append((sort, list(stretch)))

    sorts = ["layout"] * len(text)
    texts: dict[str, str] = {"reasoning": "", "response": ""}
    line_ends: dict[str, list[int]] = {"reasoning": [], "response": []}
    section = "reasoning" if start == "reasoning" else "response"
    preamble, answer, eat = start == "undecided", "", 0
    for index, (sort, positions) in enumerate(stream):
        piece = "".join(text[position] for position in positions)
        if sort == "text":
            if not headings:
                layout = re.match(rf"(?:\r?\n){{0,{eat}}}", piece)
                assert layout is not None
                positions, piece = positions[layout.end() :], piece[layout.end() :]
            last = index == len(stream) - 1
            whole = line_ends[section] + positions if positions or not last else []
            whole_text = "".join(text[position] for position in whole)
            cut = None if last else (BEFORE_HEADING if headings else BEFORE_TAG).search(whole_text)
            kept = cut.start() if cut else len(whole)
            for position in whole[:kept]:
                sorts[position] = section
            texts[section] += whole_text[:kept]
            line_ends[section] = whole[kept:] if texts[section].strip() else []
            answer += whole_text[:kept] if section == "response" and not preamble else ""
            continue
        if sort == "end":
            for position in positions:
                sorts[position] = "layout" if text[position].isspace() else "marker"
            break
        for position in positions:
            sorts[position] = "marker"
        preamble, answered, reasoned = False, bool(answer.strip()), bool(texts["reasoning"].strip())
        again = answered and (piece not in markers.reasoning or (reasoned and section == "response"))
        runaway = piece in markers.runaway
        if runaway or (again and headings):
            # what follows is dropped, and only read on for a runaway marker
            for later_sort, later in stream[index + 1 :]:
                if runaway:
                    break
                for position in later:
                    sorts[position] = "marker" if later_sort == "marker" else "after"
                spelling = "".join(text[position] for position in later)
                if later_sort == "marker" and spelling in markers.runaway:
                    runaway, positions = True, later
            if runaway:
                rest = positions[-1] + 1
                sorts[rest:] = ["after"] * (len(text) - rest)
            return sorts, "runaway" if runaway else "complete"
        target = "reasoning" if piece in markers.reasoning and not again else "response"
        eat = 0 if target == section and texts[section].strip() else 1 if piece in markers.reasoning else 2
        section = target
    return sorts, "in_reasoning" if section == "reasoning" and not answer.strip() else "complete"


def stretches(text: str, markers: Markers, start: str) -> list[tuple[str, str]]:
    """The text in its order, cut where what becomes of it changes."""
    sorts, _ = sort_whole(text, markers, start)
    grouped = itertools.groupby(zip(sorts, text, strict=True), key=lambda character: character[0])
    return [(sort, "".join(letter for _, letter in group)) for sort, group in grouped]


def split_whole(text: str, markers: Markers, start: str) -> tuple[str, str, str]:
    """reasoning, response, ending."""
    sorts, ending = sort_whole(text, markers, start)
    by_section = {
        section: "".join(letter for letter, sort in zip(text, sorts, strict=True) if sort == section)
        for section in ("reasoning", "response")
    }
    return by_section["reasoning"], by_section["response"], ending
