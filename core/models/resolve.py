"""Finds the complete folder of a model by the model's name, and fetches it from the hub where it is missing.

Knows files and their headers; imports no torch, and the hub's library only to fetch. A folder is checked by its configs
and headers: no weight is read.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import ModelError
from core.base.safe_text import safe_line
from core.models.embedded_model import DEMO_MODEL
from core.models.weights import weight_files

OnProgress = Callable[[str], None]
"""Gets short lines to show."""

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FETCHED = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.model", "merges.txt", "vocab.txt"]
_NOT_FETCHED = ["*.bin", "*.pt", "*.pth", "*.pkl", "*.gguf", "*.onnx", "original/*", "consolidated*", "onnx/*"]
_OFFLINE = "Check the network, HF_ENDPOINT and HF_HUB_OFFLINE, or name a local folder"
_LONGEST_CONFIG = 32_000_000  # bytes
_COPY_AGAIN = "Copy or download the model folder again"


class ModelRef(msgspec.Struct, frozen=True):
    """A resolved model name."""

    name: str
    """The name, as the user wrote it."""
    folder: Path | None
    """The checked folder; None for a model that must be made or fetched first."""
    is_demo: bool = False
    """Whether it is the embedded model."""
    is_hub: bool = False
    """Whether it is a name on the hub."""


def resolve_model(name: str, *, trust_remote_code: bool = False) -> ModelRef:
    """The model that `name` refers to: `demo`, a folder, which is checked completely, or a hub name `owner/name`. Reads
    the disk, never the network. Raises ModelError."""
    if name == DEMO_MODEL:
        return ModelRef(name, None, is_demo=True)
    path = Path(name).expanduser()
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, ValueError) as error:  # a name too long for the file system, or with a NUL
        do = "Name a folder, a hub name such as owner/name, or demo"
        raise ModelError("this is not the name of a model", safe_line(name, 200), do) from error
    if is_folder:
        folder = path.absolute()
        check_model_folder(folder, trust_remote_code=trust_remote_code)
        return ModelRef(name, folder)
    if is_file:
        raise ModelError("a model is a folder, and this is a file", name, f"Name its folder: {path.parent}")
    if _HUB_NAME.fullmatch(name) and not name.endswith(".git"):
        return ModelRef(name, None, is_hub=True)
    raise ModelError(
        "there is no such folder, and it is not a hub name",
        name,
        "Name a folder that exists, a hub name such as owner/name, or demo",
    )


def local_model_folder(name: str, progress: OnProgress, *, trust_remote_code: bool = False) -> Path:
    """The checked folder of the model `name`. The demo model is made and a hub model is fetched where they are missing.
    Raises ModelError."""
    ref = resolve_model(name, trust_remote_code=trust_remote_code)
    if ref.folder is not None:
        return ref.folder
    if ref.is_demo:
        from core.models.make_embedded_model import ensure_demo_model

        folder = ensure_demo_model(progress)
    else:
        folder = fetch_from_hub(name, progress)
    check_model_folder(folder, trust_remote_code=trust_remote_code)
    return folder


def check_model_folder(path: Path, *, trust_remote_code: bool = False) -> None:
    """Raise ModelError for the first problem that prevents loading the model in the folder `path`. Reads only configs
    and headers."""
    if (path / "adapter_config.json").is_file() and not (path / "config.json").is_file():
        raise ModelError("this is an adapter, not a complete model", str(path), _advice_for_adapter(path))
    if not (path / "config.json").is_file():
        raise ModelError(
            f"there is no config.json; {_contents(path)}",
            str(path),
            "Name the folder that save_pretrained or a download wrote",
        )
    config = read_model_config(path)
    weight_files(path, check=True)
    if not (path / "tokenizer.json").is_file():
        do = 'Save its fast tokenizer into it: AutoTokenizer.from_pretrained("...").save_pretrained("...")'
        raise ModelError(f"there is no tokenizer.json; {_contents(path)}", str(path), do)
    if config.get("auto_map") and not trust_remote_code and not _is_built_in(str(config.get("model_type", ""))):
        raise ModelError(
            "its config.json requires running the model's own Python code (auto_map), and trust_remote_code is off",
            str(path),
            "Read that code; if you trust it, set trust_remote_code = true under [model] in run.toml",
        )


def read_model_config(path: Path) -> dict[str, Any]:
    """The object in config.json of the folder `path`. Raises ModelError."""
    file = path / "config.json"
    try:
        if file.stat().st_size > _LONGEST_CONFIG:
            what = f"the file has {file.stat().st_size:,} bytes, far more than a config"
            raise ModelError(what, str(file), _COPY_AGAIN)
        config = msgspec.json.decode(file.read_bytes())
    except OSError as error:
        raise ModelError(f"the file cannot be read ({error.strerror})", str(file), "Check who may read it") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"the file is not JSON ({error})", str(file), _COPY_AGAIN) from error
    if not isinstance(config, dict):
        raise ModelError("the file does not contain a JSON object", str(file), _COPY_AGAIN)
    return config


def fetch_from_hub(name: str, progress: OnProgress, patterns: Sequence[str] = _FETCHED) -> Path:
    """The folder of the hub model `name`, downloaded where it is not in the hub's cache: safetensors, configs and
    tokenizer, never a pickle. patterns: only these files.

    Raises ModelError where the hub cannot be reached, has no such model, or refuses access. It shows no error of the
    hub's library behind it: their texts may quote the request with its token.
    """
    from huggingface_hub import errors as hub
    from huggingface_hub import snapshot_download

    progress(f"fetching {safe_line(name, 100)} from the hub")
    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns), ignore_patterns=_NOT_FETCHED))
    except hub.GatedRepoError:
        do = f"Accept its terms at https://huggingface.co/{name}, then log in on this machine with `hf auth login`"
        raise ModelError("the hub gives this model only to users who have accepted its terms", name, do) from None
    except hub.RepositoryNotFoundError:
        do = "Check the spelling; a private model needs `hf auth login` on this machine"
        raise ModelError("the hub has no such model, or it is private", name, do) from None
    except hub.LocalTokenNotFoundError:
        what, do = "this model needs a login to the hub, and there is none on this machine", "Log in: `hf auth login`"
        raise ModelError(what, name, do) from None
    except (hub.LocalEntryNotFoundError, hub.OfflineModeIsEnabled, ConnectionError, TimeoutError):
        raise ModelError("the hub cannot be reached, and the model is not in its cache", name, _OFFLINE) from None
    except hub.HfHubHTTPError as error:  # before OSError, which it is too
        if _http_status(error) in ("401", "403"):
            do = "Log in anew: `hf auth login`; a token in HF_TOKEN goes before it"
            raise ModelError("the hub does not accept the token of this machine", name, do) from None
        what = f"the hub refused the download (status {_http_status(error)})"
        raise ModelError(what, name, "Try again later") from None
    except OSError as error:
        what = f"the download could not be saved ({error.strerror or type(error).__name__})"
        raise ModelError(what, name, "Free some space, or set HF_HOME") from None
    except Exception as error:  # errors of the HTTP libraries underneath, of which there are several
        if any(kind.__name__ in ("TransportError", "ProxyError") for kind in type(error).__mro__):
            raise ModelError("the hub cannot be reached", name, _OFFLINE) from None
        what = f"the download failed ({type(error).__name__})"
        raise ModelError(what, name, "Try again, or name a local folder") from None


def _http_status(error: BaseException) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return str(status) if isinstance(status, int) else "unknown"


def _advice_for_adapter(path: Path) -> str:
    try:
        base = msgspec.json.decode((path / "adapter_config.json").read_bytes())["base_model_name_or_path"]
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        base = ""
    model = f" ({safe_line(str(base), 200)})" if base else ""
    return f"Name the model on which it was trained{model}"


def _contents(path: Path) -> str:
    try:
        names = sorted(entry.name for entry in os.scandir(path))
    except OSError as error:
        return f"the folder cannot be listed ({error.strerror})"
    if not names:
        return "the folder is empty"
    first = ", ".join(safe_line(name, 60) for name in names[:6])
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return f"there is {first}{more}"


def _is_built_in(model_type: str) -> bool:
    """Whether transformers has this architecture, so that the model's own code is not needed. Checks its folder without
    importing it."""
    spec = importlib.util.find_spec("transformers")
    if spec is None or not spec.submodule_search_locations or not re.fullmatch(r"[\w-]+", model_type):
        return False
    return (Path(next(iter(spec.submodule_search_locations))) / "models" / model_type.replace("-", "_")).is_dir()
