"""What spans, labels and templates cost beside plain tokenising, and what a streamed answer costs: `python -m bench.encode [ROWS]` (default 20,000).

Every row is drawn, encoded and labelled as for a training run; the peer is `Tokenizer.encode_batch` of the `tokenizers` library over the same
texts in the same batches. The tokenizer is the demo model's where it is in the cache, else one trained here. Best of three, alternating.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from core import settings
from core.demo import make_rows
from core.prompts.detokenizer import Detokenizer
from core.prompts.encoding import EncodedRow, encode_many, encode_prompt
from core.prompts.mixture import choose
from core.prompts.splitter import ALPACA, Splitter
from core.prompts.templates import TEMPLATES
from core.prompts.tokenizer import TextTokenizer
from core.row import Row

_BATCH = 512


def some_rows(count: int) -> list[Row]:
    """The demo's rows over and over, each with a number of its own so that no two are equal."""
    source = Path(make_rows.__file__).with_name("rows.jsonl")
    base = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    return [
        Row(f"{row['instruction']} ({n})", row["input"], row["reasoning"], row["output"], index=n)
        for n, row in ((n, base[n % len(base)]) for n in range(count))
    ]


def some_tokenizer(rows: list[Row]) -> tuple[TextTokenizer, str]:
    folder = settings.models() / "demo"
    if (folder / "tokenizer.json").exists():
        return TextTokenizer.from_folder(folder), "the demo model's tokenizer"
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=4000, special_tokens=["<|end|>"], initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator([row.instruction + "\n\n" + row.reasoning for row in rows[:2000]], trainer)
    with tempfile.TemporaryDirectory() as place:
        made.save(str(Path(place) / "tokenizer.json"))
        (Path(place) / "tokenizer_config.json").write_text('{"eos_token": "<|end|>"}')
        return TextTokenizer.from_folder(Path(place)), "a tokenizer trained on the spot"


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    rows = some_rows(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
    tokenizer, name = some_tokenizer(rows)
    vanilla, reasoning = TEMPLATES["alpaca"], TEMPLATES["alpaca-reasoning"]

    def encode() -> Iterator[EncodedRow]:
        return encode_many(((row, choose(row, 0.15, 3442, vanilla, reasoning)[0]) for row in rows), tokenizer)

    texts, tokens = [], 0
    for encoded in encode():
        texts.append(encoded.text)
        tokens += len(encoded.ids)

    def ours() -> None:
        for _ in encode():
            pass

    def plain() -> None:
        for start in range(0, len(texts), _BATCH):
            for encoding in tokenizer.raw.encode_batch(texts[start : start + _BATCH], add_special_tokens=False):
                _ = encoding.ids

    timings = [(seconds(ours), seconds(plain)) for _ in range(3)]
    mine, peer = min(a for a, _ in timings), min(b for _, b in timings)
    print(f"{name}; {len(rows):,} rows, {tokens:,} tokens, {tokens / len(rows):.0f} a row")
    print(f"encode, spans, labels  {len(rows) / mine:9,.0f} rows/s  {tokens / mine:12,.0f} tokens/s")
    print(f"plain encode_batch     {len(rows) / peer:9,.0f} rows/s  {tokens / peer:12,.0f} tokens/s   ratio of times {mine / peer:.2f}")

    answers = [encode_prompt(f"{row.reasoning}\n\n### Response:\n{row.output}", tokenizer) for row in rows[:1000]]
    pieces = [[tokenizer.token_text(id) for id in answer] for answer in answers]
    streamed = sum(map(len, answers))

    def detokenize() -> None:
        for answer in answers:
            detokenizer = Detokenizer(tokenizer, at_start=False)
            for id in answer:
                detokenizer.push(id)

    def split() -> None:
        for answer in pieces:
            splitter = Splitter(ALPACA, "reasoning")
            for piece in answer:
                splitter.feed(piece)

    per_token = [min(seconds(work) for _ in range(3)) / streamed * 1e6 for work in (detokenize, split)]
    print(f"a streamed token       {per_token[0]:.2f} us to text, {per_token[1]:.2f} us through the splitter")


if __name__ == "__main__":
    main()
