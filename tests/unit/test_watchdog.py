"""The watchdog against a reactor that blocks, in a process of its own."""

import subprocess
import sys

SERVER = """
import sys, threading
from twisted.internet import reactor
from twisted.logger import globalLogBeginner, textFileLogObserver
from xmppd.watchdog import StallWatch

said = threading.Event()
def observe(event):
    if "reactor is blocked" in event.get("log_format", ""):
        print(event["log_format"].format(**event), flush=True)
        said.set()
globalLogBeginner.beginLoggingTo([observe], redirectStandardIO=False)

def a_slow_handler():
    said.wait(30)
    reactor.stop()

watch = StallWatch(reactor, 0.2)
watch.startService()
reactor.callWhenRunning(a_slow_handler)
reactor.addSystemEventTrigger("before", "shutdown", watch.stopService)
reactor.run()
"""


def test_the_place_where_the_reactor_stands_is_logged_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVER], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "in a_slow_handler" in done.stdout
    assert done.stdout.count("reactor is blocked") == 1
