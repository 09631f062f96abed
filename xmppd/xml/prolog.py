"""What may stand before the root element: an XML declaration and whitespace, nothing else.

expat does not see it: expat would take other encodings, and would read on in a DTD.
"""

import re
from typing import Final

from xmppd.xml.errors import StreamError

WHITESPACE: Final = b" \t\r\n"  # XML 1.0 §2.3
_LONGEST: Final = 256  # bytes of a declaration
# UTF-16 and UTF-32 with and without byte order marks (XML 1.0 appendix F.1)
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<", b"\0\0\0<", b"\0\0\xfe\xff")
# As nearly all clients write it
_USUAL: Final = frozenset(
    (
        b"<?xml version='1.0'?>",
        b'<?xml version="1.0"?>',
        b"<?xml version='1.0' encoding='UTF-8'?>",
        b'<?xml version="1.0" encoding="UTF-8"?>',
        b"<?xml version='1.0' encoding='utf-8'?>",
        b'<?xml version="1.0" encoding="utf-8"?>',
    )
)
_DECLARATION: Final = re.compile(
    rb"<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:'([^']*)'|\"([^\"]*)\")"
    rb"(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:'([^']*)'|\"([^\"]*)\"))?"
    rb"(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:'(yes|no)'|\"(yes|no)\"))?[ \t\r\n]*\?>"
)


def skip_declaration(data: bytes) -> bytes | None:
    """What follows the XML declaration, if there is one; None while that cannot be told. Raises
    StreamError for a declaration but that of XML 1.0 in UTF-8 (RFC 6120 §11.5, §11.6, §11.8).
    """
    end = data.find(b">") + 1
    if data[:end] in _USUAL:
        return data[end:]
    if data.startswith(_WIDE):
        raise StreamError("unsupported-encoding", "only UTF-8 is understood")
    if b"<?xml ".startswith(data) or any(wide.startswith(data) for wide in _WIDE):
        return None
    if data[:5] != b"<?xml" or data[5] not in WHITESPACE:
        return data
    if end:
        _check(data[:end])
        return data[end:]
    if len(data) > _LONGEST:
        raise StreamError("not-well-formed", "endless XML declaration")
    return None


def skip_whitespace(data: bytes) -> bytes | None:
    """What begins with the root element's tag; None while that cannot be told. Raises StreamError
    if anything else is there.
    """
    data = data.lstrip(WHITESPACE)
    if data[:1] not in (b"", b"<"):
        raise StreamError("not-well-formed", "no XML")
    if data[:2] == b"<!":
        raise StreamError("restricted-xml", "comment or document type declaration")
    if data[:2] != b"<?":
        return data if len(data) > 1 else None
    if len(data) < 6:
        return None
    late = data[:5] == b"<?xml" and data[5] in b" \t\r\n?"
    raise StreamError("not-well-formed" if late else "restricted-xml", "processing instruction")


def _check(declaration: bytes) -> None:
    match = _DECLARATION.fullmatch(declaration)
    if match is None:
        raise StreamError("not-well-formed", "malformed XML declaration")
    groups = match.groups(default=b"")
    version, encoding, standalone = (groups[i] or groups[i + 1] for i in (0, 2, 4))
    if version != b"1.0":
        raise StreamError("unsupported-encoding", "only XML 1.0 is understood")
    if encoding.upper() not in (b"", b"UTF-8"):
        raise StreamError("unsupported-encoding", "only UTF-8 is understood")
    if standalone == b"no":
        raise StreamError("restricted-xml", "standalone='no'")
