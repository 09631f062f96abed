"""Extract the XML schemas of the RFCs and XEPs: `python tests/schemas/extract.py SPECS`.

SPECS holds `rfc/rfcNNNN.txt` and `xep/xep-NNNN.xml`. Each schema becomes a file here, named after
its namespace. What is plainly wrong, or stricter than the text it belongs to, is mended by
`PATCHES`, each with its reason.
"""

import html
import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
RFCS = ("6120", "6121", "7395")
XEPS = (
    *("0004", "0012", "0030", "0045", "0049", "0050", "0059", "0060", "0066", "0077", "0085"),
    *("0092", "0114", "0115", "0131", "0141", "0153", "0184", "0191", "0198", "0199", "0202"),
    *("0203", "0220", "0221", "0224", "0249", "0280", "0297", "0308", "0313", "0333", "0334"),
    *("0352", "0359", "0363", "0441"),
)
XML_NS = "http://www.w3.org/XML/1998/namespace"
XML_SCHEMA = f"""\
<?xml version='1.0' encoding='UTF-8'?>
<!-- By hand: the attributes of XML itself that other schemas refer to. -->
<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='{XML_NS}'>
  <xs:attribute name='lang' type='xs:language'/>
  <xs:attribute name='base' type='xs:anyURI'/>
</xs:schema>
"""


class Patch(NamedTuple):
    """In the schema of `ns` write `new` for `old`, however that is spaced."""

    ns: str
    old: str
    new: str
    reason: str

    def applied_to(self, schema: str) -> str:
        """Fails when there is nothing to mend."""
        spaced = r"\s+".join(map(re.escape, self.old.split()))
        mended, count = re.subn(spaced, lambda _: self.new.strip(), schema)
        assert count > 0, f"nothing to mend in {self.ns}: {self.reason}"
        return mended


ANY = "<xs:any namespace='##other' minOccurs='0' maxOccurs='unbounded' processContents='lax'/>"
CLIENT, SERVER = "jabber:client", "jabber:server"
STREAMS = "http://etherx.jabber.org/streams"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
STANZA_ORDER = "RFC 6120 and 6121 set no order of a stanza's children, and clients keep to none"
PUBSUB = "http://jabber.org/protocol/pubsub"
PUBSUB_EVENT = "http://jabber.org/protocol/pubsub#event"
PUBSUB_OWNER = "http://jabber.org/protocol/pubsub#owner"
CARBONS = "urn:xmpp:carbons:2"
MUC_USER = "http://jabber.org/protocol/muc#user"
MUC_ADMIN = "http://jabber.org/protocol/muc#admin"
UPLOAD = "urn:xmpp:http:upload:0"
DISCO_INFO = "http://jabber.org/protocol/disco#info"
DISCO_ITEMS = "http://jabber.org/protocol/disco#items"
OPTIONS_JID = """<xs:attribute name='jid' type='xs:string' use='{}'/>
      <xs:attribute name='node' type='xs:string' use='optional'/>
      <xs:attribute name='subid' type='xs:string' use='optional'/>
    </xs:complexType>"""


def both(old: str, new: str, reason: str) -> list[Patch]:
    """The schemas of jabber:client and jabber:server are twins."""
    return [Patch(ns, old, new, reason) for ns in (CLIENT, SERVER)]


