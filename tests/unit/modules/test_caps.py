"""XEP-0115: the verification string, and the server's own in its stream features."""

import base64
import hashlib

import pytest

from xmppd.api import Element, Module, events, parse
from xmppd.modules.caps import verification
from xmppd.ns import CAPS, CLIENT, DISCO_INFO, DISCO_ITEMS
from xmppd.testing import Client, Talk, error, result, result_of

NODE = "https://node.example/"
SIMPLE = """
<query xmlns='http://jabber.org/protocol/disco#info'>
  <identity category='client' name='Exodus 0.9.1' type='pc'/>
  <feature var='http://jabber.org/protocol/disco#info'/>
  <feature var='http://jabber.org/protocol/muc'/>
  <feature var='http://jabber.org/protocol/caps'/>
  <feature var='http://jabber.org/protocol/disco#items'/>
</query>"""
COMPLEX = """
<query xmlns='http://jabber.org/protocol/disco#info'
       node='http://psi-im.org#q07IKJEyjvHSyhy//CH0CxmKi8w='>
  <identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>
  <identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>
  <feature var='http://jabber.org/protocol/caps'/>
  <feature var='http://jabber.org/protocol/disco#info'/>
  <feature var='http://jabber.org/protocol/disco#items'/>
  <feature var='http://jabber.org/protocol/muc'/>
  <x xmlns='jabber:x:data' type='result'>
    <field var='os'><value>Mac</value></field>
    <field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>
    <field var='ip_version' type='text-multi'><value>ipv6</value><value>ipv4</value></field>
    <field var='software'><value>Psi</value></field>
    <field var='os_version'><value>10.5.1</value></field>
    <field var='software_version'><value>0.11</value></field>
  </x>
</query>"""


class More(Module):
    """One feature more."""

    name = "more"
    features = ("urn:t:more",)


@pytest.fixture
def talk() -> Talk:
    options: dict[str, dict[str, object]] = {
        "caps": {"node": NODE},
        "contact": {"abuse": ["mailto:abuse@example.org"]},
    }
    return Talk(More, only=["caps", "contact"], options=options)


def offered(talk: Talk, state: str = "before_bind") -> Element | None:
    features = talk.host.hooks.of(events.stream_features).gather(state)
    return next((feature for feature in features if feature.ns == CAPS), None)


def ver(talk: Talk) -> str:
    feature = offered(talk)
    assert feature is not None
    return feature.attrs["ver"]


def info(client: Client, node: str = "") -> Element:
    ask(client, node)
    query = client.receives(result("d1")).child(DISCO_INFO, "query")
    assert query is not None
    return query


def ask(client: Client, node: str, ns: str = DISCO_INFO) -> None:
    client.sends(
        f"<iq type='get' id='d1' to='example.org'><query xmlns='{ns}' node='{node}'/></iq>"
    )


@pytest.mark.parametrize(
    "described, expected",
    [(SIMPLE, "QgayPKawpkPSDYmwT/WM94uAlu0="), (COMPLEX, "q07IKJEyjvHSyhy//CH0CxmKi8w=")],
    ids=["§5.2", "§5.3"],
)
def test_the_examples_of_the_specification_come_out(described: str, expected: str) -> None:
    assert verification(parse(described)) == expected


@pytest.mark.parametrize(
    "form",
    [
        "type='result'><field var='a'><value>1</value></field></x>",
        "type='result'><field var='FORM_TYPE'><value>a</value></field></x>",
        "type='nonsense'/>",
    ],
    ids=["no FORM_TYPE", "not hidden", "no form"],
)
def test_a_form_without_hidden_type_does_not_count(form: str) -> None:
    info = parse(SIMPLE)
    info.append(parse(f"<x xmlns='jabber:x:data' {form}"))
    assert verification(info) == "QgayPKawpkPSDYmwT/WM94uAlu0="


def test_forms_count_in_the_order_of_their_types() -> None:
    form = "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'>"
    forms = [parse(f"{form}<value>{kind}</value></field></x>") for kind in ("b", "a")]
    info = Element(DISCO_INFO, "query", None, *forms)
    expected = base64.b64encode(hashlib.sha1(b"a<b<", usedforsecurity=False).digest()).decode()
    assert verification(info) == expected


def test_the_stream_offers_the_capabilities_of_the_host_after_login(talk: Talk) -> None:
    feature = offered(talk)
    described = info(talk.bind("romeo@example.org/orchard"))
    assert feature == Element(
        CAPS, "c", {"hash": "sha-1", "node": NODE, "ver": verification(described)}
    )


def test_a_stranger_is_not_told_capabilities(talk: Talk) -> None:
    assert offered(talk, "before_auth") is None


def test_the_node_that_was_offered_describes_the_host(talk: Talk) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    node = f"{NODE}#{ver(talk)}"
    described = info(romeo, node)
    assert described.get("node") == node
    assert verification(described) == ver(talk)
    assert CAPS in [feature.get("var") for feature in described.elements]


@pytest.mark.parametrize("node", [f"{NODE}#wrong", NODE, "#"])
def test_another_verification_string_is_not_found(talk: Talk, node: str) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    ask(romeo, node)
    romeo.receives(error("d1", "cancel", "item-not-found"))


def test_nothing_belongs_to_the_virtual_node(talk: Talk) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    node = f"{NODE}#{ver(talk)}"
    ask(romeo, node, DISCO_ITEMS)
    query = romeo.receives(result("d1")).child(DISCO_ITEMS, "query")
    assert query is not None
    assert query.elements == []


def test_the_string_changes_with_the_modules(talk: Talk) -> None:
    before = ver(talk)
    result_of(talk.host.modules.swap(["more"], {}))
    assert ver(talk) != before


def test_an_account_has_no_such_node(talk: Talk) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    query = f"<query xmlns='{DISCO_INFO}' node='{NODE}#{ver(talk)}'/>"
    romeo.sends(f"<iq type='get' id='d1' xmlns='{CLIENT}'>{query}</iq>")
    romeo.receives(error("d1", "cancel", "item-not-found"))
