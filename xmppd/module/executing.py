"""Executing ad-hoc commands: sessions, actions and errors (XEP-0050 1.3.0)."""

import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from twisted.internet.defer import Deferred

from xmppd.admin.commands import CommandError
from xmppd.admin.output import Rows, cell
from xmppd.clock import Clock
from xmppd.hooks import spawn
from xmppd.jid import JID
from xmppd.module.adhoc import Adhoc, Cancelled, Outcome, Run, Stage
from xmppd.ns import COMMANDS, FORMS
from xmppd.stanza import IQ, Form, FormType, StanzaError, forms
from xmppd.stanza.forms import Item, Reported, Value, submission
from xmppd.xml import XML_LANG, Element

ACTIONS: Final = ("execute", "cancel", "prev", "next", "complete")
ENDED: Final = 1000  # sessions remembered as over
_LANG: Final = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,7}", re.ASCII)


def refused(name: str, text: str | None = None) -> StanzaError:
    """One of the errors of §4.5 that are bad requests."""
    return StanzaError("bad-request", text, app=Element(COMMANDS, name))


class _Session:
    """One command that is being executed by one full JID."""

    def __init__(self, command: Adhoc, user: JID) -> None:
        self.id = secrets.token_urlsafe(16)
        self.command = command
        self.user = user
        self.until = 0.0
        self.stage: Stage | None = None
        self.outcome: Outcome | Exception = None
        self._run = Run(user, [], self._asked)
        self._news: Deferred[None] | None = None

    @property
    def busy(self) -> bool:
        """It works on something else than waiting for a form."""
        return self._news is not None

    def start(self, replayed: list[dict[str, Value]] | None = None) -> "Deferred[None]":
        """Run it to the first form, or the one after the replayed ones; fires when it waits."""
        self._run = Run(self.user, replayed or [], self._asked)
        news = self._news = Deferred()
        _ = spawn(self._go(self._run))
        return news

    def back(self) -> "Deferred[None]":
        """To the form before this one."""
        answers = self._run.answers[:-1]
        self._run.cancel()
        return self.start(answers)

    def fill_in(self, values: dict[str, Value]) -> "Deferred[None]":
        news = self._news = Deferred()
        self.stage = None
        self._run.fill_in(values)
        return news

    def cancel(self) -> None:
        self._run.cancel()

    async def _go(self, run: Run) -> None:
        try:
            outcome: Outcome | Exception = await self.command.call(run)
        except Cancelled:
            return
        except Exception as problem:
            outcome = problem
        if run is self._run:
            self.stage, self.outcome = None, outcome
            self._tell()

    def _asked(self, stage: Stage) -> None:
        self.stage = stage
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, None
        if news is not None:
            news.callback(None)


