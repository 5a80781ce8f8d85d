"""When certificates are good, by what they say themselves."""

from __future__ import annotations

import ssl

from raab.host.edge.look import validity


def test_a_certificate_says_since_and_until_when_it_is_good() -> None:
    """Of each authority that this machine believes, as OpenSSL reads it; some of them are good for longer than two digits can say."""
    context = ssl.create_default_context()
    told = {
        (ssl.cert_time_to_seconds(str(one["notBefore"])), ssl.cert_time_to_seconds(str(one["notAfter"]))) for one in context.get_ca_certs()
    }
    assert len(told) > 20 and {validity(one) for one in context.get_ca_certs(binary_form=True)} == told


def test_what_is_no_certificate_is_good_never() -> None:
    assert validity(b"") == validity(b"\x30\x1e") == validity(b"nothing of the kind") == (0.0, 0.0)
