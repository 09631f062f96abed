"""One declaration: what is offered, what is checked, who is called."""

import pytest

from xmppd.admin.commands import CommandError, Commands, Secret, UsageError, command
from xmppd.admin.output import Result, Rows, result_from_json, result_to_json, to_json, to_text
from xmppd.hooks import spawn
from xmppd.jid import JID


class Garden:
    def __init__(self, name: str = "") -> None:
        self.name = name

    @command("plant", "Plant something.", where="In which bed.")
    def plant(self, where: JID, count: int = 1, *, deep: bool = False) -> str:
        return f"{self.name}{where.domain} {count + 1} {deep}"

    @command("lock", "Lock the door.")
    async def lock(self, password: Secret) -> Result:
        return {"locked": len(password)}

    def not_a_command(self) -> None:
        raise AssertionError


class Other:
    @command("plant", "Another one of that name.")
    def plant(self) -> str:
        return ""


def run(commands: Commands, name: str, **given: object) -> Result:
    seen: list[Result] = []
    failed: list[BaseException] = []
    spawn(commands.run(name, given)).addCallbacks(seen.append, lambda f: failed.append(f.value))
    if failed:
        raise failed[0]
    return seen[0]


def offering(*gardens: tuple[Garden, str | None]) -> Commands:
    commands = Commands()
    for garden, host in gardens:
        commands.add_from(garden, host)
    return commands


def test_a_command_gets_its_arguments_in_their_types() -> None:
    commands = offering((Garden(), None))
    assert run(commands, "plant", where="a@b.example", count="2", deep=True) == "b.example 3 True"
    assert run(commands, "plant", where="b.example") == "b.example 2 False"


def test_an_asynchronous_command_is_waited_for() -> None:
    assert run(offering((Garden(), None)), "lock", password="123") == {"locked": 3}


