"""XEP-0227: what goes into a file comes out again, and hostile files do no harm."""

import os
import re
from pathlib import Path

import pytest

from xmppd.api import CommandError
from xmppd.modules.archive import Archive
from xmppd.modules.portable.reading import Reader, Unreadable
from xmppd.modules.pubsub import Pep
from xmppd.testing import Client, Talk, like, result, result_of

HEAD = "<?xml version='1.0' encoding='UTF-8'?><server-data xmlns='urn:xmpp:pie:0'>"
USER = HEAD + "<host jid='example.org'><user name='juliet'%s>%s</user></host></server-data>"
BOOKMARKS = "urn:xmpp:bookmarks:1"
CARD = "<vCard xmlns='vcard-temp'><FN>Juliet &amp; &lt;Capulet&gt;</FN></vCard>"
PRIVATE = "<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'><a>b</a></exodus></query>"


def stage(tmp_path: Path) -> Talk:
    return Talk(Archive, options={"portable": {"folder": tmp_path}})


def rows(said: object) -> str:
    return repr(said)


def fill(talk: Talk) -> None:
    """An account with something of everything."""
    talk.befriend("juliet@example.org", "romeo@example.org")
    juliet = talk.online("juliet@example.org/balcony")
    romeo = talk.online("romeo@example.org/orchard")
    for number, inside in enumerate(
        (
            "<query xmlns='jabber:iq:roster'><item jid='romeo@example.org' name='Romeo'>"
            "<group>Montagues</group></item></query>",
            PRIVATE,
            CARD,
            "<block xmlns='urn:xmpp:blocking'><item jid='tybalt@example.org'/></block>",
            "<prefs xmlns='urn:xmpp:mam:2' default='roster'><always/><never/></prefs>",
            f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{BOOKMARKS}'>"
            "<item id='theplay@conference.example.org'><conference xmlns='urn:xmpp:bookmarks:1' "
            "name='The Play'/></item></publish><publish-options><x xmlns='jabber:x:data' "
            "type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#"
            "publish-options</value></field><field var='pubsub#access_model'>"
            "<value>whitelist</value></field></x></publish-options></pubsub>",
        )
    ):
        juliet.sends(f"<iq type='set' id='f{number}'>{inside}</iq>")
    romeo.sends("<message to='juliet@example.org' type='chat'><body>archived</body></message>")
    juliet.leaves()
    romeo.sends("<message to='juliet@example.org' type='chat'><body>stored</body></message>")
    mercutio = talk.online("mercutio@example.org/square")
    mercutio.sends("<presence to='juliet@example.org' type='subscribe'/>")


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    talk = stage(tmp_path)
    fill(talk)
    talk.run("export-account", jid="juliet@example.org", file="juliet.xml")
    return tmp_path / "juliet.xml"


def test_an_export_can_be_read_by_its_owner_alone(exported: Path) -> None:
    assert os.stat(exported).st_mode & 0o777 == 0o600


def test_an_export_never_overwrites(exported: Path, tmp_path: Path) -> None:
    talk = stage(tmp_path)
    talk.account("juliet@example.org")
    before = exported.read_text()
    with pytest.raises(CommandError, match="File exists"):
        talk.run("export-account", jid="juliet@example.org", file="juliet.xml")
    assert exported.read_text() == before


@pytest.mark.parametrize("name", ["../juliet.xml", "/etc/passwd", "", ".hidden", "a\0b"])
def test_files_lie_in_the_folder_alone(tmp_path: Path, name: str) -> None:
    talk = stage(tmp_path)
    talk.account("juliet@example.org")
    with pytest.raises(CommandError, match="not the name of a file"):
        talk.run("export-account", jid="juliet@example.org", file=name)


def test_no_password_is_exported_but_keys_are(exported: Path) -> None:
    text = exported.read_text()
    assert "password=" not in text
    assert text.count("<scram-credentials ") == 3


@pytest.fixture
def juliet(exported: Path, tmp_path: Path) -> Client:
    """She has moved."""
    talk = stage(tmp_path)
    said = talk.run("import-account", jid="juliet@example.org", file="juliet.xml")
    assert "1 accounts imported" in rows(said)
    assert "left out" not in rows(said)
    client = talk.bind("juliet@example.org/balcony")
    client.talk = talk  # type: ignore[attr-defined]
    return client


