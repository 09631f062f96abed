"""How nodes of accounts are configured that are created by publishing to them (XEP-0163 §5).

Each entry says what the specification of that node demands beyond the defaults. A name that ends
with "*" stands for all that begin so.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from xmppd.modules.pubsub.config import AccessModel, NodeConfig, SendLast

PERSONAL: Final = NodeConfig(
    access_model=AccessModel.PRESENCE,
    max_items=1,
    send_last_published_item=SendLast.ON_SUB_AND_PRESENCE,
)
_OPEN: Final = {"access_model": AccessModel.OPEN}
_PRIVATE: Final = {"access_model": AccessModel.WHITELIST}
_ALL: Final = {"max_items": None}
_QUIET: Final = {"send_last_published_item": SendLast.NEVER}
_FEED: Final = {**_ALL, **_QUIET, "notify_retract": True}
WELL_KNOWN: Final[Mapping[str, Mapping[str, Any]]] = {
    "storage:bookmarks": _PRIVATE,  # XEP-0048 §3
    "urn:xmpp:bookmarks:1": {**_PRIVATE, **_ALL, **_QUIET},  # XEP-0402 §3
    "urn:xmpp:mds:displayed:0": {**_PRIVATE, **_ALL, **_QUIET},  # XEP-0490 §3
    "urn:xmpp:omemo:2:devices": _OPEN,  # XEP-0384 §5.3.1
    "urn:xmpp:omemo:2:bundles": {**_OPEN, **_ALL},  # XEP-0384 §5.3.2
    "eu.siacs.conversations.axolotl.devicelist": _OPEN,  # XEP-0384 0.3
    "eu.siacs.conversations.axolotl.bundles:*": _OPEN,
    "urn:xmpp:openpgp:0:public-keys": _OPEN,  # XEP-0373 §4.1
    "urn:xmpp:openpgp:0:public-keys:*": _OPEN,
    "urn:xmpp:openpgp:0:secret-key": {**_PRIVATE, **_QUIET},  # XEP-0373 §5
    # Moods, activities, tunes and nicks (XEP-0107, XEP-0108, XEP-0118, XEP-0172) are as PERSONAL.
    "urn:xmpp:vcard4": {**_OPEN, "deliver_payloads": False},  # XEP-0292 §4.2.2: notices only
    "urn:xmpp:microblog:0": _FEED,  # XEP-0277, XEP-0472
    "urn:xmpp:microblog:0:comments/*": {**_FEED, **_OPEN},  # XEP-0277: comments on a post
}


def defaults(name: str, max_payload: int) -> NodeConfig:
    """The configuration of a node of an account that nobody has configured."""
    config = replace(PERSONAL, max_payload_size=max_payload)
    for known, changes in WELL_KNOWN.items():
        if name == known or (known.endswith("*") and name.startswith(known[:-1])):
            return replace(config, **changes)
    return config
