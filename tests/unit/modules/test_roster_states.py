"""The tables of RFC 6121, Appendix A, row by row, through the whole server.

Romeo's roster is put into a state by hand; then his client sends, or a remote contact has sent.
"""

from dataclasses import replace

import pytest

from xmppd.api import JID, Presence, Stanza, jid
from xmppd.modules.roster import Item, Roster
from xmppd.modules.roster.items import Outcome
from xmppd.testing import Client, Talk, result_of

ROMEO, JULIET = jid("romeo@example.org"), jid("juliet@elsewhere.example")
STATES = {  # §A.1
    "None": {},
    "None + Pending Out": {"ask": True},
    "None + Pending In": {"pending": True},
    "None + Pending Out+In": {"ask": True, "pending": True},
    "To": {"to": True},
    "To + Pending In": {"to": True, "pending": True},
    "From": {"from_": True},
    "From + Pending Out": {"from_": True, "ask": True},
    "Both": {"to": True, "from_": True},
}
SAME = "no state change"
PRE = "pre-approval"
OUTBOUND = {  # type of presence: (existing state, is it routed?, new state)
    "subscribe": [  # Table 2
        ("None", True, "None + Pending Out"),
        ("None + Pending Out", True, SAME),
        ("None + Pending In", True, "None + Pending Out+In"),
        ("None + Pending Out+In", True, SAME),
        ("To", True, SAME),
        ("To + Pending In", True, SAME),
        ("From", True, "From + Pending Out"),
        ("From + Pending Out", True, SAME),
        ("Both", True, SAME),
    ],
    "unsubscribe": [  # Table 3
        ("None", True, SAME),
        ("None + Pending Out", True, "None"),
        ("None + Pending In", True, SAME),
        ("None + Pending Out+In", True, "None + Pending In"),
        ("To", True, "None"),
        ("To + Pending In", True, "None + Pending In"),
        ("From", True, SAME),
        ("From + Pending Out", True, "From"),
        ("Both", True, "From"),
    ],
    "subscribed": [  # Table 4
        ("None", False, PRE),
        ("None + Pending Out", False, PRE),
        ("None + Pending In", True, "From"),
        ("None + Pending Out+In", True, "From + Pending Out"),
        ("To", False, PRE),
        ("To + Pending In", True, "Both"),
        ("From", False, SAME),
        ("From + Pending Out", False, SAME),
        ("Both", False, SAME),
    ],
    "unsubscribed": [  # Table 5
        ("None", False, SAME),
        ("None + Pending Out", False, SAME),
        ("None + Pending In", True, "None"),
        ("None + Pending Out+In", True, "None + Pending Out"),
        ("To", False, SAME),
        ("To + Pending In", True, "To"),
        ("From", True, "None"),
        ("From + Pending Out", True, "None + Pending Out"),
        ("Both", True, "To"),
    ],
}
INBOUND = {  # type of presence: (existing state, is it delivered?, the reply, new state)
    "subscribe": [  # Table 6
        ("None", True, None, "None + Pending In"),
        ("None + Pending Out", True, None, "None + Pending Out+In"),
        ("None + Pending In", False, None, SAME),
        ("None + Pending Out+In", False, None, SAME),
        ("To", True, None, "To + Pending In"),
        ("To + Pending In", False, None, SAME),
        ("From", False, "subscribed", SAME),
        ("From + Pending Out", False, "subscribed", SAME),
        ("Both", False, "subscribed", SAME),
    ],
    "unsubscribe": [  # Table 7
        ("None", False, None, SAME),
        ("None + Pending Out", False, None, SAME),
        ("None + Pending In", True, "unsubscribed", "None"),
        ("None + Pending Out+In", True, "unsubscribed", "None + Pending Out"),
        ("To", False, None, SAME),
        ("To + Pending In", True, "unsubscribed", "To"),
        ("From", True, "unsubscribed", "None"),
        ("From + Pending Out", True, "unsubscribed", "None + Pending Out"),
        ("Both", True, "unsubscribed", "To"),
    ],
    "subscribed": [  # Table 8
        ("None", False, None, SAME),
        ("None + Pending Out", True, None, "To"),
        ("None + Pending In", False, None, SAME),
        ("None + Pending Out+In", True, None, "To + Pending In"),
        ("To", False, None, SAME),
        ("To + Pending In", False, None, SAME),
        ("From", False, None, SAME),
        ("From + Pending Out", True, None, "Both"),
        ("Both", False, None, SAME),
    ],
    "unsubscribed": [  # Table 9
        ("None", False, None, SAME),
        ("None + Pending Out", True, None, "None"),
        ("None + Pending In", False, None, SAME),
        ("None + Pending Out+In", True, None, "None + Pending In"),
        ("To", True, None, "None"),
        ("To + Pending In", True, None, "None + Pending In"),
        ("From", False, None, SAME),
        ("From + Pending Out", True, None, "From"),
        ("Both", True, None, "From"),
    ],
}
ALL_OUTBOUND = [(type_, *row) for type_, rows in OUTBOUND.items() for row in rows]
ALL_INBOUND = [(type_, *row) for type_, rows in INBOUND.items() for row in rows]


