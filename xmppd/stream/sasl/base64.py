"""Base64 as SASL wants it: nothing but the alphabet, no white space, right padding
(RFC 4648 §3, RFC 6120 §6.4)."""

from binascii import Error, a2b_base64, b2a_base64

from xmppd.stream.sasl.steps import SASLFailure


def decode(text: str) -> bytes:
    """The data of <auth/> or <response/>; "=" stands for empty data (RFC 6120 §6.4.2).

    Raises SASLFailure incorrect-encoding.
    """
    data = b"" if text == "=" else strict(text)
    if data is None:
        raise SASLFailure("incorrect-encoding")
    return data


def encode(data: bytes) -> str:
    """For <challenge/> and <success/>, where empty data is "="."""
    return b2a_base64(data, newline=False).decode("ascii") or "="


def strict(text: str) -> bytes | None:
    """None if `text` is not exactly what an encoder writes, down to the unused last bits."""
    try:
        written = text.encode("ascii")
        data = a2b_base64(written)
    except (Error, ValueError):
        return None
    return data if b2a_base64(data, newline=False) == written else None
