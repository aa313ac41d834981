"""Opens a channel for a run: its gateway with the network's rate and the books for what is pushed."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from importlib import import_module
from typing import TYPE_CHECKING

from identsync.engine.channel import Channel as Rate
from identsync.flows.outbox import receive
from identsync.flows.sending import Receipt
from identsync.integrations.messaging import books
from identsync.integrations.messaging.message import Gateway, Medium, Reply
from identsync.integrations.messaging.replies import take
from identsync.integrations.messaging.settings import Channel

if TYPE_CHECKING:
    from identsync.engine.permits import Permits
    from identsync.engine.run import Run


async def opened(run: "Run", name: str, channel: Channel, medium: Medium, stack: AsyncExitStack) -> Gateway:
    """Make the gateway of a channel, not connected yet, with its permits and its books."""
    stream = books.stream_of(medium)
    rate = Rate(f"messaging/{name}", channel.pace, max(1, channel.at_once))
    permits: Permits = await stack.enter_async_context(run.permits(rate))

    async def keep(receipts: Sequence[Receipt]) -> None:
        await run.write(lambda connection: receive(connection, stream, name, receipts, run.now_ms()))

    async def replies(heard: Sequence[Reply]) -> None:
        await run.write(lambda connection: take(connection, name, medium, heard, run.now_ms()))

    wire = import_module(f"identsync.integrations.messaging.wire.{channel.kind}")
    make: Callable[..., Gateway] = wire.open
    permit: Callable[[], Awaitable[None]] = permits.take
    return make(channel, permit, keep, replies)
