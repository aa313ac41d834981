"""The instruments of the fire: a broken promise shows, a sleeper is excused, a lost reply comes after its commit."""

import os
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from identsync.demo.checker import check
from identsync.store import Fence, Store, open_store
from processes import scratch
from processes.client import Part
from processes.crowd import Member, _spans
from processes.plan import grids
from processes.proxy import Proxy

SLOT = ("quick", 1)


def write(paper: scratch.Paper, fence: int, value: int, read_at: int = 0) -> None:
    paper.write(Fence(*SLOT, fence, f"client{fence}", 0), value, read_at)


def test_a_lost_update_on_paper_shows_unless_its_writer_stood_still(tmp_path: Path) -> None:
    paper = scratch.Paper(tmp_path, *SLOT)
    write(paper, 1, 1)
    write(paper, 2, 2)
    assert scratch.torn(paper, []) == []
    write(paper, 1, 2)  # a zombie that read 1 before the second had written
    (found,) = scratch.torn(paper, [])
    assert "fence=1" in found
    assert scratch.torn(paper, [("client1", 0, 1 << 62)]) == []
    assert scratch.torn(paper, [("client3", 0, 1 << 62)]) != []


def test_a_write_past_the_fence_shows(store: Store) -> None:
    """A mutant that forgets the fence: its effect is stale, its counter is not exact."""
    scratch.create(store)
    fences = [claimed(store, holder) for holder in ("first", "second")]
    for fence in reversed(fences):
        with store.write() as connection:  # ought to be store.write(fence)
            scratch.count(connection, fence, 1)
    found = scratch.evidence(store)
    assert check(found.rows, grids(), effects=found.effects).stale == ((*SLOT, fences[0].number),)
    assert len(found.wrong) == 1


def claimed(store: Store, holder: str) -> Fence:
    """Claim the slot with a lease that is over at once."""
    limiter = store.limiter()
    while True:
        claim = limiter.claim(
            *SLOT, holder=holder, role=0, lease_ms=1, interval_ms=1_000, request=holder, presence_ttl_ms=1_000
        )  # fmt: skip
        if claim.granted:
            return Fence.of(*SLOT, claim, holder)


@pytest.mark.postgresql
@pytest.mark.skipif(os.name == "nt", reason="the proxy stands before a server's Unix socket")
def test_a_dropped_reply_is_that_of_a_commit(clone: Callable[[str], str]) -> None:
    url = make_url(clone("postgresql"))
    folder = url.query["host"]
    assert isinstance(folder, str)
    with Proxy(folder, 5432, 1) as proxy:
        behind = url.difference_update_query(["host"]).set(host="127.0.0.1", port=proxy.port, drivername="postgresql")
        with psycopg.connect(behind.render_as_string(hide_password=False), autocommit=True) as connection:
            proxy.drop = 1.0
            with pytest.raises(psycopg.OperationalError):
                connection.execute("CREATE TABLE lost_reply (id int)")
    store = open_store(url.render_as_string(hide_password=False))
    with store.read() as direct:
        assert direct.exec_driver_sql("SELECT count(*) FROM lost_reply").scalar_one() == 0
    store.close()
    assert proxy.counts["dropped"] == 1


def test_a_life_is_cut_where_its_process_stood_still() -> None:
    member = Member(Part(1, "", "", 0, 1, 0), ready_at=100, ended_at=900, stops=[(200, 300), (850, 950)])
    assert _spans(member, [(0, 150), (180, 1_000)]) == [(100, 150), (180, 200), (300, 850)]
    assert _spans(member, [(210, 290)]) == []
    assert _spans(Member(Part(1, "", "", 0, 1, 0)), [(0, 1_000)]) == []
