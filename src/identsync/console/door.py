"""How long and how often the web server keeps its door open to who has not said what he wants yet.

Nobody has shown a password before his request is read, so who sends it letter by letter would keep a connection for
ever, and a few hundred of them would leave the client no sockets for its work. Imported with uvicorn.
"""

import asyncio
import logging
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from identsync.console.guard import is_loopback

WHOLE_S = 15.0  # within which a request must have come whole, its form too
OF_ONE, OF_ALL = 64, 256  # connections of one other computer, of all of them; the desk's own are never in their crowd

QUIET = logging.getLogger("identsync.console.door")
QUIET.setLevel(logging.CRITICAL + 1)  # each broken request of a stranger would be a line, and older lines would go


class Door(H11Protocol):
    """A connection that is closed where its request does not come whole in time, or too many are open already."""

    whole_s = WHOLE_S

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logger = QUIET
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, or close at once where it is too crowded."""
        super().connection_made(transport)
        if self._is_crowded():
            transport.abort()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        super().connection_lost(exc)
        self._wait_no_more()

    def data_received(self, data: bytes) -> None:
        """Read on; the time runs from a request's first byte to its last."""
        super().data_received(data)
        if self.conn.their_state in {h11.IDLE, h11.SEND_BODY}:
            self._wait()
        else:
            self._wait_no_more()

    def _is_crowded(self) -> bool:
        if self.client is None or is_loopback(self.client[0]):
            return False
        visitors = [each.client[0] for each in self.connections if isinstance(each, Door) and each.client]
        others = [visitor for visitor in visitors if not is_loopback(visitor)]
        return others.count(self.client[0]) > OF_ONE or len(others) > OF_ALL

    def _wait(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self.whole_s, self.transport.abort)

    def _wait_no_more(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
