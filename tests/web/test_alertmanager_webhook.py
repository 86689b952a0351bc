"""Alertmanager's webhook over real HTTP: what is answered decides whether an alert is lost."""

import asyncio
import gzip
import json
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.adapters.local import NOON, until
from tests.web.serving import TOKEN, request, site, status

from prunella.app.errors import Conflict, Permanent, Retryable
from prunella.web.room import Room

ALERT = {"status": "firing", "labels": {"alertname": "X"}, "startsAt": "2026-09-01T10:00:00Z"}
BODY = json.dumps({"receiver": "prunella", "version": "4", "truncatedAlerts": 3, "alerts": [ALERT]}).encode()
MILLION = 1_000_000
GZIP = "Content-Encoding: gzip"


@pytest.fixture
def tokens(tmp_path):
    (tmp_path / "alertmanager").write_text(TOKEN + "\n")
    return tmp_path


async def test_200_follows_once_intake_has_kept_every_alert(tokens):
    async with site(tokens) as server:
        answer = await server.post(BODY)
    assert status(answer) == 200
    assert answer.endswith(b"kept\n")
    assert b"Server: prunella" in answer
    assert server.intake.taken == [((ALERT,), NOON, 3)]
    assert server.telemetry.counted("webhook_requests_total", code="200") == 1


@pytest.mark.parametrize(
    ("body", "code", "alerts"),
    [
        (b"", 400, None),
        (b"null", 200, 0),
        (b"[]", 200, 0),
        (b"{}", 200, 0),
        (b"not json", 400, None),
        (BODY[:-2], 400, None),
        (BODY.decode().encode("utf-16"), 200, 1),
        (b"\xef\xbb\xbf" + BODY, 200, 1),
        (b"[" * 100_000, 400, None),
        (b'{"alerts":[],"alerts":[{}]}', 200, 1),
        (b'{"alerts":[{"a":NaN,"b":1e999}]}', 200, 1),
        (b'{"alerts":[{"a":' + b"9" * 5000 + b"}]}", 200, 1),
        (rb'{"alerts":[{"a":"\ud800"}]}', 200, 1),
        (b'{"receiver":"x"}', 200, 0),
        (b'{"alerts":null}', 200, 0),
        (b'{"alerts":{}}', 200, 0),
        (json.dumps({"alerts": [ALERT] * 100_000}).encode(), 200, 100_000),
        (b'{"version":"3","alerts":[{}]}', 200, 1),
        (b'{"truncatedAlerts":-1,"alerts":[{}]}', 200, 1),
        (b'{"status":"firing","alerts":[{"status":"resolved"}]}', 200, 1),
        (b'{"alerts":[{"labels":null},{"labels":{"a":1}}]}', 200, 2),
        (b'{"alerts":[{"fingerprint":"' + b"f" * 10_240 + b'"}]}', 200, 1),
        (b'{"alerts":[{"fingerprint":"a","status":"firing"},{"fingerprint":"a","status":"resolved"}]}', 200, 2),
        (b'{"alerts":[{"status":"resolved"},{"status":"firing"}]}', 200, 2),
        (b'{"text":"a payload of their own"}', 200, 0),
    ],
    ids=[
        "01 empty",
        "02 null",
        "03 list",
        "04 empty object",
        "05 words",
        "06 truncated",
        "07 UTF-16",
        "07 BOM",
        "12 nested",
        "13 duplicate keys",
        "14 NaN",
        "15 integer",
        "16 surrogate",
        "17 missing",
        "17 null",
        "17 object",
        "17 100k",
        "18 version",
        "19 truncated",
        "20 group",
        "21 labels",
        "22 fingerprint",
        "23 twice",
        "24 order",
        "25 payload",
    ],
)
async def test_only_what_is_no_json_is_refused_for_good(tokens, body, code, alerts):
    async with site(tokens) as server:
        answer = await server.post(body)
    assert status(answer) == code
    assert [len(taken[0]) for taken in server.intake.taken] == ([] if alerts is None else [alerts])
    assert server.telemetry.counted("webhook_requests_total", code=str(code)) == 1
    assert (b"the body is not JSON" in answer) == (code == 400)


