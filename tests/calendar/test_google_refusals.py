"""What Google says to a whole account is told to all of it, and what it says of one calendar is not."""

import contextlib

import pytest
from accounts import Doctor, name

from identsync.errors import Limited, Refused, Unavailable, Unexpected
from identsync.integrations.calendar.event import Barred

FEW = [name(1), name(2), name(3)]


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (429, "rateLimitExceeded", Limited),
        (403, "quotaExceeded", Limited),
        (401, "authError", Refused),
        (403, "forbidden", None),
        (403, "accessNotConfigured", None),
        (404, "notFound", None),
    ],
)
async def test_what_concerns_the_whole_account_is_told_to_all_of_it(
    doctor: Doctor, process, status: int, reason: str, kind: type | None
):
    process.fault("fail", "get", status=status, reason=reason, times=None)
    with contextlib.suppress(Limited, Refused):
        await doctor.wire.get(name(1))
    assert doctor.account.heard == ([] if kind is None else [kind])


async def test_a_grant_that_was_revoked_is_told_to_all_of_its_account(doctor: Doctor):
    await doctor.account.access.revoke()
    with pytest.raises(Refused):
        await doctor.wire.get(name(1))
    assert doctor.account.heard == [Refused]


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (503, "backendError", Unavailable),
        (403, "userRateLimitExceeded", Limited),
        (429, "rateLimitExceeded", Limited),
        (403, "forbidden", Barred),
        (401, "authError", Refused),
        (418, "teapot", Unexpected),
    ],
)
async def test_a_part_of_a_batch_may_fail_alone(doctor: Doctor, process, status: int, reason: str, kind: type):
    await doctor.written(1, 2, 3)
    process.fault("part", "part get", skip=1, status=status, reason=reason, times=None)
    with pytest.raises(kind) as caught:
        await doctor.wire.fetch(FEW)
    assert type(caught.value) is kind
    assert set(doctor.account.heard) == {kind} & {Limited, Refused}
