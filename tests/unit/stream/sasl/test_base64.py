"""Base64 of SASL payloads: exactly what an encoder writes (RFC 4648 §3, RFC 6120 §6.4.2)."""

import pytest

from xmppd.stream.sasl import SASLFailure
from xmppd.stream.sasl.base64 import decode, encode


@pytest.mark.parametrize(
    ("text", "data"),
    [("=", b""), ("", b""), ("Zg==", b"f"), ("Zm8=", b"fo"), ("+/+/", b"\xfb\xff\xbf")],
)
def test_proper_base64_is_decoded(text: str, data: bytes) -> None:
    assert decode(text) == data


@pytest.mark.parametrize(
    "text",
    [
        "Zg",
        "Zg=",
        "Zg===",
        "Z",
        "==",
        "====",
        "Zg==Zg==",
        " Zg==",
        "Zg==\n",
        "Zm 8=",
        "Zm9v\r\nZm9v",
        "Zh==",  # the unused bits are not zero
        "Zm9=",
        "-_-_",  # the alphabet of URLs
        "Zm9v*",
        "Ｚg==",
        "\0Zg==",
        "=Zg=",
    ],
)
def test_anything_else_is_incorrect_encoding(text: str) -> None:
    with pytest.raises(SASLFailure) as failure:
        decode(text)
    assert failure.value.condition == "incorrect-encoding"


def test_empty_data_is_written_as_an_equals_sign() -> None:
    assert (encode(b""), encode(b"f")) == ("=", "Zg==")
