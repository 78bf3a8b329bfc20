"""Writes the README.md of an export: what it is made of, as the run's facts have it, and how it agrees with the run.

Only facts stand in it; what a run does not know is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from core.base.safe_text import safe_line, safe_text
from core.export.export_result import ExportResult
from core.runs.checkpoint_folders import read_mark
from core.runs.run_folder import RunFolder
from core.runs.spec import RunSpec

_LICENCE_WORDS = 100  # the most characters of a licence's name
_MOST_TABLE_ROWS = 40


class CardPrompt(msgspec.Struct, frozen=True):
    """How a model is asked, as its run was trained."""

    template: str
    """The name of the template with the largest share."""
    text: str
    """The prompt of a question without an input, with `{question}` at its place."""


def base_licence(base: Path) -> str:
    """The licence of the model in the folder `base`, by the name in its card or config; empty where it says none."""
    for line in _front_matter(base / "README.md"):
        key, _, value = line.partition(":")
        if key.strip() == "license" and value.strip():
            return safe_line(value.strip().strip("\"'"), _LICENCE_WORDS)
    try:
        config = msgspec.json.decode((base / "config.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return ""
    licence = config.get("license") if isinstance(config, dict) else None
    return safe_line(licence, _LICENCE_WORDS) if isinstance(licence, str) else ""


def licence_text(base: Path) -> str:
    """The licence of the model in the folder `base` as its file has it; empty where there is none."""
    for path in sorted(base.glob("LICENSE*")):
        try:
            return path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
    return ""


def model_card(
    run: RunFolder, spec: RunSpec, result: ExportResult, base_name: str, licence: str, prompt: CardPrompt | None = None
) -> str:
    """The text of the card. base_name: of the base model, without a path of this machine; prompt: None where the run's
    templates are gone."""
    facts = run.facts()
    sections = [
        _head(result, base_name, licence),
        f"# {safe_line(spec.name, 100)}: {result.to}",
        _opening(result, base_name, facts),
        _section("Agreement with the run", _agreement(result)),
        _section("Prompt", _prompt(prompt)),
        _section("Base", _rows(_base_facts(spec, facts, base_name, licence))),
        _section("Data", _rows(_data_facts(spec, facts))),
        _section("Training", _rows(_training_facts(spec, facts, run))),
        *(_section(title, lines) for title, lines in _result_tables(run)),
        _section("Versions", _rows([(str(name), str(value)) for name, value in _mapping(facts, "versions").items()])),
        _section("Use", [f"    {command}" for command in result.commands]),
    ]
    return "\n\n".join(part for part in sections if part) + "\n"


def _head(result: ExportResult, base_name: str, licence: str) -> str:
    """The front matter that the hub reads."""
    lines = ["---", f"base_model: {json.dumps(base_name)}"]
    if licence:
        lines.append(f"license: {json.dumps(licence)}")
    library = {"merged": "transformers", "adapter": "peft", "vllm": "peft"}.get(result.to, "gguf")
    lines += [f"library_name: {library}", "pipeline_tag: text-generation", "tags:", "  - suiron", "  - lora"]
    return "\n".join([*lines, "---"])


def _opening(result: ExportResult, base_name: str, facts: Mapping[str, Any]) -> str:
    forms = {
        "merged": "The tuned model as one, its adapter merged into the weights",
        "gguf": "The tuned model as a GGUF file",
        "ollama": "The tuned model as a GGUF file with a Modelfile",
        "adapter": "The LoRA adapter",
        "vllm": "The LoRA adapter, checked for vLLM",
    }
    words = f"{forms[result.to]}, trained on `{base_name}`."
    if result.type:
        words += f" Number format: {result.type}."
    if result.to not in ("adapter", "vllm") and facts.get("four_bit"):
        into = (
            "the weights as the run saw them, unpacked from 4 bit"
            if result.base_weights == "dequantised"
            else ("the original 16-bit weights, while the run was trained on them in 4 bit")
        )
        words += f" The adapter was merged into {into}."
    return words


def _agreement(result: ExportResult) -> list[str]:
    if not result.agreements:
        return [f"The export was not asked: {result.not_checked or 'no question was wanted'}."]
    names = {
        "exported": "what was exported, loaded again",
        "original": "merged into the original weights",
        "dequantised": "merged into the unpacked 4-bit weights",
        "llama-server": "the GGUF file in llama.cpp",
        "ollama": "the folder in Ollama (texts)",
    }
    lines = [f"{result.words[:1].upper()}{result.words[1:]}.", ""]
    lines += ["| asked | equal answers | mean KL | largest KL |", "| --- | --- | --- | --- |"]
    for name, agreement in result.agreements.items():
        mean, largest = _number(agreement.mean_kl), _number(agreement.largest_kl)
        equal = f"{agreement.equal} of {agreement.asked}"
        lines.append(f"| {names.get(name, name)} | {equal} | {mean} | {largest} |")
    lines += ["", f"Greedy answers to {result.questions_from}, in {result.computed_in}; KL in nats for each token."]
    if result.texts:
        lines.append(f"{result.texts_equal} of {result.texts} texts have the same token ids.")
    return [*lines, *(f"{remark[:1].upper()}{remark[1:]}." for remark in result.remarks)]


def _prompt(prompt: CardPrompt | None) -> list[str]:
    if prompt is None:
        return []
    words = f"The model answers questions in the form that it was trained with, by the template `{prompt.template}`"
    lines = [f"    {line}" if line else "" for line in safe_text(prompt.text).split("\n")]
    return [f"{words}; of a question without an input:", "", *lines]


def _base_facts(spec: RunSpec, facts: Mapping[str, Any], base_name: str, licence: str) -> list[tuple[str, object]]:
    return [
        ("model", base_name),
        ("revision", facts.get("model_revision")),
        ("fingerprint of its files", facts.get("model_fingerprint")),
        ("licence", licence),
        ("trained in 4 bit", facts.get("four_bit")),
    ]


def _data_facts(spec: RunSpec, facts: Mapping[str, Any]) -> list[tuple[str, object]]:
    edits = _mapping(facts, "edits")
    return [
        ("source", portable_name(spec.data.source)),
        ("revision", facts.get("data_revision")),
        ("split", facts.get("data_split") or spec.data.split),
        ("hash of the rows", facts.get("data_fingerprint")),
        ("hash of what was trained", facts.get("encoded_hash")),
        ("rows in the source", facts.get("rows_in_source")),
        ("rows trained on", facts.get("rows_trained")),
        ("rows kept out", facts.get("rows_kept_out")),
        ("edited rows", ", ".join(f"{count} {kind}" for kind, count in edits.items() if count)),
        ("reasoning written by", facts.get("reasoning_teacher")),
    ]


def _training_facts(spec: RunSpec, facts: Mapping[str, Any], run: RunFolder) -> list[tuple[str, object]]:
    mixture = ", ".join(f"{part.template} ({part.weight:g})" for part in spec.prompt.mixture)
    train, lora = spec.train, spec.lora
    length = f"{spec.prompt.max_seq_length} ({spec.prompt.too_long} what is longer)"
    status = run.status()
    adapter = run.newest_adapter()
    mark = read_mark(adapter) if adapter is not None else None
    steps = mark.step if mark is not None else status.step  # of a run that goes on, those of the adapter
    return [
        ("run", run.id),
        ("templates", mixture),
        ("loss on", json.dumps(msgspec.to_builtins(spec.prompt.loss_on))),
        ("tokens of a row, at most", length),
        ("adapter", f"r {lora.r}, alpha {lora.alpha}, dropout {lora.dropout:g}{', rsLoRA' if lora.use_rslora else ''}"),
        ("layers", ", ".join(lora.target_modules)),
        ("steps", f"{steps} of {status.total}"),
        ("batch", f"{train.batch_size} rows x {train.gradient_accumulation}"),
        ("learning rate", f"{train.learning_rate:g}, {train.scheduler}, {train.warmup_steps} steps to its peak"),
        ("seed", train.seed),
        ("number format", facts.get("dtype")),
        ("backend", facts.get("backend")),
    ]


def _result_tables(run: RunFolder) -> list[tuple[str, list[str]]]:
    """The numbers in `results/evaluation*.json` and `results/influence*.json`, where they exist."""
    tables = []
    for word, title in (("evaluation", "Evaluation"), ("influence", "Influence of the reasoning")):
        for path in sorted((run.path / "results").glob(f"{word}*.json")):
            try:
                content = msgspec.json.decode(path.read_bytes())
            except (OSError, msgspec.DecodeError):
                continue
            numbers = list(_numbers(content))[:_MOST_TABLE_ROWS]
            if numbers:
                tables.append((title, _rows(numbers)))
    return tables


def _numbers(content: Any, inside: str = "") -> list[tuple[str, object]]:
    """The numbers and short texts of a JSON object, by their path in it. Lists (single answers) are left out."""
    found: list[tuple[str, object]] = []
    for key, value in content.items() if isinstance(content, dict) else ():
        name = f"{inside}{key}"
        if isinstance(value, dict):
            found += _numbers(value, f"{name}.")
        elif isinstance(value, int | float) or (isinstance(value, str) and len(value) < 100):
            found.append((name, f"{value:.4g}" if isinstance(value, float) else value))
    return found


def portable_name(name: str) -> str:
    """A model's or data set's name for others: of a path of this machine only its last part."""
    return Path(name).name if Path(name).is_absolute() else name


def _rows(pairs: Sequence[tuple[str, object]]) -> list[str]:
    """A table of what is known."""
    known = [(name, value) for name, value in pairs if value not in (None, "", {}, [])]
    if not known:
        return []
    lines = [f"| {_cell(name)} | {_cell(value)} |" for name, value in known]
    return ["| | |", "| --- | --- |", *lines]


def _cell(value: object) -> str:
    words = {True: "yes", False: "no"}.get(value) if isinstance(value, bool) else None
    return (words or safe_line(str(value), 300)).replace("|", "\\|")


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *lines]) if lines else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _mapping(facts: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = facts.get(key)
    return value if isinstance(value, dict) else {}


def _front_matter(path: Path) -> list[str]:
    """The lines between the first two lines of three dashes of a model card."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    if not lines or lines[0].strip() != "---":
        return []
    end = next((number for number, line in enumerate(lines[1:], 1) if line.strip() == "---"), 0)
    return lines[1:end]
