"""The HTTP side of asking a server. Verifies TLS, follows no redirect, and keeps every wait and every size bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import msgspec

from core.base.errors import EngineError, SuironError, UsageError
from core.base.safe_text import safe_line
from core.engine.remote.event_stream import EventReader
from core.engine.remote.refusals import Refusal, quoted, read_refusal, refusal_error
from core.engine.remote.server_address import ServerAddress, key_variable, server_key

PATIENCE = 300.0
"""Seconds that a server may be silent before an answer, or in it: a long prompt, or a queue."""
_CONNECT = 10.0  # seconds
_SHORT = 30.0  # seconds that a server may take for its list of models
_LONGEST_LIST = 45.0  # seconds for the whole list
_BODY_LIMIT = 4_000_000  # bytes of a reply that is no stream
_MOST_MODELS = 2_000


class ListedModel(msgspec.Struct, frozen=True):
    """A model that a server lists."""

    id: str
    """Its name there; foreign text."""
    owned_by: str | None = ""
    """Who made it, as the server says."""


class _ModelList(msgspec.Struct, frozen=True):
    data: list[ListedModel]


class ServerConnection:
    """The connections to one server. It belongs to one event loop. Raises UsageError where the key cannot be sent."""

    def __init__(
        self, address: ServerAddress, patience: float = PATIENCE, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """transport: another way to the server than the network, for tests."""
        self.address = address
        self.key_variable = key_variable(address)
        self._key = server_key(address)
        # A proxy in the environment is not for a server on this machine.
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(_SHORT, connect=_CONNECT, read=patience),
            trust_env=not address.is_local,
            follow_redirects=False,
            transport=transport,
        )
        self._patience = patience

    async def models(self) -> list[ListedModel] | None:
        """The models that the server lists; None where it has no such list. Raises EngineError."""
        try:
            async with (
                asyncio.timeout(_LONGEST_LIST),
                self._reply("GET", "/models", None, min(_SHORT, self._patience)) as reply,
            ):
                body = await self._whole(reply)
        except TimeoutError as error:
            what = f"the server did not list its models within {_LONGEST_LIST:g} seconds"
            raise EngineError(what, self.address.host, "Look whether it is busy, and try again") from error
        except Refusal as refusal:
            if refusal.has_no_route:
                return None
            raise self.error_of(refusal) from refusal
        try:
            return msgspec.json.decode(body, type=_ModelList).data[:_MOST_MODELS]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise EngineError(
                "the server's list of models cannot be read",
                self.address.host,
                "Check that the URL is that of an OpenAI-compatible server, mostly with /v1 at its end",
            ) from error

    @asynccontextmanager
    async def events(self, route: str, body: dict[str, Any]) -> AsyncIterator[AsyncIterator[bytes]]:
        """The events of a streamed reply, as JSON texts, and the closing `[DONE]`; a server that does not stream gives
        one. Raises Refusal where the server refuses the request, EngineError where it cannot be reached, is
        silent, or breaks off."""
        async with self._reply("POST", route, body, self._patience) as reply:
            if reply.headers.get("content-type", "").startswith("application/json"):
                whole = await self._whole(reply)

                async def one() -> AsyncIterator[bytes]:
                    yield whole

                yield one()
            else:
                yield self._events(reply)

    def error_of(self, refusal: Refusal, model: str = "", sent: set[str] | None = None) -> SuironError:
        """The error for people that a refusal means; see `refusal_error`."""
        return refusal_error(refusal, self.address.host, safe_line(model, 120), sent or set(), self.key_variable)

    def quoted(self, text: str) -> str:
        """The server's words as an error may quote them."""
        return quoted(text, self._key)

    def read_error(self, body: bytes) -> Refusal:
        """The error in an event of a stream."""
        return read_refusal(0, body, self._key)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # -- inside --

    @asynccontextmanager
    async def _reply(self, method: str, route: str, body: Any, quiet: float) -> AsyncIterator[httpx.Response]:
        headers = {"Accept-Encoding": "identity", "User-Agent": "suiron"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = _encode(body)
        timeout = httpx.Timeout(_SHORT, connect=_CONNECT, read=quiet)
        host = self.address.host
        try:
            url = self.address.url + route
            request = self._http.build_request(method, url, content=content, headers=headers, timeout=timeout)
            reply = await self._http.send(request, stream=True)
            try:
                if reply.headers.get("content-encoding", "identity") != "identity":
                    raise EngineError("the server sends packed text that was not asked for", host, "Ask another server")
                if not reply.is_success:
                    header = reply.headers.get
                    words = await self._whole(reply)
                    raise read_refusal(
                        reply.status_code, words, self._key, header("retry-after", ""), header("location", "")
                    )
                yield reply
            finally:
                await reply.aclose()
        except httpx.ConnectTimeout as error:
            raise EngineError(
                f"the server cannot be reached within {_CONNECT:g} seconds", host, "Check the URL and the network"
            ) from error
        except httpx.TimeoutException as error:
            raise EngineError(
                f"the server was silent for {quiet:g} seconds", host, "Ask again, or look whether it is busy"
            ) from error
        except httpx.ConnectError as error:
            why = self.quoted(str(error)) or "no connection"
            do = "Check the certificate" if "certificate" in why.lower() else "Check the URL, and that the server runs"
            raise EngineError(f"the server cannot be reached ({why})", host, do) from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            why = self.quoted(str(error)) or type(error).__name__
            raise EngineError(f"the connection to the server broke off ({why})", host, "Ask again") from error

    async def _events(self, reply: httpx.Response) -> AsyncIterator[bytes]:
        reader = EventReader(self.address.host)
        async with aclosing(reply.aiter_raw()) as blocks:  # type: ignore[type-var]
            async for block in blocks:
                for event in reader.feed(block):
                    yield event
        for event in reader.close():
            yield event

    async def _whole(self, reply: httpx.Response) -> bytes:
        body = bytearray()
        async for block in reply.aiter_raw():
            body += block
            if len(body) > _BODY_LIMIT:
                raise EngineError("the server's reply is far too large", self.address.host, "Ask another server")
        return bytes(body)


def _encode(body: Any) -> bytes:
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError as error:  # bytes of a command line, which Python keeps as lone surrogates
        raise UsageError("the text contains bytes that are not UTF-8", "", "Write it in UTF-8") from error
