"""The contests: what eight connections do to each other on the limiter's statements."""

import random
import secrets
import threading
import time
from itertools import pairwise

from identsync.errors import Unavailable
from identsync.language import _
from identsync.store.limiter import Claim, ClaimAsk, Ending, Fence, mssql
from identsync.store.trial.findings import Finding, percentiles, verdict
from identsync.store.trial.ground import LEASE_MS, TTL_MS, Ground

INTERVAL_MS = 200
_KINDS = tuple(f"turns-{i}" for i in range(6))
_HOLD_S = {"sqlite": 0.5}  # there an ask waits for the end; elsewhere 2.5 s, longer than its lock time-out


def clock(g: Ground) -> Finding:
    """The database's clock never goes back between two reads; its distance to this computer's does not matter."""
    limiter = g.store.limiter()
    g.claim(limiter, "clock", "a")
    reads, times, away = [], [], 0
    for _ask in range(200):
        sent = time.perf_counter()
        reads.append(g.claim(limiter, "clock", "b").now_ms)
        times.append(time.perf_counter() - sent)
        away = reads[-1] - round(time.time() * 1000)
    back = sum(later < earlier for earlier, later in pairwise(reads))
    told = _("часы базы отличаются от часов этого компьютера на {ms} мс; шагов назад: {back}", ms=away, back=back)
    return Finding(
        "clock", _("Часы базы данных"), verdict(good=not back), told, {"away_ms": away, **percentiles(times)}
    )


def claims(g: Ground) -> Finding:
    """All connections ask for one task; each grant adds one to a counter that nothing else protects."""
    until = time.monotonic() + g.seconds

    def ask(holder: str) -> tuple[list[Claim], list[float], int, int]:
        limiter, granted, times, written, failed = g.store.limiter(), [], [], 0, 0
        while time.monotonic() < until:
            sent = time.perf_counter()
            try:
                claim = g.claim(limiter, "claims", holder, interval_ms=INTERVAL_MS)
                times.append(time.perf_counter() - sent)
                if claim.granted:
                    granted.append(claim)
                    written += _add(g, Fence.of("claims", 1, claim, holder))
                    g.finish(limiter, Fence.of("claims", 1, claim, holder), INTERVAL_MS)
            except Unavailable:
                failed += 1
        return granted, times, written, failed

    parts = g.together(ask)
    runs = sorted((claim for part in parts for claim in part[0]), key=lambda claim: claim.fence)
    fences = [claim.fence for claim in runs]
    doubled = len(runs) - len({claim.due_ms for claim in runs})
    written, failed = sum(part[2] for part in parts), sum(part[3] for part in parts)
    asks = [each for part in parts for each in part[1]]
    sound = (
        fences == list(range(1, len(fences) + 1)) and not doubled and g.count() == written == len(runs) and not failed
    )
    told = _(
        "запусков {runs}, дважды за интервал {doubled}, счётчик {count}, ошибок {failed}",
        runs=len(runs), doubled=doubled, count=g.count(), failed=failed,
    )  # fmt: skip
    figures = {"asks_per_s": round(len(asks) / g.seconds), "runs": len(runs), "errors": failed, **percentiles(asks)}
    return Finding("claims", _("Одну задачу хотят все сразу"), verdict(good=sound and len(runs) > 1), told, figures)


def _add(g: Ground, fence: Fence) -> bool:
    """Read, wait, write: two runs at once would lose a count."""
    n = g.count()
    time.sleep(0.002)
    return g.put(fence, n + 1)


def turns(g: Ground) -> Finding:
    """Each connection says several things in one statement, about the same few tasks, in an order of its own."""
    until = time.monotonic() + g.seconds
    parts = g.together(lambda holder: _turns(g, holder, until))
    runs: dict[str, list[Claim]] = {}
    for part in parts:
        for kind, claim in part[0]:
            runs.setdefault(kind, []).append(claim)
    grants = sum(map(len, runs.values()))
    doubled = grants - sum(len({claim.due_ms for claim in claims}) for claims in runs.values())
    holes = sum(max(claim.fence for claim in claims) - len({c.fence for c in claims}) for claims in runs.values())
    ties, failed = sum(part[1] for part in parts), sum(part[2] for part in parts)
    told = _(
        "захватов {grants}, двойных {doubled}, взаимных блокировок {deadlocks}, ошибок {failed}",
        grants=grants, doubled=doubled, deadlocks=ties, failed=failed,
    )  # fmt: skip
    sound = grants > len(_KINDS) and not doubled and not holes and not failed
    return Finding("turns", _("Несколько дел одним запросом"), verdict(good=sound), told, {"deadlocks": ties})


