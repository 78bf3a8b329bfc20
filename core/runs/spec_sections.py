"""The sections of a training run's specification, with all their settings and defaults."""

from __future__ import annotations

from typing import Literal

import msgspec

from core.tokens.loss_mask import LossOn
from core.tokens.truncation import TooLong

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The seven linear layers of a decoder block, by the names that Llama, Qwen and Mistral share."""


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file. An unknown key is an error: a misspelt setting must not silently keep its default."""


class DataSection(_Section, frozen=True):
    """[data]: the rows of the run."""

    source: str
    """A path, a pattern, a folder, a hub name, or `demo`."""
    split: str = ""
    """The split of a hub name or of a directory that `datasets` saved; empty for its default."""
    train_flag: str = "train"
    """Only rows with this `sysflag` are trained on. Empty: all rows. A source without that column trains on all."""
    columns: dict[str, str] | None = None
    """The source column for each of the six, as `NAME` or `NAME:HOW`; a column that is not listed stays empty. None:
    the mapping that the user saved beside the data, or a guess."""
    names: tuple[str, ...] = ()
    """The columns of a CSV or TSV file that has no header. Empty: those that the user saved beside the data, or the
    header."""


class ModelSection(_Section, frozen=True):
    """[model]: the model to train."""

    name: str
    """A folder, a hub name, or `demo`."""
    load_in_4bit: bool = True
    """Load the base weights in 4 bit. Only CUDA does; elsewhere it has no effect."""
    trust_remote_code: bool = False
    """Run the model author's own code."""


class MixturePart(_Section, frozen=True):
    """One template of the mixture and its weight."""

    template: str
    """The template's name."""
    weight: float = 1.0
    """Its share of the rows, relative to the sum of all weights."""


def mixture_of_two(
    vanilla_share: float, vanilla: str = "alpaca", reasoning: str = "alpaca-reasoning"
) -> tuple[MixturePart, ...]:
    """A mixture of two: `vanilla_share` (0 to 1) of the rows without their reasoning, the others with it."""
    return (
        MixturePart(template=vanilla, weight=vanilla_share),
        MixturePart(template=reasoning, weight=1.0 - vanilla_share),
    )


class PromptSection(_Section, frozen=True):
    """[prompt]: how a row becomes text, which tokens are trained, and what happens to long rows."""

    mixture: tuple[MixturePart, ...] = mixture_of_two(0.15)
    """The templates, drawn for each row by `seed` and the row's identity. A row without reasoning only draws from the
    templates without reasoning."""
    seed: int = 3442
    """Seed of the draw."""
    drop_empty_input: bool | None = None
    """Leave out the input block of a row with an empty input. None: each template's setting."""
    max_seq_length: int = 2048
    """The most tokens of a row, including its end of sequence."""
    too_long: TooLong = "drop"
    """What happens to a longer row: `drop`, `cut_reasoning` (its middle; prompt, answer and end stay) or `cut_end`
    (which teaches the model not to end)."""
    loss_on: LossOn = "completion"
    """Which tokens are trained: `completion`, `all`, `response`, or a weight for each of prompt, reasoning, response
    and end."""

    @property
    def vanilla_share(self) -> float | None:
        """The share of the first of two templates, 0 to 1; None where the mixture does not have two."""
        if len(self.mixture) != 2:
            return None
        total = sum(part.weight for part in self.mixture)
        return self.mixture[0].weight / total if total > 0 else None


class LoraSection(_Section, frozen=True):
    """[lora]: the adapter."""

    r: int = 16
    """Rank of the LoRA matrices."""
    alpha: int = 16
    """The adapter's output is scaled by alpha / r (alpha / sqrt(r) with rsLoRA)."""
    dropout: float = 0.0
    """Dropout on the adapter's input, 0 up to 1."""
    target_modules: tuple[str, ...] = PROJECTIONS
    """Names of the linear layers that get an adapter."""
    bias: Literal["none"] = "none"
    """Only `none`: an adapter that changes biases cannot be switched off again to use the base model."""
    use_rslora: bool = False
    """Rank-stabilised LoRA (arXiv 2312.03732)."""
    init_from: str = ""
    """A run's id, or the folder of an adapter, whose weights the training starts from; empty for new ones."""


