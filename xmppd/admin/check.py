"""Reading the configuration together with the modules whose options it sets."""

from collections.abc import Callable, Mapping
from pathlib import Path

from xmppd.config import Config, ConfigErrors, Fault, ModuleInfo, load
from xmppd.module import Catalogue
from xmppd.module.base import options_of


def read_configuration(path: Path | None) -> tuple[Config, Catalogue]:
    """Import all modules and check the file; raises ConfigErrors. None: the embedded default."""
    found: list[Catalogue] = []

    def known(folders: list[Path]) -> Mapping[str, ModuleInfo]:
        found.append(Catalogue(folders).load())
        return module_infos(found[0])

    try:
        return load(path, known), found[0]
    except ConfigErrors as errors:
        # first, for a module that cannot be imported is an unknown one to the file
        faults = [Fault("", None, "", text) for text in (found[0].faults if found else ())]
        raise ConfigErrors([*faults, *errors.faults], errors.warnings) from None


def module_infos(catalogue: Catalogue) -> dict[str, ModuleInfo]:
    """What the configuration must know of the modules."""
    return {cls.name: ModuleInfo(options_of(cls), cls.default_on) for cls in catalogue}


def check_config(path: Path) -> tuple[list[str], list[str]]:
    """Every mistake, and every warning, in sentences."""
    try:
        config, catalogue = read_configuration(path)
    except ConfigErrors as errors:
        return [str(fault) for fault in errors.faults], [str(fault) for fault in errors.warnings]
    return catalogue.faults, [str(warning) for warning in config.warnings]


def described(write: Callable[[Mapping[str, ModuleInfo]], str]) -> str:
    """What `xmppd.config.example` or `.reference` writes about the bundled modules."""
    return write(module_infos(Catalogue().load()))
