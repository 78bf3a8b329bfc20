"""Where the engine lives: private folders, short paths, one lock, what a killed one leaves."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from core.base import folders
from core.base.errors import EngineError
from core.engine import launch


@pytest.fixture(autouse=True)
def no_runtime_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_socket_and_its_folder_are_private_and_go_with_the_engine() -> None:
    assert launch.find_engine() is None
    with launch.claim_engine():
        path = launch.socket_path()
        assert (mode(path), mode(path.parent)) == (0o600, 0o700)
        assert path.is_relative_to(folders.home())
        assert launch.find_engine() == path
        with pytest.raises(launch.AlreadyRunning), launch.claim_engine():
            pass
        assert launch.engine_running(), "the second one must not take the socket away"
    assert not path.exists()
    assert not launch.engine_running()


def test_a_private_runtime_folder_is_preferred_and_an_open_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    with launch.claim_engine():
        path = launch.socket_path()
        assert path.parent == runtime / "suiron"
        assert mode(path.parent) == 0o700
        monkeypatch.delenv("XDG_RUNTIME_DIR")  # another shell of the same user may lack it
        assert launch.find_engine() == path
    runtime.chmod(0o755)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    assert not launch.socket_path().is_relative_to(runtime)


def test_a_home_too_deep_for_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100)
    monkeypatch.setenv("SUIRON_HOME", str(deep))
    monkeypatch.setattr(launch.tempfile, "gettempdir", lambda: str(tmp_path.parent.parent))
    path = launch.socket_path()
    assert not path.is_relative_to(deep)
    assert len(os.fsencode(path)) <= launch.PATH_LIMIT
    with launch.claim_engine():
        assert mode(path.parent) == 0o700
        assert launch.find_engine() == path
        path.parent.chmod(0o777)  # no longer only ours: whoever listens there could be anybody
        assert launch.find_engine() is None
    path.parent.rmdir()
    monkeypatch.setattr(launch.tempfile, "gettempdir", lambda: str(deep))
    with pytest.raises(EngineError, match="short enough"):
        launch.socket_path()


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(EngineError, match="open to other users"), launch.claim_engine(tmp_path / "x.sock"):
        pass
    link = tmp_path / "link"
    link.symlink_to(folders.home())
    with pytest.raises(EngineError, match="open to other users"), launch.claim_engine(link / "x.sock"):
        pass
    with pytest.raises(EngineError, match="longer than"), launch.claim_engine(tmp_path / ("x" * 120)):
        pass


def test_a_stale_socket_is_replaced_a_living_one_and_other_files_are_not() -> None:
    path = launch.socket_path()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.is_socket()
    with launch.claim_engine():
        assert launch.engine_running()

    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen()
        with pytest.raises(launch.AlreadyRunning), launch.claim_engine():
            pass
    path.unlink()
    path.write_text("not a socket")
    with pytest.raises(EngineError, match="cannot be created"), launch.claim_engine():
        pass
    assert path.read_text() == "not a socket"


@pytest.mark.parametrize("written", [b"", b"{", b"[]", b'{"pid": 1, "socket": "/nowhere/x.sock"}', b'{"pid": 1}'])
def test_whatever_the_lock_file_says_after_a_crash_no_engine_is_found(written: bytes) -> None:
    with launch.claim_engine():
        pass
    next(launch.engine_folder().glob("*.lock")).write_bytes(written)
    assert launch.find_engine() is None
    with launch.claim_engine():
        assert launch.engine_running()
