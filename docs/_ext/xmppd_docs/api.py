"""What `xmppd.api` and `xmppd.testing` offer, each name with its docstring, by rooms."""

import inspect
from types import ModuleType

import xmppd.api
import xmppd.testing
from xmppd_docs import rst

ROOMS = {
    "module": "Modules and IQs",
    "routing": "Modules and IQs",
    "host": "Modules and IQs",
    "hooks": "Hooks",
    "config": "Options",
    "storage": "Storage",
    "sessions": "Sessions and accounts",
    "auth": "Sessions and accounts",
    "admin": "Commands",
    "jid": "Addresses",
    "stanza": "Stanzas",
    "xml": "XML",
}
SMALL = "Small things"
# What Python keeps no docstring for.
WORDS = {
    "jid": "``jid(text)``: the prepared `JID` of a text, from a bounded cache. Raises `JIDError`.",
    "BareJID": "The type of an option that holds a bare JID, prepared.",
    "Duration": 'The type of an option in seconds, a float; written "30s", "5m" or a number.',
    "Size": 'The type of an option in bytes, an int; written "64KiB", "2MiB" or a number.',
    "Secret": "The type of a command's parameter that is asked for, and is in no argument list.",
    "Result": "What a command may answer: `Rows`, a mapping, a text, or None.",
    "Outcome": "What an ad-hoc command may return: a `Result`, a `Form`, or another payload.",
    "Done": "What routing gives: None, or a Deferred that fires when the stanza is dealt with.",
    "metadata": "SQLAlchemy's `MetaData` that all tables belong to.",
    "HASHES": "The hashes of SCRAM, each with its name in hashlib.",
    "XML_LANG": "The key of ``xml:lang`` among an element's attributes.",
    "ACCOUNT": "Scope of an IQ handler: to any account's bare JID, from anybody.",
    "HOST": "Scope of an IQ handler: to the domain.",
    "CLOSED_BY_CLIENT": "The reason of `session_closed` when the client ended its stream itself.",
    "SERVICE": "Scope of an IQ handler: to the domain that the module itself serves (`Service`).",
    "NODE": "Scope of an IQ handler: to a local part at the domain of a `Service`.",
    "Destination": "Who takes stanzas for a domain: a function of a stanza that gives `Done`.",
    "SELF": "Scope of an IQ handler: to the sender's own account.",
    "EARLY": "Phase of a hook's handler: guards.",
    "NORMAL": "Phase of a hook's handler: work.",
    "LATE": "Phase of a hook's handler: copies.",
    "STOP": "The answer of a Filter's handler that swallows the value.",
    "management": "The grammar of stream management (XEP-0198), without sockets.",
    "events": "The hooks of the core: :doc:`hooks`.",
    "ns": "XML namespaces that more than one module speaks of.",
    "forms": "Functions to build, read and check data forms (XEP-0004).",
    "Matcher": "Judges a stanza: None if it is what was wanted, else what is wrong, in words.",
    "Checker": "Looks at each stanza that a client receives, and raises if it is not valid.",
    "PASSWORD": "The password of all accounts in tests.",
}


def page() -> str:
    lines: list[str] = []
    groups = grouped(xmppd.api)
    for room in (*dict.fromkeys(ROOMS.values()), SMALL):
        lines += rst.title(room, "~")
        for name in groups.pop(room, ()):
            lines += entry(xmppd.api, name)
    assert not groups, f"rooms without a heading: {groups}"
    lines += rst.title("xmppd.testing", "-")
    lines += [".. automodule:: xmppd.testing", ""]
    for name in xmppd.testing.__all__:
        lines += entry(xmppd.testing, name)
    return rst.text(lines)


def grouped(module: ModuleType) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in module.__all__:
        groups.setdefault(room_of(getattr(module, name)), []).append(name)
    return groups


def room_of(value: object) -> str:
    """Where it is defined; a member of an Enum where its class is."""
    named = value if inspect.isclass(value) or inspect.isroutine(value) else type(value)
    home = str(getattr(named, "__module__", "")).split(".")
    return ROOMS.get(home[1], SMALL) if home[0] == "xmppd" else SMALL


def entry(module: ModuleType, name: str) -> list[str]:
    value = getattr(module, name)
    path = f"{module.__name__}.{name}"
    if name in WORDS:
        return [f".. py:data:: {path}", "", *rst.paragraph(WORDS[name], "   "), ""]
    if inspect.isclass(value):
        return [f".. autoclass:: {path}", *members(value), ""]
    if inspect.isroutine(value):
        return [f".. autofunction:: {path}", ""]
    return [f".. py:data:: {path}", ""]


def members(kind: type) -> list[str]:
    """Those with docstrings; what pydantic adds to each class of options is its own business."""
    if issubclass(kind, Exception):
        return []
    return ["   :members:", "   :exclude-members: model_config"]


def undocumented() -> list[str]:
    """Names of which the page would say nothing."""
    return [
        name
        for module in (xmppd.api, xmppd.testing)
        for name in module.__all__
        if name not in WORDS and not plain_docstring(getattr(module, name))
    ]


def plain_docstring(value: object) -> str | None:
    documented = inspect.isclass(value) or inspect.isroutine(value)
    return inspect.getdoc(value) if documented else None
