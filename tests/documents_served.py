"""A server of documents over TLS on this machine, with an authority of its own."""

import asyncio
import json
import re
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _named(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(subject, issuer, key, signed_by, *, authority, names=()):
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(subject))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signed_by.public_key()), critical=False
        )
    )
    if authority:  # without it, Python 3.13 trusts none
        builder = builder.add_extension(SIGNS_CERTIFICATES, critical=True)
    if names:
        alternatives = [x509.DNSName(name) for name in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(signed_by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Documents:
    """The documents by their paths, what was asked for, and the authority to trust."""

    def __init__(self, authority):
        self.by_path = {}
        self.asked = []
        self.questions = []
        self.trust = ssl.create_default_context(cadata=authority.decode())
        self.port = 0

    async def answer(self, reader, writer):
        """Answer one request: bytes as a document, a number as a status, None never."""
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        self.asked.append(path)
        if head.startswith(b"POST "):
            [length] = re.findall(rb"(?i)content-length: (\d+)", head)
            self.questions.append(json.loads(await reader.readexactly(int(length))))
        found = self.by_path.get(path, 404)
        status, body = (200, found) if isinstance(found, bytes) else (found, b"")
        if status is None:
            await reader.read()
        elsewhere = "Location: /elsewhere\r\n" if status == 302 else ""
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{elsewhere}Connection: close\r\n\r\n".encode()
            + body
        )
        writer.close()


@asynccontextmanager
async def documents(*names):
    """Serve documents under these host names."""
    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("authority", "authority", root, root, authority=True)
    leaf = _certificate(names[0], "authority", key, root, authority=False, names=names)
    served = Documents(authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        pem = Path(folder) / "server.pem"
        pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + leaf
        )
        context.load_cert_chain(pem)
    server = await asyncio.start_server(served.answer, "127.0.0.1", 0, ssl=context)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()


async def here(_host, _port):
    """Say that every name leads to this machine."""
    return ["127.0.0.1"]
