"""A node's configuration, as form and as record (XEP-0060 §8.2, §16.4.4)."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple

from xmppd.api import Element, FieldType, Form, FormType, StanzaError, forms, ns
from xmppd.modules.pubsub.errors import refused, unsupported

NODE_CONFIG: Final = f"{ns.PUBSUB}#node_config"
PUBLISH_OPTIONS: Final = f"{ns.PUBSUB}#publish-options"
META_DATA: Final = f"{ns.PUBSUB}#meta-data"
ATOM: Final = "http://www.w3.org/2005/Atom"
# Types that say what the items mean, and the namespace of their payloads; "": any.
SEMANTIC: Final[Mapping[str, str]] = {
    "urn:xmpp:microblog:0": ATOM,  # XEP-0472 §7.2
    "urn:xmpp:pubsub-social-feed:": ATOM,  # XEP-0472 §7; XEP-0501 §3.1, XEP-0508 §4
    "urn:xmpp:openpgp:pubsub:": "",  # XEP-0473 §5
    "urn:xmpp:forums:": "",  # XEP-0508 §3
    "urn:xmpp:spaces:": "",  # XEP-0503 §4
}
MAX: Final = "max"  # as many as the service permits
MAX_TEXT: Final = 2048  # characters in a text of the configuration
MAX_LIST: Final = 50  # values in a list of the configuration
MAX_SECONDS: Final = 10 * 366 * 86400


class AccessModel(StrEnum):
    """Who may subscribe and retrieve items (§4.5)."""

    OPEN = "open"
    PRESENCE = "presence"
    ROSTER = "roster"
    AUTHORIZE = "authorize"
    WHITELIST = "whitelist"


class PublishModel(StrEnum):
    """Who may publish, beside those affiliated as such."""

    PUBLISHERS = "publishers"
    SUBSCRIBERS = "subscribers"
    OPEN = "open"


class SendLast(StrEnum):
    """When the last published item is sent."""

    NEVER = "never"
    ON_SUB = "on_sub"
    ON_SUB_AND_PRESENCE = "on_sub_and_presence"


class Full(StrEnum):
    """What publishing to a full node does (§7.1.2.5)."""

    RETRACT_OLDEST = "retract-oldest"
    DISCARD_OLDEST = "discard-oldest"
    REJECT = "reject"


class NotificationType(StrEnum):
    NORMAL = "normal"
    HEADLINE = "headline"


class ItemReply(StrEnum):
    """Whether items tell whom replies go to (§12.16)."""

    NONE = "none"
    OWNER = "owner"
    PUBLISHER = "publisher"


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Each field is called like its var after `pubsub#`. None in a number is "max"."""

    title: str = ""
    description: str = ""
    type: str = ""
    language: str = ""
    contact: tuple[str, ...] = ()
    access_model: AccessModel = AccessModel.OPEN
    publish_model: PublishModel = PublishModel.PUBLISHERS
    roster_groups_allowed: tuple[str, ...] = ()
    subscribe: bool = True
    deliver_notifications: bool = True
    deliver_payloads: bool = True
    notification_type: NotificationType = NotificationType.HEADLINE
    notify_config: bool = False
    notify_delete: bool = True
    notify_retract: bool = True
    notify_sub: bool = False
    presence_based_delivery: bool = False
    send_last_published_item: SendLast = SendLast.ON_SUB
    persist_items: bool = True
    max_items: int | None = 20
    item_expire: int | None = None
    publish_node_full: Full = Full.RETRACT_OLDEST
    max_payload_size: int = 131072
    itemreply: ItemReply = ItemReply.NONE

    @property
    def transient_notification(self) -> bool:
        """Publications have no item at all (§4.3)."""
        return not self.persist_items and not self.deliver_payloads

    @property
    def payload_ns(self) -> str:
        """The namespace of payloads; "" where any will do (§7.1.3.6)."""
        known = (ns for type_, ns in SEMANTIC.items() if self.type.startswith(type_))
        return next(known, self.type)


class Spec(NamedTuple):
    """A field of the form: its name after `pubsub#` is the name of the record's field."""

    name: str
    kind: FieldType
    label: str
    choices: tuple[str, ...] = ()

    @property
    def var(self) -> str:
        return f"pubsub#{self.name}"


