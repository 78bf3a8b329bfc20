"""Every kind of finding as data: how bad it is, why it matters, what to do, and the safe fix where there is one. Finds
nothing itself."""

from __future__ import annotations

import msgspec

from core.quality.report import Severity


class Kind(msgspec.Struct, frozen=True):
    """name: a word for commands and scripts; the rest as in `report.Group`."""

    name: str
    severity: Severity
    title: str
    why: str
    do: str
    fix: str = ""


_ALL = (
    Kind(
        "missing_instruction",
        "error",
        "no instruction",
        "The model would be trained to answer a question that it is not shown",
        "Write the instruction, or delete the row",
    ),
    Kind(
        "missing_output",
        "error",
        "no output",
        "The model would be trained to end at once instead of answering",
        "Write the answer, or delete the row",
    ),
    Kind(
        "leakage",
        "error",
        "test question also in train",
        "A question that was trained on measures memory, not ability",
        "Drop the row from train, or choose another test question",
        "delete the row from train; the test row stays",
    ),
    Kind(
        "template_marker",
        "error",
        "heading or tag of the template inside a field",
        "The model learns to write the marker in the middle of a section, and its answers are then split at the wrong place",
        "Take the marker out; reasoning between <think> and </think> belongs into the reasoning column",
        "move what stands between <think> and </think> at the beginning of the output into an empty reasoning",
    ),
    Kind(
        "too_long",
        "error",
        "longer than the maximum length",
        "A row that does not fit is left out of training, or cut where the run says so; cut at its end, it teaches the model never to end",
        "Raise the maximum length, or shorten the row",
    ),
    Kind(
        "replacement_character",
        "error",
        "replacement character (U+FFFD)",
        "Letters were lost when the text was read with a wrong encoding, and the model would learn to write the gap",
        "Take the text from its source again with the right encoding",
    ),
    Kind(
        "duplicate",
        "warning",
        "the same row again",
        "A repeated row weighs as much as its copies, and is learnt by heart",
        "Keep one of them",
        "delete all but the first row",
    ),
    Kind(
        "near_leakage",
        "warning",
        "almost a test question in train",
        "A question that differs from a test question by a few words gives the test away",
        "Compare the two rows; drop the one in train where it is the same question",
    ),
    Kind(
        "empty_reasoning",
        "warning",
        "no reasoning",
        "The row cannot teach reasoning; it is trained with the template that has none, and shifts the share of those",
        "Write the reasoning, or leave it empty on purpose",
    ),
    Kind(
        "reasoning_is_output",
        "warning",
        "reasoning and output are the same",
        "Reasoning that only says the answer teaches the model to skip the thinking",
        "Write the steps that lead to the answer, or empty the reasoning",
    ),
    Kind(
        "reasoning_is_instruction",
        "warning",
        "reasoning is copied from the instruction",
        "Reasoning that only repeats the question teaches the model to stall",
        "Write the steps that lead to the answer, or empty the reasoning",
    ),
    Kind(
        "mojibake",
        "warning",
        "text decoded with a wrong encoding (mojibake)",
        "The model would learn to write garbled letters",
        "Decode it again; where the fix is certain it can be done here",
        "decode the text again, where that is certain",
    ),
    Kind(
        "control_character",
        "warning",
        "control characters",
        "They are invisible, and the model would learn to write what terminals and parsers choke on",
        "Take them out",
        "take the control characters out",
    ),
    Kind(
        "hidden_character",
        "warning",
        "characters that hide or reorder text",
        "Zero-width and bidirectional characters make a text say something else than it shows, and split words into odd tokens",
        "Take them out, unless the language needs them",
        "take out zero-width characters and bidirectional overrides where the text has no right-to-left letters",
    ),
    Kind(
        "special_token",
        "warning",
        "special token of a model inside a field",
        "Other trainers read it as an end or a turn in the middle of the text; here it is encoded letter by letter, and the model learns to write it",
        "Take it out, unless the text is about such tokens",
    ),
    Kind(
        "answer_language",
        "warning",
        "answer in another language than the question",
        "The model would learn to change the language",
        "Translate one of them, or ask for the language in the instruction",
    ),
    Kind(
        "wrong_syslang",
        "warning",
        "syslang is not the text's language",
        "Counts and templates by language take the row for what it is not",
        "Set syslang to the language of the text",
    ),
    Kind(
        "near_duplicate",
        "hint",
        "almost the same row again",
        "Rows that differ by a few words weigh as one that is repeated",
        "Compare the two rows, and keep the better one",
    ),
    Kind(
        "other_answer",
        "hint",
        "the same question with another answer",
        "Where both cannot be right, the model is taught a wrong one",
        "Compare the two rows",
    ),
    Kind(
        "output_in_reasoning",
        "hint",
        "the whole output stands in the reasoning",
        "A long answer that is only copied doubles what a row costs, and teaches to write everything twice",
        "Keep the reasoning to the steps, and the text of the answer to the output",
    ),
    Kind(
        "answer_not_concluded",
        "hint",
        "the reasoning does not arrive at the answer",
        "Where reasoning and answer disagree, the model learns that the one need not follow from the other",
        "Read the row: correct the reasoning or the answer",
    ),
    Kind(
        "reasoning_language",
        "hint",
        "reasoning in another language than the question",
        "This may be meant; if it is not, the model learns to change the language while it thinks",
        "Leave it where it is meant",
    ),
    Kind(
        "blank_edges",
        "hint",
        "white space around a field",
        "The model learns to write blanks before its answer or line ends after it",
        "Trim it",
        "trim white space at the beginning and end of the field",
    ),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
