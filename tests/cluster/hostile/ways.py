"""The receivers of these tests, and the secrets that are planted for them."""

from __future__ import annotations

from tests.harness.api import Object
from tests.harness.installation import RECEIVER

PASSWORD = "Pl4ntedPassw0rd"
PATH_SECRET = "pl4nted-path-0123456789"
ROUTING_KEY = "PL4NTEDR0UTINGKEYPL4NTEDR0UTIN00"
SIGNING_KEY = "pl4nted signing key"
SECRETS = {
    "metadata": "https://169.254.169.254/latest/meta-data",
    "inside": "https://10.96.0.1/api/v1/secrets",
    "well": f"{RECEIVER}/well",
    "well-hmac": SIGNING_KEY,
    "broken": f"{RECEIVER}/{PATH_SECRET}?token={PATH_SECRET}",
    "moved": f"http://192.0.2.77/{PATH_SECRET}",
    "chat": f"json://{PATH_SECRET}:{PASSWORD}@192.0.2.78/x",
    "pl": ROUTING_KEY,
    "pl-url": f"{RECEIVER}/v2/broken",
}


def _method(name: str, transport: str, key: str) -> Object:
    return {"name": name, transport: {"key": key}}


def receiver(name: str, *methods: tuple[str, str, str]) -> Object:
    return {"name": name, "methods": [_method(*one) for one in methods]}


SECOND = ("second", "webhook", "secondary")
RECEIVERS: list[Object] = [
    receiver("primary", ("http", "webhook", "primary")),
    receiver("secondary", SECOND),
    receiver("ops-all", ("http", "webhook", "ops-all")),
    receiver("releases", ("http", "webhook", "releases")),
    receiver("first-fails", ("first", "webhook", "flaky"), SECOND),
    receiver("pager-first", ("pd", "pagerduty", "pager"), SECOND),
    receiver("pager-alone", ("pd", "pagerduty", "pager")),
    receiver("metadata-first", ("first", "webhook", "metadata"), SECOND),
    receiver("inside-first", ("first", "webhook", "inside"), SECOND),
    receiver("planted-first", ("first", "webhook", "broken"), SECOND),
    receiver("no-key-first", ("first", "webhook", "no-such-key"), SECOND),
    receiver(
        "five-ways",
        ("broken", "webhook", "broken"),
        ("moved", "webhook", "moved"),
        ("chat", "apprise", "chat"),
        ("pl", "pagerduty", "pl"),
        ("well", "webhook", "well"),
    ),
]