SPECS: Final = (
    Spec("title", FieldType.TEXT_SINGLE, "A friendly name for the node"),
    Spec("description", FieldType.TEXT_SINGLE, "A description of the node"),
    Spec("type", FieldType.TEXT_SINGLE, "The namespace of the payloads"),
    Spec("language", FieldType.TEXT_SINGLE, "The default language of the node"),
    Spec("contact", FieldType.JID_MULTI, "Whom to contact with questions"),
    Spec(
        "access_model",
        FieldType.LIST_SINGLE,
        "Who may subscribe and retrieve items",
        tuple(AccessModel),
    ),
    Spec("publish_model", FieldType.LIST_SINGLE, "Who may publish", tuple(PublishModel)),
    Spec(
        "roster_groups_allowed",
        FieldType.TEXT_MULTI,
        "The roster groups allowed to subscribe and retrieve items",
    ),
    Spec("subscribe", FieldType.BOOLEAN, "Whether to allow subscriptions"),
    Spec("deliver_notifications", FieldType.BOOLEAN, "Whether to deliver notifications"),
    Spec("deliver_payloads", FieldType.BOOLEAN, "Whether notifications have payloads"),
    Spec(
        "notification_type",
        FieldType.LIST_SINGLE,
        "The type of messages that notify",
        tuple(NotificationType),
    ),
    Spec("notify_config", FieldType.BOOLEAN, "Whether to tell of new configurations"),
    Spec("notify_delete", FieldType.BOOLEAN, "Whether to tell when the node is deleted"),
    Spec("notify_retract", FieldType.BOOLEAN, "Whether to tell when items are removed"),
    Spec("notify_sub", FieldType.BOOLEAN, "Whether to tell owners of subscribers"),
    Spec("presence_based_delivery", FieldType.BOOLEAN, "Whether to tell available users only"),
    Spec(
        "send_last_published_item",
        FieldType.LIST_SINGLE,
        "When to send the last published item",
        tuple(SendLast),
    ),
    Spec("persist_items", FieldType.BOOLEAN, "Whether to keep items"),
    Spec("max_items", FieldType.TEXT_SINGLE, "How many items to keep; `max` for all there may be"),
    Spec(
        "item_expire",
        FieldType.TEXT_SINGLE,
        "Seconds after which items are removed; `max` for never",
    ),
    Spec("publish_node_full", FieldType.LIST_SINGLE, "What happens in a full node", tuple(Full)),
    Spec("max_payload_size", FieldType.TEXT_SINGLE, "Largest payload in bytes"),
    Spec(
        "itemreply",
        FieldType.LIST_SINGLE,
        "Whether items tell their publisher",
        tuple(ItemReply),
    ),
)
BY_VAR: Final = {spec.var: spec for spec in SPECS}
_ENUMS: Final[Mapping[str, type[StrEnum]]] = {
    "access_model": AccessModel,
    "publish_model": PublishModel,
    "notification_type": NotificationType,
    "send_last_published_item": SendLast,
    "publish_node_full": Full,
    "itemreply": ItemReply,
}
_TUPLES: Final = frozenset(("contact", "roster_groups_allowed"))
_NUMBERS: Final = frozenset(("max_items", "item_expire", "max_payload_size"))


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a face lets owners configure."""

    max_items: int
    max_payload: int
    access_models: tuple[AccessModel, ...] = tuple(AccessModel)


def form(config: NodeConfig, bounds: Bounds, type_: FormType = FormType.FORM) -> Form:
    """The configuration as form, to be filled in or as result (§8.2.2)."""
    shown = [forms.form_type(NODE_CONFIG), *(_field(spec, config, bounds) for spec in SPECS)]
    shown.append(_node_type(type_))
    return Form(type=type_, fields=shown)


def _node_type(type_: FormType) -> forms.Field:
    options = ["leaf"] if type_ is FormType.FORM else []
    return forms.field("pubsub#node_type", "leaf", FieldType.LIST_SINGLE, options=options)


def _field(spec: Spec, config: NodeConfig, bounds: Bounds) -> forms.Field:
    value = getattr(config, spec.name)
    if spec.name in _NUMBERS and value is None:
        value = MAX
    choices = bounds.access_models if spec.name == "access_model" else spec.choices
    return forms.field(spec.var, value, spec.kind, label=spec.label, options=choices)


def configured(config: NodeConfig, submitted: Element | None, bounds: Bounds) -> NodeConfig | None:
    """What becomes of it by a submitted form; None where the owner cancelled (§8.2.4).

    Raises bad-request for what is no submission, not-acceptable for what cannot be (§8.2.5.2).
    """
    submission = forms.submission(submitted, NODE_CONFIG)
    if submission.type is FormType.CANCEL:
        return None
    return changed(config, submission, bounds)


def changed(config: NodeConfig, submission: Form, bounds: Bounds) -> NodeConfig:
    """The configuration with the fields of a submission in place of its own."""
    _check_support(submission, bounds)
    asked = form(config, bounds)
    del asked.fields[0]  # the FORM_TYPE, which has been looked at and may be that of options
    values = asked.check(submission)
    known = {BY_VAR[var].name: value for var, value in values.items() if var in BY_VAR}
    for name in _ENUMS.keys() & known.keys():
        if not known[name]:  # a field without a value chooses nothing
            del known[name]
    return replace(config, **{name: _value(name, it, bounds) for name, it in known.items()})


def _check_support(submission: Form, bounds: Bounds) -> None:
    """§8.1.2: an error of its own for a model that is not supported, and for collections
    (XEP-0248 §7.1.2).
    """
    if submission.get("pubsub#node_type", str) == "collection":
        raise unsupported("collections")
    asked = submission.get("pubsub#access_model", str)
    if asked is not None and asked not in bounds.access_models:
        raise refused("not-acceptable", "unsupported-access-model")


def _value(name: str, value: Any, bounds: Bounds) -> Any:  # as `Form.check` gives it
    if name in _ENUMS:
        return _ENUMS[name](value or "")
    if name in _NUMBERS:
        return _number(name, str(value), bounds)
    if name == "roster_groups_allowed":
        return _listed(name, [line for line in str(value).splitlines() if line])
    if name == "contact":
        return _listed(name, [str(each) for each in value])
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise StanzaError("not-acceptable", f"pubsub#{name} is too long")
    return value


def _listed(name: str, values: list[str]) -> tuple[str, ...]:
    if len(values) > MAX_LIST or any(len(value) > MAX_TEXT for value in values):
        raise StanzaError("not-acceptable", f"pubsub#{name} is too long")
    return tuple(dict.fromkeys(values))


def _number(name: str, text: str, bounds: Bounds) -> int | None:
    """An integer or `max` (§12.23)."""
    most = {
        "max_items": bounds.max_items,
        "max_payload_size": bounds.max_payload,
        "item_expire": MAX_SECONDS,
    }[name]
    text = text.strip()
    if text == MAX or (name == "item_expire" and not text):
        return most if name == "max_payload_size" else None
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else -1
    least = 0 if name == "max_items" else 1
    if not least <= number <= most:
        raise StanzaError("not-acceptable", f"pubsub#{name} must be {least} to {most}, or max")
    return number


def meets(config: NodeConfig, preconditions: Form, bounds: Bounds) -> bool:
    """Whether a node is configured as a publisher wants it (§7.1.5)."""
    try:
        wanted = changed(config, preconditions, bounds)
    except StanzaError:  # what the node could not even be
        return False
    return _plain(wanted, bounds) == _plain(config, bounds)


def _plain(config: NodeConfig, bounds: Bounds) -> NodeConfig:
    """With `max` for the number that it stands for."""
    if config.max_items == bounds.max_items:
        return replace(config, max_items=None)
    return config


def known_only(preconditions: Form) -> bool:
    """Unknown fields refuse the publication (§7.1.5)."""
    known = {forms.FORM_TYPE, "pubsub#node_type", *BY_VAR}
    return all(field.var in known for field in preconditions.fields)


def to_json(config: NodeConfig) -> str:
    return json.dumps(asdict(config), separators=(",", ":"))


def from_json(text: str) -> NodeConfig:
    """What is stored; fields that this version does not know are left out."""
    stored = json.loads(text)
    known = {field.name for field in fields(NodeConfig)}
    return NodeConfig(**{name: _stored(name, it) for name, it in stored.items() if name in known})


def _stored(name: str, value: Any) -> Any:  # as JSON has it
    if name in _ENUMS:
        return _ENUMS[name](value)
    return tuple(value) if name in _TUPLES else value
