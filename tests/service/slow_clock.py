"""The service with a wall clock that is behind: `python slow_clock.py SECONDS serve`. Workers and the database have the right time."""

from __future__ import annotations

import sys
import time

_time, _time_ns = time.time, time.time_ns

if __name__ == "__main__":
    behind_s = int(sys.argv.pop(1))
    # Before anything of the service is loaded, which may keep the functions themselves.
    time.time = lambda: _time() - behind_s
    time.time_ns = lambda: _time_ns() - behind_s * 1_000_000_000
    from connector.__main__ import main

    sys.exit(main(sys.argv[1:]))
