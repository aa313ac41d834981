"""The contract as it is kept, where both tasks of an organisation read it for the first time at once."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from identsync.demo.n3 import wsdl
from identsync.integrations.egisz import contracts
from identsync.store import open_store

WSDL = {"Pix": wsdl.single("PixService", "EMK5"), "EMK": wsdl.single("EMKService", "EMK5")}


@pytest.mark.postgresql
def test_two_tasks_that_read_the_contract_at_once_both_have_it(clone: Callable[[str], str]) -> None:
    url = clone("postgresql")
    store, theirs = open_store(url), open_store(url)
    failed, inserts = list[BaseException](), threading.Event()

    def told(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if thread is threading.current_thread() and statement.startswith("INSERT"):
            inserts.set()

    def other() -> None:
        try:
            with theirs.write() as connection:
                contracts._save(connection, "clinic", WSDL, 2)
        except BaseException as error:
            failed.append(error)
            inserts.set()

    thread = threading.Thread(target=other)
    event.listen(theirs.engine, "before_cursor_execute", told)
    with store.write() as connection:
        contracts._save(connection, "clinic", WSDL, 1)
        thread.start()
        assert inserts.wait(60)  # it has found nothing to put itself in the place of
    thread.join()
    assert failed == []
    with store.read() as connection:
        assert {name: each.wsdl for name, each in contracts.kept(connection, "clinic").items()} == WSDL
    theirs.close()
    store.close()
