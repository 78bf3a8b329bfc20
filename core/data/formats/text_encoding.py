"""Judges in which encoding a text is that is not UTF-8, by what it says when it is decoded. Reads no file.

Kana speak for the Japanese encodings, the most common characters of a language for the Chinese and Korean ones and for
Russian, accented letters among common words for Western Europe. A judgement is certain only where the bytes decode and
the text reads like that language: anything else is named and not read.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import NamedTuple

_HIGH = re.compile(rb"[\x80-\xff]+")
_JUDGED = 1 << 17  # bytes of lines with such bytes that are decoded for a judgement
_MAX_BAD = 0.01  # share of lines that may be damaged in a file whose encoding is certain
_MAX_UTF8 = 0.1  # share of lines that are UTF-8, from which on the file is a mixture and no single encoding
_ENOUGH = 6  # characters that are not ASCII from which the language of a text can be told

_CANDIDATES = (
    ("cp932", "CP932"),
    ("euc_jp", "EUC-JP"),
    ("gb18030", "GB18030"),
    ("euc_kr", "EUC-KR"),
    ("big5", "BIG5"),
    ("cp1251", "CP1251"),
    ("koi8_r", "KOI8-R"),
)
_LABELS = {label: codec for codec, label in (*_CANDIDATES, ("cp1252", "CP1252"))}

_COMMON = {
    "gb18030": frozenset(
        "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可"
        "也你对生能而子那得于着下自之年过发后作里多少几问题答解求"
    ),
    "big5": frozenset(
        "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可"
        "也你對生能而子那得於著下自之年過發後作裡多少幾問題答解求"
    ),
    "euc_kr": frozenset("이다는의을를가에고하은로도한기지어서사그나리인아자해일들니시대것요까면무수있없"),
    "cp1251": frozenset("оеаинтсрвлкмдпу"),
    "koi8_r": frozenset("оеаинтсрвлкмдпу"),
}  # fmt: skip
_COMMON_SHARE = {"gb18030": 0.12, "big5": 0.12, "euc_kr": 0.2, "cp1251": 0.6, "koi8_r": 0.6}
_WESTERN = frozenset("àâäáãåæçèéêëìíîïñòóôöõøœùúûüßÀÂÄÁÃÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÖÕØŒÙÚÛÜ¿¡’‘“”„–—…«»°€£§·•\xa0×÷²½¼±™®©ºª")
_WESTERN_WORDS = frozenset(
    (
        "the", "and", "of", "is", "in", "that", "it", "for", "what", "how", "le", "la", "les", "des", "et", "est",
        "une", "un", "que", "qui", "der", "die", "und", "das", "ist", "nicht", "ein", "eine", "el", "los", "las",
        "en", "por", "es", "il", "che", "per", "non", "di", "em", "para", "uma", "com", "och", "att", "det", "som",
        "av", "af", "og", "ikke", "het", "een", "van", "je", "de",
    )
)  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")


class EncodingJudgement(NamedTuple):
    """In which encoding a text is."""

    codec: str
    """Its name in Python, empty where none fits."""
    label: str
    """Its name for iconv, empty where none fits."""
    is_certain: bool
    """Whether the text may be read in it."""


NO_ENCODING = EncodingJudgement("", "", False)


def judge_encoding(pieces: Sequence[bytes]) -> EncodingJudgement | None:
    """The encoding of a text of which `pieces` are a sample; None where it is UTF-8, or a mixture with UTF-8. The first
    piece is the beginning of the text; others begin and end anywhere."""
    if all(map(_is_utf8, pieces)):
        return None
    lines: list[bytes] = []
    for number, piece in enumerate(pieces):
        complete = piece.split(b"\n")
        complete = complete[number > 0 :]
        if len(complete) > 1:
            complete.pop()  # it may end within a character
        lines += [line for line in complete if not line.isascii()]
    if not lines:
        return None
    as_utf8 = sum(map(_is_utf8, lines))
    if as_utf8 > _MAX_UTF8 * len(lines):
        return None
    step = max(1, sum(map(len, lines)) // _JUDGED)
    lines = lines[::step]
    label = guess_encoding(b"\n".join(lines))
    if not label:
        return NO_ENCODING
    codec = _LABELS[label]
    texts = [text for line in lines if (text := _decoded(line, codec)) is not None]
    is_certain = len(texts) >= (1 - _MAX_BAD) * len(lines) and _reads_like_its_language("\n".join(texts), codec)
    return EncodingJudgement(codec, label, is_certain)


def _is_utf8(piece: bytes) -> bool:
    """Whether a piece is UTF-8, apart from a character that is cut at its ends."""
    if piece.isascii():
        return True
    start = next((i for i in range(min(4, len(piece))) if piece[i] & 0xC0 != 0x80), 0)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(piece[start:])
    except UnicodeDecodeError:
        return False
    return True


def _decoded(line: bytes, codec: str) -> str | None:
    try:
        return line.decode(codec)
    except UnicodeDecodeError:
        return None


def _reads_like_its_language(text: str, codec: str) -> bool:
    chars = [char for char in text if ord(char) > 127]
    if codec == "cp1252":
        words = [word.lower() for word in _WORD.findall(text)]
        common = sum(word in _WESTERN_WORDS for word in words)
        return all(char in _WESTERN for char in chars) and common >= 0.08 * len(words)
    if len(chars) < _ENOUGH:
        return False
    if codec in ("cp932", "euc_jp"):
        half_width = sum("\uff61" <= char <= "\uff9f" for char in chars) / len(chars)
        private = sum("\ue000" <= char <= "\uf8ff" for char in chars) / len(chars)
        return _kana_share(chars) > 0.15 and half_width < 0.1 and private <= _MAX_BAD
    return _plausible(chars, codec) > 0.75 and _common_share(chars, codec) >= _COMMON_SHARE[codec]


def guess_encoding(block: bytes) -> str:
    """The likely encoding (a name iconv knows) of bytes that are not UTF-8, or "" where none fits."""
    block = block[:_JUDGED]
    runs = _HIGH.findall(block)
    if runs and max(map(len, runs)) == 1:
        return "CP1252"
    best, name = 0.5, ""
    for codec, label in _CANDIDATES:
        try:
            text = codecs.getincrementaldecoder(codec)("ignore" if len(block) > 4096 else "strict").decode(block)
        except UnicodeDecodeError:
            continue
        score = _plausible([char for char in text if ord(char) > 127], codec)
        if score > best + 0.02:  # the order above decides near ties
            best, name = score, label
    if not name and runs and sum(len(run) <= 2 for run in runs) >= 0.95 * len(runs):
        return "CP1252"
    return name


def _plausible(chars: list[str], codec: str) -> float:
    """The share of `chars` that are usual in a text with this encoding; 0 where there is no sign of its language."""
    if not chars:
        return 0.0
    if codec in ("cp932", "euc_jp"):
        half_width = sum("\uff61" <= char <= "\uff9f" for char in chars) / len(chars)
        return 1.0 - half_width if _kana_share(chars) > 0.1 else 0.0
    if len(chars) >= 4 * _ENOUGH and _common_share(chars, codec) < _COMMON_SHARE[codec] / 2:
        return 0.0
    if codec == "gb18030":
        return sum(_is_in(char, "gb2312") for char in chars) / len(chars) - _kana_share(chars)
    if codec == "euc_kr":
        return sum("\uac00" <= char <= "\ud7a3" for char in chars) / len(chars)
    if codec == "big5":
        hanzi = sum(_is_in(char, "big5") and "\u4e00" <= char <= "\u9fff" for char in chars) / len(chars)
        return hanzi if _common_share(chars, codec) >= _COMMON_SHARE[codec] else hanzi - 0.3
    return sum("а" <= char <= "я" for char in chars) / len(chars)


def _kana_share(chars: list[str]) -> float:
    return sum("\u3040" <= char <= "\u30ff" for char in chars) / len(chars)


def _common_share(chars: list[str], codec: str) -> float:
    """How many of the letters are among the most common ones of the language."""
    letters = [char for char in chars if char.isalpha()]
    return sum(char in _COMMON[codec] for char in letters) / max(1, len(letters))


def _is_in(char: str, encoding: str) -> bool:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def explain_encoding(line: bytes, start: int, seems: str = "") -> tuple[str, str]:
    """The fault of a line whose byte `start` (from 0) is not UTF-8, and the advice for the user. seems: the likely
    encoding of the whole file, which says more than one line."""
    name = seems or guess_encoding(line)
    what = f"not UTF-8: byte {start + 1} of the line is 0x{line[start]:02X}"
    if name:
        what += f", it looks like {name}"
    return what, f"Convert the file: iconv -f {name or 'ITS-ENCODING'} -t UTF-8 OLD > NEW"
