"""What the operator permits a privileged entity, and how it is told (XEP-0356 0.4.1)."""

from typing import Literal, Self

from pydantic import model_validator

from xmppd.api import JID, Element, JIDError, Options, jid, option

NS = "urn:xmpp:privilege:2"
Access = Literal["none", "get", "set", "both"]


class IQGrant(Options):
    """A namespace of which the entity may send requests in the name of users."""

    namespace: str = option("", "The namespace.", example="http://jabber.org/protocol/pubsub")
    type: Access = option("none", "The requests permitted.")


class Grant(Options):
    """What one entity may do. It can then act for every user of the host: trust it."""

    entity: str = option("", "The domain of an external component.", example="pubsub.example.org")
    roster: Access = option("none", "Read (`get`) or change (`set`) the rosters of users.")
    push: bool = option(True, "Tell it of changes of rosters, where it may read them.")
    message: Literal["none", "outgoing"] = option(
        "none", "Send messages in the name of the host or of users."
    )
    presence: Literal["none", "managed_entity", "roster"] = option(
        "none",
        "See when users come and go (`managed_entity`), and their contacts too (`roster`, for "
        "which it must be permitted to read rosters).",
    )
    iq: list[IQGrant] = option([], "Requests it may send in the name of users.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        try:
            named = jid(self.entity)
        except JIDError:
            raise ValueError("entity must be a domain") from None
        if named != named.domain:
            raise ValueError("entity must be a domain")
        if self.presence == "roster" and self.roster not in ("get", "both"):
            raise ValueError('presence = "roster" needs roster = "get" or "both"')  # §7.3
        return self

    @property
    def jid(self) -> JID:
        return jid(self.entity)

    @property
    def pushes(self) -> bool:
        """Whether it gets roster pushes (§4.1)."""
        return self.push and self.roster in ("get", "both")

    def may_iq(self, type_: str, namespace: str) -> bool:
        """Whether it may send such a request for users (§6.1)."""
        return any(each.namespace == namespace and permits(each.type, type_) for each in self.iq)

    def element(self) -> Element:
        """The advertisement (§4.2, §5.2, §6.2, §7.2)."""
        told = Element(NS, "privilege")
        if self.roster != "none":
            push = "true" if self.pushes else "false"
            told.append(_perm("roster", type=self.roster, push=push))
        if self.message != "none":
            told.append(_perm("message", type=self.message))
        if self.iq:
            told.append(_perm("iq"))
            told.elements[-1].append(
                *[
                    Element(NS, "namespace", {"ns": each.namespace, "type": each.type})
                    for each in self.iq
                ]
            )
        if self.presence != "none":
            told.append(_perm("presence", type=self.presence))
        return told


def permits(access: Access, type_: str) -> bool:
    """Whether `get`, `set` or `both` include this type of request."""
    return access in ("both", type_)


def _perm(access: str, **attrs: str) -> Element:
    return Element(NS, "perm", {"access": access, **attrs})
