"""From a file of rows to what a trainer takes: Suiron beside `datasets` and TRL.

    python -m bench.encode [ROWS] [--processes N]

Default: 20,000 rows, one process for the peer, as in the scripts people write. Also measures what spans and labels
cost, and a streamed token.

Suiron: open the file, draw templates, encode, cut, check and hash every row, into the store on disk, labels included.
The peer: `load_dataset`, a filter on sysflag, `datasets.map` with the well-known formatting function
(`alpaca_prompt.format(...) + EOS_TOKEN`), then TRL's own preparation of a `text` column
(`SFTTrainer._prepare_dataset`). Same rows, fresh caches, one run, the two in turns, best of two. The tokenizer is the
demo model's if it is in the cache, else one trained here. Then once more with nothing changed, and with one row
changed.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from core.base import folders
from core.base.row import Row
from core.demo import make_rows
from core.tokens.tokenizer import TextTokenizer

_BATCH = 512
_TIMES = 2


def some_rows(count: int) -> list[Row]:
    """The demo's rows repeated, each with a different number so that no two are equal; one in eleven is held out."""
    source = Path(make_rows.__file__).with_name("rows.jsonl")
    base = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    return [
        Row(
            f"{row['instruction']} ({n})",
            row["input"],
            row["reasoning"],
            row["output"],
            row["syslang"],
            "train" if n % 11 else "test",
            index=n,
        )
        for n, row in ((n, base[n % len(base)]) for n in range(count))
    ]


def write_rows(path: Path, rows: list[Row]) -> None:
    columns = ("instruction", "input", "reasoning", "output", "syslang", "sysflag")
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps({column: getattr(row, column) for column in columns}, ensure_ascii=False) + "\n")


def some_tokenizer(rows: list[Row], folder: Path) -> str:
    """Put a tokenizer into `folder`. Returns which one it is."""
    demo = folders.models() / "demo"
    if (demo / "tokenizer.json").exists():
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (folder / name).write_bytes((demo / name).read_bytes())
        return "the demo model's tokenizer"
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=4000, special_tokens=["<|end|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([row.instruction + "\n\n" + row.reasoning for row in rows[:2000]], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"eos_token": "<|end|>"}')
    return "a tokenizer trained on the spot"


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def ours(path: Path, folder: Path) -> Any:
    """What training does before it imports a model's libraries."""
    from core.data.source import open_data
    from core.examples.build import examine_training_set
    from core.runs.spec import DataSection, ModelSection, RunSpec

    spec = RunSpec(data=DataSection(source=str(path)), model=ModelSection(name=str(folder)))
    prepared, report, _ = examine_training_set(open_data(str(path)), spec, TextTokenizer.from_folder(folder))
    assert prepared is not None and not report.faults()
    return prepared


class Peer:
    """The scripts people write, and the library's own preparation beneath them."""

    def __init__(self, folder: Path, processes: int) -> None:
        from core.models.backend import prepare_imports

        prepare_imports()
        import datasets
        from transformers import PreTrainedTokenizerFast
        from trl import SFTConfig, SFTTrainer

        datasets.disable_progress_bars()
        logging.getLogger("datasets").setLevel(logging.ERROR)
        eos = TextTokenizer.from_folder(folder).eos
        self._datasets, self._prepare = datasets, SFTTrainer._prepare_dataset
        self._tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(folder / "tokenizer.json"), eos_token=eos, pad_token=eos
        )
        processes_asked = processes if processes > 1 else None
        self._settings = SFTConfig(
            output_dir=str(folder),
            max_length=None,
            dataset_num_proc=processes_asked,
            report_to="none",
            use_cpu=True,
            bf16=False,
        )
        self._processes = processes_asked

    def run(self, path: Path, cache: Path) -> Any:
        import numpy as np

        from core.templates.by_name import TEXT_TEMPLATES

        vanilla, reasoning = (TEXT_TEMPLATES[name].pattern for name in ("alpaca", "alpaca-reasoning"))
        for slot in ("{instruction}", "{input}", "{reasoning}", "{output}"):
            vanilla, reasoning = vanilla.replace(slot, "{}"), reasoning.replace(slot, "{}")
        end = self._tokenizer.eos_token
        random = np.random.default_rng(3442)

        def formatting_prompts_func(examples: dict[str, list[str]]) -> dict[str, list[str]]:
            texts = []
            rows = zip(*(examples[name] for name in ("instruction", "input", "reasoning", "output")), strict=True)
            for instruction, input, thought, output in rows:
                if random.random() < 0.15:
                    texts.append(vanilla.format(instruction, input, output) + end)
                else:
                    texts.append(reasoning.format(instruction, input, thought, output) + end)
            return {"text": texts}

        rows = self._datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(cache))
        train = rows.filter(lambda example: example["sysflag"] == "train")
        texts = train.map(formatting_prompts_func, batched=True, num_proc=self._processes)
        itself = SimpleNamespace(_tokenizer=self._tokenizer, chat_template=None, completion_only_loss=False)
        return self._prepare(itself, texts, self._tokenizer, self._settings, False, None, "train")


