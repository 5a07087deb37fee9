"""Mail: a cause is a thread."""

from __future__ import annotations

import datetime as dt
import ssl
from email.charset import QP, Charset
from email.header import Header
from email.message import Message as Letter
from email.utils import format_datetime
from typing import TYPE_CHECKING

import aiosmtplib

from driftline.errors import UsageError
from driftline.notify.web import Refused

if TYPE_CHECKING:
    from driftline.notify.message import Message
    from driftline.notify.routes import Mail
    from driftline.notify.text import Text

__all__ = ["MailSender", "letter"]

TIMEOUT_S = 30.0
PLAIN = Charset("utf-8")
PLAIN.body_encoding = QP
LOGIN = range(530, 540)
"""Answers about the log-in, which can be mended while the message is tried again."""


class MailSender:
    """Sends through one mail server; a connection for each message, as they are few."""

    def __init__(self, target: Mail) -> None:
        self._target = target
        self._password = None if target.password is None else target.password.read()
        self._trusted = None if target.security == "none" else _trusted(target.ca)

    async def send(self, message: Message, text: Text) -> str:
        """Send a message; return the server's answer."""
        target = self._target
        try:
            refused, answer = await aiosmtplib.send(
                letter(message, text, target),
                hostname=target.host,
                port=target.port,
                use_tls=target.security == "tls",
                start_tls=target.security == "starttls",
                tls_context=self._trusted,
                username=target.username,
                password=self._password,
                timeout=TIMEOUT_S,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [each.code for each in error.recipients]
            final = all(500 <= code < 600 for code in codes)
            msg = f"{target.host}: recipients refused: {error.recipients[0].message}"
            raise Refused(msg, final=final) from error
        except aiosmtplib.SMTPResponseException as error:
            final = 500 <= error.code < 600 and error.code not in LOGIN
            msg = f"{target.host}: {error.code} {error.message}"
            raise Refused(msg, final=final) from error
        except (TimeoutError, aiosmtplib.SMTPException, OSError) as error:
            msg = f"{target.host}:{target.port}: {type(error).__name__}: {error}"
            raise Refused(msg) from error
        return answer if not refused else f"{answer}; refused: {', '.join(sorted(refused))}"


def _trusted(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:  # ssl.SSLError is one
        msg = f"ca: expected a PEM file, got {ca}: {error}"
        raise UsageError(msg) from error


def letter(message: Message, text: Text, target: Mail) -> Letter[str, str | Header]:
    """Return a message as mail.

    The first one about a cause has an id made of the cause, which all others answer: programs show
    them as one thread, also when some of them were lost. Said again, a message has the same id.
    """
    domain = target.sender.rpartition("@")[2]
    first = f"<{message.key}.{message.route.encode().hex()}@{domain}>"
    mail: Letter[str, str | Header] = Letter()
    mail.set_payload(f"{text}\n", PLAIN)
    # As one encoded word: EmailMessage adds a blank before a word with a letter beyond ASCII.
    mail["Subject"] = Header(text.first, "us-ascii" if text.first.isascii() else "utf-8")
    mail["From"] = target.sender
    mail["To"] = ", ".join(target.to)
    mail["Date"] = format_datetime(dt.datetime.fromtimestamp(message.at / 1e6, dt.UTC))
    if message.number == 1:
        mail["Message-ID"] = first
    else:
        mail["Message-ID"] = f"<{message.id}@{domain}>"
        mail["In-Reply-To"] = mail["References"] = first
    # A machine wrote it: no answers from people who are away.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Driftline-Cause"] = message.key
    mail["X-Driftline-State"] = message.state
    return mail
