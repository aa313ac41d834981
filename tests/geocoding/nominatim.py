"""A real Nominatim on a generated town, and how well it finds what registrars type: ``poe nominatim``.

Nominatim is GPL: it lives in an environment of its own outside the tree and is spoken to over HTTP alone. The first run
on a Debian as root installs what it needs (osm2pgsql, PostGIS, SpatiaLite; IDENTSYNC_PREPARE=no forbids that), imports
the town in half a minute without internet and keeps it as an SQLite file; later runs only serve it.

    poe nominatim                    # the table, then the tests that want a real Nominatim
    poe nominatim --serve            # serve it until Ctrl-C: IDENTSYNC_NOMINATIM=http://127.0.0.1:PORT for others
    poe nominatim --count 2000 --seed 7

IDENTSYNC_NOMINATIM_HOME is where it is kept (else ~/.cache/identsync/nominatim).
"""

import argparse
import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from identsync.demo.clinic.osm import osm
from identsync.demo.clinic.town import town
from prepare import install, may_install, say

from . import nominatim_accuracy, nominatim_hard

HOME = Path(os.environ.get("IDENTSYNC_NOMINATIM_HOME") or Path.home() / ".cache" / "identsync" / "nominatim")
PYTHON = "/usr/bin/python3"  # Debian's own: others are built without SQLite's extensions
PACKAGES = ("nominatim-db==5.3.*", "nominatim-api==5.3.*", "falcon", "uvicorn", "psycopg[binary]", "aiosqlite")
SYSTEM = (
    "osm2pgsql", "postgresql-postgis", "libsqlite3-mod-spatialite", "libicu-dev", "pkg-config", "g++", "python3-venv",
    "python3-dev",
)  # fmt: skip
QUICK = "-c listen_addresses='' -c fsync=off -c full_page_writes=off -c synchronous_commit=off"
ENDS_WITHIN = 10.0


class Absent(Exception):
    """A real Nominatim cannot be had here, and why."""


def program() -> Path:
    """Return the path of Nominatim, installed where that is possible; Absent says why it is not."""
    path = HOME / "venv" / "bin" / "nominatim"
    if sys.platform != "linux" or not Path(PYTHON).exists():
        raise Absent("only on a Debian Linux")
    if not (shutil.which("osm2pgsql") and _postgres("initdb") and _spatialite()):
        if not may_install():
            raise Absent("osm2pgsql, PostGIS or SpatiaLite is missing (and no apt, or not root)")
        say("installing osm2pgsql, PostGIS and SpatiaLite by apt (IDENTSYNC_PREPARE=no skips this)")
        install(SYSTEM)
    if not path.exists():
        say("installing Nominatim into an environment of its own; PyICU is compiled, a minute or two")
        _done([PYTHON, "-m", "venv", str(HOME / "venv")])
        _done([str(HOME / "venv" / "bin" / "pip"), "install", "-q", *PACKAGES])
    return path


def imported(nominatim: Path, name: str, data: bytes) -> Path:
    """Return an SQLite file with a town in it, imported by the first call that wants it."""
    folder = HOME / hashlib.sha256(data).hexdigest()[:16]
    ready = folder / "town.sqlite"
    if ready.exists():
        return ready
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "town.osm").write_bytes(data)
    say(f"importing {name} ({len(data) >> 10} KB of OSM data)")
    begun = time.monotonic()
    with _server() as host:
        dsn = {"NOMINATIM_DATABASE_DSN": f"pgsql:host={host};user=postgres;dbname=nominatim"}
        _done([str(nominatim), "import", "--osm-file", "town.osm", "--no-updates"], folder, dsn)
        _done([str(nominatim), "convert", "-o", "unfinished.sqlite"], folder, dsn)
    (folder / "unfinished.sqlite").rename(ready)
    say(f"imported in {time.monotonic() - begun:.0f} s, {ready.stat().st_size >> 20} MB")
    return ready


