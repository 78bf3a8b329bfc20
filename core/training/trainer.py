"""The trainer: TRL's SFTTrainer for rows that are already token ids, with every setting explicit.

Imports trl, which must be imported after `prepare_imports`, and after Unsloth where that trains, because Unsloth
replaces SFTTrainer: import this module only once the model is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl import SFTConfig, SFTTrainer

from core.examples.build import TrainingSet
from core.models.backend import dtype_name
from core.models.loading import LoadedModel
from core.runs.spec import RunSpec
from core.tokens.loss_mask import IGNORED_LABEL
from core.training.collator import ExampleCollator, trainer_dataset
from core.training.loss import SECTION_COUNT, token_losses
from core.training.packed_model import PackedModel
from core.training.packed_rows import PackedCollator, PackedRows, join_rows
from core.training.packed_step import UpdateStep
from core.training.step_record import StepRecord

__all__ = ["ExampleCollator", "RunTrainer", "StepOwner", "make_trainer", "trainer_dataset"]

_NOT_FOR_THE_MODEL = ("sections", "rows")
_EVERY_LOGIT_BYTES = 1 << 30  # a batch whose logits take more is evaluated without the prompt's


class EvaluationPart(NamedTuple):
    """The losses of one batch."""

    total: float
    """Weighted sum of the losses of the trained tokens, in nats."""
    weight: float
    """Sum of their weights."""
    sections: torch.Tensor
    """Sum and count of all losses by section, float64, shape (2, 3)."""


class StepInterrupted(Exception):
    """The process was asked to end between two passes of a packed step. Their gradients are dropped."""


class StepOwner(Protocol):
    """Decides what happens at the end of a step, beside the callback."""

    def save(self, trainer: RunTrainer) -> None:
        """Save a checkpoint of the steps done."""

    def evaluate(self, trainer: RunTrainer) -> dict[str, float]:
        """Evaluate on the rows kept out; their losses by name."""

    def ends_in_step(self) -> bool:
        """Whether the process must not go on to the end of the step that it computes."""


class RunTrainer(SFTTrainer):  # type: ignore[misc]
    """TRL's trainer with Suiron's loss, checkpoints and evaluation. record: gets what the step leaves. owner: saves and
    evaluates; without one, neither happens. packed_collator: makes the batches of packed steps."""

    def __init__(
        self,
        *args: Any,
        record: StepRecord,
        owner: StepOwner | None,
        packed_collator: PackedCollator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._record, self._owner = record, owner
        self.padded_collator: Any = kwargs.get("data_collator")
        self.packed_collator = packed_collator
        if packed_collator is not None:
            self.data_collator = self._collate
        self.head_model: PackedModel | None = None
        """Computes the losses of padded batches too, where set."""
        self._packed_step: UpdateStep | None = None
        self._waiting: list[PackedRows] = []
        self._divisor = 1.0
        self._trained: list[torch.nn.Parameter] = []
        self._nothing = torch.zeros((), device=self.args.device)

    def loss_divisor(self, batches: list[dict[str, Any]]) -> Any:
        """The divisor of the loss of padded batches on the device: the number of their trained tokens, or the sum of
        the weights where sections are weighted, so that gradient accumulation does not change the loss."""
        items = self._get_num_items_in_batch(batches, self.args.device)
        if items is not None and batches and "weights" in batches[0]:
            batch_weights = (
                (batch["weights"][:, 1:] * (batch["labels"][:, 1:] != IGNORED_LABEL)).sum() for batch in batches
            )
            items = sum(batch_weights).to(self.args.device)
        return items

    def forget_step(self) -> None:
        """Drop what a step has left that was only measured."""
        self._record.clear()
        self._waiting.clear()

    def pack_rows(self, step: UpdateStep | None) -> None:
        """From the next batch on, run each optimizer step by `step`, over packed rows; by padded batches where None."""
        self._packed_step = step

    def _collate(self, items: list[dict[str, Any]]) -> Any:
        if self._packed_step is not None and self.packed_collator is not None:
            return self.packed_collator(items)
        return self.padded_collator(items)

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """The loss of a batch, after its backward pass. The batches of a packed step wait for its last one, which
        brings the loss of all."""
        if "packed" not in inputs:
            self._record.note_pass(inputs["input_ids"])
            loss: torch.Tensor = super().training_step(model, inputs, *args, **kwargs)
            self._record.losses.append(loss.detach())
            return loss
        self._waiting.append(inputs["packed"])
        if not self.accelerator.sync_gradients:
            return self._nothing
        if not model.training:
            model.train()
        return self._run_packed()

    def _run_packed(self) -> torch.Tensor:
        assert self._packed_step is not None  # noqa: S101 - batches are packed for it alone
        rows, self._waiting = join_rows(self._waiting), []
        parts, tokens = [], 0
        for part in self._packed_step.run(rows, self._divisor):
            parts.append(part)
            tokens += part.tokens
            if tokens < rows.tokens and self._owner is not None and self._owner.ends_in_step():
                self.model.zero_grad()
                raise StepInterrupted
        self._record.losses += [part.total for part in parts]
        self._record.sections += [part.by_section for part in parts]
        return torch.stack([part.total for part in parts]).sum()

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Suiron's loss, which tells the sections apart, except where Unsloth has changed the model: there TRL's, which
        does not, and which cannot weight sections."""
        if self.head_model is not None:
            losses = self.head_model.padded_losses(inputs, num_items_in_batch)
            self._record.sections.append(losses.by_section)
            return (losses.total, None) if return_outputs else losses.total
        if self.args.device.type != "cpu" and "weights" not in inputs:
            inputs = {name: value for name, value in inputs.items() if name not in _NOT_FOR_THE_MODEL}
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch=num_items_in_batch)
        each = token_losses(model, inputs)
        self._record.sections.append(each.by_section())
        loss = each.mean(num_items_in_batch)
        return (loss, None) if return_outputs else loss

    def evaluation_part(self, batch: dict[str, torch.Tensor]) -> EvaluationPart:
        """The losses of one batch that is not trained on. The caller sets the model's mode."""
        inputs = self._prepare_inputs(batch)
        labels = inputs["labels"][:, 1:]
        if self.head_model is not None:
            whole = self.head_model.padded_losses(inputs, 1.0, every_token=True)
            trained = labels != IGNORED_LABEL
            weight = float((inputs["weights"][:, 1:] * trained).sum() if "weights" in inputs else trained.sum())
            return EvaluationPart(float(whole.total), weight, whole.by_section)
        if self.args.device.type != "cpu" and "weights" not in inputs:
            inputs = {name: value for name, value in inputs.items() if name not in _NOT_FOR_THE_MODEL}
            count = int((labels != IGNORED_LABEL).sum())
            loss = float(super().compute_loss(self.model, inputs)) * count
            return EvaluationPart(loss, count, torch.zeros(2, SECTION_COUNT, dtype=torch.float64))
        logits = inputs["input_ids"].numel() * self.model.config.vocab_size * 4
        each = token_losses(self.model, inputs, every_token=logits < _EVERY_LOGIT_BYTES)
        count = len(each.losses) if each.trained is None else int(each.trained.sum())
        divisor = float(count) if each.weights is None else float(each.weights.sum())
        return EvaluationPart(float(each.mean()) * divisor, divisor, each.by_section())

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> tuple[list[Any], Any]:
        """The batches of a step and the divisor of its loss; see `loss_divisor`."""
        batches, _ = super().get_batch_samples(*args, **kwargs)
        if batches and "packed" in batches[0]:
            parts = [batch["packed"] for batch in batches]
            self._waiting, self._divisor = [], sum(part.weight for part in parts)
            self._record.rows = [torch.from_numpy(part.rows) for part in parts]
            return batches, None
        self._record.rows = [batch["rows"] for batch in batches if "rows" in batch]
        return batches, self.loss_divisor(batches)

    def _track_num_input_tokens(self, inputs: dict[str, Any]) -> None:
        if "packed" in inputs:  # known without waiting for the device
            self.state.num_input_tokens_seen += inputs["packed"].tokens
        else:
            super()._track_num_input_tokens(inputs)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Is not counted: the trainer would go through all parameters at each batch, for a number that nobody reads."""
        return 0

    def _clip_grad_norm(self, model: Any) -> Any:
        if self._packed_step is None or self.args.fp16:  # gradients in float16 are scaled
            return super()._clip_grad_norm(model)
        if not self._trained:  # going through all parameters of a large model takes milliseconds
            self._trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        return torch.nn.utils.clip_grad_norm_(self._trained, self.args.max_grad_norm)

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        self._record.grad_norm = super()._get_grad_norm(model, grad_norm)
        return self._record.grad_norm

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if self._owner is not None:
            self._owner.save(self)

    def _evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        self.control.should_evaluate = False
        return self._owner.evaluate(self) if self._owner is not None else {}

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Writes no card: TRL would put one full of placeholders into every checkpoint."""


