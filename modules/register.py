"""Accounts made, changed and removed by their owners' clients (XEP-0077 2.4).

Off unless enabled. Registering can be closed by itself: changing one's password and removing
one's account then go on. Passwords are taken over TLS only, unless logging in is allowed without.
"""

from collections import OrderedDict
from typing import Annotated, Any

from pydantic import AfterValidator

from xmppd.api import (
    IQ,
    JID,
    SELF,
    AccountExists,
    AuthBusy,
    Element,
    Form,
    FormType,
    Host,
    JIDError,
    Module,
    Options,
    PasswordRefused,
    Session,
    StanzaError,
    StreamError,
    before_login,
    events,
    forms,
    iq_get,
    iq_set,
    jid,
    make_jid,
    network_of,
    ns,
    on,
    option,
    remove_account,
)

NS = ns.REGISTER
OOB = "jabber:x:oob"  # XEP-0066
CANCEL = f"{NS}:cancel"
CHANGE = f"{NS}:changepassword"
DAY_S = 86400
RESERVED = (
    *("abuse", "admin", "administrator", "hostmaster", "info", "postmaster", "root"),
    *("security", "support", "webmaster", "xmpp"),
)


def check_name(text: str) -> str:
    """The local part of a JID, prepared. Raises ValueError."""
    try:
        return make_jid(text, "localhost").local
    except JIDError as fault:
        raise ValueError(f"must be the local part of a JID ({fault})") from None


class RegisterOptions(Options):
    open: bool = option(True, "Whether anybody may register an account.")
    change_password: bool = option(True, "Whether users may change their password.")
    remove_account: bool = option(True, "Whether users may remove their account.")
    instructions: str = option(
        "Choose a username and password for use with this service.",
        "What is shown to who wants to register.",
    )
    url: str = option(
        "",
        "Web page to register at, told to who asks while `open` is false.",
        example="https://example.org/register",
    )
    min_password: int = option(8, "Shortest new password, in characters.", at_least=1)
    reserved: list[Annotated[str, AfterValidator(check_name)]] = option(
        list(RESERVED), "Usernames that nobody may register."
    )
    per_day: int = option(
        3, "Accounts registered in a day from one address (IPv6: one /64 network).", at_least=1
    )
    tries_per_day: int = option(
        30, "Attempts to register in a day from one address, failed ones included.", at_least=1
    )
    addresses: int = option(
        10_000, "Addresses remembered for that; the oldest make way.", at_least=100
    )
    close_sessions: bool = option(
        False, "Whether a new password ends the other sessions of the account."
    )


class Counts:
    """How often networks registered, and tried to, within a day of their first attempt."""

    def __init__(self) -> None:
        # [begin of the day, tries, accounts]; in the order of the days' begins
        self.by_network: OrderedDict[str, list[float]] = OrderedDict()

    def of(self, network: str, now: float, most: int) -> list[float]:
        known = self.by_network
        while known and next(iter(known.values()))[0] <= now - DAY_S:
            known.popitem(last=False)
        count = known.setdefault(network, [now, 0, 0])
        if len(known) > most:
            known.popitem(last=False)
        return count


