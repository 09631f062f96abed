"""Ad-hoc commands of the host, for its administrators and for its users (XEP-0050 1.3.0).

Methods of modules marked with `@adhoc` are found here by themselves. What `xmppctl` can do with
this host by a module's command, administrators find here too, as a form made from the command's
parameters.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from xmppd.api import (
    IQ,
    JID,
    Adhoc,
    Command,
    Duration,
    Element,
    Executor,
    Field,
    FieldType,
    Form,
    FormType,
    Host,
    Module,
    Options,
    Outcome,
    Run,
    StanzaError,
    Stop,
    declared_adhoc,
    forms,
    iq_set,
    ns,
    on,
    option,
    uses,
)
from xmppd.modules.disco import Description, Disco, commands_at, disco_answering

NODE = "xmppd#"  # before the name of an operators' command
KINDS = {
    "jid": FieldType.JID_SINGLE,
    "flag": FieldType.BOOLEAN,
    "secret": FieldType.TEXT_PRIVATE,
}


class AdhocOptions(Options):
    operators: bool = option(
        True, "Offer the commands of this host's modules to its administrators."
    )
    whole_server: bool = option(
        False,
        "Offer them also what concerns the whole server: all hosts, reloading, stopping. Only "
        "where administrators of this host administer the server.",
    )
    sessions: int = option(1000, "Commands that may be under way.", at_least=10)
    sessions_per_user: int = option(10, "Of those, by one user.", at_least=1)
    lifetime: Duration = option(
        600.0, "How long a form may wait to be filled in.", at_least=10, at_most=86400
    )


class AdhocCommands(Module):
    name = "adhoc"
    options: AdhocOptions
    disco = uses(Disco)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self.executor = Executor(
            host.clock,
            self.commands,
            most=self.options.sessions,
            most_each=self.options.sessions_per_user,
            lifetime_s=self.options.lifetime,
        )
        self._acquired.append(self.executor.stop)

    def commands(self) -> Iterator[Adhoc]:
        """All there are now: modules come and go."""
        for module in self.host.modules:
            yield from declared_adhoc(module, self.host)
        for each in self.host.modules.commands or ():
            if self._is_fit(each):
                call = partial(self._operate, each)
                yield Adhoc(f"{NODE}{each.name}", each.help, call, self.host.is_admin)

    def _is_fit(self, known: Command) -> bool:
        if known.per_host:
            return self.options.operators and self.host.name in known.calls
        return self.options.whole_server

    @iq_set(ns.COMMANDS, "command")
    async def execute(self, iq: IQ) -> Element:
        return await self.executor.execute(iq)

    # Operators' commands

    async def _operate(self, known: Command, run: Run) -> Outcome:
        """Ask for the parameters, if there are any, and run it for this host."""
        given: dict[str, object] = {}
        if known.parameters:
            form = Form(
                type=FormType.FORM,
                title=known.help,
                fields=[forms.form_type(f"{NODE}{known.name}"), *_fields(known)],
            )
            given = dict(_given(await run.ask(form)))
        registry = self.host.modules.commands
        if registry is None:
            raise StanzaError("service-unavailable")
        if known.per_host:
            given["host"] = self.host.name
        return await registry.run(known.name, given)

    # Discovery (§2.1, §2.2)

    @on(disco_answering)
    def describe(
        self, known: Description, entity: JID, node: str, asker: JID
    ) -> Description | Stop | None:
        if entity != self.host.domain or not (
            node == ns.COMMANDS or (node and self.executor.has(node))
        ):
            return None
        return commands_at(self.executor, entity, node, asker)


def _fields(known: Command) -> Iterable[Field]:
    for each in known.parameters:
        label = each.help or each.name.replace("_", " ").capitalize()
        kind = KINDS.get(each.kind, FieldType.TEXT_SINGLE)
        required = each.required and each.kind != "flag"
        yield forms.field(each.name, None, kind, label=label, required=required)


def _given(values: Mapping[str, object]) -> Iterable[tuple[str, object]]:
    """What was filled in; an empty field stands for a parameter that is not given."""
    for name, value in values.items():
        if value is not None and value != "":
            yield name, value