def make_trainer(
    loaded: LoadedModel,
    spec: RunSpec,
    prepared: TrainingSet,
    output: Path,
    record: StepRecord,
    callbacks: Sequence[TrainerCallback],
    owner: StepOwner | None = None,
    rows: np.ndarray[Any, Any] | None = None,
) -> RunTrainer:
    """The run's trainer, ready to start. rows: those of `prepared` that are trained, by their index in it; all where
    None."""
    tokenizer = loaded.tokenizer
    hf_tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.raw, eos_token=tokenizer.eos, pad_token=tokenizer.eos
    )
    # TRL's own loss, which trains unweighted rows with Unsloth, does not tell the sections apart.
    tells_sections = loaded.backend.kind != "unsloth" or prepared.weighted
    adapter = [(parameter, parameter.data) for parameter in loaded.model.parameters() if parameter.requires_grad]
    trainer = RunTrainer(
        model=loaded.model,
        args=_settings(spec, output, loaded),
        train_dataset=trainer_dataset(prepared, rows),
        data_collator=ExampleCollator(tokenizer.eos_id, prepared, tells_sections),
        processing_class=hf_tokenizer,
        callbacks=list(callbacks),
        record=record,
        owner=owner,
        packed_collator=PackedCollator(prepared),
    )
    # TRL rounds the adapter of a 4-bit model to bfloat16, in which small updates are lost.
    for parameter, values in adapter:
        parameter.data = values
    trainer.remove_callback(PrinterCallback)  # a line a step
    return trainer


