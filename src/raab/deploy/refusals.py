"""Why a login went wrong, one sentence for each way."""

from __future__ import annotations

import socket

import paramiko

from raab.deploy import exitcodes
from raab.deploy.environment import Host
from raab.errors import RaabError


def explain(host: Host, error: Exception) -> RaabError:
    """One sentence for each way in which a login goes wrong."""
    where = f"host {host.name} ({host.address}:{host.port})"
    if isinstance(error, paramiko.BadHostKeyException):
        got = error.key.fingerprint
        hint = f"if the host was really set up anew: ssh-keygen -f {host.known_hosts} -R {host.address}, then add its new key"
        return RaabError(f"{where}: its host key has changed, got {got}", hint, exitcodes.UNREACHABLE)
    if isinstance(error, paramiko.SSHException) and "not found in known_hosts" in str(error):
        hint = f"compare its fingerprint, then: ssh-keyscan -p {host.port} {host.address} >> {host.known_hosts}"
        return RaabError(f"{where}: its host key is unknown, got none in {host.known_hosts}", hint, exitcodes.UNREACHABLE)
    if isinstance(error, paramiko.AuthenticationException | paramiko.PasswordRequiredException):
        with_key = f" with the key {host.identity}" if host.identity else ""
        return RaabError(
            f"{where}: the login as {host.user}{with_key} was refused, got: {error}",
            "add the public key there, or name another one as identity",
            exitcodes.UNREACHABLE,
        )
    if isinstance(error, FileNotFoundError) and host.identity:
        return RaabError(
            f"{where}: the key cannot be read, got {host.identity}", "correct identity in the environment's file", exitcodes.BAD_INPUT
        )
    if isinstance(error, socket.gaierror):
        return RaabError(
            f"{where}: its name is not known, got: {error.strerror}", "correct its address in the environment's file", exitcodes.UNREACHABLE
        )
    return RaabError(
        f"{where}: it cannot be reached, got: {error or type(error).__name__}", "is it up, and is the address right?", exitcodes.UNREACHABLE
    )
