"""Ad-hoc commands: stages, actions and every error of XEP-0050 §4.5."""

from collections.abc import Callable
from typing import ClassVar

import pytest

from xmppd.api import (
    SERVICE,
    CommandError,
    FieldType,
    Form,
    FormType,
    Module,
    Outcome,
    Rows,
    Run,
    ServiceOptions,
    adhoc,
    command,
    forms,
)
from xmppd.modules.adhoc import AdhocCommands
from xmppd.modules.disco import DiscoService, Identity
from xmppd.testing import Client, Talk, error, like, result
from xmppd.xml import Element

NS = "http://jabber.org/protocol/commands"
DISCO = "http://jabber.org/protocol/disco"
HOST, TEA = "example.org", "tea.example.org"


def ask_for(var: str, *, required: bool = True) -> Form:
    field = forms.field(var, None, FieldType.TEXT_SINGLE, required=required)
    return Form(type=FormType.FORM, title=f"What {var}?", fields=[field])


class Orders(Module):
    """Commands of all kinds."""

    name = "orders"
    served: ClassVar[list[str]] = []

    @adhoc("order", "Order tea")
    async def order(self, run: Run) -> Outcome:
        kind = await run.ask(ask_for("kind"), more=True)
        sugar = await run.ask(ask_for("sugar"))
        self.served.append(f"{kind['kind']} with {sugar['sugar']}")
        return f"{kind['kind']} with {sugar['sugar']} for {run.user.local}"

    @adhoc("menu", "See the menu", who="anybody")
    async def menu(self, run: Run) -> Outcome:
        return Rows(("tea", "hot"), [("green", True), ("iced", False)])

    @adhoc("state", "See the state")
    async def state(self, run: Run) -> Outcome:
        return {"kettle": "on", "cups": 3}

    @adhoc("fail", "Fail")
    async def fail(self, run: Run) -> Outcome:
        raise CommandError("the kettle is broken")

    @adhoc("crash", "Crash")
    async def crash(self, run: Run) -> Outcome:
        raise ZeroDivisionError

    @adhoc("close", "Close the shop", who="admins")
    async def close(self, run: Run) -> Outcome:
        return None

    @command("count-tea", "Count the tea.", jid="Whose.", strong="Only strong tea.")
    async def count(self, jid: str, *, most: int | None = None, strong: bool = False) -> str:
        return f"{jid} {most} {strong}"

    @command("wash", "Wash the cups.")
    def wash(self) -> str:
        return "washed"


class Tea(DiscoService):
    name = "tea"
    subdomain = "tea"
    identity: ClassVar[Identity] = Identity("store", "berkeley", "Tea")
    options: ServiceOptions

    @adhoc("brew", "Brew", at=SERVICE, who="anybody")
    async def brew(self, run: Run) -> Outcome:
        values = await run.ask(ask_for("leaves"))
        return f"{values['leaves']} in hot water"


class Bare(DiscoService):
    name = "bare"
    subdomain = "bare"
    identity: ClassVar[Identity] = Identity("store", "berkeley", "Bare")
    options: ServiceOptions


@pytest.fixture
def talk() -> Talk:
    Orders.served.clear()
    return Talk(
        Orders,
        Tea,
        Bare,
        admins=["admin@example.org"],
        options={"adhoc": {"sessions_per_user": 3, "lifetime": 60.0}},
    )


@pytest.fixture
def romeo(talk: Talk) -> Client:
    return talk.bind("romeo@example.org/orchard")


def submitted(**values: str) -> str:
    fields = "".join(f"<field var='{k}'><value>{v}</value></field>" for k, v in values.items())
    return f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>"


def sends(
    client: Client, node: str, attributes: str = "", inside: str = "", to: str = HOST
) -> None:
    client.sends(
        f"<iq type='set' id='c' to='{to}'><command xmlns='{NS}' node='{node}' {attributes}>"
        f"{inside}</command></iq>"
    )


def executes(
    client: Client, node: str, attributes: str = "", inside: str = "", to: str = HOST
) -> Element:
    """The `<command/>` of the result."""
    sends(client, node, attributes, inside, to)
    return client.receives(like("<iq type='result' id='c'/>")).elements[0]


def goes_on(
    client: Client, command: Element, action: str = "", inside: str = "", to: str = HOST
) -> Element:
    attributes = f"sessionid='{command.get('sessionid')}'"
    if action:
        attributes += f" action='{action}'"
    return executes(client, command.get("node") or "", attributes, inside, to)


