"""What is compared with archives on does archive, and a login by token is one round trip."""

import base64
import socket
import threading
from pathlib import Path

import pytest

from bench.load import TOKEN_MECHANISM, Client, LoadError, Target, authenticate
from bench.servers import ALL, Server
from bench.units import PAGE_ASKED, PageLoad

TARGET = Target("127.0.0.1", 5222, "bench.example", "secret")
TURNED_ON = {"xmppd": "disable = []", "prosody": '"mam"', "ejabberd": "mod_mam:"}


def configured(server: Server) -> str:
    files = ("xmppd.toml", "prosody.cfg.lua", "ejabberd.yml")
    return next(path for name in files if (path := server.folder / name).exists()).read_text()


@pytest.mark.parametrize("kind", ALL)
def test_archives_are_off_until_they_are_asked_for(kind: type[Server], tmp_path: Path) -> None:
    certificate = tmp_path / "bench.crt"
    certificate.write_text("")
    server = kind(tmp_path, certificate, certificate)
    assert TURNED_ON[kind.name] not in configured(server)
    server.archives = True
    server.configure()
    assert TURNED_ON[kind.name] in configured(server)


def test_a_login_by_token_says_all_at_once() -> None:
    said = authenticate(TOKEN_MECHANISM, b"romeo\0proof", "a-uuid", "<fast/>").decode()
    assert f"mechanism='{TOKEN_MECHANISM}'" in said
    assert base64.b64encode(b"romeo\0proof").decode() in said
    assert "<user-agent id='a-uuid'/><fast/></authenticate>" in said


@pytest.mark.parametrize(("count", "accepted"), [(49, False), (50, True), (51, False)])
def test_a_page_of_another_size_is_no_result(count: int, accepted: bool) -> None:
    ours, theirs = socket.socketpair()
    page = b"<message><result id='x'/></message>" * count + b"<iq type='result'></iq>"

    def serve() -> None:
        assert theirs.recv(65536) == (PAGE_ASKED % "check").encode()
        theirs.sendall(page)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ours, theirs:
            if accepted:
                PageLoad.check(Client(ours, TARGET, "romeo"), "a server")
            else:
                with pytest.raises(LoadError, match=f"put {count} messages"):
                    PageLoad.check(Client(ours, TARGET, "romeo"), "a server")
            thread.join()
    finally:
        thread.join()
