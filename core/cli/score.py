"""`score`: how likely a base or tuned model finds given continuations of a question or a text."""

from __future__ import annotations

import argparse
import asyncio

from core.base.command_output import CommandOutput
from core.base.languages import east_asian_language
from core.base.plural import counted
from core.cli.ask import model_to_ask
from core.data.locate.source_name import resolve_source_name
from core.engine.client import EngineClient
from core.engine.protocol import ChatQuestion, ScoreReply


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prefix", help="an instruction; with --text, a text as it stands")
    parser.add_argument("continuations", nargs="+", metavar="CONTINUATION", help="what may follow")
    parser.add_argument("--text", action="store_true", help="the prefix is a text, without a template")
    parser.add_argument("--input", default="", help="further context")
    parser.add_argument(
        "--model", help="folder, hub name or `demo`; by default the tuned run's, else the last session's"
    )
    parser.add_argument(
        "--adapter", default="", help="a run's id, `last`, or an adapter's folder; without it the base model is asked"
    )
    parser.add_argument("--base", action="store_true", help="ask the base model without the adapter")
    parser.add_argument("--template", default="alpaca-reasoning", help="as for `ask`")
    parser.add_argument("--data", default="", metavar="SOURCE", help="the data set that the template belongs to")
    parser.add_argument("--language", default="", help="as for `ask`")
    parser.add_argument("--take", action="store_true", help="as for `ask`")


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    asked = model_to_ask(arguments.model, arguments.adapter)
    question = ChatQuestion(
        instruction=arguments.prefix,
        input=arguments.input,
        template=arguments.template,
        data=resolve_source_name(arguments.data).address if arguments.data else "",
        drop_empty_input=asked.drops_empty_input,
        language=arguments.language or east_asian_language(arguments.prefix),
        tuned=not arguments.base,
    )
    prefix = arguments.prefix if arguments.text else question

    async def score() -> ScoreReply:
        client = EngineClient()
        try:
            status = await client.ensure(asked.model, asked.adapter, lambda _: None, take=arguments.take)
            output.note(status.backend)
            return await client.score(prefix, arguments.continuations)
        finally:
            await client.close()

    reply = asyncio.run(score())
    output.record(reply)
    for text, scores in zip(arguments.continuations, reply.continuations, strict=True):
        tokens = counted(len(scores.tokens), "token")
        output.text(f"{scores.sum:10.3f}  {scores.mean:8.3f} a token  {tokens}  {text}")
    return 0
