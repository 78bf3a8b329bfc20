"""From a question to the request for a server, by what is known of that server."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from core.base.errors import UsageError
from core.base.safe_text import safe_line
from core.engine.protocol import ChatQuestion
from core.engine.remote.capabilities import ServerCapabilities
from core.engine.remote.refusals import Refusal
from core.splitter.splitter import THINK, Splitter
from core.templates.by_name import get_template, template_folders
from core.templates.chat_template import question_text
from core.templates.template import Template

_FRAME = {"model", "messages", "prompt", "stream"}
_DISPENSABLE = frozenset({"stream_options", "chat_template_kwargs", "prediction"})  # they change no answer, or are told
_CONTINUING = {"continue_final_message", "add_generation_prompt"}


class RemoteRequest(NamedTuple):
    """A request, and how its answer is read."""

    route: str
    """The route below the server's URL."""
    body: dict[str, Any]
    """The request."""
    splitter: Splitter
    """Sorts the answer's text into reasoning and response."""
    notes: tuple[str, ...]
    """What is done in another way than asked, in words."""

    @property
    def chosen_fields(self) -> set[str]:
        """The fields that a person may have chosen."""
        return set(self.body) - _FRAME - _DISPENSABLE


def remote_request(
    question: ChatQuestion, model: str, known: ServerCapabilities, reasoning: str, host: str
) -> RemoteRequest:
    """The request. reasoning: the beginning of a reasoning, which the answer continues; empty for none. Raises
    UsageError for what no server but this home's own can do, and where the template has no reasoning."""
    _check(question, known, host)
    template = get_template(question.template, template_folders(question.data))
    if reasoning and not template.has_reasoning:
        raise UsageError("the template has no reasoning to continue", template.name, "Choose one with a reasoning")
    if template.chat is None and known.completes:
        return _completion(question, template, model, known, reasoning)
    return _chat(question, template, model, known, reasoning)


def learn(refusal: Refusal, request: RemoteRequest, known: ServerCapabilities, is_listed: bool) -> bool:
    """Note in `known` what a refusal tells of the server. Returns whether another request may succeed. is_listed:
    whether the server lists the model, so that a 404 is about the route."""
    completing = request.route == "/completions"
    if completing and refusal.has_no_route and (is_listed or "model" not in refusal.message.lower()):
        known.completes = False
        return True
    if not refusal.is_about_request:
        return False
    if completing and "completions" in refusal.message:
        known.completes = False
        return True
    named = set(refusal.names(set(request.body)))
    if known.limit_field in named and "max_completion_tokens" in refusal.message and known.limit_field == "max_tokens":
        known.limit_field = "max_completion_tokens"
        return not completing
    if named & _CONTINUING and known.continues_by == "field":
        known.continues_by = "prefill"
        return True
    if named & _DISPENSABLE:
        known.refused |= named & _DISPENSABLE
        return True
    return False


def _check(question: ChatQuestion, known: ServerCapabilities, host: str) -> None:
    do = "Leave it out, or ask a model of this machine"
    if question.cold and not known.is_suiron:
        raise UsageError("a cold answer cannot be asked for: the server decides what it reuses", host, do)
    if question.thinking_budget is not None and not known.is_suiron:
        raise UsageError("the server has no thinking budget", host, do)


def _completion(
    question: ChatQuestion, template: Template, model: str, known: ServerCapabilities, reasoning: str
) -> RemoteRequest:
    if question.thinking_budget is not None:
        raise UsageError(
            "a remote server has no thinking budget for a text template",
            template.name,
            "Choose the template chat, or leave it out",
        )
    asked = (question.instruction, question.input)
    options = (question.drop_empty_input, question.language)
    prompt = template.continue_prompt(*asked, reasoning, *options) if reasoning else template.prompt(*asked, *options)
    body = {"model": model, "prompt": prompt, "max_tokens": question.max_tokens, **_shared(question, known)}
    return RemoteRequest("/completions", body, Splitter(template.markers, template.start), _loop_note(question, known))


def _chat(
    question: ChatQuestion, template: Template, model: str, known: ServerCapabilities, reasoning: str
) -> RemoteRequest:
    notes = list(_loop_note(question, known))
    if template.chat is None:
        notes.append(
            f"the server does not continue texts: the question went as a chat message, not in the template"
            f" {safe_line(template.name, 40)}"
        )
    message = question_text(question.instruction, question.input)
    messages: list[dict[str, str]] = [{"role": "user", "content": message}]
    body: dict[str, Any] = {"model": model, "messages": messages, known.limit_field: question.max_tokens}
    body |= _shared(question, known)
    start = "reasoning" if known.begins_in_reasoning else "undecided"
    splitter = Splitter(THINK, "reasoning" if reasoning or start == "reasoning" else "undecided")
    if template.chat is not None and template.chat.reasoning == "none":
        if known.is_suiron:
            body["suiron"] = {**body.get("suiron", {}), "template": template.name}
        elif "chat_template_kwargs" not in known.refused:
            body["chat_template_kwargs"] = {"enable_thinking": False}
        else:
            notes.append("the server cannot be told to leave out the reasoning")
    if question.draft and known.is_suiron and "prediction" not in known.refused:
        body["prediction"] = {"type": "content", "content": question.draft}
    if reasoning:
        messages.append(_begun(reasoning, known))
        if known.continues_by == "field":
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        else:
            notes.append("the reasoning went as the last message; whether the server continues it cannot be seen")
    return RemoteRequest("/chat/completions", body, splitter, tuple(notes))


def _begun(reasoning: str, known: ServerCapabilities) -> dict[str, str]:
    if known.is_suiron:
        return {"role": "assistant", "content": "", "reasoning_content": reasoning}
    return {"role": "assistant", "content": f"<think>\n{reasoning}"}


def _shared(question: ChatQuestion, known: ServerCapabilities) -> dict[str, Any]:
    fields: dict[str, Any] = {"stream": True, "temperature": question.temperature}
    if question.top_p != 1.0:
        fields["top_p"] = question.top_p
    if question.seed is not None:
        fields["seed"] = question.seed
    fields |= msgspec.to_builtins(question.sampling)
    if "stream_options" not in known.refused:
        fields["stream_options"] = {"include_usage": True}
    if known.is_suiron and (own := _own(question)):
        fields["suiron"] = own
    return fields


def _own(question: ChatQuestion) -> dict[str, Any]:
    """What only this program's own servers know."""
    own: dict[str, Any] = {}
    if question.cold:
        own["cold"] = True
    if question.on_loop != "warn":
        own["on_loop"] = question.on_loop
    if question.thinking_budget is not None:
        own["thinking_budget"] = question.thinking_budget
    return own


def _loop_note(question: ChatQuestion, known: ServerCapabilities) -> tuple[str, ...]:
    if question.on_loop == "stop" and not known.is_suiron:
        return ("a loop is not noticed: the server tells no tokens",)
    return ()
