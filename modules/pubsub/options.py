"""Subscription options (XEP-0060 §6.3): whether to deliver, and until when."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from xmppd.api import (
    Element,
    FieldType,
    Form,
    FormType,
    StanzaError,
    format_datetime,
    forms,
    ns,
    parse_datetime,
)
from xmppd.modules.pubsub.errors import refused

SUBSCRIBE_OPTIONS: Final = f"{ns.PUBSUB}#subscribe_options"
DELIVER: Final = "pubsub#deliver"
EXPIRE: Final = "pubsub#expire"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SubscriptionOptions:
    """`expire`: the end of the lease in microseconds since 1970; None: it has none (§12.18)."""

    deliver: bool = True
    expire: int | None = None


def form(options: SubscriptionOptions, type_: FormType = FormType.FORM) -> Form:
    expire = "" if options.expire is None else format_datetime(moment(options.expire))
    return Form(
        type=type_,
        fields=[
            forms.form_type(SUBSCRIBE_OPTIONS),
            forms.field(DELIVER, options.deliver, label="Whether to send notifications"),
            forms.field(EXPIRE, expire, FieldType.TEXT_SINGLE, label="When the subscription ends"),
        ],
    )


def submitted(options: SubscriptionOptions, element: Element | None) -> SubscriptionOptions:
    """What becomes of them by a submitted form. Raises bad-request invalid-options (§6.3.7)."""
    try:
        submission = forms.submission(element, SUBSCRIBE_OPTIONS)
        if submission.type is FormType.CANCEL:
            return options
        values = form(options).check(submission)
        deliver = values.get(DELIVER, options.deliver)
        expire = options.expire
        if EXPIRE in values:
            expire = _expiry(str(values[EXPIRE]))
    except (StanzaError, ValueError) as problem:
        raise refused("bad-request", "invalid-options", str(problem)) from None
    return SubscriptionOptions(deliver=bool(deliver), expire=expire)


def _expiry(text: str) -> int | None:
    return microseconds(parse_datetime(text.strip())) if text.strip() else None


def moment(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)


def microseconds(when: datetime) -> int:
    return (when - _EPOCH) // timedelta(microseconds=1)


def to_json(options: SubscriptionOptions) -> str:
    return json.dumps(asdict(options), separators=(",", ":"))


def from_json(text: str) -> SubscriptionOptions:
    stored = json.loads(text)
    return SubscriptionOptions(bool(stored.get("deliver", True)), stored.get("expire"))
