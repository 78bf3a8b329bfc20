"""How fast a streamed answer is split into its sections, on one core: `python -m bench.splitter [MEGABYTES]`.

MEGABYTES is 4 if omitted. Every text is fed in pieces of 4 characters, about one token each. MB/s counts the text's
UTF-8 bytes, Mchar/s its characters; us is the time of one piece. The peer is the obvious way: keep the answer so far,
search all of it for every marker at each piece, and return what is new. Its time grows with the square of the answer,
so it reads a short answer of 32,768 characters, and Suiron's splitter reads the same for the comparison. Best of three.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

from core.splitter.splitter import ALPACA, THINK, Markers, Splitter

_PIECE = 4
_SHORT = 32_768
_EN = (
    "The train leaves at nine and arrives at noon, so it takes three hours. "
    "We should check this once more before we go on. "
)
_JA = "まず、地図の投影法について理解する必要があります。富士山は日本で一番高い山です。"
_CODE = (
    "```python\ndef area(x):\n    # a comment, `quoted`\n    return x * x if x < 3 else x\n\nprint(area(2))\n```\n\n"
)

UNITS = {
    "one paragraph, ASCII": _EN,
    "one paragraph, Japanese": _JA,
    "short paragraphs, ASCII": _EN + "\n\n",
    "short paragraphs, Japanese": _JA + "\n\n",
    "code fences": _CODE + _EN + "\n\n",
    "a long list, ASCII": "- item: a short line\n",
    "a long list, Japanese": "- 項目: 短い行です\n",
    "all but markers": "a < b\n## Response\n",
}


def pieces(text: str) -> list[str]:
    return [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]


def ours(markers: Markers, stream: list[str]) -> None:
    splitter = Splitter(markers, "reasoning")
    for piece in stream:
        splitter.feed(piece)
    splitter.close()


def rescan(markers: Markers, stream: list[str]) -> None:
    """Splits at the first response marker, and holds back text in which a marker could still begin."""
    text, longest = "", max(map(len, markers.all()))
    returned = {"reasoning": 0, "response": 0}
    for piece in stream:
        text += piece
        found = [(text.find(mark), mark) for mark in markers.response]
        offset, mark = min(((start, mark) for start, mark in found if start >= 0), default=(len(text), ""))
        sections = {"reasoning": text[:offset] if mark else text[: 1 - longest], "response": text[offset + len(mark) :]}
        for section, so_far in sections.items():
            _ = so_far[returned[section] :]
            returned[section] = len(so_far)


def seconds(read: Callable[[Markers, list[str]], None], markers: Markers, stream: list[str]) -> float:
    def once() -> Iterator[float]:
        for _ in range(3):
            start = time.process_time()
            read(markers, stream)
            yield time.process_time() - start

    return min(once())


def main() -> None:
    size = int(float(sys.argv[1] if len(sys.argv) > 1 else 4) * 1e6)
    print(f"{'':28}{'':10}   MB/s  Mchar/s  us/piece | 32k: ours us/piece  re-scan us/piece  times")
    slowest = float("inf")
    for name, unit in UNITS.items():
        text = unit * (size // len(unit.encode()) + 1)
        stream, short = pieces(text), pieces((text * 2)[:_SHORT])
        for family, markers in (("headings", ALPACA), ("tags", THINK)):
            taken = seconds(ours, markers, stream)
            our_seconds, peer = seconds(ours, markers, short), seconds(rescan, markers, short)
            rate = len(text.encode()) / taken / 1e6
            slowest = min(slowest, rate)
            print(
                f"{name:28}{family:10}{rate:7.2f}{len(text) / taken / 1e6:9.2f}{taken / len(stream) * 1e6:10.2f} |"
                f"{our_seconds / len(short) * 1e6:19.2f}{peer / len(short) * 1e6:18.2f}{peer / our_seconds:7.1f}"
            )
    print(f"the slowest: {slowest:.2f} MB/s")


if __name__ == "__main__":
    main()