class Scene:
    """Romeo, interested and not available, with Juliet in some state; what is routed to her."""

    def __init__(self, state: str, *, listed: bool = True, available: bool = False) -> None:
        self.talk = Talk(only=["subscriptions"])
        self.roster = self.talk.module(Roster)
        self.routed: list[Stanza] = []
        self.romeo = self.talk.bind("romeo@example.org/orchard")
        self.put(state, listed)
        self.romeo.sends("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        if available:
            self.romeo.sends("<presence/>")
        self.romeo.forget()
        self.talk.router.elsewhere = self.routed.append

    def put(self, state: str, listed: bool) -> None:
        request = Presence(ROMEO, JULIET, "subscribe").write()

        def become(item: Item) -> Outcome:
            return Outcome(item, replace(item, listed=listed, **STATES[state]))

        result_of(self.roster.change(ROMEO, JULIET, become, request))

    @property
    def item(self) -> Item:
        stored = result_of(self.roster.store.get(ROMEO.local, JULIET))
        assert result_of(self.roster.item(ROMEO, JULIET)) == stored  # memory says the same
        return stored

    @property
    def state(self) -> str:
        item = self.item
        facts = {name for name in ("to", "from_", "ask", "pending") if getattr(item, name)}
        return next(name for name, those in STATES.items() if set(those) == facts)

    def subscriptions(self) -> list[tuple[str, JID, JID]]:
        """What went to Juliet, without presence notifications."""
        return [(s.type, s.from_, s.to) for s in self.routed if s.type not in ("", "unavailable")]


def seen(client: Client) -> list[str]:
    """Presence and roster pushes, in the order in which they came."""
    said = [s.get("type") or "" if s.name == "presence" else "push" for s in client.inbox]
    client.forget()
    return said


@pytest.mark.parametrize(("type_", "state", "routed", "new"), ALL_OUTBOUND)
def test_what_a_client_sends_is_routed_and_changes_the_state_as_appendix_a2_says(
    type_: str, state: str, routed: bool, new: str
) -> None:
    scene = Scene(state)
    scene.romeo.sends(f"<presence to='{JULIET}' type='{type_}'/>")
    assert scene.subscriptions() == ([(type_, ROMEO, JULIET)] if routed else [])
    assert scene.state == (state if new in (SAME, PRE) else new)
    assert scene.item.approved is (new == PRE)


@pytest.mark.parametrize(("type_", "state", "delivered", "reply", "new"), ALL_INBOUND)
def test_what_a_contact_sends_is_delivered_and_changes_the_state_as_appendix_a3_says(
    type_: str, state: str, delivered: bool, reply: str | None, new: str
) -> None:
    scene = Scene(state, available=True)
    scene.talk.router.route(Presence(ROMEO, JULIET, type_))
    received = seen(scene.romeo)
    assert (type_ in received) is delivered
    assert scene.subscriptions() == ([(reply, ROMEO, JULIET)] if reply else [])
    assert scene.state == (state if new == SAME else new)


@pytest.mark.parametrize("row", [*ALL_OUTBOUND, *ALL_INBOUND])
def test_a_change_that_shows_in_the_item_is_pushed_and_no_other(row: tuple[object, ...]) -> None:
    type_, state, new = str(row[0]), str(row[1]), row[-1]
    scene = Scene(state, available=True)
    before = scene.item.element()
    if row in ALL_OUTBOUND:
        scene.romeo.sends(f"<presence to='{JULIET}' type='{type_}'/>")
    else:
        scene.talk.router.route(Presence(ROMEO, JULIET, type_))
    assert ("push" in seen(scene.romeo)) is (scene.item.element() != before), new


@pytest.mark.parametrize(
    ("type_", "state"),
    [("subscribed", "None + Pending Out"), ("unsubscribed", "Both"), ("unsubscribe", "Both")],
)
def test_a_contacts_stanza_comes_before_the_push_that_it_causes(type_: str, state: str) -> None:
    """§3.1.6, §3.2.3, §3.3.3; to interested resources, though this one is not available."""
    scene = Scene(state)
    scene.talk.router.route(Presence(ROMEO, JULIET, type_))
    assert seen(scene.romeo) == [type_, "push"]


def test_an_ended_subscription_is_preceded_by_unavailable_presence() -> None:
    """§3.2.2: while the contact is still subscribed, from each resource."""
    scene = Scene("From", available=True)
    scene.romeo.sends(f"<presence to='{JULIET}' type='unsubscribed'/>")
    assert [(s.type, s.from_) for s in scene.routed] == [
        ("unavailable", scene.romeo.jid),
        ("unsubscribed", ROMEO),
    ]


def test_an_approval_is_followed_by_presence() -> None:
    """§3.1.5."""
    scene = Scene("None + Pending In", available=True)
    scene.romeo.sends(f"<presence to='{JULIET}' type='subscribed'/>")
    assert [(s.type, s.from_) for s in scene.routed] == [
        ("subscribed", ROMEO),
        ("", scene.romeo.jid),
    ]


def test_an_unsubscription_is_answered_with_unavailable_presence() -> None:
    """§3.3.3 step 3."""
    scene = Scene("Both", available=True)
    scene.talk.router.route(Presence(ROMEO, JULIET, "unsubscribe", "u1"))
    assert [(s.type, s.from_, s.id) for s in scene.routed] == [
        ("unavailable", scene.romeo.jid, None),
        ("unsubscribed", ROMEO, "u1"),
    ]


def test_a_stranger_who_asks_is_not_in_the_roster() -> None:
    scene = Scene("None + Pending In", listed=False)
    scene.romeo.sends("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    assert not scene.romeo.inbox[0].elements[0].elements


def test_a_stranger_who_takes_the_request_back_leaves_nothing() -> None:
    """§3.3.3, the last paragraph: no item, no push."""
    scene = Scene("None + Pending In", listed=False)
    scene.talk.router.route(Presence(ROMEO, JULIET, "unsubscribe"))
    assert "push" not in seen(scene.romeo)
    assert scene.item == Item(JULIET)


def test_approving_a_stranger_adds_it_to_the_roster() -> None:
    """§3.1.5."""
    scene = Scene("None + Pending In", listed=False)
    scene.romeo.sends(f"<presence to='{JULIET}' type='subscribed'/>")
    pushed = scene.romeo.inbox[0].elements[0].elements[0]
    assert (pushed.get("jid"), pushed.get("subscription")) == (JULIET, "from")


# Pre-approval (§3.4)


@pytest.mark.parametrize("state", ["None", "None + Pending Out", "To"])
def test_who_is_approved_beforehand_is_subscribed_without_asking(state: str) -> None:
    scene = Scene(state, available=True)
    scene.romeo.sends(f"<presence to='{JULIET}' type='subscribed'/>")
    assert scene.item.approved
    scene.romeo.forget()
    scene.talk.router.route(Presence(ROMEO, JULIET, "subscribe", "s1"))
    assert seen(scene.romeo) == ["push"]
    assert [(s.type, s.from_) for s in scene.routed] == [
        ("subscribed", ROMEO),
        ("", scene.romeo.jid),
    ]


def test_approving_an_unknown_contact_beforehand_makes_an_item() -> None:
    """§3.4.2 rule 4."""
    scene = Scene("None", listed=False)
    scene.romeo.sends(f"<presence to='{JULIET}' type='subscribed'/>")
    pushed = scene.romeo.inbox[0].elements[0].elements[0]
    assert pushed.attrs == {"jid": JULIET, "subscription": "none", "approved": "true"}


def test_a_pre_approval_is_taken_back_with_unsubscribed_which_goes_nowhere() -> None:
    """§3.2.2 rule 2."""
    scene = Scene("None")
    scene.romeo.sends(f"<presence to='{JULIET}' type='subscribed'/>")
    scene.romeo.forget()
    scene.romeo.sends(f"<presence to='{JULIET}' type='unsubscribed'/>")
    assert scene.routed == []
    assert not scene.item.approved
    assert seen(scene.romeo) == ["push"]


def test_a_contacts_unsubscribed_does_not_cancel_a_pre_approval() -> None:
    """§4.3.2 rule 1."""
    scene = Scene("To")
    scene.romeo.sends(f"<presence to='{JULIET}' type='subscribed'/>")
    scene.talk.router.route(Presence(ROMEO, JULIET, "unsubscribed"))
    assert (scene.state, scene.item.approved) == ("None", True)
