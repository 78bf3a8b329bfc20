"""Rows that say the same: duplicates, near ones, and questions of the test rows that are also trained on.

A row is held against rows of its own sysflag for duplicates, and a trained one against those held out for leakage.
Signatures only propose: what is called almost the same was read and compared, and a safe fix compares again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from core.examples.held_out import held_out
from core.quality.blocks import Source
from core.quality.findings import Findings
from core.quality.signatures import BANDS, LONGEST, Signatures
from core.quality.wording import normal, numerals, question, similarity, whole

NEAR = 0.8  # similarity from which on two questions, or two rows, are almost the same
_TRIES = 4  # other rows that one is compared with at most, of each sort
_ANSWER = 40  # characters of an output that is an answer and not a text
Tell = Callable[[str, int, int], None]


class Twins:
    def __init__(self, data: Source, signatures: Signatures, train_flag: str, tell: Tell) -> None:
        self._data, self._tell = data, tell
        self._s = signatures.finish()
        flags = sorted(signatures.flags, key=signatures.flags.__getitem__)
        flag = self._s["flag"]
        self._held = np.array([held_out(flag) for flag in flags], np.bool_)[flag] if flags else np.zeros(0, np.bool_)
        self._trained = (
            np.array([flag.strip() == train_flag for flag in flags], np.bool_)[flag] if flags else np.zeros(0, np.bool_)
        )
        self._found = np.zeros(len(flag), np.bool_)  # is a duplicate of some sort already
        self._leaked = np.zeros(len(flag), np.bool_)
        self._read = lru_cache(4096)(self._texts)

    def find(self, findings: Findings) -> None:
        if len(self._found) < 2:
            return
        for kind, key in (("duplicate", "same"), ("near_duplicate", "alike")):
            for places in _runs(_mixed(self._s[key], self._s["flag"])):
                for place in places[1:]:
                    if not self._found[place]:
                        self._found[place] = True
                        findings.add(kind, self._row(place), other=self._row(places[0]))
        self._leaks(findings)
        self._other_answers(findings)
        self._near_leaks(findings)
        self._near(findings)

    def _row(self, place: int) -> int:
        return int(self._s["row"][place])

    def _leaks(self, findings: Findings) -> None:
        """Trained rows whose question is a test row's to the letter."""
        if not (self._held.any() and self._trained.any()):
            return
        for places in _runs(self._s["asked"]):
            test = next((place for place in places if self._held[place]), None)
            if test is not None and self._read(test)[0]:
                for place in places:
                    if self._trained[place]:
                        self._leaked[place] = True
                        findings.add("leakage", self._row(place), other=self._row(test))

    def _other_answers(self, findings: Findings) -> None:
        """Rows that ask the same as an earlier one of their flag and answer something else, where both answers are
        short."""
        for places in _runs(_mixed(self._s["asked"], self._s["flag"])):
            firsts: dict[int, int] = {}  # the first row with each output
            for place in places:
                firsts.setdefault(int(self._s["said"][place]), place)
            if len(firsts) < 2 or not self._read(places[0])[0]:
                continue
            mine = self._read(places[0])[2]
            for place in places[1:]:
                if self._s["said"][place] != self._s["said"][places[0]] and _contradict(mine, self._read(place)[2]):
                    findings.add("other_answer", self._row(place), "output", self._row(places[0]))

    def _near_leaks(self, findings: Findings) -> None:
        """Trained rows whose question is almost a test row's."""
        if not (self._held.any() and self._trained.any()):
            return
        some = np.flatnonzero(self._held | (self._trained & ~self._leaked))
        for band in range(BANDS):
            self._tell("comparing with the test rows", band, BANDS)
            for places in _runs(self._s["asked_bands"][some, band], skip=0):
                run = some[places]
                tests = run[self._held[run]].tolist()[:_TRIES]
                for place in run[self._trained[run]].tolist() if tests else ():
                    if not self._leaked[place]:
                        test = next((test for test in tests if self._asks_the_same(test, place)), None)
                        if test is not None:
                            self._leaked[place] = True
                            findings.add("near_leakage", self._row(place), other=self._row(test))

    def _near(self, findings: Findings) -> None:
        """Rows almost like an earlier one of their flag: in all they say, or in what they ask where they answer the
        same."""
        first_to_ask = np.zeros(len(self._found), np.bool_)
        first_to_ask[np.unique(_mixed(self._s["asked"], self._s["flag"]), return_index=True)[1]] = True
        whole = _mixed(self._s["flag"], np.zeros(len(self._found), np.uint64))
        answer = _mixed(self._s["said"], self._s["flag"])
        sorts = (
            ("whole_bands", whole, self._says_the_same, ~self._found),
            ("asked_bands", answer, self._asks_the_same, first_to_ask),
        )
        for bands, key, same, candidates in sorts:
            tries = np.zeros(len(self._found), np.uint8)
            for band in range(BANDS):
                self._tell("comparing rows with each other", band, BANDS)
                some = np.flatnonzero(candidates & ~self._found & (self._s[bands][:, band] != 0))
                for run in _runs(_mixed(self._s[bands][some, band], key[some])):
                    places = some[run].tolist()
                    for before, place in pairwise(places):
                        for other in {places[0], before}:
                            if not self._found[place] and tries[place] < _TRIES:
                                tries[place] += 1
                                if same(other, place):
                                    self._found[place] = True
                                    findings.add("near_duplicate", self._row(place), other=self._row(other))

    def _asks_the_same(self, one: int, other: int) -> bool:
        theirs, mine = self._read(one)[0], self._read(other)[0]
        return numerals(theirs) == numerals(mine) and similarity(theirs[:LONGEST], mine[:LONGEST]) >= NEAR

    def _says_the_same(self, one: int, other: int) -> bool:
        theirs, mine = self._read(one), self._read(other)
        return numerals(theirs[0]) == numerals(mine[0]) and similarity(theirs[1][:LONGEST], mine[1][:LONGEST]) >= NEAR

    def _texts(self, place: int) -> tuple[str, str, str]:
        """Of a row, normalised: its question, the whole, its output."""
        row = self._data.row(self._row(place))
        asked, output = question(row.instruction, row.input), normal(row.output)
        return asked, whole(asked, normal(row.reasoning), output), output


def _contradict(one: str, other: str) -> bool:
    """Whether two short answers say something else, and not the same with a unit or a full stop."""
    if not 0 < len(one) <= _ANSWER or not 0 < len(other) <= _ANSWER or one in other or other in one:
        return False
    return numerals(one) != numerals(other)


def _mixed(keys: Any, others: Any) -> Any:
    """One key for each pair of keys."""
    mixed = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + others.astype(np.uint64)
    mixed ^= mixed >> np.uint64(31)
    return mixed * np.uint64(0xBF58476D1CE4E5B9)


def _runs(keys: Any, skip: int | None = None) -> Iterator[list[int]]:
    """Places with equal keys, two or more, each run rising; keys equal to `skip` are left out."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    edges = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [len(keys)]])
    several = np.flatnonzero(ends - starts > 1)
    for start, end in zip(starts[several].tolist(), ends[several].tolist(), strict=True):
        if skip is None or int(ordered[start]) != skip:
            yield order[start:end].tolist()