@contextlib.contextmanager
def served(nominatim: Path, file: Path) -> Iterator[str]:
    """Serve an imported town on loopback; give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    dsn = {"NOMINATIM_DATABASE_DSN": f"sqlite:dbname={file}"}
    command = [str(nominatim), "serve", "--server", f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        command, cwd=file.parent, env=os.environ | dsn, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if b"Uvicorn running" in line:
                break
        else:
            raise Absent("nominatim serve has ended")
        _drain(process.stderr)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _drain(pipe: Any) -> None:
    """Read on, so that a log full of questions neither fills a pipe nor a disk."""
    import threading

    threading.Thread(target=lambda: [None for _line in pipe], daemon=True).start()


@contextlib.contextmanager
def _server() -> Iterator[str]:
    """Run a PostgreSQL of our own for the import; give the folder of its socket."""
    folder = Path(tempfile.mkdtemp(prefix="nominatim-"))
    control = [_postgres("pg_ctl") or "pg_ctl", "-D", str(folder / "data"), "-w"]
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        folder.chmod(0o711)
        _as_postgres([_postgres("initdb") or "initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "postgres"])
        options = f"{QUICK} -c unix_socket_directories={folder}"
        _as_postgres([*control, "-o", options, "-l", str(folder / "log"), "start"])
        try:
            _done(["psql", "-h", str(folder), "-U", "postgres", "-qc", 'CREATE ROLE "www-data" LOGIN', "postgres"])
            yield str(folder)
        finally:
            _as_postgres([*control, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgres(name: str) -> str | None:
    """Return the path of one of PostgreSQL's programs whose PostGIS is there, too."""
    for share in sorted(Path("/usr/share/postgresql").glob("*/extension/postgis.control"), reverse=True):
        path = Path("/usr/lib/postgresql") / share.parts[-3] / "bin" / name
        if path.exists():
            return str(path)
    return None


def _spatialite() -> bool:
    return any(Path("/usr/lib").glob("*/mod_spatialite.so*"))


def _as_postgres(command: list[str]) -> None:
    """Run as PostgreSQL's own user: it will not work as root."""
    _done(["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command, Path("/"))


def _done(command: list[str], folder: Path | None = None, passed: Mapping[str, str] | None = None) -> None:
    env = {**os.environ, "LC_ALL": "C.UTF-8", **(passed or {})}
    ended = subprocess.run(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if ended.returncode:
        sys.stderr.buffer.write(ended.stdout[-4000:])
        raise Absent(f"{Path(command[0]).name} failed ({ended.returncode})")


def main() -> int:
    """Serve a town; print the table and run the tests that want it."""
    parser = argparse.ArgumentParser(prog="poe nominatim", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=400, help="addresses that are typed")
    parser.add_argument("--serve", action="store_true", help="serve until Ctrl-C, nothing else")
    parser.add_argument("--table", action="store_true", help="the table alone, without the tests")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_told: sys.exit(1))  # so that what was started ends with us
    try:
        nominatim = program()
        place = town(given.seed, 0)
        with served(nominatim, imported(nominatim, place.name, osm(place))) as url:
            return _work(nominatim, url, given)
    except Absent as absent:
        say(f"no Nominatim: {absent}")
        return 1


def _work(nominatim: Path, url: str, given: argparse.Namespace) -> int:
    if given.serve:
        print(f"IDENTSYNC_NOMINATIM={url}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3_600)
        return 0
    nominatim_accuracy.table(url, town(given.seed, 0), given.seed, given.count)
    if given.table or given.seed != 1:  # the tests know the first town of seed 1
        return 0
    with served(nominatim, imported(nominatim, nominatim_hard.CITY, nominatim_hard.osm())) as hard:
        tests = [sys.executable, "-m", "pytest", "-q", "geocoding/test_wires_nominatim.py"]
        env = os.environ | {"IDENTSYNC_NOMINATIM": url, "IDENTSYNC_NOMINATIM_HARD": hard}
        return subprocess.run(tests, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
