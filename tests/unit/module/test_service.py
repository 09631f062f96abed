"""A module with a domain of its own: claimed, asked, reloaded and given back with the module."""

from typing import ClassVar

import pytest

from xmppd.api import (
    IQ,
    JID,
    NODE,
    SERVICE,
    Done,
    Element,
    Message,
    ModuleFault,
    ServiceOptions,
    Stanza,
    iq_get,
)
from xmppd.modules.disco import Description, DiscoService, Identity
from xmppd.testing import Talk, error, like, result, result_of

NS = "urn:example:tea"


class Tea(DiscoService):
    name = "tea"
    subdomain = "tea"
    identity: ClassVar[Identity] = Identity("store", "berkeley", "Tea")
    features = ("urn:example:biscuits",)
    options: ServiceOptions

    @iq_get(NS, "menu", at=SERVICE)
    def menu(self, iq: IQ) -> Element:
        return Element(NS, "menu", {"of": "all"})

    @iq_get(NS, "menu", at=NODE)
    async def menu_of_table(self, iq: IQ) -> Element:
        return Element(NS, "menu", {"of": iq.to.local})

    async def about(self, entity: JID, node: str, asker: JID, known: Description) -> None:
        if entity.local == "window":
            known.identities.append(Identity("store", "file"))

    def take(self, stanza: Stanza) -> Done:
        if isinstance(stanza, Message) and stanza.type == "chat":
            self.send(Message(stanza.from_, self.domain, "chat", id=stanza.id))
            return None
        return super().take(stanza)


@pytest.fixture
def talk() -> Talk:
    return Talk(Tea)


def test_requests_to_the_domain_and_to_a_local_part_have_handlers_of_their_own(talk: Talk) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    romeo.sends(f"<iq type='get' id='1' to='tea.example.org'><menu xmlns='{NS}'/></iq>")
    romeo.receives(result("1", f"<menu xmlns='{NS}' of='all'/>"))
    romeo.sends(f"<iq type='get' id='2' to='window@tea.example.org'><menu xmlns='{NS}'/></iq>")
    romeo.receives(result("2", f"<menu xmlns='{NS}' of='window'/>"))
    romeo.sends(f"<iq type='get' id='3' to='example.org'><menu xmlns='{NS}'/></iq>")
    romeo.receives(error("3", "cancel", "service-unavailable"))


def test_what_nobody_takes_is_service_unavailable(talk: Talk) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    romeo.sends("<iq type='set' id='1' to='tea.example.org'><x xmlns='urn:x'/></iq>")
    romeo.receives(error("1", "cancel", "service-unavailable"))
    romeo.sends("<message id='2' to='tea.example.org'><body>hm</body></message>")
    romeo.receives(like("<message id='2' type='error'/>"))
    romeo.sends("<presence to='tea.example.org'/>")
    romeo.receives_nothing()
    romeo.sends("<message id='3' type='chat' to='tea.example.org'><body>hm</body></message>")
    romeo.receives(like("<message id='3' from='tea.example.org'/>"))


def test_the_host_lists_the_service_and_the_service_describes_itself(talk: Talk) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    items = "<query xmlns='http://jabber.org/protocol/disco#items'>"
    romeo.sends(f"<iq type='get' id='1' to='example.org'>{items}</query></iq>")
    romeo.receives(like(f"<iq>{items}<item jid='tea.example.org' name='Tea'/></query></iq>"))
    info = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
    romeo.sends(f"<iq type='get' id='2' to='tea.example.org'>{info}</iq>")
    offered = f"<feature var='urn:example:biscuits'/><feature var='{NS}'/>"
    romeo.receives(like(f"<iq id='2'>{info[:-2]}>{offered}</query></iq>"))
    assert "urn:example:biscuits" not in talk.host.modules.features()
    romeo.sends(f"<iq type='get' id='3' to='door@tea.example.org'>{info}</iq>")
    romeo.receives(error("3", "cancel", "item-not-found"))


def test_the_domain_is_claimed_over_a_reload_and_released_at_the_end(talk: Talk) -> None:
    assert talk.router.owner("tea.example.org") == "example.org"
    result_of(talk.host.modules.swap(["tea"], {Tea: ServiceOptions()}))
    assert talk.router.serves("tea.example.org")
    result_of(talk.host.modules.swap(["tea"], {}))
    assert not talk.router.serves("tea.example.org")


def test_a_domain_that_is_taken_stops_the_load(talk: Talk) -> None:
    class Other(Tea):
        name = "other"

    with pytest.raises(ModuleFault, match=r"tea\.example\.org is served already"):
        result_of(talk.host.modules.swap((), {Other: ServiceOptions()}))
    assert talk.router.serves("tea.example.org")
    assert "other" not in talk.host.modules


@pytest.mark.parametrize("domain", ["a@tea.example.org", "tea.example.org/x", "a b"])
def test_a_domain_that_is_none_stops_the_load(talk: Talk, domain: str) -> None:
    with pytest.raises(ModuleFault, match="domain is"):
        result_of(talk.host.modules.swap(["tea"], {Tea: ServiceOptions(domain=domain)}))
