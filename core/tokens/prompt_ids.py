"""The ids of prompts, and whether they are the first ids of the rows that were trained.

Inference encodes a prompt alone. Where its last token would merge with the first of the answer, training has other ids
than inference asks with. Knows segments and tokenizers; knows nothing of labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.tokens.encode_spans import bos_before
from core.tokens.segments import EOS, PROMPT, Segment

if TYPE_CHECKING:
    from core.tokens.encode_spans import Int32Array
    from core.tokens.tokenizer import TextTokenizer

_LONGEST_TAIL = 200  # characters of a template's last line
_MOST_TAILS = 1024  # kept in one call


def encode_prompt(text: str | Sequence[Segment], tokenizer: TextTokenizer) -> list[int]:
    """The token ids that inference feeds: the beginning of sequence where there is one, and the text. Segments may
    contain special tokens, see `Segment`. Raises DataError for text that is not Unicode."""
    if isinstance(text, str):
        return tokenizer.bos_ids + tokenizer.encode_batch([text])[0].ids
    parts = [(segment.text, segment.special) for segment in text]
    encoding = tokenizer.encode_parts([parts])[0]
    return bos_before(text, tokenizer) + encoding.ids


def rows_with_other_prompt(
    rows: Sequence[Sequence[Segment]], ids: Int32Array, starts: Any, ends: Any, tokenizer: TextTokenizer
) -> list[int]:
    """The indices of the rows whose first ids are not those of their prompt alone.

    ids, starts, ends: of the encoded rows, as in `EncodedBatch`; a row without ids is left out. Most rows are decided
    by the end of their prompt: nothing before a special token depends on what follows it, and in a byte-level tokenizer
    nothing before the last line does. All other prompts are encoded.
    """
    tails: dict[tuple[str, bool], bytes | None] = {}
    undecided: list[int] = []
    first_ids = starts[:-1].tolist()
    prompt_ends, lengths = ends[:, PROMPT].tolist(), ends[:, EOS].tolist()
    for index, segments in enumerate(rows):
        if not lengths[index]:
            continue
        last = _last_of_prompt(segments)
        if last is None:
            continue
        key = (last.text if last.special else _last_line(last.text), last.special)
        if key not in tails and len(tails) < _MOST_TAILS:
            tails[key] = _tail_bytes(*key, tokenizer)
        tail = tails.get(key)
        end = first_ids[index] + prompt_ends[index]
        begin = end - len(tail) // 4 if tail is not None else end
        if tail is None or begin < first_ids[index] or ids[begin:end].tobytes() != tail:
            undecided.append(index)
    return [index for index in undecided if _differs(rows[index], ids[first_ids[index] :], tokenizer)]


def _last_of_prompt(segments: Sequence[Segment]) -> Segment | None:
    """The last segment of the prompt that has text; None where there is none."""
    last = None
    for segment in segments:
        if segment.kind != "prompt":
            break
        if segment.text:
            last = segment
    return last


def _last_line(text: str) -> str:
    """The last line that has text, with the line ends after it; empty where it is too long to be the template's."""
    end = len(text.rstrip("\n"))
    line = text[text.rfind("\n", 0, end) + 1 :]
    return line if len(line) <= _LONGEST_TAIL else ""


def _tail_bytes(text: str, special: bool, tokenizer: TextTokenizer) -> bytes | None:
    """The ids at the end of any prompt that ends with `text`, as bytes of int32: those from its last special token on,
    or of its last line. None where they are not certain."""
    import numpy as np

    if special:
        [encoding] = tokenizer.encode_parts([[(text, True)]])
        if encoding.special_ends:
            return np.array(encoding.ids[max(encoding.special_ends) :], np.int32).tobytes()
        text = _last_line(text)
    if not text or not tokenizer.token_bytes.byte_level:
        return None
    return np.array(tokenizer.encode(text)[0], np.int32).tobytes()


def _differs(segments: Sequence[Segment], ids: Int32Array, tokenizer: TextTokenizer) -> bool:
    prompt = [segment for segment in segments if segment.kind == "prompt"]
    alone = encode_prompt(prompt, tokenizer)
    return bool(ids[: len(alone)].tolist() != alone)