def asks(client: Client, inside: str, type: str = "get") -> None:
    client.sends(f"<iq type='{type}' id='a'>{inside}</iq>")


def test_the_password_is_the_same(exported: Path, tmp_path: Path) -> None:
    talk = stage(tmp_path)
    talk.run("import-account", jid="juliet@example.org", file="juliet.xml")
    accounts = talk.host.accounts
    assert result_of(accounts.check_password("juliet", "secret"))
    assert not result_of(accounts.check_password("juliet", "another"))


def test_contacts_keep_name_groups_and_subscription(juliet: Client) -> None:
    asks(juliet, "<query xmlns='jabber:iq:roster'/>")
    juliet.receives(
        like(
            "<iq type='result' id='a'><query xmlns='jabber:iq:roster'>"
            "<item jid='romeo@example.org' name='Romeo' subscription='both'>"
            "<group>Montagues</group></item></query></iq>"
        )
    )


def test_private_data_and_vcard_are_there(juliet: Client) -> None:
    asks(juliet, "<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'/></query>")
    juliet.receives(result("a", PRIVATE))
    asks(juliet, "<vCard xmlns='vcard-temp'/>")
    juliet.receives(result("a", CARD))


def test_who_was_blocked_is_blocked(juliet: Client) -> None:
    asks(juliet, "<blocklist xmlns='urn:xmpp:blocking'/>")
    juliet.receives(
        result(
            "a",
            "<blocklist xmlns='urn:xmpp:blocking'><item jid='tybalt@example.org'/></blocklist>",
        )
    )


def test_what_is_archived_is_chosen_as_before(juliet: Client) -> None:
    asks(juliet, "<prefs xmlns='urn:xmpp:mam:2'/>")
    juliet.receives(like("<iq id='a'><prefs xmlns='urn:xmpp:mam:2' default='roster'/></iq>"))


def test_the_archive_has_its_ids_again(exported: Path, juliet: Client) -> None:
    asks(juliet, "<query xmlns='urn:xmpp:mam:2'/>", "set")
    ids = re.findall("<result xmlns='urn:xmpp:mam:2' id='([^']+)'", exported.read_text())
    assert len(ids) == 2
    for id_ in ids:
        juliet.receives(like(f"<message><result xmlns='urn:xmpp:mam:2' id='{id_}'/></message>"))


def test_nodes_keep_their_access_and_items(juliet: Client) -> None:
    talk = juliet.talk  # type: ignore[attr-defined]
    pep = talk.module(Pep)
    node = result_of(pep.engine.find(juliet.jid.bare, BOOKMARKS))
    assert node is not None
    assert node.config.access_model == "whitelist"
    item = result_of(pep.item(juliet.jid.bare, BOOKMARKS, "theplay@conference.example.org"))
    assert item is not None
    assert "The Play" in item.xml


def test_waiting_messages_and_requests_come_at_login(juliet: Client) -> None:
    juliet.sends("<presence/>")
    juliet.receives_in_any_order(
        like("<presence from='juliet@example.org/balcony'/>"),
        like("<presence from='mercutio@example.org' type='subscribe'/>"),
        like("<message><body>stored</body><delay xmlns='urn:xmpp:delay'/></message>"),
    )


def test_a_whole_host_is_written_and_read(tmp_path: Path) -> None:
    talk = stage(tmp_path)
    fill(talk)
    assert "3 written" in str(talk.run("export-host", file="all.xml"))
    other = stage(tmp_path)
    other.account("romeo@example.org")
    said = rows(other.run("import-host", file="all.xml"))
    assert "2 accounts imported" in said
    assert "there is such an account already" in said
    assert result_of(other.host.accounts.users()) == ["juliet", "mercutio", "romeo"]


def imports(tmp_path: Path, text: str, jid: str = "juliet@example.org") -> tuple[Talk, str]:
    (tmp_path / "in.xml").write_text(text)
    talk = stage(tmp_path)
    return talk, rows(talk.run("import-account", jid=jid, file="in.xml"))


