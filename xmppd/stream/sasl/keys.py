"""What is stored of a password: the keys of SCRAM (RFC 5802 §3, RFC 7677)."""

import hashlib
import hmac
from dataclasses import dataclass, field
from types import MappingProxyType

# The names that mechanisms carry, and those of hashlib.
HASHES = MappingProxyType({"SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"})


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """The keys of one account for one hash.

    `refusal` is the condition by which even a right proof is refused: account-disabled, or
    not-authorized for the fake keys of an unknown user. None: the account is in order.
    """

    salt: bytes = field(repr=False)
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)
    refusal: str | None = None


def derive(hash_name: str, password: str, salt: bytes, iterations: int) -> ScramKeys:
    """Compute the keys of a prepared password: tens of milliseconds, so not on the reactor."""
    salted = hashlib.pbkdf2_hmac(HASHES[hash_name], password.encode(), salt, iterations)
    return from_salted(hash_name, salted, salt, iterations)


def from_salted(hash_name: str, salted: bytes, salt: bytes, iterations: int) -> ScramKeys:
    """The keys that belong to a SaltedPassword (RFC 5802 §3), which may have been computed by a
    client. Raises ValueError if it is not as long as the hash.
    """
    algorithm = HASHES[hash_name]
    if len(salted) != hashlib.new(algorithm).digest_size:
        raise ValueError(f"{len(salted)} bytes are no SaltedPassword of {hash_name}")
    client_key = hmac.digest(salted, b"Client Key", algorithm)
    stored_key = hashlib.new(algorithm, client_key).digest()
    return ScramKeys(salt, iterations, stored_key, hmac.digest(salted, b"Server Key", algorithm))


def prove(hash_name: str, keys: ScramKeys, message: bytes, proof: bytes) -> bytes | None:
    """The ServerSignature if `proof` is right for this AuthMessage, else None (RFC 5802 §3)."""
    algorithm = HASHES[hash_name]
    signature = hmac.digest(keys.stored_key, message, algorithm)
    if len(proof) != len(signature):
        return None
    xored = int.from_bytes(proof, "big") ^ int.from_bytes(signature, "big")
    client_key = xored.to_bytes(len(proof), "big")
    found = hashlib.new(algorithm, client_key).digest()
    if not hmac.compare_digest(found, keys.stored_key):
        return None
    return hmac.digest(keys.server_key, message, algorithm)