def _turns(g: Ground, holder: str, until: float) -> tuple[list[tuple[str, Claim]], int, int]:
    limiter, granted, failed = g.store.limiter(), [], 0
    endings: list[Ending] = []
    while (asking := time.monotonic() < until) or endings:
        busy = {ending.fence.kind for ending in endings}
        free = [kind for kind in random.sample(_KINDS, len(_KINDS)) if kind not in busy]
        asks = [ClaimAsk(kind, 1, LEASE_MS, INTERVAL_MS, secrets.token_hex(8), TTL_MS) for kind in free[:4]]
        try:
            reply = limiter.turn(holder, 0, endings=endings, claims=asks if asking else ())
        except Unavailable:
            failed += 1
            continue
        won = [(ask.kind, claim) for ask, claim in zip(asks, reply.claims, strict=False) if claim.granted]
        held = [ending for ending, ended in zip(endings, reply.endings, strict=True) if ended is None]
        fences = (Fence.of(kind, 1, claim, holder) for kind, claim in won)
        endings = held + [Ending(fence, INTERVAL_MS, "ok", {}, "") for fence in fences]
        granted += won
    return granted, limiter.ties, failed


def zombie(g: Ground) -> Finding:
    """A holder that sleeps through its lease is replaced, and can write nothing when it wakes."""
    lease_ms = 1_000
    limiter = g.store.limiter()
    began = time.monotonic()  # before the lease does: this computer may be slow to hear of it
    first = g.claim(limiter, "zombie", "a", lease_ms=lease_ms)
    fence = Fence.of("zombie", 1, first, "a")
    asks, second = 0, first
    while second.fence == first.fence and time.monotonic() < began + 10:
        second = g.claim(limiter, "zombie", "b", lease_ms=lease_ms)
        asks += 1
        if not second.granted:
            time.sleep(max(0, second.eligible_ms - second.now_ms) / 1000 + 0.01)
    after_ms = round(1000 * (time.monotonic() - began))
    refused = limiter.renew(fence, lease_ms) is None and not g.finish(limiter, fence) and not g.put(fence, -1)
    good = first.granted and second.granted and second.fence == first.fence + 1 and refused and after_ms >= lease_ms
    told = _("подхвачено через {ms} мс при аренде {lease} мс; проснувшийся отстранён: {refused}",
             ms=after_ms, lease=lease_ms, refused=_("да") if refused else _("НЕТ"))  # fmt: skip
    return Finding("zombie", _("Уснувшая программа"), verdict(good=good), told, {"after_ms": after_ms, "asks": asks})


def lost_answer(g: Ground) -> Finding:
    """An ask repeated under the same id after a lost answer finds the claim it had won."""
    limiter = g.store.limiter()
    first, again = (g.claim(limiter, "lost", "a", request="one") for _ask in range(2))
    other = g.claim(limiter, "lost", "b")
    good = first.granted and again.granted and first.fence == again.fence and not other.granted
    told = _("тот же номер запуска: {same}; чужой получил отказ: {denied}",
             same=_("да") if first.fence == again.fence else _("НЕТ"),
             denied=_("да") if not other.granted else _("НЕТ"))  # fmt: skip
    return Finding("lost_answer", _("Потерянный ответ"), verdict(good=good), told)


