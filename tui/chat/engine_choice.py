"""Who answers the chat: this home's engine, or a server that was chosen in the model dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.base.errors import UsageError
from core.base.safe_text import safe_line
from core.engine.remote.server_address import parse_server_url
from core.session import Session
from tui.common.app_interface import AppInterface

if TYPE_CHECKING:
    from core.engine.client import EngineClient
    from core.engine.protocol import Engine
    from core.engine.remote_client import RemoteClient


def server_words(session: Session) -> str:
    """The model and the server that answer, as `qwen3 at 127.0.0.1:8000`; empty where this home's engine does."""
    if not session.server:
        return ""
    try:
        host = parse_server_url(session.server).host
    except UsageError:  # the session was edited by hand; asking says what is wrong with it
        host = "a server"
    return f"{safe_line(session.server_model, 60)} at {safe_line(host, 60)}"


class EngineChoice:
    """The engines that the chat has made. They are closed together, so that a change of the model ends no answer."""

    def __init__(self) -> None:
        self._own: EngineClient | None = None
        self._remote: dict[str, RemoteClient] = {}

    def engine(self, app: AppInterface) -> Engine:
        """The engine that answers now. Raises UsageError for a server's URL or a key that cannot be used."""
        url = app.session.server
        if url:
            if url not in self._remote:
                from core.engine.remote_client import RemoteClient

                self._remote[url] = RemoteClient(url)
            return self._remote[url]
        if app.engine is None:
            from core.engine.client import EngineClient

            self._own = app.engine = EngineClient()
        return app.engine

    async def close(self) -> None:
        """Close the connections of all."""
        if self._own is not None:
            await self._own.close()
        for remote in self._remote.values():
            await remote.close()
        self._remote.clear()
