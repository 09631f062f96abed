"""The options of the process (`ServerOptions`) and of a virtual host (`HostOptions`).

The limits are those of L1 to L5: before and after login, per address, of SASL, outbound.
"""

from enum import Enum
from pathlib import Path
from typing import Literal

from xmppd.config.components import ComponentsOptions
from xmppd.config.options import Options, option
from xmppd.config.s2s import HostS2SOptions, S2SOptions
from xmppd.config.streams import AdmissionLimits, LoginStreamLimits, StreamLimits
from xmppd.config.types import BareJID, DatabaseURL, Duration, Endpoint, Secret, Size

MECHANISMS = (
    "SCRAM-SHA-512-PLUS",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-512",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1",
    "EXTERNAL",
    "PLAIN",
)


class DatabaseOptions(Options):
    """The database that all hosts share."""

    url: DatabaseURL = option(
        "",
        "SQLAlchemy URL of the database. Empty: the SQLite file `xmppd.sqlite` in `data_dir`.",
        secret=True,  # it may carry a password
        example="postgresql+psycopg://xmppd@/xmppd",
        reloads=False,
    )
    readers: int = option(
        2, "Threads, each with a connection, that read.", at_least=1, at_most=64, reloads=False
    )
    writers: int = option(
        2,
        "Threads that write on PostgreSQL; SQLite has one.",
        at_least=1,
        at_most=64,
        reloads=False,
    )
    queue: int = option(
        1000,
        "Visits to the database that may wait; what comes on top is told to try again later.",
        at_least=10,
        reloads=False,
    )
    timeout: Duration = option(
        10.0,
        "How long a visit may wait for a database that is away, busy or full before it fails.",
        at_least=0.1,
        at_most=600,
        reloads=False,
    )


