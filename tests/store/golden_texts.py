"""The T-SQL batches as files to be read and reviewed: ``python tests/store/golden_texts.py`` writes them anew."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a program it finds the tests' packages too

from identsync.store.limiter import mssql, mssql_turn
from sqlserver.database import NAMES

FOLDER = Path(__file__).with_name("golden")
TURNS = {
    "turn_claim": (0, 0, 0, 1, 0),
    "turn_of_each_by_a_director": (1, 1, 1, 1, 1),
    "turn_two_seats": (2, 0, 0, 0, 0),
    "turn_four_claims_four_endings_a_seat": (1, 4, 0, 4, 0),
}


def texts() -> dict[str, str]:
    """Name and text of every batch."""
    found = {name: text.format(**NAMES) for name, text in mssql.SQLServer.statements.items()}
    found["fence"] = mssql.FENCE.format(**NAMES)
    found["bell"] = mssql.bell(NAMES, (7, 0))
    found |= {name: mssql_turn.text(shape).format(**NAMES) for name, shape in TURNS.items()}
    return found


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in texts().items():
        (FOLDER / f"{name}.sql").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
