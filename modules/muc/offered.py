"""What other modules can take part in: the hooks of the rooms."""

from xmppd.api import JID, Filter, Form, Gather, Message, Presence, Signal
from xmppd.modules.muc.governing import Change
from xmppd.modules.muc.history import Said
from xmppd.modules.muc.room import Occupant, Room

room_entering: Filter[Presence, []] = Filter(
    "Somebody who is not inside wants to enter a room of this service, which may not exist yet. A"
    " StanzaError is the answer; STOP: there is none."
)
room_message: Filter[Message, [Room, Occupant]] = Filter(
    "An occupant with voice says something to all; `from` is still the real address. What comes"
    " out is sent to all. STOP: nobody gets it, and the handler has answered."
)
room_said: Signal[[Room, Said]] = Signal(
    "A message goes to all occupants: with its id, its time, and as they will read it."
)
member_missed: Signal[[JID, Room, Message]] = Signal(
    "A message speaks to the user, a member who is not inside: by its nickname, or by a reference."
    " It is sent to all, and not to the user; in the archive it may wait to be stored."
)
room_features: Gather[str, [Room]] = Gather("What else can this room, in its disco#info?")
room_forms: Gather[Form, [Room]] = Gather(
    "What else is to be said of this room, in forms of type result?"
)
room_created: Signal[[Room, JID]] = Signal("The room exists from now on; who made it.")
room_configured: Signal[[Room]] = Signal("An owner has configured the room; it is stored.")
room_destroyed: Signal[[Room]] = Signal("The room is gone, and what was stored of it.")
occupant_joined: Signal[[Room, Occupant, JID]] = Signal(
    "The full JID has entered the room as a session of the occupant; all are told already."
)
occupant_left: Signal[[Room, Occupant, JID]] = Signal(
    "The full JID is not in the room any more; the occupant is gone if it has no `sessions`."
)
affiliation_changed: Signal[[Room, Change]] = Signal(
    "A user's affiliation with the room is another; it is stored, all are told."
)
