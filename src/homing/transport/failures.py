"""libcurl's error numbers as failure kinds."""

from __future__ import annotations

import pycurl

from homing.model.outcome import FailureKind, TransportFailure

_KINDS: dict[int, FailureKind] = {
    pycurl.E_COULDNT_RESOLVE_HOST: FailureKind.DNS,
    pycurl.E_COULDNT_RESOLVE_PROXY: FailureKind.DNS,
    pycurl.E_COULDNT_CONNECT: FailureKind.CONNECT,
    pycurl.E_INTERFACE_FAILED: FailureKind.CONNECT,
    pycurl.E_NO_CONNECTION_AVAILABLE: FailureKind.CONNECT,
    pycurl.E_FAILED_INIT: FailureKind.CONNECT,
    pycurl.E_OUT_OF_MEMORY: FailureKind.CONNECT,
    pycurl.E_OPERATION_TIMEDOUT: FailureKind.TIMEOUT,
    pycurl.E_SSL_CONNECT_ERROR: FailureKind.TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: FailureKind.TLS,
    pycurl.E_SSL_CERTPROBLEM: FailureKind.TLS,
    pycurl.E_SSL_CIPHER: FailureKind.TLS,
    pycurl.E_SSL_CACERT_BADFILE: FailureKind.TLS,
    pycurl.E_SSL_CRL_BADFILE: FailureKind.TLS,
    pycurl.E_SSL_ENGINE_INITFAILED: FailureKind.TLS,
    pycurl.E_SSL_ENGINE_NOTFOUND: FailureKind.TLS,
    pycurl.E_SSL_ENGINE_SETFAILED: FailureKind.TLS,
    pycurl.E_SSL_ISSUER_ERROR: FailureKind.TLS,
    pycurl.E_SSL_PINNEDPUBKEYNOTMATCH: FailureKind.TLS,
    pycurl.E_SSL_INVALIDCERTSTATUS: FailureKind.TLS,
    pycurl.E_FILESIZE_EXCEEDED: FailureKind.TOO_LARGE,
    pycurl.E_WRITE_ERROR: FailureKind.TOO_LARGE,
    100: FailureKind.TOO_LARGE,  # CURLE_TOO_LARGE (headers beyond libcurl's limit), unnamed in pycurl
    pycurl.E_URL_MALFORMAT: FailureKind.BLOCKED,
    pycurl.E_UNSUPPORTED_PROTOCOL: FailureKind.CLOSED,  # the peer does not speak HTTP
}


def failure_of(code: int, text: str) -> TransportFailure:
    """What libcurl's error means for the push. Anything unknown counts as "lost in the middle", the careful reading."""
    return TransportFailure(_KINDS.get(code, FailureKind.CLOSED), f"{text or 'no further word'} (libcurl {code})"[:300])