def test_an_import_that_makes_no_account_fails_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"nurse@example\.org is not in the file"):
        imports(tmp_path, USER % (" password='x'", ""), "nurse@example.org")
    talk = stage(tmp_path)
    talk.account("juliet@example.org")
    with pytest.raises(CommandError, match="juliet: there is such an account already"):
        talk.run("import-account", jid="juliet@example.org", file="in.xml")


def test_files_lie_below_the_data_of_the_server_if_nothing_else_is_said(tmp_path: Path) -> None:
    talk = Talk()
    talk.host.folder = tmp_path
    talk.account("juliet@example.org")
    said = talk.run("export-account", jid="juliet@example.org", file="juliet.xml")
    assert said == f"1 written to {tmp_path}/exports/juliet.xml"


def test_a_plain_password_becomes_keys(tmp_path: Path) -> None:
    talk, _ = imports(tmp_path, USER % (" password='but soft'", ""))
    assert result_of(talk.host.accounts.check_password("juliet", "but soft"))


def test_keys_for_one_hash_are_enough_for_a_plain_login(exported: Path, tmp_path: Path) -> None:
    text = exported.read_text()
    cut = text[text.index("<scram-credentials") : text.rindex("</scram-credentials>")]
    (sha1,) = [each for each in cut.split("</scram-credentials>") if "SHA-1'" in each]
    talk, _ = imports(tmp_path, USER % ("", f"{sha1}</scram-credentials>"))
    accounts = talk.host.accounts
    assert set(result_of(accounts.stored_keys("juliet"))) == {"SHA-1"}
    assert result_of(accounts.check_password("juliet", "secret"))
    assert set(result_of(accounts.stored_keys("juliet"))) == {"SHA-1", "SHA-256", "SHA-512"}


@pytest.mark.parametrize(
    "inside",
    [
        "<iter-count>0</iter-count>",
        "<iter-count>99999999999</iter-count>",
        "<iter-count>4096</iter-count><salt>*</salt>",
        "<iter-count>4096</iter-count><salt>YQ==</salt><stored-key>YQ==</stored-key>"
        "<server-key>YQ==</server-key>",
    ],
)
def test_damaged_keys_are_told_and_nobody_can_log_in(tmp_path: Path, inside: str) -> None:
    keys = "<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-1'>"
    talk, said = imports(tmp_path, USER % ("", f"{keys}{inside}</scram-credentials>"))
    assert "scram-credentials" in said
    assert "no password" in said
    assert not result_of(talk.host.accounts.check_password("juliet", ""))


def test_what_nobody_knows_is_told_and_the_rest_taken(tmp_path: Path) -> None:
    talk, said = imports(tmp_path, USER % (" password='x'", f"<y xmlns='urn:x'/>{CARD}"))
    assert "urn:x" in said
    juliet = talk.bind("juliet@example.org/balcony")
    asks(juliet, "<vCard xmlns='vcard-temp'/>")
    juliet.receives(result("a", CARD))


def test_what_is_wrong_is_told_and_left_out(tmp_path: Path) -> None:
    wrong = "<query xmlns='jabber:iq:roster'><item jid='@'/></query>"
    talk, said = imports(tmp_path, USER % (" password='x'", wrong + CARD))
    assert "jabber:iq:roster" in said
    juliet = talk.bind("juliet@example.org/balcony")
    asks(juliet, "<vCard xmlns='vcard-temp'/>")
    juliet.receives(result("a", CARD))


PROSODY = (
    "<scram-credentials mechanism='SCRAM-SHA-1' xmlns='urn:xmpp:pie:0#scram'><server-key>"
    "Qy7i0EX/s8w5t85nA64iFQhDtf8=</server-key><stored-key>Q54xCTwNTw9GtpKerZdOWJ/891o="
    "</stored-key><iter-count>10000</iter-count><salt>MWNhMjFkZDUtMzk4NS00Y2YwLWIxNWItMTc2OThm"
    "OGE4YTk0</salt></scram-credentials><query xmlns='jabber:iq:roster' version='3'><item "
    "jid='romeo@example.org' subscription='both' name='Romeo'><group>Friends</group></item>"
    "</query><presence from='paris@example.org' type='subscribe'/>"
    "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='urn:xmpp:"
    "bookmarks:1'><x type='submit' xmlns='jabber:x:data'><field type='hidden' var='FORM_TYPE'>"
    "<value>http://jabber.org/protocol/pubsub#node_config</value></field><field type='text-"
    "single' var='pubsub#max_items'><value>255</value></field><field type='list-single' var='"
    "pubsub#access_model'><value>whitelist</value></field><field type='list-single' var='"
    "pubsub#publish_model'/><field type='list-single' var='pubsub#send_last_published_item'/>"
    "<field type='list-single' var='pubsub#notification_type'/></x></configure></pubsub>"
)