PATCHES: tuple[Patch, ...] = (
    Patch(
        MUC_USER,
        "<xs:element name='invite'> <xs:complexType> <xs:sequence>"
        " <xs:element ref='reason' minOccurs='0'/>",
        "<xs:element name='invite'><xs:complexType><xs:sequence>"
        "<xs:element ref='reason' minOccurs='0'/><xs:element ref='continue' minOccurs='0'/>",
        "XEP-0045 §7.9 puts <continue/> into an invitation",
    ),
    Patch(
        MUC_ADMIN,
        "<xs:element ref='item' maxOccurs='unbounded'/>",
        "<xs:element ref='item' minOccurs='0' maxOccurs='unbounded'/>",
        "XEP-0045: a list that nobody is on is an empty list",
    ),
    Patch(
        STREAMS,
        """<xs:any namespace='urn:ietf:params:xml:ns:xmpp-tls' minOccurs='0' maxOccurs='1'/>
        <xs:any namespace='urn:ietf:params:xml:ns:xmpp-sasl' minOccurs='0' maxOccurs='1'/>""",
        "",
        "ambiguous: the wildcard for other namespaces, which follows, takes these as well",
    ),
    Patch(
        STREAMS,
        """<xs:choice minOccurs='0' maxOccurs='1'>
        <xs:choice minOccurs='0' maxOccurs='unbounded'>
        <xs:element ref='client:message'/>
        <xs:element ref='client:presence'/>
        <xs:element ref='client:iq'/>
        </xs:choice>
        <xs:choice minOccurs='0' maxOccurs='unbounded'>
        <xs:element ref='server:message'/>
        <xs:element ref='server:presence'/>
        <xs:element ref='server:iq'/>
        </xs:choice>
        </xs:choice>""",
        "",
        "ambiguous likewise",
    ),
    Patch(
        STREAMS,
        """<xs:element ref='err:text' minOccurs='0' maxOccurs='1'/>
        <xs:any namespace='##other' minOccurs='0' maxOccurs='1' processContents='lax'/>""",
        ANY,
        "ambiguous likewise",
    ),
    Patch(
        SERVER,
        """<xs:element name='subject'> <xs:complexType> <xs:simpleContent>
        <xs:extension base='xs:NMTOKEN'>
        <xs:attribute name='parent' type='xs:NMTOKEN' use='optional'/>
        </xs:extension> </xs:simpleContent> </xs:complexType> </xs:element>""",
        "",
        "the subject is declared a second time, as a copy of the thread",
    ),
    *both(
        """</xs:choice>
             <xs:any     namespace='##other'
                         minOccurs='0'
                         maxOccurs='unbounded'
                         processContents='lax'/>
             <xs:element ref='error'
                         minOccurs='0'/>""",
        """<xs:any namespace='##other' processContents='lax'/>
               <xs:element ref='error'/>
             </xs:choice>""",
        STANZA_ORDER,
    ),
    *both(
        "name='id' type='xs:NMTOKEN'",
        "name='id' type='xs:string'",
        "RFC 6120 §8.1.3 leaves the syntax of an id to who makes it",
    ),
    *both(
        "<xs:extension base='xs:NMTOKEN'>",
        "<xs:extension base='xs:string'>",
        "RFC 6121 §5.2.5: the value of a thread is opaque",
    ),
    *both(
        "<xs:attribute ref='xml:lang' use='optional'/>\n        </xs:complexType>",
        "<xs:attribute ref='xml:lang' use='optional'/>\n"
        "           <xs:anyAttribute namespace='##other' processContents='lax'/>\n"
        "        </xs:complexType>",
        "RFC 6120 §8.4: what is not understood passes, attributes of other namespaces included",
    ),
    *both(
        "<xs:element ref='err:text' minOccurs='0'/>",
        ANY,
        "RFC 6120 §8.3.2: a condition of the application may stand beside the text",
    ),
    Patch(
        BIND,
        "<xs:choice>",
        "<xs:choice minOccurs='0'>",
        "RFC 6120 §7.4 and §7.6.1: as a feature, and to ask for any resource, it is empty",
    ),
    Patch(
        DISCO_INFO,
        "<xs:element ref='feature'/>\n        </xs:choice>",
        "<xs:element ref='feature'/>\n          " + ANY + "\n        </xs:choice>",
        "XEP-0128 puts forms there",
    ),
    Patch(
        DISCO_INFO,
        "<xs:attribute name='category'",
        "<xs:attribute ref='xml:lang' use='optional'/>\n          <xs:attribute name='category'",
        "XEP-0030 §3.1: identities may differ in xml:lang",
    ),
    Patch(
        DISCO_ITEMS,
        "<xs:element ref='item' minOccurs='0' maxOccurs='unbounded'/>",
        "<xs:element ref='item' minOccurs='0' maxOccurs='unbounded'/>\n        " + ANY,
        "XEP-0059 §2.8 and XEP-0030 §7 put a set there",
    ),
    Patch(
        "jabber:iq:private",
        "<xs:any namespace='##other'/>",
        "<xs:any namespace='##other' minOccurs='0' maxOccurs='unbounded' processContents='lax'/>",
        "XEP-0049 §1: any XML may be stored, also such as no schema is known of",
    ),
    Patch(
        "jabber:x:data",
        """<xs:element name='instructions'
                    minOccurs='0'
                    maxOccurs='unbounded'
                    type='xs:string'/>
        <xs:element name='title' minOccurs='0' type='xs:string'/>""",
        """<xs:choice minOccurs='0' maxOccurs='unbounded'>
          <xs:element name='instructions' type='xs:string'/>
          <xs:element name='title' type='xs:string'/>
        </xs:choice>""",
        "XEP-0004's examples 2 and 4 have the title before the instructions",
    ),
    Patch(
        CARBONS,
        "<xs:simpleType name='empty' abstract='true'>",
        "<xs:simpleType name='empty'>",
        "a simple type cannot be abstract",
    ),
    Patch(
        CARBONS,
        "<xs:complexType name='forward-container' abstract='true'>",
        "<xs:complexType name='forward-container'>",
        "an abstract type cannot be that of an element",
    ),
    Patch(
        CARBONS,
        """<xs:element name='forwarded'
                  namespace='urn:xmpp:forward:0'
                  minOccurs='1'
                  maxOccurs='1'/>""",
        "<xs:any namespace='urn:xmpp:forward:0' processContents='lax'/>",
        "an element has no attribute namespace",
    ),
    *(
        Patch(
            ns,
            "<xs:any namespace='##other'/>",
            "<xs:any namespace='##other' processContents='lax'/>",
            "XEP-0060 §7.1: any XML may be published, also such as no schema is known of",
        )
        for ns in (PUBSUB, PUBSUB_EVENT)
    ),
    Patch(
        PUBSUB,
        """<xs:element ref='subscription'/>
          <xs:element ref='subscriptions'/>""",
        """<xs:sequence>
            <xs:element ref='subscription'/>
            <xs:element ref='options' minOccurs='0'/>
          </xs:sequence>
          <xs:element ref='subscriptions'/>""",
        "XEP-0060 §6.3.8: the result tells the options that came to be",
    ),
    Patch(
        PUBSUB,
        OPTIONS_JID.format("required"),
        OPTIONS_JID.format("optional"),
        "XEP-0060 §6.3.8: options beside a subscription name no JID",
    ),
    Patch(
        PUBSUB,
        "<xs:element ref='items'/>",
        "<xs:sequence><xs:element ref='items'/>" + ANY + "</xs:sequence>",
        "XEP-0060 §6.5.4 puts a set there",
    ),
    Patch(
        PUBSUB,
        "<xs:element ref='subscription'/>\n      </xs:sequence>",
        "<xs:element ref='subscription' minOccurs='0' maxOccurs='unbounded'/>\n"
        "      </xs:sequence>",
        "XEP-0060 §5.6: an entity may have many subscriptions, or none",
    ),
    Patch(
        "http://jabber.org/protocol/rsm",
        "<xs:sequence>\n        <xs:element name='after'",
        "<xs:all>\n        <xs:element name='after'",
        "XEP-0059's examples have first, last and count, in this order",
    ),
    Patch(
        "http://jabber.org/protocol/rsm",
        "<xs:element name='max' type='xs:int' minOccurs='0' maxOccurs='1'/>\n      </xs:sequence>",
        "<xs:element name='max' type='xs:int' minOccurs='0' maxOccurs='1'/>\n      </xs:all>",
        "as above",
    ),
    Patch(
        "http://jabber.org/protocol/commands",
        "<xs:choice>\n        <xs:element ref='actions' minOccurs='0'/>",
        "<xs:choice minOccurs='0' maxOccurs='unbounded'>\n"
        "        <xs:element ref='actions' minOccurs='0'/>",
        "XEP-0050's examples have actions, notes and a form together",
    ),
    Patch(
        "http://jabber.org/protocol/commands",
        "<xs:any namespace='##other' minOccurs='0' maxOccurs='unbounded'/>",
        ANY,
        "XEP-0050 §3.1: forms are one payload among others",
    ),
    Patch(
        "http://jabber.org/protocol/pubsub#errors",
        "<xs:element name='not-in-roster-group' type='empty'/>",
        "<xs:element name='node-full' type='empty'/>\n"
        "  <xs:element name='not-in-roster-group' type='empty'/>",
        "XEP-0060 §7.1.3.4",
    ),
)
# Schemas that do not compile and whose namespaces nothing sends yet.
LEFT_OUT = (
    "jabber:component:connect",
    "http://jabber.org/protocol/pubsub#integer-or-max",
    PUBSUB_OWNER,
    UPLOAD,
)


