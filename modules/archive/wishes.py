"""What accounts want to be archived (XEP-0441), known for all that have a session."""

from collections.abc import Iterable
from functools import partial

from xmppd.api import (
    IQ,
    JID,
    SELF,
    Element,
    Host,
    Load,
    Module,
    Options,
    Session,
    StanzaError,
    events,
    iq_get,
    iq_set,
    ns,
    on,
    uses,
)
from xmppd.modules.archive.options import ArchiveOptions
from xmppd.modules.archive.preferences import Preferences, PreferenceStore, read_preferences
from xmppd.modules.roster import Roster

MOST_ABSENT = 10000


class Wishes(Module):
    options: ArchiveOptions
    preference_store: PreferenceStore
    roster = uses(Roster)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._wanted: dict[JID, Preferences] = {}  # of accounts that have a session and said so
        self._absent: dict[JID, Preferences] = {}  # of others that got messages lately
        self._default = Preferences(self.options.default)

    def _forget_wishes(self, user: JID) -> None:
        self._wanted.pop(user, None)
        self._absent.pop(user, None)

    def _wants(self, user: JID, peer: JID) -> bool:
        """For an account that has a session."""
        wanted = self._wanted.get(user, self._default)
        judged = wanted.judge(peer) if wanted.never or wanted.always else None
        if judged is None and wanted.default != "roster":
            return wanted.default == "always"
        return peer.bare in self.roster.contacts(user) if judged is None else judged

    async def _would_want(self, user: JID, peer: JID) -> bool:
        wanted = self._wanted.get(user) or await self._preferences(user)
        if not self.host.sessions.of(user):
            self._remember(user, wanted)
        judged = wanted.judge(peer)
        return (await self.roster.item(user, peer.bare)).listed if judged is None else judged

    def _remember(self, user: JID, wanted: Preferences) -> None:
        self._absent[user] = wanted
        if len(self._absent) > MOST_ABSENT:
            del self._absent[next(iter(self._absent))]

    async def _preferences(self, user: JID) -> Preferences:
        if not self.options.preferences:
            return self._default
        return await self.preference_store.get(user.local) or self._default

    @on(events.session_loads)
    def load(self, session: Session) -> Iterable[Load[Preferences | None]]:
        user = session.user
        if not self.options.preferences or user in self._wanted:
            return
        if user in self._absent:
            self._loaded(user, self._absent[user])
        else:
            take = partial(self._loaded, user)
            yield PreferenceStore.get.load(self.preference_store, take, user.local)

    def _loaded(self, user: JID, said: Preferences | None) -> None:
        if said is not None and said is not self._default:
            self._wanted[user] = said

    @on(events.session_closed)
    def unload(self, session: Session, why: str) -> None:
        if not self.host.sessions.of(session.user):
            self._remember(session.user, self._wanted.pop(session.user, self._default))

    @iq_get(ns.MAM, "prefs", at=SELF)
    async def read_preferences(self, iq: IQ) -> Element:
        self._check_preferences()
        return (await self._preferences(iq.from_.bare)).element()

    @iq_set(ns.MAM, "prefs", at=SELF)
    async def write_preferences(self, iq: IQ) -> Element:
        """The answer is what applies from now on (XEP-0441 §2.1)."""
        self._check_preferences()
        wanted = read_preferences(iq.payload)
        user = iq.from_.bare
        await self.preference_store.put(user.local, wanted)
        self._absent.pop(user, None)
        if self.host.sessions.of(user):
            self._wanted[user] = wanted
        return wanted.element()

    def _check_preferences(self) -> None:
        if not self.options.preferences:
            raise StanzaError("feature-not-implemented")
