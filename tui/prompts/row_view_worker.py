"""Makes row views in a thread of the Prompts room, one at a time.

Of the requests that arrive meanwhile, only the last is made next.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from core.base.errors import SuironError
from tui.common.readable_error import readable_error
from tui.prompts.row_view_data import RowView, RowViewRequest
from tui.prompts.row_view_maker import RowViewMaker


class RowViewWorker:
    """Asks `request` what to make, and hands the result to `show`.

    request: called with the number of rows to move on since the last request; returns None where nothing can be made
    now. Both functions are called in the app's own thread.
    """

    def __init__(
        self,
        screen: Any,
        maker: RowViewMaker,
        request: Callable[[int], RowViewRequest | None],
        show: Callable[[RowViewRequest, RowView | SuironError], None],
    ) -> None:
        self._screen, self._maker = screen, maker
        self._request, self._show = request, show
        self._step = 0  # rows to move on since the last request
        self._busy = self._ask_again = False
        self._then: Callable[[], None] | None = None

    def ask(self, step: int = 0) -> None:
        """Make the view again, `step` rows further on."""
        self._step += step
        if self._busy:
            self._ask_again = True
            return
        request = self._request(self._step)
        if request is None:
            return
        self._step = 0
        self._busy, self._ask_again = True, False
        work = partial(self._make_in_thread, request)
        self._screen.run_worker(work, thread=True, group="row view", exit_on_error=False)

    def is_settled(self, then: Callable[[], None]) -> bool:
        """Whether what is shown is what was asked for last; if not, `then` is called when it is."""
        self._then = then if self._busy else None
        return not self._busy

    def _make_in_thread(self, request: RowViewRequest) -> None:
        try:
            result: RowView | SuironError = self._maker.make_view(request)
        except (
            Exception
        ) as error:  # whatever a row, a template or a source does, it is shown, and the app keeps running
            result = readable_error(error, request.dataset.name)
        self._screen.app.call_from_thread(self._finish, request, result)

    def _finish(self, request: RowViewRequest, result: RowView | SuironError) -> None:
        self._busy = False
        self._show(request, result)
        if self._ask_again:
            self.ask()
        elif self._then is not None:
            then, self._then = self._then, None
            then()
