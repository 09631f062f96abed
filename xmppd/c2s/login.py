"""What a client may ask for within its login, and how the resource it binds there is named."""

import base64
import hashlib
import secrets

from xmppd import events
from xmppd.host import Host
from xmppd.jid import JID, JIDError
from xmppd.ns import BIND2
from xmppd.stream.sasl2 import UserAgent
from xmppd.xml import Element

GENERATED_BYTES = 9  # of a resource: 12 characters


def offer_inline(host: Host, tokens: tuple[str, ...]) -> list[Element]:
    """For the stream features: Bind 2 with what can be enabled in it, and what modules have."""
    enabled = sorted(host.hooks.of(events.bind_features).gather())
    bind = Element(BIND2, "bind")
    if enabled:
        named = [Element(BIND2, "feature", {"var": name}) for name in enabled]
        bind.append(Element(BIND2, "inline", None, *named))
    return [bind, *host.hooks.of(events.inline_features).gather(tokens)]


def resource_for(user: JID, bind: Element, agent: UserAgent) -> JID:
    """`tag/generated` (XEP-0386 §3.2.1): the same whenever the same installation binds, so that
    its new session replaces its old one. Of the installation's id nothing can be seen in it. A
    tag that no resource can contain is left out.
    """
    tag = bind.child_text(BIND2, "tag") or ""
    if agent.id:
        digest = hashlib.sha256(f"{user}\0{tag}\0{agent.id}".encode()).digest()
    else:
        digest = secrets.token_bytes(GENERATED_BYTES)
    generated = base64.urlsafe_b64encode(digest[:GENERATED_BYTES]).decode("ascii")
    try:
        return user.with_resource(f"{tag}/{generated}" if tag else generated)
    except JIDError:
        return user.with_resource(generated)
