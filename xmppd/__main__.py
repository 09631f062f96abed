"""``python -m xmppd [options]``: the same as ``twistd -n xmppd``, also from a bare checkout.

The ``twistd`` script does not look for plugins in the current folder; ``python -m`` does.
"""

import sys

from twisted.scripts.twistd import run

if __name__ == "__main__":
    sys.argv[1:1] = ["--nodaemon", "--pidfile=", "xmppd"]
    run()  # type: ignore[no-untyped-call]