def beside_the_library(rows: list[Row], processes: int, home: Path) -> None:
    folder, path = home / "model", home / "rows.jsonl"
    folder.mkdir()
    name = some_tokenizer(rows, folder)
    write_rows(path, rows)
    peer = Peer(folder, processes)
    our_times, their_times = [], []
    for turn in range(_TIMES):
        os.environ["SUIRON_CACHE"] = str(home / f"cache-{turn}")
        seconds, prepared = timed(lambda: ours(path, folder))
        our_times.append(seconds)
        seconds, encoded = timed(lambda turn=turn: peer.run(path, home / f"peer-{turn}"))  # type: ignore[misc]
        their_times.append(seconds)
    same = sum(prepared.ids(row).tolist() == encoded[row]["input_ids"] for row in range(500))
    assert len(encoded) == len(prepared) and same > 500 * 0.6, (
        f"the two encode {same} of 500 rows alike"
    )  # the others drew another template
    best, peers, tokens = min(our_times), min(their_times), prepared.tokens
    print(f"{name}; {len(rows):,} rows, {len(prepared):,} of them trained, {tokens:,} tokens")
    print(f"{os.cpu_count()} cores, the peer in {processes} process{'es' if processes > 1 else ''}")
    print(
        f"ours      {len(prepared) / best:9,.0f} rows/s  {tokens / best:12,.0f} tokens/s  {best:7.2f} s   (checks and "
        "hash among it)"
    )
    print(f"the peer  {len(prepared) / peers:9,.0f} rows/s  {tokens / peers:12,.0f} tokens/s  {peers:7.2f} s")
    turns = ", ".join(f"{b / a:.2f}" for a, b in zip(our_times, their_times, strict=True))
    print(f"          {peers / best:.2f} times as fast as the peer (each turn: {turns})")
    again, _ = timed(lambda: ours(path, folder))
    write_rows(
        path,
        [
            *rows[:7],
            Row("another question", "", "another thought", "another answer", "English", "train", index=7),
            *rows[8:],
        ],
    )
    edited, prepared = timed(lambda: ours(path, folder))
    assert prepared.store.encoded == 1
    print(
        f"again     {again:.2f} s with nothing changed, {edited:.2f} s with one row changed: {peers / edited:.1f} "
        "times as fast as the peer, which starts over"
    )


def beside_bare_tokenizing(rows: list[Row], home: Path) -> None:
    from core.examples.draw_template import Mixture
    from core.templates.by_name import TEXT_TEMPLATES
    from core.tokens.encode import encode_batch

    tokenizer = TextTokenizer.from_folder(home / "model")
    mixture = Mixture([(TEXT_TEMPLATES["alpaca"], 0.15), (TEXT_TEMPLATES["alpaca-reasoning"], 0.85)], 3442)

    drawn = [(row, template) for row in rows if (template := mixture.template_for(row)) is not None]

    def with_spans() -> int:
        tokens = 0
        for start in range(0, len(drawn), _BATCH):
            batch = drawn[start : start + _BATCH]
            segments = [template.segments(row) for row, template in batch]
            tokens += len(encode_batch(segments, tokenizer, [row.index for row, _ in batch]).ids)
        return tokens

    texts = ["".join(segment.text for segment in template.segments(row)) for row, template in drawn]
    tokens = with_spans()

    def bare() -> None:
        for start in range(0, len(texts), _BATCH):
            for encoding in tokenizer.raw.encode_batch(texts[start : start + _BATCH], add_special_tokens=False):
                _ = encoding.ids

    times = [(timed(with_spans)[0], timed(bare)[0]) for _ in range(3)]
    our_seconds, peer = min(a for a, _ in times), min(b for _, b in times)
    print(f"encode with spans      {len(rows) / our_seconds:9,.0f} rows/s  {tokens / our_seconds:12,.0f} tokens/s")
    print(
        f"plain encode_batch     {len(rows) / peer:9,.0f} rows/s  {tokens / peer:12,.0f} tokens/s   ratio of times "
        f"{our_seconds / peer:.2f}"
    )


def streaming(rows: list[Row], home: Path) -> None:
    from core.splitter.splitter import ALPACA, Splitter
    from core.tokens.detokenizer import Detokenizer
    from core.tokens.encode import encode_prompt

    tokenizer = TextTokenizer.from_folder(home / "model")
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

    per_token = [min(timed(work)[0] for _ in range(3)) / streamed * 1e6 for work in (detokenize, split)]
    print(f"a streamed token       {per_token[0]:.2f} us to text, {per_token[1]:.2f} us through the splitter")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="?", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=1, help="of the peer (dataset_num_proc)")
    arguments = parser.parse_args()
    rows = some_rows(arguments.rows)
    with tempfile.TemporaryDirectory(prefix="suiron-bench-") as folder:
        home = Path(folder)
        beside_the_library(rows, arguments.processes, home)
        beside_bare_tokenizing(rows, home)
        streaming(rows, home)


if __name__ == "__main__":
    main()
