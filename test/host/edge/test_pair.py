from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from raab.host.edge.pair import problems, root

Make = Callable[..., tuple[Path, Path]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A certificate and its key."""

    def write(*names: str, days: tuple[int, int] = (-1, 90), kind: str = "ec", password: bytes = b"") -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "some authority")])
        now = datetime.now(timezone.utc)
        built = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=days[0]))
            .not_valid_after(now + timedelta(days=days[1]))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=True)
            .sign(key, hashes.SHA256())
        )
        place = tmp_path / str(len(list(tmp_path.iterdir())))
        place.mkdir()
        locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        (place / "cert.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
        written = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
        (place / "key.pem").write_bytes(written)
        return place / "cert.pem", place / "key.pem"

    return write


def said(certificate: Path, key: Path, *domains: str) -> str:
    return "; ".join(text for text, hint in problems(certificate, key, domains) if hint)


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_what_belongs_together_has_none(make: Make, kind: str) -> None:
    assert not said(*make("shop.test", "*.shop.test", kind=kind), "shop.test", "www.shop.test", "*.shop.test")


def test_another_ones_key(make: Make) -> None:
    certificate, key = make("shop.test")[0], make("shop.test")[1]
    assert said(certificate, key, "shop.test") == f"certificate: {key} is not the key of {certificate}"


def test_a_domain_that_it_does_not_have(make: Make) -> None:
    pair = make("shop.test")
    assert "not good for blog.test, got: Hostname mismatch" in said(*pair, "shop.test", "blog.test")
    assert "not good for *.shop.test" in said(*pair, "*.shop.test")


@pytest.mark.parametrize(("days", "words"), [((-90, -1), "certificate has expired"), ((1, 90), "certificate is not yet valid")])
def test_a_time_that_is_not_now(make: Make, days: tuple[int, int], words: str) -> None:
    assert words in said(*make("shop.test", days=days), "shop.test")


def test_a_key_with_a_password_is_not_asked_for_it(make: Make) -> None:
    certificate, key = make("shop.test", password=b"secret")
    assert said(certificate, key, "shop.test") == f"certificate: {key} is encrypted"


def test_files_that_are_none(make: Make, tmp_path: Path) -> None:
    certificate, key = make("shop.test")
    assert "is not in PEM" in said(key, certificate, "shop.test")
    assert said(tmp_path / "none", key, "shop.test") == f"certificate: {tmp_path}/none: No such file or directory"
    assert said(certificate, tmp_path, "shop.test") == f"certificate: {tmp_path}: Is a directory"
    (tmp_path / "garbage").write_bytes(bytes(range(256)))
    assert "is not in PEM" in said(tmp_path / "garbage", key, "shop.test")
    assert not list(root(certificate))
    assert [text for text, _ in root(tmp_path / "garbage")] and [text for text, _ in root(key)]
