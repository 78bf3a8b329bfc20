"""Compares an export with its run: asks the run, what was written, and of a 4-bit run both ways of merging it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from core.base.errors import RunError
from core.export.export_result import Agreement, ExportResult
from core.export.export_spec import ExportSpec
from core.export.export_writing import MODELFILE, Writing
from core.export.held_out_questions import Questions
from core.export.proof import ANSWER_TOKENS, RunAnswers, agreement_of_answers, agreement_of_model, answers_of_run
from core.export.run_material import RunMaterial
from core.models.export.merged_tensors import BaseWeights
from core.models.export.number_formats import LARGEST_F16

_SHARE_OF_F16 = 0.5  # that a layer's numbers may fill: other texts have other ones


class ShowsProgress(Protocol):
    """The job, as far as a comparison tells it how far it is. Both may raise, which ends the comparison."""

    def say(self, words: str) -> None:
        """Show what is being done."""

    def on_answers(self, words: str) -> Callable[[int], None]:
        """Show who is asked; the result gets how many answers there are."""


class RunComparison:
    """Asks the run, both ways of merging it, and what was written. questions: None where nothing is to be asked;
    weights: how many the model has."""

    def __init__(
        self,
        export: ShowsProgress,
        spec: ExportSpec,
        material: RunMaterial,
        writing: Writing,
        questions: Questions | None,
        weights: int,
    ) -> None:
        self._export, self._spec, self._material, self._writing = export, spec, material, writing
        self._questions = questions
        self._why_not = ""
        self._agreements: dict[str, Agreement] = {}
        self._run_answers: RunAnswers | None = None
        self._place: Any = None
        if questions is not None:
            from core.export.exported_models import choose_place

            place = choose_place(weights)
            if isinstance(place, str):
                self._why_not = place
                self._questions = None
            else:
                self._place = place

    @property
    def compares_bases(self) -> bool:
        """Whether there are two ways to merge the run, which are both asked."""
        return self._material.four_bit and not self._writing.is_adapter

    @property
    def can_ask(self) -> bool:
        """Whether there are questions, and memory to ask them in."""
        return self._questions is not None

    @property
    def answers_planned(self) -> int:
        """How many answers will be given in all."""
        if self._questions is None:
            return 0
        return len(self._questions.asked) * (4 if self.compares_bases else 2)

    def choose_base(self) -> BaseWeights:
        """The weights to merge into. Of a 4-bit run both are asked first, and the one that agrees more often is taken,
        unless the specification names one."""
        wanted = self._spec.base
        if not self.compares_bases:
            if wanted == "dequantised":
                what = "the run was not trained in 4 bit: it has only the original weights to merge into"
                raise RunError(what, self._material.run.id, "Leave --base out")
            return "original"
        if self._questions is not None:
            self._ask_both_bases()
        if wanted != "auto":
            return wanted
        original, dequantised = self._agreements.get("original"), self._agreements.get("dequantised")
        if original is None or dequantised is None:
            return "original"
        return "dequantised" if _closer(dequantised, original) else "original"

    def why_not_float16(self) -> str:
        """Why the run's numbers do not fit into float16, as a clause; empty where they do, by the questions asked."""
        if self._questions is None:
            return "the run could not be asked whether its numbers fit"
        largest = self._answers().largest
        if largest <= LARGEST_F16 * _SHARE_OF_F16:
            return ""
        return f"numbers up to {largest:,.0f} were seen in its layers, and f16 ends at {LARGEST_F16:,.0f}"

    def _ask_both_bases(self) -> None:
        from core.export.exported_models import free_memory, load_merged

        run = self._answers()
        ways: tuple[BaseWeights, ...] = ("original", "dequantised")
        for base in ways:
            answered = self._export.on_answers(f"asking the run merged into the {base} weights")
            model = load_merged(self._material.base, self._place, self._writing.tensors(base), self._writing.rounding)
            self._agreements[base] = agreement_of_model(model, run, answered)
            del model
            free_memory()

    def prove(self, result: ExportResult) -> ExportResult:
        """The result with all agreements."""
        texts, equal = self._texts()
        result = msgspec.structs.replace(result, texts=texts, texts_equal=equal, not_checked=self._why_not)
        if self._questions is None:
            return result
        from core.export.exported_models import free_memory

        run = self._answers()
        self._export.say("loading what was written")
        model = self._exported_model()
        self._agreements = {
            "exported": agreement_of_model(model, run, self._export.on_answers("asking what was written")),
            **self._agreements,
        }
        del model
        free_memory()
        remarks = list(result.remarks)
        if self._writing.is_gguf:
            remarks += self._ask_llama_server(run)
        if self._spec.to == "ollama":
            remarks += self._ask_ollama(run)
        return msgspec.structs.replace(
            result,
            agreements=self._agreements,
            questions_from=f"{len(run.questions)} {self._questions.source}",
            computed_in=self._place.words,
            remarks=tuple(remarks),
        )

    def _answers(self) -> RunAnswers:
        """What the run answers; asked once."""
        if self._run_answers is not None or self._questions is None:
            assert self._run_answers is not None  # noqa: S101 - only called where there are questions
            return self._run_answers
        from core.export.exported_models import free_memory, load_folder, load_merged, with_adapter

        self._export.say("loading the run")
        material = self._material
        if material.four_bit and not self._writing.is_adapter:
            tensors = self._writing.tensors("dequantised", with_adapter=False)
            rounding = "F16" if material.facts.get("dtype") == "float16" else "BF16"
            model = with_adapter(load_merged(material.base, self._place, tensors, rounding), material.adapter)
        else:
            model = load_folder(material.base, self._place, material.adapter)
        answered = self._export.on_answers("asking the run")
        self._run_answers = answers_of_run(model, self._questions.asked, material.tokenizer.stop_ids, answered)
        del model
        free_memory()
        return self._run_answers

    def _exported_model(self) -> Any:
        from core.export.exported_models import load_folder, load_gguf

        out = Path(self._spec.out)
        if self._writing.is_adapter:
            return load_folder(self._material.base, self._place, out)
        if self._writing.is_gguf:
            return load_gguf(out / self._writing.gguf_name, self._place)
        return load_folder(out, self._place)

    def _texts(self) -> tuple[int, int]:
        """How many texts were compared, and how many have the same ids in what was written."""
        from core.models.export.comparison_texts import comparison_texts
        from core.models.export.gguf_tokenizer import different_texts
        from core.models.export.gguf_tokenizer_rules import LlamaCppTokenizer, read_gguf_vocabulary
        from core.tokens.tokenizer import TextTokenizer

        if self._writing.is_adapter or not self._spec.check:
            return 0, 0
        own, out = self._material.tokenizer, Path(self._spec.out)
        special = [token.content for token in own.raw.get_added_tokens_decoder().values()]
        texts = comparison_texts(special)
        if self._writing.is_gguf:
            written = LlamaCppTokenizer(read_gguf_vocabulary(out / self._writing.gguf_name))
            return len(texts), len(texts) - len(different_texts(own, written, texts))
        other = TextTokenizer.from_folder(out)
        mine, theirs = own.encode_batch(texts), other.encode_batch(texts)
        return len(texts), sum(a.ids == b.ids for a, b in zip(mine, theirs, strict=True))

    def _ask_llama_server(self, run: RunAnswers) -> list[str]:
        """Ask llama.cpp, where it is on the machine; a remark where that failed."""
        from core.export.llama_server import PROGRAM, LlamaServerFailed, answers_of_llama_server, llama_server

        if llama_server() is None:
            return []
        answered = self._export.on_answers(f"asking {PROGRAM}")
        prompts = [question.ids for question in run.questions]
        gguf = Path(self._spec.out) / self._writing.gguf_name
        try:
            answers = answers_of_llama_server(gguf, prompts, run.stops, ANSWER_TOKENS, answered)
        except LlamaServerFailed as failure:
            return [str(failure)]
        self._agreements[PROGRAM] = agreement_of_answers(answers, run, without_stops=True)
        return []

    def _ask_ollama(self, run: RunAnswers) -> list[str]:
        """Ask Ollama, where it runs; a remark where that failed."""
        from core.export.ollama_server import PROGRAM, OllamaFailed, ollama_runs, texts_of_ollama

        if not ollama_runs():
            return []
        tokenizer = self._material.tokenizer
        answered = self._export.on_answers(f"asking {PROGRAM}")
        # Ollama puts the beginning of sequence before a prompt itself.
        begin = tokenizer.bos_ids
        prompts = [
            tokenizer.decode(question.ids[len(begin) :] if question.ids[: len(begin)] == begin else question.ids)
            for question in run.questions
        ]
        try:
            texts = texts_of_ollama(Path(self._spec.out), MODELFILE, prompts, ANSWER_TOKENS, answered)
        except OllamaFailed as failure:
            return [str(failure)]
        own = [
            tokenizer.decode([token for token in answer if token not in run.stops]).strip() for answer in run.answers
        ]
        answers = [
            mine if text.strip() == words else [] for mine, words, text in zip(run.answers, own, texts, strict=True)
        ]
        self._agreements[PROGRAM] = agreement_of_answers(answers, run)
        return []


def _closer(one: Agreement, other: Agreement) -> bool:
    """Whether `one` agrees with the run more than `other` does."""
    if one.equal != other.equal:
        return one.equal > other.equal
    return (one.mean_kl or 0.0) < (other.mean_kl or 0.0)
