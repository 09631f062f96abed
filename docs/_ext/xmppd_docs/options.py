"""The reference of all options, those that want a restart, and the JSON Schema."""

import json
from functools import cache

from xmppd.admin.check import module_infos
from xmppd.config import HostOptions, ModuleInfo, ServerOptions, json_schema, reference
from xmppd.config.faults import dotted
from xmppd.config.options import declaration, declarations
from xmppd.module import Catalogue
from xmppd_docs import rst


@cache
def known() -> dict[str, ModuleInfo]:
    catalogue = Catalogue().load()
    if catalogue.faults:
        raise RuntimeError("\n".join(catalogue.faults))
    return module_infos(catalogue)


def reference_page() -> str:
    """`xmppd.config.reference`, without the title: configuration.rst has one."""
    return reference(known()).split("\n", 3)[3]


def restart_list() -> str:
    """Everything else is taken over by a reload."""
    paths = [path for path, field in declarations(ServerOptions) if stays(field)]
    paths += [("hosts", "…", *path) for path, field in declarations(HostOptions) if stays(field)]
    for name, info in known().items():
        inner = declarations(info.options)
        paths += [("modules", name, *path) for path, field in inner if stays(field)]
    return rst.text(f"- {rst.code(dotted(path))}" for path in paths)


def stays(field: object) -> bool:
    return not declaration(field).reloads  # type: ignore[arg-type]  # pydantic's FieldInfo


def schema() -> str:
    return json.dumps(json_schema(known()), indent=2) + "\n"