def main(specs: Path) -> None:
    schemas = dict(found(specs))
    for patch in PATCHES:
        schemas[patch.ns] = patch.applied_to(schemas[patch.ns])
    schemas = {ns: importing_xml(schema) for ns, schema in schemas.items() if ns not in LEFT_OUT}
    schemas[XML_NS] = XML_SCHEMA
    for old in FOLDER.glob("*.xsd"):
        old.unlink()
    for ns, schema in schemas.items():
        (FOLDER / file_name(ns)).write_text(located(schema, schemas.keys()))


def found(specs: Path) -> Iterator[tuple[str, str]]:
    for number in RFCS:
        text = without_page_breaks((specs / "rfc" / f"rfc{number}.txt").read_text())
        yield from schemas_in(text, f"RFC {number}")
    for number in XEPS:
        text = (specs / "xep" / f"xep-{number}.xml").read_text()
        yield from schemas_in(html.unescape(text), f"XEP-{number}")


def schemas_in(text: str, source: str) -> Iterator[tuple[str, str]]:
    """Each schema of a specification, with its target namespace."""
    for schema in re.findall(r"<xs:schema.*?</xs:schema>", text, re.DOTALL):
        ns = re.search(r"targetNamespace=['\"]([^'\"]+)", schema)
        if ns is not None:
            heading = f"<?xml version='1.0' encoding='UTF-8'?>\n<!-- {source} -->\n"
            yield ns[1], heading + re.sub(r"[ \t]+\n", "\n", schema) + "\n"


def importing_xml(schema: str) -> str:
    """Most refer to `xml:lang` without the import that XML Schema wants."""
    if "xml:lang" not in schema or f"<xs:import namespace='{XML_NS}'" in schema:
        return schema
    opening = re.search(r"<xs:schema[^>]*>", schema)
    assert opening is not None
    at = opening.end()
    return f"{schema[:at]}\n  <xs:import namespace='{XML_NS}'/>{schema[at:]}"


def without_page_breaks(text: str) -> str:
    """The footer of a page, the header of the next, and the blank lines around them."""
    return re.sub(r"\n+[^\n]*\[Page \d+\]\n\f?\n*RFC \d+[^\n]*\n+", "\n", text)


def located(schema: str, known: Collection[str]) -> str:
    """Imports name the file where there is one."""

    def locate(match: re.Match[str]) -> str:
        ns = match[2]
        return f"{match[0]} schemaLocation='{file_name(ns)}'" if ns in known else match[0]

    bare = re.sub(r"\s+schemaLocation\s*=\s*(['\"]).*?\1", "", schema)
    return re.sub(r"<xs:import\s+namespace\s*=\s*(['\"])(.*?)\1", locate, bare)


def file_name(ns: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", ns.removeprefix("http://")) + ".xsd"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
