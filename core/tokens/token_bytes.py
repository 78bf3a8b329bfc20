"""The bytes of each token, from the tokenizer's decoder, so that text can be made token by token.

Knows the decoders of generating models: byte level (GPT-2, Llama 3, Qwen, SmolLM), sentencepiece with byte fallback
(Llama 2, Gemma, Phi-3) and Metaspace. For any other decoder `known` is False and `data` returns None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _byte_of_letter() -> dict[str, int]:
    """GPT-2's table: a printable Latin-1 letter stands for its own byte, letters from U+0100 on for the other bytes."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(0x100 + index): byte for index, byte in enumerate(others)}


_BYTE_OF_LETTER = _byte_of_letter()


class TokenBytes:
    """The bytes of one tokenizer's tokens."""

    def __init__(self, decoder: dict[str, Any] | None, token_of: Callable[[int], str | None]) -> None:
        """decoder: the `decoder` object of tokenizer.json. token_of: a token's spelling by id, None where there is
        none."""
        self._token_of = token_of
        self._bytes_of_id: dict[int, bytes] = {}
        self._byte_level = self._byte_fallback = False
        self._replacements: list[tuple[str, str]] = []
        self.first_token_loses = ""  # a letter that is dropped from the first token of a text
        self.strip: tuple[str, int] = ("", 0)  # a letter, and how many of it are dropped from the beginning of a text
        self.known = self._read_steps(_decoder_steps(decoder))

    def _read_steps(self, steps: list[dict[str, Any]]) -> bool:
        """Sets the attributes from the decoder's steps. False where a step is not known."""
        match [step["type"] for step in steps]:
            case ["ByteLevel"]:
                self._byte_level = True
                return True
            case ["Metaspace"]:
                letter = steps[0].get("replacement", "▁")
                self._replacements = [(letter, " ")]
                self.first_token_loses = letter if steps[0].get("prepend_scheme", "always") != "never" else ""
                return True
        fused = False
        for step in steps:
            pattern = step.get("pattern") or {}
            if step["type"] == "Replace" and "String" in pattern and not (fused or self._byte_fallback):
                self._replacements.append((pattern["String"], step["content"]))
            elif step["type"] == "ByteFallback" and not fused:
                self._byte_fallback = True
            elif step["type"] == "Fuse":
                fused = True
            elif step["type"] == "Strip" and fused and step["stop"] == 0 and not self.strip[1]:
                self.strip = (step["content"], step["start"])
            else:
                return False
        return fused  # without it tokens are joined by blanks or left to the library

    @property
    def byte_level(self) -> bool:
        """Whether each token stands for fixed bytes, independent of the tokens around it."""
        return self._byte_level

    def data(self, id: int, first: bool = False) -> bytes | None:
        """The token's bytes; empty for an unknown id, None where the decoder is not known. first: the token begins a
        text."""
        if not self.known:
            return None
        if first and self.first_token_loses:
            return self._bytes_of((self._token_of(id) or "").replace(self.first_token_loses, ""))
        if id not in self._bytes_of_id:
            self._bytes_of_id[id] = self._bytes_of(self._token_of(id) or "")
        return self._bytes_of_id[id]

    def _bytes_of(self, token: str) -> bytes:
        if self._byte_level:
            if all(letter in _BYTE_OF_LETTER for letter in token):
                return bytes(_BYTE_OF_LETTER[letter] for letter in token)
            return token.encode()  # a special token with letters outside the table stands for its own text
        for old, new in self._replacements:
            token = token.replace(old, new)
        if self._byte_fallback and len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            try:
                return bytes((int(token[3:5], 16),))
            except ValueError:
                pass  # it only looks like a byte
        return token.encode()


def _decoder_steps(decoder: dict[str, Any] | None) -> list[dict[str, Any]]:
    if not decoder:
        return []
    if decoder["type"] == "Sequence":
        return decoder.get("decoders") or []
    return [decoder]
