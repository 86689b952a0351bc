"""Who we are towards the API server: a service account's token in the cluster, or a kubeconfig outside of it.

The rule this module protects: credentials expire while we run, so whoever is answered 401 can have them loaded again.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Protocol

from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from prunella.app.errors import Permanent

from . import kubeconfig

_RELOAD_PAUSE_SECONDS = 5.0
"""A server that answers 401 for good does not make us run an exec plugin for each request."""


class Credentials(Protocol):
    """Where the API server is and how it knows us."""

    server: str
    """Its URL, without a trailing slash."""
    tls: ssl.SSLContext | None
    """What verifies the server, with our client certificate where there is one."""
    tls_server_name: str | None
    """The name in the server's certificate, where it differs from the URL's host."""
    proxy: str | None
    """The kubeconfig's `proxy-url`."""

    async def authorization(self) -> str | None:
        """The Authorization header, fresh."""

    async def reload(self) -> bool:
        """Load everything again after a 401. False where that was done a moment ago."""


class Anonymous:
    """Plain HTTP without a user: for a local proxy such as `kubectl proxy`."""

    def __init__(self, server: str) -> None:
        self.server = server.rstrip("/")
        self.tls: ssl.SSLContext | None = None
        self.tls_server_name: str | None = None
        self.proxy: str | None = None

    async def authorization(self) -> str | None:
        """Nobody."""
        return None

    async def reload(self) -> bool:
        """There is nothing to load."""
        return False


class KubeCredentials:
    """Credentials as the official client loads them: token files, exec plugins, OIDC and client certificates included."""

    def __init__(self, kubeconfig: str | None, context: str | None) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._loaded = float("-inf")
        self._lock = asyncio.Lock()

    async def load(self) -> None:
        """Read the configuration. Raises Permanent with a sentence where there is none, or it can't be used."""
        configuration = Configuration()
        try:
            if self._kubeconfig is not None or self._context is not None:
                path = self._kubeconfig or config.KUBE_CONFIG_DEFAULT_LOCATION
                kubeconfig.place(path, self._context)  # says in a sentence what is wrong with a file; the official loader fails inside of it
                await config.load_kube_config(config_file=path, context=self._context, client_configuration=configuration, persist_config=False)  # type: ignore[no-untyped-call]
            else:
                config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except config.ConfigException as error:
            where = self._kubeconfig or "the cluster's service account"
            raise Permanent(f"No API server is known: {where}: {error}; outside of a cluster pass `--kubeconfig`") from error
        client = ApiClient(configuration)
        self.tls: ssl.SSLContext | None = client.rest_client.ssl_context if configuration.host.startswith("https") else None
        await client.close()  # type: ignore[no-untyped-call]
        self.server: str = configuration.host.rstrip("/")
        self.tls_server_name: str | None = configuration.tls_server_name
        self.proxy: str | None = configuration.proxy
        self._configuration = configuration
        self._loaded = asyncio.get_running_loop().time()

    async def authorization(self) -> str | None:
        """The bearer token. In the cluster its file is read again every minute, as the kubelet rotates it."""
        token: str | None = await self._configuration.get_api_key_with_prefix("BearerToken")
        return token

    async def reload(self) -> bool:
        """Load again: a token file, an exec plugin's token or a certificate may have been renewed."""
        async with self._lock:
            if asyncio.get_running_loop().time() - self._loaded < _RELOAD_PAUSE_SECONDS:
                return False
            await self.load()
            return True
