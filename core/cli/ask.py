"""`ask`: one question to a base or tuned model, streamed; reasoning and response separately."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from core.base.command_output import CommandOutput
from core.base.errors import ModelError, UsageError
from core.base.languages import east_asian_language
from core.base.paths import absolute_path
from core.base.plural import counted
from core.data.locate.source_name import resolve_source_name
from core.engine.client import EngineClient
from core.engine.protocol import AnswerEvent, AnswerFinish, ChatQuestion, Engine, EngineStatus
from core.engine.sentinel import LoopWarning, loop_words
from core.runs.run_folder import find_run
from core.runs.tuned_models import run_drops_empty_input
from core.session import load_session

DEFAULT_TEMPLATE = "alpaca-reasoning"
HEADINGS = {"reasoning": "Reasoning", "response": "Response"}


class ClosableEngine(Engine, Protocol):
    """An engine's client whose connections are closed when they are not needed any more."""

    async def close(self) -> None:
        """Close the connections."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instruction")
    parser.add_argument("--input", default="", help="further context")
    parser.add_argument(
        "--model", help="folder, hub name or `demo`; by default the tuned run's, else the last session's"
    )
    parser.add_argument(
        "--server",
        default="",
        metavar="URL",
        help="ask a model of this OpenAI-compatible server instead; its key comes from SUIRON_API_KEY",
    )
    parser.add_argument(
        "--adapter", default="", help="a run's id, `last`, or an adapter's folder; without it the base model answers"
    )
    parser.add_argument("--base", action="store_true", help="ask the base model without the adapter")
    parser.add_argument(
        "--template",
        help="a template that `prompts list` shows, or one the run was trained with; by default alpaca-reasoning, and"
        " chat for a server",
    )
    parser.add_argument("--data", default="", metavar="SOURCE", help="the data set that the template belongs to")
    parser.add_argument(
        "--language",
        default="",
        help="picks a template's version, as a row's syslang does; default: by the question's script",
    )
    parser.add_argument("--max-tokens", type=int, default=1024)
    parser.add_argument("--temperature", type=float, default=0.0, help="0 is greedy")
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--cold", action="store_true", help="use nothing that earlier answers have left; plain path")
    parser.add_argument(
        "--take",
        action="store_true",
        help="unload models that other terminals hold, where there is no room beside them",
    )


class AskedModel(NamedTuple):
    """The model that a command asks."""

    model: str
    """Its name or folder."""
    adapter: str
    """The adapter's folder; empty for none."""
    drops_empty_input: bool
    """Whether the adapter's run left out the heading of an empty input."""


def model_to_ask(model: str | None, adapter: str) -> AskedModel:
    """The model that `--model` and `--adapter` name. Raises ModelError for an adapter that is not there."""
    if not adapter:
        return AskedModel(model or load_session().model, "", False)
    path, drops_empty_input = Path(absolute_path(adapter)), False
    name = model or load_session().model
    if not os.path.isdir(path):
        run = find_run(adapter)
        path = run.newest_adapter() or run.adapter
        name = model or run.spec().model.name
        drops_empty_input = run_drops_empty_input(run.spec())
    if not (path / "adapter_config.json").is_file():
        raise ModelError(
            "no adapter found",
            str(path),
            "The run may not have saved one yet: see `python -m core runs`",
        )
    return AskedModel(name, str(path), drops_empty_input)


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    if arguments.server:
        return _ask_server(arguments, output)
    asked = model_to_ask(arguments.model, arguments.adapter)
    question = _question(arguments, DEFAULT_TEMPLATE, asked.drops_empty_input)
    asyncio.run(ask_question(asked.model, asked.adapter, question, output, take=arguments.take))
    return 0


def _ask_server(arguments: argparse.Namespace, output: CommandOutput) -> int:
    if arguments.adapter or arguments.base or arguments.take:
        raise UsageError(
            "a remote server has no adapters of this machine, and no models to take",
            "--adapter, --base, --take",
            "Leave them out; a model that is served with an adapter has a name there: --model",
        )
    from core.engine.remote_client import RemoteClient

    async def ask() -> None:
        client = RemoteClient(arguments.server)
        await ask_question(arguments.model or "", "", _question(arguments, "chat", False), output, client=client)

    asyncio.run(ask())
    return 0


def _question(arguments: argparse.Namespace, default_template: str, drops_empty_input: bool) -> ChatQuestion:
    return ChatQuestion(
        instruction=arguments.instruction,
        input=arguments.input,
        template=arguments.template or default_template,
        data=resolve_source_name(arguments.data).address if arguments.data else "",
        drop_empty_input=drops_empty_input,
        language=arguments.language or east_asian_language(arguments.instruction),
        tuned=not arguments.base,
        max_tokens=arguments.max_tokens,
        temperature=arguments.temperature,
        top_p=arguments.top_p,
        seed=arguments.seed,
        cold=arguments.cold,
    )


async def ask_question(
    model: str,
    adapter: str,
    question: ChatQuestion,
    output: CommandOutput,
    *,
    take: bool = False,
    client: ClosableEngine | None = None,
) -> AnswerFinish | None:
    """Print one answer as it streams; returns how it ended. take: as in `Engine.ensure`. client: who is asked, and
    closed then; None asks this home's engine."""
    client = EngineClient() if client is None else client
    try:
        return await _ask(client, model, adapter, question, output, take)
    finally:
        await client.close()  # in its own event loop: connections cannot be closed from another one


async def _ask(
    client: ClosableEngine, model: str, adapter: str, question: ChatQuestion, output: CommandOutput, take: bool
) -> AnswerFinish | None:
    last = ""

    def on_status(status: EngineStatus) -> None:
        nonlocal last
        if status.message and status.message != last:
            output.note(status.message)
            last = status.message

    status = await client.ensure(model, adapter, on_status, take=take)
    output.note(status.backend)
    section = ""
    async with aclosing(cast("AsyncGenerator[AnswerEvent]", client.ask(question))) as answer:
        async for event in answer:
            output.record(event)
            if isinstance(event, AnswerFinish):
                output.text(f"\n\n[{finish_line(event)}]")
                return event
            if isinstance(event, LoopWarning):
                output.note(f"it goes round in a loop: {loop_words(event)}")
                continue
            if event.section != section:
                output.text(("\n\n" if section else "") + HEADINGS[event.section] + "\n")
                section = event.section
            output.text(event.text, end="")
    return None


def finish_line(finish: AnswerFinish) -> str:
    """`end · 58 tokens · prefill 0.31 s · first token 0.35 s · 3.20 s total · 20.1 tok/s`."""
    reused = f" ({finish.reused_tokens} of {finish.prompt_tokens} kept)" if finish.reused_tokens else ""
    reason = f"{finish.reason} {finish.stop_string!r}" if finish.stop_string else finish.reason
    if finish.loop is not None:
        reason += f" ({loop_words(finish.loop)})"
    if finish.reasoning_closed:
        reason += " (the reasoning was closed at its budget)"
    why = f" · {finish.path_why}" if finish.path.startswith("at ") and finish.path_why else ""
    return (
        f"{reason} · {counted(finish.tokens, 'token')} · prefill {finish.prefill_seconds:.2f} s{reused}"
        f" · first token {finish.first_token_seconds:.2f} s · {finish.total_seconds:.2f} s total"
        f" · {finish.tokens_per_second:.1f} tok/s" + (f" · {finish.path}{why}" if finish.path else "")
    )