@pytest.mark.parametrize("header", ["Content-Type: text/plain", "Content-Type: application/x-www-form-urlencoded", "Content-Type: nonsense", "X: y"])
async def test_26_the_content_type_does_not_matter(tokens, header):
    async with site(tokens) as server:
        assert status(await server.post(BODY, header)) == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Authorization: Bearer wrong"],
        ["Authorization: Bearer"],
        ["Authorization: "],
        ["Authorization: Basic YTpi"],
        [f"Authorization: {TOKEN}"],
        [f"Authorization: Bearer {TOKEN}x"],
        [f"Authorization: Bearer {TOKEN[:-1]}"],
        [f"Authorization: Bearer {TOKEN} {TOKEN}"],
        [f"Authorization: Bearer {TOKEN}", f"Authorization: Bearer {TOKEN}"],
        [f"Authorization: Bearer {TOKEN}", "Authorization: Bearer wrong"],
        [f"Authorization: Bearer {TOKEN}\udcff"],
        ["Authorization: Bearer tokené"],
        ["Proxy-Authorization: Bearer " + TOKEN],
    ],
    ids=[
        "none",
        "wrong",
        "no token",
        "empty",
        "basic",
        "no scheme",
        "longer",
        "shorter",
        "twice in one",
        "two headers",
        "two headers, one wrong",
        "bytes",
        "UTF-8",
        "proxy",
    ],
)
async def test_27_without_the_token_the_answer_is_401_and_no_byte_of_the_body_is_waited_for(tokens, headers):
    async with site(tokens) as server:
        answer = await server.ask(request(31 * MILLION, *headers, token=None))
    assert status(answer) == 401
    assert b"WWW-Authenticate: Bearer" in answer
    assert server.intake.taken == []
    assert server.telemetry.counted("webhook_requests_total", code="401") == 1


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_spelled_in_any_case(tokens, scheme):
    async with site(tokens) as server:
        assert status(await server.post(BODY, f"Authorization: {scheme} {TOKEN}", token=None)) == 200


async def test_27_a_token_with_a_newline_is_no_request_at_all(tokens):
    async with site(tokens) as server:
        answer = await server.ask(request(2, "Authorization: Bearer a\r\n -token", token=None) + b"{}")
    assert status(answer) in {400, 401}
    assert server.intake.taken == []


@pytest.mark.parametrize("made", [False, True], ids=["no folder given", "no file in it"])
async def test_where_no_token_is_configured_everybody_gets_503(tmp_path, made):
    async with site(tmp_path if made else None) as server:
        answer = await server.post(BODY)
    assert status(answer) == 503
    assert b"no token is configured: give the operator --token-dir with at least one file in it" in answer
    assert b"Retry-After: 5" in answer
    assert server.intake.taken == []


@pytest.mark.parametrize(
    "error",
    [Retryable("the API server did not answer"), Permanent("creating incidents is forbidden"), Conflict("somebody wrote first")],
    ids=["retryable", "permanent", "conflict"],
)
async def test_what_could_not_be_kept_is_answered_503_so_that_it_comes_again(tokens, error):
    async with site(tokens, error=error) as server:
        answer = await server.post(BODY)
    assert status(answer) == 503
    assert b"Retry-After: 5" in answer
    assert f"the alerts could not be kept now; send them again: {error}".encode() in answer
    assert server.telemetry.counted("webhook_requests_total", code="503") == 1


async def test_a_fault_of_ours_is_500_which_comes_again_too_and_is_counted(tokens, caplog):
    async with site(tokens, error=KeyError("a fault")) as server:
        answer = await server.post(BODY)
    assert status(answer) == 500
    assert b"a fault" not in answer
    assert server.telemetry.counted("webhook_requests_total", code="500") == 1


@pytest.mark.parametrize("how", ["Content-Length", "chunked", "packed"])
async def test_beyond_the_limit_it_is_400_counted_and_polled_for(tokens, how):
    async with site(tokens, longest_body=MILLION) as server:
        match how:
            case "Content-Length":
                answer = await server.ask(request(MILLION + 1))
            case "chunked":
                chunk = b"%x\r\n" % 100_000 + b" " * 100_000 + b"\r\n"
                answer = await server.ask(request(None, "Transfer-Encoding: chunked"), *[chunk] * 11)
            case _:
                answer = await server.post(gzip.compress(b" " * (MILLION + 1)), GZIP)
    assert status(answer) == 400
    assert b"the body is longer than 1000000 bytes; group alerts more finely, or set max_alerts" in answer
    assert server.telemetry.counted("webhook_oversize_total") == 1
    assert server.polls == ["poll"]
    assert server.intake.taken == []


