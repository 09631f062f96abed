"""How expat is set up here: RFC 6120 §11 refused, UTF-8 fixed, names with namespaces."""

from functools import lru_cache
from typing import Final, NoReturn
from xml.parsers.expat import ErrorString, ExpatError, ParserCreate, XMLParserType

from xmppd.xml.errors import StreamError

# Joins namespace and name in what expat reports. No XML document can contain this character, not
# even as a reference, so no namespace can be made to look like another one.
SEPARATOR: Final = "\x01"


def create() -> XMLParserType:
    """A namespace-aware expat parser that raises StreamError for what RFC 6120 §11.1 prohibits."""
    expat = ParserCreate("UTF-8", SEPARATOR)
    defer = getattr(expat, "SetReparseDeferralEnabled", None)
    if defer is not None:  # or the last stanza of a burst would wait for more bytes
        defer(False)
    expat.CommentHandler = _refuse_comment
    expat.ProcessingInstructionHandler = _refuse_instruction
    expat.StartDoctypeDeclHandler = _refuse_doctype
    return expat


def not_well_formed(error: ExpatError) -> StreamError:
    return StreamError("not-well-formed", ErrorString(error.code))


@lru_cache(maxsize=512)
def split(name: str) -> tuple[str, str]:
    """(namespace, local name) of a name as expat reports it."""
    ns, _, local = name.rpartition(SEPARATOR)
    return ns, local


def expand(attrs: dict[str, str]) -> dict[str, str]:
    """Attributes as `Element` has them: namespaced ones by "{uri}name"."""
    for name in attrs:
        if SEPARATOR in name:
            break
    else:
        return attrs
    return {
        "{" + name.replace(SEPARATOR, "}") if SEPARATOR in name else name: value
        for name, value in attrs.items()
    }


def _refuse_comment(_data: str) -> NoReturn:
    raise StreamError("restricted-xml", "comment")


def _refuse_instruction(_target: str, _data: str) -> NoReturn:
    raise StreamError("restricted-xml", "processing instruction")


def _refuse_doctype(*_declaration: object) -> NoReturn:
    raise StreamError("restricted-xml", "document type declaration")
