"""A certificate and its key, as files. Standard library only: OpenSSL judges, in a handshake of memory with memory."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path

Problem = tuple[str, str]


class _Locked(Exception):
    """OpenSSL wants a password."""


def root(path: Path) -> Iterator[Problem]:
    """What is wrong with a file of certificates by which others are believed."""
    try:
        ssl.create_default_context(cafile=str(path))
    except OSError as error:
        yield f"certificate: {path}: no certificates in PEM, got {_reason(error)}", "name the authority's root"


def problems(certificate: Path, key: Path, domains: Sequence[str]) -> Iterator[Problem]:
    """Why a server could not use them, or a client would not believe them for one of the domains. Who vouches for the certificate is not
    looked at."""
    for path in (certificate, key):
        try:
            path.read_bytes()
        except OSError as error:
            yield f"certificate: {path}: {_reason(error)}", "name a file that is there"
            return
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        server.load_cert_chain(certificate, key, password=_locked)
    except _Locked:
        yield f"certificate: {key} is encrypted", "bring the key without a password; its file is root's alone"
        return
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            yield f"certificate: {key} is not the key of {certificate}", "bring the two that belong together"
        else:
            yield f"certificate: {certificate} or {key} is not in PEM, got {_reason(error)}", "bring the chain, own one first, and its key"
        return
    for domain in domains:
        if said := _disbelieved(server, certificate, domain.replace("*", "any", 1)):
            yield f"certificate: {certificate}: not good for {domain}, got: {said}", "bring a newer one, or one with all the domains"


def _locked() -> str:
    raise _Locked


def _disbelieved(server: ssl.SSLContext, certificate: Path, domain: str) -> str:
    """What a client would say who believes this very certificate; empty where it is content."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(certificate)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = client.wrap_bio(back, there, server_hostname=domain), server.wrap_bio(there, back, server_side=True)
    try:
        for _ in range(4):
            for end in ends:
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    return ""


def _reason(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error.strerror or error)
