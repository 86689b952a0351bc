"""Certificates for tests: three that openssl made, and any other built byte by byte. Their signatures are nobody's, and nobody checks them here."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

INTEGER, BIT_STRING, OID, SEQUENCE, VERSION = 0x02, 0x03, 0x06, 0x30, 0xA0
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
P384 = bytes.fromhex("2a8648ce3d040303")


def der(tag: int, *contents: bytes) -> bytes:
    """An element, with its length in the shortest form."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    spelled = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 + len(spelled))) + spelled + content


def time(instant: datetime) -> bytes:
    """As RFC 5280 spells it: with two digits of the year until 2049."""
    if instant.year < 2050:
        return der(UTC_TIME, instant.strftime("%y%m%d%H%M%SZ").encode())
    return der(GENERALIZED_TIME, f"{instant.year:04}{instant:%m%d%H%M%S}Z".encode())


def certificate(begins: bytes, ends: bytes, *, version: bytes = der(VERSION, der(INTEGER, b"\x02")), more: bytes = b"") -> bytes:
    """In DER, with these two times."""
    algorithm, name = der(SEQUENCE, der(OID, P384)), der(SEQUENCE)
    key = der(SEQUENCE, algorithm, der(BIT_STRING, b"\x00" * 98))
    fields = der(SEQUENCE, version, der(INTEGER, b"\x07"), algorithm, name, der(SEQUENCE, begins, ends), name, key, more)
    return der(SEQUENCE, fields, algorithm, der(BIT_STRING, b"\x00" * 103))


def pem(content: bytes, label: str = "CERTIFICATE") -> bytes:
    """In PEM, 64 characters a line."""
    text = base64.b64encode(content).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def holding(not_before: datetime, not_after: datetime) -> bytes:
    """In PEM, from when until when."""
    return pem(certificate(time(not_before), time(not_after)))


ELLIPTIC = (
    b"""-----BEGIN CERTIFICATE-----
MIIBqTCCAU6gAwIBAgIUc4zHoFDbzkySk4gdVGuLIaHhvrowCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQc2hvcC5leGFtcGxlLmNvbTAeFw0yNjExMjkxNjU1MjhaFw0y
NzAyMjcxNjU1MjhaMBsxGTAXBgNVBAMMEHNob3AuZXhhbXBsZS5jb20wWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAAShyMN6/lRhp82rSZa1pP5S26C6R3onjMz3Q53o
iZ6ufAqNrIlAxBhT2x3lApl7jA3v9UGP7n/qhG/n81uY04iqo3AwbjAdBgNVHQ4E
FgQU37wRpTbo6GzMqTvlaE7XxTvaiJEwHwYDVR0jBBgwFoAU37wRpTbo6GzMqTvl
aE7XxTvaiJEwDwYDVR0TAQH/BAUwAwEB/zAbBgNVHREEFDASghBzaG9wLmV4YW1w
bGUuY29tMAoGCCqGSM49BAMCA0kAMEYCIQCg0n7Pvgc8CA+XA2Z8iEeX1C6B55zQ
Ir0iOnNk6stJSAIhAKAazS03F130YgZ/8rUcSQR70AMJ207DBk3xl2Vq+hRK
-----END CERTIFICATE-----
""",
    datetime(2026, 11, 29, 16, 55, 28, tzinfo=UTC),
    datetime(2027, 2, 27, 16, 55, 28, tzinfo=UTC),
)
"""openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 90."""
LONG = (
    b"""-----BEGIN CERTIFICATE-----
MIIDFTCCAf2gAwIBAgIUXOOnsTyYrwb7GKVbK+18Dq3YpZswDQYJKoZIhvcNAQEL
BQAwGTEXMBUGA1UEAwwOY2EuZXhhbXBsZS5jb20wIBcNMjYxMTI5MTY1NTMwWhgP
MjA4MTA5MDExNjU1MzBaMBkxFzAVBgNVBAMMDmNhLmV4YW1wbGUuY29tMIIBIjAN
BgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAlY2WfcbJAfhGJBsybpEZdoZ++55V
OeXbSjb4f7smZmmn4o7hyDtdq7lD2OWi+ALdhjrpTOl/pEny/oNo1dTIiGon7U1w
pAhazDHqQDSK9+wx4Udjx6QtKt6UBvWP3JjNjR31VP63PT+ah72ojHb8UWTLo/pf
uS0S8JkZ4UiP0nA6OAZexWcIKyWJRI9jSLQUljYILB3DYR9Y396NKI5ehn0zVP58
9KTzEWDbqL1ddK2ltxMT7tZ6J7sdq5oQw95TNGI0MKt8DI5X5+lbqFDVGal3N9PK
Jrt1Z0P97g1eMTLmbonpEgLqoONKbcaoFYdp6wdoL2RbO5ER8E+nSH5MfQIDAQAB
o1MwUTAdBgNVHQ4EFgQUi/PRYrhRmgRpZNDdH0RNDFvZ5LcwHwYDVR0jBBgwFoAU
i/PRYrhRmgRpZNDdH0RNDFvZ5LcwDwYDVR0TAQH/BAUwAwEB/zANBgkqhkiG9w0B
AQsFAAOCAQEAeGp/KXmVrKpG21/AaDnJdUkLgtZdmWHV4ZPVCixwlO/jEvtBoi22
EHK18yWtJ9PRx2Brwz+9NREm0L2wsipB91IkRJMIKwRq1D4cuZOIK4L8l+g6lrIP
8b1Esy6k8YBPDPb9B4Dw08gEA5UjabR1zvZjlOA/zU3Sk0EdzDlALqieEWTKgNNT
JBIt1sc1yMJgj39hvSniCyJZz/EwY/jb5tEdWevSDxVDffvyp2jh4em4VPl9ds6C
OeLmzkVSkXT2WSurUcY6joy9qTKZkNU0FIOQrN7bPD1oopEYwHOCbX5o0kqDA/PX
vqXxoe9SoV33C3vKSxxaDwMyylNIsMJvug==
-----END CERTIFICATE-----
""",
    datetime(2026, 11, 29, 16, 55, 30, tzinfo=UTC),
    datetime(2081, 9, 1, 16, 55, 30, tzinfo=UTC),
)
"""openssl req -x509 -newkey rsa:2048 -days 20000: it ends after 2049."""
OLD = (
    b"""-----BEGIN CERTIFICATE-----
MIIBFDCBuwIUWREtDNhED/krAun3nwUHhksTSg4wCgYIKoZIzj0EAwIwDTELMAkG
A1UEAwwCdjEwHhcNMjYxMTI5MTY1NTMwWhcNMjYxMTMwMTY1NTMwWjANMQswCQYD
VQQDDAJ2MTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKHIw3r+VGGnzatJlrWk
/lLboLpHeieMzPdDneiJnq58Co2siUDEGFPbHeUCmXuMDe/1QY/uf+qEb+fzW5jT
iKowCgYIKoZIzj0EAwIDSAAwRQIgFBXs7Rk1Tt8TzDdTP4aDzpI2xYtARonDU0Oy
g9lxWlgCIQC0C+4iA7h4Bu/lUYD6BJeRraL41mqsnaeJX6D4Btc6hA==
-----END CERTIFICATE-----
""",
    datetime(2026, 11, 29, 16, 55, 30, tzinfo=UTC),
    datetime(2026, 11, 30, 16, 55, 30, tzinfo=UTC),
)
"""openssl x509 -req -signkey -days 1: without a version."""
