"""The lab's own certificate authority and the certificate that speaks for WhatsApp's host names.

The authority lives in the data folder, so that an engine which trusts it goes on trusting it after a restart.
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOSTS = ("web.whatsapp.com", "*.whatsapp.com", "*.whatsapp.net", "mmg.whatsapp.net", "static.whatsapp.net", "localhost")
_LIFE = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """`ca` is the PEM file an engine must trust; `chain` (key and leaf) is what the server shows."""

    ca: Path
    chain: Path

    def context(self) -> ssl.SSLContext:
        """A server context that offers HTTP/1.1 only: the engine's websocket needs the upgrade."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain)
        context.set_alpn_protocols(["http/1.1"])
        return context


def ensure(folder: Path) -> TlsFiles:
    """The files in `folder`; made when they are missing. The authority's key is not kept: nothing else needs signing."""
    files = TlsFiles(ca=folder / "ca.pem", chain=folder / "server.pem")
    if not (files.ca.exists() and files.chain.exists()):
        ca_pem, chain_pem = _issue(datetime.now(UTC))
        files.chain.touch(mode=0o600)
        files.chain.write_bytes(chain_pem)
        files.ca.write_bytes(ca_pem)
    return files


def _issue(now: datetime) -> tuple[bytes, bytes]:
    ca_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("Vigia lab authority")
    ca = (
        _certificate(ca_name, ca_name, ca_key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    leaf = (
        _certificate(_name("web.whatsapp.com"), ca_name, leaf_key, now)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    key_pem = leaf_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    ca_pem, leaf_pem = (c.public_bytes(serialization.Encoding.PEM) for c in (ca, leaf))
    return ca_pem, key_pem + leaf_pem


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # a machine whose clock is a little behind still trusts it
        .not_valid_after(now + _LIFE)
    )
