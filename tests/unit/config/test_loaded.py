"""What a changed file changes."""

import pytest

from xmppd.config import Config, ModuleInfo, Options, Secret, load, option


class Limits(Options):
    size: int = option(1, "A size.")
    port: int = option(1, "A port.", reloads=False)


class MUCOptions(Options):
    limits: Limits = option(Limits(), "Limits.")
    token: Secret = option(Secret(""), "A token.", secret=True)


class OtherOptions(Options):
    """What a new version of the module declares."""


def config(text: str, options: type[Options] = MUCOptions) -> Config:
    return load("xmppd.toml", {"muc": ModuleInfo(options)}, text=text)


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("[hosts.localhost]", []),
        ("[hosts.localhost]\n[log]\nlevel = 'info'", []),
        (
            "[hosts.localhost]\n[log]\nlevel = 'debug'\nformat = 'json'",
            [
                'log.level: "info" -> "debug" (at reload)',
                'log.format: "text" -> "json" (needs a restart)',
            ],
        ),
        (
            "[hosts.localhost]\nenable = ['muc']",
            ['hosts.localhost.enable: [] -> ["muc"] (at reload)'],
        ),
        (
            "[hosts.localhost.modules.muc]\nlimits = {size = 2, port = 2}\ntoken = 'hush'",
            [
                "hosts.localhost.modules.muc.limits.size: 1 -> 2 (at reload)",
                "hosts.localhost.modules.muc.limits.port: 1 -> 2 (needs a restart)",
                "hosts.localhost.modules.muc.token: (hidden) -> (hidden) (at reload)",
            ],
        ),
        (
            "[hosts.'b.localhost']",
            [
                'hosts."b.localhost": absent -> present (needs a restart)',
                "hosts.localhost: present -> absent (needs a restart)",
            ],
        ),
        (
            "[hosts.localhost]\n[manhole]\nlisten='unix:/x'\nuser='u'\npassword='hush'",
            [
                'manhole.listen: none -> "unix:/x" (needs a restart)',
                'manhole.user: "" -> "u" (needs a restart)',
                "manhole.password: (hidden) -> (hidden) (needs a restart)",
            ],
        ),
    ],
)
def test_changes_name_each_option_and_when_it_applies(text: str, wanted: list[str]) -> None:
    old = config("[hosts.localhost]")
    assert [str(change) for change in old.changes(config(text))] == wanted


def test_a_module_with_a_new_declaration_is_one_change() -> None:
    (change,) = config("").changes(config("", OtherOptions))
    assert (change.option, change.reloads) == ("hosts.localhost.modules.muc", True)
