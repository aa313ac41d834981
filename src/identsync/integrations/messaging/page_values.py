"""What templates are filled with when people look at them: a real patient's data; and what a part costs."""

from collections.abc import Mapping
from typing import Any

from identsync.clinic.clock import minute_now
from identsync.engine.integration import PageContext
from identsync.integrations.messaging import template as texts
from identsync.integrations.messaging.filling import filling
from identsync.integrations.messaging.message import Kind, Medium


def price(settings: Mapping[str, Any] | None, medium: Medium, kind: Kind) -> int:
    """Return the price of a part by the first channel of a medium, kopecks; 0 where the settings name none."""
    channel = next((each for each in (settings or {}).values() if each.medium == medium), None)
    if channel is None:
        return 0
    each: float = (channel.price_ad or channel.price) if kind is Kind.AD else channel.price
    return round(each * 100)


def of_patient(context: PageContext, patient_id: int, text: str) -> Mapping[str, str]:
    """Return the values of a patient for the places that ``text`` fills, of his next visit too; else empty."""
    patient = context.clinic.patients([patient_id]).get(patient_id)
    branches = {branch.id: branch for branch in context.clinic.branches()}
    visit = None
    if any(texts.NAMES[name].visit for name in texts.places(text)):
        zone = next((branch.zone for branch in branches.values()), "UTC")
        visit = context.clinic.next_visit(patient_id, minute_now(zone, context.now_ms))
    own = (visit.branch_id if visit else None) or (patient.branch_id if patient else None) or 0
    doctor = "" if visit is None else _doctor(context, visit.doctor_id)
    return filling(patient, branches.get(own), visit, doctor)


def _doctor(context: PageContext, doctor_id: int) -> str:
    return next((doctor.name for doctor in context.clinic.staff() if doctor.id == doctor_id), "")
