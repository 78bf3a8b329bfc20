"""Chooses how a run computes its optimizer steps: padded, packed or captured, by what the model allows and, on CUDA, by
measuring each on the run's own rows. Without CUDA the tokens are counted instead, so that a run can be repeated to the
last bit.

Imports torch and transformers.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import torch
from transformers import TrainerCallback

from core.models.loading import LoadedModel
from core.runs.facts_file import write_facts
from core.runs.process import JobProcess
from core.runs.spec import RunSpec
from core.training.captured_step import CapturedStep
from core.training.lean_layers import use_lean_layers, use_own_layers
from core.training.loss import token_losses
from core.training.packed_model import PackedModel, why_not_packed
from core.training.packed_rows import PackedRows, split_passes
from core.training.packed_step import PackedStep, UpdateStep
from core.training.pass_shapes import shape_grid
from core.training.ranks import Ranks

if TYPE_CHECKING:
    from core.training.trainer import RunTrainer

KINDS = ("captured", "packed", "padded")
"""The kinds of step; each falls back to the next."""
_UPDATES = 3  # that are measured
_MEMORY_SHARE = 0.4  # of the free GPU memory that one pass may take; a recording keeps as much again
_TOLERANCE = 0.02  # of a loss: what rounding to bfloat16 in another order may change


class ChosenStep(msgspec.Struct, frozen=True):
    """How a run computes its steps."""

    kind: str
    """One of `KINDS`."""
    pass_tokens: int
    """The most tokens of one packed pass; 0 for padded steps."""
    words: str
    """The choice and its reason, for the user."""


class StepChooser(TrainerCallback):  # type: ignore[misc]
    """Chooses when the training begins, once for a run: one that goes on keeps its choice. resumed_from: its step."""

    def __init__(
        self,
        job: JobProcess,
        spec: RunSpec,
        loaded: LoadedModel,
        longest: int,
        resumed_from: int,
        ranks: Ranks | None = None,
    ) -> None:
        self._job, self._spec, self._loaded, self._longest = job, spec, loaded, longest
        self._ranks = ranks or Ranks()
        self._resumed_from = resumed_from
        self.trainer: Any = None
        """Set once the trainer exists, which needs the callback first."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        facts = self._job.run.facts() if self._job.writes else {}
        steps = _Steps(
            self.trainer,
            self._loaded,
            self._spec,
            self._longest,
            lambda words: self._job.event("note", words),
            self._ranks.count,
        )
        self._job.status.update(message="choosing how to compute a step")
        before = facts.get("step_kind") or ("padded" if self._resumed_from else "")
        chosen = ChosenStep(before, int(facts.get("step_pass_tokens") or 0), str(facts.get("step") or before))
        chosen = self._ranks.from_first(chosen, ChosenStep)
        before = chosen.kind
        why = steps.why_not()[before] if before else ""
        if before and why:
            chosen = ChosenStep("padded", 0, f"padded: {why}")  # why: of the model, the same on each rank
            self._job.event("note", f"steps were {before}, which is not possible here: {why}")
        elif not before:
            chosen = choose_step(steps, self._spec.train.step)  # each measures at the same time
            chosen = self._ranks.from_first(chosen, ChosenStep)
            self._job.event("step", chosen.words, step=0, step_kind=chosen.kind)
            more = {"step_kind": chosen.kind, "step_pass_tokens": chosen.pass_tokens, "step": chosen.words}
            if self._job.writes:
                write_facts(self._job.run.path, {**facts, **more})
        self.trainer.pack_rows(steps.make(chosen.kind, chosen.pass_tokens))
        self._job.status.update(backend=f"{self._loaded.backend.line}; {chosen.words}")


def choose_step(steps: _Steps, wanted: str) -> ChosenStep:
    """wanted: the setting `train.step`."""
    reasons = steps.why_not()
    on_cuda = steps.device.type == "cuda"
    if wanted == "auto" and on_cuda and not reasons["packed"]:
        return _measured(steps, reasons)
    kinds = KINDS[KINDS.index(wanted if wanted != "auto" else "packed") :]
    kind = next(kind for kind in kinds if not reasons[kind])
    pass_tokens = steps.pass_tokens() if kind != "padded" else 0
    if kind != kinds[0]:
        return ChosenStep(kind, pass_tokens, f"{kind}: {reasons[kinds[0]]}")
    return ChosenStep(kind, pass_tokens, f"{kind}, as set" if wanted != "auto" else f"{kind}, {steps.saved_words()}")


