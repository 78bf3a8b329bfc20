"""The protocol of child processes, with real processes: tiny modules that are written here and run by name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from core.base.child import Child, ChildDied, ChildProgress, ChildTimedOut, encode_line, environment
from core.base.errors import DataError, ModelError, SuironError, error_record, error_sentences

Make = Callable[[str], str]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Writes a child module whose function `work` has the given body; returns its name."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(body: str) -> str:
        head = (
            "import os, signal, subprocess, sys, time\n"
            "from core.base import errors\n"
            "from core.base.child_main import answer_parent\n"
        )
        work = "def work(request, progress):\n" + textwrap.indent(textwrap.dedent(body).strip(), "    ")
        (tmp_path / "tiny_child.py").write_text(f"{head}\n{work}\n\nanswer_parent(work)\n")
        return "tiny_child"

    return make


def test_an_answer_and_progress(module: Make) -> None:
    name = module("""
        progress("counting", 1, 2)
        progress("adding", 2, 2)
        return {"sum": sum(request["numbers"]), "cwd": os.getcwd(), "more": os.environ["MORE"]}
    """)
    heard: list[ChildProgress] = []
    with Child(name, {"numbers": [1, 2, 3]}, folder=Path("/"), variables={"MORE": "x"}) as child:
        assert child.answer(heard.append) == {"sum": 6, "cwd": "/", "more": "x"}
    assert heard == [ChildProgress("counting", 1, 2), ChildProgress("adding", 2, 2)]


def test_progress_about_the_same_work_is_thinned(module: Make) -> None:
    name = module("for n in range(100_000): progress('counting', n, 100_000)")
    heard: list[ChildProgress] = []
    with Child(name, None) as child:
        assert child.answer(heard.append) is None
    assert 1 <= len(heard) < 1000 and heard[0].done == 0


@pytest.mark.parametrize("size", [0, 1, 65_536, 30_000_001])
def test_a_binary_answer(module: Make, size: int) -> None:
    name = module("progress('', 0, 0); return (b'0123456789' * (request // 10 + 1))[:request]")
    with Child(name, size) as child:
        content = child.answer()
    assert bytes(content) == (b"0123456789" * (size // 10 + 1))[:size]


def test_a_large_request_and_lent_files(module: Make, tmp_path: Path) -> None:
    (tmp_path / "lent").write_bytes(b"content")
    name = module("return [len(request['text']), os.pread(request['file'], 99, 0).decode()]")
    with open(tmp_path / "lent", "rb") as file:
        request = {"text": "x" * 1_000_000, "file": file.fileno()}
        with Child(name, request, lent_files=[file.fileno()]) as child:
            assert child.answer() == [1_000_000, "content"]


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        ("errors.DataError('it is damaged', request, 'Copy it again')", DataError),
        ("errors.SuironError('it is damaged', request, 'Copy it again')", SuironError),
        ("type('Special', (errors.ModelError,), {})('it is damaged', request, 'Copy it again')", ModelError),
    ],
)
def test_an_error_keeps_its_class_and_parts(module: Make, raised: str, kind: type[SuironError]) -> None:
    path = os.fsdecode(b"/data/r\xff\xe9ihe \xe6\x8e\xa8.jsonl")  # not UTF-8
    with pytest.raises(kind) as caught, Child(module(f"raise {raised}"), path) as child:
        child.answer()
    assert type(caught.value) is kind
    assert error_record(caught.value) == {"what": "it is damaged", "where": path, "do": "Copy it again"}
    assert os.fsencode(caught.value.where) == b"/data/r\xff\xe9ihe \xe6\x8e\xa8.jsonl"


def test_what_libraries_print_is_ignored(module: Make) -> None:
    name = module("""
        print('{"result": "not this"}')
        print("half a line", end="", flush=True)
        os.system("echo from another process")
        os.write(1, b'{"error": 1}\\n[1]\\n\\xff\\n')
        return "this"
    """)
    with Child(name, None) as child:
        assert child.answer() == "this"


def test_what_is_printed_before_the_protocol_begins_is_ignored(module: Make, tmp_path: Path) -> None:
    name = module("return 5")
    file = tmp_path / f"{name}.py"
    file.write_text("import os\nos.write(1, b'warning\\n{\"x\": 1}\\nhalf')\n" + file.read_text())
    with Child(name, None) as child:
        assert child.answer() == 5


def test_a_flood_on_standard_error_does_not_block_and_is_cut(module: Make) -> None:
    name = module("""
        for _ in range(200): sys.stderr.write("noise " * 1000)
        sys.stderr.write("\\nthe last words")
        sys.stderr.flush()
        os._exit(7)
    """)
    with Child(name, None) as child, pytest.raises(ChildDied) as caught:
        child.answer()
    assert (caught.value.status, caught.value.last_line) == (7, "the last words") and len(caught.value.log) <= 4096
    error = caught.value.explain(DataError, "the import", "rows.csv", "Try again")
    assert isinstance(error, DataError)
    assert str(error) == "rows.csv: the import ended with status 7: the last words. Try again."


@pytest.mark.parametrize(
    ("body", "words", "do"),
    [
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            "the work ran out of memory, or was ended from outside (SIGKILL)",
            "M",
        ),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "the work was ended by SIGSEGV", "D"),
        ("raise MemoryError", "the work ran out of memory", "M"),
        ("raise ValueError('no such tensor.')", "the work ended with status 1: ValueError: no such tensor", "D"),
        ("os._exit(3)", "the work ended with status 3", "D"),
    ],
)
def test_a_death_is_explained(module: Make, body: str, words: str, do: str) -> None:
    with Child(module(body), None) as child, pytest.raises(ChildDied) as caught:
        child.answer()
    error = caught.value.explain(SuironError, "the work", "", "D", memory_do="M")
    assert (error.what, error.do) == (words, do)


def test_a_module_that_does_not_exist_is_a_death() -> None:
    with Child("core.no_such_module", None) as child, pytest.raises(ChildDied) as caught:
        child.answer()
    assert caught.value.status == 1 and "no_such_module" in caught.value.last_line


def test_a_child_that_is_killed_from_another_thread(module: Make) -> None:
    with Child(module("time.sleep(600)"), None) as child:
        child.kill()
        with pytest.raises(ChildDied):
            child.answer()


def test_what_check_raises_ends_the_child_and_lets_it_clean_up(module: Make, tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    name = module("""
        try:
            progress("half", 0, 0)
            time.sleep(600)
        finally:
            open(request, "w").close()
    """)
    heard: list[ChildProgress] = []

    def check() -> None:
        if heard:
            raise Stopped

    with pytest.raises(Stopped), Child(name, str(tmp_path / "cleaned")) as child:
        child.answer(heard.append, check)
    assert (tmp_path / "cleaned").exists()
    assert child._process.returncode == 1


def test_helpers_end_with_a_session(module: Make) -> None:
    name = module("""
        helper = subprocess.Popen(["sleep", "600"])
        progress(str(helper.pid), 0, 0)
        time.sleep(600)
    """)

    class Stopped(Exception):
        pass

    helpers: list[psutil.Process] = []

    def heard(progress: ChildProgress) -> None:
        helpers.append(psutil.Process(int(progress.words)))
        raise Stopped

    with pytest.raises(Stopped), Child(name, None, own_session=True) as child:
        child.answer(heard)
    assert psutil.wait_procs(helpers, timeout=10)[1] == []


def test_a_time_out(module: Make) -> None:
    start = time.monotonic()
    with Child(module("time.sleep(600)"), None) as child, pytest.raises(ChildTimedOut):
        child.answer(seconds=0.3)
    assert time.monotonic() - start < 60
    assert child._process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("ignores", [False, True])
def test_a_child_ends_with_its_parent(module: Make, ignores: bool, tmp_path: Path) -> None:
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN)" if ignores else "pass"
    name = module(f"{ignore}\nprogress(str(os.getpid()), 0, 0)\ntime.sleep(600)")
    code = (
        "from core.base.child import Child\n"
        f"with Child({name!r}, None) as child: child.answer(lambda progress: print(progress.words, flush=True))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], env=environment(), stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert psutil.wait_procs([child], timeout=20)[1] == []


def test_a_child_whose_parent_goes_before_it_asks_ends(module: Make) -> None:
    command = [sys.executable, "-m", module("time.sleep(600)")]
    done = subprocess.run(command, env=environment(), input=encode_line(None)[:-1], capture_output=True, timeout=60)
    assert done.returncode == 1


def test_nothing_heavy_is_imported() -> None:
    heavy = ("subprocess", "json", "selectors", "msgspec")
    code = f"import sys, core.base.child; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_sentences_of_an_error() -> None:
    said = error_sentences(DataError("the file has no rows", "rows.csv", "Name another."))
    assert said == ("The file has no rows.", "rows.csv", "Name another.")
    assert said.line == "The file has no rows. Name another."
    assert error_sentences(DataError("it is broken")).line == "It is broken."
