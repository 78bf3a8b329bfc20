"""Runs beside each other: the settings in which they differ, and what the model said to the same questions.

Compares each run by its own specification, never by what a form shows now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from core.runs.run_summary import RunSummary
from core.runs.samples_file import read_samples

_SAMPLES = ("samples.steps", "samples.questions", "samples.max_tokens")
_NOT_COMPARED = frozenset(
    {"name", "train.on_end", "train.report_to", *_SAMPLES}
)  # they change nothing of what is learnt


class SettingDifference(msgspec.Struct, frozen=True):
    """A setting in which runs differ."""

    key: str
    """Its key in run.toml."""
    texts: tuple[str, ...]
    """Its value in each of the runs, in their order; empty where a run has none."""


class SampleLine(msgspec.Struct, frozen=True):
    """What the model of a run answered to a probe question last. All texts are foreign."""

    step: int
    """Optimizer steps done."""
    question: str
    """The probe question: its instruction and input."""
    reasoning: str
    """Its reasoning."""
    response: str
    """Its response."""


def differing_settings(settings: Sequence[Mapping[str, str]]) -> list[SettingDifference]:
    """The settings whose values are not the same in all of `settings` (texts by key, one for each run)."""
    keys = dict.fromkeys(key for each in settings for key in each)
    rows = [(key, tuple(each.get(key, "") for each in settings)) for key in keys if key not in _NOT_COMPARED]
    return [SettingDifference(key, texts) for key, texts in rows if len(set(texts)) > 1]


def change_words(now: Mapping[str, str], before: Mapping[str, str]) -> str:
    """What changed from one run to the next, the shortest that is clear: `r 16→32, learning_rate 0.0002→0.0001`. Empty
    where nothing did."""
    parts = []
    for change in differing_settings((before, now)):
        name = change.key.removesuffix(".name").rpartition(".")[2]
        if change.key in ("data.seed", "prompt.seed", "validation.seed", "validation.steps", "validation.share"):
            name = change.key
        old, new = (_short(text) for text in change.texts)
        parts.append(f"{name} {old}→{new}")
    return ", ".join(parts)


def with_changes(runs: Sequence[RunSummary]) -> dict[str, str]:
    """For each run, newest first as in a list, what differs from the training run before it, by id."""
    words: dict[str, str] = {}
    trained = [run for run in runs if run.settings]
    for run, before in zip(trained, (*trained[1:], None), strict=False):
        words[run.id] = change_words(run.settings, before.settings) if before is not None else "the first run"
    return words


def last_samples(folder: Path) -> list[SampleLine]:
    """The newest answer to each probe question of the run in `folder`, in their order; none where it asked none, or its
    samples cannot be read."""
    try:
        samples = read_samples(folder)
    except OSError:
        return []
    newest = [(question, samples.newest(question.id)) for question in samples.questions]
    return [
        SampleLine(answer.step, question.text, answer.reasoning, answer.response)
        for question, answer in newest
        if answer is not None
    ]


def _short(text: str) -> str:
    if "/" in text:
        text = text.rstrip("/").rpartition("/")[2]
    return (text if len(text) <= 24 else f"{text[:23]}…") or "–"