def _measured(steps: _Steps, reasons: dict[str, str]) -> ChosenStep:
    pass_tokens = steps.pass_tokens()
    seconds: dict[str, float] = {}
    for kind in KINDS:
        if reasons[kind]:
            continue
        try:
            seconds[kind] = steps.seconds(kind, pass_tokens)
        except RuntimeError as error:  # a recording that fails, or memory that runs out; padded steps must work
            lines = str(error).strip().splitlines()
            if kind == "padded" and not seconds:
                raise
            reasons[kind] = f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
            print(f"{kind} steps do not work here: {reasons[kind]}", flush=True)
    kind = min(seconds, key=lambda name: seconds[name])
    others = [f"{name} {_ms(seconds[name])}" for name in seconds if name != kind]
    others += [f"not {name}: {reason}" for name, reason in reasons.items() if reason]
    words = f"{kind}, {_ms(seconds[kind])} a step" + (f" ({'; '.join(others)})" if others else "")
    return ChosenStep(kind, pass_tokens if kind != "padded" else 0, words)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


class _Steps:
    """Makes and measures the steps of a trainer that is ready to begin, in one of `ranks` ranks. Nothing of weights,
    gradients or random numbers changes."""

    def __init__(
        self,
        trainer: RunTrainer,
        loaded: LoadedModel,
        spec: RunSpec,
        longest: int,
        tell: Callable[[str], None],
        ranks: int = 1,
    ) -> None:
        self._tell, self._ranks = tell, ranks
        self._trainer, self._loaded, self._train, self._longest = trainer, loaded, spec.train, longest
        args = trainer.args
        self.device: torch.device = args.device
        autocast = torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else None
        self._model = PackedModel(trainer.model, self.device, autocast) if self._packable() == "" else None
        self._rows = self._train.batch_size * self._train.gradient_accumulation
        self._captured: CapturedStep | None = None
        if (
            self.device.type == "cuda"
        ):  # a chunked loss, and sections told apart; on a CPU scores are few and loss exact
            trainer.head_model = self._model

    def why_not(self) -> dict[str, str]:
        """Why each kind cannot be, empty where it can. On CUDA the model computes with lean layers afterwards, if rows
        can be packed."""
        packed = self._packable() or self._why_not_equal()
        captured = packed
        if not packed and self.device.type == "cuda":
            if self._loaded.gradient_checkpointing:
                captured = "activations are computed again in the backward pass, to save memory"
            elif self._trainer.args.fp16:
                captured = "losses in float16 are scaled by what the step before gave"
        elif not packed:
            captured = "there is no CUDA device to record for"
        return {"captured": captured, "packed": packed, "padded": ""}

    def make(self, kind: str, pass_tokens: int) -> UpdateStep | None:
        """The step of this kind; None for padded ones."""
        if kind == "padded" or self._model is None:
            return None
        packed = PackedStep(self._model, self._trainer.accelerator.backward, pass_tokens)
        if kind == "packed":
            return packed
        if self._captured is None:  # what was recorded while it was measured is used again
            parameters = [parameter for parameter in self._trainer.model.parameters() if parameter.requires_grad]
            passes = [part for items in self._updates() for part in split_passes(self._packed(items), pass_tokens)]
            self._captured = CapturedStep(
                self._model, packed, parameters, shape_grid(passes, self._rows, self._longest), self._tell
            )
        return self._captured

    def pass_tokens(self) -> int:
        """The most tokens of a pass: on CUDA as many as fit into the free memory, elsewhere those of a padded batch of
        longest rows."""
        padded = self._train.batch_size * self._longest
        if self.device.type != "cuda":
            return padded
        rows = self._packed(self._updates()[0][:1])
        step = self.make("packed", rows.tokens)
        assert step is not None  # noqa: S101 - asked for only where packed steps are possible
        with self._unchanged():
            list(step.run(rows, rows.weight))  # allocates what stays
            self._forget()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            list(step.run(rows, rows.weight))
            a_token = (torch.cuda.max_memory_allocated() - before) / rows.tokens
        torch.cuda.empty_cache()
        free = torch.cuda.mem_get_info(self.device)[0]
        return max(self._longest, int(_MEMORY_SHARE * free / max(a_token, 1)))

    def seconds(self, kind: str, pass_tokens: int) -> float:
        """The median time of forward and backward passes of a step, the first of each shape left out."""
        run = self._runner(kind, pass_tokens)
        updates = self._updates()
        times = []
        with self._unchanged():
            for turn in range(2):
                for items in updates:
                    torch.cuda.synchronize()
                    began = time.perf_counter()
                    run(items)
                    torch.cuda.synchronize()
                    if turn:
                        times.append(time.perf_counter() - began)
                    self._forget()
        if kind == "captured" and self._captured is not None and self._captured.failure:
            raise RuntimeError(self._captured.failure)
        return statistics.median(times)

    def saved_words(self) -> str:
        """What packing leaves out, in words."""
        updates = self._updates()
        size = self._train.batch_size
        lengths = [[len(item["input_ids"]) for item in items] for items in updates]
        real = sum(map(sum, lengths))
        padded = sum(
            len(part) * max(part)
            for update in lengths
            for part in (update[at : at + size] for at in range(0, len(update), size))
        )
        return f"{1 - real / padded:.0%} of the padded tokens left out"

    def _runner(self, kind: str, pass_tokens: int) -> Callable[[list[dict[str, Any]]], Any]:
        trainer, size = self._trainer, self._train.batch_size
        step = self.make(kind, pass_tokens)

        def packed(items: list[dict[str, Any]]) -> None:
            assert step is not None  # noqa: S101 - this is called for steps that are packed
            rows = self._packed(items)
            list(step.run(rows, rows.weight))

        def padded(items: list[dict[str, Any]]) -> None:
            parts = [items[at : at + size] for at in range(0, len(items), size)]
            batches = [trainer._prepare_inputs(trainer.padded_collator(part)) for part in parts]
            divisor = trainer.loss_divisor(batches)
            trainer.current_gradient_accumulation_steps = len(batches)
            for batch in batches:
                trainer.padded_pass(trainer.model_wrapped, batch, divisor)  # ranks measure without each other

        return padded if step is None else packed

    def _why_not_equal(self) -> str:
        """Whether the packed losses of two rows are the padded ones, as the model itself computes them: guards against
        models that take packed rows in another way than they should."""
        assert self._model is not None  # noqa: S101 - called where the model can be packed
        items = sorted(self._updates()[0], key=lambda item: len(item["input_ids"]))[:2]
        rows = self._packed(items)
        model = self._trainer.model
        was_training = model.training
        with self._unchanged(), torch.no_grad():
            model.eval()
            try:
                batch = {name: value.to(self.device) for name, value in self._trainer.padded_collator(items).items()}
                with torch.autocast(self.device.type, torch.bfloat16, enabled=self._trainer.args.bf16):
                    padded = float(token_losses(model, batch).mean())
                lean = use_lean_layers(model) if self.device.type == "cuda" else []
                tensors = self._model.tensors(rows, rows.weight)
                packed = float(self._model.losses(tensors, rows.lengths.tolist(), int(rows.lengths.max())).total)
            finally:
                model.train(was_training)
        if abs(packed - padded) <= _TOLERANCE * max(1.0, abs(padded)):
            return ""
        use_own_layers(lean)
        return f"packed rows have another loss than padded ones ({packed:.4f} instead of {padded:.4f})"

    def _packable(self) -> str:
        if self._loaded.backend.kind == "unsloth":
            return "Unsloth has changed the model"
        dtype = str(getattr(self._trainer.model, "dtype", "")).removeprefix("torch.")
        return why_not_packed(self._trainer.model, str(self.device), dtype)

    def _updates(self) -> list[list[dict[str, Any]]]:
        """Items of a few updates, drawn from the rows that are trained, the same each time."""
        dataset = self._trainer.train_dataset
        pick = np.random.default_rng(self._train.seed)
        count = min(-(-self._rows // self._ranks), len(dataset))  # the share of a rank
        chosen = [pick.choice(len(dataset), count, replace=False) for _ in range(_UPDATES)]
        return [[dataset[int(index)] for index in update] for update in chosen]

    def _packed(self, items: list[dict[str, Any]]) -> PackedRows:
        collate = self._trainer.packed_collator
        assert collate is not None  # noqa: S101 - `make_trainer` gives it
        return collate(items)["packed"]

    def _forget(self) -> None:
        self._trainer.model.zero_grad()
        self._trainer.forget_step()

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        python, numpy = random.getstate(), np.random.get_state()
        self._trainer.model.train()
        with torch.random.fork_rng([self.device.index or 0] if self.device.type == "cuda" else []):
            try:
                yield
            finally:
                random.setstate(python)
                np.random.set_state(numpy)
                self._forget()
