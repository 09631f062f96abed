"""What the owners of a room have decided about it (XEP-0045 §10.1.3, §10.2, §16.5.3)."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, NamedTuple

from xmppd.api import JID, Field, FieldType, Form, FormType, Options, StanzaError, forms, option
from xmppd.modules.muc.names import CONFIG, Affiliation, Role

ADMINS = "muc#roomconfig_roomadmins"
OWNERS = "muc#roomconfig_roomowners"
WORDS = tuple(role.word for role in (Role.MODERATOR, Role.PARTICIPANT, Role.VISITOR))
NO_LIMIT = "none"
SLOW_MODE = "muc#roomconfig_slow_mode_duration"
MAX_USERS = "muc#roomconfig_maxusers"
SLOWEST = 86400
BOOLEANS = ("true", "false", "1", "0")
SIZES = ("10", "20", "30", "50", "100", "200", "500", "1000", "5000", NO_LIMIT)
MOST_HISTORY = 500


class RoomDefaults(Options):
    """How a new room is, until its owner says otherwise."""

    public: bool = option(True, "Whether the service lists it.")
    persistent: bool = option(False, "Whether it stays when its last occupant has left.")
    members_only: bool = option(False, "Whether only members may enter.")
    moderated: bool = option(False, "Whether only those with voice may speak.")
    whois: Literal["moderators", "anyone"] = option(
        "moderators", "Who sees the real addresses of occupants."
    )
    change_subject: bool = option(False, "Whether participants may change the subject.")
    allow_invites: bool = option(
        False, "Whether members may invite others, where only members may enter."
    )
    allow_pm: Literal["anyone", "participants", "moderators", "none"] = option(
        "anyone", "Who may send private messages."
    )
    archiving: bool = option(
        True, "Whether its messages are archived, where the host has message archives."
    )
    logging: bool = option(False, "Whether occupants are told that the room is logged publicly.")
    max_users: int = option(0, "Occupants at a time; 0: no limit.", at_least=0)
    quiet: bool = option(
        False,
        "Whether only the presence of moderators and of who has said something is shown: for "
        "rooms of thousands.",
    )
    slow_mode: int = option(
        0, "Seconds between two messages of one user (XEP-0500); 0: none.", at_least=0
    )
    history: int = option(20, "Messages shown to who enters.", at_least=0, at_most=MOST_HISTORY)
    lang: str = option("", "Language that is spoken there.", example="en")


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration of one room. A change makes a new one."""

    name: str = ""
    description: str = ""
    lang: str = ""
    pubsub: str = ""
    public: bool = True
    persistent: bool = False
    members_only: bool = False
    moderated: bool = False
    protected: bool = False
    password: str = ""
    whois: str = "moderators"
    allow_pm: str = "anyone"
    allow_invites: bool = False
    change_subject: bool = False
    archiving: bool = True
    logging: bool = False
    max_users: int = 0
    history: int = 20
    broadcast: tuple[str, ...] = WORDS
    member_list: tuple[str, ...] = WORDS
    lock_nicks: bool = False
    quiet: bool = False
    slow_mode: int = 0

    @property
    def anonymous(self) -> bool:
        """Semi-anonymous: only moderators see real addresses (§4.2)."""
        return self.whois != "anyone"

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Config":
        """What an older or newer version stored; what is not known any more is left out."""
        known = {field.name for field in fields(cls)}
        stored = {key: value for key, value in json.loads(text).items() if key in known}
        values: dict[str, Any] = {k: tuple(v) if type(v) is list else v for k, v in stored.items()}
        return cls(**values)


class Setting(NamedTuple):
    """One field of the form."""

    var: str
    attribute: str
    type: FieldType
    label: str
    options: tuple[tuple[str, str], ...] = ()
    at_most: int = 0  # characters
    private: bool = False  # concerns privacy or security: has a status code of its own


