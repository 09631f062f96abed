"""To many at once (XEP-0033), contacts recommended (XEP-0144), clients listed (XEP-0494)."""

from xmppd.testing import Actor, Stage, error, like

ADDRESSES = "http://jabber.org/protocol/address"


def test_one_message_reaches_all_its_addresses(talk: Stage[Actor]) -> None:
    juliet = talk.online("juliet@example.org/balcony")
    romeo, nurse = talk.online("romeo@example.org/x"), talk.online("nurse@example.org/x")
    juliet.sends(
        f"<message to='example.org' type='chat'><addresses xmlns='{ADDRESSES}'>"
        "<address type='to' jid='romeo@example.org'/><address type='bcc' jid='nurse@example.org'/>"
        "</addresses><body>Hello</body></message>"
    )
    seen = "<address type='to' jid='romeo@example.org' delivered='true'/>"
    blind = "<address type='bcc' jid='nurse@example.org'/>"
    for client, addresses in ((romeo, seen), (nurse, seen + blind)):
        client.receives(
            like(
                "<message from='juliet@example.org/balcony'><body>Hello</body>"
                f"<addresses xmlns='{ADDRESSES}'>{addresses}</addresses></message>"
            )
        )


def test_contacts_are_recommended_as_they_are_sent(talk: Stage[Actor]) -> None:
    romeo, juliet = talk.online("romeo@example.org/x"), talk.online("juliet@example.org/x")
    items = (
        "<x xmlns='http://jabber.org/protocol/rosterx'><item action='add' "
        "jid='mercutio@example.org' name='Mercutio'><group>Visitors</group></item></x>"
    )
    romeo.sends(f"<message to='juliet@example.org'><body>See</body>{items}</message>")
    juliet.receives(like(f"<message><body>See</body>{items}</message>"))


def test_a_client_sees_itself_among_those_with_access(talk: Stage[Actor]) -> None:
    juliet = talk.bind("juliet@example.org/balcony")
    juliet.sends("<iq type='get' id='l'><list xmlns='urn:xmpp:cam:0'/></iq>")
    answer = juliet.receives(like("<iq type='result' id='l'/>"))
    clients = answer.child("urn:xmpp:cam:0", "clients")
    assert clients is not None
    (shown,) = clients.elements
    assert shown.get("connected") == "true"
    juliet.sends(
        f"<iq type='set' id='r'><revoke xmlns='urn:xmpp:cam:0' id='{shown.get('id')}'/></iq>"
    )
    juliet.receives(error("r", "cancel", "service-unavailable"))
