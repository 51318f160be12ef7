from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # neonize asks `uname` at import and leaves the answer's pipe open: its fault, and no warning of ours.
    warnings.simplefilter("ignore", ResourceWarning)
    from sessions.worker.library import load

    load()