def is_refused(
    client: Client, command: Element, action: str, inside: str = ""
) -> Callable[[str, str, str], None]:
    sends(
        client,
        command.get("node") or "",
        f"sessionid='{command.get('sessionid')}' action='{action}'",
        inside,
    )
    return lambda type_, condition, specific: receives_error(client, type_, condition, specific)


def receives_error(client: Client, type_: str, condition: str, specific: str = "") -> None:
    answer = client.receives(error("c", type_, condition))
    wrong = answer.child("jabber:client", "error")
    assert wrong is not None
    assert (wrong.child(NS) is not None) == bool(specific)
    if specific:
        assert wrong.child(NS, specific) is not None


def actions_of(command: Element) -> tuple[str, list[str]]:
    actions = command.child(NS, "actions")
    assert actions is not None
    return actions.get("execute") or "", [each.name for each in actions.elements]


def note_of(command: Element) -> tuple[str, str]:
    note = command.child(NS, "note")
    assert note is not None
    return note.get("type") or "", note.text


# Discovery (§2.1, §2.2)


def listed(client: Client, to: str = HOST) -> dict[str, str]:
    client.sends(
        f"<iq type='get' id='d' to='{to}'><query xmlns='{DISCO}#items' node='{NS}'/></iq>"
    )
    query = client.receives(like("<iq type='result' id='d'/>")).elements[0]
    assert all(item.get("jid") == to for item in query.elements)
    return {item.get("node") or "": item.get("name") or "" for item in query.elements}


def test_the_host_says_that_it_has_commands(romeo: Client) -> None:
    romeo.sends(f"<iq type='get' id='d' to='{HOST}'><query xmlns='{DISCO}#info'/></iq>")
    query = romeo.receives(like("<iq type='result' id='d'/>")).elements[0]
    assert NS in [each.get("var") for each in query.elements]


def test_everybody_sees_the_commands_that_are_for_them(talk: Talk, romeo: Client) -> None:
    seen = listed(romeo)
    assert seen["order"] == "Order tea"
    assert "close" not in seen
    assert not [name for name in seen if name.startswith(("xmppd#", "http:"))]
    seen = listed(talk.bind("admin@example.org/x"))
    assert {"close", "xmppd#wash", "http://jabber.org/protocol/admin#add-user"} <= seen.keys()
    assert "xmppd#reload" not in seen


def info(client: Client, node: str, to: str = HOST) -> None:
    client.sends(
        f"<iq type='get' id='d' to='{to}'><query xmlns='{DISCO}#info' node='{node}'/></iq>"
    )


def test_a_command_is_described(romeo: Client) -> None:
    info(romeo, "order")
    query = romeo.receives(like("<iq type='result' id='d'/>")).elements[0]
    assert query.elements[0].attrs == {
        "category": "automation",
        "type": "command-node",
        "name": "Order tea",
    }
    assert {NS, "jabber:x:data"} <= {each.get("var") for each in query.elements}
    info(romeo, NS)
    query = romeo.receives(like("<iq type='result' id='d'/>")).elements[0]
    assert query.elements[0].get("type") == "command-list"


def test_a_command_of_others_is_forbidden_and_one_of_nobody_not_found(romeo: Client) -> None:
    info(romeo, "close")
    romeo.receives(error("d", "cancel", "forbidden"))
    info(romeo, "nothing")
    romeo.receives(error("d", "cancel", "item-not-found"))


# One stage (§2.4.1)


def test_a_table_is_shown_as_a_form(romeo: Client) -> None:
    done = executes(romeo, "menu")
    assert done.get("status") == "completed"
    assert done.get("sessionid")
    form = Form.from_element(done.elements[0])
    assert form.reported is not None
    assert [field.var for field in form.reported.fields] == ["tea", "hot"]
    assert [[f.value for f in item.fields] for item in form.items] == [
        ["green", "yes"],
        ["iced", "no"],
    ]


def test_a_record_is_shown_as_a_form(romeo: Client) -> None:
    form = Form.from_element(executes(romeo, "state", "action='execute'").elements[0])
    assert {field.var: field.value for field in form.fields} == {"kettle": "on", "cups": "3"}


def test_what_fails_is_completed_with_a_note(romeo: Client) -> None:
    done = executes(romeo, "fail")
    assert done.get("status") == "completed"
    assert note_of(done) == ("error", "the kettle is broken")


def test_a_bug_is_an_internal_server_error(romeo: Client) -> None:
    sends(romeo, "crash")
    receives_error(romeo, "cancel", "internal-server-error")


