"""An SMTP server for tests: aiosmtpd with STARTTLS and AUTH. Each transmission that it takes, each recipient that it refuses and each
login that fails is a line of JSON in a file, written through before the server answers.

Recipients say what becomes of them by their names:
    refuse@…      550, always
    later-N@…     451 the first N times, for each address
    hang@…        the message is taken, written down, and not answered until the file `go` beside the log is there
"""

import argparse
import asyncio
import json
import os
import ssl
import sys
from email import message_from_bytes
from email.policy import default as default_policy

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Recorded(SMTP):
    """Writes down what came over the wire, as it came."""

    wire = None

    def data_received(self, data):
        self.wire.write(data)
        super().data_received(data)


class Handler:
    def __init__(self, path):
        self.log = open(path, "a", buffering=1, encoding="utf-8")
        self.go = os.path.join(os.path.dirname(path), "go")
        self.refusals = {}

    def note(self, line):
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()

    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name == "refuse":
            self.note({"refused": address})
            return "550 5.1.1 no such user"
        if name.startswith("later-"):
            refusals = self.refusals.get(address, 0)
            if refusals < int(name.split("-")[1]):
                self.refusals[address] = refusals + 1
                self.note({"later": address})
                return "451 4.3.0 come back later"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = message_from_bytes(envelope.content, policy=default_policy)
        text = message.get_body(("plain",))
        html = message.get_body(("html",))
        self.note({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "message_id": message["Message-ID"],
            "date": message["Date"],
            "subject": message["Subject"],
            "headers": [[name, str(value)] for name, value in message.items()],
            "text": text.get_content() if text else None,
            "html": html.get_content() if html else None,
            "attachments": [part.get_filename() for part in message.iter_attachments()],
            "tls": session.ssl is not None,
            "user": session.auth_data.login.decode() if session.auth_data else None,
            "size_bytes": len(envelope.content),
        })
        if any(to.startswith("hang@") for to in envelope.rcpt_tos):
            while not os.path.exists(self.go):
                await asyncio.sleep(0.01)
        return "250 2.0.0 taken"


async def serve(args):
    handler = Handler(args.log)
    Recorded.wire = open(os.path.join(os.path.dirname(args.log), "wire"), "ab", buffering=0)
    tls = None
    if args.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(args.certificate, args.key)

    def authenticate(server, session, envelope, mechanism, data):
        good = (
            isinstance(data, LoginPassword)
            and data.login.decode() == args.user
            and data.password.decode() == args.password
        )
        if not good:
            handler.note({"login_refused": True})
            return AuthResult(success=False, handled=False)
        return AuthResult(success=True, auth_data=data)

    def connection():
        return Recorded(
            handler,
            hostname="smtp.test",
            tls_context=tls,
            require_starttls=tls is not None,
            auth_required=args.user is not None,
            auth_require_tls=tls is not None,
            authenticator=authenticate,
            data_size_limit=16 << 20,
        )

    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", args.port)
    print(server.sockets[0].getsockname()[1], flush=True)
    # It ends with the test, whichever way that ends: then its standard input is closed.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--log", required=True)
parser.add_argument("--certificate")
parser.add_argument("--key")
parser.add_argument("--user")
parser.add_argument("--password")
asyncio.run(serve(parser.parse_args()))
os._exit(0)
