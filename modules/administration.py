"""Administration of the host from any client, by ad-hoc commands (XEP-0133 1.3.1).

The commands of §4 that this server has something to do for, each for administrators only. What
cannot be done is an error stanza (§5).
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from xmppd.api import (
    JID,
    AccountExists,
    Element,
    Field,
    FieldType,
    Form,
    FormType,
    JIDError,
    Message,
    Module,
    Options,
    Outcome,
    PasswordRefused,
    Run,
    Session,
    StanzaError,
    StreamError,
    adhoc,
    events,
    format_datetime,
    forms,
    make_jid,
    ns,
    option,
    remove_account,
    uses,
    uses_if,
)
from xmppd.modules.adhoc import AdhocCommands
from xmppd.modules.announce import DELETE, MOTD, ONLINE, UPDATE, Announcements
from xmppd.modules.last import LastActivity
from xmppd.modules.roster import Roster

ADMIN = "http://jabber.org/protocol/admin"
LISTS = ("25", "50", "75", "100", "150", "200", "none")
DELAYS = (("now", "0"), ("30 seconds", "30"), ("60 seconds", "60"), ("5 minutes", "300"))
MOST = 1000  # accounts that one form may name


def node(name: str) -> str:
    return f"{ADMIN}#{name}"


def form(title: str, *fields: Field, type: FormType = FormType.FORM) -> Form:
    return Form(type=type, title=title, fields=[forms.form_type(ADMIN), *fields])


def result(*fields: Field) -> Form:
    return Form(type=FormType.RESULT, fields=[forms.form_type(ADMIN), *fields])


def number(var: str, label: str, value: int) -> Form:
    return result(forms.field(var, str(value), FieldType.TEXT_SINGLE, label=label))


ACCOUNT = forms.field(
    "accountjid", None, FieldType.JID_SINGLE, label="The account's address", required=True
)
ACCOUNTS = forms.field(
    "accountjids", None, FieldType.JID_MULTI, label="The accounts' addresses", required=True
)


def secret(var: str, label: str) -> Field:
    return forms.field(var, None, FieldType.TEXT_PRIVATE, label=label, required=True)


class AdministrationOptions(Options):
    shutdown: bool = option(
        False,
        "Let administrators of the host stop the whole server. What starts it again, if "
        "anything, is the service manager's business.",
    )


class Administration(Module):
    name = "administration"
    options: AdministrationOptions
    commands = uses(AdhocCommands)
    roster = uses(Roster)
    announcements = uses_if(Announcements)
    last = uses_if(LastActivity)

    # Accounts (§4.1 to §4.6)

    @adhoc(node("add-user"), "Add User", who="admins")
    async def add_user(self, run: Run) -> Outcome:
        verify = forms.field(
            "password-verify", None, FieldType.TEXT_PRIVATE, label="The password again"
        )
        password = secret("password", "The account's password")
        values = await run.ask(form("Adding a User", ACCOUNT, password, verify))
        user = self._user(values["accountjid"])
        if values.get("password-verify") not in (None, "", values["password"]):
            raise StanzaError("not-acceptable", "the two passwords differ")
        try:
            await self.host.accounts.create(user.local, str(values["password"]))
        except AccountExists:
            raise StanzaError("conflict", f"there is an account {user} already") from None
        except (PasswordRefused, JIDError) as error:
            raise StanzaError("not-acceptable", str(error)) from None
        self.fire(events.account_created, user)
        return f"{user} is created"

    @adhoc(node("delete-user"), "Delete User", who="admins")
    async def delete_user(self, run: Run) -> Outcome:
        values = await run.ask(form("Deleting a User", ACCOUNTS))
        users = await self._existing(values["accountjids"])
        if run.user.bare in users:
            raise StanzaError("not-allowed", "this would be your own account")
        for user in users:
            await remove_account(self.host, user)
        return _done(users, "removed")

    @adhoc(node("disable-user"), "Disable User", who="admins")
    async def disable_user(self, run: Run) -> Outcome:
        values = await run.ask(form("Disabling a User", ACCOUNTS))
        users = await self._existing(values["accountjids"])
        if run.user.bare in users:
            raise StanzaError("not-allowed", "this would be your own account")
        for user in users:
            await self.host.accounts.disable(user.local, "disabled by an administrator")
            self._end_sessions(self.host.sessions.of(user))
        return _done(users, "disabled")

    @adhoc(node("reenable-user"), "Re-Enable User", who="admins")
    async def reenable_user(self, run: Run) -> Outcome:
        values = await run.ask(form("Re-Enable a User", ACCOUNTS))
        users = await self._existing(values["accountjids"])
        for user in users:
            await self.host.accounts.enable(user.local)
        return _done(users, "enabled again")

    @adhoc(node("end-user-session"), "End User Session", who="admins")
    async def end_session(self, run: Run) -> Outcome:
        """All sessions of a bare JID, or the one of a full JID (§4.5)."""
        values = await run.ask(form("Ending a User Session", ACCOUNTS))
        ended = 0
        for who in _jids(values["accountjids"]):
            sessions = [
                each
                for each in self.host.sessions.of(self._user(who.bare))
                if who.is_bare or each.jid == who
            ]
            self._end_sessions(sessions)
            ended += len(sessions)
        return f"{ended} sessions are ended"

    def _end_sessions(self, sessions: Iterable[Session]) -> None:
        for session in list(sessions):
            session.close(StreamError("policy-violation", "closed by an administrator"))
            self.host.intake.close(session, "closed by an administrator")

    @adhoc(node("change-user-password"), "Change User Password", who="admins")
    async def change_password(self, run: Run) -> Outcome:
        password = secret("password", "The new password")
        values = await run.ask(form("Changing a User Password", ACCOUNT, password))
        (user,) = await self._existing([values["accountjid"]])
        try:
            await self.host.accounts.set_password(user.local, str(values["password"]))
        except PasswordRefused as error:
            raise StanzaError("not-acceptable", str(error)) from None
        self.fire(events.password_changed, user)
        return f"{user} has a new password"

    # What is known of one (§4.8 to §4.10)

    @adhoc(node("get-user-roster"), "Get User Roster", who="admins")
    async def user_roster(self, run: Run) -> Outcome:
        values = await run.ask(form("Getting a User's Roster", ACCOUNTS))
        users = await self._existing(values["accountjids"])
        told = result(forms.field("accountjids", users, FieldType.JID_MULTI)).element()
        for user in users:
            contacts = (await self.roster.loaded(user)).values()
            items = [item.element() for item in contacts]
            told.append(Element(ns.ROSTER, "query", None, *items))
        return told

    @adhoc(node("get-user-lastlogin"), "Get User Last Login Time", who="admins")
    async def last_login(self, run: Run) -> Outcome:
        values = await run.ask(form("Getting User's Last Login Time", ACCOUNTS))
        users = await self._existing(values["accountjids"])
        times = [await self._seen(user) for user in users]
        return result(
            forms.field("accountjids", users, FieldType.JID_MULTI),
            forms.field("lastlogin", times, FieldType.TEXT_MULTI, label="Last seen"),
        )

    async def _seen(self, user: JID) -> str:
        if self.host.sessions.of(user):
            return format_datetime(datetime.now(UTC))
        seen = None if self.last is None else await self.last.seen(user)
        return "never" if seen is None else format_datetime(seen)

    @adhoc(node("user-stats"), "Get User Statistics", who="admins")
    async def user_statistics(self, run: Run) -> Outcome:
        values = await run.ask(form("Getting User Statistics", ACCOUNT))
        (user,) = await self._existing([values["accountjid"]])
        sessions = self.host.sessions.of(user)
        addresses = [session.address for session in sessions if session.address]
        resources = [session.jid.resource for session in sessions]
        size = len(await self.roster.loaded(user))
        return result(
            forms.field("accountjid", user, FieldType.JID_SINGLE),
            forms.field("ipaddresses", addresses, FieldType.TEXT_MULTI, label="IP addresses"),
            forms.field("rostersize", size, FieldType.TEXT_SINGLE, label="Roster size"),
            forms.field("onlineresources", resources, FieldType.TEXT_MULTI, label="Resources"),
        )

    # Numbers and lists (§4.13 to §4.21)

    @adhoc(node("get-registered-users-num"), "Get Number of Registered Users", who="admins")
    async def registered_number(self, run: Run) -> Outcome:
        count = len(await self.host.accounts.users())
        return number("registeredusersnum", "The number of registered users", count)

    @adhoc(node("get-online-users-num"), "Get Number of Online Users", who="admins")
    async def online_number(self, run: Run) -> Outcome:
        return number("onlineusersnum", "The number of online users", len(self._online()))

    @adhoc(node("get-registered-users-list"), "Get List of Registered Users", who="admins")
    async def registered_list(self, run: Run) -> Outcome:
        most = await self._how_many(run, "Requesting List of Registered Users")
        names = (await self.host.accounts.users())[:most]
        users = [make_jid(name, self.host.name) for name in names]
        return result(forms.field("registereduserjids", users, FieldType.JID_MULTI))

    @adhoc(node("get-online-users-list"), "Get List of Online Users", who="admins")
    async def online_list(self, run: Run) -> Outcome:
        most = await self._how_many(run, "Requesting List of Online Users")
        return result(forms.field("onlineuserjids", self._online()[:most], FieldType.JID_MULTI))

    def _online(self) -> list[JID]:
        sessions = self.host.sessions
        return sorted(user for user in sessions.users() if sessions.available(user))

    @staticmethod
    async def _how_many(run: Run, title: str) -> int | None:
        """How many the administrator wants to see; None for all."""
        choice = forms.field(
            "max_items",
            "25",
            FieldType.LIST_SINGLE,
            label="Maximum number of items to show",
            options=LISTS,
        )
        chosen = (await run.ask(form(title, choice))).get("max_items") or "25"
        return None if chosen == "none" else int(str(chosen))

    # Announcements (§4.23 to §4.26)

    @adhoc(node("announce"), "Send Announcement to Online Users", who="admins")
    async def announce(self, run: Run) -> Outcome:
        await self._tell(run, ONLINE, "announcement", "Making an Announcement")
        return "the announcement is sent"

    @adhoc(node("set-motd"), "Set Message of the Day", who="admins")
    async def set_motd(self, run: Run) -> Outcome:
        await self._tell(run, MOTD, "motd", "Setting the Message of the Day")
        return "the message of the day is set"

    @adhoc(node("edit-motd"), "Edit Message of the Day", who="admins")
    async def edit_motd(self, run: Run) -> Outcome:
        await self._tell(run, UPDATE, "motd", "Editing the Message of the Day")
        return "the message of the day is another"

    @adhoc(node("delete-motd"), "Delete Message of the Day", who="admins")
    async def delete_motd(self, run: Run) -> Outcome:
        self._announce(run, DELETE, "")
        return "the message of the day is deleted"

    async def _tell(self, run: Run, place: str, var: str, title: str) -> None:
        text = forms.field(
            var, self._motd() if place == UPDATE else None, FieldType.TEXT_MULTI, required=True
        )
        values = await run.ask(form(title, text))
        self._announce(run, place, str(values[var]))

    def _motd(self) -> str | None:
        motd = None if self.announcements is None else self.announcements.motd
        return None if motd is None else motd.message.body

    def _announce(self, run: Run, place: str, text: str) -> None:
        """As a message to the address that the module `announce` has for it."""
        if self.announcements is None:
            raise StanzaError("feature-not-implemented", "announcements are not enabled")
        to = self.host.domain.with_resource(place)
        body = Element(ns.CLIENT, "body", None, text)
        self.announcements.announce(Message(to, run.user, "", None, body))

    # The server (§4.30)

    @adhoc(node("shutdown"), "Shut Down Service", who="admins")
    async def shutdown(self, run: Run) -> Outcome:
        registry = self.host.modules.commands
        if not self.options.shutdown or registry is None:
            raise StanzaError("feature-not-implemented", "the server is not stopped from here")
        delay = forms.field(
            "delay", "0", FieldType.LIST_SINGLE, label="When", options=[d[::-1] for d in DELAYS]
        )
        text = forms.field("announcement", None, FieldType.TEXT_MULTI, label="Told to all")
        values = await run.ask(form("Shutting Down the Service", delay, text))
        if values.get("announcement") and self.announcements is not None:
            self._announce(run, ONLINE, str(values["announcement"]))
        seconds = float(str(values.get("delay") or "0"))
        self.host.clock.callLater(seconds, lambda: self.background(registry.run("stop", {})))
        return f"the server stops in {seconds:.0f} seconds"

    # Addresses

    def _user(self, value: object) -> JID:
        """The account of this host that was named."""
        if not isinstance(value, JID) or not value.local or value.domain != self.host.name:
            raise StanzaError("not-acceptable", f"{value} is no account of {self.host.name}")
        return value.bare

    async def _existing(self, values: object) -> list[JID]:
        users = list(dict.fromkeys(self._user(each) for each in _jids(values)))
        if len(users) > MOST:
            raise StanzaError("not-acceptable", f"at most {MOST} accounts at a time")
        for user in users:
            if not await self.host.accounts.exists(user.local):
                raise StanzaError("item-not-found", f"there is no account {user}")
        return users


def _jids(values: object) -> list[JID]:
    return [each for each in values if isinstance(each, JID)] if isinstance(values, list) else []


def _done(users: list[JID], what: str) -> str:
    return f"{', '.join(users)}: {what}"