# Several stages (§2.4.2)


def test_a_command_goes_from_stage_to_stage(romeo: Client) -> None:
    first = executes(romeo, "order")
    assert first.get("status") == "executing"
    assert actions_of(first) == ("next", ["next"])
    assert Form.from_element(first.elements[-1]).title == "What kind?"
    second = goes_on(romeo, first, "next", submitted(kind="green"))
    assert second.get("sessionid") == first.get("sessionid")
    assert actions_of(second) == ("complete", ["prev", "complete"])
    done = goes_on(romeo, second, "complete", submitted(sugar="none"))
    assert (done.get("status"), note_of(done)[1]) == ("completed", "green with none for romeo")
    assert Orders.served == ["green with none"]


def test_execute_means_the_default_action(romeo: Client) -> None:
    second = goes_on(romeo, executes(romeo, "order"), "", submitted(kind="green"))
    done = goes_on(romeo, second, "execute", submitted(sugar="some"))
    assert done.get("status") == "completed"


def test_one_may_go_back_and_say_something_else(romeo: Client) -> None:
    second = goes_on(romeo, executes(romeo, "order"), "next", submitted(kind="green"))
    first = goes_on(romeo, second, "prev")
    assert Form.from_element(first.elements[-1]).title == "What kind?"
    second = goes_on(romeo, first, "next", submitted(kind="black"))
    goes_on(romeo, second, "complete", submitted(sugar="none"))
    assert Orders.served == ["black with none"]


def test_a_form_of_type_cancel_counts_as_submitted(romeo: Client) -> None:
    form = submitted(kind="green").replace("submit", "cancel")
    assert actions_of(goes_on(romeo, executes(romeo, "order"), "next", form))[0] == "complete"


def test_cancelling_ends_it(romeo: Client) -> None:
    first = executes(romeo, "order")
    assert goes_on(romeo, first, "cancel").get("status") == "canceled"
    is_refused(romeo, first, "next")("cancel", "not-allowed", "session-expired")
    assert Orders.served == []


# Errors (§4.5)


@pytest.mark.parametrize("action", ["dance", "EXECUTE", ""])
def test_an_unknown_action_is_malformed(romeo: Client, action: str) -> None:
    sends(romeo, "order", f"action='{action}'")
    receives_error(romeo, "modify", "bad-request", "malformed-action")


@pytest.mark.parametrize("action", ["next", "prev", "complete", "cancel"])
def test_a_command_begins_with_execute(romeo: Client, action: str) -> None:
    sends(romeo, "order", f"action='{action}'")
    receives_error(romeo, "modify", "bad-request", "bad-action")


@pytest.mark.parametrize("action", ["prev", "complete"])
def test_an_action_that_was_not_offered_is_bad(romeo: Client, action: str) -> None:
    first = executes(romeo, "order")
    is_refused(romeo, first, action, submitted(kind="x"))("modify", "bad-request", "bad-action")
    assert goes_on(romeo, first, "next", submitted(kind="x")).get("status") == "executing"


@pytest.mark.parametrize(
    "inside",
    [
        "",
        submitted(),
        submitted(kind=""),
        submitted(other="x"),
        "<x xmlns='jabber:x:data' type='form'/>",
        "<x xmlns='jabber:x:data'/>",
        "<x xmlns='jabber:x:data' type='submit'><field/></x>",
    ],
)
def test_a_form_that_is_not_filled_in_is_a_bad_payload(romeo: Client, inside: str) -> None:
    first = executes(romeo, "order")
    is_refused(romeo, first, "next", inside)("modify", "bad-request", "bad-payload")
    assert goes_on(romeo, first, "next", submitted(kind="x")).get("status") == "executing"


def test_a_session_that_never_was_is_bad(romeo: Client) -> None:
    for id_ in ("nonsense", ""):
        sends(romeo, "order", f"sessionid='{id_}'")
        receives_error(romeo, "modify", "bad-request", "bad-sessionid")


def test_a_session_of_another_user_resource_or_command_is_bad(talk: Talk, romeo: Client) -> None:
    first = executes(romeo, "order")
    for thief in (talk.bind("thief@example.org/x"), talk.bind("romeo@example.org/other")):
        is_refused(thief, first, "next")("modify", "bad-request", "bad-sessionid")
    sends(romeo, "menu", f"sessionid='{first.get('sessionid')}'")
    receives_error(romeo, "modify", "bad-request", "bad-sessionid")