class Executor:
    """Executes the commands of one address. `commands` are asked for with each request."""

    def __init__(
        self,
        clock: Clock,
        commands: Callable[[], Iterable[Adhoc]],
        *,
        most: int = 1000,
        most_each: int = 10,
        lifetime_s: float = 600.0,
    ) -> None:
        self._clock = clock
        self._commands = commands
        self._most = most
        self._most_each = most_each
        self._lifetime_s = lifetime_s
        self._sessions: OrderedDict[str, _Session] = OrderedDict()  # the oldest use first
        self._ended: OrderedDict[str, JID] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def available(self, user: JID) -> list[Adhoc]:
        """The commands that this user may execute, by name (§2.2)."""
        return sorted((c for c in self._commands() if c.may(user)), key=lambda c: c.name)

    def find(self, node: str, user: JID) -> Adhoc:
        """The command of that node. Raises item-not-found, forbidden (§2.2, §4.5)."""
        command = next((each for each in self._commands() if each.node == node), None)
        if command is None:
            raise StanzaError("item-not-found")
        if not command.may(user):
            raise StanzaError("forbidden", type="cancel")
        return command

    def has(self, node: str) -> bool:
        """Whether there is such a command, for whomever."""
        return any(each.node == node for each in self._commands())

    async def execute(self, iq: IQ) -> Element:
        """The answer to `<command/>` in an IQ set. Raises the StanzaErrors of §4.5."""
        asked = iq.payload
        action = asked.get("action", "execute")
        if action not in ACTIONS:
            raise refused("malformed-action")
        lang = asked.get(XML_LANG) or iq.lang
        if lang and not _LANG.fullmatch(lang):
            raise refused("bad-locale")
        command = self.find(asked.get("node") or "", iq.from_)
        self._expire()
        id_ = asked.get("sessionid")
        if id_ is None:
            return await self._start(command, iq.from_, action)
        return await self._continue(self._session(id_, command, iq.from_), action, asked)

    # Sessions (§3.3)

    async def _start(self, command: Adhoc, user: JID, action: str) -> Element:
        if action != "execute":
            raise refused("bad-action", "there is no session yet")
        of_user = sum(each.user.bare == user.bare for each in self._sessions.values())
        if len(self._sessions) >= self._most or of_user >= self._most_each:
            raise StanzaError("resource-constraint", "too many commands are being executed")
        session = _Session(command, user)
        self._keep(session)
        await session.start()
        return self._answer(session)

    def _session(self, id_: str, command: Adhoc, user: JID) -> _Session:
        session = self._sessions.get(id_)
        if session is not None and (session.user, session.command.node) == (user, command.node):
            return session
        if self._ended.get(id_) == user:
            expired = Element(COMMANDS, "session-expired")
            raise StanzaError("not-allowed", "the session is over", app=expired)
        raise refused("bad-sessionid")

    def _keep(self, session: _Session) -> None:
        session.until = self._clock.seconds() + self._lifetime_s
        self._sessions[session.id] = session
        self._sessions.move_to_end(session.id)

    def _expire(self) -> None:
        now = self._clock.seconds()
        for session in list(self._sessions.values()):
            if session.until > now:
                break
            if not session.busy:
                self._end(session)

    def _end(self, session: _Session) -> None:
        self._sessions.pop(session.id, None)
        self._ended[session.id] = session.user
        if len(self._ended) > ENDED:
            self._ended.popitem(last=False)
        session.cancel()

    def stop(self) -> None:
        """End all sessions."""
        for session in list(self._sessions.values()):
            self._end(session)

    # Actions (§3.4)

    async def _continue(self, session: _Session, action: str, asked: Element) -> Element:
        stage = session.stage
        if session.busy or stage is None:
            raise StanzaError("unexpected-request", "the command is still at work")
        if action == "cancel":
            self._end(session)
            return _command(session, "canceled")
        if action == "execute":
            action = stage.default
        if action not in stage.actions:
            raise refused("bad-action")
        self._keep(session)
        if action == "prev":
            await session.back()
        else:
            await session.fill_in(self._filled(stage, asked))
        return self._answer(session)

    @staticmethod
    def _filled(stage: Stage, asked: Element) -> dict[str, Value]:
        """What was submitted; a form of type cancel counts as submitted too (§3.5.1)."""
        try:
            form = submission(asked.child(FORMS, "x"))
            form.type = FormType.SUBMIT
            return stage.form.check(form)
        except StanzaError as wrong:
            raise refused("bad-payload", wrong.text) from None

    # Answers

    def _answer(self, session: _Session) -> Element:
        if session.stage is not None:
            return _stage(session, session.stage)
        self._end(session)
        outcome = session.outcome
        if isinstance(outcome, CommandError):  # §3.6
            return _command(session, "completed", _note(str(outcome), "error"))
        if isinstance(outcome, Exception):
            raise outcome
        return _command(session, "completed", *shown(outcome))


def _command(session: _Session, status: str, *children: Element) -> Element:
    attrs = {"node": session.command.node, "sessionid": session.id, "status": status}
    return Element(COMMANDS, "command", {**attrs, XML_LANG: "en"}, *children)


def _stage(session: _Session, stage: Stage) -> Element:
    names = [Element(COMMANDS, name) for name in stage.actions]
    actions = Element(COMMANDS, "actions", {"execute": stage.default}, *names)
    return _command(session, "executing", actions, stage.form.element())


def _note(text: str, type_: str = "info") -> Element:
    return Element(COMMANDS, "note", {"type": type_}, text)


def shown(outcome: Outcome) -> list[Element]:
    """What a command returned, as the payload of its answer."""
    if isinstance(outcome, Element):
        return [outcome]
    if isinstance(outcome, Form):
        return [outcome.element()]
    if isinstance(outcome, Rows):
        return [_table(outcome).element()]
    if isinstance(outcome, Mapping):
        fields = [forms.field(key, cell(value), "text-single") for key, value in outcome.items()]
        return [Form(type=FormType.RESULT, fields=fields).element()]
    return [_note(outcome)] if outcome else []


def _table(rows: Rows) -> Form:
    """§3.5.1, XEP-0004 §3.4."""
    columns = [forms.field(name, label=name) for name in rows.columns]
    items = [
        Item(fields=[forms.field(n, cell(v)) for n, v in zip(rows.columns, row, strict=True)])
        for row in rows.rows
    ]
    return Form(type=FormType.RESULT, reported=Reported(fields=columns), items=items)