async def test_exactly_at_the_limit_it_is_taken(tokens):
    async with site(tokens, longest_body=MILLION) as server:
        assert status(await server.post(BODY + b" " * (MILLION - len(BODY)))) == 200
    assert server.polls == []


async def test_08_a_packed_bomb_is_not_unpacked_beyond_the_limit(tokens):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(MILLION)) for _ in range(100)) + packer.flush()
    assert len(bomb) < MILLION
    async with site(tokens, longest_body=MILLION) as server:
        assert status(await server.post(bomb, GZIP)) == 400
        assert status(await server.post(BODY)) == 200
    assert server.telemetry.counted("webhook_oversize_total") == 1


async def test_a_packed_body_is_taken(tokens):
    async with site(tokens) as server:
        assert status(await server.post(gzip.compress(BODY), GZIP)) == 200
    assert server.intake.taken == [((ALERT,), NOON, 3)]


@pytest.mark.parametrize(
    ("body", "header"),
    [(b"not packed", GZIP), (gzip.compress(BODY)[:-30], GZIP), (gzip.compress(BODY), "Content-Encoding: identity")],
    ids=["not packed", "cut off", "packed unannounced"],
)
async def test_what_can_t_be_unpacked_is_400(tokens, body, header, caplog):
    async with site(tokens) as server:
        assert status(await server.post(body, header)) == 400
        assert status(await server.post(BODY)) == 200
    assert len(server.intake.taken) == 1
    assert [record.name for record in caplog.records if record.exc_info] == [], "no traceback"


NO_CHUNK = b"nonsense\r\n{}\r\n0\r\n\r\n"


async def test_a_chunk_that_is_none_is_400(tokens, caplog):
    async with site(tokens) as server:
        answer = await server.ask(request(None, "Transfer-Encoding: chunked", connection="keep-alive") + NO_CHUNK)
        assert status(answer) == 400
        assert status(await server.post(BODY)) == 200
    assert [record.name for record in caplog.records if record.exc_info] == [], "no traceback"


async def test_a_chunk_that_is_none_behind_a_head_that_is_read_is_a_body_that_does_not_end_and_comes_again(tokens, caplog):
    async with site(tokens, read_seconds=0.3) as server:
        answer = await server.ask(request(None, "Transfer-Encoding: chunked", connection="keep-alive"), NO_CHUNK, pause=0.05)
        assert status(answer) == 503
        assert status(await server.post(BODY)) == 200
    assert [record.name for record in caplog.records if record.exc_info] == [], "no traceback"


@pytest.mark.parametrize("how", ["09 endless chunks", "10 slow drip", "11 length too long"])
async def test_a_body_that_does_not_end_in_time_is_503_and_comes_again(tokens, how):
    async with site(tokens, read_seconds=0.3) as server:
        match how:
            case "09 endless chunks":
                answer = await server.ask(request(None, "Transfer-Encoding: chunked"), *[b"1\r\n \r\n"] * 12, pause=0.05)
            case "10 slow drip":
                answer = await server.ask(request(len(BODY)), *[BODY[number : number + 1] for number in range(12)], pause=0.05)
            case _:
                answer = await server.ask(request(len(BODY) + 1) + BODY)
    assert status(answer) == 503
    assert b"the body did not arrive within 0.3 s; send it again" in answer
    assert server.intake.taken == []


async def test_11_a_length_that_is_too_short_cuts_the_body_which_is_no_json_then(tokens):
    async with site(tokens) as server:
        answer = await server.ask(request(len(BODY) - 5, connection="keep-alive") + BODY)
    assert status(answer) == 400
    assert server.intake.taken == []


async def test_a_sender_that_hangs_up_harms_nobody(tokens):
    async with site(tokens) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request(1000) + b"{")
        await writer.drain()
        writer.close()
        await until(lambda: server.telemetry.counted("webhook_requests_total", code="503") == 1)
        assert status(await server.post(BODY)) == 200


