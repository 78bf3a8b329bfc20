"""The trainer: TRL's SFTTrainer for rows that are already token ids, with every setting explicit.

Imports trl, which must be imported after `prepare_imports`, and after Unsloth where that trains, because Unsloth
replaces SFTTrainer: import this module only once the model is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset
from datasets.table import InMemoryTable
from transformers import PreTrainedTokenizerFast, TrainerCallback
from trl import SFTConfig, SFTTrainer

from core.examples.build import TrainingSet
from core.models.backend import dtype_name
from core.models.loading import LoadedModel
from core.runs.spec import RunSpec
from core.tokens.loss_mask import IGNORED_LABEL
from core.training.loss import labelled_cross_entropy


class ExampleCollator:
    """Makes tensors of shape (rows, longest) of examples, padded on the right. Padding has no label, no weight and no
    attention, so that its id does not matter.

    An item of the data set is the example's ids and its index in `prepared`, which has its labels.
    """

    def __init__(self, pad_id: int, prepared: TrainingSet) -> None:
        self._pad_id, self._prepared = pad_id, prepared

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        ids = [np.asarray(row["input_ids"], np.int64) for row in rows]
        labels = [self._prepared.labels(row["row"]) for row in rows]
        attention = [np.ones_like(row_ids) for row_ids in ids]
        batch = {
            "input_ids": _padded(ids, self._pad_id),
            "labels": _padded(labels, IGNORED_LABEL),
            "attention_mask": _padded(attention, 0),
        }
        if self._prepared.weighted:
            weights = [self._prepared.token_weights(row["row"]) for row in rows]
            batch["weights"] = _padded(weights, 0.0)
        return batch


def _padded(rows: Sequence[np.ndarray[Any, Any]], filler: float) -> torch.Tensor:
    """Rows as one tensor of shape (rows, longest): int64, or float32 where the filler is a float."""
    dtype = np.float32 if isinstance(filler, float) else np.int64
    out = np.full((len(rows), max(map(len, rows))), filler, dtype)
    for index, row in enumerate(rows):
        out[index, : len(row)] = row
    return torch.from_numpy(out)


class RunTrainer(SFTTrainer):  # type: ignore[misc]
    """TRL's trainer with Suiron's loss. losses: gets the loss of every forward pass of the current step."""

    def __init__(self, *args: Any, losses: list[torch.Tensor], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._losses = losses

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        loss: torch.Tensor = super().training_step(*args, **kwargs)
        self._losses.append(loss.detach())
        return loss

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Suiron's loss on a CPU, because TRL's is a Triton kernel, and where sections are weighted, which TRL does not
        support; otherwise TRL's."""
        if self.args.device.type != "cpu" and "weights" not in inputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch=num_items_in_batch)
        loss = labelled_cross_entropy(model, inputs, num_items_in_batch)
        return (loss, None) if return_outputs else loss

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> tuple[list[Any], Any]:
        """The batches of a step and the divisor of its loss. With weighted sections that is the sum of the weights, so
        that gradient accumulation does not change the loss."""
        batches, items = super().get_batch_samples(*args, **kwargs)
        if items is not None and batches and "weights" in batches[0]:
            batch_weights = (
                (batch["weights"][:, 1:] * (batch["labels"][:, 1:] != IGNORED_LABEL)).sum() for batch in batches
            )
            items = sum(batch_weights).to(self.args.device)
        return batches, items

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Writes no card: TRL would put one full of placeholders into every checkpoint."""


def trainer_dataset(prepared: TrainingSet) -> Dataset:
    """The examples as columns `input_ids` and `row`, their index in `prepared`.

    The ids stay memory-mapped, in the order of the store, with an index table. A training set of any size takes the
    same memory, except for a few numbers per row.
    """
    positions = prepared.store_positions
    row_by_position = np.zeros(len(prepared.store), np.int64)
    row_by_position[positions] = np.arange(len(positions))
    chunks = []
    for tokens, starts, first in prepared.store.chunks():
        ids = pa.Array.from_buffers(pa.int32(), len(tokens), [None, pa.py_buffer(tokens)])
        rows = row_by_position[first : first + len(starts) - 1]
        chunks.append(
            pa.record_batch({"input_ids": pa.LargeListArray.from_arrays(pa.array(starts), ids), "row": pa.array(rows)})
        )
    # Rows with equal text share one entry of the store; for the trainer they are the same example.
    index = pa.table({"indices": pa.array(positions.astype(np.uint64))})
    return Dataset(pa.Table.from_batches(chunks), indices_table=InMemoryTable(index), fingerprint=prepared.hash)


def make_trainer(
    loaded: LoadedModel,
    spec: RunSpec,
    prepared: TrainingSet,
    output: Path,
    losses: list[torch.Tensor],
    callback: TrainerCallback,
) -> RunTrainer:
    """The run's trainer, ready to start. Checkpoints go into `output` when `callback` asks for them."""
    tokenizer = loaded.tokenizer
    hf_tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.raw, eos_token=tokenizer.eos, pad_token=tokenizer.eos
    )
    return RunTrainer(
        model=loaded.model,
        args=_settings(spec, output, loaded),
        train_dataset=trainer_dataset(prepared),
        data_collator=ExampleCollator(tokenizer.eos_id, prepared),
        processing_class=hf_tokenizer,
        callbacks=[callback],
        losses=losses,
    )


def _settings(spec: RunSpec, output: Path, loaded: LoadedModel) -> Any:
    """The trainer's settings, all explicit, because TRL, transformers and Unsloth have different defaults."""
    train, on_cpu = spec.train, loaded.backend.device == "cpu"
    dtype, checkpointing = dtype_name(loaded.backend.device), loaded.gradient_checkpointing
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
        optim=("adamw_torch" if on_cpu else "adamw_8bit") if train.optim == "auto" else train.optim,
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
        report_to="none",
        push_to_hub=False,
        disable_tqdm=True,
    )
