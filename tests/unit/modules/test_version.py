"""XEP-0092: what software this is, and how little of it may be told."""

import platform

from xmppd.api import HOST, Element, ns
from xmppd.modules.version import HIDDEN, own_version
from xmppd.testing import Talk, result


def told(**options: object) -> Element:
    romeo = Talk(only=["version"], options={"version": options}).bind("romeo@example.org/orchard")
    romeo.sends(
        "<iq type='get' to='example.org' id='version_1'><query xmlns='jabber:iq:version'/></iq>"
    )
    return romeo.receives(result("version_1")).elements[0]


def test_name_and_version_are_told_and_no_operating_system() -> None:
    query = told()
    assert query.child_text(ns.VERSION, "name") == "xmppd"
    assert query.child_text(ns.VERSION, "version") == own_version() != ""
    assert query.child(ns.VERSION, "os") is None


def test_the_operating_system_is_told_where_that_is_wanted() -> None:
    assert (told(show_os=True).child_text(ns.VERSION, "os") or "").startswith(platform.system())


def test_a_hidden_version_leaves_the_required_element() -> None:
    assert told(show_version=False).child_text(ns.VERSION, "version") == HIDDEN


def test_version_is_advertised() -> None:
    assert ns.VERSION in Talk(only=["version"]).host.iqs.namespaces(HOST)