def locked_row(g: Ground) -> Finding:
    """A task's row held by a long write is granted to nobody meanwhile; on SQLite the ask waits for its end."""
    limiter = g.store.limiter()
    mine = g.claim(limiter, "locked", "a", lease_ms=1)
    hold_s = _HOLD_S.get(g.store.dialect, 2.5)
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with g.store.write(Fence.of("locked", 1, mine, "a")):
            held.set()
            over.wait(hold_s)
            over.set()

    thread = threading.Thread(target=hold, name="identsync-trial-holder")
    thread.start()
    held.wait(10)
    sent = time.perf_counter()
    claim = g.claim(limiter, "locked", "b")
    waited_ms = round(1000 * (time.perf_counter() - sent))
    stolen = claim.granted and not over.is_set()
    over.set()
    thread.join()
    told = _("занятая строка: ответ через {ms} мс", ms=waited_ms)
    return Finding(
        "locked_row", _("Строка занята долгой записью"), verdict(good=not stolen), told, {"waited_ms": waited_ms}
    )


def rates(g: Ground) -> Finding:
    """All connections take permits of one channel: its ceiling holds, and nearly all of it is used."""
    period_ms, burst = 20, 10
    seconds = min(3.0, g.seconds)
    began = time.monotonic()
    until = began + seconds

    def take(_holder: str) -> tuple[int, int]:
        limiter, taken, asks = g.store.limiter(), 0, 0
        while time.monotonic() < until:
            wait = limiter.permits("trial", 1, 1, period_ms=period_ms, burst=burst)
            asks += 1
            taken += not wait
            time.sleep(random.uniform(0.2, 1) * wait / 1000)  # noqa: S311
        return taken, asks

    parts = g.together(take)
    spent_ms = 1000 * (time.monotonic() - began)
    taken, ceiling = sum(part[0] for part in parts), burst + int(spent_ms / period_ms) + 1
    told = _("взято {taken} при потолке {ceiling}", taken=taken, ceiling=ceiling)
    figures = {"taken": taken, "ceiling": ceiling, "asks": sum(part[1] for part in parts)}
    return Finding("rates", _("Общий потолок скорости"), verdict(good=0.5 * ceiling < taken <= ceiling), told, figures)


def blocks(g: Ground) -> Finding:
    """A block of permits is granted, given back once and not twice; a channel put off is put off for everybody."""
    limiter, pause_ms = g.store.limiter(), 5_000
    block = limiter.block("blocks", 1, cost_ms=500, back_ms=0, ahead_ms=TTL_MS)
    back = [limiter.give_back("blocks", 1, taken_ms=block.first_ms + 500, used_ms=block.first_ms) for _try in range(2)]
    limiter.postpone("blocks", 1, pause_ms)
    later = limiter.block("blocks", 1, cost_ms=500, back_ms=0, ahead_ms=TTL_MS)
    off_ms = later.first_ms - later.now_ms
    told = _("после отсрочки на {pause} мс следующее разрешение через {ms} мс", pause=pause_ms, ms=off_ms)
    good = block.granted and back == [True, False] and 0.9 * pause_ms <= off_ms <= pause_ms
    return Finding("blocks", _("Отсрочка и возврат разрешений"), verdict(good=good), told, {"off_ms": off_ms})


def bell(g: Ground) -> Finding:
    """The server waits for a free seat and says so as soon as it is given up: SQL Server's bell."""
    limiter, heard = g.store.limiter(), threading.Event()
    limiter.seat(1, "bell", 0, lease_ms=TTL_MS, presence_ttl_ms=TTL_MS)
    connection = g.store.own_connection()
    connection.timeout = 0

    def wait() -> None:
        connection.cursor().execute(mssql.bell(g.store.names, (1,))).fetchall()
        heard.set()

    thread = threading.Thread(target=wait, name="identsync-trial-listener", daemon=True)
    thread.start()
    early = heard.wait(1.0)
    limiter.leave("bell", [1])
    left = time.perf_counter()
    late = not heard.wait(5.0)
    ms = round(1000 * (time.perf_counter() - left))
    thread.join(0 if late else 5)
    connection.close()
    told = _("о свободном месте узнали через {ms} мс", ms=ms)
    return Finding("bell", _("Звонок о свободном месте"), verdict(good=not early and not late), told, {"heard_ms": ms})
