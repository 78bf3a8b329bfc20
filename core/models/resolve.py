"""From a model's name to a whole folder on this disk. Knows files and headers; imports no torch, and the hub's library
only to fetch.

A folder is judged by what its files say of themselves: no weight is read.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import ModelError
from core.base.safe_text import safe_line
from core.models.embedded_model import DEMO
from core.models.weights import weight_files

Progress = Callable[[str], None]

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_TAKEN = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.model", "merges.txt", "vocab.txt"]
_LEFT = ["*.bin", "*.pt", "*.pth", "*.pkl", "*.gguf", "*.onnx", "original/*", "consolidated*", "onnx/*"]
_WHOLE = "Take the model's folder whole: copy or download it again"


class ModelRef(msgspec.Struct, frozen=True):
    """What a name means. folder: where it stands, None where it must be made or fetched first."""

    name: str
    folder: Path | None
    is_demo: bool = False
    is_hub: bool = False


def resolve_model(name: str, *, trust_remote_code: bool = False) -> ModelRef:
    """`demo`, a folder, or a hub name `owner/name`; a folder is checked whole. Looks at the disk, never at the network.
    Raises ModelError."""
    if name == DEMO:
        return ModelRef(name, None, is_demo=True)
    path = Path(name).expanduser()
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, ValueError) as error:  # a name too long for the file system, or with a NUL
        raise ModelError(
            "this is no name of a model", safe_line(name, 200), "Name a folder, a hub name such as owner/name, or demo"
        ) from error
    if is_folder:
        folder = path.absolute()
        check_folder(folder, trust_remote_code=trust_remote_code)
        return ModelRef(name, folder)
    if is_file:
        raise ModelError("a model is a folder, and this is a file", name, f"Name its folder: {path.parent}")
    if _HUB_NAME.fullmatch(name) and not name.endswith(".git"):
        return ModelRef(name, None, is_hub=True)
    raise ModelError(
        "there is no such folder, and it is no hub name",
        name,
        "Name a folder that exists, a hub name such as owner/name, or demo",
    )


def local_folder(name: str, progress: Progress, *, trust_remote_code: bool = False) -> Path:
    """The whole, checked folder of the model `name`; the demo model is made and a hub model fetched where needed.
    Raises ModelError."""
    ref = resolve_model(name, trust_remote_code=trust_remote_code)
    if ref.folder is not None:
        return ref.folder
    if ref.is_demo:
        from core.models.embedded_model import ensure_demo_model

        folder = ensure_demo_model(progress)
    else:
        folder = fetch(name, progress)
    check_folder(folder, trust_remote_code=trust_remote_code)
    return folder


def check_folder(path: Path, *, trust_remote_code: bool = False) -> None:
    """Raises ModelError for the first thing that keeps the model in `path` from being loaded. Reads configs and headers
    alone."""
    if (path / "adapter_config.json").is_file() and not (path / "config.json").is_file():
        raise ModelError("this is an adapter, not a whole model", str(path), _base_of(path))
    if not (path / "config.json").is_file():
        raise ModelError(
            f"there is no config.json; {_contents(path)}",
            str(path),
            "Name the folder that save_pretrained or a download has written",
        )
    config = read_config(path)
    weight_files(path, check=True)
    if not (path / "tokenizer.json").is_file():
        do = 'Save its fast tokenizer there: AutoTokenizer.from_pretrained("...").save_pretrained("...")'
        raise ModelError(f"there is no tokenizer.json; {_contents(path)}", str(path), do)
    if config.get("auto_map") and not trust_remote_code and not _is_built_in(str(config.get("model_type", ""))):
        raise ModelError(
            "its config.json asks to run Python code that comes with the model (auto_map), and trust_remote_code is off",
            str(path),
            "Read that code; if you trust it, set trust_remote_code = true under [model] in the run's specification",
        )


def read_config(path: Path) -> dict[str, Any]:
    """config.json of the folder `path`. Raises ModelError."""
    file = path / "config.json"
    try:
        config = msgspec.json.decode(file.read_bytes())
    except OSError as error:
        raise ModelError(f"the file cannot be read ({error.strerror})", str(file), "Check who may read it") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"the file is no JSON ({error})", str(file), _WHOLE) from error
    if not isinstance(config, dict):
        raise ModelError("the file holds no JSON object", str(file), _WHOLE)
    return config


def fetch(ref: str, progress: Progress) -> Path:
    """The folder of the hub model `ref`, downloaded where it is not in the hub's cache: safetensors, configs and
    tokenizer, never a pickle.

    Raises ModelError where the hub cannot be reached, has no such model, or gates it.
    """
    from huggingface_hub import errors as hub
    from huggingface_hub import snapshot_download

    progress(f"fetching {safe_line(ref, 100)} from the hub")
    try:
        return Path(snapshot_download(ref, allow_patterns=_TAKEN, ignore_patterns=_LEFT))
    except hub.GatedRepoError as error:
        do = f"Accept its terms at https://huggingface.co/{ref}, then log in on this machine with `hf auth login`"
        raise ModelError("the hub gives this model only to those who accepted its terms", ref, do) from error
    except hub.RepositoryNotFoundError as error:
        do = "Check the spelling; a private model needs `hf auth login` on this machine"
        raise ModelError("the hub has no such model, or it is private", ref, do) from error
    except (hub.LocalEntryNotFoundError, hub.OfflineModeIsEnabled, ConnectionError, TimeoutError) as error:
        raise ModelError("the hub cannot be reached, and the model is not in its cache", ref, _OFFLINE) from error
    except (
        hub.HfHubHTTPError
    ) as error:  # an OSError too; its text may quote the request's headers, so it stays out, also as a cause
        raise ModelError(
            f"the hub refused the download (status {_http_status(error)})", ref, "Try again later"
        ) from None
    except OSError as error:
        raise ModelError(
            f"the download could not be kept ({error.strerror or type(error).__name__})",
            ref,
            "Free some space, or set HF_HOME",
        ) from error
    except Exception as error:  # errors of the HTTP libraries beneath, of which there are several
        if any(kind.__name__ in ("TransportError", "ProxyError") for kind in type(error).__mro__):
            raise ModelError("the hub cannot be reached", ref, _OFFLINE) from None
        raise ModelError(
            f"the download failed ({type(error).__name__})", ref, "Try again; or name a local folder"
        ) from None


_OFFLINE = "Check the network, HF_ENDPOINT and HF_HUB_OFFLINE; or name a local folder, which needs no network"


def _http_status(error: BaseException) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return str(status) if isinstance(status, int) else "unknown"


def _base_of(path: Path) -> str:
    try:
        base = msgspec.json.decode((path / "adapter_config.json").read_bytes())["base_model_name_or_path"]
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        base = ""
    return (
        f"Name the model it was trained on ({safe_line(str(base), 200)})"
        if base
        else "Name the model it was trained on"
    )


def _contents(path: Path) -> str:
    try:
        names = sorted(entry.name for entry in os.scandir(path))
    except OSError as error:
        return f"the folder cannot be listed ({error.strerror})"
    if not names:
        return "the folder is empty"
    shown = ", ".join(safe_line(name, 60) for name in names[:6])
    return f"there is {shown}{f' and {len(names) - 6} more' if len(names) > 6 else ''}"


def _is_built_in(model_type: str) -> bool:
    """Whether transformers brings this architecture itself, so that the model's own code is not needed. Looks at its
    folder, does not import it."""
    spec = importlib.util.find_spec("transformers")
    if spec is None or not spec.submodule_search_locations or not re.fullmatch(r"[\w-]+", model_type):
        return False
    return (Path(next(iter(spec.submodule_search_locations))) / "models" / model_type.replace("-", "_")).is_dir()