@pytest.mark.parametrize(
    "given, sentence",
    [
        ({}, "plant needs where"),
        ({"where": None}, "plant needs where"),
        ({"where": "b.example", "size": 1}, "no parameter 'size'"),
        ({"where": "@"}, "where: '@' is not a JID"),
        ({"where": 5}, "where: 5 is not of type str"),
        ({"where": "b.example", "count": "x"}, "count: 'x' is not a whole number"),
        ({"where": "b.example", "count": True}, "count: True is not of type str"),
        ({"where": "b.example", "deep": 1}, "deep: 1 is not of type bool"),
        ({"where": "b.example", "host": "b.example"}, "no parameter 'host'"),
    ],
)
def test_wrong_arguments_are_refused_with_a_sentence(
    given: dict[str, object], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        run(offering((Garden(), None)), "plant", **given)


def test_a_refused_secret_is_not_shown() -> None:
    with pytest.raises(UsageError) as refused:
        run(offering((Garden(), None)), "lock", password=1234)
    assert "1234" not in str(refused.value)


def test_an_unknown_command_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no command 'water'"):
        run(Commands(), "water")


def test_the_description_names_every_parameter() -> None:
    lock, plant = offering((Garden(), None)).describe()
    assert [lock["name"], plant["name"]] == ["lock", "plant"]
    assert plant["parameters"] == [
        {
            "name": "where",
            "kind": "jid",
            "help": "In which bed.",
            "required": True,
            "option": False,
        },
        {"name": "count", "kind": "int", "help": "", "required": False, "option": False},
        {"name": "deep", "kind": "flag", "help": "", "required": False, "option": True},
    ]
    assert [p["kind"] for p in lock["parameters"]] == ["secret"]  # type: ignore[attr-defined]


def test_a_parameter_of_another_type_is_a_mistake_of_the_programmer() -> None:
    class Wrong:
        @command("wrong", "")
        def wrong(self, what: bytes) -> str:
            return ""

    with pytest.raises(TypeError, match="what type is what"):
        Commands().add_from(Wrong())


@pytest.mark.parametrize(
    "given, said",
    [
        ({"where": "a@one.example"}, "1:one.example 2 False"),
        ({"where": "a@two.example"}, "2:two.example 2 False"),
        ({"where": "a@one.example", "host": "two.example"}, "2:one.example 2 False"),
        ({"where": "a@one.example", "host": "Two.EXAMPLE"}, "2:one.example 2 False"),
        ({"where": "room@chat.two.example"}, "2:chat.two.example 2 False"),
        ({"where": "a@b.one.example"}, "b:b.one.example 2 False"),
    ],
)
def test_the_command_of_a_module_runs_on_the_host_that_is_meant(
    given: dict[str, object], said: str
) -> None:
    commands = offering(
        (Garden("1:"), "one.example"),
        (Garden("b:"), "b.one.example"),
        (Garden("2:"), "two.example"),
    )
    assert run(commands, "plant", **given) == said


def test_several_hosts_and_none_meant_is_a_question() -> None:
    commands = offering((Garden(), "one.example"), (Garden(), "two.example"))
    with pytest.raises(UsageError, match=r"name the virtual host.*one\.example, two\.example"):
        run(commands, "lock", password="x")
    with pytest.raises(UsageError, match=r"no virtual host three\.example"):
        run(commands, "lock", password="x", host="three.example")
    with pytest.raises(UsageError, match=r"no virtual host three\.example.*--host names one"):
        run(commands, "plant", where="a@three.example")


def test_an_address_that_is_text_says_which_host_is_meant_if_it_comes_first() -> None:
    class Rooms:
        def __init__(self, mark: str) -> None:
            self.mark = mark

        @command("destroy", "Destroy.", room="Its name.")
        def destroy(self, room: str, user: str = "") -> str:
            return self.mark

    commands = offering((Rooms("1"), "one.example"), (Rooms("2"), "two.example"))
    assert run(commands, "destroy", room="r@chat.Two.example") == "2"
    for given in ({"room": "r", "user": "a@two.example"}, {"room": "r@three.example"}):
        with pytest.raises(UsageError, match="name the virtual host with --host"):
            run(commands, "destroy", **given)


def test_the_only_host_needs_no_naming() -> None:
    assert run(offering((Garden(), "one.example")), "lock", password="x") == {"locked": 1}


def test_a_taken_name_is_refused_and_nothing_of_it_stays() -> None:
    commands = offering((Garden("1:"), None))
    with pytest.raises(ValueError, match="there is a command 'plant' already"):
        commands.add_from(Other())
    with pytest.raises(ValueError, match="already"):
        commands.add_from(Garden(), "one.example")
    assert run(commands, "plant", where="b.example") == "1:b.example 2 False"


def test_a_reload_may_change_the_parameters_host_by_host() -> None:
    class Newer:
        @command("plant", "Plant something.")
        def plant(self, where: JID, colour: str) -> str:
            return colour

    old, new = Garden(), Newer()
    commands = offering((old, "one.example"), (Garden(), "two.example"))
    commands.remove_from(old, "one.example")
    commands.add_from(new, "one.example")
    assert run(commands, "plant", where="one.example", colour="red") == "red"


def test_removing_takes_back_ones_own_only() -> None:
    mine, yours = Garden("1:"), Garden("2:")
    commands = offering((mine, "one.example"))
    commands.remove_from(yours, "one.example")
    assert "plant" in commands
    commands.remove_from(mine, "one.example")
    assert "plant" not in commands
    assert list(commands) == []


def test_a_failing_command_raises_its_own_sentence() -> None:
    class Failing:
        @command("fail", "")
        async def fail(self) -> str:
            raise CommandError("it rains")

    commands = Commands()
    commands.add_from(Failing())
    with pytest.raises(CommandError, match="it rains"):
        run(commands, "fail")


RESULTS: list[tuple[Result, str, str]] = [
    ("done", "done", '"done"'),
    (None, "", '""'),
    ({"a": 1, "long": None}, "a:     1\nlong:  -", '{\n  "a": 1,\n  "long": null\n}'),
    (
        Rows(("jid", "tls"), [("romeo@example.org", True)]),
        "jid                tls\nromeo@example.org  yes",
        '[\n  {\n    "jid": "romeo@example.org",\n    "tls": true\n  }\n]',
    ),
]


@pytest.mark.parametrize("result, text, as_json", RESULTS)
def test_an_answer_reads_the_same_after_the_socket(
    result: Result, text: str, as_json: str
) -> None:
    crossed = result_from_json(result_to_json(result))
    assert to_text(crossed) == text
    assert to_json(crossed) == as_json


def test_what_peers_chose_cannot_steer_the_terminal() -> None:
    assert to_text(Rows(("jid",), [("a@b/\x1b[2J\n",)])) == "jid\na@b/\\x1b[2J\\n"
    assert "\x1b" not in to_text("refused: \x1b[2J")


@pytest.mark.parametrize(
    "answer", [{}, {"kind": "text"}, {"kind": "rows", "columns": 1, "rows": []}]
)
def test_a_malformed_answer_is_refused(answer: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not the answer of a command"):
        result_from_json(answer)
