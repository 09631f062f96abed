"""Registration (XEP-0077): after login on both stages, before it on a stream."""

from tests.conversations.test_roster import push
from tests.support.stages import ProcessStage
from xmppd.ns import REGISTER_FEATURE
from xmppd.testing import Actor, Stage, error, like, presence, result
from xmppd.xml import to_xml

JULIET = "juliet@example.org/balcony"
QUERY = "<query xmlns='jabber:iq:register'>{}</query>"
BILL = "<username>bill</username><password>Calliope1</password>"


def test_a_user_looks_at_the_registration_and_changes_the_password(talk: Stage[Actor]) -> None:
    juliet = talk.bind(JULIET)
    juliet.sends(f"<iq type='get' id='r1' to='example.org'>{QUERY.format('')}</iq>")
    juliet.receives(
        like(
            "<iq type='result' id='r1'>"
            + QUERY.format("<registered/><username>juliet</username>")
            + "</iq>"
        )
    )
    changed = QUERY.format("<username>juliet</username><password>newpassword</password>")
    juliet.sends(f"<iq type='set' id='r2' to='example.org'>{changed}</iq>")
    juliet.receives(result("r2", ""))


def test_an_account_is_removed_and_its_friends_are_told(talk: Stage[Actor]) -> None:
    talk.befriend(JULIET, "romeo@example.net")
    romeo, juliet = talk.bind("romeo@example.net/orchard"), talk.bind(JULIET)
    romeo.sends("<iq type='get' id='r0'><query xmlns='jabber:iq:roster'/></iq><presence/>")
    romeo.forget()
    juliet.sends(f"<iq type='set' id='r3' to='example.org'>{QUERY.format('<remove/>')}</iq>")
    juliet.receives(result("r3", ""))
    romeo.receives_in_any_order(
        presence(from_="juliet@example.org", type="unsubscribe"),
        push("juliet@example.org", "to"),
        presence(from_="juliet@example.org", type="unsubscribed"),
        push("juliet@example.org", "none"),
    )
    romeo.forget()
    romeo.sends("<message to='juliet@example.org' id='m'><body>Juliet?</body></message>")
    romeo.receives(error("m", "cancel", "service-unavailable", "message"))


def test_who_has_registered_can_log_in(process: ProcessStage) -> None:
    stranger = process.stranger("bill@example.org/globe")
    stranger.opens()
    stranger.secures()
    assert stranger.features.child(REGISTER_FEATURE, "register") is not None
    stranger.sends(f"<iq type='get' id='reg1'>{QUERY.format('')}</iq>")
    form = stranger.reads()
    assert (
        like(f"<iq type='result' id='reg1'>{QUERY.format('<username/><password/>')}</iq>")(form)
        is None
    ), to_xml(form)
    stranger.sends(f"<iq type='set' id='reg2'>{QUERY.format(BILL)}</iq>")
    assert result("reg2")(stranger.reads()) is None
    try:
        stranger.password = "Calliope1"
        stranger.logs_in()
        stranger.binds()
        stranger.receives_nothing()
    finally:
        stranger.leaves()
        process.server.delete("bill@example.org")


def test_a_name_that_is_taken_is_a_conflict(process: ProcessStage) -> None:
    process.account("bill@example.org")
    stranger = process.stranger("bill@example.org/globe")
    stranger.opens()
    stranger.secures()
    stranger.sends(f"<iq type='set' id='reg2'>{QUERY.format(BILL)}</iq>")
    assert error("reg2", "cancel", "conflict")(stranger.reads()) is None
