"""What operators decide about the rooms of a host."""

from typing import Literal

from xmppd.api import Duration, ServiceOptions, Size, option
from xmppd.modules.muc.config import Config, RoomDefaults


class MUCOptions(ServiceOptions):
    name: str = option("Chatrooms", "Name of the service as clients show it.")
    create: Literal["anyone", "local", "admins"] = option(
        "local",
        "Who may make rooms: users of the virtual hosts served here, anybody, or only the "
        "administrators of the host.",
    )
    created_per_hour: int = option(20, "Rooms that one user may make in an hour.", at_least=1)
    max_rooms: int = option(
        20_000, "Rooms that are in memory at a time; more are not made.", at_least=10
    )
    idle_rooms: int = option(
        1000, "Empty stored rooms that stay in memory after they were used.", at_least=10
    )
    locking: bool = option(
        True,
        "Whether a new room is locked until its owner's client has configured it, as XEP-0045 "
        "wants it. Some bots never do.",
    )
    destroyed_names: Duration = option(
        2_592_000.0,
        "For this time only its former owners make a room of the name of a stored one that was "
        "destroyed: clients enter rooms by themselves, and nobody else shall wait there; 0: "
        "anybody may at once.",
        at_least=0,
    )
    unconfigured: Duration = option(
        3600.0, "After this time a room whose owner has not configured it is given up."
    )
    registration: bool = option(True, "Whether users may register a nickname with a room.")
    messages_per_second: float = option(
        100.0, "Messages of one user to rooms, in the long run; 0: no limit.", at_least=0
    )
    messages_at_once: int = option(2000, "Messages of one user before that counts.", at_least=1)
    presences_per_second: float = option(
        10.0, "Changes of presence or nickname of one user; 0: no limit.", at_least=0
    )
    presences_at_once: int = option(500, "Such changes before that counts.", at_least=1)
    joins_per_minute: float = option(
        600.0,
        "Rooms that one user may enter in a minute; 0: no limit. Of rooms with many occupants it "
        "is fewer: one counts once more for each 1000 of them, as messages and presences do.",
        at_least=0,
    )
    invitations_per_minute: float = option(
        60.0,
        "Invitations, and notices of an affiliation, that one user may cause to be sent to people "
        "who are not in the room; 0: no limit.",
        at_least=0,
    )
    invitations_at_once: int = option(200, "Such messages before that counts.", at_least=1)
    room_joins_per_minute: float = option(
        6000.0, "Users who may enter one room in a minute; 0: no limit.", at_least=0
    )
    max_message: Size = option(131072, "Largest message to a room, in bytes.", at_least=1024)
    max_presence: Size = option(16384, "Largest presence to a room, in bytes.", at_least=1024)
    max_nick: int = option(128, "Longest nickname, in characters.", at_least=8, at_most=1023)
    max_affiliations: int = option(
        20_000, "Members, banned users and others that one room may list.", at_least=10
    )
    remote_domain_factor: float = option(
        50.0,
        "How many times what one user may do in these times the users of one remote domain may do "
        "together.",
        at_least=1,
    )
    max_card: Size = option(
        65536, "Largest card of a room, with its avatar, in bytes.", at_least=1024
    )
    max_found: int = option(1000, "Rooms without occupants that one search looks at.", at_least=1)
    defaults: RoomDefaults = option(RoomDefaults(), "How a new room is configured.")


def new_config(defaults: RoomDefaults) -> Config:
    """The configuration of a new room."""
    return Config(**dict(defaults))
