"""A disk whose power fails: powerloss.py TEST_BINARY WRITER RUNS

An ext4 file system lies on a loop device whose backing file is in memory, or below /tmp where memory has too little room. The writer is stopped at a random moment and the backing file
is copied: the copy holds only what had really been written to the "disk". Whoever comes next starts from that copy, as a machine does.
WRITER is the test that appends and prints "acknowledged SEQ" after each append that returned. Prints how many runs lost something.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

binary, writer, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
judge = "ledger::power::everything_acknowledged_is_there_and_whole"
# The disk, its copy, and some room.
FREE_BYTES_MIN = 600 * 1024 * 1024
UNMOUNT_TRIES_MAX = 50
random.seed(int(os.environ.get("SEED", "3")))


def test(name, ledger, **more):
    argv = [binary, "--exact", name, "--include-ignored", "--nocapture"]
    return argv, {**os.environ, "POINTSMAN_TEST_CHILD_LEDGER": ledger, **more}


def run(*argv):
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def unmount(at):
    """What was killed a moment ago may keep it busy for another one."""
    for _ in range(UNMOUNT_TRIES_MAX - 1):
        if subprocess.run(["umount", at], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
            return
        time.sleep(0.2)
    run("umount", at)


def acknowledged_before_the_end(ledger, disk, image):
    """Lets the writer write for a moment, fails the power, and returns the last seq it was told."""
    argv, env = test(writer, ledger)
    child = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        os.set_blocking(child.stdout.fileno(), False)
        said, first, moment = b"", None, random.uniform(0.02, 0.3)
        while first is None or time.monotonic() - first < moment:
            if child.poll() is not None:
                sys.exit(f"the writer ended by itself: {child.returncode}")
            said += child.stdout.read() or b""
            if first is None and b"acknowledged" in said:
                first = time.monotonic()
            time.sleep(0.002)
        child.send_signal(signal.SIGSTOP)
        time.sleep(0.005)
        said += child.stdout.read() or b""
        run("cp", "--sparse=always", disk, image)  # the power fails here
    finally:
        child.kill()
        child.wait()
    return int(re.findall(rb"acknowledged (\d+)\n", said)[-1])


def fail_power(work, lost):
    disk, image, at = (os.path.join(work, name) for name in ("disk", "image", "at"))
    ledger = os.path.join(at, "ledger.sqlite")
    run("mount", "-o", "loop", disk, at)
    try:
        seq = acknowledged_before_the_end(ledger, disk, image)
    finally:
        unmount(at)
    os.replace(image, disk)
    run("mount", "-o", "loop", disk, at)
    try:
        argv, env = test(judge, ledger, POINTSMAN_TEST_ACKNOWLEDGED=str(seq))
        judged = subprocess.run(argv, env=env, capture_output=True, text=True)
        if "1 passed" not in judged.stdout:
            why = [line for line in judged.stderr.splitlines() if line.strip()]
            lost.append(" ".join(why[1:2] or [judged.stdout[-200:]]))
            for name in os.listdir(at):
                if name.startswith("ledger"):
                    os.unlink(os.path.join(at, name))
    finally:
        unmount(at)


roomy = [place for place in ("/dev/shm", "/tmp") if os.path.isdir(place) and shutil.disk_usage(place).free > FREE_BYTES_MIN]
if not roomy:
    sys.exit(f"neither /dev/shm nor /tmp has {FREE_BYTES_MIN} bytes to spare")
with tempfile.TemporaryDirectory(dir=roomy[0]) as work:
    os.mkdir(os.path.join(work, "at"))
    run("truncate", "-s", "256M", os.path.join(work, "disk"))
    run("mkfs.ext4", "-q", "-F", os.path.join(work, "disk"))
    lost = []
    for _ in range(runs):
        fail_power(work, lost)
print(f"{len(lost)} of {runs} power losses lost what was acknowledged")
if lost:
    print(f"  the first: {lost[0]}", file=sys.stderr)
