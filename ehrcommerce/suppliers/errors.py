"""Why a callback is not taken."""


class CallbackRefused(Exception):
    """The callback was not taken. Nothing was changed. Check the secret of this supplier's row and its clock."""

    status = 401


class CallbackTooLarge(CallbackRefused):
    """The callback is longer than any hint needs to be. Nothing was read."""

    status = 413


class NoCertificate(CallbackRefused):
    """The callback did not come with the client certificate that this supplier's row names, verified by a proxy of
    ours. Nothing was changed. Compare the fingerprint in the row, EHRC_PROXY_ADDRESSES and the proxy's header."""