ROLE_OPTIONS = tuple((word, word.capitalize()) for word in WORDS)
PM_OPTIONS = (
    ("anyone", "Anyone"),
    ("participants", "Anyone with voice"),
    ("moderators", "Moderators only"),
    ("none", "Nobody"),
)
WHOIS_OPTIONS = (("moderators", "Moderators only"), ("anyone", "Anyone"))
SIZE_OPTIONS = tuple((size, "No limit" if size == NO_LIMIT else size) for size in SIZES)
TEXT, BOOLEAN = FieldType.TEXT_SINGLE, FieldType.BOOLEAN
ONE, MANY = FieldType.LIST_SINGLE, FieldType.LIST_MULTI


def _of(name: str) -> str:
    return f"muc#roomconfig_{name}"


SETTINGS = (
    Setting(_of("roomname"), "name", TEXT, "Name of the room", at_most=200),
    Setting(_of("roomdesc"), "description", TEXT, "Short description", at_most=2000),
    Setting(_of("lang"), "lang", TEXT, "Language that is spoken", at_most=35),
    Setting(_of("publicroom"), "public", BOOLEAN, "List the room publicly?"),
    Setting(_of("persistentroom"), "persistent", BOOLEAN, "Keep the room when it is empty?"),
    Setting(_of("membersonly"), "members_only", BOOLEAN, "Let only members enter?"),
    Setting(_of("moderatedroom"), "moderated", BOOLEAN, "Let only those with voice speak?"),
    Setting(_of("passwordprotectedroom"), "protected", BOOLEAN, "Require a password?"),
    Setting(_of("roomsecret"), "password", FieldType.TEXT_PRIVATE, "The password", at_most=1000),
    Setting(_of("whois"), "whois", ONE, "Who may see real addresses?", WHOIS_OPTIONS, 0, True),
    Setting(MAX_USERS, "max_users", ONE, "Most occupants at a time", SIZE_OPTIONS),
    Setting(_of("enablelogging"), "logging", BOOLEAN, "Is the room logged publicly?", (), 0, True),
    Setting(
        _of("enablearchiving"), "archiving", BOOLEAN, "Archive what is said?", (), 0
    ),  # the name that other servers gave it
    Setting("muc#maxhistoryfetch", "history", TEXT, "Messages shown to who enters"),
    Setting(_of("changesubject"), "change_subject", BOOLEAN, "May occupants change the subject?"),
    Setting(_of("allowinvites"), "allow_invites", BOOLEAN, "May members invite others?"),
    Setting(_of("allowpm"), "allow_pm", ONE, "Who may send private messages?", PM_OPTIONS),
    Setting(
        _of("presencebroadcast"), "broadcast", MANY, "Roles whose presence is shown", ROLE_OPTIONS
    ),
    Setting(
        _of("getmemberlist"), "member_list", MANY, "Who may see the member list?", ROLE_OPTIONS
    ),
    Setting(_of("pubsub"), "pubsub", TEXT, "Address of a pubsub node", at_most=2000),
    # not registered, hence the "x-" (XEP-0068 §3.4)
    Setting("x-muc#roomconfig_locknicks", "lock_nicks", BOOLEAN, "Hold members to their nick?"),
    Setting("x-muc#roomconfig_quiet", "quiet", BOOLEAN, "Show only moderators and who speaks?"),
    Setting(SLOW_MODE, "slow_mode", TEXT, "Slow mode: seconds between two messages of a user"),
)


class Submission(NamedTuple):
    """What an owner sent: None for lists that were left out and stay as they are."""

    config: Config
    admins: list[JID] | None
    owners: list[JID] | None


def form(config: Config, title: str, admins: Iterable[JID], owners: Iterable[JID]) -> Form:
    """The form with the present configuration (§10.2)."""
    settings = [_field(setting, getattr(config, setting.attribute)) for setting in SETTINGS]
    people = [
        forms.field(ADMINS, admins, FieldType.JID_MULTI, label="Admins of the room"),
        forms.field(OWNERS, owners, FieldType.JID_MULTI, label="Owners of the room"),
    ]
    return Form(
        type=FormType.FORM,
        title=f"Configuration of {title}",
        fields=[forms.form_type(CONFIG), *settings, *people],
    )


def _field(setting: Setting, value: Any) -> Field:  # of as many types as there are fields
    if setting.attribute == "max_users":
        value = str(value) if value else NO_LIMIT
    elif not isinstance(value, bool | str | tuple):
        value = str(value)
    options = setting.options
    if setting.type is ONE and value not in [key for key, _ in options]:
        options = ((value, value), *options)
    return forms.field(setting.var, value, setting.type, label=setting.label, options=options)


