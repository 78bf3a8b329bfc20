"""The tokenizer of the model that a command names."""

from __future__ import annotations

from pathlib import Path

from core.base.command_output import CommandOutput
from core.base.errors import SuironError, UsageError
from core.tokens.tokenizer import TextTokenizer


def load_tokenizer(model: str, output: CommandOutput, trust_remote_code: bool = False) -> TextTokenizer:
    """The tokenizer of a model: a folder, a hub name or `demo`. Raises UsageError, ModelError."""
    folder = Path(model).expanduser()
    if not (folder / "tokenizer.json").is_file():
        from core.models.resolve import local_model_folder

        try:
            folder = local_model_folder(model, output.note, trust_remote_code=trust_remote_code)
        except SuironError as error:
            if folder.is_dir():
                do = "Name a model's folder, a hub name or `demo`"
                raise UsageError("the folder has no tokenizer.json", model, do) from error
            raise
    return TextTokenizer.from_folder(folder)