def test_a_session_that_is_over_has_expired(romeo: Client) -> None:
    done = executes(romeo, "menu")
    is_refused(romeo, done, "execute")("cancel", "not-allowed", "session-expired")


def test_a_form_does_not_wait_for_ever(talk: Talk, romeo: Client) -> None:
    first = executes(romeo, "order")
    talk.advance(61)
    is_refused(romeo, first, "next")("cancel", "not-allowed", "session-expired")


def test_a_language_that_is_none_is_a_bad_locale(romeo: Client) -> None:
    sends(romeo, "menu", "xml:lang='!'")
    receives_error(romeo, "modify", "bad-request", "bad-locale")
    assert executes(romeo, "menu", "xml:lang='fr-CA'").get("status") == "completed"


def test_a_command_of_others_is_forbidden(talk: Talk, romeo: Client) -> None:
    sends(romeo, "close")
    receives_error(romeo, "cancel", "forbidden")
    assert executes(talk.bind("admin@example.org/x"), "close").get("status") == "completed"


def test_a_command_of_nobody_is_not_found(romeo: Client) -> None:
    for node in ("nothing", ""):
        sends(romeo, node)
        receives_error(romeo, "cancel", "item-not-found")


def test_a_get_is_not_answered(romeo: Client) -> None:
    romeo.sends(f"<iq type='get' id='c' to='{HOST}'><command xmlns='{NS}' node='menu'/></iq>")
    romeo.receives(error("c", "cancel", "service-unavailable"))


def test_no_user_holds_more_sessions_than_may_be(talk: Talk, romeo: Client) -> None:
    for _ in range(3):
        executes(romeo, "order")
    sends(romeo, "order")
    receives_error(romeo, "wait", "resource-constraint")
    assert executes(talk.bind("juliet@example.org/x"), "order").get("status") == "executing"
    assert len(talk.module(AdhocCommands).executor) == 4


# Operators' commands


def test_administrators_run_commands_of_modules(talk: Talk) -> None:
    admin = talk.bind("admin@example.org/x")
    assert note_of(executes(admin, "xmppd#wash")) == ("info", "washed")
    first = executes(admin, "xmppd#count-tea")
    form = Form.from_element(first.elements[-1])
    assert [(f.var, f.type, f.required) for f in form.fields[1:]] == [
        ("jid", "text-single", True),
        ("most", "text-single", False),
        ("strong", "boolean", False),
    ]
    done = goes_on(admin, first, "", submitted(jid="x", most="5", strong="1"))
    assert note_of(done) == ("info", "x 5 True")
    first = executes(admin, "xmppd#count-tea")
    assert note_of(goes_on(admin, first, "", submitted(jid="x", most="")))[1] == "x None False"
    first = executes(admin, "xmppd#count-tea")
    assert note_of(goes_on(admin, first, "", submitted(jid="x", most="many")))[0] == "error"


def test_others_do_not(romeo: Client) -> None:
    sends(romeo, "xmppd#wash")
    receives_error(romeo, "cancel", "forbidden")


# A domain of its own


def test_a_service_has_commands_of_its_own(romeo: Client) -> None:
    assert listed(romeo, TEA) == {"brew": "Brew"}
    info(romeo, "brew", TEA)
    romeo.receives(like("<iq type='result' id='d'/>"))
    first = executes(romeo, "brew", to=TEA)
    done = goes_on(romeo, first, "complete", submitted(leaves="oolong"), to=TEA)
    assert note_of(done)[1] == "oolong in hot water"
    sends(romeo, "menu", to=TEA)
    receives_error(romeo, "cancel", "item-not-found")


def test_a_service_without_commands_says_nothing_of_them(romeo: Client) -> None:
    sends(romeo, "menu", to="bare.example.org")
    receives_error(romeo, "cancel", "service-unavailable")
    info(romeo, "", "bare.example.org")
    query = romeo.receives(like("<iq type='result' id='d'/>")).elements[0]
    assert NS not in [each.get("var") for each in query.elements]


def test_commands_go_and_come_with_their_module(talk: Talk, romeo: Client) -> None:
    from xmppd.testing import result_of

    result_of(talk.host.modules.swap(["orders"], {}))
    assert "order" not in listed(romeo)
    sends(romeo, "order")
    receives_error(romeo, "cancel", "item-not-found")
    romeo.sends(f"<iq type='get' id='2' to='{HOST}'><ping xmlns='urn:xmpp:ping'/></iq>")
    romeo.receives(result("2"))
