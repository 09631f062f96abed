"""Whose presence an account remembers: strangers must not shut out contacts."""

from xmppd.jid import JID, jid
from xmppd.modules.pubsub import interest
from xmppd.modules.pubsub.interest import Sharing

USER, CONTACT = jid("juliet@example.org"), jid("romeo@montague.lit/orchard")


def stranger(number: int) -> JID:
    return jid(f"s{number}@flood.lit/x")


def test_strangers_leave_room_for_contacts() -> None:
    sharing = Sharing()
    taken = [sharing.add(USER, stranger(n), None, stranger=True) for n in range(200)]
    assert sum(hearer is not None for hearer in taken) == interest.MOST_STRANGERS
    assert sharing.add(USER, CONTACT, None) is not None


def test_strangers_of_all_accounts_are_limited() -> None:
    sharing = Sharing()
    users = [jid(f"u{n}@example.org") for n in range(500)]
    taken = [
        sharing.add(user, stranger(n), None, stranger=True)
        for user in users
        for n in range(interest.MOST_STRANGERS)
    ]
    assert sum(it is not None for it in taken) == interest.MOST_STRANGERS_IN_ALL
    assert sharing.add(users[-1], CONTACT, None) is not None


def test_who_goes_makes_room() -> None:
    sharing = Sharing()
    for n in range(interest.MOST_STRANGERS):
        sharing.add(USER, stranger(n), None, stranger=True)
    sharing.remove(USER, stranger(0).bare)
    assert sharing.add(USER, stranger(1000), None, stranger=True) is not None
    sharing.remove_user(USER)
    assert sharing.add(USER, stranger(0), None, stranger=True) is not None


def test_one_contact_has_some_resources_only() -> None:
    sharing = Sharing()
    many = [jid(f"romeo@montague.lit/{n}") for n in range(100)]
    taken = [sharing.add(USER, who, None) for who in many]
    assert sum(hearer is not None for hearer in taken) == interest.MOST_OF_ONE


def test_what_is_remembered_survives_a_reload() -> None:
    sharing, after = Sharing(), Sharing()
    for who, is_stranger in ((CONTACT, False), (stranger(1), True)):
        hearer = sharing.add(USER, who, None, stranger=is_stranger)
        assert hearer is not None
        hearer.learn(frozenset("n"))
    after.restore(sharing.save())
    assert list(after.hearing(USER, "n")) == [CONTACT, stranger(1)]
    known = after.get(USER, stranger(1))
    assert known is not None
    assert known.stranger
    assert known.learn(frozenset("n")) == frozenset()  # it has been told
