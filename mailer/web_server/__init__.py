"""The web server of `mailer serve`.

`sockets` inherits or opens a listening socket. `reloading` replaces the application while it serves.
`connections` limits connections. `server` is uvicorn's server with an orderly end and SIGHUP.
"""

from __future__ import annotations

from mailer.web_server.connections import BoundedProtocol, ConnectionLimits
from mailer.web_server.reloading import ReloadableApplication
from mailer.web_server.server import DrainingServer, connection_limit, raise_file_limit
from mailer.web_server.sockets import address_of, inherited_sockets, listen, socket_of

__all__ = [
    "BoundedProtocol",
    "ConnectionLimits",
    "DrainingServer",
    "ReloadableApplication",
    "address_of",
    "connection_limit",
    "inherited_sockets",
    "listen",
    "raise_file_limit",
    "socket_of",
]
