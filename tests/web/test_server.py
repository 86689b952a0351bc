"""Where the server listens, and how it is reached."""

import asyncio
import socket
import ssl
import subprocess

import pytest
from aiohttp import web
from tests.adapters.local import until

from prunella.app.errors import Permanent
from prunella.web.server import address, application, serve


async def hello(_):
    return web.Response(text="hello")


ROUTES = [web.get("/hello", hello)]


@pytest.mark.parametrize(
    ("listen", "found"),
    [
        (":8080", (None, 8080)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::1]:8080", ("::1", 8080)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_an_address_is_a_host_and_a_port(listen, found):
    assert address(listen) == found


@pytest.mark.parametrize("listen", ["8080", "", ":", "host:", "host:http", ":65536", ":-1", ":８０", "a:b:"])
def test_what_is_no_address_is_refused_with_an_example(listen):
    with pytest.raises(Permanent, match=f"'{listen}' is no address to listen on; write for example ':8080' or '127.0.0.1:8080'"):
        address(listen)


async def test_a_port_that_is_taken_is_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            Permanent, match=rf"127.0.0.1:{port} can't be listened on: .*address already in use.*choose another address with `--listen`"
        ):
            await serve(application(ROUTES), f"127.0.0.1:{port}")


def make_certificates(folder):
    for name in ("tls", "ca"):
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", *subject]
        subprocess.run([*new, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"], check=True, capture_output=True)


async def ask(port, context):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    try:
        writer.write(b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("mutual", [False, True], ids=["TLS", "mutual TLS"])
async def test_with_a_certificate_it_speaks_tls(tmp_path, mutual):
    make_certificates(tmp_path)
    if not mutual:
        (tmp_path / "ca.crt").unlink()
    server = await serve(application(ROUTES), "127.0.0.1:0", tmp_path)
    try:
        plain = ssl.create_default_context(cafile=tmp_path / "tls.crt")
        if not mutual:
            assert (await ask(server.port, plain)).endswith(b"hello")
            return
        try:
            answer = await ask(server.port, plain)
        except (ssl.SSLError, ConnectionError) as error:
            answer = repr(error).encode()
        assert b"hello" not in answer
        plain.load_cert_chain(tmp_path / "ca.crt", tmp_path / "ca.key")
        assert (await ask(server.port, plain)).endswith(b"hello")
    finally:
        await server.stop()


async def test_a_folder_without_a_certificate_is_said(tmp_path):
    with pytest.raises(Permanent, match=r"can't be used: No such file or directory; `--tls-dir` needs tls.crt and its tls.key"):
        await serve(application(ROUTES), "127.0.0.1:0", tmp_path)


async def connected(port, said=b""):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    await writer.drain()
    return reader, writer


async def ended(reader):
    try:
        return await asyncio.wait_for(reader.read(), 5) == b""
    except ConnectionError:
        return True


async def test_where_all_places_are_taken_the_longest_silent_connection_makes_room():
    server = await serve(application(ROUTES, most_connections=3), "127.0.0.1:0")
    strangers = []
    try:
        for _ in range(3):
            strangers.append(await connected(server.port, b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"))
            assert (await strangers[-1][0].readuntil(b"hello")).startswith(b"HTTP/1.1 200")
        reader, writer = await connected(server.port, b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"hello")
        writer.close()
        assert await ended(strangers[0][0]), "the first one was silent for longest"
        assert not strangers[2][0].at_eof()
    finally:
        for _, writer in strangers:
            writer.close()
        await server.stop()


async def test_who_is_being_served_makes_no_room_and_the_next_is_turned_away():
    entered, release = asyncio.Event(), asyncio.Event()

    async def slow(_):
        entered.set()
        await release.wait()
        return web.Response(text="done")

    server = await serve(application([web.get("/slow", slow)], most_connections=1), "127.0.0.1:0")
    reader, writer = await connected(server.port, b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    try:
        await asyncio.wait_for(entered.wait(), 5)
        other, later = await connected(server.port)
        assert await ended(other)
        later.close()
        release.set()
        assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"done")
    finally:
        writer.close()
        await server.stop()


async def test_a_head_without_bounds_is_refused():
    server = await serve(application(ROUTES), "127.0.0.1:0")
    try:
        for head in (b"X: " + b"x" * 9000, b"\r\n".join(b"X-%d: y" % number for number in range(200))):
            reader, writer = await connected(server.port, b"GET /hello HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
            assert b" 400 " in await asyncio.wait_for(reader.readline(), 5)
            writer.close()
    finally:
        await server.stop()


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01 TLS to a plain port\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nAuthorization Bearer s3cret\r\n\r\n",
        b"GET /hello HTTP/9.9\r\nHost: x\r\n\r\n",
        b"G\x00T /hello HTTP/1.1\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nxx",
    ],
    ids=["TLS", "a header without its colon", "another version", "NUL", "a negative length", "two lengths"],
)
async def test_what_is_no_http_is_400_and_neither_a_traceback_nor_its_bytes_stand_in_the_log(said, caplog):
    caplog.set_level("DEBUG")
    server = await serve(application(ROUTES), "127.0.0.1:0")
    try:
        reader, writer = await connected(server.port, said)
        assert b" 400 " in await asyncio.wait_for(reader.readline(), 5)
        writer.close()
    finally:
        await server.stop()
    assert [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"] == []
    assert "A connection sent what is no HTTP" in caplog.text
    assert "s3cret" not in caplog.text


async def test_a_fault_of_ours_stays_an_error_with_its_traceback(caplog):
    async def fails(_):
        raise KeyError("a fault")

    server = await serve(application([web.get("/fails", fails)]), "127.0.0.1:0")
    try:
        reader, writer = await connected(server.port, b"GET /fails HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"a fault" not in await asyncio.wait_for(reader.read(), 5)
        writer.close()
    finally:
        await server.stop()
    assert [record.levelname for record in caplog.records if record.exc_info] == ["ERROR"]


async def test_stopping_lets_a_request_under_way_end():
    entered, release = asyncio.Event(), asyncio.Event()

    async def slow(_):
        entered.set()
        await release.wait()
        return web.Response(text="done")

    server = await serve(application([web.get("/slow", slow)]), "127.0.0.1:0")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    await asyncio.wait_for(entered.wait(), 5)
    stopping = asyncio.create_task(server.stop())
    release.set()
    assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"done")
    writer.close()
    await until(stopping.done)