class Register(Module):
    name = "register"
    default_on = False
    options: RegisterOptions

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._counts = Counts()

    def save(self) -> dict[str, Any]:
        return {"counts": dict(self._counts.by_network)}

    def restore(self, saved: dict[str, Any]) -> None:
        self._counts.by_network.update(saved.get("counts", {}))

    @on(events.stream_features)
    def offer(self, state: str) -> list[Element]:
        """§8; the stream asks for features before login only where it takes passwords."""
        if state == "before_auth" and (self.options.open or self.options.url):
            return [Element(ns.REGISTER_FEATURE, "register")]
        return []

    # Before login (§3.1)

    @before_login(NS, "query")
    async def meet(self, iq: IQ, address: str) -> Element | None:
        """A stranger asks what to fill in, or has filled it in."""
        if iq.type == "get":
            return self._invitation()
        given = _given(iq.payload)
        if given is None:
            return None
        if "remove" in given:
            raise StanzaError("unexpected-request", "log in to remove your account")
        if not self.options.open:
            raise StanzaError("not-allowed", "registration is closed")
        await self._register(given, address)
        return None

    def _invitation(self) -> Element:
        """The fields, plain and as a form (§3.1); or where else to go (§5)."""
        query = Element(NS, "query")
        if self.options.open:
            query.append(Element(NS, "instructions", None, self.options.instructions))
            query.append(Element(NS, "username"), Element(NS, "password"))
            query.append(_form(self.options.instructions).element())
            return query
        if not self.options.url:
            raise StanzaError("service-unavailable")
        text = f"To register, visit {self.options.url}"
        query.append(Element(NS, "instructions", None, text))
        query.append(Element(OOB, "x", None, Element(OOB, "url", None, self.options.url)))
        return query

    async def _register(self, given: dict[str, str], address: str) -> None:
        """Raises conflict, not-acceptable; resource-constraint while the server is busy."""
        count = self._counted(address)
        user = self._new_user(given)
        if await self.host.accounts.exists(user.local):
            raise StanzaError("conflict")
        count[2] += 1  # before waiting: many at once are counted too
        try:
            await self._create(user, given["password"])
        except BaseException:
            count[2] -= 1
            raise
        self.log.info("{user} was registered from {address}", user=user, address=address)
        self.fire(events.account_created, user)

    def _counted(self, address: str) -> list[float]:
        """Count this attempt; not-acceptable where there were too many (§3.1.1)."""
        options, now = self.options, self.host.clock.seconds()
        count = self._counts.of(network_of(address), now, options.addresses)
        count[1] += 1
        if count[1] > options.tries_per_day or count[2] >= options.per_day:
            text = "too many registrations from your address, try again tomorrow"
            raise StanzaError("not-acceptable", text, type="wait")
        return count

    def _new_user(self, given: dict[str, str]) -> JID:
        if not given.get("username") or not given.get("password"):
            raise StanzaError("not-acceptable", "username and password are required")
        try:
            user = make_jid(given["username"], self.host.name)
        except JIDError:
            raise StanzaError("not-acceptable", "this cannot be a username") from None
        if user.local in self.options.reserved:
            raise StanzaError("not-acceptable", "this username is reserved")
        self._check_password(given["password"])
        return user

    def _check_password(self, password: str) -> None:
        if len(password) < self.options.min_password:
            text = f"a password has at least {self.options.min_password} characters"
            raise StanzaError("not-acceptable", text)

    async def _create(self, user: JID, password: str) -> None:
        try:
            await self.host.accounts.create(user.local, password)
        except AccountExists:
            raise StanzaError("conflict") from None
        except PasswordRefused as fault:
            raise StanzaError("not-acceptable", str(fault)) from None
        except AuthBusy:
            raise StanzaError("resource-constraint", "the server is busy, try again") from None

    # Logged in (§3.1 on existing registrations, §3.2, §3.3)

    @iq_get(NS, "query")
    @iq_get(NS, "query", at=SELF)
    def show(self, iq: IQ) -> Element:
        """The registration on file, without the password."""
        session = self._asking(iq)
        if session is None:
            raise StanzaError("service-unavailable")
        query = Element(NS, "query", None, Element(NS, "registered"))
        query.append(Element(NS, "username", None, session.user.local), Element(NS, "password"))
        return query

    @iq_set(NS, "query")
    @iq_set(NS, "query", at=SELF)
    async def write(self, iq: IQ) -> None:
        """Another password, or no account any more: always one's own."""
        session = self._asking(iq)
        if session is None:
            raise StanzaError("forbidden")
        given = _given(iq.payload)
        if given is None:
            return
        if "remove" in given:
            await self._remove(iq, session, given)
        else:
            await self._change_password(session, given)

    def _asking(self, iq: IQ) -> Session | None:
        """The session of a user of this host; None for users of other servers."""
        return self.host.sessions.get(iq.from_)

    async def _change_password(self, session: Session, given: dict[str, str]) -> None:
        """Raises the conditions of §3.3's table; the old password is looked at if given."""
        if not self.options.change_password:
            raise StanzaError("not-allowed", "passwords are not changed here")
        if not session.secure:
            raise StanzaError("not-authorized", "only over TLS")
        if not given.get("username") or not given.get("password"):
            raise StanzaError("bad-request", "username and password are required")
        if not _is(given["username"], session.user):
            raise StanzaError("not-allowed", "you can change your own password only")
        self._check_password(given["password"])
        await self._check_old(session.user, given.get("old_password"))
        try:
            await self.host.accounts.set_password(session.user.local, given["password"])
        except PasswordRefused as fault:
            raise StanzaError("not-acceptable", str(fault)) from None
        except AuthBusy:
            raise StanzaError("resource-constraint", "the server is busy, try again") from None
        self.fire(events.password_changed, session.user)
        if self.options.close_sessions:
            self._close_others(session)

    def _close_others(self, session: Session) -> None:
        for other in self.host.sessions.of(session.user):
            if other is not session:
                other.close(StreamError("not-authorized", "the password was changed"))
                self.host.intake.close(other, "the password was changed")

    async def _check_old(self, user: JID, password: str | None) -> None:
        if password is None:
            return
        try:
            right = await self.host.accounts.check_password(user.local, password)
        except AuthBusy:
            raise StanzaError("resource-constraint", "the server is busy, try again") from None
        if not right:
            raise StanzaError("not-authorized", "this is not the password")

    async def _remove(self, iq: IQ, session: Session, given: dict[str, str]) -> None:
        """§3.2: all is gone, then the client reads the result, then its stream ends."""
        if not self.options.remove_account:
            raise StanzaError("not-allowed", "accounts are not removed here")
        if "username" in given and not _is(given["username"], session.user):
            raise StanzaError("forbidden", "you can remove your own account only")
        await self._check_old(session.user, given.get("password"))
        user, outlet = session.user, session.outlet
        if outlet is None:
            return
        try:
            await remove_account(self.host, user, spared=outlet)
        except BaseException:
            outlet.close(StreamError("internal-server-error", "your account is not removed"))
            raise
        self.log.info("{user} removed the account", user=user)
        # The session is gone, so what this handler returns reaches nobody.
        outlet.write(iq.result().write())
        outlet.close(StreamError("not-authorized"))