def moves(tmp_path: Path, inside: str) -> Client:
    """Juliet, whose whole account another server has written, logs in with her old password."""
    talk, said = imports(tmp_path, USER % ("", inside))
    assert "left out" not in said
    assert result_of(talk.host.accounts.check_password("juliet", "secret1"))
    juliet = talk.bind("juliet@example.org/balcony")
    juliet.sends("<presence/>")
    return juliet


def test_what_prosodys_migrator_writes_is_read(tmp_path: Path) -> None:
    """An account of Prosody 0.12.3, by `prosody-migrator` with xep0227 as its output."""
    juliet = moves(tmp_path, PROSODY)
    juliet.receives_in_any_order(
        like("<presence from='juliet@example.org/balcony'/>"),
        like("<presence type='subscribe' from='paris@example.org'/>"),
    )


EJABBERD = (
    "<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-1'><iter-count>4096"
    "</iter-count><salt>Ny80S2hCTlM5UG5YNjNNV2MrWHhYQT09</salt><server-key>dVVza1NNOWUzRnhuZXJl"
    "by9BOWpza0xDaWFNPQ==</server-key><stored-key>T3pSb25Xc1RWUW1qNHRVcFppUDdjK3gzd1FnPQ=="
    "</stored-key></scram-credentials><offline-messages><message to='juliet@example.org' "
    "from='nurse@example.org' type='chat' id='1' xmlns='jabber:client'><archived "
    "by='juliet@example.org' id='1795284845560109' xmlns='urn:xmpp:mam:tmp'/><stanza-id "
    "by='juliet@example.org' id='1795284845560109' xmlns='urn:xmpp:sid:0'/><delay "
    "from='example.org' stamp='2026-11-21T18:14:05.564200Z' xmlns='urn:xmpp:delay'>Offline "
    "storage</delay><body>waiting</body></message></offline-messages>" + CARD
)


def test_what_ejabberd_exports_is_read(tmp_path: Path) -> None:
    """An account of ejabberd 23.01, by `ejabberdctl export_piefxis`: keys are encoded twice."""
    juliet = moves(tmp_path, EJABBERD)
    juliet.receives(
        like("<presence/>"),
        like("<message from='nurse@example.org'><body>waiting</body></message>"),
    )


def test_a_privacy_list_blocks_whom_it_denies_all(tmp_path: Path) -> None:
    listed = (
        "<query xmlns='jabber:iq:privacy'><default name='p'/><list name='p'>"
        "<item type='jid' value='tybalt@example.org' action='deny' order='1'/>"
        "<item type='jid' value='nurse@example.org' action='deny' order='2'><iq/></item>"
        "<item action='allow' order='3'/></list></query>"
    )
    talk, _ = imports(tmp_path, USER % (" password='secret'", listed))
    juliet = talk.bind("juliet@example.org/balcony")
    juliet.sends("<iq type='get' id='b'><blocklist xmlns='urn:xmpp:blocking'/></iq>")
    juliet.receives(
        result(
            "b",
            "<blocklist xmlns='urn:xmpp:blocking'><item jid='tybalt@example.org'/></blocklist>",
        )
    )


# Hostile files


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<!DOCTYPE a [<!ENTITY x 'y'>]>" + USER[len(HEAD) :], "document type"),
        ("<!DOCTYPE a SYSTEM '/etc/passwd'><a/>", "document type"),
        ("<html/>", "begins with <html/>"),
        (HEAD, "not well-formed"),
        (HEAD + "</server-data><more/>", "not well-formed"),
        ("\0\0\0", "not well-formed"),
        (USER % ("", "<a xmlns='b'>" * 300 + "</a>" * 300), "nested"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "in.xml").write_text(text)
    with pytest.raises(CommandError, match=complaint):
        stage(tmp_path).run("import-host", file="in.xml")


