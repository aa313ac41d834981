"""Which event loop a client runs on."""

import asyncio

LOOPS = ("auto", "uvloop", "winloop", "asyncio")


def new_loop(name: str = "auto") -> asyncio.AbstractEventLoop:
    """Return a new event loop by name: uvloop, winloop (Windows), asyncio; auto = the fast one if it is installed."""
    if name not in LOOPS:
        raise ValueError(f"loop is one of {', '.join(LOOPS)}, not {name!r}")
    wanted = ("uvloop", "winloop") if name == "auto" else (name,)
    for module in wanted:
        if module == "asyncio":
            break
        try:
            return __import__(module).new_event_loop()  # type: ignore[no-any-return]
        except ImportError:
            if name != "auto":
                raise
    # Not the policy's choice: it may be a host program's fast loop, and Windows' own default watches no sockets.
    return asyncio.SelectorEventLoop()
