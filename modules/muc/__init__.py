"""Rooms: group chat with roles, affiliations and history (XEP-0045 1.35.5).

A room's state and what becomes of it are plain objects and functions without I/O, a file for each
concern: `room`, `entering`, `speaking`, `governing`, `configuring` and their like. `service` finds
the room of a stanza and sends what comes of it; `orders` answers IQs. What an IQ confirms of a
persistent room is stored before; a room without occupants is not in memory.
"""

from typing import ClassVar

from xmppd.modules.disco import Identity
from xmppd.modules.muc.commands import RoomCommands
from xmppd.modules.muc.offered import (
    affiliation_changed,
    member_missed,
    occupant_joined,
    occupant_left,
    room_configured,
    room_created,
    room_destroyed,
    room_entering,
    room_features,
    room_forms,
    room_message,
    room_said,
)
from xmppd.modules.muc.options import MUCOptions
from xmppd.modules.muc.resting import RestingRooms, resting
from xmppd.modules.muc.room import Occupant, Room
from xmppd.modules.muc.store import affiliations, extras, history, rooms

__all__ = [
    "MUC",
    "Occupant",
    "Room",
    "affiliation_changed",
    "affiliations",
    "extras",
    "history",
    "member_missed",
    "occupant_joined",
    "occupant_left",
    "resting",
    "room_configured",
    "room_created",
    "room_destroyed",
    "room_entering",
    "room_features",
    "room_forms",
    "room_message",
    "room_said",
    "rooms",
]


class MUC(RestingRooms, RoomCommands):
    name = "muc"
    subdomain = "conference"
    identity: ClassVar[Identity] = Identity("conference", "text", "Chatrooms")
    options: MUCOptions
