"""XEP-0157: contact addresses in what the host says of itself."""

import pytest
from pydantic import ValidationError

from xmppd.modules.contact import SERVER_INFO, ContactOptions
from xmppd.ns import DISCO_INFO, FORMS
from xmppd.testing import Talk, like, result

KINDS = ["abuse", "admin", "feedback", "sales", "security", "status", "support"]


def talk_with(**addresses: list[str]) -> Talk:
    return Talk(only=["contact"], options={"contact": addresses})


def test_the_configured_addresses_stand_in_the_answer_of_the_host() -> None:
    romeo = talk_with(
        abuse=["mailto:abuse@example.org", "xmpp:abuse@example.org"],
        status=["https://status.example.org/"],
    ).bind("romeo@example.org/orchard")
    romeo.sends(f"<iq type='get' id='d1' to='example.org'><query xmlns='{DISCO_INFO}'/></iq>")
    romeo.receives(
        like(
            f"<iq type='result' id='d1'><query xmlns='{DISCO_INFO}'>"
            f"<x xmlns='{FORMS}' type='result'>"
            f"<field var='FORM_TYPE' type='hidden'><value>{SERVER_INFO}</value></field>"
            "<field var='abuse-addresses'><value>mailto:abuse@example.org</value>"
            "<value>xmpp:abuse@example.org</value></field>"
            "<field var='status-addresses'><value>https://status.example.org/</value></field>"
            "</x></query></iq>"
        )
    )


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_address_has_its_field(kind: str) -> None:
    romeo = talk_with(**{kind: ["xmpp:who@example.org"]}).bind("romeo@example.org/orchard")
    romeo.sends(f"<iq type='get' id='d1' to='example.org'><query xmlns='{DISCO_INFO}'/></iq>")
    query = romeo.receives(result("d1")).child(DISCO_INFO, "query")
    assert query is not None
    form = query.child(FORMS, "x")
    assert form is not None
    assert [field.get("var") for field in form.elements] == ["FORM_TYPE", f"{kind}-addresses"]


@pytest.mark.parametrize("about", ["example.org", "romeo@example.org"])
def test_there_is_no_form_without_addresses_nor_for_accounts(about: str) -> None:
    addresses = {} if about == "example.org" else {"abuse": ["mailto:abuse@example.org"]}
    romeo = talk_with(**addresses).bind("romeo@example.org/orchard")
    romeo.sends(f"<iq type='get' id='d1' to='{about}'><query xmlns='{DISCO_INFO}'/></iq>")
    query = romeo.receives(result("d1")).child(DISCO_INFO, "query")
    assert query is not None
    assert query.child(FORMS) is None


@pytest.mark.parametrize(
    "uri",
    [
        "mailto:abuse@example.org",
        "mailto:abuse@example.org?subject=xmpp",
        "xmpp:admin@example.org",
        "xmpp:admin@example.org?message",
        "xmpp://guest@example.com/support@example.org",
        "https://example.org",
        "http://example.org/kontakt/über-uns",
        "tel:+49-30-1234",
        "sip:help@example.org",
    ],
)
def test_uris_of_any_scheme_are_taken(uri: str) -> None:
    assert ContactOptions(support=[uri]).support == [uri]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abuse@example.org",
        "example.org/contact",
        "mailto:",
        "mailto:abuse",
        "xmpp:",
        "xmpp:@example.org",
        "https:example.org",
        "https://",
        "https:///contact",
        "https://example.org/a b",
        "mailto:a@example.org\n",
        "1http://example.org",
    ],
)
def test_what_is_no_uri_is_refused_when_the_configuration_is_read(text: str) -> None:
    with pytest.raises(ValidationError, match="must"):
        ContactOptions(abuse=[text])
