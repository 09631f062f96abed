"""Options of archives (XEP-0313)."""

from typing import Literal

from xmppd.api import Duration, Options, Size, option


class ArchiveOptions(Options):
    default: Literal["always", "never", "roster"] = option(
        "always", "What is archived for accounts that have not said what they want (XEP-0441)."
    )
    preferences: bool = option(True, "Accounts may say what is archived.")
    search: bool = option(True, "Accounts may search their archives by words (XEP-0431).")
    expire_after: Duration | None = option(
        None, "Messages older than this are removed.", example="365d", at_least=60
    )
    max_messages: int = option(
        100000, "Messages in one archive; beyond, the oldest are removed.", at_least=1
    )
    max_bytes: Size = option(1073741824, "The size of one archive, likewise.", at_least=10000)
