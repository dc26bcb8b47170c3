"""A server of certificates over TLS on this machine, by an authority of the tests' own."""

import http.server
import ipaddress
import ssl
import threading
import time
from contextlib import contextmanager

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.identity.signing import BEGIN, DAY

ANSWERS = {}
"""Path to (status, headers, pieces, seconds before each piece)."""


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, headers, pieces, wait_s = ANSWERS[self.path]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for piece in pieces:
                time.sleep(wait_s)
                self.wfile.write(piece)
                self.wfile.flush()
        except OSError:
            pass  # the other end has had enough

    def log_message(self, *_):
        pass


@contextmanager
def served(folder, answers):
    """The server's port and the path of a file with the authority that vouches for `localhost`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGIN)
        .not_valid_after(BEGIN + 36_500 * DAY)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    authority, both = folder / "authority.pem", folder / "server.pem"
    authority.write_bytes(certificate.public_bytes(Encoding.PEM))
    both.write_bytes(authority.read_bytes() + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    ANSWERS.clear()
    ANSWERS.update(answers)
    try:
        yield server.server_address[1], authority
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
