"""``python -m identsync.demo.site --port 0 --seed 1 --lead-rate 6``: prints ``{"port": N}`` as one JSON line.

Ends on Ctrl-C, on ``POST /_site/stop``, and with ``--with-parent`` when its standard input is closed.
"""

import argparse
import asyncio
import contextlib
import os
from functools import partial

from identsync.demo.exchange import serve
from identsync.demo.site.server import Calls
from identsync.demo.site.site import Options, Site


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="identsync.demo.site", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--name", default="site")
    parser.add_argument("--lead-rate", type=float, default=0.0, help="leads per minute")
    parser.add_argument("--max-bytes", type=int, default=Options().max_bytes, help="of a body; 0 = no limit")
    parser.add_argument("--max-days", type=int, default=0, help="longest period of GetTickets; 0 = no limit")
    parser.add_argument("--refuse-with", type=int, choices=(401, 403), default=401)
    parser.add_argument("--no-gzip", action="store_true")
    parser.add_argument("--zone", default=Options().zone)
    parser.add_argument("--bad-share", type=float, default=Options().bad_share)
    parser.add_argument("--with-parent", action="store_true", help="end when standard input is closed")
    return parser.parse_args()


def _options(given: argparse.Namespace) -> Options:
    """Keys come from the environment: a command line is seen by every user of the computer."""
    return Options(
        name=given.name,
        key=os.environ.get("IDENTSYNC_SITE_KEY", Options().key),
        admin_key=os.environ.get("IDENTSYNC_SITE_ADMIN_KEY", Options().admin_key),
        refuse_with=given.refuse_with,
        max_bytes=given.max_bytes,
        gzip=not given.no_gzip,
        max_days=given.max_days,
        zone=given.zone,
        lead_rate=given.lead_rate,
        bad_share=given.bad_share,
    )


async def _leads(site: Site) -> None:
    """Make leads at the rate that is set, at random distances as people do."""
    while True:
        rate = site.options.lead_rate
        if rate <= 0:
            await asyncio.sleep(0.2)
            continue
        await asyncio.sleep(min(site.people.random.expovariate(rate / 60.0), 60.0))
        if site.options.lead_rate > 0:  # told to stop meanwhile: then not one more
            site.make_one()


async def _main(given: argparse.Namespace) -> None:
    site = Site(_options(given), given.seed)
    leads = asyncio.create_task(_leads(site))
    try:
        await serve(partial(Calls, site), given.port, site.stopped, with_parent=given.with_parent)
    finally:
        leads.cancel()


def main() -> None:
    """Serve until told to stop."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(_arguments()))


if __name__ == "__main__":
    main()