def test_no_piece_grows_beyond_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xmppd.modules.portable.reading.MAX_PIECE", 10_000)
    reader = Reader()
    reader.feed((HEAD + "<host jid='h'><user name='u'><a xmlns='b'>").encode())
    with pytest.raises(Unreadable, match="larger than"):
        reader.feed(b"<b/>" * 300)


def test_an_archive_comes_in_pieces_however_long_it_is() -> None:
    reader = Reader()
    reader.feed(
        (HEAD + "<host jid='h'><user name='u'><archive xmlns='urn:xmpp:pie:0#mam'>").encode()
    )
    sizes = []
    for _ in range(1000):
        for event, _ in reader.feed(b"<result xmlns='urn:xmpp:mam:2'/>"):
            sizes.append(len(event.children))  # type: ignore[union-attr]
    assert sizes == [100] * 10


INCLUDE = "<include xmlns='http://www.w3.org/2001/XInclude' href='%s'/>"


def test_files_are_included(tmp_path: Path) -> None:
    (tmp_path / "example.org").mkdir()
    user = f"<user xmlns='urn:xmpp:pie:0' name='juliet' password='x'>{CARD}</user>"
    (tmp_path / "example.org" / "juliet.xml").write_text(user)
    inside = INCLUDE % "example.org/juliet.xml"
    host = f"<host xmlns='urn:xmpp:pie:0' jid='example.org'>{inside}</host>"
    (tmp_path / "example.org.xml").write_text(host)
    talk, said = imports(tmp_path, HEAD + INCLUDE % "example.org.xml" + "</server-data>")
    assert "1 accounts imported" in said
    assert result_of(talk.host.accounts.check_password("juliet", "x"))


@pytest.mark.parametrize(
    ("href", "complaint"),
    [
        ("../secret.xml", "outside"),
        ("/etc/passwd", "outside"),
        ("file:///etc/passwd", "outside"),
        ("http://example.org/x", "outside"),
        ("%2e%2e/secret.xml", "outside"),
        ("link.xml", "outside"),
        ("in.xml", "begins with|too deep|not <host"),
        ("missing.xml", "No such file"),
    ],
)
def test_nothing_else_is_included(tmp_path: Path, href: str, complaint: str) -> None:
    (tmp_path / "link.xml").symlink_to("/etc/passwd")
    (tmp_path / "in.xml").write_text(HEAD + INCLUDE % href + "</server-data>")
    talk = stage(tmp_path)
    if href == "in.xml":  # its root is no host: it is told, and nothing comes of it
        assert "server-data" in rows(talk.run("import-host", file="in.xml"))
        return
    with pytest.raises(CommandError, match=complaint):
        talk.run("import-host", file="in.xml")


def test_an_include_within_users_data_is_only_data(tmp_path: Path) -> None:
    inside = (
        f"<query xmlns='jabber:iq:private'><x xmlns='urn:x'>{INCLUDE % '/etc/passwd'}</x></query>"
    )
    talk, said = imports(tmp_path, USER % (" password='x'", inside))
    assert "left out" not in said
    juliet = talk.bind("juliet@example.org/balcony")
    asks(juliet, "<query xmlns='jabber:iq:private'><x xmlns='urn:x'/></query>")
    juliet.receives(result("a", inside))


def test_an_account_whose_import_broke_off_has_no_password(tmp_path: Path) -> None:
    (tmp_path / "in.xml").write_text((USER % (" password='x'", CARD))[:-60])
    talk = stage(tmp_path)
    with pytest.raises(CommandError, match="not well-formed"):
        talk.run("import-host", file="in.xml")
    assert not result_of(talk.host.accounts.check_password("juliet", "x"))


def test_names_that_no_account_can_have_are_told(tmp_path: Path) -> None:
    text = (USER % (" password='x'", "")).replace("'juliet'", "'a@b'")
    (tmp_path / "in.xml").write_text(text)
    assert "no name" in rows(stage(tmp_path).run("import-host", file="in.xml"))
