"""External components in the configuration: checked whole, before anything starts."""

import pytest

from xmppd.config import Config, ConfigErrors, load


def loaded(text: str) -> Config:
    return load(None, {}, text=text)


def faults(text: str) -> str:
    with pytest.raises(ConfigErrors) as caught:
        loaded(text)
    return str(caught.value)


HOSTS = "[tls]\nself_signed = true\n[hosts.'example.org']\n[hosts.'example.net']\n"
GATEWAY = HOSTS + "[components.'gateway.example.org']\n"


def test_a_component_belongs_to_the_host_above_it() -> None:
    config = loaded(GATEWAY + "secret = 's'\n")
    component = config.components["gateway.example.org"]
    assert component.host == "example.org"
    assert component.domains == ("gateway.example.org",)


def test_a_component_elsewhere_names_its_host() -> None:
    text = HOSTS + "[components.'irc.example.com']\nsecret = 's'\n"
    assert "must name a host: irc.example.com lies below none" in faults(text)
    assert (
        loaded(text + "host = 'example.net'").components["irc.example.com"].host == "example.net"
    )
    assert 'is "example.nat", no host; did you mean' in faults(text + "host = 'example.nat'")


def test_where_there_is_one_host_that_is_meant() -> None:
    config = loaded("[components.'irc.example.com']\nsecret = 's'\n")
    assert config.components["irc.example.com"].host == "localhost"


def test_a_secret_must_be_set_and_is_never_shown() -> None:
    assert "secret: must be set" in faults(GATEWAY)
    assert "hunter2" not in repr(loaded(GATEWAY + "secret = 'hunter2'\n"))
    assert "hunter2" not in faults(GATEWAY + "secret = ['hunter2']\n")


def test_a_domain_is_served_once() -> None:
    text = GATEWAY + "secret = 's'\n"
    other = "[components.'other.example.org']\nsecret = 's'\ndomains = ['gateway.example.org']\n"
    assert "gateway.example.org is served by another already" in faults(text + other)
    own = "[components.'example.net']\nsecret = 's'\nhost = 'example.org'\n"
    assert "example.net is served by another already" in faults(HOSTS + own)


def test_unknown_options_are_faults() -> None:
    assert 'unknown option; did you mean "secret"' in faults(GATEWAY + "secrets = 's'\n")
    assert "unknown option" in faults("[components]\nlisten_on = 5\n")


def test_unquoted_domains_are_explained() -> None:
    assert 'write the domain in quotes: [components."gateway.example"]' in faults(
        "[components.gateway.example]\nsecret = 's'\n"
    )


def test_listening_to_the_network_warns_once_there_is_a_component() -> None:
    listen = "[components]\nlisten = ['tcp:5347']\n"
    assert not loaded(HOSTS + listen).warnings
    text = listen + GATEWAY + "secret = 's'\n"
    assert any("unencrypted" in str(warning) for warning in loaded(text).warnings)


def test_two_listeners_on_one_port_are_a_fault_once_there_is_a_component() -> None:
    listen = "[components]\nlisten = ['tcp:5222']\n"
    loaded(listen + HOSTS)
    assert "which c2s.listen" in faults(listen + GATEWAY + "secret = 's'\n")


def test_changes_of_components_are_told_without_their_secrets() -> None:
    old = loaded(HOSTS)
    one = loaded(GATEWAY + "secret = 'a'\n")
    two = loaded(GATEWAY + "secret = 'b'\n")
    assert [str(c) for c in old.changes(one)] == [
        'components."gateway.example.org": absent -> present (at reload)'
    ]
    assert [str(c) for c in one.changes(two)] == [
        'components."gateway.example.org".secret: (hidden) -> (hidden) (at reload)'
    ]