def _automatic_optimizer(loaded: LoadedModel) -> str:
    """AdamW in one kernel on CUDA: the state of an adapter is small, and 8-bit AdamW takes a kernel for each matrix.
    With Unsloth 8-bit AdamW, as in its own recipes."""
    if loaded.backend.device == "cpu":
        return "adamw_torch"
    return "adamw_8bit" if loaded.backend.kind == "unsloth" else "adamw_torch_fused"


def _settings(spec: RunSpec, output: Path, loaded: LoadedModel) -> Any:
    """The trainer's settings, all explicit, because TRL, transformers and Unsloth have different defaults."""
    train, on_cpu = spec.train, loaded.backend.device == "cpu"
    dtype = dtype_name(loaded.backend.device) if train.dtype == "auto" else train.dtype
    checkpointing = loaded.gradient_checkpointing
    non_reentrant = checkpointing and loaded.backend.kind == "transformers"
    checkpointing_options = {"use_reentrant": False} if non_reentrant else None
    return SFTConfig(
        output_dir=str(output),
        # rows
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,  # rows that are too long were left out or cut before; none may be cut here
        packing=False,
        padding_free=False,
        remove_unused_columns=False,
        completion_only_loss=None,  # the labels decide
        assistant_only_loss=False,
        shuffle_dataset=False,
        # Random even on a CPU, although grouping by length would save a fifth in padding: length depends on template
        # and language, so batches would have one template or one language, and the loss would jump between them.
        train_sampling_strategy="random",
        dataloader_num_workers=0,
        dataloader_pin_memory=not on_cpu,
        dataloader_drop_last=False,
        # steps
        per_device_train_batch_size=train.batch_size,
        gradient_accumulation_steps=train.gradient_accumulation,
        max_steps=train.steps if train.steps > 0 else -1,
        num_train_epochs=train.epochs,
        learning_rate=train.learning_rate,
        warmup_steps=train.warmup_steps,
        lr_scheduler_type=train.scheduler,
        optim=_automatic_optimizer(loaded) if train.optim == "auto" else train.optim,
        weight_decay=train.weight_decay,
        adam_beta1=0.9,
        adam_beta2=0.999,
        adam_epsilon=1e-8,
        max_grad_norm=train.max_grad_norm,
        loss_type="nll",
        label_smoothing_factor=0.0,
        neftune_noise_alpha=None,
        seed=train.seed,
        data_seed=train.seed,
        # numbers
        use_cpu=on_cpu,
        bf16=not on_cpu and dtype == "bfloat16",
        fp16=not on_cpu and dtype == "float16",
        gradient_checkpointing=checkpointing,
        gradient_checkpointing_kwargs=checkpointing_options,
        activation_offloading=False,
        torch_compile=False,
        # logging and saving: the callback decides about checkpoints
        logging_strategy="steps",
        logging_steps=1,
        logging_first_step=False,
        logging_nan_inf_filter=False,
        include_num_input_tokens_seen="non_padding",
        save_strategy="no",
        save_total_limit=None,
        save_only_model=False,
        eval_strategy="no",
        load_best_model_at_end=False,
        report_to="none",  # `NumberMirror` does, with the losses by section, and without waiting
        push_to_hub=False,
        disable_tqdm=True,
    )
