"""The log of the HTTP library, without what strangers make of it.

The rule this module protects: whoever can open a connection can't fill the log, nor put words into it. What is no HTTP is answered with 400 by the
library and is no fault of ours; its bytes, among which a token may be, are not repeated. A fault of ours stays an error with its traceback.
"""

from __future__ import annotations

import logging
from typing import Final

from aiohttp import http_exceptions, web

NAME: Final = "prunella.web.http"


def logger() -> logging.Logger:
    """The logger for aiohttp's server."""
    made = logging.getLogger(NAME)
    if not any(isinstance(one, _Strangers) for one in made.filters):
        made.addFilter(_Strangers())
    return made


class _Strangers(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Pass everything but what a stranger's bytes brought about: that is told at level debug, without the bytes."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, http_exceptions.HttpProcessingError | web.RequestPayloadError):
            return True
        record.msg, record.args, record.exc_info, record.exc_text = "A connection sent what is no HTTP", (), None, None
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return logging.getLogger(NAME).isEnabledFor(logging.DEBUG)
