"""What Google says to a whole account is told to all of it, and what it says of one calendar is not."""

import contextlib

import pytest
from accounts import Doctor, name

from identsync.errors import Limited, Refused


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