async def test_beyond_so_many_at_once_it_is_503_without_work(tokens):
    async with site(tokens, room=Room(most=2)) as server:
        server.intake.gate = asyncio.Event()
        waiting = [asyncio.create_task(server.post(BODY)) for _ in range(2)]
        await until(lambda: server.intake.inside == 2)
        answer = await server.ask(request(1000))
        assert status(answer) == 503
        assert b"too many requests at once; send it again" in answer
        server.intake.gate.set()
        assert [status(await one) for one in waiting] == [200, 200]
        assert status(await server.post(BODY)) == 200


async def test_hundreds_of_small_bodies_wait_side_by_side_until_their_alerts_are_stored(tokens):
    async with site(tokens) as server:
        server.intake.gate = asyncio.Event()
        waiting = [asyncio.create_task(server.post(BODY)) for _ in range(300)]
        await until(lambda: server.intake.inside == 300)
        server.intake.gate.set()
        assert {status(await one) for one in waiting} == {200}


async def test_a_large_body_beyond_the_few_is_503_and_a_small_one_is_taken_beside_them(tokens):
    async with site(tokens, room=Room(large=1000, most_large=1)) as server:
        server.intake.gate = asyncio.Event()
        large = BODY + b" " * 1000
        first = asyncio.create_task(server.post(large))
        await until(lambda: server.intake.inside == 1)
        assert status(await server.post(large)) == 503
        small = asyncio.create_task(server.post(BODY))
        await until(lambda: server.intake.inside == 2)
        server.intake.gate.set()
        assert [status(await one) for one in (first, small)] == [200, 200]
        assert status(await server.post(large)) == 200


@pytest.mark.parametrize("how", ["chunked", "packed"])
async def test_a_body_of_unknown_length_takes_the_room_that_it_turns_out_to_need(tokens, how):
    async with site(tokens, room=Room(most_bytes=MILLION)) as server:
        for size, code in ((MILLION // 2, 200), (MILLION + 1, 503), (MILLION // 2, 200)):
            body = BODY + b" " * (size - len(BODY))
            if how == "packed":
                answer = await server.post(gzip.compress(body), GZIP)
            else:
                answer = await server.ask(request(None, "Transfer-Encoding: chunked"), b"%x\r\n" % size + body + b"\r\n0\r\n\r\n")
            assert status(answer) == code, size
    assert len(server.intake.taken) == 2


async def test_what_is_beyond_the_limit_is_told_so_even_where_there_is_no_room(tokens):
    async with site(tokens, longest_body=MILLION, room=Room(most=0)) as server:
        assert status(await server.ask(request(MILLION + 1))) == 400
        assert status(await server.post(BODY)) == 503


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/v1/alertmanager", 405),
        ("PUT", "/api/v1/alertmanager", 405),
        ("DELETE", "/api/v1/alertmanager", 405),
        ("HEAD", "/api/v1/alertmanager", 405),
        ("OPTIONS", "/api/v1/alertmanager", 405),
        ("POST", "/api/v1/alertmanager/", 404),
        ("POST", "//api/v1/alertmanager", 404),
        ("POST", "/api/v1/Alertmanager", 404),
        ("POST", "/api/v1/alertmanager/x", 404),
        ("POST", "/x/api/v1/alertmanager", 404),
        ("POST", "/api/v1/alertmanager%2f", 404),
        ("POST", "/api/v1", 404),
        ("POST", "/", 404),
    ],
)
async def test_another_path_is_404_and_another_method_405_both_without_work(tokens, method, path, code):
    async with site(tokens) as server:
        assert status(await server.post(BODY, method=method, path=path)) == code
    assert server.intake.taken == []
    assert server.telemetry.counts == {}


async def test_what_alertmanager_takes_for_lost_is_never_answered(tokens):
    async with site(tokens, longest_body=MILLION, room=Room(most=1)) as server:
        answers = [await server.post(body) for body in (BODY, b"", b" " * (MILLION + 1))]
        answers += [await server.post(BODY, token="wrong")]
    assert not {status(answer) for answer in answers} & {207, 413, 429}


@given(body=st.binary(max_size=200))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_no_body_is_answered_with_anything_but_200_and_400(tokens, body):
    async with site(tokens) as server:
        assert status(await server.post(body)) in {200, 400}
