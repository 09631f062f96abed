"""The configuration: options declared in code, one TOML file, checked whole before the start."""

from xmppd.config.check import load
from xmppd.config.components import ComponentOptions, ComponentsOptions
from xmppd.config.faults import ConfigErrors, Fault
from xmppd.config.loaded import Change, ComponentConfig, Config, HostConfig, ModuleInfo
from xmppd.config.options import Options, declaration, option
from xmppd.config.reference import example, json_schema, reference
from xmppd.config.server import AuthOptions, C2SOptions, HostOptions, ServerOptions, TLSOptions
from xmppd.config.types import BareJID, Domain, Duration, Endpoint, Secret, Size

__all__ = [
    "AuthOptions",
    "BareJID",
    "C2SOptions",
    "Change",
    "ComponentConfig",
    "ComponentOptions",
    "ComponentsOptions",
    "Config",
    "ConfigErrors",
    "Domain",
    "Duration",
    "Endpoint",
    "Fault",
    "HostConfig",
    "HostOptions",
    "ModuleInfo",
    "Options",
    "Secret",
    "ServerOptions",
    "Size",
    "TLSOptions",
    "declaration",
    "example",
    "json_schema",
    "load",
    "option",
    "reference",
]