class TrainSection(_Section, frozen=True):
    """[train]: the optimizer and its steps."""

    steps: int = 0
    """Optimizer steps; 0: as many as `epochs` need."""
    epochs: float = 1.0
    """Passes over the rows, where `steps` is 0."""
    batch_size: int = 2
    """Rows of one forward pass."""
    gradient_accumulation: int = 4
    """Forward passes of one optimizer step."""
    learning_rate: float = 2e-4
    """The peak, reached after `warmup_steps`."""
    warmup_steps: int = 5
    """Optimizer steps until the peak."""
    scheduler: str = "linear"
    """A learning rate schedule of transformers, by name."""
    weight_decay: float = 0.01
    """AdamW's decoupled weight decay."""
    max_grad_norm: float = 1.0
    """Gradients are clipped to this norm."""
    optim: str = "auto"
    """An optimizer of transformers, by name; `auto`: AdamW, in 8 bit with Unsloth."""
    seed: int = 3442
    """Seed of the row order, the first adapter weights and dropout."""
    gradient_checkpointing: bool = True
    """Compute activations again in the backward pass instead of keeping them: less memory, more time."""
    save_steps: int = 0
    """Optimizer steps between checkpoints; 0: only the last one."""
    keep_checkpoints: int = 3
    """How many whole checkpoints are kept, the newest; 0: all. The newest whole one always stays."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """The number format of weights that are not quantised; `auto`: what the device computes fastest in."""
    threads: int = 0
    """Threads of a training on the CPU; 0: one for each core. With another number the sums round differently."""
    step: Literal["auto", "padded", "packed", "captured"] = "auto"
    """How an optimizer step is computed: `padded`: in batches padded to their longest row; `packed`: its rows one after
    the other, without padding, in as few passes as fit; `captured`: the same, recorded as a CUDA graph; `auto`: what is
    fastest on the run's own rows. The loss is the same. What the model does not allow falls back."""
    on_bad_loss: Literal["stop", "back_off", "go_on"] = "stop"
    """What a loss does that is not a finite number, or far above the first ones: `stop` the run; `back_off`: leave out
    the update and halve the learning rate, three times at most; `go_on`."""
    insist: bool = False
    """Train although the weights alone take more memory than the device has, which is otherwise refused."""
    report_to: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ()
    """Programs that get a copy of the numbers, where they are installed."""
    on_end: str = ""
    """A shell command that the run's process starts when it ends, with how it ended in its environment (SUIRON_RUN,
    SUIRON_STATE, SUIRON_LOSS and others); empty for none."""


class ValidationSection(_Section, frozen=True):
    """[validation]: training rows that are kept out, to see whether the run learns more than them by heart."""

    share: float = 0.0
    """Share of the training rows that is kept out, from 0 to 0.5, drawn by `seed` and each row's texts. Rows that are
    marked as test rows are never drawn."""
    seed: int = 3442
    """Seed of the draw."""
    steps: int = 0
    """Optimizer steps between evaluations; 0: only at the end."""
    patience: int = 0
    """Evaluations without a lower loss after which the run stops; 0: never."""
    use_best: bool = False
    """At the end, the adapter is that of the evaluation with the lowest loss instead of the last one."""


class SamplesSection(_Section, frozen=True):
    """[samples]: probe questions that the model answers while it learns."""

    steps: int = 0
    """Optimizer steps between samples, the first before step 1; 0: only where `runs control ID sample` asks for one."""
    questions: int | tuple[int | str, ...] = 4
    """How many rows are asked, drawn by their texts from the rows kept out, else from test rows, else from the rows
    that are trained on; or a list of row numbers (from 0) and questions of your own."""
    max_tokens: int = 256
    """The most tokens of an answer."""


class RunSpec(_Section, frozen=True):
    """The complete specification of a run."""

    data: DataSection
    """[data]"""
    model: ModelSection
    """[model]"""
    prompt: PromptSection = PromptSection()
    """[prompt]"""
    lora: LoraSection = LoraSection()
    """[lora]"""
    train: TrainSection = TrainSection()
    """[train]"""
    validation: ValidationSection = ValidationSection()
    """[validation]"""
    samples: SamplesSection = SamplesSection()
    """[samples]"""
    name: str = "run"
    """A name for users; part of the run's id."""
