"""The demo run's settings, which the app proposes for the demo data and `python -m core demo` uses."""

from __future__ import annotations

from core.runs.spec import DataSection, ModelSection, RunSpec, TrainSection

STEPS = 60


def demo_spec() -> RunSpec:
    """A run of about two minutes on 2 cores, or seconds on a GPU: enough to learn the format of the answers and the
    easier questions.

    The learning rate is ten times the usual one, which a LoRA of rank 16 tolerates on a model this small, because the
    steps are few. Batches of 4 without accumulation: on a CPU a larger batch only gives fewer steps in the same time.
    """
    return RunSpec(
        name="demo",
        data=DataSection(source="demo"),
        model=ModelSection(name="demo"),
        train=TrainSection(
            steps=STEPS,
            batch_size=4,
            gradient_accumulation=1,
            learning_rate=2e-3,
            warmup_steps=5,
            # 135M parameters and short rows fit anywhere: recomputing activations would only cost time
            gradient_checkpointing=False,
        ),
    )
