"""Sockets, TLS, and who may connect: bytes come in below, plaintext leaves above."""
