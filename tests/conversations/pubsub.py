"""How conversations about publish-subscribe are written: requests, forms, errors."""

from xmppd.testing import Actor
from xmppd.testing.matching import Matcher, like

NS = "http://jabber.org/protocol/pubsub"
OWNER = f"{NS}#owner"
EVENT = f"{NS}#event"
ERRORS = f"{NS}#errors"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
SERVICE = "pubsub.example.org"
PAYLOAD = "<entry xmlns='urn:example:entry'>To be</entry>"


def ask(
    client: Actor, type_: str, inside: str, *, ns: str = NS, to: str = SERVICE, id_: str = "a"
) -> None:
    client.sends(
        f"<iq type='{type_}' id='{id_}' to='{to}'><pubsub xmlns='{ns}'>{inside}</pubsub></iq>"
    )


def done(inside: str = "", *, ns: str = NS, id_: str = "a") -> Matcher:
    """The result, with at least this in it."""
    payload = f"<pubsub xmlns='{ns}'>{inside}</pubsub>" if inside else ""
    return like(f"<iq type='result' id='{id_}'>{payload}</iq>")


def refused(type_: str, condition: str, special: str = "", feature: str = "") -> Matcher:
    """The error as the tables of XEP-0060 have it."""
    attr = f" feature='{feature}'" if feature else ""
    app = f"<{special} xmlns='{ERRORS}'{attr}/>" if special else ""
    return like(
        f"<iq type='error' id='a'><error type='{type_}'><{condition} xmlns='{STANZAS}'/>{app}"
        "</error></iq>"
    )


def form(kind: str = "node_config", **fields: str | list[str]) -> str:
    """A submission; `pubsub#` is put before the names."""
    inside = ""
    for name, value in fields.items():
        values = value if isinstance(value, list) else [value]
        told = "".join(f"<value>{each}</value>" for each in values)
        inside += f"<field var='pubsub#{name.replace('_DASH_', '-')}'>{told}</field>"
    return (
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
        f"<value>{NS}#{kind}</value></field>{inside}</x>"
    )


def create(client: Actor, node: str, *, to: str = SERVICE, **fields: str | list[str]) -> None:
    """A node of the client's, configured so."""
    configure = f"<configure>{form(**fields)}</configure>" if fields else ""
    ask(client, "set", f"<create node='{node}'/>{configure}", to=to)
    client.receives(done(f"<create node='{node}'/>"))


def publish(
    client: Actor, node: str, id_: str = "i1", payload: str = PAYLOAD, *, to: str = SERVICE
) -> None:
    item = f"<item id='{id_}'>{payload}</item>"
    ask(client, "set", f"<publish node='{node}'>{item}</publish>", to=to)
    client.receives(done(f"<publish node='{node}'><item id='{id_}'/></publish>"))


def subscribe(client: Actor, node: str, jid: str, *, to: str = SERVICE) -> None:
    ask(client, "set", f"<subscribe node='{node}' jid='{jid}'/>", to=to)
    client.receives(done(f"<subscription node='{node}' jid='{jid}' subscription='subscribed'/>"))


def event(inside: str, *, of: str = SERVICE) -> Matcher:
    return like(f"<message from='{of}'><event xmlns='{EVENT}'>{inside}</event></message>")