def _form(instructions: str) -> Form:
    """The registration form (§4, §13.4)."""
    kinds = {"username": "text-single", "password": "text-private"}
    fields = [
        forms.field(var, type=kind, label=var.capitalize(), required=True)
        for var, kind in kinds.items()
    ]
    return Form(
        type=FormType.FORM, instructions=[instructions], fields=[forms.form_type(NS), *fields]
    )


def _given(query: Element) -> dict[str, str] | None:
    """What was filled in, by field; "remove" in it means the account shall go. None: cancelled.

    A form goes before plain fields (§6). Raises bad-request: a form that is none of ours,
    `<remove/>` with something beside it.
    """
    x = query.child(ns.FORMS, "x")
    if query.child(NS, "remove") is not None:
        if len(query.elements) > 1:
            raise StanzaError("bad-request", "remove stands alone")
        return {"remove": ""}
    if x is None:
        return {each.name: each.text for each in query.all(NS)}
    form = forms.submission(x)
    if form.type is FormType.CANCEL:
        return None
    if form.form_type not in (None, NS, CHANGE, CANCEL):
        raise StanzaError("bad-request", "this form is not asked for")
    given = {each.var: each.value or "" for each in form.fields if each.var}
    given.pop("remove", None)
    return given | {"remove": ""} if form.form_type == CANCEL else given


def _is(name: str, user: JID) -> bool:
    """Whether a username, alone or as a JID, is that of `user`."""
    try:
        return (jid(name) if "@" in name else make_jid(name, user.domain)) == user
    except JIDError:
        return False
