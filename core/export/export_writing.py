"""Writes one export into an empty folder: merged weights, GGUF, a Modelfile, or the adapter. Everything that can be
wrong is checked when a `Writing` is made, before anything is written."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import msgspec

from core.base.cpu_cores import available_cores
from core.base.errors import ModelError
from core.examples.example import AnyTemplate, drops_empty_input
from core.export.export_spec import ADAPTER_TARGETS, TYPES_OF_TARGET, ExportSpec
from core.export.held_out_questions import run_mixture
from core.export.model_card import CardPrompt, base_licence, licence_text
from core.export.run_material import RunMaterial
from core.models.export.adapter_check import (
    AdapterFacts,
    check_for_vllm,
    check_peft_folder,
    portable_adapter_config,
    vllm_command,
)
from core.models.export.adapter_weights import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    LoraUpdate,
    read_adapter_config,
    read_lora_updates,
)
from core.models.export.disk_and_memory import check_disk, check_memory
from core.models.export.gguf_shapes import GgufShape, gguf_shape, gguf_tensor_names
from core.models.export.gguf_tokenizer import GgufTokenizer, gguf_tokenizer
from core.models.export.gguf_writing import GgufType, gguf_bytes, write_gguf
from core.models.export.merged_tensors import BaseWeights, MergedTensors
from core.models.export.model_tensors import StoredTensors, largest_tensor_bytes, total_weights
from core.models.export.number_formats import FLOAT_BYTES
from core.models.export.ollama_modelfile import modelfile, ollama_prompt
from core.models.export.safetensors_writing import OnTensor, sixteen_bit_format, write_safetensors_folder

MODELFILE = "Modelfile"
_QUANTIZE = "llama-quantize"
_MOST_CONTEXT = 8192  # tokens that a Modelfile asks Ollama to keep room for


class Writing:
    """One export that can be written. Raises ModelError for what cannot."""

    def __init__(self, spec: ExportSpec, material: RunMaterial, stored: StoredTensors) -> None:
        self._spec, self._material, self._stored = spec, material, stored
        self.remarks: list[str] = [material.base_remark] if material.base_remark else []
        """What other programs do differently, as clauses."""
        self._adapter: AdapterFacts | None = None
        self._shape: GgufShape | None = None
        self._tokenizer: GgufTokenizer | None = None
        self.updates: dict[str, LoraUpdate] = {}
        """What the adapter adds to the base model's tensors; empty where the adapter itself is written."""
        headers = stored.headers
        original = MergedTensors(stored, {})
        self.type = spec.type or (TYPES_OF_TARGET[spec.to][0] if self.is_gguf else "")
        """The number format of the weights."""
        self.type_is_tried = False
        """Whether the type is float16 only because nobody named one: it stays where the run's numbers fit."""
        if self.is_adapter:
            check = check_for_vllm if spec.to == "vllm" else check_peft_folder
            self._adapter = check(material.adapter)
            needed = sum(path.stat().st_size for path in material.adapter.iterdir() if path.is_file())
        else:
            self.updates = read_lora_updates(material.adapter, headers)
            if material.config.get("tie_word_embeddings") and self._changes_head():
                what = "the adapter changes the head, which is the embeddings again in this model"
                raise ModelError(what, str(material.adapter), "Export the adapter as it is with `--to adapter`")
            if self.is_gguf:
                needed = self._prepare_gguf(original)
            else:
                self.type_is_tried = not spec.type and bool(spec.check) and self.own_type != "f16"
                self.type = spec.type or ("f16" if self.type_is_tried else self.own_type)
                needed = total_weights(headers) * FLOAT_BYTES[self.type.upper()]
            check_memory(largest_tensor_bytes(headers))
        check_disk(Path(spec.out), needed)

    @property
    def own_type(self) -> str:
        """The base model's own 16-bit format."""
        return sixteen_bit_format(MergedTensors(self._stored, {})).lower()

    def take_own_type(self, why: str) -> None:
        """Write the base model's own format instead of the one that was tried. why: as a clause."""
        self.type, self.type_is_tried = self.own_type, False
        self.remarks.append(f"the weights are {self.type}, not f16, because {why}")

    def keep_type(self) -> None:
        """Float16 was tried: the run's numbers fit."""
        self.type_is_tried = False
        own = self.own_type
        self.remarks.append(f"f16 rounds merged weights less than the base model's {own}; `--type {own}` keeps that")

    @property
    def is_adapter(self) -> bool:
        return self._spec.to in ADAPTER_TARGETS

    @property
    def is_gguf(self) -> bool:
        return self._spec.to in ("gguf", "ollama")

    @property
    def gguf_name(self) -> str:
        """The name of the GGUF file."""
        return f"{self.model_name}-{self.type.upper()}.gguf"

    @property
    def model_name(self) -> str:
        """The run's name as one word."""
        return re.sub(r"[^A-Za-z0-9._]+", "-", self._material.spec.name).strip("-.") or "tuned"

    @property
    def rounding(self) -> str:
        """The 16-bit format in which both ways of merging a 4-bit run are compared."""
        return self.type.upper() if self.type in ("f16", "bf16") else self.own_type.upper()

    def tensors(self, base: BaseWeights, *, with_adapter: bool = True) -> MergedTensors:
        """The tuned model's tensors, or those of its base model."""
        compute = "F16" if self._material.facts.get("dtype") == "float16" else "BF16"
        return MergedTensors(self._stored, self.updates if with_adapter else {}, base, compute)

    def write(self, folder: Path, base: BaseWeights, on_tensor: OnTensor) -> None:
        """Write everything but the card. Raises OSError, ModelError, and what `on_tensor` raises."""
        if self.is_adapter:
            self._write_adapter(folder)
            return
        workers = available_cores()
        if not self.is_gguf:
            dtype = self.type.upper()
            write_safetensors_folder(self.tensors(base), self._material.base, folder, dtype, on_tensor, workers)
            return
        assert self._shape is not None and self._tokenizer is not None  # noqa: S101 - made with the GGUF checks
        about = {
            "name": self._material.spec.name,
            "base_model": self._material.base_name,
            "license": base_licence(self._material.base),
        }
        path, kind = folder / self.gguf_name, cast("GgufType", self.type)
        write_gguf(self.tensors(base), self._shape, self._tokenizer, path, kind, about, on_tensor, workers)
        if self._spec.to == "ollama":
            (folder / MODELFILE).write_text(self._modelfile(), encoding="utf-8")

    def commands(self) -> list[str]:
        """Lines to type in the export's folder."""
        if self._adapter is not None:
            if self._spec.to == "adapter":
                base = self._material.base_name
                return [f"peft.PeftModel.from_pretrained(model, '.')   (in Python; model: {base})"]
            return [vllm_command(self._material.base_name, self.model_name, Path("."), self._adapter)]
        if not self.is_gguf:
            return ["vllm serve .", "mlx_lm.convert --hf-path . --mlx-path ../mlx -q   (for MLX, on a Mac)"]
        lines = [shlex.join(["llama-server", "-m", self.gguf_name])]
        if self._spec.to == "ollama":
            lines.insert(0, shlex.join(["ollama", "create", self.model_name.lower(), "-f", MODELFILE]))
        if shutil.which(_QUANTIZE):
            smaller = f"{self.model_name}-Q4_K_M.gguf"
            lines.append(shlex.join([_QUANTIZE, self.gguf_name, smaller, "Q4_K_M"]))
        return lines

    def _prepare_gguf(self, original: MergedTensors) -> int:
        """Check shape, names and tokenizer; about how many bytes the file will have."""
        where = str(self._material.base)
        self._shape = self._shape_with_rows(gguf_shape(self._material.config, where))
        gguf_tensor_names(list(original.headers), self._shape, where)
        self._tokenizer = gguf_tokenizer(self._material.base, self._shape.vocabulary)
        self.remarks += [*self._shape.remarks, *self._tokenizer.remarks]
        if self.type == "q4_0":
            self.remarks.append("q4_0 keeps 4 bits of each weight: look at the agreement before you use it")
        if self._spec.to == "ollama":
            self._modelfile()  # raises for a template that it cannot hold
        return gguf_bytes(original, self.type)

    def _shape_with_rows(self, shape: GgufShape) -> GgufShape:
        """The shape with as many tokens as the embeddings have rows."""
        name = next((name for name in self._stored.headers if name.endswith("embed_tokens.weight")), None)
        rows = self._stored.headers[name].shape[0] if name is not None else shape.vocabulary
        return msgspec.structs.replace(shape, vocabulary=rows)

    def _changes_head(self) -> bool:
        return any(name.endswith(("lm_head.weight", "embed_tokens.weight")) for name in self.updates)

    def prompt(self) -> CardPrompt:
        """How the run asks a question, for the card. Raises SuironError where its templates are gone."""
        template = self._main_template()
        drop = drops_empty_input(self._material.spec.prompt, template)
        return CardPrompt(template.name, template.prompt("{question}", "", drop))

    def _main_template(self) -> AnyTemplate:
        """The run's template with the largest share."""
        mixture = run_mixture(self._material.spec, self._material.adapter, self._material.tokenizer)
        shares: Sequence[float] = mixture.shares()
        return mixture.templates[max(range(len(shares)), key=lambda index: shares[index])]

    def _modelfile(self) -> str:
        material = self._material
        template = self._main_template()
        begin = "".join(material.tokenizer.raw.id_to_token(id) or "" for id in material.tokenizer.bos_ids)
        drop = drops_empty_input(material.spec.prompt, template)
        prompt = ollama_prompt(template, drop, material.tokenizer.eos, begin)
        licence = licence_text(material.base) or base_licence(material.base)
        context = min(_MOST_CONTEXT, max(material.spec.prompt.max_seq_length, 2048))
        notes = (f"{material.spec.name}, trained on {material.base_name} with the template {template.name}",)
        return modelfile(self.gguf_name, prompt, context, licence, notes)

    def _write_adapter(self, folder: Path) -> None:
        adapter = self._material.adapter
        shutil.copyfile(adapter / ADAPTER_WEIGHTS, folder / ADAPTER_WEIGHTS)
        config = portable_adapter_config(read_adapter_config(adapter), self._material.base_name)
        (folder / ADAPTER_CONFIG).write_bytes(config)
