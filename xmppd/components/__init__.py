"""External components: their connections, and what becomes of stanzas for them (XEP-0114)."""

from xmppd.components.commands import ComponentCommands
from xmppd.components.component import Component
from xmppd.components.registry import Components
from xmppd.components.service import ComponentService

__all__ = ["Component", "ComponentCommands", "ComponentService", "Components"]
