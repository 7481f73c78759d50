"""The lifetimes of certificates, by their purpose."""

from __future__ import annotations

import datetime
from typing import Final

AUTHORITY_LIFETIME: Final = datetime.timedelta(days=3650)
SERVER_LIFETIME: Final = datetime.timedelta(days=365)
CLIENT_LIFETIME: Final = datetime.timedelta(days=365)
NODE_LIFETIME: Final = datetime.timedelta(days=30)