class TLSVersion(Enum):
    """The oldest version of TLS that is spoken."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


class TLSOptions(Options):
    """TLS of all listeners."""

    min_version: TLSVersion = option(TLSVersion.TLS_1_2, "Oldest TLS version accepted.")
    ciphers: str = option(
        "ECDHE+AESGCM:ECDHE+CHACHA20",
        "OpenSSL list of the cipher suites of TLS 1.2. Those of TLS 1.3 are all good.",
    )
    engine: Literal["auto", "pyopenssl", "ssl"] = option(
        "auto", "Library that does TLS; `auto` takes the fastest that can do all.", reloads=False
    )
    certificates: Path | None = option(
        None,
        "Folder in which the certificate of a host is found by its name: `example.org.pem` "
        "(chain and key), `example.org.crt` with `example.org.key`, or `example.org/` with "
        "`fullchain.pem` and `privkey.pem`. None: `certificates` in `data_dir`.",
        example="/etc/xmppd/certificates",
    )
    client_ca: Path | None = option(
        None,
        "File of the certificate authorities that sign certificates of users (SASL EXTERNAL). "
        "None: users' certificates are not asked for.",
        example="/etc/xmppd/users-ca.pem",
    )
    self_signed: bool = option(
        False,
        "Make a self-signed certificate for a host that has none. `localhost` may always have "
        "one. Clients warn of it, and other servers refuse it.",
    )


class C2SLimits(AdmissionLimits):
    """What a client may ask of the server. RFC 6120 §13.12 obliges to some of these."""

    before_login: LoginStreamLimits = option(LoginStreamLimits(), "Before login.")
    after_login: StreamLimits = option(StreamLimits(), "After login.")
    unauthenticated_share: float = option(
        0.5,
        "Share of all file descriptors that connections without login may hold.",
        at_least=0.01,
        at_most=0.95,
    )
    memory: Size = option(
        0,
        "Resident memory of the process, at 80 % of which no new connections are taken until "
        "there is room again. 0: no such limit.",
    )
    outbound_bytes: Size = option(
        2 * 1024 * 1024,
        "Bytes that may wait for a client that does not read; then its session is closed.",
        at_least=65536,
    )
    outbound_stanzas: int = option(
        1000, "Stanzas that may wait for a client that does not read.", at_least=10
    )


class C2SOptions(Options):
    """Connections of clients."""

    listen: list[Endpoint] = option(
        ["tcp:5222"],
        "Endpoints for connections that begin in the clear and turn to TLS (STARTTLS). "
        '"tcp6:5222" takes IPv4 and IPv6 on Linux.',
        reloads=False,
    )
    direct_tls: list[Endpoint] = option(
        ["tcp:5223"],
        "Endpoints for connections that begin with TLS (XEP-0368).",
        reloads=False,
    )
    plaintext_auth: bool = option(
        False, "Let clients log in without TLS: their passwords may then be read on the way."
    )
    mechanisms: list[str] = option(
        list(MECHANISMS),
        "SASL mechanisms offered, where the connection permits them.",
        choices=MECHANISMS,
    )
    login_timeout: Duration = option(
        30.0, "From the connection to the bound resource.", at_least=1, at_most=600
    )
    idle_ping: Duration = option(
        300.0, "A client that was silent for so long is pinged.", at_least=10
    )
    ping_timeout: Duration = option(
        60.0, "A client that does not answer the ping in this time is closed.", at_least=5
    )
    sessions_per_account: int = option(
        20, "Resources that one account may bind at a time.", at_least=1, at_most=1000
    )
    conflict: Literal["replace", "refuse"] = option(
        "replace",
        "What happens when a client asks for a resource that is bound (RFC 6120 §7.7.2.2): the "
        "new session replaces the old one, or is refused.",
    )
    attempts: int = option(
        3, "Failed logins on one stream before it is closed.", at_least=1, at_most=5
    )
    limits: C2SLimits = option(C2SLimits(), "Limits of clients' streams.")


class AuthOptions(Options):
    """Accounts and their passwords."""

    scram_iterations: int = option(
        100_000,
        "Rounds of PBKDF2 for new passwords; older ones are upgraded at login.",
        at_least=10_000,
        at_most=10_000_000,
    )
    keys_kept: Duration = option(
        60.0,
        "How long the keys of an account are kept in memory for the address that has asked for "
        "them; 0: not at all. A password that is changed in the database by anything but this "
        "server counts so much later.",
        at_most=600,
    )
    workers: int = option(
        2, "Threads that compute keys of passwords.", at_least=1, at_most=64, reloads=False
    )
    queue: int = option(
        200,
        "Computations that may wait; logins on top of that fail for the moment.",
        at_least=1,
        reloads=False,
    )
    failures: int = option(
        10, "Failed logins of an account or address before it has to wait.", at_least=1
    )
    backoff: Duration = option(
        60.0, "Longest wait put upon an account or address that fails to log in.", at_most=3600
    )


class AdminOptions(Options):
    """The command line, `xmppctl`."""

    socket: Path | None = option(
        None,
        "Unix socket for `xmppctl`; only the server's own user and root may open it. None: "
        "`ctl.sock` in `data_dir`.",
        example="/run/xmppd/ctl.sock",
        reloads=False,
    )


class ManholeOptions(Options):
    """A Python prompt in the running server, over telnet. Whoever enters can do anything."""

    listen: Endpoint | None = option(
        None,
        "Endpoint: a loopback address or a Unix socket. None: there is no manhole.",
        example="tcp:4022:interface=127.0.0.1",
        reloads=False,
    )
    user: str = option("", "Who may enter.", example="admin", reloads=False)
    password: Secret = option(
        Secret(""), "The password to enter with; there is no default.", secret=True, reloads=False
    )


class LogOptions(Options):
    """The log, on standard error."""

    level: Literal["debug", "info", "warn", "error", "critical"] = option(
        "info", "Least important messages that are logged."
    )
    format: Literal["text", "json"] = option(
        "text", "A line of text for each event, or a line of JSON.", reloads=False
    )


class WatchdogOptions(Options):
    """Notices when the server stands still."""

    blocked: Duration = option(
        1.0,
        "A reactor that is blocked for so long logs where. 0: no watchdog.",
        at_most=3600,
        reloads=False,
    )


class ModulesOptions(Options):
    """Which modules run. Their own options stand in [modules.NAME]."""

    paths: list[Path] = option(
        [], "Folders with modules of your own, beside those that come along.", reloads=False
    )
    enable: list[str] = option([], "Modules to run on every host beside the usual ones.")
    disable: list[str] = option([], "Usual modules not to run on any host.")


class ServerOptions(Options):
    """The options of the process. Relative paths start from the configuration file's folder."""

    data_dir: Path = option(
        Path("var"), "Folder of all that the server writes, its own alone.", reloads=False
    )
    database: DatabaseOptions = option(DatabaseOptions(), "The database.")
    tls: TLSOptions = option(TLSOptions(), "TLS.")
    c2s: C2SOptions = option(C2SOptions(), "Clients.")
    components: ComponentsOptions = option(ComponentsOptions(), "External components.")
    s2s: S2SOptions = option(S2SOptions(), "Other servers.")
    auth: AuthOptions = option(AuthOptions(), "Accounts.")
    admin: AdminOptions = option(AdminOptions(), "Administration.")
    manhole: ManholeOptions = option(ManholeOptions(), "The manhole.")
    log: LogOptions = option(LogOptions(), "The log.")
    watchdog: WatchdogOptions = option(WatchdogOptions(), "The watchdog.")
    modules: ModulesOptions = option(ModulesOptions(), "Modules.")

    @property
    def database_url(self) -> str:
        """`database.url`, or the SQLite file in `data_dir` where that is empty."""
        return self.database.url or f"sqlite:///{self.data_dir / 'xmppd.sqlite'}"

    @property
    def certificates(self) -> Path:
        """`tls.certificates`, or that folder in `data_dir`."""
        return self.tls.certificates or self.data_dir / "certificates"

    @property
    def admin_socket(self) -> Path:
        """`admin.socket`, or `ctl.sock` in `data_dir`."""
        return self.admin.socket or self.data_dir / "ctl.sock"


class HostOptions(Options):
    """The options of one virtual host, `[hosts."example.org"]`."""

    certificate: Path | None = option(
        None,
        "File of the certificate chain, in PEM. None: looked for in `tls.certificates`.",
        example="/etc/letsencrypt/live/example.org/fullchain.pem",
    )
    key: Path | None = option(
        None,
        "File of the private key, in PEM. None: the key is in the certificate's file.",
        example="/etc/letsencrypt/live/example.org/privkey.pem",
    )
    admins: list[BareJID] = option(
        [], "Bare JIDs of those who administer the host.", example=["juliet@example.org"]
    )
    s2s: HostS2SOptions = option(HostS2SOptions(), "Other servers, as this host sees them.")
    enable: list[str] = option([], "Modules to run beside the usual ones.")
    disable: list[str] = option([], "Usual modules not to run on this host.")
