"""Which path is answered by what: functions of the desk, the headers and the decoded body."""

from collections.abc import Callable

from identsync.demo.gateway import exolve, iqsms, smsaero, smsc, smsru
from identsync.demo.gateway.desk import Answer, Desk, Fields

PATHS: dict[str, Callable[[Desk, Fields, Fields], Answer]] = {
    "/smsc/sys/send.php": smsc.smsc_send,
    "/smsc/sys/status.php": smsc.smsc_status,
    "/smsc/sys/balance.php": smsc.smsc_balance,
    "/smsc/sys/get.php": smsc.smsc_replies,
    "/smsru/sms/send": smsru.smsru_send,
    "/smsru/sms/status": smsru.smsru_status,
    "/smsru/my/balance": smsru.smsru_balance,
    "/smsaero/sms/send": smsaero.aero_send,
    "/smsaero/sms/status": smsaero.aero_status,
    "/smsaero/sms/list": smsaero.aero_list,
    "/smsaero/balance": smsaero.aero_balance,
    "/iqsms/send.json": iqsms.iq_send,
    "/iqsms/status.json": iqsms.iq_status,
    "/iqsms/statusQueue.json": iqsms.iq_queue,
    "/iqsms/balance.json": iqsms.iq_balance,
    "/exolve/messaging/v1/SendSMS": exolve.exolve_send,
    "/exolve/messaging/v1/GetList": exolve.exolve_list,
}
FORMS = ("/smsc/", "/smsru/")
"""These take forms, the others JSON; anything else is refused with 415."""

BUSY: dict[str, Answer] = {
    "smsc": (200, {"error": "too many requests", "error_code": 9}),
    "smsru": (200, {"status": "ERROR", "status_code": 220, "status_text": "Сервис временно недоступен"}),
}
"""How a gateway asks for a slower pace; the others by 429."""