def read(asked: Form, given: Form, config: Config) -> Submission:
    """What the owner wants, from the form that was shown. Raises not-acceptable, bad-request."""
    _offer(asked, given)
    values = asked.check(given)
    changes = {
        setting.attribute: _read(setting, values[setting.var])
        for setting in SETTINGS
        if setting.var in values
    }
    wanted = replace(config, **changes)
    if wanted.protected and not wanted.password:
        raise StanzaError("not-acceptable", "a protected room needs a password")
    return Submission(wanted, _people(values, ADMINS), _people(values, OWNERS))


def change(name: str, value: str) -> Form:
    """A submission that changes one setting, by the name of its attribute; of several values with
    commas between them. Raises bad-request for a setting that is not there.
    """
    setting = next((each for each in SETTINGS if each.attribute == name), None)
    if setting is None:
        known = ", ".join(each.attribute for each in SETTINGS)
        raise StanzaError("bad-request", f"no such setting; there is {known}")
    if setting.type is BOOLEAN:
        value = value.lower()
        if value not in BOOLEANS:
            raise StanzaError("not-acceptable", "it is true or false")
    several = [part.strip() for part in value.split(",") if part.strip()]
    field = forms.field(setting.var, several if setting.type is MANY else value)
    return Form(type=FormType.SUBMIT, fields=[field])


def _offer(asked: Form, given: Form) -> None:
    """Of sizes the form has a choice; every number is one, as bots and other clients want it."""
    field, text = asked.field(MAX_USERS), given.get(MAX_USERS, str, "").strip()
    if field is not None and text.isascii() and text.isdigit() and len(text) < 6:
        field.options += forms.field(MAX_USERS, None, ONE, options=[text]).options


def _read(setting: Setting, value: object) -> Any:
    special: dict[str, Callable[[object], object]] = {
        "max_users": lambda size: 0 if size in (None, NO_LIMIT) else int(str(size)),
        "history": lambda value: _number(value, MOST_HISTORY),
        "slow_mode": lambda value: _number(value, SLOWEST),
        "broadcast": _roles,
        "member_list": _roles,
    }
    if setting.attribute in special:
        return special[setting.attribute](value)
    if setting.type is BOOLEAN:
        return value
    text = "" if value is None else str(value)
    if setting.type is ONE and not text:
        raise StanzaError("not-acceptable", f"{setting.var} wants a choice")
    if setting.at_most and len(text) > setting.at_most:
        raise StanzaError("not-acceptable", f"{setting.var} is too long")
    return text


def _number(value: object, most: int) -> int:
    """Clamped: more history than is kept cannot be shown."""
    text = "0" if value is None else str(value).strip()
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise StanzaError("not-acceptable", "history and slow mode are numbers")
    return min(int(text), most)


def _roles(value: object) -> tuple[str, ...]:
    assert isinstance(value, list)
    return tuple(word for word in WORDS if word in value)


def _people(values: "dict[str, Any]", var: str) -> list[JID] | None:
    if var not in values:
        return None
    return [each.bare for each in values[var]]


def status_codes(old: Config, new: Config) -> list[str]:
    """What occupants are told of a change (§10.2.1); empty where there was none."""
    codes = []
    if new.logging != old.logging:
        codes.append("170" if new.logging else "171")
    if new.anonymous != old.anonymous:
        codes.append("173" if new.anonymous else "172")
    others = [setting.attribute for setting in SETTINGS if not setting.private]
    if any(getattr(old, name) != getattr(new, name) for name in others):
        codes.append("104")
    return codes


def may_see_members(config: Config, affiliation: Affiliation, role: Role) -> bool:
    """The lists hold real addresses: of a semi-anonymous room only who sees these anyway may
    have them (§5.2.1, §9.5).
    """
    if affiliation >= Affiliation.ADMIN:
        return True
    if config.anonymous and role is not Role.MODERATOR:
        return False
    return affiliation is Affiliation.MEMBER or role.word in config.member_list
