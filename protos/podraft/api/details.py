"""The names in what the API tells besides its messages, for whoever sends and whoever reads.

Owns: the reasons and keys of errors' details (``google.rpc.ErrorInfo``), and of metadata.
"""

from __future__ import annotations

from typing import Final

ERROR_DOMAIN: Final = "podraft.io"
# The reason that a list cannot go on at its revision, and the key of the token by which it can at
# the newest one.
CONTINUE_EXPIRED: Final = "CONTINUE_EXPIRED"
CONTINUE_TOKEN: Final = "continueToken"
# The key of a warning in the trailing metadata of a call that succeeded: UTF-8, one line; repeated.
WARNING_KEY: Final = "podraft-warning-bin"
