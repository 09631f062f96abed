"""XML from trees, and trees from documents."""

import pytest

from xmppd.xml import XML_LANG, Element, XMLError, escape_attr, escape_text, parse, to_xml
from xmppd.xml import parse_fragment as fragment

XML_NS = "http://www.w3.org/XML/1998/namespace"


def test_escapes() -> None:
    assert escape_text("a&b<c>]]>\r\n\t'\"") == "a&amp;b&lt;c&gt;]]&gt;&#xD;\n\t'\""
    assert escape_attr("&<>\"'\r\n\t") == "&amp;&lt;&gt;&quot;&apos;&#xD;&#xA;&#x9;"


@pytest.mark.parametrize(
    "element, default_ns, xml",
    [
        (Element("", "a"), "", "<a/>"),
        (Element("", "a"), "n", "<a xmlns=''/>"),
        (Element("n", "a"), "n", "<a/>"),
        (Element("n", "a"), "", "<a xmlns='n'/>"),
        (
            Element("n", "a", None, Element("m", "b", None, Element("n", "c")), Element("n", "d")),
            "n",
            "<a><b xmlns='m'><c xmlns='n'/></b><d/></a>",
        ),
        (Element("n", "a", {XML_LANG: "de"}, "x"), "n", "<a xml:lang='de'>x</a>"),
        (
            Element("", "a", {"{u}x": "1", "{v}x": "2", "{u}y": "3"}),
            "",
            "<a xmlns:ns0='u' ns0:x='1' xmlns:ns1='v' ns1:x='2' ns0:y='3'/>",
        ),
        (Element(XML_NS, "a", None, Element("n", "b")), "n", "<xml:a><b/></xml:a>"),
        (Element("a'b", "x", {"{}}y": "1"}), "", "<x xmlns='a&apos;b' xmlns:ns0='}' ns0:y='1'/>"),
    ],
)
def test_namespaces_are_declared_where_they_are_needed(
    element: Element, default_ns: str, xml: str
) -> None:
    assert to_xml(element, default_ns) == xml
    assert parse(xml, default_ns) == element


@pytest.mark.parametrize(
    "element",
    [
        Element("n", "a", None, "\x00"),
        Element("n", "a", None, "x\x0b"),
        Element("n", "a", {"k": "\x1f"}),
        Element("n", "a", None, "\ud800"),
        Element("n", "a", None, "\ufffe"),
        Element("n\x01", "a"),
        Element("n", "a b"),
        Element("n", "p:a"),
        Element("n", ""),
        Element("n", "a><b"),
        Element("n", "1a"),
        Element("n", "a", {"k='": "v"}),
        Element("n", "a", {"": "v"}),
        Element("n", "a", {"xmlns": "v"}),
        Element("n", "a", {"{}k": "v"}),
        Element("n", "a", {"{u}k w": "v"}),
        Element("n", "a", {"{http://www.w3.org/2000/xmlns/}k": "v"}),
        Element("http://www.w3.org/2000/xmlns/", "a"),
    ],
)
def test_what_xml_cannot_say_is_refused(element: Element) -> None:
    with pytest.raises(XMLError):
        to_xml(element)


def test_whitespace_and_markup_survive_a_round_trip() -> None:
    element = Element("n", "a", {"k": "\r\n\t <&>'\""}, "\r\n\r]]>&amp;", Element("m", "b"), " \t")
    assert parse(to_xml(element)) == element


def test_a_deep_tree_is_written_and_read_without_recursion() -> None:
    depth = 50_000
    xml = "<a>" * depth + "</a>" * depth
    assert to_xml(parse(xml)).count("<a") == depth


def test_a_long_text_is_one_child() -> None:
    assert parse("<a>" + "x&amp;y\n" * 20_000 + "</a>").children == ["x&y\n" * 20_000]


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "x",
        "<a/><b/>",
        "<a/>text",
        "<a>",
        "<a></b>",
        "<p:a/>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
        "<a>&e;</a>",
        "<a><!-- c --></a>",
        "<!-- c --><a/>",
        "<a><?pi?></a>",
        "<?pi?><a/>",
        "<?xml version='1.1'?><a/>",
        "<?xml version='1.0' encoding='latin1'?><a/>",
        "<a>\ud800</a>",
        "</x><x><a/>",
        "<a xmlns:p='u' p:k='1' xmlns:q='u' q:k='1'/>",
        b"<a>\xff</a>",
        "<a/>".encode("utf-16"),
    ],
)
def test_documents_are_held_to_the_rules_of_streams(xml: str | bytes) -> None:
    with pytest.raises(XMLError):
        parse(xml)


def test_a_document_may_have_a_declaration_and_space_around_it() -> None:
    assert parse(b"<?xml version='1.0' encoding='utf-8'?>\n<a> </a>\n") == Element(
        "", "a", None, " "
    )


def test_a_fragment_is_read_in_its_default_namespace() -> None:
    assert fragment(b"a<b/>&lt;<c xmlns=''/>", "n'") == [
        "a",
        Element("n'", "b"),
        "<",
        Element("", "c"),
    ]
    for broken in (b"</x><x>", b"<b>", b"</x>", b"<p:b/>", b"\xff"):
        with pytest.raises(XMLError):
            fragment(broken, "n")
