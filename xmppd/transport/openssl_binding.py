"""What pyOpenSSL keeps under private names: its binding of OpenSSL, a connection's handles.

Whether those names are there is found out at import; with a pyOpenSSL that has others, its public
calls do.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import (
    SSL,
    _util,  # private: see above
)

LIB: Any = getattr(_util, "lib", None)  # objects of cffi have no types
FFI: Any = getattr(_util, "ffi", None)
BINDINGS = (
    "BIO_new",
    "BIO_read",
    "BIO_s_mem",
    "BIO_write",
    "SSL_read",
    "SSL_set_bio",
    "SSL_write",
)
HANDLES = ("_from_ssl", "_into_ssl", "_raise_ssl_error", "_ssl")


def direct_is_possible(lib: Any, ffi: Any, connection: SSL.Connection) -> bool:
    """pyOpenSSL still has the private names that `DirectEngine` uses, and they do what they did.

    `lib` has all BINDINGS, `connection` all HANDLES, and a BIO takes bytes and gives them back.
    """
    try:
        if not all(callable(getattr(lib, name)) for name in BINDINGS):
            return False
        into, _, _, _ = (getattr(connection, name) for name in HANDLES)
        buffer = ffi.new("char[]", 4)
        lib.BIO_write(into, b"a\0b", 3)
        return bool(lib.BIO_read(into, buffer, 4) == 3 and ffi.buffer(buffer)[:3] == b"a\0b")
    except Exception:  # whatever it is: the public calls are always there
        return False


DIRECT = direct_is_possible(LIB, FFI, SSL.Connection(SSL.Context(SSL.TLS_SERVER_METHOD), None))
